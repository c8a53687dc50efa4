/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in words: what is one, what is none and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/frame.h"
#include "lib/manage.h"

#include <cmocka.h>

static struct manage_request r;
static const char *why;

static bool parse(const char *line)
{
	return manage_parse(text_of(line, strlen(line)), &r, &why);
}

static void a_request_has_its_word_its_id_and_its_arguments_in_any_order(void **state)
{
	(void)state;
	assert_true(parse("list id=0"));
	assert_int_equal(r.op, MANAGE_LIST);
	assert_true(parse(
		"  read size=16 at=0xffff800000000000 vm=a-1\tid=4294967295 vcpu=7 level=2\n"));
	assert_int_equal(r.op, MANAGE_READ);
	assert_string_equal(r.vm, "a-1");
	assert_int_equal(r.number[MANAGE_ARG_ID], 4294967295);
	assert_true(r.number[MANAGE_ARG_AT] == 0xffff800000000000);
	assert_int_equal(r.number[MANAGE_ARG_SIZE], 16);
	assert_int_equal(r.number[MANAGE_ARG_VCPU], 7);
	assert_int_equal(r.number[MANAGE_ARG_LEVEL], 2);
	assert_false(manage_given(&r, MANAGE_ARG_PHYSICAL));
	assert_null(why);
}

static void texts_are_told_apart(void **state)
{
	char line[MANAGE_LINE + 1], longest[MANAGE_WITH + 2];

	(void)state;
	assert_true(parse("define id=1 like=b with=memory=64M;cpus=2 vm=a"));
	assert_int_equal(r.op, MANAGE_DEFINE);
	assert_string_equal(r.vm, "a");
	assert_string_equal(r.like, "b");
	assert_string_equal(r.with, "memory=64M;cpus=2");
	assert_false(parse("define id=1 vm=a"));
	assert_false(parse("define id=1 vm=a like="));
	assert_false(parse("define id=1 vm=a like=b with="));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[MANAGE_WITH] = 0;
	snprintf(line, sizeof(line), "define id=1 vm=a like=b with=%s", longest);
	assert_true(parse(line));
	assert_string_equal(r.with, longest);
	longest[MANAGE_WITH] = 'x';
	longest[MANAGE_WITH + 1] = 0;
	snprintf(line, sizeof(line), "define id=1 vm=a like=b with=%s", longest);
	assert_false(parse(line));
}

static void texts_and_numbers_are_where_their_argument_is(void **state)
{
	(void)state;
	assert_true(parse("insert id=1 vm=a disk=cdrom0 image=debian.iso force=1"));
	assert_int_equal(r.op, MANAGE_INSERT);
	assert_int_equal(manage_place(r.op), MANAGE_BY_DEVICE);
	assert_string_equal(r.vm, "a");
	assert_string_equal(r.disk, "cdrom0");
	assert_string_equal(r.image, "debian.iso");
	assert_string_equal(r.device, "");
	assert_int_equal(r.number[MANAGE_ARG_FORCE], 1);
	assert_true(parse("lend id=1 vm=a disk=cdrom0"));
	assert_int_equal(manage_place(r.op), MANAGE_BY_TOOL);
	assert_true(parse("borrow id=1 vm=a disk=cdrom0 lent=7 bytes=4096 force=1"));
	assert_int_equal(manage_place(r.op), MANAGE_BY_DEVICE);
	assert_int_equal(r.number[MANAGE_ARG_LENT], 7);
	assert_false(parse("borrow id=1 vm=a disk=cdrom0 lent=0 bytes=4096"));
	assert_false(parse("borrow id=1 vm=a disk=cdrom0 lent=1"));
	assert_true(parse("pins id=1 vm=a cpus=0,2-3,1000-1023"));
	assert_string_equal(r.cpus, "0,2-3,1000-1023");
	assert_false(parse("pins id=1 vm=a cpus="));
	assert_false(parse("weight id=1 vm=a weight=0"));
	assert_false(parse("weight id=1 vm=a weight=10001"));
	assert_true(parse("weight id=1 vm=a weight=10000"));
	assert_false(parse("insert id=1 vm=a disk=cdrom0"));
	assert_false(parse("eject id=1 vm=a disk=cdrom0 image=x"));
	assert_false(parse("link id=1 vm=a net=4 up=1"));
	assert_true(parse("link id=1 vm=a net=3 up=0"));
}

static void bytes_are_pairs_of_digits(void **state)
{
	(void)state;
	assert_true(parse("write id=1 vm=a at=0 data=00ff7e"));
	assert_int_equal(r.number[MANAGE_ARG_DATA], 3);
	assert_memory_equal(r.data, "\0\xff\x7e", 3);
	assert_false(parse("write id=1 vm=a at=0 data=0"));
	assert_false(parse("write id=1 vm=a at=0 data="));
	assert_false(parse("write id=1 vm=a at=0 data=0G"));
	assert_false(parse("write id=1 vm=a at=0 data=FF"));
}

static void words_have_room_for_each_register(void **state)
{
	(void)state;
	assert_true(parse("set id=1 vm=a register=gs_base value=0xffffffffffffffff"));
	assert_string_equal(r.word, "gs_base");
	assert_true(r.number[MANAGE_ARG_VALUE] == UINT64_MAX);
	assert_true(parse("break id=1 vm=a at=0x1000 kind=elevenchars"));
	assert_string_equal(r.word, "elevenchars");
	assert_string_equal(r.vm, "a");
	assert_false(parse("break id=1 vm=a at=0x1000 kind=twelve-chars"));
	assert_false(parse("break id=1 vm=a at=0x1000 kind="));
	assert_true(parse("unbreak id=1 vm=a"));
	assert_string_equal(r.word, "");
}

static void as_many_bytes_go_as_there_is_room_for_and_no_more(void **state)
{
	char line[MANAGE_LINE + 1];
	int n = snprintf(
		line, sizeof(line), "write id=4294967295 vm=a at=0xffffffffffffffff data=");

	(void)state;
	memset(line + n, 'a', 2 * MANAGE_DATA + 2);
	line[n + 2 * (int)MANAGE_DATA] = 0;
	assert_true(parse(line));
	line[n + 2 * (int)MANAGE_DATA] = 'a';
	line[n + 2 * (int)MANAGE_DATA + 2] = 0;
	assert_false(parse(line));
}

static void assert_refused(const char *line, const char *words, uint64_t id)
{
	assert_false(parse(line));
	assert_string_equal(why, words);
	assert_true(r.number[MANAGE_ARG_ID] == id);
}

static void what_is_none_is_refused_with_a_reason_and_its_id(void **state)
{
	char name[LIMIT_NAME + 20] = "stop id=4 vm=";

	(void)state;
	assert_refused("", "it has no id", 0);
	assert_refused("list", "it has no id", 0);
	assert_refused("lists id=5", "there is no such request", 5);
	assert_refused("stop id=5", "vm is missing", 5);
	assert_refused("list id=5 vm=a", "vm is no argument of it", 5);
	assert_refused("stop id=5 vm=a vm=b", "vm is there twice", 5);
	assert_refused("stop id=5 vm=a id=6", "id is there twice", 5);
	assert_refused("stop id=5 a", "an argument must be KEY=VALUE", 5);
	assert_refused("stop id=5 vm=", "vm must have 1 to 31 characters", 5);
	assert_refused("stop who=1 vm=a id=5", "there is no such argument", 5);
	assert_refused("regs id=5 vm=a level=3", "level must be a number from 0 to 2", 5);
	assert_refused("regs id=5 vm=a vcpu=288", "vcpu must be a number from 0 to 287", 5);
	assert_refused("read id=5 vm=a at=0 size=0", "size must be a number from 1 to 256", 5);
	assert_refused(
		"read id=5 vm=a at=0 size=257", "size must be a number from 1 to 256", 5);
	assert_refused("list id=4294967296", "id must be a number from 0 to 4294967295", 0);
	memset(name + strlen(name), 'x', LIMIT_NAME);
	assert_refused(name, "vm must have 1 to 31 characters", 4);
	assert_refused("read id=5 vm=a at=x size=1", "at must be a number of 64 bits", 5);
	assert_refused("write id=5 vm=a at=0 data=abc",
		"data must be 1 to 64 bytes, each of two hexadecimal digits", 5);
}

static void each_request_has_a_word_and_each_status(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MANAGE_OPS; i++)
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(manage_word(i), manage_word(k));
	assert_string_equal(manage_word(MANAGE_POWERDOWN), "powerdown");
	assert_string_equal(manage_status_word(MANAGE_IS_NO_MEMORY), "no-memory");
	assert_int_equal(manage_place(MANAGE_LIST), MANAGE_BY_HOST);
	assert_int_equal(manage_place(MANAGE_REGS), MANAGE_BY_VCPU);
	assert_int_equal(manage_place(MANAGE_TYPE), MANAGE_BY_TOOL);
}

static void the_longest_request_is_a_frame(void **state)
{
	char line[MANAGE_LINE + 1];
	struct frame f = {
		FRAME_REQUEST, L0_CHANNEL_CONTROL, MANAGE_LINE, (const uint8_t *)line};

	(void)state;
	assert_true(frame_valid(&f));
	f.size++;
	assert_false(frame_valid(&f));
	f.size = 0;
	assert_false(frame_valid(&f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_has_its_word_its_id_and_its_arguments_in_any_order),
		cmocka_unit_test(texts_are_told_apart),
		cmocka_unit_test(texts_and_numbers_are_where_their_argument_is),
		cmocka_unit_test(bytes_are_pairs_of_digits),
		cmocka_unit_test(words_have_room_for_each_register),
		cmocka_unit_test(as_many_bytes_go_as_there_is_room_for_and_no_more),
		cmocka_unit_test(what_is_none_is_refused_with_a_reason_and_its_id),
		cmocka_unit_test(each_request_has_a_word_and_each_status),
		cmocka_unit_test(the_longest_request_is_a_frame),
	};

	return cmocka_run_group_tests_name("requests in words", tests, NULL, NULL);
}
