/* SPDX-License-Identifier: Apache-2.0 */
/* The byte stream from Nestor; see mux.h. */
#include "mux.h"

#include <string.h>

#define ESCAPE 0xff

void mux_init(struct mux *m)
{
	*m = (struct mux){.channel = MUX_NONE};
}

void mux_feed(struct mux *m, const uint8_t *data, size_t size, mux_sink sink, void *context)
{
	static const uint8_t escape = ESCAPE;
	size_t at = 0;

	while (at < size) {
		const uint8_t *next = memchr(data + at, ESCAPE, size - at);
		size_t run = next ? (size_t)(next - data) - at : size - at;

		if (m->escape) {
			m->escape = false;
			if (data[at] == ESCAPE)
				sink(context, m->channel, &escape, 1);
			else
				m->channel = data[at];
			at++;
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
