/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration space of the machine's functions, in memory where firmware's table MCFG says;
 * of segment 0 the first 256 bytes are cpu/pci's.
 *
 * While devices are claimed all of it is mapped, in the boot address space. Later only the
 * pages of functions of segment 0 that were kept are, in every address space that L0 runs in.
 */
#ifndef NESTOR_VM_ECAM_H
#define NESTOR_VM_ECAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vtd/strays.h"

/* What firmware says. Boot page tables, before any memory is given away. */
void ecam_find(const uint8_t *rsdp, size_t size);
/* It is there from now on, if it is what firmware says. Boot CPU and address space. */
void ecam_open(void);
/* Only what was kept is reached from now on. Likewise. */
void ecam_close(void);

/* Why it is not reached on this bus of segment 0; NULL: it is. */
const char *ecam_why_not(unsigned bus);

/*
 * While it is open: calls this for each function of the machine that is there, PCI_SBDF,
 * bridges too.
 */
void ecam_visit(void (*visit)(uint32_t sbdf, void *with), void *with);
/* Why nothing of firmware's table is used; NULL: it is, or there is none. After ecam_open. */
const char *ecam_refused(void);
/*
 * Buses of which firmware's table has an entry that is not used, and why: number i of them;
 * false: there are not so many. Of segment 0 the first 256 bytes are reached all the same.
 */
bool ecam_lost(unsigned i, struct stray_buses *buses, const char **why);
/* Functions of PCI Express on buses of segment 0 that it does not have. After a visit. */
unsigned ecam_beyond(void);
/*
 * Why there are no buses at all of this segment, which is not 0; NULL: firmware tells of some.
 */
const char *ecam_segment_why_not(uint16_t segment);
/* Whether it is in this range of physical addresses. */
bool ecam_meets(uint64_t first, uint64_t size);
/* The function of segment 0 is reached after ecam_close, too. False: there are too many. */
bool ecam_keep(uint16_t bdf);
/* Pages of those, in another address space. */
bool ecam_map(uint64_t cr3);

/*
 * Configuration space of a function, PCI_SBDF, all of it: size 1, 2 or 4, the offset a multiple
 * of it. Ones, and nothing is written, where it is not reached. Any CPU.
 */
uint32_t ecam_read(uint32_t sbdf, unsigned offset, unsigned size);
void ecam_write(uint32_t sbdf, unsigned offset, unsigned size, uint32_t value);

#endif
