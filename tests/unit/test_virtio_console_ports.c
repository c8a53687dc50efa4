/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio console with several ports: who is told what, that nothing is lost, and that a
 * port whose ends are slow holds up itself only.
 */
#include "virtio_world.h"

#include "virtio/console.h"

#define SIZE      32u /* of the queues */
#define PORTS     2u  /* beside the console */
#define QUEUES    (VIRTIO_CONSOLE_MORE + 2 * PORTS)
#define IN(port)  ((port) == 0 ? 0u : 2u + 2 * (port))
#define OUT(port) (IN(port) + 1)
#define TO_US     3u /* control queues */
#define TO_DRIVER 2u
#define MESSAGES  (BUFFERS + 0x80000u)
#define DATA      (BUFFERS + 0x1000u)
#define MULTIPORT (VIRTIO_F_VERSION_1 | VIRTIO_CONSOLE_F_SIZE | VIRTIO_CONSOLE_F_MULTIPORT)

static struct virtio_console console;
static char names[LIMIT_PORTS][LIMIT_NAME] = {"org.example.agent", "log"};

/* Message buffers of 64 bytes, and the oldest that was not looked at. */
static unsigned given, seen;

static void give_message_buffers(unsigned n)
{
	for (; n > 0; n--, given++) {
		struct world_buffer b = {MESSAGES + 64 * (given % SIZE), 64, true};

		give(TO_DRIVER, &b, 1);
	}
	notify(TO_DRIVER);
	work();
}

static void start(bool is_console)
{
	world_start();
	memset(&console, 0xa5, sizeof(console));
	assert_true(
		virtio_console_create(&console, is_console, PORTS, names, &machine, WORLD_BDF));
	world_up(MULTIPORT, QUEUES, SIZE);
	given = seen = 0;
	give_message_buffers(SIZE);
}

static int setup(void **state)
{
	(void)state;
	start(true);
	return 0;
}

static void say(uint32_t id, uint16_t event, uint16_t value)
{
	const struct virtio_console_control m = {id, event, value};
	struct world_buffer b = {MESSAGES + 0x10000, sizeof(m), false};
	uint16_t chain;
	uint32_t n;

	memcpy(ram(b.gpa), &m, sizeof(m));
	give(TO_US, &b, 1);
	notify(TO_US);
	work();
	assert_true(used(TO_US, &chain, &n));
}

/* The next message is this one, with so many bytes behind it. */
static const uint8_t *hears(uint32_t id, uint16_t event, uint16_t value, uint32_t more)
{
	struct virtio_console_control m;
	uint16_t chain;
	uint32_t n;

	assert_true(used(TO_DRIVER, &chain, &n));
	memcpy(&m, ram(MESSAGES + 64 * (seen % SIZE)), sizeof(m));
	assert_int_equal(m.id, id);
	assert_int_equal(m.event, event);
	assert_int_equal(m.value, value);
	assert_int_equal(n, sizeof(m) + more);
	return ram(MESSAGES + 64 * (seen++ % SIZE) + sizeof(m));
}

static void hears_nothing(void)
{
	uint16_t chain;
	uint32_t n;

	assert_false(used(TO_DRIVER, &chain, &n));
}

static void look(void)
{
	dev_lock(&machine);
	virtio_console_look(&console);
	dev_unlock(&machine);
	work();
}

/* As Linux does: all ports are known, and named ones opened. */
static void bring_up(void)
{
	say(~0u, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (unsigned i = 0; i <= PORTS; i++)
		say(i, VIRTIO_CONSOLE_PORT_READY, 1);
	for (unsigned i = 1; i <= PORTS; i++)
		say(i, VIRTIO_CONSOLE_PORT_OPEN, 1);
	seen += PORTS + 1 + 3 + PORTS;
	for (unsigned i = 0; i < seen; i++) {
		uint16_t chain;
		uint32_t n;

		assert_true(used(TO_DRIVER, &chain, &n));
	}
	hears_nothing();
}

static void send(unsigned port, uint32_t length, uint8_t first)
{
	struct world_buffer b = {DATA + 0x1000u * queue[OUT(port)].first_free, length, false};

	for (uint32_t i = 0; i < length; i++)
		*ram(b.gpa + i) = (uint8_t)(first + i);
	give(OUT(port), &b, 1);
	notify(OUT(port));
	while (platform_work(&machine) == VPCI_WORK_MORE)
		;
}

static void comes(unsigned port, const char *text)
{
	struct world_port *w = &world.port[port - 1];

	memcpy(w->in + w->in_size, text, strlen(text));
	w->in_size += (uint32_t)strlen(text);
	look();
}

static void expect_input(unsigned port, const char *text)
{
	struct world_buffer b = {BUFFERS, 64, true};
	uint16_t id;
	uint32_t n;

	give(IN(port), &b, 1);
	notify(IN(port));
	work();
	if (text == NULL) {
		assert_false(used(IN(port), &id, &n));
		return;
	}
	assert_true(used(IN(port), &id, &n));
	assert_int_equal(n, strlen(text));
	assert_memory_equal(ram(BUFFERS), text, n);
}

static void ports_are_told_with_their_names(void **state)
{
	(void)state;
	assert_int_equal(common(VIRTIO_COMMON_QUEUES, 2), QUEUES);
	assert_int_equal(get(at.config + VIRTIO_CONSOLE_MAX_PORTS, 4), PORTS + 1);
	hears_nothing();
	say(~0u, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (unsigned i = 0; i <= PORTS; i++)
		hears(i, VIRTIO_CONSOLE_PORT_ADD, 1, 0);
	hears_nothing();
	say(0, VIRTIO_CONSOLE_PORT_READY, 1);
	hears(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, 0);
	assert_memory_equal(hears(0, VIRTIO_CONSOLE_RESIZE, 1, 4), "\x50\0\x19\0", 4);
	hears(0, VIRTIO_CONSOLE_PORT_OPEN, 1, 0);
	say(1, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_memory_equal(hears(1, VIRTIO_CONSOLE_PORT_NAME, 1, 17), names[0], 17);
	hears_nothing();
	say(2, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_memory_equal(hears(2, VIRTIO_CONSOLE_PORT_NAME, 1, 3), names[1], 3);
	hears_nothing();
}

static void without_a_console_port_0_is_not_told(void **state)
{
	(void)state;
	start(false);
	say(~0u, VIRTIO_CONSOLE_DEVICE_READY, 1);
	hears(1, VIRTIO_CONSOLE_PORT_ADD, 1, 0);
	hears(2, VIRTIO_CONSOLE_PORT_ADD, 1, 0);
	say(0, VIRTIO_CONSOLE_PORT_READY, 1);
	hears_nothing();
}

static void messages_wait_for_buffers(void **state)
{
	uint16_t chain;
	uint32_t n;

	(void)state;
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	world_up(MULTIPORT, QUEUES, SIZE);
	given = seen = 0;
	say(~0u, VIRTIO_CONSOLE_DEVICE_READY, 1);
	say(1, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_false(used(TO_DRIVER, &chain, &n));
	give_message_buffers(2);
	hears(0, VIRTIO_CONSOLE_PORT_ADD, 1, 0);
	hears(1, VIRTIO_CONSOLE_PORT_ADD, 1, 0);
	hears_nothing();
	give_message_buffers(2);
	hears(1, VIRTIO_CONSOLE_PORT_NAME, 1, 17);
	hears(2, VIRTIO_CONSOLE_PORT_ADD, 1, 0);
}

static void messages_that_mean_nothing_change_nothing(void **state)
{
	struct world_buffer b = {MESSAGES + 0x10000, 7, false};
	struct virtio_console_state before, after;

	(void)state;
	bring_up();
	dev_lock(&machine);
	virtio_console_get_state(&console, &before);
	dev_unlock(&machine);
	for (uint16_t event = 0; event < 20; event++) {
		say(PORTS + 1, event, event == 0 ? 2 : 1);
		say(0x80000001, event, event == 0 ? 2 : 1);
	}
	say(1, 99, 1);
	give(TO_US, &b, 1);
	notify(TO_US);
	work();
	assert_false(needs_reset());
	hears_nothing();
	dev_lock(&machine);
	virtio_console_get_state(&console, &after);
	dev_unlock(&machine);
	assert_memory_equal(before.port, after.port, sizeof(before.port));
}

static void who_comes_and_goes_is_told_both_ways(void **state)
{
	(void)state;
	bring_up();
	assert_true(world.port[0].guest && world.port[1].guest);
	world.port[0].opens = 1;
	look();
	hears(1, VIRTIO_CONSOLE_PORT_OPEN, 1, 0);
	assert_int_equal(world.port[0].told, 1);
	assert_int_equal(world.port[1].told, 0);
	world.port[0].opens = 2;
	look();
	hears(1, VIRTIO_CONSOLE_PORT_OPEN, 0, 0);
	assert_int_equal(world.port[0].told, 2);
	say(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	assert_false(world.port[0].guest);
	look();
	hears_nothing();
}

static void the_next_one_who_comes_is_news(void **state)
{
	(void)state;
	bring_up();
	world.port[0].opens = 1;
	look();
	hears(1, VIRTIO_CONSOLE_PORT_OPEN, 1, 0);
	world.port[0].opens = 5;
	look();
	hears(1, VIRTIO_CONSOLE_PORT_OPEN, 0, 0);
	hears(1, VIRTIO_CONSOLE_PORT_OPEN, 1, 0);
	hears_nothing();
	assert_int_equal(world.port[0].told, 5);
}

static void who_goes_has_gone_after_the_bytes(void **state)
{
	(void)state;
	bring_up();
	world.port[0].opens = 1;
	look();
	hears(1, VIRTIO_CONSOLE_PORT_OPEN, 1, 0);
	comes(1, "the last words");
	world.port[0].opens = 2;
	look();
	hears_nothing();
	assert_int_equal(world.port[0].told, 1);
	expect_input(1, "the last words");
	hears(1, VIRTIO_CONSOLE_PORT_OPEN, 0, 0);
	assert_int_equal(world.port[0].told, 2);
}

static void nothing_comes_to_a_port_that_is_not_open(void **state)
{
	uint16_t id;
	uint32_t n;

	(void)state;
	bring_up();
	say(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	comes(1, "early");
	expect_input(1, NULL);
	say(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_true(used(IN(1), &id, &n));
	assert_memory_equal(ram(BUFFERS), "early", 5);
	assert_int_equal(n, 5);
}

static void each_port_has_its_own_bytes(void **state)
{
	uint16_t id;
	uint32_t n;

	(void)state;
	bring_up();
	world.port[0].credit = world.port[1].credit = 1000;
	send(1, 100, 1);
	send(2, 50, 101);
	send(0, 10, 7);
	assert_int_equal(world.port[0].out_size, 100);
	assert_int_equal(world.port[0].out[99], 100);
	assert_int_equal(world.port[1].out_size, 50);
	assert_int_equal(world.port[1].out[0], 101);
	assert_int_equal(world.console_size, 10);
	for (unsigned i = 0; i <= PORTS; i++)
		assert_true(used(OUT(i), &id, &n) && n == 0);
	comes(2, "to two");
	comes(1, "to one");
	expect_input(1, "to one");
	expect_input(2, "to two");
}

static void a_port_that_nobody_reads_waits_quietly_and_alone(void **state)
{
	uint16_t id;
	uint32_t n;

	(void)state;
	bring_up();
	world.port[0].credit = 30;
	world.port[1].credit = 1000;
	send(1, 100, 1);
	assert_int_equal(world.port[0].out_size, 30);
	assert_int_equal(platform_work(&machine), VPCI_WORK_DONE); /* nobody polls */
	send(2, 100, 1);
	assert_int_equal(world.port[1].out_size, 100);
	assert_false(used(OUT(1), &id, &n));
	assert_true(used(OUT(2), &id, &n));
	for (unsigned i = 0; i < 10; i++) {
		world.port[0].credit = 7;
		look();
	}
	assert_int_equal(world.port[0].out_size, 100);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(world.port[0].out[i], 1 + i);
	assert_true(used(OUT(1), &id, &n));
}

static void a_busy_line_is_looked_at_again(void **state)
{
	(void)state;
	bring_up();
	world.port[0].credit = 1000;
	world.port[0].busy = true;
	send(1, 100, 1);
	assert_int_equal(platform_work(&machine), VPCI_WORK_WAITS);
	world.port[0].busy = false;
	work();
	assert_int_equal(world.port[0].out_size, 100);
}

static void the_size_of_the_terminal_is_a_message(void **state)
{
	(void)state;
	bring_up();
	dev_lock(&machine);
	virtio_console_resize(&console, 132, 50);
	dev_unlock(&machine);
	work();
	assert_memory_equal(hears(0, VIRTIO_CONSOLE_RESIZE, 1, 4), "\x84\0\x32\0", 4);
}

static void a_reset_forgets_who_was_there(void **state)
{
	(void)state;
	bring_up();
	world.port[0].opens = 3;
	look();
	hears(1, VIRTIO_CONSOLE_PORT_OPEN, 1, 0);
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	assert_false(world.port[0].guest);
	assert_int_equal(world.port[0].told, 2);
	world_up(MULTIPORT, QUEUES, SIZE);
	given = seen = 0;
	give_message_buffers(SIZE);
	say(1, VIRTIO_CONSOLE_PORT_READY, 1);
	hears(1, VIRTIO_CONSOLE_PORT_OPEN, 1, 0);
	hears(1, VIRTIO_CONSOLE_PORT_NAME, 1, 17);
	assert_int_equal(world.port[0].told, 3);
}

static void a_driver_of_one_port_has_the_console(void **state)
{
	struct world_buffer b = {DATA, 5, false};

	(void)state;
	start(false);
	world_up(VIRTIO_F_VERSION_1, 2, SIZE);
	memcpy(ram(DATA), "hello", 5);
	give(1, &b, 1);
	notify(1);
	work();
	assert_int_equal(world.console_size, 5);
	world_queue(2, SIZE);
	give(2, &b, 1);
	notify(2);
	work();
	assert_true(needs_reset());
}

static struct virtio_console_state s;

static bool move(void)
{
	bool ok;

	dev_lock(&machine);
	ok = virtio_console_set_state(&console, &s);
	dev_unlock(&machine);
	return ok;
}

static void a_move_in_the_middle_loses_and_repeats_nothing(void **state)
{
	(void)state;
	bring_up();
	world.port[0].opens = 1;
	world.port[0].credit = 7;
	look();
	hears(1, VIRTIO_CONSOLE_PORT_OPEN, 1, 0);
	send(1, 20, 1);
	dev_lock(&machine);
	virtio_console_get_state(&console, &s);
	dev_unlock(&machine);
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	assert_true(move());
	assert_int_equal(world.port[0].told, 1);
	assert_true(world.port[0].guest);
	world.port[0].credit = 100;
	world.port[0].opens = 2;
	look();
	assert_int_equal(world.port[0].out_size, 20);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(world.port[0].out[i], 1 + i);
	hears(1, VIRTIO_CONSOLE_PORT_OPEN, 0, 0);
}

static void a_state_that_cannot_be_is_refused(void **state)
{
	(void)state;
	bring_up();
	dev_lock(&machine);
	virtio_console_get_state(&console, &s);
	dev_unlock(&machine);
	s.port[1].pending = 1;
	assert_false(move());
	s.port[1].pending = 0;
	s.port[1].ready = 2;
	assert_false(move());
	s.port[1].ready = 1;
	s.port[PORTS + 1].sent = 1;
	assert_false(move());
	s.port[PORTS + 1].sent = 0;
	s.v.features &= ~VIRTIO_CONSOLE_F_MULTIPORT;
	assert_false(move());
	s.v.features |= VIRTIO_CONSOLE_F_MULTIPORT;
	assert_true(move());
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(ports_are_told_with_their_names),
		T(without_a_console_port_0_is_not_told),
		T(messages_wait_for_buffers),
		T(messages_that_mean_nothing_change_nothing),
		T(who_comes_and_goes_is_told_both_ways),
		T(the_next_one_who_comes_is_news),
		T(who_goes_has_gone_after_the_bytes),
		T(nothing_comes_to_a_port_that_is_not_open),
		T(each_port_has_its_own_bytes),
		T(a_port_that_nobody_reads_waits_quietly_and_alone),
		T(a_busy_line_is_looked_at_again),
		T(the_size_of_the_terminal_is_a_message),
		T(a_reset_forgets_who_was_there),
		T(a_driver_of_one_port_has_the_console),
		T(a_move_in_the_middle_loses_and_repeats_nothing),
		T(a_state_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests_name("virtio console ports", tests, NULL, NULL);
}
