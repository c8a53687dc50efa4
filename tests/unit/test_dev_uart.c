/* SPDX-License-Identifier: Apache-2.0 */
/* The 16550A: sending, receiving, FIFO, interrupts, loopback. */
#include "fake_platform.h"

#include "random.h"

#define DATA 0x3f8
#define IER  0x3f9
#define IIR  0x3fa
#define FCR  0x3fa
#define LCR  0x3fb
#define MCR  0x3fc
#define LSR  0x3fd
#define MSR  0x3fe
#define SCR  0x3ff
#define OUT2 0x08
#define LOOP 0x10

static void out(uint16_t port, uint8_t byte)
{
	uint32_t value = byte;

	assert_true(vuart_io(&machine, port, true, 1, &value));
}

static uint8_t in(uint16_t port)
{
	uint32_t value = 0xdeadbeef;

	assert_true(vuart_io(&machine, port, false, 1, &value));
	assert_in_range(value, 0, 0xff);
	return (uint8_t)value;
}

static int setup(void **state)
{
	(void)state;
	fake_start();
	vuart_reset(&machine);
	return 0;
}

static void a_written_byte_reaches_the_console_at_once(void **state)
{
	(void)state;
	out(DATA, 'h');
	out(DATA, 'i');
	assert_string_equal(fake.console, "hi");
	assert_int_equal(in(LSR), 0x60);
}

static void the_divisor_latch_hides_data_and_ier(void **state)
{
	(void)state;
	out(IER, 0x05);
	out(LCR, 0x83);
	out(DATA, 0x0c);
	out(IER, 0x01);
	assert_int_equal(in(DATA), 0x0c);
	assert_int_equal(in(IER), 0x01);
	out(LCR, 0x03);
	assert_int_equal(in(IER), 0x05);
	assert_int_equal(in(LCR), 0x03);
	assert_int_equal(fake.console_length, 0);
}

static void the_scratch_register_keeps_its_value(void **state)
{
	(void)state;
	out(SCR, 0xa5);
	assert_int_equal(in(SCR), 0xa5);
}

static void reserved_bits_of_ier_and_mcr_read_zero(void **state)
{
	(void)state;
	out(IER, 0xff);
	out(MCR, 0xff);
	assert_int_equal(in(IER), 0x0f);
	assert_int_equal(in(MCR), 0x1f);
}

static void iir_shows_the_fifo_bits_while_fifos_are_on(void **state)
{
	(void)state;
	assert_int_equal(in(IIR), 0x01);
	out(FCR, 0x07);
	assert_int_equal(in(IIR), 0xc1);
	out(FCR, 0x00);
	assert_int_equal(in(IIR), 0x01);
}

static void enabling_the_transmit_interrupt_raises_it_until_iir_is_read(void **state)
{
	(void)state;
	out(MCR, OUT2);
	out(IER, 0x02);
	assert_true(fake.line[4]);
	assert_int_equal(in(IIR), 0x02);
	assert_false(fake.line[4]);
	assert_int_equal(in(IIR), 0x01);
	out(IER, 0x00);
	out(IER, 0x02);
	assert_int_equal(in(IIR), 0x02);
}

static void each_sent_byte_raises_a_new_edge(void **state)
{
	unsigned before;

	(void)state;
	out(MCR, OUT2);
	out(IER, 0x02);
	before = fake.edges[4];
	out(DATA, 'x');
	out(DATA, 'y');
	assert_int_equal(fake.edges[4], before + 2);
	assert_int_equal(in(IIR), 0x02);
	assert_false(fake.line[4]);
}

static void without_out2_the_line_stays_low(void **state)
{
	(void)state;
	out(IER, 0x02);
	assert_false(fake.line[4]);
	out(MCR, OUT2);
	assert_true(fake.line[4]);
}

static void a_received_byte_interrupts_and_is_read(void **state)
{
	(void)state;
	out(MCR, OUT2);
	out(IER, 0x01);
	assert_true(vuart_input(&machine, 'q'));
	assert_true(fake.line[4]);
	assert_int_equal(in(IIR), 0x04);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'q');
	assert_false(fake.line[4]);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(DATA), 0);
}

static void without_fifo_there_is_room_for_one_byte(void **state)
{
	(void)state;
	assert_true(vuart_input(&machine, 'a'));
	assert_false(vuart_input(&machine, 'b'));
	assert_int_equal(in(DATA), 'a');
	assert_true(vuart_input(&machine, 'b'));
}

static void the_fifo_keeps_sixteen_bytes_in_order(void **state)
{
	(void)state;
	out(FCR, 0x01);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 16; i++)
			assert_true(vuart_input(&machine, (uint8_t)('a' + i)));
		assert_false(vuart_input(&machine, '!'));
		for (unsigned i = 0; i < 16; i++)
			assert_int_equal(in(DATA), 'a' + i);
	}
}

static void bytes_below_the_trigger_level_are_a_timeout(void **state)
{
	(void)state;
	out(FCR, 0x81); /* eight bytes */
	out(IER, 0x01);
	vuart_input(&machine, '1');
	assert_int_equal(in(IIR), 0xcc);
	for (unsigned i = 0; i < 7; i++)
		vuart_input(&machine, '2');
	assert_int_equal(in(IIR), 0xc4);
}

static void clearing_the_receive_fifo_drops_its_bytes(void **state)
{
	(void)state;
	out(FCR, 0x01);
	vuart_input(&machine, '1');
	out(FCR, 0x03);
	assert_int_equal(in(LSR), 0x60);
}

static void loopback_returns_what_is_sent(void **state)
{
	(void)state;
	out(MCR, LOOP);
	out(DATA, 0xae);
	assert_int_equal(fake.console_length, 0);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 0xae);
	assert_false(vuart_input(&machine, 'x'));
}

static void loopback_connects_the_modem_lines(void **state)
{
	(void)state;
	out(MCR, LOOP);
	in(MSR);
	out(MCR, LOOP | 0x0a); /* RTS and OUT2, what probing drivers look for */
	assert_int_equal(in(MSR)&0xf0, 0x90);
	out(MCR, LOOP | 0x05);
	assert_int_equal(in(MSR)&0xf0, 0x60);
}

static void changed_modem_lines_are_reported_once(void **state)
{
	(void)state;
	in(MSR);
	out(MCR, LOOP);
	assert_int_equal(in(MSR), 0x0b);
	assert_int_equal(in(MSR), 0x00);
	out(MCR, LOOP | 0x04);
	assert_int_equal(in(MSR), 0x40); /* the rise of RI is no event */
	out(MCR, LOOP);
	assert_int_equal(in(MSR), 0x04);
}

static void a_terminal_is_connected(void **state)
{
	(void)state;
	assert_int_equal(in(MSR), 0xb0);
}

static void an_overrun_is_reported_with_the_highest_priority(void **state)
{
	(void)state;
	out(IER, 0x0f);
	out(MCR, LOOP);
	out(DATA, '1');
	out(DATA, '2');
	assert_int_equal(in(IIR), 0x06);
	assert_int_equal(in(LSR), 0x63);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(IIR), 0x04);
	assert_int_equal(in(DATA), '1');
}

static void wide_accesses_are_not_claimed(void **state)
{
	uint32_t value = 0x41424344;

	(void)state;
	assert_false(vuart_io(&machine, DATA, true, 4, &value));
	assert_false(vuart_io(&machine, DATA, false, 2, &value));
	assert_false(vuart_io(&machine, 0x2f8, false, 1, &value));
	assert_int_equal(fake.console_length, 0);
}

static void any_sequence_of_accesses_is_survived(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		uint32_t x = (uint32_t)random_next(&seed);

		fake.console_length = 0;
		if (x & 0x100)
			out((uint16_t)(DATA + (x >> 16 & 7)), (uint8_t)(x >> 24));
		else
			in((uint16_t)(DATA + (x >> 16 & 7)));
		if (x & 0x200)
			vuart_input(&machine, (uint8_t)x);
		assert_in_range(machine.uart.s.count, 0, VUART_FIFO);
		assert_in_range(machine.uart.s.head, 0, VUART_FIFO - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_written_byte_reaches_the_console_at_once, setup),
		cmocka_unit_test_setup(the_divisor_latch_hides_data_and_ier, setup),
		cmocka_unit_test_setup(the_scratch_register_keeps_its_value, setup),
		cmocka_unit_test_setup(reserved_bits_of_ier_and_mcr_read_zero, setup),
		cmocka_unit_test_setup(iir_shows_the_fifo_bits_while_fifos_are_on, setup),
		cmocka_unit_test_setup(
			enabling_the_transmit_interrupt_raises_it_until_iir_is_read, setup),
		cmocka_unit_test_setup(each_sent_byte_raises_a_new_edge, setup),
		cmocka_unit_test_setup(without_out2_the_line_stays_low, setup),
		cmocka_unit_test_setup(a_received_byte_interrupts_and_is_read, setup),
		cmocka_unit_test_setup(without_fifo_there_is_room_for_one_byte, setup),
		cmocka_unit_test_setup(the_fifo_keeps_sixteen_bytes_in_order, setup),
		cmocka_unit_test_setup(bytes_below_the_trigger_level_are_a_timeout, setup),
		cmocka_unit_test_setup(clearing_the_receive_fifo_drops_its_bytes, setup),
		cmocka_unit_test_setup(loopback_returns_what_is_sent, setup),
		cmocka_unit_test_setup(loopback_connects_the_modem_lines, setup),
		cmocka_unit_test_setup(changed_modem_lines_are_reported_once, setup),
		cmocka_unit_test_setup(a_terminal_is_connected, setup),
		cmocka_unit_test_setup(an_overrun_is_reported_with_the_highest_priority, setup),
		cmocka_unit_test_setup(wide_accesses_are_not_claimed, setup),
		cmocka_unit_test_setup(any_sequence_of_accesses_is_survived, setup),
	};

	return cmocka_run_group_tests_name("vuart", tests, NULL, NULL);
}
