/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/stream.h"

#include "stream/seam.h"

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static bool wants(uint32_t number)
{
	return number & 1;
}

static uint32_t open_answer(uint32_t number)
{
	return number << 1;
}

static uint32_t ended_answer(uint32_t number)
{
	return number << 1 | 1;
}

static void tell(const struct stream *s, enum stream_side side)
{
	stream_arrived(s->vm[side]);
}

void stream_create(struct stream *s, unsigned opener, unsigned acceptor, uint32_t port,
	uint8_t *memory, uint32_t size)
{
	*s = (struct stream){
		.used = true,
		.vm = {(uint8_t)opener, (uint8_t)acceptor},
		.port = port,
		.to = {{.bytes = memory, .size = size}, {.bytes = memory + size, .size = size}},
	};
}

/* ---- the opener ---- */

enum stream_state stream_state(const struct stream *s)
{
	uint32_t wanted = s->wanted, answer;

	if (__atomic_load_n(&s->gone, __ATOMIC_SEQ_CST))
		return STREAM_GONE;
	answer = load(&s->answer);
	if (!wants(wanted))
		return STREAM_CLOSED;
	if (answer == open_answer(wanted))
		return STREAM_OPEN;
	return answer == ended_answer(wanted) ? STREAM_ENDED : STREAM_OPENING;
}

bool stream_open(struct stream *s)
{
	uint32_t wanted = s->wanted, answer = load(&s->answer);

	if (answer != (wants(wanted) ? ended_answer(wanted) : open_answer(wanted)))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		ring_clear(&s->to[i]);
		store(&s->waits[i], 0);
	}
	store(&s->wanted, (wanted + 1) | 1);
	tell(s, STREAM_ACCEPTOR);
	return true;
}

void stream_close(struct stream *s)
{
	if (!wants(s->wanted))
		return;
	store(&s->wanted, s->wanted + 1);
	tell(s, STREAM_ACCEPTOR);
}

/* ---- the acceptor ---- */

uint32_t stream_wanted(const struct stream *s)
{
	return load(&s->wanted);
}

bool stream_asks(const struct stream *s, uint32_t number)
{
	return wants(number) && s->answer >> 1 != (open_answer(number) >> 1);
}

bool stream_accepted(const struct stream *s, uint32_t number)
{
	return wants(number) && s->answer == open_answer(number);
}

static void answer(struct stream *s, uint32_t value)
{
	if (s->answer == value)
		return;
	store(&s->answer, value);
	tell(s, STREAM_OPENER);
}

void stream_accept(struct stream *s, uint32_t number)
{
	answer(s, open_answer(number));
}

void stream_end(struct stream *s, uint32_t number)
{
	answer(s, ended_answer(number));
}

void stream_see_closed(struct stream *s, uint32_t number)
{
	answer(s, open_answer(number));
}

/* One that was not accepted yet can wait for the VM's next life. */
void stream_acceptor_ended(struct stream *s, bool for_good)
{
	uint32_t wanted = stream_wanted(s);

	if (for_good)
		__atomic_store_n(&s->gone, true, __ATOMIC_SEQ_CST);
	if (!wants(wanted))
		stream_see_closed(s, wanted);
	else if (stream_accepted(s, wanted))
		stream_end(s, wanted);
	if (for_good)
		tell(s, STREAM_OPENER);
}

/* ---- both ---- */

static enum stream_side other(enum stream_side side)
{
	return side == STREAM_OPENER ? STREAM_ACCEPTOR : STREAM_OPENER;
}

void stream_send(struct stream *s, enum stream_side from, uint32_t count)
{
	if (count == 0)
		return;
	ring_commit(&s->to[other(from)], count);
	tell(s, other(from));
}

void stream_took(struct stream *s, enum stream_side side, uint32_t count)
{
	if (count == 0)
		return;
	ring_drop(&s->to[side], count);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the room before the question */
	if (load(&s->waits[other(side)]) != 0)
		tell(s, other(side));
}

bool stream_has_room(struct stream *s, enum stream_side from, uint32_t count)
{
	const struct stream_ring *r = &s->to[other(from)];

	if (ring_room(r) >= count) {
		if (s->waits[from] != 0)
			store(&s->waits[from], 0);
		return true;
	}
	store(&s->waits[from], 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring_room(r) >= count;
}
