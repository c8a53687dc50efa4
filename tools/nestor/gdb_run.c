/* SPDX-License-Identifier: Apache-2.0 */
/* Breakpoints, steps and changes of registers for GDB; see gdb_target_int.h. */
#include "gdb_target_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gdb_regs.h"
#include "record.h"

#define ERROR_PACKET "E01"

/* The argument `level=`, if there is one. */
static const char *level_words(const struct gdb_target *t)
{
	static const char *const words[] = {"", " level=1", " level=2"};

	return words[t->level % 3];
}

/* ---- why it stands still ---- */

static void stop_item(void *context, const char *line)
{
	struct gdb_target *t = context;
	uint64_t vcpu = record_number(line, "vcpu");
	struct gdb_stop s = {.any = true, .at = record_number(line, "at")};

	if (record_text(line, "why", s.why, sizeof(s.why)) && vcpu < t->cpus)
		t->stop[vcpu] = s;
}

void gdb_take_stops(struct gdb_target *t)
{
	memset(t->stop, 0, sizeof(t->stop));
	gdb_ask(t, "stops", stop_item, t, "vm=%s", t->vm);
}

static bool is_soft(const struct gdb_target *t, uint64_t at)
{
	for (unsigned i = 0; i < t->softs; i++)
		if (t->soft[i] == at)
			return true;
	return false;
}

static void put_why(struct gdb_target *t, const struct gdb_stop *s)
{
	gdb_put(t, "T05thread:%x;", t->vcpu + 1);
	if (strcmp(s->why, "execute") == 0)
		gdb_put(t, "%s:;", is_soft(t, s->at) ? "swbreak" : "hwbreak");
	else if (strcmp(s->why, "write") == 0)
		gdb_put(t, "watch:%" PRIx64 ";", s->at);
	else if (strcmp(s->why, "access") == 0)
		gdb_put(t, "awatch:%" PRIx64 ";", s->at);
}

/* The selected one first. */
bool gdb_put_next_stop(struct gdb_target *t)
{
	for (unsigned i = 0; i < t->cpus; i++) {
		unsigned vcpu = (t->vcpu + i) % t->cpus;

		if (!t->stop[vcpu].any)
			continue;
		t->vcpu = vcpu;
		t->stop[vcpu].any = false;
		t->size = 0;
		put_why(t, &t->stop[vcpu]);
		return true;
	}
	return false;
}

/* ---- going on ---- */

static enum gdb_then step(struct gdb_target *t, unsigned vcpu, bool alone)
{
	t->stop[vcpu].any = false;
	if (gdb_ask(t, "step", gdb_no_item, NULL, "vm=%s vcpu=%u%s%s hold=1", t->vm, vcpu,
		    level_words(t), alone ? " alone=1" : "")) {
		t->vcpu = vcpu;
		t->ours = false;
		return GDB_GOES_ON;
	}
	gdb_put(t, ERROR_STATE);
	return GDB_STAY;
}

enum gdb_then gdb_step(struct gdb_target *t)
{
	return step(t, t->vcpu, false);
}

/* Of several vCPUs that met something at once GDB hears one after the other. */
enum gdb_then gdb_continue(struct gdb_target *t)
{
	if (gdb_put_next_stop(t))
		return GDB_STAY;
	return gdb_go_on(t, "");
}

struct actions {
	bool steps, goes, all; /* all: an action is for threads that have none of their own */
	unsigned stepper, goer;
};

/* One of `c`, `s`, `C05`, `S05`, with `:THREAD` or for all; signals are nothing to a vCPU. */
static bool take_action(
	const struct gdb_target *t, const char *p, const char *end, struct actions *a)
{
	const char *colon = memchr(p, ':', (size_t)(end - p));
	unsigned vcpu = t->vcpu;
	bool steps = *p == 's' || *p == 'S';

	if (!steps && *p != 'c' && *p != 'C')
		return false;
	if (colon && !gdb_thread(t, colon + 1, end, &vcpu))
		return false;
	if (steps && !a->steps)
		a->stepper = vcpu;
	if (!steps && colon)
		a->goer = vcpu;
	a->steps |= steps;
	a->goes |= !steps;
	a->all |= !steps && !colon;
	return true;
}

enum gdb_then gdb_vcont(struct gdb_target *t, const char *p)
{
	struct actions a = {.steps = false};
	char one[40];

	while (*p == ';') {
		const char *end = p + 1 + strcspn(p + 1, ";");

		p++;
		if (!take_action(t, p, end, &a))
			break;
		p = end;
	}
	if (*p || (!a.steps && !a.goes)) {
		gdb_put(t, ERROR_PACKET);
		return GDB_STAY;
	}
	if (a.steps)
		return step(t, a.stepper, !a.all);
	if (a.all)
		return gdb_continue(t);
	if (t->stop[a.goer].any)
		return gdb_continue(t);
	snprintf(one, sizeof(one), " vcpu=%u", a.goer);
	return gdb_go_on(t, one);
}

/* ---- breakpoints ---- */

/* The largest piece at the start of a range that a debug register can watch. */
static unsigned piece(uint64_t at, uint64_t size)
{
	unsigned n = 8;

	while (at % n || n > size)
		n /= 2;
	return n;
}

static bool one_point(
	struct gdb_target *t, const char *on, uint64_t at, unsigned size, bool set)
{
	char l2[32] = "";

	if (set && t->l2)
		snprintf(l2, sizeof(l2), " l2=0x%" PRIx64, t->l2);
	return gdb_ask(t, set ? "break" : "unbreak", gdb_no_item, NULL,
		"vm=%s at=0x%" PRIx64 " kind=%s size=%u%s%s%s", t->vm, at, on, size,
		level_words(t), l2, set ? " hold=1" : "");
}

/* All pieces of a range, or none. */
static bool points(struct gdb_target *t, const char *on, uint64_t at, uint64_t size, bool set)
{
	uint64_t done = 0;

	if (size == 0 || size > 32) /* four registers of 8 bytes */
		return false;
	while (done < size) {
		unsigned n = piece(at + done, size - done);

		if (!one_point(t, on, at + done, n, set))
			break;
		done += n;
	}
	if (done == size)
		return true;
	for (uint64_t i = 0; set && i < done; i += piece(at + i, size - i))
		one_point(t, on, at + i, piece(at + i, size - i), false);
	return false;
}

static void note_soft(struct gdb_target *t, uint64_t at, bool set)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < t->softs; i++)
		if (t->soft[i] != at)
			t->soft[kept++] = t->soft[i];
	t->softs = kept;
	if (set && t->softs < GDB_SOFT)
		t->soft[t->softs++] = at;
}

/*
 * To an empty answer to Z0 GDB would write INT3 itself, which the guest would take. To one to
 * Z3 it uses Z4: the processor cannot watch reads alone.
 */
void gdb_point(struct gdb_target *t, const char *p, bool set)
{
	static const char *const kinds[] = {"soft", "execute", "write", NULL, "access"};
	uint64_t type, at, size;

	if (!gdb_number(&p, &type) || *p++ != ',' || !gdb_number(&p, &at) || *p++ != ',' ||
		!gdb_number(&p, &size) || *p) {
		gdb_put(t, ERROR_PACKET);
		return;
	}
	if (type >= sizeof(kinds) / sizeof(kinds[0]) || !kinds[type])
		return;
	if (!points(t, kinds[type], at, type < 2 ? 1 : size, set)) {
		gdb_put(t, ERROR_STATE);
		return;
	}
	if (type == 0)
		note_soft(t, at, set);
	gdb_put(t, "OK");
}

/* ---- registers ---- */

/* A `call` writes them all back, most of them as they are. */
static bool write_fpu(struct gdb_target *t, unsigned n, const char *digits)
{
	const struct gdb_fpu *f = gdb_fpu(t);
	struct gdb_fpu_piece p;
	char hex[2 * GDB_REG_BYTES + 1] = "";

	if (!gdb_reg_piece(n, digits, f, &p))
		return false;
	if (memcmp(f->data + p.at, p.data, p.size) == 0)
		return true;
	for (unsigned i = 0; i < p.size; i++)
		sprintf(hex + (size_t)2 * i, "%02x", (unsigned)p.data[i]);
	t->fpu_known = false;
	return gdb_ask(t, "fpu", gdb_no_item, NULL, "vm=%s vcpu=%u at=%u data=%s%s", t->vm,
		t->vcpu, p.at, hex, level_words(t));
}

void gdb_write_register(struct gdb_target *t, const char *p)
{
	uint64_t n, value;

	if (!gdb_number(&p, &n) || *p++ != '=' || n >= GDB_REGS ||
		(!gdb_reg_is_fpu((unsigned)n) && !gdb_reg_take(p, &value))) {
		gdb_put(t, ERROR_PACKET);
		return;
	}
	if (gdb_reg_is_fpu((unsigned)n)) {
		gdb_put(t, "%s", write_fpu(t, (unsigned)n, p) ? "OK" : ERROR_STATE);
		return;
	}
	gdb_put(t, "%s",
		gdb_ask(t, "set", gdb_no_item, NULL,
			"vm=%s vcpu=%u register=%s value=0x%" PRIx64 "%s", t->vm, t->vcpu,
			gdb_reg_word((unsigned)n), value, level_words(t))
			? "OK"
			: ERROR_STATE);
}
