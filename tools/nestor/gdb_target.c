/* SPDX-License-Identifier: Apache-2.0 */
/* What GDB's packets ask of a VM; see gdb_target.h. */
#include "gdb_target.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gdb_target_int.h"
#include "record.h"

#define PAGE          4096u
#define MEMORY_MOST   (GDB_PACKET / 2 - 8) /* bytes of one answer */
#define SIGNAL_TRAP   5u
#define SIGNAL_STOP   17u
#define ERROR_ADDRESS "E0e"

void gdb_put(struct gdb_target *t, const char *format, ...)
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

void gdb_put_hex(struct gdb_target *t, const char *text)
{
	for (; *text && t->size + 2 < sizeof(t->out); text++)
		gdb_put(t, "%02x", (unsigned)(unsigned char)*text);
}

/* ---- requests ---- */

void gdb_no_item(void *context, const char *line)
{
	(void)context;
	(void)line;
}

bool gdb_ask(struct gdb_target *t, const char *word, client_item item, void *context,
	const char *format, ...)
{
	struct client_answer answer;
	char more[2 * MANAGE_LINE];
	va_list args;

	va_start(args, format);
	vsnprintf(more, sizeof(more), format, args);
	va_end(args);
	if (client_link_ask_all(t->link, word, more, item, context, &answer, t->e))
		return false;
	snprintf(t->why, sizeof(t->why), "%s", answer.text);
	return answer.status == MANAGE_IS_OK;
}

struct look {
	const char *vm;
	bool found;
	unsigned cpus;
	uint64_t restarts;
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
	look->restarts = record_number(line, "restarts");
	record_text(line, "state", look->state, sizeof(look->state));
}

static struct look look_at(struct gdb_target *t)
{
	struct look look = {.vm = t->vm};

	gdb_ask(t, "list", look_item, &look, "%s", "");
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
	t->cpus = look.cpus < LIMIT_VCPUS ? look.cpus : LIMIT_VCPUS;
	t->restarts = look.restarts;
	gdb_ask(t, "events", gdb_no_item, NULL, "%s", "");
	return t->e->status;
}

/* That there was something is enough: `stops` tells what. */
bool gdb_target_drain(struct gdb_target *t)
{
	struct error e = {.status = 0};

	while (client_link_line(t->link, 0, &e))
		;
	if (e.status == STATUS_TIMEOUT)
		return true;
	*t->e = e;
	return false;
}

/* ---- standing still ---- */

static void put_stop(struct gdb_target *t, unsigned signal)
{
	t->size = 0;
	gdb_put(t, "T%02xthread:%x;", signal, t->vcpu + 1);
}

void gdb_put_end(struct gdb_target *t)
{
	t->ended = true;
	t->ours = false;
	t->size = 0;
	gdb_put(t, "W00");
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
	if (gdb_ask(t, "pause", gdb_no_item, NULL, "vm=%s hold=1", t->vm)) {
		t->ours = true;
		put_stop(t, signal);
	} else if (t->e->status == STATUS_INTERRUPTED) {
		t->ours = true; /* it may be */
	} else if (paused(look_at(t).state)) {
		put_stop(t, signal);
	} else {
		gdb_put_end(t);
	}
}

/* Its next life has none of the breakpoints. */
static bool in_another_life(const struct gdb_target *t, const struct look *look)
{
	return look->found && look->restarts != t->restarts;
}

bool gdb_target_stopped(struct gdb_target *t)
{
	struct look look = look_at(t);

	if (in_another_life(t, &look)) {
		gdb_put_end(t);
		return true;
	}
	if (runs(look.state))
		return false;
	if (!paused(look.state)) {
		gdb_put_end(t);
		return true;
	}
	gdb_take_stops(t);
	if (gdb_put_next_stop(t))
		t->ours = true;
	else
		put_stop(t, SIGNAL_STOP);
	return true;
}

void gdb_target_clear(struct gdb_target *t)
{
	gdb_ask(t, "unbreak", gdb_no_item, NULL, "vm=%s", t->vm);
}

void gdb_target_go(struct gdb_target *t)
{
	if (t->ours)
		gdb_ask(t, "resume", gdb_no_item, NULL, "vm=%s", t->vm);
	t->ours = false;
}

enum gdb_then gdb_go_on(struct gdb_target *t, const char *which)
{
	if (gdb_ask(t, "resume", gdb_no_item, NULL, "vm=%s%s hold=1", t->vm, which) ||
		runs(look_at(t).state)) {
		t->ours = false;
		return GDB_GOES_ON;
	}
	gdb_put_end(t);
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
		there = gdb_ask(t, "regs", regs_item, &r, "vm=%s vcpu=%u level=%u", t->vm,
			t->vcpu, t->level);
	else
		there = gdb_ask(t, "regs", regs_item, &r, "vm=%s vcpu=%u", t->vm, t->vcpu);
	if (!there)
		gdb_regs_absent(&r);
	return r;
}

static void all_registers(struct gdb_target *t)
{
	struct gdb_regs r = registers(t);

	for (unsigned i = 0; i < GDB_REGS_MAIN; i++)
		t->size += gdb_reg_put(&r, i, t->out + t->size);
}

static void fpu_item(void *context, const char *line)
{
	gdb_fpu_item(context, line);
}

/* GDB asks for one after the other: they are kept until something can have changed. */
const struct gdb_fpu *gdb_fpu(struct gdb_target *t)
{
	if (t->fpu_known)
		return &t->fpu;
	t->fpu = (struct gdb_fpu){.legacy = false};
	t->fpu_known = true;
	if (t->level)
		gdb_ask(t, "fpu", fpu_item, &t->fpu, "vm=%s vcpu=%u level=%u", t->vm, t->vcpu,
			t->level);
	else
		gdb_ask(t, "fpu", fpu_item, &t->fpu, "vm=%s vcpu=%u", t->vm, t->vcpu);
	return &t->fpu;
}

static void one_register(struct gdb_target *t, const char *p)
{
	uint64_t n;
	struct gdb_regs r = {.known = {false}};

	if (!gdb_number(&p, &n) || *p || n >= GDB_REGS) {
		gdb_put(t, "E01");
		return;
	}
	if (gdb_reg_is_fpu((unsigned)n))
		gdb_regs_fpu(&r, gdb_fpu(t));
	else
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
	gdb_put(m->t, "%s", data);
}

/* ADDRESS,SIZE. As much as there is. */
static void read_memory(struct gdb_target *t, const char *p)
{
	uint64_t at, size;

	if (!gdb_number(&p, &at) || *p++ != ',' || !gdb_number(&p, &size) || *p) {
		gdb_put(t, "E01");
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
		if (!gdb_ask(t, "read", memory_item, &m, "%s size=%" PRIu64, text, part) ||
			!m.there)
			break;
		at += part;
		size -= part;
	}
	if (!t->size && size)
		gdb_put(t, ERROR_ADDRESS);
}

static bool write_part(struct gdb_target *t, uint64_t at, const char *hex, unsigned digits)
{
	char text[MANAGE_LINE];

	where(t, at, text, sizeof(text));
	return gdb_ask(t, "write", gdb_no_item, NULL, "%s data=%.*s", text, (int)digits, hex);
}

/* ADDRESS,SIZE:DIGITS */
static void write_memory(struct gdb_target *t, const char *p)
{
	uint64_t at, size;

	if (!gdb_number(&p, &at) || *p++ != ',' || !gdb_number(&p, &size) || *p++ != ':' ||
		size > GDB_PACKET / 2 || strlen(p) != 2 * size ||
		strspn(p, "0123456789abcdefABCDEF") != 2 * size) {
		gdb_put(t, "E01");
		return;
	}
	while (size) {
		uint64_t part = PAGE - at % PAGE;

		part = part < MANAGE_DATA ? part : MANAGE_DATA;
		part = part < size ? part : size;
		if (!write_part(t, at, p, 2 * (unsigned)part)) {
			gdb_put(t, ERROR_ADDRESS);
			return;
		}
		at += part;
		size -= part;
		p += 2 * part;
	}
	gdb_put(t, "OK");
}

/* ---- vCPUs as threads ---- */

bool gdb_thread(const struct gdb_target *t, const char *p, const char *end, unsigned *vcpu)
{
	uint64_t n;

	if (!gdb_number(&p, &n) || p != end || n < 1 || n > t->cpus)
		return false;
	*vcpu = (unsigned)n - 1;
	return true;
}

static bool thread_of(const struct gdb_target *t, const char *p, unsigned *vcpu)
{
	return gdb_thread(t, p, p + strlen(p), vcpu);
}

/* Hg and Hc: 0 and -1 are any, and all. */
static void select_thread(struct gdb_target *t, const char *p)
{
	bool any = strcmp(p, "0") == 0 || strcmp(p, "-1") == 0;
	unsigned vcpu;

	if (!any && !thread_of(t, p, &vcpu)) {
		gdb_put(t, "E01");
		return;
	}
	if (!any)
		t->vcpu = vcpu;
	gdb_put(t, "OK");
}

static void threads(struct gdb_target *t)
{
	for (unsigned i = 1; i <= t->cpus; i++)
		gdb_put(t, "%c%x", i == 1 ? 'm' : ',', i);
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
		gdb_put(t, "E01");
		return;
	}
	gdb_ask(t, "regs", level_item, &level, "vm=%s vcpu=%u", t->vm, vcpu);
	snprintf(text, sizeof(text), level ? "vCPU %u, in L%u" : "vCPU %u", vcpu, level);
	gdb_put_hex(t, text);
}

/* ---- queries ---- */

static void description(struct gdb_target *t, const char *p)
{
	char xml[GDB_XML];
	uint64_t from, size;
	size_t whole;

	if (!gdb_number(&p, &from) || *p++ != ',' || !gdb_number(&p, &size) || *p) {
		gdb_put(t, "E01");
		return;
	}
	gdb_regs_xml(xml);
	whole = strlen(xml);
	from = from < whole ? from : whole;
	size = size < GDB_PACKET / 2 ? size : GDB_PACKET / 2;
	size = size < whole - from ? size : whole - from;
	gdb_put(t, "%c%.*s", from + size == whole ? 'l' : 'm', (int)size, xml + from);
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
		gdb_put(t,
			"PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;swbreak+;"
			"hwbreak+;vContSupported+",
			GDB_PACKET);
	} else if (strcmp(p, "QStartNoAckMode") == 0) {
		t->no_ack = true;
		gdb_put(t, "OK");
	} else if ((rest = behind(p, "qXfer:features:read:target.xml:"))) {
		description(t, rest);
	} else if (strcmp(p, "qfThreadInfo") == 0) {
		threads(t);
	} else if (strcmp(p, "qsThreadInfo") == 0) {
		gdb_put(t, "l");
	} else if ((rest = behind(p, "qThreadExtraInfo,"))) {
		thread_words(t, rest);
	} else if (strcmp(p, "qC") == 0) {
		gdb_put(t, "QC%x", t->vcpu + 1);
	} else if (strcmp(p, "qAttached") == 0) {
		gdb_put(t, "1");
	} else if ((rest = behind(p, "qRcmd,"))) {
		gdb_monitor(t, rest);
	}
}

/* ---- packets ---- */

static void alive(struct gdb_target *t, const char *p)
{
	unsigned vcpu;

	gdb_put(t, thread_of(t, p, &vcpu) ? "OK" : "E01");
}

/* Packets that let the VM go on. */
static enum gdb_then run(struct gdb_target *t, const char *data)
{
	const char *rest = behind(data, "vCont");

	if (rest && *rest == '?')
		gdb_put(t, "vCont;c;C;s;S");
	else if (rest)
		return gdb_vcont(t, rest);
	else if (*data == 'v') /* an empty answer: not known */
		return GDB_STAY;
	else if (data[1] && (*data == 'c' || *data == 's')) /* at another address */
		gdb_put(t, ERROR_STATE);
	else
		return *data == 'c' || *data == 'C' ? gdb_continue(t) : gdb_step(t);
	return GDB_STAY;
}

enum gdb_then gdb_target_packet(struct gdb_target *t, const char *data, size_t size)
{
	const char *rest = data + (size != 0);

	t->size = 0;
	if (*data != 'p' && *data != 'P') /* of the same vCPU, which has stood still */
		t->fpu_known = false;
	switch (*data) {
	case '?':
		gdb_target_stop(t, SIGNAL_TRAP);
		return GDB_STAY;
	case 'c':
	case 'C':
	case 's':
	case 'S':
	case 'v':
		return run(t, data);
	case 'Z':
	case 'z':
		gdb_point(t, rest, *data == 'Z');
		return GDB_STAY;
	case 'P':
		gdb_write_register(t, rest);
		return GDB_STAY;
	case 'G': /* registers one by one only */
		gdb_put(t, ERROR_STATE);
		return GDB_STAY;
	case 'D':
		gdb_put(t, "OK");
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
	default: /* an empty answer: not known */
		return GDB_STAY;
	}
}
