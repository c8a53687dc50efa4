/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fonts that a VM draws text with, as they are found in its own images: in the VGA BIOS and
 * in a Linux kernel as 256 patterns of 8x16 pixels in the order of code page 437, in UEFI
 * firmware as a table of patterns of 8x19 pixels with their characters.
 */
#ifndef NESTOR_FONT_H
#define NESTOR_FONT_H

#include "arena.h"
#include "bytes.h"

#define FONT_WIDTH  8u
#define FONT_HEIGHT 19u /* at most */
#define FONT_GLYPHS 1024u
#define FONT_SLOTS  4096u /* more than FONT_GLYPHS, a power of two */
#define FONTS       2u

struct glyph {
	uint16_t character; /* Unicode; 0: no glyph */
	uint8_t rows[FONT_HEIGHT];
};

/* All glyphs of one height, from whatever images; the first one of a pattern counts. */
struct font {
	unsigned height;
	unsigned count;
	struct glyph slot[FONT_SLOTS]; /* by a hash of the rows */
};

struct fonts {
	struct font font[FONTS];
};

void fonts_init(struct fonts *f);

/*
 * Adds what is in an image, which may be any file: a packed Linux kernel and packed parts of
 * UEFI firmware are unpacked.
 */
void fonts_add(struct fonts *f, struct arena *a, const struct bytes *image);

/* The character of a pattern of @font->height rows; 0: it has none. */
uint16_t font_find(const struct font *font, const uint8_t *rows);

/* The pattern of a character; NULL: the font has none. */
const uint8_t *font_rows(const struct font *font, uint16_t character);

/* What a code of code page 437 is, as it is shown on a screen. */
uint16_t font_cp437(uint8_t code);

#endif
