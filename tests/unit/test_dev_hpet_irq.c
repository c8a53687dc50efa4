/* SPDX-License-Identifier: Apache-2.0 */
/* Where interrupts of the HPET go: pins, those of PIT and RTC, messages. */
#include "hpet_machine.h"

#define LEVEL     0x8000
#define PIC_BASE  0x20
#define PIC_BASE2 0x28

static bool line_is_up(unsigned pin)
{
	return machine.ioapic.s.lines >> pin & 1;
}

static void a_level_stays_until_software_clears_its_status(void **state)
{
	(void)state;
	fake_ioapic_entry(20, 0, VECTOR_0 | LEVEL);
	periodic(0, HPET_TN_LEVEL, 10000, 10000);
	put(HPET_CONFIG, HPET_ENABLE);
	fake_run_until(10000 * TICK);
	assert_int_equal(get(HPET_STATUS, 8), 1);
	assert_true(
		platform_deadline(&machine, 0) == DEV_NEVER); /* more would change nothing */
	assert_int_equal(taken(), VECTOR_0);
	assert_int_equal(taken(), VECTOR_0); /* it is still up */
	put(HPET_STATUS, 0xfe);
	assert_true(line_is_up(20));
	put_bytes(HPET_STATUS, 4, 1);
	assert_false(line_is_up(20));
	assert_int_equal(get(HPET_STATUS, 8), 0);
	assert_int_equal(taken(), VECTOR_0); /* requested before */
	assert_int_equal(taken(), -1);
	assert_int_equal(platform_deadline(&machine, 0), 20000 * TICK);
	assert_int_equal(taken_at(20000), VECTOR_0);
}

static void status_is_kept_and_the_line_is_not_while_interrupts_are_off(void **state)
{
	(void)state;
	put(T(0, CONFIG), HPET_TN_LEVEL | ROUTE(21));
	put(T(0, COMPARATOR), 50);
	put(HPET_CONFIG, HPET_ENABLE);
	fake_run_until(60 * TICK);
	assert_int_equal(get(HPET_STATUS, 8), 1); /* it goes on, without an interrupt */
	assert_false(line_is_up(21));
	put(T(0, CONFIG), HPET_TN_LEVEL | HPET_TN_ENABLE | ROUTE(21));
	assert_true(line_is_up(21));
	put(HPET_CONFIG, 0);
	assert_false(line_is_up(21));
	assert_int_equal(get(HPET_STATUS, 8), 1);
	put(HPET_CONFIG, HPET_ENABLE);
	assert_true(line_is_up(21));
	put(T(0, CONFIG), HPET_TN_LEVEL | HPET_TN_ENABLE | ROUTE(20)); /* it moves */
	assert_false(line_is_up(21));
	assert_true(line_is_up(20));
	put(T(0, CONFIG), HPET_TN_ENABLE | ROUTE(20)); /* an edge has no status */
	assert_false(line_is_up(20));
	assert_int_equal(get(HPET_STATUS, 8), 0);
}

static void a_pin_is_up_while_any_of_those_that_share_it_asserts_it(void **state)
{
	static const struct vpci_ops ops = {0};
	struct vpci_id id = {.bdf = PCI_BDF(0, 3, 0), .vendor = 0x1af4, .pin = 1};
	struct vpci_function *f;
	unsigned pin;

	(void)state;
	f = vpci_add(&machine, &id, &ops, NULL);
	pin = 16 + vpci_pirq(f);
	assert_in_range(pin, 20, 23);
	dev_lock(&machine);
	vpci_set_intx(f, true);
	dev_unlock(&machine);
	put(T(0, CONFIG), HPET_TN_LEVEL | HPET_TN_ENABLE | ROUTE(pin));
	put(T(0, COMPARATOR), 50);
	put(T(1, CONFIG), HPET_TN_ENABLE | ROUTE(pin));
	put(T(1, COMPARATOR), 70);
	put(HPET_CONFIG, HPET_ENABLE);
	fake_run_until(60 * TICK);
	get(HPET_STATUS, 8);
	dev_lock(&machine);
	vpci_set_intx(f, false);
	dev_unlock(&machine);
	assert_true(line_is_up(pin));
	fake_run_until(80 * TICK);
	get(HPET_STATUS, 8); /* an edge of another one */
	assert_true(line_is_up(pin));
	dev_lock(&machine);
	vpci_set_intx(f, true);
	dev_unlock(&machine);
	put(HPET_STATUS, 1);
	assert_true(line_is_up(pin));
	dev_lock(&machine);
	vpci_set_intx(f, false);
	dev_unlock(&machine);
	assert_false(line_is_up(pin));
}

static void pics_with_pit_and_rtc_at_work(void)
{
	fake_out(0x20, 0x11);
	fake_out(0x21, PIC_BASE);
	fake_out(0x21, 4);
	fake_out(0x21, 1);
	fake_out(0xa0, 0x11);
	fake_out(0xa1, PIC_BASE2);
	fake_out(0xa1, 2);
	fake_out(0xa1, 1);
	fake_apic_write(0, APIC_LVT_LINT0, 0x700);
	fake_out(0x43, 0x34);
	fake_out(0x40, 0xa9);
	fake_out(0x40, 0x04); /* 1 ms */
	fake_out(0x70, 0x0b);
	fake_out(0x71, 0x12); /* updates, each second */
}

static int taken_from_pics(void)
{
	int vector = platform_irq_ack(&machine, 0);

	if (vector >= PIC_BASE2)
		fake_out(0xa0, 0x20);
	if (vector >= 0)
		fake_out(0x20, 0x20);
	return vector;
}

static void legacy_replacement_takes_the_interrupts_of_pit_and_rtc(void **state)
{
	(void)state;
	pics_with_pit_and_rtc_at_work();
	fake_run_until(2 * SECOND);
	assert_int_equal(taken_from_pics(), PIC_BASE);
	assert_int_equal(taken_from_pics(), PIC_BASE2);
	put(HPET_CONFIG, HPET_LEGACY); /* off, it takes nothing */
	fake_run_until(2 * SECOND + SECOND / 100);
	assert_int_equal(taken_from_pics(), PIC_BASE);
	put(HPET_CONFIG, HPET_LEGACY | HPET_ENABLE);
	assert_int_equal(taken_from_pics(), -1);
	assert_true(platform_deadline(&machine, 0) == DEV_NEVER); /* they wake nobody */
	put(T(2, MESSAGE), 0xfee0100000000043);
	periodic(2, HPET_TN_MESSAGE, get(HPET_COUNTER, 8) + 100000, 100000); /* who is awake */
	fake_run_until(5 * SECOND);
	fake_out(0x70, 0x0c);
	assert_int_equal(fake_in(0x71) & 0x90,
		0x90); /* the clock goes on, and its line is not its own */
	assert_int_equal(taken_from_pics(), -1);
	put(T(0, CONFIG), HPET_TN_ENABLE | ROUTE(20));
	put(T(1, CONFIG), HPET_TN_ENABLE | ROUTE(20));
	put(T(0, COMPARATOR), get(HPET_COUNTER, 8) + 1000);
	put(T(1, COMPARATOR), get(HPET_COUNTER, 8) + 2000);
	fake_run_until(5 * SECOND + 1000 * TICK);
	assert_int_equal(taken_from_pics(), PIC_BASE);
	fake_run_until(5 * SECOND + 2000 * TICK);
	assert_int_equal(taken_from_pics(), PIC_BASE2);
	assert_int_equal(taken_from_pics(), -1);
}

/* An update that nobody has read of is told then. */
static void pit_and_rtc_get_their_interrupts_back(void **state)
{
	(void)state;
	pics_with_pit_and_rtc_at_work();
	put(HPET_CONFIG, HPET_LEGACY | HPET_ENABLE);
	fake_run_until(3 * SECOND);
	fake_out(0x70, 0x0a);
	fake_in(0x71); /* brings register C up to date */
	assert_int_equal(taken_from_pics(), -1);
	put(HPET_CONFIG, HPET_ENABLE);
	assert_int_equal(taken_from_pics(), PIC_BASE2);
	fake_run_until(3 * SECOND + SECOND / 500);
	assert_int_equal(taken_from_pics(), PIC_BASE);
}

/* IRQ0 is pin 2 of the IOAPIC. A third timer keeps its pin. */
static void legacy_replacement_has_pins_of_the_ioapic_too(void **state)
{
	(void)state;
	fake_ioapic_entry(2, 0, 0x70);
	fake_ioapic_entry(8, 0, 0x71 | LEVEL);
	put(T(0, CONFIG), HPET_TN_ENABLE | ROUTE(20));
	put(T(1, CONFIG), HPET_TN_ENABLE | HPET_TN_LEVEL | ROUTE(20));
	put(T(2, CONFIG), HPET_TN_ENABLE | ROUTE(21));
	for (unsigned i = 0; i < 3; i++)
		put(T(i, COMPARATOR), 10000 * (i + 1));
	put(HPET_CONFIG, HPET_LEGACY | HPET_ENABLE);
	assert_int_equal(taken_at(10000), 0x70);
	assert_int_equal(taken_at(20000), 0x71);
	assert_true(line_is_up(8));
	put(HPET_STATUS, 2);
	assert_false(line_is_up(8));
	assert_int_equal(taken(), 0x71);
	assert_int_equal(taken_at(30000), VECTOR_1);
	put(HPET_CONFIG, 0);
	assert_false(line_is_up(2));
}

static void messages_go_to_local_apics(void **state)
{
	(void)state;
	put(T(0, MESSAGE), 0xfee0100000000043);
	put(T(0, COMPARATOR), 100);
	put(T(0, CONFIG), HPET_TN_ENABLE | HPET_TN_MESSAGE | HPET_TN_LEVEL | ROUTE(20));
	put(HPET_CONFIG, HPET_ENABLE | HPET_LEGACY);
	fake_run_until(99 * TICK);
	assert_int_equal(fake_pending(1), -1);
	fake_run_until(100 * TICK);
	assert_int_equal(fake_pending(1), 0x43);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(get(HPET_STATUS, 8), 0);
	assert_false(line_is_up(20) || line_is_up(2));
}

/* To memory, with the vector of an exception, a start-up IPI: dropped, and time goes on. */
static void messages_that_are_none_reach_nobody(void **state)
{
	static const uint64_t wrong[] = {0x0010000000000043, 0xfee0100000000008,
		0xfee0100000000643, 0xfee0100000000743, 0, UINT64_MAX};

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		start_with_pins(state);
		put(T(0, MESSAGE), wrong[i]);
		periodic(0, HPET_TN_MESSAGE, 100, 100);
		put(HPET_CONFIG, HPET_ENABLE);
		fake_run_until(SECOND / 100);
		assert_int_equal(fake_pending(0), -1);
		assert_int_equal(fake_pending(1), -1);
		assert_int_equal(fake.startups[1], 0);
	}
}

/* Interrupt remapping asks who sends: with an empty table nothing arrives. */
static void a_remapping_unit_stands_before_its_messages(void **state)
{
	static uint8_t ram[0x2000];
	uint64_t table = 0x1000, command = VTD_IRTP;

	fake_vtd = true;
	start(state);
	fake_vtd = false;
	fake_ram = ram;
	fake_ram_size = sizeof(ram);
	put(T(0, MESSAGE), 0xfee0100000000043);
	periodic(0, HPET_TN_MESSAGE, 100, 10000);
	put(HPET_CONFIG, HPET_ENABLE);
	fake_run_until(100 * TICK);
	assert_int_equal(platform_irq_ack(&machine, 1), 0x43);
	platform_eoi(&machine, 1);
	platform_mmio(&machine, 0, VVTD_BASE + VTD_IRTA, true, 8, &table);
	platform_mmio(&machine, 0, VVTD_BASE + VTD_GCMD, true, 4, &command);
	command = VTD_IRE;
	platform_mmio(&machine, 0, VVTD_BASE + VTD_GCMD, true, 4, &command);
	fake_run_until(11000 * TICK);
	assert_int_equal(fake_pending(1), -1);
	fake_ram_size = 0;
}

#define TEST(f) cmocka_unit_test_setup(f, start_with_pins)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_level_stays_until_software_clears_its_status),
		TEST(status_is_kept_and_the_line_is_not_while_interrupts_are_off),
		TEST(a_pin_is_up_while_any_of_those_that_share_it_asserts_it),
		TEST(legacy_replacement_takes_the_interrupts_of_pit_and_rtc),
		TEST(pit_and_rtc_get_their_interrupts_back),
		TEST(legacy_replacement_has_pins_of_the_ioapic_too),
		TEST(messages_go_to_local_apics),
		TEST(messages_that_are_none_reach_nobody),
		cmocka_unit_test(a_remapping_unit_stands_before_its_messages),
	};

	return cmocka_run_group_tests_name("vhpet interrupts", tests, NULL, NULL);
}
