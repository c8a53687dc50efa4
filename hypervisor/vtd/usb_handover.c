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

static bool find_uhci(struct usb_controller *c, uint64_t size)
{
	(void)size;
	c->at = USB_UHCI_LEGSUP;
	return get(c->sbdf, c->at, 2) != 0xffff;
}

/* With `legacy`: that emulates a keyboard at ports itself. */
static bool find_ohci(struct usb_controller *c, uint64_t size, bool legacy)
{
	uint32_t v;

	c->at = 0;
	if (!read_behind(c->registers, size, USB_OHCI_DISABLE, &v) ||
		!read_behind(c->registers, size, USB_OHCI_REVISION, &v) ||
		(v & 0xff) != USB_OHCI_VERSION || !(v & USB_OHCI_LEGACY) == legacy)
		return false;
	return !legacy || read_behind(c->registers, size, USB_OHCI_EMULATION, &v);
}

static bool find_ohci_alone(struct usb_controller *c, uint64_t size)
{
	return find_ohci(c, size, false);
}

static bool find_ohci_with_ports(struct usb_controller *c, uint64_t size)
{
	return find_ohci(c, size, true);
}

static bool find_ehci(struct usb_controller *c, uint64_t size)
{
	uint32_t v;

	if (!read_behind(c->registers, size, USB_EHCI_HCCPARAMS, &v))
		return false;
	c->at = v >> USB_EHCI_EECP & 0xfc;
	for (unsigned i = 0; i < PCI_CAPABILITIES_MAX && c->at >= PCI_HEADER_END; i++) {
		if (c->at + USB_LEGACY_SIZE > PCI_CONFIG_SIZE)
			return false;
		v = get(c->sbdf, c->at, 4);
		if ((v & 0xff) == USB_LEGACY_ID)
			return v != UINT32_MAX;
		c->at = v >> USB_LEGACY_NEXT & 0xfc;
	}
	return false;
}

static bool find_xhci(struct usb_controller *c, uint64_t size)
{
	uint32_t v, next, smis;

	if (!read_behind(c->registers, size, USB_XHCI_HCCPARAMS, &v))
		return false;
	c->at = v >> USB_XHCI_XECP << 2;
	for (unsigned i = 0; i < LINKS_MAX && c->at != 0; i++) {
		if (!read_behind(c->registers, size, c->at, &v))
			return false;
		if ((v & 0xff) == USB_LEGACY_ID)
			return read_behind(c->registers, size, c->at + USB_LEGACY_SMIS, &smis);
		next = v >> USB_LEGACY_NEXT & 0xff;
		c->at = next != 0 ? c->at + next * 4 : 0;
	}
	return false;
}

/* ---- by which words ---- */

/* A write: what the word has of `keep`, and `set`. Zeros in both: there is none. */
struct step {
	uint16_t at;
	uint32_t keep, set;
};

struct usb_kind {
	uint8_t interface; /* PCI_INTERFACE */
	bool behind;       /* words are behind registers, of 32 bits; else `size` bytes */
	uint8_t size;
	bool in_memory;   /* it has a BAR of memory, and is not driven without */
	uint16_t owner;   /* this word has `firmwares` if firmware has it; 0: nobody can tell */
	uint16_t smis_at; /* this one `smis` if it sends any; 0: if firmware had it */
	bool (*find)(struct usb_controller *c, uint64_t size);
	uint32_t firmwares, smis;
	struct step ask[2], take, end[3];
};

/* The first row that finds its words counts. Firmware gives up by an SMI of `ask`. */
static const struct usb_kind kinds[] = {
	{USB_UHCI, .size = 2, .find = find_uhci, .smis = USB_UHCI_SMIS,
		.end = {{0, USB_UHCI_PIRQ, USB_UHCI_PENDING}}},
	/* OpenHCI 5.1.1.3.3; and what it did for firmware ends with a reset of its bus. */
	{USB_OHCI, true, 4, true, USB_OHCI_CONTROL, 0, find_ohci_with_ports, USB_OHCI_IR, 0,
		{{USB_OHCI_ENABLE, 0, USB_OHCI_OC}, {USB_OHCI_COMMAND, 0, USB_OHCI_OCR}},
		{USB_OHCI_CONTROL, ~USB_OHCI_IR, 0},
		{{USB_OHCI_DISABLE, 0, USB_OHCI_ALL}, {USB_OHCI_CONTROL, USB_OHCI_RWC, 0},
			{USB_OHCI_EMULATION, ~USB_OHCI_EMULATES, 0}}},
	{USB_OHCI, true, 4, true, USB_OHCI_CONTROL, 0, find_ohci_alone, USB_OHCI_IR, 0,
		{{USB_OHCI_ENABLE, 0, USB_OHCI_OC}, {USB_OHCI_COMMAND, 0, USB_OHCI_OCR}},
		{USB_OHCI_CONTROL, ~USB_OHCI_IR, 0},
		{{USB_OHCI_DISABLE, 0, USB_OHCI_ALL}, {USB_OHCI_CONTROL, USB_OHCI_RWC, 0}}},
	/* EHCI 5.1, xHCI 4.22.1 */
	{USB_EHCI, false, 4, true, 0, USB_LEGACY_SMIS, find_ehci, USB_LEGACY_BIOS,
		USB_EHCI_SMIS, {{0, UINT32_MAX, USB_LEGACY_OS}},
		{0, ~USB_LEGACY_BIOS, USB_LEGACY_OS},
		{{USB_LEGACY_SMIS, ~USB_EHCI_SMIS, USB_SMIS_PENDING}}},
	{USB_XHCI, true, 4, true, 0, USB_LEGACY_SMIS, find_xhci, USB_LEGACY_BIOS, USB_XHCI_SMIS,
		{{0, UINT32_MAX, USB_LEGACY_OS}}, {0, ~USB_LEGACY_BIOS, USB_LEGACY_OS},
		{{USB_LEGACY_SMIS, ~USB_XHCI_SMIS, USB_SMIS_PENDING}}},
};

static uint32_t word(const struct usb_controller *c, unsigned offset)
{
	return c->kind->behind ? vtd_seam_read32(c->registers, c->at + offset)
			       : get(c->sbdf, c->at + offset, c->kind->size);
}

static void go(const struct usb_controller *c, const struct step *s, unsigned count)
{
	for (unsigned i = 0; i < count && (s[i].keep | s[i].set) != 0; i++) {
		uint32_t v = (s[i].keep != 0 ? word(c, s[i].at) & s[i].keep : 0) | s[i].set;

		if (c->kind->behind)
			vtd_seam_write32(c->registers, c->at + s[i].at, v);
		else
			vtd_seam_set_config(c->sbdf, c->at + s[i].at, c->kind->size, v);
	}
}

static bool has_firmware(const struct usb_controller *c)
{
	return word(c, c->kind->owner) & c->kind->firmwares;
}

static bool find(struct usb_controller *c)
{
	uint32_t interface = get(c->sbdf, PCI_INTERFACE, 1);
	uint64_t size = 0;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		c->kind = &kinds[i];
		if (kinds[i].interface != interface)
			continue;
		c->registers = kinds[i].in_memory ? registers_of(c->sbdf, &size) : 0;
		if ((c->registers != 0 || !kinds[i].in_memory) && kinds[i].find(c, size))
			return true;
	}
	return false;
}

void usb_handover_ask(struct usb_handover *h, uint32_t sbdf)
{
	struct usb_controller c = {.sbdf = sbdf};

	if (!usb_is_asked_for(sbdf) || !find(&c))
		return;
	if (h->count == USB_CONTROLLERS) {
		h->left_out++;
		return;
	}
	c.had = c.silent = has_firmware(&c);
	h->asked += c.had;
	if (c.had)
		go(&c, c.kind->ask, sizeof(c.kind->ask) / sizeof(c.kind->ask[0]));
	h->all[h->count++] = c;
}

bool usb_handover_has(const struct usb_handover *h, uint32_t sbdf)
{
	for (unsigned i = 0; i < h->count; i++)
		if (h->all[i].sbdf == sbdf)
			return true;
	return false;
}

static bool end(const struct usb_controller *c)
{
	const struct usb_kind *k = c->kind;

	if (c->silent)
		go(c, &k->take, 1);
	if (k->smis != 0 ? !(word(c, k->smis_at) & k->smis) : !c->had)
		return false;
	go(c, k->end, sizeof(k->end) / sizeof(k->end[0]));
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
