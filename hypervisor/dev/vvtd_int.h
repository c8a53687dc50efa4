/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of the virtual DMA-remapping unit.
 */
#ifndef NESTOR_DEV_VVTD_INT_H
#define NESTOR_DEV_VVTD_INT_H

#include "dev/platform.h"
#include "dev/vvtd.h"

#define VVTD_MASK_MAX       18u /* of page-selective invalidation */
#define VVTD_INDEX_MASK_MAX 15u
#define VVTD_ABOVE_HOST     VTD_BITS(VVTD_HOST_BITS, 63)

static inline uint32_t vvtd_get(const struct vvtd *u, unsigned at)
{
	return u->s.reg[at / 4];
}

static inline void vvtd_set(struct vvtd *u, unsigned at, uint32_t value)
{
	u->s.reg[at / 4] = value;
}

static inline uint64_t vvtd_get64(const struct vvtd *u, unsigned at)
{
	return (uint64_t)vvtd_get(u, at + 4) << 32 | vvtd_get(u, at);
}

static inline void vvtd_set64(struct vvtd *u, unsigned at, uint64_t value)
{
	vvtd_set(u, at, (uint32_t)value);
	vvtd_set(u, at + 4, (uint32_t)(value >> 32));
}

static inline bool vvtd_is_on(const struct vvtd *u, uint32_t what)
{
	return vvtd_get(u, VTD_GSTS) & what;
}

/*
 * Bits of a function's number that do not count: function masks, and SQ of interrupt entries.
 */
static inline uint16_t vvtd_ignored_functions(unsigned mask)
{
	static const uint16_t ignored[4] = {0, 4, 6, 7};

	return ignored[mask & 3];
}

/* An entry of 16 bytes of the guest's memory, read once. False: there is no memory. */
bool vvtd_fetch(struct platform *p, uint64_t gpa, uint64_t pair[2]);

/* ---- vvtd_fault.c ---- */
/*
 * A request is blocked: recorded, unless FPD silences it. `information` is the page, or the
 * index from VTD_FRCD_INDEX_SHIFT on.
 */
void vvtd_fault(struct platform *p, enum vtd_reason reason, bool silent, uint16_t source,
	uint64_t information, bool read);
/* Bits of FSTS are set, with an event if none was set. */
void vvtd_set_status(struct platform *p, uint32_t bits);
/* Software has cleared F of records or bits of FSTS. */
void vvtd_status_cleared(struct vvtd *u);
/* PPF is that of the records. */
bool vvtd_any_record(const struct vvtd_state *s);
/* The event whose control register is there happens; software has written that register. */
void vvtd_event(struct platform *p, unsigned control);
void vvtd_event_written(struct platform *p, unsigned control);

/* ---- the caches; NULL: it is not there ---- */

/* Sizes of pages. */
#define VVTD_SHIFT_FIRST 12u
#define VVTD_SHIFT_LAST  30u
#define VVTD_SHIFT_STEP  9u

static inline unsigned vvtd_context_place(uint16_t source)
{
	return (source ^ source >> 8) % VVTD_CONTEXTS;
}

static inline unsigned vvtd_page_place(uint16_t domain, uint64_t at, unsigned shift)
{
	return (unsigned)((at >> shift) + 5u * domain + 11u * shift) % VVTD_PAGES;
}

static inline const struct vvtd_context *vvtd_cached_context(
	const struct vvtd *u, uint16_t source)
{
	const struct vvtd_context *c = &u->contexts[vvtd_context_place(source)];

	return c->valid && c->source == source ? c : NULL;
}

static inline const struct vvtd_page *vvtd_cached_page(
	const struct vvtd *u, uint16_t domain, uint64_t at)
{
	for (unsigned shift = VVTD_SHIFT_FIRST; shift <= VVTD_SHIFT_LAST;
		shift += VVTD_SHIFT_STEP) {
		const struct vvtd_page *page = &u->pages[vvtd_page_place(domain, at, shift)];

		if (page->valid && page->domain == domain && page->shift == shift &&
			page->at >> shift == at >> shift)
			return page;
	}
	return NULL;
}

/* ---- vvtd_cache.c ---- */
void vvtd_forget_all(struct vvtd *u);
void vvtd_cache_context(struct vvtd *u, const struct vvtd_context *c);
void vvtd_cache_page(struct vvtd *u, const struct vvtd_page *page);
const struct vvtd_entry *vvtd_cached_entry(const struct vvtd *u, uint16_t index);
void vvtd_cache_entry(struct vvtd *u, const struct vvtd_entry *e);

/* ---- vvtd_queue.c ---- */
/* What CCMD's and IOTLB_REG's values ask for. False: nothing that can be done. */
bool vvtd_decode_ccmd(uint64_t value, struct vvtd_invalidation *i);
bool vvtd_decode_iotlb(uint64_t value, uint64_t iva, struct vvtd_invalidation *i);
/* The queue has descriptors, and goes on. */
bool vvtd_queue_waits(const struct vvtd *u);

#endif
