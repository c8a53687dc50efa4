/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/usb_handover.h"

#include "spec/pci_find.h"

#define PAGE       UINT64_C(0x1000)
#define LINKS_MAX  64u
#define OFFSET_MAX (UINT64_C(1) << 20) /* of capabilities, behind registers */

static uint32_t get(uint32_t sbdf, unsigned offset, unsigned size)
{
	return vtd_seam_config(sbdf, offset, size);
}

/* ---- where the capability is ---- */

/*
 * Nobody drives one whose registers are nowhere, or that sleeps. 0: it is so. Sizes are not
 * asked for, since that moves the registers while SMM code uses them; they are no larger than
 * their address is aligned.
 */
static uint64_t registers_of(uint32_t sbdf, uint64_t *size)
{
	uint32_t bar = get(sbdf, PCI_BAR, 4);
	unsigned power = pci_find(vtd_seam_config, sbdf, PCI_CAP_POWER);
	uint64_t at = bar & ~PCI_BAR_MEMORY_FLAGS;

	if (bar & PCI_BAR_IO || !(get(sbdf, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY))
		return 0;
	if (power != 0 && get(sbdf, power + PCI_POWER_CONTROL, 2) & PCI_POWER_STATE)
		return 0;
	if (bar & PCI_BAR_64)
		at |= (uint64_t)get(sbdf, PCI_BAR + 4, 4) << 32;
	*size = at & -at;
	if (*size > OFFSET_MAX)
		*size = OFFSET_MAX;
	return at;
}

/* A word behind registers. False: it is not reached, or is none. */
static bool read_behind(uint64_t registers, uint64_t size, uint32_t at, uint32_t *v)
{
	if (at + 4 > size || !vtd_seam_reach((registers + at) & ~(PAGE - 1), PAGE))
		return false;
	*v = vtd_seam_read32(registers, at);
	return *v != UINT32_MAX;
}

static uint32_t find_ehci(uint32_t sbdf, uint64_t registers, uint64_t size)
{
	uint32_t v, at;

	if (!read_behind(registers, size, USB_EHCI_HCCPARAMS, &v))
		return 0;
	at = v >> USB_EHCI_EECP & 0xfc;
	for (unsigned i = 0; i < PCI_CAPABILITIES_MAX && at >= PCI_HEADER_END; i++) {
		if (at + USB_LEGACY_SIZE > PCI_CONFIG_SIZE)
			return 0;
		v = get(sbdf, at, 4);
		if ((v & 0xff) == USB_LEGACY_ID)
			return v != UINT32_MAX ? at : 0;
		at = v >> USB_LEGACY_NEXT & 0xfc;
	}
	return 0;
}

static uint32_t find_xhci(uint64_t registers, uint64_t size)
{
	uint32_t v, at;

	if (!read_behind(registers, size, USB_XHCI_HCCPARAMS, &v))
		return 0;
	at = v >> USB_XHCI_XECP << 2;
	for (unsigned i = 0; i < LINKS_MAX && at != 0; i++) {
		uint32_t next, smis;

		if (!read_behind(registers, size, at, &v))
			return 0;
		if ((v & 0xff) == USB_LEGACY_ID)
			return read_behind(registers, size, at + USB_LEGACY_SMIS, &smis) ? at
											 : 0;
		next = v >> USB_LEGACY_NEXT & 0xff;
		at = next != 0 ? at + next * 4 : 0;
	}
	return 0;
}

/* ---- its two words ---- */

static uint32_t word(const struct usb_controller *c, unsigned offset)
{
	return c->xhci ? vtd_seam_read32(c->registers, c->at + offset)
		       : get(c->sbdf, c->at + offset, 4);
}

static void set_word(const struct usb_controller *c, unsigned offset, uint32_t value)
{
	if (c->xhci)
		vtd_seam_write32(c->registers, c->at + offset, value);
	else
		vtd_seam_set_config(c->sbdf, c->at + offset, 4, value);
}

static bool has_firmware(const struct usb_controller *c)
{
	return word(c, 0) & USB_LEGACY_BIOS;
}

/* Firmware gives up what it has by an SMI of this write (EHCI 5.1, xHCI 4.22.1). */
static void ask(struct usb_handover *h, struct usb_controller *c)
{
	uint32_t v = word(c, 0);

	h->count++;
	if (!(v & USB_LEGACY_BIOS))
		return;
	h->asked++;
	c->silent = true;
	set_word(c, 0, v | USB_LEGACY_OS);
}

static bool end_uhci(uint32_t sbdf)
{
	uint32_t v = get(sbdf, USB_UHCI_LEGSUP, 2);

	if (v == 0xffff || !(v & USB_UHCI_SMIS))
		return false;
	vtd_seam_set_config(sbdf, USB_UHCI_LEGSUP, 2, (v & USB_UHCI_PIRQ) | USB_UHCI_PENDING);
	return true;
}

void usb_handover_ask(struct usb_handover *h, uint32_t sbdf)
{
	struct usb_controller c = {.sbdf = sbdf};
	uint64_t size;

	if (!usb_is_asked_for(sbdf))
		return;
	if (get(sbdf, PCI_INTERFACE, 1) == USB_UHCI) {
		h->ended += end_uhci(sbdf);
		return;
	}
	c.xhci = get(sbdf, PCI_INTERFACE, 1) == USB_XHCI;
	c.registers = registers_of(sbdf, &size);
	if (c.registers == 0)
		return;
	c.at = c.xhci ? find_xhci(c.registers, size) : find_ehci(sbdf, c.registers, size);
	if (c.at == 0)
		return;
	if (h->count == USB_CONTROLLERS) {
		h->left_out++;
		return;
	}
	h->all[h->count] = c;
	ask(h, &h->all[h->count]);
}

static bool end(const struct usb_controller *c)
{
	uint32_t smis = c->xhci ? USB_XHCI_SMIS : USB_EHCI_SMIS, v;

	if (c->silent)
		set_word(c, 0, (word(c, 0) & ~USB_LEGACY_BIOS) | USB_LEGACY_OS);
	v = word(c, USB_LEGACY_SMIS);
	if (!(v & smis))
		return false;
	set_word(c, USB_LEGACY_SMIS, (v & ~smis) | USB_SMIS_PENDING);
	return true;
}

void usb_handover_end(struct usb_handover *h)
{
	uint64_t start = vtd_seam_now();

	for (unsigned i = 0; i < h->count; i++) {
		struct usb_controller *c = &h->all[i];

		while (c->silent && (c->silent = has_firmware(c)) &&
			vtd_seam_now() - start < USB_PATIENCE)
			continue;
		h->ended += end(c);
	}
}
