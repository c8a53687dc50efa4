/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults are recorded, and the unit tells of them and of waits that are over by events: VT-d
 * "Primary Fault Logging", "Fault Event", "Invalidation Completion". The guest alone hears of
 * them: what it does to itself is not the log's business.
 */
#include "dev/vvtd_int.h"

#define ANY_STATUS (VTD_PFO | VTD_PPF | VTD_IQE | VTD_ICE | VTD_ITE)

/* Of the message registers behind a control register. */
#define DATA    4u
#define ADDRESS 8u
#define UPPER   12u

static bool may_be_silenced(enum vtd_reason reason)
{
	switch (reason) {
#define R(code, name, silenced, words) \
	case VTD_FAULT_##name:         \
		return silenced;
#include "spec/vtd_reasons.def"
#undef R
	default:
		return false;
	}
}

/* ---- events ---- */

/* Messages of the unit itself are not remapped. The upper address has an x2APIC's bits. */
static void send(struct platform *p, unsigned control)
{
	const struct vvtd *u = &p->vtd;
	uint32_t data = vvtd_get(u, control + DATA), address = vvtd_get(u, control + ADDRESS);
	struct vlapic_message m = {
		.destination = MSI_DESTINATION(address) |
			       (vvtd_get(u, control + UPPER) & ~UINT32_C(0xff)),
		.vector = MSI_VECTOR(data),
		.mode = MSI_DELIVERY(data),
		.logical = address & MSI_LOGICAL,
	};

	if (VTD_MSI_RANGE((uint64_t)address))
		vpci_deliver(p, &m);
}

void vvtd_event(struct platform *p, unsigned control)
{
	uint32_t v = vvtd_get(&p->vtd, control);

	if (v & VTD_EVENT_IM)
		vvtd_set(&p->vtd, control, v | VTD_EVENT_IP);
	else
		send(p, control);
}

void vvtd_event_written(struct platform *p, unsigned control)
{
	uint32_t v = vvtd_get(&p->vtd, control);

	if ((v & (VTD_EVENT_IM | VTD_EVENT_IP)) != VTD_EVENT_IP)
		return;
	vvtd_set(&p->vtd, control, v & ~VTD_EVENT_IP);
	send(p, control);
}

/* ---- status ---- */

void vvtd_set_status(struct platform *p, uint32_t bits)
{
	uint32_t before = vvtd_get(&p->vtd, VTD_FSTS);

	vvtd_set(&p->vtd, VTD_FSTS, before | bits);
	if (!(before & ANY_STATUS))
		vvtd_event(p, VTD_FECTL);
}

bool vvtd_any_record(const struct vvtd_state *s)
{
	for (unsigned at = VVTD_FRCD; at < VVTD_END; at += VTD_FRCD_SIZE)
		if (s->reg[at / 4 + 3] >> 31)
			return true;
	return false;
}

void vvtd_status_cleared(struct vvtd *u)
{
	uint32_t status = vvtd_get(u, VTD_FSTS);

	if (!vvtd_any_record(&u->s))
		status &= ~VTD_PPF;
	vvtd_set(u, VTD_FSTS, status);
	if (!(status & ANY_STATUS))
		vvtd_set(u, VTD_FECTL, vvtd_get(u, VTD_FECTL) & ~VTD_EVENT_IP);
}

/* ---- records ---- */

static void record(struct platform *p, uint64_t low, uint64_t high)
{
	struct vvtd *u = &p->vtd;
	unsigned at = VVTD_FRCD + VTD_FRCD_SIZE * u->s.next;
	uint32_t status = vvtd_get(u, VTD_FSTS);

	if (status & VTD_PFO) /* until software clears it nothing is recorded */
		return;
	if (vvtd_get64(u, at + 8) & VTD_FRCD_F) {
		vvtd_set_status(p, VTD_PFO);
		return;
	}
	vvtd_set64(u, at, low);
	vvtd_set64(u, at + 8, high);
	if (!(status & VTD_PPF)) { /* FRI is the first one of those that wait */
		vvtd_set(u, VTD_FSTS, (status & ~UINT32_C(0xff00)) | u->s.next << 8);
		vvtd_set_status(p, VTD_PPF);
	}
	u->s.next = (u->s.next + 1) % VVTD_RECORDS;
}

void vvtd_fault(struct platform *p, enum vtd_reason reason, bool silent, uint16_t source,
	uint64_t information, bool read)
{
	if (silent && may_be_silenced(reason))
		return;
	record(p, information,
		VTD_FRCD_F | (read ? VTD_FRCD_READ : 0) |
			(uint64_t)reason << VTD_FRCD_REASON_SHIFT | source);
}
