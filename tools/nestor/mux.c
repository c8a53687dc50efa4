/* SPDX-License-Identifier: Apache-2.0 */
/* The byte stream from Nestor; see mux.h. */
#include "mux.h"

#include <string.h>

#define ESCAPE 0xff

void mux_init(struct mux *m)
{
	*m = (struct mux){.channel = MUX_NONE};
}

/* Behind 0xff, or the first byte of a number. */
static void take(struct mux *m, uint8_t byte, mux_sink sink, void *context)
{
	static const uint8_t escape = ESCAPE;

	if (m->within)
		m->channel = (m->first & (L0_CHANNEL_LONG - 1u)) << 8 | byte;
	else if (byte == ESCAPE)
		sink(context, m->channel, &escape, 1);
	else if (byte < L0_CHANNEL_LONG)
		m->channel = byte;
	m->within = !m->within && byte >= L0_CHANNEL_LONG && byte != ESCAPE;
	m->first = byte;
	m->escape = m->within;
}

void mux_feed(struct mux *m, const uint8_t *data, size_t size, mux_sink sink, void *context)
{
	size_t at = 0;

	while (at < size) {
		const uint8_t *next = memchr(data + at, ESCAPE, size - at);
		size_t run = next ? (size_t)(next - data) - at : size - at;

		if (m->escape) {
			take(m, data[at++], sink, context);
			continue;
		}
		if (run)
			sink(context, m->channel, data + at, run);
		at += run;
		if (next) {
			m->escape = true;
			at++;
		}
	}
}
