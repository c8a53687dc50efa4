/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is wrong leaves the tables of the machine's units. Those that follow a VM's
 * virtual unit are iommu_virtual.c's.
 */
#include "vm/iommu.h"
#include "vm/iommu_int.h"
#include "vm/iommu_virtual.h"

#include "cpu/bad_memory.h"

static const char *leave_page(
	const struct vm *vm, struct vtd_tables *t, uint8_t unit, uint64_t gpa)
{
	const struct iommu_place place = {.unit = unit};
	uint64_t at, size;

	if (!vtd_tables_leave(t, gpa, &at, &size))
		return "no tables are left by which its devices would not reach memory that is wrong";
	return iommu_flush(&place, (uint16_t)(IOMMU_DOMAIN_VMS + vm->id), at, size);
}

static const char *leave_slot(
	const struct vm *vm, struct vtd_tables *t, uint8_t unit, const struct mem_slot *s)
{
	uint64_t end = s->hpa.v + s->size, page;
	const char *why = NULL;

	for (uint64_t from = s->hpa.v; why == NULL && bad_memory_next(from, end - from, &page);
		from = page + PAGE_SIZE)
		why = leave_page(vm, t, unit, s->gpa + (page - s->hpa.v));
	return why;
}

const char *iommu_leave_bad(struct vm *vm)
{
	const char *why = NULL;

	for (unsigned unit = 0; unit < DMAR_UNITS; unit++) {
		struct vtd_tables *t = iommu_tables_of(vm->id, unit, false);

		for (unsigned k = 0; t != NULL && k < vm->slot_count && why == NULL; k++)
			why = leave_slot(vm, t, (uint8_t)unit, &vm->slots[k]);
	}
	return why != NULL ? why : iommu_virtual_leave_bad(vm);
}
