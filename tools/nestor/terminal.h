/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's terminal while it is a VM's console: raw, with an escape key. Restored however the
 * program ends, but for SIGKILL. There is one.
 */
#ifndef NESTOR_TERMINAL_H
#define NESTOR_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TERMINAL_ESCAPE 0x1d /* Ctrl-] */

/* Is standard input a terminal, and ours to read? */
bool terminal_is_there(void);
/* Raw from now on, what the terminal makes of output unchanged. False: it cannot be. */
bool terminal_open(void);
void terminal_close(void);
/* Readable after the window's size changed, until this is called; -1: no terminal is open. */
int terminal_resized_fd(void);
bool terminal_size(uint16_t *columns, uint16_t *rows);

/* What a key means. */
enum key {
	KEY_NONE, /* the escape key: the next one decides */
	KEY_TYPED,
	KEY_HELP,
	KEY_QUIT,
	KEY_NEXT,
	KEY_PREVIOUS,
	KEY_CHOOSE,
	KEY_UNKNOWN
};

struct keys {
	bool escape; /* the last one was the escape key */
};

/* KEY_CHOOSE: *number is the VM's, from 0 on. */
enum key keys_take(struct keys *k, uint8_t byte, unsigned *number);

#endif
