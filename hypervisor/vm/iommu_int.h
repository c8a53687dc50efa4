/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of the machine's units.
 */
#ifndef NESTOR_VM_IOMMU_INT_H
#define NESTOR_VM_IOMMU_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "vtd/dmar.h"
#include "vtd/unit.h"

/* What functions of the VM reach behind the unit: its tables there. NULL: it has none, or none
 * is free to be made. */
struct vtd_tables *iommu_tables_of(unsigned vm, unsigned unit, bool make);

/* Of a function, PCI_SBDF, as logs have it: "pci:00:02.0", "pci:0001:00:02.0". Returns @out. */
#define IOMMU_NAME 24u
const char *iommu_name(uint32_t sbdf, char out[IOMMU_NAME]);

/* Set while L0 starts. A unit that is not used has a reason in `failed`. */
extern struct dmar iommu_dmar;
extern struct vtd_unit iommu_units[DMAR_UNITS];

/*
 * So many pages for all units, in every address space that is made from now on. False: there is
 * no memory. Once; seam_vtd.c.
 */
bool iommu_take_pages(uint64_t count);

/* ---- iommu_regions.c: memory that firmware wants devices to reach (RMRR) ---- */

/*
 * Which regions are for which functions; what is refused is told. Then, how many pages units
 * need for them.
 */
void iommu_regions_find(void);
uint64_t iommu_regions_pages(void);
/* Between the steps of the unit's start: its functions reach their regions. */
void iommu_regions_attach(unsigned unit);
/* Is such memory there? */
bool iommu_regions_meet(uint64_t start, uint64_t size);

#endif
