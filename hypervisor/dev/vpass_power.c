/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resets and power states of a function of the machine. What takes time passes in phases: L0
 * looks at the clock when somebody asks, and waits for nothing.
 */
#include "dev/vpass_int.h"
#include "dev/vpci_int.h"

static uint32_t get(const struct vpass_function *f, unsigned offset, unsigned size)
{
	return dev_pass_config_read(f->id.bdf, offset, size);
}

static void put(const struct vpass_function *f, unsigned offset, unsigned size, uint32_t value)
{
	dev_pass_config_write(f->id.bdf, offset, size, value);
}

/* ---- what the machine has ---- */

void vpass_power_find(struct vpass_function *f, uint8_t id, uint8_t at)
{
	if (id == PCI_CAP_EXPRESS && at + PCIE_LINK_CAPABLE <= PCI_CONFIG_SIZE) {
		f->express = at;
		f->flr = get(f, at + PCI_EXPRESS_CAPABLE, 4) & PCI_EXPRESS_HAS_FLR;
	}
	if (id == PCI_CAP_ADVANCED && at + PCI_ADVANCED_SIZE <= PCI_CONFIG_SIZE) {
		f->advanced = at;
		f->advanced_flr = get(f, at + PCI_ADVANCED_CAPABLE, 1) & PCI_ADVANCED_HAS_FLR;
	}
	if (id == PCI_CAP_POWER && at + PCI_POWER_SIZE <= PCI_CONFIG_SIZE) {
		f->power = at;
		f->keeps = get(f, at + PCI_POWER_CONTROL, 2) & PCI_POWER_KEEPS;
	}
}

void vpass_power_found(struct vpass_function *f)
{
	if (f->power == 0 || !(get(f, f->power + PCI_POWER_CONTROL, 2) & PCI_POWER_STATE))
		return;
	f->now->phase = VPASS_SLEEPS;
	f->now->ends = true;
}

bool vpass_has_flr(const struct vpass_function *f)
{
	return f->flr;
}

bool vpass_has_reset(const struct vpass_function *f)
{
	return vpass_has_flr(f) || f->advanced_flr || (f->power != 0 && !f->keeps) ||
	       vpass_has_quiet_rule(f);
}

/* ---- phases ---- */

static void pass(struct vpass_function *f, enum vpass_phase phase, unsigned ms)
{
	f->now->phase = phase;
	f->now->ready_at = dev_pass_now() + dev_pass_ticks(ms);
}

/* What the device says of itself stays; status bits are not cleared by accident. */
static void put_state(const struct vpass_function *f, uint32_t state)
{
	put(f, f->power + PCI_POWER_CONTROL, 2, state);
}

void vpass_fall(struct vpass_function *f)
{
	put_state(f, PCI_POWER_D3HOT);
	pass(f, VPASS_FALLS, PCI_POWER_MS);
}

void vpass_wake(struct vpass_function *f)
{
	put_state(f, PCI_POWER_D0);
	pass(f, VPASS_WAKES, PCI_POWER_MS);
}

/*
 * The reset that it has, the best one first. A change of the power state is one, if the
 * function keeps nothing over it (5.3.1.4 "D3 State").
 */
void vpass_reset(struct vpass_function *f, bool held)
{
	f->now->ends = false;
	if (vpass_has_flr(f)) {
		put(f, f->express + PCI_EXPRESS_CONTROL, 2,
			get(f, f->express + PCI_EXPRESS_CONTROL, 2) | PCI_EXPRESS_FLR);
		pass(f, VPASS_RESETS, PCI_FLR_MS);
	} else if (f->advanced_flr) {
		put(f, f->advanced + PCI_ADVANCED_CONTROL, 1, PCI_ADVANCED_FLR);
		pass(f, VPASS_RESETS, PCI_FLR_MS);
	} else if (held) {
		pass(f, VPASS_RESETS, PCI_FLR_MS);
	} else if (f->power != 0 && !f->keeps) {
		vpass_fall(f);
		f->now->ends = true;
	}
}

/* One that lost all when it woke needs no other reset. */
static void woke(struct vpass_function *f)
{
	bool reset = f->now->ends && (f->keeps || vpass_has_flr(f));

	f->now->phase = VPASS_AWAKE;
	f->now->ends = false;
	if (reset)
		vpass_reset(f, false);
}

static bool passes(const struct vpass_function *f)
{
	return f->now->phase == VPASS_FALLS || f->now->phase == VPASS_WAKES ||
	       f->now->phase == VPASS_RESETS;
}

bool vpass_settle(struct vpass_function *f)
{
	if ((passes(f) || f->now->phase == VPASS_RESTS) && dev_pass_now() < f->now->ready_at)
		return false;
	switch (f->now->phase) {
	case VPASS_FALLS:
		f->now->phase = VPASS_SLEEPS;
		break;
	case VPASS_WAKES:
		woke(f);
		break;
	case VPASS_RESETS:
		f->now->phase = VPASS_AWAKE;
		break;
	default:
		break;
	}
	if (f->now->phase == VPASS_SLEEPS && f->now->ends)
		vpass_wake(f);
	return !passes(f);
}

/* ---- what the VM has ---- */

/*
 * Of resets the one that the machine's function has. There may be no room for them behind what
 * else the device shows: then it has none here. One that keeps all in D3hot, and has no reset
 * by a capability, stays awake: asleep it could not be silenced by its registers.
 */
void vpass_power_add(struct vpass *v)
{
	const struct vpass_function *m = v->machine;
	/* behind a port it has the capability in any case: any reset will do */
	bool flr = v->f->express != 0 ? vpass_has_reset(m) : m->flr;

	/* a virtual one does with its physical one */
	if (m->power != 0 && v->physical == NULL && (!m->keeps || m->flr || m->advanced_flr))
		(void)vpci_add_power(v->f, m->keeps);
	if (m->express != 0 || v->f->express != 0)
		(void)vpci_add_express(v->f, flr);
	else if (m->advanced_flr)
		(void)vpci_add_advanced(v->f);
}

static bool is_pending(const struct vpass_function *f)
{
	if (f->express != 0)
		return get(f, f->express + PCIE_DEVICE_STATUS, 2) & PCIE_DEVICE_PENDING;
	return get(f, f->advanced + PCI_ADVANCED_STATUS, 1) & PCI_ADVANCED_PENDING;
}

/* Whoever resets it waits until nothing is pending. */
void vpass_power_reading(struct vpass *v, unsigned offset, unsigned size)
{
	const struct vpci_function *f = v->f;
	unsigned at = f->express != 0 ? f->express + PCIE_DEVICE_STATUS
				      : f->advanced + PCI_ADVANCED_STATUS;
	uint32_t bit = f->express != 0 ? PCIE_DEVICE_PENDING : PCI_ADVANCED_PENDING;

	if ((f->express == 0 && f->advanced == 0) ||
		(v->machine->express == 0 && v->machine->advanced == 0) || at - offset >= size)
		return;
	vpci_config_set(v->f, at, 1,
		(vpci_config_get(f, at, 1) & ~bit) | (is_pending(v->machine) ? bit : 0));
}
