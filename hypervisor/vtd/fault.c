/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a unit has blocked.
 */
#include "vtd/seam.h"
#include "vtd/unit.h"

#define PAGE_BITS (~UINT64_C(0xfff))

static void take(struct vtd_unit *u, unsigned at, uint64_t high, struct vtd_fault *f)
{
	*f = (struct vtd_fault){.source = VTD_FRCD_SOURCE(high),
		.reason = (uint8_t)VTD_FRCD_REASON(high),
		.read = high & VTD_FRCD_READ,
		.address = vtd_seam_read64(u->registers, at) & PAGE_BITS};
	vtd_seam_write32(u->registers, at + 12, (uint32_t)(VTD_FRCD_F >> 32));
}

/* With an overflow nothing is recorded until it is cleared: so it is, when all were taken. */
static bool none_left(struct vtd_unit *u)
{
	if (vtd_seam_read32(u->registers, VTD_FSTS) & VTD_PFO)
		vtd_seam_write32(u->registers, VTD_FSTS, VTD_PFO);
	return false;
}

/* Records fill up from the one on that FSTS names; what is behind is older than a hole. */
bool vtd_unit_fault(struct vtd_unit *u, struct vtd_fault *f)
{
	uint32_t status = vtd_seam_read32(u->registers, VTD_FSTS);
	unsigned count = VTD_CAP_NFR(u->caps.cap), first = VTD_FSTS_FRI(status);

	if (!(status & VTD_PPF))
		return none_left(u);
	for (unsigned i = 0; i < count; i++) {
		unsigned at = VTD_CAP_FRO(u->caps.cap) + (first + i) % count * VTD_FRCD_SIZE;
		uint64_t high = vtd_seam_read64(u->registers, at + 8);

		if (!(high & VTD_FRCD_F))
			continue;
		take(u, at, high, f);
		f->lost = status & VTD_PFO;
		if (f->lost)
			vtd_seam_write32(u->registers, VTD_FSTS, VTD_PFO);
		return true;
	}
	return none_left(u);
}

const char *vtd_reason_words(uint8_t reason)
{
	switch (reason) {
#define R(code, name, silenced, words) \
	case code:                     \
		return words;
#include "spec/vtd_reasons.def"
#undef R
	default:
		return "a reason that Nestor does not know";
	}
}

bool vtd_reason_is_interrupt(uint8_t reason)
{
	return reason >= VTD_FAULT_REQUEST_RESERVED && reason <= VTD_FAULT_DESCRIPTOR_RESERVED;
}

const char *vtd_fault_words(const struct vtd_fault *f, uint64_t *number)
{
	bool message = vtd_reason_is_interrupt(f->reason);

	*number = message ? f->address >> VTD_FRCD_INDEX_SHIFT : f->address;
	if (message)
		return "message with index";
	return f->read ? "read at" : "write at";
}

void vtd_unit_fault_event(
	struct vtd_unit *u, uint32_t address, uint32_t address_high, uint32_t data)
{
	vtd_seam_write32(u->registers, VTD_FEDATA, data);
	vtd_seam_write32(u->registers, VTD_FEADDR, address);
	vtd_seam_write32(u->registers, VTD_FEUADDR, address_high);
	vtd_unit_mask_event(u, false);
}

void vtd_unit_mask_event(struct vtd_unit *u, bool mask)
{
	vtd_seam_write32(u->registers, VTD_FECTL, mask ? VTD_EVENT_IM : 0);
}
