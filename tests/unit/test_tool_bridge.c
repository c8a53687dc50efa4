/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket of a run as its clients see it: what the tool answers itself, above all consoles.
 */
#include "bridge_world.h"

/* ---- the socket's place */

static void the_end_removes_the_socket(void **state)
{
	(void)state;
	bridge_close(&b);
	assert_int_equal(access(path, F_OK), -1);
}

/* Somebody removed the file, and another run listens there. */
static void the_end_leaves_the_socket_of_another_run_that_has_taken_the_place(void **state)
{
	struct error e = {0};
	struct bridge other;
	int client;

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(bridge_open(&other, &a, &s, &media, path, &e), 0);
	bridge_close(&b);
	client = unix_socket_connect(path);
	assert_true(client >= 0);
	close(client);
	bridge_close(&other);
	assert_int_equal(access(path, F_OK), -1);
}

/* ---- what a console says */

static void a_console_is_told_to_who_asked_for_it_alone(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++)
		greeting(i);
	ask(0, "console id=1 vm=a\n");
	ask(1, "console id=2 vm=b\n");
	assert_string_equal(line(0), "answer id=1 status=ok");
	assert_string_equal(line(1), "answer id=2 status=ok");
	output(0, "of a");
	output(1, "of b\n\xff");
	assert_string_equal(line(0), "output vm=a at=0 data=6f662061");
	assert_string_equal(line(1), "output vm=b at=0 data=6f6620620aff");
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_string_equal(line(i), "");
}

static void who_comes_late_is_told_what_was_said_from_any_byte_on(void **state)
{
	(void)state;
	output(0, "early");
	for (unsigned i = 0; i < CLIENTS; i++)
		greeting(i);
	ask(0, "console id=1 vm=a\n");
	ask(1, "console id=1 vm=a at=4\n");
	ask(2, "console id=1 vm=a at=5\n");
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_string_equal(line(i), "answer id=1 status=ok");
	assert_string_equal(line(0), "output vm=a at=0 data=6561726c79");
	assert_string_equal(line(1), "output vm=a at=4 data=79");
	assert_string_equal(line(2), "");
	output(0, "!");
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_string_equal(line(i), "output vm=a at=5 data=21");
}

/* Takes lines of output until there is none; returns the number of the byte behind the last,
 * and how many are missing in between. */
static uint64_t take_all(unsigned client, uint64_t at, uint64_t *missing)
{
	const char *is;

	*missing = 0;
	while (*(is = line(client))) {
		uint8_t bytes[2048];
		size_t n = record_bytes(is, "data", bytes, sizeof(bytes));

		assert_true(record_is(is, "output") && record_number(is, "at") >= at);
		*missing += record_number(is, "at") - at;
		at = record_number(is, "at");
		for (size_t i = 0; i < n; i++, at++)
			assert_int_equal(bytes[i], (uint8_t)(at * 7));
	}
	return at;
}

static void say_much(uint64_t from, size_t size)
{
	static uint8_t bytes[1 << 20];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)((from + i) * 7);
	bridge_output(&b, 0, bytes, size);
}

static void who_reads_misses_nothing_however_much_comes_at_once(void **state)
{
	uint64_t missing, at = 0;

	(void)state;
	greeting(0);
	ask(0, "console id=1 vm=a\n");
	assert_string_equal(line(0), "answer id=1 status=ok");
	for (unsigned i = 0; i < 10; i++) {
		say_much(at, 65536);
		assert_int_equal(take_all(0, at, &missing), at + 65536);
		assert_int_equal(missing, 0);
		at += 65536;
	}
}

/* And it gets its answers, stays connected, and stops nobody. */
static void who_does_not_read_misses_bytes_and_knows_which(void **state)
{
	uint64_t missing, end;

	(void)state;
	greeting(0);
	ask(0, "console id=1 vm=a\n");
	assert_string_equal(line(0), "answer id=1 status=ok");
	say_much(0, 1 << 20);
	end = take_all(0, 0, &missing);
	assert_int_equal(end, 1 << 20);
	assert_true(missing > 0 && missing < (1 << 20) - HISTORY_ROOM);
	ask(0, "type id=2 vm=a data=00\n");
	assert_string_equal(line(0), "answer id=2 status=ok");
}

static void the_console_of_a_vm_that_is_gone_is_not_that_of_the_next_one_in_its_place(
	void **state)
{
	static char name[] = "a";

	(void)state;
	bridge_name(&b, 0, name);
	greeting(0);
	greeting(1);
	ask(0, "console id=1 vm=a\n");
	assert_string_equal(line(0), "answer id=1 status=ok");
	output(0, "x");
	assert_false(bridge_record(&b, "vm-gone vm=a free=1 tsc=1"));
	assert_string_equal(line(0), "output vm=a at=0 data=78");
	assert_string_equal(line(0), "end vm=a");
	*name = 'z';
	output(0, "y");
	assert_string_equal(line(0), "");
	ask(1, "console id=1 vm=a\nconsole id=2 vm=z\n");
	assert_true(record_is(line(1), "answer"));
	assert_string_equal(line(1), "answer id=2 status=ok");
	assert_string_equal(line(1), "output vm=z at=1 data=79");
}

/* ---- ports */

#define AGENT (LIMIT_VMS + LIMIT_PORTS + 2) /* the line of port 2 of b */

static void with_ports(void)
{
	bridge_port(&b, 1, 1, "log", true);
	bridge_port(&b, 1, 2, "agent", false);
	for (unsigned i = 0; i < CLIENTS; i++)
		greeting(i);
}

/* The guest knows that somebody is there. */
static void guest_knows(void)
{
	s.port[AGENT - LIMIT_VMS].acked_opens = s.port[AGENT - LIMIT_VMS].opens;
	s.port[AGENT - LIMIT_VMS].told = s.port[AGENT - LIMIT_VMS].opens;
}

static bool is_open(void)
{
	return s.port[AGENT - LIMIT_VMS].opens & 1;
}

static void a_port_is_one_clients_until_it_goes(void **state)
{
	(void)state;
	with_ports();
	ask(0, "console id=1 vm=b port=agent\n");
	assert_string_equal(line(0), "answer id=1 status=ok");
	assert_true(is_open());
	ask(1, "console id=1 vm=b port=agent\nconsole id=2 vm=b port=log\n"
	       "console id=3 vm=b port=other\nconsole id=4 vm=a port=agent\n");
	assert_string_equal(line(1), "answer id=1 status=busy text=another client has it");
	assert_string_equal(line(1), "answer id=2 status=wrong-state text=its other end is "
				     "where --port of the run says");
	for (unsigned id = 3; id <= 4; id++)
		assert_non_null(strstr(line(1), "status=no-vm"));
	output(AGENT, "of b\xff");
	assert_string_equal(line(0), "output vm=b port=agent at=0 data=6f662062ff");
	assert_string_equal(line(1), "");
	goes(0);
	bridge_attend(&b, 1);
	assert_false(is_open());
	output(AGENT, "lost");
	ask(1, "console id=5 vm=b port=agent\n");
	assert_string_equal(line(1), "answer id=5 status=ok");
	output(AGENT, "x");
	assert_string_equal(line(1), "output vm=b port=agent at=9 data=78");
	assert_true(is_open());
}

static void what_is_typed_at_a_port_goes_there_while_somebody_has_it(void **state)
{
	(void)state;
	with_ports();
	ask(1, "type id=1 vm=b port=agent data=00\n");
	assert_non_null(strstr(line(1), "status=wrong-state"));
	ask(0, "console id=1 vm=b port=agent\n");
	assert_string_equal(line(0), "answer id=1 status=ok");
	ask(1, "type id=2 vm=b port=agent data=00\n");
	assert_string_equal(
		line(1), "answer id=2 status=busy text=its guest takes nothing now");
	guest_knows();
	ask(1, "type id=3 vm=b port=agent data=0102\n");
	assert_string_equal(line(1), "answer id=3 status=ok");
	assert_int_equal(s.console[AGENT].end, 2);
	assert_int_equal(s.console[1].end, 0);
}

/* What it says waits in the guest: nothing is lost, and the client stays. */
static void a_port_waits_for_its_client(void **state)
{
	struct sender_port *p = &s.port[AGENT - LIMIT_VMS];
	uint32_t sent = 0;
	uint64_t heard = 0;
	const char *is;

	(void)state;
	with_ports();
	ask(0, "console id=1 vm=b port=agent\n");
	assert_string_equal(line(0), "answer id=1 status=ok");
	for (unsigned i = 0; i < 100 && sent < p->limit; i++) {
		static uint8_t bytes[L0_OUTPUT_WINDOW];
		uint32_t size = p->limit - sent;

		bridge_output(&b, AGENT, bytes, size);
		sent += size;
		bridge_attend(&b, 1); /* the client reads nothing */
	}
	assert_true(sent >= L0_OUTPUT_WINDOW && sent == p->limit);
	while (*(is = line(0))) {
		assert_true(record_is(is, "output") && record_number(is, "at") == heard);
		heard += strlen(record_rest(is, "data")) / 2;
	}
	assert_int_equal(heard, sent);
	bridge_attend(&b, 1);
	assert_true(p->limit == sent + L0_OUTPUT_WINDOW);
}

static void a_vm_that_goes_takes_its_ports_along(void **state)
{
	(void)state;
	with_ports();
	ask(0, "console id=1 vm=b port=agent\n");
	assert_string_equal(line(0), "answer id=1 status=ok");
	assert_false(bridge_record(&b, "vm-gone vm=b free=1 tsc=1"));
	assert_string_equal(line(0), "end vm=b port=agent");
	assert_false(is_open());
	ask(0, "console id=2 vm=b port=agent\n");
	assert_non_null(strstr(line(0), "status=no-vm"));
}

/* ---- what is typed */

static void what_is_typed_goes_to_its_vm_in_order(void **state)
{
	(void)state;
	greeting(0);
	greeting(1);
	ask(0, "type id=7 vm=b data=6c73\ntype id=8 vm=b data=0a\n");
	assert_string_equal(line(0), "answer id=7 status=ok");
	assert_string_equal(line(0), "answer id=8 status=ok");
	ask(1, "type id=1 vm=b data=ff\n");
	assert_string_equal(line(1), "answer id=1 status=ok");
	assert_int_equal(s.console[0].end, 0);
	assert_int_equal(s.console[1].end, 4);
	assert_memory_equal(s.console[1].kept, "ls\n\xff", 4);
}

static void what_there_is_no_room_for_is_refused_and_not_cut(void **state)
{
	(void)state;
	greeting(0);
	s.console[0].end = SENDER_CAPACITY - 2;
	ask(0, "type id=1 vm=a data=010203\ntype id=2 vm=a data=0102\n");
	assert_string_equal(
		line(0), "answer id=1 status=busy text=so much waits for the VM already");
	assert_string_equal(line(0), "answer id=2 status=ok");
	assert_int_equal(s.console[0].end, SENDER_CAPACITY);
}

static void the_size_of_a_terminal_is_passed_on(void **state)
{
	(void)state;
	greeting(0);
	ask(0, "resize id=1 vm=a columns=300 rows=2\nresize id=2 vm=a columns=0 rows=2\n");
	assert_string_equal(line(0), "answer id=1 status=ok");
	assert_true(record_is(line(0), "answer"));
	assert_true(s.console[0].has_size);
	assert_memory_equal(s.console[0].size, "\x2c\x01\x02\x00", 4);
}

/* ---- and others */

static void what_is_wrong_is_answered_with_its_id(void **state)
{
	(void)state;
	greeting(0);
	ask(0, "console id=1 vm=c\ntype id=2 vm=a\ntype id=3 vm=a data=0\nevents id=4 vm=a\n"
	       "console vm=a\n");
	assert_string_equal(
		line(0), "answer id=1 status=no-vm text=there is no VM of this name");
	assert_string_equal(line(0), "answer id=2 status=bad-request text=data is missing");
	assert_string_equal(line(0),
		"answer id=3 status=bad-request text=data must be 1 to 64 bytes, "
		"each of two hexadecimal digits");
	assert_string_equal(
		line(0), "answer id=4 status=bad-request text=vm is no argument of it");
	assert_string_equal(line(0), "answer id=0 status=bad-request text=it has no id");
	assert_int_equal(s.request_size, 0); /* Nestor gets none of it */
}

static void events_go_to_who_asked_without_what_is_between_l0_and_the_tool(void **state)
{
	(void)state;
	greeting(0);
	greeting(1);
	ask(0, "events id=1\n");
	assert_string_equal(line(0), "answer id=1 status=ok");
	assert_false(bridge_record(&b, "input channel=2 taken=1 limit=4097"));
	assert_false(bridge_record(&b, "port channel=10 limit=1 opens=1 told=1 guest=1"));
	assert_false(bridge_record(&b, "vm-start vm=a tsc=1"));
	assert_string_equal(line(0), "event vm-start vm=a tsc=1");
	assert_string_equal(line(0), "");
	assert_string_equal(line(1), "");
}

static void a_request_for_l0_goes_there_and_its_answer_comes_back(void **state)
{
	(void)state;
	greeting(0);
	ask(0, "pause id=77 vm=a\nconsole id=78 vm=a\n");
	assert_string_equal(line(0), "");
	assert_memory_equal(s.request, "pause id=1 vm=a", s.request_size);
	output(0, "x");
	assert_true(bridge_record(&b, "answer id=1 status=ok"));
	assert_string_equal(line(0), "answer id=77 status=ok");
	assert_string_equal(line(0), "answer id=78 status=ok");
	assert_string_equal(line(0), "output vm=a at=0 data=78");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_end_removes_the_socket),
		T(the_end_leaves_the_socket_of_another_run_that_has_taken_the_place),
		T(a_console_is_told_to_who_asked_for_it_alone),
		T(who_comes_late_is_told_what_was_said_from_any_byte_on),
		T(who_reads_misses_nothing_however_much_comes_at_once),
		T(who_does_not_read_misses_bytes_and_knows_which),
		T(the_console_of_a_vm_that_is_gone_is_not_that_of_the_next_one_in_its_place),
		T(a_port_is_one_clients_until_it_goes),
		T(what_is_typed_at_a_port_goes_there_while_somebody_has_it),
		T(a_port_waits_for_its_client),
		T(a_vm_that_goes_takes_its_ports_along),
		T(what_is_typed_goes_to_its_vm_in_order),
		T(what_there_is_no_room_for_is_refused_and_not_cut),
		T(the_size_of_a_terminal_is_passed_on),
		T(what_is_wrong_is_answered_with_its_id),
		T(events_go_to_who_asked_without_what_is_between_l0_and_the_tool),
		T(a_request_for_l0_goes_there_and_its_answer_comes_back),
	};

	return cmocka_run_group_tests_name("the socket of a run", tests, NULL, NULL);
}
