/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/nbd.h"

#define MOST_DEFAULT (32u << 20) /* "Block sizes": of a server that says nothing */
#define MOST_LEAST   4096u       /* a server that takes less is none */
#define BLOCK        512u        /* nor one that takes no single sector */
#define NAME_MAX     64u
#define ANSWER_MAX   65536u /* bytes behind the head of an answer */
#define ANSWERS      64u    /* to one option: what a step costs is bounded */

/* ---- numbers, big-endian ---- */

static void put(uint8_t **at, uint64_t value, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0;)
		*(*at)++ = (uint8_t)(value >> i * 8);
}

static uint64_t get(const uint8_t **at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | *(*at)++;
	return value;
}

/* ---- the connection ---- */

void nbd_create(struct nbd *n, struct stream *s, const char *export, uint64_t size, bool writes)
{
	*n = (struct nbd){.stream = s, .export = export, .size = size, .writes = writes};
}

void nbd_close(struct nbd *n)
{
	stream_close(n->stream);
	n->phase = NBD_CLOSED;
	n->skip = 0;
}

static enum nbd_step lost(struct nbd *n, const char *why, uint32_t code)
{
	nbd_close(n);
	n->why = why;
	n->why_code = code;
	return NBD_LOST;
}

void nbd_refuse(struct nbd *n, const char *why)
{
	lost(n, why, 0);
}

/* Copies the next so many bytes, if they are there. */
static bool take(struct nbd *n, uint8_t *to, uint32_t count)
{
	if (ring_waiting(nbd_in(n)) < count)
		return false;
	ring_peek(nbd_in(n), to, count);
	stream_took(n->stream, STREAM_OPENER, count);
	return true;
}

/* ---- handshake ---- */

static uint32_t name_length(const struct nbd *n)
{
	uint32_t length = 0;

	while (length < NAME_MAX && n->export[length] != '\0')
		length++;
	return length;
}

/* Flags, and NBD_OPT_GO with the name and a wish to know the sizes of blocks. */
static void choose_export(struct nbd *n, uint64_t offered)
{
	uint8_t text[4 + NBD_OPTION_SIZE + 4 + NAME_MAX + 4], *at = text;
	uint32_t length = name_length(n);

	put(&at, offered & (NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES), 4);
	put(&at, NBD_OPTION_MAGIC, 8);
	put(&at, NBD_OPT_GO, 4);
	put(&at, 4 + length + 4, 4);
	put(&at, length, 4);
	__builtin_memcpy(at, n->export, length);
	at += length;
	put(&at, 1, 2);
	put(&at, NBD_INFO_BLOCK_SIZE, 2);
	ring_put(nbd_out(n), 0, text, (uint32_t)(at - text));
	stream_send(n->stream, STREAM_OPENER, (uint32_t)(at - text));
}

/* Whether something was there to go on with. */
static bool take_greeting(struct nbd *n, enum nbd_step *result)
{
	uint8_t text[NBD_GREETING_SIZE];
	const uint8_t *at = text;
	uint64_t magic, option, offered;

	if (!take(n, text, sizeof(text)))
		return false;
	magic = get(&at, 8);
	option = get(&at, 8);
	offered = get(&at, 2);
	if (magic != NBD_MAGIC || option != NBD_OPTION_MAGIC ||
		!(offered & NBD_FIXED_NEWSTYLE)) {
		*result = lost(n, "what answers there is no NBD server of today", 0);
		return false;
	}
	choose_export(n, offered);
	n->phase = NBD_ANSWER;
	n->known = false;
	n->answers = 0;
	n->least = 1;
	n->most = MOST_DEFAULT;
	return true;
}

/* A piece of information whose size is that of its kind. */
static void take_info(struct nbd *n, const uint8_t *at, uint32_t length)
{
	uint64_t kind = get(&at, 2);

	if (kind == NBD_INFO_EXPORT && length == NBD_INFO_EXPORT_SIZE) {
		n->has = get(&at, 8);
		n->flags = (uint16_t)get(&at, 2);
		n->known = true;
	}
	if (kind == NBD_INFO_BLOCK_SIZE && length == NBD_INFO_BLOCK_SIZE_SIZE) {
		n->least = (uint32_t)get(&at, 4);
		at += 4; /* what it prefers */
		n->most = (uint32_t)get(&at, 4);
	}
}

static bool acknowledged(struct nbd *n, enum nbd_step *result)
{
	if (!n->known)
		*result = lost(n, "the server does not say how large its export is", 0);
	else if (n->has < n->size)
		*result = lost(n, "the server's export is smaller than the disk", 0);
	else if (n->writes && n->flags & NBD_FLAG_READ_ONLY)
		*result = lost(n, "the server's export is readonly, and the disk is not", 0);
	else if (n->writes && !(n->flags & (NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_FLUSH)))
		*result = lost(n, "the server does not say when what is written is safe", 0);
	else if (n->least > BLOCK || n->most < MOST_LEAST)
		*result = lost(n, "the server does not take requests of any number of sectors",
			n->least > BLOCK ? n->least : n->most);
	else
		n->phase = NBD_READY;
	n->rest = UINT32_MAX;
	return n->phase == NBD_READY;
}

static bool skip(struct nbd *n)
{
	uint32_t count = ring_waiting(nbd_in(n));

	count = count < n->skip ? count : n->skip;
	stream_took(n->stream, STREAM_OPENER, count);
	n->skip -= count;
	return n->skip == 0;
}

static bool take_answer(struct nbd *n, enum nbd_step *result)
{
	uint8_t text[NBD_ANSWER_SIZE + NBD_INFO_BLOCK_SIZE_SIZE];
	const uint8_t *at = text;
	uint32_t waiting, type, length;
	bool info;

	if (n->skip != 0 && !skip(n))
		return false;
	waiting = ring_waiting(nbd_in(n));
	if (waiting < NBD_ANSWER_SIZE)
		return false;
	ring_peek(nbd_in(n), text, NBD_ANSWER_SIZE);
	if (get(&at, 8) != NBD_ANSWER_MAGIC || get(&at, 4) != NBD_OPT_GO) {
		*result = lost(n, "the server's answer is none of the protocol", 0);
		return false;
	}
	type = (uint32_t)get(&at, 4);
	length = (uint32_t)get(&at, 4);
	if (type & NBD_REP_ERROR) {
		*result = lost(n, "the server refuses the export", type & ~NBD_REP_ERROR);
		return false;
	}
	if (length > ANSWER_MAX || n->answers == ANSWERS) {
		*result = lost(n, "the server's answer is too long", 0);
		return false;
	}
	info = type == NBD_REP_INFO && length >= 2 && length <= NBD_INFO_BLOCK_SIZE_SIZE;
	if (info && waiting < NBD_ANSWER_SIZE + length)
		return false;
	if (info) {
		ring_peek(nbd_in(n), text, NBD_ANSWER_SIZE + length);
		take_info(n, text + NBD_ANSWER_SIZE, length);
	}
	n->answers++;
	stream_took(n->stream, STREAM_OPENER, NBD_ANSWER_SIZE);
	n->skip = length;
	return type != NBD_REP_ACK || acknowledged(n, result);
}

static bool connect(struct nbd *n)
{
	if (n->phase == NBD_CLOSED && stream_open(n->stream))
		n->phase = NBD_CONNECTING;
	if (n->phase != NBD_CONNECTING || stream_state(n->stream) != STREAM_OPEN)
		return false;
	n->phase = NBD_GREETING;
	return true;
}

/* The server sends no more. What it had sent is used as far as it goes. */
static enum nbd_step ended(struct nbd *n)
{
	uint32_t waiting = ring_waiting(nbd_in(n));

	if (n->phase == NBD_READY && waiting != n->rest) {
		n->rest = waiting;
		return NBD_WORKS;
	}
	return lost(n,
		n->phase == NBD_CONNECTING ? "nobody listens there"
					   : "the server has closed the connection",
		0);
}

enum nbd_step nbd_step(struct nbd *n)
{
	enum nbd_step result = NBD_WAITS;
	enum stream_state state = stream_state(n->stream); /* before what it had sent */
	bool more = true;

	if (state == STREAM_GONE)
		return NBD_NEVER;
	while (more && n->phase != NBD_READY) {
		if (n->phase == NBD_GREETING)
			more = take_greeting(n, &result);
		else if (n->phase == NBD_ANSWER)
			more = take_answer(n, &result);
		else
			more = connect(n);
	}
	if (result == NBD_WAITS && state == STREAM_ENDED)
		return ended(n);
	return n->phase == NBD_READY ? NBD_WORKS : result;
}

/* ---- transmission ---- */

void nbd_send(struct nbd *n, const struct nbd_request *r, uint32_t data)
{
	uint8_t text[NBD_REQUEST_SIZE], *at = text;

	put(&at, NBD_REQUEST_MAGIC, 4);
	put(&at, r->flags, 2);
	put(&at, r->command, 2);
	put(&at, r->cookie, 8);
	put(&at, r->offset, 8);
	put(&at, r->length, 4);
	ring_put(nbd_out(n), 0, text, sizeof(text));
	stream_send(n->stream, STREAM_OPENER, NBD_REQUEST_SIZE + data);
}

enum nbd_got nbd_receive(struct nbd *n, struct nbd_reply *r)
{
	uint8_t text[NBD_REPLY_SIZE];
	const uint8_t *at = text;

	if (!take(n, text, sizeof(text)))
		return NBD_NOTHING;
	if (get(&at, 4) != NBD_REPLY_MAGIC) {
		lost(n, "the server's reply is none of the protocol", 0);
		return NBD_NO_REPLY;
	}
	r->error = (uint32_t)get(&at, 4);
	r->cookie = get(&at, 8);
	return NBD_REPLY;
}
