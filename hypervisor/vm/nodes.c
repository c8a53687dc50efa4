/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which vCPU has which node.
 */
#include "vm/sched.h"

#include "cpu/lock.h"
#include "lib/set.h"
#include "vm/vm_int.h"

/*
 * A VM has one node after the other. Which ones is a word, FIRST_NODE and NODE_COUNT, which any
 * CPU reads: one that is late comes to a node that is another VM's by then.
 */
#define NODES(first, count) ((uint32_t)(first) | (uint32_t)(count) << 16)
#define FIRST_NODE(nodes)   ((nodes)&0xffff)
#define NODE_COUNT(nodes)   ((nodes) >> 16)

static struct sched_node *nodes;
static unsigned node_count;
static struct spinlock nodes_lock = {.rank = LOCK_PAGES};
static uint64_t nodes_taken[SET_WORDS(SCHED_NODES)]; /* with the lock */
static uint32_t nodes_of[VM_MAX];                    /* NODES(); atomic */

void sched_make(void *memory, unsigned count)
{
	nodes = memory;
	node_count = count;
}

/* So many that are free, one behind the other; node_count: there are not. */
static unsigned find_free(unsigned count)
{
	unsigned first = 0, length = 0;

	for (unsigned i = 0; i < node_count && length < count; i++) {
		length = set_has(nodes_taken, i) ? 0 : length + 1;
		first = length == 0 ? i + 1 : first;
	}
	return length == count ? first : node_count;
}

bool sched_reserve(unsigned vm, unsigned vcpus)
{
	unsigned first;

	spin_lock(&nodes_lock);
	first = find_free(vcpus);
	for (unsigned i = 0; first < node_count && i < vcpus; i++)
		set_add(nodes_taken, first + i);
	spin_unlock(&nodes_lock);
	if (first == node_count)
		return false;
	__atomic_store_n(&nodes_of[vm], NODES(first, vcpus), __ATOMIC_SEQ_CST);
	return true;
}

void sched_release(unsigned vm)
{
	uint32_t had = __atomic_exchange_n(&nodes_of[vm], 0, __ATOMIC_SEQ_CST);

	spin_lock(&nodes_lock);
	for (unsigned i = 0; i < NODE_COUNT(had); i++)
		set_drop(nodes_taken, FIRST_NODE(had) + i);
	spin_unlock(&nodes_lock);
}

unsigned sched_first_node(unsigned vm)
{
	return FIRST_NODE(__atomic_load_n(&nodes_of[vm], __ATOMIC_SEQ_CST));
}

struct sched_node *sched_node_at(unsigned vm, unsigned vcpu)
{
	return &nodes[sched_first_node(vm) + vcpu];
}

struct sched_node *sched_node_of(unsigned vm, unsigned vcpu)
{
	uint32_t has = __atomic_load_n(&nodes_of[vm], __ATOMIC_SEQ_CST);
	struct sched_node *n = &nodes[FIRST_NODE(has) + vcpu];

	return vcpu < NODE_COUNT(has) && __atomic_load_n(&n->there, __ATOMIC_SEQ_CST) ? n
										      : NULL;
}
