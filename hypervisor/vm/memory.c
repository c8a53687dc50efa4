/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's memory: the checked way from guest-physical addresses to host pointers.
 */
#include "vm/memory.h"

#include "cpu/mem.h"
#include "mm/layout.h"
#include "vm/vm.h"

void *vm_gpa_to_va(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < vm->slot_count; i++) {
		const struct mem_slot *s = &vm->slots[i];
		uint64_t offset = gpa - s->gpa; /* huge when below the slot */

		if (offset < s->size && size <= s->size - offset)
			return (uint8_t *)direct_va(s->hpa) + offset;
	}
	return NULL;
}

/* Page-wise, since a range may cross from one slot into another. */
static bool all_ram(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	if (size > UINT64_MAX - gpa)
		return false;
	for (uint64_t done = 0; done < size;) {
		uint64_t n = PAGE_SIZE - ((gpa + done) & PAGE_MASK);

		n = n < size - done ? n : size - done;
		if (vm_gpa_to_va(vm, gpa + done, n) == NULL)
			return false;
		done += n;
	}
	return true;
}

/* Most copies are of one word: operands, entries of tables. */
static inline void copy(void *dst, const void *src, uint64_t size)
{
	if (size == sizeof(uint64_t))
		__builtin_memcpy(dst, src, sizeof(uint64_t));
	else
		memcpy(dst, src, size);
}

int vm_read_gpa(const struct vm *vm, uint64_t gpa, void *dst, uint64_t size)
{
	const void *src = vm_gpa_to_va(vm, gpa, size);

	if (src != NULL) {
		copy(dst, src, size);
		return 0;
	}
	if (!all_ram(vm, gpa, size))
		return -1;
	for (uint64_t i = 0; i < size; i++)
		((uint8_t *)dst)[i] = *(uint8_t *)vm_gpa_to_va(vm, gpa + i, 1);
	return 0;
}

int vm_write_gpa(const struct vm *vm, uint64_t gpa, const void *src, uint64_t size)
{
	void *dst = vm_gpa_to_va(vm, gpa, size);

	if (dst != NULL) {
		copy(dst, src, size);
		return 0;
	}
	if (!all_ram(vm, gpa, size))
		return -1;
	for (uint64_t i = 0; i < size; i++)
		*(uint8_t *)vm_gpa_to_va(vm, gpa + i, 1) = ((const uint8_t *)src)[i];
	return 0;
}
