/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For own_guest.h: virtual EPT as it is, over RAM that moves. Each L1 has EPT12s, whose tables
 * lie in chunks like anything else: it makes them, moves them, changes them, gives up the
 * memory where they are and goes on. They lead each address to where L1 has it, so that each
 * way that a processor has leads there, or nowhere.
 *
 * L0 sees tables in the window, which a test program cannot have: l1_of has what is there.
 * That the window leads to the chunk is held against L0's page tables whenever L0 may look.
 */
#ifndef NESTOR_TESTS_OWN_NESTED_H
#define NESTOR_TESTS_OWN_NESTED_H

#include "own_quiet.h"

#define CHUNKS  8u           /* of each VM that are used */
#define TABLES  18u          /* of EPT02: fewer than two roots and all below */
#define NODES   (3 + CHUNKS) /* tables of EPT12: the top, two, one for each chunk */
#define FIRST   64u          /* the page of its chunk where a table is */
#define LEAF    (EPT_RWX | EPT_TYPE(MEMTYPE_WB))
#define NOWHERE 0xffu

static struct l1 {
	uint8_t at[NODES]; /* the chunk where a table is */
	uint32_t written;  /* chunks that have something in them, as bits */
	uint64_t table[CHUNKS][NODES][512] __attribute__((aligned(4096)));
} l1_of[VMS];

static struct {
	struct vept *vept; /* NULL: the VM is not there */
	struct identity {
		const uint64_t *source;
		uint16_t root;
		uint8_t level;
		bool in_use;
	} was[TABLES];
} nest[VMS];

static struct vept_root *root_of[VMS][VCPUS]; /* that its L2 runs with; NULL: has none yet */
static uint64_t filled, invalidated;

static uint64_t table_gpa(unsigned chunk, unsigned node)
{
	return chunk * CHUNK_SIZE + (FIRST + node) * PAGE_SIZE;
}

/* ---- L0's side ---- */

static unsigned pages_of(uint64_t bytes)
{
	return (unsigned)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

static void nest_create(struct vm *vm)
{
	struct vept *e = &vm->nested_vm->vept;

	*e = (struct vept){.count = TABLES,
		.vcpus = vm->config.cpus,
		.maxphyaddr = 46,
		.pages = pool_get_run(&vm->pool, pages_of(TABLES * sizeof(struct vept_pages))),
		.books = pool_get_run(&vm->pool, pages_of(vept_books_size(TABLES)))};
	CHECK(e->pages != NULL && e->books != NULL);
	e->pages_hpa = hpa_of(e->pages).v;
	vept_init(e);
	nest[vm->id].vept = e;
	memset(nest[vm->id].was, 0, sizeof(nest[vm->id].was));
	memset(root_of[vm->id], 0, sizeof(root_of[vm->id]));
	memset(&l1_of[vm->id], 0, sizeof(l1_of[vm->id]));
	memset(l1_of[vm->id].at, NOWHERE, NODES);
	l1_of[vm->id].at[0] = (uint8_t)below(CHUNKS);
}

/* A table of EPT02 that is another one by now: no processor may take it for what it was. */
static void tables_age(void)
{
	for (unsigned v = 0; v < VMS; v++)
		for (unsigned i = 0; nest[v].vept != NULL && i < TABLES; i++) {
			const struct vept_table *t = &nest[v].vept->table[i];
			struct identity *was = &nest[v].was[i];

			if (t->in_use == was->in_use && t->source == was->source &&
				t->root == was->root && t->level == was->level)
				continue;
			if (was->in_use)
				ages(hpa_of(&nest[v].vept->pages[i]).v, PAGE_SIZE);
			*was = (struct identity){t->source, t->root, t->level, t->in_use};
		}
}

/* The memory of a VM that has ended; that of others stays. */
static void nest_ends(uint64_t hpa, uint64_t size)
{
	for (unsigned v = 0; v < VMS; v++)
		if (nest[v].vept != NULL && hpa_of(nest[v].vept).v - hpa < size)
			nest[v].vept = NULL;
}

/* What is in a chunk that has gone is zeros when it comes again. */
static void contents_go(const struct vm *vm)
{
	struct l1 *l1 = &l1_of[vm->id];

	for (uint32_t i = 0; vm->ram != NULL && i < CHUNKS; i++)
		if (l1->written & BIT64(i) && ram_state(vm->ram, i) == RAM_ABSENT) {
			memset(l1->table[i], 0, sizeof(l1->table[i]));
			l1->written &= ~(uint32_t)BIT64(i);
		}
}

bool vm_ram_offset(const struct vm *vm, uint64_t gpa, uint64_t size, uint64_t *offset)
{
	*offset = gpa;
	return gpa + size <= vm->config.memory;
}

/* Tables of EPT12 are all that is asked for. */
void *vm_gpa_to_va(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	uint64_t chunk = gpa / CHUNK_SIZE, node = gpa % CHUNK_SIZE / PAGE_SIZE - FIRST;

	CHECK(gpa % PAGE_SIZE == 0 && size == PAGE_SIZE && chunk < CHUNKS && node < NODES);
	if (vm->ram != NULL && !ram_there(vm, gpa, size))
		return NULL;
	contents_go(vm);
	return l1_of[vm->id].table[chunk][node];
}

/* Virtual EPT reads the tables that it mirrors at any time; they are where they were. */
static void read_tables(struct vm *vm)
{
	struct vept *e = &vm->nested_vm->vept;

	vm_lock(vm);
	for (unsigned i = 0; vm->ram != NULL && i < e->watch_count; i++) {
		uint64_t gpa = e->scan[i].watch->gpa;
		uint32_t chunk = (uint32_t)(gpa / CHUNK_SIZE);

		access_own(vm->ram->window + gpa,
			vm->ram->chunk[chunk].frame * CHUNK_SIZE + gpa % CHUNK_SIZE);
	}
	vm_unlock(vm);
}

/* ---- L1's side ---- */

/* L1 writes a table, by EPT01 as it is. False: it has to wait for memory. */
static bool l1_write(struct vcpu *vcpu, unsigned node, unsigned index, uint64_t entry)
{
	struct vm *vm = vcpu->vm;
	unsigned chunk = l1_of[vm->id].at[node];
	uint64_t gpa = table_gpa(chunk, node), size, *leaf;

	if (chunk == NOWHERE) /* another vCPU of L1's was at work */
		return false;
	leaf = ept_leaf(&vm->ept01, gpa, &size);
	if (leaf == NULL && vm->ram != NULL) {
		ram_touch(vcpu, gpa);
		leaf = ept_leaf(&vm->ept01, gpa, &size);
	}
	if (leaf == NULL)
		return false;
	contents_go(vm);
	l1_of[vm->id].written |= (uint32_t)BIT64(chunk);
	l1_of[vm->id].table[chunk][node][index] = entry;
	if (size == PAGE_SIZE)
		__atomic_fetch_or(leaf, EPT_DIRTY, __ATOMIC_SEQ_CST);
	return true;
}

static unsigned parent_of(unsigned node)
{
	return node < 3 ? node - 1 : 2;
}

static unsigned index_of(unsigned node)
{
	return node < 3 ? 0 : node - 3;
}

static bool l1_link(struct vcpu *vcpu, unsigned node)
{
	unsigned chunk = l1_of[vcpu->vm->id].at[node];

	return chunk != NOWHERE && l1_write(vcpu, parent_of(node), index_of(node),
					   table_gpa(chunk, node) | EPT_RWX);
}

/* Is the table where its parent says? L1 has looked at both. */
static bool l1_has(const struct vm *vm, unsigned node)
{
	const struct l1 *l1 = &l1_of[vm->id];
	unsigned above = parent_of(node);

	return l1->at[node] != NOWHERE && l1->table[l1->at[above]][above][index_of(node)] ==
						  (table_gpa(l1->at[node], node) | EPT_RWX);
}

/* An EPT violation that is L1's: what is missing comes, in some chunk; seldom a large page. */
static void l1_maps(struct vcpu *vcpu, uint64_t gpa)
{
	struct l1 *l1 = &l1_of[vcpu->vm->id];
	unsigned chunk = (unsigned)(gpa / CHUNK_SIZE), last = 3 + chunk;
	const unsigned path[] = {1, 2, last};

	for (unsigned i = 0; i < 3; i++) {
		if (l1_has(vcpu->vm, path[i]))
			continue;
		if (path[i] == last && below(4) == 0) {
			l1->at[last] = NOWHERE;
			l1_write(vcpu, 2, chunk, chunk * CHUNK_SIZE | LEAF | EPT_LARGE);
			return;
		}
		l1->at[path[i]] = (uint8_t)below(CHUNKS);
		if (!l1_write(vcpu, path[i], 511, 0) || !l1_link(vcpu, path[i]))
			return;
	}
	l1_write(vcpu, last, gpa / PAGE_SIZE % 512, (gpa & ~PAGE_MASK) | LEAF);
}

/* A table goes to another chunk, with what it has. */
static void l1_moves_table(struct vcpu *vcpu)
{
	struct l1 *l1 = &l1_of[vcpu->vm->id];
	unsigned node = 1 + below(NODES - 1), from = l1->at[node];

	if (!l1_has(vcpu->vm, node))
		return;
	l1->at[node] = (uint8_t)below(CHUNKS);
	if (l1->at[node] == from || !l1_write(vcpu, node, 511, 0) || l1->at[node] == NOWHERE)
		return;
	memcpy(l1->table[l1->at[node]][node], l1->table[from][node], PAGE_SIZE);
	l1_link(vcpu, node);
}

static void l1_unmaps(struct vcpu *vcpu, uint64_t gpa)
{
	unsigned chunk = (unsigned)(gpa / CHUNK_SIZE), node = 3 + chunk;

	if (below(4) == 0 && l1_has(vcpu->vm, 2))
		l1_write(vcpu, 2, chunk, 0);
	else if (l1_has(vcpu->vm, node))
		l1_write(vcpu, node, gpa / PAGE_SIZE % 512, 0);
}

static uint64_t eptp12_of(const struct vm *vm)
{
	return table_gpa(l1_of[vm->id].at[0], 0) | EPTP_WALK_4 | MEMTYPE_WB |
	       (below(2) != 0 ? EPTP_AD : 0);
}

static void l1_invalidates(struct vcpu *vcpu)
{
	while (!(below(2) ? vept_invalidate(&vcpu->nested, eptp12_of(vcpu->vm))
			  : vept_invalidate_all(&vcpu->nested)))
		;
	invalidated++;
}

/* What L1 does to EPT12, and its next entry to L2, for which virtual EPT is asked. */
static void l1_works(struct vcpu *vcpu, uint64_t gpa)
{
	struct nested *n = &vcpu->nested;
	struct vept_root **root = &root_of[vcpu->vm->id][vcpu->index];

	vcpu->vm->nested_vm->l0.eptp01 = vcpu->vm->ept01.eptp;
	switch (below(12)) {
	case 0:
		l1_moves_table(vcpu);
		break;
	case 1:
		l1_unmaps(vcpu, gpa);
		break;
	case 2:
		l1_invalidates(vcpu);
		break;
	default:
		break;
	}
	if (*root == NULL || below(8) == 0)
		*root = vept_root_get(n, eptp12_of(vcpu->vm), 0);
}

/* L2 met an EPT violation. */
static void nest_violation(struct vcpu *vcpu, uint64_t gpa)
{
	uint64_t qualification;

	switch (vept_handle(&vcpu->nested, root_of[vcpu->vm->id][vcpu->index],
		(struct gpa_l2){gpa}, QUAL_READ, &qualification)) {
	case VEPT_FILLED:
		filled++;
		break;
	case VEPT_VIOLATION:
		l1_maps(vcpu, gpa);
		break;
	default: /* the chunk is on its way: L2 tries again */
		break;
	}
}

#endif
