/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of NBD against a server that says what the test wants: handshakes good and bad,
 * connections that end anywhere, requests and replies byte by byte.
 */
#include "nbd_script.h"

#define DATA 1000u /* bytes of a write */

static int setup(void **state)
{
	(void)state;
	start("root");
	return 0;
}

static void ready(void)
{
	say_all(0);
	assert_int_equal(answer_all(), NBD_WORKS);
	say_count = hear_count = 0;
}

/* ---- good ---- */

static void a_server_is_asked_for_the_export_by_its_name(void **state)
{
	(void)state;
	say_all(0);
	assert_int_equal(answer_all(), NBD_WORKS);
	assert_int_equal(n.phase, NBD_READY);
	assert_int_equal(n.has, SIZE);
	assert_int_equal(n.flags, NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA);
	assert_int_equal(n.most, 32 << 20);
	assert_int_equal(hear_count, 4 + 16 + 4 + 4 + 4);
	assert_int_equal(number(0, 4), NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	assert_int_equal(number(4, 8), NBD_OPTION_MAGIC);
	assert_int_equal(number(12, 4), NBD_OPT_GO);
	assert_int_equal(number(16, 4), 4 + 4 + 4);
	assert_int_equal(number(20, 4), 4);
	assert_memory_equal(heard + 24, "root", 4);
	assert_int_equal(number(28, 2), 1);
	assert_int_equal(number(30, 2), NBD_INFO_BLOCK_SIZE);
}

static void the_longest_name_is_sent_whole_and_none_is_no_name(void **state)
{
	static const char name[] =
		"a-name-of-63-letters-is-the-longest-that-the-settings-can-have!";

	(void)state;
	start(name);
	say_all(0);
	assert_int_equal(answer_all(), NBD_WORKS);
	assert_int_equal(number(20, 4), 63);
	assert_memory_equal(heard + 24, name, 63);
	start("");
	say_all(0);
	assert_int_equal(answer_all(), NBD_WORKS);
	assert_int_equal(number(20, 4), 0);
	assert_int_equal(hear_count, 4 + 16 + 4 + 4);
}

/* "Client flags": what the server did not offer must not be set. */
static void flags_that_a_server_has_not_are_not_answered(void **state)
{
	(void)state;
	say_greeting(NBD_FIXED_NEWSTYLE);
	say_export(SIZE, NBD_FLAG_SEND_FUA);
	say_answer(NBD_REP_ACK, 0);
	assert_int_equal(answer_all(), NBD_WORKS);
	assert_int_equal(number(0, 4), NBD_FIXED_NEWSTYLE);
}

static void the_largest_payload_is_the_servers(void **state)
{
	static const struct {
		uint32_t says, is;
	} sizes[] = {
		{4096, 4096}, {65536, 65536}, {1u << 25, 1u << 25}, {UINT32_MAX, UINT32_MAX}};

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		start("root");
		say_all(sizes[i].says);
		assert_int_equal(answer_all(), NBD_WORKS);
		assert_int_equal(n.most, sizes[i].is);
	}
}

/* It would have to refuse reads and writes of a sector, or of a page. */
static void a_server_whose_blocks_do_not_suit_sectors_is_none(void **state)
{
	static const struct {
		uint32_t least, most;
		enum nbd_step step;
	} sizes[] = {{0, 65536, NBD_WORKS}, {512, 65536, NBD_WORKS}, {1024, 65536, NBD_LOST},
		{4096, 65536, NBD_LOST}, {UINT32_MAX, UINT32_MAX, NBD_LOST}, {1, 0, NBD_LOST},
		{1, 4095, NBD_LOST}};

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		start("root");
		say_greeting(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
		say_block_size(sizes[i].least, sizes[i].most);
		say_export(SIZE, NBD_FLAG_SEND_FLUSH);
		say_answer(NBD_REP_ACK, 0);
		assert_int_equal(answer_all(), sizes[i].step);
	}
}

static void what_it_does_not_know_is_skipped(void **state)
{
	(void)state;
	say_greeting(0xffff);
	say_answer(NBD_REP_INFO, 30); /* a name */
	say(1, 2);
	for (unsigned i = 0; i < 28; i++)
		say('n', 1);
	say_answer(2, 0);            /* another type of answer */
	say_answer(NBD_REP_INFO, 0); /* of no kind */
	say_answer(NBD_REP_INFO, 1); /* nor this */
	say(0, 1);
	say_answer(NBD_REP_INFO, 13); /* kinds that are known, of sizes that are not */
	say(NBD_INFO_EXPORT, 2);
	say(1, 8);
	say(0, 3);
	say_answer(NBD_REP_INFO, 6);
	say(NBD_INFO_BLOCK_SIZE, 2);
	say(4096, 4);
	say_export(SIZE + 512, 0xffff & ~NBD_FLAG_READ_ONLY);
	say_answer(NBD_REP_ACK, 0);
	assert_int_equal(answer_all(), NBD_WORKS);
	assert_int_equal(n.has, SIZE + 512);
	assert_int_equal(n.most, 32 << 20);
}

static void a_handshake_may_come_byte_by_byte(void **state)
{
	(void)state;
	say_all(65536);
	accept();
	for (uint32_t i = 0; i < say_count; i++) {
		assert_int_equal(nbd_step(&n), NBD_WAITS);
		deliver(i, 1);
	}
	assert_int_equal(nbd_step(&n), NBD_WORKS);
	assert_int_equal(ring_waiting(nbd_in(&n)), 0);
}

static void what_comes_behind_the_handshake_is_left_there(void **state)
{
	(void)state;
	say_all(65536);
	say(NBD_REPLY_MAGIC, 4);
	assert_int_equal(answer_all(), NBD_WORKS);
	assert_int_equal(ring_waiting(nbd_in(&n)), 4);
}

/* ---- bad ---- */

static void expect_lost(const char *why, uint32_t code)
{
	assert_int_equal(answer_all(), NBD_LOST);
	assert_string_equal(n.why, why);
	assert_int_equal(n.why_code, code);
	assert_int_equal(n.phase, NBD_CLOSED);
	assert_int_equal(stream_state(&s), STREAM_CLOSED);
}

static void an_export_that_is_too_small_is_refused(void **state)
{
	(void)state;
	say_greeting(NBD_FIXED_NEWSTYLE);
	say_export(SIZE - 1, 0);
	say_answer(NBD_REP_ACK, 0);
	expect_lost("the server's export is smaller than the disk", 0);
}

static void an_export_that_is_readonly_is_for_disks_that_are(void **state)
{
	(void)state;
	for (unsigned writes = 0; writes < 2; writes++) {
		start("root");
		n.writes = writes;
		say_greeting(NBD_FIXED_NEWSTYLE);
		say_export(SIZE, 1 | NBD_FLAG_READ_ONLY);
		say_answer(NBD_REP_ACK, 0);
		assert_int_equal(answer_all(), writes ? NBD_LOST : NBD_WORKS);
	}
	assert_string_equal(n.why, "the server's export is readonly, and the disk is not");
}

static void an_export_of_unknown_size_is_refused(void **state)
{
	(void)state;
	say_greeting(NBD_FIXED_NEWSTYLE);
	say_answer(NBD_REP_INFO, 13);
	say(NBD_INFO_EXPORT, 2);
	say(SIZE, 8);
	say(0, 3);
	say_answer(NBD_REP_ACK, 0);
	expect_lost("the server does not say how large its export is", 0);
}

static void an_error_of_the_server_is_told_with_its_number(void **state)
{
	(void)state;
	say_greeting(NBD_FIXED_NEWSTYLE);
	say_export(SIZE, 0);
	say_answer(NBD_REP_ERROR | 6, 100000); /* with a text as long as you please */
	expect_lost("the server refuses the export", 6);
}

static void what_is_no_server_of_today_is_refused(void **state)
{
	static const struct {
		uint64_t first, second;
		unsigned flags;
	} bad[] = {{NBD_MAGIC ^ 1, NBD_OPTION_MAGIC, 1}, {NBD_MAGIC, NBD_OPTION_MAGIC ^ 1, 1},
		{NBD_MAGIC, UINT64_C(0x00420281861253), 1}, {NBD_MAGIC, NBD_OPTION_MAGIC, 2},
		{0, 0, 0}};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start("root");
		say(bad[i].first, 8);
		say(bad[i].second, 8);
		say(bad[i].flags, 2);
		expect_lost("what answers there is no NBD server of today", 0);
		assert_int_equal(hear_count, 0);
	}
}

static void answers_of_another_kind_are_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		start("root");
		say_greeting(NBD_FIXED_NEWSTYLE);
		say(NBD_ANSWER_MAGIC ^ (i == 0), 8);
		say(NBD_OPT_GO ^ (i == 1), 4);
		say(NBD_REP_ACK, 4);
		say(0, 4);
		expect_lost("the server's answer is none of the protocol", 0);
	}
}

static void an_answer_of_any_length_is_refused(void **state)
{
	(void)state;
	say_greeting(NBD_FIXED_NEWSTYLE);
	say_answer(NBD_REP_INFO, 65537);
	expect_lost("the server's answer is too long", 0);
}

/* Each is skipped as it comes; in the end there are too many. */
static void answers_without_end_are_refused(void **state)
{
	enum nbd_step step = NBD_WAITS;
	unsigned answers = 0;

	(void)state;
	say_greeting(NBD_FIXED_NEWSTYLE);
	accept();
	deliver(0, say_count);
	say_count = 0;
	say_answer(NBD_REP_INFO, 1000);
	for (unsigned i = 0; i < 1000; i++)
		say(0xff, 1);
	for (; step == NBD_WAITS; answers++) {
		assert_in_range(answers, 0, 64);
		deliver(0, say_count);
		step = nbd_step(&n);
		assert_true(answers == 64 || ring_waiting(nbd_in(&n)) == 0);
		hear();
	}
	assert_int_equal(step, NBD_LOST);
	assert_int_equal(answers, 65);
	assert_string_equal(n.why, "the server's answer is too long");
}

/* ---- the end ---- */

static void where_nobody_listens_there_is_no_connection(void **state)
{
	(void)state;
	assert_int_equal(nbd_step(&n), NBD_WAITS);
	stream_end(&s, stream_wanted(&s));
	assert_int_equal(nbd_step(&n), NBD_LOST);
	assert_string_equal(n.why, "nobody listens there");
	assert_int_equal(nbd_step(&n), NBD_WAITS); /* the other side has not let it go */
	assert_int_equal(n.phase, NBD_CLOSED);
	stream_see_closed(&s, stream_wanted(&s));
	ready();
}

/* In the handshake or behind it, and then the next connection is as good as the first. */
static void the_connection_may_end_at_each_byte(void **state)
{
	(void)state;
	for (unsigned late = 0; late < 2; late++)
		for (uint32_t end = 0; end < say_count || end == 0; end++) {
			start("root");
			say_all(65536);
			accept();
			if (!late)
				assert_int_equal(nbd_step(&n), NBD_WAITS);
			deliver(0, end);
			if (!late)
				assert_int_equal(nbd_step(&n), NBD_WAITS);
			stream_end(&s, stream_wanted(&s));
			assert_int_equal(nbd_step(&n), NBD_LOST);
			assert_string_equal(
				n.why, late ? "nobody listens there"
					    : "the server has closed the connection");
			stream_see_closed(&s, stream_wanted(&s));
			say_count = hear_count = 0;
			say_all(4096);
			assert_int_equal(answer_all(), NBD_WORKS);
			assert_int_equal(n.most, 4096);
		}
}

static void what_a_server_had_sent_before_the_end_is_read(void **state)
{
	struct nbd_reply r;

	(void)state;
	ready();
	for (unsigned i = 0; i < 2; i++) {
		say(NBD_REPLY_MAGIC, 4);
		say(0, 4);
		say(i, 8);
	}
	say(NBD_REPLY_MAGIC, 4);
	deliver(0, say_count);
	stream_end(&s, stream_wanted(&s));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(nbd_step(&n), NBD_WORKS);
		assert_int_equal(nbd_receive(&n, &r), NBD_REPLY);
		assert_int_equal(r.cookie, i);
	}
	assert_int_equal(nbd_step(&n), NBD_WORKS); /* what is left is not a reply */
	assert_int_equal(nbd_receive(&n, &r), NBD_NOTHING);
	assert_int_equal(nbd_step(&n), NBD_LOST);
}

static void a_server_whose_vm_is_gone_never_answers(void **state)
{
	(void)state;
	assert_int_equal(nbd_step(&n), NBD_WAITS);
	stream_acceptor_ended(&s, true);
	assert_int_equal(nbd_step(&n), NBD_NEVER);
	start("root");
	ready();
	stream_acceptor_ended(&s, true);
	assert_int_equal(nbd_step(&n), NBD_NEVER);
	assert_int_equal(nbd_step(&n), NBD_NEVER);
}

static void a_vm_that_starts_again_is_asked_again(void **state)
{
	(void)state;
	ready();
	stream_acceptor_ended(&s, false);
	assert_int_equal(nbd_step(&n), NBD_WORKS); /* with what had come */
	assert_int_equal(nbd_step(&n), NBD_LOST);
	assert_int_equal(nbd_step(&n), NBD_WAITS);
	stream_see_closed(&s, stream_wanted(&s));
	ready();
}

static void one_that_is_closed_begins_anew(void **state)
{
	(void)state;
	say_greeting(NBD_FIXED_NEWSTYLE);
	say_answer(NBD_REP_INFO, 500); /* whose rest has not come */
	assert_int_equal(answer_all(), NBD_WAITS);
	nbd_close(&n);
	assert_int_equal(nbd_step(&n), NBD_WAITS);
	stream_see_closed(&s, stream_wanted(&s));
	say_count = hear_count = 0;
	ready();
}

/* Its sizes of blocks, its size, and how much it says. */
static void a_server_is_judged_by_what_it_says_now(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		say_greeting(NBD_FIXED_NEWSTYLE);
		for (unsigned k = 0; k < 50; k++)
			say_answer(NBD_REP_INFO, 0);
		if (i % 2 == 0) {
			say_export(SIZE, 0);
			say_block_size(4096, 512);
		}
		say_answer(NBD_REP_ACK, 0);
		assert_int_equal(answer_all(), NBD_LOST);
		assert_int_equal(nbd_step(&n), NBD_WAITS);
		stream_see_closed(&s, stream_wanted(&s));
		say_count = hear_count = 0;
	}
	ready();
	assert_int_equal(n.least, 1);
	assert_int_equal(n.most, 32 << 20);
}

/* ---- requests and replies ---- */

static void a_request_goes_with_its_data_at_once(void **state)
{
	const struct nbd_request r = {.flags = NBD_CMD_FLAG_FUA,
		.command = NBD_CMD_WRITE,
		.cookie = UINT64_C(0x1122334455667788),
		.offset = UINT64_C(0x99aabbccddee00),
		.length = DATA};
	uint8_t data[DATA];

	(void)state;
	ready();
	memset(data, 0x5a, DATA);
	for (unsigned i = 0; i < 40; i++) { /* over the end of the ring */
		hear_count = 0;
		ring_put(nbd_out(&n), NBD_REQUEST_SIZE, data, DATA);
		assert_int_equal(ring_waiting(nbd_out(&n)), 0);
		nbd_send(&n, &r, DATA);
		hear();
		assert_int_equal(hear_count, 28 + DATA);
		assert_int_equal(number(0, 4), NBD_REQUEST_MAGIC);
		assert_int_equal(number(4, 2), NBD_CMD_FLAG_FUA);
		assert_int_equal(number(6, 2), NBD_CMD_WRITE);
		assert_int_equal(number(8, 8), r.cookie);
		assert_int_equal(number(16, 8), r.offset);
		assert_int_equal(number(24, 4), DATA);
		assert_memory_equal(heard + 28, data, DATA);
	}
}

static void a_reply_is_read_when_all_of_it_is_there(void **state)
{
	struct nbd_reply r;

	(void)state;
	ready();
	say(NBD_REPLY_MAGIC, 4);
	say(22, 4);
	say(UINT64_C(0x1122334455667788), 8);
	for (uint32_t i = 0; i < say_count; i++) {
		assert_int_equal(nbd_receive(&n, &r), NBD_NOTHING);
		deliver(i, 1);
	}
	assert_int_equal(nbd_receive(&n, &r), NBD_REPLY);
	assert_int_equal(r.error, 22);
	assert_int_equal(r.cookie, UINT64_C(0x1122334455667788));
	assert_int_equal(nbd_receive(&n, &r), NBD_NOTHING);
}

static void what_is_no_reply_closes_the_connection(void **state)
{
	struct nbd_reply r;

	(void)state;
	ready();
	say(0x668e33ef, 4); /* a structured one, that nobody asked for */
	say(0, 8);
	say(0, 8);
	deliver(0, say_count);
	assert_int_equal(nbd_receive(&n, &r), NBD_NO_REPLY);
	assert_int_equal(n.phase, NBD_CLOSED);
	assert_int_equal(stream_state(&s), STREAM_CLOSED);
	assert_string_equal(n.why, "the server's reply is none of the protocol");
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_server_is_asked_for_the_export_by_its_name),
		T(the_longest_name_is_sent_whole_and_none_is_no_name),
		T(flags_that_a_server_has_not_are_not_answered),
		T(the_largest_payload_is_the_servers),
		T(a_server_whose_blocks_do_not_suit_sectors_is_none),
		T(what_it_does_not_know_is_skipped),
		T(a_handshake_may_come_byte_by_byte),
		T(what_comes_behind_the_handshake_is_left_there),
		T(an_export_that_is_too_small_is_refused),
		T(an_export_that_is_readonly_is_for_disks_that_are),
		T(an_export_of_unknown_size_is_refused),
		T(an_error_of_the_server_is_told_with_its_number),
		T(what_is_no_server_of_today_is_refused),
		T(answers_of_another_kind_are_refused),
		T(an_answer_of_any_length_is_refused),
		T(answers_without_end_are_refused),
		T(where_nobody_listens_there_is_no_connection),
		T(the_connection_may_end_at_each_byte),
		T(what_a_server_had_sent_before_the_end_is_read),
		T(a_server_whose_vm_is_gone_never_answers),
		T(a_vm_that_starts_again_is_asked_again),
		T(one_that_is_closed_begins_anew),
		T(a_server_is_judged_by_what_it_says_now),
		T(a_request_goes_with_its_data_at_once),
		T(a_reply_is_read_when_all_of_it_is_there),
		T(what_is_no_reply_closes_the_connection),
	};

	return cmocka_run_group_tests_name("NBD client", tests, NULL, NULL);
}
