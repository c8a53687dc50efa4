/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile virtqueues: the device stops, nothing else does, and it is good again after a reset.
 */
#include "random.h"
#include "virtio_echo.h"

static void stops(void)
{
	notify(0);
	work();
	assert_true(needs_reset());
	assert_int_equal(interrupt(), CONFIG_VECTOR);
	chains = 0;
	notify(0);
	notify(1);
	assert_int_equal(platform_work(&machine), VPCI_WORK_DONE);
	assert_int_equal(chains, 0);
	mode.tables = false;
	world_up(VIRTIO_F_VERSION_1, QUEUES, SIZE);
	assert_false(needs_reset());
	give_echo(0, 1, 1, 1, 1);
	notify(0);
	work();
	one_back(0, 0, 1);
}

static void a_chain_that_loops_stops_the_device(void **state)
{
	struct world_buffer b = {BUFFERS, 1, false};

	(void)state;
	start(0);
	give(0, &b, 1);
	*word(AREA(0) + 12) = VIRTIO_DESC_NEXT;
	*word(AREA(0) + 14) = 0;
	stops();
	start(VIRTIO_F_INDIRECT_DESC);
	put_desc(TABLES, BUFFERS, 1, VIRTIO_DESC_NEXT, 0);
	give_table(0, TABLES, 16);
	stops();
	start(VIRTIO_F_RING_PACKED);
	for (unsigned i = 0; i < SIZE; i++)
		put_desc(AREA(0) + 16 * i, BUFFERS, 1, 0,
			VIRTIO_PACKED_AVAIL | VIRTIO_DESC_NEXT);
	stops();
}

static void indices_outside_the_ring_stop_the_device(void **state)
{
	struct world_buffer b = {BUFFERS, 1, false};

	(void)state;
	start(0);
	give(0, &b, 1);
	*word(AREA(0) + DRIVER_AREA + 4) = SIZE; /* a head */
	stops();
	start(0);
	give(0, &b, 1);
	*word(AREA(0) + DRIVER_AREA + 2) = SIZE + 1; /* more than fit */
	stops();
	start(0);
	give(0, &b, 1);
	*word(AREA(0) + 12) = VIRTIO_DESC_NEXT;
	*word(AREA(0) + 14) = SIZE; /* the next one */
	stops();
}

static void buffers_outside_memory_stop_the_device(void **state)
{
	static const uint64_t bad[] = {WORLD_RAM, WORLD_RAM - 8, UINT64_MAX - 7, 1ull << 52};

	(void)state;
	FOR_EACH_RING(f)
	{
		for (unsigned i = 0; i < 4; i++) {
			struct world_buffer b[2] = {{BUFFERS, 64, false}, {bad[i], 64, true}};

			start(f);
			give(0, b, 2);
			stops();
			start(f);
			b[0].gpa = bad[i];
			b[1].gpa = BUFFERS;
			give(0, b, 2);
			stops();
		}
	}
}

static void what_the_device_reads_comes_before_what_it_writes(void **state)
{
	struct world_buffer b[3] = {
		{BUFFERS, 1, false}, {BUFFERS, 1, true}, {BUFFERS, 1, false}};

	(void)state;
	FOR_EACH_RING(f)
	{
		start(f);
		mode.tables = mode.indirect;
		give(0, b, 3);
		stops();
	}
}

static void tables_that_cannot_be_stop_the_device(void **state)
{
	static const struct {
		uint64_t gpa;
		uint32_t length;
	} bad[] = {{TABLES, 0}, {TABLES, 8}, {TABLES, 17}, {TABLES, 16 * (VIRTQ_SIZE + 1)},
		{TABLES, UINT32_MAX & ~15u}, {WORLD_RAM, 16}, {WORLD_RAM - 16, 32}};

	(void)state;
	for (unsigned packed = 0; packed < 2; packed++) {
		f = VIRTIO_F_INDIRECT_DESC | (packed ? VIRTIO_F_RING_PACKED : 0);
		for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			start(f);
			give_table(0, bad[i].gpa, bad[i].length);
			stops();
		}
		start(f & ~VIRTIO_F_INDIRECT_DESC); /* not negotiated */
		put_desc(TABLES, BUFFERS, 1, 0, 0);
		give_table(0, TABLES, 16);
		stops();
	}
	start(VIRTIO_F_INDIRECT_DESC); /* a table in a table */
	put_desc(TABLES, TABLES, 16, VIRTIO_DESC_INDIRECT, 0);
	give_table(0, TABLES, 16);
	stops();
}

static void a_chain_of_4_gib_stops_the_device(void **state)
{
	struct world_buffer b[3] = {
		{BUFFERS, 0x80000000, false}, {BUFFERS, 0x7fffffff, false}, {BUFFERS, 1, true}};

	(void)state;
	FOR_EACH_RING(f)
	{
		start(f);
		give(0, b, 3);
		stops();
	}
}

static void rings_outside_memory_stop_the_device(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		start(0);
		device.queue[0].s.desc = i == 0 ? WORLD_RAM - 16 : AREA(0);
		device.queue[0].s.driver = i == 1 ? WORLD_RAM - 2 : AREA(0) + DRIVER_AREA;
		device.queue[0].s.device = i == 2 ? UINT64_MAX - 3 : AREA(0) + DEVICE_AREA;
		stops();
	}
}

/* Rings of rubbish: each ends in a device that is done or stopped. */
static void random_rings_are_survived(void **state)
{
	uint64_t random = 1;

	(void)state;
	FOR_EACH_RING(f)
	{
		for (unsigned i = 0; i < 200; i++) {
			start(f);
			for (unsigned n = 0; n < 0x8000; n += 8) {
				uint64_t v = random_next(&random);

				if (v & 3)
					v &= 0x3fff0000003fffff;
				memcpy(ram(AREA(0) + n), &v, 8);
				memcpy(ram(TABLES + n), &v, 8);
			}
			*word(AREA(0) + DRIVER_AREA + 2) =
				(uint16_t)random_below(&random, SIZE + 1);
			notify(0);
			work();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_that_loops_stops_the_device),
		cmocka_unit_test(indices_outside_the_ring_stop_the_device),
		cmocka_unit_test(buffers_outside_memory_stop_the_device),
		cmocka_unit_test(what_the_device_reads_comes_before_what_it_writes),
		cmocka_unit_test(tables_that_cannot_be_stop_the_device),
		cmocka_unit_test(a_chain_of_4_gib_stops_the_device),
		cmocka_unit_test(rings_outside_memory_stop_the_device),
		cmocka_unit_test(random_rings_are_survived),
	};

	return cmocka_run_group_tests_name("hostile virtqueues", tests, NULL, NULL);
}
