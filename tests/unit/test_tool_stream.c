/* SPDX-License-Identifier: Apache-2.0 */
/* The tool's side of the stream from Nestor: channels, control records, exit statuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "mux.h"
#include "record.h"
#include "status.h"

#include <cmocka.h> /* last: it has a macro named fail */

/* What each channel got. */
static char got[0x800][64];

static void take(void *context, unsigned channel, const uint8_t *data, size_t size)
{
	(void)context;
	assert_true(channel < 0x7ff || channel == MUX_NONE);
	strncat(got[channel == MUX_NONE ? 0x7ff : channel], (const char *)data, size);
}

/* Feeds @text in pieces of @piece bytes. */
static void feed(const char *text, size_t size, size_t piece)
{
	struct mux m;

	memset(got, 0, sizeof(got));
	mux_init(&m);
	for (size_t at = 0; at < size; at += piece)
		mux_feed(&m, (const uint8_t *)text + at, size - at < piece ? size - at : piece,
			take, NULL);
}

static void channels_are_told_apart_however_the_stream_is_cut(void **state)
{
	static const char text[] = "banner\377\000log\377\001end\n\377\002vm\377\377x\377\003y";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		feed(text, sizeof(text) - 1, piece);
		assert_string_equal(got[0x7ff], "banner");
		assert_string_equal(got[MUX_LOG], "log");
		assert_string_equal(got[MUX_CONTROL], "end\n");
		assert_string_equal(got[MUX_CONSOLE], "vm\377x");
		assert_string_equal(got[MUX_CONSOLE + 1], "y");
	}
}

/* The first and last number of one byte and of two, and data that looks like either. */
static void channels_above_127_have_two_bytes(void **state)
{
	static const char text[] = "\377\177a\377\200\200b\377\377\200\200c\377\201\377d"
				   "\377\377\377\207\001e\377\002f";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		feed(text, sizeof(text) - 1, piece);
		assert_string_equal(got[127], "a");
		assert_string_equal(got[128], "b\377\200\200c");
		assert_string_equal(got[0x1ff], "d\377");
		assert_string_equal(got[0x701], "e");
		assert_string_equal(got[MUX_CONSOLE], "f");
	}
}

static void record_words_and_values_are_found(void **state)
{
	static const char line[] = "mark vm=a value=0x1f tsc=123456789012";
	char name[3];

	(void)state;
	assert_true(record_is(line, "mark"));
	assert_false(record_is(line, "mar"));
	assert_false(record_is(line, "marks"));
	assert_true(record_text(line, "vm", name, sizeof(name)));
	assert_string_equal(name, "a");
	assert_true(record_text(line, "value", name, sizeof(name)));
	assert_string_equal(name, "0x");
	assert_int_equal(record_number(line, "value"), 0x1f);
	assert_int_equal(record_number(line, "tsc"), 123456789012);
	assert_int_equal(record_number(line, "sc"), 0);
	assert_false(record_text("end", "kind", name, sizeof(name)));
}

static void the_end_decides_the_exit_status(void **state)
{
	(void)state;
	assert_int_equal(record_end_status("end kind=debug-exit value=0 tsc=1"), 1);
	assert_int_equal(record_end_status("end kind=debug-exit value=3 tsc=1"), 7);
	assert_int_equal(record_end_status("end kind=debug-exit value=255 tsc=1"), 255);
	assert_int_equal(record_end_status("end kind=poweroff value=0 tsc=1"), STATUS_OK);
	assert_int_equal(record_end_status("end kind=reset value=0 tsc=1"), STATUS_RESET);
	assert_int_equal(
		record_end_status("end kind=triple-fault value=0"), STATUS_TRIPLE_FAULT);
	assert_int_equal(record_end_status("end kind=l0-fault value=0"), STATUS_L0_FAULT);
	assert_int_equal(record_end_status("end kind=no-vtx value=0"), STATUS_NO_VTX);
	assert_int_equal(record_end_status("end kind=bad-input value=0"), STATUS_BAD_INPUT);
	assert_int_equal(record_end_status("end kind=vm-error value=0"), STATUS_VM_ERROR);
	assert_int_equal(record_end_status("end kind=other"), STATUS_VM_ERROR);
	assert_int_equal(record_end_status("end"), STATUS_VM_ERROR);
}

static void the_words_of_an_explanation_are_the_rest_of_its_record(void **state)
{
	const char *line = "explain vm=a rule=X text=VMLAUNCH failed: A = 1; text=no";

	(void)state;
	assert_true(record_is(line, "explain"));
	assert_string_equal(record_rest(line, "text"), "VMLAUNCH failed: A = 1; text=no");
	assert_null(record_rest("explain vm=a", "text"));
	assert_null(record_rest("explain", "text"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_words_of_an_explanation_are_the_rest_of_its_record),
		cmocka_unit_test(channels_are_told_apart_however_the_stream_is_cut),
		cmocka_unit_test(channels_above_127_have_two_bytes),
		cmocka_unit_test(record_words_and_values_are_found),
		cmocka_unit_test(the_end_decides_the_exit_status),
	};

	return cmocka_run_group_tests_name("tool_stream", tests, NULL, NULL);
}
