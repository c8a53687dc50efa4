/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resets of functions and their power states: the capabilities PCI Express, Advanced Features
 * and Power Management (PCI Express Base Specification 4.0, 6.6.2 "Function Level Reset" and
 * 5.3.1 "Device Power Management States of a Function").
 */
#include "dev/vpci_int.h"

static uint32_t get(const struct vpci_function *f, unsigned offset, unsigned size)
{
	return vpci_config_get(f, offset, size);
}

static bool in_d3hot(const struct vpci_function *f)
{
	return f->power != 0 &&
	       (get(f, f->power + PCI_POWER_CONTROL, 2) & PCI_POWER_STATE) == PCI_POWER_D3HOT;
}

/* A virtual function does with its physical one (9.6 "SR-IOV Power Management"). */
bool vpci_sleeps(const struct vpci_function *f)
{
	return in_d3hot(f) || (f->physical != NULL && in_d3hot(f->physical));
}

/* ---- set-up ---- */

/* What is integrated in the root complex has no link: those registers are 0 (7.5.3). */
static void put_link(uint8_t *body)
{
	vpci_put(body, PCIE_LINK_CAPABLE - 2, 4, PCIE_LINK_2_5GT | PCIE_LINK_X1);
	vpci_put(body, PCIE_LINK_STATUS - 2, 2, PCIE_LINK_2_5GT | PCIE_LINK_X1);
	vpci_put(body, PCIE_LINK_CAPABLE_2 - 2, 4, PCIE_LINK_2_5GT << 1);
	vpci_put(body, PCIE_LINK_CONTROL_2 - 2, 2, PCIE_LINK_2_5GT);
}

/* Of a virtual function, the physical one's control is for all (9.3.5.4). */
bool vpci_add_express_of(struct vpci_function *f, uint32_t capable, uint32_t can)
{
	uint8_t body[PCIE_SIZE - 2] = {0};

	vpci_put(body, PCIE_CAPABLE - 2, 2, PCIE_VERSION | capable);
	vpci_put(body, PCI_EXPRESS_CAPABLE - 2, 4, PCIE_DEVICE_ROLE_ERRORS | can);
	if (PCIE_TYPE(capable) != PCIE_TYPE_INTEGRATED)
		put_link(body);
	if (f->physical == NULL)
		vpci_put(body, PCI_EXPRESS_CONTROL - 2, 2, PCIE_DEVICE_CONTROL_RESET);
	f->express = vpci_add_capability(f, PCI_CAP_EXPRESS, body, PCIE_SIZE);
	if (f->express == 0)
		return false;
	vpci_set_writable(f, f->express + PCI_EXPRESS_CONTROL,
		f->physical == NULL ? PCIE_DEVICE_CONTROL_BITS : 0, 2);
	return true;
}

bool vpci_add_express(struct vpci_function *f, bool flr)
{
	unsigned capable, control;

	if (f->express == 0 &&
		!vpci_add_express_of(f, PCIE_TYPE_INTEGRATED << PCIE_TYPE_SHIFT, 0))
		return false;
	capable = f->express + PCI_EXPRESS_CAPABLE;
	control = f->express + PCI_EXPRESS_CONTROL;
	vpci_config_set(f, capable, 4,
		(get(f, capable, 4) & ~PCI_EXPRESS_HAS_FLR) | (flr ? PCI_EXPRESS_HAS_FLR : 0));
	vpci_set_writable(f, control,
		(vpci_get(f->writable, control, 2) & ~PCI_EXPRESS_FLR) |
			(flr ? PCI_EXPRESS_FLR : 0),
		2);
	return true;
}

bool vpci_add_advanced(struct vpci_function *f)
{
	uint8_t body[PCI_ADVANCED_SIZE - 2] = {0};

	body[0] = PCI_ADVANCED_SIZE;
	body[PCI_ADVANCED_CAPABLE - 2] = PCI_ADVANCED_HAS_PENDING | PCI_ADVANCED_HAS_FLR;
	f->advanced = vpci_add_capability(f, PCI_CAP_ADVANCED, body, PCI_ADVANCED_SIZE);
	if (f->advanced == 0)
		return false;
	vpci_set_writable(f, f->advanced + PCI_ADVANCED_CONTROL, PCI_ADVANCED_FLR, 1);
	return true;
}

bool vpci_add_power(struct vpci_function *f, bool keeps)
{
	uint8_t body[PCI_POWER_SIZE - 2] = {0};

	vpci_put(body, PCI_POWER_CAPABLE - 2, 2, PCI_POWER_VERSION);
	vpci_put(body, PCI_POWER_CONTROL - 2, 2, keeps ? PCI_POWER_KEEPS : 0);
	f->power = vpci_add_capability(f, PCI_CAP_POWER, body, PCI_POWER_SIZE);
	if (f->power == 0)
		return false;
	vpci_set_writable(f, f->power + PCI_POWER_CONTROL, PCI_POWER_STATE, 2);
	return true;
}

/* ---- what software writes ---- */

static bool asks_for_reset(const struct vpci_function *f)
{
	return (f->express != 0 &&
		       get(f, f->express + PCI_EXPRESS_CONTROL, 2) & PCI_EXPRESS_FLR) ||
	       (f->advanced != 0 &&
		       get(f, f->advanced + PCI_ADVANCED_CONTROL, 1) & PCI_ADVANCED_FLR);
}

/* D1 and D2 are not there: whoever asks for one stays where he was. */
static void put_known_state(struct vpci_function *f, bool slept)
{
	unsigned at = f->power + PCI_POWER_CONTROL;
	uint32_t control = get(f, at, 2), state = control & PCI_POWER_STATE;

	if (state != PCI_POWER_D0 && state != PCI_POWER_D3HOT)
		vpci_config_set(f, at, 2,
			(control & ~PCI_POWER_STATE) |
				(slept ? PCI_POWER_D3HOT : PCI_POWER_D0));
}

static bool keeps(const struct vpci_function *f)
{
	return get(f, f->power + PCI_POWER_CONTROL, 2) & PCI_POWER_KEEPS;
}

/* The bit that asks for a function-level reset reads 0. */
void vpci_power_written(struct vpci_function *f, bool slept)
{
	bool sleeps;

	if (asks_for_reset(f)) {
		/* the device last: it finds its registers nowhere any more */
		vpci_forget_function(f);
		vpci_windows_changed(f->platform);
		vpci_tell_reset(f);
		return;
	}
	if (f->power == 0)
		return;
	put_known_state(f, slept);
	sleeps = vpci_sleeps(f);
	if (sleeps == slept)
		return;
	if (!sleeps && !keeps(f))
		vpci_forget_function(f);
	vpci_windows_changed(f->platform);
	if (f->ops != NULL && f->ops->power_changed != NULL)
		f->ops->power_changed(f->device, sleeps);
}
