/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual functions of a device of the machine: what its capability says, what is refused of
 * it, where they are, and what a VM has of one.
 */
#include "random.h"
#include "sriov_machine.h"

static struct vpass_physical p;
static struct vpass_function found;
static struct vpass pass;

static uint32_t now(unsigned offset, unsigned size)
{
	return pci_get(PHYSICAL, AT + offset, size);
}

static void find(unsigned count)
{
	assert_null(vpass_physical_find(PHYSICAL, &p));
	assert_null(vpass_physical_ask(&p));
	assert_null(vpass_physical_count(&p, count, false));
}

/* ---- tests ---- */

static void the_capability_says_how_many_there_are_and_where(void **state)
{
	(void)state;
	find(3);
	assert_int_equal(p.at, AT);
	assert_int_equal(p.initial, VFS);
	assert_int_equal(p.vendor, 0x1234);
	assert_int_equal(p.device, 0xbeef);
	assert_int_equal(p.bar[0].kind, VPCI_BAR_64_PREFETCH);
	assert_true(p.bar[0].address == WINDOW && p.bar[0].size == SIZE);
	assert_int_equal(p.bar[1].kind, VPCI_BAR_NONE);
	assert_int_equal(vpass_virtual_place(&p, 2), PHYSICAL + OFFSET + 2);
	assert_int_equal(now(PCIE_SRIOV_PAGE, 4), 1);
	assert_int_equal(now(PCIE_SRIOV_COUNT, 2), 3);
	assert_int_equal(now(PCIE_SRIOV_CONTROL, 2), 0);
	assert_int_equal(pci_get(PHYSICAL, PCI_COMMAND, 2), PCI_COMMAND_NOINTX);
	assert_true(now(PCIE_SRIOV_BAR, 4) == ((uint32_t)WINDOW | 12));
}

/* Neither is the capability looked at before a second has passed (9.3.3.3.1). */
static void what_firmware_has_left_on_is_off_before_sizes_are_found(void **state)
{
	(void)state;
	put(capability() + PCIE_SRIOV_CONTROL, PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY, 2);
	alone.strict = true;
	assert_null(vpass_physical_find(PHYSICAL, &p));
	assert_true(p.was_on);
	idle_now += PCIE_SRIOV_OFF_MS;
	assert_null(vpass_physical_ask(&p));
	alone.strict = false;
	assert_int_equal(now(PCIE_SRIOV_CONTROL, 2), 0);
}

static void they_are_turned_on_with_their_memory_and_off_again(void **state)
{
	(void)state;
	find(2);
	vpass_physical_place(&p, 0, 0xf0000000);
	put(capability() + PCIE_SRIOV_BAR, 12, 4); /* as a reset leaves it */
	put(capability() + PCIE_SRIOV_COUNT, 0, 2);
	vpass_physical_on(&p);
	assert_int_equal(now(PCIE_SRIOV_CONTROL, 2), PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY);
	assert_true(now(PCIE_SRIOV_BAR, 4) == (0xf0000000 | 12));
	assert_int_equal(now(PCIE_SRIOV_COUNT, 2), 2);
	vpass_physical_off(&p);
	assert_int_equal(now(PCIE_SRIOV_CONTROL, 2), 0);
}

static void expect_none(const char *words)
{
	const char *why = vpass_physical_find(PHYSICAL, &p);

	if (why == NULL)
		why = vpass_physical_ask(&p);
	if (why == NULL)
		why = vpass_physical_count(&p, 2, false);
	assert_non_null(why);
	if (strstr(why, words) == NULL)
		fail_msg("'%s' lacks '%s'", why, words);
	assert_false(now(PCIE_SRIOV_CONTROL, 2) & PCIE_SRIOV_ENABLE);
	set_up(NULL);
}

static void a_device_that_says_what_cannot_be_is_refused_with_the_reason(void **state)
{
	(void)state;
	assert_string_equal(
		vpass_physical_find(PCI_BDF(0, 9, 0), &p), "this machine has no such function");
	function_at(PHYSICAL)->config[PCI_HEADER_TYPE] = 1;
	expect_none("it is a bridge");
	function_at(PHYSICAL)->config[PCI_STATUS] = 0;
	expect_none("SR-IOV");
	put(function_at(PHYSICAL)->config + PCIE_EXTENDED, UINT32_MAX, 4);
	expect_none("SR-IOV");
	put(capability() + PCIE_SRIOV_INITIAL, 0, 4);
	expect_none("how many");
	put(capability() + PCIE_SRIOV_INITIAL, 5 | 4u << 16, 4);
	expect_none("how many");
	put(capability() + PCIE_SRIOV_INITIAL, 1 | 4u << 16, 4);
	expect_none("not so many");
	put(capability() + PCIE_SRIOV_PAGES, 2, 4);
	expect_none("4 KiB");
	put(open_bits() + PCIE_SRIOV_PAGE, 0, 4);
	expect_none("4 KiB");
	put(open_bits() + PCIE_SRIOV_COUNT, 1, 2);
	expect_none("does not take the number");
	put(capability() + PCIE_SRIOV_FIRST, 0, 2);
	expect_none("no places");
	put(capability() + PCIE_SRIOV_STRIDE, 0, 2);
	expect_none("no places");
	put(capability() + PCIE_SRIOV_STRIDE, 0xffff, 2);
	expect_none("no places");
}

static void memory_of_theirs_that_cannot_be_is_refused(void **state)
{
	(void)state;
	put(capability() + PCIE_SRIOV_BAR + 8, 1, 4);
	put(open_bits() + PCIE_SRIOV_BAR + 8, 0xfff0, 4);
	expect_none("ports");
	put(open_bits() + PCIE_SRIOV_BAR, 0xfffffe00, 4);
	expect_none("smaller than a page");
	put(open_bits() + PCIE_SRIOV_BAR, 0xf0f00000, 4);
	expect_none("size");
	put(open_bits() + PCIE_SRIOV_BAR, 0, 4);
	put(capability() + PCIE_SRIOV_BAR, 4, 4);
	expect_none("size");
	put(capability() + PCIE_SRIOV_BAR + 20, 4, 4);
	put(open_bits() + PCIE_SRIOV_BAR + 20, 0xfff00000, 4);
	expect_none("64 bits");
}

static void a_place_that_another_function_has_is_not_taken(void **state)
{
	(void)state;
	add_function(PCI_BDF(0, 0x1f, 0), PCIE_TYPE_ENDPOINT); /* now all answer */
	expect_none("another function is where");
}

static void the_first_function_of_a_device_says_that_all_routing_ids_are_forwarded(void **state)
{
	(void)state;
	assert_null(vpass_physical_find(PHYSICAL, &p));
	assert_null(vpass_physical_ask(&p));
	assert_null(vpass_physical_count(&p, 2, true));
	assert_int_equal(now(PCIE_SRIOV_CONTROL, 2), PCIE_SRIOV_ARI);
	vpass_physical_on(&p);
	vpass_physical_off(&p);
	assert_int_equal(now(PCIE_SRIOV_CONTROL, 2), PCIE_SRIOV_ARI);
}

/* ---- one of them ---- */

static int set_up_one(void **state)
{
	set_up(state);
	fake_start(1);
	fake_enable_apics();
	find(3);
	vpass_physical_on(&p);
	assert_null(vpass_probe_virtual(&p, 2, &found));
	vpass_give_vectors(&found, 0x40, 4);
	assert_true(vpass_add(&pass, &found, &machine, BDF));
	vpass_begin(&found);
	return 0;
}

static uint32_t seen(unsigned offset, unsigned size)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, 0, ECAM + offset, false, size, &v));
	return (uint32_t)v;
}

static void see(unsigned offset, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, ECAM + offset, true, size, &v));
}

static void a_vm_sees_who_it_is_by_its_device_and_no_pin(void **state)
{
	(void)state;
	assert_int_equal(found.id.bdf, PHYSICAL + OFFSET + 2);
	assert_int_equal(seen(PCI_VENDOR, 4), 0xbeef1234);
	assert_int_equal(seen(PCI_REVISION, 4), 0x02000001);
	assert_int_equal(seen(PCI_SUBVENDOR, 4), 0xcafe1234);
	assert_int_equal(seen(PCI_INTERRUPT_PIN, 1), 0);
	assert_false(vpass_has_pin(&found));
	assert_int_equal(vpass_vectors_wanted(&found), 4);
	assert_int_equal(seen(seen(PCI_CAPABILITIES, 1), 1), PCI_CAP_MSIX);
	assert_int_equal(seen(seen(seen(PCI_CAPABILITIES, 1) + 1, 1), 1), PCI_CAP_EXPRESS);
}

static void its_memory_is_its_part_of_what_the_device_has(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_true(found.bar[0].address == WINDOW + 2 * SIZE && found.bar[0].size == SIZE);
	see(PCI_BAR, 4, PLACE);
	see(PCI_BAR + 4, 4, 0);
	see(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(platform_mmio(&machine, 0, PLACE + 0x3010, false, 4, &v));
	assert_true(last_address == WINDOW + 2 * SIZE + 0x3010);
	last_address = 0;
	platform_mmio(&machine, 0, PLACE + SIZE, false, 4, &v);
	platform_mmio(&machine, 0, PLACE + SIZE - 2, false, 4, &v);
	assert_int_equal(last_address, 0);
	assert_int_equal(pci_get(found.id.bdf, PCI_COMMAND, 2), PCI_COMMAND_MASTER);
	assert_int_equal(pci_get(PHYSICAL, PCI_COMMAND, 2), PCI_COMMAND_NOINTX);
}

static void rubbish_of_a_vm_does_not_reach_its_device(void **state)
{
	uint8_t before[PCIE_CONFIG_SIZE];
	uint64_t seed = 3;

	(void)state;
	memcpy(before, function_at(PHYSICAL)->config, sizeof(before));
	for (unsigned i = 0; i < 100000; i++) {
		unsigned size = 1u << random_below(&seed, 3);

		see(random_below(&seed, PCIE_CONFIG_SIZE / size) * size, size,
			random_next(&seed));
	}
	assert_memory_equal(before, function_at(PHYSICAL)->config, sizeof(before));
}

static void its_end_is_a_reset_of_its_own(void **state)
{
	(void)state;
	see(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	vpass_end(&found);
	assert_false(vpass_settle(&found));
	assert_int_equal(pci_get(found.id.bdf, PCI_COMMAND, 2), 0);
	assert_int_equal(
		pci_get(found.id.bdf, EXPRESS_AT + PCI_EXPRESS_CONTROL, 2), PCI_EXPRESS_FLR);
	assert_int_equal(now(PCIE_SRIOV_CONTROL, 2), PCIE_SRIOV_ENABLE | PCIE_SRIOV_MEMORY);
}

static void one_that_does_not_come_or_has_no_reset_is_refused(void **state)
{
	(void)state;
	find(2);
	assert_non_null(strstr(vpass_probe_virtual(&p, 0, &found), "does not answer"));
	vpass_physical_on(&p);
	assert_null(vpass_probe_virtual(&p, 0, &found));
	put(function_at(PHYSICAL + OFFSET)->config + EXPRESS_AT + PCI_EXPRESS_CAPABLE, 0, 4);
	assert_non_null(strstr(vpass_probe_virtual(&p, 0, &found), "no function-level reset"));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)
#define ONE(name)  cmocka_unit_test_setup(name, set_up_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_capability_says_how_many_there_are_and_where),
		TEST(what_firmware_has_left_on_is_off_before_sizes_are_found),
		TEST(they_are_turned_on_with_their_memory_and_off_again),
		TEST(a_device_that_says_what_cannot_be_is_refused_with_the_reason),
		TEST(memory_of_theirs_that_cannot_be_is_refused),
		TEST(a_place_that_another_function_has_is_not_taken),
		TEST(the_first_function_of_a_device_says_that_all_routing_ids_are_forwarded),
		ONE(a_vm_sees_who_it_is_by_its_device_and_no_pin),
		ONE(its_memory_is_its_part_of_what_the_device_has),
		ONE(rubbish_of_a_vm_does_not_reach_its_device),
		ONE(its_end_is_a_reset_of_its_own),
		TEST(one_that_does_not_come_or_has_no_reset_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
