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

#define SRIOV_AT 0x180u

static unsigned writes;
static uint32_t silenced, left, orphaned, asked[8];
static unsigned asked_count;

uint32_t vtd_seam_config(uint32_t sbdf, unsigned offset, unsigned size)
{
	return pci_get(sbdf, offset, size);
}

void vtd_seam_set_config(uint32_t sbdf, unsigned offset, unsigned size, uint32_t value)
{
	writes++;
	assert_int_equal(size, 2); /* four would write to STATUS, and more than the control */
	pci_set(sbdf, offset, size, value);
}

static enum stray judge(uint32_t sbdf)
{
	assert_true(asked_count < 8);
	asked[asked_count++] = sbdf;
	if (sbdf == orphaned)
		return STRAY_VIRTUAL;
	return sbdf == left ? STRAY_LEAVE : sbdf == silenced ? STRAY_SILENCE : STRAY_STOP;
}

static void stop_one(uint32_t sbdf, void *with)
{
	strays_stop(sbdf, judge, with);
}

static struct strays stop_in(uint16_t segment, uint8_t first, uint8_t last)
{
	const struct stray_buses where = {segment, first, last};
	struct strays s = {0};

	strays_visit(&where, stop_one, &s);
	return s;
}

/* Of segment 0. */
static struct strays stop(void)
{
	return stop_in(0, 0, 0xff);
}

static int set_up(void **state)
{
	(void)state;
	pci_count = writes = asked_count = 0;
	silenced = left = orphaned = UINT32_MAX;
	return 0;
}

/* Bus master, with MSI and MSI-X on. */
static struct pci_function *running(uint32_t sbdf)
{
	struct pci_function *f = add_function(sbdf, PCIE_TYPE_ENDPOINT);

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
	s = stop();
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
	s = stop(); /* there is nothing left to do */
	assert_int_equal(s.stopped, 0);
	assert_int_equal(writes, 3);
}

static void a_function_whose_memory_is_looked_after_loses_its_messages_only(void **state)
{
	struct pci_function *f = running(PCI_BDF(0, 2, 0));

	(void)state;
	silenced = f->bdf;
	assert_int_equal(stop().stopped, 1);
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
	assert_int_equal(stop().stopped, 0);
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
	assert_int_equal(stop().stopped, 3);
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
	s = stop();
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
	(void)stop();
	assert_in_range(pci_reads, 8192, 8192 + 64);
}

/* The same numbers in two segments are two functions; other buses are not asked. */
static void functions_of_other_segments_are_stopped_on_the_buses_that_are_there(void **state)
{
	struct pci_function *first = running(PCI_BDF(3, 0, 0));
	struct pci_function *other = running(PCI_SBDF(7, PCI_BDF(3, 0, 0)));
	struct pci_function *behind = running(PCI_SBDF(7, PCI_BDF(5, 0, 0)));

	(void)state;
	pci_reads = 0;
	assert_int_equal(stop_in(7, 2, 4).stopped, 1);
	assert_in_range(pci_reads, 3 * 32, 3 * 32 + 64);
	assert_int_equal(asked_count, 1);
	assert_int_equal(asked[0], other->bdf);
	assert_int_equal(at(other, PCI_COMMAND), ON & ~PCI_COMMAND_MASTER);
	assert_int_equal(at(other, MSIX_AT + PCI_MSIX_CONTROL), 0x000f);
	assert_int_equal(at(first, PCI_COMMAND), ON);
	assert_int_equal(at(behind, PCI_COMMAND), ON);
	assert_int_equal(stop_in(7, 5, 0xff).stopped, 1);
	assert_int_equal(at(behind, PCI_COMMAND), ON & ~PCI_COMMAND_MASTER);
}

/* ---- virtual functions, and places behind a device ---- */

/* VF Enable, VF MSE and ARI Capable Hierarchy are on. */
static struct pci_function *with_virtual(uint32_t sbdf)
{
	struct pci_function *f = running(sbdf);

	add_extended(f, PCIE_EXTENDED, 0x0001, SRIOV_AT);
	add_extended(f, SRIOV_AT, PCIE_EXTENDED_SRIOV, 0);
	put(f->config + SRIOV_AT + PCIE_SRIOV_CONTROL,
		PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY | PCIE_SRIOV_ARI, 2);
	put(f->config + SRIOV_AT + PCIE_SRIOV_COUNT, 8, 2);
	put(f->writable + SRIOV_AT + PCIE_SRIOV_CONTROL, 0x003f, 2);
	return f;
}

static void virtual_functions_go_with_one_write_that_nobody_reads_after(void **state)
{
	struct pci_function *f = with_virtual(PCI_BDF(3, 0, 0)), before;
	struct strays s;

	(void)state;
	put(f->config + PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	f->config[EXPRESS_AT + 1] = 0; /* no messages: all that is done is for those */
	before = *f;
	s = stop();
	assert_int_equal(s.virtual, 1);
	assert_int_equal(s.stopped, 0);
	assert_int_equal(writes, 1);
	put(before.config + SRIOV_AT + PCIE_SRIOV_CONTROL, PCIE_SRIOV_ARI, 2);
	assert_memory_equal(&before, f, sizeof(before));
	s = stop();
	assert_int_equal(s.virtual, 0);
	assert_int_equal(writes, 1);
}

static void who_is_left_running_may_lose_virtual_functions_alone(void **state)
{
	struct pci_function *f = with_virtual(PCI_BDF(3, 0, 0));
	struct pci_function *quiet = with_virtual(PCI_BDF(4, 0, 0));
	struct pci_function *owned = with_virtual(PCI_BDF(5, 0, 0));
	struct strays s;

	(void)state;
	orphaned = f->bdf;
	silenced = quiet->bdf;
	left = owned->bdf;
	s = stop();
	assert_int_equal(s.virtual, 2);
	assert_int_equal(s.stopped, 1);
	assert_int_equal(at(f, PCI_COMMAND), ON);
	assert_int_equal(at(f, MSI_AT + PCI_MSI_CONTROL), 0x00a1);
	assert_int_equal(at(f, SRIOV_AT + PCIE_SRIOV_CONTROL), PCIE_SRIOV_ARI);
	assert_int_equal(at(quiet, SRIOV_AT + PCIE_SRIOV_CONTROL), PCIE_SRIOV_ARI);
	assert_true(at(owned, SRIOV_AT + PCIE_SRIOV_CONTROL) & PCIE_SRIOV_ENABLE);
}

/* Registers of virtual ones that decode, though there are none yet. */
static void memory_of_virtual_functions_alone_is_no_function(void **state)
{
	struct pci_function *f = with_virtual(PCI_BDF(3, 0, 0));

	(void)state;
	put(f->config + SRIOV_AT + PCIE_SRIOV_CONTROL, PCIE_SRIOV_MEMORY, 2);
	assert_int_equal(stop().virtual, 0);
	assert_int_equal(at(f, SRIOV_AT + PCIE_SRIOV_CONTROL), 0);
}

/* Neither is function 0 of its device there, nor does one say that there are several. */
static void functions_by_alternative_routing_ids_are_found_at_all_places_of_the_bus(
	void **state)
{
	struct pci_function *first = running(PCI_BDF(3, 0, 0));

	(void)state;
	running(PCI_BDF(3, 1, 1));
	running(PCI_BDF(3, 31, 7));
	running(PCI_BDF(4, 1, 1)); /* of another bus, without: function 0 is not there */
	add_extended(first, PCIE_EXTENDED, PCIE_EXTENDED_ARI, 0);
	assert_int_equal(stop().stopped, 3);
	assert_int_equal(asked[1], PCI_BDF(3, 1, 1));
	assert_int_equal(asked[2], PCI_BDF(3, 31, 7));
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
		cmocka_unit_test_setup(
			functions_of_other_segments_are_stopped_on_the_buses_that_are_there,
			set_up),
		cmocka_unit_test_setup(
			virtual_functions_go_with_one_write_that_nobody_reads_after, set_up),
		cmocka_unit_test_setup(
			who_is_left_running_may_lose_virtual_functions_alone, set_up),
		cmocka_unit_test_setup(
			memory_of_virtual_functions_alone_is_no_function, set_up),
		cmocka_unit_test_setup(
			functions_by_alternative_routing_ids_are_found_at_all_places_of_the_bus,
			set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
