/* SPDX-License-Identifier: Apache-2.0 */
/* What a console has said; see history.h. */
#include "history.h"

void history_forget(struct history *h)
{
	h->start = h->end;
}

void history_add(struct history *h, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		h->kept[h->end++ % HISTORY_ROOM] = bytes[i];
}

size_t history_read(const struct history *h, uint64_t *at, uint8_t *out, size_t room)
{
	uint64_t first = h->end - h->start > HISTORY_ROOM ? h->end - HISTORY_ROOM : h->start;
	size_t n;

	if (*at < first || *at > h->end)
		*at = first;
	n = h->end - *at < room ? (size_t)(h->end - *at) : room;
	for (size_t i = 0; i < n; i++)
		out[i] = h->kept[(*at + i) % HISTORY_ROOM];
	return n;
}
