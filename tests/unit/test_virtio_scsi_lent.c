/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CD-ROM drives whose medium is lent: its bytes come from outside, sometimes late, sometimes
 * not at all.
 */
#include "scsi_world.h"

#define LENT_BLOCKS 4000u

static void put_in(uint32_t lent)
{
	struct cdrom_medium m = {.lent = lent, .size = LENT_BLOCKS * SCSI_CD_BLOCK};

	assert_true(cdrom_change(&scsi.cdrom[0], &m, true));
	COMMAND(0, 0, 0, SCSI_TEST_UNIT_READY); /* the change is told */
	memset(&world.lent, 0, sizeof(world.lent));
}

static void assert_lent(uint32_t lent, uint64_t place, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		assert_int_equal(*ram(DATA + i), world_lent_byte(lent, place + i));
}

/* A read from the block on that is begun, of so many blocks. */
static void begin_read(uint8_t block, uint8_t blocks)
{
	struct world_buffer b[3] = {
		{HEADER, 51, false}, {RESPONSE, BEFORE, true}, {DATA, blocks * 2048u, true}};

	put_request(0, 0,
		(const uint8_t[CDROM_CDB]){SCSI_READ_10, 0, 0, 0, 0, block, 0, 0, blocks});
	give(REQUEST, b, 3);
	notify(REQUEST);
}

static void what_is_lent_is_read_piece_by_piece(void **state)
{
	uint32_t n;

	(void)state;
	put_in(5);
	n = COMMAND(0, 0, 30 * 2048, SCSI_READ_10, 0, 0, 0, 0, 3, 0, 0, 30);
	assert_int_equal(n, BEFORE + 30 * 2048);
	assert_int_equal(last_status(), SCSI_GOOD);
	assert_lent(5, 3 * 2048, 30 * 2048);
	assert_int_equal(world.lent.reads, (30 * 2048 + SCSI_PIECE - 1) / SCSI_PIECE);
	/* The last block: a piece is not read beyond it. */
	COMMAND(0, 0, 2048, SCSI_READ_10, 0, 0, 0, 0x0f, 0x9f, 0, 0, 1);
	assert_lent(5, 3999 * 2048, 2048);
	assert_int_equal(last_status(), SCSI_GOOD);
}

/* Firmware reads block after block. */
static void what_was_read_with_a_block_is_not_read_again(void **state)
{
	(void)state;
	put_in(9);
	for (uint8_t i = 0; i < 8; i++) {
		COMMAND(0, 0, 2048, SCSI_READ_10, 0, 0, 0, 0, 8 + i, 0, 0, 1);
		assert_lent(9, (8 + i) * 2048u, 2048);
	}
	assert_int_equal(world.lent.reads, 1);
	put_in(10); /* another one is */
	COMMAND(0, 0, 2048, SCSI_READ_10, 0, 0, 0, 0, 8, 0, 0, 1);
	assert_lent(10, 8 * 2048, 2048);
}

static void a_read_waits_while_others_read_what_is_lent(void **state)
{
	uint32_t written;
	uint16_t id;

	(void)state;
	put_in(5);
	world.lent.busy = 3;
	begin_read(0, 4);
	for (unsigned i = 0; i < 3; i++) {
		platform_work(&machine);
		assert_false(used(REQUEST, &id, &written));
	}
	work();
	assert_true(used(REQUEST, &id, &written));
	assert_int_equal(written, BEFORE + 4 * 2048);
	assert_lent(5, 0, 4 * 2048);
}

/* The first pieces have come, and the response said that all is well. */
static void what_cannot_be_read_is_an_error_of_the_medium(void **state)
{
	uint32_t written;
	uint8_t failed;
	uint16_t id;

	(void)state;
	put_in(5);
	begin_read(0, 60);
	platform_work(&machine);
	assert_true(world.lent.reads > 0);
	assert_false(used(REQUEST, &id, &written));
	world.lent.fails = 1;
	work();
	assert_true(used(REQUEST, &id, &written));
	assert_int_equal(written, BEFORE);
	assert_int_equal(last_response(), VIRTIO_SCSI_S_OK);
	assert_int_equal(last_status(), SCSI_CHECK_CONDITION);
	assert_int_equal(last_word(0), 18);
	assert_int_equal(last_word(4), 60 * 2048);
	assert_int_equal(*ram(RESPONSE + 12 + 2), SCSI_MEDIUM_ERROR);
	assert_int_equal(*ram(RESPONSE + 12 + 12), 0x11);
	failed = (uint8_t)(world.lent.at / 2048); /* it is not kept */
	COMMAND(0, 0, 2048, SCSI_READ_10, 0, 0, 0, 0, failed, 0, 0, 1);
	assert_lent(5, failed * 2048u, 2048);
}

static void a_medium_that_goes_while_a_read_waits_ends_it(void **state)
{
	static const struct cdrom_medium none, other = {.lent = 6, .size = 2048};
	uint32_t written;
	uint16_t id;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		put_in(5);
		world.lent.busy = 1;
		begin_read(0, 4);
		platform_work(&machine);
		cdrom_change(&scsi.cdrom[0], i == 0 ? &none : &other, true);
		work();
		assert_true(used(REQUEST, &id, &written));
		assert_int_equal(written, BEFORE);
		assert_int_equal(last_status(), SCSI_CHECK_CONDITION);
		assert_int_equal(
			*ram(RESPONSE + 12 + 2), i == 0 ? SCSI_NOT_READY : SCSI_UNIT_ATTENTION);
		assert_int_equal(world.lent.reads, 0);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(what_is_lent_is_read_piece_by_piece),
		T(what_was_read_with_a_block_is_not_read_again),
		T(a_read_waits_while_others_read_what_is_lent),
		T(what_cannot_be_read_is_an_error_of_the_medium),
		T(a_medium_that_goes_while_a_read_waits_ends_it),
	};

	return cmocka_run_group_tests_name("media that are lent", tests, NULL, NULL);
}
