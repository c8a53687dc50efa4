/* SPDX-License-Identifier: Apache-2.0 */
/* Who manages a run; see bridge.h. */
#include "bridge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge_bay.h"
#include "bridge_here.h"
#include "bridge_media.h"
#include "bridge_port.h"
#include "record.h"

#define BACKLOG 128
#define REPEAT  10.0 /* seconds until Nestor is asked again */
#define PIECE   1024 /* bytes of a console that a line has at most */
#define AT_ONCE 1e-3 /* a time that was long ago */

/* ---- the socket ---- */

int bridge_open(struct bridge *b, struct arena *a, struct sender *sender, struct media *media,
	const char *path, struct error *e)
{
	*b = (struct bridge){.listener = -1,
		.a = a,
		.sender = sender,
		.media = media,
		.current = -1,
		.next_id = 1};
	for (unsigned i = 0; i <= BRIDGE_CLIENTS; i++)
		b->client[i].fd = -1;
	if (!path)
		return 0;
	b->listener = unix_socket_listen(path, BACKLOG, true, "--manage", e);
	if (b->listener < 0)
		return e->status;
	b->place = unix_socket_place(path);
	return 0;
}

void bridge_name(struct bridge *b, unsigned vm, const char *name)
{
	b->name[vm] = name;
	if (b->listener >= 0 && !b->said[vm])
		b->said[vm] = arena_alloc(b->a, sizeof(*b->said[vm]));
}

void bridge_port(struct bridge *b, unsigned vm, unsigned port, const char *name, bool placed)
{
	b->port[vm * LIMIT_PORTS + port] = (struct bridge_port){.name = name, .placed = placed};
}

static void hang_up(struct bridge_client *c)
{
	if (c->fd < 0)
		return;
	bridge_forget_file(c);
	close(c->fd);
	c->fd = -1;
}

void bridge_close(struct bridge *b)
{
	for (unsigned i = 0; i < BRIDGE_CLIENTS; i++)
		hang_up(&b->client[i]);
	unix_socket_remove(&b->place);
	if (b->listener >= 0)
		close(b->listener);
	b->listener = -1;
}

/* ---- out ---- */

static void drain(struct bridge_client *c)
{
	ssize_t n;

	if (c->fd < 0 || !c->out_size)
		return;
	n = send(c->fd, c->out, c->out_size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		hang_up(c);
	if (n <= 0)
		return;
	c->out_size -= (size_t)n;
	memmove(c->out, c->out + n, c->out_size);
}

void bridge_say(struct bridge_client *c, const char *format, ...)
{
	size_t room = BRIDGE_ROOM - c->out_size;
	va_list args;
	int n;

	if (c->fd < 0)
		return;
	va_start(args, format);
	n = vsnprintf(c->out + c->out_size, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		hang_up(c);
	else
		c->out_size += (size_t)n;
}

/* ---- consoles ---- */

/* LIMIT_VMS: there is none. */
static unsigned next_console(const struct bridge_client *c, unsigned from)
{
	return set_next(c->consoles, from, LIMIT_VMS);
}

/* True: there may be more. Half of the room is left for answers. */
static bool say_console(struct bridge *b, struct bridge_client *c, unsigned vm)
{
	char hex[2 * PIECE + 1];
	uint8_t bytes[PIECE];
	size_t n;

	if (!set_has(c->consoles, vm) || c->out_size > BRIDGE_ROOM / 2)
		return false;
	n = history_read(b->said[vm], &c->at[vm], bytes, PIECE);
	if (!n)
		return false;
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	bridge_say(c, "output vm=%s at=%" PRIu64 " data=%s\n", b->name[vm], c->at[vm], hex);
	c->at[vm] += n;
	return c->fd >= 0;
}

/* Who reads more slowly than a console speaks misses something, as `at` tells; nobody waits. */
static void say_consoles(struct bridge *b, struct bridge_client *c)
{
	do {
		for (unsigned i = 0; (i = next_console(c, i)) < LIMIT_VMS; i++)
			while (say_console(b, c, i))
				;
		if (next_console(c, 0) == LIMIT_VMS || !c->out_size)
			return;
		drain(c);
	} while (c->fd >= 0 && !c->out_size);
}

void bridge_output(struct bridge *b, unsigned vm, const uint8_t *bytes, size_t size)
{
	bridge_port_output(b, vm, bytes, size);
	if (vm >= LIMIT_VMS || !b->said[vm])
		return;
	while (size) { /* so that who is up to date misses nothing */
		size_t n = size < HISTORY_ROOM / 2 ? size : HISTORY_ROOM / 2;

		history_add(b->said[vm], bytes, n);
		for (unsigned i = 0; i < BRIDGE_CLIENTS; i++)
			say_consoles(b, &b->client[i]);
		bytes += n;
		size -= n;
	}
}

/* ---- in ---- */

/* Nobody is there, and nothing is left of who was. */
static bool is_free(const struct bridge *b, const struct bridge_client *c)
{
	return c->fd < 0 && !c->port && b->current != c - b->client &&
	       bridge_hold_is_empty(&c->held);
}

/* One more than there is room for is turned away with a word. */
static void greet(struct bridge *b, int fd)
{
	static const char full[] = "answer id=0 status=busy text=too many clients\n";
	struct bridge_client *c = b->client;
	char *out;

	while (c < b->client + BRIDGE_CLIENTS && !is_free(b, c))
		c++;
	if (c == b->client + BRIDGE_CLIENTS) {
		send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	out = c->out ? c->out : arena_alloc(b->a, BRIDGE_ROOM);
	if (c->lends)
		media_free(b->media, c->lends);
	bridge_bay_settle(b, c, false);
	*c = (struct bridge_client){.fd = fd, .out = out, .file = -1};
	bridge_say(c, "hello version=%d\n", MANAGE_VERSION);
}

static void refuse(struct bridge_client *c, const char *why)
{
	bridge_answer(c, MANAGE_IS_BAD, why);
}

/* The words of a request but its id, behind the id that it has for Nestor. */
static void rename_request(struct bridge *b, struct bridge_client *c)
{
	struct text rest = {c->line, c->line_size}, word = text_word(&rest);
	char out[2 * MANAGE_LINE];
	size_t n;

	c->passed_id = b->next_id++;
	n = (size_t)snprintf(
		out, sizeof(out), "%.*s id=%u", (int)word.len, word.s, c->passed_id);
	while ((word = text_word(&rest)).len)
		if (word.len < 3 || strncmp(word.s, "id=", 3) != 0)
			n += (size_t)snprintf(
				out + n, sizeof(out) - n, " %.*s", (int)word.len, word.s);
	memcpy(c->line, out, n);
	c->line_size = n;
}

static void take_line(struct bridge *b, struct bridge_client *c)
{
	struct manage_request r;
	const char *why;

	c->id = 0;
	if (c->too_long) {
		refuse(c, "it is too long");
		return;
	}
	if (!manage_parse((struct text){c->line, c->line_size}, &r, &why)) {
		c->id = (uint32_t)r.number[MANAGE_ARG_ID];
		refuse(c, why);
		return;
	}
	c->id = (uint32_t)r.number[MANAGE_ARG_ID];
	if (r.op == MANAGE_BORROW || r.number[MANAGE_ARG_FRESH]) {
		refuse(c, "it is the tool's to say: lend, fill");
		return;
	}
	if (manage_place(r.op) == MANAGE_BY_TOOL) {
		bridge_do(b, c, &r);
		return;
	}
	rename_request(b, c);
	c->asks = true;
	c->passed = false;
	c->changes = bridge_hold_of(&r, bridge_find_vm(b, r.vm));
	c->holds = r.number[MANAGE_ARG_HOLD] != 0;
	if (c->line_size > MANAGE_LINE) {
		c->asks = false;
		refuse(c, "it is too long");
	}
}

/* Up to the end of a line, which waits for its answer before the next is looked at. */
static void take_bytes(struct bridge *b, struct bridge_client *c)
{
	size_t used = 0;

	while (!c->asks && used < c->more_size) {
		char byte = c->more[used++];

		if (byte != '\n') {
			if (c->line_size < MANAGE_LINE)
				c->line[c->line_size++] = byte;
			else
				c->too_long = true;
			continue;
		}
		if (c->line_size)
			take_line(b, c);
		if (!c->asks)
			c->line_size = 0;
		c->too_long = false;
	}
	c->more_size -= used;
	memmove(c->more, c->more + used, c->more_size);
}

/* The client's request is over, and its next one may come. */
static void end_request(struct bridge *b, struct bridge_client *c)
{
	c->asks = c->holds = false;
	c->changes = (struct bridge_hold){0};
	c->line_size = 0;
	take_bytes(b, c);
}

static void go_on_lending(struct bridge *b, struct bridge_client *c)
{
	char why[BRIDGE_WHY];

	if (bridge_media_go_on(b, c, why))
		return;
	bridge_answer(c, MANAGE_IS_STATE, why);
	end_request(b, c);
}

static void read_client(struct bridge *b, struct bridge_client *c)
{
	size_t room = sizeof(c->more) - c->more_size;
	ssize_t n;

	if (c->fd < 0)
		return;
	if (room) {
		n = unix_socket_receive(c->fd, c->more + c->more_size, room, &c->file);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			drain(c);
			hang_up(c);
			return;
		}
		if (n > 0)
			c->more_size += (size_t)n;
	}
	take_bytes(b, c);
}

/* ---- to Nestor ---- */

/* What clients held that have gone comes before what others want. */
static void undo(struct bridge *b, double now)
{
	struct bridge_client *c = &b->client[BRIDGE_CLIENTS];

	for (unsigned i = 0; i < BRIDGE_CLIENTS; i++)
		if (b->client[i].fd < 0) {
			bridge_hold_add(&b->undo, &b->client[i].held);
			b->client[i].held = (struct bridge_hold){0};
		}
	if (b->current >= 0 || bridge_hold_is_empty(&b->undo))
		return;
	c->asks = true;
	c->passed_id = b->next_id++;
	c->line_size = bridge_hold_undo(&b->undo, b->name, c->passed_id, c->line);
	b->current = BRIDGE_CLIENTS;
	b->since = now;
	sender_request(b->sender, c->line, c->line_size);
}

/* Clients take turns. */
static void pass_on(struct bridge *b, double now)
{
	const char *why;

	undo(b, now);
	for (unsigned i = 0; b->current < 0 && i < BRIDGE_CLIENTS; i++) {
		unsigned at = (b->turn + i) % BRIDGE_CLIENTS;
		struct bridge_client *c = &b->client[at];

		if (c->fd < 0 || !c->asks || c->passed || bridge_media_waits(c))
			continue;
		c->passed = true;
		bridge_media_sent(c);
		b->current = (int)at;
		b->turn = at + 1;
		b->since = now;
		b->sent_id = c->passed_id;
		manage_parse((struct text){c->line, c->line_size}, &b->sent, &why);
		sender_request(b->sender, c->line, c->line_size);
	}
}

static void ask_again(struct bridge *b, double now)
{
	struct bridge_client *c = &b->client[b->current >= 0 ? b->current : 0];

	if (b->current < 0 || now < b->since + REPEAT)
		return;
	b->since = now;
	if (c->fd >= 0 || c->holds || c->fills || b->current == BRIDGE_CLIENTS ||
		(b->sent_id == c->passed_id && b->sent.op == MANAGE_BORROW))
		sender_request(b->sender, c->line, c->line_size);
	else
		b->current = -1; /* nobody waits for it any more */
}

bool bridge_attend(struct bridge *b, double now)
{
	int fd;

	if (b->listener < 0)
		return false;
	while ((fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		greet(b, fd);
	for (unsigned i = 0; i < BRIDGE_CLIENTS; i++) {
		read_client(b, &b->client[i]);
		if (b->client[i].lends)
			go_on_lending(b, &b->client[i]);
		if (b->client[i].fd < 0 && b->current != (int)i)
			bridge_bay_settle(b, &b->client[i], false);
	}
	ask_again(b, now);
	pass_on(b, now);
	for (unsigned i = 0; i < BRIDGE_CLIENTS; i++) {
		drain(&b->client[i]);
		say_consoles(b, &b->client[i]);
	}
	bridge_port_attend(b);
	return b->quit;
}

double bridge_deadline(const struct bridge *b)
{
	for (unsigned i = 0; i < BRIDGE_CLIENTS; i++)
		if (bridge_media_waits(&b->client[i]))
			return AT_ONCE;
	return b->listener >= 0 && b->current != -1 ? b->since + REPEAT : 0;
}

unsigned bridge_poll(const struct bridge *b, struct pollfd *fds)
{
	unsigned n = 0;

	if (b->listener < 0)
		return 0;
	fds[n++] = (struct pollfd){b->listener, POLLIN, 0};
	for (unsigned i = 0; i < BRIDGE_CLIENTS; i++) {
		const struct bridge_client *c = &b->client[i];
		short events = (short)((c->more_size < sizeof(c->more) ? POLLIN : 0) |
				       (c->out_size ? POLLOUT : 0));

		if (c->fd >= 0)
			fds[n++] = (struct pollfd){c->fd, events, 0};
	}
	return n;
}

/* ---- from Nestor ---- */

static bool is_done(const char *record)
{
	char status[16];

	record_text(record, "status", status, sizeof(status));
	return strcmp(status, manage_status_word(MANAGE_IS_OK)) == 0;
}

/* What has been done is held by who did it, if at all. */
static void keep(struct bridge *b, struct bridge_client *c)
{
	for (unsigned i = 0; i < BRIDGE_CLIENTS; i++)
		bridge_hold_remove(&b->client[i].held, &c->changes);
	bridge_hold_remove(&b->undo, &c->changes);
	if (c->holds)
		bridge_hold_add(&c->held, &c->changes);
}

/* `answer id=7 status=ok` becomes the same with the client's id. */
static void give(struct bridge *b, const char *record, bool last)
{
	struct bridge_client *c = b->current >= 0 ? &b->client[b->current] : NULL;
	const char *rest = strchr(record, ' ');
	bool its = c && c->asks && record_number(record, "id") == c->passed_id;

	if (last && record_number(record, "id") == b->sent_id)
		bridge_media_settle(b, is_done(record));
	rest = rest ? strchr(rest + 1, ' ') : NULL;
	if (its)
		bridge_say(
			c, "%s id=%u%s\n", last ? "answer" : "item", c->id, rest ? rest : "");
	if (!last || (c && !its))
		return;
	b->current = -1;
	if (!its)
		return;
	bridge_bay_settle(b, c, is_done(record));
	if (is_done(record))
		keep(b, c);
	end_request(b, c);
}

/* A VM has gone for good: another one may come to its place. */
static void vm_gone(struct bridge *b, const char *record)
{
	char name[LIMIT_NAME];
	unsigned vm;

	record_text(record, "vm", name, sizeof(name));
	vm = bridge_find_vm(b, name);
	if (vm == LIMIT_VMS || !b->said[vm])
		return;
	media_gone(b->media, name);
	for (unsigned i = 0; i < BRIDGE_CLIENTS; i++) {
		struct bridge_client *c = &b->client[i];

		say_consoles(b, c);
		if (set_has(c->consoles, vm))
			bridge_say(c, "end vm=%s\n", name);
		set_drop(c->consoles, vm);
		bridge_hold_forget(&c->held, vm);
	}
	bridge_hold_forget(&b->undo, vm);
	bridge_port_vm_gone(b, vm);
	history_forget(b->said[vm]);
}

bool bridge_record(struct bridge *b, const char *record)
{
	bool last = record_is(record, "answer");

	if (record_is(record, "request")) {
		b->since = 0; /* what Nestor has not got it is asked again, at once */
		return true;
	}
	if (last || record_is(record, "item")) {
		give(b, record, last);
		return true;
	}
	if (record_is(record, "vm-gone"))
		vm_gone(b, record);
	/* What says how far input has come is between Nestor and the sender. */
	if (record_is(record, "input") || record_is(record, "port"))
		return false;
	for (unsigned i = 0; i < BRIDGE_CLIENTS; i++)
		if (b->client[i].fd >= 0 && b->client[i].events)
			bridge_say(&b->client[i], "event %s\n", record);
	return false;
}
