/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is wrong leaves the tables of the machine's units; those that follow a VM's
 * virtual unit are made so by vtd_seam_host.
 */
#include "vm/iommu.h"
#include "vm/iommu_int.h"

#include "cpu/bad_memory.h"

static const char *leave_page(struct iommu_tables *t, uint64_t gpa)
{
	struct iommu_place place = {.unit = t->unit};
	uint64_t at, size;

	if (!vtd_tables_leave(&t->t, gpa, &at, &size))
		return "no tables are left by which its devices would not reach memory that is wrong";
	return iommu_flush(&place, (uint16_t)(IOMMU_DOMAIN_VMS + t->vm), at, size);
}

static const char *leave_slot(struct iommu_tables *t, const struct mem_slot *s)
{
	uint64_t end = s->hpa.v + s->size, page;
	const char *why = NULL;

	for (uint64_t from = s->hpa.v; why == NULL && bad_memory_next(from, end - from, &page);
		from = page + PAGE_SIZE)
		why = leave_page(t, s->gpa + (page - s->hpa.v));
	return why;
}

const char *iommu_leave_bad(struct vm *vm)
{
	const char *why = NULL;

	for (unsigned i = 0; i < PASSED_MAX; i++) {
		struct iommu_tables *t = &iommu_tables[i];

		if (!t->used || t->vm != vm->id || t->t.root == NULL)
			continue;
		for (unsigned k = 0; k < vm->slot_count && why == NULL; k++)
			why = leave_slot(t, &vm->slots[k]);
	}
	return why;
}
