/* SPDX-License-Identifier: Apache-2.0 */
/* The unit's registers and what writes to them do: VT-d "Register Descriptions". */
#include "bochs_vtd_unit.h"

#include <string.h>

#define VERSION 0x10u

/* VT-d "Capability Register", "Extended Capability Register" */
#define FIELD(value, first) ((uint64_t)(value) << (first))

static const uint64_t capability = FIELD(6, 0) | /* 2^16 domains */
				   FIELD(6, 8) | /* tables of 3 and 4 levels */
				   FIELD(VTD_GUEST_BITS - 1, 16) | FIELD(VTD_FRCD / 16, 24) |
				   FIELD(3, 34) | /* pages of 2 MiB and 1 GiB */
				   FIELD(1, 39) | /* page-selective invalidation */
				   FIELD(VTD_RECORDS - 1, 40) | FIELD(VTD_MASK_MAX, 48) |
				   FIELD(3, 54) | /* drains reads and writes */
				   FIELD(1, 59);  /* posts interrupts */
static const uint64_t extended = FIELD(1, 0) |    /* tables are coherent */
				 FIELD(1, 1) |    /* queued invalidation */
				 FIELD(1, 3) |    /* interrupt remapping */
				 FIELD(1, 4) |    /* to destinations of 32 bits */
				 FIELD(1, 6) |    /* pass-through */
				 FIELD(VTD_IVA / 16, 8) |
				 FIELD(15, 20); /* index mask of entries */
#define CAPABILITY_CACHING FIELD(1, 7)

#define COMMAND_BITS (VTD_TRANSLATE | VTD_QUEUE | VTD_REMAP | VTD_COMPATIBILITY)
#define BEGIN        (1u << 31) /* of the upper half of CCMD and IOTLB */
#define FAULT_CLEARS (VTD_OVERFLOW | VTD_QUEUE_ERROR | VTD_COMPLETION_ERROR | VTD_TIMEOUT_ERROR)

/* Which bits software can set, and which ones it clears by writing ones. */
static const struct {
	uint16_t at;
	uint32_t writable, clears;
} rows[] = {
	{VTD_GCMD, UINT32_MAX, 0}, /* reads as 0: see written() */
	{VTD_RTADDR, 0xfffff000, 0},
	{VTD_RTADDR + 4, UINT32_MAX, 0},
	{VTD_CCMD, UINT32_MAX, 0},
	{VTD_CCMD + 4, 0xe0000003, 0},
	{VTD_FSTS, 0, FAULT_CLEARS},
	{VTD_FECTL, VTD_EVENT_MASK, 0},
	{VTD_FECTL + 4, 0xffff, 0},
	{VTD_FECTL + 8, 0xfffffffc, 0},
	{VTD_FECTL + 12, UINT32_MAX, 0},
	{VTD_IQT, 0x7fff0, 0},
	{VTD_IQA, 0xfffff007, 0},
	{VTD_IQA + 4, UINT32_MAX, 0},
	{VTD_ICS, 0, 1},
	{VTD_IECTL, VTD_EVENT_MASK, 0},
	{VTD_IECTL + 4, 0xffff, 0},
	{VTD_IECTL + 8, 0xfffffffc, 0},
	{VTD_IECTL + 12, UINT32_MAX, 0},
	{VTD_IRTA, 0xfffff80f, 0},
	{VTD_IRTA + 4, UINT32_MAX, 0},
	{VTD_IVA, 0xfffff07f, 0},
	{VTD_IVA + 4, UINT32_MAX, 0},
	{VTD_IOTLB + 4, 0xb003ffff, 0},
};

void vtd_reset(struct vtd *u, bool caching)
{
	memset(u, 0, sizeof(*u));
	u->caching = caching;
	u->reg[VTD_VER / 4] = VERSION;
	vtd_set64(u, VTD_CAP, capability | (caching ? CAPABILITY_CACHING : 0));
	vtd_set64(u, VTD_ECAP, extended);
	u->reg[VTD_FECTL / 4] = VTD_EVENT_MASK;
	u->reg[VTD_IECTL / 4] = VTD_EVENT_MASK;
}

uint64_t vtd_read(const struct vtd *u, unsigned at, unsigned size)
{
	if (at + size > VTD_END)
		return 0;
	return size == 8 ? vtd_get64(u, at) : u->reg[at / 4];
}

/* VT-d "Global Command Register": what is a state, and what happens once. */
static void command(struct vtd *u, uint32_t v)
{
	uint32_t *status = &u->reg[VTD_GSTS / 4];

	*status = (*status & ~COMMAND_BITS) | (v & COMMAND_BITS);
	if (v & VTD_SET_ROOT) {
		u->root = vtd_get64(u, VTD_RTADDR);
		*status |= VTD_SET_ROOT;
	}
	if (v & VTD_SET_IRTA) {
		u->irta = vtd_get64(u, VTD_IRTA);
		*status |= VTD_SET_IRTA;
	}
	if (!(v & VTD_QUEUE))
		u->reg[VTD_IQH / 4] = 0;
}

/* Invalidation by registers is done at once, and not at all while the queue is on. */
static void context_command(struct vtd *u)
{
	uint64_t v = vtd_get64(u, VTD_CCMD) & ~(UINT64_C(1) << 63 | UINT64_C(3) << 59);
	unsigned granularity = v >> 61 & 3;

	if (granularity != 0 && !vtd_is_on(u, VTD_QUEUE)) {
		vtd_forget_contexts(
			u, granularity, (uint16_t)v, (uint16_t)(v >> 16), v >> 32 & 3);
		v |= (uint64_t)granularity << 59; /* so much was done */
	}
	vtd_set64(u, VTD_CCMD, v);
}

static void iotlb_command(struct vtd *u)
{
	uint64_t v = vtd_get64(u, VTD_IOTLB) & ~(UINT64_C(1) << 63 | UINT64_C(3) << 57);
	uint64_t where = vtd_get64(u, VTD_IVA);
	unsigned granularity = v >> 60 & 3, mask = where & 0x3f;

	if (granularity != 0 && !vtd_is_on(u, VTD_QUEUE) &&
		(granularity != VTD_SELECTIVE || mask <= VTD_MASK_MAX)) {
		vtd_forget_pages(u, granularity, (uint16_t)(v >> 32), where & vtd_bits(12, 63),
			granularity == VTD_SELECTIVE ? mask : 0, where & 0x40);
		v |= (uint64_t)granularity << 57;
	}
	vtd_set64(u, VTD_IOTLB, v);
}

/* What a write to this register makes happen. */
static void written(struct vtd *u, unsigned at, uint32_t v)
{
	switch (at) {
	case VTD_GCMD:
		u->reg[VTD_GCMD / 4] = 0;
		command(u, v);
		break;
	case VTD_CCMD + 4:
		if (v & BEGIN)
			context_command(u);
		break;
	case VTD_IOTLB + 4:
		if (v & BEGIN)
			iotlb_command(u);
		break;
	case VTD_FSTS:
		if (v & VTD_QUEUE_ERROR)
			u->reg[VTD_IQERCD / 4] = 0;
		vtd_faults_cleared(u);
		break;
	case VTD_ICS:
		if (!(u->reg[VTD_ICS / 4] & 1))
			u->reg[VTD_IECTL / 4] &= ~VTD_EVENT_PENDING;
		break;
	case VTD_FECTL:
	case VTD_IECTL:
		vtd_event_unmasked(u, at);
		break;
	default:
		break;
	}
}

static void write_word(struct vtd *u, unsigned at, uint32_t v)
{
	if (at >= VTD_FRCD && at < VTD_END) {
		if (at % 16 == 12 && v >> 31)
			u->reg[at / 4] &= INT32_MAX;
		vtd_faults_cleared(u);
		return;
	}
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].at == at) {
			uint32_t *r = &u->reg[at / 4];

			*r = ((*r & ~rows[i].writable) | (v & rows[i].writable)) &
			     ~(v & rows[i].clears);
			written(u, at, v);
			return;
		}
}

void vtd_write(struct vtd *u, unsigned at, uint64_t value, unsigned size)
{
	if (at + size > VTD_END)
		return;
	write_word(u, at, (uint32_t)value);
	if (size == 8)
		write_word(u, at + 4, (uint32_t)(value >> 32));
}
