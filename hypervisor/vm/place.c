/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/place.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/percpu.h"
#include "mm/layout.h"
#include "mm/node.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "policy/memory.h"
#include "policy/nodes.h"
#include "vm/create.h"
#include "vm/ram.h"
#include "vm/sched.h"

#define PIECES         (VM_MAX_SLOTS - 1) /* the hole below 4 GiB cuts one more */
#define DISTANCE_NEAR  10u
#define DISTANCE_LEAST 11u /* of two nodes; as far as SLIT can tell them apart */
#define DISTANCE_FAR   20u

/* ---- which nodes ---- */

static bool is_home(const struct vm_memory *m, unsigned count, uint32_t node)
{
	for (unsigned i = 0; i < count; i++)
		if (m->home[i] == node)
			return true;
	return false;
}

/*
 * The node with most free memory of those that have `size`; else of all. With `fresh`, of those
 * only that none of the VM's first `count` nodes has. NODE_ANY: there is none.
 */
static uint32_t roomiest(const struct vm_memory *m, unsigned count, bool fresh, uint64_t size)
{
	uint32_t best = NODE_ANY;
	uint64_t most = 0;

	for (uint32_t i = 0; i < node_count(); i++) {
		uint64_t free = node_available(i);

		if (free < size || free <= most || (fresh && is_home(m, count, i)))
			continue;
		best = i;
		most = free;
	}
	return best != NODE_ANY || size == 0 ? best : roomiest(m, count, fresh, 0);
}

/* In turn: the VM's nodes go round those of the machine that have memory. */
void place_nodes(struct vm_memory *m, const struct vm_config *c)
{
	uint64_t more = memory_pool_size(c); /* with the first */
	unsigned round = 0;

	for (unsigned i = 0; i < LIMIT_NODES; i++)
		m->home[i] = NODE_ANY;
	for (unsigned i = 0; i < c->nodes && node_count() > 1; i++) {
		uint64_t size = nodes_ram_start(c, i + 1) - nodes_ram_start(c, i);

		if (round == 0)
			m->home[i] = roomiest(m, i, true, size + more);
		if (m->home[i] == NODE_ANY && i != 0) {
			round = round == 0 ? i : round;
			m->home[i] = m->home[i - round];
		}
		more = 0;
	}
}

/* ---- regions ---- */

/* In pieces: this may take minutes, in which others see that the CPU makes progress. */
void place_wipe(struct hpa at, uint64_t size)
{
	for (uint64_t done = 0, piece; done < size; done += piece) {
		piece = size - done < SIZE_1G ? size - done : SIZE_1G;
		memset(direct_va((struct hpa){at.v + done}), 0, piece);
		percpu_progress();
	}
}

static bool map(struct vm_memory *m, struct hpa at, uint64_t size, bool zeroed)
{
	if (!zeroed)
		place_wipe(at, size);
	return paging_map_direct(m->cr3, at, size, PT_RW_DATA);
}

bool place_region(struct vm_memory *m, uint64_t size, bool zeroed, struct hpa *out)
{
	if (!node_alloc(m->home[0], size, SIZE_2M, out) &&
		!node_alloc(NODE_ANY, size, SIZE_2M, out))
		return false;
	return map(m, *out, size, zeroed);
}

/* Behind the last piece, or a part of it when they lie side by side. */
static bool add(struct vm_memory *m, struct hpa at, uint64_t size)
{
	struct mem_slot *last = m->ram_count != 0 ? &m->ram[m->ram_count - 1] : NULL;
	uint64_t gpa = last != NULL ? last->gpa + last->size : 0;

	if (last != NULL && last->hpa.v + last->size == at.v) {
		last->size += size;
		return true;
	}
	m->ram[m->ram_count++] = (struct mem_slot){.gpa = gpa, .size = size, .hpa = at};
	return m->ram_count <= PIECES;
}

/*
 * In one piece. EPT01 has pages of 1 GiB where it begins with one; not where memory is scarce,
 * since what is lost before it might be another VM's.
 */
static bool take_whole(uint32_t node, uint64_t size, struct hpa *at)
{
	if (size >= SIZE_1G && node_available(node) / 2 >= size + SIZE_1G &&
		node_alloc(node, size, SIZE_1G, at))
		return true;
	return node_alloc(node, size, SIZE_2M, at);
}

/* What is left of a part, from this node, in pieces; returns what is left then. */
static uint64_t take_pieces(struct vm_memory *m, uint32_t node, uint64_t left)
{
	while (left != 0 && m->ram_count < PIECES) {
		struct hpa at;
		uint64_t size = node_alloc_most(node, left, SIZE_2M, &at);

		if (size == 0 || !add(m, at, size))
			break;
		left -= size;
	}
	return left;
}

/* The nearest node that has free memory and is farther than the last one, or as far and behind
 * it. */
static uint32_t next_nearest(uint32_t home, uint32_t last)
{
	unsigned after = last == NODE_ANY ? 0 : node_distance(home, last);
	uint32_t best = NODE_ANY;

	for (uint32_t i = 0; i < node_count(); i++) {
		unsigned d = node_distance(home, i);

		if (i == home || d < after || (d == after && last != NODE_ANY && i <= last))
			continue;
		if (best == NODE_ANY || d < node_distance(home, best))
			best = i;
	}
	return best;
}

/* A part of its RAM, from this node as far as that goes. */
static bool take_part(
	struct vm_memory *m, const struct vm_config *c, uint32_t node, uint64_t size)
{
	uint64_t left = size;
	uint32_t from = NODE_ANY;
	struct hpa at;

	if (take_whole(node, size, &at))
		return add(m, at, size);
	left = take_pieces(m, node, left);
	if (left != 0 && node != NODE_ANY)
		log_warn("'%s': %lu MiB of its memory are not from node %u, which has no more",
			c->name, left >> 20, node);
	while (left != 0 && node != NODE_ANY && (from = next_nearest(node, from)) != NODE_ANY)
		left = take_pieces(m, from, left);
	return take_pieces(m, NODE_ANY, left) == 0;
}

/* ---- the window ---- */

uint8_t *place_host(const struct vm_memory *m, unsigned piece, uint64_t offset)
{
	if (m->window != NULL)
		return m->window + offset;
	return (uint8_t *)direct_va(m->ram[piece].hpa) + (offset - m->ram[piece].gpa);
}

static bool map_window(const struct vm_memory *m)
{
	for (unsigned i = 0; i < m->ram_count; i++)
		if (!paging_map(m->cr3, (uint64_t)(uintptr_t)m->window + m->ram[i].gpa,
			    m->ram[i].hpa, m->ram[i].size, PT_RW_DATA))
			return false;
	return true;
}

void place_leave(const struct vm_memory *m)
{
	if (m->window != NULL)
		ram_give_window(m->window);
}

/* Nodes of the VM that stand for the same one of the machine side by side are one part. */
static bool take_parts(struct vm_memory *m, const struct vm_config *c)
{
	unsigned nodes = c->nodes > 1 ? c->nodes : 1, from = 0;

	for (unsigned to = 1; to <= nodes; to++) {
		if (to < nodes && m->home[to] == m->home[from])
			continue;
		if (!take_part(m, c, m->home[from],
			    nodes_ram_start(c, to) - nodes_ram_start(c, from)))
			return false;
		from = to;
	}
	if (m->ram_count > 1)
		m->window = ram_take_window(c->name);
	return m->ram_count == 1 || m->window != NULL;
}

/* Pieces are too many, or nobody sees them side by side: nodes are a wish, memory is not. */
static bool take_anywhere(struct vm_memory *m, const struct vm_config *c)
{
	struct hpa at;

	for (unsigned i = 0; i < m->ram_count; i++)
		page_free(m->ram[i].hpa, m->ram[i].size);
	m->ram_count = 0;
	if (!take_whole(NODE_ANY, nodes_ram_start(c, c->nodes), &at))
		return false;
	log_warn("'%s': its memory is in one piece, wherever that is", c->name);
	return add(m, at, nodes_ram_start(c, c->nodes));
}

bool place_ram(struct vm_memory *m, const struct vm_config *c, bool zeroed)
{
	if (!take_parts(m, c) && !take_anywhere(m, c))
		return false;
	for (unsigned i = 0; i < m->ram_count; i++)
		if (!map(m, m->ram[i].hpa, m->ram[i].size, zeroed))
			return false;
	return m->ram_count == 1 || map_window(m);
}

/* ---- what is told ---- */

void place_tell(const struct vm_memory *m, const struct vm_config *c)
{
	for (unsigned i = 0; i < c->nodes && m->home[i] != NODE_ANY; i++)
		log_info("'%s': node %u of %u is node %u of the machine", c->name, i, c->nodes,
			m->home[i]);
	if (m->window != NULL)
		log_info("memory of '%s' is in %u pieces", c->name, m->ram_count);
}

static uint8_t distance(const struct vm *vm, unsigned from, unsigned to)
{
	uint32_t a = vm->home[from], b = vm->home[to];
	unsigned d;

	if (from == to)
		return DISTANCE_NEAR;
	if (a == NODE_ANY || b == NODE_ANY)
		return DISTANCE_FAR;
	d = node_distance(a, b);
	return (uint8_t)(d < DISTANCE_LEAST ? DISTANCE_LEAST : d);
}

void place_describe(const struct vm *vm, struct platform_config *p)
{
	const struct vm_config *c = &vm->config;

	p->node_count = c->nodes;
	for (unsigned i = 0; i < c->nodes; i++) {
		p->nodes[i].ram_end = nodes_ram_start(c, i + 1);
		p->nodes[i].vcpu_end = nodes_vcpu_start(c, i + 1);
		for (unsigned k = 0; k < c->nodes; k++)
			p->nodes[i].distance[k] = distance(vm, i, k);
	}
}
