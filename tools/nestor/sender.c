/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to Nestor; see sender.h. */
#include "sender.h"

#include <string.h>

#include "record.h"

#define BYTES  (FRAME_PAYLOAD - FRAME_OFFSET)
#define REPEAT 10.0 /* seconds without news after which a frame is taken for lost */
#define ONCE   2.0  /* seconds for which frames that are under way ask for the same again */

void sender_init(struct sender *s, struct arena *a)
{
	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < LIMIT_VMS; i++)
		s->console[i].kept = arena_alloc(a, SENDER_CAPACITY);
}

/* ---- what is to be sent ---- */

size_t sender_room(const struct sender *s, unsigned vm)
{
	const struct sender_console *c = &s->console[vm];

	return SENDER_CAPACITY - (c->end - c->acked);
}

void sender_add(struct sender *s, unsigned vm, const uint8_t *bytes, size_t size)
{
	struct sender_console *c = &s->console[vm];

	for (size_t i = 0; i < size; i++)
		c->kept[c->end++ % SENDER_CAPACITY] = bytes[i];
}

void sender_resize(struct sender *s, unsigned vm, uint16_t columns, uint16_t rows)
{
	struct sender_console *c = &s->console[vm];

	c->has_size = true;
	frame_put16(c->size, columns);
	frame_put16(c->size + 2, rows);
}

void sender_screen(struct sender *s, unsigned vm)
{
	s->console[vm].wants_screen = true;
}

void sender_stop(struct sender *s)
{
	s->stop = true;
}

/* ---- what Nestor says ---- */

static void go_back(struct sender_console *c, double now)
{
	c->sent = c->acked;
	c->repeated = true;
	c->since = now;
}

/* Figures that are older than what is known, or of bytes never sent, change nothing. */
static void report_of(struct sender_console *c, const char *line, double now)
{
	uint32_t taken = (uint32_t)record_number(line, "taken") - c->acked;
	uint32_t more = (uint32_t)record_number(line, "limit") - c->limit;

	if (more <= L0_INPUT_WINDOW)
		c->limit += more;
	if (taken > c->end - c->acked)
		return;
	c->acked += taken;
	if (c->sent - c->acked > L0_INPUT_WINDOW)
		c->sent = c->acked; /* sent before we went back, and arrived all the same */
	if (taken) {
		c->since = now;
		c->repeated = false;
	}
	if (record_number(line, "again") && !(c->repeated && now - c->since < ONCE))
		go_back(c, now);
}

void sender_report(struct sender *s, const char *line, double now)
{
	uint64_t channel = record_number(line, "channel");

	if (record_number(line, "version") == FRAME_VERSION && !s->open) {
		s->open = true;
		for (unsigned i = 0; i < LIMIT_VMS; i++)
			s->console[i].limit = (uint32_t)record_number(line, "window");
	}
	if (s->open && channel >= L0_CHANNEL_VM && channel < L0_CHANNEL_SCREEN)
		report_of(&s->console[channel - L0_CHANNEL_VM], line, now);
}

/* ---- sending ---- */

static void put(struct sender *s, enum frame_kind kind, unsigned channel,
	const uint8_t *payload, size_t size)
{
	struct frame f = {(uint8_t)kind, (uint8_t)channel, (uint16_t)size, payload};

	s->out_at = 0;
	s->out_size = frame_write(s->out, &f);
}

static bool put_input(struct sender *s, unsigned vm, double now)
{
	struct sender_console *c = &s->console[vm];
	uint32_t size = c->end - c->sent;
	uint8_t payload[FRAME_PAYLOAD];

	if (size > c->limit - c->sent)
		size = c->limit - c->sent;
	if (size > BYTES)
		size = BYTES;
	if (!size)
		return false;
	frame_put32(payload, c->sent);
	for (uint32_t i = 0; i < size; i++)
		payload[FRAME_OFFSET + i] = c->kept[(c->sent + i) % SENDER_CAPACITY];
	if (c->sent == c->acked && !c->repeated)
		c->since = now;
	c->sent += size;
	put(s, FRAME_INPUT, L0_CHANNEL_VM + vm, payload, FRAME_OFFSET + size);
	return true;
}

static bool put_size(struct sender *s, unsigned vm)
{
	struct sender_console *c = &s->console[vm];

	if (!c->has_size)
		return false;
	c->has_size = false;
	put(s, FRAME_SIZE, L0_CHANNEL_VM + vm, c->size, sizeof(c->size));
	return true;
}

static bool put_screen(struct sender *s, unsigned vm)
{
	if (!s->console[vm].wants_screen)
		return false;
	s->console[vm].wants_screen = false;
	put(s, FRAME_SCREEN, L0_CHANNEL_VM + vm, NULL, 0);
	return true;
}

/* Consoles take turns. */
static void next_frame(struct sender *s, double now)
{
	for (unsigned i = 0; i < LIMIT_VMS; i++) {
		unsigned vm = s->turn;

		s->turn = (vm + 1) % LIMIT_VMS;
		if (put_size(s, vm) || put_screen(s, vm) || put_input(s, vm, now))
			return;
	}
}

static void repeat_lost(struct sender *s, double now)
{
	for (unsigned i = 0; i < LIMIT_VMS; i++) {
		struct sender_console *c = &s->console[i];

		if (c->sent != c->acked && now - c->since >= REPEAT)
			go_back(c, now);
	}
}

const uint8_t *sender_next(struct sender *s, double now, size_t *size)
{
	repeat_lost(s, now);
	if (s->out_at == s->out_size) {
		s->out_at = s->out_size = 0;
		if (s->stop)
			put(s, FRAME_STOP, L0_CHANNEL_CONTROL, NULL, 0);
		else if (s->open)
			next_frame(s, now);
		s->stop = false;
	}
	*size = s->out_size - s->out_at;
	return *size ? s->out + s->out_at : NULL;
}

void sender_wrote(struct sender *s, size_t size)
{
	s->out_at += size;
}

double sender_deadline(const struct sender *s)
{
	double first = 0;

	for (unsigned i = 0; i < LIMIT_VMS; i++) {
		const struct sender_console *c = &s->console[i];

		if (c->sent != c->acked && (first <= 0 || c->since + REPEAT < first))
			first = c->since + REPEAT;
	}
	return first;
}
