/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts of the VGA that its text mode needs: ports, registers, where its text is. The names are
 * those of IBM's reference for it (docs/references.md).
 */
#ifndef NESTOR_SPEC_VGA_H
#define NESTOR_SPEC_VGA_H

#include "spec/vga_mode.h"

#define VGA_TEXT      0xb8000u /* guest-physical */
#define VGA_TEXT_SIZE 0x8000u
#define VGA_COLUMNS   80u
#define VGA_ROWS      25u
#define VGA_LINES     16u /* of a character */
#define VGA_COLOURS   16u
#define VGA_BLANK     0x0720u /* a cell: a space, light grey on black */

/* Where the CRT controller and input status 1 are with VGA_MISC_COLOUR; else 0x20 below. */
#define VGA_CRTC_INDEX     0x3d4u
#define VGA_CRTC_DATA      0x3d5u
#define VGA_INPUT_STATUS_1 0x3dau
#define VGA_MONO_OFFSET    0x20u

#define VGA_ATTRIBUTE_INDEX 0x3c0u /* and its data, in turn */
#define VGA_ATTRIBUTE_READ  0x3c1u
#define VGA_MISC_WRITE      0x3c2u /* read: input status 0 */
#define VGA_SEQ_INDEX       0x3c4u
#define VGA_SEQ_DATA        0x3c5u
#define VGA_DAC_MASK        0x3c6u
#define VGA_DAC_READ        0x3c7u /* read: which way the data go */
#define VGA_DAC_WRITE       0x3c8u
#define VGA_DAC_DATA        0x3c9u
#define VGA_FEATURE_READ    0x3cau
#define VGA_MISC_READ       0x3ccu
#define VGA_GFX_INDEX       0x3ceu
#define VGA_GFX_DATA        0x3cfu

#define VGA_CRTC_COUNT 25u
#define VGA_SEQ_COUNT  5u
#define VGA_GFX_COUNT  9u
#define VGA_ATTR_COUNT 21u
#define VGA_DAC_COUNT  256u

/* CRT controller */
enum vga_crtc {
	CRTC_LAST_COLUMN = 0x01,
	CRTC_OVERFLOW = 0x07,
	CRTC_CHARACTER = 0x09,
	CRTC_CURSOR_START = 0x0a,
	CRTC_CURSOR_END = 0x0b,
	CRTC_START_HIGH = 0x0c,
	CRTC_START_LOW = 0x0d,
	CRTC_CURSOR_HIGH = 0x0e,
	CRTC_CURSOR_LOW = 0x0f,
	CRTC_RETRACE_END = 0x11,
	CRTC_LAST_LINE = 0x12,
	CRTC_ROW = 0x13
};

#define OVERFLOW_LAST_LINE_8 0x02u
#define OVERFLOW_LAST_LINE_9 0x40u
#define OVERFLOW_COMPARE_8   0x10u /* is not protected */
#define CHARACTER_LINES      0x1fu
#define CHARACTER_TWICE      0x80u
#define CURSOR_OFF           0x20u
#define CURSOR_LINE          0x1fu
#define RETRACE_END_PROTECT  0x80u /* registers 0 to 7 */

/* Sequencer, graphics controller, attribute controller, whose first 16 are the palette. */
#define SEQ_CLOCKING        1u
#define CLOCKING_SCREEN_OFF 0x20u
#define GFX_MISC            6u
#define GFX_MISC_GRAPHICS   0x01u
#define ATTR_MODE           0x10u
#define ATTR_PLANES         0x12u
#define ATTR_COLOUR_SELECT  0x14u
#define ATTR_MODE_GRAPHICS  0x01u
#define ATTR_MODE_BLINK     0x08u
#define ATTR_MODE_SELECT    0x80u /* bits 5:4 of colours are those of COLOUR_SELECT */
#define ATTR_INDEX          0x1fu
#define ATTR_PALETTE_SHOWN  0x20u /* of the index */

#define VGA_MISC_COLOUR  0x01u
#define STATUS_0_SENSE   0x10u
#define STATUS_1_OFF     0x01u /* neither text nor pixels are sent now */
#define STATUS_1_RETRACE 0x08u
#define DAC_READS        3u

#endif
