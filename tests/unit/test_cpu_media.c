/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk by which media are lent, read by PIO from a drive that is slow, fails, is another
 * one, or is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/media.h"
#include "lib/media.h"
#include "spec/ide.h"

#define BASE 0x170
#define KHZ  1000u
#define NONE (-1000)

uint64_t hw_now;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
uint32_t tsc_khz = KHZ;

static struct drive {
	bool there, labelled;
	unsigned slow;       /* looks at the status until it is ready for the next thing */
	int fails_at;        /* this sector of a command is an error, or NONE */
	uint8_t reg[8];      /* as they were written */
	uint8_t control;     /* of interrupts */
	uint64_t sector;     /* that comes next */
	unsigned left, busy; /* sectors; looks */
	bool again;          /* another CPU reads while this one does */
} d;

static uint8_t byte_at(uint64_t sector, unsigned i)
{
	return (uint8_t)(sector * 7 + i);
}

void hw_pause(void)
{
	hw_now += KHZ / 100;
}

uint8_t hw_in(uint16_t port)
{
	assert_int_equal(port, BASE + IDE_STATUS);
	hw_now += 2;
	if (!d.there)
		return 0xff;
	if (d.busy != 0) {
		d.busy--;
		return IDE_STATUS_BUSY | IDE_STATUS_DRQ; /* which means nothing then */
	}
	if (d.left != 0 && d.fails_at == (int)(d.reg[IDE_COUNT] - d.left))
		return IDE_STATUS_READY | IDE_STATUS_ERR;
	return IDE_STATUS_READY | (d.left != 0 ? IDE_STATUS_DRQ : 0);
}

void hw_out(uint16_t port, uint8_t value)
{
	if (port == 0x376) {
		d.control = value;
		if (value & IDE_CONTROL_SRST)
			d.left = d.busy = 0;
		return;
	}
	assert_int_equal(d.busy, 0); /* a drive that is busy loses what is written */
	d.reg[port - BASE] = value;
	if (port != BASE + IDE_STATUS)
		return;
	assert_int_equal(value, IDE_READ_SECTORS);
	assert_int_equal(d.reg[IDE_DRIVE] & 0xf0, 0xe0);
	d.sector = d.reg[IDE_LBA] | (uint64_t)d.reg[IDE_LBA + 1] << 8 |
		   (uint64_t)d.reg[IDE_LBA + 2] << 16 | (uint64_t)(d.reg[IDE_DRIVE] & 15) << 24;
	d.left = d.reg[IDE_COUNT] != 0 ? d.reg[IDE_COUNT] : 256;
	d.busy = d.slow;
}

void hw_words(uint16_t port, void *to, uint32_t count)
{
	uint8_t *bytes = to;
	uint8_t other[MEDIA_SECTOR];

	assert_int_equal(port, BASE + IDE_DATA);
	assert_int_equal(count, MEDIA_SECTOR / 2);
	assert_true(d.left != 0 && d.busy == 0);
	if (d.again)
		assert_int_equal(media_read(0, other, sizeof(other)), MEDIA_BUSY);
	for (unsigned i = 0; i < MEDIA_SECTOR; i++)
		bytes[i] = byte_at(d.sector, i);
	if (d.sector == 0 && d.labelled)
		memcpy(bytes, MEDIA_LABEL, MEDIA_LABEL_SIZE);
	d.sector++;
	d.left--;
	d.busy = d.slow;
}

static int set_up(void **state)
{
	(void)state;
	d = (struct drive){.there = true, .labelled = true, .slow = 3, .fails_at = NONE};
	assert_true(media_init());
	return 0;
}

static void its_label_is_looked_for_without_interrupts(void **state)
{
	(void)state;
	assert_true(media_there());
	assert_int_equal(d.control, IDE_CONTROL_NIEN);
	d.labelled = false;
	assert_false(media_init());
	assert_false(media_there());
}

/* It reads as ones, and nobody waits for it for long. */
static void a_drive_that_is_not_there_is_no_disk(void **state)
{
	uint64_t before = hw_now;
	uint8_t sector[MEDIA_SECTOR];

	(void)state;
	d.there = false;
	assert_false(media_init());
	assert_true(hw_now - before <= 51 * KHZ);
	assert_int_equal(media_read(0, sector, sizeof(sector)), MEDIA_FAILED);
}

static void what_is_at_a_place_is_read(void **state)
{
	static uint8_t bytes[MEDIA_READ_MAX];
	static const uint32_t sizes[] = {512, 4096, 16384, MEDIA_READ_MAX};
	uint64_t last = media_place(MEDIA_SLOTS - 1) + MEDIA_SLOT_SIZE - MEDIA_READ_MAX;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(media_read(last, bytes, sizes[i]), MEDIA_READ);
		for (uint32_t k = 0; k < sizes[i]; k++)
			assert_int_equal(bytes[k], byte_at(last / 512 + k / 512, k % 512));
		assert_int_equal(d.left, 0);
	}
}

static void nothing_is_read_beyond_the_disk_or_at_once_with_too_much(void **state)
{
	static uint8_t bytes[MEDIA_READ_MAX + 512];

	(void)state;
	assert_int_equal(media_read(MEDIA_DISK_SIZE - 512, bytes, 512), MEDIA_READ);
	assert_int_equal(media_read(MEDIA_DISK_SIZE - 512, bytes, 1024), MEDIA_FAILED);
	assert_int_equal(media_read(UINT64_MAX - 511, bytes, 512), MEDIA_FAILED);
	assert_int_equal(media_read(0, bytes, MEDIA_READ_MAX + 512), MEDIA_FAILED);
}

static void an_error_of_the_drive_ends_the_read_and_not_the_next_one(void **state)
{
	uint8_t bytes[4 * MEDIA_SECTOR];

	(void)state;
	d.fails_at = 2;
	assert_int_equal(media_read(4096, bytes, sizeof(bytes)), MEDIA_FAILED);
	d.fails_at = NONE;
	assert_int_equal(media_read(8192, bytes, sizeof(bytes)), MEDIA_READ);
	assert_int_equal(bytes[0], byte_at(16, 0)); /* and not what the other one has left */
	assert_int_equal(d.control, IDE_CONTROL_NIEN);
}

static void a_drive_that_is_never_ready_is_waited_for_no_longer_than_others_can(void **state)
{
	uint64_t before = hw_now;
	uint8_t bytes[MEDIA_SECTOR];

	(void)state;
	d.slow = 1000000;
	assert_int_equal(media_read(0, bytes, sizeof(bytes)), MEDIA_FAILED);
	assert_true(hw_now - before <= 101 * KHZ);
}

static void one_cpu_reads_at_a_time(void **state)
{
	uint8_t bytes[2 * MEDIA_SECTOR];

	(void)state;
	d.again = true;
	assert_int_equal(media_read(512, bytes, sizeof(bytes)), MEDIA_READ);
	assert_int_equal(bytes[512], byte_at(2, 0));
	d.again = false;
	assert_int_equal(media_read(512, bytes, sizeof(bytes)), MEDIA_READ);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		T(its_label_is_looked_for_without_interrupts),
		T(a_drive_that_is_not_there_is_no_disk),
		T(what_is_at_a_place_is_read),
		T(nothing_is_read_beyond_the_disk_or_at_once_with_too_much),
		T(an_error_of_the_drive_ends_the_read_and_not_the_next_one),
		T(a_drive_that_is_never_ready_is_waited_for_no_longer_than_others_can),
		T(one_cpu_reads_at_a_time),
	};

	return cmocka_run_group_tests_name("the disk of media", tests, NULL, NULL);
}
