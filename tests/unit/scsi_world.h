/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the SCSI host: a device with two drives, whose driver sends commands.
 */
#ifndef NESTOR_TESTS_SCSI_WORLD_H
#define NESTOR_TESTS_SCSI_WORLD_H

#include "virtio_world.h"

#include "spec/scsi.h"
#include "spec/virtio_scsi.h"
#include "virtio/scsi.h"

#define BLOCKS   100u
#define SIZE     64u /* of the queues */
#define CONTROL  0
#define EVENT    1
#define REQUEST  2
#define HEADER   BUFFERS
#define RESPONSE (BUFFERS + 0x1000u)
#define DATA     (BUFFERS + 0x10000u)
#define SENSE    96u
#define BEFORE   (12u + SENSE) /* what is read */
#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC)

static uint8_t image[BLOCKS * SCSI_CD_BLOCK];
static struct virtio_scsi scsi;

static void start(uint64_t features)
{
	world_start();
	for (unsigned i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 3 + i / 1021);
	memset(&scsi, 0xa5, sizeof(scsi));
	scsi.count = 2;
	for (unsigned i = 0; i < scsi.count; i++)
		scsi.cdrom[i] = (struct cdrom){
			.name = i == 0 ? "one" : "two",
			.medium = {.image = image + i * 10 * SCSI_CD_BLOCK,
				.size = sizeof(image) - i * 10 * SCSI_CD_BLOCK},
		};
	assert_true(virtio_scsi_create(&scsi, &machine, WORLD_BDF));
	world_up(features, 3, SIZE);
	work();
}

static uint8_t last_status(void)
{
	return *ram(RESPONSE + 10);
}

static uint8_t last_response(void)
{
	return *ram(RESPONSE + 11);
}

static uint32_t last_word(unsigned offset)
{
	uint32_t v;

	memcpy(&v, ram(RESPONSE + offset), 4);
	return v;
}

static void put_request(unsigned target, unsigned unit, const uint8_t cdb[CDROM_CDB])
{
	uint8_t lun[8] = {1, (uint8_t)target, (uint8_t)(0x40 | unit >> 8), (uint8_t)unit};

	memset(ram(HEADER), 0, 19 + 32);
	memcpy(ram(HEADER), lun, sizeof(lun));
	memcpy(ram(HEADER + 19), cdb, CDROM_CDB);
	memset(ram(RESPONSE), 0xcc, 512);
	memset(ram(DATA), 0xcc, 256);
}

/* A command with room for so much; how many bytes the device says that it wrote. */
static uint32_t command(
	unsigned target, unsigned unit, uint32_t room, const uint8_t cdb[CDROM_CDB])
{
	struct world_buffer b[3] = {
		{HEADER, 19 + 32, false}, {RESPONSE, BEFORE, true}, {DATA, room, true}};
	uint32_t written;
	uint16_t id;

	put_request(target, unit, cdb);
	give(REQUEST, b, room == 0 ? 2 : 3);
	notify(REQUEST);
	work();
	assert_true(used(REQUEST, &id, &written));
	assert_false(needs_reset());
	assert_int_equal(interrupt(), QUEUE_VECTOR(REQUEST));
	return written;
}

#define COMMAND(target, unit, room, ...) \
	command(target, unit, room, (const uint8_t[CDROM_CDB]){__VA_ARGS__})

static int setup(void **state)
{
	(void)state;
	start(FEATURES);
	for (unsigned i = 0; i < scsi.count; i++) /* the reset is told */
		COMMAND(i, 0, 0, SCSI_TEST_UNIT_READY);
	return 0;
}

#endif
