/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI and MSI-X of a function that a VM owns: what the VM sees, what the machine gets, and that
 * no message is lost.
 */
#include "pass_messages.h"

#include "random.h"

#define PIN   (16 + 4)
#define LEVEL (1u << 15)

static unsigned msi, msix; /* where the VM has them */

static void message(unsigned n)
{
	dev_lock(&machine);
	vpass_message(&pass, 1u << n, true);
	dev_unlock(&machine);
	messages_are_l0s();
}

static void find(void)
{
	unsigned at = (unsigned)config(PCI_CAPABILITIES, 1);

	msi = msix = 0;
	for (; at != 0; at = (unsigned)config(at + 1, 1)) {
		msi = config(at, 1) == PCI_CAP_MSI ? at : msi;
		msix = config(at, 1) == PCI_CAP_MSIX ? at : msix;
	}
}

static int setup(void **state)
{
	(void)state;
	own(PCI_MSI_64 | PCI_MSI_MASKING, MSIX);
	find();
	return 0;
}

static void put(uint64_t offset, unsigned size, uint64_t v)
{
	assert_true(platform_mmio(&machine, 0, BAR + offset, true, size, &v));
}

static uint64_t get(uint64_t offset, unsigned size)
{
	uint64_t v = 0;

	assert_true(platform_mmio(&machine, 0, BAR + offset, false, size, &v));
	return v;
}

static void use_msi(unsigned allowed)
{
	set_config(msi + 4, 4, 0xfee01000); /* vCPU 1 */
	set_config(msi + 8, 4, 0);
	set_config(msi + 12, 2, 0x60);
	set_config(msi + 2, 2, PCI_MSI_ENABLE | allowed << PCI_MSI_ENABLED_SHIFT);
	messages_are_l0s();
}

static void use_msix(void)
{
	for (unsigned i = 0; i < MSIX; i++) {
		put(0x2000 + 16 * i, 8, 0xfee01000);
		put(0x2000 + 16 * i + 8, 8, 0x60 + i);
	}
	set_config(msix + 2, 2, PCI_MSIX_ENABLE);
	messages_are_l0s();
}

/* The highest that the vCPU has, or -1. */
static int taken(void)
{
	int vector = platform_irq_ack(&machine, 1);

	if (vector >= 0)
		platform_eoi(&machine, 1);
	return vector;
}

static void a_vm_sees_as_many_messages_as_l0_has_vectors(void **state)
{
	(void)state;
	assert_int_equal(config(msi + 2, 2), PCI_MSI_64 | PCI_MSI_MASKING | 4u << 1);
	assert_int_equal(config(msix + 2, 2), MSIX - 1);
	assert_int_equal(config(msix + 4, 4), 0x2000);
	assert_int_equal(config(msix + 8, 4), HOST_BITS);
	make_host(PCI_MSI_64);
	assert_null(vpass_probe(HOST_BDF, &found));
	assert_int_equal(vpass_vectors_wanted(&found), 32); /* of 40 */
	own(PCI_MSI_64, 7);
	find();
	assert_int_equal(config(msi + 2, 2), PCI_MSI_64 | 2u << 1);
	assert_int_equal(config(msix + 2, 2), 6);
	own(PCI_MSI_64, 0);
	find();
	assert_int_equal(msi + msix, 0);
}

static void the_machine_sends_l0s_vectors_and_the_guest_takes_its_own(void **state)
{
	(void)state;
	use_msi(3);
	assert_int_equal(host_get(HOST_MSI + 4, 4), 0xfee03000);
	assert_int_equal(host_get(HOST_MSI + 12, 2), FIRST);
	assert_int_equal(host_get(HOST_MSI + 2, 2) & 0x71, PCI_MSI_ENABLE | 3u << 4);
	message(5);
	assert_int_equal(taken(), 0x65);
	set_config(msi + 12, 2, 0x90); /* the machine need not hear of it */
	message(1);
	assert_int_equal(taken(), 0x91);
	message(9); /* which it was not allowed */
	assert_int_equal(taken(), -1);
	set_config(msi + 2, 2, 0);
	assert_false(host_get(HOST_MSI + 2, 2) & PCI_MSI_ENABLE);
	message(5);
	assert_int_equal(taken(), -1);
}

static void msi_with_short_addresses_and_no_masks_works_too(void **state)
{
	(void)state;
	own(0, MSIX);
	find();
	assert_int_equal(config(msi + 2, 2), PCI_MSI_64 | 4u << 1);
	use_msi(4);
	assert_int_equal(host_get(HOST_MSI + 4, 4), 0xfee03000);
	assert_int_equal(host_get(HOST_MSI + 8, 2), FIRST);
	message(15);
	assert_int_equal(taken(), 0x6f);
}

static void a_message_at_a_mask_of_msi_waits_and_comes_once(void **state)
{
	(void)state;
	use_msi(3);
	set_config(msi + 16, 4, 1u << 2);
	assert_int_equal(host_get(HOST_MSI + 16, 4), 0); /* not before one has come */
	message(2);
	message(3);
	assert_int_equal(taken(), 0x63);
	assert_int_equal(taken(), -1);
	assert_int_equal(config(msi + 20, 4), 1u << 2);
	assert_int_equal(host_get(HOST_MSI + 16, 4), 1u << 2);
	set_config(msi + 16, 4, 0);
	assert_int_equal(taken(), 0x62);
	assert_int_equal(taken(), -1);
	assert_int_equal(host_get(HOST_MSI + 16, 4), 0);
}

static void a_message_at_a_mask_of_msix_waits_and_comes_once(void **state)
{
	(void)state;
	use_msix();
	put(0x2000 + 16 * 4 + 12, 4, 1);
	assert_int_equal(host.table[4][3], 0);
	message(4);
	assert_int_equal(host.table[4][3], 1);
	assert_int_equal(get(HOST_BITS, 8), 1u << 4);
	assert_int_equal(taken(), -1);
	put(0x2000 + 16 * 4 + 12, 4, 0);
	assert_int_equal(host.table[4][3], 0);
	assert_int_equal(taken(), 0x64);
	assert_int_equal(taken(), -1);
	set_config(msix + 2, 2, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL);
	message(6);
	assert_int_equal(host.table[6][3], 1);
	set_config(msix + 2, 2, PCI_MSIX_ENABLE);
	assert_int_equal(host.table[6][3], 0);
	assert_int_equal(taken(), 0x66);
}

static void the_table_of_the_machine_is_l0s_alone(void **state)
{
	(void)state;
	use_msix();
	put(0x2000 + 16 * MSIX, 8, 0xfee00000); /* entries that the VM has not */
	put(0x2000 + 16 * (ENTRIES - 1) + 12, 4, 0);
	put(0x1ffc, 8, UINT64_MAX);                    /* into it from before */
	put(0x2000 + 16 * ENTRIES - 4, 8, UINT64_MAX); /* and out of it */
	put(HOST_BITS, 8, UINT64_MAX);
	put(HOST_BITS - 4, 8, UINT64_MAX);
	assert_int_equal(get(0x2000 + 16 * MSIX, 8), 0);
	messages_are_l0s();
	assert_int_equal(host.writes + host.reads, 0);
	put(0x2000 + 16 * ENTRIES, 8, 7);
	assert_int_equal(host.writes, 1);
}

static void pages_of_the_table_and_the_pending_bits_need_exits(void **state)
{
	struct dev_window window;
	uint64_t at;

	(void)state;
	for (uint64_t page = 0; page < BAR_SIZE; page += 0x1000)
		assert_int_equal(platform_direct(&machine, BAR + page, 0x1000, &at, &window),
			page != 0x2000 && page != 0x4000);
	assert_false(platform_direct(&machine, BAR, BAR_SIZE, &at, &window));
}

static void a_storm_is_stopped_by_the_mask_of_all_until_the_guest_took_it(void **state)
{
	(void)state;
	use_msix();
	hush();
	assert_int_equal(
		host_get(HOST_MSIX + 2, 2) & 0xc000, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL);
	put(0x2000 + 16 + 12, 4, 1); /* what the guest writes does not open it */
	put(0x2000 + 16 + 12, 4, 0);
	assert_true(host_get(HOST_MSIX + 2, 2) & PCI_MSIX_MASK_ALL);
	message(2);
	assert_false(host_get(HOST_MSIX + 2, 2) & PCI_MSIX_MASK_ALL);
	assert_int_equal(taken(), 0x62);
	assert_int_equal(taken(), -1);
}

static void a_storm_of_msi_is_stopped_by_its_masks(void **state)
{
	(void)state;
	use_msi(3);
	set_config(msi + 16, 4, 1u << 2);
	message(2);
	hush();
	assert_int_equal(host_get(HOST_MSI + 16, 4), 0xffff);
	message(3);
	assert_int_equal(host_get(HOST_MSI + 16, 4), 1u << 2);
	assert_int_equal(taken(), 0x63);
	assert_int_equal(taken(), -1);
}

static void messages_that_come_too_early_are_taken_and_the_next_ones_wait(void **state)
{
	(void)state;
	use_msix();
	dev_lock(&machine);
	vpass_message(&pass, 1u << 2 | 1u << 4, false);
	dev_unlock(&machine);
	messages_are_l0s();
	assert_int_equal(taken(), 0x64);
	assert_int_equal(taken(), 0x62);
	assert_true(host_get(HOST_MSIX + 2, 2) & PCI_MSIX_MASK_ALL);
	dev_lock(&machine);
	vpass_message(&pass, 0, true);
	dev_unlock(&machine);
	assert_false(host_get(HOST_MSIX + 2, 2) & PCI_MSIX_MASK_ALL);
	assert_int_equal(taken(), -1);
}

/* A message that a function without masks did not send is none that it keeps: all come. */
static void of_a_storm_without_masks_no_message_is_lost(void **state)
{
	(void)state;
	own(PCI_MSI_64, MSIX);
	find();
	use_msi(2);
	hush();
	assert_false(host_get(HOST_MSI + 2, 2) & PCI_MSI_ENABLE);
	assert_true(host_get(PCI_COMMAND, 2) & PCI_COMMAND_NOINTX);
	message(1);
	assert_true(host_get(HOST_MSI + 2, 2) & PCI_MSI_ENABLE);
	for (int vector = 0x63; vector >= 0x60; vector--)
		assert_int_equal(taken(), vector);
	assert_int_equal(taken(), -1);
	message(1);
	assert_int_equal(taken(), 0x61);
	assert_int_equal(taken(), -1);
}

static void messages_follow_the_vcpu_to_its_cpu(void **state)
{
	(void)state;
	use_msi(3);
	host.target = 7;
	message(0);
	assert_int_equal(host_get(HOST_MSI + 4, 4), 0xfee07000);
	set_config(msi + 2, 2, 0);
	use_msix();
	host.target = 1;
	message(0);
	for (unsigned i = 0; i < MSIX; i++)
		assert_int_equal(host.table[i][0], 0xfee01000);
	assert_false(host_get(HOST_MSIX + 2, 2) & PCI_MSIX_MASK_ALL);
	host.target =
		0x12301; /* which a unit names, in 32 bits: not taken for the one before */
	message(0);
	assert_int_equal(found.messages.target, 0x12301);
}

static void the_pin_is_off_while_messages_are_on(void **state)
{
	(void)state;
	fake_ioapic_entry(PIN, 0, 0xa0 | LEVEL);
	assert_true(vpass_interrupt(&pass));
	assert_int_equal(host.listens, 0);
	use_msix();
	assert_int_equal(host.listens, 1); /* nobody would end that one */
	assert_true(host_get(PCI_COMMAND, 2) & PCI_COMMAND_NOINTX);
	assert_false(vpass_interrupt(&pass));
	set_config(msix + 2, 2, 0);
	assert_false(host_get(PCI_COMMAND, 2) & PCI_COMMAND_NOINTX);
	assert_true(vpass_interrupt(&pass));
	assert_int_equal(host.listens, 1);
}

static void without_bus_mastering_there_are_no_messages(void **state)
{
	(void)state;
	use_msix();
	set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	message(3);
	assert_int_equal(taken(), -1);
	assert_false(host_get(PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
}

static void after_the_end_nothing_is_sent(void **state)
{
	(void)state;
	use_msix();
	hush();
	vpass_end(&found);
	assert_int_equal(host_get(HOST_MSIX + 2, 2) & 0xc000, 0);
	assert_int_equal(host_get(HOST_MSI + 2, 2) & 0x71, 0);
	hush();
	assert_int_equal(host_get(HOST_MSIX + 2, 2) & 0xc000, 0);
	setup(NULL);
	use_msi(1);
	vpass_end(&found);
	assert_int_equal(host_get(HOST_MSI + 2, 2) & 0x71, 0);
}

static void expect_no_msix(void)
{
	assert_null(vpass_probe(HOST_BDF, &found));
	assert_int_equal(found.messages.msix_count, 0);
	assert_int_equal(found.messages.msi_count, 16);
}

static void msix_whose_table_is_nowhere_is_hidden(void **state)
{
	(void)state;
	make_host(0);
	set(host.config + HOST_MSIX + 4, BAR_SIZE - 16 * ENTRIES + 8, 4);
	expect_no_msix();
	make_host(0);
	set(host.config + HOST_MSIX + 4, 1, 4); /* behind ports */
	expect_no_msix();
	make_host(0);
	set(host.config + HOST_MSIX + 8, 7, 4);
	expect_no_msix();
	make_host(0);
	set(host.config + HOST_MSIX + 8, 0xfffffff8, 4);
	expect_no_msix();
}

/* Rubbish has sent it to sleep, or reset it. */
static void wake(void)
{
	for (unsigned i = 0; i < 2; i++) {
		host.now += PCI_FLR_MS;
		set_config(pass.f->power + PCI_POWER_CONTROL, 2, PCI_POWER_D0);
	}
	host.now += PCI_FLR_MS;
}

static void rubbish_never_makes_the_device_send_what_the_guest_says(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (unsigned i = 0; i < 30000; i++) {
		unsigned size = 1u << random_below(&seed, 4);

		switch (random_below(&seed, 4)) {
		case 0:
			set_config(random_below(&seed, 256), size, random_next(&seed));
			break;
		case 1:
			set_config((random_below(&seed, 2) ? msi : msix) + 2, 2,
				random_next(&seed));
			break;
		case 2:
			message(random_below(&seed, 32));
			break;
		default:
			wake();
			set_config(PCI_BAR, 4, BAR);
			set_config(PCI_COMMAND, 2, 6);
			put(0x2000 + random_below(&seed, 0x300), size, random_next(&seed));
			break;
		}
		messages_are_l0s();
		if (random_below(&seed, 16) == 0)
			hush();
	}
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_vm_sees_as_many_messages_as_l0_has_vectors),
		TEST(the_machine_sends_l0s_vectors_and_the_guest_takes_its_own),
		TEST(msi_with_short_addresses_and_no_masks_works_too),
		TEST(a_message_at_a_mask_of_msi_waits_and_comes_once),
		TEST(a_message_at_a_mask_of_msix_waits_and_comes_once),
		TEST(the_table_of_the_machine_is_l0s_alone),
		TEST(pages_of_the_table_and_the_pending_bits_need_exits),
		TEST(a_storm_is_stopped_by_the_mask_of_all_until_the_guest_took_it),
		TEST(a_storm_of_msi_is_stopped_by_its_masks),
		TEST(messages_that_come_too_early_are_taken_and_the_next_ones_wait),
		TEST(of_a_storm_without_masks_no_message_is_lost),
		TEST(messages_follow_the_vcpu_to_its_cpu),
		TEST(the_pin_is_off_while_messages_are_on),
		TEST(without_bus_mastering_there_are_no_messages),
		TEST(after_the_end_nothing_is_sent),
		TEST(msix_whose_table_is_nowhere_is_hidden),
		TEST(rubbish_never_makes_the_device_send_what_the_guest_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
