/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L2 accesses a device that L0 completes again and again, at the same page: where EPT12 leads
 * from there is known from the last time, as a processor would have it cached until L1 executes
 * INVEPT (SDM 28.3.3.1 "Operations that Invalidate Cached Mappings"). The flags of EPT12's
 * entries were set then.
 */
#include "nested/vept_int.h"

#define PAGE_OF(gpa) ((gpa) & ~PAGE_MASK)

/* Does it tell of this page, at this time? */
static bool tells_of(const struct vept_foreign *f, const struct vept *e,
	const struct vept_root *root, uint64_t gpa)
{
	return f->l2.v == PAGE_OF(gpa) && f->root == root &&
	       f->generation == root->generation &&
	       f->age == __atomic_load_n(&e->foreign_age, __ATOMIC_RELAXED);
}

bool vept_foreign_again(
	struct nested *n, const struct vept_root *root, struct gpa_l2 gpa, uint64_t access)
{
	const struct vept_foreign *f = &n->foreign;
	uint64_t size = PAGE_SIZE;
	struct gpa_l1 at = {f->l1.v | (gpa.v & PAGE_MASK)};
	struct hpa hpa;

	/* No access at all: such are fetches of user mode, with mode-based execute. */
	if (!(access & QUAL_ACCESS) || (access & QUAL_ACCESS & ~f->access) ||
		!tells_of(f, &n->vm->vept, root, gpa.v))
		return false;
	/* L1 may have got memory there; of devices vept_forget tells. */
	if (seam_l1_translate(n, at, &hpa, &size))
		return false;
	n->no_ram = at;
	return true;
}

void vept_foreign_keep(
	struct nested *n, const struct vept_root *root, struct gpa_l2 gpa, uint64_t access)
{
	const struct vept_foreign *f = &n->foreign;
	bool more = tells_of(f, &n->vm->vept, root, gpa.v) && f->l1.v == PAGE_OF(n->no_ram.v);

	n->foreign = (struct vept_foreign){
		.root = root,
		.generation = root->generation,
		.age = __atomic_load_n(&n->vm->vept.foreign_age, __ATOMIC_RELAXED),
		.access = (access & (QUAL_READ | QUAL_WRITE)) | (more ? f->access : 0),
		.l2 = {PAGE_OF(gpa.v)},
		.l1 = {PAGE_OF(n->no_ram.v)},
	};
}

void vept_foreign_forget(struct vept *e)
{
	__atomic_fetch_add(&e->foreign_age, 1, __ATOMIC_SEQ_CST);
}
