/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function of the machine that a VM owns: what it sees of it, and what reaches the machine.
 */
#include "fake_pass.h"

#include "random.h"

#define BAR      0xd0000000ull
#define PORTS    0xd000u
#define HOST_BAR 0xf0000000ull
#define HOST_IO  0xc000u
#define PIN      (16 + 4) /* of device 16, INTA# */
#define LEVEL    (1u << 15)

static struct vpass_function found;
static struct vpass pass;

/* A network card with 128 KiB of registers and 64 ports, and four capabilities. */
static void make_host(void)
{
	memset(&host, 0, sizeof(host));
	set(host.config + PCI_VENDOR, 0x100f8086, 4);
	set(host.config + PCI_COMMAND, 0x0010 << 16 | 7, 4);
	set(host.config + PCI_REVISION, 0x02000003, 4);
	set(host.config + PCI_BAR, HOST_BAR, 4);
	set(host.config + PCI_BAR + 4, HOST_IO | 1, 4);
	set(host.config + PCI_SUBVENDOR, 0x12348086, 4);
	host.config[PCI_CAPABILITIES] = 0x40;
	host.config[PCI_INTERRUPT_LINE] = 11;
	host.config[PCI_INTERRUPT_PIN] = 1;
	set(host.config + 0x40, 0x00100009 | 0x50 << 8, 4); /* vendor's, 16 bytes */
	set(host.config + 0x44, 0xcafe, 4);
	set(host.config + 0x50, PCI_CAP_MSI | 0x70 << 8, 4);
	set(host.config + 0x70, PCI_CAP_EXPRESS | 0xe0 << 8, 4);
	set(host.config + 0x74, PCI_EXPRESS_HAS_FLR, 4);
	set(host.config + 0xe0, 0x01, 4); /* power management; the last */
	set(host.mask + PCI_COMMAND, 0x547, 2);
	set(host.mask + PCI_BAR, 0xfffe0000, 4);
	set(host.mask + PCI_BAR + 4, 0xffc0, 4);
	set(host.mask + PCI_INTERRUPT_LINE, 0xff, 1);
	set(host.mask + 0x40, UINT32_MAX, 4);
	set(host.mask + 0x52, 0xffff, 2);
	set(host.mask + 0x78, 0xffff, 2);
}

static uint32_t host_command(void)
{
	return dev_pass_config_read(HOST_BDF, PCI_COMMAND, 2);
}

static int setup(void **state)
{
	(void)state;
	make_host();
	fake_start(1);
	fake_enable_apics();
	assert_null(vpass_probe(HOST_BDF, &found));
	vpass_give_vectors(&found, 0, 0); /* its messages: test_dev_pass_message */
	assert_true(vpass_add(&pass, &found, &machine, BDF));
	vpass_begin(&found);
	set_config(PCI_BAR, 4, BAR);
	set_config(PCI_BAR + 4, 4, PORTS);
	set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	return 0;
}

static void a_probe_finds_sizes_and_addresses_and_leaves_them(void **state)
{
	(void)state;
	make_host();
	assert_null(vpass_probe(HOST_BDF, &found));
	assert_int_equal(found.bar[0].kind, VPCI_BAR_32);
	assert_int_equal(found.bar[0].address, HOST_BAR);
	assert_int_equal(found.bar[0].size, 0x20000);
	assert_int_equal(found.bar[1].kind, VPCI_BAR_IO);
	assert_int_equal(found.bar[1].address, HOST_IO);
	assert_int_equal(found.bar[1].size, 64);
	assert_int_equal(found.bar[2].kind, VPCI_BAR_NONE);
	assert_int_equal(dev_pass_config_read(HOST_BDF, PCI_BAR, 4), HOST_BAR);
	assert_int_equal(host_command(), PCI_COMMAND_NOINTX);
}

static void a_register_of_64_bits_takes_two(void **state)
{
	(void)state;
	make_host();
	set(host.config + PCI_BAR + 8, 0x0000000c, 4);
	set(host.config + PCI_BAR + 12, 0x00000040, 4);
	set(host.mask + PCI_BAR + 8, 0xfff00000, 4);
	set(host.mask + PCI_BAR + 12, UINT32_MAX, 4);
	assert_null(vpass_probe(HOST_BDF, &found));
	assert_int_equal(found.bar[2].kind, VPCI_BAR_64_PREFETCH);
	assert_true(found.bar[2].address == 0x4000000000);
	assert_int_equal(found.bar[2].size, 0x100000);
	assert_int_equal(found.bar[3].kind, VPCI_BAR_NONE);
}

static void expect_refused(const char *why)
{
	const char *said = vpass_probe(HOST_BDF, &found);

	assert_non_null(said);
	assert_string_equal(said, why);
}

static void what_a_vm_cannot_have_is_refused_with_the_reason(void **state)
{
	(void)state;
	make_host();
	assert_string_equal(
		vpass_probe(PCI_BDF(0, 4, 0), &found), "this machine has no such function");
	host.config[PCI_HEADER_TYPE] = 1;
	expect_refused("it is a bridge");
	make_host();
	set(host.config + PCI_CLASS_CODE, 0x0601, 2);
	expect_refused("it is a bridge");
	make_host();
	host.config[PCI_INTERRUPT_PIN] = 5;
	expect_refused("it has an interrupt pin that PCI does not have");
	make_host();
	set(host.mask + PCI_BAR + 4, 0xf000, 4);
	expect_refused("it has more ports than PCI allows");
	make_host();
	set(host.config + PCI_BAR, 0, 4);
	set(host.mask + PCI_BAR, 0x80000000, 4);
	expect_refused("the size of its memory is not possible here");
	make_host();
	set(host.mask + PCI_BAR, 0xf0f00000, 4);
	expect_refused("the size of its memory is not possible here");
	make_host();
	set(host.config + PCI_BAR + 20, 4, 4);
	set(host.mask + PCI_BAR + 20, 0xfff00000, 4);
	expect_refused("its last base address register says that it has 64 bits");
}

static void a_circle_of_capabilities_ends(void **state)
{
	(void)state;
	make_host();
	host.config[0xe1] = 0x40;
	assert_null(vpass_probe(HOST_BDF, &found));
	assert_true(found.shown_count <= VPASS_SHOWN);
}

static void the_vm_sees_the_device_at_addresses_of_its_own(void **state)
{
	uint64_t v = 0x1234;
	uint32_t port = 0x56;

	(void)state;
	assert_int_equal(config(PCI_VENDOR, 4), 0x100f8086);
	assert_int_equal(config(PCI_REVISION, 4), 0x02000003);
	assert_int_equal(config(PCI_SUBVENDOR, 4), 0x12348086);
	assert_int_equal(config(PCI_INTERRUPT_PIN, 1), 1);
	assert_true(platform_mmio(&machine, 0, BAR + 0x1fffc, true, 4, &v));
	assert_int_equal(host.address, HOST_BAR + 0x1fffc);
	assert_int_equal(host.value, 0x1234);
	assert_false(host.io);
	assert_true(platform_io(&machine, PORTS + 63, true, 1, &port));
	assert_int_equal(host.address, HOST_IO + 63);
	assert_true(host.io);
	host.value = 0xabcdef;
	assert_true(platform_mmio(&machine, 0, BAR + 8, false, 2, &v));
	assert_int_equal(v, 0xcdef);
	assert_int_equal(host.size, 2);
}

static void an_access_that_leaves_a_register_does_not_reach_the_machine(void **state)
{
	uint64_t v = 0;
	uint32_t port = 0;

	(void)state;
	platform_mmio(&machine, 0, BAR + 0x1fffe, true, 4, &v);
	platform_io(&machine, PORTS + 62, true, 4, &port);
	platform_io(&machine, PORTS + 64, true, 1, &port);
	platform_mmio(&machine, 0, BAR - 4, true, 8, &v);
	assert_int_equal(host.reads + host.writes, 0);
}

static bool direct(uint64_t gpa, uint64_t size, uint64_t *where)
{
	struct dev_window window;

	if (!platform_direct(&machine, gpa, size, where, &window))
		return false;
	assert_int_equal(window.last - window.first, 0x1ffff);
	return true;
}

/* Whole pages of what is behind the register, where it decodes, and nothing else is. */
static void registers_need_no_exit_where_they_are(void **state)
{
	uint64_t at = 0;

	(void)state;
	assert_true(direct(BAR, 4096, &at) && at == HOST_BAR);
	assert_true(direct(BAR + 0x1f000, 4096, &at) && at == HOST_BAR + 0x1f000);
	assert_false(direct(BAR + 0x1f000, 8192, &at));
	assert_false(direct(BAR - 4096, 4096, &at));
	set_config(PCI_BAR, 4, BAR + 0x20000);
	assert_false(direct(BAR, 4096, &at));
	assert_true(direct(BAR + 0x20000, 4096, &at) && at == HOST_BAR);
	set_config(PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_false(direct(BAR + 0x20000, 4096, &at));
}

/* Whoever runs on them would have to find them anew. */
static void what_does_not_move_registers_leaves_them_where_they_are(void **state)
{
	unsigned before = fake.windows_changes;

	(void)state;
	set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_NOINTX);
	set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER);
	set_config(PCI_BAR, 4, BAR);
	set_config(PCI_STATUS, 2, 0xffff);
	assert_int_equal(fake.windows_changes, before);
	set_config(PCI_BAR, 4, BAR + 0x20000);
	set_config(PCI_COMMAND, 1, PCI_COMMAND_MEMORY);
	set_config(PCI_COMMAND, 4, 0);
	assert_int_equal(fake.windows_changes, before + 3);
}

static void registers_under_other_devices_need_exits(void **state)
{
	static const uint64_t bases[] = {
		DEV_LAPIC_BASE & ~0x1ffffull, DEV_IOAPIC_BASE, DEV_ECAM_BASE};
	uint64_t at;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		set_config(PCI_BAR, 4, bases[i]);
		assert_false(direct(i == 0 ? DEV_LAPIC_BASE : DEV_IOAPIC_BASE, 4096, &at));
		assert_true(direct(bases[i] + 0x10000, 4096, &at));
		assert_false(direct(bases[i], 0x20000, &at));
	}
	set_config(PCI_BAR, 4, bases[2]);
	assert_false(direct(bases[2], 4096, &at));
}

/* A function whose registers are smaller than a page begins inside one of them. */
static void a_page_that_another_register_shares_needs_exits(void **state)
{
	static const struct vpci_ops none;
	struct vpci_id id = {.bdf = PCI_BDF(0, 17, 0), .vendor = 1};
	struct vpci_function *f = vpci_add(&machine, &id, &none, NULL);
	uint64_t at, config_at = DEV_ECAM_BASE + (17u << 15), v = BAR + 0x2010;

	(void)state;
	vpci_add_bar(f, 0, VPCI_BAR_32, 16);
	assert_true(platform_mmio(&machine, 0, config_at + PCI_BAR, true, 4, &v));
	v = PCI_COMMAND_MEMORY;
	assert_true(platform_mmio(&machine, 0, config_at + PCI_COMMAND, true, 2, &v));
	assert_true(direct(BAR + 0x1000, 4096, &at));
	assert_false(direct(BAR + 0x2000, 4096, &at));
	assert_false(direct(BAR + 0x3000, 4096, &at)); /* the last one that begins answers */
}

static void of_command_two_bits_reach_the_machine(void **state)
{
	(void)state;
	assert_int_equal(host_command(), PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	set_config(PCI_COMMAND, 2, 0xffff);
	assert_int_equal(host_command(),
		PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER | PCI_COMMAND_NOINTX);
	set_config(PCI_COMMAND, 1, 0);
	assert_int_equal(
		host_command(), PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_NOINTX);
	set_config(PCI_COMMAND + 1, 1, 0);
	assert_int_equal(host_command(), PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
}

static void shown_capabilities_are_read_anew_and_cannot_be_written(void **state)
{
	uint64_t at = config(PCI_CAPABILITIES, 1);

	(void)state;
	assert_int_equal(config((unsigned)at, 1), PCI_CAP_VENDOR);
	assert_int_equal(config((unsigned)at + 2, 1), 0x10);
	assert_int_equal(config((unsigned)at + 4, 2), 0xcafe);
	set(host.config + 0x44, 0xbeef, 4);
	assert_int_equal(config((unsigned)at + 4, 4), 0xbeef);
	set_config((unsigned)at, 8, 0);
	assert_int_equal(config((unsigned)at, 1), PCI_CAP_VENDOR);
	assert_int_equal(config((unsigned)at + 4, 4), 0xbeef);
}

static void rubbish_in_the_configuration_space_changes_three_bits_of_the_machine(void **state)
{
	uint64_t seed = 7;
	uint8_t before[256];

	(void)state;
	memcpy(before, host.config, sizeof(before));
	for (unsigned i = 0; i < 100000; i++) {
		unsigned size = 1u << random_below(&seed, 4);

		set_config(random_below(&seed, 256), size, random_next(&seed));
		host.now += i % 64 == 0 ? PCI_FLR_MS : 0; /* it asks for resets, too */
		fake_reset_machines(&pass);
	}
	host.now += PCI_FLR_MS;
	(void)config(PCI_VENDOR, 2);
	assert_true(host.config[0x79] & PCI_EXPRESS_FLR >> 8);
	before[0x79] |= PCI_EXPRESS_FLR >> 8;
	before[PCI_COMMAND] |= host.config[PCI_COMMAND] & PCI_COMMAND_MASTER;
	before[PCI_COMMAND + 1] |= host.config[PCI_COMMAND + 1] & PCI_COMMAND_NOINTX >> 8;
	assert_memory_equal(before, host.config, sizeof(before));
	assert_int_equal(host.reads + host.writes, 0);
}

/* Does the function keep the line quiet? */
static bool interrupt(void)
{
	bool keeps;

	dev_lock(&machine);
	keeps = vpass_interrupt(&pass);
	dev_unlock(&machine);
	return keeps;
}

static void take(int vector)
{
	assert_int_equal(fake_pending(0), vector);
	assert_int_equal(platform_irq_ack(&machine, 0), vector);
}

static void an_interrupt_is_level_triggered_until_its_eoi(void **state)
{
	(void)state;
	fake_ioapic_entry(PIN, 0, 0xa0 | LEVEL);
	interrupt();
	take(0xa0);
	assert_int_equal(host.listens, 0);
	platform_eoi(&machine, 0);
	assert_int_equal(host.listens, 1);
	assert_int_equal(fake_pending(0), -1);
	platform_eoi(&machine, 0);
	assert_int_equal(host.listens, 1);
	interrupt(); /* the device has more to say */
	take(0xa0);
}

static void an_interrupt_at_a_masked_pin_waits(void **state)
{
	(void)state;
	interrupt();
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(host.listens, 0);
	fake_ioapic_entry(PIN, 0, 0xa0 | LEVEL);
	take(0xa0);
	platform_eoi(&machine, 0);
	assert_int_equal(host.listens, 1);
}

static void making_the_pin_edge_triggered_ends_an_interrupt(void **state)
{
	(void)state;
	fake_ioapic_entry(PIN, 0, 0xa0 | LEVEL);
	interrupt();
	fake_ioapic_entry(PIN, 0, 0xa0 | 1u << 16);
	assert_int_equal(host.listens, 1);
}

static uint32_t status(void)
{
	return vpci_config_get(pass.f, PCI_STATUS, 2) & PCI_STATUS_INTX;
}

static void disable_line(bool disable)
{
	set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | (disable ? PCI_COMMAND_NOINTX : 0));
}

/* As who gives the device on does: it tells the next one, and waits for that. */
static void a_line_that_was_disabled_says_only_what_is_still_to_be_said(void **state)
{
	(void)state;
	fake_ioapic_entry(PIN, 0, 0xa0 | LEVEL);
	assert_true(interrupt());
	assert_true(status());
	take(0xa0);
	disable_line(true);
	assert_int_equal(host.listens, 1); /* the machine's function is disabled, too */
	assert_false(status());
	platform_eoi(&machine, 0);
	assert_int_equal(fake_pending(0), -1);
	assert_false(interrupt()); /* another one's that shares it */
	disable_line(false);
	assert_int_equal(host.listens, 1);
	assert_int_equal(fake_pending(0), -1);
	assert_true(interrupt());
	take(0xa0);
}

static void a_function_that_cannot_disable_its_line_is_not_heard_meanwhile(void **state)
{
	(void)state;
	found.disables = false;
	fake_ioapic_entry(PIN, 0, 0xa0 | LEVEL);
	interrupt();
	take(0xa0);
	disable_line(true);
	platform_eoi(&machine, 0);
	assert_int_equal(host.listens, 0);
	disable_line(false);
	assert_int_equal(host.listens, 1);
	disable_line(true);
	assert_true(interrupt());
	disable_line(true);
	assert_int_equal(host.listens, 1);
	assert_false(status());
	disable_line(false);
	disable_line(false);
	assert_int_equal(host.listens, 2);
	assert_int_equal(fake_pending(0), -1);
}

/* PIRQE, which PIN is, is line 10 after reset. */
static void an_interrupt_by_the_pics_ends_with_their_eoi(void **state)
{
	(void)state;
	fake_out(0x20, 0x11), fake_out(0x21, 0x30), fake_out(0x21, 4), fake_out(0x21, 1);
	fake_out(0xa0, 0x11), fake_out(0xa1, 0x38), fake_out(0xa1, 2), fake_out(0xa1, 1);
	fake_out(0x4d1, 4);
	fake_apic_write(0, APIC_LVT_LINT0, DELIVER_EXTINT << DELIVER_SHIFT);
	fake_out(0x21, 0xfb), fake_out(0xa1, 0xfb);
	interrupt();
	take(0x3a);
	fake_out(0x20, 0x20); /* that of the cascade only */
	assert_int_equal(host.listens, 0);
	fake_out(0xa0, 0x20);
	assert_int_equal(host.listens, 1);
	assert_int_equal(fake_pending(0), -1);
}

static void the_end_stops_dma_and_resets_a_function_that_can_be(void **state)
{
	(void)state;
	set_config(PCI_COMMAND, 2, 7);
	vpass_end(&found);
	assert_int_equal(host_command(), PCI_COMMAND_NOINTX);
	assert_int_equal(dev_pass_config_read(HOST_BDF, 0x78, 2), PCI_EXPRESS_FLR);
	host.now += PCI_FLR_MS - 1;
	assert_false(vpass_settle(&found));
	host.now++;
	assert_true(vpass_settle(&found));
	set(host.config + PCI_BAR, 0, 4); /* as the reset leaves it */
	set(host.config + PCI_BAR + 4, 1, 4);
	vpass_begin(&found);
	assert_int_equal(dev_pass_config_read(HOST_BDF, PCI_BAR, 4), HOST_BAR);
	assert_int_equal(dev_pass_config_read(HOST_BDF, PCI_BAR + 4, 2), HOST_IO | 1);
	assert_int_equal(host_command(), PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
}

static void a_device_without_reset_is_silenced_by_its_registers(void **state)
{
	(void)state;
	make_host();
	set(host.config + PCI_DEVICE, 0x100e, 2);
	host.config[PCI_CAPABILITIES] = 0;
	assert_null(vpass_probe(HOST_BDF, &found));
	vpass_begin(&found);
	vpass_end(&found);
	assert_true(vpass_settle(&found));
	assert_int_equal(host.writes, 4);
	assert_int_equal(host.address, HOST_BAR);
	assert_int_equal(host_command(), PCI_COMMAND_NOINTX);
}

static void two_functions_cannot_be_at_one_place(void **state)
{
	struct vpass other;

	(void)state;
	assert_false(vpass_add(&other, &found, &machine, BDF));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_probe_finds_sizes_and_addresses_and_leaves_them),
		cmocka_unit_test(a_register_of_64_bits_takes_two),
		cmocka_unit_test(what_a_vm_cannot_have_is_refused_with_the_reason),
		cmocka_unit_test(a_circle_of_capabilities_ends),
		TEST(the_vm_sees_the_device_at_addresses_of_its_own),
		TEST(an_access_that_leaves_a_register_does_not_reach_the_machine),
		TEST(registers_need_no_exit_where_they_are),
		TEST(what_does_not_move_registers_leaves_them_where_they_are),
		TEST(registers_under_other_devices_need_exits),
		TEST(a_page_that_another_register_shares_needs_exits),
		TEST(of_command_two_bits_reach_the_machine),
		TEST(shown_capabilities_are_read_anew_and_cannot_be_written),
		TEST(rubbish_in_the_configuration_space_changes_three_bits_of_the_machine),
		TEST(an_interrupt_is_level_triggered_until_its_eoi),
		TEST(an_interrupt_at_a_masked_pin_waits),
		TEST(a_line_that_was_disabled_says_only_what_is_still_to_be_said),
		TEST(a_function_that_cannot_disable_its_line_is_not_heard_meanwhile),
		TEST(making_the_pin_edge_triggered_ends_an_interrupt),
		TEST(an_interrupt_by_the_pics_ends_with_their_eoi),
		TEST(the_end_stops_dma_and_resets_a_function_that_can_be),
		TEST(a_device_without_reset_is_silenced_by_its_registers),
		TEST(two_functions_cannot_be_at_one_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
