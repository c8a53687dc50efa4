/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a console has said: its last bytes, by their number since the run began, so that who
 * looks later, or slower, sees them and knows what is gone.
 */
#ifndef NESTOR_HISTORY_H
#define NESTOR_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#define HISTORY_ROOM (64u << 10) /* bytes that are kept */

struct history {
	uint64_t start; /* what was said before is nobody's */
	uint64_t end;   /* bytes that it has said */
	uint8_t kept[HISTORY_ROOM];
};

/* Nothing of it is there any more; numbers go on. */
void history_forget(struct history *h);

void history_add(struct history *h, const uint8_t *bytes, size_t size);

/*
 * Up to @room bytes from number *at on, or from the oldest on that is kept if that one is not;
 * *at is then the number of the first. What was never said is no number: it is the oldest, too.
 */
size_t history_read(const struct history *h, uint64_t *at, uint8_t *out, size_t room);

#endif
