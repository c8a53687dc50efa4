/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks and media in memory that is wrong: it is not read, and who asks for what is there is
 * told that it cannot be read. All else goes on.
 */
#include "scsi_world.h"

#include "spec/virtio_blk.h"
#include "virtio/blk.h"

#define PAGES  16u /* of the disk */
#define PAGE   DISK_PAGE
#define SECTOR VIRTIO_BLK_SECTOR
#define STATUS RESPONSE

static uint8_t disk_image[12 * PAGE + 1000];
static uint8_t disk_pages[6 * PAGE];
static uint32_t map[PAGES], next_free[6];
static struct disk disk;
static struct virtio_blk blk;

static void is_wrong(const void *bytes, uint64_t size)
{
	fake.wrong = bytes;
	fake.wrong_size = size;
}

static int start_disk(void **state)
{
	(void)state;
	world_start();
	is_wrong(NULL, 0);
	memset(disk_image, 0x11, sizeof(disk_image));
	memset(disk_pages, 0xdd, sizeof(disk_pages));
	memset(map, 0, sizeof(map));
	disk = (struct disk){.name = "d",
		.size = PAGES * PAGE,
		.image = disk_image,
		.image_size = sizeof(disk_image)};
	disk_init(&disk, map, disk_pages, next_free, 6);
	memset(&blk, 0xa5, sizeof(blk));
	assert_true(virtio_blk_create(
		&blk, &(struct blk_backing){.disk = &disk}, 1, &machine, WORLD_BDF));
	world_up(FEATURES, 1, SIZE);
	work();
	return 0;
}

/* The status of a request for so many bytes at DATA. */
static uint8_t request(uint32_t type, uint64_t sector, uint32_t length)
{
	struct world_buffer b[3] = {{HEADER, 16, false},
		{DATA, length, type == VIRTIO_BLK_T_IN}, {STATUS, 1, true}};
	struct virtio_blk_header h = {type, 0, sector};
	uint32_t written;
	uint16_t id;

	memcpy(ram(HEADER), &h, sizeof(h));
	*ram(STATUS) = 0xcc;
	give(0, b, 3);
	notify(0);
	work();
	assert_true(used(0, &id, &written));
	assert_false(needs_reset());
	assert_int_equal(world.full, 0); /* that is another reason */
	return *ram(STATUS);
}

static uint8_t write_bytes(uint64_t sector, uint32_t length, uint8_t value)
{
	memset(ram(DATA), value, length);
	return request(VIRTIO_BLK_T_OUT, sector, length);
}

static uint8_t zero(uint32_t type, uint64_t sector, uint32_t sectors)
{
	struct virtio_blk_range r = {sector, sectors, 0};

	memcpy(ram(DATA), &r, sizeof(r));
	return request(type, 0, sizeof(r));
}

static void expect_sectors(uint64_t sector, uint32_t count, uint8_t value)
{
	memset(ram(DATA), 0xee, count * SECTOR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, sector, count * SECTOR), VIRTIO_BLK_S_OK);
	for (uint32_t i = 0; i < count * SECTOR; i++)
		assert_int_equal(*ram(DATA + i), value);
}

static void what_of_an_image_is_wrong_cannot_be_read_and_the_rest_can(void **state)
{
	(void)state;
	is_wrong(disk_image + 2 * PAGE, PAGE);
	memset(ram(DATA), 0xee, PAGE);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 16, PAGE), VIRTIO_BLK_S_IOERR);
	assert_int_equal(*ram(DATA), 0xee);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 23, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 4 * PAGE), VIRTIO_BLK_S_IOERR);
	expect_sectors(0, 16, 0x11);
	expect_sectors(24, 8, 0x11);
	assert_int_equal(fake.lost, 0); /* the VM goes on */
}

/* Modules need not begin at a page of memory. */
static void a_page_of_the_disk_may_be_wrong_in_part(void **state)
{
	(void)state;
	is_wrong(disk_image + 2 * PAGE + SECTOR, SECTOR);
	expect_sectors(16, 1, 0x11);
	expect_sectors(18, 6, 0x11);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 17, SECTOR), VIRTIO_BLK_S_IOERR);
	/* What is not written of it would have to be read. */
	assert_int_equal(write_bytes(16, SECTOR, 0x22), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero(VIRTIO_BLK_T_WRITE_ZEROES, 16, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk.fresh, 0);
	assert_int_equal(zero(VIRTIO_BLK_T_DISCARD, 16, 1), VIRTIO_BLK_S_OK);
}

static void who_writes_all_of_a_page_of_the_image_has_it_again(void **state)
{
	(void)state;
	is_wrong(disk_image + 2 * PAGE, PAGE);
	assert_int_equal(write_bytes(16, PAGE, 0x22), VIRTIO_BLK_S_OK);
	expect_sectors(16, 8, 0x22);
	is_wrong(disk_image + 3 * PAGE, PAGE);
	assert_int_equal(zero(VIRTIO_BLK_T_WRITE_ZEROES, 24, 8), VIRTIO_BLK_S_OK);
	expect_sectors(24, 8, 0);
	is_wrong(disk_image + 4 * PAGE, PAGE);
	assert_int_equal(zero(VIRTIO_BLK_T_DISCARD, 32, 8), VIRTIO_BLK_S_OK);
	expect_sectors(32, 8, 0);
}

/* As who has no whole pages of memory in one piece. */
static uint8_t write_in_two(uint64_t sector, uint8_t value)
{
	const struct virtio_blk_header h = {.type = VIRTIO_BLK_T_OUT, .sector = sector};
	const struct world_buffer b[] = {{HEADER, sizeof(h), false}, {DATA, SECTOR, false},
		{DATA + 2 * PAGE, PAGE - SECTOR, false}, {STATUS, 1, true}};
	uint32_t written;
	uint16_t id;

	memcpy(ram(HEADER), &h, sizeof(h));
	memset(ram(DATA), value, SECTOR);
	memset(ram(DATA + 2 * PAGE), value, PAGE - SECTOR);
	*ram(STATUS) = 0xee;
	give(0, b, 4);
	notify(0);
	work();
	assert_true(used(0, &id, &written));
	return *ram(STATUS);
}

static void so_has_who_writes_it_from_several_buffers(void **state)
{
	(void)state;
	is_wrong(disk_image + 2 * PAGE, PAGE);
	assert_int_equal(write_in_two(16, 0x22), VIRTIO_BLK_S_OK);
	expect_sectors(16, 8, 0x22);
	is_wrong(disk_pages, PAGE);
	assert_int_equal(write_in_two(16, 0x33), VIRTIO_BLK_S_OK);
	expect_sectors(16, 8, 0x33);
	assert_int_equal(disk_pages[0], 0x22);
}

static void a_page_that_was_written_and_is_wrong_is_used_no_more(void **state)
{
	(void)state;
	assert_int_equal(write_bytes(16, PAGE, 0x22), VIRTIO_BLK_S_OK); /* page 0 */
	assert_int_equal(write_bytes(24, PAGE, 0x33), VIRTIO_BLK_S_OK);
	is_wrong(disk_pages, PAGE);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 16, PAGE), VIRTIO_BLK_S_IOERR);
	assert_int_equal(write_bytes(17, SECTOR, 0x44), VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk_pages[SECTOR], 0x22);
	expect_sectors(24, 8, 0x33);
	assert_int_equal(write_bytes(16, PAGE, 0x55), VIRTIO_BLK_S_OK); /* in another one */
	expect_sectors(16, 8, 0x55);
	assert_int_equal(disk_pages[0], 0x22);
	assert_int_equal(disk.fresh, 3);
}

static void without_another_page_what_is_wrong_stays_so(void **state)
{
	struct virtio_blk_range all = {0, 6 * PAGE / SECTOR, 0};

	(void)state;
	assert_int_equal(write_bytes(0, 6 * PAGE, 0x22), VIRTIO_BLK_S_OK);
	is_wrong(disk_pages, PAGE);
	assert_int_equal(write_bytes(0, PAGE, 0x33), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_IOERR);
	is_wrong(disk_image + 8 * PAGE, PAGE);
	assert_int_equal(disk_can_write(&disk, 8 * PAGE, PAGE), true);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 64, SECTOR), VIRTIO_BLK_S_IOERR);
	is_wrong(disk_pages, PAGE); /* to give it up nothing is needed */
	memcpy(ram(DATA), &all, sizeof(all));
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, sizeof(all)), VIRTIO_BLK_S_OK);
	expect_sectors(0, 8, 0);
	assert_int_equal(disk_pages[0], 0x22);
}

/* One that goes back is not among those that are free. */
static void a_free_page_that_is_wrong_is_not_taken(void **state)
{
	(void)state;
	assert_int_equal(write_bytes(16, PAGE, 0x22), VIRTIO_BLK_S_OK); /* page 0 */
	is_wrong(disk_pages, 2 * PAGE);
	assert_int_equal(zero(VIRTIO_BLK_T_DISCARD, 16, 8), VIRTIO_BLK_S_OK);
	for (uint64_t i = 0; i < 4; i++) {
		assert_int_equal(write_bytes(32 + 8 * i, PAGE, 0x66), VIRTIO_BLK_S_OK);
		expect_sectors(32 + 8 * i, 8, 0x66);
	}
	assert_int_equal(disk_pages[0], 0x22);
	assert_int_equal(disk_pages[PAGE], 0xdd);
}

/* ---- CD-ROM ---- */

static void a_block_of_a_disc_that_is_wrong_is_an_error_of_the_medium(void **state)
{
	uint32_t n;

	(void)state;
	is_wrong(image + 5 * 2048, 2048);
	n = COMMAND(0, 0, 4 * 2048, SCSI_READ_10, 0, 0, 0, 0, 3, 0, 0, 4);
	assert_int_equal(n, BEFORE);
	assert_int_equal(last_response(), VIRTIO_SCSI_S_OK);
	assert_int_equal(last_status(), SCSI_CHECK_CONDITION);
	assert_int_equal(last_word(4), 4 * 2048); /* all of it is missing */
	assert_int_equal(*ram(RESPONSE + 12 + 2), SCSI_MEDIUM_ERROR);
	assert_int_equal(*ram(RESPONSE + 12 + 12), 0x11);
	n = COMMAND(0, 0, 2 * 2048, SCSI_READ_10, 0, 0, 0, 0, 3, 0, 0, 2);
	assert_int_equal(n, BEFORE + 2 * 2048);
	assert_int_equal(last_status(), SCSI_GOOD);
	assert_memory_equal(ram(DATA), image + 3 * 2048, 2 * 2048);
	/* What a unit that is not there answers is not on a medium. */
	is_wrong(&scsi, sizeof(scsi));
	COMMAND(0, 3, 36, SCSI_INQUIRY, 0, 0, 0, 36);
	assert_int_equal(last_status(), SCSI_GOOD);
	is_wrong(NULL, 0);
}

int main(void)
{
#define DISK(name) cmocka_unit_test_setup(name, start_disk)
#define DISC(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		DISK(what_of_an_image_is_wrong_cannot_be_read_and_the_rest_can),
		DISK(a_page_of_the_disk_may_be_wrong_in_part),
		DISK(who_writes_all_of_a_page_of_the_image_has_it_again),
		DISK(so_has_who_writes_it_from_several_buffers),
		DISK(a_page_that_was_written_and_is_wrong_is_used_no_more),
		DISK(without_another_page_what_is_wrong_stays_so),
		DISK(a_free_page_that_is_wrong_is_not_taken),
		DISC(a_block_of_a_disc_that_is_wrong_is_an_error_of_the_medium),
	};

	return cmocka_run_group_tests_name("disks that are wrong", tests, NULL, NULL);
}
