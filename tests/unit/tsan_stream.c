/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream in two threads under ThreadSanitizer: the opener and the acceptor send each other
 * bytes of which each knows what comes next, close and end connections at random, and sleep
 * until they are told, so that a wake-up that is missed is seen as well.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "random.h"
#include "stream/seam.h"
#include "stream/stream.h"
#include "tsan_turns.h"

#define RING        256u
#define CONNECTIONS 3000u
#define PATIENCE    20 /* seconds without being told: a wake-up is missing */

static struct stream s;
static uint8_t memory[2 * RING];

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* ---- who is told ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came[2] = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};
static bool told[2];

void stream_arrived(unsigned vm)
{
	pthread_mutex_lock(&lock);
	told[vm] = true;
	pthread_cond_signal(&came[vm]);
	pthread_mutex_unlock(&lock);
	give_turn();
}

static void sleep_until_told(unsigned vm)
{
	struct timespec until;

	CHECK(timespec_get(&until, TIME_UTC) == TIME_UTC);
	until.tv_sec += PATIENCE;
	pthread_mutex_lock(&lock);
	while (!told[vm])
		CHECK(pthread_cond_timedwait(&came[vm], &lock, &until) != ETIMEDOUT);
	told[vm] = false;
	pthread_mutex_unlock(&lock);
}

/* ---- a side ---- */

struct side {
	enum stream_side me;
	uint64_t seed;
	uint32_t number; /* of the connection */
	uint32_t sent, got;
	uint64_t bytes; /* in all connections */
};

/* Byte i of a connection, sent by a side. */
static uint8_t content(uint32_t number, enum stream_side from, uint32_t i)
{
	return (uint8_t)(number * 31 + from * 101 + i * 7 + (i >> 8));
}

static enum stream_side other(enum stream_side side)
{
	return side == STREAM_OPENER ? STREAM_ACCEPTOR : STREAM_OPENER;
}

/* Several parts that become visible at once. False: there was no room. */
static bool send(struct side *p)
{
	struct stream_ring *r = &s.to[other(p->me)];
	uint32_t count = 1 + random_below(&p->seed, RING / 2);

	if (!stream_has_room(&s, p->me, count))
		return false;
	for (uint32_t done = 0, n; done < count; done += n) {
		uint8_t *at;

		n = count - done;
		at = ring_place(r, done, &n);
		for (uint32_t i = 0; i < n; i++)
			at[i] = content(p->number, p->me, p->sent + done + i);
	}
	p->sent += count;
	stream_send(&s, p->me, count);
	return true;
}

static bool receive(struct side *p)
{
	uint32_t n, most = 1 + random_below(&p->seed, RING);
	const uint8_t *at = ring_first(&s.to[p->me], &n);

	n = n < most ? n : most;
	for (uint32_t i = 0; i < n; i++)
		CHECK(at[i] == content(p->number, other(p->me), p->got + i));
	p->got += n;
	p->bytes += n;
	stream_took(&s, p->me, n);
	return n != 0;
}

static void begin(struct side *p, uint32_t number)
{
	p->number = number;
	p->sent = p->got = 0;
}

/* ---- the opener ---- */

static bool open_side(struct side *p, unsigned *left)
{
	enum stream_state state = stream_state(&s);

	CHECK(state != STREAM_GONE);
	if (state == STREAM_OPENING)
		return false;
	if (state == STREAM_CLOSED || (state == STREAM_ENDED && !receive(p))) {
		if (!stream_open(&s))
			return false;
		--*left;
		begin(p, s.wanted);
		return true;
	}
	if (random_below(&p->seed, 64) == 0)
		stream_close(&s);
	return true;
}

static void *opener(void *arg)
{
	struct side *p = arg;
	unsigned left = CONNECTIONS;

	while (left > 0) {
		bool more = open_side(p, &left);

		if (stream_state(&s) == STREAM_OPEN) {
			more = receive(p);
			more |= send(p);
		}
		if (!more)
			sleep_until_told(p->me);
	}
	stream_close(&s);
	return NULL;
}

/* ---- the acceptor ---- */

static bool stop;

static bool serve(struct side *p, bool *open)
{
	bool more = receive(p);

	more |= send(p);
	if (random_below(&p->seed, 64) == 0) {
		stream_end(&s, p->number);
		*open = false;
		more = true;
	}
	return more;
}

static void *acceptor(void *arg)
{
	struct side *p = arg;
	bool open = false;

	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		uint32_t wanted = stream_wanted(&s);
		bool more = false;

		open = open && wanted == p->number;
		if (!(wanted & 1)) {
			stream_see_closed(&s, wanted);
		} else if (!open && stream_asks(&s, wanted)) {
			begin(p, wanted);
			open = more = random_below(&p->seed, 8) != 0;
			if (open)
				stream_accept(&s, wanted);
			else
				stream_end(&s, wanted);
		} else if (open) {
			more = serve(p, &open);
		}
		if (!more)
			sleep_until_told(p->me);
	}
	return NULL;
}

static void two_sides_talk_and_hang_up_on_two_cpus(void **state)
{
	static struct side side[2] = {
		{.me = STREAM_OPENER, .seed = 1}, {.me = STREAM_ACCEPTOR, .seed = 2}};
	pthread_t thread[2];

	(void)state;
	stream_create(&s, STREAM_OPENER, STREAM_ACCEPTOR, 1, memory, RING);
	assert_int_equal(pthread_create(&thread[1], NULL, acceptor, &side[1]), 0);
	assert_int_equal(pthread_create(&thread[0], NULL, opener, &side[0]), 0);
	assert_int_equal(pthread_join(thread[0], NULL), 0);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	stream_arrived(STREAM_ACCEPTOR);
	assert_int_equal(pthread_join(thread[1], NULL), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_true(side[i].bytes > 100 * CONNECTIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_sides_talk_and_hang_up_on_two_cpus),
	};

	return cmocka_run_group_tests_name("tsan_stream", tests, NULL, NULL);
}
