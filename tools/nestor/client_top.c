/* SPDX-License-Identifier: Apache-2.0 */
/* What the vCPUs of a run do; see client_top.h. */
#include "client_top.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "client_multiply.h"
#include "lib/limits.h"
#include "record.h"

/* Counts since the VM began. */
struct counts {
	uint64_t ticks[3]; /* L0, L1, L2 */
	uint64_t exits[3]; /* of level 1 and 2 */
	uint64_t to_l1;
	struct multiply multiply;
};

struct vm {
	char name[LIMIT_NAME], state[16];
	unsigned cpus, restarts;
	struct counts now[LIMIT_VCPUS], before[LIMIT_VCPUS];
};

struct top {
	struct client_link *link;
	struct vm vms[LIMIT_VMS];
	unsigned seen; /* of the list under way */
	struct counts *counts;
	double at;
	struct error *e;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void take_vm(void *context, const char *line)
{
	struct top *t = context;
	struct vm *vm = &t->vms[t->seen];
	char name[LIMIT_NAME];
	unsigned restarts = (unsigned)record_number(line, "restarts");

	if (t->seen == LIMIT_VMS || !record_text(line, "vm", name, sizeof(name)))
		return;
	if (strcmp(name, vm->name) != 0 || restarts != vm->restarts)
		memset(vm, 0, sizeof(*vm));
	vm->restarts = restarts;
	strcpy(vm->name, name);
	record_text(line, "state", vm->state, sizeof(vm->state));
	vm->cpus = (unsigned)record_number(line, "cpus");
	vm->cpus = vm->cpus < LIMIT_VCPUS ? vm->cpus : LIMIT_VCPUS;
	t->seen++;
}

static void take_figure(void *context, const char *line)
{
	struct counts *c = ((struct top *)context)->counts;
	uint64_t level = record_number(line, "level");
	char name[32];

	multiply_take(&c->multiply, line);
	if (!record_text(line, "figure", name, sizeof(name))) {
		if (level == 1 || level == 2)
			c->exits[level] += record_number(line, "count");
		return;
	}
	if (strncmp(name, "ticks_l", 7) == 0 && name[7] >= '0' && name[7] <= '2')
		c->ticks[name[7] - '0'] = record_number(line, "value");
	if (strcmp(name, "nested_exits_to_l1") == 0)
		c->to_l1 = record_number(line, "value");
}

/* A VM that ends meanwhile has no figures. */
static int ask_vm(struct top *t, struct vm *vm)
{
	struct client_answer answer;
	char more[80];

	for (unsigned i = 0; i < vm->cpus; i++) {
		vm->before[i] = vm->now[i];
		vm->now[i] = (struct counts){.to_l1 = 0};
		t->counts = &vm->now[i];
		snprintf(more, sizeof(more), "vm=%s vcpu=%u", vm->name, i);
		if (client_link_ask_all(t->link, "stat", more, take_figure, t, &answer, t->e))
			return t->e->status;
	}
	return 0;
}

static int ask_all(struct top *t)
{
	struct client_answer answer;

	t->seen = 0;
	if (client_link_ask_all(t->link, "list", "", take_vm, t, &answer, t->e))
		return t->e->status;
	for (unsigned i = 0; i < t->seen; i++)
		if (ask_vm(t, &t->vms[i]))
			return t->e->status;
	return 0;
}

static uint64_t since(uint64_t after, uint64_t before)
{
	return after > before ? after - before : 0;
}

static void show_vcpu(const struct vm *vm, unsigned i, double seconds)
{
	const struct counts *a = &vm->now[i], *b = &vm->before[i];
	struct multiply m;
	uint64_t ticks[3], all = 0, exits[3] = {0}, to_l1 = since(a->to_l1, b->to_l1);

	for (unsigned k = 0; k < 3; k++) {
		ticks[k] = since(a->ticks[k], b->ticks[k]);
		exits[k] = since(a->exits[k], b->exits[k]);
		all += ticks[k];
	}
	printf("%-16s %-8s %4u", vm->name, vm->state, i);
	for (unsigned k = 0; k < 3; k++)
		printf(" %5.1f", all ? 100.0 * (double)ticks[k] / (double)all : 0.0);
	printf(" %10.0f %10.0f %10.0f", (double)exits[1] / seconds, (double)exits[2] / seconds,
		(double)to_l1 / seconds);
	if (to_l1)
		printf(" %8.2f", (double)(exits[1] + exits[2]) / (double)to_l1);
	putchar('\n');
	m = multiply_since(&a->multiply, &b->multiply);
	if (to_l1)
		printf("%16s ", "");
	multiply_show(stdout, &m);
}

static void show(struct top *t, double seconds)
{
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
	printf("%-16s %-8s %4s %5s %5s %5s %10s %10s %10s %8s\n", "vm", "state", "vcpu", "L0 %",
		"L1 %", "L2 %", "L1 exits/s", "L2 exits/s", "to L1/s", "each");
	for (unsigned i = 0; i < t->seen; i++)
		for (unsigned k = 0; k < t->vms[i].cpus; k++)
			show_vcpu(&t->vms[i], k, seconds);
	fflush(stdout);
}

static void refresh(struct top *t, uint64_t count)
{
	for (uint64_t i = 0; !count || i < count; i++) {
		double before = t->at;

		sleep(1);
		t->at = now();
		if (ask_all(t))
			return;
		show(t, t->at - before);
	}
}

int client_top(struct client_link *l, uint64_t count, struct error *e)
{
	struct arena arena = {0};
	struct top *t = arena_alloc(&arena, sizeof(*t)); /* too large for a stack */

	t->link = l;
	t->e = e;
	t->at = now();
	if (!ask_all(t)) {
		refresh(t, count);
		if (!count && e->status == STATUS_HOST_ERROR)
			e->status = 0; /* the end of the run */
	}
	arena_free(&arena);
	return e->status;
}
