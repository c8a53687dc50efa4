/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/wipe.h"

#include <stdint.h>

#include "cpu/asm.h"
#include "cpu/mem.h"

#define WIPE_PIECE 16384u

/* Constant after the start. */
static bool through, has_clflushopt;

void mem_wipe_through(bool by_clflushopt)
{
	through = true;
	has_clflushopt = by_clflushopt;
}

/* CLFLUSHOPT is ordered behind older stores to its line, and by the fence before what follows
 * (SDM vol. 2A "CLFLUSHOPT"). */
void mem_write_back(const void *at, size_t size)
{
	const uint8_t *line = at;

	for (size_t i = 0; i < size; i += CACHE_LINE)
		if (has_clflushopt)
			clflushopt(line + i);
		else
			clflush(line + i);
	mfence();
}

void mem_wipe(void *at, size_t size)
{
	uint8_t *p = at;

	for (size_t done = 0; done < size; done += WIPE_PIECE) {
		size_t piece = size - done < WIPE_PIECE ? size - done : WIPE_PIECE;

		memset(p + done, 0, piece);
		if (through)
			mem_write_back(p + done, piece);
	}
}
