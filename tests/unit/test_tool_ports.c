/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of VMs: both ends of the line between the host tool and L0, of which frames may get
 * lost, with a guest that takes and gives bytes; and the places that ports are connected to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "console.h"
#include "cpu/input.h"
#include "cpu/mux.h"
#include "random.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define LINE l0_port_line(0, 0)

static struct arena arena;
static struct scenario_spec scenario;
static struct consoles consoles;
static struct control control = {-1, -1, NULL};
static struct console_places places;
static struct error error;
static struct frame_reader reader;
static double now = 1;
static uint64_t seed = 7;
static uint32_t sent;        /* by the guest, since the start of the run */
static unsigned lost_one_of; /* frames; 0: none */
static char path[64], records[512][128];
static unsigned record_count;

void mux_record(const char *format, ...)
{
	va_list args;

	assert_in_range(record_count, 0, 511);
	va_start(args, format);
	vsnprintf(records[record_count++], sizeof(records[0]), format, args);
	va_end(args);
}

static void deliver_records(void)
{
	for (unsigned i = 0; i < record_count; i++)
		consoles_report(&consoles, records[i], now, false);
	record_count = 0;
}

/* Counts go on from test to test, as in a run. The guest looks, as its device does
 * (virtio/console_ports.c): it knows at once. */
static void guest_looks(void)
{
	if (input_waiting(LINE) == 0)
		input_port_told(LINE, input_port_opens(LINE), true);
}

static void exchange(void)
{
	const uint8_t *bytes;
	struct frame f;
	size_t size;

	consoles_attend(&consoles, now);
	while ((bytes = sender_next(&consoles.sender, now, &size))) {
		bool lost = lost_one_of != 0 && random_below(&seed, lost_one_of) == 0;

		for (size_t i = 0; i < size; i++)
			if (!lost && frame_read(&reader, bytes[i], &f) == FRAME_READY)
				input_frame(&f);
		sender_wrote(&consoles.sender, size);
	}
	input_tell();
	deliver_records();
	guest_looks();
	deliver_records();
	now += 0.5;
}

static void settle(void)
{
	for (unsigned i = 0; i < 100; i++)
		exchange();
}

/* What the guest may send goes at once. */
static uint32_t guest_sends(const uint8_t *bytes, uint32_t size)
{
	uint32_t credit = input_port_limit(LINE) - sent;

	size = size < credit ? size : credit;
	assert_true(consoles_output(&consoles, LINE, bytes, size));
	sent += size;
	return size;
}

static int peer(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int set_up(void **state)
{
	static uint8_t memory[INPUT_PLACE] __attribute__((aligned(64)));

	(void)state;
	input_make(memory, 1);
	snprintf(path, sizeof(path), "/tmp/nestor-test-%d", (int)getpid());
	scenario_init(&scenario);
	strcpy(scenario_add_vm(&scenario, "test")->config.name, "a");
	scenario.vms[0].config.ports = (struct port_list){1, {"log"}};
	places.place[0] =
		(struct console_place){"a", "log", arena_format(&arena, "unix:%s", path)};
	places.count = 1;
	assert_int_equal(
		consoles_open(&consoles, &arena, &scenario, &places, &control, false, &error),
		0);
	frame_reader_init(&reader);
	input_hello();
	deliver_records();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	consoles_close(&consoles);
	return 0;
}

static void nothing_goes_before_somebody_is_there(void **state)
{
	uint8_t byte = 'x';

	(void)state;
	settle();
	assert_int_equal(guest_sends(&byte, 1), 0);
	assert_int_equal(input_port_opens(LINE), 0);
}

static void bytes_go_both_ways_at_once_also_when_frames_get_lost(void **state)
{
	static uint8_t out[400000], in[100000], got[400000];
	uint32_t out_at = 0, in_at = 0, got_at = 0, taken = 0;
	int fd = peer();

	(void)state;
	lost_one_of = 20;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)random_next(&seed);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)random_next(&seed);
	while (got_at < sizeof(out) || taken < sizeof(in)) {
		uint8_t bytes[300];
		ssize_t n;

		out_at += guest_sends(out + out_at, (uint32_t)sizeof(out) - out_at);
		n = send(fd, in + in_at, sizeof(in) - in_at, MSG_DONTWAIT);
		in_at += n > 0 ? (uint32_t)n : 0;
		exchange();
		for (uint32_t size; (size = input_read(LINE, bytes, sizeof(bytes))) > 0;) {
			assert_memory_equal(bytes, in + taken, size);
			taken += size;
		}
		n = recv(fd, got + got_at, random_below(&seed, 30000), MSG_DONTWAIT);
		got_at += n > 0 ? (uint32_t)n : 0;
		assert_true(now < 100000);
	}
	assert_memory_equal(got, out, sizeof(out));
	close(fd);
	lost_one_of = 0;
	settle();
	assert_int_equal(input_port_opens(LINE) & 1, 0);
}

static void who_does_not_read_stops_only_the_sender(void **state)
{
	static uint8_t bytes[3 * L0_OUTPUT_WINDOW];
	uint32_t before = sent, now_sent;
	int fd = peer();

	(void)state;
	settle();
	for (unsigned i = 0; i < 100; i++) {
		guest_sends(bytes, sizeof(bytes));
		exchange();
	}
	now_sent = sent;
	settle();
	assert_int_equal(guest_sends(bytes, sizeof(bytes)), 0);
	assert_false(consoles_are_full(&consoles));
	for (uint32_t n = now_sent - before; n > 0;) {
		ssize_t got = recv(fd, bytes, n < sizeof(bytes) ? n : sizeof(bytes), 0);

		assert_true(got > 0);
		n -= (uint32_t)got;
		exchange();
	}
	settle();
	assert_int_equal(guest_sends(bytes, 1000), 1000);
	exchange();
	assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 1000);
	close(fd);
	settle();
}

static void what_nobody_took_is_for_the_next_one(void **state)
{
	char text[16] = "";
	int fd = peer();

	(void)state;
	settle();
	close(fd);
	settle();
	assert_int_equal(guest_sends((const uint8_t *)"late", 4), 4);
	settle();
	fd = peer();
	settle();
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 4);
	assert_string_equal(text, "late");
	close(fd);
	settle();
}

static void who_has_sent_all_still_gets_the_answer(void **state)
{
	uint8_t bytes[16];
	int fd = peer();

	(void)state;
	settle();
	assert_int_equal(send(fd, "question", 8, 0), 8);
	shutdown(fd, SHUT_WR);
	settle();
	assert_int_equal(input_read(LINE, bytes, sizeof(bytes)), 8);
	settle();
	assert_int_equal(input_port_opens(LINE) & 1, 1);
	guest_sends((const uint8_t *)"answer", 6);
	settle();
	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), 6);
	close(fd);
	settle();
	assert_int_equal(input_port_opens(LINE) & 1, 0);
}

static void the_bytes_of_who_has_gone_come_before_the_next_one(void **state)
{
	uint8_t bytes[64];
	uint32_t opens = input_port_opens(LINE);
	int fd = peer();

	(void)state;
	settle();
	assert_int_equal(input_port_opens(LINE), opens + 1);
	assert_int_equal(send(fd, "first", 5, 0), 5);
	close(fd);
	settle();
	fd = peer();
	assert_int_equal(send(fd, "second", 6, 0), 6);
	settle();
	assert_int_equal(input_waiting(LINE), 5); /* the guest has not looked */
	assert_int_equal(input_read(LINE, bytes, sizeof(bytes)), 5);
	settle();
	assert_int_equal(input_port_opens(LINE), opens + 3);
	assert_int_equal(input_read(LINE, bytes, sizeof(bytes)), 6);
	assert_memory_equal(bytes, "second", 6);
	close(fd);
	settle();
}

static void a_port_that_cannot_be_is_told(void **state)
{
	static struct consoles other;
	struct console_places wrong = {.count = 1};

	(void)state;
	wrong.place[0] = (struct console_place){"a", "nothing", "pty"};
	assert_int_not_equal(
		consoles_open(&other, &arena, &scenario, &wrong, &control, false, &error), 0);
	assert_non_null(strstr(error.text, "--port a:nothing: the VM has no such port"));
	consoles_close(&other);
	wrong.place[0] = (struct console_place){"b", "log", "pty"};
	memset(&error, 0, sizeof(error));
	assert_int_not_equal(
		consoles_open(&other, &arena, &scenario, &wrong, &control, false, &error), 0);
	assert_non_null(strstr(error.text, "--port b:log: there is no such VM"));
	consoles_close(&other);
}

static int parse(struct scenario_spec *s, const char *ports)
{
	const char *text = arena_format(
		&arena, "vms:\n  - {name: a, kernel: k,\n     ports: %s}\n", ports);

	scenario_init(s);
	memset(&error, 0, sizeof(error));
	return scenario_parse(s, "dir/s.yaml", text, strlen(text), &arena, &error);
}

static void ports_are_a_list_or_a_line(void **state)
{
	static struct scenario_spec s;
	const struct port_list *p = &s.vms[0].config.ports;

	(void)state;
	assert_int_equal(parse(&s, "[org.example.agent, log]"), 0);
	assert_int_equal(p->count, 2);
	assert_string_equal(p->name[0], "org.example.agent");
	assert_int_equal(parse(&s, "'x,y,z'"), 0);
	assert_int_equal(p->count, 3);
	assert_string_equal(p->name[2], "z");
	assert_int_equal(parse(&s, "[]"), 0);
	assert_int_equal(p->count, 0);
	assert_int_not_equal(parse(&s, "[x, y, x]"), 0);
	assert_non_null(strstr(error.text, "dir/s.yaml:3: ports: 'x,y,x'"));
	assert_non_null(strstr(error.text, "x is given twice"));
	assert_int_not_equal(parse(&s, "[[x]]"), 0);
	assert_non_null(strstr(error.text, "must be a list of names"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_goes_before_somebody_is_there),
		cmocka_unit_test(bytes_go_both_ways_at_once_also_when_frames_get_lost),
		cmocka_unit_test(who_does_not_read_stops_only_the_sender),
		cmocka_unit_test(what_nobody_took_is_for_the_next_one),
		cmocka_unit_test(who_has_sent_all_still_gets_the_answer),
		cmocka_unit_test(the_bytes_of_who_has_gone_come_before_the_next_one),
		cmocka_unit_test(a_port_that_cannot_be_is_told),
		cmocka_unit_test(ports_are_a_list_or_a_line),
	};
	int failed = cmocka_run_group_tests_name("tool_ports", tests, set_up, tear_down);

	arena_free(&arena);
	return failed;
}
