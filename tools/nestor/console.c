/* SPDX-License-Identifier: Apache-2.0 */
/* Consoles of a run; see console.h. */
#include "console.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

#define TERMINAL_AHEAD 4096u /* bytes that are read of the terminal at once */
#define LOOK_AGAIN     0.2   /* seconds, at a pty that nobody has open */

/* ---- start and end ---- */

bool consoles_have_input(void)
{
	struct stat s;

	if (terminal_is_there())
		return true;
	return fstat(STDIN_FILENO, &s) == 0 &&
	       (S_ISFIFO(s.st_mode) || S_ISSOCK(s.st_mode) || S_ISREG(s.st_mode));
}

static const char *name_of(const struct consoles *c, unsigned vm)
{
	return c->s->vms[vm].config.name;
}

/* Whose console or port the place is for; L0_LINES, and an error: nobody's. */
static unsigned line_of(const struct consoles *c, const struct console_place *place,
	const char *where, struct error *e)
{
	const struct port_list *ports;
	unsigned vm = 0, port;

	while (vm < c->s->vm_count && strcmp(name_of(c, vm), place->vm) != 0)
		vm++;
	if (vm == c->s->vm_count) {
		fail(e, STATUS_USAGE, "%s: there is no such VM", where);
		return L0_LINES;
	}
	if (!place->port)
		return vm;
	ports = &c->s->vms[vm].config.ports;
	port = name_list_find(
		ports->name[0], ports->count, text_of(place->port, strlen(place->port)));
	if (port < ports->count)
		return l0_port_line(vm, port);
	fail(e, STATUS_USAGE, "%s: the VM has no such port: see 'ports'", where);
	return L0_LINES;
}

static int open_place(
	struct consoles *c, struct arena *a, const struct console_place *place, struct error *e)
{
	const char *where = place->port
				    ? arena_format(a, "--port %s:%s", place->vm, place->port)
				    : arena_format(a, "--console %s", place->vm);
	const char *what =
		place->port ? arena_format(a, "the port '%s' of '%s'", place->port, place->vm)
			    : arena_format(a, "the console of '%s'", place->vm);
	unsigned line = line_of(c, place, where, e);

	if (line == L0_LINES)
		return e->status;
	if (c->endpoint[line])
		return fail(e, STATUS_USAGE, "%s: given twice", where);
	c->endpoint[line] = &c->places[line];
	if (endpoint_open(c->endpoint[line], a, place->place, what, where, e))
		return e->status;
	if (place->port) {
		c->endpoint[line]->patient = true;
		sender_connect(&c->sender, a, line);
	}
	return 0;
}

/*
 * The first VM that is shown without a place of its own, from @vm on in either direction; or
 * their number.
 */
static unsigned next_with_focus(const struct consoles *c, unsigned vm, unsigned step)
{
	unsigned count = scenario_shown(c->s);

	for (unsigned i = 0; i < count; i++, vm += step)
		if (!c->endpoint[vm % count] && !c->gone[vm % count])
			return vm % count;
	return count;
}

static void tell_size(struct consoles *c)
{
	uint16_t columns, rows;

	if (!c->bare && !c->gone[c->focus] && terminal_size(&columns, &rows))
		sender_resize(&c->sender, c->focus, columns, rows);
}

static void give_focus(struct consoles *c, unsigned vm)
{
	if (vm >= scenario_shown(c->s) || c->endpoint[vm] || c->gone[vm]) {
		fprintf(stderr, "\nnestor: there is no such console here\n");
		return;
	}
	c->focus = vm;
	fprintf(stderr, "\nnestor: input goes to '%s'\n", name_of(c, vm));
	tell_size(c);
}

static void open_terminal(struct consoles *c)
{
	if (!terminal_is_there() || !terminal_open())
		return;
	c->terminal = true;
	c->input = true;
	fprintf(stderr, "nestor: input goes to '%s'; Ctrl-] ? tells the keys\n",
		name_of(c, c->focus));
	tell_size(c);
}

int consoles_open(struct consoles *c, struct arena *a, const struct scenario_spec *s,
	const struct console_places *places, const struct control *control, bool bare,
	struct error *e)
{
	*c = (struct consoles){.s = s, .control = control, .bare = bare};
	sender_init(&c->sender, a);
	for (unsigned i = 0; i < places->count; i++)
		if (open_place(c, a, &places->place[i], e))
			return e->status;
	c->focus = next_with_focus(c, 0, 1);
	if (!control->path || c->focus >= scenario_shown(s) || !consoles_have_input())
		return 0;
	if (isatty(STDIN_FILENO))
		open_terminal(c);
	else
		c->input = scenario_shown(s) == 1;
	return 0;
}

void consoles_close(struct consoles *c)
{
	if (c->terminal)
		terminal_close();
	c->terminal = c->input = false;
	for (unsigned i = 0; i < L0_LINES; i++)
		if (c->endpoint[i])
			endpoint_close(c->endpoint[i]);
}

static void close_line(struct consoles *c, unsigned line)
{
	sender_forget(&c->sender, line);
	if (c->endpoint[line])
		endpoint_close(c->endpoint[line]);
	c->endpoint[line] = NULL;
}

void consoles_vm_gone(struct consoles *c, unsigned vm)
{
	unsigned next;

	close_line(c, vm);
	for (unsigned port = 0; port < LIMIT_PORTS; port++)
		close_line(c, l0_port_line(vm, port));
	c->gone[vm] = true;
	if (vm != c->focus || !c->input)
		return;
	next = next_with_focus(c, vm, 1);
	if (c->terminal && next < scenario_shown(c->s))
		give_focus(c, next);
	else if (c->terminal)
		fprintf(stderr, "\nnestor: '%s' has gone: input goes to nobody\n",
			name_of(c, vm));
	else
		c->input = false;
}

/* ---- the user's keys ---- */

static void show_help(const struct consoles *c)
{
	fprintf(stderr,
		"\nnestor: Ctrl-] and then\n"
		"  q or .   ends the run, as Ctrl-C would\n"
		"  Ctrl-]   types Ctrl-]\n"
		"  n, p     the next or the one before of several VMs gets the input\n");
	for (unsigned i = 0; i < scenario_shown(c->s); i++)
		if (!c->endpoint[i] && !c->gone[i])
			fprintf(stderr, "  %u        '%s'%s\n", i + 1, name_of(c, i),
				i == c->focus ? ", which has it now" : "");
	fprintf(stderr, "  ? or h   this\n");
}

static void type(struct consoles *c, uint8_t byte)
{
	if (sender_room(&c->sender, c->focus) && !c->gone[c->focus])
		sender_add(&c->sender, c->focus, &byte, 1);
	else
		fputc('\a', stderr);
}

/* True: quit. */
static bool take_key(struct consoles *c, uint8_t byte)
{
	unsigned count = scenario_shown(c->s), number = 0;

	switch (keys_take(&c->keys, byte, &number)) {
	case KEY_NONE:
		break;
	case KEY_TYPED:
		type(c, byte);
		break;
	case KEY_HELP:
		show_help(c);
		break;
	case KEY_QUIT:
		fprintf(stderr, "\n");
		return true;
	case KEY_NEXT:
		give_focus(c, next_with_focus(c, c->focus + 1, 1));
		break;
	case KEY_PREVIOUS:
		give_focus(c, next_with_focus(c, c->focus + count - 1, count - 1));
		break;
	case KEY_CHOOSE:
		give_focus(c, number);
		break;
	case KEY_UNKNOWN:
		fprintf(stderr, "\nnestor: no such key: Ctrl-] ? tells them\n");
		break;
	}
	return false;
}

/* ---- what comes in ---- */

static bool is_readable(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	return fd >= 0 && poll(&p, 1, 0) > 0;
}

/* The terminal is read even if its VM takes nothing: the escape key works always. */
static size_t wanted(const struct consoles *c)
{
	size_t room = c->input ? sender_room(&c->sender, c->focus) : 0;

	if (c->input && c->terminal)
		return TERMINAL_AHEAD;
	return room < TERMINAL_AHEAD ? room : TERMINAL_AHEAD;
}

static bool read_input(struct consoles *c)
{
	uint8_t bytes[TERMINAL_AHEAD];
	bool quit = false;
	ssize_t got;

	if (!wanted(c) || !is_readable(STDIN_FILENO))
		return false;
	got = read(STDIN_FILENO, bytes, wanted(c));
	if (got <= 0) {
		c->input = got < 0 && (errno == EINTR || errno == EAGAIN);
		return false;
	}
	if (!c->terminal)
		sender_add(&c->sender, c->focus, bytes, (size_t)got);
	for (ssize_t i = 0; c->terminal && i < got; i++)
		quit |= take_key(c, bytes[i]);
	return quit;
}

/* As much as has been passed on gives room for as much. */
static void tell_port(struct consoles *c, unsigned line)
{
	const struct endpoint *p = c->endpoint[line];
	bool there = endpoint_is_there(p);
	uint32_t limit = c->received[line] - (uint32_t)p->kept_size + L0_OUTPUT_WINDOW;

	sender_port(&c->sender, line, there ? limit : c->sender.port[line - LIMIT_VMS].limit,
		there);
}

static void read_endpoint(struct consoles *c, unsigned line)
{
	uint8_t bytes[TERMINAL_AHEAD];
	size_t room;

	endpoint_attend(c->endpoint[line]);
	room = sender_room(&c->sender, line);
	if (room && is_readable(c->endpoint[line]->in))
		sender_add(&c->sender, line, bytes,
			endpoint_read(c->endpoint[line], bytes,
				room < sizeof(bytes) ? room : sizeof(bytes)));
	if (line >= LIMIT_VMS)
		tell_port(c, line);
}

/* ---- the line to the machine ---- */

/* Of a bare machine, the bytes themselves. */
static const uint8_t *next_raw(struct sender_console *s, size_t *size)
{
	uint32_t at = s->acked % SENDER_CAPACITY;

	*size = s->end - s->acked;
	if (*size > SENDER_CAPACITY - at)
		*size = SENDER_CAPACITY - at;
	return *size ? s->kept + at : NULL;
}

static const uint8_t *next_bytes(struct consoles *c, double now, size_t *size)
{
	if (c->bare && !control_is_taken(c->control))
		return NULL;
	if (c->bare)
		return next_raw(&c->sender.console[0], size);
	return sender_next(&c->sender, now, size);
}

static void send(struct consoles *c, double now)
{
	const uint8_t *bytes;
	size_t size;

	while (c->control->path && (bytes = next_bytes(c, now, &size))) {
		ssize_t wrote = write(c->control->master, bytes, size);

		if (wrote <= 0)
			return;
		if (c->bare)
			c->sender.console[0].acked += (uint32_t)wrote;
		else
			sender_wrote(&c->sender, (size_t)wrote);
	}
}

/* ---- polling ---- */

unsigned consoles_poll(struct consoles *c, double now, struct pollfd *fds)
{
	unsigned n = 0;
	size_t size;

	if (wanted(c))
		fds[n++] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
	if (c->terminal)
		fds[n++] = (struct pollfd){terminal_resized_fd(), POLLIN, 0};
	if (c->control->path && next_bytes(c, now, &size))
		fds[n++] = (struct pollfd){c->control->master, POLLOUT, 0};
	if (c->control->path && c->bare) /* what it sends: session.c */
		fds[n++] = (struct pollfd){c->control->master, POLLIN, 0};
	for (unsigned i = 0; i < L0_LINES; i++)
		if (c->endpoint[i])
			n += endpoint_poll(
				c->endpoint[i], sender_room(&c->sender, i) > 0, fds + n);
	return n;
}

bool consoles_attend(struct consoles *c, double now)
{
	bool quit = read_input(c);

	if (c->terminal && is_readable(terminal_resized_fd()))
		tell_size(c);
	for (unsigned i = 0; i < L0_LINES; i++)
		if (c->endpoint[i])
			read_endpoint(c, i);
	send(c, now);
	return quit;
}

double consoles_deadline(const struct consoles *c, double now)
{
	double first = sender_deadline(&c->sender);

	for (unsigned i = 0; i < L0_LINES; i++)
		if (c->endpoint[i] && endpoint_is_deserted(c->endpoint[i]) &&
			(first <= 0 || now + LOOK_AGAIN < first))
			first = now + LOOK_AGAIN;
	return first;
}

/* ---- what comes out ---- */

static void tell_guest(const struct consoles *c, unsigned line, bool open)
{
	unsigned vm = l0_vm_of_line(line), port = line - l0_port_line(vm, 0);

	if (vm < c->s->vm_count)
		fprintf(stderr, "nestor: '%s' has %s its port '%s'\n", name_of(c, vm),
			open ? "opened" : "closed", c->s->vms[vm].config.ports.name[port]);
}

void consoles_report(struct consoles *c, const char *record, double now, bool verbose)
{
	bool before[L0_LINES - LIMIT_VMS];

	for (unsigned i = 0; i < L0_LINES - LIMIT_VMS; i++)
		before[i] = c->sender.port[i].guest;
	sender_report(&c->sender, record, now);
	if (record_number(record, "version") && !c->sender.open)
		fprintf(stderr,
			"nestor: this L0 takes frames of version %u, and this tool makes version %u: "
			"no VM gets input, and requests have no answer\n",
			(unsigned)record_number(record, "version"), FRAME_VERSION);
	for (unsigned i = 0; verbose && i < L0_LINES - LIMIT_VMS; i++)
		if (c->sender.port[i].guest != before[i])
			tell_guest(c, LIMIT_VMS + i, !before[i]);
}

bool consoles_output(struct consoles *c, unsigned line, const uint8_t *bytes, size_t size)
{
	if (line < LIMIT_VMS && !c->endpoint[line])
		return false;
	if (line >= L0_LINES || !c->endpoint[line])
		return true;
	c->received[line] += (uint32_t)size;
	endpoint_write(c->endpoint[line], bytes, size);
	return true;
}

/* A port's sender knows how much it may send; of a console only the machine can wait. */
bool consoles_are_full(const struct consoles *c)
{
	for (unsigned i = 0; i < LIMIT_VMS; i++)
		if (c->endpoint[i] && endpoint_is_full(c->endpoint[i]))
			return true;
	return false;
}
