/* SPDX-License-Identifier: Apache-2.0 */
#include "mm/node.h"

#include "cpu/acpi.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "lib/fmt.h"
#include "lib/numa.h"
#include "mm/page.h"

#define LINE 160

static struct numa machine;

_Static_assert(NODE_ANY == NUMA_NONE, "no node");

void node_init(const uint8_t *rsdp, size_t size)
{
	uint32_t length;
	const uint8_t *srat = acpi_find(rsdp, size, "SRAT", &length), *slit;

	if (srat == NULL) {
		numa_one(&machine);
		return;
	}
	if (!numa_read(&machine, srat, length))
		log_warn("firmware's table SRAT tells of no memory: the machine is one node");
	if (machine.left_out != 0)
		log_warn("firmware's table SRAT: %u entries contradict others, or are too many",
			machine.left_out);
	slit = acpi_find(rsdp, size, "SLIT", &length);
	if (slit != NULL && !numa_read_distances(&machine, slit, length))
		log_warn("firmware's table SLIT is not right: all nodes are equally far");
}

unsigned node_count(void)
{
	return machine.count;
}

uint32_t node_of_cpu(uint32_t apic_id)
{
	return machine.count == 1 ? 0 : numa_of_cpu(&machine, apic_id);
}

uint32_t node_of_memory(struct hpa at)
{
	uint64_t last;

	return numa_of_memory(&machine, at.v, &last);
}

uint8_t node_distance(uint32_t from, uint32_t to)
{
	return machine.distance[from][to];
}

/* The last piece of the node's memory before number `i`; false: there is none. */
static bool before(uint32_t node, unsigned *i, uint64_t *from, uint64_t *limit)
{
	while (*i > 0) {
		const struct numa_range *r = &machine.range[--*i];

		if (r->node != node)
			continue;
		*from = r->start;
		*limit = r->last + (r->last != UINT64_MAX);
		return true;
	}
	return false;
}

bool node_alloc(uint32_t node, uint64_t size, uint64_t align, struct hpa *out)
{
	unsigned i = machine.range_count;
	uint64_t from, limit;

	if (node == NODE_ANY)
		return page_alloc(size, align, PAGE_ANYWHERE, out);
	while (before(node, &i, &from, &limit))
		if (page_alloc_in(size, align, from, limit, out))
			return true;
	return false;
}

/* The first that has as much as is wanted; else the one with the largest piece. */
uint64_t node_alloc_most(uint32_t node, uint64_t most, uint64_t unit, struct hpa *out)
{
	unsigned i = machine.range_count;
	uint64_t from, limit, best = 0, size = 0;
	struct hpa kept = {0};

	if (node == NODE_ANY)
		return page_alloc_most(most, unit, 0, PAGE_ANYWHERE, out);
	while (best < most && before(node, &i, &from, &limit)) {
		struct hpa at;

		size = page_alloc_most(most, unit, from, limit, &at);
		if (size > best) {
			if (best != 0)
				page_free(kept, best);
			best = size;
			kept = at;
		} else if (size != 0) {
			page_free(at, size);
		}
	}
	*out = kept;
	return best;
}

uint64_t node_available(uint32_t node)
{
	unsigned i = machine.range_count;
	uint64_t from, limit, n = 0;

	if (node == NODE_ANY)
		return page_available();
	while (before(node, &i, &from, &limit))
		n += page_available_in(from, limit);
	return n;
}

static unsigned cpus_of(uint32_t node)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cpu_slots; i++)
		n += percpus[i]->shared.online && percpus[i]->shared.node == node;
	return n;
}

void node_tell(void)
{
	for (uint32_t i = 0; machine.count > 1 && i < machine.count; i++) {
		char line[LINE] = "";
		size_t used = 0;

		for (uint32_t k = 0; k < machine.count; k++)
			used += fmt(line + used, sizeof(line) - used, " %u",
				machine.distance[i][k]);
		log_info("node %u: %lu MiB free, %u CPUs, distances%s", i,
			node_available(i) >> 20, cpus_of(i), line);
	}
}
