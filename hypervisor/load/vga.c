/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel that was started without firmware finds of a VGA in text mode: the screen as a
 * BIOS leaves it, and what the BIOS data area says of it.
 */
#include "load/load_int.h"

#include "spec/bios.h"
#include "spec/vga.h"

#define EQUIPMENT_COLUMNS 0x20u /* bits 5:4: it starts with 80 columns, in colour */

/* Of the BIOS data area; all else about the screen is 0: page 0, the cursor at the top left. */
static const struct {
	uint8_t at;
	uint16_t value;
	uint8_t size;
} bda[] = {
	{BDA_MODE, VGA_MODE_TEXT, 1}, {BDA_COLUMNS, VGA_COLUMNS, 2}, {BDA_PAGE_SIZE, 0x1000, 2},
	{BDA_CURSOR_LINES, 0x0d0e, 2}, {BDA_CRTC, VGA_CRTC_INDEX, 2}, {BDA_CGA_MODE, 0x29, 1},
	{BDA_CGA_COLOURS, 0x30, 1}, {BDA_LAST_ROW, VGA_ROWS - 1, 1}, {BDA_LINES, VGA_LINES, 2},
	{BDA_EGA, 0x60, 1},                              /* 256 KiB */
	{BDA_EGA_SWITCHES, 0xf9, 1}, {BDA_VGA, 0x51, 1}, /* text of 400 lines */
};

void vga_put(const struct load_target *t)
{
	uint8_t *text = ram_at(t, VGA_TEXT, VGA_TEXT_SIZE);
	uint8_t *equipment = ram_at(t, bda_at(BDA_EQUIPMENT), 1);

	if (!t->vga)
		return;
	for (uint32_t i = 0; i < VGA_TEXT_SIZE; i += 2) {
		text[i] = VGA_BLANK & 0xff;
		text[i + 1] = VGA_BLANK >> 8;
	}
	*equipment |= EQUIPMENT_COLUMNS;
	for (unsigned i = 0; i < sizeof(bda) / sizeof(bda[0]); i++)
		(void)ram_write(t, bda_at(bda[i].at), &bda[i].value, bda[i].size);
}
