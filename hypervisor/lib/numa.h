/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes of a machine: which memory and which processors are near each other, by the ACPI tables
 * SRAT and SLIT (ACPI 6.5, 5.2.16 "System Resource Affinity Table (SRAT)", 5.2.17 "System
 * Locality Distance Information Table (SLIT)"). What is cut or damaged tells what stands before
 * the damage.
 *
 * Nodes have numbers from 0 up, in the order of their proximity domains.
 */
#ifndef NESTOR_LIB_NUMA_H
#define NESTOR_LIB_NUMA_H

#include <stdbool.h>
#include <stdint.h>

#define NUMA_NODES  64u
#define NUMA_RANGES 256u
#define NUMA_CPUS   1024u
#define NUMA_NONE   UINT32_MAX /* no node */

#define NUMA_NEAR 10u /* the distance of a node from itself; all others are at least as far */
#define NUMA_FAR  20u /* of others, where nothing is said */

struct numa_range {
	uint64_t start, last;
	uint32_t node;
};

struct numa_cpu {
	uint32_t apic_id, node;
};

struct numa {
	unsigned count;
	uint32_t domain[NUMA_NODES];          /* ascending */
	struct numa_range range[NUMA_RANGES]; /* of memory: ascending, disjoint */
	unsigned range_count;
	struct numa_cpu cpu[NUMA_CPUS];
	unsigned cpu_count;
	uint8_t distance[NUMA_NODES][NUMA_NODES]; /* to the second, as the first sees it */
	unsigned left_out; /* entries that there was no room for, or that contradict others */
};

/* One node that has all memory and all processors. */
void numa_one(struct numa *n);

/*
 * What the table says of memory that is there and of processors: entries that are enabled,
 * those for memory that can be added too, those for memory that is not volatile not. False:
 * nothing; it is one node then.
 */
bool numa_read(struct numa *n, const uint8_t *srat, uint32_t length);

/* Distances of the nodes. False: the table is not right, and they stay as they were. */
bool numa_read_distances(struct numa *n, const uint8_t *slit, uint32_t length);

/* The node that has this address; *last: up to there the answer is the same. */
uint32_t numa_of_memory(const struct numa *n, uint64_t address, uint64_t *last);

/* The node of the processor with this local APIC. */
uint32_t numa_of_cpu(const struct numa *n, uint32_t apic_id);

#endif
