/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tsc_step.h"

struct tsc_gap tsc_gap_of(const struct tsc_answer *answers, unsigned count)
{
	struct tsc_gap g = {0, UINT64_MAX};
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < count; i++) {
		uint64_t took = answers[i].after - answers[i].before;

		if (took >= least)
			continue;
		least = took;
		g.ahead = (int64_t)(answers[i].other - (answers[i].before + took / 2));
		g.error = took / 2 + 1;
	}
	return g;
}

bool tsc_gap_is_none(const struct tsc_gap *g, uint64_t slack)
{
	uint64_t size = g->ahead < 0 ? 0 - (uint64_t)g->ahead : (uint64_t)g->ahead;

	return size <= g->error || size - g->error <= slack;
}

uint64_t tsc_lag(uint64_t told, uint64_t now, uint64_t slack)
{
	uint64_t lag = told - now;

	return (int64_t)lag > 0 && lag > slack ? lag : 0;
}

bool tsc_is_later(uint64_t told, uint64_t now, uint64_t slack)
{
	return tsc_lag(now, told, slack) != 0;
}
