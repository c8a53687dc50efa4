/* SPDX-License-Identifier: Apache-2.0 */
/* Files that clients lend to drives, by the socket of a run. */
#include "bridge_world.h"

/* ---- files for drives ---- */

/* A file of so many bytes, each of which is `is`. */
static int a_file(size_t size, uint8_t is)
{
	char name[128];
	FILE *f;
	int file;

	snprintf(name, sizeof(name), "%s/%u", folder, is);
	f = fopen(name, "w");
	assert_non_null(f);
	for (size_t i = 0; i < size; i++)
		fputc(is, f);
	fclose(f);
	file = open(name, O_RDONLY);
	unlink(name);
	assert_true(file >= 0);
	return file;
}

/* What the machine finds at the last byte of a medium of that size. */
static uint8_t at_end_of(uint32_t number, size_t size)
{
	int file = open(disk, O_RDONLY);
	uint8_t byte = 0xaa;

	assert_true(file >= 0);
	assert_int_equal(pread(file, &byte, 1, (off_t)(media_place(number) + size - 1)), 1);
	close(file);
	return byte;
}

static void a_file_is_copied_and_then_offered(void **state)
{
	(void)state;
	greeting(0);
	ask_with(0, "lend id=9 vm=a disk=cd force=1\n", a_file(40960, 3));
	assert_string_equal(sent(), "borrow id=1 vm=a disk=cd lent=1 bytes=40960 force=1");
	assert_int_equal(at_end_of(1, 40960), 3);
	assert_string_equal(line(0), "");
	nestor_says("ok");
	assert_string_equal(line(0), "answer id=9 status=ok");
	assert_int_equal(at_end_of(1, 40960), 3);
	ask(0, "eject id=10 vm=a disk=cd\n");
	assert_string_equal(sent(), "eject id=2 vm=a disk=cd");
	nestor_says("wrong-state");
	assert_int_equal(at_end_of(1, 40960), 3); /* the guest has locked it */
	assert_string_equal(line(0), "answer id=10 status=wrong-state");
	ask(0, "eject id=11 vm=a disk=cd force=1\n");
	assert_non_null(strstr(sent(), "eject"));
	nestor_says("ok");
	assert_int_equal(at_end_of(1, 40960), 0);
}

static void what_a_drive_refuses_or_has_no_more_takes_no_room(void **state)
{
	(void)state;
	greeting(0);
	ask_with(0, "lend id=1 vm=a disk=cd\n", a_file(2048, 1));
	assert_non_null(strstr(sent(), " lent=1 "));
	nestor_says("wrong-state");
	assert_int_equal(at_end_of(1, 2048), 0);
	assert_string_equal(line(0), "answer id=1 status=wrong-state");
	ask_with(0, "lend id=2 vm=a disk=cd\n", a_file(2048, 2));
	assert_non_null(strstr(sent(), " lent=2 "));
	nestor_says("ok");
	assert_string_equal(line(0), "answer id=2 status=ok");
	ask_with(0, "lend id=3 vm=a disk=cd\n", a_file(2048, 3)); /* in its place */
	assert_non_null(strstr(sent(), " lent=3 "));
	assert_int_equal(at_end_of(2, 2048), 2);
	nestor_says("ok");
	assert_int_equal(at_end_of(2, 2048), 0);
	assert_int_equal(at_end_of(3, 2048), 3);
	assert_string_equal(line(0), "answer id=3 status=ok");
	bridge_record(&b, "vm-gone vm=a");
	assert_int_equal(at_end_of(3, 2048), 0);
}

static void what_is_no_image_of_a_cd_is_refused(void **state)
{
	(void)state;
	greeting(0);
	ask(0, "lend id=1 vm=a disk=cd\n");
	assert_non_null(strstr(line(0), "no file came with it"));
	ask_with(0, "lend id=2 vm=a disk=cd\n", a_file(2047, 1));
	assert_non_null(strstr(line(0), "multiple of 2048"));
	ask_with(0, "lend id=3 vm=a disk=cd\n", a_file(0, 1));
	assert_non_null(strstr(line(0), "status=wrong-state"));
	ask_with(0, "lend id=4 vm=a disk=cd\n", open("/dev/zero", O_RDONLY));
	assert_non_null(strstr(line(0), "no file that can be read"));
	ask_with(0, "lend id=5 vm=a disk=cd\n", open(folder, O_RDONLY | O_DIRECTORY));
	assert_non_null(strstr(line(0), "no file that can be read"));
	ask(0, "borrow id=6 vm=a disk=cd lent=1 bytes=2048\n");
	assert_non_null(strstr(line(0), "status=bad-request"));
	assert_string_equal(sent(), "");
}

static void no_more_is_lent_than_there_are_slots(void **state)
{
	char line_of[64];

	(void)state;
	greeting(0);
	for (unsigned i = 0; i < MEDIA_SLOTS; i++) {
		snprintf(line_of, sizeof(line_of), "lend id=%u vm=a disk=cd%u\n", i, i);
		ask_with(0, line_of, a_file(2048, 1));
		assert_non_null(strstr(sent(), "borrow"));
		nestor_says("ok");
		assert_non_null(strstr(line(0), "status=ok"));
	}
	ask_with(0, "lend id=99 vm=a disk=more\n", a_file(2048, 1));
	assert_non_null(strstr(line(0), "as many files are lent already"));
	ask(0, "eject id=100 vm=a disk=cd3\n");
	assert_non_null(strstr(sent(), "eject"));
	nestor_says("ok");
	line(0);
	ask_with(0, "lend id=101 vm=a disk=more\n", a_file(2048, 1));
	assert_non_null(strstr(sent(), " lent=36 ")); /* the same slot */
}

/* What Nestor has stays, until the drive has another one. */
static void who_goes_while_a_file_is_lent_leaves_nothing_behind(void **state)
{
	(void)state;
	greeting(0);
	greeting(1);
	ask_with(0, "lend id=1 vm=a disk=cd\n", a_file(20u << 20, 1));
	bridge_attend(&b, 1); /* a part of it is copied */
	assert_int_equal(media.slot[1].state, MEDIA_COPIED);
	close(fd[0]);
	hear(1);
	assert_int_equal(media.slot[1].state, MEDIA_FREE);
	fd[0] = unix_socket_connect(path);
	hear(1);
	ask_with(1, "lend id=1 vm=a disk=cd\n", a_file(2048, 2));
	assert_non_null(strstr(sent(), " lent=2 "));
	hear(1);
	close(fd[1]);
	bridge_attend(&b, 1);
	nestor_says("ok");
	assert_int_equal(media.slot[2].state, MEDIA_LENT);
	fd[1] = unix_socket_connect(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_file_is_copied_and_then_offered),
		T(what_a_drive_refuses_or_has_no_more_takes_no_room),
		T(what_is_no_image_of_a_cd_is_refused),
		T(no_more_is_lent_than_there_are_slots),
		T(who_goes_while_a_file_is_lent_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("files for drives", tests, NULL, NULL);
}
