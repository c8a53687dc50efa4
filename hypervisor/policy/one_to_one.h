/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a VM that owns devices of the machine, without an IOMMU: guest-physical
 * addresses are host-physical ones, so that the addresses that its drivers give to devices are
 * right. Which ranges it gets. Pure.
 */
#ifndef NESTOR_POLICY_ONE_TO_ONE_H
#define NESTOR_POLICY_ONE_TO_ONE_H

#include <stdbool.h>
#include <stdint.h>

/* Regions of a VM's memory; the first begins at address 0. */
#define ONE_TO_ONE_REGIONS 12u

/* Where VMs have devices: no memory of theirs is there, although the machine may have some. */
#define ONE_TO_ONE_HOLE_START UINT64_C(0xc0000000)
#define ONE_TO_ONE_HOLE_END   UINT64_C(0x100000000)

struct one_to_one_range {
	uint64_t start, size;
};

/*
 * The first region is at guest-physical 0, and wherever in the machine there is room for it:
 * what the machine has there is the firmware's and L0's. Only the CPU may use it: it ends where
 * the second region begins, or at 1 MiB when that is far away. All others are one to one.
 */
struct one_to_one {
	struct one_to_one_range region[ONE_TO_ONE_REGIONS];
	unsigned count;
};

/*
 * Of the machine's free ranges, sorted and disjoint, the lowest that make up `memory` bytes
 * with the first region; all sizes are multiples of MEMORY_UNIT. False: there is not so
 * much, or it is in too many pieces.
 */
bool one_to_one_plan(const struct one_to_one_range *free, unsigned count, uint64_t memory,
	struct one_to_one *plan);

#endif
