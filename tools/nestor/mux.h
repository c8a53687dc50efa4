/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte stream from Nestor: one channel after another, chosen by 0xff and its number
 * (lib/l0_stream.h); a byte 0xff of data is sent twice. Bytes before the first choice are the
 * machine's own.
 */
#ifndef NESTOR_MUX_H
#define NESTOR_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/l0_stream.h"

enum mux_channel {
	MUX_LOG = L0_CHANNEL_LOG,
	MUX_CONTROL = L0_CHANNEL_CONTROL,
	MUX_CONSOLE = L0_CHANNEL_VM,          /* and the following: one for each VM */
	MUX_SCREEN = L0_CHANNEL_SCREEN,       /* likewise */
	MUX_VARIABLES = L0_CHANNEL_VARIABLES, /* likewise */
	MUX_NONE = 0xffff,                    /* nothing chosen yet */
};

struct mux {
	unsigned channel;
	bool escape; /* the last byte was 0xff */
	bool within; /* the last byte was the first of a number of two */
	uint8_t first;
};

/* Takes @size bytes of @channel. */
typedef void (*mux_sink)(void *context, unsigned channel, const uint8_t *data, size_t size);

void mux_init(struct mux *m);

/* Passes the content of @data to @sink in pieces, each of one channel. */
void mux_feed(struct mux *m, const uint8_t *data, size_t size, mux_sink sink, void *context);

#endif
