/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input from the host tool to L0: both ends, and a line between them that may lose and change
 * bytes. Counts go on from test to test, as in a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cpu/input.h"
#include "cpu/mux.h"
#include "random.h"
#include "sender.h"
#include "terminal.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define TOTAL 300000u

static struct arena arena;
static struct sender sender;
static struct frame_reader reader;
static double now;
static uint64_t seed = 1;
static unsigned records, stops;

/* ---- L0's way back: lossless ---- */

static char lines[64][100];
static unsigned line_count;

void mux_record(const char *format, ...)
{
	va_list args;

	assert_in_range(line_count, 0, 63);
	va_start(args, format);
	vsnprintf(lines[line_count++], sizeof(lines[0]), format, args);
	va_end(args);
	records++;
}

static void deliver_records(void)
{
	for (unsigned i = 0; i < line_count; i++)
		sender_report(&sender, lines[i], now);
	line_count = 0;
}

/* ---- the line ---- */

static void arrives(uint8_t byte)
{
	struct frame f;

	switch (frame_read(&reader, byte, &f)) {
	case FRAME_READY:
		if (f.kind == FRAME_STOP)
			stops++;
		else
			input_frame(&f);
		break;
	case FRAME_BAD:
		input_lost();
		break;
	default:
		break;
	}
}

/* What the sender has ready; of so many bytes one is lost or changed. False: nothing. */
static bool send(unsigned one_bad_of)
{
	size_t size;
	const uint8_t *bytes = sender_next(&sender, now, &size);

	if (!bytes)
		return false;
	if (size > 100)
		size = 1 + random_below(&seed, 100); /* the line takes some */
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = bytes[i];

		if (one_bad_of != 0 && random_below(&seed, one_bad_of) == 0) {
			if (random_below(&seed, 2))
				continue;
			byte ^= (uint8_t)(1u << random_below(&seed, 8));
		}
		arrives(byte);
	}
	sender_wrote(&sender, size);
	return true;
}

/* L0's, of as many VMs as there may be. */
static uint8_t memory[LIMIT_VMS * INPUT_PLACE] __attribute__((aligned(64)));

static bool only_news_is(unsigned vm)
{
	uint64_t news[INPUT_VM_WORDS], want[INPUT_VM_WORDS] = {0};

	set_add(want, vm);
	input_take_news(news);
	return memcmp(news, want, sizeof(news)) == 0;
}

static void forget_news(void)
{
	uint64_t news[INPUT_VM_WORDS];

	input_take_news(news);
}

static int set_up(void **state)
{
	(void)state;
	if (!sender.console[0].kept) {
		input_make(memory, LIMIT_VMS);
		sender_init(&sender, &arena);
		frame_reader_init(&reader);
		input_hello();
		deliver_records();
	}
	assert_true(sender.open);
	now += 100;
	while (send(0))
		;
	input_tell();
	deliver_records();
	for (unsigned line = 0; line < L0_LINES; line++)
		while (input_waiting(line) > 0)
			input_take(line);
	forget_news();
	deliver_records();
	records = stops = 0;
	return 0;
}

static uint8_t byte_of(unsigned vm, unsigned n)
{
	return (uint8_t)(n * 7 + n / 256 + vm * 101);
}

/* All of it, to several VMs, of which one reads slowly. */
static void transfer(unsigned one_bad_of, unsigned total)
{
	unsigned added[3] = {0}, got[3] = {0}, turns = 0;

	while (got[0] + got[1] + got[2] < 3 * total) {
		for (unsigned vm = 0; vm < 3; vm++) {
			unsigned reads = random_below(&seed, vm == 2 ? 20 : 400);

			for (unsigned i = 0;
				i < 200 && added[vm] < total && sender_room(&sender, vm) > 0;
				i++) {
				uint8_t byte = byte_of(vm, added[vm]++);

				sender_add(&sender, vm, &byte, 1);
			}
			while (reads-- > 0 && input_waiting(vm) > 0) {
				assert_int_equal(input_take(vm), byte_of(vm, got[vm]));
				got[vm]++;
			}
			assert_in_range(input_waiting(vm), 0, L0_INPUT_WINDOW);
			deliver_records();
		}
		send(one_bad_of);
		if (random_below(&seed, 3) == 0)
			input_tell();
		deliver_records();
		now += 0.01;
		assert_in_range(turns++, 0, 10000000);
	}
}

static void nothing_is_lost_on_a_good_line(void **state)
{
	(void)state;
	transfer(0, TOTAL);
}

static void nothing_is_lost_on_a_bad_line(void **state)
{
	(void)state;
	transfer(2000, TOTAL / 4);
	transfer(300, TOTAL / 30);
}

static void a_vm_that_does_not_read_stops_its_own_input_only(void **state)
{
	uint8_t byte = 'x';

	(void)state;
	for (unsigned i = 0; i < 3 * L0_INPUT_WINDOW; i++)
		sender_add(&sender, 0, &byte, 1);
	for (unsigned i = 0; i < 1000; i++) {
		send(0);
		input_tell();
		deliver_records();
	}
	assert_int_equal(input_waiting(0), L0_INPUT_WINDOW);
	assert_false(send(0));
	sender_add(&sender, 1, &byte, 1);
	assert_true(send(0));
	assert_int_equal(input_waiting(1), 1);
	sender_stop(&sender);
	assert_true(send(0));
	assert_int_equal(stops, 1);
	for (unsigned i = 0; i < 3 * L0_INPUT_WINDOW; i++) {
		while (input_waiting(0) == 0) {
			assert_true(send(0));
			input_tell();
			deliver_records();
		}
		input_take(0);
		deliver_records();
	}
}

static void a_tail_that_got_lost_is_sent_again_after_a_while(void **state)
{
	uint8_t byte = 'x';
	size_t size;

	(void)state;
	sender_add(&sender, 0, &byte, 1);
	assert_non_null(sender_next(&sender, now, &size));
	sender_wrote(&sender, size); /* nothing arrives */
	assert_null(sender_next(&sender, now, &size));
	assert_true(sender_deadline(&sender) > now);
	now = sender_deadline(&sender);
	assert_true(send(0));
	assert_int_equal(input_waiting(0), 1);
}

static void nothing_but_a_stop_is_sent_before_l0_is_there(void **state)
{
	static struct sender early;
	struct arena a = {NULL};
	uint8_t byte = 'x';
	size_t size;

	(void)state;
	sender_init(&early, &a);
	sender_add(&early, 0, &byte, 1);
	assert_null(sender_next(&early, now, &size));
	sender_stop(&early);
	assert_non_null(sender_next(&early, now, &size));
	sender_wrote(&early, size);
	sender_report(&early, "input version=1 window=4096", now);
	assert_null(sender_next(&early, now, &size));
	sender_report(&early, "input version=2 window=4096", now);
	assert_non_null(sender_next(&early, now, &size));
	arena_free(&a);
}

static void rubbish_is_answered_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		arrives((uint8_t)random_next(&seed));
		input_tell();
		deliver_records();
	}
	arrives(0x7e);
	input_tell();
	deliver_records();
	assert_in_range(records, 0, 2 * L0_LINES);
}

/* What a good tool never does. */
static void more_than_there_is_room_for_is_refused(void **state)
{
	uint8_t payload[FRAME_PAYLOAD] = {0};
	struct frame f = {FRAME_INPUT, L0_CHANNEL_VM + 5, sizeof(payload), payload};

	(void)state;
	for (uint32_t at = 0; at < 4 * L0_INPUT_WINDOW; at += FRAME_PAYLOAD - FRAME_OFFSET) {
		frame_put32(payload, at);
		input_frame(&f);
		assert_in_range(input_waiting(5), 0, L0_INPUT_WINDOW);
	}
	input_tell();
	assert_non_null(strstr(lines[line_count - 1], "again=1"));
	line_count = 0;
}

static void a_size_is_told_and_is_news(void **state)
{
	uint16_t columns, rows;

	(void)state;
	assert_false(input_size(3, &columns, &rows));
	sender_resize(&sender, 3, 132, 43);
	assert_true(send(0));
	assert_true(input_pending());
	assert_true(only_news_is(3));
	assert_true(input_size(3, &columns, &rows));
	assert_int_equal(columns, 132);
	assert_int_equal(rows, 43);
}

/* A hostile or broken L0 makes the tool do nothing odd. */
static void a_screen_is_asked_for_and_is_news(void **state)
{
	(void)state;
	forget_news();
	assert_false(input_take_screen(4));
	sender_screen(&sender, 4);
	sender_screen(&sender, 4);
	while (send(0))
		;
	assert_true(input_pending());
	assert_true(only_news_is(4));
	assert_false(input_take_screen(3));
	assert_true(input_take_screen(4));
	assert_false(input_take_screen(4));
}

static void odd_records_change_nothing(void **state)
{
	static const char *const odd[] = {"input channel=2 taken=4000000000 limit=0",
		"input channel=2", "input channel=1 taken=5 limit=5",
		"input channel=99 taken=5", "input", "input version=2 window=9999999"};
	struct sender_console was = sender.console[0];

	(void)state;
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		sender_report(&sender, odd[i], now);
	assert_int_equal(sender.console[0].acked, was.acked);
	assert_int_equal(sender.console[0].limit, was.limit);
	assert_int_equal(sender.console[0].sent, was.sent);
}

static void the_escape_key_and_what_follows_it(void **state)
{
	static const struct {
		const char *typed;
		enum key key;
		unsigned number;
	} table[] = {{"a", KEY_TYPED, 0}, {"q", KEY_TYPED, 0}, {"\003", KEY_TYPED, 0},
		{"\035", KEY_NONE, 0}, {"\035\035", KEY_TYPED, 0}, {"\035?", KEY_HELP, 0},
		{"\035q", KEY_QUIT, 0}, {"\035.", KEY_QUIT, 0}, {"\035n", KEY_NEXT, 0},
		{"\035p", KEY_PREVIOUS, 0}, {"\0351", KEY_CHOOSE, 0}, {"\0358", KEY_CHOOSE, 7},
		{"\035x", KEY_UNKNOWN, 0}, {"\035xq", KEY_TYPED, 0},
		{"\035\035q", KEY_TYPED, 0}};

	(void)state;
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct keys k = {false};
		enum key key = KEY_UNKNOWN;
		unsigned number = 0;

		for (const char *c = table[i].typed; *c; c++)
			key = keys_take(&k, (uint8_t)*c, &number);
		assert_int_equal(key, table[i].key);
		assert_int_equal(number, table[i].number);
	}
}

#define T(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_is_lost_on_a_good_line),
		T(nothing_is_lost_on_a_bad_line),
		T(a_vm_that_does_not_read_stops_its_own_input_only),
		T(a_tail_that_got_lost_is_sent_again_after_a_while),
		T(nothing_but_a_stop_is_sent_before_l0_is_there),
		T(rubbish_is_answered_once),
		T(more_than_there_is_room_for_is_refused),
		T(a_size_is_told_and_is_news),
		T(a_screen_is_asked_for_and_is_news),
		T(odd_records_change_nothing),
		cmocka_unit_test(the_escape_key_and_what_follows_it),
	};
	int failed = cmocka_run_group_tests_name("tool_input", tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
