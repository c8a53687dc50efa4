/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: rings that wrap around, connections that are asked for, taken, refused and ended,
 * and who is told of what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"
#include "stream/seam.h"
#include "stream/stream.h"

#define SIZE     64u
#define OPENER   3u /* VMs */
#define ACCEPTOR 5u
#define PORT     1234u

static struct stream s;
static uint8_t memory[2 * SIZE];
static unsigned told_opener, told_acceptor;

void stream_arrived(unsigned vm)
{
	assert_true(vm == OPENER || vm == ACCEPTOR);
	told_opener += vm == OPENER;
	told_acceptor += vm == ACCEPTOR;
}

/* Whether these were told since the last time, and how often. */
static void expect_told(unsigned opener, unsigned acceptor)
{
	assert_int_equal(told_opener, opener);
	assert_int_equal(told_acceptor, acceptor);
	told_opener = told_acceptor = 0;
}

static int setup(void **state)
{
	(void)state;
	memset(memory, 0xcc, sizeof(memory));
	stream_create(&s, OPENER, ACCEPTOR, PORT, memory, SIZE);
	told_opener = told_acceptor = 0;
	return 0;
}

/* The opener asks and the acceptor takes it; its number. */
static uint32_t connect(void)
{
	uint32_t number;

	assert_true(stream_open(&s));
	number = stream_wanted(&s);
	assert_true(stream_asks(&s, number));
	stream_accept(&s, number);
	assert_false(stream_asks(&s, number));
	assert_int_equal(stream_state(&s), STREAM_OPEN);
	told_opener = told_acceptor = 0;
	return number;
}

static void send(enum stream_side from, const void *bytes, uint32_t count)
{
	struct stream_ring *r = &s.to[from == STREAM_OPENER ? STREAM_ACCEPTOR : STREAM_OPENER];

	assert_true(stream_has_room(&s, from, count));
	ring_put(r, 0, bytes, count);
	stream_send(&s, from, count);
}

/* ---- rings ---- */

static struct stream_ring ring = {.bytes = memory, .size = SIZE};

static void start_ring(uint32_t index)
{
	ring.head = ring.tail = index;
	memset(memory, 0xcc, sizeof(memory));
}

static void bytes_come_out_as_they_went_in_at_any_place_of_the_ring(void **state)
{
	uint8_t in[SIZE], out[SIZE];

	(void)state;
	for (uint32_t start = 0; start < 2 * SIZE; start++)
		for (uint32_t count = 0; count <= SIZE; count += 1 + start % 3) {
			start_ring(start - SIZE); /* over the end of 32 bits, too */
			for (uint32_t i = 0; i < count; i++)
				in[i] = (uint8_t)(start + 3 * i);
			ring_put(&ring, 0, in, count);
			assert_int_equal(ring_waiting(&ring), 0);
			ring_commit(&ring, count);
			assert_int_equal(ring_waiting(&ring), count);
			assert_int_equal(ring_room(&ring), SIZE - count);
			ring_peek(&ring, out, count);
			assert_memory_equal(in, out, count);
			ring_drop(&ring, count);
			assert_int_equal(ring_room(&ring), SIZE);
			for (uint32_t i = SIZE; i < 2 * SIZE; i++)
				assert_int_equal(memory[i], 0xcc);
		}
}

static void pieces_end_where_the_ring_does(void **state)
{
	uint32_t count = 20;
	uint8_t in[20];

	(void)state;
	start_ring(SIZE - 8);
	assert_ptr_equal(ring_place(&ring, 0, &count), memory + SIZE - 8);
	assert_int_equal(count, 8);
	count = 20;
	assert_ptr_equal(ring_place(&ring, 8, &count), memory);
	assert_int_equal(count, 20);
	assert_non_null(ring_first(&ring, &count));
	assert_int_equal(count, 0);
	memset(in, 0x11, sizeof(in));
	ring_put(&ring, 0, in, 20);
	ring_commit(&ring, 20);
	assert_ptr_equal(ring_first(&ring, &count), memory + SIZE - 8);
	assert_int_equal(count, 8);
	ring_drop(&ring, 8);
	assert_ptr_equal(ring_first(&ring, &count), memory);
	assert_int_equal(count, 12);
}

static void what_is_put_behind_becomes_visible_with_what_is_before_it(void **state)
{
	uint8_t out[12];

	(void)state;
	start_ring(SIZE - 6);
	ring_put(&ring, 4, "efghijkl", 8);
	ring_put(&ring, 0, "abcd", 4);
	assert_int_equal(ring_waiting(&ring), 0);
	ring_commit(&ring, 12);
	ring_peek(&ring, out, 12);
	assert_memory_equal(out, "abcdefghijkl", 12);
}

static void a_ring_is_a_queue_of_bytes(void **state)
{
	uint64_t seed = 7;
	uint8_t written = 0, read = 0, buffer[SIZE];

	(void)state;
	start_ring(UINT32_MAX - 1000);
	for (unsigned round = 0; round < 20000; round++) {
		uint32_t n = random_below(&seed, ring_room(&ring) + 1);

		for (uint32_t i = 0; i < n; i++)
			buffer[i] = written++;
		ring_put(&ring, 0, buffer, n);
		ring_commit(&ring, n);
		n = random_below(&seed, ring_waiting(&ring) + 1);
		ring_peek(&ring, buffer, n);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(buffer[i], read++);
		ring_drop(&ring, n);
		assert_int_equal((uint8_t)(written - read), ring_waiting(&ring));
	}
}

/* ---- connections ---- */

static void nothing_is_wanted_in_the_beginning(void **state)
{
	(void)state;
	assert_int_equal(stream_state(&s), STREAM_CLOSED);
	assert_int_equal(stream_wanted(&s) & 1, 0);
	assert_false(stream_asks(&s, stream_wanted(&s)));
	assert_false(stream_accepted(&s, stream_wanted(&s)));
	stream_close(&s);
	stream_see_closed(&s, stream_wanted(&s));
	expect_told(0, 0);
}

static void the_acceptor_is_asked_and_the_opener_gets_its_answer(void **state)
{
	uint32_t number;

	(void)state;
	assert_true(stream_open(&s));
	expect_told(0, 1);
	assert_int_equal(stream_state(&s), STREAM_OPENING);
	number = stream_wanted(&s);
	assert_int_equal(number & 1, 1);
	assert_true(stream_asks(&s, number));
	assert_false(stream_accepted(&s, number));
	stream_accept(&s, number);
	expect_told(1, 0);
	assert_false(stream_asks(&s, number));
	assert_true(stream_accepted(&s, number));
	assert_int_equal(stream_state(&s), STREAM_OPEN);
	stream_accept(&s, number); /* nothing new */
	expect_told(0, 0);
}

static void a_refusal_can_be_followed_by_another_try(void **state)
{
	uint32_t number;

	(void)state;
	assert_true(stream_open(&s));
	number = stream_wanted(&s);
	told_acceptor = 0;
	stream_end(&s, number);
	expect_told(1, 0);
	assert_int_equal(stream_state(&s), STREAM_ENDED);
	assert_false(stream_asks(&s, number));
	assert_true(stream_open(&s));
	expect_told(0, 1);
	assert_true(stream_asks(&s, stream_wanted(&s)));
	assert_int_not_equal(stream_wanted(&s), number);
	assert_int_equal(stream_state(&s), STREAM_OPENING);
}

static void the_next_connection_waits_until_the_acceptor_has_let_the_last_one_go(void **state)
{
	uint32_t number = connect();

	(void)state;
	send(STREAM_OPENER, "abc", 3);
	send(STREAM_ACCEPTOR, "defg", 4);
	told_opener = told_acceptor = 0;
	stream_close(&s);
	expect_told(0, 1);
	assert_int_equal(stream_state(&s), STREAM_CLOSED);
	stream_close(&s);
	expect_told(0, 0);
	assert_false(stream_open(&s));
	assert_int_equal(ring_waiting(&s.to[STREAM_ACCEPTOR]), 3);
	stream_end(&s, number); /* it had not seen it yet */
	assert_false(stream_open(&s));
	assert_int_equal(stream_wanted(&s) & 1, 0);
	told_opener = 0;
	stream_see_closed(&s, stream_wanted(&s));
	expect_told(1, 0);
	assert_true(stream_open(&s));
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(ring_waiting(&s.to[i]), 0);
}

static void one_that_is_asked_for_cannot_be_asked_for_again(void **state)
{
	(void)state;
	assert_true(stream_open(&s));
	assert_false(stream_open(&s));
	stream_accept(&s, stream_wanted(&s));
	assert_false(stream_open(&s));
	assert_int_equal(stream_state(&s), STREAM_OPEN);
}

static void what_an_ended_acceptor_had_sent_can_be_read(void **state)
{
	uint32_t number = connect();
	uint8_t out[4];

	(void)state;
	send(STREAM_ACCEPTOR, "last", 4);
	stream_end(&s, number);
	assert_int_equal(stream_state(&s), STREAM_ENDED);
	assert_int_equal(ring_waiting(&s.to[STREAM_OPENER]), 4);
	ring_peek(&s.to[STREAM_OPENER], out, 4);
	assert_memory_equal(out, "last", 4);
}

static void connections_go_on_over_the_end_of_their_numbers(void **state)
{
	(void)state;
	for (unsigned top = 0; top < 2; top++) {
		setup(NULL);
		s.wanted = top == 0 ? UINT32_MAX - 7 : INT32_MAX - 7u;
		stream_see_closed(&s, s.wanted);
		for (unsigned i = 0; i < 10; i++) {
			uint32_t number = connect();

			if (i % 3 == 0)
				stream_end(&s, number);
			if (i % 2 == 0)
				stream_close(&s);
			if (!(stream_wanted(&s) & 1))
				stream_see_closed(&s, stream_wanted(&s));
			else
				stream_end(&s, number);
		}
	}
}

/* ---- the end of the acceptor's VM ---- */

static void an_acceptor_that_starts_again_ends_what_it_had_accepted(void **state)
{
	(void)state;
	connect();
	stream_acceptor_ended(&s, false);
	expect_told(1, 0);
	assert_int_equal(stream_state(&s), STREAM_ENDED);
	assert_true(stream_open(&s));
}

static void what_it_had_not_accepted_waits_for_its_next_life(void **state)
{
	(void)state;
	assert_true(stream_open(&s));
	stream_acceptor_ended(&s, false);
	assert_int_equal(stream_state(&s), STREAM_OPENING);
	assert_true(stream_asks(&s, stream_wanted(&s)));
	told_opener = told_acceptor = 0;
	stream_accept(&s, stream_wanted(&s));
	expect_told(1, 0);
}

static void what_was_closed_meanwhile_can_be_opened_when_it_has_ended(void **state)
{
	(void)state;
	connect();
	stream_close(&s);
	assert_false(stream_open(&s));
	stream_acceptor_ended(&s, false);
	assert_true(stream_open(&s));
}

static void one_that_will_not_come_again_is_gone(void **state)
{
	for (unsigned kind = 0; kind < 3; kind++) {
		setup(state);
		if (kind > 0)
			connect();
		if (kind > 1)
			stream_close(&s);
		told_opener = told_acceptor = 0;
		stream_acceptor_ended(&s, true);
		assert_true(told_opener > 0);
		assert_int_equal(stream_state(&s), STREAM_GONE);
		stream_close(&s);
		stream_open(&s);
		assert_int_equal(stream_state(&s), STREAM_GONE);
	}
}

/* ---- bytes ---- */

static void the_side_to_which_bytes_go_is_told(void **state)
{
	(void)state;
	connect();
	send(STREAM_OPENER, "abc", 3);
	expect_told(0, 1);
	assert_int_equal(ring_waiting(&s.to[STREAM_ACCEPTOR]), 3);
	send(STREAM_ACCEPTOR, "defg", 4);
	expect_told(1, 0);
	assert_int_equal(ring_waiting(&s.to[STREAM_OPENER]), 4);
	stream_send(&s, STREAM_OPENER, 0);
	stream_took(&s, STREAM_OPENER, 0);
	expect_told(0, 0);
}

static void nobody_is_told_of_room_who_does_not_wait_for_it(void **state)
{
	(void)state;
	connect();
	send(STREAM_OPENER, "abc", 3);
	told_acceptor = 0;
	stream_took(&s, STREAM_ACCEPTOR, 3);
	expect_told(0, 0);
	assert_int_equal(ring_waiting(&s.to[STREAM_ACCEPTOR]), 0);
}

/* Each time, until it has looked again and found what it wants. */
static void who_waits_for_room_is_told_when_there_is_more(void **state)
{
	static const uint8_t bytes[SIZE];

	(void)state;
	for (unsigned side = 0; side < 2; side++) {
		enum stream_side from = side, to = 1 - side;
		unsigned *told = from == STREAM_OPENER ? &told_opener : &told_acceptor;

		setup(NULL);
		connect();
		assert_true(stream_has_room(&s, from, SIZE));
		assert_false(stream_has_room(&s, from, SIZE + 1));
		send(from, bytes, SIZE);
		assert_false(stream_has_room(&s, from, 8));
		told_opener = told_acceptor = 0;
		stream_took(&s, to, 4);
		assert_int_equal(*told, 1);
		assert_false(stream_has_room(&s, from, 8));
		stream_took(&s, to, 4);
		stream_took(&s, to, 4);
		assert_int_equal(*told, 3);
		assert_true(stream_has_room(&s, from, 8));
		stream_took(&s, to, 4);
		assert_int_equal(*told, 3);
		assert_int_equal(told_opener + told_acceptor, 3);
	}
}

static void a_new_connection_has_empty_rings_and_nobody_who_waits(void **state)
{
	static const uint8_t bytes[SIZE];
	uint32_t number = connect();

	(void)state;
	send(STREAM_OPENER, bytes, SIZE);
	send(STREAM_ACCEPTOR, bytes, SIZE);
	stream_took(&s, STREAM_ACCEPTOR, 9);
	send(STREAM_OPENER, bytes, 9);
	assert_false(stream_has_room(&s, STREAM_OPENER, 1));
	assert_false(stream_has_room(&s, STREAM_ACCEPTOR, 1));
	stream_end(&s, number);
	connect();
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(ring_room(&s.to[i]), SIZE);
	stream_send(&s, STREAM_OPENER, 8);
	stream_send(&s, STREAM_ACCEPTOR, 8);
	told_opener = told_acceptor = 0;
	stream_took(&s, STREAM_ACCEPTOR, 8);
	stream_took(&s, STREAM_OPENER, 8);
	expect_told(0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_out_as_they_went_in_at_any_place_of_the_ring),
		cmocka_unit_test(pieces_end_where_the_ring_does),
		cmocka_unit_test(what_is_put_behind_becomes_visible_with_what_is_before_it),
		cmocka_unit_test(a_ring_is_a_queue_of_bytes),
#define T(f) cmocka_unit_test_setup(f, setup)
		T(nothing_is_wanted_in_the_beginning),
		T(the_acceptor_is_asked_and_the_opener_gets_its_answer),
		T(a_refusal_can_be_followed_by_another_try),
		T(the_next_connection_waits_until_the_acceptor_has_let_the_last_one_go),
		T(one_that_is_asked_for_cannot_be_asked_for_again),
		T(what_an_ended_acceptor_had_sent_can_be_read),
		T(connections_go_on_over_the_end_of_their_numbers),
		T(an_acceptor_that_starts_again_ends_what_it_had_accepted),
		T(what_it_had_not_accepted_waits_for_its_next_life),
		T(what_was_closed_meanwhile_can_be_opened_when_it_has_ended),
		T(one_that_will_not_come_again_is_gone),
		T(the_side_to_which_bytes_go_is_told),
		T(nobody_is_told_of_room_who_does_not_wait_for_it),
		T(who_waits_for_room_is_told_when_there_is_more),
		T(a_new_connection_has_empty_rings_and_nobody_who_waits),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
