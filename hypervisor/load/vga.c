/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel that was started without firmware finds of a VGA in text mode: the screen as a
 * BIOS leaves it, and what the BIOS data area says of it.
 */
#include "load/load_int.h"

#include "spec/vga.h"

#define EQUIPMENT_WORD    0x410u /* of the BIOS data area */
#define EQUIPMENT_COLUMNS 0x20u  /* bits 5:4: it starts with 80 columns, in colour */

/* Of the screen; all else there is 0: page 0, the cursor at the top left. */
static const struct {
	uint16_t at;
	uint16_t value;
	uint8_t size;
} bda[] = {
	{0x449, VGA_MODE_TEXT, 1}, {0x44a, VGA_COLUMNS, 2}, {0x44c, 0x1000, 2}, /* a page */
	{0x460, 0x0d0e, 2}, /* the cursor: its first and its last line */
	{0x463, VGA_CRTC_INDEX, 2}, {0x465, 0x29, 1},                      /* a CGA's mode, */
	{0x466, 0x30, 1},                                                  /* and its colours */
	{0x484, VGA_ROWS - 1, 1}, {0x485, VGA_LINES, 2}, {0x487, 0x60, 1}, /* 256 KiB */
	{0x488, 0xf9, 1}, {0x489, 0x51, 1}, /* a VGA, text of 400 lines */
};

void vga_put(const struct load_target *t)
{
	uint8_t *text = ram_at(t, VGA_TEXT, VGA_TEXT_SIZE);
	uint8_t *equipment = ram_at(t, EQUIPMENT_WORD, 1);

	if (!t->vga || text == NULL || equipment == NULL)
		return;
	for (uint32_t i = 0; i < VGA_TEXT_SIZE; i += 2) {
		text[i] = VGA_BLANK & 0xff;
		text[i + 1] = VGA_BLANK >> 8;
	}
	*equipment |= EQUIPMENT_COLUMNS;
	for (unsigned i = 0; i < sizeof(bda) / sizeof(bda[0]); i++)
		(void)ram_write(t, bda[i].at, &bda[i].value, bda[i].size);
}
