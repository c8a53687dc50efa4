/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures from L0 to the host tool: what is encoded is decoded, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/picture.h"
#include "random.h"

#define SIDE 640u

static uint32_t source[SIDE * SIDE], result[SIDE * SIDE + 1];
static uint8_t wire[PICTURE_ENCODED(SIDE * SIDE)];
static struct picture_encoder encoder;
static struct picture_decoder decoder;
static uint64_t seed = 1;

/* In pieces of up to `most` pixels, each of which keeps to its bound. */
static size_t encode(uint32_t width, uint32_t height, uint32_t most)
{
	uint32_t count = width * height;
	size_t size = 0;

	picture_encode_start(&encoder, width, height);
	for (uint32_t at = 0, n; at < count; at += n) {
		uint8_t *out = malloc(PICTURE_ENCODED(most)); /* its end is guarded */
		size_t got;

		n = 1 + random_below(&seed, most);
		n = n < count - at ? n : count - at;
		got = picture_encode(&encoder, source + at, n, out);
		assert_in_range(got, 0, PICTURE_ENCODED(n));
		memcpy(wire + size, out, got);
		size += got;
		free(out);
	}
	return size;
}

static void decode(size_t size, uint32_t width, uint32_t height)
{
	assert_true(picture_decode_start(&decoder, width, height, result));
	result[width * height] = 0x5a5a5a5a;
	for (size_t i = 0; i + 1 < size; i++)
		assert_int_equal(picture_decode(&decoder, wire[i]), PICTURE_MORE);
	assert_int_equal(picture_decode(&decoder, wire[size - 1]), PICTURE_COMPLETE);
	assert_memory_equal(result, source, (size_t)width * height * sizeof(*source));
	assert_int_equal(result[width * height], 0x5a5a5a5a);
}

static void pictures_of_all_kinds_come_as_they_were(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		uint32_t width = 1 + random_below(&seed, 70), colours = 1 + round % 5;
		uint32_t height = 1 + random_below(&seed, 70), runs = 1 + round % 30;
		uint32_t palette[5] = {0, 0xffffff, 0xff, 0x123456, 0xff0000}, colour = 0;

		for (uint32_t i = 0; i < width * height; i++) {
			if (random_below(&seed, runs) == 0)
				colour = palette[random_below(&seed, colours)];
			if (round % 7 == 6)
				colour = (uint32_t)random_next(&seed) & 0xffffff;
			source[i] = colour;
		}
		decode(encode(width, height, 1 + round), width, height);
	}
}

static void a_plain_picture_is_small_and_noise_has_its_bound(void **state)
{
	size_t size;

	(void)state;
	memset(source, 0, sizeof(source));
	size = encode(SIDE, SIDE, 64);
	assert_in_range(size, 1, 3 * (SIDE * SIDE / UINT16_MAX + 1));
	decode(size, SIDE, SIDE);
	for (uint32_t i = 0; i < SIDE * SIDE; i++)
		source[i] = (uint32_t)random_next(&seed) & 0xffffff;
	size = encode(SIDE, SIDE, 64);
	assert_in_range(size, 1, PICTURE_ENCODED(SIDE * SIDE));
	decode(size, SIDE, SIDE);
}

/* What a text in two colours costs: no literal pixels but one for each colour. */
static void two_colours_take_turns_without_being_named_again(void **state)
{
	size_t size;

	(void)state;
	for (uint32_t i = 0; i < 32 * 32; i++)
		source[i] = random_below(&seed, 2) ? 0xaaaaaa : 0x0000aa;
	size = encode(32, 32, 64);
	assert_in_range(size, 1, 32 * 32 + 2 * 4);
	decode(size, 32, 32);
}

static void the_upper_byte_of_a_pixel_is_nothing(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 16 * 16; i++)
		source[i] = (uint32_t)random_next(&seed) << 24 | 0x112233;
	assert_int_equal(encode(16, 16, 64), 4 + 3);
	for (uint32_t i = 0; i < 16 * 16; i++)
		source[i] = 0x112233;
	decode(7, 16, 16);
}

static enum picture_result last_of(const uint8_t *bytes, size_t size)
{
	assert_true(picture_decode_start(&decoder, 4, 4, result));
	for (size_t i = 0; i + 1 < size; i++)
		assert_int_equal(picture_decode(&decoder, bytes[i]), PICTURE_MORE);
	return picture_decode(&decoder, bytes[size - 1]);
}

static void what_is_no_picture_is_refused(void **state)
{
	(void)state;
	assert_int_equal(last_of((const uint8_t[]){0x4f}, 1), PICTURE_COMPLETE); /* 16 */
	assert_int_equal(last_of((const uint8_t[]){0x50}, 1), PICTURE_BAD);      /* 17 */
	assert_int_equal(last_of((const uint8_t[]){0x4e, 0x81}, 2), PICTURE_BAD);
	assert_int_equal(last_of((const uint8_t[]){0x7f, 0, 0}, 3), PICTURE_BAD);
	assert_int_equal(last_of((const uint8_t[]){0x7f, 16, 0}, 3), PICTURE_COMPLETE);
	assert_int_equal(last_of((const uint8_t[]){0xff, 0xff, 0xff}, 3), PICTURE_BAD);
	assert_int_equal(last_of((const uint8_t[]){0x01, 1, 2, 3}, 4), PICTURE_BAD);
}

static void pictures_beyond_the_limits_are_refused(void **state)
{
	(void)state;
	assert_false(picture_decode_start(&decoder, 0, 1, result));
	assert_false(picture_decode_start(&decoder, 1, 0, result));
	assert_false(picture_decode_start(&decoder, 4097, 1, result));
	assert_false(picture_decode_start(&decoder, 1, 4097, result));
	assert_false(picture_decode_start(&decoder, 4096, 1025, result));
	assert_true(picture_decode_start(&decoder, 4096, 1024, result));
}

/* Whatever comes, no more pixels than there is room for are written. */
static void rubbish_stays_within_the_picture(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		uint32_t width = 1 + random_below(&seed, 20),
			 height = 1 + random_below(&seed, 20);
		uint32_t *pixels = malloc((size_t)width * height * sizeof(*pixels));
		enum picture_result r = PICTURE_MORE;

		assert_true(picture_decode_start(&decoder, width, height, pixels));
		for (unsigned i = 0; r == PICTURE_MORE && i < 5000; i++)
			r = picture_decode(&decoder, (uint8_t)random_next(&seed));
		free(pixels);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pictures_of_all_kinds_come_as_they_were),
		cmocka_unit_test(a_plain_picture_is_small_and_noise_has_its_bound),
		cmocka_unit_test(two_colours_take_turns_without_being_named_again),
		cmocka_unit_test(the_upper_byte_of_a_pixel_is_nothing),
		cmocka_unit_test(what_is_no_picture_is_refused),
		cmocka_unit_test(pictures_beyond_the_limits_are_refused),
		cmocka_unit_test(rubbish_stays_within_the_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
