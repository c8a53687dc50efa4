/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of a CD-ROM drive: what SPC-3 and MMC-5 say that each answers, and what is
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "spec/scsi.h"
#include "virtio/cdrom.h"

#define BLOCKS 700u

static uint8_t image[BLOCKS * SCSI_CD_BLOCK];
static struct cdrom cd;
static struct cdrom_reply reply;

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BLOCKS; i++)
		image[i * SCSI_CD_BLOCK] = (uint8_t)(i * 7);
	cd = (struct cdrom){.name = "tools", .medium = {.image = image, .size = sizeof(image)}};
	return 0;
}

/* A command by its bytes; zeroes follow. */
#define COMMAND(...) command((const uint8_t[CDROM_CDB]){__VA_ARGS__})

static const uint8_t *command(const uint8_t cdb[CDROM_CDB])
{
	memset(&reply, 0xa5, sizeof(reply));
	cdrom_command(&cd, cdb, &reply);
	assert_true(reply.size <= reply.asked);
	return reply.bytes;
}

static uint64_t be(const uint8_t *from, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | from[i];
	return v;
}

static void expect_good(uint64_t size)
{
	assert_int_equal(reply.status, SCSI_GOOD);
	assert_int_equal(reply.size, size);
}

static void expect_refused(enum scsi_sense_key key, unsigned additional)
{
	assert_int_equal(reply.status, SCSI_CHECK_CONDITION);
	assert_int_equal(reply.key, key);
	assert_int_equal(reply.additional, additional);
	assert_int_equal(reply.size, 0);
}

#define expect_field() expect_refused(SCSI_ILLEGAL_REQUEST, SCSI_INVALID_FIELD)

static void an_inquiry_tells_a_removable_cdrom(void **state)
{
	const uint8_t *d;

	(void)state;
	d = COMMAND(SCSI_INQUIRY, 0, 0, 0, 96);
	expect_good(36);
	assert_int_equal(d[0], 5);
	assert_int_equal(d[1], 0x80);
	assert_int_equal(d[4], 31);
	assert_memory_equal(d + 8, "NESTOR  CD-ROM          1.0 ", 28);
	COMMAND(SCSI_INQUIRY, 0, 0, 0, 5);
	expect_good(5);
	COMMAND(SCSI_INQUIRY, 0, 0x80, 0, 96); /* a page without EVPD */
	expect_field();
}

static void each_page_of_vital_data_that_is_listed_is_there(void **state)
{
	uint8_t pages[3];
	const uint8_t *d = COMMAND(SCSI_INQUIRY, 1, 0, 0, 255);

	(void)state;
	expect_good(7);
	memcpy(pages, d + 4, sizeof(pages));
	for (unsigned i = 0; i < sizeof(pages); i++) {
		d = COMMAND(SCSI_INQUIRY, 1, pages[i], 0, 255);
		assert_int_equal(reply.status, SCSI_GOOD);
		assert_int_equal(d[0], 5);
		assert_int_equal(d[1], pages[i]);
		assert_int_equal(reply.size, 4 + be(d + 2, 2));
	}
	d = COMMAND(SCSI_INQUIRY, 1, SCSI_VPD_SERIAL, 0, 255);
	assert_memory_equal(d + 4, "tools", 5);
	d = COMMAND(SCSI_INQUIRY, 1, SCSI_VPD_IDENTIFICATION, 0, 255);
	expect_good(4 + 4 + 13);
	assert_memory_equal(d + 8, "NESTOR  tools", 13);
	COMMAND(SCSI_INQUIRY, 1, 0xb0, 0, 255);
	expect_field();
}

static void capacity_is_the_last_block_and_2048(void **state)
{
	const uint8_t *d = COMMAND(SCSI_READ_CAPACITY);

	(void)state;
	expect_good(8);
	assert_int_equal(be(d, 4), BLOCKS - 1);
	assert_int_equal(be(d + 4, 4), 2048);
	d = COMMAND(SCSI_SERVICE_ACTION_IN_16, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
	expect_good(32);
	assert_int_equal(be(d, 8), BLOCKS - 1);
	assert_int_equal(be(d + 8, 4), 2048);
	COMMAND(SCSI_SERVICE_ACTION_IN_16, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
	expect_field();
}

/* Each way to read block 5 and two behind it. */
static void all_reads_give_the_blocks_of_the_image(void **state)
{
	static const uint8_t reads[][CDROM_CDB] = {
		{SCSI_READ_10, 0, 0, 0, 0, 5, 0, 0, 3},
		{SCSI_READ_12, 0, 0, 0, 0, 5, 0, 0, 0, 3},
		{SCSI_READ_16, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 3},
		{SCSI_READ_CD, 0, 0, 0, 0, 5, 0, 0, 3, 0x10},
		{SCSI_READ_CD, 2 << 2, 0, 0, 0, 5, 0, 0, 3, 0x10},
		{SCSI_READ_CD_MSF, 0, 0, 0, 2, 5, 0, 2, 8, 0x10},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		command(reads[i]);
		expect_good(3 * 2048);
		assert_ptr_equal(reply.bytes, image + 5 * 2048);
	}
	COMMAND(SCSI_READ_10, 0, 0, 0, 2, 0xbc); /* nothing, at the end */
	expect_good(0);
}

static void reads_beyond_the_end_are_refused(void **state)
{
	static const uint8_t reads[][CDROM_CDB] = {
		{SCSI_READ_10, 0, 0, 0, 2, 0xbb, 0, 0, 2},
		{SCSI_READ_10, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0},
		{SCSI_READ_12, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff},
		{SCSI_READ_16, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1},
		{SCSI_READ_CD, 0, 0, 0, 2, 0xbc, 0, 0, 1, 0x10},
		{SCSI_READ_CD_MSF, 0, 0, 0, 0, 1, 0, 2, 0, 0x10},
		{SCSI_SEEK_10, 0, 0, 0, 2, 0xbc},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		command(reads[i]);
		expect_refused(SCSI_ILLEGAL_REQUEST, SCSI_LBA_OUT_OF_RANGE);
	}
	COMMAND(SCSI_SEEK_10, 0, 0, 0, 2, 0xbb);
	expect_good(0);
}

static void reads_of_what_a_data_disc_has_not_are_refused(void **state)
{
	(void)state;
	COMMAND(SCSI_READ_10, 1 << 5, 0, 0, 0, 0, 0, 0, 1); /* protection */
	expect_field();
	COMMAND(SCSI_READ_CD, 0, 0, 0, 0, 0, 0, 0, 1, 0xf8); /* whole sectors */
	expect_field();
	COMMAND(SCSI_READ_CD, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 1); /* subchannels */
	expect_field();
	COMMAND(SCSI_READ_CD, 1 << 2, 0, 0, 0, 0, 0, 0, 1, 0x10); /* audio */
	expect_refused(SCSI_ILLEGAL_REQUEST, SCSI_ILLEGAL_MODE);
	COMMAND(SCSI_READ_CD, 0, 0, 0, 0, 0, 0, 0, 1); /* nothing of them */
	expect_good(0);
	COMMAND(SCSI_READ_CD_MSF, 0, 0, 0, 2, 5, 0, 2, 4, 0x10); /* backwards */
	expect_field();
}

static void the_table_of_contents_has_one_track(void **state)
{
	const uint8_t *d = COMMAND(SCSI_READ_TOC, 0, 0, 0, 0, 0, 0, 0, 255);

	(void)state;
	expect_good(20);
	assert_int_equal(be(d, 2), 18);
	assert_int_equal(be(d + 2, 2), 0x0101);
	assert_int_equal(be(d + 4, 4), 0x00140100);
	assert_int_equal(be(d + 8, 4), 0);
	assert_int_equal(be(d + 12, 4), 0x0014aa00);
	assert_int_equal(be(d + 16, 4), BLOCKS);
	d = COMMAND(SCSI_READ_TOC, 2, 0, 0, 0, 0, 0xaa, 0, 255);
	expect_good(12);
	assert_int_equal(be(d + 8, 4), 0x00000b19); /* 850 frames: 11 s and 25 */
	COMMAND(SCSI_READ_TOC, 0, 0, 0, 0, 0, 2, 0, 255);
	expect_field();
}

static void other_formats_of_the_table_of_contents(void **state)
{
	const uint8_t *d = COMMAND(SCSI_READ_TOC, 0, 1, 0, 0, 0, 0, 0, 255);

	(void)state;
	expect_good(12);
	assert_int_equal(be(d + 4, 4), 0x00140100);
	assert_int_equal(be(d + 8, 4), 0);
	COMMAND(SCSI_READ_TOC, 0, 0, 0, 0, 0, 0, 0, 12, 0x40); /* as Linux asks */
	expect_good(12);
	d = COMMAND(SCSI_READ_TOC, 0, 2, 0, 0, 0, 0, 0, 255);
	expect_good(4 + 4 * 11);
	assert_int_equal(d[4 + 2 * 11 + 3], 0xa2);
	assert_int_equal(be(d + 4 + 2 * 11 + 8, 3), 0x000b19);
	assert_int_equal(be(d + 4 + 3 * 11 + 8, 3), 0x000200);
	COMMAND(SCSI_READ_TOC, 0, 5, 0, 0, 0, 0, 0, 255); /* CD-TEXT */
	expect_field();
}

static void a_disc_longer_than_times_can_say_ends_at_the_last_time(void **state)
{
	const uint8_t *d;

	(void)state;
	cd.medium.size = 1ull << 33;
	d = COMMAND(SCSI_READ_TOC, 2, 0, 0, 0, 0, 0xaa, 0, 255);
	assert_int_equal(be(d + 8, 4), 0x00ff3b4a);
	d = COMMAND(SCSI_READ_CAPACITY);
	assert_int_equal(be(d, 4), (1u << 22) - 1);
	cd.medium.size = 1ull << 45; /* more blocks than 32 bits say */
	d = COMMAND(SCSI_READ_CAPACITY);
	assert_int_equal(be(d, 4), UINT32_MAX);
}

static void mode_pages_come_one_by_one_or_all(void **state)
{
	const uint8_t *d = COMMAND(SCSI_MODE_SENSE_6, 0, 0x2a, 0, 255);

	(void)state;
	expect_good(4 + 20);
	assert_int_equal(d[0], 23);
	assert_int_equal(d[3], 0);
	assert_int_equal(d[4], 0x2a);
	assert_int_equal(d[5], 18);
	assert_int_equal(d[10] >> 5, 1); /* a tray */
	d = COMMAND(SCSI_MODE_SENSE_10, 0, 0x3f, 0, 0, 0, 0, 0, 255);
	expect_good(8 + 12 + 12 + 20);
	assert_int_equal(be(d, 2), reply.size - 2);
	assert_int_equal(d[8], 1);
	assert_int_equal(d[20], 0x1a);
	assert_int_equal(d[32], 0x2a);
	d = COMMAND(SCSI_MODE_SENSE_6, 0, 0x40 | 0x2a, 0, 255); /* nothing can be changed */
	expect_good(4 + 20);
	for (unsigned i = 6; i < 24; i++)
		assert_int_equal(d[i], 0);
	COMMAND(SCSI_MODE_SENSE_6, 0, 0xc0 | 0x2a, 0, 255);
	expect_refused(SCSI_ILLEGAL_REQUEST, SCSI_SAVING_NOT_SUPPORTED);
	COMMAND(SCSI_MODE_SENSE_6, 0, 0x05, 0, 255);
	expect_field();
	COMMAND(SCSI_MODE_SENSE_6, 0, 0x2a, 1, 255);
	expect_field();
}

/* Walks the features as their lengths say; returns how many, *current: of them. */
static unsigned features(const uint8_t *d, unsigned *current)
{
	uint64_t end = 4 + be(d, 4), at = 8, last = 0;
	unsigned n = 0;

	assert_int_equal(end, reply.size);
	for (*current = 0; at < end; at += 4u + d[at + 3], n++) {
		assert_true(n == 0 || be(d + at, 2) > last);
		last = be(d + at, 2);
		*current += d[at + 2] & 1;
	}
	assert_int_equal(at, end);
	return n;
}

static void the_configuration_is_that_of_a_cdrom(void **state)
{
	unsigned current;
	const uint8_t *d = COMMAND(SCSI_GET_CONFIGURATION, 0, 0, 0, 0, 0, 0, 0, 255);

	(void)state;
	assert_int_equal(features(d, &current), 7);
	assert_int_equal(current, 7);
	assert_int_equal(be(d + 6, 2), 8);
	assert_int_equal(be(d + 12, 4), 0x00080100); /* the profile, current */
	d = COMMAND(SCSI_GET_CONFIGURATION, 2, 0, 0x1e, 0, 0, 0, 0, 255);
	assert_int_equal(features(d, &current), 1);
	assert_int_equal(be(d + 8, 2), 0x1e);
	d = COMMAND(SCSI_GET_CONFIGURATION, 0, 0, 0x10, 0, 0, 0, 0, 255);
	assert_int_equal(features(d, &current), 3);
	COMMAND(SCSI_GET_CONFIGURATION, 3, 0, 0, 0, 0, 0, 0, 255);
	expect_field();
	cd.s.ejected = 1;
	d = COMMAND(SCSI_GET_CONFIGURATION, 0, 0, 0, 0, 0, 0, 0, 255);
	assert_int_equal(features(d, &current), 7);
	assert_int_equal(current, 5);
	assert_int_equal(be(d + 6, 2), 0);
	d = COMMAND(SCSI_GET_CONFIGURATION, 1, 0, 0, 0, 0, 0, 0, 255);
	assert_int_equal(features(d, &current), 5);
}

static void what_the_drive_tells_of_itself_and_its_disc(void **state)
{
	const uint8_t *d = COMMAND(SCSI_READ_DISC_INFORMATION, 0, 0, 0, 0, 0, 0, 0, 34);

	(void)state;
	expect_good(34);
	assert_int_equal(be(d, 2), 32);
	assert_int_equal(d[2], 0x0e);
	COMMAND(SCSI_READ_DISC_INFORMATION, 1, 0, 0, 0, 0, 0, 0, 34);
	expect_field();
	d = COMMAND(SCSI_MECHANISM_STATUS, 0, 0, 0, 0, 0, 0, 0, 0, 8);
	expect_good(8);
	assert_int_equal(d[1], 0);
	COMMAND(SCSI_SET_CD_SPEED, 0, 0xff, 0xff);
	expect_good(0);
	d = COMMAND(SCSI_REPORT_LUNS, 0, 0, 0, 0, 0, 0, 0, 0, 16);
	expect_good(16);
	assert_int_equal(be(d, 4), 8);
	assert_int_equal(be(d + 8, 8), 0);
	d = COMMAND(SCSI_REPORT_LUNS, 0, 1, 0, 0, 0, 0, 0, 0, 16); /* well-known ones */
	expect_good(8);
	assert_int_equal(be(d, 4), 0);
	COMMAND(SCSI_REPORT_LUNS, 0, 3, 0, 0, 0, 0, 0, 0, 16);
	expect_field();
}

static void an_ejected_medium_is_not_there_until_it_is_loaded(void **state)
{
	const uint8_t *d;

	(void)state;
	COMMAND(SCSI_START_STOP_UNIT, 0, 0, 0, 2);
	expect_good(0);
	COMMAND(SCSI_TEST_UNIT_READY);
	expect_refused(SCSI_NOT_READY, SCSI_NO_MEDIUM_TRAY_OPEN);
	COMMAND(SCSI_READ_10, 0, 0, 0, 0, 0, 0, 0, 1);
	expect_refused(SCSI_NOT_READY, SCSI_NO_MEDIUM_TRAY_OPEN);
	COMMAND(SCSI_START_STOP_UNIT, 0, 0, 0, 1);
	expect_refused(SCSI_NOT_READY, SCSI_NO_MEDIUM_TRAY_OPEN);
	d = COMMAND(SCSI_GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8);
	expect_good(8);
	assert_int_equal(be(d, 8), 0x0006041003010000);
	d = COMMAND(SCSI_MECHANISM_STATUS, 0, 0, 0, 0, 0, 0, 0, 0, 8);
	assert_int_equal(d[1], 0x10);
	COMMAND(SCSI_START_STOP_UNIT, 0, 0, 0, 3);
	expect_good(0);
	COMMAND(SCSI_TEST_UNIT_READY);
	expect_refused(SCSI_UNIT_ATTENTION, SCSI_MEDIUM_MAY_HAVE_CHANGED);
	COMMAND(SCSI_TEST_UNIT_READY);
	expect_good(0);
	d = COMMAND(SCSI_GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8);
	assert_int_equal(be(d, 8), 0x0006041002020000);
	d = COMMAND(SCSI_GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8); /* told once */
	assert_int_equal(be(d, 8), 0x0006041000020000);
}

static void events_are_told_when_they_are_asked_for(void **state)
{
	const uint8_t *d = COMMAND(SCSI_GET_EVENT_STATUS, 1, 0, 0, 0x02, 0, 0, 0, 8);

	(void)state;
	expect_good(4);
	assert_int_equal(be(d, 4), 0x00028010); /* no class that was asked for */
	COMMAND(SCSI_GET_EVENT_STATUS, 0, 0, 0, 0x10, 0, 0, 0, 8);
	expect_field();
}

static void a_medium_whose_removal_is_prevented_stays(void **state)
{
	(void)state;
	COMMAND(SCSI_PREVENT_ALLOW, 0, 0, 0, 1);
	COMMAND(SCSI_START_STOP_UNIT, 0, 0, 0, 2);
	expect_refused(SCSI_ILLEGAL_REQUEST, SCSI_REMOVAL_PREVENTED);
	COMMAND(SCSI_TEST_UNIT_READY);
	expect_good(0);
	COMMAND(SCSI_PREVENT_ALLOW, 0, 0, 0, 0);
	COMMAND(SCSI_START_STOP_UNIT, 0, 0, 0, 2);
	expect_good(0);
	assert_true(cd.s.ejected);
}

/* What GET EVENT STATUS NOTIFICATION says of the medium: event << 8 | status. */
static unsigned media_event(void)
{
	const uint8_t *d = COMMAND(SCSI_GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8);

	expect_good(8);
	assert_int_equal(be(d, 4), 0x00060410);
	return (unsigned)be(d + 4, 2);
}

static bool change(const uint8_t *bytes, uint64_t size, bool force)
{
	struct cdrom_medium m = {.image = bytes, .size = size};

	return cdrom_change(&cd, &m, force);
}

static void a_medium_that_is_changed_from_outside_is_told(void **state)
{
	static uint8_t other[4 * SCSI_CD_BLOCK] = {7};
	const uint8_t *d;

	(void)state;
	assert_true(change(other, sizeof(other), false));
	assert_int_equal(media_event(), SCSI_MEDIA_NEW << 8 | SCSI_MEDIA_PRESENT);
	assert_int_equal(media_event(), SCSI_MEDIA_PRESENT);
	COMMAND(SCSI_READ_10, 0, 0, 0, 0, 0, 0, 0, 1);
	expect_refused(SCSI_UNIT_ATTENTION, SCSI_MEDIUM_MAY_HAVE_CHANGED);
	d = COMMAND(SCSI_READ_CAPACITY);
	assert_int_equal(be(d, 4), 3);
	d = COMMAND(SCSI_READ_10, 0, 0, 0, 0, 0, 0, 0, 1);
	assert_int_equal(d[0], 7);
	assert_true(change(NULL, 0, false));
	assert_int_equal(media_event(), SCSI_MEDIA_REMOVED << 8 | SCSI_DOOR_OPEN);
	COMMAND(SCSI_TEST_UNIT_READY);
	expect_refused(SCSI_NOT_READY, SCSI_NO_MEDIUM_TRAY_OPEN);
	assert_true(change(image, sizeof(image), false));
	assert_int_equal(media_event(), SCSI_MEDIA_NEW << 8 | SCSI_MEDIA_PRESENT);
}

/* A tray that the guest has opened is empty once the medium was taken, and closes empty. */
static void a_drive_without_a_medium_says_so_and_reads_nothing(void **state)
{
	const uint8_t *d;

	(void)state;
	cd = (struct cdrom){.name = "empty"};
	COMMAND(SCSI_TEST_UNIT_READY);
	expect_refused(SCSI_NOT_READY, SCSI_NO_MEDIUM_TRAY_CLOSED);
	COMMAND(SCSI_READ_10, 0, 0, 0, 0, 0, 0, 0, 1);
	expect_refused(SCSI_NOT_READY, SCSI_NO_MEDIUM_TRAY_CLOSED);
	COMMAND(SCSI_READ_TOC, 0, 0, 0, 0, 0, 0, 0, 12);
	expect_refused(SCSI_NOT_READY, SCSI_NO_MEDIUM_TRAY_CLOSED);
	assert_int_equal(media_event(), 0);
	d = COMMAND(SCSI_GET_CONFIGURATION, 0, 0, 0, 0, 0, 0, 0, 8);
	assert_int_equal(be(d + 6, 2), 0);
	assert_true(change(NULL, 0, false)); /* nothing to take */
	assert_int_equal(media_event(), 0);
	COMMAND(SCSI_START_STOP_UNIT, 0, 0, 0, 2);
	assert_int_equal(media_event(), SCSI_DOOR_OPEN);
	COMMAND(SCSI_START_STOP_UNIT, 0, 0, 0, 3);
	expect_good(0);
	assert_int_equal(media_event(), 0);
	COMMAND(SCSI_START_STOP_UNIT, 0, 0, 0, 1);
	expect_refused(SCSI_NOT_READY, SCSI_NO_MEDIUM_TRAY_CLOSED);
}

static void a_medium_that_the_guest_has_locked_is_asked_for(void **state)
{
	(void)state;
	COMMAND(SCSI_PREVENT_ALLOW, 0, 0, 0, 1);
	assert_false(change(NULL, 0, false));
	assert_int_equal(media_event(), SCSI_MEDIA_EJECT_REQUEST << 8 | SCSI_MEDIA_PRESENT);
	COMMAND(SCSI_TEST_UNIT_READY);
	expect_good(0);
	assert_true(change(NULL, 0, true));
	COMMAND(SCSI_TEST_UNIT_READY);
	expect_refused(SCSI_NOT_READY, SCSI_NO_MEDIUM_TRAY_OPEN);
	assert_true(change(image, sizeof(image), false)); /* nothing is locked in */
	assert_false(change(NULL, 0, false));
}

static void stopping_and_power_conditions_change_nothing(void **state)
{
	(void)state;
	COMMAND(SCSI_START_STOP_UNIT, 0, 0, 0, 0);
	expect_good(0);
	COMMAND(SCSI_START_STOP_UNIT, 0, 0, 0, 0x32);
	expect_good(0);
	assert_false(cd.s.ejected);
}

static void a_reset_is_told_once_and_not_by_an_inquiry(void **state)
{
	const uint8_t *d;

	(void)state;
	cd.s.prevented = 1;
	cdrom_reset(&cd);
	COMMAND(SCSI_INQUIRY, 0, 0, 0, 36);
	expect_good(36);
	COMMAND(0xff); /* told before anything is wrong with the command */
	expect_refused(SCSI_UNIT_ATTENTION, SCSI_WAS_RESET);
	COMMAND(SCSI_TEST_UNIT_READY);
	expect_good(0);
	assert_false(cd.s.prevented);
	cdrom_reset(&cd);
	d = COMMAND(SCSI_REQUEST_SENSE, 0, 0, 0, 18);
	expect_good(18);
	assert_int_equal(d[0], 0x70);
	assert_int_equal(d[2], SCSI_UNIT_ATTENTION);
	assert_int_equal(d[7], 10);
	assert_int_equal(be(d + 12, 2), SCSI_WAS_RESET);
	d = COMMAND(SCSI_REQUEST_SENSE, 0, 0, 0, 18);
	assert_int_equal(d[2], SCSI_NO_SENSE);
	COMMAND(SCSI_REQUEST_SENSE, 1, 0, 0, 18); /* descriptors */
	expect_field();
}

/* All opcodes: those that are none of a row, and the control byte of those that are. */
static void commands_that_are_not_there_are_refused(void **state)
{
	unsigned known = 0;

	(void)state;
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		uint8_t cdb[CDROM_CDB] = {(uint8_t)opcode};

		command(cdb);
		if (reply.status == SCSI_CHECK_CONDITION &&
			reply.additional == SCSI_INVALID_OPCODE)
			continue;
		known++;
		memset(cdb + 1, 0xff, sizeof(cdb) - 1); /* NACA, whatever else */
		command(cdb);
		expect_field();
	}
	assert_int_equal(known, 22);
}

static void a_unit_that_is_not_there_says_so(void **state)
{
	static const uint8_t inquiry[CDROM_CDB] = {SCSI_INQUIRY, 0, 0, 0, 36};
	static const uint8_t page[CDROM_CDB] = {SCSI_INQUIRY, 1, 0, 0, 36};
	static const uint8_t ready[CDROM_CDB] = {SCSI_TEST_UNIT_READY};
	static const uint8_t sense[CDROM_CDB] = {SCSI_REQUEST_SENSE, 0, 0, 0, 18};
	static const uint8_t luns[CDROM_CDB] = {SCSI_REPORT_LUNS, 0, 0, 0, 0, 0, 0, 0, 0, 16};

	(void)state;
	cdrom_command(NULL, inquiry, &reply);
	expect_good(36);
	assert_int_equal(reply.bytes[0], 0x7f);
	cdrom_command(NULL, page, &reply);
	expect_field();
	cdrom_command(NULL, ready, &reply);
	expect_refused(SCSI_ILLEGAL_REQUEST, SCSI_UNIT_NOT_SUPPORTED);
	cdrom_command(NULL, sense, &reply);
	expect_good(18);
	assert_int_equal(be(reply.bytes + 12, 2), SCSI_UNIT_NOT_SUPPORTED);
	cdrom_command(NULL, luns, &reply);
	expect_good(16);
}

static void states_that_cannot_be_are_refused(void **state)
{
	(void)state;
	assert_true(cdrom_valid_state(&(struct cdrom_state){1, 1, 3, 2}));
	assert_false(cdrom_valid_state(&(struct cdrom_state){2, 0, 0, 0}));
	assert_false(cdrom_valid_state(&(struct cdrom_state){0, 2, 0, 0}));
	assert_false(cdrom_valid_state(&(struct cdrom_state){0, 0, 4, 0}));
	assert_false(cdrom_valid_state(&(struct cdrom_state){0, 0, 0, 3}));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(an_inquiry_tells_a_removable_cdrom),
		T(each_page_of_vital_data_that_is_listed_is_there),
		T(capacity_is_the_last_block_and_2048),
		T(all_reads_give_the_blocks_of_the_image),
		T(reads_beyond_the_end_are_refused),
		T(reads_of_what_a_data_disc_has_not_are_refused),
		T(the_table_of_contents_has_one_track),
		T(other_formats_of_the_table_of_contents),
		T(a_disc_longer_than_times_can_say_ends_at_the_last_time),
		T(mode_pages_come_one_by_one_or_all),
		T(the_configuration_is_that_of_a_cdrom),
		T(what_the_drive_tells_of_itself_and_its_disc),
		T(an_ejected_medium_is_not_there_until_it_is_loaded),
		T(events_are_told_when_they_are_asked_for),
		T(a_medium_whose_removal_is_prevented_stays),
		T(a_medium_that_is_changed_from_outside_is_told),
		T(a_drive_without_a_medium_says_so_and_reads_nothing),
		T(a_medium_that_the_guest_has_locked_is_asked_for),
		T(stopping_and_power_conditions_change_nothing),
		T(a_reset_is_told_once_and_not_by_an_inquiry),
		T(commands_that_are_not_there_are_refused),
		T(a_unit_that_is_not_there_says_so),
		T(states_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests_name("CD-ROM drive", tests, NULL, NULL);
}
