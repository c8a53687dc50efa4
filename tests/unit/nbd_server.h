/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server of the Network Block Device protocol on the acceptor's side of a stream, with its
 * storage in memory. It looks when it is told, and answers when the test lets it: in any order,
 * with errors, in small portions. It minds that its client keeps to the protocol.
 */
#ifndef NESTOR_TESTS_NBD_SERVER_H
#define NESTOR_TESTS_NBD_SERVER_H

#include "random.h"
#include "spec/nbd.h"
#include "stream/stream.h"

#define SERVER_DISK  (8u << 20)
#define SERVER_TASKS 64u
#define SERVER_PIECE 65536u

struct server_task {
	uint16_t flags, command;
	uint64_t cookie, offset;
	uint32_t length;
	uint8_t data[SERVER_PIECE];
};

static struct {
	/* what the test sets */
	unsigned flags;    /* of its export */
	uint32_t most;     /* payload; 0: it does not say */
	uint64_t size;     /* that it says */
	bool refuses;      /* connections */
	bool holds;        /* its answers, until server_answer */
	uint32_t trickles; /* bytes that it sends each time that it looks; 0: all */
	uint32_t error;    /* of the next answers */

	uint32_t number; /* of its connection; 0: none */
	bool serves;     /* the handshake is done */
	struct server_task task[SERVER_TASKS];
	unsigned tasks;
	uint8_t out[4 << 20]; /* what it sends */
	uint32_t out_at, out_count;
	uint64_t seed;
	unsigned done[8], fua, no_hole, connections; /* counted: commands, flags */
	uint8_t disk[SERVER_DISK], stable[SERVER_DISK];
} server;

static struct stream wire;
static uint8_t wire_memory[2 * 131072];

static inline void server_start(void)
{
	memset(&server, 0, sizeof(server));
	for (uint32_t i = 0; i < SERVER_DISK; i++)
		server.disk[i] = server.stable[i] = (uint8_t)(i * 7 + i / 509);
	server.size = SERVER_DISK;
	server.flags = 1 | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM |
		       NBD_FLAG_SEND_WRITE_ZEROES;
	server.seed = 1;
	stream_create(&wire, 0, 1, NBD_PORT, wire_memory, sizeof(wire_memory) / 2);
}

/* ---- bytes ---- */

static inline void server_say(uint64_t value, unsigned bytes)
{
	assert_true(server.out_count + bytes <= sizeof(server.out));
	for (unsigned i = bytes; i-- > 0;)
		server.out[server.out_count++] = (uint8_t)(value >> i * 8);
}

static inline void server_say_bytes(const uint8_t *bytes, uint32_t count)
{
	assert_true(server.out_count + count <= sizeof(server.out));
	memcpy(server.out + server.out_count, bytes, count);
	server.out_count += count;
}

/* What there is room for, or as much as it likes. */
static inline void server_send(void)
{
	struct stream_ring *r = &wire.to[STREAM_OPENER];
	uint32_t left = server.out_count - server.out_at, n;

	n = server.trickles != 0 && server.trickles < left ? server.trickles : left;
	if (n == 0 || server.number == 0)
		return;
	if (!stream_has_room(&wire, STREAM_ACCEPTOR, n))
		n = ring_room(r) < n ? ring_room(r) : n;
	ring_put(r, 0, server.out + server.out_at, n);
	stream_send(&wire, STREAM_ACCEPTOR, n);
	server.out_at += n;
	if (server.out_at == server.out_count)
		server.out_at = server.out_count = 0;
}

static inline bool server_peek(void *dst, uint32_t count)
{
	if (ring_waiting(&wire.to[STREAM_ACCEPTOR]) < count)
		return false;
	ring_peek(&wire.to[STREAM_ACCEPTOR], dst, count);
	return true;
}

static inline uint64_t server_number(const uint8_t *text, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | text[i];
	return value;
}

/* ---- connections ---- */

/* What was not answered may have been done, or not. */
static inline void server_forget(void)
{
	for (unsigned i = 0; i < server.tasks; i++) {
		const struct server_task *t = &server.task[i];

		if (t->command == NBD_CMD_WRITE && random_below(&server.seed, 2))
			memcpy(server.disk + t->offset, t->data, t->length);
	}
	server.tasks = 0;
	server.out_at = server.out_count = 0;
	server.number = 0;
	server.serves = false;
}

static inline void server_close(void)
{
	uint32_t number = server.number;

	server_forget();
	stream_end(&wire, number);
}

static inline void server_greet(uint32_t number)
{
	stream_accept(&wire, number);
	server.number = number;
	server.connections++;
	server_say(NBD_MAGIC, 8);
	server_say(NBD_OPTION_MAGIC, 8);
	server_say(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES, 2);
}

static inline void server_say_answer(uint32_t type, uint32_t length)
{
	server_say(NBD_ANSWER_MAGIC, 8);
	server_say(NBD_OPT_GO, 4);
	server_say(type, 4);
	server_say(length, 4);
}

static inline bool server_shakes_hands(void)
{
	uint8_t text[4 + 16 + 4 + 64 + 4];
	uint32_t length;

	if (!server_peek(text, 20))
		return false;
	assert_int_equal(server_number(text, 4), NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	assert_int_equal(server_number(text + 4, 8), NBD_OPTION_MAGIC);
	assert_int_equal(server_number(text + 12, 4), NBD_OPT_GO);
	length = (uint32_t)server_number(text + 16, 4);
	assert_true(length <= 4 + 64 + 4);
	if (!server_peek(text, 20 + length))
		return false;
	stream_took(&wire, STREAM_ACCEPTOR, 20 + length);
	server_say_answer(NBD_REP_INFO, NBD_INFO_EXPORT_SIZE);
	server_say(NBD_INFO_EXPORT, 2);
	server_say(server.size, 8);
	server_say(server.flags, 2);
	if (server.most != 0) {
		server_say_answer(NBD_REP_INFO, NBD_INFO_BLOCK_SIZE_SIZE);
		server_say(NBD_INFO_BLOCK_SIZE, 2);
		server_say(512, 4);
		server_say(4096, 4);
		server_say(server.most, 4);
	}
	server_say_answer(NBD_REP_ACK, 0);
	server.serves = true;
	return true;
}

/* ---- requests ---- */

/* Whether a client of this server may ask so. */
static inline void server_check(const struct server_task *t)
{
	bool data = t->command == NBD_CMD_READ || t->command == NBD_CMD_WRITE;
	unsigned needs = t->command == NBD_CMD_TRIM           ? NBD_FLAG_SEND_TRIM
			 : t->command == NBD_CMD_WRITE_ZEROES ? NBD_FLAG_SEND_WRITE_ZEROES
			 : t->command == NBD_CMD_FLUSH        ? NBD_FLAG_SEND_FLUSH
							      : 1;

	assert_true(server.flags & needs);
	assert_true(data || needs != 1);
	if (t->flags & NBD_CMD_FLAG_FUA)
		assert_true(server.flags & NBD_FLAG_SEND_FUA && t->command != NBD_CMD_READ);
	assert_int_equal(t->flags & ~(NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE), 0);
	assert_true(!(t->flags & NBD_CMD_FLAG_NO_HOLE) || t->command == NBD_CMD_WRITE_ZEROES);
	assert_true(t->offset <= SERVER_DISK && t->length <= SERVER_DISK - t->offset);
	assert_int_equal(t->offset % 512 + t->length % 512, 0);
	if (t->command == NBD_CMD_FLUSH)
		assert_int_equal(t->offset + t->length, 0);
	else
		assert_true(t->length > 0);
	if (data)
		assert_true(t->length <= SERVER_PIECE &&
			    (server.most == 0 || t->length <= server.most));
	for (unsigned i = 0; i < server.tasks; i++)
		assert_int_not_equal(server.task[i].cookie, t->cookie);
}

static inline bool server_takes_request(void)
{
	uint8_t text[NBD_REQUEST_SIZE + SERVER_PIECE];
	struct server_task *t = &server.task[server.tasks];
	uint32_t data;

	if (!server_peek(text, NBD_REQUEST_SIZE))
		return false;
	assert_int_equal(server_number(text, 4), NBD_REQUEST_MAGIC);
	assert_true(server.tasks < SERVER_TASKS);
	t->flags = (uint16_t)server_number(text + 4, 2);
	t->command = (uint16_t)server_number(text + 6, 2);
	t->cookie = server_number(text + 8, 8);
	t->offset = server_number(text + 16, 8);
	t->length = (uint32_t)server_number(text + 24, 4);
	server_check(t);
	data = t->command == NBD_CMD_WRITE ? t->length : 0;
	if (!server_peek(text, NBD_REQUEST_SIZE + data))
		return false;
	memcpy(t->data, text + NBD_REQUEST_SIZE, data);
	stream_took(&wire, STREAM_ACCEPTOR, NBD_REQUEST_SIZE + data);
	server.tasks++;
	return true;
}

static inline void server_do(const struct server_task *t)
{
	bool fua = t->flags & NBD_CMD_FLAG_FUA;
	uint8_t *place = server.disk + t->offset;

	server.done[t->command]++;
	server.fua += fua;
	server.no_hole += (t->flags & NBD_CMD_FLAG_NO_HOLE) != 0;
	if (t->command == NBD_CMD_WRITE)
		memcpy(place, t->data, t->length);
	if (t->command == NBD_CMD_TRIM)
		memset(place, 0xdd, t->length);
	if (t->command == NBD_CMD_WRITE_ZEROES)
		memset(place, 0, t->length);
	if (t->command == NBD_CMD_FLUSH)
		memcpy(server.stable, server.disk, sizeof(server.stable));
	if (fua)
		memcpy(server.stable + t->offset, place, t->length);
}

/* One of those that it has. */
static inline void server_answer(unsigned i)
{
	struct server_task *t = &server.task[i];

	assert_true(i < server.tasks);
	if (server.error == 0)
		server_do(t);
	server_say(NBD_REPLY_MAGIC, 4);
	server_say(server.error, 4);
	server_say(t->cookie, 8);
	if (t->command == NBD_CMD_READ && server.error == 0)
		server_say_bytes(server.disk + t->offset, t->length);
	*t = server.task[--server.tasks];
	server_send();
}

/* Somebody told it to. */
static inline void server_look(void)
{
	uint32_t wanted = stream_wanted(&wire);

	if (server.number != 0 && wanted != server.number)
		server_forget();
	if (!(wanted & 1))
		stream_see_closed(&wire, wanted);
	else if (server.refuses && stream_asks(&wire, wanted))
		stream_end(&wire, wanted);
	else if (stream_asks(&wire, wanted))
		server_greet(wanted);
	if (server.number != 0 && !server.serves)
		server_shakes_hands();
	while (server.serves && server_takes_request())
		;
	while (server.tasks > 0 && !server.holds)
		server_answer(random_below(&server.seed, server.tasks));
	server_send();
}

#endif
