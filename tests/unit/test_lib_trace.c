/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: the ring that keeps the last records, the filter, bytes; and buckets of times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/latency.h"
#include "lib/trace.h"

#include <cmocka.h>

#define SIZE 5u

static struct trace_record memory[SIZE + 1];
static struct trace_ring ring;

static void begin(void)
{
	memset(memory, 0, sizeof(memory));
	memory[SIZE].tsc = 0xabcdef;
	trace_ring_init(&ring, memory, SIZE);
}

/* Each record has its number as its time. */
static void add(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t number = ring.end;

		*trace_ring_add(&ring) = (struct trace_record){.tsc = number};
	}
}

static void assert_has(uint64_t first, uint64_t end)
{
	assert_true(trace_ring_first(&ring) == first);
	assert_true(ring.end == end);
	assert_null(first > 0 ? trace_ring_get(&ring, first - 1) : NULL);
	for (uint64_t i = first; i < end; i++) {
		assert_non_null(trace_ring_get(&ring, i));
		assert_true(trace_ring_get(&ring, i)->tsc == i);
	}
	assert_null(trace_ring_get(&ring, end));
	assert_null(trace_ring_get(&ring, UINT64_MAX));
	assert_true(memory[SIZE].tsc == 0xabcdef);
}

static void an_empty_ring_has_nothing(void **state)
{
	(void)state;
	begin();
	assert_has(0, 0);
}

static void a_ring_keeps_what_it_has_room_for(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= SIZE; n++) {
		begin();
		add(n);
		assert_has(0, n);
	}
}

static void the_oldest_records_give_way_however_often_it_wraps(void **state)
{
	(void)state;
	for (uint64_t n = SIZE + 1; n < 4 * SIZE + 2; n++) {
		begin();
		add(n);
		assert_has(n - SIZE, n);
	}
}

static void a_trace_that_begins_anew_has_nothing_of_the_one_before_and_numbers_go_on(
	void **state)
{
	(void)state;
	for (uint64_t before = 0; before < 3 * SIZE; before++) {
		begin();
		add(before);
		trace_ring_restart(&ring);
		assert_has(before, before);
		add(2);
		assert_has(before, before + 2);
		add(SIZE);
		assert_has(before + 2, before + 2 + SIZE);
	}
}

static bool matches(const struct trace_filter *f, uint8_t level, uint8_t reason, uint64_t rip,
	uint64_t address)
{
	const struct trace_record r = {
		.level = level, .reason = reason, .rip = rip, .address = address};

	return trace_match(f, &r);
}

static void a_filter_that_asks_for_nothing_lets_everything_through(void **state)
{
	const struct trace_filter f = TRACE_ALL;

	(void)state;
	assert_true(matches(&f, 1, 0, 0, 0));
	assert_true(matches(&f, 2, 255, UINT64_MAX, UINT64_MAX));
}

static void a_filter_takes_a_level_and_a_reason(void **state)
{
	struct trace_filter f = TRACE_ALL;

	(void)state;
	f.level = 2;
	assert_true(matches(&f, 2, 10, 1, 0));
	assert_false(matches(&f, 1, 10, 1, 0));
	f.by_reason = true;
	f.reason = 0;
	assert_true(matches(&f, 2, 0, 1, 0));
	assert_false(matches(&f, 2, 10, 1, 0));
}

static void a_range_is_met_by_rip_or_by_the_address_and_has_its_ends(void **state)
{
	const struct trace_filter f = {.low = 0x1000, .high = 0x1fff};

	(void)state;
	assert_true(matches(&f, 1, 0, 0x1000, 0));
	assert_true(matches(&f, 1, 0, 0x1fff, 0));
	assert_false(matches(&f, 1, 0, 0xfff, 0));
	assert_false(matches(&f, 1, 0, 0x2000, 0x2000));
	assert_true(matches(&f, 1, 0, 0x2000, 0x1000));
	assert_true(matches(&f, 1, 0, 0x2000, 0x1fff));
}

static void no_address_is_not_the_address_zero(void **state)
{
	const struct trace_filter f = {.low = 0, .high = 0xfff};

	(void)state;
	assert_false(matches(&f, 1, 0, 0x2000, 0));
	assert_true(matches(&f, 1, 0, 0, 0));
}

static void a_record_is_its_fields_in_the_order_of_the_table_without_gaps(void **state)
{
	const struct trace_record r = {.tsc = 0x0807060504030201,
		.rip = 0x1817161514131211,
		.info = 0x2827262524232221,
		.address = 0x3837363534333231,
		.ticks = 0x44434241,
		.kind = 0x51,
		.level = 0x52,
		.reason = 0x53,
		.vcpu = 0x5554};
	static const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15,
		0x16, 0x17, 0x18, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x31, 0x32,
		0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x41, 0x42, 0x43, 0x44, 0x51, 0x52, 0x53,
		0x54, 0x55};
	uint8_t bytes[TRACE_RECORD_SIZE], again[TRACE_RECORD_SIZE];
	struct trace_record back;

	(void)state;
	assert_int_equal(TRACE_RECORD_SIZE, sizeof(expected));
	trace_encode(&r, bytes);
	assert_memory_equal(bytes, expected, sizeof(expected));
	trace_decode(bytes, &back);
	trace_encode(&back, again);
	assert_memory_equal(again, expected, sizeof(expected));
}

static void kinds_have_words_and_numbers_that_are_none_are_unknown(void **state)
{
	(void)state;
	assert_string_equal(trace_kind_word(TRACE_EXIT), "exit");
	assert_string_equal(trace_kind_word(TRACE_KINDS - 1), "in");
	assert_string_equal(trace_kind_word(TRACE_KINDS), "unknown");
	assert_string_equal(trace_kind_word(UINT32_MAX), "unknown");
}

static void a_bucket_begins_at_a_power_of_two(void **state)
{
	(void)state;
	assert_int_equal(latency_bucket(0), 0);
	for (unsigned n = 0; n < LATENCY_BUCKETS; n++) {
		uint64_t least = UINT64_C(1) << n;

		assert_int_equal(latency_bucket(least), n);
		assert_int_equal(latency_bucket(least + (least - 1)), n);
	}
	assert_int_equal(latency_bucket(UINT64_MAX), LATENCY_BUCKETS - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_ring_has_nothing),
		cmocka_unit_test(a_ring_keeps_what_it_has_room_for),
		cmocka_unit_test(the_oldest_records_give_way_however_often_it_wraps),
		cmocka_unit_test(
			a_trace_that_begins_anew_has_nothing_of_the_one_before_and_numbers_go_on),
		cmocka_unit_test(a_filter_that_asks_for_nothing_lets_everything_through),
		cmocka_unit_test(a_filter_takes_a_level_and_a_reason),
		cmocka_unit_test(a_range_is_met_by_rip_or_by_the_address_and_has_its_ends),
		cmocka_unit_test(no_address_is_not_the_address_zero),
		cmocka_unit_test(a_record_is_its_fields_in_the_order_of_the_table_without_gaps),
		cmocka_unit_test(kinds_have_words_and_numbers_that_are_none_are_unknown),
		cmocka_unit_test(a_bucket_begins_at_a_power_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
