/* SPDX-License-Identifier: Apache-2.0 */
/* What a console has said, for who looks late or slowly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "history.h"

#include <cmocka.h>

static struct history h;

static void say(uint64_t bytes)
{
	h = (struct history){.end = 0};
	for (uint64_t i = 0; i < bytes; i++) {
		uint8_t byte = (uint8_t)(i * 7);

		history_add(&h, &byte, 1);
	}
}

/* From @at on there are @size bytes, the first of which is number @first. */
static void assert_read(uint64_t at, uint64_t first, size_t size)
{
	static uint8_t out[2 * HISTORY_ROOM];

	assert_int_equal(history_read(&h, &at, out, sizeof(out)), size);
	assert_true(at == first);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(out[i], (uint8_t)((first + i) * 7));
}

static void what_is_kept_is_read_from_any_byte_on(void **state)
{
	(void)state;
	say(0);
	assert_read(0, 0, 0);
	say(100);
	assert_read(0, 0, 100);
	assert_read(99, 99, 1);
	assert_read(100, 100, 0);
	say(HISTORY_ROOM);
	assert_read(0, 0, HISTORY_ROOM);
}

static void what_is_gone_is_passed_over(void **state)
{
	(void)state;
	say(3 * HISTORY_ROOM + 5);
	assert_read(0, 2 * HISTORY_ROOM + 5, HISTORY_ROOM);
	assert_read(2 * HISTORY_ROOM + 4, 2 * HISTORY_ROOM + 5, HISTORY_ROOM);
	assert_read(2 * HISTORY_ROOM + 6, 2 * HISTORY_ROOM + 6, HISTORY_ROOM - 1);
}

/* As of a run before. */
static void what_was_never_said_is_the_oldest(void **state)
{
	(void)state;
	say(10);
	assert_read(11, 0, 10);
	assert_read(UINT64_MAX, 0, 10);
}

static void what_was_somebody_elses_is_gone(void **state)
{
	(void)state;
	say(100);
	history_forget(&h);
	assert_read(0, 100, 0);
	history_add(&h, (const uint8_t *)"\xbc", 1); /* 100 * 7 */
	assert_read(0, 100, 1);
	assert_read(99, 100, 1);
}

static void no_more_is_read_than_there_is_room_for(void **state)
{
	uint8_t out[4] = "...";
	uint64_t at = 2;

	(void)state;
	say(10);
	assert_int_equal(history_read(&h, &at, out, 3), 3);
	assert_memory_equal(out, "\x0e\x15\x1c", 4);
}

static void a_piece_is_as_its_bytes(void **state)
{
	static uint8_t piece[HISTORY_ROOM + 1000];

	(void)state;
	h = (struct history){.end = 0};
	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = (uint8_t)(i * 7);
	history_add(&h, piece, sizeof(piece));
	assert_read(0, 1000, HISTORY_ROOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_is_read_from_any_byte_on),
		cmocka_unit_test(what_is_gone_is_passed_over),
		cmocka_unit_test(what_was_never_said_is_the_oldest),
		cmocka_unit_test(what_was_somebody_elses_is_gone),
		cmocka_unit_test(no_more_is_read_than_there_is_room_for),
		cmocka_unit_test(a_piece_is_as_its_bytes),
	};

	return cmocka_run_group_tests_name("what consoles said", tests, NULL, NULL);
}
