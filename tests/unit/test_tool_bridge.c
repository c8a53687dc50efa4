/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket of a run as its clients see it: what the tool answers itself, above all consoles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge.h"
#include "file.h"
#include "record.h"
#include "unix_socket.h"

#include <cmocka.h>

#define CLIENTS 3

static struct arena a;
static struct sender s;
static struct media media;
static struct bridge b;
static char path[64], folder[64];
static const char *disk;
static int fd[CLIENTS];
static char said[CLIENTS][1 << 20]; /* what each client was told and has not looked at */

static int setup(void **state)
{
	struct error e = {0};

	(void)state;
	snprintf(path, sizeof(path), "/tmp/nestor-test-bridge-%d", getpid());
	snprintf(folder, sizeof(folder), "/tmp/nestor-test-media-%d", getpid());
	sender_init(&s, &a);
	s.open = true;
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(media_make(&a, folder, &disk, &e), 0);
	assert_int_equal(media_open(&media, disk, &e), 0);
	assert_int_equal(bridge_open(&b, &a, &s, &media, path, &e), 0);
	bridge_name(&b, 0, "a");
	bridge_name(&b, 1, "b");
	for (unsigned i = 0; i < CLIENTS; i++) {
		fd[i] = unix_socket_connect(path);
		assert_true(fd[i] >= 0);
		*said[i] = 0;
	}
	bridge_attend(&b, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++)
		close(fd[i]);
	bridge_close(&b);
	media_close(&media);
	file_remove_tree(folder);
	arena_free(&a);
	return 0;
}

/* All that has come for the client by now. */
static void hear(unsigned client)
{
	size_t size = strlen(said[client]);
	ssize_t n;

	do {
		bridge_attend(&b, 1);
		n = recv(fd[client], said[client] + size, sizeof(said[client]) - 1 - size,
			MSG_DONTWAIT);
		size += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	said[client][size] = 0;
}

/* The next line that the client was told; "" if there is none. */
static const char *line(unsigned client)
{
	static char out[8192];
	char *end;

	hear(client);
	end = strchr(said[client], '\n');
	*out = 0;
	if (end) {
		*end = 0;
		snprintf(out, sizeof(out), "%s", said[client]);
		memmove(said[client], end + 1, strlen(end + 1) + 1);
	}
	return out;
}

static void ask(unsigned client, const char *request)
{
	assert_int_equal(send(fd[client], request, strlen(request), 0), strlen(request));
}

static void greeting(unsigned client)
{
	assert_string_equal(line(client), "hello version=1");
}

static void goes(unsigned client)
{
	close(fd[client]);
	fd[client] = -1;
}

static void output(unsigned vm, const char *text)
{
	bridge_output(&b, vm, (const uint8_t *)text, strlen(text));
}

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
	assert_int_equal(bridge_open(&other, &a, &s, path, &e), 0);
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
	assert_string_equal(line(0), "answer id=2 status=bad-request text=an argument that it "
				     "needs is missing");
	assert_string_equal(line(0), "answer id=3 status=bad-request text=the value of an "
				     "argument is out of range");
	assert_string_equal(line(0), "answer id=4 status=bad-request text=it does not take one "
				     "of its arguments");
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- files for drives ---- */

/* The next request that Nestor would get; "": none. */
static const char *sent(void)
{
	static char out[MANAGE_LINE + 1];
	static struct frame_reader reader;
	const uint8_t *bytes;
	struct frame f;
	size_t size;

	*out = 0;
	hear(0);
	frame_reader_init(&reader);
	while ((bytes = sender_next(&s, 1, &size))) {
		for (size_t i = 0; i < size; i++)
			if (frame_read(&reader, bytes[i], &f) == FRAME_READY &&
				f.kind == FRAME_REQUEST)
				snprintf(out, sizeof(out), "%.*s", (int)f.size,
					(const char *)f.payload);
		sender_wrote(&s, size);
	}
	return out;
}

static void ask_with(unsigned client, const char *request, int file)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec part = {(char *)(uintptr_t)request, strlen(request)};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &file, sizeof(int));
	assert_int_equal(sendmsg(fd[client], &m, 0), strlen(request));
	close(file);
}

/* A file of so many bytes, each of which is `is`. */
static int a_file(size_t size, uint8_t is)
{
	char name[128];
	FILE *f;
	int file;

	snprintf(name, sizeof(name), "%s/%u", folder, is);
	f = fopen(name, "w");
	assert_non_null(f);
	for (size_t i = 0; i < size; i++)
		fputc(is, f);
	fclose(f);
	file = open(name, O_RDONLY);
	unlink(name);
	assert_true(file >= 0);
	return file;
}

/* What the machine finds at the last byte of a medium of that size. */
static uint8_t at_end_of(uint32_t number, size_t size)
{
	int file = open(disk, O_RDONLY);
	uint8_t byte = 0xaa;

	assert_true(file >= 0);
	assert_int_equal(pread(file, &byte, 1, (off_t)(media_place(number) + size - 1)), 1);
	close(file);
	return byte;
}

static void nestor_says(const char *status)
{
	char record[64];

	snprintf(record, sizeof(record), "answer id=%u status=%s", b.sent_id, status);
	assert_true(bridge_record(&b, record));
}

static void a_file_is_copied_and_then_offered(void **state)
{
	(void)state;
	greeting(0);
	ask_with(0, "lend id=9 vm=a disk=cd force=1\n", a_file(40960, 3));
	assert_string_equal(sent(), "borrow id=1 vm=a disk=cd lent=1 bytes=40960 force=1");
	assert_int_equal(at_end_of(1, 40960), 3);
	assert_string_equal(line(0), "");
	nestor_says("ok");
	assert_string_equal(line(0), "answer id=9 status=ok");
	assert_int_equal(at_end_of(1, 40960), 3);
	ask(0, "eject id=10 vm=a disk=cd\n");
	assert_string_equal(sent(), "eject id=2 vm=a disk=cd");
	nestor_says("wrong-state");
	assert_int_equal(at_end_of(1, 40960), 3); /* the guest has locked it */
	assert_string_equal(line(0), "answer id=10 status=wrong-state");
	ask(0, "eject id=11 vm=a disk=cd force=1\n");
	assert_non_null(strstr(sent(), "eject"));
	nestor_says("ok");
	assert_int_equal(at_end_of(1, 40960), 0);
}

static void what_a_drive_refuses_or_has_no_more_takes_no_room(void **state)
{
	(void)state;
	greeting(0);
	ask_with(0, "lend id=1 vm=a disk=cd\n", a_file(2048, 1));
	assert_non_null(strstr(sent(), " lent=1 "));
	nestor_says("wrong-state");
	assert_int_equal(at_end_of(1, 2048), 0);
	assert_string_equal(line(0), "answer id=1 status=wrong-state");
	ask_with(0, "lend id=2 vm=a disk=cd\n", a_file(2048, 2));
	assert_non_null(strstr(sent(), " lent=2 "));
	nestor_says("ok");
	assert_string_equal(line(0), "answer id=2 status=ok");
	ask_with(0, "lend id=3 vm=a disk=cd\n", a_file(2048, 3)); /* in its place */
	assert_non_null(strstr(sent(), " lent=3 "));
	assert_int_equal(at_end_of(2, 2048), 2);
	nestor_says("ok");
	assert_int_equal(at_end_of(2, 2048), 0);
	assert_int_equal(at_end_of(3, 2048), 3);
	assert_string_equal(line(0), "answer id=3 status=ok");
	bridge_record(&b, "vm-gone vm=a");
	assert_int_equal(at_end_of(3, 2048), 0);
}

static void what_is_no_image_of_a_cd_is_refused(void **state)
{
	(void)state;
	greeting(0);
	ask(0, "lend id=1 vm=a disk=cd\n");
	assert_non_null(strstr(line(0), "no file came with it"));
	ask_with(0, "lend id=2 vm=a disk=cd\n", a_file(2047, 1));
	assert_non_null(strstr(line(0), "multiple of 2048"));
	ask_with(0, "lend id=3 vm=a disk=cd\n", a_file(0, 1));
	assert_non_null(strstr(line(0), "status=wrong-state"));
	ask_with(0, "lend id=4 vm=a disk=cd\n", open("/dev/zero", O_RDONLY));
	assert_non_null(strstr(line(0), "no file that can be read"));
	ask_with(0, "lend id=5 vm=a disk=cd\n", open(folder, O_RDONLY | O_DIRECTORY));
	assert_non_null(strstr(line(0), "no file that can be read"));
	ask(0, "borrow id=6 vm=a disk=cd lent=1 bytes=2048\n");
	assert_non_null(strstr(line(0), "status=bad-request"));
	assert_string_equal(sent(), "");
}

static void no_more_is_lent_than_there_are_slots(void **state)
{
	char line_of[64];

	(void)state;
	greeting(0);
	for (unsigned i = 0; i < MEDIA_SLOTS; i++) {
		snprintf(line_of, sizeof(line_of), "lend id=%u vm=a disk=cd%u\n", i, i);
		ask_with(0, line_of, a_file(2048, 1));
		assert_non_null(strstr(sent(), "borrow"));
		nestor_says("ok");
		assert_non_null(strstr(line(0), "status=ok"));
	}
	ask_with(0, "lend id=99 vm=a disk=more\n", a_file(2048, 1));
	assert_non_null(strstr(line(0), "as many files are lent already"));
	ask(0, "eject id=100 vm=a disk=cd3\n");
	assert_non_null(strstr(sent(), "eject"));
	nestor_says("ok");
	line(0);
	ask_with(0, "lend id=101 vm=a disk=more\n", a_file(2048, 1));
	assert_non_null(strstr(sent(), " lent=36 ")); /* the same slot */
}

/* What Nestor has stays, until the drive has another one. */
static void who_goes_while_a_file_is_lent_leaves_nothing_behind(void **state)
{
	(void)state;
	greeting(0);
	greeting(1);
	ask_with(0, "lend id=1 vm=a disk=cd\n", a_file(20u << 20, 1));
	bridge_attend(&b, 1); /* a part of it is copied */
	assert_int_equal(media.slot[1].state, MEDIA_COPIED);
	close(fd[0]);
	hear(1);
	assert_int_equal(media.slot[1].state, MEDIA_FREE);
	fd[0] = unix_socket_connect(path);
	hear(1);
	ask_with(1, "lend id=1 vm=a disk=cd\n", a_file(2048, 2));
	assert_non_null(strstr(sent(), " lent=2 "));
	hear(1);
	close(fd[1]);
	bridge_attend(&b, 1);
	nestor_says("ok");
	assert_int_equal(media.slot[2].state, MEDIA_LENT);
	fd[1] = unix_socket_connect(path);
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
		T(a_file_is_copied_and_then_offered),
		T(what_a_drive_refuses_or_has_no_more_takes_no_room),
		T(what_is_no_image_of_a_cd_is_refused),
		T(no_more_is_lent_than_there_are_slots),
		T(who_goes_while_a_file_is_lent_leaves_nothing_behind),
		T(what_a_client_holds_is_undone_when_it_goes),
		T(what_was_refused_or_is_undone_already_is_left_alone),
		T(what_another_client_asked_for_since_is_its_own),
		T(what_is_under_way_when_its_client_goes_is_undone_when_it_is_done),
		T(an_undoing_that_gets_lost_is_asked_for_again),
		T(nothing_is_undone_of_a_vm_that_has_gone),
	};

	return cmocka_run_group_tests_name("the socket of a run", tests, NULL, NULL);
}
