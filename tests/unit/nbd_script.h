/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the client of NBD: a server that says what the test wants, all at once or byte
 * by byte, and hears what the client says.
 */
#ifndef NESTOR_TESTS_NBD_SCRIPT_H
#define NESTOR_TESTS_NBD_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stream/nbd.h"
#include "stream/seam.h"

#define RING 4096u
#define SIZE (1ull << 20) /* of the disk */

static struct stream s;
static struct nbd n;
static uint8_t memory[2 * RING];

void stream_arrived(unsigned vm)
{
	assert_in_range(vm, 0, 1);
}

/* ---- the server ---- */

static uint8_t said[RING], heard[RING];
static uint32_t say_count, hear_count;

static inline void say(uint64_t value, unsigned bytes)
{
	assert_true(say_count + bytes <= sizeof(said));
	for (unsigned i = bytes; i-- > 0;)
		said[say_count++] = (uint8_t)(value >> i * 8);
}

/* So many bytes of what it says go to the client. */
static inline void deliver(uint32_t from, uint32_t count)
{
	ring_put(&s.to[STREAM_OPENER], 0, said + from, count);
	stream_send(&s, STREAM_ACCEPTOR, count);
}

static inline void hear(void)
{
	uint32_t count = ring_waiting(&s.to[STREAM_ACCEPTOR]);

	assert_true(hear_count + count <= sizeof(heard));
	ring_peek(&s.to[STREAM_ACCEPTOR], heard + hear_count, count);
	stream_took(&s, STREAM_ACCEPTOR, count);
	hear_count += count;
}

static inline uint64_t number(uint32_t at, unsigned bytes)
{
	uint64_t value = 0;

	assert_true(at + bytes <= hear_count);
	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | heard[at + i];
	return value;
}

static inline void say_greeting(unsigned flags)
{
	say(NBD_MAGIC, 8);
	say(NBD_OPTION_MAGIC, 8);
	say(flags, 2);
}

static inline void say_answer(uint32_t type, uint32_t length)
{
	say(NBD_ANSWER_MAGIC, 8);
	say(NBD_OPT_GO, 4);
	say(type, 4);
	say(length, 4);
}

static inline void say_export(uint64_t size, unsigned flags)
{
	say_answer(NBD_REP_INFO, NBD_INFO_EXPORT_SIZE);
	say(NBD_INFO_EXPORT, 2);
	say(size, 8);
	say(flags, 2);
}

static inline void say_block_size(uint32_t least, uint32_t most)
{
	say_answer(NBD_REP_INFO, NBD_INFO_BLOCK_SIZE_SIZE);
	say(NBD_INFO_BLOCK_SIZE, 2);
	say(least, 4);
	say(4096, 4);
	say(most, 4);
}

static inline void say_all(uint32_t most)
{
	say_greeting(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	say_export(SIZE, NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA);
	if (most != 0)
		say_block_size(1, most);
	say_answer(NBD_REP_ACK, 0);
}

static inline void start(const char *export)
{
	stream_create(&s, 0, 1, NBD_PORT, memory, RING);
	memset(memory, 0xcc, sizeof(memory));
	memset(&n, 0xa5, sizeof(n));
	nbd_create(&n, &s, export, SIZE, true);
	say_count = hear_count = 0;
}

static inline void accept(void)
{
	assert_int_equal(nbd_step(&n), NBD_WAITS);
	assert_int_equal(n.phase, NBD_CONNECTING);
	stream_accept(&s, stream_wanted(&s));
}

/* All that it says, at once. */
static inline enum nbd_step answer_all(void)
{
	enum nbd_step step;

	accept();
	deliver(0, say_count);
	step = nbd_step(&n);
	hear();
	return step;
}

#endif
