/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/text_screen.h"

#define COLOURS 0x0700u /* light grey on black */
#define BLANK   (COLOURS | ' ')

static struct {
	volatile uint16_t *cells; /* NULL: there is none */
	unsigned columns, rows;
	unsigned column;                  /* of the next character, in the last line */
	uint16_t copy[TEXT_SCREEN_CELLS]; /* reading a VGA takes longer than writing it */
} screen;

static void set(unsigned cell, uint16_t value)
{
	if (screen.copy[cell] == value)
		return;
	screen.copy[cell] = value;
	screen.cells[cell] = value;
}

static void blank(unsigned row)
{
	for (unsigned i = 0; i < screen.columns; i++)
		set(row * screen.columns + i, BLANK);
}

void text_screen_use(volatile uint16_t *cells, unsigned columns, unsigned rows)
{
	screen.cells = columns * rows <= TEXT_SCREEN_CELLS ? cells : NULL;
	screen.columns = columns;
	screen.rows = rows;
	screen.column = 0;
	for (unsigned i = 0; screen.cells != NULL && i < columns * rows; i++)
		screen.cells[i] = screen.copy[i] = BLANK;
}

/* All goes up by one. */
static void next_line(void)
{
	unsigned kept = (screen.rows - 1) * screen.columns;

	for (unsigned i = 0; i < kept; i++)
		set(i, screen.copy[i + screen.columns]);
	blank(screen.rows - 1);
	screen.column = 0;
}

static void put(char c)
{
	if (screen.column == screen.columns)
		next_line();
	set((screen.rows - 1) * screen.columns + screen.column++,
		(uint16_t)(COLOURS | (c >= ' ' && c <= '~' ? (uint8_t)c : '?')));
}

void text_screen_write(const char *s, size_t size)
{
	for (size_t i = 0; screen.cells != NULL && i < size; i++) {
		if (s[i] == '\n')
			next_line();
		else if (s[i] == '\t')
			put(' ');
		else if (s[i] != '\r')
			put(s[i]);
	}
}
