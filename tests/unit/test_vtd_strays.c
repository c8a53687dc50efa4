/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that firmware has left running: who is stopped, and what of it is written.
 */
#include "pci_machine.h"

#include "vtd/seam.h"
#include "vtd/strays.h"

#define MSI_AT  0x60u
#define MSIX_AT 0x80u
#define ON      (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR)

static unsigned writes;
static uint16_t silenced, left, asked[8];
static unsigned asked_count;

uint32_t vtd_seam_config(uint16_t bdf, unsigned offset, unsigned size)
{
	return pci_get(bdf, offset, size);
}

void vtd_seam_set_config(uint16_t bdf, unsigned offset, unsigned size, uint32_t value)
{
	writes++;
	assert_int_equal(size, 2); /* four would write to STATUS, and more than the control */
	pci_set(bdf, offset, size, value);
}

static enum stray judge(uint16_t bdf)
{
	assert_true(asked_count < 8);
	asked[asked_count++] = bdf;
	return bdf == left ? STRAY_LEAVE : bdf == silenced ? STRAY_SILENCE : STRAY_STOP;
}

static int set_up(void **state)
{
	(void)state;
	pci_count = writes = asked_count = 0;
	silenced = left = 0xffff;
	return 0;
}

/* Bus master, with MSI and MSI-X on. */
static struct pci_function *running(uint16_t bdf)
{
	struct pci_function *f = add_function(bdf, PCIE_TYPE_ENDPOINT);

	put(f->config + PCI_COMMAND, ON, 2);
	put(f->config + PCI_CLASS_CODE, 0x0200, 2);
	f->config[EXPRESS_AT + 1] = MSI_AT;
	put(f->config + MSI_AT, PCI_CAP_MSI | MSIX_AT << 8 | 0x00a1u << 16, 4);
	put(f->config + MSIX_AT, PCI_CAP_MSIX | 0x800fu << 16, 4);
	put(f->writable + PCI_COMMAND, 0x0547, 2);
	put(f->writable + MSI_AT + PCI_MSI_CONTROL, 0x0071, 2);
	put(f->writable + MSIX_AT + PCI_MSIX_CONTROL, 0xc000, 2);
	return f;
}

static uint32_t at(const struct pci_function *f, unsigned offset)
{
	return pci_get(f->bdf, offset, 2);
}

static void what_runs_is_stopped_and_nothing_else_of_it_changes(void **state)
{
	struct pci_function *f = running(PCI_BDF(3, 0, 0)), before = *f;
	struct strays s;

	(void)state;
	s = strays_stop(judge);
	assert_int_equal(s.stopped, 1);
	assert_int_equal(s.stuck, 0);
	assert_int_equal(at(f, PCI_COMMAND), ON & ~PCI_COMMAND_MASTER);
	assert_int_equal(at(f, MSI_AT + PCI_MSI_CONTROL), 0x00a0);
	assert_int_equal(at(f, MSIX_AT + PCI_MSIX_CONTROL), 0x000f);
	put(before.config + PCI_COMMAND, ON & ~PCI_COMMAND_MASTER, 2);
	put(before.config + MSI_AT + PCI_MSI_CONTROL, 0x00a0, 2);
	put(before.config + MSIX_AT + PCI_MSIX_CONTROL, 0x000f, 2);
	assert_memory_equal(&before, f, sizeof(before));
	assert_int_equal(writes, 3);
	s = strays_stop(judge); /* there is nothing left to do */
	assert_int_equal(s.stopped, 0);
	assert_int_equal(writes, 3);
}

static void a_function_whose_memory_is_looked_after_loses_its_messages_only(void **state)
{
	struct pci_function *f = running(PCI_BDF(0, 2, 0));

	(void)state;
	silenced = f->bdf;
	assert_int_equal(strays_stop(judge).stopped, 1);
	assert_int_equal(at(f, PCI_COMMAND), ON);
	assert_int_equal(at(f, MSI_AT + PCI_MSI_CONTROL), 0x00a0);
	assert_int_equal(at(f, MSIX_AT + PCI_MSIX_CONTROL), 0x000f);
}

static void bridges_and_what_is_somebodys_are_left_alone(void **state)
{
	struct pci_function *host = running(PCI_BDF(0, 0, 0));
	struct pci_function *root = running(PCI_BDF(0, 1, 0));
	struct pci_function *owned = running(PCI_BDF(0, 3, 0));

	(void)state;
	put(host->config + PCI_CLASS_CODE, 0x0600, 2);
	root->config[PCI_HEADER_TYPE] = PCI_HEADER_BRIDGE;
	left = owned->bdf;
	assert_int_equal(strays_stop(judge).stopped, 0);
	assert_int_equal(writes, 0);
	assert_int_equal(asked_count, 1);
	assert_int_equal(asked[0], owned->bdf);
}

static void each_function_of_a_device_with_several_is_found_and_of_others_the_first(
	void **state)
{
	(void)state;
	running(PCI_BDF(0x80, 5, 0))->config[PCI_HEADER_TYPE] = PCI_HEADER_MULTIFUNCTION;
	running(PCI_BDF(0x80, 5, 7));
	running(PCI_BDF(0xff, 31, 0));
	running(PCI_BDF(0xff, 31, 1)); /* a mirror of the first one: it says that it is alone */
	assert_int_equal(strays_stop(judge).stopped, 3);
	assert_int_equal(asked[0], PCI_BDF(0x80, 5, 0));
	assert_int_equal(asked[1], PCI_BDF(0x80, 5, 7));
	assert_int_equal(asked[2], PCI_BDF(0xff, 31, 0));
}

static void what_cannot_be_stopped_is_told(void **state)
{
	struct pci_function *f = running(PCI_BDF(0, 3, 0));
	struct strays s;

	(void)state;
	put(f->writable + PCI_COMMAND, 0x0543, 2);
	put(f->config + PCI_STATUS, 0, 2); /* no capabilities */
	s = strays_stop(judge);
	assert_int_equal(s.stopped, 0);
	assert_int_equal(s.stuck, 1);
	assert_int_equal(at(f, MSI_AT + PCI_MSI_CONTROL), 0x00a1);
}

/* 8,192 devices are asked for; what is not there costs one look. */
static void a_machine_with_few_devices_is_looked_at_quickly(void **state)
{
	(void)state;
	running(PCI_BDF(0, 3, 0));
	pci_reads = 0;
	(void)strays_stop(judge);
	assert_in_range(pci_reads, 8192, 8192 + 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			what_runs_is_stopped_and_nothing_else_of_it_changes, set_up),
		cmocka_unit_test_setup(
			a_function_whose_memory_is_looked_after_loses_its_messages_only,
			set_up),
		cmocka_unit_test_setup(bridges_and_what_is_somebodys_are_left_alone, set_up),
		cmocka_unit_test_setup(
			each_function_of_a_device_with_several_is_found_and_of_others_the_first,
			set_up),
		cmocka_unit_test_setup(what_cannot_be_stopped_is_told, set_up),
		cmocka_unit_test_setup(a_machine_with_few_devices_is_looked_at_quickly, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
