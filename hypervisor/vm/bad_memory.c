/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/bad_memory.h"

#include "cpu/bad_memory.h"
#include "cpu/log.h"
#include "cpu/wipe.h"
#include "mm/layout.h"
#include "vm/images.h"
#include "vm/iommu.h"
#include "vm/life.h"
#include "vm/ram.h"
#include "vm/sched.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"

void bad_memory_work(void)
{
	static unsigned told; /* atomic */
	unsigned count;

	if (!bad_memory_any())
		return;
	count = bad_pages_count(&bad_memory);
	if (__atomic_load_n(&told, __ATOMIC_SEQ_CST) == count ||
		__atomic_exchange_n(&told, count, __ATOMIC_SEQ_CST) == count)
		return;
	for (unsigned id = 0; id < life_places(); id++)
		sched_post(id, 0, EVENT_BAD_MEMORY);
}

/* ---- where a VM has it ---- */

/* The part of [gpa, gpa + size) that is in the slot: its host-physical range. */
static bool part_of(const struct mem_slot *s, uint64_t gpa, uint64_t size, struct hpa *hpa,
	uint64_t *length)
{
	uint64_t from = gpa > s->gpa ? gpa : s->gpa;
	uint64_t end = gpa + size < s->gpa + s->size ? gpa + size : s->gpa + s->size;

	if (from >= end)
		return false;
	*hpa = (struct hpa){s->hpa.v + (from - s->gpa)};
	*length = end - from;
	return true;
}

static bool is_bad(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	struct hpa hpa;
	uint64_t length;

	size = size < UINT64_MAX - gpa ? size : UINT64_MAX - gpa;
	if (part_of(&vm->rom, gpa, size, &hpa, &length) && bad_memory_in(hpa.v, length))
		return true;
	if (vm->ram != NULL)
		return ram_is_bad(vm, gpa, size);
	for (unsigned i = 0; i < vm->slot_count; i++)
		if (part_of(&vm->slots[i], gpa, size, &hpa, &length) &&
			bad_memory_in(hpa.v, length))
			return true;
	return false;
}

static bool has_some(const struct vm *vm)
{
	return (vm->ram != NULL && ram_has_bad(vm)) || is_bad(vm, 0, UINT64_MAX);
}

/* vm->vcpus is not constant, whoever looks at the VM. */
void bad_memory_end(const struct vm *vm)
{
	vm_stop(vm->vcpus[0]->vm, VM_END_ERROR, VEC_MC,
		"it has used memory that is wrong, as a machine check told");
}

bool bad_memory_used(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	if (!vm_has_bad_memory(vm) || !is_bad(vm, gpa, size))
		return false;
	bad_memory_end(vm);
	return true;
}

bool bad_memory_fit(const struct vm *vm, struct hpa hpa, uint64_t *page_size)
{
	while (bad_memory_in(hpa.v & ~(*page_size - 1), *page_size)) {
		if (*page_size == PAGE_SIZE) {
			bad_memory_end(vm);
			return false;
		}
		*page_size >>= 9;
	}
	return true;
}

/* ---- leaving it ---- */

bool bad_memory_unmap(struct vm *vm, uint64_t gpa, struct hpa hpa, uint64_t size)
{
	uint64_t page;

	for (uint64_t from = hpa.v, end_at = hpa.v + size;
		bad_memory_next(from, end_at - from, &page); from = page + PAGE_SIZE)
		if (!ept_unmap(&vm->ept01, gpa + (page - hpa.v), PAGE_SIZE))
			return false;
	return true;
}

/* From now on all that looks for RAM asks here (vm/memory.c). */
static void begin(struct vm *vm)
{
	__atomic_store_n(&vm->bad_memory, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vm->fixed_count, 0, __ATOMIC_SEQ_CST);
	platform_ram_moves(vm->platform);
}

/* With vm_lock. */
static bool unmap(struct vm *vm)
{
	if (!bad_memory_unmap(vm, vm->rom.gpa, vm->rom.hpa, vm->rom.size))
		return false;
	if (vm->ram != NULL)
		return ram_unmap_bad(vm);
	for (unsigned i = 0; i < vm->slot_count; i++)
		if (!bad_memory_unmap(
			    vm, vm->slots[i].gpa, vm->slots[i].hpa, vm->slots[i].size))
			return false;
	return true;
}

/* By the first vCPU. */
static void leave(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	const char *why;
	bool unmapped;

	begin(vm);
	vm_log(vm, LOG_ERROR, "'%s' has memory that is wrong: it ends when it uses it",
		vm->config.name);
	vm_lock(vm);
	unmapped = unmap(vm);
	ept_flush(&vm->ept01);
	vm_flush_others(vm, vcpu, true);
	vm_unlock(vm);
	if (vm->config.vmx)
		vept_forget(&vcpu->nested);
	if (!unmapped)
		vm_stop(vm, VM_END_ERROR, VEC_MC,
			"it has memory that is wrong, and no tables of EPT01 to leave it");
	why = iommu_leave_bad(vm);
	if (why != NULL)
		vm_stop(vm, VM_END_ERROR, VEC_MC, why);
	for (unsigned i = 1; i < vm->config.cpus; i++)
		vcpu_post(vm->vcpus[i], EVENT_BAD_MEMORY);
}

void bad_memory_leave(struct vcpu *vcpu)
{
	if (vcpu->index == 0) {
		images_tell_wrong(vcpu->vm);
		if (!has_some(vcpu->vm))
			return;
		leave(vcpu);
	}
	if (vcpu->vm->config.vmx)
		nested_memory_lost(&vcpu->nested);
}

/* ---- the end ---- */

void bad_memory_wipe(struct hpa at, uint64_t size)
{
	uint64_t from = at.v, end_at = at.v + size, page;

	while (bad_memory_next(from, end_at - from, &page)) {
		if (page > from)
			mem_wipe(direct_va((struct hpa){from}), page - from);
		from = page + PAGE_SIZE;
	}
	if (from < end_at)
		mem_wipe(direct_va((struct hpa){from}), end_at - from);
}
