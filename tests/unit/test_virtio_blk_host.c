/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block device on a file of the host: what reaches the file, when it is on the host's disk,
 * and what the host's errors become.
 */
#include "virtio_world.h"

#include "policy/disk_config.h"
#include "spec/nbd.h"
#include "spec/virtio_blk.h"
#include "virtio/blk.h"

#define SIZE     64u /* of the queue */
#define HEADER   BUFFERS
#define STATUS   (BUFFERS + 0x1000u)
#define DATA     (BUFFERS + 0x10000u)
#define SECTORS  (WORLD_FILE / 512)
#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_BLK_F_FLUSH)

static struct blk_host host;
static struct virtio_blk blk;
static uint64_t offered;

static uint8_t file_byte(uint64_t i)
{
	return (uint8_t)(i * 7 + i / 509);
}

static void start_disk(bool readonly, uint64_t features)
{
	world_start();
	for (uint64_t i = 0; i < WORLD_FILE; i++)
		world_file[i] = file_byte(i);
	memcpy(world_flushed, world_file, WORLD_FILE);
	world_bad_byte = UINT64_MAX;
	world_host_requests = 0;
	host = (struct blk_host){"file", 3, WORLD_FILE, readonly};
	memset(&blk, 0xa5, sizeof(blk));
	assert_true(virtio_blk_create(
		&blk, &(struct blk_backing){.host = &host}, 2, &machine, WORLD_BDF));
	world_up(features, 2, SIZE);
	offered = world_offered();
	work();
}

static int setup(void **state)
{
	(void)state;
	start_disk(false, FEATURES);
	return 0;
}

static void a_disk_has_a_queue_for_each_vcpu_as_far_as_a_device_has_some(void **state)
{
	static struct virtio_blk many;
	const struct blk_backing on = {.host = &host};

	(void)state;
	assert_true(virtio_blk_create(&many, &on, VIRTIO_QUEUES, &machine, WORLD_BDF + 8));
	assert_int_equal(many.kind.queues, VIRTIO_QUEUES);
	assert_true(virtio_blk_create(&many, &on, 288, &machine, WORLD_BDF + 16));
	assert_int_equal(many.kind.queues, VIRTIO_QUEUES);
}

static uint8_t request(uint32_t type, uint64_t sector, uint32_t length, uint32_t *written)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct virtio_blk_header h = {type, 0, sector};
	struct world_buffer b[3] = {{HEADER, 16, false}, {DATA, length, in}, {STATUS, 1, true}};
	uint16_t id;
	uint32_t n = 0;

	memcpy(ram(HEADER), &h, sizeof(h));
	*ram(STATUS) = 0xcc;
	if (length == 0)
		b[1] = b[2];
	give(0, b, length == 0 ? 2 : 3);
	notify(0);
	work();
	assert_true(used(0, &id, written != NULL ? written : &n));
	assert_false(needs_reset());
	return *ram(STATUS);
}

static void the_file_is_read_and_written(void **state)
{
	uint32_t written;

	(void)state;
	assert_true(offered & VIRTIO_BLK_F_DISCARD);
	assert_int_equal(get(at.config, 8), SECTORS);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 3, 8192, &written), 0);
	assert_int_equal(written, 8193);
	assert_memory_equal(ram(DATA), world_file + 3 * 512, 8192);
	memset(ram(DATA), 0x77, 4096);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, SECTORS - 8, 4096, NULL), 0);
	assert_int_equal(world_file[WORLD_FILE - 4096], 0x77);
	assert_int_equal(world_file[WORLD_FILE - 1], 0x77);
	assert_int_equal(world_file[WORLD_FILE - 4097], file_byte(WORLD_FILE - 4097));
}

static void what_is_flushed_is_on_the_disk_and_not_before(void **state)
{
	(void)state;
	memset(ram(DATA), 0x77, 512);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 5, 512, NULL), 0);
	assert_int_equal(world_flushed[5 * 512], file_byte(5 * 512));
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(world_flushed[5 * 512], 0x77);
}

static void for_a_driver_that_does_not_flush_it_is_there_at_once(void **state)
{
	struct virtio_blk_range r = {20, 8, 0};

	(void)state;
	start_disk(false, VIRTIO_F_VERSION_1);
	memset(ram(DATA), 0x77, 512);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 5, 512, NULL), 0);
	assert_int_equal(world_flushed[5 * 512], 0x77);
	memcpy(ram(DATA), &r, sizeof(r));
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, sizeof(r), NULL), 0);
	assert_int_equal(world_flushed[20 * 512], 0);
	assert_int_equal(world_flushed[28 * 512], file_byte(28 * 512));
}

static void errors_of_the_host_are_those_of_the_request(void **state)
{
	struct virtio_blk_range r = {0, SECTORS, 0};

	(void)state;
	world_bad_byte = 100 * 512;
	assert_int_equal(request(VIRTIO_BLK_T_IN, 96, 4096, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 100, 512, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(world_file[100 * 512], file_byte(100 * 512));
	memcpy(ram(DATA), &r, sizeof(r));
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, sizeof(r), NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 101, 4096, NULL), 0); /* others are good */
}

static void ranges_become_zeroes(void **state)
{
	struct virtio_blk_range r[2] = {{8, 3, 0}, {100, 8, 0}};

	(void)state;
	memcpy(ram(DATA), r, sizeof(r));
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, sizeof(r), NULL), 0);
	for (uint64_t i = 0; i < WORLD_FILE; i++) {
		bool zero = i / 512 - 8 < 3 || i / 512 - 100 < 8;

		assert_int_equal(world_file[i], zero ? 0 : file_byte(i));
	}
	memcpy(ram(DATA), r, sizeof(r));
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, sizeof(r[0]), NULL), 0);
}

static void a_disk_that_is_only_read_is_asked_for_nothing_else(void **state)
{
	(void)state;
	start_disk(true, FEATURES);
	assert_true(offered & VIRTIO_BLK_F_RO);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 5, 512, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(
		request(VIRTIO_BLK_T_DISCARD, 0, sizeof(struct virtio_blk_range), NULL),
		VIRTIO_BLK_S_IOERR);
	assert_int_equal(world_host_requests, 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 5, 512, NULL), 0);
}

static void a_large_request_takes_several_turns(void **state)
{
	struct world_buffer b[3] = {
		{HEADER, 16, false}, {DATA, WORLD_FILE, true}, {STATUS, 1, true}};
	struct virtio_blk_header h = {VIRTIO_BLK_T_IN, 0, 0};
	uint16_t id;
	uint32_t n;

	(void)state;
	memcpy(ram(HEADER), &h, sizeof(h));
	give(0, b, 3);
	notify(0);
	assert_in_range(work(), 4, 5); /* of 64 KiB, and a look for more */
	assert_true(used(0, &id, &n));
	assert_int_equal(n, WORLD_FILE + 1);
	assert_memory_equal(ram(DATA), world_file, WORLD_FILE);
}

static void what_lies_beyond_the_file_or_memory_is_not_asked_for(void **state)
{
	struct world_buffer b[3] = {
		{HEADER, 16, false}, {WORLD_RAM - 512, 1024, true}, {STATUS, 1, true}};
	struct virtio_blk_header h = {VIRTIO_BLK_T_IN, 0, 0};

	(void)state;
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS, 512, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(
		request(VIRTIO_BLK_T_OUT, UINT64_MAX / 512, 512, NULL), VIRTIO_BLK_S_IOERR);
	*(struct virtio_blk_range *)ram(DATA) =
		(struct virtio_blk_range){UINT64_MAX / 512, 8, 0};
	assert_int_equal(
		request(VIRTIO_BLK_T_DISCARD, 0, sizeof(struct virtio_blk_range), NULL),
		VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0, NULL), VIRTIO_BLK_S_OK);
	world_host_requests = 0;
	memcpy(ram(HEADER), &h, sizeof(h));
	give(0, b, 3);
	notify(0);
	work();
	assert_true(needs_reset());
	assert_int_equal(world_host_requests, 0);
}

static void such_a_disk_has_a_size_and_nothing_in_memory(void **state)
{
	struct disk_config c = {
		.host = 1, .size = 20ull << 30, .port = NBD_PORT, .attached = true};

	(void)state;
	assert_null(disk_config_error(&c, 0));
	assert_int_equal(disk_config_size(&c, 0), 20ull << 30);
	assert_int_equal(disk_config_pages(&c, 0), 0);
	assert_int_equal(disk_config_memory(&c, 0), 4096);
	c.cow = 4096;
	assert_non_null(disk_config_error(&c, 0));
	c.cow = c.size = 0;
	assert_non_null(disk_config_error(&c, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_file_is_read_and_written, setup),
		cmocka_unit_test_setup(
			a_disk_has_a_queue_for_each_vcpu_as_far_as_a_device_has_some, setup),
		cmocka_unit_test_setup(what_is_flushed_is_on_the_disk_and_not_before, setup),
		cmocka_unit_test_setup(
			for_a_driver_that_does_not_flush_it_is_there_at_once, setup),
		cmocka_unit_test_setup(errors_of_the_host_are_those_of_the_request, setup),
		cmocka_unit_test_setup(ranges_become_zeroes, setup),
		cmocka_unit_test_setup(
			a_disk_that_is_only_read_is_asked_for_nothing_else, setup),
		cmocka_unit_test_setup(a_large_request_takes_several_turns, setup),
		cmocka_unit_test_setup(
			what_lies_beyond_the_file_or_memory_is_not_asked_for, setup),
		cmocka_unit_test(such_a_disk_has_a_size_and_nothing_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
