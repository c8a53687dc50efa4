/* SPDX-License-Identifier: Apache-2.0 */
/* Named ports at the run's socket; see bridge_port.h. */
#include "bridge_port.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PIECE 1024 /* bytes of a port that a line has at most */

/* All that a port may send ahead fits, as digits, beside what consoles may fill: a half. */
_Static_assert(3 * L0_OUTPUT_WINDOW < BRIDGE_ROOM / 2, "a window in hexadecimal");

static unsigned find_port(const struct bridge *b, unsigned vm, const char *name)
{
	unsigned n = vm * LIMIT_PORTS;

	while (n < (vm + 1) * LIMIT_PORTS &&
		!(b->port[n].name && !strcmp(b->port[n].name, name)))
		n++;
	return n < (vm + 1) * LIMIT_PORTS ? n : BRIDGE_PORTS;
}

static struct bridge_client *owner_of(struct bridge *b, unsigned n)
{
	for (unsigned i = 0; i < BRIDGE_CLIENTS; i++)
		if (b->client[i].fd >= 0 && b->client[i].port == n + 1)
			return &b->client[i];
	return NULL;
}

/* The guest is told who is there, and how much it may send. */
static void tell(struct bridge *b, unsigned n)
{
	const struct bridge_client *c = owner_of(b, n);
	struct bridge_port *p = &b->port[n];

	if (c && c->out_size < BRIDGE_ROOM / 4)
		p->limit = p->received + L0_OUTPUT_WINDOW;
	sender_port(b->sender, LIMIT_VMS + n, p->limit, c != NULL);
}

static enum manage_status take(
	struct bridge *b, struct bridge_client *c, unsigned n, const char **why)
{
	struct bridge_port *p = &b->port[n];

	*why = "its other end is where --port of the run says";
	if (p->placed)
		return MANAGE_IS_STATE;
	*why = "another client has it";
	if (owner_of(b, n))
		return MANAGE_IS_BUSY;
	*why = "this client has a port already: another connection may have another one";
	if (c->port)
		return MANAGE_IS_STATE;
	bridge_port_attend(b); /* the guest hears that who had it has gone */
	*why = "";
	if (!p->connected)
		sender_connect(b->sender, b->a, LIMIT_VMS + n);
	p->connected = true;
	c->port = n + 1;
	tell(b, n);
	return MANAGE_IS_OK;
}

static enum manage_status type(
	struct bridge *b, unsigned n, const struct manage_request *r, const char **why)
{
	size_t size = (size_t)r->number[MANAGE_ARG_DATA];

	*why = "nobody at this socket has it: `console` with it comes first";
	if (!owner_of(b, n))
		return MANAGE_IS_STATE;
	*why = "its guest takes nothing now";
	if (sender_room(b->sender, LIMIT_VMS + n) < size)
		return MANAGE_IS_BUSY;
	*why = "";
	sender_add(b->sender, LIMIT_VMS + n, r->data, size);
	return MANAGE_IS_OK;
}

enum manage_status bridge_port_ask(struct bridge *b, struct bridge_client *c, unsigned vm,
	const struct manage_request *r, const char **why)
{
	unsigned n = find_port(b, vm, r->port);

	*why = "the VM has no such port: see its 'ports'";
	if (n == BRIDGE_PORTS)
		return MANAGE_IS_NO_VM;
	return r->op == MANAGE_TYPE ? type(b, n, r, why) : take(b, c, n, why);
}

static void say_piece(const struct bridge *b, struct bridge_client *c, unsigned n,
	const uint8_t *bytes, size_t size)
{
	char hex[2 * PIECE + 1];

	for (size_t i = 0; i < size; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	bridge_say(c, "output vm=%s port=%s at=%" PRIu64 " data=%s\n", b->name[n / LIMIT_PORTS],
		b->port[n].name, b->port[n].said, hex);
}

void bridge_port_output(struct bridge *b, unsigned line, const uint8_t *bytes, size_t size)
{
	unsigned n = line - LIMIT_VMS;
	struct bridge_client *c;

	if (line < LIMIT_VMS || n >= BRIDGE_PORTS || b->port[n].placed)
		return;
	c = owner_of(b, n);
	b->port[n].received += (uint32_t)size;
	for (size_t piece; size; size -= piece, bytes += piece) {
		piece = size < PIECE ? size : PIECE;
		if (c && c->fd >= 0)
			say_piece(b, c, n, bytes, piece);
		b->port[n].said += piece;
	}
}

void bridge_port_attend(struct bridge *b)
{
	for (unsigned i = 0; i < BRIDGE_CLIENTS; i++)
		if (b->client[i].fd < 0)
			b->client[i].port = 0;
	for (unsigned n = 0; n < BRIDGE_PORTS; n++)
		if (b->port[n].connected)
			tell(b, n);
}

void bridge_port_vm_gone(struct bridge *b, unsigned vm)
{
	for (unsigned n = vm * LIMIT_PORTS; n < (vm + 1) * LIMIT_PORTS; n++) {
		struct bridge_client *c = owner_of(b, n);

		if (c) {
			bridge_say(c, "end vm=%s port=%s\n", b->name[vm], b->port[n].name);
			c->port = 0;
		}
		b->port[n].name = NULL;
		if (b->port[n].connected)
			tell(b, n);
	}
}
