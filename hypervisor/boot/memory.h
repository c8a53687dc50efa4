/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory as the loader describes it: what of it is free, and how L0 reaches it.
 */
#ifndef NESTOR_BOOT_MEMORY_H
#define NESTOR_BOOT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/boot_info.h"

/*
 * All RAM is free but page 0, the image, the loader's block and the modules. What the direct
 * map has no room for is left out, with a line in the log.
 */
void boot_memory_init(struct boot_info *info);

/* A line in the log, if memory is not write-back by the MTRRs (mtrr_read). */
void boot_memory_types(const struct boot_info *info);

/*
 * Makes the boot address space, which has all RAM, the modules and the loader's block in the
 * direct map, and loads it. False, with a line in the log, when there is no memory for its
 * tables.
 */
bool boot_memory_map(const struct boot_info *info, uint64_t *cr3);

/*
 * Moves the modules and the loader's block, and with it the texts that point there, to the
 * highest free memory, so that what is low is free in one piece; it is zero where they were.
 * Boot address space. False, with a line in the log: there is no room for them twice; some may
 * have been moved.
 */
bool boot_memory_move(struct boot_info *info);

#endif
