/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/text_screen.h"

#include "cpu/mem.h"

#define COLOURS 0x0700u /* light grey on black */

static struct {
	volatile uint16_t *cells; /* of a VGA; NULL: it has none */
	volatile uint8_t *base;   /* of the frame buffer; likewise */
	struct pixels pixels;
	struct pixel_grid grid; /* without columns there is no screen */
	unsigned column;        /* of the next character, in the last line */
	bool drawing;
	bool pending;                  /* atomic */
	bool dirty[TEXT_SCREEN_ROWS];  /* lines that differ from what is shown */
	char text[TEXT_SCREEN_CELLS];  /* line by line */
	char shown[TEXT_SCREEN_CELLS]; /* NUL: nobody knows */
} screen;

static void touch(unsigned row)
{
	screen.dirty[row] = true;
	__atomic_store_n(&screen.pending, true, __ATOMIC_RELAXED);
}

/* Blank lines; nobody knows what the screen shows. */
static void begin(struct pixel_grid g)
{
	bool fits = g.columns != 0 && g.rows != 0 && g.rows <= TEXT_SCREEN_ROWS &&
		    g.rows <= TEXT_SCREEN_CELLS / g.columns;

	memset(&screen, 0, sizeof(screen));
	if (!fits)
		return;
	screen.grid = g;
	memset(screen.text, ' ', g.columns * g.rows);
}

void text_screen_use(volatile uint16_t *cells, unsigned columns, unsigned rows)
{
	begin((struct pixel_grid){cells != NULL ? columns : 0, rows, 1});
	screen.cells = cells;
	for (unsigned i = 0; i < screen.grid.rows; i++)
		touch(i);
}

static struct pixel_grid grid_of(const struct pixels *p)
{
	struct pixel_grid g = pixels_grid(p, TEXT_SCREEN_CELLS);

	if (g.rows > TEXT_SCREEN_ROWS)
		g.rows = TEXT_SCREEN_ROWS;
	return g;
}

void text_screen_use_pixels(const struct pixels *p, volatile uint8_t *base)
{
	begin(grid_of(p));
	screen.pixels = *p;
	screen.base = base;
}

void text_screen_clear(volatile uint8_t *base)
{
	if (screen.grid.columns == 0 || screen.cells != NULL)
		return;
	screen.base = base;
	pixels_clear(&screen.pixels, base);
	memset(screen.shown, ' ', sizeof(screen.shown));
	for (unsigned i = 0; i < screen.grid.rows; i++)
		touch(i);
}

/* ---- lines in memory ---- */

static char *row_of(unsigned row)
{
	return screen.text + row * screen.grid.columns;
}

/* All goes up by one. */
static void next_line(void)
{
	unsigned columns = screen.grid.columns, last = screen.grid.rows - 1;

	for (unsigned i = 0; i < last; i++)
		if (memcmp(row_of(i), row_of(i + 1), columns) != 0) {
			memcpy(row_of(i), row_of(i + 1), columns);
			touch(i);
		}
	memset(row_of(last), ' ', columns);
	touch(last);
	screen.column = 0;
}

static void put(char c)
{
	if (screen.column == screen.grid.columns)
		next_line();
	row_of(screen.grid.rows - 1)[screen.column++] = c >= ' ' && c <= '~' ? c : '?';
	touch(screen.grid.rows - 1);
}

void text_screen_write(const char *s, size_t size)
{
	for (size_t i = 0; screen.grid.columns != 0 && i < size; i++) {
		if (s[i] == '\n')
			next_line();
		else if (s[i] == '\t')
			put(' ');
		else if (s[i] != '\r')
			put(s[i]);
	}
}

/* ---- from there to the screen ---- */

bool text_screen_pending(void)
{
	return __atomic_load_n(&screen.pending, __ATOMIC_RELAXED);
}

static void draw_cell(unsigned row, unsigned column, char c)
{
	unsigned cell = row * screen.grid.columns + column;

	if (screen.cells != NULL)
		screen.cells[cell] = (uint16_t)(COLOURS | (uint8_t)c);
	else
		pixels_draw(&screen.pixels, screen.base, &screen.grid, column, row, c);
	screen.shown[cell] = c;
}

/* What is left of @cells, which is not 0. */
static uint32_t draw_row(unsigned row, uint32_t cells)
{
	unsigned columns = screen.grid.columns;
	const char *text = row_of(row), *shown = screen.shown + row * columns;

	for (unsigned i = 0; i < columns; i++) {
		if (text[i] == shown[i])
			continue;
		draw_cell(row, i, text[i]);
		if (--cells == 0)
			return 0;
	}
	screen.dirty[row] = false;
	return cells;
}

/*
 * One that began before and did not come to its end was a fault of the screen's memory: it is
 * not touched any more, since the report of that fault comes here, too.
 */
void text_screen_draw(uint32_t cells)
{
	if (!text_screen_pending() || (screen.cells == NULL && screen.base == NULL))
		return;
	if (screen.drawing) {
		begin((struct pixel_grid){0});
		return;
	}
	screen.drawing = true;
	for (unsigned row = screen.grid.rows; row-- > 0 && cells != 0;)
		if (screen.dirty[row])
			cells = draw_row(row, cells);
	if (cells != 0)
		__atomic_store_n(&screen.pending, false, __ATOMIC_RELAXED);
	screen.drawing = false;
}

void text_screen_interrupted(void)
{
	screen.drawing = false;
	memset(screen.shown, 0, sizeof(screen.shown));
	for (unsigned i = 0; i < screen.grid.rows; i++)
		touch(i);
}

uint64_t text_screen_start(void)
{
	return screen.grid.columns != 0 ? screen.pixels.start : 0;
}

bool text_screen_meets(uint64_t first, uint64_t size)
{
	const struct pixels *p = &screen.pixels;

	return text_screen_start() != 0 && first < p->start + pixels_size(p) &&
	       (first >= p->start ? size != 0 : p->start - first < size);
}

bool text_screen_is_vga(void)
{
	return screen.cells != NULL && screen.grid.columns != 0;
}
