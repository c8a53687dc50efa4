/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resets and power states of a function of the machine that a VM owns: what the VM sees of
 * them, what it makes of the machine's, and the time that they take.
 */
#include "fake_pass.h"

#include "random.h"

#define BAR        0xd0000000ull
#define HOST_BAR   0xf0000000ull
#define HOST_MSI   0x50u
#define HOST_PCIE  0x70u
#define HOST_POWER 0xb0u
#define HOST_AF    0xc0u
#define VECTOR     0x90u
#define PIN        (16 + 4) /* of device 16, INTA# */
#define LEVEL      (1u << 15)

static struct vpass_function found;
static struct vpass pass;

/* A function with all that there is; `without` takes some away. */
static void make_host(void)
{
	memset(&host, 0, sizeof(host));
	set(host.config + PCI_VENDOR, 0x12348086, 4);
	set(host.config + PCI_COMMAND, 0x0010 << 16, 4);
	set(host.config + PCI_BAR, HOST_BAR, 4);
	host.config[PCI_CAPABILITIES] = HOST_MSI;
	host.config[PCI_INTERRUPT_PIN] = 1;
	set(host.config + HOST_MSI, PCI_CAP_MSI | HOST_PCIE << 8 | PCI_MSI_64 << 16, 4);
	set(host.config + HOST_PCIE, PCI_CAP_EXPRESS | HOST_POWER << 8, 4);
	set(host.config + HOST_PCIE + PCI_EXPRESS_CAPABLE, PCI_EXPRESS_HAS_FLR, 4);
	set(host.config + HOST_POWER, PCI_CAP_POWER | HOST_AF << 8, 4);
	set(host.config + HOST_AF,
		PCI_CAP_ADVANCED | PCI_ADVANCED_SIZE << 16 | PCI_ADVANCED_HAS_FLR << 24, 4);
	set(host.mask + PCI_COMMAND, 0x547, 2);
	set(host.mask + PCI_BAR, 0xffff0000, 4);
	set(host.mask + HOST_MSI + 2, 0x71, 2);
	memset(host.mask + HOST_MSI + 4, 0xff, 12);
	set(host.mask + HOST_PCIE + PCI_EXPRESS_CONTROL, 0xffff, 2);
	set(host.mask + HOST_POWER + PCI_POWER_CONTROL, PCI_POWER_STATE, 2);
	set(host.mask + HOST_AF + PCI_ADVANCED_CONTROL, 1, 1);
}

static void make_bar(void)
{
	set_config(PCI_BAR, 4, BAR);
	set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static uint8_t capabilities[0x20]; /* where the VM has them, while it does not answer, too */

static void find_capabilities(void)
{
	memset(capabilities, 0, sizeof(capabilities));
	for (uint64_t at = config(PCI_CAPABILITIES, 1); at != 0;
		at = config((unsigned)at + 1, 1))
		capabilities[config((unsigned)at, 1)] = (uint8_t)at;
}

static unsigned capability(enum pci_capability id)
{
	return capabilities[id];
}

static void give(void)
{
	fake_start(1);
	fake_enable_apics();
	assert_null(vpass_probe(HOST_BDF, &found));
	vpass_give_vectors(&found, 0x80, 1);
	assert_true(vpass_add(&pass, &found, &machine, BDF));
	vpass_begin(&found);
	find_capabilities();
	make_bar();
}

static int setup(void **state)
{
	(void)state;
	make_host();
	give();
	return 0;
}

static int setup_keeping(void **state)
{
	(void)state;
	make_host();
	set(host.config + HOST_POWER + PCI_POWER_CONTROL, PCI_POWER_KEEPS, 2);
	give();
	return 0;
}

static int setup_advanced(void **state)
{
	(void)state;
	make_host();
	host.config[HOST_PCIE] = 0x7f;
	give();
	return 0;
}

/* Only power management is left. */
static int setup_power(void **state)
{
	(void)state;
	make_host();
	host.config[HOST_PCIE] = host.config[HOST_AF] = 0x7f;
	give();
	return 0;
}

static uint32_t host_get(unsigned offset, unsigned size)
{
	return dev_pass_config_read(HOST_BDF, offset, size);
}

static void after(unsigned ms)
{
	host.now += ms;
	fake.now += ms;
}

static void ask_for_reset(void)
{
	unsigned at = capability(PCI_CAP_EXPRESS) + PCI_EXPRESS_CONTROL;

	set_config(at, 2, config(at, 2) | PCI_EXPRESS_FLR);
	fake_reset_machines(&pass);
}

static void set_power(unsigned state)
{
	set_config(capability(PCI_CAP_POWER) + PCI_POWER_CONTROL, 2, state);
}

static uint32_t power(void)
{
	return (uint32_t)config(capability(PCI_CAP_POWER) + PCI_POWER_CONTROL, 2);
}

static uint32_t host_power(void)
{
	return host_get(HOST_POWER + PCI_POWER_CONTROL, 2);
}

static bool decodes(uint64_t where)
{
	struct dev_window window;
	uint64_t at;

	return platform_direct(&machine, where, 4096, &at, &window) && at == HOST_BAR;
}

static void turn_msi_on(void)
{
	unsigned at = capability(PCI_CAP_MSI);

	set_config(at + PCI_MSI_ADDRESS, 4, MSI_ADDRESS_BASE);
	set_config(at + PCI_MSI_DATA, 2, VECTOR);
	set_config(at + PCI_MSI_CONTROL, 2, PCI_MSI_ENABLE);
}

static bool host_sends(void)
{
	return host_get(HOST_MSI + PCI_MSI_CONTROL, 2) & PCI_MSI_ENABLE &&
	       host_get(PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

/* ---- what the VM sees ---- */

static void a_function_is_an_integrated_endpoint_with_the_machines_reset(void **state)
{
	unsigned at = capability(PCI_CAP_EXPRESS);

	(void)state;
	assert_int_equal(PCIE_TYPE(config(at + PCIE_CAPABLE, 2)), PCIE_TYPE_INTEGRATED);
	assert_int_equal(config(at + PCI_EXPRESS_CAPABLE, 4),
		PCI_EXPRESS_HAS_FLR | PCIE_DEVICE_ROLE_ERRORS);
	assert_int_equal(config(at + PCIE_LINK_CAPABLE, 4), 0);
	assert_int_equal(capability(PCI_CAP_ADVANCED), 0); /* one reset is enough */
	assert_int_equal(config(PCIE_EXTENDED, 4), 0);     /* it has such space now */
	assert_int_equal(power(), PCI_POWER_D0);
	assert_int_equal(
		config(capability(PCI_CAP_POWER) + PCI_POWER_CAPABLE, 2), PCI_POWER_VERSION);
}

static void what_the_machine_has_not_the_vm_has_not(void **state)
{
	(void)state;
	make_host();
	set(host.config + HOST_PCIE + PCI_EXPRESS_CAPABLE, 0, 4);
	host.config[HOST_POWER] = host.config[HOST_AF] = 0x7f;
	give();
	assert_int_equal(capability(PCI_CAP_POWER) + capability(PCI_CAP_ADVANCED), 0);
	assert_int_equal(config(capability(PCI_CAP_EXPRESS) + PCI_EXPRESS_CAPABLE, 4),
		PCIE_DEVICE_ROLE_ERRORS);
	ask_for_reset();
	assert_int_equal(config(PCI_VENDOR, 2), 0x8086);
	assert_true(decodes(BAR));
	make_host();
	host.config[HOST_PCIE] = host.config[HOST_POWER] = host.config[HOST_AF] = 0x7f;
	give();
	assert_int_equal(capability(PCI_CAP_EXPRESS), 0);
	assert_int_equal(config(PCIE_EXTENDED, 4), UINT32_MAX);
}

static void behind_a_root_port_the_reset_is_the_machines_too(void **state)
{
	static const uint32_t can[] = {0, PCI_EXPRESS_HAS_FLR};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		make_host();
		set(host.config + HOST_PCIE + PCI_EXPRESS_CAPABLE, can[i], 4);
		host.config[HOST_POWER] = host.config[HOST_AF] = 0x7f;
		fake_start(1);
		assert_true(vport_add(&machine, 1, PCI_BDF(0, 5, 0)));
		assert_null(vpass_probe(HOST_BDF, &found));
		vpass_give_vectors(&found, 0x80, 1);
		assert_true(vpass_add(&pass, &found, &machine, PCI_BDF(1, 0, 0)));
		assert_int_equal(
			vpci_config_get(pass.f, pass.f->express + PCI_EXPRESS_CAPABLE, 4) &
				PCI_EXPRESS_HAS_FLR,
			can[i]);
		assert_int_equal(
			PCIE_TYPE(vpci_config_get(pass.f, pass.f->express + PCIE_CAPABLE, 2)),
			PCIE_TYPE_ENDPOINT);
	}
}

static void whether_transactions_are_pending_the_machine_says(void **state)
{
	unsigned at = capability(PCI_CAP_EXPRESS) + PCIE_DEVICE_STATUS;

	(void)state;
	assert_int_equal(config(at, 2), 0);
	set(host.config + HOST_PCIE + PCIE_DEVICE_STATUS, 0xff, 2);
	assert_int_equal(config(at, 2), PCIE_DEVICE_PENDING);
	set(host.config + HOST_PCIE + PCIE_DEVICE_STATUS, 0, 2);
	assert_int_equal(config(at - 2, 4) >> 16, 0);
}

static void sizes_and_attributes_that_the_vm_writes_stay_with_it(void **state)
{
	unsigned at = capability(PCI_CAP_EXPRESS) + PCI_EXPRESS_CONTROL;

	(void)state;
	assert_int_equal(config(at, 2), PCIE_DEVICE_CONTROL_RESET);
	set_config(at, 2, 0x7fff);
	assert_int_equal(config(at, 2), PCIE_DEVICE_CONTROL_BITS);
	assert_int_equal(host_get(HOST_PCIE + PCI_EXPRESS_CONTROL, 2), 0);
}

/* ---- resets ---- */

static void a_reset_silences_the_function_at_once_and_takes_its_time(void **state)
{
	unsigned changes;

	(void)state;
	turn_msi_on();
	assert_true(host_sends());
	changes = fake.windows_changes;
	ask_for_reset();
	assert_false(host_sends());
	assert_int_equal(host_get(PCI_COMMAND, 2), PCI_COMMAND_NOINTX);
	assert_int_equal(host_get(HOST_PCIE + PCI_EXPRESS_CONTROL, 2) & PCI_EXPRESS_FLR,
		PCI_EXPRESS_FLR);
	assert_true(fake.windows_changes > changes);
	assert_false(decodes(BAR));
	assert_int_equal(config(PCI_VENDOR, 4), 0x12348086);
	assert_int_equal(config(PCI_COMMAND, 2), 0);
	assert_int_equal(config(PCI_BAR, 4), 0);
	assert_int_equal(config(capability(PCI_CAP_MSI) + PCI_MSI_CONTROL, 2), PCI_MSI_64);
	after(PCI_FLR_MS - 1);
	changes = host.config_writes;
	make_bar();
	turn_msi_on();
	assert_false(decodes(BAR));
	assert_int_equal(host.config_writes, changes); /* it is left alone */
	after(1);
	assert_int_equal(config(PCI_VENDOR, 4), 0x12348086);
	assert_true(host_sends());
	assert_true(decodes(BAR));
	assert_int_equal(host.separated, 1);
}

static void after_a_reset_the_machines_registers_are_where_they_were(void **state)
{
	(void)state;
	ask_for_reset();
	set(host.config + PCI_BAR, 0, 4); /* as a reset leaves them */
	set(host.config + PCI_COMMAND, 0, 2);
	after(PCI_FLR_MS);
	make_bar();
	(void)config(PCI_VENDOR, 2);
	assert_int_equal(host_get(PCI_BAR, 4), HOST_BAR);
	assert_int_equal(host_get(PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(decodes(BAR));
	turn_msi_on();
	assert_true(host_sends());
}

static void a_reset_ends_though_nobody_asks(void **state)
{
	(void)state;
	ask_for_reset();
	after(PCI_FLR_MS - 1);
	platform_run_timers(&machine, 0, fake.now);
	assert_int_equal(platform_work(&machine), VPCI_WORK_DONE);
	assert_int_equal(host.separated, 0);
	after(1);
	assert_true(platform_deadline(&machine, 0) <= fake.now);
	platform_run_timers(&machine, 0, fake.now);
	assert_int_equal(platform_work(&machine), VPCI_WORK_DONE);
	assert_int_equal(host.separated, 1);
	assert_int_equal(host_get(PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
}

static void advanced_features_reset_where_there_is_no_pci_express(void **state)
{
	unsigned at = capability(PCI_CAP_ADVANCED);

	(void)state;
	assert_int_equal(capability(PCI_CAP_EXPRESS), 0);
	assert_int_equal(config(at + 2, 2), PCI_ADVANCED_SIZE | 3u << 8);
	set(host.config + HOST_AF + PCI_ADVANCED_STATUS, 0xff, 1);
	assert_int_equal(config(at + PCI_ADVANCED_STATUS, 1), PCI_ADVANCED_PENDING);
	set_config(at + PCI_ADVANCED_CONTROL, 1, PCI_ADVANCED_FLR);
	fake_reset_machines(&pass);
	assert_int_equal(host_get(HOST_AF + PCI_ADVANCED_CONTROL, 1), PCI_ADVANCED_FLR);
	assert_false(decodes(BAR));
	after(PCI_FLR_MS);
	assert_int_equal(config(at + PCI_ADVANCED_CONTROL, 1), 0);
	assert_int_equal(config(PCI_COMMAND, 2), 0);
}

static void a_line_that_is_up_goes_down_with_a_reset_and_is_heard_again(void **state)
{
	(void)state;
	fake_ioapic_entry(PIN, 0, 0xa0 | LEVEL);
	dev_lock(&machine);
	assert_true(vpass_interrupt(&pass));
	dev_unlock(&machine);
	ask_for_reset();
	assert_int_equal(host.listens, 1);
	dev_lock(&machine);
	assert_true(vpass_interrupt(&pass)); /* kept quiet until it is back */
	dev_unlock(&machine);
	assert_int_equal(platform_irq_ack(&machine, 0), 0xa0);
	platform_eoi(&machine, 0);
	assert_int_equal(host.listens, 1);
	after(PCI_FLR_MS);
	(void)config(PCI_VENDOR, 2);
	assert_int_equal(host.listens, 2);
	assert_int_equal(fake_pending(0), -1);
}

/* ---- power states ---- */

static void asleep_a_function_answers_to_configuration_only(void **state)
{
	(void)state;
	turn_msi_on();
	set_power(PCI_POWER_D3HOT);
	assert_false(decodes(BAR));
	assert_false(host_sends());
	assert_int_equal(host_power() & PCI_POWER_STATE, PCI_POWER_D3HOT);
	assert_int_equal(config(PCI_VENDOR, 2), 0xffff);
	after(PCI_POWER_MS);
	assert_int_equal(power() & PCI_POWER_STATE, PCI_POWER_D3HOT);
	set_config(PCI_BAR, 4, BAR + 0x10000);
	set_config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	turn_msi_on();
	assert_false(decodes(BAR + 0x10000));
	assert_false(host_sends());
	assert_false(host_get(PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
}

static void one_that_keeps_its_state_goes_on_where_it_was(void **state)
{
	(void)state;
	assert_int_equal(power(), PCI_POWER_KEEPS);
	turn_msi_on();
	set_power(PCI_POWER_D3HOT);
	after(PCI_POWER_MS);
	set_power(PCI_POWER_D0);
	assert_int_equal(host_power() & PCI_POWER_STATE, PCI_POWER_D0);
	assert_false(host_sends());
	after(PCI_POWER_MS);
	assert_int_equal(power(), PCI_POWER_KEEPS);
	assert_true(host_sends());
	assert_true(decodes(BAR));
	assert_int_equal(host_get(HOST_PCIE + PCI_EXPRESS_CONTROL, 2), 0); /* no reset */
}

static void one_that_does_not_is_as_after_a_reset(void **state)
{
	(void)state;
	turn_msi_on();
	set_power(PCI_POWER_D3HOT);
	after(PCI_POWER_MS);
	set_power(PCI_POWER_D0);
	set(host.config + PCI_BAR, 0, 4);
	after(PCI_POWER_MS); /* no function-level reset: that takes longer */
	assert_int_equal(config(PCI_COMMAND, 2), 0);
	assert_int_equal(config(PCI_BAR, 4), 0);
	assert_int_equal(host_get(PCI_BAR, 4), HOST_BAR);
	assert_false(host_sends());
	make_bar();
	turn_msi_on();
	assert_true(host_sends() && decodes(BAR));
}

static void states_between_are_not_there(void **state)
{
	(void)state;
	for (unsigned i = 1; i < 3; i++) {
		set_power(i);
		assert_int_equal(power() & PCI_POWER_STATE, PCI_POWER_D0);
		assert_true(decodes(BAR));
	}
	set_power(PCI_POWER_D3HOT);
	after(PCI_POWER_MS);
	set_power(2);
	assert_int_equal(power() & PCI_POWER_STATE, PCI_POWER_D3HOT);
	assert_int_equal(host_power() & PCI_POWER_STATE, PCI_POWER_D3HOT);
}

static void a_reset_of_one_that_sleeps_wakes_it_first(void **state)
{
	(void)state;
	set_power(PCI_POWER_D3HOT);
	after(PCI_POWER_MS);
	ask_for_reset();
	assert_int_equal(host_power() & PCI_POWER_STATE, PCI_POWER_D0);
	assert_int_equal(host_get(HOST_PCIE + PCI_EXPRESS_CONTROL, 2), 0);
	after(PCI_POWER_MS);
	assert_int_equal(config(PCI_VENDOR, 2), 0x8086);
	assert_true(pass.away);
	assert_int_equal(host_get(HOST_PCIE + PCI_EXPRESS_CONTROL, 2), PCI_EXPRESS_FLR);
	after(PCI_FLR_MS);
	assert_int_equal(config(PCI_VENDOR, 2), 0x8086);
	assert_false(pass.away);
	assert_int_equal(power() & PCI_POWER_STATE, PCI_POWER_D0);
}

/* ---- the end ---- */

static unsigned settle(void)
{
	unsigned ms = 0;

	for (; !vpass_settle(&found); ms++, after(1))
		assert_true(ms < 1000);
	return ms;
}

static void at_an_end_in_any_state_it_is_woken_and_reset(void **state)
{
	static const unsigned takes[] = {PCI_FLR_MS, 2 * PCI_POWER_MS + PCI_FLR_MS,
		PCI_POWER_MS + PCI_FLR_MS, PCI_POWER_MS + PCI_FLR_MS};

	for (unsigned i = 0; i < 4; i++) {
		setup(state);
		turn_msi_on();
		if (i > 0)
			set_power(PCI_POWER_D3HOT);
		if (i > 1)
			after(PCI_POWER_MS);
		if (i > 2)
			set_power(PCI_POWER_D0);
		vpass_end(&found);
		assert_false(host_sends());
		assert_int_equal(settle(), takes[i]);
		assert_int_equal(found.now->phase, VPASS_AWAKE);
		assert_int_equal(host_power() & PCI_POWER_STATE, PCI_POWER_D0);
		assert_true(host_get(HOST_PCIE + PCI_EXPRESS_CONTROL, 2) & PCI_EXPRESS_FLR);
	}
}

/* PM is what is left to make it forget. */
static void one_without_another_reset_is_reset_by_its_power_state(void **state)
{
	(void)state;
	vpass_end(&found);
	assert_int_equal(host_power(), PCI_POWER_D3HOT);
	assert_int_equal(settle(), 2 * PCI_POWER_MS);
	assert_int_equal(found.now->phase, VPASS_AWAKE);
	assert_int_equal(host_power(), PCI_POWER_D0);
	vpass_end(&found);
	vpass_end(&found); /* in the middle of it */
	assert_int_equal(settle(), 2 * PCI_POWER_MS);
}

static void one_that_was_found_asleep_is_woken(void **state)
{
	(void)state;
	make_host();
	set(host.config + HOST_POWER + PCI_POWER_CONTROL, PCI_POWER_D3HOT, 2);
	fake_start(1);
	assert_null(vpass_probe(HOST_BDF, &found));
	assert_false(vpass_settle(&found));
	assert_int_equal(host_power(), PCI_POWER_D0);
	(void)settle();
	assert_int_equal(found.now->phase, VPASS_AWAKE);
}

/* Whatever is written when: it never sends, nor is touched, while it must be left alone. */
static void rubbish_at_any_time_leaves_it_alone_when_it_must_be(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		unsigned writes = host.config_writes, size = 1u << random_below(&seed, 3);
		bool passes = found.now->phase != VPASS_AWAKE &&
			      found.now->phase != VPASS_SLEEPS &&
			      host.now < found.now->ready_at;

		switch (random_below(&seed, 8)) {
		case 0:
			ask_for_reset();
			break;
		case 1:
			set_power(random_below(&seed, 4));
			break;
		case 2:
			turn_msi_on();
			break;
		case 3:
			after(random_below(&seed, 30));
			continue;
		case 4:
			platform_run_timers(&machine, 0, fake.now);
			(void)platform_work(&machine);
			break;
		default:
			set_config(random_below(&seed, 256), size, random_next(&seed));
			break;
		}
		assert_true(!passes || writes == host.config_writes);
		fake_reset_machines(&pass);
		assert_true(found.now->phase == VPASS_AWAKE || !host_sends());
		host.config[HOST_PCIE + PCI_EXPRESS_CONTROL + 1] = 0;
		host.config[HOST_AF + PCI_ADVANCED_CONTROL] = 0;
	}
	vpass_end(&found);
	(void)settle();
	assert_int_equal(found.now->phase, VPASS_AWAKE);
	assert_int_equal(host_power() & PCI_POWER_STATE, PCI_POWER_D0);
	assert_false(host_sends());
}

#define TEST(name)     cmocka_unit_test_setup(name, setup)
#define KEEPING(name)  cmocka_unit_test_setup(name, setup_keeping)
#define ADVANCED(name) cmocka_unit_test_setup(name, setup_advanced)
#define POWER(name)    cmocka_unit_test_setup(name, setup_power)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_function_is_an_integrated_endpoint_with_the_machines_reset),
		cmocka_unit_test(what_the_machine_has_not_the_vm_has_not),
		cmocka_unit_test(behind_a_root_port_the_reset_is_the_machines_too),
		TEST(whether_transactions_are_pending_the_machine_says),
		TEST(sizes_and_attributes_that_the_vm_writes_stay_with_it),
		TEST(a_reset_silences_the_function_at_once_and_takes_its_time),
		TEST(after_a_reset_the_machines_registers_are_where_they_were),
		TEST(a_reset_ends_though_nobody_asks),
		ADVANCED(advanced_features_reset_where_there_is_no_pci_express),
		TEST(a_line_that_is_up_goes_down_with_a_reset_and_is_heard_again),
		TEST(asleep_a_function_answers_to_configuration_only),
		KEEPING(one_that_keeps_its_state_goes_on_where_it_was),
		TEST(one_that_does_not_is_as_after_a_reset),
		TEST(states_between_are_not_there),
		TEST(a_reset_of_one_that_sleeps_wakes_it_first),
		cmocka_unit_test(at_an_end_in_any_state_it_is_woken_and_reset),
		POWER(one_without_another_reset_is_reset_by_its_power_state),
		TEST(one_that_was_found_asleep_is_woken),
		TEST(rubbish_at_any_time_leaves_it_alone_when_it_must_be),
		KEEPING(rubbish_at_any_time_leaves_it_alone_when_it_must_be),
		ADVANCED(rubbish_at_any_time_leaves_it_alone_when_it_must_be),
		POWER(rubbish_at_any_time_leaves_it_alone_when_it_must_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
