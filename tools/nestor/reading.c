/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text in pictures; see reading.h. The cells are those of the font, and lie from that pixel on
 * from which most of them are characters.
 */
#include "reading.h"

#include <string.h>

#define UNKNOWN '?'

/* A division of the picture into cells. */
struct grid {
	const struct font *font;
	uint32_t x, y; /* of the first cell */
	uint32_t columns, rows;
};

static struct grid grid_at(
	const struct raster *r, const struct font *font, uint32_t x, uint32_t y)
{
	return (struct grid){
		.font = font,
		.x = x,
		.y = y,
		.columns = r->width > x ? (r->width - x) / FONT_WIDTH : 0,
		.rows = r->height > y ? (r->height - y) / font->height : 0,
	};
}

/*
 * The pixels of a cell that are not of the colour of its first one. False: there are more than
 * two colours. *plain: there is one.
 */
static bool read_cell(const struct raster *r, const struct grid *g, uint32_t column,
	uint32_t row, uint8_t bits[FONT_HEIGHT], bool *plain)
{
	const uint32_t *at = r->pixels + (size_t)(g->y + row * g->font->height) * r->width +
			     g->x + (size_t)column * FONT_WIDTH;
	uint32_t first = *at, other = first;

	*plain = true;
	for (unsigned y = 0; y < g->font->height; y++, at += r->width) {
		bits[y] = 0;
		for (unsigned x = 0; x < FONT_WIDTH; x++) {
			if (at[x] == first)
				continue;
			if (*plain)
				other = at[x];
			else if (at[x] != other)
				return false;
			*plain = false;
			bits[y] |= (uint8_t)(0x80u >> x);
		}
	}
	return true;
}

/* Which of the two colours is that of the ground nobody knows. */
static uint16_t character_at(
	const struct raster *r, const struct grid *g, uint32_t column, uint32_t row)
{
	uint8_t bits[FONT_HEIGHT], inverse[FONT_HEIGHT];
	uint16_t found;
	bool plain;

	if (!read_cell(r, g, column, row, bits, &plain))
		return UNKNOWN;
	if (plain)
		return ' ';
	found = font_find(g->font, bits);
	for (unsigned y = 0; y < g->font->height; y++)
		inverse[y] = (uint8_t)~bits[y];
	found = found ? found : font_find(g->font, inverse);
	return found ? found : UNKNOWN;
}

/* How many cells are characters. */
static unsigned score(const struct raster *r, const struct grid *g)
{
	unsigned n = 0;

	for (uint32_t row = 0; row < g->rows; row++)
		for (uint32_t column = 0; column < g->columns; column++) {
			uint16_t c = character_at(r, g, column, row);

			n += c != ' ' && c != UNKNOWN;
		}
	return n;
}

static struct grid best_grid(const struct raster *r, const struct fonts *f)
{
	struct grid best = grid_at(r, &f->font[0], 0, 0);
	unsigned most = 0;

	for (unsigned i = 0; i < FONTS; i++)
		for (uint32_t y = 0; f->font[i].count && y < f->font[i].height; y++)
			for (uint32_t x = 0; x < FONT_WIDTH; x++) {
				struct grid g = grid_at(r, &f->font[i], x, y);
				unsigned n = score(r, &g);

				if (n > most) {
					most = n;
					best = g;
				}
			}
	return best;
}

char *reading_put(char *out, uint16_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
	} else {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (c & 0x3f));
	return out;
}

const char *reading_of(struct arena *a, const struct raster *r, const struct fonts *f)
{
	struct grid g = best_grid(r, f);
	char *text = arena_alloc(a, (size_t)g.rows * (g.columns * 3 + 1) + 1), *out = text;

	for (uint32_t row = 0; row < g.rows; row++) {
		char *line = out, *end = out;

		for (uint32_t column = 0; column < g.columns; column++) {
			uint16_t c = character_at(r, &g, column, row);

			out = reading_put(out, c);
			end = c == ' ' ? end : out;
		}
		out = end > line ? end : line;
		*out++ = '\n';
	}
	*out = 0;
	return text;
}
