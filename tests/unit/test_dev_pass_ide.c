/* SPDX-License-Identifier: Apache-2.0 */
/* An IDE controller of the machine that a VM owns, with channels at fixed ports. */
#include "fake_pass.h"

#include "random.h"
#include "spec/ide.h"

#define HOST_MASTER 0xc000u
#define MASTER      0xd000u
#define TIMING      0x40

static struct vpass_function found;
static struct vpass pass;

/* A PIIX3's: both channels in compatibility mode, DMA behind the fifth register, no pin. */
static void make_host(uint32_t interface)
{
	memset(&host, 0, sizeof(host));
	set(host.config + PCI_VENDOR, 0x70108086, 4);
	set(host.config + PCI_COMMAND, 0x0280 << 16 | 5, 4);
	set(host.config + PCI_REVISION, 0x01010000 | interface << 8, 4);
	set(host.config + PCI_BAR + 16, HOST_MASTER | 1, 4);
	set(host.config + TIMING, 0x80008000, 4);
	set(host.mask + PCI_COMMAND, 5, 2);
	set(host.mask + PCI_BAR + 16, 0xfff0, 4);
	set(host.mask + TIMING, UINT32_MAX, 4);
	set(host.mask + TIMING + 0x14, UINT32_MAX, 4);
}

static void give(void)
{
	assert_null(vpass_probe(HOST_BDF, &found));
	assert_true(vpass_add(&pass, &found, &machine, BDF));
	vpass_begin(&found);
	host.writes = host.reads = 0;
}

static int setup(void **state)
{
	(void)state;
	make_host(0x80);
	fake_start(1);
	fake_enable_apics();
	give();
	set_config(PCI_BAR + 16, 4, MASTER);
	set_config(PCI_COMMAND, 2, PCI_COMMAND_IO);
	return 0;
}

static uint32_t in(uint16_t port, unsigned size)
{
	uint32_t v = 0;

	platform_io(&machine, port, false, size, &v);
	return v;
}

static void out(uint16_t port, unsigned size, uint32_t v)
{
	platform_io(&machine, port, true, size, &v);
}

static void expect_written(unsigned index, uint64_t address, uint64_t value)
{
	assert_true(index < host.writes);
	assert_int_equal(host.written[index].address, address);
	assert_int_equal(host.written[index].value, value);
}

static void the_vm_has_the_ports_that_the_machine_has(void **state)
{
	static const uint16_t ports[] = {0x1f0, 0x1f1, 0x1f7, 0x3f6, 0x170, 0x177, 0x376};

	(void)state;
	for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		out(ports[i], 1, 0x50 + i);
		assert_true(host.io);
		expect_written(i, ports[i], 0x50 + i);
	}
	out(MASTER + 8, 1, 9);
	assert_int_equal(host.address, HOST_MASTER + 8);
	assert_int_equal(config(PCI_BAR, 4), 0);
	assert_int_equal(config(PCI_BAR + 12, 4), 0);
	assert_int_equal(config(PCI_INTERFACE, 1), 0x80);
}

static void data_goes_through_in_16_and_32_bits(void **state)
{
	(void)state;
	host.value = 0x12345678;
	assert_int_equal(in(0x1f0, 2), 0x5678);
	assert_int_equal(host.size, 2);
	assert_int_equal(in(0x1f0, 4), 0x12345678);
	assert_int_equal(host.size, 4);
	out(0x170, 4, 0xcafecafe);
	assert_int_equal(host.value, 0xcafecafe);
	assert_int_equal(host.address, 0x170);
}

static void ports_beside_them_do_not_reach_the_machine(void **state)
{
	(void)state;
	out(0x1ef, 1, 0);
	out(0x1f8, 1, 0);
	out(0x3f5, 1, 0);
	out(0x3f7, 1, 0);
	out(0x1f6, 4, 0);
	out(0x3f6, 2, 0);
	assert_int_equal(in(0x1f5, 4), UINT32_MAX);
	assert_int_equal(host.reads + host.writes, 0);
}

static void without_decoding_there_are_no_ports(void **state)
{
	(void)state;
	set_config(PCI_COMMAND, 2, 0);
	out(0x1f7, 1, 0xec);
	assert_int_equal(in(0x376, 1), 0xff);
	assert_int_equal(host.reads + host.writes, 0);
}

static void a_channel_in_native_mode_is_behind_its_registers(void **state)
{
	(void)state;
	make_host(0x85 & ~IDE_NATIVE(0));
	host.config[PCI_INTERRUPT_PIN] = 1;
	set(host.config + PCI_BAR, 1, 4); /* they mean nothing in compatibility mode */
	set(host.mask + PCI_BAR, 0xffff, 4);
	set(host.config + PCI_BAR + 8, 0xc101, 4);
	set(host.mask + PCI_BAR + 8, 0xfff8, 4);
	set(host.config + PCI_BAR + 12, 0xc201, 4);
	set(host.mask + PCI_BAR + 12, 0xfffc, 4);
	fake_start(1);
	give();
	assert_int_equal(found.fixed, 1);
	assert_true(vpass_has_pin(&found));
	assert_int_equal(found.bar[0].kind, VPCI_BAR_FIXED);
	assert_int_equal(found.bar[2].kind, VPCI_BAR_IO);
	set_config(PCI_COMMAND, 2, PCI_COMMAND_IO);
	out(0x1f7, 1, 0);
	out(0x177, 1, 0);
	assert_int_equal(host.writes, 1);
	host.writes = 0;
	vpass_end(&found);
	assert_false(vpass_settle(&found));
	expect_written(1, 0x3f6, IDE_CONTROL_NIEN | IDE_CONTROL_SRST);
	expect_written(3, 0xc202, IDE_CONTROL_NIEN | IDE_CONTROL_SRST);
}

static void without_channels_in_native_mode_the_pin_is_not_used(void **state)
{
	(void)state;
	make_host(0x80);
	host.config[PCI_INTERRUPT_PIN] = 1;
	assert_null(vpass_probe(HOST_BDF, &found));
	assert_int_equal(found.fixed, 3);
	assert_false(vpass_has_pin(&found));
}

static void the_end_stops_dma_and_holds_the_drives_in_reset(void **state)
{
	(void)state;
	vpass_end(&found);
	assert_false(vpass_settle(&found));
	expect_written(0, HOST_MASTER, 0);
	expect_written(1, 0x3f6, IDE_CONTROL_NIEN | IDE_CONTROL_SRST);
	expect_written(2, HOST_MASTER + 8, 0);
	expect_written(3, 0x376, IDE_CONTROL_NIEN | IDE_CONTROL_SRST);
	assert_int_equal(host.writes, 4);
	assert_int_equal(dev_pass_config_read(HOST_BDF, PCI_COMMAND, 2), 0);
	vpass_begin(&found);
	expect_written(4, 0x3f6, 0);
	expect_written(5, 0x376, 0);
	assert_int_equal(dev_pass_config_read(HOST_BDF, PCI_COMMAND, 2), PCI_COMMAND_IO);
}

static void timing_is_the_machines(void **state)
{
	(void)state;
	assert_int_equal(config(TIMING, 4), 0x80008000);
	set_config(TIMING, 2, 0xa307);
	assert_int_equal(dev_pass_config_read(HOST_BDF, TIMING, 4), 0x8000a307);
	set(host.config + TIMING, 0x12345678, 4);
	assert_int_equal(config(TIMING + 2, 2), 0x1234);
	set_config(TIMING + 0x18, 4, UINT32_MAX);
	set_config(TIMING - 4, 4, 0);
	assert_int_equal(dev_pass_config_read(HOST_BDF, TIMING + 0x18, 4), 0);
}

static void another_vendors_registers_are_not_opened(void **state)
{
	(void)state;
	make_host(0x80);
	set(host.config + PCI_VENDOR, 0x1234, 2);
	fake_start(1);
	give();
	set_config(TIMING, 4, 0);
	assert_int_equal(dev_pass_config_read(HOST_BDF, TIMING, 4), 0x80008000);
}

static void rubbish_in_the_configuration_space_changes_timing_and_one_bit(void **state)
{
	uint64_t seed = 11;
	uint8_t before[256];

	(void)state;
	memset(host.mask + 0x60, 0xff, 16);
	memcpy(before, host.config, sizeof(before));
	for (unsigned i = 0; i < 100000; i++) {
		unsigned size = 1u << random_below(&seed, 4);

		set_config(random_below(&seed, 256), size, random_next(&seed));
	}
	before[PCI_COMMAND] |= host.config[PCI_COMMAND] & PCI_COMMAND_MASTER;
	memcpy(before + TIMING, host.config + TIMING, 0x18);
	assert_memory_equal(before, host.config, sizeof(before));
	assert_int_equal(host.reads + host.writes, 0);
}

/* ---- interrupts ---- */

static void edge(unsigned channel)
{
	dev_lock(&machine);
	vpass_edge(&pass, channel);
	dev_unlock(&machine);
}

static void take(int vector)
{
	assert_int_equal(fake_pending(0), vector);
	assert_int_equal(platform_irq_ack(&machine, 0), vector);
	platform_eoi(&machine, 0);
}

static void an_edge_is_an_interrupt_of_its_pin(void **state)
{
	(void)state;
	fake_ioapic_entry(14, 0, 0xa0);
	fake_ioapic_entry(15, 0, 0xb0);
	edge(0);
	take(0xa0);
	assert_int_equal(fake_pending(0), -1);
	edge(1);
	take(0xb0);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(host.listens, 0);
}

static void an_edge_is_not_lost_when_the_status_was_not_read(void **state)
{
	(void)state;
	fake_ioapic_entry(14, 0, 0xa0);
	edge(0);
	take(0xa0);
	edge(0);
	take(0xa0);
}

static void pics(void)
{
	fake_out(0x20, 0x11), fake_out(0x21, 0x30), fake_out(0x21, 4), fake_out(0x21, 1);
	fake_out(0xa0, 0x11), fake_out(0xa1, 0x38), fake_out(0xa1, 2), fake_out(0xa1, 1);
	fake_apic_write(0, APIC_LVT_LINT0, DELIVER_EXTINT << DELIVER_SHIFT);
	fake_out(0x21, 0xfb), fake_out(0xa1, 0x3f);
}

/* An edge of a PIC must last until it is acknowledged. */
static void an_edge_waits_at_the_pics_until_the_status_is_read(void **state)
{
	(void)state;
	pics();
	edge(0);
	assert_int_equal(fake_pending(0), 0x3e);
	in(0x376, 1);
	in(0x3f6, 1); /* alternate status: no */
	in(0x1f6, 1);
	assert_int_equal(fake_pending(0), 0x3e);
	in(0x1f7, 1);
	assert_int_equal(fake_pending(0), -1);
	edge(1);
	assert_int_equal(fake_pending(0), 0x3f);
	out(0x177, 1, 0xec);
	assert_int_equal(fake_pending(0), -1);
}

static void a_drive_without_interrupts_takes_its_request_back(void **state)
{
	(void)state;
	pics();
	edge(0);
	out(0x3f6, 1, 8);
	assert_int_equal(fake_pending(0), 0x3e);
	out(0x3f6, 1, IDE_CONTROL_NIEN);
	assert_int_equal(fake_pending(0), -1);
	edge(0);
	out(0x3f6, 1, IDE_CONTROL_SRST);
	assert_int_equal(fake_pending(0), -1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_vm_has_the_ports_that_the_machine_has),
		TEST(data_goes_through_in_16_and_32_bits),
		TEST(ports_beside_them_do_not_reach_the_machine),
		TEST(without_decoding_there_are_no_ports),
		TEST(a_channel_in_native_mode_is_behind_its_registers),
		TEST(without_channels_in_native_mode_the_pin_is_not_used),
		TEST(the_end_stops_dma_and_holds_the_drives_in_reset),
		TEST(timing_is_the_machines),
		TEST(another_vendors_registers_are_not_opened),
		TEST(rubbish_in_the_configuration_space_changes_timing_and_one_bit),
		TEST(an_edge_is_an_interrupt_of_its_pin),
		TEST(an_edge_is_not_lost_when_the_status_was_not_read),
		TEST(an_edge_waits_at_the_pics_until_the_status_is_read),
		TEST(a_drive_without_interrupts_takes_its_request_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
