/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L0's log on a screen: of characters, as a PC with a BIOS has one, or of pixels, as UEFI
 * leaves it. For machines whose serial port nobody sees. Consoles of VMs are not shown. Text
 * comes into memory first, and from there to the screen as it is asked for, the lowest line
 * first, what differs only. Behind the lock of the output stream.
 */
#ifndef NESTOR_CPU_TEXT_SCREEN_H
#define NESTOR_CPU_TEXT_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/pixels.h"

#define TEXT_SCREEN_CELLS 16384u
#define TEXT_SCREEN_ROWS  256u

/* All there is to draw. */
#define TEXT_SCREEN_ALL UINT32_MAX

/* From now on a VGA's cells of a character and its colours, line by line; with more of them
 * than there is room for, or NULL, no screen at all. */
void text_screen_use(volatile uint16_t *cells, unsigned columns, unsigned rows);

/*
 * From now on a frame buffer that is ok, mapped at @base; NULL: lines are kept until it is.
 * What is on it stays where no line is written, until it is cleared. One that is too small for
 * a line is none.
 */
void text_screen_use_pixels(const struct pixels *p, volatile uint8_t *base);
/* It is mapped at @base now: black but for the lines that have been written. */
void text_screen_clear(volatile uint8_t *base);

/* Without a screen nothing. Lines that are too long go on in the next one. */
void text_screen_write(const char *s, size_t size);

/* Is there something to draw? Without the lock, too. */
bool text_screen_pending(void);
/* Draws at most so many cells. */
void text_screen_draw(uint32_t cells);

/* Whoever drew stands still, and others go on; all of it is drawn again. */
void text_screen_interrupted(void);

/* Where its frame buffer begins; 0: it has none, or there is no screen. */
uint64_t text_screen_start(void);
/* Is that in this memory? */
bool text_screen_meets(uint64_t first, uint64_t size);
/* Is it a VGA's text? */
bool text_screen_is_vga(void);

#endif
