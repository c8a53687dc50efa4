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

static void type(const char *text)
{
	while (*text)
		fake_type((uint8_t)*text++);
	vuart_look(&machine);
}

/* Time goes on to the deadline. */
static void wait(void)
{
	uint64_t next = vuart_deadline(&machine);

	assert_true(next != DEV_NEVER);
	fake.now = next > fake.now ? next : fake.now;
	vuart_look(&machine);
}

static void a_received_byte_interrupts_and_is_read(void **state)
{
	(void)state;
	out(MCR, OUT2);
	out(IER, 0x01);
	type("q");
	assert_true(fake.line[4]);
	assert_int_equal(in(IIR), 0x04);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'q');
	assert_false(fake.line[4]);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(DATA), 0);
}

static void without_fifo_one_byte_comes_at_a_time(void **state)
{
	(void)state;
	out(IER, 0x01);
	type("ab");
	fake.now += 1000;
	assert_int_equal(in(DATA), 'a');
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(vuart_deadline(&machine), fake.now + 1000);
	wait();
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'b');
	assert_true(vuart_deadline(&machine) == DEV_NEVER);
}

static void a_batch_is_what_the_fifo_has_room_for_and_none_is_lost(void **state)
{
	(void)state;
	out(FCR, 0x01);
	out(IER, 0x01);
	type("0123456789abcdefghijklmnopqrstuvwxyz+-");
	for (unsigned i = 0; i < 38; i++) {
		if (i > 0 && i % 16 == 0) {
			assert_int_equal(in(LSR), 0x60);
			wait();
		}
		assert_int_equal(in(LSR), 0x61);
		fake.now++;
		assert_int_equal(in(DATA), "0123456789abcdefghijklmnopqrstuvwxyz+-"[i]);
	}
	assert_int_equal(in(LSR), 0x60);
}

static void the_next_batch_comes_after_as_long_as_the_last_took_but_not_slower_than_a_line(
	void **state)
{
	(void)state;
	out(IER, 0x01);
	type("abc");
	fake.now += 500;
	in(DATA);
	assert_int_equal(vuart_deadline(&machine), fake.now + 500);
	wait();
	fake.now += 1000000000; /* a second */
	in(DATA);
	assert_int_equal(vuart_deadline(&machine), fake.now + 1389000);
	fake.now += 1388999;
	assert_int_equal(in(LSR), 0x60);
	fake.now++;
	assert_int_equal(in(LSR), 0x61);
}

static void what_is_typed_during_the_pause_waits_for_its_end(void **state)
{
	(void)state;
	out(IER, 0x01);
	type("a");
	fake.now += 300;
	in(DATA);
	type("b");
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(vuart_deadline(&machine), fake.now + 300);
	assert_true(fake.deadline_changes > 0);
	wait();
	assert_int_equal(in(DATA), 'b');
}

static void bytes_below_the_trigger_level_are_a_timeout(void **state)
{
	(void)state;
	out(FCR, 0x81); /* eight bytes */
	out(IER, 0x01);
	type("1234567");
	assert_int_equal(in(IIR), 0xcc);
	out(IER, 0x00); /* nobody listens: all is on the line again */
	type("8");
	out(IER, 0x01);
	assert_int_equal(in(IIR), 0xc4);
	in(DATA);
	assert_int_equal(in(IIR), 0xcc);
}

static void nothing_comes_while_nobody_listens(void **state)
{
	(void)state;
	type("abc");
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(DATA), 0);
	assert_true(vuart_deadline(&machine) == DEV_NEVER);
	out(MCR, 0x02); /* RTS */
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'a');
}

/* As Linux opens the port. */
static void a_driver_that_clears_what_is_there_loses_nothing(void **state)
{
	(void)state;
	type("abc");
	out(IER, 0x0f);
	out(IER, 0x00); /* which its probe looks for */
	out(FCR, 0x01);
	out(FCR, 0x07);
	out(FCR, 0x00);
	in(LSR);
	in(DATA);
	in(IIR);
	in(MSR);
	out(IER, 0x05);
	out(FCR, 0x01);
	out(FCR, 0x81);
	out(MCR, 0x0b);
	assert_int_equal(in(DATA), 'a');
	assert_int_equal(in(DATA), 'b');
	assert_int_equal(in(DATA), 'c');
}

static void who_polls_gets_bytes_without_interrupts_or_rts(void **state)
{
	unsigned polls = 0;

	(void)state;
	type("ab");
	while (!(in(LSR)&1))
		assert_in_range(polls++, 0, VUART_POLLS);
	assert_int_equal(polls, VUART_POLLS - 1);
	assert_int_equal(in(DATA), 'a');
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'b');
}

/* As OVMF does. */
static void who_polls_may_look_at_the_modem_too(void **state)
{
	unsigned polls = 0;

	(void)state;
	type("a");
	do {
		in(MSR);
		in(MCR);
		assert_in_range(polls++, 0, VUART_POLLS);
	} while (!(in(LSR)&1));
	assert_int_equal(in(DATA), 'a');
}

/* Looks for the transmitter between bytes are no polling. */
static void who_only_sends_gets_nothing(void **state)
{
	(void)state;
	type("a");
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(in(LSR), 0x60);
		out(DATA, 'x');
	}
}

static void a_driver_that_takes_rts_back_gets_no_more_until_it_gives_it(void **state)
{
	(void)state;
	out(FCR, 0x01);
	out(MCR, OUT2 | 0x02);
	out(IER, 0x01);
	type("0123456789abcdefg");
	out(MCR, OUT2);
	for (unsigned i = 0; i < 16; i++)
		in(DATA); /* had arrived */
	fake.now += 10000000;
	assert_int_equal(in(LSR), 0x60);
	assert_true(vuart_deadline(&machine) == DEV_NEVER);
	out(MCR, OUT2 | 0x02);
	assert_true(fake.line[4]);
	assert_int_equal(in(DATA), 'g');
}

static void clearing_the_receive_fifo_drops_its_bytes(void **state)
{
	(void)state;
	out(FCR, 0x01);
	out(MCR, LOOP);
	out(DATA, '1');
	assert_int_equal(in(LSR), 0x61);
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
	out(IER, 0x01);
	type("x");
	assert_int_equal(in(LSR), 0x60);
	out(MCR, 0);
	assert_int_equal(in(DATA), 'x');
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

		if (x & 0x100)
			out((uint16_t)(DATA + (x >> 16 & 7)), (uint8_t)(x >> 24));
		else
			in((uint16_t)(DATA + (x >> 16 & 7)));
		if (x & 0x200)
			fake_type((uint8_t)x);
		vuart_look(&machine);
		fake.now += x >> 22;
		assert_in_range(machine.uart.s.batch, 0, VUART_FIFO);
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
		cmocka_unit_test_setup(without_fifo_one_byte_comes_at_a_time, setup),
		cmocka_unit_test_setup(
			a_batch_is_what_the_fifo_has_room_for_and_none_is_lost, setup),
		cmocka_unit_test_setup(
			the_next_batch_comes_after_as_long_as_the_last_took_but_not_slower_than_a_line,
			setup),
		cmocka_unit_test_setup(what_is_typed_during_the_pause_waits_for_its_end, setup),
		cmocka_unit_test_setup(nothing_comes_while_nobody_listens, setup),
		cmocka_unit_test_setup(a_driver_that_clears_what_is_there_loses_nothing, setup),
		cmocka_unit_test_setup(who_polls_gets_bytes_without_interrupts_or_rts, setup),
		cmocka_unit_test_setup(who_polls_may_look_at_the_modem_too, setup),
		cmocka_unit_test_setup(who_only_sends_gets_nothing, setup),
		cmocka_unit_test_setup(
			a_driver_that_takes_rts_back_gets_no_more_until_it_gives_it, setup),
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
