/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A platform that random steps brought somewhere, and another one that takes over its state:
 * the same further steps must show the same, step by step, and leave the same state.
 */
#include "fake_dev.h"

#include "dev/state.h"
#include "dev_steps.h"

#define SEEDS 200
#define STEPS 300
#define VCPUS 3

static struct platform_state before, again, after, moved_after;

/* What can be seen from outside after a step: by the vCPU, at the seam, and when it is due
 * again. */
static uint64_t look(uint64_t seen)
{
	const uint8_t *bytes = (const uint8_t *)&fake;
	uint64_t hash = seen;

	for (size_t i = 0; i < sizeof(fake); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	for (unsigned i = 0; i < VCPUS; i++)
		hash = (hash ^ platform_deadline(&machine, i)) * 0x100000001b3ull;
	return hash;
}

static void forget_calls(uint64_t now)
{
	memset(&fake, 0, sizeof(fake));
	fake.now = now;
}

static void go_on(
	enum step_device focus, uint64_t seed, uint64_t *trace, struct platform_state *s)
{
	forget_calls(fake.now);
	step_random = seed;
	for (unsigned i = 0; fake_apicv && i < VCPUS; i++)
		step_entry(i);
	for (unsigned i = 0; i < STEPS; i++)
		trace[i] = look(step(step_device(focus)));
	platform_get_state(&machine, s);
}

/* What was typed and not read when the state was taken. */
static uint8_t typed_bytes[sizeof(fake_typed)];
static unsigned typed_before;

static void move(const struct platform_state *s, uint64_t now)
{
	step_start(VCPUS); /* which resets the devices at another time */
	fake.now = now;
	memcpy(fake_typed, typed_bytes, sizeof(fake_typed)); /* is no part of a device */
	fake_typed_count = typed_before;
	if (!platform_set_state(&machine, s))
		fail_msg("a state that was there is refused");
}

static void try(enum step_device focus, uint64_t seed)
{
	static uint64_t trace[STEPS], moved_trace[STEPS];
	uint64_t now;

	step_with_firmware = seed % 2 == 0;
	fake_vtd = seed % 3 == 0;
	fake_vga = seed % 5 != 0;
	step_start(VCPUS);
	fake_enable_apics();
	step_random = seed;
	for (unsigned i = step_below(STEPS); i-- > 0;)
		step(step_device(focus));

	now = fake.now;
	memset(&before, 0x5a, sizeof(before));
	memset(&again, 0xa5, sizeof(again));
	platform_get_state(&machine, &before);
	memcpy(typed_bytes, fake_typed, sizeof(fake_typed));
	typed_before = fake_typed_count;
	go_on(focus, seed + 1000, trace, &after);
	move(&before, now);
	platform_get_state(&machine, &again);
	assert_memory_equal(&before, &again, sizeof(before));
	go_on(focus, seed + 1000, moved_trace, &moved_after);
	for (unsigned i = 0; i < STEPS; i++)
		if (trace[i] != moved_trace[i])
			fail_msg("device %d, seed %u: step %u differs", (int)focus,
				(unsigned)seed, i);
	assert_memory_equal(&after, &moved_after, sizeof(after));
}

static void try_all(enum step_device focus)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		try(focus, seed);
}

#define GOES_ON(name, device)          \
	static void name(void **state) \
	{                              \
		(void)state;           \
		try_all(device);       \
	}

GOES_ON(the_pics_go_on_elsewhere_as_they_were, STEP_PIC)
GOES_ON(the_pit_goes_on_elsewhere_as_it_was, STEP_PIT)
GOES_ON(the_rtc_goes_on_elsewhere_as_it_was, STEP_RTC)
GOES_ON(the_hpet_goes_on_elsewhere_as_it_was, STEP_HPET)
GOES_ON(the_uart_goes_on_elsewhere_as_it_was, STEP_UART)
GOES_ON(power_management_goes_on_elsewhere_as_it_was, STEP_PM)
GOES_ON(pci_goes_on_elsewhere_as_it_was, STEP_PCI)
GOES_ON(the_ioapic_goes_on_elsewhere_as_it_was, STEP_IOAPIC)
GOES_ON(what_firmware_reads_goes_on_elsewhere, STEP_FIRMWARE)
GOES_ON(flash_goes_on_elsewhere, STEP_FLASH)
GOES_ON(the_remapping_unit_goes_on_elsewhere_as_it_was, STEP_VTD)
GOES_ON(a_vga_goes_on_elsewhere_as_it_was, STEP_VGA)
GOES_ON(local_apics_go_on_elsewhere_as_they_were, STEP_LAPIC)

static void virtualized_local_apics_go_on_elsewhere_as_they_were(void **state)
{
	(void)state;
	fake_apicv = true;
	try_all(STEP_LAPIC);
	try_all(STEP_IOAPIC);
	fake_apicv = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pics_go_on_elsewhere_as_they_were),
		cmocka_unit_test(the_pit_goes_on_elsewhere_as_it_was),
		cmocka_unit_test(the_rtc_goes_on_elsewhere_as_it_was),
		cmocka_unit_test(the_hpet_goes_on_elsewhere_as_it_was),
		cmocka_unit_test(the_uart_goes_on_elsewhere_as_it_was),
		cmocka_unit_test(power_management_goes_on_elsewhere_as_it_was),
		cmocka_unit_test(pci_goes_on_elsewhere_as_it_was),
		cmocka_unit_test(the_ioapic_goes_on_elsewhere_as_it_was),
		cmocka_unit_test(what_firmware_reads_goes_on_elsewhere),
		cmocka_unit_test(flash_goes_on_elsewhere),
		cmocka_unit_test(the_remapping_unit_goes_on_elsewhere_as_it_was),
		cmocka_unit_test(a_vga_goes_on_elsewhere_as_it_was),
		cmocka_unit_test(local_apics_go_on_elsewhere_as_they_were),
		cmocka_unit_test(virtualized_local_apics_go_on_elsewhere_as_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
