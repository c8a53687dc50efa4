/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's RAM: the one checked way from guest-physical addresses to host memory.
 */
#ifndef NESTOR_VM_MEMORY_H
#define NESTOR_VM_MEMORY_H

#include <stdint.h>

struct vm;

/*
 * The host address behind a guest-physical range of RAM that does not leave its slot, or NULL.
 */
void *vm_gpa_to_va(const struct vm *vm, uint64_t gpa, uint64_t size);

/* Copies from and to guest RAM, page-wise. 0, or -1 when any byte is not RAM (then nothing is
 * copied). */
int vm_read_gpa(const struct vm *vm, uint64_t gpa, void *dst, uint64_t size);
int vm_write_gpa(const struct vm *vm, uint64_t gpa, const void *src, uint64_t size);

#endif
