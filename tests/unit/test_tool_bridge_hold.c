/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool undoes when the client goes that asked for it. */
#include "bridge_world.h"

/* ---- what ends with a connection */

/* What L0 has been asked, without its id; "": nothing new. */
static const char *asked(void)
{
	static char out[MANAGE_LINE];
	unsigned id = 0;
	int n = 0;

	bridge_attend(&b, 1);
	snprintf(out, sizeof(out), "%.*s", (int)s.request_size, s.request);
	s.request_size = 0;
	if (sscanf(out, "%*s id=%u%n", &id, &n) == 1)
		memmove(strchr(out, ' '), out + n, strlen(out + n) + 1);
	return out;
}

/* L0's answer to the request with this number of its own. */
static void answered(unsigned id, const char *status)
{
	char record[80];

	snprintf(record, sizeof(record), "answer id=%u status=%s", id, status);
	assert_true(bridge_record(&b, record));
}

static void what_a_client_holds_is_undone_when_it_goes(void **state)
{
	(void)state;
	ask(0, "pause id=1 vm=b hold=1\ntrace id=2 vm=a vcpu=3 on=1 hold=1 low=5\n"
	       "pause id=3 vm=a\n");
	assert_string_equal(asked(), "pause vm=b hold=1");
	answered(1, "ok");
	assert_string_equal(asked(), "trace vm=a vcpu=3 on=1 hold=1 low=5");
	answered(2, "ok");
	assert_string_equal(asked(), "pause vm=a");
	answered(3, "ok");
	assert_string_equal(asked(), "");
	goes(0);
	assert_string_equal(asked(), "resume vm=b");
	assert_string_equal(asked(), ""); /* one at a time */
	answered(4, "ok");
	assert_string_equal(asked(), "trace vm=a vcpu=3 on=0");
	answered(5, "wrong-state");
	assert_string_equal(asked(), "");
}

static void what_was_refused_or_is_undone_already_is_left_alone(void **state)
{
	(void)state;
	ask(0, "pause id=1 vm=a hold=1\npause id=2 vm=b hold=1\nresume id=3 vm=b\n");
	assert_string_equal(asked(), "pause vm=a hold=1");
	answered(1, "wrong-state"); /* somebody else has paused it */
	assert_string_equal(asked(), "pause vm=b hold=1");
	answered(2, "ok");
	assert_string_equal(asked(), "resume vm=b");
	answered(3, "ok");
	ask(1, "pause id=1 vm=b\n");
	assert_string_equal(asked(), "pause vm=b");
	answered(4, "ok");
	goes(0);
	assert_string_equal(asked(), "");
}

/* However `nestor gdb` ends. */
static void a_debuggers_breakpoints_go_before_its_vm_goes_on(void **state)
{
	(void)state;
	ask(0, "pause id=1 vm=a hold=1\nbreak id=2 vm=a at=5 hold=1\nresume id=3 vm=a hold=1\n");
	assert_string_equal(asked(), "pause vm=a hold=1");
	answered(1, "ok");
	assert_string_equal(asked(), "break vm=a at=5 hold=1");
	answered(2, "ok");
	assert_string_equal(asked(), "resume vm=a hold=1");
	answered(3, "ok");
	goes(0);
	assert_string_equal(asked(), "unbreak vm=a");
	answered(4, "ok");
	assert_string_equal(asked(), "resume vm=a");
	answered(5, "wrong-state"); /* it met none */
	assert_string_equal(asked(), "");
}

/* As `nestor gdb` does when it is told to end. */
static void a_debugger_that_has_cleared_up_leaves_nothing_to_do(void **state)
{
	(void)state;
	ask(0, "break id=1 vm=a at=5 hold=1\nstep id=2 vm=a hold=1\nunbreak id=3 vm=a at=5\n"
	       "unbreak id=4 vm=a\nresume id=5 vm=a\n");
	for (unsigned id = 1; id <= 5; id++) {
		assert_string_not_equal(asked(), "");
		answered(id, "ok");
	}
	goes(0);
	assert_string_equal(asked(), "");
}

static void what_another_client_asked_for_since_is_its_own(void **state)
{
	(void)state;
	ask(0, "trace id=1 vm=a on=1 hold=1\n");
	assert_string_equal(asked(), "trace vm=a on=1 hold=1");
	answered(1, "ok");
	ask(1, "trace id=1 vm=a on=1 hold=1\n");
	assert_string_equal(asked(), "trace vm=a on=1 hold=1");
	answered(2, "ok");
	goes(0);
	assert_string_equal(asked(), "");
	goes(1);
	assert_string_equal(asked(), "trace vm=a vcpu=0 on=0");
}

static void traces_of_many_vcpus_are_kept_apart(void **state)
{
	(void)state;
	ask(0, "trace id=1 vm=a vcpu=287 on=1 hold=1\ntrace id=2 vm=a vcpu=31 on=1 hold=1\n"
	       "trace id=3 vm=a vcpu=255 on=1\n");
	for (unsigned id = 1; id <= 3; id++) {
		assert_string_not_equal(asked(), "");
		answered(id, "ok");
	}
	goes(0);
	assert_string_equal(asked(), "trace vm=a vcpu=31 on=0");
	answered(4, "ok");
	assert_string_equal(asked(), "trace vm=a vcpu=287 on=0");
	answered(5, "ok");
	assert_string_equal(asked(), "");
}

static void what_is_under_way_when_its_client_goes_is_undone_when_it_is_done(void **state)
{
	(void)state;
	ask(0, "pause id=1 vm=a hold=1\n");
	assert_string_equal(asked(), "pause vm=a hold=1");
	goes(0);
	assert_string_equal(asked(), "");
	fd[0] = unix_socket_connect(path); /* who comes now has no part in it */
	assert_string_equal(asked(), "");
	answered(1, "ok");
	assert_string_equal(asked(), "resume vm=a");
	answered(2, "ok");
	assert_string_equal(asked(), "");
	greeting(0);
	assert_string_equal(line(0), "");
}

static void an_undoing_that_gets_lost_is_asked_for_again(void **state)
{
	(void)state;
	ask(0, "pause id=1 vm=a hold=1\n");
	assert_string_equal(asked(), "pause vm=a hold=1");
	goes(0);
	assert_string_equal(asked(), "");
	bridge_attend(&b, 50);
	assert_string_equal(asked(), "pause vm=a hold=1"); /* nobody waits, but it counts */
	answered(1, "ok");
	assert_string_equal(asked(), "resume vm=a");
	bridge_attend(&b, 50);
	assert_string_equal(asked(), "resume vm=a");
}

static void nothing_is_undone_of_a_vm_that_has_gone(void **state)
{
	(void)state;
	ask(0, "pause id=1 vm=b hold=1\n");
	assert_string_equal(asked(), "pause vm=b hold=1");
	answered(1, "ok");
	assert_false(bridge_record(&b, "vm-gone vm=b free=1 tsc=1"));
	goes(0);
	assert_string_equal(asked(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_a_client_holds_is_undone_when_it_goes),
		T(what_was_refused_or_is_undone_already_is_left_alone),
		T(a_debuggers_breakpoints_go_before_its_vm_goes_on),
		T(a_debugger_that_has_cleared_up_leaves_nothing_to_do),
		T(what_another_client_asked_for_since_is_its_own),
		T(traces_of_many_vcpus_are_kept_apart),
		T(what_is_under_way_when_its_client_goes_is_undone_when_it_is_done),
		T(an_undoing_that_gets_lost_is_asked_for_again),
		T(nothing_is_undone_of_a_vm_that_has_gone),
	};

	return cmocka_run_group_tests_name("what ends with a connection", tests, NULL, NULL);
}
