/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/nodes.h"

#include <stddef.h>

#include "policy/memory.h"

uint64_t nodes_ram_start(const struct vm_config *c, unsigned node)
{
	uint64_t units = c->memory / MEMORY_UNIT;

	return node >= c->nodes ? c->memory : units * node / c->nodes * MEMORY_UNIT;
}

unsigned nodes_of_ram(const struct vm_config *c, uint64_t offset)
{
	unsigned node = 0;

	while (node + 1 < c->nodes && nodes_ram_start(c, node + 1) <= offset)
		node++;
	return node;
}

unsigned nodes_vcpu_start(const struct vm_config *c, unsigned node)
{
	return node >= c->nodes ? c->cpus : c->cpus * node / c->nodes;
}

unsigned nodes_of_vcpu(const struct vm_config *c, unsigned vcpu)
{
	unsigned node = 0;

	while (node + 1 < c->nodes && nodes_vcpu_start(c, node + 1) <= vcpu)
		node++;
	return node;
}

/* SDM 8.9.1 "Hierarchical Mapping of Shared Resources": a package is a field of bits. */
unsigned nodes_package(const struct vm_config *c)
{
	unsigned each = c->nodes > 1 ? c->cpus / c->nodes : c->cpus;

	return each * c->nodes == c->cpus && (each & (each - 1)) == 0 ? each : c->cpus;
}

const char *nodes_error(const struct vm_config *c)
{
	if (c->nodes <= 1)
		return NULL;
	if (c->nodes > c->cpus)
		return "each of its 'nodes' needs a virtual CPU";
	if (c->memory / c->nodes < NODES_RAM_LEAST)
		return "each of its 'nodes' needs 64M of memory at least";
	if (vm_config_one_to_one(c))
		return "'nodes' is not for a VM with 'iommu: none', whose memory lies where it "
		       "does";
	return NULL;
}
