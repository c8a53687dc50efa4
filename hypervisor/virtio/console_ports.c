/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ports of the console device as its driver knows them: messages of the control queues
 * (virtio 1.2, 5.3.6.2).
 */
#include "virtio/console.h"
#include "virtio/seam.h"

#define EVENT(name) BIT(VIRTIO_CONSOLE_##name)
#define EVENTS                                                                      \
	(EVENT(PORT_ADD) | EVENT(CONSOLE_PORT) | EVENT(RESIZE) | EVENT(PORT_NAME) | \
		EVENT(PORT_OPEN))

_Static_assert(EVENTS <= UINT8_MAX, "pending is a byte");
_Static_assert(sizeof(struct virtio_console_control) == 8, "5.3.6.2");

struct message {
	struct virtio_console_control c;
	uint8_t more[LIMIT_NAME];
};

unsigned virtio_console_receiveq(unsigned port)
{
	return port == 0 ? VIRTIO_CONSOLE_RECEIVE : VIRTIO_CONSOLE_MORE + 2 * (port - 1);
}

unsigned virtio_console_transmitq(unsigned port)
{
	return virtio_console_receiveq(port) + 1;
}

static unsigned first_port(const struct virtio_console *c)
{
	return c->console ? 0 : 1;
}

static bool announced(const struct virtio_console *c, uint32_t id)
{
	return id >= first_port(c) && id <= c->ports;
}

void virtio_console_pend(struct virtio_console *c, unsigned port, unsigned events)
{
	c->port[port].pending |= (uint8_t)events;
	virtio_kick(&c->v, VIRTIO_CONSOLE_CONTROL_RECEIVE);
}

/* ---- who is at the other end ---- */

static void report(struct virtio_console *c, unsigned port)
{
	if (port != 0)
		seam_line_told(
			c->v.platform, port - 1, c->known[port], c->port[port].guest_open != 0);
}

/* The newest count that goes with what the driver knows: odd for open. */
static uint32_t count_for(uint32_t opens, bool open)
{
	return (opens & 1) == open ? opens : opens - 1;
}

/*
 * One message at a time, so that somebody who comes after another one has gone is news for the
 * driver. Who has gone has gone after the bytes that are still here.
 */
void virtio_console_look_at(struct virtio_console *c, unsigned port)
{
	struct virtio_console_port_state *s = &c->port[port];
	uint32_t opens;

	report(c, port);
	if (port == 0 || !s->ready || s->pending & EVENT(PORT_OPEN))
		return;
	opens = seam_line_opens(c->v.platform, port - 1);
	if (opens == c->known[port] ||
		(s->host_open && seam_line_waiting(c->v.platform, port - 1) > 0))
		return;
	s->host_open = !s->host_open;
	virtio_console_pend(c, port, EVENT(PORT_OPEN));
}

/* ---- to the driver ---- */

static uint32_t name_of(const struct virtio_console *c, unsigned port, uint8_t *to)
{
	uint32_t n = 0;

	for (const char *name = c->names[port - 1]; name[n] != '\0'; n++)
		to[n] = (uint8_t)name[n];
	return n;
}

/* What a message says; its length. */
static uint32_t compose(
	const struct virtio_console *c, unsigned port, unsigned event, struct message *m)
{
	uint32_t size = sizeof(m->c);

	m->c = (struct virtio_console_control){port, (uint16_t)event, 1};
	if (event == VIRTIO_CONSOLE_PORT_OPEN)
		m->c.value = port == 0 || c->port[port].host_open;
	if (event == VIRTIO_CONSOLE_PORT_NAME)
		return size + name_of(c, port, m->more);
	if (event != VIRTIO_CONSOLE_RESIZE)
		return size;
	__builtin_memcpy(m->more, c->v.config + VIRTIO_CONSOLE_COLS, 4);
	return size + 4;
}

/* The driver has been told. */
static void told(struct virtio_console *c, unsigned port, unsigned event)
{
	c->port[port].pending &= (uint8_t)~BIT(event);
	if (event != VIRTIO_CONSOLE_PORT_OPEN || port == 0)
		return;
	c->known[port] =
		count_for(seam_line_opens(c->v.platform, port - 1), c->port[port].host_open);
	report(c, port);
	virtio_console_look_at(c, port);
}

enum virtio_result virtio_console_tell(struct virtio_console *c, struct virtq *q)
{
	struct message m;
	unsigned port = 0, event;
	uint32_t size;

	while (port <= c->ports && c->port[port].pending == 0)
		port++;
	if (port > c->ports)
		return VIRTIO_KEEP;
	event = (unsigned)__builtin_ctz(c->port[port].pending);
	size = compose(c, port, event, &m);
	if (!virtq_write(q, &c->v.chain, &m, size))
		return VIRTIO_BAD;
	told(c, port, event);
	return VIRTIO_DONE;
}

/* ---- from the driver ---- */

static void device_ready(struct virtio_console *c)
{
	for (unsigned port = first_port(c); port <= c->ports; port++)
		virtio_console_pend(c, port, EVENT(PORT_ADD));
}

static void port_ready(struct virtio_console *c, unsigned port, bool ready)
{
	c->port[port].ready = ready;
	if (!ready)
		return;
	if (port == 0) {
		virtio_console_pend(
			c, 0, EVENT(CONSOLE_PORT) | EVENT(RESIZE) | EVENT(PORT_OPEN));
		return;
	}
	virtio_console_pend(c, port, EVENT(PORT_NAME));
	virtio_console_look_at(c, port);
}

static void port_open(struct virtio_console *c, unsigned port, bool open)
{
	c->port[port].guest_open = open;
	report(c, port);
	if (open)
		virtio_kick(&c->v, virtio_console_receiveq(port));
}

static void obey(struct virtio_console *c, const struct virtio_console_control *m)
{
	if (m->event == VIRTIO_CONSOLE_DEVICE_READY && m->value == 1)
		device_ready(c);
	else if (!announced(c, m->id))
		return;
	else if (m->event == VIRTIO_CONSOLE_PORT_READY)
		port_ready(c, m->id, m->value == 1);
	else if (m->event == VIRTIO_CONSOLE_PORT_OPEN)
		port_open(c, m->id, m->value != 0);
}

/* What is no message says nothing. */
enum virtio_result virtio_console_hear(struct virtio_console *c, struct virtq *q)
{
	struct virtio_console_control m;

	if (virtq_read(q, &c->v.chain, &m, sizeof(m)))
		obey(c, &m);
	return c->v.chain.bad ? VIRTIO_BAD : VIRTIO_DONE;
}

/* ---- reset, state ---- */

/* The driver knows of nobody. */
void virtio_console_reset_ports(struct virtio_console *c)
{
	static const struct virtio_console_port_state none[VIRTIO_CONSOLE_PORTS];

	virtio_console_set_ports(c, none);
}

void virtio_console_set_ports(
	struct virtio_console *c, const struct virtio_console_port_state *s)
{
	__builtin_memcpy(c->port, s, sizeof(c->port));
	for (unsigned port = 1; port <= c->ports; port++) {
		uint32_t opens = seam_line_opens(c->v.platform, port - 1);
		/* What it will be told it does not know yet. */
		bool pending = s[port].pending & EVENT(PORT_OPEN);
		bool open = (s[port].host_open != 0) != pending;

		c->known[port] = count_for(opens, open);
		report(c, port);
		virtio_console_look_at(c, port);
	}
}

static bool is_zero(const struct virtio_console_port_state *s, bool sent)
{
	return (sent || s->sent == 0) && s->pending == 0 && s->ready == 0 &&
	       s->guest_open == 0 && s->host_open == 0;
}

bool virtio_console_ports_valid(
	const struct virtio_console *c, const struct virtio_console_state *s)
{
	bool several = c->ports > 0 && s->v.features & VIRTIO_CONSOLE_F_MULTIPORT;

	for (unsigned port = 0; port < VIRTIO_CONSOLE_PORTS; port++) {
		const struct virtio_console_port_state *p = &s->port[port];

		if (p->pending & ~EVENTS || p->ready > 1 || p->guest_open > 1 ||
			p->host_open > 1)
			return false;
		if (!(several && announced(c, port)) && !is_zero(p, port == 0))
			return false;
	}
	return true;
}
