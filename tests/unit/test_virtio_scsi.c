/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SCSI host: how commands, sense data and what is read travel; who is meant; task
 * management; requests that are none.
 */
#include "scsi_world.h"

static void the_configuration_tells_queues_and_targets(void **state)
{
	(void)state;
	assert_int_equal(get(at.config + VIRTIO_SCSI_NUM_QUEUES, 4), 1);
	assert_int_equal(get(at.config + VIRTIO_SCSI_SEG_MAX, 4), 254);
	assert_int_equal(get(at.config + VIRTIO_SCSI_EVENT_INFO_SIZE, 4), 16);
	assert_int_equal(get(at.config + VIRTIO_SCSI_SENSE_SIZE, 4), 96);
	assert_int_equal(get(at.config + VIRTIO_SCSI_CDB_SIZE, 4), 32);
	assert_int_equal(get(at.config + VIRTIO_SCSI_MAX_CHANNEL, 2), 0);
	assert_int_equal(get(at.config + VIRTIO_SCSI_MAX_TARGET, 2), 1);
	assert_int_equal(get(at.config + VIRTIO_SCSI_MAX_LUN, 4), 0);
	assert_int_equal(get(WORLD_ECAM + 2, 2), VIRTIO_PCI_DEVICE + 8);
}

static void a_read_gives_response_sense_and_blocks(void **state)
{
	uint32_t n = COMMAND(0, 0, 3 * 2048, SCSI_READ_10, 0, 0, 0, 0, 7, 0, 0, 3);

	(void)state;
	assert_int_equal(n, BEFORE + 3 * 2048);
	assert_int_equal(last_response(), VIRTIO_SCSI_S_OK);
	assert_int_equal(last_status(), SCSI_GOOD);
	assert_int_equal(last_word(0), 0);
	assert_int_equal(last_word(4), 0);
	for (unsigned i = 0; i < SENSE; i++) /* what is told to be written is */
		assert_int_equal(*ram(RESPONSE + 12 + i), 0);
	assert_memory_equal(ram(DATA), image + 7 * 2048, 3 * 2048);
	COMMAND(1, 0, 2048, SCSI_READ_10, 0, 0, 0, 0, 7, 0, 0, 1);
	assert_memory_equal(ram(DATA), image + 17 * 2048, 2048);
}

static void a_large_read_takes_several_turns(void **state)
{
	struct world_buffer b[3] = {
		{HEADER, 51, false}, {RESPONSE, BEFORE, true}, {DATA, BLOCKS * 2048, true}};
	uint32_t written;
	uint16_t id;

	(void)state;
	put_request(
		0, 0, (const uint8_t[CDROM_CDB]){SCSI_READ_12, 0, 0, 0, 0, 0, 0, 0, 0, BLOCKS});
	give(REQUEST, b, 3);
	notify(REQUEST);
	assert_int_equal(work(), 3); /* of 64 KiB, and what is allowed beside */
	assert_true(used(REQUEST, &id, &written));
	assert_int_equal(written, BEFORE + BLOCKS * 2048);
	assert_memory_equal(ram(DATA), image, sizeof(image));
}

static void what_is_not_used_is_the_residual(void **state)
{
	uint32_t n = COMMAND(0, 0, 255, SCSI_INQUIRY, 0, 0, 0, 255);

	(void)state;
	assert_int_equal(n, BEFORE + 36);
	assert_int_equal(last_word(4), 255 - 36);
	assert_int_equal(*ram(DATA), 5);
	assert_int_equal(*ram(DATA + 36), 0xcc);
	COMMAND(0, 0, 64, SCSI_TEST_UNIT_READY);
	assert_int_equal(last_word(4), 64);
}

static void a_refused_command_brings_sense_data(void **state)
{
	uint32_t n = COMMAND(0, 0, 2048, SCSI_READ_10, 0, 0, 0, 1, 0, 0, 0, 1);

	(void)state;
	assert_int_equal(n, BEFORE);
	assert_int_equal(last_response(), VIRTIO_SCSI_S_OK);
	assert_int_equal(last_status(), SCSI_CHECK_CONDITION);
	assert_int_equal(last_word(0), 18);
	assert_int_equal(last_word(4), 2048);
	assert_int_equal(*ram(RESPONSE + 12), 0x70);
	assert_int_equal(*ram(RESPONSE + 12 + 2), SCSI_ILLEGAL_REQUEST);
	assert_int_equal(*ram(RESPONSE + 12 + 12), 0x21);
	assert_int_equal(*ram(DATA), 0xcc);
}

static void a_command_that_wants_more_than_its_buffers_is_an_overrun(void **state)
{
	(void)state;
	COMMAND(0, 0, 2048, SCSI_READ_10, 0, 0, 0, 0, 0, 0, 0, 2);
	assert_int_equal(last_response(), VIRTIO_SCSI_S_OVERRUN);
	assert_int_equal(last_word(4), 2048);
	assert_int_equal(*ram(DATA), 0xcc);
	COMMAND(0, 0, 100, SCSI_INQUIRY, 0, 0, 0, 101); /* though it has less to say */
	assert_int_equal(last_response(), VIRTIO_SCSI_S_OVERRUN);
}

static void targets_and_units_that_are_not_there(void **state)
{
	(void)state;
	COMMAND(2, 0, 36, SCSI_INQUIRY, 0, 0, 0, 36);
	assert_int_equal(last_response(), VIRTIO_SCSI_S_BAD_TARGET);
	COMMAND(0, 1, 36, SCSI_INQUIRY, 0, 0, 0, 36);
	assert_int_equal(last_response(), VIRTIO_SCSI_S_OK);
	assert_int_equal(*ram(DATA), 0x7f);
	COMMAND(1, 256, 0, SCSI_TEST_UNIT_READY);
	assert_int_equal(last_status(), SCSI_CHECK_CONDITION);
	assert_int_equal(*ram(RESPONSE + 12 + 12), 0x25);
	put_request(0, 0, (const uint8_t[CDROM_CDB]){SCSI_TEST_UNIT_READY});
	COMMAND(0, 0, 0, SCSI_TEST_UNIT_READY);
	assert_int_equal(last_status(), SCSI_GOOD);
}

/* Sizes of sense data and commands as the driver writes them, also odd ones. */
static void the_driver_chooses_sizes(void **state)
{
	static const uint32_t sizes[] = {0, 10, 18, 252, 3000};
	struct world_buffer b[3] = {{HEADER, 0, false}, {RESPONSE, 0, true}, {DATA, 36, true}};
	uint32_t written;
	uint16_t id;

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t cdb = i == 0 ? 6 : i * 100;

		put(at.config + VIRTIO_SCSI_SENSE_SIZE, 4, sizes[i]);
		put(at.config + VIRTIO_SCSI_CDB_SIZE, 4, cdb);
		assert_int_equal(get(at.config + VIRTIO_SCSI_SENSE_SIZE, 4), sizes[i]);
		put_request(0, 0, (const uint8_t[CDROM_CDB]){SCSI_INQUIRY, 0, 0, 0, 36});
		b[0].length = 19 + cdb;
		b[1].length = 12 + sizes[i];
		give(REQUEST, b, 3);
		notify(REQUEST);
		work();
		assert_true(used(REQUEST, &id, &written));
		assert_int_equal(written, 12 + sizes[i] + 36);
		assert_memory_equal(ram(DATA + 8), "NESTOR", 6);
		put_request(0, 0, (const uint8_t[CDROM_CDB]){0xff});
		give(REQUEST, b, 3);
		notify(REQUEST);
		work();
		assert_true(used(REQUEST, &id, &written));
		assert_int_equal(last_word(0), sizes[i] < 18 ? sizes[i] : 18);
	}
	put(at.config + VIRTIO_SCSI_MAX_TARGET, 2, 77); /* not the driver's */
	assert_int_equal(get(at.config + VIRTIO_SCSI_MAX_TARGET, 2), 1);
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	assert_int_equal(get(at.config + VIRTIO_SCSI_SENSE_SIZE, 4), 96);
	assert_int_equal(get(at.config + VIRTIO_SCSI_CDB_SIZE, 4), 32);
}

static void data_in_both_directions_fails(void **state)
{
	struct world_buffer b[4] = {{HEADER, 51, false}, {DATA + 0x1000, 8, false},
		{RESPONSE, BEFORE, true}, {DATA, 36, true}};
	uint32_t written;
	uint16_t id;

	(void)state;
	put_request(0, 0, (const uint8_t[CDROM_CDB]){SCSI_INQUIRY, 0, 0, 0, 36});
	give(REQUEST, b, 4);
	notify(REQUEST);
	work();
	assert_true(used(REQUEST, &id, &written));
	assert_int_equal(last_response(), VIRTIO_SCSI_S_FAILURE);
	assert_int_equal(last_word(4), 44);
}

/* A chain that lacks a part of header or response, or lies outside memory. */
static void what_is_no_request_stops_the_device(void **state)
{
	static const struct world_buffer chains[][2] = {
		{{HEADER, 50, false}, {RESPONSE, BEFORE, true}},
		{{HEADER, 51, false}, {RESPONSE, BEFORE - 1, true}},
		{{HEADER, 51, false}, {HEADER, 8, false}},
		{{HEADER, 51, false}, {WORLD_RAM - 8, BEFORE, true}},
		{{WORLD_RAM - 8, 51, false}, {RESPONSE, BEFORE, true}},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		start(FEATURES);
		put_request(0, 0, (const uint8_t[CDROM_CDB]){SCSI_TEST_UNIT_READY});
		give(REQUEST, chains[i], 2);
		notify(REQUEST);
		work();
		assert_true(needs_reset());
		assert_int_equal(interrupt(), CONFIG_VECTOR);
	}
}

/* ---- control queue ---- */

static void put_management(uint32_t subtype, unsigned target, unsigned unit)
{
	uint8_t lun[8] = {1, (uint8_t)target, 0x40, (uint8_t)unit};

	memset(ram(HEADER + 0x800), 0, 32);
	memcpy(ram(HEADER + 0x804), &subtype, 4);
	memcpy(ram(HEADER + 0x808), lun, 8);
	*ram(RESPONSE + 0x800) = 0xcc;
}

static const struct world_buffer management[2] = {
	{HEADER + 0x800, 24, false}, {RESPONSE + 0x800, 1, true}};

/* It may wait for the requests before it. */
static uint8_t manage(uint32_t subtype, unsigned target, unsigned unit)
{
	uint32_t written;
	uint16_t id;

	put_management(subtype, target, unit);
	give(CONTROL, management, 2);
	notify(CONTROL);
	work();
	work();
	assert_true(used(CONTROL, &id, &written));
	assert_int_equal(written, 1);
	assert_int_equal(interrupt(), QUEUE_VECTOR(CONTROL));
	return *ram(RESPONSE + 0x800);
}

static void task_management_finds_no_task(void **state)
{
	(void)state;
	assert_int_equal(manage(VIRTIO_SCSI_ABORT_TASK, 0, 0), VIRTIO_SCSI_S_OK);
	assert_int_equal(manage(VIRTIO_SCSI_QUERY_TASK_SET, 1, 0), VIRTIO_SCSI_S_OK);
	assert_int_equal(manage(VIRTIO_SCSI_ABORT_TASK, 0, 1), VIRTIO_SCSI_S_INCORRECT_LUN);
	assert_int_equal(manage(VIRTIO_SCSI_ABORT_TASK, 9, 0), VIRTIO_SCSI_S_BAD_TARGET);
	assert_int_equal(manage(VIRTIO_SCSI_CLEAR_ACA, 0, 0), VIRTIO_SCSI_S_FUNCTION_REJECTED);
	assert_int_equal(manage(99, 0, 0), VIRTIO_SCSI_S_FUNCTION_REJECTED);
}

static void resets_are_told_by_the_unit_they_are_for(void **state)
{
	(void)state;
	assert_int_equal(manage(VIRTIO_SCSI_LOGICAL_UNIT_RESET, 1, 0), VIRTIO_SCSI_S_OK);
	COMMAND(0, 0, 0, SCSI_TEST_UNIT_READY);
	assert_int_equal(last_status(), SCSI_GOOD);
	COMMAND(1, 0, 0, SCSI_TEST_UNIT_READY);
	assert_int_equal(last_status(), SCSI_CHECK_CONDITION);
	assert_int_equal(*ram(RESPONSE + 12 + 12), 0x29);
	assert_int_equal(manage(VIRTIO_SCSI_I_T_NEXUS_RESET, 0, 5), VIRTIO_SCSI_S_OK);
	COMMAND(0, 0, 0, SCSI_TEST_UNIT_READY);
	assert_int_equal(last_status(), SCSI_CHECK_CONDITION);
}

/* Requests that the driver has not told of yet, and more than a turn's worth of them. */
static void requests_before_a_task_management_function_are_done_before_it(void **state)
{
	struct world_buffer b[3] = {
		{HEADER, 51, false}, {RESPONSE, BEFORE, true}, {DATA, BLOCKS * 2048, true}};
	unsigned done = 0, turns = 0;
	uint32_t written;
	uint16_t id;

	(void)state;
	put_request(
		0, 0, (const uint8_t[CDROM_CDB]){SCSI_READ_12, 0, 0, 0, 0, 0, 0, 0, 0, BLOCKS});
	for (unsigned i = 0; i < 5; i++)
		give(REQUEST, b, 3);
	put_management(VIRTIO_SCSI_ABORT_TASK_SET, 0, 0);
	give(CONTROL, management, 2);
	notify(CONTROL);
	while (!used(CONTROL, &id, &written)) {
		while (used(REQUEST, &id, &written))
			done++;
		platform_work(&machine);
		assert_true(++turns < 1000);
	}
	assert_int_equal(done, 5);
	assert_true(turns > 5 * BLOCKS * 2048 / 65536);
	assert_int_equal(*ram(RESPONSE + 0x800), VIRTIO_SCSI_S_OK);
}

static void no_events_are_promised(void **state)
{
	struct world_buffer b[2] = {{HEADER + 0x800, 16, false}, {RESPONSE + 0x800, 5, true}};
	uint32_t written, type = VIRTIO_SCSI_T_AN_SUBSCRIBE;
	uint16_t id;

	(void)state;
	memset(ram(HEADER + 0x800), 0xff, 16);
	memcpy(ram(HEADER + 0x800), &type, 4);
	memcpy(ram(HEADER + 0x804), "\1\0\100\0\0\0\0\0", 8);
	memset(ram(RESPONSE + 0x800), 0xcc, 5);
	give(CONTROL, b, 2);
	notify(CONTROL);
	work();
	work();
	assert_true(used(CONTROL, &id, &written));
	assert_int_equal(written, 5);
	assert_memory_equal(ram(RESPONSE + 0x800), "\0\0\0\0\0", 5);
}

static void buffers_for_events_stay_with_the_device(void **state)
{
	struct world_buffer b = {DATA, 16, true};
	uint32_t written;
	uint16_t id;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		give(EVENT, &b, 1);
	notify(EVENT);
	work();
	assert_false(used(EVENT, &id, &written));
	assert_false(needs_reset());
	COMMAND(0, 0, 0, SCSI_TEST_UNIT_READY);
	assert_int_equal(last_status(), SCSI_GOOD);
}

static void control_requests_that_are_none_stop_the_device(void **state)
{
	static const struct {
		uint32_t type, read, write;
	} wrong[] = {{0, 23, 1}, {0, 24, 0}, {1, 15, 5}, {1, 16, 4}, {3, 24, 8}, {0, 2, 8}};

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct world_buffer b[2] = {{HEADER + 0x800, wrong[i].read, false},
			{RESPONSE + 0x800, wrong[i].write, true}};

		start(FEATURES);
		put_management(0, 0, 0);
		memcpy(ram(HEADER + 0x800), &wrong[i].type, 4);
		give(CONTROL, b, wrong[i].write == 0 ? 1 : 2);
		notify(CONTROL);
		work();
		work();
		assert_true(needs_reset());
	}
}

/* ---- state ---- */

static void the_state_of_drives_travels(void **state)
{
	struct virtio_scsi_state s, again;

	(void)state;
	COMMAND(1, 0, 0, SCSI_START_STOP_UNIT, 0, 0, 0, 2);
	COMMAND(0, 0, 0, SCSI_PREVENT_ALLOW, 0, 0, 0, 1);
	put(at.config + VIRTIO_SCSI_SENSE_SIZE, 4, 20);
	virtio_scsi_get_state(&scsi, &s);
	put(at.config + VIRTIO_SCSI_SENSE_SIZE, 4, 96);
	COMMAND(1, 0, 0, SCSI_START_STOP_UNIT, 0, 0, 0, 3);
	assert_true(virtio_scsi_set_state(&scsi, &s));
	virtio_scsi_get_state(&scsi, &again);
	assert_memory_equal(&s, &again, sizeof(s));
	assert_int_equal(scsi.cdrom[1].s.ejected, 1);
	assert_int_equal(scsi.cdrom[0].s.prevented, 1);
	assert_int_equal(scsi.cdrom[1].s.attention, CDROM_QUIET);
}

static void states_that_cannot_be_are_refused(void **state)
{
	struct virtio_scsi_state s, good;

	(void)state;
	virtio_scsi_get_state(&scsi, &good);
	s = good;
	s.cdrom[0].ejected = 2;
	assert_false(virtio_scsi_set_state(&scsi, &s));
	s = good;
	s.cdrom[2].ejected = 1; /* there is none */
	assert_false(virtio_scsi_set_state(&scsi, &s));
	s = good;
	s.v.config[VIRTIO_SCSI_MAX_TARGET] = 7;
	assert_false(virtio_scsi_set_state(&scsi, &s));
	assert_true(virtio_scsi_set_state(&scsi, &good));
}

static void a_state_in_the_middle_of_a_read_does_it_again(void **state)
{
	struct world_buffer b[3] = {
		{HEADER, 51, false}, {RESPONSE, BEFORE, true}, {DATA, BLOCKS * 2048, true}};
	struct virtio_scsi_state s;
	uint32_t written;
	uint16_t id;

	(void)state;
	put_request(
		0, 0, (const uint8_t[CDROM_CDB]){SCSI_READ_12, 0, 0, 0, 0, 0, 0, 0, 0, BLOCKS});
	give(REQUEST, b, 3);
	notify(REQUEST);
	assert_int_equal(platform_work(&machine), VPCI_WORK_MORE);
	virtio_scsi_get_state(&scsi, &s);
	work();
	assert_true(used(REQUEST, &id, &written));
	memset(ram(DATA), 0, BLOCKS * 2048);
	assert_true(virtio_scsi_set_state(&scsi, &s));
	work();
	assert_memory_equal(ram(DATA), image, sizeof(image));
	assert_false(needs_reset());
}

static void all_of_it_in_packed_rings(void **state)
{
	(void)state;
	start(FEATURES | VIRTIO_F_RING_PACKED);
	for (unsigned i = 0; i < scsi.count; i++)
		COMMAND(i, 0, 0, SCSI_TEST_UNIT_READY);
	a_read_gives_response_sense_and_blocks(NULL);
	task_management_finds_no_task(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(the_configuration_tells_queues_and_targets),
		T(a_read_gives_response_sense_and_blocks),
		T(a_large_read_takes_several_turns),
		T(what_is_not_used_is_the_residual),
		T(a_refused_command_brings_sense_data),
		T(a_command_that_wants_more_than_its_buffers_is_an_overrun),
		T(targets_and_units_that_are_not_there),
		T(the_driver_chooses_sizes),
		T(data_in_both_directions_fails),
		T(what_is_no_request_stops_the_device),
		T(task_management_finds_no_task),
		T(resets_are_told_by_the_unit_they_are_for),
		T(requests_before_a_task_management_function_are_done_before_it),
		T(no_events_are_promised),
		T(buffers_for_events_stay_with_the_device),
		T(control_requests_that_are_none_stop_the_device),
		T(the_state_of_drives_travels),
		T(states_that_cannot_be_are_refused),
		T(a_state_in_the_middle_of_a_read_does_it_again),
		T(all_of_it_in_packed_rings),
	};

	return cmocka_run_group_tests_name("virtio SCSI host", tests, NULL, NULL);
}
