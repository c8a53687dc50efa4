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
	struct serve_tokens t = {.count = 0};
	struct serve_who who;

	(void)state;
	serve_tokens_add(&t, token);
	assert_true(serve_authorized("Bearer correct-horse-battery", &t, &who));
	assert_true(serve_authorized("bearer  correct-horse-battery", &t, &who));
	assert_false(serve_authorized("Bearer", &t, &who));
	assert_false(serve_authorized("Bearer ", &t, &who));
	assert_false(serve_authorized("Token correct-horse-battery", &t, &who));
	assert_false(serve_authorized("correct-horse-battery", &t, &who));
	assert_true(serve_authorized("Basic YWRtaW46Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5", &t, &who));
	assert_true(serve_authorized("Basic OmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==", &t, &who));
	assert_false(serve_authorized("Basic Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5", &t, &who));
	assert_false(serve_authorized("Basic YWRtaW46Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5!", &t, &who));
	/* "admin:correct-horse-battery" with a zero byte behind it */
	assert_false(
		serve_authorized("Basic YWRtaW46Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5AA==", &t, &who));
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

/* Of "reading-is-enough-for-me" and "operating-is-my-profession". */
#define HASH_READ    "d6a144d66f3e6cd5e874184e45128817e29ca0cdc72527201e76b77c4224dd7d"
#define HASH_OPERATE "dcec5fc107f1e3c4d4bcc5f24f69e000aa9db61fb19e0f42c98950189edf9d31"

static struct serve_tokens tokens;
static struct error error;
static uid_t owner; /* of the file, if it is another one */

static int read_tokens(const char *content, mode_t mode)
{
	char path[] = "/tmp/nestor-tokens-XXXXXX";
	int fd = mkstemp(path);

	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	fchmod(fd, mode);
	if (owner)
		assert_int_equal(fchown(fd, owner, owner), 0);
	close(fd);
	tokens.count = 0;
	error = (struct error){0};
	serve_read_tokens(path, &tokens, &error);
	unlink(path);
	return error.status;
}

/* Of what has no lines: a FIFO, which is not waited for, or a folder. */
static void a_file_of_tokens_is_a_file_of_its_own_user(void **state)
{
	char path[] = "/tmp/nestor-tokens-XXXXXX", fifo[64];

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(fifo, sizeof(fifo), "%s/fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	error = (struct error){0};
	assert_int_equal(serve_read_tokens(fifo, &tokens, &error), STATUS_USAGE);
	assert_non_null(strstr(error.text, "is no file"));
	error = (struct error){0};
	assert_int_equal(serve_read_tokens(path, &tokens, &error), STATUS_USAGE);
	assert_non_null(strstr(error.text, "is no file"));
	unlink(fifo);
	rmdir(path);
	if (geteuid() != 0)
		return; /* nothing can be given to another user */
	owner = 1;
	assert_int_equal(read_tokens("watch read " HASH_READ "\n", 0600), STATUS_USAGE);
	assert_non_null(strstr(error.text, "belongs to another user"));
	owner = 0;
	assert_int_equal(read_tokens("watch read " HASH_READ "\n", 0600), 0);
}

static void a_token_of_a_file_has_a_name_and_a_role(void **state)
{
	struct serve_who who = {.role = ROLE_READ};

	(void)state;
	assert_int_equal(read_tokens("# who may ask\n\nwatch read " HASH_READ " # the screen\n"
				     "ann.b\toperate  " HASH_OPERATE "\n",
				 0644),
		0);
	assert_int_equal(tokens.count, 2);
	assert_true(serve_tokens_know(&tokens, "operating-is-my-profession", &who));
	assert_string_equal(who.name, "ann.b");
	assert_int_equal(who.role, ROLE_OPERATE);
	assert_true(serve_authorized("Bearer reading-is-enough-for-me", &tokens, &who));
	assert_string_equal(who.name, "watch");
	assert_int_equal(who.role, ROLE_READ);
	assert_false(serve_tokens_know(&tokens, HASH_READ, &who));
	assert_false(serve_tokens_know(&tokens, "", &who));
	serve_tokens_add(&tokens, token);
	assert_true(serve_tokens_know(&tokens, token, &who));
	assert_string_equal(who.name, "");
	assert_int_equal(who.role, ROLE_ADMIN);
}

static void a_line_of_tokens_that_is_none_is_told_with_its_number(void **state)
{
	static const char *const wrong[][2] = {
		{"watch read\n", ":1: must be NAME ROLE SHA-256"},
		{"watch read " HASH_READ " more\n", ":1: must be NAME ROLE SHA-256"},
		{"\nwatch root " HASH_READ "\n", ":2: a role is read, operate or admin"},
		{"wa/tch read " HASH_READ "\n", ":1: a name has 1 to 32"},
		{"- read " HASH_READ "\n", ":1: the name '-' is nobody's"},
		{"watch read <64 digits of sha256sum>\n", ":1: must be NAME ROLE SHA-256"},
		{"watch read abc\n", ":1: SHA-256 has 64 digits"},
		{"a read " HASH_READ "\na read " HASH_OPERATE "\n",
			":2: the name is there twice"},
		{"a read " HASH_READ "\nb read " HASH_READ "\n",
			":2: the token is there twice"},
		{"# nobody\n", "has no token"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(read_tokens(wrong[i][0], 0600), STATUS_USAGE);
		assert_non_null(strstr(error.text, wrong[i][1]));
	}
	assert_int_equal(read_tokens("watch read " HASH_READ "\n", 0620), STATUS_USAGE);
}

static void a_role_may_what_those_below_it_may(void **state)
{
	(void)state;
	assert_int_equal(serve_role_needed(SERVE_VMS), ROLE_READ);
	assert_int_equal(serve_role_needed(SERVE_CONSOLE), ROLE_READ);
	assert_int_equal(serve_role_needed(SERVE_TYPE), ROLE_OPERATE);
	assert_int_equal(serve_role_needed(SERVE_MEMORY), ROLE_OPERATE);
	assert_int_equal(serve_role_needed(SERVE_POKE), ROLE_ADMIN);
	assert_int_equal(serve_role_needed(SERVE_DESTROY), ROLE_ADMIN);
	assert_int_equal(serve_role_needed(SERVE_RF_RESET), ROLE_OPERATE);
	assert_int_equal(serve_role_needed(SERVE_RF_LOGOUT), ROLE_READ);
}

static void a_session_lasts_until_it_is_ended_or_makes_room(void **state)
{
	const struct serve_who who = {"ann", ROLE_OPERATE};
	struct serve_session first, s, found;
	struct serve_who is = {.role = ROLE_READ};

	(void)state;
	assert_null(serve_session_begin("u", &who, &first));
	assert_true(serve_session_known(first.secret, &is));
	assert_false(serve_session_known("", &is));
	assert_false(serve_session_known(first.id, &is));
	assert_true(serve_session_find(first.id, &found));
	assert_string_equal(found.user, "u");
	assert_string_equal(found.secret, "");
	assert_string_equal(is.name, "ann");
	assert_int_equal(is.role, ROLE_OPERATE);
	assert_true(serve_session_end(first.id));
	assert_false(serve_session_end(first.id));
	assert_false(serve_session_end(""));
	assert_false(serve_session_known(first.secret, &is));
	assert_null(serve_session_begin("u", &who, &first));
	for (unsigned i = 0; i < SESSIONS_EACH - 1; i++)
		assert_null(serve_session_begin("v", &who, &s));
	assert_true(serve_session_known(first.secret, &is)); /* now others are idle longer */
	assert_null(serve_session_begin("v", &who, &s));
	assert_true(serve_session_known(first.secret, &is));
	assert_true(serve_session_known(s.secret, &is));
	for (unsigned i = 0; i < SESSIONS_EACH; i++)
		assert_null(serve_session_begin("w", &who, &s));
	assert_false(serve_session_known(first.secret, &is));
}

static unsigned sessions_of(const char *name)
{
	struct serve_session all[SESSIONS];
	unsigned n = serve_session_list(all), of = 0;

	for (unsigned i = 0; i < n; i++)
		of += strcmp(all[i].who.name, name) == 0;
	return of;
}

static void a_session_makes_room_for_none_of_another_name(void **state)
{
	struct serve_who who = {"bob", ROLE_READ}, is = {.role = ROLE_READ};
	struct serve_session first, s;

	(void)state;
	assert_null(serve_session_begin("u", &who, &first));
	strcpy(who.name, "eve");
	for (unsigned i = 0; i < 2 * SESSIONS; i++)
		assert_null(serve_session_begin("u", &who, &s));
	assert_int_equal(sessions_of("eve"), SESSIONS_EACH);
	for (unsigned i = 0; serve_session_list((struct serve_session[SESSIONS]){0}) < SESSIONS;
		i++) {
		snprintf(who.name, sizeof(who.name), "n%u", i / SESSIONS_EACH);
		assert_null(serve_session_begin("u", &who, &s));
	}
	strcpy(who.name, "late");
	assert_non_null(serve_session_begin("u", &who, &s));
	assert_true(serve_session_known(first.secret, &is));
	assert_string_equal(is.name, "bob");
	strcpy(who.name, "bob");
	assert_null(serve_session_begin("u", &who, &s)); /* in the place of its own one */
	assert_false(serve_session_known(first.secret, &is));
	assert_int_equal(sessions_of("bob"), 1);
}

int main(void)
{
#define T(test) cmocka_unit_test(test)
	const struct CMUnitTest tests[] = {
		T(a_token_counts_when_it_is_all_of_it),
		T(a_token_comes_as_bearer_or_as_a_password),
		T(a_token_file_is_long_enough_and_nobody_elses),
		T(a_token_of_a_file_has_a_name_and_a_role),
		T(a_line_of_tokens_that_is_none_is_told_with_its_number),
		T(a_file_of_tokens_is_a_file_of_its_own_user),
		T(a_role_may_what_those_below_it_may),
		T(a_session_lasts_until_it_is_ended_or_makes_room),
		T(a_session_makes_room_for_none_of_another_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
