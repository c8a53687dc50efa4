/* SPDX-License-Identifier: Apache-2.0 */
#include "emul/breakpoint.h"

#include <stdbool.h>

#include "spec/regs.h"

static bool matches(uint64_t dr7, unsigned n, uint64_t dr, uint64_t at, unsigned size)
{
	static const uint8_t lengths[4] = {1, 2, 8, 4};
	unsigned length = lengths[dr7 >> (18 + 4 * n) & 3];
	uint64_t first = dr & ~(uint64_t)(length - 1);

	/* distances, so that a range may end at the last address */
	return at - first < length || first - at < size;
}

uint64_t emul_breakpoints(
	uint64_t dr7, const uint64_t dr[4], uint64_t at, unsigned size, enum emul_watch watch)
{
	uint64_t hits = 0;
	bool enabled = false;

	for (unsigned n = 0; n < 4; n++) {
		unsigned rw = (unsigned)(dr7 >> (16 + 4 * n)) & 3;

		if (!((unsigned)watch >> rw & 1) || !matches(dr7, n, dr[n], at, size))
			continue;
		hits |= 1ull << n;
		enabled |= dr7 >> 2 * n & 3;
	}
	return enabled ? hits | PENDING_DBG_ENABLED : 0;
}
