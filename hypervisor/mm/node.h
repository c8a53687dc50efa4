/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nodes of the machine: which memory and which CPUs are near each other, as firmware tells
 * it (lib/numa.h), and free memory by node. A machine of which it tells nothing is one node.
 */
#ifndef NESTOR_MM_NODE_H
#define NESTOR_MM_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/addr.h"

#define NODE_ANY UINT32_MAX /* no node, or whatever node */

/* Reads ACPI tables, as cpu/acpi.h has it. At the start, by one CPU. */
void node_init(const uint8_t *rsdp, size_t size);

/* A line of the log for each, once memory and CPUs are known. */
void node_tell(void);

unsigned node_count(void);
/* Of a CPU by its local APIC; NODE_ANY: firmware does not say. */
uint32_t node_of_cpu(uint32_t apic_id);
/* Of memory; likewise. */
uint32_t node_of_memory(struct hpa at);
/* As SLIT has it: 10 to itself. Both are numbers below node_count(). */
uint8_t node_distance(uint32_t from, uint32_t to);

/*
 * Free memory of a node, or with NODE_ANY of the machine. Like page_alloc() and
 * page_alloc_most(), anywhere.
 */
bool node_alloc(uint32_t node, uint64_t size, uint64_t align, struct hpa *out);
uint64_t node_alloc_most(uint32_t node, uint64_t most, uint64_t unit, struct hpa *out);
uint64_t node_available(uint32_t node);

#endif
