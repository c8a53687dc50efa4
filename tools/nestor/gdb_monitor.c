/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor` of GDB: what the run answers to a request, as text; see gdb_target_int.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gdb_target_int.h"
#include "lib/text.h"
#include "record.h"

static void console_item(void *context, const char *line)
{
	struct gdb_target *t = context;
	const char *rest = strchr(line, ' ');

	rest = rest ? strchr(rest + 1, ' ') : NULL;
	t->size = 0;
	gdb_put(t, "O");
	gdb_put_hex(t, rest ? rest + 1 : line);
	gdb_put_hex(t, "\n");
	t->tell(t->context, t->out, t->size);
}

static void console_say(struct gdb_target *t, const char *text)
{
	t->size = 0;
	gdb_put(t, "O");
	gdb_put_hex(t, text);
	t->tell(t->context, t->out, t->size);
}

static void console_why(struct gdb_target *t)
{
	char text[MANAGE_LINE + 8];

	snprintf(text, sizeof(text), "no: %s\n", t->why);
	console_say(t, text);
}

static void l2_item(void *context, const char *line)
{
	uint64_t *l2 = context;

	if (record_number(line, "l2"))
		*l2 = record_number(line, "l2");
}

/* `only`: breakpoints are for the L2 where the vCPU is; `every`: for all. */
static void choose_l2(struct gdb_target *t, bool only)
{
	t->l2 = 0;
	if (!only)
		console_say(t, "breakpoints count in every L2\n");
	else if (gdb_ask(t, "regs", l2_item, &t->l2, "vm=%s vcpu=%u", t->vm, t->vcpu) && t->l2)
		console_say(t, "breakpoints count only in this L2, and not in L1\n");
	else
		console_say(t, "the vCPU is not in L2: breakpoints count in every one\n");
}

/* What `monitor` does. per: what the request names: 0 the VM, 1 a vCPU, 2 a level, too. */
static const struct command {
	const char *name, *word;
	unsigned per;
	bool at;          /* with an address */
	const char *more; /* of the same request again, or NULL */
} commands[] = {
	{"exits", "stat", 1, false, NULL},
	{"explain", "explain", 0, false, NULL},
	{"regs", "regs", 2, false, NULL},
	{"vmcs", "vmcs", 2, false, NULL},
	{"ept", "ept", 2, true, NULL},
	{"stops", "stops", 0, false, " kind=soft"},
};

static void run_command(struct gdb_target *t, const struct command *c, uint64_t at)
{
	char text[MANAGE_LINE];
	int n = snprintf(text, sizeof(text), "vm=%s", t->vm);

	if (c->at)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " at=0x%" PRIx64, at);
	if (c->per > 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " vcpu=%u", t->vcpu);
	if (c->per > 1 && t->level)
		snprintf(text + n, sizeof(text) - (size_t)n, " level=%u", t->level);
	if (!gdb_ask(t, c->word, console_item, t, "%s", text) ||
		(c->more && !gdb_ask(t, c->word, console_item, t, "%s%s", text, c->more)))
		console_why(t);
}

/* The text of pairs of digits, as far as there is room. */
static void read_text(const char *hex, char *text, size_t size)
{
	size_t n = 0;

	for (; n + 1 < size; n++) {
		int high = gdb_digit(hex[2 * n]), low;

		if (high < 0 || (low = gdb_digit(hex[2 * n + 1])) < 0)
			break;
		text[n] = (char)(high << 4 | low);
	}
	text[n] = 0;
}

/* False: it is none. */
static bool obey(struct gdb_target *t, struct text line)
{
	struct text word = text_word(&line), argument = text_word(&line);
	uint64_t at = 0;

	if (text_is(word, "only") || text_is(word, "every")) {
		choose_l2(t, text_is(word, "only"));
		return argument.len == 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!text_is(word, commands[i].name))
			continue;
		if (commands[i].at ? !text_number(argument, &at) : argument.len != 0)
			return false;
		run_command(t, &commands[i], at);
		return true;
	}
	return false;
}

void gdb_monitor(struct gdb_target *t, const char *hex)
{
	char text[64];

	read_text(hex, text, sizeof(text));
	if (!obey(t, text_of(text, sizeof(text))))
		console_say(t, "monitor exits, explain, regs, vmcs, stops, ept ADDRESS, only, "
			       "every\n");
	t->size = 0;
	gdb_put(t, "OK");
}
