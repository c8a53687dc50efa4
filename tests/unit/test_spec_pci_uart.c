/* SPDX-License-Identifier: Apache-2.0 */
/* The UART of a serial card: what its configuration space says, and what keeps it from use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "spec/pci_uart.h"

#define BDF PCI_BDF(2, 3, 1)

static uint8_t config[256];

static uint32_t read_config(uint32_t bdf, unsigned offset, unsigned size)
{
	uint32_t v = 0;

	if (bdf != BDF)
		return UINT32_MAX >> (32 - 8 * size);
	assert_true(offset % size == 0 && offset + size <= sizeof(config));
	memcpy(&v, config + offset, size);
	return v;
}

static void set(unsigned offset, uint32_t v)
{
	memcpy(config + offset, &v, 4);
}

static int set_up(void **state)
{
	(void)state;
	memset(config, 0, sizeof(config));
	set(PCI_VENDOR, 0x00021b36);
	set(0x08, 0x07000201); /* class 07.00, a 16550 */
	set(PCI_BAR, 0xc041);  /* ports */
	return 0;
}

static void ports_and_memory_of_both_sizes_are_found(void **state)
{
	struct uart u;

	(void)state;
	assert_null(pci_uart(read_config, BDF, &u));
	assert_false(u.memory);
	assert_int_equal(u.base, 0xc040);
	set(PCI_BAR, 0xfe800000);
	set(PCI_BAR + 4, 0x12345678); /* another BAR */
	assert_null(pci_uart(read_config, BDF, &u));
	assert_true(u.memory);
	assert_true(u.base == 0xfe800000);
	assert_int_equal(u.width, 1);
	assert_int_equal(u.stride, 1);
	set(PCI_BAR, 0x0080000c);
	set(PCI_BAR + 4, 0x40);
	assert_null(pci_uart(read_config, BDF, &u));
	assert_true(u.base == 0x4000800000);
}

static void expect_why(const char *why)
{
	struct uart u;

	assert_string_equal(pci_uart(read_config, BDF, &u), why);
	set_up(NULL);
}

static void what_is_no_uart_that_can_be_used_says_why(void **state)
{
	struct uart u;

	(void)state;
	assert_string_equal(
		pci_uart(read_config, PCI_BDF(2, 3, 0), &u), "there is no such function");
	set(0x08, 0x02000001);
	expect_why("it is no serial port: its class would be 07.00");
	set(0x0c, 0x00010000); /* a bridge's header */
	expect_why("it is no serial port: its class would be 07.00");
	set(PCI_BAR, 1);
	expect_why("firmware has given its BAR 0 no address");
	set(PCI_BAR, 0);
	expect_why("firmware has given its BAR 0 no address");
	set(PCI_BAR, 0x10001);
	expect_why("its BAR 0 has no possible ports");
	set(PCI_COMMAND, PCI_STATUS_CAPABILITIES << 16);
	set(PCI_CAPABILITIES, 0x40);
	set(0x40, PCI_CAP_POWER);
	set(0x44, PCI_POWER_D3HOT);
	expect_why("firmware has left it in a power state that is not D0");
	set(PCI_COMMAND, PCI_STATUS_CAPABILITIES << 16);
	set(PCI_CAPABILITIES, 0x40);
	set(0x40, PCI_CAP_POWER);
	assert_null(pci_uart(read_config, BDF, &u));
}

#define T(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ports_and_memory_of_both_sizes_are_found),
		T(what_is_no_uart_that_can_be_used_says_why),
	};

	return cmocka_run_group_tests_name("spec_pci_uart", tests, NULL, NULL);
}
