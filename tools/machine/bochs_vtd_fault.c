/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording of faults, and the events by which the unit tells software of them and of completed
 * invalidation. VT-d 7.2.1 "Primary Fault Logging", 7.3 "Non-Recoverable Fault Event".
 */
#include "bochs_vtd_unit.h"

#define RECORDED    (UINT64_C(1) << 63) /* of the upper half of a record */
#define OF_READ     (UINT64_C(1) << 62)
#define ERRORS      (VTD_QUEUE_ERROR | VTD_COMPLETION_ERROR | VTD_TIMEOUT_ERROR)
#define ALL_STATUS  (VTD_OVERFLOW | VTD_PENDING | ERRORS)
#define INDEX_SHIFT 8

static bool may_be_silenced(enum vtd_reason reason)
{
	switch (reason) {
#define R(code, name, silenced, words) \
	case VTD_##name:               \
		return silenced;
#include "../../hypervisor/spec/vtd_reasons.def"
#undef R
	default:
		return false;
	}
}

static void send(const struct vtd *u, unsigned control)
{
	uint32_t data = u->reg[control / 4 + 1], address = u->reg[control / 4 + 2];

	vtd_deliver(&(struct vtd_interrupt){
		.vector = (uint8_t)data,
		.mode = (uint8_t)(data >> 8 & 7),
		.logical = address >> 2 & 1,
		.destination = (address >> 12 & 0xff) | (u->reg[control / 4 + 3] & 0xffffff00),
	});
}

/* Messages of the unit itself are not remapped. */
void vtd_raise_event(struct vtd *u, unsigned control)
{
	if (u->reg[control / 4] & VTD_EVENT_MASK)
		u->reg[control / 4] |= VTD_EVENT_PENDING;
	else
		send(u, control);
}

void vtd_event_unmasked(struct vtd *u, unsigned control)
{
	if ((u->reg[control / 4] & (VTD_EVENT_MASK | VTD_EVENT_PENDING)) != VTD_EVENT_PENDING)
		return;
	u->reg[control / 4] &= ~VTD_EVENT_PENDING;
	send(u, control);
}

void vtd_set_fault_status(struct vtd *u, uint32_t bits)
{
	uint32_t *status = &u->reg[VTD_FSTS / 4];
	bool is_new = !(*status & ALL_STATUS);

	*status |= bits;
	if (is_new)
		vtd_raise_event(u, VTD_FECTL);
}

void vtd_faults_cleared(struct vtd *u)
{
	uint32_t *status = &u->reg[VTD_FSTS / 4];
	uint64_t any = 0;

	for (unsigned i = 0; i < VTD_RECORDS; i++)
		any |= vtd_get64(u, VTD_FRCD + 16 * i + 8) & RECORDED;
	if (any == 0)
		*status &= ~VTD_PENDING;
	if (!(*status & ALL_STATUS))
		u->reg[VTD_FECTL / 4] &= ~VTD_EVENT_PENDING;
}

static void record(struct vtd *u, uint64_t low, uint64_t high)
{
	unsigned at = VTD_FRCD + 16 * u->next;
	uint32_t *status = &u->reg[VTD_FSTS / 4];

	if (*status & VTD_OVERFLOW)
		return;
	if (vtd_get64(u, at + 8) & RECORDED) {
		vtd_set_fault_status(u, VTD_OVERFLOW);
		return;
	}
	vtd_set64(u, at, low);
	vtd_set64(u, at + 8, high);
	if (!(*status & VTD_PENDING)) { /* the index is that of the first one */
		*status = (*status & ~(0xffu << INDEX_SHIFT)) | u->next << INDEX_SHIFT;
		vtd_set_fault_status(u, VTD_PENDING);
	}
	u->next = (u->next + 1) % VTD_RECORDS;
}

enum vtd_reason vtd_fault(struct vtd *u, enum vtd_reason reason, bool silent, uint16_t source,
	uint64_t information, bool read)
{
	if (!silent || !may_be_silenced(reason))
		record(u, information,
			RECORDED | (read ? OF_READ : 0) | (uint64_t)reason << 32 | source);
	return reason;
}
