/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio console: nothing is lost or said twice, in either direction. */
#include "virtio_world.h"

#include "virtio/console.h"

#define SIZE 32u /* of the queues */
#define DATA (BUFFERS + 0x1000u)

static struct virtio_console console;

static int setup(void **state)
{
	(void)state;
	world_start();
	memset(&console, 0xa5, sizeof(console));
	assert_true(virtio_console_create(&console, true, 0, NULL, &machine, WORLD_BDF));
	world_up(VIRTIO_F_VERSION_1 | VIRTIO_CONSOLE_F_SIZE, 2, SIZE);
	work();
	assert_int_equal(interrupt(), CONFIG_VECTOR); /* the size */
	return 0;
}

static void send(uint32_t length, uint8_t first)
{
	struct world_buffer b = {DATA + 0x1000u * queue[1].first_free, length, false};

	for (uint32_t i = 0; i < length; i++)
		*ram(b.gpa + i) = (uint8_t)(first + i);
	give(1, &b, 1);
	notify(1);
}

static uint32_t type(const char *text)
{
	uint32_t n;

	dev_lock(&machine);
	n = virtio_console_input(&console, (const uint8_t *)text, (uint32_t)strlen(text));
	dev_unlock(&machine);
	work();
	return n;
}

static void expect_input(uint64_t gpa, const char *text)
{
	uint16_t id;
	uint32_t n;

	assert_true(used(0, &id, &n));
	assert_int_equal(n, strlen(text));
	assert_memory_equal(ram(gpa), text, n);
}

static void place(uint64_t gpa, uint32_t length)
{
	struct world_buffer b = {gpa, length, true};

	give(0, &b, 1);
	notify(0);
	work();
}

static void what_the_driver_sends_comes_out(void **state)
{
	uint16_t id;
	uint32_t n;

	(void)state;
	send(100, 1);
	send(50, 101);
	work();
	assert_int_equal(world.console_size, 150);
	for (unsigned i = 0; i < 150; i++)
		assert_int_equal(world.console[i], 1 + i);
	assert_true(used(1, &id, &n) && n == 0 && used(1, &id, &n) && n == 0);
	assert_int_equal(interrupt(), QUEUE_VECTOR(1));
}

static void what_has_no_room_waits_in_the_ring(void **state)
{
	uint16_t id;
	uint32_t n;

	(void)state;
	world.room = 30;
	send(100, 1);
	send(20, 101);
	assert_int_equal(platform_work(&machine), VPCI_WORK_WAITS);
	assert_int_equal(world.console_size, 30);
	assert_false(used(1, &id, &n));
	assert_int_equal(platform_work(&machine), VPCI_WORK_WAITS);
	assert_int_equal(world.console_size, 30);
	for (unsigned i = 0; i < 9; i++) {
		world.room = 10;
		platform_work(&machine);
	}
	assert_int_equal(world.console_size, 120);
	for (unsigned i = 0; i < 120; i++)
		assert_int_equal(world.console[i], 1 + i);
	assert_true(used(1, &id, &n) && used(1, &id, &n));
	assert_false(used(1, &id, &n));
}

static void output_that_waits_does_not_hold_input_back(void **state)
{
	(void)state;
	world.room = 0;
	send(100, 1);
	place(BUFFERS, 64);
	assert_int_equal(type("x"), 1);
	expect_input(BUFFERS, "x");
}

static void a_buffer_larger_than_a_turn_comes_out_whole(void **state)
{
	struct world_buffer b[2] = {{DATA, 0x9000, false}, {DATA + 0x9000, 0x6000, false}};
	uint16_t id;
	uint32_t n;

	(void)state;
	for (unsigned i = 0; i < 0xf000; i++)
		*ram(DATA + i) = (uint8_t)(i / 3);
	give(1, b, 2);
	notify(1);
	while (platform_work(&machine) != VPCI_WORK_DONE)
		;
	assert_int_equal(world.console_size, 0xf000);
	for (unsigned i = 0; i < 0xf000; i++)
		assert_int_equal(world.console[i], (uint8_t)(i / 3));
	assert_true(used(1, &id, &n));
}

static void what_is_typed_comes_in(void **state)
{
	(void)state;
	place(BUFFERS, 64);
	assert_int_equal(type("hello"), 5);
	expect_input(BUFFERS, "hello");
	assert_int_equal(interrupt(), QUEUE_VECTOR(0));
}

static void what_is_typed_waits_for_a_place(void **state)
{
	(void)state;
	assert_int_equal(type("abc"), 3);
	assert_int_equal(type("def"), 3);
	place(BUFFERS, 4);
	expect_input(BUFFERS, "abcd");
	place(BUFFERS, 4);
	expect_input(BUFFERS, "ef");
}

static void what_has_no_room_in_the_device_is_refused(void **state)
{
	char text[VIRTIO_CONSOLE_INPUT + 100];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(type(text), VIRTIO_CONSOLE_INPUT);
	assert_int_equal(type("y"), 0);
	place(BUFFERS, 10);
	assert_int_equal(type("0123456789012"), 10);
	place(BUFFERS, 4096);
	assert_memory_equal(ram(BUFFERS + VIRTIO_CONSOLE_INPUT - 11), "x0123456789", 11);
}

static void the_size_of_the_terminal_is_told(void **state)
{
	(void)state;
	assert_int_equal(get(at.config, 4), 80 | 25 << 16);
	dev_lock(&machine);
	virtio_console_resize(&console, 132, 50);
	dev_unlock(&machine);
	assert_int_equal(get(at.config, 4), 132 | 50 << 16);
	assert_int_equal(interrupt(), CONFIG_VECTOR);
}

static void an_emergency_write_comes_out_before_the_driver_is_ready(void **state)
{
	(void)state;
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	put(at.config + VIRTIO_CONSOLE_EMERG_WRITE, 4, 'E');
	assert_int_equal(world.console_size, 1);
	assert_int_equal(world.console[0], 'E');
	world.room = 0;
	put(at.config + VIRTIO_CONSOLE_EMERG_WRITE, 4, 'F');
	put(at.config, 4, 'G');
	assert_int_equal(world.console_size, 1);
}

static void output_outside_memory_stops_the_device(void **state)
{
	struct world_buffer b = {WORLD_RAM - 4, 8, false};

	(void)state;
	give(1, &b, 1);
	notify(1);
	work();
	assert_true(needs_reset());
	assert_int_equal(world.console_size, 0);
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

static void save(void)
{
	dev_lock(&machine);
	virtio_console_get_state(&console, &s);
	dev_unlock(&machine);
}

static void a_move_in_the_middle_loses_and_repeats_nothing(void **state)
{
	(void)state;
	world.room = 7;
	send(20, 1);
	platform_work(&machine);
	type("later");
	save();
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	assert_true(move());
	world.room = 100;
	while (platform_work(&machine) != VPCI_WORK_DONE)
		;
	assert_int_equal(world.console_size, 20);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(world.console[i], 1 + i);
	place(BUFFERS, 64);
	expect_input(BUFFERS, "later");
}

static void a_state_that_cannot_be_is_refused(void **state)
{
	(void)state;
	save();
	s.count = VIRTIO_CONSOLE_INPUT + 1;
	assert_false(move());
	s.count = 1;
	s.input[1] = 1;
	assert_false(move());
	s.input[1] = 0;
	s.v.isr = 4;
	assert_false(move());
	s.v.isr = 0;
	assert_true(move());
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(what_the_driver_sends_comes_out),
		T(what_has_no_room_waits_in_the_ring),
		T(output_that_waits_does_not_hold_input_back),
		T(a_buffer_larger_than_a_turn_comes_out_whole),
		T(what_is_typed_comes_in),
		T(what_is_typed_waits_for_a_place),
		T(what_has_no_room_in_the_device_is_refused),
		T(the_size_of_the_terminal_is_told),
		T(an_emergency_write_comes_out_before_the_driver_is_ready),
		T(output_outside_memory_stops_the_device),
		T(a_move_in_the_middle_loses_and_repeats_nothing),
		T(a_state_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests_name("virtio console", tests, NULL, NULL);
}
