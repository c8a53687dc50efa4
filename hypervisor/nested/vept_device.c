/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices, which write L1's memory past EPT01, with the lock of devices, behind which that of
 * the VM cannot be taken.
 *
 * A page is on record from before the first write to behind the last one: each INVEPT in
 * between compares it, since L1 may have seen some of it. Then its dirty flag is set, or it is
 * told of, and the next INVEPT looks. So INVEPT asks first who writes, and then what is marked.
 */
#include "nested/vept_int.h"

/* ---- with the lock of devices ---- */

void vept_device_writes(struct vept *e, struct gpa_l1 page)
{
	uint32_t count = e->writing_count;

	for (uint32_t i = 0; i < count; i++)
		if (e->writing[i] == page.v)
			return;
	if (count == VEPT_WRITING) {
		__atomic_store_n(&e->writing_more, true, __ATOMIC_SEQ_CST);
		return;
	}
	__atomic_store_n(&e->writing[count], page.v, __ATOMIC_SEQ_CST);
	__atomic_store_n(&e->writing_count, count + 1, __ATOMIC_SEQ_CST);
}

void vept_device_wrote(struct vept *e, struct gpa_l1 page)
{
	uint64_t told = page.v | 1;
	bool done = false;

	for (unsigned i = 0; i < VEPT_TOLD && !done; i++) {
		uint64_t *at = &e->told[((page.v >> PAGE_SHIFT) + i) % VEPT_TOLD], none = 0;

		done = __atomic_compare_exchange_n(
			       at, &none, told, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ||
		       none == told;
	}
	if (!done)
		__atomic_store_n(&e->told_more, true, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&e->hints, VEPT_HINT_TOLD, __ATOMIC_SEQ_CST);
}

void vept_devices_done(struct vept *e)
{
	if (e->writing_more) {
		__atomic_store_n(&e->told_more, true, __ATOMIC_SEQ_CST);
		__atomic_fetch_or(&e->hints, VEPT_HINT_TOLD, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&e->writing_more, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&e->writing_count, 0, __ATOMIC_SEQ_CST);
}

/* ---- INVEPT ---- */

/* Of some nobody knows which: no root has anything from them any more. */
static void forget_all(struct nested *n)
{
	struct vept *e = &n->vm->vept;

	for (unsigned i = 0; i < e->roots; i++)
		if (e->root[i].eptp12)
			root_empty(n, &e->root[i]);
}

void collect_told(struct nested *n)
{
	struct vept *e = &n->vm->vept;

	if (__atomic_exchange_n(&e->told_more, false, __ATOMIC_SEQ_CST))
		forget_all(n);
	for (unsigned i = 0; i < VEPT_TOLD; i++) {
		uint64_t told = __atomic_exchange_n(&e->told[i], 0, __ATOMIC_SEQ_CST);
		const struct vept_watch *w = told ? watch_find(e, told & ~PAGE_MASK) : NULL;

		if (w && w->scan >= e->open)
			watch_take_written(e, &e->scan[w->scan]);
	}
}

/* An entry may be another one by now: then what was there is marked already. */
void collect_writing(struct nested *n)
{
	struct vept *e = &n->vm->vept;
	uint32_t count = __atomic_load_n(&e->writing_count, __ATOMIC_SEQ_CST);

	if (__atomic_load_n(&e->writing_more, __ATOMIC_SEQ_CST))
		forget_all(n);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t page = __atomic_load_n(&e->writing[i], __ATOMIC_SEQ_CST);
		struct vept_watch *w = watch_find(e, page);

		if (w)
			mark_stale(e, w);
	}
}
