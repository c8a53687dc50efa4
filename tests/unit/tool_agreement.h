/* SPDX-License-Identifier: Apache-2.0 */
/*
 * That L0 takes what the tool takes: the lines that the tool writes for a VM, read by L0's
 * reader, give the VM's settings. For unit tests and fuzzers.
 */
#ifndef TOOL_AGREEMENT_H
#define TOOL_AGREEMENT_H

#include <string.h>

#include "boot_int.h"
#include "policy/scenario.h"

/* The key of a setting that differs; NULL when none does. */
static inline const char *difference(const struct setting *table, const void *a, const void *b)
{
	for (const struct setting *s = table; s->kind != SETTING_END; s++) {
		const char *of_a = (const char *)a + s->offset;
		const char *of_b = (const char *)b + s->offset;

		if (s->kind == SETTING_NAME ? strcmp(of_a, of_b) != 0
					    : memcmp(of_a, of_b, s->size) != 0)
			return s->key;
	}
	return NULL;
}

static inline const char *config_difference(
	const struct vm_config *a, const struct vm_config *b)
{
	return difference(vm_settings, a, b);
}

/* The disks of a VM that L0 has, too: the same. */
static inline const char *disks_disagree(
	struct scenario *l0, const struct vm_spec *vm, unsigned index, struct arena *a)
{
	for (unsigned i = 0; i < vm->disk_count; i++) {
		const char *line = scenario_disk_line(a, vm, &vm->disks[i]);
		struct disk_config want = vm->disks[i].config, got;
		const char *key;

		if (!scenario_add(l0, text_of(line, strlen(line)), 0, 1))
			return l0->refusal.why;
		got = l0->vms[index].disks[i].config;
		if (strcmp(got.vm, vm->config.name) != 0)
			return "vm";
		strcpy(want.vm, got.vm);
		if (!*want.name)
			strcpy(want.name, got.name);
		key = difference(disk_settings, &got, &want);
		if (key)
			return key;
	}
	return NULL;
}

/* The same of its CD-ROM drives. */
static inline const char *cdroms_disagree(
	struct scenario *l0, const struct vm_spec *vm, unsigned index, struct arena *a)
{
	for (unsigned i = 0; i < vm->cdrom_count; i++) {
		const char *line = scenario_cdrom_line(a, vm, &vm->cdroms[i]);
		const struct cdrom_config *got = &l0->vms[index].cdroms[i].config;

		if (!scenario_add(l0, text_of(line, strlen(line)), 0, 2048))
			return l0->refusal.why;
		if (strcmp(got->vm, vm->config.name) != 0)
			return "vm";
		if (*vm->cdroms[i].config.name &&
			strcmp(got->name, vm->cdroms[i].config.name) != 0)
			return "cdrom";
	}
	return NULL;
}

/* The lines of its firmware and its kernel, as far as it has them; NULL: L0 takes them. */
static inline const char *l0_refuses(
	struct scenario *l0, const struct vm_spec *vm, enum kernel_kind kind, struct arena *a)
{
	struct vm_files f = {.kernel = {.kind = vm->firmware.path ? KERNEL_PACKED : kind}};
	struct boot_file out[BOOT_VM_FILES];
	unsigned n = boot_vm_files(a, vm, &f, out);

	for (unsigned i = 0; i < n; i++) {
		const char *line = out[i].line;

		if (!scenario_add(l0, text_of(line, strlen(line)), 0, FIRMWARE_MIN))
			return l0->refusal.why;
	}
	return NULL;
}

/*
 * What is wrong with L0's view of a scenario that the tool took, with kernels of @kind; NULL
 * when nothing is.
 */
static inline const char *l0_disagrees(
	const struct scenario_spec *s, enum kernel_kind kind, struct arena *a)
{
	struct scenario *l0 = arena_alloc(a, sizeof(*l0));
	const struct kernel kernel = {.kind = kind};

	for (unsigned i = 0; i < s->vm_count; i++) {
		const struct vm_spec *vm = &s->vms[i];
		struct vm_config want = vm->config;
		const char *key = l0_refuses(l0, vm, kind, a);

		/* The tool knows the image: it says how to start it, and writes the name. */
		if (!vm->firmware.path) {
			want.protocol = (uint8_t)kernel_protocol(kind);
			want.cmdline0 = false;
		}
		if (!key)
			key = config_difference(&l0->vms[i].config, &want);
		if (!key)
			key = disks_disagree(l0, vm, i, a);
		if (!key)
			key = cdroms_disagree(l0, vm, i, a);
		if (key)
			return key;
		if (l0->vms[i].config.firmware != (vm->firmware.path != NULL))
			return "firmware";
		if (!vm->kernel.path)
			continue;
		if (!text_is(l0->vms[i].kernel.cmdline,
			    vm->firmware.path ? vm->cmdline
					      : boot_guest_cmdline(a, vm, &kernel)))
			return "command line";
	}
	return NULL;
}

#endif
