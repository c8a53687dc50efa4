/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions for which firmware has memory (RMRR): which can be a VM's, and what is said of the
 * others.
 */
#include "pci_machine.h"

#include "spec/usb.h"
#include "spec/vtd.h"
#include "vtd/judge.h"
#include "vtd/seam.h"

#define BDF PCI_BDF(0, 0x1d, 0)

static struct dmar dmar;
static const struct vtd_unit unit = {.on = true, .remaps = true};

uint32_t vtd_seam_config(uint32_t sbdf, unsigned offset, unsigned size)
{
	return pci_get(sbdf, offset, size);
}

bool vtd_seam_bridge(uint32_t sbdf, uint8_t *secondary, uint8_t *subordinate)
{
	(void)sbdf;
	(void)secondary;
	(void)subordinate;
	return false;
}

static void set_kind(unsigned class_code, unsigned interface)
{
	put(pci[0].config + PCI_CLASS_CODE, class_code, 2);
	put(pci[0].config + PCI_INTERFACE, interface, 1);
}

static int set_up(void **state)
{
	(void)state;
	pci_count = 0;
	(void)add_function(BDF, PCIE_TYPE_ENDPOINT);
	memset(&dmar, 0, sizeof(dmar));
	dmar.region_count = dmar.scope_count = 1;
	dmar.scopes[0] = (struct dmar_scope){
		.kind = DMAR_SCOPE_PCI, .region = true, .found = true, .bdf = BDF};
	return 0;
}

static const char *judged(bool given_up)
{
	return vtd_judge_function(&dmar, &unit, BDF, &(struct vtd_wish){.given_up = given_up});
}

static void what_firmware_has_given_up_is_free(void **state)
{
	static const uint8_t kinds[] = {USB_UHCI, USB_OHCI, USB_EHCI, USB_XHCI};

	(void)state;
	for (unsigned i = 0; i < sizeof(kinds); i++) {
		set_kind(PCI_CLASS_USB, kinds[i]);
		assert_null(judged(true));
	}
	dmar.scope_count = 0;
	assert_null(judged(false)); /* it has no memory of firmware's */
}

/* It slept at the start, or there was no room for it: its code may go on with its memory. */
static void a_usb_controller_that_was_not_asked_for_is_not(void **state)
{
	static const uint8_t kinds[] = {USB_UHCI, USB_OHCI, USB_EHCI, USB_XHCI};

	(void)state;
	for (unsigned i = 0; i < sizeof(kinds); i++) {
		set_kind(PCI_CLASS_USB, kinds[i]);
		assert_non_null(strstr(judged(false), "could not be asked"));
	}
}

static void what_is_no_usb_controller_is_firmwares_for_good(void **state)
{
	(void)state;
	set_kind(0x0200, 0);
	assert_non_null(strstr(judged(false), "uses it for itself"));
	set_kind(PCI_CLASS_USB, 0xfe);
	assert_non_null(strstr(judged(false), "uses it for itself"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_firmware_has_given_up_is_free, set_up),
		cmocka_unit_test_setup(a_usb_controller_that_was_not_asked_for_is_not, set_up),
		cmocka_unit_test_setup(what_is_no_usb_controller_is_firmwares_for_good, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
