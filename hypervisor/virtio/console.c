/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/console.h"

#include "virtio/seam.h"

#define CLASS      0x078000u /* communication controller */
#define QUEUES     2u
#define QUEUE_SIZE 128u
#define COLS       80u
#define ROWS       25u

static struct virtio_console *console_of(struct virtio *v)
{
	return (struct virtio_console *)(void *)((uint8_t *)v -
						 offsetof(struct virtio_console, v));
}

/* ---- input ---- */

uint32_t virtio_console_input(struct virtio_console *c, const uint8_t *bytes, uint32_t size)
{
	uint32_t room = VIRTIO_CONSOLE_INPUT - c->count;

	size = size < room ? size : room;
	for (uint32_t i = 0; i < size; i++)
		c->input[(c->head + c->count + i) % VIRTIO_CONSOLE_INPUT] = bytes[i];
	c->count += size;
	virtio_kick(&c->v, VIRTIO_CONSOLE_RECEIVE);
	return size;
}

static enum virtio_result receive(struct virtio_console *c, struct virtq *q)
{
	if (c->count == 0)
		return VIRTIO_KEEP;
	while (c->count > 0) {
		uint32_t run = VIRTIO_CONSOLE_INPUT - c->head;
		uint64_t got;
		uint8_t *dst =
			virtq_take(q, &c->v.chain, true, run < c->count ? run : c->count, &got);

		if (dst == NULL)
			break;
		__builtin_memcpy(dst, &c->input[c->head], got);
		c->head = (uint32_t)((c->head + got) % VIRTIO_CONSOLE_INPUT);
		c->count -= (uint32_t)got;
	}
	return VIRTIO_DONE;
}

/* ---- output ---- */

/*
 * A buffer that waits goes back to the ring, and comes with all its bytes again: those that are
 * out are passed by.
 */
static enum virtio_result transmit(struct virtio_console *c, struct virtq *q, uint64_t *budget)
{
	struct virtq_chain *chain = &c->v.chain;
	uint64_t got;

	virtq_skip(chain, false, c->sent);
	while (chain->read.left > 0 && *budget > 0) {
		uint32_t room = seam_console_room(c->v.platform);
		const void *src;

		if (room == 0)
			return VIRTIO_WAITS;
		src = virtq_take(q, chain, false, room < *budget ? room : *budget, &got);
		if (src == NULL)
			return VIRTIO_BAD;
		seam_console_write(c->v.platform, src, (uint32_t)got);
		c->sent += (uint32_t)got;
		*budget -= got;
	}
	if (chain->read.left > 0)
		return VIRTIO_WAITS;
	c->sent = 0;
	return VIRTIO_DONE;
}

static enum virtio_result handle(struct virtio *v, unsigned queue, uint64_t *budget)
{
	struct virtio_console *c = console_of(v);
	struct virtq *q = &v->queue[queue];

	if (queue == VIRTIO_CONSOLE_RECEIVE)
		return receive(c, q);
	return transmit(c, q, budget);
}

/* 5.3.6.1: a byte that is out without a queue, also before the driver is ready. */
static void config_written(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
{
	uint8_t byte = (uint8_t)value;

	if (offset == VIRTIO_CONSOLE_EMERG_WRITE && size <= 4 &&
		seam_console_room(v->platform) > 0)
		seam_console_write(v->platform, &byte, 1);
}

/* Linux looks at the size of the terminal only when it is told of a change. */
static void begins(struct virtio *v)
{
	if (virtio_has(v, VIRTIO_CONSOLE_F_SIZE))
		virtio_config_changed(v);
}

/* What was typed for the old driver is not for the next one. */
static void reset(struct virtio *v)
{
	struct virtio_console *c = console_of(v);

	c->sent = c->head = c->count = 0;
}

static void queue_reset(struct virtio *v, unsigned queue)
{
	if (queue == VIRTIO_CONSOLE_TRANSMIT)
		console_of(v)->sent = 0;
}

static const struct virtio_ops ops = {
	.handle = handle,
	.begins = begins,
	.reset = reset,
	.queue_reset = queue_reset,
	.config_written = config_written,
};

static const struct virtio_kind kind = {
	.type = VIRTIO_CONSOLE,
	.class = CLASS,
	.features = VIRTIO_CONSOLE_F_SIZE | VIRTIO_CONSOLE_F_EMERG_WRITE,
	.queues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.config_size = VIRTIO_CONSOLE_CONFIG_SIZE,
	.ops = &ops,
};

/* ---- size ---- */

static void put16(struct virtio_console *c, unsigned offset, uint16_t value)
{
	c->v.config[offset] = (uint8_t)value;
	c->v.config[offset + 1] = (uint8_t)(value >> 8);
}

void virtio_console_resize(struct virtio_console *c, uint16_t cols, uint16_t rows)
{
	uint8_t was[VIRTIO_CONSOLE_CONFIG_SIZE];

	__builtin_memcpy(was, c->v.config, sizeof(was));
	put16(c, VIRTIO_CONSOLE_COLS, cols);
	put16(c, VIRTIO_CONSOLE_ROWS, rows);
	if (__builtin_memcmp(was, c->v.config, sizeof(was)) != 0)
		virtio_config_changed(&c->v);
}

bool virtio_console_create(struct virtio_console *c, struct platform *p, uint16_t bdf)
{
	__builtin_memset(c->v.config, 0, sizeof(c->v.config));
	put16(c, VIRTIO_CONSOLE_COLS, COLS);
	put16(c, VIRTIO_CONSOLE_ROWS, ROWS);
	c->v.config[VIRTIO_CONSOLE_MAX_PORTS] = 1;
	return virtio_create(&c->v, &kind, p, bdf);
}

/* ---- state ---- */

void virtio_console_get_state(const struct virtio_console *c, struct virtio_console_state *s)
{
	virtio_get_state(&c->v, &s->v);
	s->sent = c->sent;
	s->count = c->count;
	__builtin_memset(s->input, 0, sizeof(s->input));
	for (uint32_t i = 0; i < c->count; i++)
		s->input[i] = c->input[(c->head + i) % VIRTIO_CONSOLE_INPUT];
}

bool virtio_console_valid_state(
	const struct virtio_console *c, const struct virtio_console_state *s)
{
	if (s->count > VIRTIO_CONSOLE_INPUT)
		return false;
	for (uint32_t i = s->count; i < VIRTIO_CONSOLE_INPUT; i++)
		if (s->input[i] != 0)
			return false;
	return virtio_valid_state(&c->v, &s->v);
}

bool virtio_console_set_state(struct virtio_console *c, const struct virtio_console_state *s)
{
	if (!virtio_console_valid_state(c, s) || !virtio_set_state(&c->v, &s->v))
		return false;
	c->sent = s->sent;
	c->head = 0;
	c->count = s->count;
	__builtin_memcpy(c->input, s->input, sizeof(c->input));
	return true;
}
