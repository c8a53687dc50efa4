/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch in threads under ThreadSanitizer: several ports send to each other on several
 * queues, to all and from addresses that move, while each takes frames out, closes and opens
 * its queues, uses more or less of them, and goes from network to network; others come and go.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/seam.h"
#include "net/switch.h"
#include "tsan_turns.h"

#define PORTS  4u
#define QUEUES 3u /* of each port */
#define FIRST  8u /* byte of a frame on the first network; on the next one it is one more */
#define RING   (16u << 10)
#define ROUNDS 20000u
#define MOST   (100 * ROUNDS)
#define SECOND 1000000u

static struct net_port ports[NET_PORTS];
static struct net_switch net = {.ports = NET_PORTS, .port = ports};
static uint8_t rings[PORTS][QUEUES * RING] __attribute__((aligned(16)));
static pthread_mutex_t locks[NET_PORTS + 1];
static unsigned there;
static uint64_t received; /* by all */
static uint64_t now = 1, arrivals[NET_PORTS][NET_QUEUES];

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

void net_lock(unsigned number)
{
	CHECK(pthread_mutex_lock(&locks[number]) == 0);
}

void net_unlock(unsigned number)
{
	CHECK(pthread_mutex_unlock(&locks[number]) == 0);
	give_turn();
}

uint64_t net_now(void)
{
	return __atomic_add_fetch(&now, 50, __ATOMIC_RELAXED);
}

void net_arrived(unsigned port, unsigned queue)
{
	__atomic_fetch_add(&arrivals[port][queue], 1, __ATOMIC_RELAXED);
}

struct sender {
	unsigned port;
	uint32_t random;
	uint64_t sent;
	uint8_t network;
};

static uint32_t number(struct sender *s)
{
	s->random = s->random * 1103515245 + 12345;
	return s->random >> 8;
}

/* Its addresses, and a byte that all of the frame consists of. */
static void make(struct sender *s, struct net_frame *f)
{
	memset(f, 0, sizeof(*f));
	f->meta.length = 15 + number(s) % 1500;
	f->size = f->meta.length < NET_HEAD ? f->meta.length : NET_HEAD;
	memset(f->head, (int)(f->meta.length & 0xff), f->size);
	memset(f->head, number(s) % 8 == 0 ? 0xff : 0, 6);
	f->head[5] = number(s) % 8 == 0 ? 0xff : (uint8_t)(number(s) % (PORTS + 2));
	memset(f->head + 6, 0, 6);
	f->head[6] = 0x52;
	f->head[11] = (uint8_t)(number(s) % 4 == 0 ? 100 + number(s) % 3 : s->port);
	f->head[0] = f->head[0] ? 0xff : 0x52;
	f->head[12] = 8;
	f->head[13] = 0;
	f->head[14] = (uint8_t)(FIRST + s->network);
}

static void send(struct sender *s)
{
	struct net_frame f;
	uint32_t stripped;
	struct net_set set;

	make(s, &f);
	if (!net_may_send(&net, s->port, f.meta.length) ||
		!net_admit(&net, s->port, &f, &stripped))
		return;
	net_route(&net, s->port, number(s) % QUEUES, &f, &set);
	for (unsigned to = 0; to < PORTS; to++) {
		uint8_t *at = set.some >> to / 64 & 1 && set_has(set.word, to)
				      ? net_begin(&net, to, &f)
				      : NULL;
		bool good = number(s) % 16 != 0;

		if (at == NULL)
			continue;
		memcpy(at, f.head, f.size);
		memset(at + f.size, (int)(f.meta.length & 0xff), f.meta.length - f.size);
		net_finish(&net, to, &f, good);
		s->sent += good;
	}
}

static void receive(struct sender *s)
{
	struct net_queue *q = &net.port[s->port].queue[number(s) % QUEUES];
	uint8_t *frame;
	struct net_meta *m = net_queue_first(q, &frame);

	if (m == NULL)
		return;
	CHECK(frame[14] == FIRST + s->network);
	for (uint32_t i = 15; i < m->length; i++)
		CHECK(frame[i] == (uint8_t)m->length);
	net_received(&net, s->port, m->length);
	net_queue_drop(q);
	__atomic_fetch_add(&received, 1, __ATOMIC_RELAXED);
}

/* Threads that hardly ever run at the same time hardly ever hear of each other. */
static bool go_on(unsigned round)
{
	return round < ROUNDS ||
	       (round < MOST && __atomic_load_n(&received, __ATOMIC_RELAXED) <= ROUNDS / 4);
}

static void *run(void *arg)
{
	static const struct net_filter all = {.promisc = 1}, own = {.all_multi = 1};
	struct sender *s = arg;

	__atomic_add_fetch(&there, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&there, __ATOMIC_RELAXED) < PORTS)
		sched_yield();
	for (unsigned i = 0; go_on(i); i++) {
		send(s);
		receive(s);
		if (number(s) % 4 == 0)
			receive(s);
		if (number(s) % 64 == 0)
			net_port_filter(&net, s->port, number(s) % 2 ? &all : &own);
		if (number(s) % 256 == 0)
			net_port_close(&net, s->port, number(s) % QUEUES);
		if (number(s) % 128 == 0)
			net_port_use(&net, s->port, 1 + number(s) % QUEUES);
		if (number(s) % 16 == 0)
			net_port_open(&net, s->port, number(s) % QUEUES);
		if (number(s) % 200 == 0) {
			s->network ^= 1;
			net_port_move(&net, s->port, s->network);
		}
		if (number(s) % 4 == 0)
			sched_yield();
	}
	for (unsigned i = 0; i < QUEUES; i++)
		net_port_close(&net, s->port, i);
	return NULL;
}

/* Ports without a driver, on either network. */
static void *come_and_go(void *arg)
{
	static uint8_t ring[RING] __attribute__((aligned(16)));
	struct net_setup setup = {.queues = 2, .mtu = 1500};

	/* So many that some are in another word of the sets. */
	for (unsigned i = PORTS; i < PORTS + 150; i++) {
		setup.mac[5] = (uint8_t)i;
		setup.network ^= 1;
		net_port_create(&net, i, &setup, ring, RING / 2);
		for (unsigned k = 0; k < 50; k++)
			sched_yield();
		net_port_destroy(&net, i);
	}
	return arg;
}

static void ports_send_receive_move_open_and_close_on_several_cpus(void **state)
{
	static struct sender senders[PORTS];
	pthread_t thread[PORTS], another;
	uint64_t at[NET_QUEUES] = {0};

	(void)state;
	net.second = SECOND;
	for (unsigned i = 0; i <= NET_PORTS; i++)
		pthread_mutex_init(&locks[i], NULL);
	for (unsigned i = 0; i < PORTS; i++) {
		const struct net_setup setup = {.mac = {0x52, 0, 0, 0, 0, (uint8_t)i},
			.spoof = i % 2,
			.queues = QUEUES,
			.mtu = ETH_MTU_DEFAULT};

		net_port_create(&net, i, &setup, rings[i], RING);
		senders[i] = (struct sender){.port = i, .random = i + 1};
	}
	for (unsigned i = 0; i < PORTS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run, &senders[i]), 0);
	assert_int_equal(pthread_create(&another, NULL, come_and_go, NULL), 0);
	for (unsigned i = 0; i < PORTS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(pthread_join(another, NULL), 0);
	assert_true(received > ROUNDS / 4);
	for (unsigned i = 0; i < PORTS; i++)
		for (unsigned q = 0; q < NET_QUEUES; q++)
			at[q] += arrivals[i][q];
	for (unsigned q = 0; q < NET_QUEUES; q++)
		assert_true(q < QUEUES ? at[q] > 0 : at[q] == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_send_receive_move_open_and_close_on_several_cpus),
	};

	return cmocka_run_group_tests_name("tsan_net_switch", tests, NULL, NULL);
}
