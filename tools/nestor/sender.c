/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to Nestor; see sender.h. */
#include "sender.h"

#include <string.h>

#include "record.h"

#define BYTES  (FRAME_PAYLOAD - FRAME_OFFSET)
#define REPEAT 10.0 /* seconds without news after which a frame is taken for lost */
#define ENOUGH (L0_OUTPUT_WINDOW / 4) /* bytes of room that are worth a frame */
#define ONCE   2.0 /* seconds for which frames that are under way ask for the same again */

void sender_init(struct sender *s, struct arena *a)
{
	memset(s, 0, sizeof(*s));
	s->a = a;
}

void sender_connect(struct sender *s, struct arena *a, unsigned line)
{
	s->console[line].kept = arena_alloc(a, SENDER_CAPACITY);
}

static struct sender_port *port_of(struct sender *s, unsigned line)
{
	return &s->port[line - LIMIT_VMS];
}

/* ---- what is to be sent ---- */

/* What somebody new sends shall not come before the guest knows of him. */
static bool is_expected(const struct sender *s, unsigned line)
{
	const struct sender_port *p = &s->port[line - LIMIT_VMS];

	return (p->opens & 1) && p->told == p->opens;
}

size_t sender_room(const struct sender *s, unsigned line)
{
	const struct sender_console *c = &s->console[line];

	if (line >= LIMIT_VMS && !is_expected(s, line))
		return 0;
	return SENDER_CAPACITY - (c->end - c->acked);
}

void sender_add(struct sender *s, unsigned line, const uint8_t *bytes, size_t size)
{
	struct sender_console *c = &s->console[line];

	if (!c->kept)
		c->kept = arena_alloc(s->a, SENDER_CAPACITY);
	for (size_t i = 0; i < size; i++)
		c->kept[c->end++ % SENDER_CAPACITY] = bytes[i];
}

void sender_forget(struct sender *s, unsigned line)
{
	s->console[line].end = s->console[line].sent;
}

void sender_port(struct sender *s, unsigned line, uint32_t limit, bool open)
{
	struct sender_port *p = port_of(s, line);

	p->limit = limit;
	p->opens += (p->opens & 1) != open;
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

static void port_report_of(struct sender_port *p, const char *record)
{
	p->acked_limit = (uint32_t)record_number(record, "limit");
	p->acked_opens = (uint32_t)record_number(record, "opens");
	p->told = (uint32_t)record_number(record, "told");
	p->guest = record_number(record, "guest") != 0;
}

void sender_report(struct sender *s, const char *record, double now)
{
	unsigned line = (unsigned)record_number(record, "channel") - L0_CHANNEL_VM;

	if (record_number(record, "version") == FRAME_VERSION && !s->open) {
		s->open = true;
		for (unsigned i = 0; i < L0_LINES; i++)
			s->console[i].limit = (uint32_t)record_number(record, "window");
	}
	if (!s->open || line >= L0_LINES)
		return;
	if (!record_is(record, "port"))
		report_of(&s->console[line], record, now);
	else if (line >= LIMIT_VMS)
		port_report_of(port_of(s, line), record);
}

/* ---- sending ---- */

static void put(struct sender *s, enum frame_kind kind, unsigned channel,
	const uint8_t *payload, size_t size)
{
	struct frame f = {(uint8_t)kind, (uint16_t)channel, (uint16_t)size, payload};

	s->out_at = 0;
	s->out_size = frame_write(s->out, &f);
}

static bool put_input(struct sender *s, unsigned line, double now)
{
	struct sender_console *c = &s->console[line];
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
	put(s, FRAME_INPUT, L0_CHANNEL_VM + line, payload, FRAME_OFFSET + size);
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

/* Nobody comes or goes before Nestor has all bytes of who was there. */
static uint32_t opens_now(const struct sender_console *c, const struct sender_port *p)
{
	return c->acked == c->end ? p->opens : p->sent_opens;
}

/*
 * What was sent is not acknowledged, or the guest was not told, as far as reports say: one may
 * have been overtaken by an older one, or left out.
 */
static bool is_open_question(const struct sender_port *p)
{
	return p->sent_limit != p->acked_limit || p->sent_opens != p->acked_opens ||
	       p->told != p->sent_opens;
}

static bool is_overdue(const struct sender_port *p, double now)
{
	return is_open_question(p) && now - p->since >= REPEAT;
}

static bool put_port(struct sender *s, unsigned line, double now)
{
	struct sender_console *c = &s->console[line];
	struct sender_port *p = port_of(s, line);
	uint32_t opens = opens_now(c, p);
	uint8_t payload[8];

	if (!c->kept || (p->limit - p->sent_limit < ENOUGH && opens == p->sent_opens &&
				!is_overdue(p, now)))
		return false;
	p->sent_limit = p->limit;
	p->sent_opens = opens;
	p->since = now;
	frame_put32(payload, p->limit);
	frame_put32(payload + 4, opens);
	put(s, FRAME_PORT, L0_CHANNEL_VM + line, payload, sizeof(payload));
	return true;
}

static bool put_request(struct sender *s)
{
	if (!s->request_size)
		return false;
	put(s, FRAME_REQUEST, L0_CHANNEL_CONTROL, (const uint8_t *)s->request, s->request_size);
	s->request_size = 0;
	return true;
}

void sender_request(struct sender *s, const char *line, size_t size)
{
	memcpy(s->request, line, size);
	s->request_size = size;
}

/* A request is first; lines take turns. */
static void next_frame(struct sender *s, double now)
{
	if (put_request(s))
		return;
	for (unsigned i = 0; i < L0_LINES; i++) {
		unsigned line = s->turn;

		s->turn = (line + 1) % L0_LINES;
		if (line < LIMIT_VMS ? put_size(s, line) || put_screen(s, line)
				     : put_port(s, line, now))
			return;
		if (put_input(s, line, now))
			return;
	}
}

static void repeat_lost(struct sender *s, double now)
{
	for (unsigned i = 0; i < L0_LINES; i++) {
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

static double earlier(double first, double other)
{
	return first <= 0 || other < first ? other : first;
}

double sender_deadline(const struct sender *s)
{
	double first = 0;

	for (unsigned i = 0; i < L0_LINES; i++) {
		const struct sender_console *c = &s->console[i];

		if (c->sent != c->acked)
			first = earlier(first, c->since + REPEAT);
	}
	for (unsigned i = 0; i < L0_LINES - LIMIT_VMS; i++) {
		const struct sender_port *p = &s->port[i];

		if (s->console[LIMIT_VMS + i].kept && is_open_question(p))
			first = earlier(first, p->since + REPEAT);
	}
	return first;
}
