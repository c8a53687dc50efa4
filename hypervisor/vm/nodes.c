/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which vCPU has which node. There are DEV_MAX_VCPUS for each VM that there may be, and they
 * stay a VM's own: who still has the pointer of one that has ended meets another vCPU of that
 * VM, at worst.
 */
#include "vm/sched.h"

#include "dev/dev.h"
#include "policy/memory.h"

_Static_assert(sizeof(struct sched_node) <= MEMORY_NODE, "policy/memory.h");

static struct sched_node *nodes;
static unsigned node_vms;

uint64_t sched_nodes_size(unsigned vms)
{
	return (uint64_t)vms * DEV_MAX_VCPUS * sizeof(*nodes);
}

void sched_use_nodes(struct sched_node *all, unsigned vms)
{
	nodes = all;
	node_vms = vms;
}

struct sched_node *sched_node_at(unsigned vm, unsigned vcpu)
{
	return &nodes[vm * DEV_MAX_VCPUS + vcpu];
}

struct sched_node *sched_node_of(unsigned vm, unsigned vcpu)
{
	struct sched_node *n;

	if (vm >= node_vms)
		return NULL;
	n = sched_node_at(vm, vcpu);
	return __atomic_load_n(&n->there, __ATOMIC_SEQ_CST) ? n : NULL;
}
