/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of all devices.
 */
#include "dev/state.h"

#include "dev/chipset.h"

/* Another size is another version. */
_Static_assert(sizeof(struct vlapic_state) == 296, "no padding");
_Static_assert(sizeof(struct vioapic_state) == 208, "no padding");
_Static_assert(sizeof(struct vpit_state) == 128, "no padding");
_Static_assert(sizeof(struct vrtc_state) == 160, "no padding");
_Static_assert(sizeof(struct vpm_state) == 16, "no padding");
_Static_assert(sizeof(struct vpic_state) == 32, "no padding");
_Static_assert(sizeof(struct vuart_state) == 48, "no padding");
_Static_assert(sizeof(struct vpci_state) == 45796, "no padding");
_Static_assert(sizeof(struct vfwcfg_state) == 72, "no padding");
_Static_assert(sizeof(struct vflash_state) == 8, "no padding");
_Static_assert(sizeof(struct vramfb_state) == 24, "no padding");
_Static_assert(sizeof(struct vvga_state) == 840, "no padding");
_Static_assert(sizeof(struct vvtd_state) == 664, "no padding");
_Static_assert(sizeof(struct vhpet_state) == 136, "no padding");
_Static_assert(sizeof(struct platform_state) == 133416, "no padding");

static const struct vlapic_state no_lapic;

void platform_get_state(struct platform *p, struct platform_state *s)
{
	dev_lock(p);
	s->size = sizeof(*s);
	s->version = PLATFORM_STATE_VERSION;
	s->vcpus = p->config.vcpus;
	s->tsc_khz = p->config.tsc_khz;
	s->tsc = dev_now(p);
	s->deadline = p->deadline;
	s->reserved = 0;
	for (unsigned i = 0; i < DEV_MAX_VCPUS; i++) {
		if (i < p->config.vcpus)
			vlapic_get_state(&p->lapic[i], &s->lapic[i]);
		else
			s->lapic[i] = no_lapic;
	}
	vioapic_get_state(&p->ioapic, &s->ioapic);
	vpit_get_state(&p->pit, &s->pit);
	vrtc_get_state(&p->rtc, &s->rtc);
	vpm_get_state(&p->pm, &s->pm);
	vpic_get_state(&p->pic, &s->pic);
	vuart_get_state(&p->uart, &s->uart);
	vpci_get_state(&p->pci, &s->pci);
	vfwcfg_get_state(&p->fwcfg, &s->fwcfg);
	vflash_get_state(&p->flash, &s->flash);
	vramfb_get_state(&p->ramfb, &s->ramfb);
	vvga_get_state(&p->vga, &s->vga);
	vvtd_get_state(p, &s->vtd);
	vhpet_get_state(&p->hpet, &s->hpet);
	dev_unlock(p);
}

static bool lapics_valid(const struct platform *p, const struct platform_state *s)
{
	for (unsigned i = 0; i < p->config.vcpus; i++)
		if (!vlapic_valid_state(&p->lapic[i], i, &s->lapic[i]))
			return false;
	for (unsigned i = p->config.vcpus; i < DEV_MAX_VCPUS; i++)
		if (__builtin_memcmp(&s->lapic[i], &no_lapic, sizeof(no_lapic)) != 0)
			return false;
	return true;
}

static bool valid(const struct platform *p, const struct platform_state *s)
{
	return s->size == sizeof(*s) && s->version == PLATFORM_STATE_VERSION &&
	       s->vcpus == p->config.vcpus && s->tsc_khz == p->config.tsc_khz &&
	       lapics_valid(p, s) && vioapic_valid_state(&p->ioapic, &s->ioapic) &&
	       vpit_valid_state(&p->pit, &s->pit) && vrtc_valid_state(&p->rtc, &s->rtc) &&
	       vpm_valid_state(&p->pm, &s->pm) && vpic_valid_state(&p->pic, &s->pic) &&
	       vuart_valid_state(&p->uart, &s->uart) && vpci_valid_state(&p->pci, &s->pci) &&
	       vfwcfg_valid_state(&p->fwcfg, &s->fwcfg) &&
	       vflash_valid_state(&p->flash, &s->flash) && vramfb_valid_state(p, &s->ramfb) &&
	       vvga_valid_state(p, &s->vga) && vvtd_valid_state(p, &s->vtd) &&
	       vhpet_valid_state(p, &s->hpet) && s->reserved == 0;
}

static bool set(struct platform *p, const struct platform_state *s)
{
	bool ok = valid(p, s);

	for (unsigned i = 0; ok && i < p->config.vcpus; i++)
		ok = vlapic_set_state(&p->lapic[i], i, &s->lapic[i]);
	ok = ok && vioapic_set_state(&p->ioapic, &s->ioapic) &&
	     vpit_set_state(&p->pit, &s->pit) && vrtc_set_state(&p->rtc, &s->rtc) &&
	     vpm_set_state(&p->pm, &s->pm) && vpic_set_state(&p->pic, &s->pic) &&
	     vuart_set_state(&p->uart, &s->uart) && vpci_set_state(&p->pci, &s->pci) &&
	     vfwcfg_set_state(&p->fwcfg, &s->fwcfg) && vflash_set_state(&p->flash, &s->flash) &&
	     vramfb_set_state(p, &s->ramfb) && vvga_set_state(p, &s->vga) &&
	     vvtd_set_state(p, &s->vtd) && vhpet_set_state(p, &s->hpet);
	if (!ok)
		return false;
	chipset_put_back(p);
	vfwcfg_put_back(p);
	vpci_routes_changed(p);
	p->deadline = s->deadline;
	for (unsigned i = 0; i < p->config.vcpus; i++)
		dev_kick(p, i);
	return true;
}

bool platform_set_state(struct platform *p, const struct platform_state *s)
{
	bool ok;

	dev_lock(p);
	ok = set(p, s);
	dev_unlock(p);
	return ok;
}
