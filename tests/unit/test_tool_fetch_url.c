/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URIs of media: which are read, which are none, and which an allowed prefix covers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fetch_url.h"

#include <cmocka.h>

static bool reads(const char *text, struct fetch_url *u)
{
	return fetch_url_read(text, u) == NULL;
}

static bool is_none(const char *text)
{
	struct fetch_url u;

	return !reads(text, &u);
}

static bool covers(const char *prefix, const char *text)
{
	struct fetch_url u, p;

	assert_true(reads(prefix, &p));
	return reads(text, &u) && fetch_url_is_below(&u, &p);
}

static void a_uri_is_read_into_its_parts(void **state)
{
	struct fetch_url u;

	(void)state;
	assert_true(reads("http://Images.Example:8080/a/b.iso?x=1", &u));
	assert_int_equal(u.scheme, FETCH_HTTP);
	assert_string_equal(u.host, "images.example");
	assert_int_equal(u.port, 8080);
	assert_string_equal(u.path, "/a/b.iso?x=1");
	assert_int_equal(u.folder, strlen("/a/b.iso"));
	assert_true(reads("HTTPS://[::1]/x", &u));
	assert_string_equal(u.host, "[::1]");
	assert_int_equal(u.port, 443);
	assert_true(reads("http://host", &u));
	assert_string_equal(u.path, "/");
	assert_true(reads("file:///srv/a.iso", &u));
	assert_string_equal(u.host, "");
}

static void what_is_no_uri_of_a_medium_is_refused(void **state)
{
	static const char *const none[] = {"", "a.iso", "ftp://h/a", "http:/h/a", "http:///a",
		"http://user@h/a", "http://user:pw@h/a", "http://h:0/a", "http://h:65536/a",
		"http://h:/a", "http://h:80a/", "http://h a/", "http://h/a b", "http://h/a\nb",
		"http://h/a#b", "http://h/\xc3\xa4", "http://[::1/a", "http://[]/a",
		"http://h\\a/", "http://h/a\\b", "file://host/a", "file://a", "file:///a%20b",
		"gopher://h/", "nestor:x", "http://h?x", "http://h/\x7f"};
	char longest[FETCH_URL_MAX + 16] = "http://h/";
	struct fetch_url u;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_true(is_none(none[i]));
	memset(longest + 9, 'a', FETCH_URL_MAX - 1 - 9);
	assert_true(reads(longest, &u));
	longest[FETCH_URL_MAX - 1] = 'a';
	assert_true(is_none(longest));
}

static void steps_and_codes_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const none[] = {"http://h/a/../b", "http://h/..", "http://h/a/./b",
		"http://h/%2e%2e/b", "http://h/.%2E/b", "http://h/a%2fb", "http://h/a%5Cb",
		"http://h/a%00b", "http://h/a%0ab", "http://h/a%252e", "http://h/a%",
		"http://h/a%2", "http://h/a%zz", "file:///srv/../etc/shadow"};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_true(is_none(none[i]));
	assert_false(is_none("http://h/a..b/...iso"));
	assert_false(is_none("http://h/a%20b"));
	assert_false(is_none("http://h/a?back=../.."));
}

static void a_prefix_covers_what_is_below_it_and_nothing_else(void **state)
{
	(void)state;
	assert_true(covers("http://h/images", "http://h/images/a.iso"));
	assert_true(covers("http://h/images", "http://H:80/images"));
	assert_true(covers("http://h/images/", "http://h/images/x/a.iso?q"));
	assert_true(covers("http://h", "http://h/anything"));
	assert_false(covers("http://h/images", "http://h/images2/a.iso"));
	assert_false(covers("http://h/images", "http://h/image"));
	assert_false(covers("http://h/images", "https://h/images/a.iso"));
	assert_false(covers("http://h/images", "http://h:8080/images/a.iso"));
	assert_false(covers("http://h/images", "http://h.evil.example/images/a.iso"));
	assert_false(covers("http://h/images", "http://evilh/images/a.iso"));
	assert_false(covers("http://h/images", "http://h@evil/images/a.iso"));
	assert_false(covers("http://h/images", "http://h/x?/images/a.iso"));
	assert_false(covers("http://h/images", "file:///images/a.iso"));
	assert_true(covers("file:///srv/media", "file:///srv/media/a.iso"));
	assert_false(covers("file:///srv/media", "file:///srv/mediation/a.iso"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_uri_is_read_into_its_parts),
		cmocka_unit_test(what_is_no_uri_of_a_medium_is_refused),
		cmocka_unit_test(steps_and_codes_that_lead_elsewhere_are_refused),
		cmocka_unit_test(a_prefix_covers_what_is_below_it_and_nothing_else),
	};

	return cmocka_run_group_tests_name("URIs of media", tests, NULL, NULL);
}
