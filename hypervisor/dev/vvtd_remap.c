/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt requests: compatibility and remappable format, the remapping table (VT-d "Interrupt
 * Remapping"), posted ones ("Interrupt Posting").
 */
#include "dev/vvtd_int.h"

#include "spec/posted.h"

/* "Interrupt Remapping Table Entry": SVT, SQ and SID. */
static bool source_fits(uint64_t high, uint16_t source)
{
	uint16_t sid = VTD_IRTE_SID(high);
	unsigned bus = source >> 8;

	switch (VTD_IRTE_SVT(high)) {
	case VTD_SVT_NONE:
		return true;
	case VTD_SVT_SOURCE:
		return ((sid ^ source) & ~vvtd_ignored_functions(VTD_IRTE_SQ(high))) == 0;
	case VTD_SVT_BUSES:
		return bus >= sid >> 8u && bus <= (sid & 0xffu);
	default:
		return false;
	}
}

static enum vtd_reason check_entry(uint64_t irta, const struct vvtd_entry *e)
{
	if (!(e->low & VTD_PRESENT))
		return VTD_FAULT_IRTE_ABSENT;
	if (e->low & VTD_IRTE_IM)
		return e->low & VTD_IRTE_POSTED_RESERVED ||
				       e->high & (VTD_IRTE_POSTED_RESERVED_2 | VVTD_ABOVE_HOST)
			       ? VTD_FAULT_IRTE_RESERVED
			       : VTD_NO_FAULT;
	if (e->low & VTD_IRTE_RESERVED || e->high & VTD_IRTE_RESERVED_2 ||
		(!(irta & VTD_IRTA_EIME) && e->low & VTD_IRTE_RESERVED_8BIT))
		return VTD_FAULT_IRTE_RESERVED;
	return VTD_NO_FAULT;
}

static enum vtd_reason get_entry(struct platform *p, uint16_t index, struct vvtd_entry *out)
{
	const struct vvtd_entry *e = vvtd_cached_entry(&p->vtd, index);
	uint64_t irta = p->vtd.s.irta, pair[2];
	enum vtd_reason reason;

	if (e != NULL) {
		*out = *e;
		return VTD_NO_FAULT;
	}
	if (!vvtd_fetch(p, (irta & VTD_BITS(12, 63)) + VTD_ENTRY_SIZE * (uint64_t)index, pair))
		return VTD_FAULT_IRTE_ACCESS;
	*out = (struct vvtd_entry){true, index, pair[0], pair[1]};
	reason = check_entry(irta, out);
	if (reason == VTD_NO_FAULT)
		vvtd_cache_entry(&p->vtd, out);
	return reason;
}

static void read_entry(uint64_t irta, const struct vvtd_entry *e, struct vlapic_message *m)
{
	*m = (struct vlapic_message){
		.destination =
			irta & VTD_IRTA_EIME ? VTD_IRTE_DST(e->low) : VTD_IRTE_DST_8BIT(e->low),
		.vector = VTD_IRTE_VECTOR(e->low),
		.mode = (enum apic_delivery)VTD_IRTE_DLM(e->low),
		.logical = e->low & VTD_IRTE_DM,
		.level = e->low & VTD_IRTE_TM,
	};
	if (!(irta & VTD_IRTA_EIME) && !m->logical && m->destination == 0xff)
		m->destination = UINT32_MAX;
}

/*
 * VT-d 5.2.3 "Interrupt-Posting Hardware Operation". The descriptor is the guest's memory,
 * which its processors change meanwhile: the request is there before ON says so.
 */
static enum vtd_reason post(struct platform *p, const struct vvtd_entry *e, bool *notifies,
	struct vlapic_message *m)
{
	uint64_t at = VTD_IRTE_PDA(e->low, e->high),
		 *pid = dev_memory(p, 0, at, PID_SIZE, true);
	uint8_t vector = VTD_IRTE_VECTOR(e->low);
	uint64_t control;

	*notifies = false;
	if (pid == NULL)
		return VTD_FAULT_DESCRIPTOR_ACCESS;
	control = __atomic_load_n(&pid[PID_CONTROL], __ATOMIC_SEQ_CST);
	if (control & PID_RESERVED)
		return VTD_FAULT_DESCRIPTOR_RESERVED;
	__atomic_fetch_or(&pid[vector / 64], BIT64(vector % 64), __ATOMIC_SEQ_CST);
	/* Who suppresses notifications looks for requests when he ends that. */
	control = __atomic_load_n(&pid[PID_CONTROL], __ATOMIC_SEQ_CST);
	if (control & PID_SN && !(e->low & VTD_IRTE_URGENT))
		return VTD_NO_FAULT;
	control = __atomic_fetch_or(&pid[PID_CONTROL], PID_ON, __ATOMIC_SEQ_CST);
	*notifies = !(control & PID_ON);
	*m = (struct vlapic_message){
		.destination = p->vtd.s.irta & VTD_IRTA_EIME ? PID_NDST(control)
							     : PID_NDST_8BIT(control),
		.vector = PID_NV(control),
		.mode = DELIVER_FIXED,
	};
	return VTD_NO_FAULT;
}

static uint32_t index_of(uint32_t address, uint32_t data)
{
	return VTD_MSI_HANDLE(address) + (address & VTD_MSI_SHV ? data & 0xffff : 0);
}

static enum vtd_reason find_entry(struct platform *p, uint16_t source, uint32_t address,
	uint32_t data, struct vvtd_entry *e)
{
	uint32_t index = index_of(address, data);
	enum vtd_reason reason;

	if (address & VTD_MSI_SHV && data >> 16 != 0)
		return VTD_FAULT_REQUEST_RESERVED;
	if (index >= VTD_IRTA_S(p->vtd.s.irta))
		return VTD_FAULT_INDEX_TOO_LARGE;
	reason = get_entry(p, (uint16_t)index, e);
	return reason == VTD_NO_FAULT && !source_fits(e->high, source) ? VTD_FAULT_SOURCE
								       : reason;
}

static bool remap(struct platform *p, uint16_t source, uint32_t address, uint32_t data,
	struct vlapic_message *m)
{
	struct vvtd_entry e = {.valid = false};
	enum vtd_reason reason = find_entry(p, source, address, data, &e);
	bool goes = true;

	if (reason == VTD_NO_FAULT && e.low & VTD_IRTE_IM)
		reason = post(p, &e, &goes, m);
	else if (reason == VTD_NO_FAULT)
		read_entry(p->vtd.s.irta, &e, m);
	if (reason != VTD_NO_FAULT) {
		vvtd_fault(p, reason, e.low & VTD_IRTE_FPD, source,
			(uint64_t)index_of(address, data) << VTD_FRCD_INDEX_SHIFT, false);
		return false;
	}
	return goes;
}

static void read_compatible(uint32_t address, uint32_t data, struct vlapic_message *m)
{
	*m = (struct vlapic_message){
		.destination = MSI_DESTINATION(address),
		.vector = MSI_VECTOR(data),
		.mode = MSI_DELIVERY(data),
		.logical = address & MSI_LOGICAL,
		.level = data & MSI_LEVEL,
	};
	if (!m->logical && m->destination == 0xff)
		m->destination = UINT32_MAX;
}

bool vvtd_remaps(const struct platform *p)
{
	return vvtd_is_on(&p->vtd, VTD_IRE);
}

/* Not remapped: is it delivered as it is? */
static bool passes(const struct platform *p)
{
	const struct vvtd *u = &p->vtd;

	return !vvtd_remaps(p) || (!(u->s.irta & VTD_IRTA_EIME) && vvtd_is_on(u, VTD_CFI));
}

static bool is_compatible(uint32_t address, uint32_t data, struct vlapic_message *m)
{
	read_compatible(address, data, m);
	return !m->level || data & MSI_ASSERT;
}

bool vvtd_message(struct platform *p, uint16_t source, uint64_t address, uint32_t data,
	struct vlapic_message *m)
{
	uint32_t low = (uint32_t)address;

	if (vvtd_remaps(p) && low & VTD_MSI_REMAPPABLE)
		return remap(p, source, low, data, m);
	if (!passes(p)) {
		vvtd_fault(p, VTD_FAULT_COMPATIBILITY_BLOCKED, false, source, 0, false);
		return false;
	}
	return is_compatible(low, data, m);
}

bool vvtd_route(struct platform *p, uint16_t source, uint64_t address, uint32_t data,
	struct vlapic_message *m)
{
	uint32_t low = (uint32_t)address;
	struct vvtd_entry e;

	if (!vvtd_remaps(p) || !(low & VTD_MSI_REMAPPABLE))
		return passes(p) && is_compatible(low, data, m);
	if (find_entry(p, source, low, data, &e) != VTD_NO_FAULT || e.low & VTD_IRTE_IM)
		return false;
	read_entry(p->vtd.s.irta, &e, m);
	return true;
}
