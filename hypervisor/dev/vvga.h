/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text mode of a VGA: the registers that it needs, in a device of bytes. Not here: the text
 * memory, which is RAM of the VM like any other, and who looks at it (vm/screen.c). Of graphics
 * there is nothing: planes, latches and fonts have no effect.
 */
#ifndef NESTOR_DEV_VVGA_H
#define NESTOR_DEV_VVGA_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/vga.h"

struct platform;

/* All zero without config.vga; else each register has no bits but those of a VGA. */
struct vvga_state {
	uint8_t crtc[VGA_CRTC_COUNT];
	uint8_t sequencer[VGA_SEQ_COUNT];
	uint8_t graphics[VGA_GFX_COUNT];
	uint8_t attribute[VGA_ATTR_COUNT];
	uint8_t misc;
	uint8_t crtc_index, sequencer_index, graphics_index; /* of any size */
	uint8_t attribute_index; /* and whether the palette is shown */
	uint8_t attribute_data;  /* flag: the next byte to the index port is data */
	uint8_t dac_mask, dac_index;
	uint8_t dac_part;  /* 0 to 2: which colour of the entry is next */
	uint8_t dac_reads; /* flag: the index was set to read */
	uint8_t reserved[2];
	uint8_t dac[VGA_DAC_COUNT][3]; /* red, green, blue; 6 bits */
};

struct vvga {
	struct vvga_state s;
};

#define VVGA_CELLS (VGA_TEXT_SIZE / 2) /* a character and its attribute each */
#define VVGA_NONE  UINT32_MAX

/* What the registers say of the screen. */
struct vvga_view {
	uint32_t columns, rows;       /* 0: it shows no text; together up to VVGA_CELLS */
	uint32_t start, pitch;        /* of the first row, and from one to the next, in cells */
	uint32_t cursor;              /* a cell, or VVGA_NONE */
	uint32_t lines;               /* of a character: 1 to 32 */
	uint32_t first, last;         /* of these, the cursor's */
	bool blank;                   /* the screen is off */
	bool blinks;                  /* bit 7 of an attribute is not of the colour behind */
	uint32_t colour[VGA_COLOURS]; /* red, green, blue, 8 bits each */
};

void vvga_reset(struct platform *p);
/* Port handler. Without config.vga there is no such device. */
bool vvga_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);

/* Any state, also one that a guest has made as bad as it can. */
void vvga_look(const struct vvga_state *s, struct vvga_view *v);
/* Which cell of the text memory is there; below VVGA_CELLS, wherever x and y are. */
uint32_t vvga_cell(const struct vvga_view *v, uint32_t x, uint32_t y);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vvga_get_state(const struct vvga *v, struct vvga_state *s);
bool vvga_valid_state(const struct platform *p, const struct vvga_state *s);
bool vvga_set_state(struct platform *p, const struct vvga_state *s);

#endif
