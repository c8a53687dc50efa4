/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invalidation: what registers and descriptors ask for, and the queue (VT-d "Register-based
 * Invalidation Interface", "Queued Invalidation Interface"). Accesses of devices are done when
 * the lock is free: there is nothing to drain, and descriptors are done in their order. There
 * is no device TLB, thus neither its descriptor nor its errors (ICE, ITE).
 */
#include "dev/vvtd_int.h"

#define AT_ONCE    16u /* descriptors, in one access or one piece of work */
#define FOLLOWED   64u /* pieces of tables that devices of the machine have, likewise */
#define FIRST_SIZE 4096u
#define ERROR_NONE 0u

bool vvtd_decode_ccmd(uint64_t value, struct vvtd_invalidation *i)
{
	*i = (struct vvtd_invalidation){
		.what = VVTD_OF_CONTEXTS,
		.granularity = (unsigned)(value >> VTD_CCMD_CIRG_SHIFT & 3),
		.domain = (uint16_t)value,
		.source = (uint16_t)(value >> VTD_CCMD_SID_SHIFT),
		.functions = vvtd_ignored_functions((unsigned)(value >> VTD_CCMD_FM_SHIFT)),
	};
	return i->granularity != 0;
}

static struct vvtd_invalidation of_pages(
	unsigned granularity, uint16_t domain, uint64_t address)
{
	return (struct vvtd_invalidation){
		.what = VVTD_OF_PAGES,
		.granularity = granularity,
		.domain = domain,
		.at = address & VTD_BITS(12, 63),
		.mask = granularity == VTD_PAGES ? (unsigned)(address & VTD_INV_AM) : 0,
	};
}

bool vvtd_decode_iotlb(uint64_t value, uint64_t iva, struct vvtd_invalidation *i)
{
	*i = of_pages((unsigned)(value >> VTD_IOTLB_IIRG_SHIFT & 3),
		(uint16_t)(value >> VTD_IOTLB_DID_SHIFT), iva);
	return i->granularity != 0 && i->mask <= VVTD_MASK_MAX;
}

/* ---- descriptors: what is wrong, VTD_IQEI_*, or ERROR_NONE ---- */

static unsigned contexts(struct platform *p, uint64_t low, uint64_t high)
{
	struct vvtd_invalidation i = {
		.what = VVTD_OF_CONTEXTS,
		.granularity = VTD_INV_GRANULARITY(low),
		.domain = (uint16_t)(low >> VTD_INV_DID_SHIFT),
		.source = (uint16_t)(low >> VTD_INV_SID_SHIFT),
		.functions = vvtd_ignored_functions((unsigned)(low >> VTD_INV_FM_SHIFT)),
	};

	if (low & VTD_INV_CONTEXT_RESERVED || high != 0 || i.granularity == 0)
		return VTD_IQEI_RESERVED;
	vvtd_forget(p, &i);
	return ERROR_NONE;
}

static unsigned pages(struct platform *p, uint64_t low, uint64_t high)
{
	struct vvtd_invalidation i =
		of_pages(VTD_INV_GRANULARITY(low), (uint16_t)(low >> VTD_INV_DID_SHIFT), high);

	if (low & VTD_INV_IOTLB_RESERVED || high & VTD_INV_IOTLB_RESERVED_2 ||
		i.granularity == 0 || i.mask > VVTD_MASK_MAX)
		return VTD_IQEI_RESERVED;
	vvtd_forget(p, &i);
	return ERROR_NONE;
}

static unsigned entries(struct platform *p, uint64_t low, uint64_t high)
{
	struct vvtd_invalidation i = {
		.what = VVTD_OF_ENTRIES,
		.granularity = low & VTD_INV_INDEX ? VTD_PAGES : VTD_GLOBAL,
		.index = (uint16_t)(low >> VTD_INV_IIDX_SHIFT),
		.mask = (unsigned)(low >> VTD_INV_IM_SHIFT & 31),
	};

	if (low & VTD_INV_IRTE_RESERVED || high != 0 || i.mask > VVTD_INDEX_MASK_MAX)
		return VTD_IQEI_RESERVED;
	vvtd_forget(p, &i);
	return ERROR_NONE;
}

static unsigned wait(struct platform *p, uint64_t low, uint64_t high)
{
	struct vvtd *u = &p->vtd;
	uint32_t *status;

	if (low & VTD_INV_WAIT_RESERVED || high & VTD_INV_WAIT_RESERVED_2)
		return VTD_IQEI_RESERVED;
	high &= VTD_BITS(0, VVTD_HOST_BITS - 1); /* those above are ignored */
	if (low & VTD_WAIT_SW && VTD_MSI_RANGE(high))
		return VTD_IQEI_RESERVED;
	if (low & VTD_WAIT_SW) {
		status = dev_memory(p, 0, high, sizeof(*status), true);
		if (status != NULL)
			__atomic_store_n(status, (uint32_t)(low >> VTD_WAIT_DATA_SHIFT),
				__ATOMIC_RELEASE);
	}
	if (low & VTD_WAIT_IF && !(vvtd_get(u, VTD_ICS) & VTD_IWC)) {
		vvtd_set(u, VTD_ICS, VTD_IWC);
		vvtd_event(p, VTD_IECTL);
	}
	return ERROR_NONE;
}

/* ---- the queue ---- */

static uint32_t queue_size(const struct vvtd *u)
{
	return FIRST_SIZE << (vvtd_get(u, VTD_IQA) & VTD_IQA_QS);
}

static unsigned execute(struct platform *p, uint32_t head)
{
	struct vvtd *u = &p->vtd;
	uint64_t d[2];

	if (vvtd_get(u, VTD_IQT) >= queue_size(u))
		return VTD_IQEI_TAIL;
	if (!vvtd_fetch(p, (vvtd_get64(u, VTD_IQA) & VTD_BITS(12, 63)) + head, d))
		return VTD_IQEI_FETCH;
	switch (VTD_INV_TYPE(d[0])) {
	case VTD_INV_CONTEXT:
		return contexts(p, d[0], d[1]);
	case VTD_INV_IOTLB:
		return pages(p, d[0], d[1]);
	case VTD_INV_IRTE:
		return entries(p, d[0], d[1]);
	case VTD_INV_WAIT:
		return wait(p, d[0], d[1]);
	default:
		return VTD_IQEI_TYPE;
	}
}

bool vvtd_queue_waits(const struct vvtd *u)
{
	return vvtd_is_on(u, VTD_QIE) && !(vvtd_get(u, VTD_FSTS) & VTD_IQE) &&
	       vvtd_get(u, VTD_IQH) != vvtd_get(u, VTD_IQT);
}

/* What a descriptor asked for is done before the next one is looked at. */
bool vvtd_work(struct platform *p)
{
	struct vvtd *u = &p->vtd;
	unsigned most = FOLLOWED;

	for (unsigned n = 0;; n++) {
		uint32_t head = vvtd_get(u, VTD_IQH);
		bool follows = dev_remap_work(p, &most);
		unsigned error;

		u->switches = u->switches && follows;

		if (!follows && !vvtd_queue_waits(u))
			return false;
		if (follows || n == AT_ONCE) {
			dev_work(p);
			return true;
		}
		error = execute(p, head);
		if (error != ERROR_NONE) {
			vvtd_set(u, VTD_IQERCD, error);
			vvtd_set_status(p, VTD_IQE);
			return false;
		}
		vvtd_set(u, VTD_IQH, (head + VTD_DESCRIPTOR_SIZE) & (queue_size(u) - 1));
	}
}
