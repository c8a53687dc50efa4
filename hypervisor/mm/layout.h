/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things are in L0's address spaces.
 *
 * IMAGE_BASE + physical: code, data and per-CPU data, in every address space. DIRECT_BASE +
 * physical: memory. The boot address space has all RAM there; the one of a VM only that VM's
 * memory and pool, and the device pages that L0 needs.
 */
#ifndef NESTOR_MM_LAYOUT_H
#define NESTOR_MM_LAYOUT_H

#include <stdint.h>

#include "spec/addr.h"

#define IMAGE_BASE  0xffffffff80000000ull
#define DIRECT_BASE 0xffff800000000000ull
#define DIRECT_SIZE (1ull << 46) /* behind are windows (vm/ram_host.c); RAM there is not used */

static inline void *direct_va(struct hpa a)
{
	return (void *)(uintptr_t)(DIRECT_BASE + a.v);
}

/* Of an address in the direct map or in the image. */
static inline struct hpa hpa_of(const void *va)
{
	uint64_t v = (uint64_t)(uintptr_t)va;

	return (struct hpa){v >= IMAGE_BASE ? v - IMAGE_BASE : v - DIRECT_BASE};
}

#endif
