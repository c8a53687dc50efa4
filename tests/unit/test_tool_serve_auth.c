/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask `nestor serve`: tokens and sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "serve_auth.h"
#include "serve_session.h"

#include <cmocka.h> /* last: it has a macro named fail */

static const char token[] = "correct-horse-battery";

static void a_token_counts_when_it_is_all_of_it(void **state)
{
	(void)state;
	assert_true(serve_same(token, token));
	assert_false(serve_same("", token));
	assert_false(serve_same("correct-horse-batterz", token));
	assert_false(serve_same("correct-horse-batter", token));
	assert_false(serve_same("correct-horse-battery-", token));
	assert_false(serve_same("correct-horse-batterycorrect-horse-battery", token));
	assert_false(serve_same("x", ""));
}

static void a_token_comes_as_bearer_or_as_a_password(void **state)
{
	(void)state;
	assert_true(serve_authorized("Bearer correct-horse-battery", token));
	assert_true(serve_authorized("bearer  correct-horse-battery", token));
	assert_false(serve_authorized("Bearer", token));
	assert_false(serve_authorized("Bearer ", token));
	assert_false(serve_authorized("Token correct-horse-battery", token));
	assert_false(serve_authorized("correct-horse-battery", token));
	assert_true(serve_authorized("Basic YWRtaW46Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5", token));
	assert_true(serve_authorized("Basic OmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==", token));
	assert_false(serve_authorized("Basic Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5", token));
	assert_false(serve_authorized("Basic YWRtaW46Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5!", token));
	/* "admin:correct-horse-battery" with a zero byte behind it */
	assert_false(serve_authorized("Basic YWRtaW46Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5AA==", token));
}

static int read_token(const char *content, mode_t mode, char *is)
{
	char path[] = "/tmp/nestor-token-XXXXXX";
	struct error e = {0};
	int fd = mkstemp(path);

	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	fchmod(fd, mode);
	close(fd);
	serve_read_token(path, is, &e);
	unlink(path);
	return e.status;
}

static void a_token_file_is_long_enough_and_nobody_elses(void **state)
{
	char is[AUTH_TOKEN_MAX + 1], large[400];
	struct error e = {0};

	(void)state;
	assert_int_equal(read_token("correct-horse-battery\nmore\n", 0600, is), 0);
	assert_string_equal(is, token);
	assert_int_equal(read_token("correct-horse-battery", 0640, is), STATUS_USAGE);
	assert_int_equal(read_token("correct-horse-b", 0600, is), STATUS_USAGE);
	assert_int_equal(read_token("correct horse battery", 0600, is), STATUS_USAGE);
	assert_int_equal(read_token("", 0600, is), STATUS_USAGE);
	memset(large, 'a', sizeof(large));
	large[399] = 0;
	assert_int_equal(read_token(large, 0600, is), STATUS_USAGE);
	assert_int_equal(serve_read_token("/nowhere", is, &e), STATUS_USAGE);
}

static void a_session_lasts_until_it_is_ended_or_makes_room(void **state)
{
	struct serve_session first, s, found;

	(void)state;
	assert_true(serve_session_begin("u", &first));
	assert_true(serve_session_known(first.secret));
	assert_false(serve_session_known(""));
	assert_false(serve_session_known(first.id));
	assert_true(serve_session_find(first.id, &found));
	assert_string_equal(found.user, "u");
	assert_string_equal(found.secret, "");
	assert_true(serve_session_end(first.id));
	assert_false(serve_session_end(first.id));
	assert_false(serve_session_end(""));
	assert_false(serve_session_known(first.secret));
	assert_true(serve_session_begin("u", &first));
	for (unsigned i = 0; i < SESSIONS - 1; i++)
		assert_true(serve_session_begin("v", &s));
	assert_true(serve_session_known(first.secret)); /* now others are idle longer */
	assert_true(serve_session_begin("v", &s));
	assert_true(serve_session_known(first.secret));
	assert_true(serve_session_known(s.secret));
	for (unsigned i = 0; i < SESSIONS; i++)
		assert_true(serve_session_begin("w", &s));
	assert_false(serve_session_known(first.secret));
}

int main(void)
{
#define T(test) cmocka_unit_test(test)
	const struct CMUnitTest tests[] = {
		T(a_token_counts_when_it_is_all_of_it),
		T(a_token_comes_as_bearer_or_as_a_password),
		T(a_token_file_is_long_enough_and_nobody_elses),
		T(a_session_lasts_until_it_is_ended_or_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
