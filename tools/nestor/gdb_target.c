/* SPDX-License-Identifier: Apache-2.0 */
/* What GDB's packets ask of a VM; see gdb_target.h. */
#include "gdb_target.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gdb_regs.h"
#include "record.h"

#define PAGE          4096u
#define MEMORY_MOST   (GDB_PACKET / 2 - 8) /* bytes of one answer */
#define SIGNAL_TRAP   5u
#define SIGNAL_STOP   17u
#define ERROR_ADDRESS "E0e"
#define ERROR_STATE   "E16"

__attribute__((format(printf, 2, 3))) static void put(
	struct gdb_target *t, const char *format, ...)
{
	size_t room = sizeof(t->out) - t->size;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->out + t->size, room, format, args);
	va_end(args);
	if (n > 0)
		t->size += (size_t)n < room ? (size_t)n : room - 1;
}

static void put_hex(struct gdb_target *t, const char *text)
{
	for (; *text && t->size + 2 < sizeof(t->out); text++)
		put(t, "%02x", (unsigned)(unsigned char)*text);
}

/* ---- requests ---- */

static void no_item(void *context, const char *line)
{
	(void)context;
	(void)line;
}

/* False: refused, or there is no run any more. */
__attribute__((format(printf, 5, 6))) static bool ask(struct gdb_target *t, const char *word,
	client_item item, void *context, const char *format, ...)
{
	struct client_answer answer;
	char more[2 * MANAGE_LINE];
	va_list args;

	va_start(args, format);
	vsnprintf(more, sizeof(more), format, args);
	va_end(args);
	return client_link_ask_all(t->link, word, more, item, context, &answer, t->e) == 0 &&
	       answer.status == MANAGE_IS_OK;
}

struct look {
	const char *vm;
	bool found;
	unsigned cpus;
	char state[16];
};

static void look_item(void *context, const char *line)
{
	struct look *look = context;
	char name[LIMIT_NAME];

	record_text(line, "vm", name, sizeof(name));
	if (strcmp(name, look->vm) != 0)
		return;
	look->found = true;
	look->cpus = (unsigned)record_number(line, "cpus");
	record_text(line, "state", look->state, sizeof(look->state));
}

static struct look look_at(struct gdb_target *t)
{
	struct look look = {.vm = t->vm};

	ask(t, "list", look_item, &look, "%s", "");
	return look;
}

int gdb_target_open(struct gdb_target *t, const char *vm)
{
	const char *colon = strchr(vm, ':');
	size_t length = colon ? (size_t)(colon - vm) : strlen(vm);
	uint64_t vcpu = 0;
	struct look look;

	if (length >= sizeof(t->vm) ||
		(colon && !text_number(text_of(colon + 1, strlen(colon + 1)), &vcpu)))
		return fail(t->e, STATUS_USAGE, "gdb '%.60s': it is VM, or VM:VCPU", vm);
	snprintf(t->vm, sizeof(t->vm), "%.*s", (int)length, vm);
	look = look_at(t);
	if (t->e->status)
		return t->e->status;
	if (!look.found)
		return fail(
			t->e, STATUS_BAD_INPUT, "gdb %s: there is no VM of this name", t->vm);
	if (vcpu >= look.cpus)
		return fail(t->e, STATUS_BAD_INPUT,
			"gdb %s: the VM has no vCPU %" PRIu64 ": it has %u", t->vm, vcpu,
			look.cpus);
	t->vcpu = (unsigned)vcpu;
	t->cpus = look.cpus;
	return 0;
}

/* ---- standing still ---- */

static void put_stop(struct gdb_target *t, unsigned signal)
{
	t->size = 0;
	put(t, "T%02xthread:%x;", signal, t->vcpu + 1);
}

static void put_end(struct gdb_target *t)
{
	t->ended = true;
	t->ours = false;
	t->size = 0;
	put(t, "W00");
}

static bool runs(const char *state)
{
	return strcmp(state, "running") == 0;
}

static bool paused(const char *state)
{
	return strcmp(state, "paused") == 0;
}

void gdb_target_stop(struct gdb_target *t, unsigned signal)
{
	if (ask(t, "pause", no_item, NULL, "vm=%s", t->vm)) {
		t->ours = true;
		put_stop(t, signal);
	} else if (paused(look_at(t).state)) {
		put_stop(t, signal);
	} else {
		put_end(t);
	}
}

bool gdb_target_stopped(struct gdb_target *t)
{
	struct look look = look_at(t);

	if (runs(look.state))
		return false;
	if (paused(look.state))
		put_stop(t, SIGNAL_STOP);
	else
		put_end(t);
	return true;
}

void gdb_target_go(struct gdb_target *t)
{
	if (t->ours)
		ask(t, "resume", no_item, NULL, "vm=%s", t->vm);
	t->ours = false;
}

/* GDB's user says so, whoever made it stand still. */
static enum gdb_then go_on(struct gdb_target *t)
{
	if (ask(t, "resume", no_item, NULL, "vm=%s", t->vm) || runs(look_at(t).state)) {
		t->ours = false;
		return GDB_GOES_ON;
	}
	put_end(t);
	return GDB_STAY;
}

/* ---- registers ---- */

static void regs_item(void *context, const char *line)
{
	gdb_regs_item(context, line);
}

static struct gdb_regs registers(struct gdb_target *t)
{
	struct gdb_regs r = {.known = {false}};
	bool there;

	if (t->level)
		there = ask(t, "regs", regs_item, &r, "vm=%s vcpu=%u level=%u", t->vm, t->vcpu,
			t->level);
	else
		there = ask(t, "regs", regs_item, &r, "vm=%s vcpu=%u", t->vm, t->vcpu);
	if (!there)
		gdb_regs_absent(&r);
	return r;
}

static void all_registers(struct gdb_target *t)
{
	struct gdb_regs r = registers(t);

	for (unsigned i = 0; i < GDB_REGS; i++)
		t->size += gdb_reg_put(&r, i, t->out + t->size);
}

static void one_register(struct gdb_target *t, const char *p)
{
	uint64_t n;
	struct gdb_regs r;

	if (!gdb_number(&p, &n) || *p || n >= GDB_REGS) {
		put(t, "E01");
		return;
	}
	r = registers(t);
	t->size = gdb_reg_put(&r, (unsigned)n, t->out);
}

/* ---- memory ---- */

/* What all requests for memory have. */
static void where(const struct gdb_target *t, uint64_t at, char *text, size_t size)
{
	int n = snprintf(text, size, "vm=%s vcpu=%u at=0x%" PRIx64, t->vm, t->vcpu, at);

	if (t->level)
		snprintf(text + n, size - (size_t)n, " level=%u", t->level);
}

struct memory {
	struct gdb_target *t;
	unsigned digits; /* that are wanted */
	bool there;
};

static void memory_item(void *context, const char *line)
{
	struct memory *m = context;
	char data[2 * MANAGE_BYTES + 1];

	if (!record_text(line, "data", data, sizeof(data)) || strlen(data) != m->digits)
		return;
	m->there = true;
	put(m->t, "%s", data);
}

/* ADDRESS,SIZE. As much as there is. */
static void read_memory(struct gdb_target *t, const char *p)
{
	uint64_t at, size;

	if (!gdb_number(&p, &at) || *p++ != ',' || !gdb_number(&p, &size) || *p) {
		put(t, "E01");
		return;
	}
	size = size < MEMORY_MOST ? size : MEMORY_MOST;
	while (size) {
		uint64_t part = PAGE - at % PAGE;
		struct memory m = {.t = t};
		char text[MANAGE_LINE];

		part = part < MANAGE_BYTES ? part : MANAGE_BYTES;
		part = part < size ? part : size;
		m.digits = 2 * (unsigned)part;
		where(t, at, text, sizeof(text));
		if (!ask(t, "read", memory_item, &m, "%s size=%" PRIu64, text, part) ||
			!m.there)
			break;
		at += part;
		size -= part;
	}
	if (!t->size && size)
		put(t, ERROR_ADDRESS);
}

static bool write_part(struct gdb_target *t, uint64_t at, const char *hex, unsigned digits)
{
	char text[MANAGE_LINE];

	where(t, at, text, sizeof(text));
	return ask(t, "write", no_item, NULL, "%s data=%.*s", text, (int)digits, hex);
}

/* ADDRESS,SIZE:DIGITS */
static void write_memory(struct gdb_target *t, const char *p)
{
	uint64_t at, size;

	if (!gdb_number(&p, &at) || *p++ != ',' || !gdb_number(&p, &size) || *p++ != ':' ||
		size > GDB_PACKET / 2 || strlen(p) != 2 * size ||
		strspn(p, "0123456789abcdefABCDEF") != 2 * size) {
		put(t, "E01");
		return;
	}
	while (size) {
		uint64_t part = PAGE - at % PAGE;

		part = part < MANAGE_DATA ? part : MANAGE_DATA;
		part = part < size ? part : size;
		if (!write_part(t, at, p, 2 * (unsigned)part)) {
			put(t, ERROR_ADDRESS);
			return;
		}
		at += part;
		size -= part;
		p += 2 * part;
	}
	put(t, "OK");
}

/* ---- vCPUs as threads ---- */

static bool thread_of(const struct gdb_target *t, const char *p, unsigned *vcpu)
{
	uint64_t n;

	if (!gdb_number(&p, &n) || *p || n < 1 || n > t->cpus)
		return false;
	*vcpu = (unsigned)n - 1;
	return true;
}

/* Hg and Hc: 0 and -1 are any, and all. */
static void select_thread(struct gdb_target *t, const char *p)
{
	bool any = strcmp(p, "0") == 0 || strcmp(p, "-1") == 0;
	unsigned vcpu;

	if (!any && !thread_of(t, p, &vcpu)) {
		put(t, "E01");
		return;
	}
	if (!any)
		t->vcpu = vcpu;
	put(t, "OK");
}

static void threads(struct gdb_target *t)
{
	for (unsigned i = 1; i <= t->cpus; i++)
		put(t, "%c%x", i == 1 ? 'm' : ',', i);
}

static void level_item(void *context, const char *line)
{
	unsigned *level = context;

	if (record_number(line, "level"))
		*level = (unsigned)record_number(line, "level");
}

static void thread_words(struct gdb_target *t, const char *p)
{
	char text[40];
	unsigned vcpu, level = 0;

	if (!thread_of(t, p, &vcpu)) {
		put(t, "E01");
		return;
	}
	ask(t, "regs", level_item, &level, "vm=%s vcpu=%u", t->vm, vcpu);
	snprintf(text, sizeof(text), level ? "vCPU %u, in L%u" : "vCPU %u", vcpu, level);
	put_hex(t, text);
}

/* ---- queries ---- */

static void description(struct gdb_target *t, const char *p)
{
	char xml[GDB_XML];
	uint64_t from, size;
	size_t whole;

	if (!gdb_number(&p, &from) || *p++ != ',' || !gdb_number(&p, &size) || *p) {
		put(t, "E01");
		return;
	}
	gdb_regs_xml(xml);
	whole = strlen(xml);
	from = from < whole ? from : whole;
	size = size < GDB_PACKET / 2 ? size : GDB_PACKET / 2;
	size = size < whole - from ? size : whole - from;
	put(t, "%c%.*s", from + size == whole ? 'l' : 'm', (int)size, xml + from);
}

static void console_item(void *context, const char *line)
{
	struct gdb_target *t = context;
	const char *rest = strchr(line, ' ');

	rest = rest ? strchr(rest + 1, ' ') : NULL;
	t->size = 0;
	put(t, "O");
	put_hex(t, rest ? rest + 1 : line);
	put_hex(t, "\n");
	t->tell(t->context, t->out, t->size);
}

static void console_say(struct gdb_target *t, const char *text)
{
	t->size = 0;
	put(t, "O");
	put_hex(t, text);
	t->tell(t->context, t->out, t->size);
}

/* What `monitor` does. per: what the request names: 0 the VM, 1 a vCPU, 2 a level, too. */
static const struct command {
	const char *name, *word;
	unsigned per;
} commands[] = {
	{"exits", "stat", 1},
	{"explain", "explain", 0},
	{"regs", "regs", 2},
	{"vmcs", "vmcs", 2},
};

static void run_command(struct gdb_target *t, const struct command *c)
{
	char text[MANAGE_LINE];
	int n = snprintf(text, sizeof(text), "vm=%s", t->vm);

	if (c->per > 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " vcpu=%u", t->vcpu);
	if (c->per > 1 && t->level)
		snprintf(text + n, sizeof(text) - (size_t)n, " level=%u", t->level);
	if (!ask(t, c->word, console_item, t, "%s", text))
		console_say(t, "it cannot be told: the vCPU is not at this level\n");
	t->size = 0;
	put(t, "OK");
}

static void monitor(struct gdb_target *t, const char *hex)
{
	char name[16] = "";

	for (size_t i = 0; i + 1 < sizeof(name); i++) {
		int high = gdb_digit(hex[2 * i]), low;

		if (high < 0 || (low = gdb_digit(hex[2 * i + 1])) < 0)
			break;
		name[i] = (char)(high << 4 | low);
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0) {
			run_command(t, &commands[i]);
			return;
		}
	console_say(t, "monitor exits, explain, regs, vmcs\n");
	t->size = 0;
	put(t, "OK");
}

/* What is behind @word at the beginning of @p, or NULL. */
static const char *behind(const char *p, const char *word)
{
	size_t length = strlen(word);

	return strncmp(p, word, length) == 0 ? p + length : NULL;
}

static void query(struct gdb_target *t, const char *p)
{
	const char *rest;

	if (behind(p, "qSupported")) {
		put(t, "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+", GDB_PACKET);
	} else if (strcmp(p, "QStartNoAckMode") == 0) {
		t->no_ack = true;
		put(t, "OK");
	} else if ((rest = behind(p, "qXfer:features:read:target.xml:"))) {
		description(t, rest);
	} else if (strcmp(p, "qfThreadInfo") == 0) {
		threads(t);
	} else if (strcmp(p, "qsThreadInfo") == 0) {
		put(t, "l");
	} else if ((rest = behind(p, "qThreadExtraInfo,"))) {
		thread_words(t, rest);
	} else if (strcmp(p, "qC") == 0) {
		put(t, "QC%x", t->vcpu + 1);
	} else if (strcmp(p, "qAttached") == 0) {
		put(t, "1");
	} else if ((rest = behind(p, "qRcmd,"))) {
		monitor(t, rest);
	}
}

/* ---- packets ---- */

static void alive(struct gdb_target *t, const char *p)
{
	unsigned vcpu;

	put(t, thread_of(t, p, &vcpu) ? "OK" : "E01");
}

/* Without an answer to Z0 GDB would write INT3 itself, which the guest would take. */
static void look_only(struct gdb_target *t, char what)
{
	switch (what) {
	case 'G':
	case 'P':
	case 's':
	case 'S':
	case 'C':
	case 'Z':
	case 'z':
		put(t, ERROR_STATE);
		break;
	default: /* an empty answer: not known */
		break;
	}
}

enum gdb_then gdb_target_packet(struct gdb_target *t, const char *data, size_t size)
{
	const char *rest = data + (size != 0);

	t->size = 0;
	switch (*data) {
	case '?':
		gdb_target_stop(t, SIGNAL_TRAP);
		return GDB_STAY;
	case 'c':
		if (!*rest)
			return go_on(t);
		put(t, ERROR_STATE);
		return GDB_STAY;
	case 'D':
		put(t, "OK");
		return GDB_DETACHED;
	case 'k':
		return GDB_KILLED;
	case 'g':
		all_registers(t);
		return GDB_STAY;
	case 'p':
		one_register(t, rest);
		return GDB_STAY;
	case 'm':
		read_memory(t, rest);
		return GDB_STAY;
	case 'M':
		write_memory(t, rest);
		return GDB_STAY;
	case 'H':
		select_thread(t, rest + (*rest != 0));
		return GDB_STAY;
	case 'T':
		alive(t, rest);
		return GDB_STAY;
	case 'q':
	case 'Q':
		query(t, data);
		return GDB_STAY;
	default:
		look_only(t, *data);
		return GDB_STAY;
	}
}
