/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's RAM, and its ROM: the one checked way from guest-physical addresses to host memory.
 */
#ifndef NESTOR_VM_MEMORY_H
#define NESTOR_VM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct vm;

/*
 * The host address behind a guest-physical range of RAM that does not leave its slot, or NULL.
 * RAM that moves is there then, until this CPU has handled the exit.
 */
void *vm_gpa_to_va(const struct vm *vm, uint64_t gpa, uint64_t size);

/* The same for what can be read: RAM, and the ROM of firmware. */
const void *vm_readable_va(const struct vm *vm, uint64_t gpa, uint64_t size);

/* Where a range of RAM is in all of it. False: it is none, or leaves its slot. */
bool vm_ram_offset(const struct vm *vm, uint64_t gpa, uint64_t size, uint64_t *offset);

/* Firmware is at this address; writing it has no effect. */
bool vm_is_rom(const struct vm *vm, uint64_t gpa);

/*
 * Copies from what can be read, to RAM, page-wise. 0, or -1 when any byte is not there (then
 * nothing is copied).
 */
int vm_read_gpa(const struct vm *vm, uint64_t gpa, void *dst, uint64_t size);
int vm_write_gpa(const struct vm *vm, uint64_t gpa, const void *src, uint64_t size);

#endif
