/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM that moves: what all VMs share of it, and what a VM is given at its creation.
 */
#include "vm/ram_int.h"

#include "cpu/bad_memory.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/percpu.h"
#include "lib/vcpu_set.h"
#include "mm/layout.h"
#include "mm/node.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "policy/memory.h"
#include "vm/bad_memory.h"
#include "vm/create.h"
#include "vm/sched.h"

/*
 * In L0's address spaces two entries of the top tables for each VM; the direct map ends below,
 * and the image has the last entry.
 */
#define WINDOW_BASE 0xffffc00000000000ull
#define WINDOW_SIZE (1ull << 40)
#define TOP_ENTRY   (1ull << 39) /* what one of them maps */
#define WINDOWS     (unsigned)((IMAGE_BASE - WINDOW_BASE) / WINDOW_SIZE)
#define DROPS       512u /* chunks that one piece of work gives back */

_Static_assert(CHUNK_SIZE == SIZE_2M, "a chunk is a large page");
_Static_assert(WINDOWS == LIMIT_RESERVES, "policy/scenario.c has refused the next one");
_Static_assert(sizeof(struct vm_ram) <= MEMORY_RAM_BOOKS, "policy/memory.c");
_Static_assert(sizeof(struct ram_chunk) == MEMORY_RAM_CHUNK, "policy/memory.c");

static struct chunks all;
static struct spinlock lock = {.rank = LOCK_PAGES};
static struct vcpu_set waiting[VM_MAX]; /* those that wait for a chunk; with the lock */
static struct hpa zeros;                /* a chunk */
static uint64_t windows;                /* that VMs have: bit by number; with the lock */

const uint8_t *ram_zeros(void)
{
	return direct_va(zeros);
}

/* ---- at set-up ---- */

static bool take_frame(uint32_t node, bool zeroed, uint32_t *frame)
{
	struct hpa at;

	if (!node_alloc(node, CHUNK_SIZE, CHUNK_SIZE, &at) &&
		!node_alloc(NODE_ANY, CHUNK_SIZE, CHUNK_SIZE, &at))
		return false;
	if (!zeroed)
		memset(direct_va(at), 0, CHUNK_SIZE);
	percpu_progress(); /* one of many */
	*frame = (uint32_t)(at.v / CHUNK_SIZE);
	return true;
}

static bool take_zeros(bool zeroed)
{
	uint32_t frame;

	if (zeros.v != 0)
		return true;
	if (!take_frame(NODE_ANY, zeroed, &frame))
		return false;
	zeros.v = frame * CHUNK_SIZE;
	return true;
}

static uint32_t node_of(uint32_t frame)
{
	return node_of_memory((struct hpa){frame * CHUNK_SIZE});
}

/* Each of its nodes has as much of the reserve. */
static bool take_promised(
	unsigned vm, const uint32_t *home, const struct vm_config *c, bool zeroed)
{
	uint32_t count = (uint32_t)(c->reserve / CHUNK_SIZE), spare = memory_spare(c), frame;
	uint32_t elsewhere = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t node = home[i * c->nodes / count];

		if (!take_frame(node, zeroed, &frame) ||
			!chunks_add(&all, node_of(frame), frame, true))
			return false;
		elsewhere += node != NODE_ANY && node_of(frame) != node;
	}
	if (elsewhere != 0)
		log_warn(
			"'%s': %u MiB of its reserve are not from its nodes, which have no more",
			c->name, 2 * elsewhere);
	return chunks_open(&all, vm, count - spare, spare);
}

uint8_t *ram_take_window(const char *vm)
{
	unsigned free;

	spin_lock(&lock);
	free = (unsigned)__builtin_ctzll(~windows | BIT64(WINDOWS));
	if (free < WINDOWS)
		windows |= BIT64(free);
	spin_unlock(&lock);
	if (free < WINDOWS)
		return (uint8_t *)(uintptr_t)(WINDOW_BASE + free * WINDOW_SIZE);
	log_error("'%s': %u VMs at most have memory that moves, or is in several pieces", vm,
		WINDOWS);
	return NULL;
}

void ram_give_window(const uint8_t *window)
{
	spin_lock(&lock);
	windows &= ~BIT64(((uint64_t)(uintptr_t)window - WINDOW_BASE) / WINDOW_SIZE);
	spin_unlock(&lock);
}

/* The parts behind the structure, in the order of their alignment. */
static void place_parts(struct vm_ram *r, const struct vm_config *c)
{
	uint8_t *at = (uint8_t *)r + MEMORY_RAM_BOOKS;

	r->count = (uint32_t)(c->memory / CHUNK_SIZE);
	r->pdpt = (uint64_t *)(void *)at;
	at += WINDOW_SIZE / TOP_ENTRY * PAGE_SIZE;
	r->pde = (uint64_t *)(void *)at;
	at += (r->count + PT_ENTRIES - 1) / PT_ENTRIES * PAGE_SIZE;
	r->chunk = (struct ram_chunk *)(void *)at;
	at += r->count * sizeof(struct ram_chunk);
	r->balloon_bits = (uint64_t *)(void *)at;
	r->balloon_bytes = memory_balloon_bytes(c);
}

static bool map_window(struct vm_ram *r, uint64_t cr3)
{
	uint64_t window = (uint64_t)(uintptr_t)r->window;

	for (uint32_t i = 0; i < r->count; i += PT_ENTRIES)
		r->pdpt[i / PT_ENTRIES] = hpa_of(&r->pde[i]).v | PT_P | PT_RW;
	for (unsigned i = 0; i < WINDOW_SIZE / TOP_ENTRY; i++) {
		struct hpa table = hpa_of(r->pdpt + i * PT_ENTRIES);

		paging_share(cr3, window + i * TOP_ENTRY, table);
	}
	return paging_map_direct(cr3, zeros, CHUNK_SIZE, PT_P | PT_XD);
}

struct vm_ram *ram_create(
	const struct vm_memory *m, const struct vm_config *c, unsigned vm, bool zeroed)
{
	struct vm_ram *r = direct_va(m->books);

	r->window = ram_take_window(c->name);
	if (r->window == NULL)
		return NULL;
	if (!take_zeros(zeroed) || !take_promised(vm, m->home, c, zeroed)) {
		ram_give_window(r->window);
		return NULL;
	}
	r->lock = SPINLOCK(LOCK_RAM);
	r->vm = vm;
	r->pde_flags = PT_PS | paging_rights(PT_RW_DATA);
	place_parts(r, c);
	if (map_window(r, m->cr3))
		return r;
	ram_destroy(r, m->cr3);
	return NULL;
}

void ram_take_rest(bool zeroed)
{
	struct hpa at;

	while (zeros.v != 0 && all.clean + all.dirty < CHUNKS_MAX &&
		page_alloc(CHUNK_SIZE, CHUNK_SIZE, PAGE_ANYWHERE, &at))
		(void)chunks_add(
			&all, node_of_memory(at), (uint32_t)(at.v / CHUNK_SIZE), zeroed);
}

void ram_begin(struct vm_ram *r, uint64_t low)
{
	r->low = (uint32_t)(low / CHUNK_SIZE);
}

void ram_destroy(struct vm_ram *r, uint64_t cr3)
{
	uint64_t window = (uint64_t)(uintptr_t)r->window;

	for (unsigned i = 0; i < WINDOW_SIZE / TOP_ENTRY; i++)
		paging_unshare(cr3, window + i * TOP_ENTRY);
	spin_lock(&lock);
	chunks_close(&all, r->vm);
	spin_unlock(&lock);
	ram_give_window(r->window);
}

void ram_show_window(const uint8_t *window, uint64_t cr3, uint64_t of)
{
	for (uint64_t at = 0; at < WINDOW_SIZE; at += TOP_ENTRY)
		paging_take_over(cr3, of, (uint64_t)(uintptr_t)window + at);
}

/* ---- chunks ---- */

static bool is_bad(uint32_t frame)
{
	return bad_memory_in(frame * CHUNK_SIZE, CHUNK_SIZE);
}

/* One that turns out to be wrong is lost to whom it was promised. */
uint32_t ram_host_take(unsigned vm, uint32_t node, bool spare)
{
	uint32_t frame;

	spin_lock(&lock);
	for (;;) {
		frame = spare ? chunks_take_spare(&all, vm, node) : chunks_take(&all, vm, node);
		if (frame == CHUNK_NONE || !is_bad(frame))
			break;
		chunks_lost(&all, vm);
	}
	spin_unlock(&lock);
	return frame;
}

void ram_host_give(unsigned vm, uint32_t frame)
{
	spin_lock(&lock);
	chunks_give(&all, vm, frame);
	spin_unlock(&lock);
}

/* Who waits is on record before anybody can give what it waits for. */
bool ram_host_can_go_on(unsigned vm, unsigned vcpu, bool chunk)
{
	bool can;

	spin_lock(&lock);
	can = chunks_settle(&all, vm) && (!chunk || chunks_can_take(&all, vm));
	if (!can)
		vcpu_set_add(&waiting[vm], vcpu);
	spin_unlock(&lock);
	return can;
}

/* Who begins to wait meanwhile has seen the chunk. */
static void wake(unsigned vm)
{
	struct vcpu_set who;

	spin_lock(&lock);
	who = waiting[vm];
	waiting[vm] = (struct vcpu_set){{0}};
	spin_unlock(&lock);
	for (unsigned i; (i = vcpu_set_first(&who)) < LIMIT_VCPUS; vcpu_set_drop(&who, i))
		sched_post(vm, i, EVENT_MEMORY);
}

bool ram_wipe(void)
{
	uint32_t frame;
	unsigned owner;

	if (__atomic_load_n(&all.dirty, __ATOMIC_RELAXED) == 0)
		return false;
	spin_lock(&lock);
	frame = chunks_to_wipe(&all, &owner);
	spin_unlock(&lock);
	if (frame == CHUNK_NONE)
		return false;
	sched_use_address_space(sched_boot_space);
	bad_memory_wipe((struct hpa){frame * CHUNK_SIZE}, CHUNK_SIZE);
	spin_lock(&lock);
	if (is_bad(frame))
		chunks_lost(&all, owner);
	else
		chunks_wiped(&all, owner, node_of(frame), frame);
	spin_unlock(&lock);
	for (unsigned vm = 0; vm < VM_MAX; vm++)
		wake(vm);
	return true;
}

/* ---- after the end of a VM ---- */

/* No CPU runs it: what is on its way has arrived. */
static void rest(struct vm_ram *r)
{
	r->asked.count = r->going.count = r->left.count = 0;
	r->forgets = false;
	r->round = 0;
	memset(r->seen, 0, sizeof(r->seen));
	memset(r->balloon_bits, 0, memory_balloon_size(r->balloon_bytes));
}

bool ram_drop(struct vm_ram *r)
{
	unsigned given = 0;

	for (uint32_t i = 0; i < r->count && given < DROPS; i++) {
		if (r->chunk[i].frame == CHUNK_NONE)
			continue;
		r->pde[i] = 0;
		ram_host_give(r->vm, r->chunk[i].frame);
		r->chunk[i] = (struct ram_chunk){.frame = CHUNK_NONE};
		given++;
	}
	if (given != 0)
		return true;
	rest(r);
	r->stats = (struct ram_stats){.there = 0};
	return false;
}

bool ram_is_whole(const struct vm_ram *r)
{
	bool whole;

	spin_lock(&lock);
	whole = chunks_used(&all, r->vm) == 0;
	spin_unlock(&lock);
	return whole;
}

bool ram_is_short(const struct vm_ram *r)
{
	bool can;

	spin_lock(&lock);
	can = chunks_can_take(&all, r->vm);
	spin_unlock(&lock);
	return !can;
}
