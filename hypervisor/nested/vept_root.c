/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual EPT: its roots, and which go when tables run out.
 */
#include "nested/vept_int.h"

static void root_drop(struct nested *n, struct vept_root *r)
{
	struct vept *e = &n->vm->vept;

	table_cut(e, r->table);
	if (r->spp_table != VEPT_NONE)
		table_cut(e, r->spp_table);
	root_flush(n, r);
	e->live[(r - e->root) / 64] &= ~BIT64((r - e->root) % 64);
	*r = (struct vept_root){
		.table = VEPT_NONE, .spp_table = VEPT_NONE, .generation = r->generation + 1};
	list_init(&r->cut);
}

/* Those that a vCPU has in use, as bits: vCPUs are not looked at again for each root. */
static void find_used(const struct vept *e, uint64_t used[VEPT_WORDS])
{
	for (unsigned i = 0; i < VEPT_WORDS; i++)
		used[i] = 0;
	for (unsigned i = 0; i < e->roots - VEPT_SPARE; i++)
		if (e->used[i] != NULL)
			used[(e->used[i] - e->root) / 64] |= BIT64((e->used[i] - e->root) % 64);
}

/* The oldest root that may go. */
static struct vept_root *oldest_root(struct vept *e, const struct vept_root *keep)
{
	struct vept_root *oldest = NULL;
	uint64_t used[VEPT_WORDS];

	find_used(e, used);
	for (unsigned i = 0; i < e->roots; i++) {
		struct vept_root *r = &e->root[i];

		if (r == keep || !r->eptp12 || used[i / 64] >> i % 64 & 1)
			continue;
		if (!oldest || r->last_use < oldest->last_use)
			oldest = r;
	}
	return oldest;
}

static bool table_empty(struct vept *e, uint32_t i)
{
	const struct vept_table *t = &e->table[i];
	bool any = false;

	for (unsigned w = 0; w < VEPT_ENTRIES / 64; w++)
		for (uint64_t bits = t->present[w]; bits; bits &= bits - 1) {
			entry_clear(e, i, w * 64 + (unsigned)__builtin_ctzll(bits));
			any = true;
		}
	return any;
}

bool root_empty(struct nested *n, struct vept_root *r)
{
	struct vept *e = &n->vm->vept;
	bool any = table_empty(e, r->table);

	if (r->spp_table != VEPT_NONE && table_empty(e, r->spp_table))
		any = true;
	if (!any)
		return false;
	root_flush(n, r);
	n->stats.vept_zaps++;
	return true;
}

/* Some tables become gone. False: there are none but the top tables of roots in use. */
static bool give_up_tables(struct nested *n, struct vept_root *keep)
{
	struct vept *e = &n->vm->vept;
	struct vept_root *r = oldest_root(e, keep);

	n->stats.vept_evictions++;
	if (r) {
		root_drop(n, r);
		return true;
	}
	if (keep->table != VEPT_NONE && root_empty(n, keep))
		return true;
	for (unsigned i = 0; i < e->roots; i++)
		if (e->root[i].eptp12 && root_empty(n, &e->root[i]))
			return true;
	return false;
}

void tables_reserve_now(struct nested *n, struct vept_root *keep, uint32_t count)
{
	struct vept *e = &n->vm->vept;

	while (tables_free(e) < count && (!list_empty(&e->gone) || give_up_tables(n, keep)))
		reap(e, 1);
}

static struct vept_root *root_find(
	const struct nested *n, uint64_t eptp12, uint64_t apic_page, uint64_t spptp)
{
	struct vept *e = &n->vm->vept;

	for (unsigned i = 0; i < e->roots; i++)
		if (e->root[i].eptp12 == eptp12 && e->root[i].apic_page == apic_page &&
			e->root[i].view == n->view && e->root[i].spptp == spptp)
			return &e->root[i];
	return NULL;
}

static struct vept_root *root_unused(struct vept *e)
{
	for (unsigned i = 0; i < e->roots; i++)
		if (!e->root[i].eptp12)
			return &e->root[i];
	return NULL;
}

static struct vept_root *root_new(
	struct nested *n, uint64_t eptp12, uint64_t apic_page, uint64_t spptp)
{
	struct vept *e = &n->vm->vept;
	struct vept_root *r = root_unused(e);

	if (!r) {
		r = oldest_root(e, NULL);
		root_drop(n, r);
	}
	tables_reserve(n, r, ROOT_LEVEL);
	reap_some(e);
	e->live[(r - e->root) / 64] |= BIT64((r - e->root) % 64);
	r->eptp12 = eptp12;
	r->apic_page = apic_page;
	r->spptp = spptp;
	r->view = n->view;
	r->special = r->view != 0 || e->small_code || spptp != 0;
	r->table = table_new(n, r, ROOT_LEVEL, false, eptp12 & EPT_ADDRESS);
	r->eptp02 = table_hpa(e, r->table) | EPTP_WALK_4 | (eptp12 & EPTP_AD) | 6;
	if (spptp != 0) {
		r->spp_table = table_new(n, r, ROOT_LEVEL, false, spptp & EPT_ADDRESS);
		e->table[r->spp_table].spp = true;
	}
	return r;
}

static void root_use(struct nested *n, struct vept_root *r)
{
	struct vept *e = &n->vm->vept;

	r->last_use = ++e->use_counter;
	e->used[n->vcpu] = r;
}

struct vept_root *vept_root_get(struct nested *n, uint64_t eptp12, uint64_t apic_page)
{
	struct vept *e = &n->vm->vept;
	uint64_t spptp = spptp_of(n);
	struct vept_root *r;

	seam_vm_lock(n);
	e->used[n->vcpu] = NULL;
	r = root_find(n, eptp12, apic_page, spptp);
	if (!r)
		r = root_new(n, eptp12, apic_page, spptp);
	root_use(n, r);
	seam_vm_unlock(n);
	return r;
}

bool vept_root_reuse(struct nested *n, struct vept_root *root, uint32_t generation)
{
	bool valid;

	/* Nobody else can take away what this vCPU uses. */
	if (n->vm->vept.used[n->vcpu] == root)
		return root->generation == generation;
	seam_vm_lock(n);
	valid = root->generation == generation;
	if (valid)
		root_use(n, root);
	seam_vm_unlock(n);
	return valid;
}

void vept_root_leave(struct nested *n)
{
	seam_vm_lock(n);
	n->vm->vept.used[n->vcpu] = NULL;
	seam_vm_unlock(n);
}
