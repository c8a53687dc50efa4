/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balloon: which chunks it gives, and that the driver has its pages back only when nothing
 * is on its way any more.
 */
#include "virtio_world.h"

#include "virtio/balloon.h"

#define QUEUE_SIZE 64u
#define CHUNKS     8u
#define BYTES      ((uint64_t)CHUNKS * BALLOON_CHUNK)
#define TARGET     (5u << 20)
#define ALL_FEATURES                                                             \
	(VIRTIO_F_VERSION_1 | VIRTIO_BALLOON_F_MUST_TELL_HOST |                  \
		VIRTIO_BALLOON_F_DEFLATE_ON_OOM | VIRTIO_BALLOON_F_PAGE_POISON | \
		VIRTIO_BALLOON_F_PAGE_REPORTING)

static struct virtio_balloon balloon;
static uint64_t bits[CHUNKS * BALLOON_CHUNK_WORDS];

static void start(uint64_t features)
{
	world_start();
	memset(bits, 0, sizeof(bits));
	memset(&balloon, 0, sizeof(balloon));
	assert_true(virtio_balloon_create(&balloon, bits, BYTES, TARGET, &machine, WORLD_BDF));
	world_up(features, VIRTIO_BALLOON_QUEUES, QUEUE_SIZE);
	world.chunks = (struct world_chunks){.room = 64};
	work();
}

/* Numbers of pages for a queue, one after the other. */
static void move(unsigned q, uint32_t first, uint32_t count)
{
	struct world_buffer b = {BUFFERS + 0x8000 * q, 4 * count, false};

	for (uint32_t i = 0; i < count; i++) {
		uint32_t page = first + i;

		memcpy(ram(b.gpa + 4 * i), &page, 4);
	}
	give(q, &b, 1);
	notify(q);
	work();
}

static void report(unsigned q, uint64_t gpa, uint32_t size)
{
	struct world_buffer b = {gpa, size, true};

	give(q, &b, 1);
	notify(q);
	work();
}

/* As much later as the device wants to be asked at least. */
static void time_passes(void)
{
	fake_run_until(fake.now + FAKE_KHZ);
	work();
}

static bool back(unsigned q)
{
	uint16_t id;
	uint32_t length;

	return used(q, &id, &length);
}

static void the_driver_is_asked_for_the_target(void **state)
{
	(void)state;
	start(ALL_FEATURES);
	assert_int_equal(
		world_offered() & 0x3f, ALL_FEATURES & 0x3f); /* no statistics, no hints */
	assert_int_equal(get(at.config + VIRTIO_BALLOON_NUM_PAGES, 4), TARGET / 4096);
	assert_int_equal(interrupt(), -1);
	dev_lock(&machine);
	virtio_balloon_ask(&balloon, BALLOON_CHUNK);
	dev_unlock(&machine);
	assert_int_equal(interrupt(), CONFIG_VECTOR);
	assert_int_equal(get(at.config + VIRTIO_BALLOON_NUM_PAGES, 4), 512);
	put(at.config + VIRTIO_BALLOON_ACTUAL, 4, 77);
	put(at.config + VIRTIO_BALLOON_NUM_PAGES, 4, 1);
	assert_int_equal(get(at.config + VIRTIO_BALLOON_ACTUAL, 4), 77);
	assert_int_equal(get(at.config + VIRTIO_BALLOON_NUM_PAGES, 4), 512);
}

static void a_chunk_goes_when_all_its_pages_are_in_the_balloon(void **state)
{
	(void)state;
	start(ALL_FEATURES);
	move(VIRTIO_BALLOON_INFLATE, 512, 511);
	assert_true(back(VIRTIO_BALLOON_INFLATE));
	assert_int_equal(world.chunks.count, 0);
	move(VIRTIO_BALLOON_INFLATE, 600, 20); /* they are there already */
	assert_true(back(VIRTIO_BALLOON_INFLATE));
	assert_int_equal(balloon.inside, 511);
	assert_int_equal(world.chunks.count, 0);
	move(VIRTIO_BALLOON_INFLATE, 1023, 1);
	assert_int_equal(world.chunks.count, 1);
	assert_int_equal(world.chunks.given[0], BALLOON_CHUNK);
}

static void the_driver_waits_until_the_chunk_is_gone(void **state)
{
	(void)state;
	for (unsigned q = 0; q < VIRTIO_BALLOON_QUEUES; q += VIRTIO_BALLOON_REPORTING) {
		start(ALL_FEATURES);
		if (q == VIRTIO_BALLOON_INFLATE)
			move(q, 512, 512);
		else
			report(q, BALLOON_CHUNK, BALLOON_CHUNK);
		assert_int_equal(world.chunks.count, 1);
		time_passes();
		assert_false(back(q));
		/* What comes meanwhile waits, too. */
		if (q == VIRTIO_BALLOON_INFLATE)
			move(q, 0, 1);
		else
			report(q, 0, 4096);
		assert_false(back(q));
		world.chunks.settled = true;
		time_passes();
		assert_true(back(q));
		assert_true(back(q));
		assert_int_equal(interrupt(), (int)QUEUE_VECTOR(q));
	}
}

static void a_page_that_is_taken_out_keeps_its_chunk(void **state)
{
	(void)state;
	start(ALL_FEATURES);
	move(VIRTIO_BALLOON_INFLATE, 1024, 512);
	world.chunks.keeps = 0;
	move(VIRTIO_BALLOON_DEFLATE, 1030, 2);
	assert_false(back(VIRTIO_BALLOON_DEFLATE)); /* maybe it is going already */
	assert_int_equal(world.chunks.keeps, 1);
	assert_int_equal(world.chunks.kept, 2 * BALLOON_CHUNK);
	assert_int_equal(world.chunks.kept_size, BALLOON_CHUNK);
	assert_int_equal(balloon.inside, 510);
	world.chunks.settled = true;
	time_passes();
	assert_true(back(VIRTIO_BALLOON_DEFLATE));
	/* In again, it goes again. */
	move(VIRTIO_BALLOON_INFLATE, 1030, 2);
	assert_int_equal(world.chunks.count, 2);
}

static void pages_outside_memory_are_passed_over(void **state)
{
	(void)state;
	start(ALL_FEATURES);
	move(VIRTIO_BALLOON_INFLATE, (uint32_t)(BYTES / 4096), 512);
	move(VIRTIO_BALLOON_INFLATE, UINT32_MAX - 511, 512);
	move(VIRTIO_BALLOON_DEFLATE, UINT32_MAX - 511, 512);
	report(VIRTIO_BALLOON_REPORTING, BYTES, BALLOON_CHUNK);
	report(VIRTIO_BALLOON_REPORTING, UINT64_MAX - BALLOON_CHUNK + 1, BALLOON_CHUNK);
	assert_int_equal(world.chunks.count, 0);
	assert_int_equal(balloon.inside, 0);
	assert_false(needs_reset());
}

static void whole_chunks_of_a_report_go_and_no_more(void **state)
{
	(void)state;
	start(ALL_FEATURES);
	report(VIRTIO_BALLOON_REPORTING, 4096, 3 * BALLOON_CHUNK);
	assert_int_equal(world.chunks.count, 2);
	assert_int_equal(world.chunks.given[0], BALLOON_CHUNK);
	assert_int_equal(world.chunks.given[1], 2 * BALLOON_CHUNK);
	assert_int_equal(balloon.inside, 0);
}

/* 5.5.2 has their queue as number 4; drivers that count queues that are there have it as 2. */
static void reports_come_in_whichever_queue_the_driver_has(void **state)
{
	(void)state;
	for (unsigned q = VIRTIO_BALLOON_STATS; q < VIRTIO_BALLOON_QUEUES; q++) {
		start(ALL_FEATURES);
		report(q, 0, BALLOON_CHUNK);
		assert_int_equal(world.chunks.count, 1);
	}
}

static void buffers_of_several_pages_are_all_looked_at(void **state)
{
	struct world_buffer b[4] = {{0, BALLOON_CHUNK, true},
		{3 * BALLOON_CHUNK, BALLOON_CHUNK, true}, {0x5000, 4096, true},
		{4 * BALLOON_CHUNK, 2 * BALLOON_CHUNK, true}};

	(void)state;
	start(ALL_FEATURES);
	give(VIRTIO_BALLOON_REPORTING, b, 4);
	notify(VIRTIO_BALLOON_REPORTING);
	work();
	assert_int_equal(world.chunks.count, 4);
	assert_int_equal(world.chunks.given[3], 5 * BALLOON_CHUNK);
}

static void a_chain_is_begun_again_when_no_more_can_go(void **state)
{
	(void)state;
	start(ALL_FEATURES);
	world.chunks.room = 0;
	move(VIRTIO_BALLOON_INFLATE, 0, 512);
	assert_int_equal(balloon.inside, 511);
	assert_int_equal(platform_work(&machine), VPCI_WORK_WAITS);
	world.chunks.room = 1;
	work();
	assert_int_equal(balloon.inside, 512);
	assert_int_equal(world.chunks.count, 1);
	world.chunks.settled = true;
	time_passes();
	assert_true(back(VIRTIO_BALLOON_INFLATE));
	world.chunks.room = 1;
	report(VIRTIO_BALLOON_REPORTING, BALLOON_CHUNK, 2 * BALLOON_CHUNK);
	assert_int_equal(world.chunks.count, 2);
	assert_false(back(VIRTIO_BALLOON_REPORTING));
	world.chunks.room = 2;
	work();
	time_passes();
	assert_true(back(VIRTIO_BALLOON_REPORTING));
}

/* 5.5.6.7.2: the guest finds in its free pages what it has there. */
static void reports_of_poisoned_pages_change_nothing(void **state)
{
	(void)state;
	start(ALL_FEATURES);
	put(at.config + VIRTIO_BALLOON_POISON, 4, 0xaaaaaaaa);
	report(VIRTIO_BALLOON_REPORTING, 0, BALLOON_CHUNK);
	assert_true(back(VIRTIO_BALLOON_REPORTING));
	assert_int_equal(world.chunks.count, 0);
	put(at.config + VIRTIO_BALLOON_POISON, 4, 0);
	report(VIRTIO_BALLOON_REPORTING, 0, BALLOON_CHUNK);
	assert_int_equal(world.chunks.count, 1);
}

static void a_reset_empties_the_balloon(void **state)
{
	(void)state;
	start(ALL_FEATURES);
	move(VIRTIO_BALLOON_INFLATE, 0, 600);
	assert_int_equal(balloon.inside, 600);
	world.chunks.keeps = 0;
	world_features(ALL_FEATURES);
	assert_int_equal(world.chunks.keeps, 1);
	assert_int_equal(world.chunks.kept_size, BYTES);
	assert_int_equal(balloon.inside, 0);
	for (unsigned i = 0; i < CHUNKS * BALLOON_CHUNK_WORDS; i++)
		assert_int_equal(bits[i], 0);
	assert_int_equal(get(at.config + VIRTIO_BALLOON_NUM_PAGES, 4), TARGET / 4096);
}

static void what_no_driver_sends_stops_the_device(void **state)
{
	struct world_buffer readable = {BUFFERS, 4096, false}, outside = {WORLD_RAM, 64, false};

	(void)state;
	start(ALL_FEATURES);
	give(VIRTIO_BALLOON_REPORTING, &readable, 1);
	notify(VIRTIO_BALLOON_REPORTING);
	work();
	assert_true(needs_reset());
	start(ALL_FEATURES);
	give(VIRTIO_BALLOON_INFLATE, &outside, 1);
	notify(VIRTIO_BALLOON_INFLATE);
	work();
	assert_true(needs_reset());
}

/* A report of 4 GiB is a chain that a turn does not do. */
static void a_turn_is_bounded(void **state)
{
	struct world_buffer b = {0, 0xffe00000, true};
	unsigned turns = 0;

	(void)state;
	start(ALL_FEATURES);
	give(VIRTIO_BALLOON_REPORTING, &b, 1);
	notify(VIRTIO_BALLOON_REPORTING);
	do {
		turns++;
	} while (platform_work(&machine) == VPCI_WORK_MORE);
	assert_in_range(turns, 4, 20);
	assert_int_equal(world.chunks.count, CHUNKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_driver_is_asked_for_the_target),
		cmocka_unit_test(a_chunk_goes_when_all_its_pages_are_in_the_balloon),
		cmocka_unit_test(the_driver_waits_until_the_chunk_is_gone),
		cmocka_unit_test(a_page_that_is_taken_out_keeps_its_chunk),
		cmocka_unit_test(pages_outside_memory_are_passed_over),
		cmocka_unit_test(whole_chunks_of_a_report_go_and_no_more),
		cmocka_unit_test(reports_come_in_whichever_queue_the_driver_has),
		cmocka_unit_test(buffers_of_several_pages_are_all_looked_at),
		cmocka_unit_test(a_chain_is_begun_again_when_no_more_can_go),
		cmocka_unit_test(reports_of_poisoned_pages_change_nothing),
		cmocka_unit_test(a_reset_empties_the_balloon),
		cmocka_unit_test(what_no_driver_sends_stops_the_device),
		cmocka_unit_test(a_turn_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
