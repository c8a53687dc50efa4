/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sub-page write permissions (SDM "Sub-Page Write Permissions", newer than the pinned edition):
 * SPPT02, which the processor walks for L2, filled on demand from SPPT12, L1's table.
 *
 * A root with them has a table of its own for SPPT02; tables below are like those of EPT02, and
 * mirror those of SPPT12 in the same way: INVEPT compares them, and they go when room is
 * needed. An entry of the last level is a page's rights and has no bit that says that it is
 * there: 0 forbids, and the violation asks SPPT12.
 */
#include "nested/vept_int.h"

/* A walk of SPPT12 that has come to a page's rights. */
struct spp_walk {
	uint64_t gpa;
	uint64_t *top;                  /* L1's table, as L0 has it */
	uint64_t entry[ROOT_LEVEL + 1]; /* by level; that of level 1 is the rights */
};

uint64_t spptp_of(const struct nested *n)
{
	return controls_of(n) & PROC2_SUB_PAGE_WRITE ? n->cur->f[FID_SPPTP] | SPP_VALID : 0;
}

bool vept_has_sub_pages(const struct nested *n)
{
	return spptp_of(n) != 0;
}

uint64_t vept_spptp02(const struct nested *n, const struct vept_root *root)
{
	return table_hpa(&n->vm->vept, root->spp_table);
}

/*
 * The page is of 4 KiB and has bit 61, all entries allow reads, and the write is one of data by
 * a linear address: not what the processor does to paging structures.
 */
bool spp_eligible(const struct vept_walk *w, uint64_t access, uint32_t controls)
{
	return (controls & PROC2_SUB_PAGE_WRITE) && w->leaf == 1 &&
	       (w->entry[1] & EPT_SUB_PAGE) &&
	       (w->perms & (EPT_READ | EPT_WRITE)) == EPT_READ && (access & QUAL_WRITE) &&
	       !(access & QUAL_FETCH) && (access & QUAL_OF_LINEAR) == QUAL_OF_LINEAR;
}

/* Each entry is read once. What is no RAM of L1 reads as ones, which are reserved bits. */
static enum vept_result walk(
	struct nested *n, uint64_t spptp, struct spp_walk *w, uint64_t *qualification)
{
	uint64_t beyond = EPT_ADDRESS & ~(BIT64(n->vm->vept.maxphyaddr) - 1);
	uint64_t table = spptp & EPT_ADDRESS;

	for (unsigned level = ROOT_LEVEL;; level--) {
		uint64_t *page = seam_l1_page(n, (struct gpa_l1){table});
		uint64_t entry =
			page ? __atomic_load_n(&page[slot_of(w->gpa, level)], __ATOMIC_RELAXED)
			     : UINT64_MAX;
		bool last = level == 1;

		if (level == ROOT_LEVEL)
			w->top = page;
		w->entry[level] = entry;
		*qualification = 0;
		if (!last && !(entry & SPP_VALID)) {
			*qualification = QUAL_SPP_MISS;
			return VEPT_SPP_EVENT;
		}
		if (entry & (last ? SPP_RIGHTS_RESERVED : SPP_RESERVED | beyond))
			return VEPT_SPP_EVENT;
		if (last)
			return VEPT_FILLED;
		table = entry & EPT_ADDRESS;
	}
}

/* The table below (t, slot), which mirrors the one that this entry of SPPT12 leads to. */
static uint32_t descend(struct nested *n, struct vept_root *root, uint32_t t,
	const struct spp_walk *w, unsigned level)
{
	struct vept *e = &n->vm->vept;
	unsigned slot = slot_of(w->gpa, level);
	uint64_t old = e->pages[t].entry[slot], source = w->entry[level];
	uint32_t child;

	if (old && e->pages[t].source[slot] == source)
		return child_of(e, old);
	if (old) {
		entry_clear(e, t, slot);
		root_flush(n, root);
	}
	reap_some(e);
	child = table_new(n, root, level - 1, false, source & EPT_ADDRESS);
	e->table[child].spp = true;
	entry_set(e, t, slot, table_hpa(e, child) | SPP_VALID, source);
	return child;
}

/*
 * Rights that are taken away count from L1's INVEPT on, as those of EPT12. What CPUs have
 * cached of an entry that was here goes then, too.
 */
static void fill(struct nested *n, struct vept_root *root, const struct spp_walk *w)
{
	struct vept *e = &n->vm->vept;
	unsigned slot = slot_of(w->gpa, 1);
	uint32_t t = root->spp_table;

	if (w->top && !e->table[t].watch) /* there was none when the root was made */
		table_mirror(n, t, w->top, root->spptp & EPT_ADDRESS);
	e->table[t].source = w->top; /* vept_forget has forgotten where it is */
	for (unsigned level = ROOT_LEVEL; level > 1; level--)
		t = descend(n, root, t, w, level);
	n->spp_changed = e->pages[t].entry[slot] != w->entry[1];
	if (w->entry[1] != 0)
		entry_set(e, t, slot, w->entry[1], w->entry[1]);
	else if (e->pages[t].entry[slot] != 0)
		entry_clear(e, t, slot);
}

enum vept_result spp_decide(
	struct nested *n, struct vept_root *root, uint64_t gpa, uint64_t *qualification)
{
	struct spp_walk w = {.gpa = gpa};
	enum vept_result r = walk(n, root ? root->spptp : spptp_of(n), &w, qualification);

	if (r != VEPT_FILLED)
		return r;
	if (root)
		fill(n, root, &w);
	return w.entry[1] & SPP_RIGHT(gpa) ? VEPT_FILLED : VEPT_VIOLATION;
}

/* Whether the write is allowed the processor finds out when it tries again. */
enum vept_result vept_spp_miss(
	struct nested *n, struct vept_root *root, struct gpa_l2 gpa, uint64_t *qualification)
{
	enum vept_result r;

	seam_vm_lock(n);
	n->spp_allowed = 0;
	tables_reserve(n, root, SPP_RESERVE);
	r = spp_decide(n, root, gpa.v, qualification);
	seam_vm_unlock(n);
	return r == VEPT_SPP_EVENT ? r : VEPT_FILLED;
}
