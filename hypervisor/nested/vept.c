/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual EPT: what an EPT violation of L2 fills in.
 */
#include "nested/vept_int.h"

/* ---- fills ---- */

static unsigned level_of_size(uint64_t size)
{
	return size >= SIZE_1G ? 3 : size >= SIZE_2M ? 2 : 1;
}

/* The table below (t, slot), made or remade when it does not mirror the walk. */
static uint32_t descend(struct nested *n, struct vept_root *root, uint32_t t,
	const struct vept_walk *w, unsigned level)
{
	struct vept *e = &n->vm->vept;
	unsigned slot = slot_of(w->gpa, level);
	bool split = level <= w->leaf;
	/* Parts of a split page that L2 may write go when L1 has cleared their dirty flag. */
	uint64_t flags = split && (root->eptp12 & EPTP_AD) ? EPT_DIRTY : 0;
	uint64_t source = w->entry[split ? w->leaf : level];
	uint64_t entry = e->pages[t].entry[slot];
	uint32_t child;

	if (entry) {
		if (!differs(e->pages[t].source[slot], source, flags) &&
			!is_leaf(entry, level)) {
			e->pages[t].source[slot] = source;
			return child_of(e, entry);
		}
		entry_clear(e, t, slot);
		root_flush(n, root);
	}
	reap_some(e);
	child = table_new(n, root, level - 1, split, source & EPT_ADDRESS);
	/* A split page's permissions and type are in its leaves. */
	entry_set(e, t, slot, table_hpa(e, child) | (split ? EPT_RIGHTS : source & EPT_RIGHTS),
		source);
	return child;
}

/*
 * What CPUs still have of the entry that was here goes when L1 executes INVEPT on them, which
 * flushes whatever it finds (vept_sync.c).
 */
static void leaf_set(struct nested *n, struct vept_root *root, uint32_t t, unsigned slot,
	uint64_t entry, uint64_t source)
{
	struct vept *e = &n->vm->vept;
	uint64_t old = e->pages[t].entry[slot];

	if (old && !is_leaf(old, e->table[t].level)) {
		entry_clear(e, t, slot);
		root_flush(n, root);
	}
	entry_set(e, t, slot, entry, source);
	n->stats.vept_fills++;
}

/*
 * Maps host memory for the leaf of a walk, in pages of at most this size. `entry` has the
 * rights and the memory type.
 */
static inline __attribute__((always_inline)) void fill_entry(struct nested *n,
	struct vept_root *root, const struct vept_walk *w, struct hpa hpa, uint64_t size,
	uint64_t entry)
{
	struct vept *e = &n->vm->vept;
	uint64_t source = w->entry[w->leaf];
	unsigned level = w->known, target = level_of_size(size);
	uint32_t t = w->table;

	if (level > target && tables_free(e) < ROOT_LEVEL) {
		tables_reserve(n, root, ROOT_LEVEL); /* w->table may be gone */
		t = root->table;
		level = ROOT_LEVEL;
	}
	for (; level > target; level--)
		t = descend(n, root, t, w, level);
	if ((root->eptp12 & EPTP_AD) && !(source & EPT_DIRTY)) /* the first write sets D */
		entry &= ~(EPT_WRITE | EPT_SUB_PAGE);
	entry |= hpa.v & ~(BIT64(level_shift(target)) - 1);
	entry |= target > 1 ? EPT_LARGE : 0;
	leaf_set(n, root, t, slot_of(w->gpa, target), entry, source);
}

/*
 * Memory, whose type is what EPT12 says; or write-back, as in EPT01, for a VM without devices
 * that could pass by caches.
 */
static inline __attribute__((always_inline)) void fill_with(struct nested *n,
	struct vept_root *root, const struct vept_walk *w, struct hpa hpa, uint64_t size,
	uint64_t rights)
{
	uint64_t entry = w->entry[w->leaf] & (rights | EPT_MEMTYPE | EPT_IPAT);

	if (n->vm->vept.write_back)
		entry = (entry & rights) | EPT_WB | EPT_IPAT;
	fill_entry(n, root, w, hpa, size, entry);
}

/*
 * In a debugger's root that is executable which it has let through. Of a large page bit 61
 * means nothing, and is not that of a small one in EPT02.
 */
static uint64_t rights_in(
	const struct nested *n, const struct vept_root *root, const struct vept_walk *w)
{
	uint64_t writes = EPT_WRITE | (root->spptp != 0 && w->leaf == 1 ? EPT_SUB_PAGE : 0);

	if (root->view == 0 || (n->view_opens && !((n->view_code.v ^ w->gpa) & ~PAGE_MASK)))
		return EPT_RIGHTS | writes;
	return EPT_READ | writes;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * How large a page may be: what is executed becomes a page of 4 KiB, in a table for its
 * surroundings, whose pages are such from then on. Execute-only pages are code.
 */
static __attribute__((noinline)) uint64_t code_size(
	const struct vept *e, const struct vept_walk *w, uint64_t size, uint64_t access)
{
	if (!e->small_code || !(w->perms & (EPT_EXEC | EPT_USER_EXEC)))
		return size;
	if (!(access & (QUAL_READ | QUAL_WRITE)) || !(w->perms & EPT_READ))
		return PAGE_SIZE;
	return smaller(size, vept_size_in_02(e, w));
}

/* The rights that a page of this size may have. */
static uint64_t rights_for(const struct nested *n, const struct vept_root *root,
	const struct vept_walk *w, uint64_t size)
{
	uint64_t rights = rights_in(n, root, w);

	return n->vm->vept.small_code && size > PAGE_SIZE ? rights & (EPT_READ | EPT_WRITE)
							  : rights;
}

/*
 * Registers of a device: UC, or WC where EPT12 says so, like EPT01 (SDM 28.2.6.2). A type of
 * EPT12 by which L2 could cache them counts as UC.
 */
static void fill_device(struct nested *n, struct vept_root *root, const struct vept_walk *w,
	struct hpa hpa, uint64_t size)
{
	uint64_t source = w->entry[w->leaf];
	uint64_t entry = source & (rights_for(n, root, w, size) | EPT_IPAT);

	if ((source & EPT_MEMTYPE) == EPT_TYPE(MEMTYPE_WC))
		entry |= EPT_TYPE(MEMTYPE_WC);
	fill_entry(n, root, w, hpa, size, entry);
}

/*
 * What is no RAM of L1: its APIC-access page, registers of a device that it owns, or what L0
 * has to complete.
 */
static __attribute__((noinline)) enum vept_result fill_foreign(
	struct nested *n, struct vept_root *root, const struct vept_walk *w, uint64_t access)
{
	struct hpa hpa = {n->vm->vept.apic_hpa};
	uint64_t size;

	n->no_ram = walk_target(w);
	if (root->apic_page != 0 && !((n->no_ram.v ^ root->apic_page) & ~PAGE_MASK)) {
		fill_with(n, root, w, hpa, PAGE_SIZE, rights_in(n, root, w));
		return VEPT_FILLED;
	}
	if (!seam_l1_device(n, n->no_ram, &hpa, &size))
		return VEPT_NO_RAM;
	size = root->view != 0 ? PAGE_SIZE : smaller(size, BIT64(level_shift(w->leaf)));
	fill_device(n, root, w, hpa, code_size(&n->vm->vept, w, size, access));
	return VEPT_FILLED;
}

/* In a debugger's view, or where large pages are not executable. */
static __attribute__((noinline)) void fill_specially(struct nested *n, struct vept_root *root,
	const struct vept_walk *w, struct hpa hpa, uint64_t size, uint64_t access)
{
	size = root->view != 0 ? PAGE_SIZE : code_size(&n->vm->vept, w, size, access);
	fill_with(n, root, w, hpa, size, rights_for(n, root, w, size));
}

/* What the walk leads to; `access` as in an exit qualification. */
static enum vept_result fill(
	struct nested *n, struct vept_root *root, const struct vept_walk *w, uint64_t access)
{
	uint64_t size = BIT64(level_shift(w->leaf));
	struct hpa hpa;

	if (!seam_l1_translate(n, walk_target(w), &hpa, &size))
		return fill_foreign(n, root, w, access);
	if (__builtin_expect(root->special, false))
		fill_specially(n, root, w, hpa, size, access);
	else
		fill_with(n, root, w, hpa, size, EPT_RIGHTS);
	return VEPT_FILLED;
}

/* ---- what L0 does not complete where nothing is ---- */

/*
 * Maps a page of ours for an address that EPT12 maps with these rights, to this page of L1's,
 * which is no RAM. If it does not any more, L2 tries again, and EPT12 is asked.
 */
static bool map_page(struct nested *n, struct vept_root *root, const struct vept_void *v,
	struct hpa page, uint64_t rights)
{
	struct vept_walk w;
	uint64_t size = PAGE_SIZE;
	struct hpa ram;

	if (vept_walk_ept12(n, root, root->eptp12, v->l2.v, controls_of(n), &w) !=
			VEPT_FILLED ||
		(walk_target(&w).v ^ v->l1.v) & ~PAGE_MASK ||
		seam_l1_translate(n, walk_target(&w), &ram, &size)) {
		n->foreign.root = NULL;
		return false;
	}
	fill_with(n, root, &w, page, PAGE_SIZE, rights & rights_in(n, root, &w));
	return true;
}

bool vept_map_ones(struct nested *n, struct vept_root *root, const struct vept_void *v)
{
	struct hpa page = {n->vm->vept.void_hpa};
	bool mapped;

	seam_vm_lock(n);
	mapped = map_page(n, root, v, page, EPT_RIGHTS & ~EPT_WRITE);
	seam_vm_unlock(n);
	return mapped;
}

/* The leaf of this address goes, if it maps this page, or any (NULL). False: it has none. */
static bool unmap_page(
	struct nested *n, struct vept_root *root, uint64_t gpa, const uint64_t *hpa)
{
	struct vept *e = &n->vm->vept;
	uint32_t t = root->table;

	for (unsigned level = ROOT_LEVEL;; level--) {
		unsigned slot = slot_of(gpa, level);
		uint64_t entry = e->pages[t].entry[slot];

		if (level == 1 && entry && (!hpa || (entry & EPT_ADDRESS) == *hpa)) {
			entry_clear(e, t, slot);
			return true;
		}
		if (level == 1 || !entry || is_leaf(entry, level))
			return false;
		t = child_of(e, entry);
	}
}

/*
 * What L2 has written goes, with the translations by which it could read it: on all CPUs, since
 * the page is another L2's next.
 */
static void scratch_clean(struct nested *n, struct vept_scratch *s)
{
	bool there = s->root && s->root->generation == s->generation;

	for (unsigned i = 0; there && i < s->count; i++)
		unmap_page(n, s->root, s->gpa[i], &s->hpa);
	if (there && s->count)
		root_flush_all(n, s->root);
	s->count = 0;
	for (unsigned i = 0; i < PAGE_SIZE / sizeof(uint64_t); i++)
		s->page[i] = UINT64_MAX;
}

bool vept_map_scratch(struct nested *n, struct vept_root *root, const struct vept_void *v)
{
	struct vept_scratch *s = &n->scratch;
	struct hpa page = {s->hpa};
	bool mapped;

	seam_vm_lock(n);
	if (s->root != root || s->generation != root->generation ||
		s->count == VEPT_SCRATCH_PAGES)
		scratch_clean(n, s);
	s->root = root;
	s->generation = root->generation;
	mapped = map_page(n, root, v, page, EPT_RIGHTS | EPT_SUB_PAGE);
	if (mapped)
		s->gpa[s->count++] = v->l2.v;
	seam_vm_unlock(n);
	return mapped;
}

void vept_forget(struct nested *n)
{
	struct vept *e = &n->vm->vept;

	seam_vm_lock(n);
	vept_foreign_forget(e);
	for (unsigned i = 0; i < e->roots; i++)
		if (e->root[i].eptp12) {
			root_empty(n, &e->root[i]);
			e->table[e->root[i].table].source = NULL; /* the next walk looks */
			if (e->root[i].spp_table != VEPT_NONE)
				e->table[e->root[i].spp_table].source = NULL;
		}
	seam_vm_unlock(n);
}

/* ---- views of a debugger ---- */

void vept_view_close(
	struct nested *n, struct vept_root *root, uint32_t generation, struct gpa_l2 gpa)
{
	seam_vm_lock(n);
	if (root->generation == generation && unmap_page(n, root, gpa.v, NULL))
		root_flush(n, root);
	seam_vm_unlock(n);
}

void vept_view_empty(struct nested *n, uint16_t view)
{
	struct vept *e = &n->vm->vept;

	seam_vm_lock(n);
	for (unsigned i = 0; i < e->roots; i++)
		if (e->root[i].eptp12 && e->root[i].view == view)
			root_empty(n, &e->root[i]);
	seam_vm_unlock(n);
}

/* ---- violations ---- */

/* What EPT12 says of an access where the walk has come to a page; *asked: sub-pages, too. */
static enum vept_result judge(struct nested *n, struct vept_root *root,
	const struct vept_walk *w, uint64_t hardware, uint64_t *qualification, bool *asked)
{
	uint32_t controls = controls_of(n);
	enum vept_result r;

	if (vept_access_allowed(&n->vm->vept, w, hardware, controls))
		return VEPT_FILLED;
	if (!spp_eligible(w, hardware, controls))
		return VEPT_VIOLATION;
	r = spp_decide(n, root, w->gpa, qualification);
	*qualification |= hardware & QUAL_NMI_UNBLOCKING;
	*asked = true;
	return r;
}

/* What EPT02 has of a page of 4 KiB, flags aside; 0: nothing. */
static uint64_t leaf_now(const struct vept *e, const struct vept_root *root, uint64_t gpa)
{
	uint32_t t = root->table;

	for (unsigned level = ROOT_LEVEL; level > 1; level--) {
		uint64_t entry = e->pages[t].entry[slot_of(gpa, level)];

		if (entry == 0 || is_leaf(entry, level))
			return 0;
		t = child_of(e, entry);
	}
	return e->pages[t].entry[slot_of(gpa, 1)] & ~(EPT_ACCESSED | EPT_DIRTY);
}

/*
 * Fills in what sub-page permissions allow. The processor may refuse such a write, though the
 * first byte's sub-page allows it: another one that it meets does not. What it refuses again,
 * though all was there already, is L1's as it is.
 */
static __attribute__((noinline)) enum vept_result fill_allowed(
	struct nested *n, struct vept_root *root, const struct vept_walk *w, uint64_t hardware)
{
	const struct vept *e = &n->vm->vept;
	uint64_t before = leaf_now(e, root, w->gpa);
	enum vept_result r = fill(n, root, w, hardware);
	bool again = n->spp_allowed == w->gpa + 1 && !n->spp_changed &&
		     before == leaf_now(e, root, w->gpa);

	n->spp_allowed = r == VEPT_FILLED && !again ? w->gpa + 1 : 0;
	return r == VEPT_FILLED && again ? vept_violation(w, controls_of(n)) : r;
}

static enum vept_result handle(struct nested *n, struct vept_root *root, uint64_t gpa,
	uint64_t hardware, uint64_t *qualification)
{
	bool asked = false; /* L1's sub-page permissions */
	uint32_t controls = controls_of(n);
	struct vept_walk w;
	enum vept_result r;

	if (root->spptp != 0)
		tables_reserve(n, root, SPP_RESERVE);
	r = vept_walk_ept12(n, root, root->eptp12, gpa, controls, &w);
	if (r == VEPT_FILLED)
		r = judge(n, root, &w, hardware, qualification, &asked);
	if (r == VEPT_SPP_EVENT)
		return r;
	if (r == VEPT_FILLED) {
		if (root->eptp12 & EPTP_AD)
			r = vept_set_flags(n, &w, hardware & EPT_WRITE, controls);
		if (r == VEPT_FILLED)
			r = asked ? fill_allowed(n, root, &w, hardware)
				  : fill(n, root, &w, hardware);
		else if (r != VEPT_PML_FULL) /* an entry changed: L2 tries again */
			r = VEPT_FILLED;
		if (r == VEPT_FILLED || r == VEPT_NO_RAM)
			return r;
	} else if (r != VEPT_MISCONFIG) {
		r = vept_violation(&w, controls);
	} else if (n->vm->explaining) {
		vept_note_misconfig(n, &w);
	}
	*qualification = vept_qualification(hardware, w.perms, controls);
	return r;
}

enum vept_result vept_handle(struct nested *n, struct vept_root *root, struct gpa_l2 gpa,
	uint64_t hardware_qualification, uint64_t *qualification)
{
	enum vept_result r;

	/* Most violations are of other pages, and shall not pay for the call. */
	if (n->foreign.l2.v == (gpa.v & ~PAGE_MASK) &&
		vept_foreign_again(n, root, gpa, hardware_qualification))
		return VEPT_NO_RAM;
	seam_vm_lock(n);
	r = handle(n, root, gpa.v, hardware_qualification, qualification);
	if (r == VEPT_NO_RAM) /* of writes each sub-page has its own right */
		vept_foreign_keep(n, root, gpa,
			hardware_qualification & ~(root->spptp != 0 ? QUAL_WRITE : 0));
	else if (!((n->foreign.l2.v ^ gpa.v) & ~PAGE_MASK))
		n->foreign.root = NULL; /* a violation ends what is cached of its address */
	seam_vm_unlock(n);
	return r;
}

void vept_prefill(struct nested *n, struct vept_root *root, struct gpa_l2 gpa)
{
	struct vept_walk w;

	seam_vm_lock(n);
	if (vept_walk_ept12(n, root, root->eptp12, gpa.v, proc2_of(n->cur), &w) ==
			VEPT_FILLED &&
		(!(root->eptp12 & EPTP_AD) || vept_accessed(&w)))
		(void)fill(n, root, &w, QUAL_READ);
	seam_vm_unlock(n);
}
