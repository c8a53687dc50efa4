/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queued invalidation. VT-d 6.5.2 "Queued Invalidation Interface". There is no device TLB, thus
 * neither its descriptor nor its errors (ICE, ITE).
 */
#include "bochs_vtd_unit.h"

#define CONTEXT 1u
#define IOTLB   2u
#define IRTE    4u
#define WAIT    5u

#define TYPE(low)        ((unsigned)((low)&15) | (unsigned)((low) >> 5 & 0x70))
#define GRANULARITY(low) ((unsigned)((low) >> 4 & 3))
#define WAIT_INTERRUPT   0x10u
#define WAIT_STATUS      0x20u
#define COMPLETE         1u /* of ICS */

/* Why the queue stops: VT-d "Invalidation Queue Error Record Register". */
enum queue_error {
	ERROR_NONE = 0,
	ERROR_TAIL = 1,
	ERROR_FETCH = 2,
	ERROR_TYPE = 3,
	ERROR_RESERVED = 4
};

static uint32_t queue_size(const struct vtd *u)
{
	return 4096u << (u->reg[VTD_IQA / 4] & 7);
}

static enum queue_error contexts(struct vtd *u, uint64_t low, uint64_t high)
{
	if (low & (vtd_bits(6, 8) | vtd_bits(12, 15) | vtd_bits(50, 63)) || high != 0 ||
		GRANULARITY(low) == 0)
		return ERROR_RESERVED;
	vtd_forget_contexts(u, GRANULARITY(low), (uint16_t)(low >> 16), (uint16_t)(low >> 32),
		low >> 48 & 3);
	return ERROR_NONE;
}

static enum queue_error pages(struct vtd *u, uint64_t low, uint64_t high)
{
	bool selective = GRANULARITY(low) == VTD_SELECTIVE;

	if (low & (vtd_bits(8, 8) | vtd_bits(12, 15) | vtd_bits(32, 63)) ||
		high & vtd_bits(7, 11) || GRANULARITY(low) == 0 ||
		(selective && (high & 0x3f) > VTD_MASK_MAX))
		return ERROR_RESERVED;
	vtd_forget_pages(u, GRANULARITY(low), (uint16_t)(low >> 16), high & vtd_bits(12, 63),
		selective ? high & 0x3f : 0, high & 0x40);
	return ERROR_NONE;
}

static enum queue_error irtes(struct vtd *u, uint64_t low, uint64_t high)
{
	if (low & (vtd_bits(5, 8) | vtd_bits(12, 26) | vtd_bits(48, 63)) || high != 0 ||
		(low >> 27 & 31) > 15)
		return ERROR_RESERVED;
	vtd_forget_irtes(u, low & 0x10, (uint16_t)(low >> 32), low >> 27 & 31);
	return ERROR_NONE;
}

/* Descriptors are done in their order: the fence holds by itself. */
static enum queue_error wait(struct vtd *u, uint64_t low, uint64_t high)
{
	uint32_t status = (uint32_t)(low >> 32);

	if (low & (vtd_bits(7, 8) | vtd_bits(12, 31)) || high & 3)
		return ERROR_RESERVED;
	high &= vtd_bits(2, VTD_HOST_BITS - 1); /* what is above is ignored */
	if (low & WAIT_STATUS && vtd_is_message(high))
		return ERROR_RESERVED; /* undefined; so it is seen */
	if (low & WAIT_STATUS)
		vtd_memory_write(high, &status, 4);
	if (low & WAIT_INTERRUPT && !(u->reg[VTD_ICS / 4] & COMPLETE)) {
		u->reg[VTD_ICS / 4] |= COMPLETE;
		vtd_raise_event(u, VTD_IECTL);
	}
	return ERROR_NONE;
}

static enum queue_error execute(struct vtd *u, uint32_t head)
{
	uint64_t d[2];

	if (u->reg[VTD_IQT / 4] >= queue_size(u))
		return ERROR_TAIL;
	if (!vtd_memory_read((vtd_get64(u, VTD_IQA) & vtd_bits(12, 63)) + head, d, 16))
		return ERROR_FETCH;
	switch (TYPE(d[0])) {
	case CONTEXT:
		return contexts(u, d[0], d[1]);
	case IOTLB:
		return pages(u, d[0], d[1]);
	case IRTE:
		return irtes(u, d[0], d[1]);
	case WAIT:
		return wait(u, d[0], d[1]);
	default:
		return ERROR_TYPE;
	}
}

static bool waiting(const struct vtd *u)
{
	return vtd_is_on(u, VTD_QUEUE) && !(u->reg[VTD_FSTS / 4] & VTD_QUEUE_ERROR) &&
	       u->reg[VTD_IQH / 4] != u->reg[VTD_IQT / 4];
}

bool vtd_queue_run(struct vtd *u, unsigned most)
{
	for (; most != 0 && waiting(u); most--) {
		uint32_t head = u->reg[VTD_IQH / 4];
		enum queue_error error = execute(u, head);

		if (error != ERROR_NONE) {
			u->reg[VTD_IQERCD / 4] = error;
			vtd_set_fault_status(u, VTD_QUEUE_ERROR);
			return false;
		}
		u->reg[VTD_IQH / 4] = (head + 16) & (queue_size(u) - 1);
	}
	return waiting(u);
}
