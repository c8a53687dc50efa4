/* SPDX-License-Identifier: Apache-2.0 */
/* Fonts in images; see font.h. They are known by their shape: nothing of them is in here. */
#include "font.h"

#include <string.h>

#include "kernel.h"
#include "unpack.h"

#define VGA_HEIGHT    16u
#define VGA_GLYPHS    256u
#define NARROW_HEIGHT 19u
#define NARROW_SIZE   22u /* character, attributes, rows */
#define LZMA_HEADER   13u

/* Signs of code page 437 where ASCII has what is not shown; 0 is a blank. */
static const uint16_t signs[32] = {
	' ', 0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022,    /* 00H */
	0x25d8, 0x25cb, 0x25d9, 0x2642, 0x2640, 0x266a, 0x266b, 0x263c, /* 08H */
	0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7, 0x25ac, 0x21a8, /* 10H */
	0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc, /* 18H */
};
#define HOUSE 0x2302 /* 7FH */

/* The upper half of code page 437. */
static const uint16_t cp437[128] = {
	0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, /* 80H */
	0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5, /* 88H */
	0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, /* 90H */
	0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, /* 98H */
	0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba, /* A0H */
	0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb, /* A8H */
	0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, /* B0H */
	0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510, /* B8H */
	0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, /* C0H */
	0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567, /* C8H */
	0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, /* D0H */
	0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580, /* D8H */
	0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, /* E0H */
	0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229, /* E8H */
	0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248, /* F0H */
	0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0, /* F8H */
};

uint16_t font_cp437(uint8_t code)
{
	if (code < 0x20)
		return signs[code];
	if (code == 0x7f)
		return HOUSE;
	return code < 0x7f ? code : cp437[code - 0x80];
}

/* ---- glyphs ---- */

static unsigned hash(const uint8_t *rows, unsigned height)
{
	uint32_t h = 2166136261u;

	for (unsigned i = 0; i < height; i++)
		h = (h ^ rows[i]) * 16777619u;
	return (h ^ h >> 16) % FONT_SLOTS;
}

/* Where the pattern is, or would be. */
static unsigned slot_of(const struct font *font, const uint8_t *rows)
{
	unsigned at = hash(rows, font->height);

	while (font->slot[at].character && memcmp(font->slot[at].rows, rows, font->height) != 0)
		at = (at + 1) % FONT_SLOTS;
	return at;
}

/* Not what a terminal would take for more than a sign, and no half of one. */
static bool is_sign(uint16_t c)
{
	return c >= ' ' && (c < 0x7f || c > 0x9f) && (c < 0xd800 || c > 0xdfff);
}

static void add(struct font *font, uint16_t character, const uint8_t *rows)
{
	struct glyph *g = &font->slot[slot_of(font, rows)];

	if (!is_sign(character) || g->character || font->count == FONT_GLYPHS)
		return;
	g->character = character;
	memcpy(g->rows, rows, font->height);
	font->count++;
}

uint16_t font_find(const struct font *font, const uint8_t *rows)
{
	return font->slot[slot_of(font, rows)].character;
}

const uint8_t *font_rows(const struct font *font, uint16_t character)
{
	for (unsigned i = 0; i < FONT_SLOTS; i++)
		if (font->slot[i].character == character)
			return font->slot[i].rows;
	return NULL;
}

void fonts_init(struct fonts *f)
{
	memset(f, 0, sizeof(*f));
	f->font[0].height = VGA_HEIGHT;
	f->font[1].height = NARROW_HEIGHT;
}

/* ---- 8x16, in the order of code page 437 ---- */

static bool all_rows(const uint8_t *rows, unsigned from, unsigned to, uint8_t value)
{
	for (unsigned i = from; i < to; i++)
		if (rows[i] != value)
			return false;
	return true;
}

/* Blanks and blocks are what they are in any such font; letters are there. */
static bool is_vga(const uint8_t *glyphs)
{
	const uint8_t *of_block = glyphs + 0xdb * VGA_HEIGHT;

	return all_rows(of_block, 0, VGA_HEIGHT, 0xff) &&
	       all_rows(glyphs + 0xdd * VGA_HEIGHT, 0, VGA_HEIGHT, 0xf0) &&
	       all_rows(glyphs + 0xde * VGA_HEIGHT, 0, VGA_HEIGHT, 0x0f) &&
	       all_rows(glyphs, 0, VGA_HEIGHT, 0) &&
	       all_rows(glyphs + ' ' * VGA_HEIGHT, 0, VGA_HEIGHT, 0) &&
	       !all_rows(glyphs + 'A' * VGA_HEIGHT, 0, VGA_HEIGHT, 0);
}

/* ASCII first: others look the same as some of it. */
static void add_vga(struct font *font, const uint8_t *glyphs)
{
	for (unsigned c = ' '; c < 0x7f; c++)
		add(font, (uint16_t)c, glyphs + c * VGA_HEIGHT);
	for (unsigned c = 0x80; c < VGA_GLYPHS; c++)
		add(font, cp437[c - 0x80], glyphs + c * VGA_HEIGHT);
}

/* The full block is found first, which is rare. */
static void find_vga(struct font *font, const struct bytes *b)
{
	uint8_t block[VGA_HEIGHT];
	size_t from = 0xdb * VGA_HEIGHT, rest = (VGA_GLYPHS - 0xdb) * VGA_HEIGHT;
	const uint8_t *at;

	memset(block, 0xff, sizeof(block));
	while (from < b->size && b->size - from >= rest) {
		at = memmem(b->data + from, b->size - from - rest + VGA_HEIGHT, block,
			sizeof(block));
		if (!at)
			return;
		from = (size_t)(at - b->data) + 1;
		if (is_vga(at - 0xdb * VGA_HEIGHT)) {
			add_vga(font, at - 0xdb * VGA_HEIGHT);
			return;
		}
	}
}

/* ---- 8x19, of UEFI ---- */

static uint16_t narrow_character(const uint8_t *glyph)
{
	return (uint16_t)(glyph[0] | glyph[1] << 8);
}

/* All of ASCII in its order, without attributes. */
static bool is_narrow(const uint8_t *glyphs)
{
	for (unsigned c = ' '; c < 0x7f; c++, glyphs += NARROW_SIZE)
		if (narrow_character(glyphs) != c || glyphs[2] != 0)
			return false;
	return true;
}

static void find_narrow(struct font *font, const struct bytes *b)
{
	static const uint8_t space[NARROW_SIZE] = {' '};
	const size_t ascii = (0x7f - ' ') * NARROW_SIZE;
	const uint8_t *at = b->data, *end = b->data + b->size;

	while ((at = memmem(at, (size_t)(end - at), space, sizeof(space)))) {
		if ((size_t)(end - at) < ascii)
			return;
		if (is_narrow(at))
			break;
		at++;
	}
	/* Up to the entry without character that ends it, or whatever is no glyph. */
	for (; at && (size_t)(end - at) >= NARROW_SIZE && narrow_character(at) && at[2] <= 3;
		at += NARROW_SIZE)
		add(font, narrow_character(at), at + 3);
}

/* ---- images ---- */

/*
 * A section of UEFI firmware that is packed by LZMA, known by the GUID
 * EE4E5898-3914-4259-9D6E-DC7BD79403CF: before it a header of 4 bytes, behind it where its data
 * begin, from that header on (16 bits).
 */
static bool unpack_section(
	struct arena *a, const struct bytes *image, size_t guid, struct bytes *out)
{
	uint64_t offset = bytes_value(image, guid + 16, 2), size;
	struct bytes packed;

	if (guid < 4)
		return false;
	packed = bytes_slice(image, guid - 4 + offset, image->size);
	size = bytes_value(&packed, 5, 8);
	return packed.size > LZMA_HEADER && size <= UNPACK_LIMIT / 8 &&
	       !unpack(a, &packed, (size_t)size, out);
}

static void add_sections(struct fonts *f, struct arena *a, const struct bytes *image)
{
	static const uint8_t lzma[16] = {0x98, 0x58, 0x4e, 0xee, 0x14, 0x39, 0x59, 0x42, 0x9d,
		0x6e, 0xdc, 0x7b, 0xd7, 0x94, 0x03, 0xcf};
	size_t from = 0;
	const uint8_t *at;
	struct bytes section;

	while ((at = memmem(image->data + from, image->size - from, lzma, sizeof(lzma)))) {
		size_t guid = (size_t)(at - image->data);

		if (unpack_section(a, image, guid, &section))
			find_narrow(&f->font[1], &section);
		from = guid + sizeof(lzma);
	}
}

void fonts_add(struct fonts *f, struct arena *a, const struct bytes *image)
{
	struct kernel k;

	if (!image->size)
		return;
	find_vga(&f->font[0], image);
	find_narrow(&f->font[1], image);
	add_sections(f, a, image);
	if (bytes_match(image, 0x202, "HdrS", 4) && !kernel_parse(a, image, &k))
		find_vga(&f->font[0], &k.image);
}
