/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of the tables that a unit reads, and descriptors of its queue: each is 16 bytes,
 * lower half first (VT-d "Translation Structure Formats", "Invalidation Queue").
 */
#ifndef NESTOR_VTD_ENTRIES_H
#define NESTOR_VTD_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/vtd.h"

struct vtd_entry {
	uint64_t low, high;
};

/* ---- contexts ---- */

static inline struct vtd_entry vtd_root_entry(uint64_t contexts)
{
	return (struct vtd_entry){contexts | VTD_PRESENT, 0};
}

/* levels: of the tables; with pass-through, the most that the unit has. */
static inline struct vtd_entry vtd_context_entry(
	unsigned type, uint64_t tables, unsigned levels, uint16_t domain)
{
	return (struct vtd_entry){tables | (uint64_t)type << VTD_CONTEXT_TT_SHIFT | VTD_PRESENT,
		(uint64_t)domain << VTD_CONTEXT_DID_SHIFT | (levels - 2)};
}

/* ---- interrupts ---- */

struct vtd_interrupt_to {
	uint8_t vector;
	uint8_t mode; /* of delivery; 0: fixed, 4: NMI */
	bool level;
	bool extended;   /* the unit has destinations of 32 bits on */
	uint32_t target; /* local APIC */
	uint16_t source; /* whose requests only may use it */
};

static inline uint64_t vtd_irte_source(uint16_t source)
{
	return source | (uint64_t)VTD_SVT_SOURCE << VTD_IRTE_SVT_SHIFT;
}

static inline struct vtd_entry vtd_irte(const struct vtd_interrupt_to *i)
{
	uint64_t target = i->extended ? i->target : (uint64_t)(i->target & 0xff) << 8;

	return (struct vtd_entry){target << VTD_IRTE_DST_SHIFT |
					  (uint64_t)i->vector << VTD_IRTE_VECTOR_SHIFT |
					  (uint64_t)i->mode << VTD_IRTE_DLM_SHIFT |
					  (i->level ? VTD_IRTE_TM : 0) | VTD_PRESENT,
		vtd_irte_source(i->source)};
}

/*
 * Posted, not urgent: a request for `vector` in the descriptor at @pid, for requests of this
 * source only (VT-d 9.11 "Interrupt Remapping Table Entry (IRTE) for Posted Interrupts").
 */
static inline struct vtd_entry vtd_irte_posted(uint64_t pid, uint8_t vector, uint16_t source)
{
	return (struct vtd_entry){(pid & VTD_BITS(6, 31)) << 32 | VTD_IRTE_IM |
					  (uint64_t)vector << VTD_IRTE_VECTOR_SHIFT |
					  VTD_PRESENT,
		(pid & VTD_BITS(32, 63)) | vtd_irte_source(source)};
}

/* Address of a message for this index, to which its data is added. */
static inline uint32_t vtd_message_address(uint16_t index)
{
	return (uint32_t)VTD_MSI_FIRST | (uint32_t)(index & 0x7fff) << 5 |
	       (uint32_t)(index >> 15) << 2 | VTD_MSI_REMAPPABLE | VTD_MSI_SHV;
}

/* What to put into an IOAPIC's entry beside vector, trigger, polarity and mask. */
static inline uint64_t vtd_ioapic_handle(uint16_t index)
{
	return VTD_RTE_REMAPPABLE | (uint64_t)(index & 0x7fff) << 49 |
	       (uint64_t)(index >> 15) << 11;
}

/* ---- descriptors ---- */

static inline struct vtd_entry vtd_forget_all_contexts(void)
{
	return (struct vtd_entry){VTD_INV_CONTEXT | VTD_GLOBAL << VTD_INV_G_SHIFT, 0};
}

static inline struct vtd_entry vtd_forget_context(uint16_t source, uint16_t domain)
{
	return (struct vtd_entry){VTD_INV_CONTEXT | VTD_DEVICE << VTD_INV_G_SHIFT |
					  (uint64_t)domain << VTD_INV_DID_SHIFT |
					  (uint64_t)source << VTD_INV_SID_SHIFT,
		0};
}

/* Requests on their way are waited for, as far as the unit can. */
static inline uint64_t vtd_drains(uint64_t cap)
{
	return (cap & VTD_CAP_DRD ? VTD_INV_DR : 0) | (cap & VTD_CAP_DWD ? VTD_INV_DW : 0);
}

static inline struct vtd_entry vtd_forget_all_pages(uint64_t cap)
{
	return (struct vtd_entry){
		VTD_INV_IOTLB | VTD_GLOBAL << VTD_INV_G_SHIFT | vtd_drains(cap), 0};
}

static inline struct vtd_entry vtd_forget_domain(uint64_t cap, uint16_t domain)
{
	return (struct vtd_entry){VTD_INV_IOTLB | VTD_DOMAIN << VTD_INV_G_SHIFT |
					  vtd_drains(cap) |
					  (uint64_t)domain << VTD_INV_DID_SHIFT,
		0};
}

/* 2^mask pages from an address on that is a multiple of them, and the tables above. */
static inline struct vtd_entry vtd_forget_pages_at(
	uint64_t cap, uint16_t domain, uint64_t address, unsigned mask)
{
	return (struct vtd_entry){VTD_INV_IOTLB | VTD_PAGES << VTD_INV_G_SHIFT |
					  vtd_drains(cap) |
					  (uint64_t)domain << VTD_INV_DID_SHIFT,
		address | mask};
}

static inline struct vtd_entry vtd_forget_all_irtes(void)
{
	return (struct vtd_entry){VTD_INV_IRTE, 0};
}

static inline struct vtd_entry vtd_forget_irte(uint16_t index)
{
	return (struct vtd_entry){
		VTD_INV_IRTE | VTD_INV_INDEX | (uint64_t)index << VTD_INV_IIDX_SHIFT, 0};
}

/* When all before it is done, `data` is at the address (a multiple of 4). */
static inline struct vtd_entry vtd_wait(uint64_t address, uint32_t data)
{
	return (struct vtd_entry){VTD_INV_WAIT | VTD_WAIT_SW | VTD_WAIT_FN |
					  (uint64_t)data << VTD_WAIT_DATA_SHIFT,
		address};
}

#endif
