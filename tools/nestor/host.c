/* SPDX-License-Identifier: Apache-2.0 */
/* What VT-x a machine offers; see host.h. */
#include "host.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "host_devices.h"
#include "host_report.h"
#include "host_speculation.h"
#include "lib/text.h"
#include "nested/caps.h"
#include "spec/msr.h"
#include "spec/vmx_needs.h"

#define MSR_DEVICE "/dev/cpu/0/msr"
#define MAXPHYADDR 36 /* when nothing is said of it: the least of any CPU with VT-x */

struct host {
	struct vmx_caps caps, l1;
	uint64_t wanted;     /* of features */
	const char *from;    /* whose they are */
	const char *missing; /* why Nestor does not run here; NULL: it does */
	bool known;          /* caps were read */
	struct host_speculation speculation;
};

/* ---- where they come from ---- */

static int bad_line(struct error *e, const char *path, unsigned line, const char *why)
{
	return fail(e, STATUS_BAD_INPUT,
		"%s:%u: %s: must be lines of an MSR from 0x480 to 0x492, or 0x10a, and its "
		"value, of a register of CPUID such as cpuid.1.eax and its value, or of the "
		"word maxphyaddr and a number from 32 to 52",
		path, line, why);
}

/* MSR VALUE, REGISTER VALUE, or maxphyaddr N. NULL, or what is wrong. */
static const char *take_words(struct host *h, struct text name, struct text value)
{
	uint64_t msr, v;

	if (!text_number(value, &v))
		return "the value is no number";
	if (text_is(name, "maxphyaddr")) {
		h->caps.maxphyaddr = (uint8_t)(v <= 52 ? v : 0);
		return v >= 32 && v <= 52 ? NULL : "the number is out of range";
	}
	if (v <= UINT32_MAX && host_speculation_take(&h->speculation, name, (uint32_t)v))
		return NULL;
	if (!text_number(name, &msr))
		return "it begins with no number of an MSR";
	if (msr == MSR_ARCH_CAPABILITIES) {
		h->speculation.arch_caps = v;
		return NULL;
	}
	if (msr < MSR_VMX_BASIC || msr - MSR_VMX_BASIC >= CAPS_MSR_COUNT)
		return "there is no such capability MSR";
	h->caps.msr[msr - MSR_VMX_BASIC] = v;
	return NULL;
}

static int read_file(struct host *h, struct arena *a, const char *path, struct error *e)
{
	struct bytes content;
	struct text rest;

	if (file_read(a, path, "--msrs", &content, e))
		return e->status;
	h->from = path;
	h->caps.maxphyaddr = MAXPHYADDR;
	rest = (struct text){(const char *)content.data, content.size};
	for (unsigned line = 1; rest.len; line++) {
		const char *end = memchr(rest.s, '\n', rest.len), *why;
		struct text all = {rest.s, end ? (size_t)(end - rest.s) : rest.len};
		struct text name, value;

		rest.len -= all.len + (end != NULL);
		rest.s += all.len + (end != NULL);
		name = text_word(&all);
		if (!name.len || name.s[0] == '#')
			continue;
		value = text_word(&all);
		why = text_word(&all).len ? "there is a third word"
					  : take_words(h, name, value);
		if (why)
			return bad_line(e, path, line, why);
	}
	if (!h->caps.msr[0])
		return fail(
			e, STATUS_BAD_INPUT, "%s: IA32_VMX_BASIC (0x480) is not there", path);
	h->known = true;
	return 0;
}

static bool read_msr(int fd, uint32_t msr, uint64_t *value)
{
	return pread(fd, value, sizeof(*value), msr) == (ssize_t)sizeof(*value);
}

/* Those that a machine lacks cannot be read, and stay zero. */
static void read_device(struct host *h)
{
	unsigned eax = 0, ebx, ecx, edx;
	uint64_t control = 0;
	int fd = open(MSR_DEVICE, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		h->missing = errno == EACCES
				     ? "only root can read its MSRs"
				     : "its MSRs cannot be read: is the module msr loaded?";
		return;
	}
	for (uint32_t i = 0; i < CAPS_MSR_COUNT; i++)
		read_msr(fd, MSR_VMX_BASIC + i, &h->caps.msr[i]);
	if (host_speculation_has_msr(&h->speculation))
		h->speculation.known =
			read_msr(fd, MSR_ARCH_CAPABILITIES, &h->speculation.arch_caps);
	h->known = h->caps.msr[0] != 0;
	if (read_msr(fd, MSR_FEATURE_CONTROL, &control) && control & FEATURE_CONTROL_LOCK &&
		!(control & FEATURE_CONTROL_VMX_NOT_SMX))
		h->missing =
			"the firmware has locked VT-x off (IA32_FEATURE_CONTROL): look in its setup";
	close(fd);
	__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx);
	h->caps.maxphyaddr = (uint8_t)eax;
}

static void read_host(struct host *h)
{
	unsigned eax, ebx, ecx = 0, edx;

	h->from = "this machine";
	host_speculation_read(&h->speculation);
	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_VMX))
		h->missing =
			"its CPU, or the VM that this is, offers no VT-x (CPUID.1:ECX.VMX)";
	else
		read_device(h);
}

static void judge(struct host *h, struct arena *a)
{
	struct caps_policy policy = caps_policy_default();
	const char *lacks;

	vmx_caps_complete(&h->caps);
	lacks = h->known ? vmx_needs_missing(&h->caps) : NULL;
	if (!h->missing && lacks)
		h->missing = arena_format(a, "its VT-x lacks %s", lacks);
	policy.features = h->wanted;
	caps_derive(&h->l1, &h->caps, &policy);
}

/* ---- what is told ---- */

static bool has(uint64_t mask, unsigned feature)
{
	return mask >> feature & 1;
}

/* Why an L1 does not get a feature that exists; NULL: it does. */
static const char *why_off(
	const struct host *h, struct arena *a, uint64_t machine, uint64_t l1, unsigned f)
{
	uint64_t needs = caps_feature_needs((enum caps_feature)f) & ~l1;

	if (has(l1, f))
		return NULL;
	if (!has(machine, f))
		return "the machine has it not";
	if (!has(caps_features_default(), f))
		return "Nestor does not offer it";
	if (!has(h->wanted, f))
		return "vmx-features leaves it out";
	for (unsigned i = 0; i < CAPS_FEATURE_COUNT; i++)
		if (has(needs, i))
			return arena_format(
				a, "it needs %s", caps_feature_name((enum caps_feature)i));
	return "a control that it needs is missing";
}

static void show_text(const struct host *h, struct arena *a, uint64_t machine, uint64_t l1)
{
	if (h->missing)
		printf("Nestor does not run on %s: %s\n", h->from, h->missing);
	else
		printf("Nestor runs on %s: VT-x has all that it needs\n", h->from);
	if (!h->known)
		return;
	printf("\n%-18s %-8s %-8s\n", "feature", "machine", "L1");
	for (unsigned f = 0; f < CAPS_FEATURE_COUNT; f++) {
		const char *why = why_off(h, a, machine, l1, f);

		printf("%-18s %-8s %-8s %s\n", caps_feature_name((enum caps_feature)f),
			has(machine, f) ? "yes" : "no", has(l1, f) ? "yes" : "no",
			why ? why : "");
	}
}

static json_t *json_msrs(const struct vmx_caps *c)
{
	json_t *all = json_object();
	char name[16], value[24];

	for (unsigned i = 0; i < CAPS_MSR_COUNT; i++) {
		snprintf(name, sizeof(name), "0x%x", MSR_VMX_BASIC + i);
		snprintf(value, sizeof(value), "0x%016" PRIx64, c->msr[i]);
		json_object_set_new(all, name, json_string(value));
	}
	return all;
}

static void show_json(const struct host *h, struct arena *a, uint64_t machine, uint64_t l1,
	const struct host_devices *d)
{
	json_t *features = json_array(), *all = json_object();

	for (unsigned f = 0; h->known && f < CAPS_FEATURE_COUNT; f++) {
		const char *why = why_off(h, a, machine, l1, f);
		json_t *row = json_pack("{s:s, s:b, s:b}", "feature",
			caps_feature_name((enum caps_feature)f), "machine",
			(int)has(machine, f), "l1", (int)has(l1, f));

		if (why)
			json_object_set_new(row, "why", json_string(why));
		json_array_append_new(features, row);
	}
	json_object_set_new(all, "of", json_string(h->from));
	json_object_set_new(all, "runs", json_boolean(!h->missing));
	if (h->missing)
		json_object_set_new(all, "why", json_string(h->missing));
	json_object_set_new(all, "features", features);
	if (h->known) {
		json_object_set_new(all, "msrs", json_msrs(&h->caps));
		json_object_set_new(all, "l1_msrs", json_msrs(&h->l1));
	}
	if (h->speculation.known)
		json_object_set_new(
			all, "vulnerabilities", host_speculation_json(&h->speculation));
	if (d && !d->why)
		json_object_set_new(all, "devices", host_devices_json(d));
	if (d && d->is_cut)
		json_object_set_new(all, "devices_without_acs", json_true());
	else if (d)
		json_object_set_new(all, "devices_why", json_string(d->why));
	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(all);
}

static void show_report(const struct host *h, struct arena *a, const struct host_devices *d)
{
	host_report_head(stdout, a, "/proc", "/sys");
	if (h->missing)
		printf("# Nestor does not run here: %s\n", h->missing);
	else
		printf("# Nestor runs here\n");
	if (h->known)
		host_report_caps(stdout, &h->caps);
	host_speculation_report(stdout, &h->speculation);
	host_report_cpuid(stdout);
	host_report_machine(stdout, a, "/proc", "/sys");
	host_report_devices(stdout, d);
}

int host_check(struct arena *a, const struct host_question *q, struct error *e)
{
	struct host h = {.wanted = q->features};
	struct host_devices devices, *told = NULL;
	uint64_t machine, l1;

	if (q->msrs ? read_file(&h, a, q->msrs, e) : (read_host(&h), 0))
		return e->status;
	judge(&h, a);
	machine = h.known ? caps_machine_features(&h.caps) : 0;
	l1 = h.known ? caps_machine_features(&h.l1) & machine : 0;
	/* MSRs of another machine say nothing of this one's devices. */
	if (q->sys || !q->msrs) {
		host_devices_read(a, q->sys ? q->sys : "/sys", &devices);
		told = &devices;
	}
	if (q->report) {
		show_report(&h, a, told);
		return h.missing ? STATUS_NO_VTX : 0;
	}
	if (q->json) {
		show_json(&h, a, machine, l1, told);
		return h.missing ? STATUS_NO_VTX : 0;
	}
	show_text(&h, a, machine, l1);
	host_speculation_show(&h.speculation);
	if (told)
		host_devices_show(told);
	return h.missing ? STATUS_NO_VTX : 0;
}
