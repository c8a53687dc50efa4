/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file in which the emulator's plugin (tools/machine/bochs_profile.c) counts L0's
 * instructions, and the tool finds them. The tool makes it, with the layout in it and the rest
 * zero; both map it.
 */
#ifndef NESTOR_PROFILE_RAW_H
#define NESTOR_PROFILE_RAW_H

#include <stdint.h>

#include "../../hypervisor/lib/l0_profile.h"

#define PROFILE_RAW_MAGIC 0x3130464f5250534eULL /* NSPROF01 */
#define PROFILE_RAW_ENV   "NESTOR_PROFILE"      /* the environment's variable with its path */

#define PROFILE_NODES (1u << 16)
#define PROFILE_SLOTS (1u << 20)

/* Roots, which are the nodes below these numbers: before the first exit, and by the exit. */
#define PROFILE_ROOT_START          0u
#define PROFILE_ROOT(level, reason) (1u + ((level)-1u) * PROFILE_REASONS + (reason))
#define PROFILE_REASONS             128u
#define PROFILE_ROOTS               (1u + 2u * PROFILE_REASONS)

/* A chain of calls, from its end: this call was made by what `parent` leads to. */
struct profile_node {
	uint64_t site;   /* where it returns to; 0: nobody used this number */
	uint32_t parent; /* a smaller number */
	uint32_t unused;
};

struct profile_slot {
	uint64_t rip; /* of the instruction */
	uint64_t
		/* that it took, all times together; 0: an empty slot or one just taken */
		ticks;
	uint32_t node;
	uint32_t taken;
};

struct profile_raw {
	uint64_t magic;
	struct l0_profile_layout layout;
	uint64_t ready;    /* the plugin counts */
	uint64_t guest[2]; /* instructions of L1, L2 */
	uint64_t lost;     /* of L0, for which there was no slot */
	uint64_t cut;      /* calls for which there was no node: they count for their caller */
	struct profile_node nodes[PROFILE_NODES];
	struct profile_slot slots[PROFILE_SLOTS];
};

#endif
