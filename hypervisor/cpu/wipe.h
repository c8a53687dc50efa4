/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a VM that has ended, before it is another one's.
 */
#ifndef NESTOR_CPU_WIPE_H
#define NESTOR_CPU_WIPE_H

#include <stdbool.h>
#include <stddef.h>

#define CACHE_LINE 64u /* of each processor with EPT */

/*
 * Zeroes whole lines of the cache, in pieces between which the CPU takes NMIs: an emulator
 * takes none in the midst of an instruction, however long it lasts, and the host tool's line
 * goes on meanwhile.
 */
void mem_wipe(void *at, size_t size);

/*
 * From now on what is wiped is written back to memory, too, before mem_wipe returns: a device
 * that passes by caches shall find zeroes. While L0 starts.
 */
void mem_wipe_through(bool by_clflushopt);

/* Writes back, and drops, the lines of this memory. */
void mem_write_back(const void *at, size_t size);

#endif
