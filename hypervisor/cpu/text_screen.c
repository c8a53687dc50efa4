/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/text_screen.h"

#define COLOURS 0x0700u /* light grey on black */
#define BLANK   (COLOURS | ' ')

static struct {
	volatile uint16_t *cells; /* NULL: there is none */
	unsigned columns, rows;
	unsigned column; /* of the next character, in the last line */
} screen;

static void blank(unsigned row)
{
	for (unsigned i = 0; i < screen.columns; i++)
		screen.cells[row * screen.columns + i] = BLANK;
}

void text_screen_use(volatile uint16_t *cells, unsigned columns, unsigned rows)
{
	screen.cells = cells;
	screen.columns = columns;
	screen.rows = rows;
	screen.column = 0;
	for (unsigned row = 0; row < rows; row++)
		blank(row);
}

/* All goes up by one. */
static void next_line(void)
{
	unsigned kept = (screen.rows - 1) * screen.columns;

	for (unsigned i = 0; i < kept; i++)
		screen.cells[i] = screen.cells[i + screen.columns];
	blank(screen.rows - 1);
	screen.column = 0;
}

static void put(char c)
{
	if (screen.column == screen.columns)
		next_line();
	screen.cells[(screen.rows - 1) * screen.columns + screen.column++] =
		(uint16_t)(COLOURS | (c >= ' ' && c <= '~' ? (uint8_t)c : '?'));
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
