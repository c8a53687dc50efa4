/* SPDX-License-Identifier: Apache-2.0 */
/* Screens of text; see cells.h. */
#include "cells.h"

#include <string.h>

#include "lib/glyphs.h"
#include "lib/picture.h"
#include "reading.h"
#include "record.h"

#define CODES      256u
#define LINES_MAX  32u
#define FIRST_LINE 0xb3u /* codes of lines that meet, */
#define LAST_LINE  0xdau
#define BLOCK      0xdbu
#define MIDDLE     8u /* the row where single lines cross */

_Static_assert(GLYPH_HEIGHT == CELL_HEIGHT && GLYPH_WIDTH == CELL_WIDTH, "glyphs fill cells");

struct pattern {
	uint8_t row[CELL_HEIGHT];
};

/* ---- records ---- */

static bool read_colours(const char *line, uint32_t colour[CELLS_COLOURS])
{
	uint8_t rgb[CELLS_COLOURS * 3];

	if (record_bytes(line, "colours", rgb, sizeof(rgb)) != sizeof(rgb))
		return false;
	for (unsigned i = 0; i < CELLS_COLOURS; i++)
		colour[i] = (uint32_t)(rgb[3 * i] << 16 | rgb[3 * i + 1] << 8 | rgb[3 * i + 2]);
	return true;
}

bool cells_of_record(const char *line, struct cells *c)
{
	uint64_t columns = record_number(line, "width"), rows = record_number(line, "height");
	uint64_t lines = record_number(line, "lines");

	if (columns == 0 || rows == 0 || rows > CELLS_MAX / columns || lines == 0 ||
		lines > LINES_MAX)
		return false;
	*c = (struct cells){
		.columns = (uint32_t)columns,
		.rows = (uint32_t)rows,
		.lines = (uint32_t)lines,
		.first = (uint32_t)record_number(line, "first") % LINES_MAX,
		.last = (uint32_t)record_number(line, "last") % LINES_MAX,
		.blinks = record_number(line, "blinks") != 0,
	};
	return read_colours(line, c->colour);
}

/* ---- text ---- */

const char *cells_text(struct arena *a, const struct cells *c)
{
	char *text = arena_alloc(a, (size_t)c->rows * (c->columns * 3 + 1) + 1), *out = text;
	const uint32_t *cell = c->cell;

	for (uint32_t row = 0; row < c->rows; row++) {
		char *end = out;

		for (uint32_t column = 0; column < c->columns; column++) {
			uint16_t character = font_cp437((uint8_t)*cell++);

			out = reading_put(out, character);
			end = character == ' ' ? end : out;
		}
		out = end;
		*out++ = '\n';
	}
	*out = 0;
	return text;
}

/* ---- patterns ---- */

/*
 * Lines from the middle up, to the right, down and to the left, a digit each: 1 is single, 2 is
 * double.
 */
static const uint16_t arms[LAST_LINE - FIRST_LINE + 1] = {
	0x1010, 0x1011, 0x1012, 0x2021, 0x0021, 0x0012, 0x2022, 0x2020, /* B3H */
	0x0022, 0x2002, 0x2001, 0x1002, 0x0011, 0x1100, 0x1101, 0x0111, /* BBH */
	0x1110, 0x0101, 0x1111, 0x1210, 0x2120, 0x2200, 0x0220, 0x2202, /* C3H */
	0x0222, 0x2220, 0x0202, 0x2222, 0x1202, 0x2101, 0x0212, 0x0121, /* CBH */
	0x2100, 0x1200, 0x0210, 0x0120, 0x2121, 0x1212, 0x1001, 0x0110, /* D3H */
};

#define ACROSS_MIDDLE 0x18u /* columns of lines up and down, */
#define ACROSS_DOUBLE 0x24u
#define TO_RIGHT      0x1fu /* and those from the middle to a side */
#define TO_LEFT       0xf8u

static void draw_upright(struct pattern *p, unsigned kind, unsigned from, unsigned to)
{
	for (unsigned y = from; kind != 0 && y < to; y++)
		p->row[y] |= kind == 1 ? ACROSS_MIDDLE : ACROSS_DOUBLE;
}

static void draw_level(struct pattern *p, unsigned kind, uint8_t columns)
{
	if (kind == 1)
		p->row[MIDDLE] |= columns;
	if (kind == 2) {
		p->row[MIDDLE - 1] |= columns;
		p->row[MIDDLE + 1] |= columns;
	}
}

static void draw_arms(struct pattern *p, unsigned a)
{
	draw_upright(p, a >> 12, 0, MIDDLE + 1);
	draw_upright(p, a >> 4 & 0xf, MIDDLE, CELL_HEIGHT);
	draw_level(p, a >> 8 & 0xf, TO_RIGHT);
	draw_level(p, a & 0xf, TO_LEFT);
}

/* Shades and halves of a cell. False: the code is none. */
static bool draw_block(struct pattern *p, unsigned code)
{
	static const struct {
		uint8_t code, even, odd; /* rows */
		uint8_t from, to;
	} blocks[] = {
		{0xb0, 0x22, 0x88, 0, CELL_HEIGHT},
		{0xb1, 0x55, 0xaa, 0, CELL_HEIGHT},
		{0xb2, 0xdd, 0x77, 0, CELL_HEIGHT},
		{BLOCK, 0xff, 0xff, 0, CELL_HEIGHT},
		{0xdc, 0xff, 0xff, MIDDLE, CELL_HEIGHT},
		{0xdd, 0xf0, 0xf0, 0, CELL_HEIGHT},
		{0xde, 0x0f, 0x0f, 0, CELL_HEIGHT},
		{0xdf, 0xff, 0xff, 0, MIDDLE},
	};

	for (unsigned i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		if (blocks[i].code != code)
			continue;
		for (unsigned y = blocks[i].from; y < blocks[i].to; y++)
			p->row[y] = y % 2 ? blocks[i].odd : blocks[i].even;
		return true;
	}
	return false;
}

/* What no font has is a question mark, but in the text it is what it is. */
static void make_pattern(struct pattern *p, const struct fonts *f, unsigned code)
{
	uint16_t character = font_cp437((uint8_t)code);
	const uint8_t *rows = font_rows(&f->font[0], character);

	memset(p, 0, sizeof(*p));
	if (character == ' ')
		return;
	if (rows)
		memcpy(p->row, rows, CELL_HEIGHT);
	else if (code >= FIRST_LINE && code <= LAST_LINE)
		draw_arms(p, arms[code - FIRST_LINE]);
	else if (!draw_block(p, code))
		memcpy(p->row, glyph_of(code < 0x7f ? (char)code : '?'), CELL_HEIGHT);
}

/* ---- picture ---- */

static void draw_cell(const struct cells *c, uint32_t cell, const struct pattern *p,
	uint32_t *at, uint32_t pitch)
{
	uint32_t ink = c->colour[cell >> 8 & 0xf];
	uint32_t ground = c->colour[cell >> 12 & (c->blinks ? 7 : 0xf)];
	bool cursor = cell & PICTURE_CURSOR;

	for (unsigned y = 0; y < CELL_HEIGHT; y++, at += pitch) {
		unsigned line = y * c->lines / CELL_HEIGHT;
		uint8_t bits = p->row[y];

		if (cursor && line >= c->first && line <= c->last)
			bits = 0xff;
		for (unsigned x = 0; x < CELL_WIDTH; x++)
			at[x] = bits & 0x80u >> x ? ink : ground;
	}
}

struct raster cells_draw(struct arena *a, const struct cells *c, const struct fonts *f)
{
	uint32_t width = c->columns * CELL_WIDTH, height = c->rows * CELL_HEIGHT;
	uint32_t *pixels = arena_alloc(a, (size_t)width * height * sizeof(*pixels));
	struct pattern *patterns = arena_alloc(a, CODES * sizeof(*patterns));

	for (unsigned code = 0; code < CODES; code++)
		make_pattern(&patterns[code], f, code);
	for (uint32_t i = 0; i < c->columns * c->rows; i++)
		draw_cell(c, c->cell[i], &patterns[c->cell[i] & 0xff],
			pixels + (size_t)(i / c->columns) * CELL_HEIGHT * width +
				i % c->columns * CELL_WIDTH,
			width);
	return (struct raster){width, height, pixels};
}
