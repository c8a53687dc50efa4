/* SPDX-License-Identifier: Apache-2.0 */
/* PCI configuration space: mechanism 1, ECAM, the host bridge, absent devices. */
#include "fake_platform.h"

static void out(uint16_t port, unsigned size, uint32_t value)
{
	assert_true(vpci_io(&machine, port, true, size, &value));
}

static uint32_t in(uint16_t port, unsigned size)
{
	uint32_t value = 0xdeadbeef;

	assert_true(vpci_io(&machine, port, false, size, &value));
	return value;
}

static uint64_t ecam_read(uint64_t offset, unsigned size)
{
	uint64_t value = 0xdeadbeef;

	assert_true(vpci_mmio(&machine, 0, DEV_ECAM_BASE + offset, false, size, &value));
	return value;
}

static void ecam_write(uint64_t offset, unsigned size, uint64_t value)
{
	assert_true(vpci_mmio(&machine, 0, DEV_ECAM_BASE + offset, true, size, &value));
}

static int setup(void **state)
{
	(void)state;
	fake_start();
	vpci_reset(&machine);
	return 0;
}

static void the_host_bridge_is_found_at_0_0_0(void **state)
{
	(void)state;
	out(0xcf8, 4, 0x80000000);
	assert_int_equal(in(0xcfc, 4), 0x29c08086);
	out(0xcf8, 4, 0x80000008);
	assert_int_equal(in(0xcfc, 4) >> 16, 0x0600);
	out(0xcf8, 4, 0x8000000c);
	assert_int_equal(in(0xcfe, 1), 0); /* one function, plain header */
}

static void narrow_accesses_take_their_lane(void **state)
{
	(void)state;
	out(0xcf8, 4, 0x80000000);
	assert_int_equal(in(0xcfc, 2), 0x8086);
	assert_int_equal(in(0xcfe, 2), 0x29c0);
	assert_int_equal(in(0xcfd, 1), 0x80);
	assert_int_equal(in(0xcff, 1), 0x29);
	assert_int_equal(in(0xcfd, 2), 0xc080);
}

static void absent_functions_read_all_ones(void **state)
{
	(void)state;
	out(0xcf8, 4, 0x80000100);
	assert_int_equal(in(0xcfc, 4), 0xffffffff);
	assert_int_equal(in(0xcfc, 2), 0xffff);
	assert_int_equal(in(0xcfc, 1), 0xff);
	out(0xcf8, 4, 0x80ff0000);
	assert_int_equal(in(0xcfc, 4), 0xffffffff);
	out(0xcfc, 4, 0);
}

static void without_the_enable_bit_data_reads_all_ones(void **state)
{
	(void)state;
	out(0xcf8, 4, 0);
	assert_int_equal(in(0xcfc, 4), 0xffffffff);
	assert_int_equal(in(0xcfe, 2), 0xffff);
}

static void the_address_register_keeps_its_defined_bits(void **state)
{
	(void)state;
	out(0xcf8, 4, 0xffffffff);
	assert_int_equal(in(0xcf8, 4), 0x80fffffc);
	out(0xcf8, 4, 0x80000000);
	assert_int_equal(in(0xcf8, 4), 0x80000000);
}

static void only_wide_accesses_reach_the_address_register(void **state)
{
	uint32_t value = 1;

	(void)state;
	out(0xcf8, 4, 0x80000000);
	assert_false(vpci_io(&machine, 0xcfb, true, 1, &value));
	assert_false(vpci_io(&machine, 0xcf8, true, 2, &value));
	assert_int_equal(in(0xcf8, 4), 0x80000000);
}

static void an_access_across_the_data_port_is_not_claimed(void **state)
{
	uint32_t value = 0;

	(void)state;
	assert_false(vpci_io(&machine, 0xcfe, false, 4, &value));
	assert_false(vpci_io(&machine, 0xcff, false, 2, &value));
	assert_false(vpci_io(&machine, 0xd00, false, 1, &value));
	assert_false(vpci_io(&machine, 0xcfc, false, 3, &value));
}

static void identity_cannot_be_written_but_the_command_can(void **state)
{
	(void)state;
	ecam_write(0, 4, 0);
	assert_int_equal(ecam_read(0, 4), 0x29c08086);
	ecam_write(4, 2, 0xffff);
	assert_int_equal(ecam_read(4, 2), 0x0147);
	ecam_write(4, 2, 0);
	assert_int_equal(ecam_read(4, 2), 0);
}

static void the_bridge_has_no_bars(void **state)
{
	(void)state;
	for (uint64_t bar = 0x10; bar < 0x28; bar += 4) {
		ecam_write(bar, 4, 0xffffffff);
		assert_int_equal(ecam_read(bar, 4), 0);
	}
}

static void ecam_shows_the_same_functions(void **state)
{
	(void)state;
	assert_int_equal(ecam_read(0, 4), 0x29c08086);
	assert_int_equal(ecam_read(2, 2), 0x29c0);
	assert_int_equal(ecam_read(0, 8), 0x0000000629c08086);
	assert_int_equal(ecam_read(0x8000, 4), 0xffffffff);
	assert_int_equal(ecam_read(0x0ffff000, 4), 0xffffffff);
}

static void conventional_functions_have_no_extended_configuration_space(void **state)
{
	(void)state;
	assert_int_equal(ecam_read(0x100, 4), 0xffffffff);
	assert_int_equal(ecam_read(0xffc, 4), 0xffffffff);
	assert_int_equal(ecam_read(0xfe, 4), 0xffff0000);
}

static void accesses_across_the_end_of_a_space_are_harmless(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		ecam_write(0xf8 + i, 8, UINT64_MAX);
		assert_int_equal(
			ecam_read(0xf8 + i, 8), i == 0 ? 0 : UINT64_MAX << (8 - i) * 8);
		ecam_write(0xff8 + i, 8, UINT64_MAX);
		assert_int_equal(ecam_read(0xff8 + i, 8), UINT64_MAX);
	}
	ecam_read(0x0fffffff, 8);
}

static void addresses_outside_ecam_are_not_claimed(void **state)
{
	uint64_t value = 0;

	(void)state;
	assert_false(vpci_mmio(&machine, 0, DEV_ECAM_BASE - 1, false, 4, &value));
	assert_false(vpci_mmio(&machine, 0, DEV_ECAM_BASE + 0x10000000, false, 4, &value));
	assert_false(vpci_mmio(&machine, 0, 0, false, 4, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_host_bridge_is_found_at_0_0_0, setup),
		cmocka_unit_test_setup(narrow_accesses_take_their_lane, setup),
		cmocka_unit_test_setup(absent_functions_read_all_ones, setup),
		cmocka_unit_test_setup(without_the_enable_bit_data_reads_all_ones, setup),
		cmocka_unit_test_setup(the_address_register_keeps_its_defined_bits, setup),
		cmocka_unit_test_setup(only_wide_accesses_reach_the_address_register, setup),
		cmocka_unit_test_setup(an_access_across_the_data_port_is_not_claimed, setup),
		cmocka_unit_test_setup(identity_cannot_be_written_but_the_command_can, setup),
		cmocka_unit_test_setup(the_bridge_has_no_bars, setup),
		cmocka_unit_test_setup(ecam_shows_the_same_functions, setup),
		cmocka_unit_test_setup(
			conventional_functions_have_no_extended_configuration_space, setup),
		cmocka_unit_test_setup(accesses_across_the_end_of_a_space_are_harmless, setup),
		cmocka_unit_test_setup(addresses_outside_ecam_are_not_claimed, setup),
	};

	return cmocka_run_group_tests_name("vpci", tests, NULL, NULL);
}
