/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an address of L2's is mapped, for who looks from outside: nothing changes, no flag of
 * EPT12 either.
 */
#include "nested/vept_int.h"

/* The entries of EPT02, as hardware walks it. */
static unsigned look_at_02(
	const struct vept *e, uint32_t table, uint64_t gpa, uint64_t entry[VEPT_LEVELS + 1])
{
	for (unsigned level = ROOT_LEVEL;; level--) {
		entry[level] = e->pages[table].entry[slot_of(gpa, level)];
		if (!(entry[level] & EPT_RIGHTS) || is_leaf(entry[level], level))
			return level;
		table = child_of(e, entry[level]);
	}
}

bool vept_look(struct nested *n, struct gpa_l2 gpa, struct vept_look *look)
{
	const struct vept_root *root = n->cur->root;
	struct vept_walk w;

	*look = (struct vept_look){.found = VEPT_VIOLATION};
	if (root == NULL || gpa.v >> 48 != 0)
		return false;
	seam_vm_lock(n);
	look->found = vept_walk_ept12(n, NULL, root->eptp12, gpa.v, controls_of(n), &w);
	look->last02 = look_at_02(&n->vm->vept, root->table, gpa.v, look->entry02);
	seam_vm_unlock(n);
	look->last12 = w.leaf;
	for (unsigned level = w.leaf; level <= ROOT_LEVEL; level++)
		look->entry12[level] = w.entry[level];
	look->l1 = walk_target(&w);
	return true;
}

uint64_t vept_size_in_02(const struct vept *e, const struct vept_walk *w)
{
	unsigned level = w->known;
	uint32_t t = w->table;

	for (; level > 1; level--) {
		uint64_t entry = e->pages[t].entry[slot_of(w->gpa, level)];

		if (!entry || is_leaf(entry, level))
			break;
		t = child_of(e, entry);
	}
	return BIT64(level_shift(level));
}
