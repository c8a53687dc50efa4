/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes to a running Nestor by the machine's first serial port: frames (lib/frame.h) with
 * requests, and with what consoles and ports get, which are lines (lib/l0_stream.h). Keeps each
 * byte until Nestor has it, and sends none before there is room for it. Does not own the line,
 * nor where the bytes come from.
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

/* The other end of a port, in the counts of FRAME_PORT. */
struct sender_port {
	uint32_t limit, opens; /* as it is */
	uint32_t sent_limit, sent_opens;
	uint32_t acked_limit, acked_opens; /* what Nestor has */
	uint32_t told;                     /* of `opens`, what the guest knows */
	bool guest;                        /* has its end open */
	double since;                      /* something was last sent */
};

struct sender {
	bool open;                 /* Nestor said that it understands */
	bool stop;                 /* to be sent */
	char request[MANAGE_LINE]; /* to be sent, if request_size is not 0 */
	size_t request_size;
	struct arena *a;
	/* kept NULL: nothing was ever added, or a port is not connected */
	struct sender_console console[L0_LINES];
	struct sender_port port[L0_LINES - LIMIT_VMS];
	unsigned turn; /* whose frame comes next */
	uint8_t out[FRAME_WIRE];
	size_t out_at, out_size;
};

void sender_init(struct sender *s, struct arena *a);
/* The port of this line has another end. */
void sender_connect(struct sender *s, struct arena *a, unsigned line);

/*
 * How many more bytes for the line are kept. Of a port: only once the guest knows who is there.
 */
size_t sender_room(const struct sender *s, unsigned line);
/* At most so many. */
void sender_add(struct sender *s, unsigned line, const uint8_t *bytes, size_t size);
/*
 * The other end of a port takes all output up to a count of bytes from the start of the run,
 * which is never less than before; and somebody is there, or not.
 */
void sender_port(struct sender *s, unsigned line, uint32_t limit, bool open);
/* Whom it was for has gone: what is not yet on its way is dropped. */
void sender_forget(struct sender *s, unsigned line);
void sender_resize(struct sender *s, unsigned vm, uint16_t columns, uint16_t rows);
/* Asks Nestor for what the VM's display shows. */
void sender_screen(struct sender *s, unsigned vm);
/* A request in words (lib/manage.h); one that has not been sent yet is forgotten. */
void sender_request(struct sender *s, const char *line, size_t size);
/* Asks Nestor to stop all VMs and to report on them. */
void sender_stop(struct sender *s);

/* A control record `input ...` or `port ...`, at a time in seconds. */
void sender_report(struct sender *s, const char *record, double now);

/* What is to be written next, *size bytes; NULL: nothing for now. Then how many were. */
const uint8_t *sender_next(struct sender *s, double now, size_t *size);
void sender_wrote(struct sender *s, size_t size);
/* When to call sender_next even if nothing happens; 0: never. */
double sender_deadline(const struct sender *s);

#endif
