/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines and their words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/fmt.h"
#include "lib/text.h"

static struct text t(const char *s)
{
	return text_of(s, strlen(s));
}

static void words_are_separated_by_any_run_of_blanks(void **state)
{
	struct text rest = t("  one\ttwo \n three ");

	(void)state;
	assert_true(text_is(text_word(&rest), "one"));
	assert_true(text_is(text_word(&rest), "two"));
	assert_true(text_is(text_word(&rest), "three"));
	assert_int_equal(text_word(&rest).len, 0);
}

static void a_text_ends_at_its_bound_without_a_nul(void **state)
{
	static const char unterminated[3] = {'a', 'b', 'c'};

	(void)state;
	assert_int_equal(text_of(unterminated, 3).len, 3);
	assert_false(text_is(text_of(unterminated, 3), "ab"));
	assert_false(text_is(text_of(unterminated, 3), "abcd"));
	assert_true(text_is(text_of(unterminated, 3), "abc"));
}

static void a_word_is_split_at_its_first_equals_sign(void **state)
{
	struct text key, value;

	(void)state;
	assert_true(text_key_value(t("a=b=c"), &key, &value));
	assert_true(text_is(key, "a"));
	assert_true(text_is(value, "b=c"));
	assert_false(text_key_value(t("flag"), &key, &value));
	assert_true(text_is(key, "flag"));
	assert_int_equal(value.len, 0);
}

static void numbers_have_bases_and_suffixes(void **state)
{
	uint64_t v;

	(void)state;
	assert_true(text_number(t("512M"), &v));
	assert_int_equal(v, 512ull << 20);
	assert_true(text_number(t("2t"), &v));
	assert_int_equal(v, 2ull << 40);
	assert_true(text_number(t("0x10k"), &v));
	assert_int_equal(v, 16384);
	assert_true(text_number(t("18446744073709551615"), &v));
	assert_int_equal(v, UINT64_MAX);
}

static void a_number_that_is_none_or_overflows_is_refused(void **state)
{
	static const char *const bad[] = {"", "M", "0x", "12x", "18446744073709551616",
		"18446744073709551615K", "16777216T", "-1", "0xg"};
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(text_number(t(bad[i]), &v));
}

static void a_copy_that_does_not_fit_is_cut_and_says_so(void **state)
{
	char buf[4];

	(void)state;
	assert_true(text_copy(t("abc"), buf, sizeof(buf)));
	assert_string_equal(buf, "abc");
	assert_false(text_copy(t("abcd"), buf, sizeof(buf)));
	assert_string_equal(buf, "abc");
}

static void formats_follow_printf(void **state)
{
	char buf[80];

	(void)state;
	fmt(buf, sizeof(buf), "%s|%5d|%-5u|%04x|%c|%%|%.2s", "s", -42, 7u, 0xabu, 'c', "xyz");
	assert_string_equal(buf, "s|  -42|7    |00ab|c|%|xy");
	fmt(buf, sizeof(buf), "%lu %lx %.*s", UINT64_MAX, 0x1122334455667788ul, 3, "abcdef");
	assert_string_equal(buf, "18446744073709551615 1122334455667788 abc");
}

static void output_that_does_not_fit_is_cut(void **state)
{
	char buf[6];

	(void)state;
	assert_int_equal(fmt(buf, sizeof(buf), "%s", "too long"), 5);
	assert_string_equal(buf, "too l");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_separated_by_any_run_of_blanks),
		cmocka_unit_test(a_text_ends_at_its_bound_without_a_nul),
		cmocka_unit_test(a_word_is_split_at_its_first_equals_sign),
		cmocka_unit_test(numbers_have_bases_and_suffixes),
		cmocka_unit_test(a_number_that_is_none_or_overflows_is_refused),
		cmocka_unit_test(a_copy_that_does_not_fit_is_cut_and_says_so),
		cmocka_unit_test(formats_follow_printf),
		cmocka_unit_test(output_that_does_not_fit_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
