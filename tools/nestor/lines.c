/* SPDX-License-Identifier: Apache-2.0 */
/* Whole lines of several VMs; see lines.h. */
#include "lines.h"

#include <string.h>

void lines_init(struct lines *l, FILE *out)
{
	memset(l, 0, sizeof(*l));
	l->out = out;
	l->open = -1;
	for (unsigned i = 0; i < SCENARIO_MAX_VMS; i++)
		l->vms[i].name = "?";
}

void lines_name(struct lines *l, unsigned vm, const char *name)
{
	l->vms[vm].name = name;
}

/* Up to the end of the last whole line that waits. */
static size_t whole(const struct lines_vm *v)
{
	const char *end = memrchr(v->data, '\n', v->size);

	return end ? (size_t)(end - v->data) + 1 : 0;
}

/* The first @size bytes that wait. */
static void show(struct lines *l, unsigned vm, size_t size, double now)
{
	struct lines_vm *v = &l->vms[vm];

	for (size_t i = 0; i < size; i++) {
		if (l->open < 0)
			fprintf(l->out, "%s%c ", v->name, v->cut ? '+' : '|');
		fputc(v->data[i], l->out);
		v->cut = false;
		l->open = v->data[i] == '\n' ? -1 : (int)vm;
	}
	v->size -= size;
	memmove(v->data, v->data + size, v->size);
	v->since = now; /* of what is left, whose first byte came about then */
	l->touched = now;
}

/* The line that is open goes on later. */
static void cut(struct lines *l)
{
	if (l->open < 0)
		return;
	fputc('\n', l->out);
	l->vms[l->open].cut = true;
	l->open = -1;
}

/*
 * The line that is open has been quiet for long enough, or @v has waited for it for too long.
 */
static double patience(const struct lines *l, const struct lines_vm *v)
{
	double quiet = l->touched + LINES_HOLD, wait = v->since + LINES_WAIT;

	return quiet < wait ? quiet : wait;
}

/* When what waits may be shown; it is not empty. */
static double due(const struct lines *l, unsigned vm)
{
	const struct lines_vm *v = &l->vms[vm];
	double at = whole(v) ? v->since : v->since + LINES_HOLD;

	if (l->open == (int)vm)
		return v->since;
	return l->open >= 0 && at < patience(l, v) ? patience(l, v) : at;
}

/* Who may show something now, of several the one that has waited longest; -1: nobody. */
static int next(const struct lines *l, double now)
{
	int best = -1;

	if (l->open >= 0 && l->vms[l->open].size)
		return l->open;
	for (int i = 0; i < SCENARIO_MAX_VMS; i++) {
		const struct lines_vm *v = &l->vms[i];

		if (v->size && due(l, (unsigned)i) <= now &&
			(best < 0 || v->since < l->vms[best].since))
			best = i;
	}
	return best;
}

void lines_attend(struct lines *l, double now)
{
	int vm;

	while ((vm = next(l, now)) >= 0) {
		size_t size = whole(&l->vms[vm]);

		if (l->open != vm)
			cut(l);
		show(l, (unsigned)vm, size ? size : l->vms[vm].size, now);
	}
}

void lines_add(struct lines *l, unsigned vm, const char *data, size_t size, double now)
{
	struct lines_vm *v = &l->vms[vm];

	while (size) {
		size_t n = sizeof(v->data) - v->size;

		n = n < size ? n : size;
		if (!v->size)
			v->since = now;
		memcpy(v->data + v->size, data, n);
		v->size += n;
		data += n;
		size -= n;
		if (v->size == sizeof(v->data)) {
			if (l->open != (int)vm)
				cut(l);
			show(l, vm, v->size, now);
		}
	}
	lines_attend(l, now);
}

double lines_deadline(const struct lines *l)
{
	double at = 0;

	for (unsigned i = 0; i < SCENARIO_MAX_VMS; i++)
		if (l->vms[i].size && (at <= 0 || due(l, i) < at))
			at = due(l, i);
	return at;
}

void lines_flush(struct lines *l, bool cut_last)
{
	lines_attend(l, l->touched);
	for (unsigned i = 0; i < SCENARIO_MAX_VMS; i++) {
		if (!l->vms[i].size)
			continue;
		cut(l);
		show(l, i, l->vms[i].size, l->touched);
	}
	if (cut_last)
		cut(l);
}
