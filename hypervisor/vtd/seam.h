/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vtd/ needs from outside: registers, memory, time, and how PCI's buses hang together. L0
 * has it in vm/seam_vtd.c; payloads and tests have their own.
 */
#ifndef NESTOR_VTD_SEAM_H
#define NESTOR_VTD_SEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Registers of the unit at this physical address; @at is a multiple of the access's size. */
uint32_t vtd_seam_read32(uint64_t registers, unsigned at);
uint64_t vtd_seam_read64(uint64_t registers, unsigned at);
void vtd_seam_write32(uint64_t registers, unsigned at, uint32_t value);
void vtd_seam_write64(uint64_t registers, unsigned at, uint64_t value);

/*
 * Registers of a device there, whole pages, are reached like those of a unit. False: they are
 * not; they must not be memory, of whoever.
 */
bool vtd_seam_reach(uint64_t address, uint64_t size);

/* A zeroed page of 4 KiB out of what the caller of vtd/ named, or NULL; and back. */
void *vtd_seam_page(void *pool);
void vtd_seam_page_back(void *pool, void *page);
/* Where such a page, or what is in it, is for a unit; and the other way round. */
uint64_t vtd_seam_address(const void *at);
void *vtd_seam_pointer(uint64_t address);
/* Writes these bytes back from caches to memory, for units that do not look into caches. */
void vtd_seam_write_back(const void *at, unsigned size);

/* Microseconds, since whenever. Called again and again while a unit is waited for. */
uint64_t vtd_seam_now(void);

/*
 * Configuration space of a function, PCI_SBDF, up to 4 KiB; size 1, 2 or 4. Ones where nothing
 * is, and where it is not reached.
 */
uint32_t vtd_seam_config(uint32_t sbdf, unsigned offset, unsigned size);
void vtd_seam_set_config(uint32_t sbdf, unsigned offset, unsigned size, uint32_t value);

/* Is this function a bridge? Then the buses behind it, of its segment. */
bool vtd_seam_bridge(uint32_t sbdf, uint8_t *secondary, uint8_t *subordinate);

#endif
