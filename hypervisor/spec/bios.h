/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PC's firmware and its callers agree on: the BIOS data area, and what CMOS says shall
 * be done about a reset of the processor that is none of the machine. For assembly, too.
 */
#ifndef NESTOR_SPEC_BIOS_H
#define NESTOR_SPEC_BIOS_H

/* The BIOS data area: a segment, and offsets in it. */
#define BDA_SEGMENT      0x40
#define BDA_COM1         0x00 /* its port */
#define BDA_EBDA         0x0e /* segment */
#define BDA_EQUIPMENT    0x10
#define BDA_MEMORY       0x13 /* KiB */
#define BDA_KEY_HEAD     0x1a /* of the ring of keys; offsets in this segment */
#define BDA_KEY_TAIL     0x1c
#define BDA_MODE         0x49 /* of the screen */
#define BDA_COLUMNS      0x4a
#define BDA_PAGE_SIZE    0x4c
#define BDA_PAGE_START   0x4e
#define BDA_CURSOR       0x50 /* column, row; of each of 8 pages */
#define BDA_CURSOR_LINES 0x60 /* the last one, the first one */
#define BDA_PAGE         0x62
#define BDA_CRTC         0x63 /* its port */
#define BDA_CGA_MODE     0x65 /* what a CGA's registers would have */
#define BDA_CGA_COLOURS  0x66
#define BDA_RESUME       0x67 /* where the processor goes on: offset, segment */
#define BDA_TICKS        0x6c
#define BDA_MIDNIGHT     0x70
#define BDA_DISK_STATUS  0x74
#define BDA_KEYS_START   0x80
#define BDA_KEYS_END     0x82
#define BDA_LAST_ROW     0x84
#define BDA_LINES        0x85 /* of a character */
#define BDA_EGA          0x87
#define BDA_EGA_SWITCHES 0x88
#define BDA_VGA          0x89

#ifndef __ASSEMBLER__
/* The address of a field of the BIOS data area. */
static inline unsigned bda_at(unsigned offset)
{
	return BDA_SEGMENT * 16u + offset;
}
#endif

#define CMOS_SHUTDOWN        0x0f /* a register, of these values: */
#define CMOS_SHUTDOWN_RESUME 0x05 /* an EOI, then on at BDA_RESUME */
#define CMOS_SHUTDOWN_JUMP   0x0a /* on at BDA_RESUME */

/* Where a virtual processor begins then: a choice of ours, within the BIOS. */
#define BIOS_RESUME_VECTOR 0xff /* of a start-up IPI: segment FF00H */

#endif
