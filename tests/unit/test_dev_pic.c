/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_dev.h"

#include "random.h"

#define MASTER 0x20
#define SLAVE  0xa0
#define ELCR   0x4d0

static void program(uint16_t port, uint8_t base, uint8_t icw3, uint8_t icw4)
{
	fake_out(port, 0x11);
	fake_out(port + 1, base);
	fake_out(port + 1, icw3);
	fake_out(port + 1, icw4);
}

/* Vectors 0x20 and 0x28, all inputs open; the LAPIC as firmware leaves it. */
static int start(void **state)
{
	(void)state;
	fake_start(2);
	program(MASTER, 0x20, 4, 1);
	program(SLAVE, 0x28, 2, 1);
	return 0;
}

static int take(void)
{
	int vector = fake_pending(0);

	assert_int_equal(platform_irq_ack(&machine, 0), vector);
	return vector;
}

static void raise(unsigned irq)
{
	platform_set_irq(&machine, irq, true);
}

static uint8_t in_service(uint16_t port)
{
	fake_out(port, 0x0b);
	return fake_in(port);
}

static uint8_t requests(uint16_t port)
{
	fake_out(port, 0x0a);
	return fake_in(port);
}

static void everything_is_masked_after_reset(void **state)
{
	(void)state;
	fake_start(1);
	assert_int_equal(fake_in(MASTER + 1), 0xff);
	assert_int_equal(fake_in(SLAVE + 1), 0xff);
	for (unsigned irq = 0; irq < 16; irq++)
		raise(irq);
	assert_int_equal(fake_pending(0), -1);
}

static void an_edge_is_one_interrupt(void **state)
{
	(void)state;
	raise(4);
	assert_true(fake.kicks[0] > 0);
	assert_int_equal(fake_pending(1), -1);
	assert_int_equal(take(), 0x24);
	assert_int_equal(in_service(MASTER), 0x10);
	fake_out(MASTER, 0x20);
	assert_int_equal(in_service(MASTER), 0);
	assert_int_equal(take(), -1);
	platform_set_irq(&machine, 4, false);
	raise(4);
	assert_int_equal(take(), 0x24);
}

static void a_request_ends_with_its_line(void **state)
{
	(void)state;
	raise(4);
	assert_int_equal(requests(MASTER), 0x10);
	platform_set_irq(&machine, 4, false);
	assert_int_equal(requests(MASTER), 0);
	assert_int_equal(take(), -1);
}

static void the_lowest_input_comes_first_and_holds_the_others_back(void **state)
{
	(void)state;
	raise(5);
	raise(3);
	assert_int_equal(take(), 0x23);
	assert_int_equal(take(), -1);
	raise(1);
	assert_int_equal(take(), 0x21);
	fake_out(MASTER, 0x20);
	assert_int_equal(take(), -1);
	fake_out(MASTER, 0x20);
	assert_int_equal(take(), 0x25);
}

static void the_slave_interrupts_through_input_2(void **state)
{
	(void)state;
	raise(12);
	assert_int_equal(requests(MASTER), 4);
	assert_int_equal(take(), 0x2c);
	assert_int_equal(in_service(MASTER), 4);
	assert_int_equal(in_service(SLAVE), 0x10);
	raise(3);
	assert_int_equal(take(), -1);
	raise(8); /* held back by input 2 of the master */
	assert_int_equal(take(), -1);
	fake_out(SLAVE, 0x20);
	fake_out(MASTER, 0x20);
	assert_int_equal(take(), 0x28);
}

static void special_fully_nested_mode_lets_the_slave_nest(void **state)
{
	(void)state;
	program(MASTER, 0x20, 4, 0x11);
	raise(12);
	assert_int_equal(take(), 0x2c);
	raise(8);
	assert_int_equal(take(), 0x28);
}

static void masks_hold_back_and_release(void **state)
{
	(void)state;
	fake_out(MASTER + 1, 0x10);
	raise(4);
	assert_int_equal(take(), -1);
	assert_int_equal(fake_in(MASTER + 1), 0x10);
	fake_out(MASTER + 1, 0);
	assert_int_equal(take(), 0x24);
}

static void a_masked_cascade_holds_the_slave_back(void **state)
{
	(void)state;
	fake_out(MASTER + 1, 4);
	raise(12);
	assert_int_equal(take(), -1);
	assert_false(vpic_masked(&machine.pic, 4));
	assert_true(vpic_masked(&machine.pic, 12));
}

static void a_level_input_interrupts_until_it_is_low(void **state)
{
	(void)state;
	fake_out(ELCR, 0x20);
	raise(5);
	assert_int_equal(take(), 0x25);
	assert_int_equal(take(), -1);
	fake_out(MASTER, 0x20);
	assert_int_equal(take(), 0x25);
	platform_set_irq(&machine, 5, false);
	fake_out(MASTER, 0x20);
	assert_int_equal(take(), -1);
}

static void some_inputs_are_always_edge_triggered(void **state)
{
	(void)state;
	fake_out(ELCR, 0xff);
	fake_out(ELCR + 1, 0xff);
	assert_int_equal(fake_in(ELCR), 0xf8);
	assert_int_equal(fake_in(ELCR + 1), 0xde);
}

static void auto_eoi_leaves_nothing_in_service(void **state)
{
	(void)state;
	program(MASTER, 0x20, 4, 3);
	raise(4);
	assert_int_equal(take(), 0x24);
	assert_int_equal(in_service(MASTER), 0);
	raise(5);
	assert_int_equal(take(), 0x25);
}

static void a_specific_eoi_ends_its_input(void **state)
{
	(void)state;
	raise(5);
	assert_int_equal(take(), 0x25);
	raise(3);
	assert_int_equal(take(), 0x23);
	fake_out(MASTER, 0x65);
	assert_int_equal(in_service(MASTER), 0x08);
}

static void rotation_makes_the_served_input_the_lowest(void **state)
{
	(void)state;
	raise(3);
	assert_int_equal(take(), 0x23);
	fake_out(MASTER, 0xa0);
	platform_set_irq(&machine, 3, false);
	raise(3);
	raise(1);
	raise(4);
	assert_int_equal(take(), 0x24);
	fake_out(MASTER, 0x20);
	assert_int_equal(take(), 0x21);
	fake_out(MASTER, 0x20);
	assert_int_equal(take(), 0x23);
}

static void set_priority_names_the_lowest(void **state)
{
	(void)state;
	fake_out(MASTER, 0xc5);
	raise(0);
	raise(6);
	assert_int_equal(take(), 0x26);
}

static void rotation_in_auto_eoi_mode(void **state)
{
	(void)state;
	program(MASTER, 0x20, 4, 3);
	fake_out(MASTER, 0x80);
	raise(0);
	assert_int_equal(take(), 0x20);
	platform_set_irq(&machine, 0, false);
	raise(0);
	raise(7);
	assert_int_equal(take(), 0x27);
	assert_int_equal(take(), 0x20);
}

static void special_mask_mode_lets_lower_inputs_in(void **state)
{
	(void)state;
	raise(1);
	assert_int_equal(take(), 0x21);
	raise(6);
	fake_out(MASTER + 1, 2);
	assert_int_equal(take(), -1);
	fake_out(MASTER, 0x68);
	assert_int_equal(take(), 0x26);
	fake_out(MASTER, 0x48);
	raise(7);
	assert_int_equal(take(), -1);
}

static void a_poll_acknowledges(void **state)
{
	(void)state;
	fake_out(MASTER, 0x0c);
	assert_int_equal(fake_in(MASTER), 0);
	raise(4);
	fake_out(MASTER, 0x0c);
	assert_int_equal(fake_in(MASTER), 0x84);
	assert_int_equal(in_service(MASTER), 0x10);
	assert_int_equal(take(), -1);
}

static void an_acknowledge_without_a_request_is_spurious(void **state)
{
	(void)state;
	assert_int_equal(vpic_acknowledge(&machine), 0x27);
	assert_int_equal(in_service(MASTER), 0);
	raise(12);
	machine.pic.s.chip[1].irr = 0; /* the slave's request goes between the two cycles */
	assert_int_equal(vpic_acknowledge(&machine), 0x2f);
	assert_int_equal(in_service(MASTER), 4);
	assert_int_equal(in_service(SLAVE), 0);
}

static void nothing_interrupts_during_initialisation(void **state)
{
	(void)state;
	raise(4);
	fake_out(MASTER, 0x11);
	assert_int_equal(take(), -1);
	raise(5);
	assert_int_equal(take(), -1);
	fake_out(MASTER + 1, 0x40);
	fake_out(MASTER + 1, 4);
	assert_int_equal(take(), -1);
	fake_out(MASTER + 1, 1);
	assert_int_equal(take(), 0x45);
}

static void initialisation_without_icw4_and_single(void **state)
{
	(void)state;
	fake_out(MASTER, 0x12);
	fake_out(MASTER + 1, 0x57);
	fake_out(MASTER + 1, 0xfe); /* now the mask */
	assert_int_equal(fake_in(MASTER + 1), 0xfe);
	raise(0);
	assert_int_equal(take(), 0x50);
}

static void lint0_decides_whether_the_pic_is_heard(void **state)
{
	(void)state;
	raise(4);
	fake_apic_write(0, 0x350, 1u << 16 | 7u << 8);
	assert_int_equal(take(), -1);
	fake.kicks[0] = 0;
	fake_apic_write(0, 0x350, 7u << 8);
	assert_true(fake.kicks[0] > 0);
	assert_int_equal(fake_pending(0), 0x24);
	fake_apic_write(0, 0x350, 0x30); /* fixed: not the PIC's vector */
	assert_int_equal(take(), -1);
	assert_true(platform_wrmsr(&machine, 0, 0x1b, DEV_LAPIC_BASE));
	assert_int_equal(take(), 0x24);
}

static void extint_passes_the_task_priority_by(void **state)
{
	(void)state;
	platform_set_cr8(&machine, 0, 15);
	raise(4);
	assert_int_equal(take(), 0x24);
}

static void words_and_long_words_are_not_claimed(void **state)
{
	uint32_t v = 0;

	(void)state;
	assert_false(platform_io(&machine, MASTER, false, 2, &v));
	assert_int_equal(v, 0xffff);
	assert_false(platform_io(&machine, ELCR, false, 4, &v));
	assert_true(v == UINT32_MAX);
}

static void any_sequence_of_writes_is_harmless(void **state)
{
	static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1};
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		uint32_t x = (uint32_t)random_next(&seed);

		if (x >> 31)
			fake_out(ports[(x >> 8) % 6], (uint8_t)(x >> 16));
		else if (x >> 30)
			platform_set_irq(&machine, x >> 8 & 15, x >> 16 & 1);
		else if (fake_pending(0) >= 0)
			assert_in_range(take(), 0, 255);
		else
			fake_in(ports[(x >> 8) % 6]);
	}
}

#define T(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(everything_is_masked_after_reset),
		T(an_edge_is_one_interrupt),
		T(a_request_ends_with_its_line),
		T(the_lowest_input_comes_first_and_holds_the_others_back),
		T(the_slave_interrupts_through_input_2),
		T(special_fully_nested_mode_lets_the_slave_nest),
		T(masks_hold_back_and_release),
		T(a_masked_cascade_holds_the_slave_back),
		T(a_level_input_interrupts_until_it_is_low),
		T(some_inputs_are_always_edge_triggered),
		T(auto_eoi_leaves_nothing_in_service),
		T(a_specific_eoi_ends_its_input),
		T(rotation_makes_the_served_input_the_lowest),
		T(set_priority_names_the_lowest),
		T(rotation_in_auto_eoi_mode),
		T(special_mask_mode_lets_lower_inputs_in),
		T(a_poll_acknowledges),
		T(an_acknowledge_without_a_request_is_spurious),
		T(nothing_interrupts_during_initialisation),
		T(initialisation_without_icw4_and_single),
		T(lint0_decides_whether_the_pic_is_heard),
		T(extint_passes_the_task_priority_by),
		T(words_and_long_words_are_not_claimed),
		T(any_sequence_of_writes_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
