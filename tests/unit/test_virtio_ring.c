/* SPDX-License-Identifier: Apache-2.0 */
/* Virtqueues, split and packed: what good drivers do. */
#include "virtio_echo.h"

static void a_chain_is_handled_and_comes_back(void **state)
{
	(void)state;
	FOR_EACH_RING(f)
	{
		for (unsigned tables = 0; tables <= ((f & VIRTIO_F_INDIRECT_DESC) != 0);
			tables++) {
			start(f);
			mode.tables = tables;
			for (unsigned i = 0; i < 5 * SIZE; i++) {
				uint64_t gpa = BUFFERS + 0x8000u * queue[0].first_free;
				uint16_t id = give_echo(0, 10, 12, 2, (uint8_t)i);

				notify(0);
				work();
				one_back(0, id, 20);
				assert_true(none_back(0));
				assert_int_equal(*ram(gpa + 0x4000), (uint8_t)i);
				assert_int_equal(*ram(gpa + 0x4013), (uint8_t)(i + 1));
				assert_int_equal(*ram(gpa + 0x4014), 0xee);
				if (mode.packed || !mode.event_idx || i == 0)
					assert_int_equal(interrupt(), QUEUE_VECTOR(0));
				assert_int_equal(interrupt(), -1);
			}
			assert_false(needs_reset());
		}
	}
}

static void a_full_ring_of_chains_is_handled(void **state)
{
	uint16_t ids[SIZE];

	(void)state;
	FOR_EACH_RING(f)
	{
		start(f);
		for (unsigned round = 0; round < 20; round++) {
			unsigned n = SIZE / 2 - round % 3;

			for (unsigned i = 0; i < n; i++)
				ids[i] = give_echo(1, 1, 1, 1, (uint8_t)(round + i));
			notify(1);
			work();
			for (unsigned i = 0; i < n; i++)
				one_back(1, ids[i], 1);
		}
		assert_false(needs_reset());
	}
}

static void a_chain_may_be_as_long_as_the_ring(void **state)
{
	(void)state;
	FOR_EACH_RING(f)
	{
		start(f);
		for (unsigned i = 0; i < 4; i++) {
			uint16_t id = give_echo(0, 3, 3, SIZE / 2, 7);

			notify(0);
			work();
			one_back(0, id, 3 * SIZE / 2);
		}
		assert_false(needs_reset());
	}
}

static void a_table_may_follow_plain_descriptors(void **state)
{
	struct world_buffer b[2] = {{BUFFERS, 4, false}, {0}};

	(void)state;
	start(VIRTIO_F_INDIRECT_DESC);
	memcpy(ram(BUFFERS), "abcd", 4);
	put_desc(TABLES, BUFFERS + 0x100, 8, VIRTIO_DESC_WRITE, 0);
	b[1] = (struct world_buffer){TABLES, 16, false};
	give(0, b, 2);
	*word(AREA(0) + 16 + 12) = VIRTIO_DESC_INDIRECT;
	notify(0);
	work();
	one_back(0, 0, 4);
	assert_memory_equal(ram(BUFFERS + 0x100), "abcd", 4);
}

static void buffers_of_no_bytes_are_passed_by(void **state)
{
	struct world_buffer b[5] = {{BUFFERS, 0, false}, {BUFFERS, 2, false},
		{UINT64_MAX, 0, false}, {BUFFERS + 16, 0, true}, {BUFFERS + 32, 2, true}};

	(void)state;
	FOR_EACH_RING(f)
	{
		start(f);
		memcpy(ram(BUFFERS), "xy", 2);
		give(0, b, 5);
		notify(0);
		work();
		one_back(0, 0, 2);
		assert_memory_equal(ram(BUFFERS + 32), "xy", 2);
	}
}

/* ---- notifications ---- */

static void a_driver_that_wants_no_interrupt_gets_none(void **state)
{
	(void)state;
	FOR_EACH_RING(f)
	{
		if (f & VIRTIO_F_EVENT_IDX)
			continue;
		start(f);
		*word(AREA(0) + DRIVER_AREA + (mode.packed ? 2 : 0)) = 1;
		give_echo(0, 1, 1, 1, 1);
		notify(0);
		work();
		assert_int_equal(interrupt(), -1);
		*word(AREA(0) + DRIVER_AREA + (mode.packed ? 2 : 0)) = 0;
		give_echo(0, 1, 1, 1, 1);
		notify(0);
		work();
		assert_int_equal(interrupt(), QUEUE_VECTOR(0));
	}
}

static void a_driver_gets_one_interrupt_at_the_event_it_names(void **state)
{
	(void)state;
	for (unsigned packed = 0; packed < 2; packed++) {
		start(VIRTIO_F_EVENT_IDX | (packed ? VIRTIO_F_RING_PACKED : 0));
		give_echo(0, 1, 1, 1, 1);
		notify(0);
		work();
		assert_int_equal(interrupt(), QUEUE_VECTOR(0)); /* the first is always told */
		if (packed) {
			*word(AREA(0) + DRIVER_AREA) = 6 | 1u << 15; /* the fourth chain */
			*word(AREA(0) + DRIVER_AREA + 2) = VIRTIO_EVENT_DESC;
		} else {
			*word(AREA(0) + DRIVER_AREA + 4 + 2 * SIZE) = 3;
		}
		for (unsigned i = 2; i < 7; i++) {
			give_echo(0, 1, 1, 1, 1);
			notify(0);
			work();
			assert_int_equal(interrupt(), i == 4 ? (int)QUEUE_VECTOR(0) : -1);
		}
	}
}

static void the_device_says_when_it_wants_to_be_notified(void **state)
{
	(void)state;
	start(0);
	give_echo(0, 1, 1, 1, 1);
	notify(0);
	work();
	assert_int_equal(*word(AREA(0) + DEVICE_AREA), 0);
	start(VIRTIO_F_EVENT_IDX);
	give_echo(0, 1, 1, 1, 1);
	notify(0);
	work();
	assert_int_equal(*word(AREA(0) + DEVICE_AREA + 4 + 8 * SIZE), 1);
	start(VIRTIO_F_RING_PACKED);
	give_echo(0, 1, 1, 1, 1);
	notify(0);
	work();
	assert_int_equal(*word(AREA(0) + DEVICE_AREA + 2), VIRTIO_EVENT_ENABLE);
	start(VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX);
	give_echo(0, 1, 1, 1, 1);
	notify(0);
	work();
	assert_int_equal(*word(AREA(0) + DEVICE_AREA + 2), VIRTIO_EVENT_DESC);
	assert_int_equal(*word(AREA(0) + DEVICE_AREA), 2 | 1u << 15);
}

static void while_it_works_it_wants_none(void **state)
{
	(void)state;
	FOR_EACH_RING(f)
	{
		start(f);
		piece = 1;
		give_echo(0, 4, 4, 1, 1);
		notify(0);
		assert_int_equal(platform_work(&machine), VPCI_WORK_MORE);
		if (mode.packed)
			assert_int_equal(
				*word(AREA(0) + DEVICE_AREA + 2), VIRTIO_EVENT_DISABLE);
		else if (!mode.event_idx)
			assert_int_equal(*word(AREA(0) + DEVICE_AREA), 1);
		work();
		one_back(0, 0, 4);
	}
}

/* ---- pieces ---- */

static void a_large_chain_is_done_in_pieces_and_nothing_is_lost(void **state)
{
	(void)state;
	FOR_EACH_RING(f)
	{
		start(f);
		piece = 7;
		give_echo(0, 100, 50, 3, 0x30);
		notify(0);
		assert_int_equal(work(), (150 + 6) / 7);
		one_back(0, 0, 150);
		for (unsigned i = 0; i < 150; i++)
			assert_int_equal(*ram(BUFFERS + 0x4000 + i), 0x30 + i / 100);
	}
}

static void queues_have_their_turns(void **state)
{
	struct world_buffer big[2] = {
		{BUFFERS, 0x80000, false}, {BUFFERS + 0x100000, 0x80000, true}};

	(void)state;
	start(0);
	for (unsigned i = 0; i < SIZE / 2; i++) {
		give(0, big, 2);
		give_echo(1, 1, 1, 1, 1);
	}
	notify(0);
	notify(1);
	for (unsigned i = 0; i < 4 && queue[1].free == 0; i++) {
		platform_work(&machine);
		while (!none_back(1))
			;
	}
	assert_int_equal(queue[1].free, SIZE); /* before the first queue is done */
	work();
	assert_int_equal(chains, SIZE);
}

static void the_work_of_one_turn_is_bounded(void **state)
{
	(void)state;
	FOR_EACH_RING(f)
	{
		start(f);
		for (unsigned i = 0; i < SIZE; i++) {
			struct world_buffer b = {BUFFERS, 0x10000, true};

			give(0, &b, 1);
		}
		piece = 0;
		notify(0);
		work();
		assert_int_equal(chains, SIZE);
		chains = 0;
		for (unsigned i = 0; i < SIZE; i++)
			none_back(0);
	}
	start(0);
	for (unsigned i = 0; i < SIZE / 2; i++)
		give_echo(0, 0x2000, 0x2000, 1, 1);
	notify(0);
	platform_work(&machine);
	assert_in_range(chains, 4, 8);
}

static void a_chain_that_waits_is_available_again(void **state)
{
	(void)state;
	FOR_EACH_RING(f)
	{
		start(f);
		for (unsigned i = 0; i < SIZE - 2; i += 2) {
			give_echo(0, 1, 1, 1, 1);
			notify(0);
			work();
			none_back(0);
		}
		instead = VIRTIO_WAITS;
		give_echo(0, 1, 1, 1, 1);
		give_echo(0, 1, 1, 1, 1);
		notify(0);
		assert_int_equal(platform_work(&machine), VPCI_WORK_WAITS);
		assert_int_equal(platform_work(&machine), VPCI_WORK_WAITS);
		assert_true(none_back(0));
		instead = VIRTIO_DONE;
		assert_int_equal(platform_work(&machine), VPCI_WORK_DONE);
		assert_false(none_back(0));
		assert_false(none_back(0));
		assert_true(none_back(0));
	}
}

static void a_chain_that_is_kept_waits_for_a_kick_of_the_device(void **state)
{
	(void)state;
	FOR_EACH_RING(f)
	{
		start(f);
		instead = VIRTIO_KEEP;
		give_echo(0, 1, 1, 1, 1);
		notify(0);
		assert_int_equal(platform_work(&machine), VPCI_WORK_DONE);
		instead = VIRTIO_DONE;
		assert_int_equal(platform_work(&machine), VPCI_WORK_DONE);
		assert_true(none_back(0));
		dev_lock(&machine);
		virtio_kick(&device, 0);
		dev_unlock(&machine);
		work();
		assert_false(none_back(0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_is_handled_and_comes_back),
		cmocka_unit_test(a_full_ring_of_chains_is_handled),
		cmocka_unit_test(a_chain_may_be_as_long_as_the_ring),
		cmocka_unit_test(a_table_may_follow_plain_descriptors),
		cmocka_unit_test(buffers_of_no_bytes_are_passed_by),
		cmocka_unit_test(a_driver_that_wants_no_interrupt_gets_none),
		cmocka_unit_test(a_driver_gets_one_interrupt_at_the_event_it_names),
		cmocka_unit_test(the_device_says_when_it_wants_to_be_notified),
		cmocka_unit_test(while_it_works_it_wants_none),
		cmocka_unit_test(a_large_chain_is_done_in_pieces_and_nothing_is_lost),
		cmocka_unit_test(queues_have_their_turns),
		cmocka_unit_test(the_work_of_one_turn_is_bounded),
		cmocka_unit_test(a_chain_that_waits_is_available_again),
		cmocka_unit_test(a_chain_that_is_kept_waits_for_a_kick_of_the_device),
	};

	return cmocka_run_group_tests_name("virtqueues", tests, NULL, NULL);
}
