/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual nodes of a VM: each has a part of its RAM and of its vCPUs, and all parts are as
 * equal as can be. Pure.
 */
#ifndef NESTOR_POLICY_NODES_H
#define NESTOR_POLICY_NODES_H

#include <stdint.h>

#include "policy/vm_config.h"

/* Each node has so much RAM at least: what a kernel sets up for it fits. */
#define NODES_RAM_LEAST (64ull << 20)

/* Where a node's part of RAM begins, in all of it: a multiple of MEMORY_UNIT; that of number
 * c->nodes: the end. */
uint64_t nodes_ram_start(const struct vm_config *c, unsigned node);
/* The node that has this byte of RAM. */
unsigned nodes_of_ram(const struct vm_config *c, uint64_t offset);
/* The first vCPU of a node; that of number c->nodes: how many there are. */
unsigned nodes_vcpu_start(const struct vm_config *c, unsigned node);
unsigned nodes_of_vcpu(const struct vm_config *c, unsigned vcpu);

/*
 * vCPUs of a package: those of a node, where their local APICs' identifiers, which are their
 * numbers, can tell packages apart; else all.
 */
unsigned nodes_package(const struct vm_config *c);

/* What is wrong with the number of nodes of a VM; NULL: nothing. */
const char *nodes_error(const struct vm_config *c);

#endif
