/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio/console.h"

#include "virtio/seam.h"

#define CLASS      0x078000u /* communication controller */
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

static enum virtio_result receive_typed(struct virtio_console *c, struct virtq *q)
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

/* A driver that does not have the port open would lose what comes. */
static enum virtio_result receive_port(struct virtio_console *c, unsigned port, struct virtq *q)
{
	uint32_t waiting = seam_line_waiting(c->v.platform, port - 1);
	uint64_t got;
	void *dst;

	if (!c->port[port].guest_open || waiting == 0)
		return VIRTIO_KEEP;
	while (waiting > 0) {
		dst = virtq_take(q, &c->v.chain, true, waiting, &got);
		if (dst == NULL)
			break;
		seam_line_read(c->v.platform, port - 1, dst, (uint32_t)got);
		waiting -= (uint32_t)got;
	}
	virtio_console_look_at(c, port);
	return VIRTIO_DONE;
}

/* ---- output ---- */

static uint32_t room(struct virtio_console *c, unsigned port)
{
	return port == 0 ? seam_console_room(c->v.platform)
			 : seam_line_room(c->v.platform, port - 1);
}

/* Why there is none: the other end will say when it takes more; or the line is busy. */
static enum virtio_result no_room(struct virtio_console *c, unsigned port)
{
	return port != 0 && seam_line_credit(c->v.platform, port - 1) == 0 ? VIRTIO_KEEP
									   : VIRTIO_WAITS;
}

static void put(struct virtio_console *c, unsigned port, const void *bytes, uint32_t size)
{
	if (port == 0)
		seam_console_write(c->v.platform, bytes, size);
	else
		seam_line_write(c->v.platform, port - 1, bytes, size);
}

/*
 * A buffer that waits goes back to the ring, and comes with all its bytes again: those that are
 * out are passed by.
 */
static enum virtio_result transmit(
	struct virtio_console *c, unsigned port, struct virtq *q, uint64_t *budget)
{
	struct virtq_chain *chain = &c->v.chain;
	uint32_t *sent = &c->port[port].sent;
	uint64_t got;

	virtq_skip(chain, false, *sent);
	while (chain->read.left > 0 && *budget > 0) {
		uint32_t most = room(c, port);
		const void *src;

		if (most == 0)
			return no_room(c, port);
		src = virtq_take(q, chain, false, most < *budget ? most : *budget, &got);
		if (src == NULL)
			return VIRTIO_BAD;
		put(c, port, src, (uint32_t)got);
		*sent += (uint32_t)got;
		*budget -= got;
	}
	if (chain->read.left > 0)
		return VIRTIO_WAITS;
	*sent = 0;
	return VIRTIO_DONE;
}

/* Whose queue it is; VIRTIO_CONSOLE_PORTS: no port's. */
static unsigned port_of(const struct virtio_console *c, unsigned queue)
{
	if (queue <= VIRTIO_CONSOLE_TRANSMIT)
		return 0;
	if (queue < VIRTIO_CONSOLE_MORE || !virtio_has(&c->v, VIRTIO_CONSOLE_F_MULTIPORT))
		return VIRTIO_CONSOLE_PORTS;
	return 1 + (queue - VIRTIO_CONSOLE_MORE) / 2;
}

static enum virtio_result handle(struct virtio *v, unsigned queue, uint64_t *budget)
{
	struct virtio_console *c = console_of(v);
	struct virtq *q = &v->queue[queue];
	unsigned port = port_of(c, queue);

	if (port == VIRTIO_CONSOLE_PORTS && !virtio_has(v, VIRTIO_CONSOLE_F_MULTIPORT))
		return VIRTIO_BAD;
	if (queue == VIRTIO_CONSOLE_CONTROL_RECEIVE)
		return virtio_console_tell(c, q);
	if (queue == VIRTIO_CONSOLE_CONTROL_TRANSMIT)
		return virtio_console_hear(c, q);
	if (queue % 2 == 1)
		return transmit(c, port, q, budget);
	return port == 0 ? receive_typed(c, q) : receive_port(c, port, q);
}

void virtio_console_look(struct virtio_console *c)
{
	for (unsigned port = 1; port <= c->ports; port++) {
		virtio_console_look_at(c, port);
		if (seam_line_waiting(c->v.platform, port - 1) > 0)
			virtio_kick(&c->v, virtio_console_receiveq(port));
		if (seam_line_credit(c->v.platform, port - 1) > 0)
			virtio_kick(&c->v, virtio_console_transmitq(port));
	}
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

	c->head = c->count = 0;
	virtio_console_reset_ports(c);
}

static void queue_reset(struct virtio *v, unsigned queue)
{
	struct virtio_console *c = console_of(v);
	unsigned port = port_of(c, queue);

	if (port < VIRTIO_CONSOLE_PORTS && queue == virtio_console_transmitq(port))
		c->port[port].sent = 0;
}

static const struct virtio_ops ops = {
	.handle = handle,
	.begins = begins,
	.reset = reset,
	.queue_reset = queue_reset,
	.config_written = config_written,
};

/* ---- size ---- */

static void put16(struct virtio_console *c, unsigned offset, uint16_t value)
{
	c->v.config[offset] = (uint8_t)value;
	c->v.config[offset + 1] = (uint8_t)(value >> 8);
}

/* A driver of several ports looks for it in messages. */
static void size_changed(struct virtio_console *c)
{
	virtio_config_changed(&c->v);
	if (virtio_has(&c->v, VIRTIO_CONSOLE_F_MULTIPORT) && c->port[0].ready)
		virtio_console_pend(c, 0, BIT(VIRTIO_CONSOLE_RESIZE));
}

void virtio_console_resize(struct virtio_console *c, uint16_t cols, uint16_t rows)
{
	uint8_t was[VIRTIO_CONSOLE_CONFIG_SIZE];

	__builtin_memcpy(was, c->v.config, sizeof(was));
	put16(c, VIRTIO_CONSOLE_COLS, cols);
	put16(c, VIRTIO_CONSOLE_ROWS, rows);
	if (__builtin_memcmp(was, c->v.config, sizeof(was)) != 0)
		size_changed(c);
}

bool virtio_console_create(struct virtio_console *c, bool console, unsigned ports,
	char (*names)[LIMIT_NAME], struct platform *p, uint16_t bdf)
{
	c->console = console;
	c->ports = ports;
	c->names = names;
	c->kind = (struct virtio_kind){
		.type = VIRTIO_CONSOLE,
		.class = CLASS,
		.features = VIRTIO_CONSOLE_F_SIZE | VIRTIO_CONSOLE_F_EMERG_WRITE |
			    (ports > 0 ? VIRTIO_CONSOLE_F_MULTIPORT : 0),
		.queues = (uint8_t)(ports > 0 ? VIRTIO_CONSOLE_MORE + 2 * ports
					      : VIRTIO_CONSOLE_TRANSMIT + 1),
		.queue_size = QUEUE_SIZE,
		.config_size = VIRTIO_CONSOLE_CONFIG_SIZE,
		.ops = &ops,
	};
	__builtin_memset(c->v.config, 0, sizeof(c->v.config));
	put16(c, VIRTIO_CONSOLE_COLS, COLS);
	put16(c, VIRTIO_CONSOLE_ROWS, ROWS);
	c->v.config[VIRTIO_CONSOLE_MAX_PORTS] = (uint8_t)(1 + ports);
	return virtio_create(&c->v, &c->kind, p, bdf);
}

/* ---- state ---- */

void virtio_console_get_state(const struct virtio_console *c, struct virtio_console_state *s)
{
	virtio_get_state(&c->v, &s->v);
	__builtin_memcpy(s->port, c->port, sizeof(s->port));
	s->count = c->count;
	s->reserved = 0;
	__builtin_memset(s->input, 0, sizeof(s->input));
	for (uint32_t i = 0; i < c->count; i++)
		s->input[i] = c->input[(c->head + i) % VIRTIO_CONSOLE_INPUT];
}

bool virtio_console_valid_state(
	const struct virtio_console *c, const struct virtio_console_state *s)
{
	if (s->count > VIRTIO_CONSOLE_INPUT || s->reserved != 0 ||
		!virtio_console_ports_valid(c, s))
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
	virtio_console_set_ports(c, s->port);
	c->head = 0;
	c->count = s->count;
	__builtin_memcpy(c->input, s->input, sizeof(c->input));
	return true;
}
