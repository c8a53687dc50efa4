/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pixels.h"

#include "lib/glyphs.h"

#define COLUMNS_WANTED 120u
#define ROWS_WANTED    50u
#define LETTERS        0xaaaaaau /* light grey, as a VGA has it */
#define FIELD_MAX      16u       /* bits of a colour */
#define BYTES_MAX      4u
#define LINE_WORDS     (GLYPH_WIDTH * PIXELS_SCALE_MAX * BYTES_MAX / 8) /* of a cell, at most */

/* A store of eight bytes wherever they lie: memory that combines writes takes them best. */
struct word {
	uint64_t v;
} __attribute__((packed, may_alias));

static bool field_ok(struct pixel_field f, unsigned bytes)
{
	return f.bits != 0 && f.bits <= FIELD_MAX && f.at + f.bits <= 8 * bytes;
}

static bool format_ok(const struct pixel_format *f)
{
	return f->bytes >= 2 && f->bytes <= BYTES_MAX && field_ok(f->red, f->bytes) &&
	       field_ok(f->green, f->bytes) && field_ok(f->blue, f->bytes);
}

bool pixels_ok(const struct pixels *p)
{
	return format_ok(&p->format) && p->width != 0 && p->width <= PIXELS_SIDE_MAX &&
	       p->height != 0 && p->height <= PIXELS_SIDE_MAX && p->pitch <= PIXELS_PITCH_MAX &&
	       p->pitch >= p->width * p->format.bytes && p->start != 0 &&
	       p->start <= UINT64_MAX - pixels_size(p);
}

uint64_t pixels_size(const struct pixels *p)
{
	return (uint64_t)p->pitch * p->height;
}

static uint32_t field(struct pixel_field f, uint32_t eight)
{
	return (f.bits >= 8 ? eight << (f.bits - 8) : eight >> (8 - f.bits)) << f.at;
}

uint32_t pixels_colour(const struct pixels *p, uint32_t rgb)
{
	return field(p->format.red, rgb >> 16 & 0xff) |
	       field(p->format.green, rgb >> 8 & 0xff) | field(p->format.blue, rgb & 0xff);
}

struct pixel_grid pixels_grid(const struct pixels *p, unsigned most_cells)
{
	unsigned columns = p->width / GLYPH_WIDTH, rows = p->height / GLYPH_HEIGHT, scale = 1;

	while (scale < PIXELS_SCALE_MAX && columns / (scale + 1) >= COLUMNS_WANTED &&
		rows / (scale + 1) >= ROWS_WANTED)
		scale++;
	columns /= scale;
	rows /= scale;
	if (columns > most_cells)
		columns = most_cells;
	if (columns != 0 && rows > most_cells / columns)
		rows = most_cells / columns;
	return (struct pixel_grid){rows != 0 ? columns : 0, rows, scale};
}

static void store(volatile uint8_t *at, uint64_t v)
{
	((volatile struct word *)at)->v = v;
}

void pixels_clear(const struct pixels *p, volatile uint8_t *base)
{
	uint32_t bytes = p->width * p->format.bytes;

	for (uint32_t y = 0; y < p->height; y++, base += p->pitch) {
		uint32_t x = 0;

		for (; x + 8 <= bytes; x += 8)
			store(base + x, 0);
		for (; x < bytes; x++)
			base[x] = 0;
	}
}

/* A row of the pattern as pixels: always a multiple of 8 bytes. Returns how many words. */
static unsigned make_line(
	const struct pixels *p, unsigned scale, uint8_t bits, uint64_t line[LINE_WORDS])
{
	uint32_t ink = pixels_colour(p, LETTERS);
	unsigned at = 0, bytes = p->format.bytes;

	for (unsigned i = 0; i < LINE_WORDS; i++)
		line[i] = 0;
	for (unsigned bit = 0x80; bit != 0; bit >>= 1)
		for (unsigned k = 0; k < scale; k++) {
			uint32_t v = bits & bit ? ink : 0;

			for (unsigned i = 0; i < bytes; i++, at++, v >>= 8)
				line[at / 8] |= (uint64_t)(v & 0xff) << at % 8 * 8;
		}
	return at / 8;
}

void pixels_draw(const struct pixels *p, volatile uint8_t *base, const struct pixel_grid *g,
	unsigned column, unsigned row, char c)
{
	uint64_t line[LINE_WORDS];
	const uint8_t *glyph = glyph_of(c);
	volatile uint8_t *at = base + (uint64_t)row * GLYPH_HEIGHT * g->scale * p->pitch +
			       (uint64_t)column * GLYPH_WIDTH * g->scale * p->format.bytes;

	for (unsigned y = 0; y < GLYPH_HEIGHT; y++) {
		unsigned words = make_line(p, g->scale, glyph[y], line);

		for (unsigned k = 0; k < g->scale; k++, at += p->pitch)
			for (unsigned i = 0; i < words; i++)
				store(at + 8 * i, line[i]);
	}
}
