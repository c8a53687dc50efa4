/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output stream on a serial port that is slow: what waits, who waits, and that nothing is
 * polled for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "cpu/config.h"
#include "cpu/mux.h"
#include "cpu/text_screen.h"
#include "mm/layout.h"
#include "spec/uart.h"
#include "cpu/percpu.h"

uint64_t hw_now;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
uint32_t tsc_khz = 1000;

static struct percpu cpu, other;
static char sent[200000];
static unsigned sent_count, in_fifo, looks;
static bool faults; /* the next byte */
static uint16_t uart = COM1;
static bool setting_up; /* its registers */
static jmp_buf fault;
static bool other_polls; /* while this CPU has the port */
static unsigned waits;
static bool stuck; /* what is in the FIFO stays there; time passes */

uint8_t hw_in(uint16_t port)
{
	if (port == 0xe9)
		return 0;
	assert_int_equal(port, uart + 5);
	looks++;
	return in_fifo == 0 && !stuck ? 0x20 : 0;
}

void hw_out(uint16_t port, uint8_t value)
{
	assert_in_range(port, uart, uart + 7); /* no others */
	if (port != uart || setting_up)
		return;
	if (faults) {
		faults = false;
		longjmp(fault, 1);
	}
	if (other_polls) {
		other_polls = false;
		hw_cpu = &other;
		mux_poll();
		hw_cpu = &cpu;
	}
	assert_true(in_fifo < 16); /* else the byte is lost */
	in_fifo++;
	sent[sent_count++] = (char)value;
}

/* Who polls lets time pass. */
void hw_pause(void)
{
	if (stuck)
		hw_now += 10;
	else
		in_fifo = 0;
	assert_in_range(++waits, 0, 1000000);
}

static int set_up(void **state)
{
	(void)state;
	hw_cpu = &cpu;
	in_fifo = 0;
	mux_init();
	mux_flush();
	sent_count = looks = in_fifo = 0;
	return 0;
}

static void write_many(unsigned channel, char c, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		mux_write(channel, &c, 1);
}

static void a_write_takes_what_the_port_has_room_for_and_polls_for_nothing(void **state)
{
	char text[512];

	(void)state;
	memset(text, 'a', sizeof(text));
	mux_write(MUX_VM, text, sizeof(text));
	assert_int_equal(sent_count, 16);
	assert_in_range(looks, 1, 2);
	assert_true(mux_pending());
	mux_poll(); /* the port is still busy */
	assert_int_equal(sent_count, 16);
	in_fifo = 0;
	mux_poll();
	assert_int_equal(sent_count, 32);
}

static void everything_comes_in_order(void **state)
{
	char text[3000];

	(void)state;
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	mux_write(MUX_LOG, text, 1000);
	mux_write(MUX_VM + 1, text + 1000, 1000);
	in_fifo = 0;
	mux_poll();
	mux_write(MUX_CONTROL, text + 2000, 1000);
	mux_flush();
	assert_false(mux_pending());
	assert_int_equal(sent_count, sizeof(text));
	assert_memory_equal(sent, text, sizeof(text));
}

static void a_vm_that_floods_has_to_wait_and_others_need_not(void **state)
{
	(void)state;
	assert_false(mux_congested(MUX_VM));
	write_many(MUX_VM, 'x', 1100);
	assert_true(mux_congested(MUX_VM));
	assert_false(mux_congested(MUX_VM + 1));
	assert_false(mux_congested(MUX_LOG));
	while (mux_congested(MUX_VM)) {
		in_fifo = 0;
		mux_poll();
	}
	assert_true(mux_pending());
	mux_flush();
}

/* VMs that make no records any more once it is so hold up nobody: the port is never polled. */
static void it_is_crowded_long_before_anybody_has_to_wait_for_the_port(void **state)
{
	unsigned written = 0;

	(void)state;
	mux_share(LIMIT_VMS);
	assert_true(mux_is_slow());
	for (unsigned vm = 0; vm < LIMIT_VMS; vm++)
		while (!mux_congested(MUX_VM + vm))
			mux_write(MUX_VM + vm, "x", 1);
	assert_false(mux_crowded());
	in_fifo = looks = 0;
	while (!mux_crowded()) {
		write_many(MUX_CONTROL, 'r', 100);
		written += 100;
	}
	write_many(MUX_LOG, 'l', 4000);
	assert_in_range(written, 4000, 10000);
	assert_in_range(looks, 0, written + 4000); /* one look for each, none to wait */
	mux_flush();
	assert_false(mux_crowded());
}

static void what_does_not_fit_goes_out_first(void **state)
{
	(void)state;
	write_many(MUX_LOG, 'l', 140000);
	mux_flush();
	assert_int_equal(sent_count, 140000);
}

/* A fault while this CPU writes: the report must come out. */
static void a_fault_in_the_midst_of_a_write_can_be_reported(void **state)
{
	(void)state;
	mux_break_lock(); /* not held: nothing to do */
	faults = true;
	if (setjmp(fault) == 0)
		mux_write(MUX_LOG, "lost", 4);
	assert_false(faults);
	in_fifo = 0;
	mux_break_lock();
	mux_write(MUX_LOG, "report", 6);
	mux_flush();
	assert_memory_equal(sent + sent_count - 6, "report", 6);
}

static void use(uint16_t port)
{
	uart = port;
	setting_up = true;
	mux_use_uart(&(struct uart){.base = port}, 0);
	setting_up = false;
}

/* Nor what was said before it was chosen. */
static void without_a_uart_nothing_goes_anywhere(void **state)
{
	(void)state;
	in_fifo = 16;
	write_many(MUX_LOG, 'w', 100);
	assert_true(mux_pending());
	use(0);
	assert_false(mux_pending());
	write_many(MUX_LOG, 'n', 100);
	mux_poll();
	mux_flush();
	assert_int_equal(sent_count, 0);
	use(COM1);
	assert_int_equal(mux_room(MUX_VM), 1024);
}

static void what_waits_goes_by_the_uart_that_is_chosen(void **state)
{
	(void)state;
	in_fifo = 16;
	write_many(MUX_LOG, 'w', 100);
	use(COM2);
	mux_flush();
	assert_int_equal(sent_count, 100);
	use(COM1);
}

/* Registers of a UART in memory; what is written to its data goes to `sent`. */
static volatile uint32_t registers[8];

/* Registers at their distance and of their width, the divisor of 16 bits. */
static void a_uart_in_memory_is_set_up_and_written_as_it_is_wide(void **state)
{
	struct uart u = {(uint64_t)(uintptr_t)registers - DIRECT_BASE, true, 4, 4};

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		registers[i] = 0xdddddd00u;
	registers[5] = 0xdddddd20u; /* always ready */
	in_fifo = 16;
	write_many(MUX_LOG, 'w', 16);
	mux_use_uart(&u, 0x1234);
	assert_int_equal(registers[0], 0x34);
	assert_int_equal(registers[1], 0x12);
	assert_int_equal(registers[2], 7);
	assert_int_equal(registers[3], 3);
	assert_int_equal(registers[4], 3);
	mux_flush();
	assert_false(mux_pending());
	assert_int_equal(registers[0], 'w');
	assert_int_equal(sent_count, 0); /* nothing at ports */
	assert_true(mux_uart_meets(true, u.base + 31, 1));
	assert_false(mux_uart_meets(true, u.base + 32, 1));
	assert_false(mux_uart_meets(false, COM1, 8));
	for (unsigned i = 0; i < 8; i++)
		registers[i] = 0xdddddddd;
	u.width = 1; /* bytes, four apart */
	mux_use_uart(&u, 0);
	assert_int_equal(registers[0], 0xdddddddd);
	assert_int_equal(registers[1], 0xdddddd00);
	assert_int_equal(registers[3], 0xdddddd03);
	u.stride = 2;
	u.width = 2;
	mux_use_uart(&u, 0);
	assert_int_equal(registers[1], 0x00030007); /* FCR, LCR */
	use(COM1);
	assert_true(mux_uart_meets(false, COM1, 8));
}

/* Who writes does what the other one would: nobody waits for a screen that is drawn. */
static void who_polls_waits_for_nobody(void **state)
{
	(void)state;
	in_fifo = 16;
	write_many(MUX_LOG, 'w', 100);
	in_fifo = 0;
	other_polls = true;
	mux_poll();
	assert_false(other_polls);
	mux_flush();
	assert_int_equal(sent_count, 100);
}

static sigjmp_buf interrupted;

static void on_fault(int signal)
{
	(void)signal;
	siglongjmp(interrupted, 1);
}

/* Which is not its memory's fault: who tells why all others stand still has the screen. */
static void a_cpu_that_is_stopped_as_it_draws_leaves_the_screen_to_others(void **state)
{
	struct sigaction ours = {.sa_handler = on_fault, .sa_flags = SA_NODEFER}, before;
	uint16_t *cells = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile bool was = false;

	(void)state;
	assert_ptr_not_equal(cells, MAP_FAILED);
	text_screen_use(cells, 80, 25);
	sigaction(SIGSEGV, &ours, &before); /* stands for the NMI */
	if (sigsetjmp(interrupted, 1) == 0)
		mux_write(MUX_LOG, "line", 4);
	else
		was = true;
	sigaction(SIGSEGV, &before, NULL);
	assert_true(was);
	mux_stop();
	assert_int_equal(mprotect(cells, 4096, PROT_READ | PROT_WRITE), 0);
	hw_cpu = &other;
	mux_write(MUX_LOG, "why", 3);
	mux_flush();
	hw_cpu = &cpu;
	assert_int_equal(cells[24 * 80 + 4] & 0xff, 'w');
	text_screen_use(NULL, 0, 0);
	munmap(cells, 4096);
}

static volatile uint16_t vga[80 * 25];

static bool screen_shows(const char *text)
{
	char line[80 * 25 + 1] = "";

	for (unsigned i = 0; i < 80 * 25; i++)
		line[i] = (char)vga[i];
	return strstr(line, text) != NULL;
}

/* A status register that reads 0 for ever, in whatever L0 is doing. */
static void a_uart_that_stands_still_stops_nobody_and_is_told_of_on_the_screen(void **state)
{
	(void)state;
	text_screen_use(vga, 80, 25);
	stuck = true;
	waits = 0;
	write_many(MUX_CONTROL, 'w', 140000); /* more than the ring has */
	mux_flush();
	assert_false(mux_pending());
	assert_int_equal(sent_count, 0);
	assert_in_range(waits, 190000, 210000); /* 2 s, once */
	assert_true(screen_shows("the UART at 0x3f8 has sent nothing for 2000 ms"));
	write_many(MUX_VM, 'x', 5000);
	assert_false(mux_congested(MUX_VM));
	assert_in_range(waits, 190000, 210000);
	stuck = false;
	mux_write(MUX_LOG, "again", 5);
	mux_flush();
	sent[sent_count] = 0;
	assert_string_equal(sent, "\nnestor: warn: the UART at 0x3f8 sends again; 145000 bytes "
				  "of output were lost\nagain");
	text_screen_use(NULL, 0, 0);
}

/* Nobody waits in L0; but the VM would, for as long as the port does. */
static void a_vm_whose_console_has_to_wait_for_it_goes_on(void **state)
{
	(void)state;
	stuck = true;
	write_many(MUX_VM, 'x', 1100);
	for (unsigned ms = 0; ms < 1900; ms++) {
		hw_now += tsc_khz;
		mux_poll();
	}
	assert_true(mux_congested(MUX_VM));
	for (unsigned ms = 0; ms < 200; ms++) {
		hw_now += tsc_khz;
		mux_poll();
	}
	assert_false(mux_congested(MUX_VM));
	stuck = false;
	mux_write(MUX_LOG, "again", 5);
	mux_flush();
	assert_memory_equal(sent + sent_count - 5, "again", 5);
}

/* A byte in three seconds is slow, and not stuck: it is what was seen that counts. */
static void a_uart_that_nobody_looked_at_for_long_is_not_taken_for_one(void **state)
{
	(void)state;
	in_fifo = 16;
	mux_write(MUX_LOG, "one", 3);
	in_fifo = 0;
	hw_now += 3000 * tsc_khz;
	mux_poll();
	in_fifo = 16;
	mux_write(MUX_LOG, "two", 3);
	hw_now += 1000 * tsc_khz;
	mux_poll();
	mux_flush();
	assert_memory_equal(sent, "onetwo", 6);
}

static unsigned drawn_cells(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof(vga) / sizeof(vga[0]); i++)
		n += vga[i] != 0;
	return n;
}

/* The last of the tests that are about the stream: the stream is polled from then on. */
static void the_screen_gets_lines_at_once_until_the_stream_is_polled(void **state)
{
	unsigned n;

	(void)state;
	text_screen_use(vga, 80, 25);
	mux_write(MUX_VM, "console", 7); /* is not shown, but lets what is there be drawn */
	assert_int_equal(drawn_cells(), 80 * 25);
	mux_write(MUX_LOG, "one", 3);
	assert_int_equal(vga[24 * 80] & 0xff, 'o');
	mux_flush();
	mux_is_polled();
	memset((void *)(uintptr_t)vga, 0, sizeof(vga));
	for (unsigned i = 0; i < 30; i++)
		mux_write(MUX_LOG, "0123456789012345678901234567890123456789\n", 41);
	assert_int_equal(drawn_cells(), 0);
	mux_flush();
	memset((void *)(uintptr_t)vga, 0, sizeof(vga));
	for (unsigned i = 0; i < 30; i++)
		mux_write(MUX_LOG, "abcdefghijabcdefghijabcdefghijabcdefghij\n", 41);
	hw_now += tsc_khz;
	while (in_fifo = 0, looks = 0, mux_poll(), looks != 0)
		continue;
	/* The UART is done; the screen has had its share of this millisecond. */
	n = drawn_cells();
	assert_true(mux_pending());
	assert_in_range(n, 1, 64);
	mux_poll();
	assert_int_equal(drawn_cells(), n);
	hw_now += tsc_khz;
	mux_poll();
	assert_in_range(drawn_cells(), n + 1, n + 64);
	mux_write(MUX_LOG, "last", 4);
	mux_leave_screen();
	assert_false(mux_pending() && looks == 0);
	assert_int_equal(vga[24 * 80] & 0xff, 'l');
	assert_int_equal(vga[23 * 80] & 0xff, 'a');
	mux_write(MUX_LOG, "gone", 4);
	mux_flush();
	assert_int_not_equal(vga[24 * 80 + 4] & 0xff, 'g');
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_write_takes_what_the_port_has_room_for_and_polls_for_nothing),
		TEST(everything_comes_in_order),
		TEST(a_vm_that_floods_has_to_wait_and_others_need_not),
		TEST(it_is_crowded_long_before_anybody_has_to_wait_for_the_port),
		TEST(what_does_not_fit_goes_out_first),
		TEST(without_a_uart_nothing_goes_anywhere),
		TEST(what_waits_goes_by_the_uart_that_is_chosen),
		TEST(a_fault_in_the_midst_of_a_write_can_be_reported),
		TEST(a_uart_in_memory_is_set_up_and_written_as_it_is_wide),
		TEST(who_polls_waits_for_nobody),
		TEST(a_cpu_that_is_stopped_as_it_draws_leaves_the_screen_to_others),
		TEST(a_uart_that_stands_still_stops_nobody_and_is_told_of_on_the_screen),
		TEST(a_vm_whose_console_has_to_wait_for_it_goes_on),
		TEST(a_uart_that_nobody_looked_at_for_long_is_not_taken_for_one),
		TEST(the_screen_gets_lines_at_once_until_the_stream_is_polled),
	};

	return cmocka_run_group_tests_name("cpu_mux", tests, NULL, NULL);
}
