/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What firmware has left above 4 GiB, which the boot page tables do not reach: they are made
 * to, by a few tables of the image, and forgotten with them.
 */
#ifndef NESTOR_CPU_REACH_H
#define NESTOR_CPU_REACH_H

#include <stddef.h>
#include <stdint.h>

#include "spec/addr.h"

/*
 * The memory at [at, at + size) in the direct map, to be read; NULL: it leaves that, or the
 * tables are used up. While the boot page tables are in use, by the CPU that has begun.
 */
const void *reach(struct hpa at, uint64_t size);

#endif
