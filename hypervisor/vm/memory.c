/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's memory: the checked way from guest-physical addresses to host pointers.
 */
#include "vm/memory.h"

#include "cpu/mem.h"
#include "spec/addr.h"
#include "vm/bad_memory.h"
#include "vm/ram.h"
#include "vm/vm.h"

static inline bool is_in(const struct mem_slot *s, uint64_t gpa, uint64_t size)
{
	uint64_t offset = gpa - s->gpa; /* huge when below the slot */

	return offset < s->size && size <= s->size - offset;
}

/* Of RAM in pieces that lie side by side for the guest and for L0. */
static void *across(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < vm->slot_count; i++) {
		const struct mem_slot *s = &vm->slots[i];
		uint64_t offset = gpa - s->gpa, all = s->size;

		if (offset >= s->size)
			continue;
		for (; i + 1 < vm->slot_count && size > all - offset; i++) {
			const struct mem_slot *next = &vm->slots[i + 1];

			if (next->gpa != s->gpa + all || next->host != s->host + all)
				return NULL;
			all += next->size;
		}
		return size <= all - offset ? s->host + offset : NULL;
	}
	return NULL;
}

/* Of RAM that moves: where it is seen, once it is there; and of a VM that has some which is
 * wrong. */
static __attribute__((noinline)) void *other_va(
	const struct vm *vm, uint64_t gpa, uint64_t size)
{
	uint64_t offset;

	if (bad_memory_used(vm, gpa, size))
		return NULL;
	if (vm->ram == NULL)
		return across(vm, gpa, size);
	if (!vm_ram_offset(vm, gpa, size, &offset) || !ram_there(vm, offset, size))
		return NULL;
	return vm->ram->window + offset;
}

/* Exits of an L2 come here several times: RAM that does not move is looked at first. */
void *vm_gpa_to_va(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	unsigned count = __atomic_load_n(&vm->fixed_count, __ATOMIC_RELAXED);

	for (unsigned i = 0; i < count; i++) {
		const struct mem_slot *s = &vm->slots[i];

		if (is_in(s, gpa, size))
			return s->host + (gpa - s->gpa);
	}
	return other_va(vm, gpa, size);
}

static const void *rom_va(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	const struct mem_slot *s = &vm->rom;

	return is_in(s, gpa, size) && !bad_memory_used(vm, gpa, size) ? s->host + (gpa - s->gpa)
								      : NULL;
}

/* Of RAM that moves what is not there can be read, too. */
static __attribute__((noinline)) const void *moving_readable(
	const struct vm *vm, uint64_t gpa, uint64_t size)
{
	uint64_t offset;

	if (!vm_ram_offset(vm, gpa, size, &offset))
		return rom_va(vm, gpa, size);
	return bad_memory_used(vm, gpa, size) ? NULL : ram_readable(vm, offset, size);
}

const void *vm_readable_va(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	const void *ram;

	if (vm->ram != NULL)
		return moving_readable(vm, gpa, size);
	ram = vm_gpa_to_va(vm, gpa, size);
	return ram != NULL ? ram : rom_va(vm, gpa, size);
}

bool vm_ram_offset(const struct vm *vm, uint64_t gpa, uint64_t size, uint64_t *offset)
{
	for (unsigned i = 0; i < vm->slot_count; i++) {
		const struct mem_slot *s = &vm->slots[i];

		if (!is_in(s, gpa, size))
			continue;
		*offset = s->offset + (gpa - s->gpa);
		return true;
	}
	return false;
}

bool vm_is_rom(const struct vm *vm, uint64_t gpa)
{
	return gpa - vm->rom.gpa < vm->rom.size;
}

/* Page-wise, since a range may cross from one slot into another. */
static bool all_there(const struct vm *vm, uint64_t gpa, uint64_t size, bool write)
{
	if (size > UINT64_MAX - gpa)
		return false;
	for (uint64_t done = 0; done < size;) {
		uint64_t n = PAGE_SIZE - ((gpa + done) & PAGE_MASK);

		n = n < size - done ? n : size - done;
		if ((write ? vm_gpa_to_va(vm, gpa + done, n)
			   : vm_readable_va(vm, gpa + done, n)) == NULL)
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
	const void *src = vm_readable_va(vm, gpa, size);

	if (src != NULL) {
		copy(dst, src, size);
		return 0;
	}
	if (!all_there(vm, gpa, size, false))
		return -1;
	for (uint64_t i = 0; i < size; i++)
		((uint8_t *)dst)[i] = *(const uint8_t *)vm_readable_va(vm, gpa + i, 1);
	return 0;
}

int vm_write_gpa(const struct vm *vm, uint64_t gpa, const void *src, uint64_t size)
{
	void *dst = vm_gpa_to_va(vm, gpa, size);

	if (dst != NULL) {
		copy(dst, src, size);
		return 0;
	}
	if (!all_there(vm, gpa, size, true))
		return -1;
	for (uint64_t i = 0; i < size; i++)
		*(uint8_t *)vm_gpa_to_va(vm, gpa + i, 1) = ((const uint8_t *)src)[i];
	return 0;
}
