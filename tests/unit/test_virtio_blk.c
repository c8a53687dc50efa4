/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block device on a disk in memory: requests good and bad, copies on write, lack of space.
 */
#include "virtio_world.h"

#include "random.h"
#include "spec/virtio_blk.h"
#include "virtio/blk.h"

#define PAGES      64u /* of the disk */
#define IMAGE_SIZE (40u * DISK_PAGE + 1000)
#define SIZE       64u /* of the queue */
#define HEADER     BUFFERS
#define STATUS     (BUFFERS + 0x1000u)
#define DATA       (BUFFERS + 0x10000u)
#define FEATURES   (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC)

static uint8_t image[IMAGE_SIZE];
static struct disk disk;
static uint32_t map[PAGES], next_free[PAGES];
static uint8_t pages[PAGES * DISK_PAGE];
static struct virtio_blk blk;
static uint64_t offered;

static uint8_t image_byte(uint64_t i)
{
	return i < IMAGE_SIZE ? (uint8_t)(i * 7 + i / 509) : 0;
}

/* A disk that may write so many pages. */
static void start_disk(bool readonly, uint32_t page_count, uint64_t features)
{
	world_start();
	for (uint64_t i = 0; i < IMAGE_SIZE; i++)
		image[i] = image_byte(i);
	memset(map, 0, sizeof(map));
	memset(pages, 0xdd, sizeof(pages));
	disk = (struct disk){.name = "root-disk",
		.size = PAGES * DISK_PAGE,
		.image = image,
		.image_size = IMAGE_SIZE,
		.readonly = readonly};
	disk_init(&disk, map, pages, next_free, page_count);
	memset(&blk, 0xa5, sizeof(blk));
	assert_true(virtio_blk_create(
		&blk, &(struct blk_backing){.disk = &disk}, 2, &machine, WORLD_BDF));
	world_up(features, 2, SIZE);
	offered = world_offered();
	work();
}

static int setup(void **state)
{
	(void)state;
	start_disk(false, PAGES, FEATURES);
	return 0;
}

static void put_header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_header h = {type, 0, sector};

	memcpy(ram(HEADER), &h, sizeof(h));
	*ram(STATUS) = 0xcc;
}

/* The status of a request whose data is `length` bytes at DATA; *pieces: the turns it took. */
static uint8_t request(uint32_t type, uint64_t sector, uint32_t length, uint32_t *written)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct world_buffer b[3] = {{HEADER, 16, false}, {DATA, length, in}, {STATUS, 1, true}};
	uint16_t id;
	uint32_t n = 0;

	put_header(type, sector);
	if (length == 0)
		b[1] = b[2];
	give(0, b, length == 0 ? 2 : 3);
	notify(0);
	work();
	assert_true(used(0, &id, written != NULL ? written : &n));
	assert_false(needs_reset());
	assert_int_equal(interrupt(), QUEUE_VECTOR(0));
	return *ram(STATUS);
}

static uint8_t ranges(uint32_t type, const struct virtio_blk_range *r, unsigned n)
{
	memcpy(ram(DATA), r, n * sizeof(*r));
	return request(type, 0, (uint32_t)(n * sizeof(*r)), NULL);
}

static uint8_t read_at(uint64_t place)
{
	uint64_t n = 1;
	const uint8_t *p = disk_read(&disk, place, &n);

	return p != NULL ? *p : 0;
}

static void the_configuration_tells_the_disk(void **state)
{
	(void)state;
	assert_int_equal(get(at.config, 8), PAGES * 8);
	assert_int_equal(get(at.config + VIRTIO_BLK_BLK_SIZE, 4), 512);
	assert_int_equal(get(at.config + VIRTIO_BLK_NUM_QUEUES, 2), 2);
	assert_int_equal(get(at.config + VIRTIO_BLK_SEG_MAX, 4), 254);
	assert_true(offered & VIRTIO_BLK_F_DISCARD);
	assert_false(offered & VIRTIO_BLK_F_RO);
}

static void reading_gives_the_image_and_zeroes_behind_it(void **state)
{
	uint32_t written;

	(void)state;
	for (uint64_t sector = 0; sector < PAGES * 8; sector += 16) {
		memset(ram(DATA), 0xee, 8192);
		assert_int_equal(request(VIRTIO_BLK_T_IN, sector, 8192, &written), 0);
		assert_int_equal(written, 8193);
		for (unsigned i = 0; i < 8192; i++)
			assert_int_equal(*ram(DATA + i), image_byte(sector * 512 + i));
	}
	assert_int_equal(disk.fresh, 0); /* no page was needed */
}

static void what_was_written_is_read_again_and_the_image_stays(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1024; i++)
		*ram(DATA + i) = (uint8_t)(i ^ 0x5a);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 7, 1024, NULL), 0); /* over a page's end */
	memset(ram(DATA), 0, 0x4000);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 0x2000, NULL), 0);
	for (unsigned i = 0; i < 0x2000; i++)
		assert_int_equal(*ram(DATA + i), i >= 7 * 512 && i < 9 * 512
							 ? ((i - 7 * 512) ^ 0x5a) & 0xff
							 : image_byte(i));
	for (unsigned i = 0; i < IMAGE_SIZE; i++)
		assert_int_equal(image[i], image_byte(i));
	assert_int_equal(disk.fresh, 2);
}

static void a_page_that_is_written_whole_is_not_copied_first(void **state)
{
	(void)state;
	memset(ram(DATA), 0x42, DISK_PAGE);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 8, DISK_PAGE, NULL), 0);
	for (unsigned i = 0; i < DISK_PAGE; i++)
		assert_int_equal(read_at(DISK_PAGE + i), 0x42);
	assert_int_equal(read_at(DISK_PAGE - 1), image_byte(DISK_PAGE - 1));
}

static void where_the_image_ends_inside_a_page_zeroes_follow(void **state)
{
	uint64_t last = IMAGE_SIZE / 512;

	(void)state;
	memset(ram(DATA), 0x99, 512);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, last + 2, 512, NULL), 0);
	for (uint64_t i = 40 * DISK_PAGE; i < 41 * DISK_PAGE; i++)
		assert_int_equal(read_at(i), i / 512 == last + 2 ? 0x99 : image_byte(i));
}

static void a_request_may_be_in_many_pieces_of_memory(void **state)
{
	struct world_buffer b[34] = {{HEADER, 16, false}};
	uint16_t id;
	uint32_t n;

	(void)state;
	put_header(VIRTIO_BLK_T_IN, 1);
	for (unsigned i = 0; i < 32; i++)
		b[1 + i] = (struct world_buffer){DATA + 300 * i, i < 31 ? 100 : 484, true};
	b[33] = (struct world_buffer){STATUS, 1, true};
	b[32].length = 512 * 8 - 3100;
	give(0, b, 34);
	notify(0);
	work();
	assert_true(used(0, &id, &n));
	assert_int_equal(*ram(STATUS), 0);
	for (unsigned i = 0; i < 3100; i++)
		assert_int_equal(*ram(DATA + 300 * (i / 100) + i % 100), image_byte(512 + i));
}

static void header_and_status_may_share_buffers_with_data(void **state)
{
	struct world_buffer out[2] = {{DATA, 16 + 512, false}, {STATUS, 1, true}};
	struct world_buffer in[2] = {{HEADER, 16, false}, {DATA, 513, true}};
	struct virtio_blk_header h = {VIRTIO_BLK_T_OUT, 0, 3};
	uint16_t id;
	uint32_t n;

	(void)state;
	memcpy(ram(DATA), &h, 16);
	memset(ram(DATA + 16), 0x77, 512);
	give(0, out, 2);
	notify(0);
	work();
	assert_true(used(0, &id, &n));
	assert_int_equal(*ram(STATUS), 0);
	assert_int_equal(n, 1);
	put_header(VIRTIO_BLK_T_IN, 3);
	memset(ram(DATA), 0xee, 513);
	give(0, in, 2);
	notify(0);
	work();
	assert_true(used(0, &id, &n));
	assert_int_equal(*ram(DATA + 511), 0x77);
	assert_int_equal(*ram(DATA + 512), 0);
}

static void a_large_request_takes_several_turns(void **state)
{
	struct world_buffer b[3] = {
		{HEADER, 16, false}, {DATA, PAGES * DISK_PAGE, true}, {STATUS, 1, true}};
	uint16_t id;
	uint32_t n;

	(void)state;
	put_header(VIRTIO_BLK_T_IN, 0);
	give(0, b, 3);
	notify(0);
	assert_int_equal(work(), 4); /* of 64 KiB */
	assert_true(used(0, &id, &n));
	assert_int_equal(n, PAGES * DISK_PAGE + 1);
	for (unsigned i = 0; i < PAGES * DISK_PAGE; i += 37)
		assert_int_equal(*ram(DATA + i), image_byte(i));
}

/* Each uses up its turn, and after the last one none is left that would find nothing. */
static void requests_of_64_kib_take_one_turn_each(void **state)
{
	struct world_buffer b[3] = {
		{HEADER, 16, false}, {DATA, 65536, true}, {STATUS, 1, true}};
	uint16_t id;
	uint32_t n;

	(void)state;
	put_header(VIRTIO_BLK_T_IN, 0);
	for (unsigned count = 1; count <= 3; count++) {
		for (unsigned i = 0; i < count; i++)
			give(0, b, 3);
		notify(0);
		assert_int_equal(work(), count);
		for (unsigned i = 0; i < count; i++)
			assert_true(used(0, &id, &n));
	}
}

static void requests_beyond_the_disk_fail_and_touch_nothing(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t length;
	} bad[] = {{PAGES * 8, 512}, {PAGES * 8 - 1, 1024}, {UINT64_MAX, 512},
		{UINT64_MAX / 512, 512}, {1ull << 55, 512}, {0, 500}, {0, 513}};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(ram(DATA), 0xee, 2048);
		assert_int_equal(
			request(VIRTIO_BLK_T_IN, bad[i].sector, bad[i].length, NULL), 1);
		assert_int_equal(*ram(DATA), 0xee);
		assert_int_equal(
			request(VIRTIO_BLK_T_OUT, bad[i].sector, bad[i].length, NULL), 1);
	}
	assert_int_equal(disk.fresh, 0);
}

static void other_requests_are_not_supported(void **state)
{
	static const uint32_t types[] = {2, 3, 5, 10, 14, 100, UINT32_MAX};

	(void)state;
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		assert_int_equal(request(types[i], 0, 512, NULL), VIRTIO_BLK_S_UNSUPP);
}

static void flush_and_id_are_answered(void **state)
{
	static const char id[VIRTIO_BLK_ID_SIZE] = "root-disk";

	(void)state;
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0, NULL), 0);
	memset(ram(DATA), 0xee, 32);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 20, NULL), 0);
	assert_memory_equal(ram(DATA), id, 20);
	assert_int_equal(*ram(DATA + 20), 0xee);
	memset(ram(DATA), 0xee, 32);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 4, NULL), 0);
	assert_memory_equal(ram(DATA), "root\xee", 5);
	blk.name = "twenty-characters-no";
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 20, NULL), 0);
	assert_memory_equal(ram(DATA), "twenty-characters-no", 20);
}

static void a_chain_without_header_or_status_stops_the_device(void **state)
{
	struct world_buffer b[3] = {{HEADER, 15, false}, {STATUS, 1, true}, {0}};

	(void)state;
	put_header(VIRTIO_BLK_T_FLUSH, 0);
	give(0, b, 2);
	notify(0);
	work();
	assert_true(needs_reset());
	setup(NULL);
	b[0].length = 16;
	give(0, b, 1);
	notify(0);
	work();
	assert_true(needs_reset());
	setup(NULL); /* it is good again */
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0, NULL), 0);
}

static void data_outside_memory_stops_the_device(void **state)
{
	struct world_buffer b[3] = {
		{HEADER, 16, false}, {WORLD_RAM - 512, 1024, true}, {STATUS, 1, true}};

	(void)state;
	put_header(VIRTIO_BLK_T_IN, 0);
	give(0, b, 3);
	notify(0);
	work();
	assert_true(needs_reset());
	assert_int_equal(*ram(STATUS), 0xcc);
}

/* ---- discard, zeroes ---- */

static void discarded_pages_are_zero_and_free_again(void **state)
{
	struct virtio_blk_range r[2] = {{8, 8, 0}, {20, 20, 0}};

	(void)state;
	memset(ram(DATA), 0x55, 8 * DISK_PAGE);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 8 * DISK_PAGE, NULL), 0);
	assert_int_equal(disk.fresh, 8);
	assert_int_equal(ranges(VIRTIO_BLK_T_DISCARD, r, 2), 0);
	assert_int_equal(read_at(DISK_PAGE - 1), 0x55);
	assert_int_equal(read_at(DISK_PAGE), 0);
	assert_int_equal(read_at(2 * DISK_PAGE), 0x55);
	assert_int_equal(read_at(20 * 512), 0x55); /* a part of a page is left */
	assert_int_equal(read_at(24 * 512), 0);
	assert_int_equal(read_at(39 * 512), 0);
	assert_int_equal(read_at(40 * 512), 0x55);
	memset(ram(DATA), 0x66, 3 * DISK_PAGE);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 30 * 8, 3 * DISK_PAGE, NULL), 0);
	assert_int_equal(disk.fresh, 8); /* those that were discarded */
	assert_int_equal(read_at(DISK_PAGE), 0);
	assert_int_equal(read_at(30 * DISK_PAGE), 0x66);
}

static void zeroes_are_written_also_to_parts_of_pages(void **state)
{
	(void)state;
	for (uint32_t flags = 0; flags < 2; flags++) {
		struct virtio_blk_range r = {5, 22, flags};

		setup(NULL);
		assert_int_equal(ranges(VIRTIO_BLK_T_WRITE_ZEROES, &r, 1), 0);
		for (uint64_t i = 0; i < 4 * DISK_PAGE; i++)
			assert_int_equal(
				read_at(i), i >= 5 * 512 && i < 27 * 512 ? 0 : image_byte(i));
		assert_int_equal(disk.fresh, flags ? 2 : 4);
	}
}

static void bad_ranges_are_refused(void **state)
{
	static const struct {
		uint32_t type;
		struct virtio_blk_range r;
		uint8_t status;
	} bad[] = {
		{VIRTIO_BLK_T_DISCARD, {0, 8, 1}, VIRTIO_BLK_S_UNSUPP},
		{VIRTIO_BLK_T_DISCARD, {0, 8, 2}, VIRTIO_BLK_S_UNSUPP},
		{VIRTIO_BLK_T_WRITE_ZEROES, {0, 8, 2}, VIRTIO_BLK_S_UNSUPP},
		{VIRTIO_BLK_T_DISCARD, {PAGES * 8, 1, 0}, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_WRITE_ZEROES, {UINT64_MAX, 1, 0}, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_WRITE_ZEROES, {1ull << 55, 8, 0}, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_DISCARD, {0, UINT32_MAX, 0}, VIRTIO_BLK_S_IOERR},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ranges(bad[i].type, &bad[i].r, 1), bad[i].status);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 17, NULL), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 17 * 16, NULL), VIRTIO_BLK_S_UNSUPP);
	for (uint64_t i = 0; i < IMAGE_SIZE; i++)
		assert_int_equal(read_at(i), image_byte(i));
}

static void a_large_discard_takes_turns_as_its_pages_cost(void **state)
{
	static uint32_t big_map[4096];
	struct virtio_blk_range r = {0, 8 * 4096, 0};
	struct world_buffer b[3] = {{HEADER, 16, false}, {DATA, 16, false}, {STATUS, 1, true}};
	uint16_t id;
	uint32_t n;

	(void)state;
	disk.size = blk.size = 4096 * DISK_PAGE;
	disk.map = big_map;
	put_header(VIRTIO_BLK_T_DISCARD, 0);
	memcpy(ram(DATA), &r, 16);
	give(0, b, 3);
	notify(0);
	assert_in_range(work(), 4, 6);
	assert_true(used(0, &id, &n));
	assert_int_equal(*ram(STATUS), 0);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(read_at((uint64_t)i * DISK_PAGE), 0);
}

/* ---- space ---- */

static void when_no_page_is_left_writes_fail_and_the_rest_goes_on(void **state)
{
	struct virtio_blk_range r = {8, 8, 0};

	(void)state;
	start_disk(false, 3, FEATURES);
	memset(ram(DATA), 0x31, 3 * DISK_PAGE);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 3 * DISK_PAGE, NULL), 0);
	assert_int_equal(world.full, 0);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 80, 512, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(world.full, 1);
	assert_int_equal(read_at(80 * 512), image_byte(80 * 512));
	memset(ram(DATA), 0x32, 512);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 1, 512, NULL), 0); /* a page that is there */
	assert_int_equal(read_at(512), 0x32);
	r.flags = 0;
	r.sector = 160;
	assert_int_equal(ranges(VIRTIO_BLK_T_WRITE_ZEROES, &r, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(read_at(160 * 512), image_byte(160 * 512));
	r.sector = 8;
	assert_int_equal(ranges(VIRTIO_BLK_T_DISCARD, &r, 1), 0);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 80, 512, NULL), 0);
	assert_false(needs_reset());
}

static void a_disk_that_is_only_read_refuses_writes(void **state)
{
	struct virtio_blk_range r = {0, 8, 0};

	(void)state;
	start_disk(true, 0, FEATURES);
	assert_true(offered & VIRTIO_BLK_F_RO);
	assert_false(offered & (VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES));
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(VIRTIO_BLK_T_DISCARD, &r, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512, NULL), 0);
	assert_int_equal(*ram(DATA + 100), image_byte(100));
	assert_int_equal(world.full, 0);
}

static void two_disks_of_one_image_do_not_see_each_other(void **state)
{
	static uint32_t other_map[PAGES], other_free[PAGES];
	static uint8_t other_pages[PAGES * DISK_PAGE];
	struct disk other = disk;
	uint64_t n = 1;

	(void)state;
	disk_init(&other, other_map, other_pages, other_free, PAGES);
	memset(ram(DATA), 0x13, 512);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512, NULL), 0);
	assert_int_equal(read_at(0), 0x13);
	assert_int_equal(*disk_read(&other, 0, &n), image_byte(0));
}

/* A request that is half done begins anew where the VM goes on. */
static void a_state_in_the_middle_of_a_request_does_it_again(void **state)
{
	struct world_buffer b[3] = {
		{HEADER, 16, false}, {DATA, PAGES * DISK_PAGE, true}, {STATUS, 1, true}};
	struct virtio_state s;
	uint16_t id;
	uint32_t n;

	(void)state;
	put_header(VIRTIO_BLK_T_IN, 0);
	give(0, b, 3);
	notify(0);
	assert_int_equal(platform_work(&machine), VPCI_WORK_MORE);
	dev_lock(&machine);
	virtio_get_state(&blk.v, &s);
	assert_true(virtio_set_state(&blk.v, &s));
	dev_unlock(&machine);
	memset(ram(DATA), 0xee, PAGES * DISK_PAGE);
	work();
	assert_true(used(0, &id, &n));
	assert_false(used(0, &id, &n));
	assert_int_equal(*ram(STATUS), 0);
	for (unsigned i = 0; i < PAGES * DISK_PAGE; i += 13)
		assert_int_equal(*ram(DATA + i), image_byte(i));
}

static void after_a_reset_in_the_middle_a_new_request_is_its_own(void **state)
{
	struct world_buffer b[3] = {
		{HEADER, 16, false}, {DATA, PAGES * DISK_PAGE, false}, {STATUS, 1, true}};

	(void)state;
	put_header(VIRTIO_BLK_T_OUT, 0);
	give(0, b, 3);
	notify(0);
	platform_work(&machine);
	world_up(FEATURES, 2, SIZE);
	work();
	memset(ram(DATA), 0xee, 512);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 50 * 8, 512, NULL), 0);
	assert_int_equal(*ram(DATA), image_byte(50 * DISK_PAGE));
}

/* Against a plain array: random requests in rings of each kind. */
static void a_random_history_is_that_of_an_array(void **state)
{
	static uint8_t model[PAGES * DISK_PAGE];
	uint64_t random = 42;

	(void)state;
	for (unsigned packed = 0; packed < 2; packed++) {
		start_disk(false, PAGES, FEATURES | (packed ? VIRTIO_F_RING_PACKED : 0));
		for (unsigned i = 0; i < sizeof(model); i++)
			model[i] = image_byte(i);
		for (unsigned i = 0; i < 3000; i++) {
			uint32_t sector = random_below(&random, PAGES * 8);
			uint32_t n = 1 + random_below(&random, PAGES * 8 - sector) % 40;
			struct virtio_blk_range r = {sector, n, 0};

			switch (random_below(&random, 4)) {
			case 0:
				for (unsigned k = 0; k < n * 512; k += 8) {
					uint64_t v = random_next(&random);

					memcpy(ram(DATA + k), &v, 8);
				}
				memcpy(model + sector * 512, ram(DATA), n * 512);
				assert_int_equal(
					request(VIRTIO_BLK_T_OUT, sector, n * 512, NULL), 0);
				break;
			case 1:
				r.flags = random_below(&random, 2);
				assert_int_equal(ranges(VIRTIO_BLK_T_WRITE_ZEROES, &r, 1), 0);
				memset(model + sector * 512, 0, n * 512);
				break;
			default:
				assert_int_equal(
					request(VIRTIO_BLK_T_IN, sector, n * 512, NULL), 0);
				assert_memory_equal(ram(DATA), model + sector * 512, n * 512);
			}
		}
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(the_configuration_tells_the_disk),
		T(reading_gives_the_image_and_zeroes_behind_it),
		T(what_was_written_is_read_again_and_the_image_stays),
		T(a_page_that_is_written_whole_is_not_copied_first),
		T(where_the_image_ends_inside_a_page_zeroes_follow),
		T(a_request_may_be_in_many_pieces_of_memory),
		T(header_and_status_may_share_buffers_with_data),
		T(a_large_request_takes_several_turns),
		T(requests_of_64_kib_take_one_turn_each),
		T(requests_beyond_the_disk_fail_and_touch_nothing),
		T(other_requests_are_not_supported),
		T(flush_and_id_are_answered),
		T(a_chain_without_header_or_status_stops_the_device),
		T(data_outside_memory_stops_the_device),
		T(discarded_pages_are_zero_and_free_again),
		T(zeroes_are_written_also_to_parts_of_pages),
		T(bad_ranges_are_refused),
		T(a_large_discard_takes_turns_as_its_pages_cost),
		T(when_no_page_is_left_writes_fail_and_the_rest_goes_on),
		T(a_disk_that_is_only_read_refuses_writes),
		T(two_disks_of_one_image_do_not_see_each_other),
		T(a_state_in_the_middle_of_a_request_does_it_again),
		T(after_a_reset_in_the_middle_a_new_request_is_its_own),
		T(a_random_history_is_that_of_an_array),
	};

	return cmocka_run_group_tests_name("virtio block device", tests, NULL, NULL);
}
