/* SPDX-License-Identifier: Apache-2.0 */
/* The machine: choice and files; see machine.h. */
#include "machine.h"

#include <stdio.h>
#include <unistd.h>

#include "file.h"
#include "machine_disk.h"
#include "machine_int.h"
#include "media.h"

#define QEMU "qemu-system-x86_64"

static bool cpu_has_vmx(void)
{
	char line[8192];
	bool found = false;
	FILE *f = fopen("/proc/cpuinfo", "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = strncmp(line, "flags", 5) == 0 && strstr(line, " vmx");
	if (f)
		fclose(f);
	return found;
}

static bool kvm_nests(void)
{
	FILE *f = fopen("/sys/module/kvm_intel/parameters/nested", "re");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return c == 'Y' || c == '1';
}

bool machine_host_nests(struct arena *a, const char **why)
{
	if (!cpu_has_vmx())
		*why = "this host's CPU offers no VT-x";
	else if (!kvm_nests())
		*why = "this host's kvm_intel is not loaded, or without nested=1";
	else if (access("/dev/kvm", R_OK | W_OK) < 0)
		*why = "/dev/kvm cannot be opened";
	else if (!file_find_program(a, QEMU))
		*why = QEMU " is not installed";
	else {
		*why = "this host offers VT-x with nesting";
		return true;
	}
	return false;
}

void machine_choose(struct arena *a, const struct machine_spec *config, struct machine *m)
{
	enum machine_kind wanted = (enum machine_kind)config->kind;
	const char *why;
	bool nests = machine_host_nests(a, &why);

	if (nests && config->bochs_only && wanted == MACHINE_AUTO) {
		nests = false;
		why = "the network '" USER_NETWORK "' is not on QEMU's machine";
	}
	if (nests && config->iommu != MACHINE_IOMMU_NONE && wanted == MACHINE_AUTO) {
		nests = false;
		why = "its VT-d unit is not on QEMU's machine";
	}
	if (nests && config->nodes > 1 && wanted == MACHINE_AUTO) {
		nests = false;
		why = "its nodes are not on QEMU's machine";
	}
	if (nests && config->profile && wanted == MACHINE_AUTO) {
		nests = false;
		why = "only it counts instructions, for --profile";
	}
	m->kind = wanted != MACHINE_AUTO ? wanted : nests ? MACHINE_QEMU : MACHINE_BOCHS;
	if (wanted == MACHINE_BOCHS)
		m->reason = "machine: Bochs, as asked for";
	else if (m->kind == MACHINE_QEMU && nests)
		m->reason = arena_format(a, "machine: QEMU/KVM: %s", why);
	else if (m->kind == MACHINE_QEMU)
		m->reason = arena_format(a,
			"warning: machine: QEMU without KVM, which emulates no VT-x: %s", why);
	else
		m->reason = arena_format(a, "machine: Bochs: %s", why);
}

void argv_add(struct argv *v, const char *item)
{
	if (v->count < sizeof(v->item) / sizeof(v->item[0]) - 1)
		v->item[v->count++] = item;
}

int machine_prepare(struct arena *a, const struct machine_spec *config, struct boot_plan *plan,
	const char *folder, struct machine *m, struct error *e)
{
	struct machine_parts parts = {
		.config = config, .plan = plan, .folder = folder, .control = m->control.path};
	struct argv *v = arena_alloc(a, sizeof(*v));

	if (config->profile && m->kind != MACHINE_BOCHS)
		return fail(e, STATUS_USAGE, "--profile needs --machine bochs");
	if (m->kind == MACHINE_BOCHS)
		bochs_adapt(plan);
	m->argv = v->item;
	m->error_path = arena_format(a, "%s/machine.err", folder);
	m->com1_path = arena_format(a, "%s/com1.txt", folder);
	if (machine_disk_prepare(a, config, folder, &parts.disk, &parts.disk_size, e))
		return e->status;
	if (file_write_text(m->com1_path, "", e) ||
		file_write(arena_format(a, "%s/rom.bin", folder), &plan->rom, e))
		return e->status;
	if (m->lends && media_make(a, folder, &m->media, e))
		return e->status;
	parts.media = m->media;
	if (m->kind == MACHINE_BOCHS)
		return bochs_prepare(a, &parts, v, e);
	return qemu_prepare(a, &parts, v, e);
}

const char *machine_last_words(struct arena *a, const struct machine *m)
{
	static const char bochs_says[] = "exiting with the following message:";
	struct error ignored = {0};
	struct bytes text;
	char *line, *last = NULL;
	bool from_bochs = false;

	if (file_read(a, m->error_path, "machine", &text, &ignored))
		return NULL;
	for (line = strtok((char *)text.data, "\n"); line; line = strtok(NULL, "\n")) {
		if (strstr(line, bochs_says))
			from_bochs = true;
		else if (from_bochs)
			return line;
		else if (!strstr(line, "=====") && m->kind == MACHINE_QEMU)
			last = line;
	}
	return last;
}

const char *machine_complaint(struct arena *a, const struct machine *m)
{
	struct error ignored = {0};
	bool complains = false;
	struct bytes text;
	char *copy;

	if (file_read(a, m->error_path, "machine", &text, &ignored))
		return NULL;
	copy = arena_copy(a, (char *)text.data);
	for (const char *line = strtok((char *)text.data, "\n"); line;
		line = strtok(NULL, "\n"))
		complains |= strstr(line, "warning:") == NULL;
	return complains ? copy : NULL;
}
