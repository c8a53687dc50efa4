/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L0's log on a screen of characters, as a PC with a BIOS has one: for machines whose serial
 * port nobody sees. Consoles of VMs are not shown. Behind the lock of the output stream.
 */
#ifndef NESTOR_CPU_TEXT_SCREEN_H
#define NESTOR_CPU_TEXT_SCREEN_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_SCREEN_CELLS 8192u /* 132 columns and 60 lines are fewer */

/* From now on, cleared: cells of a character and its colours, line by line; with more of them
 * not. */
void text_screen_use(volatile uint16_t *cells, unsigned columns, unsigned rows);

/* Without a screen nothing. Lines that are too long go on in the next one. */
void text_screen_write(const char *s, size_t size);

#endif
