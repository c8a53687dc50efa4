/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt messages to local APICs: from the IOAPIC, by MSI, and IPIs.
 */
#include "dev/platform.h"
#include "dev/vlapic_int.h"
#include "spec/posted.h"

#define XAPIC_ALL 0xffu /* as a destination of 8 bits: everybody */
#define CLUSTER   16u   /* vCPUs in one of x2APIC mode */

/*
 * 10.6.2 "Determining IPI Destination", 10.12.10 "Determining IPI Destination in x2APIC Mode".
 * A physical destination is all of an id, in xAPIC mode, too: of a vCPU from 255 on, which has
 * no id there that others do not have, and whoever starts it is in x2APIC mode.
 */
static bool matches(const struct vlapic *l, unsigned vcpu, uint32_t destination, bool logical)
{
	uint32_t ldr;

	if (!(l->base & APIC_BASE_ENABLE))
		return false;
	if (destination == UINT32_MAX)
		return true;
	if (!logical)
		return destination == vcpu;
	if (vlapic_x2apic(l))
		return destination >> 16 == vcpu >> 4 && (destination >> (vcpu & 15) & 1);
	if (destination >= XAPIC_ALL)
		return destination == XAPIC_ALL;
	ldr = vlapic_reg(l, REG_LDR) >> 24;
	if (vlapic_reg(l, REG_DFR) >> 28 == 0) /* cluster model */
		return (destination & 0xf0) == (ldr & 0xf0) && (destination & ldr & 0xf);
	return destination & ldr;
}

static void deliver(struct platform *p, unsigned vcpu, const struct vlapic_message *m)
{
	if (!(p->lapic[vcpu].base & APIC_BASE_ENABLE))
		return;
	switch (m->mode) {
	case DELIVER_FIXED:
	case DELIVER_LOWEST:
		vlapic_accept(p, vcpu, m->vector, m->level);
		break;
	case DELIVER_NMI:
		dev_nmi(p, vcpu);
		break;
	case DELIVER_INIT:
		dev_init_ipi(p, vcpu);
		break;
	case DELIVER_STARTUP:
		dev_startup_ipi(p, vcpu, m->vector);
		break;
	default: /* SMI: there is no SMM; ExtINT: only through LINT0 */
		break;
	}
}

/* Who may be addressed at all: of many the others need not be looked at. */
struct range {
	unsigned first, end;
};

static struct range range_of(const struct platform *p, const struct vlapic_message *m)
{
	unsigned count = p->config.vcpus, first = (m->destination >> 16) * CLUSTER;

	if (!m->logical && m->destination < count)
		return (struct range){m->destination, m->destination + 1};
	if (!m->logical || m->destination <= XAPIC_ALL || m->destination == UINT32_MAX)
		return (struct range){0, count};
	if (first >= count)
		return (struct range){0, 0};
	return (struct range){first, first + CLUSTER < count ? first + CLUSTER : count};
}

/* Lowest priority: the least busy of those addressed, the first one of several. */
static bool send_lowest(struct platform *p, const struct vlapic_message *m)
{
	struct range r = range_of(p, m);
	unsigned best = DEV_MAX_VCPUS;

	for (unsigned i = r.first; i < r.end; i++) {
		const struct vlapic *l = &p->lapic[i];

		if (matches(l, i, m->destination, m->logical) && vlapic_enabled(l) &&
			(best == DEV_MAX_VCPUS || vlapic_ppr(l) < vlapic_ppr(&p->lapic[best])))
			best = i;
	}
	if (best == DEV_MAX_VCPUS)
		return false;
	deliver(p, best, m);
	return true;
}

bool vlapic_send(struct platform *p, const struct vlapic_message *m)
{
	struct range r = range_of(p, m);
	bool accepted = false;

	if (m->mode == DELIVER_LOWEST)
		return send_lowest(p, m);
	for (unsigned i = r.first; i < r.end; i++) {
		if (!matches(&p->lapic[i], i, m->destination, m->logical))
			continue;
		accepted |= m->mode != DELIVER_FIXED || vlapic_enabled(&p->lapic[i]);
		deliver(p, i, m);
	}
	return accepted;
}

int vlapic_route(const struct platform *p, const struct vlapic_message *m)
{
	struct range r = range_of(p, m);
	int vcpu = -1;

	if (m->mode > DELIVER_LOWEST || m->level || m->vector < 16)
		return -1;
	for (unsigned i = r.first; i < r.end; i++) {
		if (!matches(&p->lapic[i], i, m->destination, m->logical) ||
			!vlapic_enabled(&p->lapic[i]))
			continue;
		if (vcpu >= 0)
			return -1;
		vcpu = (int)i;
	}
	return vcpu >= 0 && vlapic_takes_posted(&p->lapic[vcpu], m->vector) ? vcpu : -1;
}

/*
 * Table 10-3 "Valid Combinations for the Pentium 4 and Intel Xeon Processors' Local xAPIC ICR"
 */
static bool shorthand_allows(unsigned shorthand, enum apic_delivery mode)
{
	return shorthand == SHORTHAND_OTHERS || mode == DELIVER_FIXED;
}

/* A physical destination of 8 bits. */
static uint32_t xapic_id(uint32_t id)
{
	return id == XAPIC_ALL ? UINT32_MAX : id;
}

static uint32_t ipi_destination(const struct vlapic *l, bool logical)
{
	uint32_t id = vlapic_reg(l, REG_ICR2) >> 24;

	if (vlapic_x2apic(l))
		return l->regs[REG_ICR * 4 + 1];
	return logical ? id : xapic_id(id);
}

/* 10.6.1 "Interrupt Command Register (ICR)" */
void vlapic_send_ipi(struct platform *p, unsigned self)
{
	const struct vlapic *l = &p->lapic[self];
	uint32_t low = vlapic_reg(l, REG_ICR);
	struct vlapic_message m = {
		.vector = (uint8_t)low,
		.mode = (enum apic_delivery)(low >> 8 & 7),
		.logical = low & ICR_LOGICAL,
		.destination = ipi_destination(l, low & ICR_LOGICAL),
	};
	unsigned shorthand = low >> ICR_SHORTHAND_SHIFT & 3;

	if (m.mode == DELIVER_INIT && (low & ICR_LEVEL) && !(low & ICR_ASSERT))
		return; /* INIT level de-assert */
	if (m.mode <= DELIVER_LOWEST && m.vector < 16) {
		vlapic_error(p, self, ESR_SEND_ILLEGAL_VECTOR);
		return;
	}
	if (shorthand == SHORTHAND_NONE) {
		vlapic_send(p, &m);
		return;
	}
	for (unsigned i = 0; i < p->config.vcpus && shorthand_allows(shorthand, m.mode); i++)
		if (i == self ? shorthand != SHORTHAND_OTHERS : shorthand != SHORTHAND_SELF)
			deliver(p, i, &m);
}

void platform_send_notification(
	struct platform *p, unsigned vcpu, uint32_t ndst, uint8_t vector)
{
	const struct vlapic *l = &p->lapic[vcpu];
	struct vlapic_message m = {.vector = vector, .mode = DELIVER_FIXED};

	dev_lock(p);
	m.destination = vlapic_x2apic(l) ? ndst : xapic_id(ndst >> PID_NDST_8BIT_SHIFT & 0xff);
	if (l->base & APIC_BASE_ENABLE && vector < 16)
		vlapic_error(p, vcpu, ESR_SEND_ILLEGAL_VECTOR);
	else if (l->base & APIC_BASE_ENABLE)
		vlapic_send(p, &m);
	dev_unlock(p);
}
