/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Caches, between VMs and devices of the machine that may pass by them (docs/denial.md).
 */
#ifndef NESTOR_VM_MEMORY_TYPE_H
#define NESTOR_VM_MEMORY_TYPE_H

#include <stdbool.h>
#include <stdint.h>

struct scenario;
struct vm;

/*
 * Boot CPU, when units are on and devices are given away, before any VM is made: devices of the
 * machine have their VMs for the whole run. What is wiped from now on is written back, if one
 * of them may pass by caches.
 */
void memory_types_find(const struct scenario *s);

/* The bit of EPT entries for RAM by which they alone say the memory type, or 0: the guest's PAT
 * counts, too. */
uint64_t vm_ram_ipat(const struct vm *vm);

#endif
