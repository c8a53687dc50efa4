/* SPDX-License-Identifier: Apache-2.0 */
/* A client's end of the socket of a run: waiting for answers, and what ends it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client_link.h"
#include "file.h"
#include "process.h"
#include "unix_socket.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct arena arena;
static struct error error;
static const char *folder;
static struct client_link l;
static int listener, run;

static int set_up(void **state)
{
	const char *at;

	(void)state;
	error = (struct error){0};
	if (file_make_temporary(&arena, &folder, &error))
		return 1;
	at = arena_format(&arena, "%s/at", folder);
	listener = unix_socket_listen(at, 1, false, "test", &error);
	if (listener < 0 || client_link_open(&l, at, &error))
		return 1;
	run = accept(listener, NULL, NULL);
	return run < 0;
}

static int tear_down(void **state)
{
	(void)state;
	client_link_close(&l);
	close(run);
	close(listener);
	file_remove_tree(folder);
	arena_free(&arena);
	return 0;
}

static void says(const char *text)
{
	assert_int_equal(send(run, text, strlen(text), 0), strlen(text));
}

static void no_item(void *context, const char *line)
{
	(void)context;
	(void)line;
}

static int ask(struct client_answer *answer)
{
	return client_link_ask(&l, "list", "", no_item, NULL, answer, &error);
}

static void a_signal_ends_waiting_for_an_answer_at_once(void **state)
{
	struct client_answer answer;
	time_t begin = time(NULL);

	(void)state;
	process_hold_signals();
	l.wake = process_signals();
	assert_true(l.wake >= 0);
	assert_int_equal(l.patience, CLIENT_LINK_PATIENCE);
	raise(SIGTERM);
	assert_int_equal(ask(&answer), STATUS_INTERRUPTED);
	assert_true(time(NULL) - begin < 5);
	client_link_heard(&l);
	close(l.wake);
}

static void after_a_signal_things_can_be_put_in_order_until_the_next_one(void **state)
{
	struct client_answer answer;

	(void)state;
	process_hold_signals();
	l.wake = process_signals();
	raise(SIGINT);
	assert_int_equal(ask(&answer), STATUS_INTERRUPTED);
	client_link_heard(&l);
	assert_int_equal(l.patience, CLIENT_LINK_TIDYING);
	error = (struct error){0};
	says("answer id=1 status=ok\nanswer id=2 status=wrong-state text=late\n");
	assert_int_equal(ask(&answer), 0);
	assert_string_equal(answer.text, "late");
	raise(SIGINT);
	assert_int_equal(ask(&answer), STATUS_INTERRUPTED);
	client_link_heard(&l);
	close(l.wake);
}

static void without_a_descriptor_for_signals_answers_are_waited_for(void **state)
{
	struct client_answer answer;

	(void)state;
	l.patience = 50;
	assert_int_equal(ask(&answer), STATUS_TIMEOUT);
	error = (struct error){0};
	says("answer id=2 status=ok\n");
	assert_int_equal(ask(&answer), 0);
	assert_int_equal(answer.status, MANAGE_IS_OK);
}

static void a_place_that_is_taken_says_by_what(void **state)
{
	const char *at = arena_format(&arena, "%s/at", folder);
	const char *file = arena_format(&arena, "%s/file", folder);

	(void)state;
	assert_int_equal(unix_socket_listen(at, 1, false, "test", &error), -1);
	assert_int_equal(error.status, STATUS_HOST_ERROR);
	assert_non_null(strstr(error.text, "/at': somebody listens there already"));
	error = (struct error){0};
	assert_int_equal(file_write_text(file, "", &error), 0);
	assert_int_equal(unix_socket_listen(file, 1, false, "test", &error), -1);
	assert_non_null(strstr(error.text, "/file': there is something else of this name"));
	error = (struct error){0};
	close(listener); /* as after a kill: its name stays */
	listener = unix_socket_listen(at, 1, false, "test", &error);
	assert_true(listener >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_signal_ends_waiting_for_an_answer_at_once),
		T(after_a_signal_things_can_be_put_in_order_until_the_next_one),
		T(without_a_descriptor_for_signals_answers_are_waited_for),
		T(a_place_that_is_taken_says_by_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
