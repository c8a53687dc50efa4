/* SPDX-License-Identifier: Apache-2.0 */
/* The closing summary of a run; see summary.h. */
#include "summary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

static struct summary_row *row_of(struct summary *s, const char *vm, const char *reason)
{
	struct summary_row *row;

	for (unsigned i = 0; i < s->row_count; i++)
		if (strcmp(s->rows[i].vm, vm) == 0 && strcmp(s->rows[i].reason, reason) == 0)
			return &s->rows[i];
	if (s->row_count == SUMMARY_ROWS)
		return NULL;
	row = &s->rows[s->row_count++];
	snprintf(row->vm, sizeof(row->vm), "%s", vm);
	snprintf(row->reason, sizeof(row->reason), "%s", reason);
	return row;
}

static struct summary_figure *figure_of(struct summary *s, const char *vm, const char *name)
{
	struct summary_figure *f;

	for (unsigned i = 0; i < s->figure_count; i++)
		if (strcmp(s->figures[i].vm, vm) == 0 && strcmp(s->figures[i].name, name) == 0)
			return &s->figures[i];
	if (s->figure_count == SUMMARY_ROWS)
		return NULL;
	f = &s->figures[s->figure_count++];
	snprintf(f->vm, sizeof(f->vm), "%s", vm);
	snprintf(f->name, sizeof(f->name), "%s", name);
	return f;
}

/* Every KEY=NUMBER of the record but the CPU's index is a figure. */
static void add_figures(struct summary *s, const char *vm, const char *record)
{
	char text[512];
	char *rest = text;
	char *word;

	snprintf(text, sizeof(text), "%s", record);
	while ((word = strsep(&rest, " "))) {
		char *equals = strchr(word, '=');
		struct summary_figure *f;

		if (!equals)
			continue;
		*equals = 0;
		if (strcmp(word, "vm") == 0 || strcmp(word, "vcpu") == 0)
			continue;
		f = figure_of(s, vm, word);
		if (f)
			f->value += strtoull(equals + 1, NULL, 0);
	}
}

void summary_add(struct summary *s, const char *record)
{
	char line[512];
	char vm[SUMMARY_NAME];
	char reason[SUMMARY_NAME];
	uint64_t level;
	struct summary_row *row;

	/* Values are searched for after a word. */
	snprintf(line, sizeof(line), "stat %s", record);
	record_text(line, "vm", vm, sizeof(vm));
	if (!record_text(line, "reason", reason, sizeof(reason))) {
		add_figures(s, vm, record);
		return;
	}
	level = record_number(line, "level");
	row = level == 1 || level == 2 ? row_of(s, vm, reason) : NULL;
	if (row)
		row->count[level - 1] += record_number(line, "count");
}

static uint64_t total(const struct summary_row *row)
{
	return row->count[0] + row->count[1];
}

/* Rows of a VM come together, those with the most exits first. */
static int compare(const void *a, const void *b)
{
	const struct summary_row *x = a;
	const struct summary_row *y = b;
	int by_vm = strcmp(x->vm, y->vm);

	return by_vm ? by_vm : (total(x) < total(y)) - (total(x) > total(y));
}

static void print_exits(const struct summary *s, const char *vm, FILE *out)
{
	struct summary sorted = *s;
	bool any = false;

	qsort(sorted.rows, sorted.row_count, sizeof(sorted.rows[0]), compare);
	for (unsigned i = 0; i < sorted.row_count; i++) {
		const struct summary_row *row = &sorted.rows[i];

		if (strcmp(row->vm, vm) != 0)
			continue;
		if (!any)
			fprintf(out, "  %-30s %14s %14s\n", "exits by reason", "from L1",
				"from L2");
		any = true;
		fprintf(out, "    %-28s %14llu %14llu\n", row->reason,
			(unsigned long long)row->count[0], (unsigned long long)row->count[1]);
	}
}

/* How a figure's name reads in the summary; NULL: as it is. */
static const char *label(const char *name)
{
	static const char *const labels[][2] = {
		{"ticks_l0", "ticks (instructions) in L0"},
		{"ticks_l1", "ticks (instructions) in L1"},
		{"ticks_l2", "ticks (instructions) in L2"},
		{"injected", "events injected"},
		{"nested_entries", "nested entries (L1 to L2)"},
		{"nested_exits_to_l1", "nested exits (L2 to L1)"},
		{"nested_exits_kept", "L2 exits handled by L0"},
		{"vmcs_loads", "VMCS switches by L1"},
		{"vept_fills", "virtual EPT: pages filled"},
		{"vept_syncs", "virtual EPT: tables compared"},
		{"vept_zaps", "virtual EPT: entries removed"},
		{"posted", "notifications of posted interrupts"},
		{"dma_blocked", "requests of its devices that the IOMMU blocked"},
		{"pool_pages", "pages of the VM's pool in use"},
		{"pool_peak", "pages of the VM's pool, peak"},
	};

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (strcmp(labels[i][0], name) == 0)
			return labels[i][1];
	return name;
}

void summary_print(const struct summary *s, FILE *out)
{
	const char *vm = NULL;

	for (unsigned i = 0; i < s->figure_count; i++) {
		const struct summary_figure *f = &s->figures[i];

		if (vm && strcmp(vm, f->vm) == 0)
			continue;
		vm = f->vm;
		fprintf(out, "summary of VM %s\n", vm);
		for (unsigned j = i; j < s->figure_count; j++)
			if (strcmp(s->figures[j].vm, vm) == 0)
				fprintf(out, "  %-30s %14llu\n", label(s->figures[j].name),
					(unsigned long long)s->figures[j].value);
		print_exits(s, vm, out);
	}
}
