/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of a run in Prometheus' text format. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve_api.h"

/* A family of samples that are made of the figures of `stat`. */
static const struct family {
	const char *figure, *name, *labels, *about;
} families[] = {
	{"ticks_l0", "nestor_vcpu_ticks_total", "level=\"0\"",
		"TSC ticks that the vCPU spent in L0, L1 and L2"},
	{"ticks_l1", "nestor_vcpu_ticks_total", "level=\"1\"", NULL},
	{"ticks_l2", "nestor_vcpu_ticks_total", "level=\"2\"", NULL},
	{"injected", "nestor_vcpu_injections_total", "", "events that L0 injected"},
	{"nested_entries", "nestor_vcpu_nested_entries_total", "result=\"entered\"",
		"VM entries of L1, by what became of them"},
	{"nested_failed_entries", "nestor_vcpu_nested_entries_total", "result=\"failed\"",
		NULL},
	{"nested_exits_to_l1", "nestor_vcpu_nested_exits_total", "handler=\"l1\"",
		"VM exits of L2, by who handled them"},
	{"nested_exits_kept", "nestor_vcpu_nested_exits_total", "handler=\"l0\"", NULL},
	{"vmcs_loads", "nestor_vcpu_vmcs_loads_total", "", "changes of the VMCS"},
	{"vept_fills", "nestor_vcpu_vept_fills_total", "", "entries of EPT02 that were made"},
	{"vept_syncs", "nestor_vcpu_vept_syncs_total", "",
		"pages of L1's EPT that were compared"},
	{"vept_zaps", "nestor_vcpu_vept_zaps_total", "", "entries of EPT02 that were removed"},
	{"vept_evictions", "nestor_vcpu_vept_evictions_total", "",
		"tables of EPT02 that gave way to others"},
	{"vmcs_switches", "nestor_vcpu_vmcs_switches_total", "",
		"changes of L1's current VMCS"},
	{"exits_l1_vmx", "nestor_vcpu_vmx_exits_total", "",
		"VM exits of L1 by VMX instructions"},
	{"sched_waits", "nestor_vcpu_waits_total", "",
		"times that the vCPU could run and did not at once"},
	{"ticks_waiting", "nestor_vcpu_waiting_ticks_total", "",
		"TSC ticks that it waited for a CPU"},
	{"posted", "nestor_vcpu_posted_interrupts_total", "",
		"interrupts that were posted for L2"},
	{"ipis", "nestor_vcpu_virtual_ipis_total", "",
		"interrupts that L2 sent by IPI virtualization"},
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))
#define EXITS    "nestor_vcpu_exits_total"
#define LATENCY  "nestor_vcpu_exit_ticks"

/*
 * Bounds of histograms: 2^n - 1 ticks, the same ones for all, so that they can be added. What
 * is finer at both ends `nestor latency` has.
 */
#define BUCKET_LEAST 7u
#define BUCKET_MOST  20u
#define BUCKETS      (BUCKET_MOST - BUCKET_LEAST + 1)

static const char *const states[] = {"running", "paused", "ending", "off", "gone"};

#define STATES (sizeof(states) / sizeof(states[0]))

struct figures {
	FILE *out;
	json_t *vms;
	json_t *items;     /* of `stat`, each with the vm and vcpu that it is of */
	json_t *latencies; /* likewise, of `latency` */
};

/* ---- what there is ---- */

static bool add_items(
	struct serve_job *j, json_t *to, const char *word, const char *vm, unsigned vcpu)
{
	char more[MANAGE_LINE];
	json_t *items, *item;
	size_t i;

	snprintf(more, sizeof(more), "vm=%s vcpu=%u", vm, vcpu);
	items = serve_run_items(&j->run, word, more);
	if (!items) /* a VM that ended meanwhile has no figures */
		return j->problem.status == 409 || j->problem.status == 404;
	json_array_foreach(items, i, item)
	{
		json_object_set_new(item, "vm", json_string(vm));
		json_object_set_new(item, "vcpu", json_integer(vcpu));
	}
	json_array_extend(to, items);
	json_decref(items);
	return true;
}

static bool add_vcpu(struct serve_job *j, struct figures *f, const char *vm, unsigned vcpu)
{
	return add_items(j, f->items, "stat", vm, vcpu) &&
	       add_items(j, f->latencies, "latency", vm, vcpu);
}

static bool collect(struct serve_job *j, struct figures *f)
{
	json_t *vm;
	size_t i;

	f->vms = serve_run_vms(&j->run);
	if (!f->vms)
		return false;
	json_array_foreach(f->vms, i, vm)
	{
		const char *state = serve_text(vm, "state");
		uint64_t cpus = serve_number(vm, "cpus");

		if (strcmp(state, "running") != 0 && strcmp(state, "paused") != 0)
			continue;
		for (unsigned n = 0; n < cpus && n < LIMIT_VCPUS; n++)
			if (!add_vcpu(j, f, serve_text(vm, "name"), n))
				return false;
	}
	return true;
}

/* ---- how it looks ---- */

static void say_family(FILE *out, const char *name, const char *type, const char *about)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, about, name, type);
}

static void say_vms(const struct figures *f, const char *name, const char *type,
	const char *about, const char *key)
{
	json_t *vm;
	size_t i;

	say_family(f->out, name, type, about);
	json_array_foreach(f->vms, i, vm)
	{
		fprintf(f->out, "%s{vm=\"%s\"} %" PRIu64 "\n", name, serve_text(vm, "name"),
			serve_number(vm, key));
	}
}

static void say_states(const struct figures *f)
{
	json_t *vm;
	size_t i;

	say_family(f->out, "nestor_vm_state", "gauge", "1 for the state that the VM is in");
	json_array_foreach(f->vms, i, vm)
	{
		for (size_t n = 0; n < STATES; n++)
			fprintf(f->out, "nestor_vm_state{vm=\"%s\",state=\"%s\"} %d\n",
				serve_text(vm, "name"), states[n],
				strcmp(serve_text(vm, "state"), states[n]) == 0);
	}
}

static void say_figure(const struct figures *f, const struct family *row)
{
	json_t *item;
	size_t i;

	if (row->about)
		say_family(f->out, row->name, "counter", row->about);
	json_array_foreach(f->items, i, item)
	{
		if (strcmp(serve_text(item, "figure"), row->figure) != 0)
			continue;
		fprintf(f->out, "%s{vm=\"%s\",vcpu=\"%" PRIu64 "\"%s%s} %" PRIu64 "\n",
			row->name, serve_text(item, "vm"), serve_number(item, "vcpu"),
			*row->labels ? "," : "", row->labels, serve_number(item, "value"));
	}
}

static void say_exits(const struct figures *f)
{
	json_t *item;
	size_t i;

	say_family(f->out, EXITS, "counter", "VM exits, by the level they left and reason");
	json_array_foreach(f->items, i, item)
	{
		if (!json_object_get(item, "reason"))
			continue;
		fprintf(f->out,
			EXITS "{vm=\"%s\",vcpu=\"%" PRIu64 "\",level=\"%" PRIu64
			      "\",reason=\"%s\"} %" PRIu64 "\n",
			serve_text(item, "vm"), serve_number(item, "vcpu"),
			serve_number(item, "level"), serve_text(item, "reason"),
			serve_number(item, "count"));
	}
}

/* What a histogram is of: its labels but `le`. */
static int put_labels(const json_t *item, char *out, size_t size)
{
	return snprintf(out, size,
		"vm=\"%s\",vcpu=\"%" PRIu64 "\",level=\"%" PRIu64 "\",reason=\"%s\"",
		serve_text(item, "vm"), serve_number(item, "vcpu"), serve_number(item, "level"),
		serve_text(item, "reason"));
}

/* There is no sum: nobody adds up what each exit took. */
static void say_histogram(FILE *out, const char *labels, const uint64_t count[BUCKETS + 1])
{
	uint64_t all = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		all += count[i];
		fprintf(out, LATENCY "_bucket{%s,le=\"%u\"} %" PRIu64 "\n", labels,
			(1u << (BUCKET_LEAST + i)) - 1, all);
	}
	all += count[BUCKETS];
	fprintf(out,
		LATENCY "_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n" LATENCY "_count{%s} %" PRIu64
			"\n",
		labels, all, labels, all);
}

static unsigned bucket_of(uint64_t least)
{
	unsigned i = 0;

	while (i < BUCKETS && least >> (BUCKET_LEAST + i))
		i++;
	return i;
}

/* Items of one histogram come one behind the other. */
static void say_latencies(const struct figures *f)
{
	uint64_t count[BUCKETS + 1] = {0};
	char before[160] = "", labels[160];
	json_t *item;
	size_t i;

	say_family(f->out, LATENCY, "histogram",
		"TSC ticks that L0 took, by the level and reason of the exit");
	json_array_foreach(f->latencies, i, item)
	{
		put_labels(item, labels, sizeof(labels));
		if (strcmp(labels, before) != 0) {
			if (*before)
				say_histogram(f->out, before, count);
			memset(count, 0, sizeof(count));
			memcpy(before, labels, sizeof(before));
		}
		count[bucket_of(serve_number(item, "least"))] += serve_number(item, "count");
	}
	if (*before)
		say_histogram(f->out, before, count);
}

static void say_all(const struct figures *f)
{
	say_family(f->out, "nestor_build_info", "gauge", "the version of nestor serve");
	fprintf(f->out, "nestor_build_info{version=\"%s\"} 1\n", NESTOR_VERSION);
	say_states(f);
	say_vms(f, "nestor_vm_vcpus", "gauge", "vCPUs", "cpus");
	say_vms(f, "nestor_vm_memory_bytes", "gauge", "memory", "memory");
	say_vms(f, "nestor_vm_weight", "gauge", "its weight among those that want a CPU",
		"weight");
	say_vms(f, "nestor_vm_restarts_total", "counter", "how often it was begun again",
		"restarts");
	for (unsigned i = 0; i < FAMILIES; i++)
		say_figure(f, &families[i]);
	say_exits(f);
	say_latencies(f);
}

bool serve_metrics(struct serve_job *j)
{
	struct figures f = {.items = json_array(), .latencies = json_array()};
	char *text = NULL;
	size_t size = 0;
	bool there = collect(j, &f);

	f.out = there ? open_memstream(&text, &size) : NULL;
	if (f.out) {
		say_all(&f);
		fclose(f.out);
		serve_reply_bytes(
			j->reply, "text/plain; version=0.0.4; charset=utf-8", text, size);
	} else if (there) {
		serve_problem(&j->problem, 503, "no memory is left");
	}
	json_decref(f.vms);
	json_decref(f.items);
	json_decref(f.latencies);
	return f.out != NULL;
}
