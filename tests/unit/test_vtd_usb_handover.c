/* SPDX-License-Identifier: Apache-2.0 */
/*
 * USB controllers that firmware has: who is asked, what is written, how long is waited; and
 * that of a controller that lies nothing else is touched.
 */
#include "pci_machine.h"

#include "spec/usb.h"
#include "vtd/seam.h"
#include "vtd/usb_handover.h"

#define EHCI_AT     0x68u /* of the capability, in configuration space */
#define XECP        0x8000u
#define XHCI_AT     (XECP + 0x20u)
#define MEMORY      0xf7e00000u /* aligned to 2 MiB */
#define OHCI        0xe000u
#define OHCI_MEMORY (MEMORY + OHCI)
#define SIZE        0x10000u
#define RESERVED    0x000e1fe0u /* of USBLEGCTLSTS: as they are */

static uint8_t memory[SIZE];
static uint32_t reached; /* pages */
static unsigned writes, reads_behind;
static bool reachable;
static uint64_t now;
static uint64_t gives_up_after; /* UINT64_MAX: never */
static uint64_t asked_at;
static struct usb_handover h;

/* ---- the machine ---- */

uint64_t vtd_seam_now(void)
{
	return now += 10;
}

/* What SMM code does about a capability whose first word is here. */
static void smm(uint8_t *legacy)
{
	uint32_t v;

	memcpy(&v, legacy, 4);
	if (!(v & USB_LEGACY_OS) || !(v & USB_LEGACY_BIOS))
		return;
	if (asked_at == 0)
		asked_at = now;
	if (gives_up_after != UINT64_MAX && now - asked_at >= gives_up_after)
		put(legacy, v & ~USB_LEGACY_BIOS, 4);
}

static bool ohci_asked;

/* HcControl has IR until its code has seen HcCommandStatus.OCR for so long. */
static void smm_ohci(uint8_t *registers)
{
	uint32_t v;

	memcpy(&v, registers + USB_OHCI_CONTROL, 4);
	if (ohci_asked && gives_up_after != UINT64_MAX && now - asked_at >= gives_up_after)
		put(registers + USB_OHCI_CONTROL, v & ~USB_OHCI_IR, 4);
}

/* Bits that are cleared, set, or both, by ones. An SMI that is not enabled tells nobody. */
static void write_ohci(unsigned at, uint32_t value)
{
	uint8_t *base = memory + OHCI;
	uint32_t v;

	memcpy(&v, base + USB_OHCI_ENABLE, 4);
	switch (at) {
	case USB_OHCI_ENABLE:
		put(base + at, v | value, 4);
		break;
	case USB_OHCI_DISABLE:
		put(base + USB_OHCI_ENABLE, v & ~value, 4);
		break;
	case USB_OHCI_COMMAND:
		assert_int_equal(value, USB_OHCI_OCR);
		ohci_asked = v & USB_OHCI_OC;
		asked_at = now;
		break;
	default:
		assert_true(at == USB_OHCI_CONTROL || at == USB_OHCI_EMULATION);
		put(base + at, value, 4);
	}
}

uint32_t vtd_seam_config(uint32_t sbdf, unsigned offset, unsigned size)
{
	if (offset == EHCI_AT && function_at(sbdf) != NULL)
		smm(function_at(sbdf)->config + EHCI_AT);
	return pci_get(sbdf, offset, size);
}

void vtd_seam_set_config(uint32_t sbdf, unsigned offset, unsigned size, uint32_t value)
{
	writes++;
	pci_set(sbdf, offset, size, value);
}

bool vtd_seam_reach(uint64_t address, uint64_t size)
{
	assert_true(address % 0x1000 == 0 && size == 0x1000);
	if (!reachable || address < MEMORY || address >= MEMORY + SIZE)
		return false;
	reached |= 1u << (address - MEMORY) / 0x1000;
	return true;
}

static uint8_t *behind(uint64_t registers, unsigned at)
{
	uint64_t place = registers + at - MEMORY;

	assert_true(at % 4 == 0 && place + 4 <= SIZE && reached >> place / 0x1000 & 1);
	return memory + place;
}

uint32_t vtd_seam_read32(uint64_t registers, unsigned at)
{
	uint32_t v;

	reads_behind++;
	if (registers >= OHCI_MEMORY)
		smm_ohci(behind(registers, 0));
	else if (at == XHCI_AT)
		smm(behind(registers, at));
	memcpy(&v, behind(registers, at), 4);
	return v;
}

void vtd_seam_write32(uint64_t registers, unsigned at, uint32_t value)
{
	writes++;
	if (registers >= OHCI_MEMORY) {
		write_ohci(at, value);
		return;
	}
	assert_true(at == XHCI_AT || at == XHCI_AT + USB_LEGACY_SMIS);
	put(behind(registers, at), value, 4);
}

static int set_up(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	memset(&h, 0, sizeof(h));
	pci_count = writes = reads_behind = 0;
	ohci_asked = false;
	reached = 0;
	now = asked_at = 0;
	gives_up_after = 1000;
	reachable = true;
	return 0;
}

static struct pci_function *controller(uint32_t sbdf, unsigned kind)
{
	struct pci_function *f = add_function(sbdf, PCIE_TYPE_ENDPOINT);

	put(f->config + PCI_INTERFACE, kind, 1);
	put(f->config + PCI_CLASS_CODE, PCI_CLASS_USB, 2);
	put(f->config + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	return f;
}

/* Firmware has it, with SMIs on, of which some wait. */
static struct pci_function *ehci(uint32_t sbdf)
{
	struct pci_function *f = controller(sbdf, USB_EHCI);

	put(f->config + PCI_BAR, MEMORY + 0x400, 4);
	put(memory + 0x400 + USB_EHCI_HCCPARAMS, 0x50 << USB_EHCI_EECP, 4);
	put(f->config + 0x50, 0x0a | EHCI_AT << USB_LEGACY_NEXT, 4);
	put(f->config + EHCI_AT, USB_LEGACY_ID | USB_LEGACY_BIOS, 4);
	put(f->config + EHCI_AT + 4, 0x00003fc0 | USB_EHCI_SMIS, 4);
	memset(f->writable + EHCI_AT, 0xff, 8);
	return f;
}

static struct pci_function *xhci(uint32_t sbdf)
{
	struct pci_function *f = controller(sbdf, USB_XHCI);

	put(f->config + PCI_BAR, MEMORY | PCI_BAR_64, 4);
	put(memory + USB_XHCI_HCCPARAMS, XECP / 4 << USB_XHCI_XECP, 4);
	put(memory + XECP, 0x02 | 0x20 / 4 << USB_LEGACY_NEXT, 4);
	put(memory + XHCI_AT, USB_LEGACY_ID | USB_LEGACY_BIOS, 4);
	put(memory + XHCI_AT + 4, RESERVED | USB_XHCI_SMIS, 4);
	return f;
}

/* Operational, with interrupts, remote wake-up and, if it has that, a keyboard at ports. */
static struct pci_function *ohci(uint32_t sbdf, bool ports)
{
	struct pci_function *f = controller(sbdf, USB_OHCI);
	uint8_t *base = memory + OHCI;

	put(f->config + PCI_BAR, OHCI_MEMORY, 4);
	put(base, USB_OHCI_VERSION | (ports ? USB_OHCI_LEGACY : 0), 4);
	put(base + USB_OHCI_CONTROL, 0xbc | USB_OHCI_IR | USB_OHCI_RWC, 4);
	put(base + USB_OHCI_ENABLE, 0x80000012, 4);
	put(base + USB_OHCI_EMULATION, 0x119, 4);
	return f;
}

static uint32_t word(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, 4);
	return v;
}

static void hand_over(void)
{
	for (unsigned i = 0; i < pci_count; i++)
		usb_handover_ask(&h, pci[i].bdf);
	usb_handover_end(&h);
}

/* ---- tests ---- */

static void firmware_gives_up_what_it_is_asked_for_and_sends_no_smis_any_more(void **state)
{
	struct pci_function *e = ehci(PCI_BDF(0, 0x1d, 0)),
			    *x = xhci(PCI_SBDF(1, PCI_BDF(0, 0x14, 0)));

	(void)state;
	hand_over();
	assert_int_equal(h.count, 2);
	assert_int_equal(h.asked, 2);
	assert_int_equal(h.ended, 2);
	assert_false(h.all[0].silent || h.all[1].silent);
	assert_in_range(now, 1000, 1200);
	assert_int_equal(word(e->config + EHCI_AT), USB_LEGACY_ID | USB_LEGACY_OS);
	assert_int_equal(word(e->config + EHCI_AT + 4), 0x00001fc0 | USB_SMIS_PENDING);
	assert_int_equal(word(memory + XHCI_AT), USB_LEGACY_ID | USB_LEGACY_OS);
	assert_int_equal(word(memory + XHCI_AT + 4), RESERVED | USB_SMIS_PENDING);
	assert_int_equal(writes, 4);
	assert_int_equal(
		pci_get(x->bdf, PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* All of them together have one second; they are taken then. */
static void firmware_that_does_not_answer_is_not_waited_for_for_ever(void **state)
{
	struct pci_function *e = ehci(PCI_BDF(0, 0x1d, 0));

	(void)state;
	xhci(PCI_BDF(0, 0x14, 0));
	gives_up_after = UINT64_MAX;
	hand_over();
	assert_in_range(now, USB_PATIENCE, USB_PATIENCE + 100);
	assert_true(h.all[0].silent && h.all[1].silent);
	assert_int_equal(word(e->config + EHCI_AT), USB_LEGACY_ID | USB_LEGACY_OS);
	assert_int_equal(word(memory + XHCI_AT), USB_LEGACY_ID | USB_LEGACY_OS);
	assert_int_equal(word(memory + XHCI_AT + 4), RESERVED | USB_SMIS_PENDING);
}

static void one_that_firmware_does_not_have_is_not_waited_for(void **state)
{
	struct pci_function *e = ehci(PCI_BDF(0, 0x1d, 0));

	(void)state;
	put(e->config + EHCI_AT, USB_LEGACY_ID, 4);
	hand_over();
	assert_int_equal(h.asked, 0);
	assert_int_equal(h.ended, 1);
	assert_int_equal(word(e->config + EHCI_AT), USB_LEGACY_ID);
	assert_int_equal(word(e->config + EHCI_AT + 4), 0x00001fc0 | USB_SMIS_PENDING);
	assert_in_range(now, 0, 100);
	writes = 0;
	memset(&h, 0, sizeof(h));
	hand_over(); /* there is nothing left to do */
	assert_int_equal(h.ended, 0);
	assert_int_equal(writes, 0);
}

/* There is nobody to ask: SMIs end, its interrupt stays. */
static void a_uhci_loses_its_smis(void **state)
{
	struct pci_function *u = controller(PCI_BDF(0, 0x1a, 0), USB_UHCI);

	(void)state;
	put(u->config + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
	put(u->config + USB_UHCI_LEGSUP, 0x20bf, 2);
	memset(u->writable + USB_UHCI_LEGSUP, 0xff, 2);
	hand_over();
	assert_int_equal(h.ended, 1);
	assert_int_equal(pci_get(u->bdf, USB_UHCI_LEGSUP, 2), 0x2000 | USB_UHCI_PENDING);
	put(u->config + USB_UHCI_LEGSUP, 0x2000, 2);
	writes = 0;
	hand_over();
	assert_int_equal(writes, 0);
}

static void ohci_is_over(const uint8_t *base, bool ports)
{
	assert_int_equal(word(base + USB_OHCI_CONTROL), USB_OHCI_RWC);
	assert_int_equal(word(base + USB_OHCI_ENABLE), 0);
	assert_int_equal(word(base + USB_OHCI_EMULATION), ports ? 0x118 : 0x119);
	assert_int_equal(h.asked, 1);
	assert_int_equal(h.ended, 1);
}

static void an_ohci_changes_its_owner_and_stands_still(void **state)
{
	for (unsigned ports = 0; ports < 2; ports++) {
		set_up(state);
		ohci(PCI_BDF(0, 0x13, 0), ports);
		hand_over();
		assert_false(h.all[0].silent);
		assert_in_range(now, 1000, 1300);
		ohci_is_over(memory + OHCI, ports);
		set_up(state);
		ohci(PCI_BDF(0, 0x13, 0), ports);
		gives_up_after = UINT64_MAX;
		hand_over();
		assert_true(h.all[0].silent);
		assert_in_range(now, USB_PATIENCE, USB_PATIENCE + 100);
		ohci_is_over(memory + OHCI, ports);
	}
}

/* The loader's driver, perhaps: it is stopped as any other function. */
static void an_ohci_that_firmware_does_not_have_is_left_as_it_is(void **state)
{
	(void)state;
	ohci(PCI_BDF(0, 0x13, 0), true);
	put(memory + OHCI + USB_OHCI_CONTROL, 0xbc, 4);
	hand_over();
	assert_int_equal(writes, 0);
	assert_true(usb_handover_has(&h, PCI_BDF(0, 0x13, 0)));
}

/* Who is not among them may be firmware's yet. */
static void those_that_were_asked_for_are_known(void **state)
{
	struct pci_function *x = xhci(PCI_BDF(0, 0x14, 0));

	(void)state;
	ehci(PCI_BDF(0, 0x1d, 0));
	put(x->config + PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	hand_over();
	assert_true(usb_handover_has(&h, PCI_BDF(0, 0x1d, 0)));
	assert_false(usb_handover_has(&h, PCI_BDF(0, 0x14, 0)));
	assert_false(usb_handover_has(&h, PCI_SBDF(1, PCI_BDF(0, 0x1d, 0))));
	memset(&h, 0, sizeof(h));
	put(x->config + PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	for (unsigned i = 0; i < USB_CONTROLLERS; i++)
		usb_handover_ask(&h, PCI_BDF(0, 0x1d, 0));
	usb_handover_ask(&h, PCI_BDF(0, 0x14, 0));
	assert_false(usb_handover_has(&h, PCI_BDF(0, 0x14, 0)));
}

static void nothing_happens_to(struct pci_function *f)
{
	struct pci_function before = *f;

	reads_behind = writes = 0;
	memset(&h, 0, sizeof(h));
	hand_over();
	assert_int_equal(h.count, 0);
	assert_int_equal(writes, 0);
	assert_memory_equal(&before, f, sizeof(before));
}

static void others_and_those_that_nobody_can_drive_are_left_alone(void **state)
{
	struct pci_function *x = xhci(PCI_BDF(0, 0x14, 0));

	(void)state;
	put(x->config + PCI_CLASS_CODE, 0x0200, 2);
	nothing_happens_to(x);
	put(x->config + PCI_CLASS_CODE, PCI_CLASS_USB, 2);
	put(x->config + PCI_INTERFACE, 0x80, 1); /* no such */
	nothing_happens_to(x);
	put(x->config + PCI_INTERFACE, USB_OHCI, 1); /* nor has it registers of that kind */
	nothing_happens_to(x);
	put(x->config + PCI_INTERFACE, USB_XHCI, 1);
	put(x->config + PCI_COMMAND, PCI_COMMAND_MASTER, 2); /* its registers are nowhere */
	nothing_happens_to(x);
	put(x->config + PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	put(x->config + PCI_BAR, 0xc001, 4); /* ports */
	nothing_happens_to(x);
	put(x->config + PCI_BAR, PCI_BAR_64, 4);
	nothing_happens_to(x);
	put(x->config + PCI_BAR, MEMORY | PCI_BAR_64, 4);
	x->config[EXPRESS_AT + 1] = 0xe0;
	put(x->config + 0xe0, PCI_CAP_POWER, 4);
	put(x->config + 0xe0 + PCI_POWER_CONTROL, PCI_POWER_D3HOT, 2);
	nothing_happens_to(x);
	put(x->config + 0xe0 + PCI_POWER_CONTROL, 0, 2);
	reachable = false;
	nothing_happens_to(x);
	assert_int_equal(reads_behind, 0);
	reachable = true;
	hand_over();
	assert_int_equal(h.asked, 1);
}

/* Lists that have no end, lead out of registers, or read as ones. */
static void lists_of_a_controller_that_lies_are_followed_no_further_than_there_is_room(
	void **state)
{
	struct pci_function *x = xhci(PCI_BDF(0, 0x14, 0)), *e;

	(void)state;
	put(memory + XECP, 0x02 | 0 << USB_LEGACY_NEXT, 4);
	nothing_happens_to(x);
	for (unsigned at = XECP; at < SIZE; at += 4)
		put(memory + at, 0x02 | 1 << USB_LEGACY_NEXT, 4);
	nothing_happens_to(x);
	assert_in_range(reads_behind, 2, 70);
	put(memory + XECP, 0x02 | 0xff << USB_LEGACY_NEXT, 4); /* ones are behind the end */
	memset(memory + XECP + 0xff * 4, 0xff, 4);
	nothing_happens_to(x);
	put(memory + USB_XHCI_HCCPARAMS, (SIZE / 4) << USB_XHCI_XECP, 4);
	nothing_happens_to(x);
	put(x->config + PCI_BAR, (MEMORY + 0x1000) | PCI_BAR_64, 4); /* of 4 KiB at most */
	put(memory + 0x1000 + USB_XHCI_HCCPARAMS, 0xffc / 4 << USB_XHCI_XECP, 4);
	put(memory + 0x1ffc, USB_LEGACY_ID | USB_LEGACY_BIOS, 4); /* and its second word? */
	nothing_happens_to(x);
	set_up(NULL);
	e = ehci(PCI_BDF(0, 0x1d, 0));
	put(e->config + 0x50, 0x0a | 0x50 << USB_LEGACY_NEXT, 4);
	nothing_happens_to(e);
	put(e->config + 0x50, 0x0a | 0xfc << USB_LEGACY_NEXT, 4);
	put(e->config + 0xfc, USB_LEGACY_ID | USB_LEGACY_BIOS, 4);
	nothing_happens_to(e);
}

static void there_is_room_for_so_many_and_the_rest_is_counted(void **state)
{
	struct pci_function *e = ehci(PCI_BDF(0, 0x1d, 0));

	(void)state;
	for (unsigned i = 0; i < USB_CONTROLLERS + 3; i++)
		usb_handover_ask(&h, e->bdf);
	usb_handover_end(&h);
	assert_int_equal(h.count, USB_CONTROLLERS);
	assert_int_equal(h.left_out, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			firmware_gives_up_what_it_is_asked_for_and_sends_no_smis_any_more,
			set_up),
		cmocka_unit_test_setup(
			firmware_that_does_not_answer_is_not_waited_for_for_ever, set_up),
		cmocka_unit_test_setup(
			one_that_firmware_does_not_have_is_not_waited_for, set_up),
		cmocka_unit_test_setup(a_uhci_loses_its_smis, set_up),
		cmocka_unit_test_setup(an_ohci_changes_its_owner_and_stands_still, set_up),
		cmocka_unit_test_setup(
			an_ohci_that_firmware_does_not_have_is_left_as_it_is, set_up),
		cmocka_unit_test_setup(those_that_were_asked_for_are_known, set_up),
		cmocka_unit_test_setup(
			others_and_those_that_nobody_can_drive_are_left_alone, set_up),
		cmocka_unit_test_setup(
			lists_of_a_controller_that_lies_are_followed_no_further_than_there_is_room,
			set_up),
		cmocka_unit_test_setup(
			there_is_room_for_so_many_and_the_rest_is_counted, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
