/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of memory that move between VMs: nobody gets what another is promised, nothing is lost
 * or given out twice, and nothing is given out before it was wiped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "policy/chunks.h"
#include "random.h"

static struct chunks c;

static void start(uint32_t count)
{
	memset(&c, 0, sizeof(c));
	for (uint32_t i = 1; i <= count; i++)
		assert_true(chunks_add(&c, 0, i, true));
}

static void wipe_all(void)
{
	unsigned owner;
	uint32_t frame;

	while ((frame = chunks_to_wipe(&c, &owner)) != CHUNK_NONE)
		chunks_wiped(&c, owner, 0, frame);
}

static void a_vm_gets_its_reserve_whatever_others_take(void **state)
{
	(void)state;
	start(10);
	assert_true(chunks_open(&c, 0, 4, 0));
	assert_true(chunks_open(&c, 1, 2, 0));
	for (unsigned i = 0; i < 6; i++) /* its 2, and the 4 that are nobody's */
		assert_int_not_equal(chunks_take(&c, 1, 0), CHUNK_NONE);
	assert_false(chunks_can_take(&c, 1));
	assert_int_equal(chunks_take(&c, 1, 0), CHUNK_NONE);
	for (unsigned i = 0; i < 4; i++)
		assert_int_not_equal(chunks_take(&c, 0, 0), CHUNK_NONE);
	assert_int_equal(chunks_take(&c, 0, 0), CHUNK_NONE);
}

static void more_than_there_is_cannot_be_promised(void **state)
{
	(void)state;
	start(10);
	assert_true(chunks_open(&c, 0, 4, 2));
	assert_false(chunks_open(&c, 1, 4, 1));
	assert_false(chunks_open(&c, 1, UINT32_MAX, 1));
	assert_true(chunks_open(&c, 1, 4, 0));
}

static void what_is_given_back_is_used_again_when_it_is_wiped(void **state)
{
	unsigned owner;
	uint32_t frame;

	(void)state;
	start(1);
	assert_true(chunks_open(&c, 0, 0, 0));
	frame = chunks_take(&c, 0, 0);
	assert_int_equal(frame, 1);
	chunks_give(&c, 0, frame);
	assert_int_equal(chunks_used(&c, 0), 1);
	assert_int_equal(chunks_take(&c, 0, 0), CHUNK_NONE);
	assert_int_equal(chunks_to_wipe(&c, &owner), 1);
	assert_int_equal(owner, 0);
	assert_int_equal(chunks_take(&c, 0, 0), CHUNK_NONE);
	chunks_wiped(&c, owner, 0, 1);
	assert_int_equal(chunks_used(&c, 0), 0);
	assert_int_equal(chunks_take(&c, 0, 0), 1);
}

static void the_spare_is_for_l0_alone_and_paid_back_first(void **state)
{
	uint32_t frame;

	(void)state;
	start(4);
	assert_true(chunks_open(&c, 0, 2, 2));
	assert_int_not_equal(chunks_take(&c, 0, 0), CHUNK_NONE);
	frame = chunks_take(&c, 0, 0);
	assert_int_not_equal(frame, CHUNK_NONE);
	assert_int_equal(chunks_take(&c, 0, 0), CHUNK_NONE);
	assert_int_not_equal(chunks_take_spare(&c, 0, 0), CHUNK_NONE);
	assert_int_not_equal(chunks_take_spare(&c, 0, 0), CHUNK_NONE);
	assert_int_equal(chunks_take_spare(&c, 0, 0), CHUNK_NONE);
	assert_false(chunks_settle(&c, 0));
	chunks_give(&c, 0, frame);
	wipe_all();
	assert_false(chunks_can_take(&c, 0));
	assert_false(chunks_settle(&c, 0));
	assert_int_not_equal(chunks_take_spare(&c, 0, 0), CHUNK_NONE);
}

static void the_spare_is_made_whole_from_what_nobody_is_promised(void **state)
{
	(void)state;
	start(4);
	assert_true(chunks_open(&c, 0, 1, 2));
	assert_int_not_equal(chunks_take(&c, 0, 0), CHUNK_NONE);
	assert_int_not_equal(chunks_take(&c, 0, 0), CHUNK_NONE); /* nobody's */
	assert_int_not_equal(chunks_take_spare(&c, 0, 0), CHUNK_NONE);
	assert_false(chunks_settle(&c, 0));
	assert_true(chunks_add(&c, 0, 5, true));
	assert_true(chunks_settle(&c, 0));
	assert_int_equal(chunks_take(&c, 0, 0), CHUNK_NONE);
}

static void what_a_vm_had_is_everybodys_when_it_is_gone(void **state)
{
	uint32_t frame;

	(void)state;
	start(4);
	assert_true(chunks_open(&c, 0, 2, 1));
	assert_true(chunks_open(&c, 1, 0, 0));
	frame = chunks_take(&c, 0, 0);
	chunks_close(&c, 0);
	assert_int_equal(chunks_used(&c, 0), 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_not_equal(chunks_take(&c, 1, 0), CHUNK_NONE);
	chunks_give(&c, 0, frame);
	wipe_all();
	assert_int_equal(chunks_used(&c, 0), 0);
	assert_int_equal(chunks_take(&c, 1, 0), frame);
}

static void so_many_chunks_are_known_and_no_more(void **state)
{
	(void)state;
	start(CHUNKS_MAX - 1);
	assert_true(chunks_add(&c, 0, CHUNKS_MAX, false));
	assert_false(chunks_add(&c, 0, CHUNKS_MAX + 1, true));
	assert_false(chunks_add(&c, 0, CHUNKS_MAX + 1, false));
}

static void chunks_of_a_node_are_given_to_who_wants_them_there(void **state)
{
	unsigned owner;

	(void)state;
	memset(&c, 0, sizeof(c));
	for (uint32_t i = 1; i <= 9; i++)
		assert_true(chunks_add(&c, i % 3 * 31, i, true)); /* nodes 0, 31, 62 */
	assert_true(chunks_open(&c, 0, 0, 0));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(chunks_take(&c, 0, 31) % 3, 1);
	/* And then others, whatever was asked for. */
	assert_int_equal(chunks_take(&c, 0, 31) % 3, 0);
	assert_int_equal(chunks_take(&c, 0, UINT32_MAX) % 3, 0);
	assert_int_equal(chunks_take(&c, 0, 62) % 3, 2);
	chunks_give(&c, 0, 4);
	assert_int_equal(chunks_to_wipe(&c, &owner), 4);
	chunks_wiped(&c, owner, 31, 4);
	assert_int_equal(chunks_take(&c, 0, 31), 4);
}

/* ---- any sequence of steps ---- */

#define MODEL_VMS    3u
#define MODEL_CHUNKS 64u

static struct {
	uint8_t where[MODEL_CHUNKS + 1]; /* whose it is: 0 free, vm + 1 */
	uint32_t has[MODEL_VMS][MODEL_CHUNKS];
	uint32_t count[MODEL_VMS];
	uint32_t waits; /* to be wiped */
	uint32_t lost;
} model;

static void check_books(void)
{
	uint32_t promised = 0, used = 0;

	for (unsigned vm = 0; vm < MODEL_VMS; vm++) {
		const struct chunk_account *a = &c.account[vm];

		assert_true(a->lent <= a->spare);
		promised +=
			a->spare - a->lent + (a->used < a->reserve ? a->reserve - a->used : 0);
		used += chunks_used(&c, vm);
	}
	assert_int_equal(c.promised, promised);
	assert_true(c.clean >= c.promised);
	assert_int_equal(c.clean + used, MODEL_CHUNKS - model.lost);
}

/* The node of a chunk, in the model. */
static uint32_t node_of(uint32_t frame)
{
	return frame % 5 * 15;
}

static bool node_has_clean(uint32_t node)
{
	for (uint32_t i = 0; i < c.clean; i++)
		if (node_of(c.frame[i]) == node)
			return true;
	return false;
}

/* Given a moment ago: it is wrong. */
static void model_lose_taken(unsigned vm)
{
	if (model.count[vm] == 0)
		return;
	chunks_lost(&c, vm);
	model.count[vm]--;
	model.lost++;
}

static void model_take(unsigned vm, uint32_t node, bool spare)
{
	bool could = chunks_can_take(&c, vm), has = node_has_clean(node);
	uint32_t frame = spare ? chunks_take_spare(&c, vm, node) : chunks_take(&c, vm, node);

	assert_true(!could || frame != CHUNK_NONE);
	assert_true(spare || could == (frame != CHUNK_NONE));
	if (frame == CHUNK_NONE)
		return;
	assert_in_range(frame, 1, MODEL_CHUNKS);
	assert_int_equal(has, node_of(frame) == node);
	assert_int_equal(model.where[frame], 0);
	model.where[frame] = (uint8_t)(vm + 1);
	model.has[vm][model.count[vm]++] = frame;
}

static void model_give(unsigned vm, uint32_t which)
{
	uint32_t *has = model.has[vm], frame;

	if (model.count[vm] == 0)
		return;
	which %= model.count[vm];
	frame = has[which];
	has[which] = has[--model.count[vm]];
	chunks_give(&c, vm, frame);
	model.waits++;
}

static void model_wipe(void)
{
	unsigned owner = 0xff;
	uint32_t frame = chunks_to_wipe(&c, &owner);

	assert_int_equal(frame != CHUNK_NONE, model.waits != 0);
	if (frame == CHUNK_NONE)
		return;
	assert_int_equal(model.where[frame], owner + 1);
	model.where[frame] = 0;
	model.waits--;
	chunks_wiped(&c, owner, node_of(frame), frame);
}

/* What is wiped turns out to be wrong. */
static void model_lose_given(void)
{
	unsigned owner = 0xff;
	uint32_t frame = chunks_to_wipe(&c, &owner);

	if (frame == CHUNK_NONE)
		return;
	assert_int_equal(model.where[frame], owner + 1);
	model.waits--;
	model.lost++;
	chunks_lost(&c, owner);
}

static void lose(uint64_t v, unsigned vm)
{
	if (v >> 48 & 1)
		model_lose_taken(vm);
	else
		model_lose_given();
}

/* rarely: one of so many steps loses a chunk; 0: none does. */
static void any_steps(uint64_t seed, unsigned rarely)
{
	memset(&c, 0, sizeof(c));
	for (uint32_t i = 1; i <= MODEL_CHUNKS; i++)
		assert_true(chunks_add(&c, node_of(i), i, true));
	memset(&model, 0, sizeof(model));
	for (unsigned vm = 0; vm < MODEL_VMS; vm++)
		assert_true(chunks_open(&c, vm, 4 * vm, 2));
	for (unsigned step = 0; step < 200000; step++) {
		uint64_t v = random_next(&seed);
		unsigned vm = (unsigned)(v >> 8) % MODEL_VMS;

		switch (v & 7) {
		case 0:
		case 1:
			model_take(vm, node_of((uint32_t)(v >> 16)), false);
			break;
		case 2:
			model_take(vm, node_of((uint32_t)(v >> 16)), true);
			break;
		case 3:
		case 4:
			model_give(vm, (uint32_t)(v >> 32));
			break;
		case 5:
			(void)chunks_settle(&c, vm);
			break;
		default:
			model_wipe();
		}
		if (rarely != 0 && step % rarely == 0)
			lose(v, vm);
		check_books();
	}
}

static void the_books_are_right_after_any_steps(void **state)
{
	(void)state;
	any_steps(39, 0);
}

/* It lends to L0 until the VM gives way; who loses of what is lent would have none some day. */
static void the_reserve_pays_for_what_is_lost_before_the_spare(void **state)
{
	(void)state;
	memset(&c, 0, sizeof(c));
	for (uint32_t i = 1; i <= 5; i++)
		assert_true(chunks_add(&c, 0, i, true));
	assert_true(chunks_open(&c, 0, 3, 2));
	for (unsigned i = 0; i < 4; i++)
		assert_int_not_equal(chunks_take_spare(&c, 0, 0), CHUNK_NONE);
	for (unsigned left = 3; left-- > 0;) {
		chunks_lost(&c, 0);
		assert_int_equal(c.account[0].reserve, left);
		assert_int_equal(c.account[0].spare, 2);
	}
	chunks_lost(&c, 0);
	assert_int_equal(c.account[0].spare, 1);
	assert_int_equal(c.promised, c.clean);
}

/* To the last chunk: a VM that has nothing left of its reserve waits, and takes nobody's. */
static void the_books_are_right_while_chunks_are_lost(void **state)
{
	(void)state;
	any_steps(40, 100);
	assert_int_equal(model.lost, MODEL_CHUNKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_gets_its_reserve_whatever_others_take),
		cmocka_unit_test(more_than_there_is_cannot_be_promised),
		cmocka_unit_test(what_is_given_back_is_used_again_when_it_is_wiped),
		cmocka_unit_test(the_spare_is_for_l0_alone_and_paid_back_first),
		cmocka_unit_test(the_spare_is_made_whole_from_what_nobody_is_promised),
		cmocka_unit_test(what_a_vm_had_is_everybodys_when_it_is_gone),
		cmocka_unit_test(so_many_chunks_are_known_and_no_more),
		cmocka_unit_test(chunks_of_a_node_are_given_to_who_wants_them_there),
		cmocka_unit_test(the_books_are_right_after_any_steps),
		cmocka_unit_test(the_reserve_pays_for_what_is_lost_before_the_spare),
		cmocka_unit_test(the_books_are_right_while_chunks_are_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
