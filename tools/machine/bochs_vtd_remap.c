/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt requests: compatibility and remappable format, the remapping table, posting. VT-d
 * 5.1 "Interrupt Remapping", 5.2 "Interrupt Posting", 9.9 to 9.11 for the entries.
 */
#include "bochs_vtd_unit.h"

#include <string.h>

/* Of a remappable request's address. */
#define REMAPPABLE  0x10u
#define SUBHANDLE   0x08u
#define HANDLE_HIGH 0x04u
#define HANDLE(a)   ((a) >> 5 & 0x7fff)
#define LOGICAL     0x04u /* of an address in compatibility format */

/* Of an entry. */
#define PRESENT          1u
#define SILENT           2u
#define POSTED           0x8000u
#define URGENT           0x4000u
#define REMAPPED_ZERO    (vtd_bits(12, 14) | vtd_bits(24, 31))
#define XAPIC_ZERO       (vtd_bits(32, 39) | vtd_bits(48, 63)) /* destinations of 8 bits */
#define POSTED_ZERO      (vtd_bits(2, 7) | vtd_bits(12, 13) | vtd_bits(24, 37))
#define HIGH_ZERO        vtd_bits(20, 63) /* of a remapped one */
#define POSTED_HIGH_ZERO (vtd_bits(20, 31) | vtd_bits(VTD_HOST_BITS, 63))
#define SOURCE_NONE      0u
#define SOURCE_ID        1u
#define SOURCE_BUSES     2u

#define EXTENDED(irta) ((irta) >> 11 & 1)
#define ENTRIES(irta)  (2u << ((irta)&15))

/* Of a posted-interrupt descriptor, behind its 256 bits. */
#define DESCRIPTOR_SIZE 64u
#define CONTROL         32u
#define OUTSTANDING     1u
#define SUPPRESS        2u
#define CONTROL_ZERO    (vtd_bits(2, 15) | vtd_bits(24, 31))

static enum vtd_reason check_entry(uint64_t irta, uint64_t low, uint64_t high)
{
	if (!(low & PRESENT))
		return VTD_IRTE_ABSENT;
	if (low & POSTED)
		return low & POSTED_ZERO || high & POSTED_HIGH_ZERO ? VTD_IRTE_RESERVED
								    : VTD_OK;
	if (low & REMAPPED_ZERO || high & HIGH_ZERO || (!EXTENDED(irta) && low & XAPIC_ZERO))
		return VTD_IRTE_RESERVED;
	return VTD_OK;
}

/* VT-d 9.9, fields SVT, SQ and SID. */
static bool source_fits(uint64_t high, uint16_t source)
{
	static const uint16_t ignored[4] = {0, 4, 6, 7};
	uint16_t want = (uint16_t)high, bus = source >> 8;

	switch (high >> 18 & 3) {
	case SOURCE_NONE:
		return true;
	case SOURCE_ID:
		return ((want ^ source) & ~ignored[high >> 16 & 3]) == 0;
	case SOURCE_BUSES:
		return bus >= want >> 8 && bus <= (want & 0xff);
	default:
		return false;
	}
}

static void get_entry(struct vtd *u, uint16_t index, struct vtd_irte *out)
{
	const struct vtd_irte *e = vtd_cached_irte(u, index);
	uint64_t pair[2] = {0, 0};

	if (e != NULL) {
		*out = *e;
		return;
	}
	if (vtd_memory_read((u->irta & vtd_bits(12, 63)) + 16u * index, pair, 16))
		*out = (struct vtd_irte){true, (uint8_t)check_entry(u->irta, pair[0], pair[1]),
			index, pair[0], pair[1]};
	else
		*out = (struct vtd_irte){true, VTD_IRTE_ACCESS, index, 0, 0};
	if (out->reason == VTD_OK || u->caching)
		vtd_cache_irte(u, out);
}

static void deliver_remapped(const struct vtd *u, const struct vtd_irte *e)
{
	uint32_t destination = (uint32_t)(e->low >> 32);

	vtd_deliver(&(struct vtd_interrupt){
		.vector = (uint8_t)(e->low >> 16),
		.mode = (uint8_t)(e->low >> 5 & 7),
		.logical = e->low >> 2 & 1,
		.level = e->low >> 4 & 1,
		.destination = EXTENDED(u->irta) ? destination : destination >> 8 & 0xff,
	});
}

/* VT-d 5.2.3 "Interrupt-Posting Hardware Operation" */
static enum vtd_reason post(const struct vtd *u, const struct vtd_irte *e)
{
	uint64_t at = (e->low >> 38 << 6) | (e->high & vtd_bits(32, 63));
	uint8_t d[DESCRIPTOR_SIZE], vector = (uint8_t)(e->low >> 16);
	uint32_t control, destination;

	if (!vtd_memory_read(at, d, sizeof(d)))
		return VTD_DESCRIPTOR_ACCESS;
	memcpy(&control, d + CONTROL, 4);
	memcpy(&destination, d + CONTROL + 4, 4);
	if (control & CONTROL_ZERO)
		return VTD_DESCRIPTOR_RESERVED;
	d[vector / 8] |= (uint8_t)(1u << vector % 8);
	if (!(control & OUTSTANDING) && (!(control & SUPPRESS) || e->low & URGENT)) {
		d[CONTROL] |= OUTSTANDING;
		vtd_memory_write(at, d, sizeof(d));
		vtd_deliver(&(struct vtd_interrupt){
			.vector = (uint8_t)(control >> 16),
			.destination =
				EXTENDED(u->irta) ? destination : destination >> 8 & 0xff,
		});
		return VTD_OK;
	}
	vtd_memory_write(at, d, sizeof(d));
	return VTD_OK;
}

static enum vtd_reason remap(struct vtd *u, uint16_t source, uint32_t address, uint32_t data)
{
	uint32_t index = HANDLE(address) | (address & HANDLE_HIGH ? 0x8000 : 0);
	enum vtd_reason reason = VTD_OK;
	struct vtd_irte e = {0};

	if (address & SUBHANDLE)
		index += data & 0xffff;
	if (address & SUBHANDLE && data >> 16 != 0)
		reason = VTD_REQUEST_RESERVED;
	else if (index >= ENTRIES(u->irta))
		reason = VTD_INDEX_TOO_LARGE;
	if (reason == VTD_OK) {
		get_entry(u, (uint16_t)index, &e);
		reason = (enum vtd_reason)e.reason;
	}
	if (reason == VTD_OK && !source_fits(e.high, source))
		reason = VTD_SOURCE;
	if (reason == VTD_OK && e.low & POSTED)
		reason = post(u, &e);
	else if (reason == VTD_OK)
		deliver_remapped(u, &e);
	if (reason == VTD_OK)
		return VTD_OK;
	return vtd_fault(u, reason, e.low & SILENT, source, (uint64_t)index << 48, false);
}

enum vtd_reason vtd_message(struct vtd *u, uint16_t source, uint64_t address, uint32_t data)
{
	uint32_t a = (uint32_t)address;

	if (vtd_is_on(u, VTD_REMAP) && a & REMAPPABLE)
		return remap(u, source, a, data);
	if (vtd_is_on(u, VTD_REMAP) && (EXTENDED(u->irta) || !vtd_is_on(u, VTD_COMPATIBILITY)))
		return vtd_fault(u, VTD_COMPATIBILITY_BLOCKED, false, source, 0, false);
	vtd_deliver(&(struct vtd_interrupt){
		.vector = (uint8_t)data,
		.mode = (uint8_t)(data >> 8 & 7),
		.logical = a & LOGICAL,
		.level = data >> 15 & 1,
		.destination = a >> 12 & 0xff,
	});
	return VTD_OK;
}
