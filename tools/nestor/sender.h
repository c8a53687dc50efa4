/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes to a running Nestor by the machine's first serial port: frames (lib/frame.h) with
 * requests and with what is typed at consoles. Keeps each byte until Nestor has it, and sends
 * none before there is room for it. Does not own the line, nor where the bytes come from.
 */
#ifndef NESTOR_SENDER_H
#define NESTOR_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "lib/frame.h"

#define SENDER_CAPACITY (1u << 20) /* bytes that are kept for a console at most */

/* Counts as in hypervisor/cpu/input.h: acked <= sent <= end, and what is sent ends at limit. */
struct sender_console {
	uint8_t *kept; /* bytes from `acked` to `end`, by their number modulo SENDER_CAPACITY */
	uint32_t acked, sent, end, limit;
	bool repeated; /* from `acked` on, at the time `since` */
	double since;  /* something was last sent afresh or acknowledged */
	bool has_size; /* to be sent: */
	uint8_t size[4];
	bool wants_screen; /* to be asked for */
};

struct sender {
	bool open; /* Nestor said that it understands */
	bool stop; /* to be sent */
	struct sender_console console[LIMIT_VMS];
	unsigned turn; /* whose frame comes next */
	uint8_t out[FRAME_WIRE];
	size_t out_at, out_size;
};

void sender_init(struct sender *s, struct arena *a);

/* How many more bytes for the VM's console are kept. */
size_t sender_room(const struct sender *s, unsigned vm);
/* At most so many. */
void sender_add(struct sender *s, unsigned vm, const uint8_t *bytes, size_t size);
void sender_resize(struct sender *s, unsigned vm, uint16_t columns, uint16_t rows);
/* Asks Nestor for what the VM's display shows. */
void sender_screen(struct sender *s, unsigned vm);
/* Asks Nestor to stop all VMs and to report on them. */
void sender_stop(struct sender *s);

/* A control record `input ...`, at a time in seconds. */
void sender_report(struct sender *s, const char *line, double now);

/* What is to be written next, *size bytes; NULL: nothing for now. Then how many were. */
const uint8_t *sender_next(struct sender *s, double now, size_t *size);
void sender_wrote(struct sender *s, size_t size);
/* When to call sender_next even if nothing happens; 0: never. */
double sender_deadline(const struct sender *s);

#endif
