/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registers of a VGA have in BIOS mode 3, 80x25 characters of 16 lines: numbers alone,
 * for assembly, too. The names are those of IBM's reference (docs/references.md).
 */
#ifndef NESTOR_SPEC_VGA_MODE_H
#define NESTOR_SPEC_VGA_MODE_H

#define VGA_MODE_TEXT 3 /* of the BIOS: 80 columns, 16 colours */

/* From register 0 on. */
#define VGA_TEXT_CRTC                                                                       \
	0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, \
		0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff
#define VGA_TEXT_SEQUENCER 0x03, 0x00, 0x03, 0x00, 0x02
#define VGA_TEXT_GRAPHICS  0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff
#define VGA_TEXT_ATTRIBUTE                                                                  \
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, \
		0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00
#define VGA_TEXT_MISC 0x67

/* An entry of the palette has two bits of each colour: of 63, what each of them weighs. */
#define VGA_DAC_TEXT_COUNT 64
#define VGA_DAC_THIRD      0x15

#ifndef __ASSEMBLER__
_Static_assert(sizeof((unsigned char[]){VGA_TEXT_CRTC}) == 25, "a byte a register");
_Static_assert(sizeof((unsigned char[]){VGA_TEXT_ATTRIBUTE}) == 21, "a byte a register");
#endif

#endif
