/* SPDX-License-Identifier: Apache-2.0 */
/* Frames from the host tool to L0: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/frame.h"
#include "random.h"

static uint8_t wire[FRAME_WIRE];
static uint8_t payload[FRAME_PAYLOAD + 1];

static size_t written(uint8_t kind, uint16_t channel, uint16_t size)
{
	return frame_write(wire, &(struct frame){kind, channel, size, payload});
}

/* The result at the end of these bytes; nothing comes out before. */
static enum frame_result read_all(
	struct frame_reader *r, const uint8_t *bytes, size_t size, struct frame *f)
{
	for (size_t i = 0; i + 1 < size; i++)
		assert_int_equal(frame_read(r, bytes[i], f), FRAME_MORE);
	return frame_read(r, bytes[size - 1], f);
}

static enum frame_result read_fresh(const uint8_t *bytes, size_t size, struct frame *f)
{
	static struct frame_reader r;

	frame_reader_init(&r);
	return read_all(&r, bytes, size, f);
}

static void a_stop_has_these_bytes(void **state)
{
	static const uint8_t want[] = {0x7e, 2, 1, 1, 0, 0x2b, 0x56, 0x7e};

	(void)state;
	assert_int_equal(written(FRAME_STOP, L0_CHANNEL_CONTROL, 0), sizeof(want));
	assert_memory_equal(wire, want, 5);
	assert_int_equal(wire[sizeof(want) - 1], 0x7e);
}

static void all_bytes_and_sizes_are_read_as_they_were_written(void **state)
{
	struct frame f;

	(void)state;
	for (unsigned first = 0; first < 256; first++)
		for (uint16_t size = FRAME_OFFSET + 1; size <= FRAME_PAYLOAD; size += 17) {
			size_t n;

			for (unsigned i = 0; i < size; i++)
				payload[i] = (uint8_t)(first + i);
			n = written(FRAME_INPUT, L0_CHANNEL_SCREEN - 1, size);
			assert_in_range(n, size, FRAME_WIRE);
			assert_int_equal(read_fresh(wire, n, &f), FRAME_READY);
			assert_int_equal(f.kind, FRAME_INPUT);
			assert_int_equal(f.channel, L0_CHANNEL_SCREEN - 1);
			assert_int_equal(f.size, size);
			assert_memory_equal(f.payload, payload, size);
		}
}

static void the_largest_frame_fits_however_many_escapes_it_has(void **state)
{
	struct frame f;

	(void)state;
	memset(payload, 0x7e, sizeof(payload));
	assert_true(written(FRAME_INPUT, L0_CHANNEL_VM, FRAME_PAYLOAD) > 2 * FRAME_PAYLOAD);
	assert_int_equal(
		read_fresh(wire, written(FRAME_INPUT, L0_CHANNEL_VM, FRAME_PAYLOAD), &f),
		FRAME_READY);
}

static void what_no_row_allows_is_no_frame(void **state)
{
	static const struct frame wrong[] = {
		{0, L0_CHANNEL_CONTROL, 0, payload},
		{FRAME_STOP, L0_CHANNEL_LOG, 0, payload},
		{FRAME_STOP, L0_CHANNEL_VM, 0, payload},
		{FRAME_STOP, L0_CHANNEL_CONTROL, 1, payload},
		{FRAME_INPUT, L0_CHANNEL_CONTROL, 10, payload},
		{FRAME_INPUT, L0_CHANNEL_SCREEN, 10, payload},
		{FRAME_SCREEN, L0_CHANNEL_CONTROL, 0, payload},
		{FRAME_SCREEN, L0_CHANNEL_VM, 1, payload},
		{FRAME_SCREEN, L0_CHANNEL_SCREEN, 0, payload},
		{FRAME_INPUT, L0_CHANNEL_VM, FRAME_OFFSET, payload},
		{FRAME_SIZE, L0_CHANNEL_VM, 3, payload},
		{FRAME_SIZE, L0_CHANNEL_VM, 5, payload},
		{FRAME_SIZE, L0_CHANNEL_PORT, 4, payload},
		{FRAME_PORT, L0_CHANNEL_PORT, 7, payload},
		{FRAME_PORT, L0_CHANNEL_PORT - 1, 8, payload},
		{FRAME_PORT, L0_CHANNELS, 8, payload},
		{200, L0_CHANNEL_VM, 10, payload},
	};
	struct frame f;

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(frame_valid(&wrong[i]));
		assert_int_equal(read_fresh(wire, frame_write(wire, &wrong[i]), &f), FRAME_BAD);
	}
}

/* Any one byte, by any change. */
static void a_changed_byte_is_noticed(void **state)
{
	struct frame f;
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		payload[i] = (uint8_t)(0x30 + i);
	n = written(FRAME_INPUT, L0_CHANNEL_VM, 20);
	for (size_t at = 1; at < n - 1; at++)
		for (unsigned change = 1; change < 256; change++) {
			struct frame_reader r;
			enum frame_result result = FRAME_MORE;

			frame_reader_init(&r);
			wire[at] ^= (uint8_t)change;
			for (size_t i = 0; i < n; i++) {
				result = frame_read(&r, wire[i], &f);
				assert_int_not_equal(result, FRAME_READY);
			}
			wire[at] ^= (uint8_t)change;
		}
}

static void after_a_cut_frame_the_next_one_is_read(void **state)
{
	struct frame_reader r;
	struct frame f;
	size_t n = written(FRAME_INPUT, L0_CHANNEL_VM, 30);

	(void)state;
	for (size_t cut = 1; cut < n; cut++) {
		enum frame_result result = FRAME_MORE;

		frame_reader_init(&r);
		for (size_t i = 0; i < cut; i++)
			assert_int_equal(frame_read(&r, wire[i], &f), FRAME_MORE);
		for (size_t i = 0; i < n; i++)
			result = frame_read(&r, wire[i], &f);
		assert_int_equal(result, FRAME_READY);
	}
}

static void too_long_a_frame_is_none(void **state)
{
	struct frame_reader r;
	struct frame f;

	(void)state;
	frame_reader_init(&r);
	for (unsigned i = 0; i < 200000; i++)
		assert_int_equal(frame_read(&r, 1, &f), FRAME_MORE);
	assert_int_equal(frame_read(&r, 0x7e, &f), FRAME_BAD);
	assert_int_equal(
		read_all(&r, wire, written(FRAME_INPUT, L0_CHANNEL_VM, 30), &f), FRAME_READY);
}

static void another_version_is_refused(void **state)
{
	static const uint8_t other[] = {0x7e, FRAME_VERSION + 1, 1, 1, 0, 0, 0, 0x7e};
	struct frame f;

	(void)state;
	assert_int_equal(read_fresh(other, sizeof(other), &f), FRAME_BAD);
}

static void numbers_are_little_endian(void **state)
{
	uint8_t b[4];

	(void)state;
	frame_put32(b, 0x12345678);
	assert_int_equal(b[0], 0x78);
	assert_int_equal(b[3], 0x12);
	assert_int_equal(frame_get32(b), 0x12345678);
	assert_int_equal(frame_get16(b + 2), 0x1234);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_has_these_bytes),
		cmocka_unit_test(all_bytes_and_sizes_are_read_as_they_were_written),
		cmocka_unit_test(the_largest_frame_fits_however_many_escapes_it_has),
		cmocka_unit_test(what_no_row_allows_is_no_frame),
		cmocka_unit_test(a_changed_byte_is_noticed),
		cmocka_unit_test(after_a_cut_frame_the_next_one_is_read),
		cmocka_unit_test(too_long_a_frame_is_none),
		cmocka_unit_test(another_version_is_refused),
		cmocka_unit_test(numbers_are_little_endian),
	};

	return cmocka_run_group_tests_name("lib_frame", tests, NULL, NULL);
}
