/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 writes on behalf of L1 or L2, which leaves no dirty bit in EPT01: VMCS data, MSR
 * lists, operands, strings, posted-interrupt descriptors, flags in page tables.
 *
 * Where there may be a table the write is made with the VM's lock, and INVEPT waits until the
 * page is marked. Where there is none, another vCPU may make one of the page before the write
 * is over. So a write is on record from before the look for tables to behind its last byte: an
 * INVEPT that finds it there compares the page, and so does the next one, which sees the whole
 * write. Who does not find it there any more sees it anyway: INVEPT looks at what is on record
 * before it takes any mark, and a page that has become a table since has its mark from that
 * time.
 */
#include "nested/vept_int.h"

#define WRITES_ONE  1u
#define WRITES_NEXT 2u

void mark_written(struct vept *e, struct gpa_l1 a, uint32_t len)
{
	for (uint64_t page = a.v & ~PAGE_MASK; page < a.v + len; page += PAGE_SIZE) {
		struct vept_watch *w = watch_find(e, page);

		if (w)
			mark_stale(e, w);
	}
}

static inline bool crosses(struct gpa_l1 a, uint32_t len)
{
	return (a.v ^ (a.v + len - 1)) >= PAGE_SIZE;
}

/* Of a page at most: most writes lie in one. */
static inline bool maybe_table(const struct vept *e, struct gpa_l1 a, uint32_t len)
{
	return maybe_watched(e, a.v) || (crosses(a, len) && maybe_watched(e, a.v + len - 1));
}

/*
 * Each step is seen before the next one: what is on record, the hint for INVEPT, and then that
 * there is no table. INVEPT takes the hint away before it looks at what is on record.
 */
static void record(struct vept *e, unsigned vcpu, struct gpa_l1 a, uint32_t len)
{
	uint64_t pages = (a.v & ~PAGE_MASK) | WRITES_ONE | (crosses(a, len) ? WRITES_NEXT : 0);

	__atomic_store_n(&e->l0_writes[vcpu], pages, __ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&e->hints, __ATOMIC_SEQ_CST) & VEPT_HINT_L0))
		__atomic_fetch_or(&e->hints, VEPT_HINT_L0, __ATOMIC_SEQ_CST);
}

enum vept_write vept_write_begins(struct nested *n, struct gpa_l1 a, uint32_t len)
{
	struct vept *e = &n->vm->vept;

	if (e->vcpus > 1)
		record(e, n->vcpu, a, len);
	if (e->watch_count && maybe_table(e, a, len)) {
		seam_vm_lock(n);
		return VEPT_WRITE_LOCKED;
	}
	return e->vcpus > 1 ? VEPT_WRITE_RECORDED : VEPT_WRITE_PLAIN;
}

void vept_write_ends(struct nested *n, struct gpa_l1 a, uint32_t len, enum vept_write begun)
{
	struct vept *e = &n->vm->vept;

	if (begun == VEPT_WRITE_LOCKED) {
		mark_written(e, a, len);
		seam_vm_unlock(n);
	}
	__atomic_store_n(&e->l0_writes[n->vcpu], 0, __ATOMIC_RELEASE);
}

static void mark_recorded(struct vept *e, uint64_t pages)
{
	if (pages)
		mark_written(e, (struct gpa_l1){pages & ~PAGE_MASK},
			pages & WRITES_NEXT ? 2 * PAGE_SIZE : PAGE_SIZE);
}

void collect_l0(struct nested *n)
{
	struct vept *e = &n->vm->vept;
	uint64_t any = 0;

	for (unsigned i = 0; i < e->vcpus; i++) {
		uint64_t pages = __atomic_load_n(&e->l0_writes[i], __ATOMIC_SEQ_CST);

		mark_recorded(e, e->l0_seen[i]);
		mark_recorded(e, pages);
		e->l0_seen[i] = pages;
		any |= pages;
	}
	if (any)
		__atomic_fetch_or(&e->hints, VEPT_HINT_L0, __ATOMIC_SEQ_CST);
}
