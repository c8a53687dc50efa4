/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local APICs that the CPU virtualizes (SDM chapter 29 "APIC Virtualization and Virtual
 * Interrupts"): what vm/ tells the CPU of them, and what it learns from it.
 */
#include <stddef.h>

#include "dev/platform.h"
#include "dev/vlapic_int.h"
#include "spec/posted.h"

_Static_assert(offsetof(struct vlapic, regs) == 0, "the virtual-APIC page");
_Static_assert(
	offsetof(struct vlapic, posted) % VLAPIC_PAGE == 0, "the posted-interrupt descriptor");
_Static_assert(offsetof(struct platform, lapic) % VLAPIC_PAGE == 0, "the virtual-APIC pages");
_Static_assert(sizeof(struct vlapic_posted) == 64, "SDM table 29-1");

static enum dev_apic_mode mode_of(const struct vlapic *l)
{
	if (!l->hardware || !(l->base & APIC_BASE_ENABLE))
		return DEV_APIC_DISABLED;
	return vlapic_x2apic(l) ? DEV_APIC_X2APIC : DEV_APIC_XAPIC;
}

void platform_apic_state(struct platform *p, unsigned vcpu, struct dev_apic_state *s)
{
	struct vlapic *l = &p->lapic[vcpu];
	int rvi, svi;

	dev_lock(p);
	vlapic_collect(l);
	rvi = vlapic_top(l, REG_IRR);
	svi = l->isr_changed ? vlapic_top(l, REG_ISR) : 0;
	s->mode = mode_of(l);
	s->rvi = rvi < 0 ? 0 : (uint8_t)rvi;
	s->svi = l->isr_changed ? (svi < 0 ? 0 : svi) : -1;
	for (uint32_t i = 0; i < 4; i++)
		s->eoi_exit[i] = (uint64_t)vlapic_reg(l, REG_TMR + 2 * i + 1) << 32 |
				 vlapic_reg(l, REG_TMR + 2 * i);
	l->changed = l->isr_changed = false;
	dev_unlock(p);
}

bool platform_apic_changed(const struct platform *p, unsigned vcpu)
{
	return p->lapic[vcpu].changed;
}

bool platform_apic_posted_requests(const struct platform *p, unsigned vcpu)
{
	return vlapic_has_posted(&p->lapic[vcpu]);
}

void platform_apic_wrote(struct platform *p, unsigned vcpu, uint32_t offset)
{
	dev_lock(p);
	vlapic_hardware_wrote(p, vcpu, offset);
	dev_unlock(p);
}

void platform_apic_ended(struct platform *p, unsigned vcpu, uint8_t vector)
{
	(void)vcpu;
	dev_lock(p);
	vioapic_eoi(p, vector);
	dev_unlock(p);
}

void *platform_apic_page(struct platform *p, unsigned vcpu)
{
	return p->lapic[vcpu].regs;
}

bool platform_apic_notify(
	struct platform *p, unsigned vcpu, uint8_t vector, uint32_t destination)
{
	uint64_t *control = &p->lapic[vcpu].posted.control;
	uint64_t to = (uint64_t)destination << PID_NDST_SHIFT | (uint64_t)vector
									<< PID_NV_SHIFT;
	uint64_t old = __atomic_load_n(control, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(
		control, &old, to | (old & PID_ON), false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		continue;
	return old & PID_ON;
}

void *platform_apic_posted(struct platform *p, unsigned vcpu)
{
	return &p->lapic[vcpu].posted;
}
