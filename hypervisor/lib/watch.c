/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/watch.h"

enum watch_verdict watch_look(struct watched *w, bool in_l0, uint32_t progress, uint32_t limit)
{
	bool told = w->told;

	if (!in_l0 || progress != w->progress) {
		*w = (struct watched){.progress = progress};
		return told ? WATCH_GOES_ON : WATCH_FINE;
	}
	if (told)
		return WATCH_FINE;
	w->looks++;
	if (w->looks > limit) {
		w->told = true;
		return WATCH_TELL;
	}
	if (w->looks == limit)
		return WATCH_ASK;
	return w->looks == (limit + 1) / 2 ? WATCH_PROBE : WATCH_FINE;
}
