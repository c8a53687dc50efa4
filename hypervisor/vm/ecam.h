/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended configuration space of the machine's functions, in memory where firmware's table
 * MCFG says; the first 256 bytes are cpu/pci's. Segment 0.
 *
 * While devices are claimed all of it is mapped, in the boot address space. Later only the
 * pages of functions that were kept are, in every address space that L0 runs in.
 */
#ifndef NESTOR_VM_ECAM_H
#define NESTOR_VM_ECAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What firmware says. Boot page tables, before any memory is given away. */
void ecam_find(const uint8_t *rsdp, size_t size);
/* It is there from now on, if it is what firmware says. Boot CPU and address space. */
void ecam_open(void);
/* Only what was kept is reached from now on. Likewise. */
void ecam_close(void);

/* Why it is not reached on this bus; NULL: it is. */
const char *ecam_why_not(unsigned bus);
/* Whether it is in this range of physical addresses. */
bool ecam_meets(uint64_t first, uint64_t size);
/* The function is reached after ecam_close, too. False: there are too many. */
bool ecam_keep(uint16_t bdf);
/* Pages of those, in another address space. */
bool ecam_map(uint64_t cr3);

/*
 * A function's configuration space, all of it: size 1, 2 or 4, the offset a multiple of it.
 * Ones, and nothing is written, where it is not reached. Any CPU.
 */
uint32_t ecam_read(uint16_t bdf, unsigned offset, unsigned size);
void ecam_write(uint16_t bdf, unsigned offset, unsigned size, uint32_t value);

#endif
