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
static inline const char *config_difference(
	const struct vm_config *a, const struct vm_config *b)
{
	for (const struct setting *s = vm_settings; s->kind != SETTING_END; s++) {
		const char *of_a = (const char *)a + s->offset;
		const char *of_b = (const char *)b + s->offset;

		if (s->kind == SETTING_NAME ? strcmp(of_a, of_b) != 0
					    : memcmp(of_a, of_b, s->size) != 0)
			return s->key;
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
		const char *line = boot_kernel_line(a, &s->vms[i], &kernel);
		struct vm_config want = s->vms[i].config;
		const char *difference;

		/* The tool knows the image: it says how to start it, and writes the name. */
		want.protocol = (uint8_t)kernel_protocol(kind);
		want.cmdline0 = false;
		if (!scenario_add(l0, text_of(line, strlen(line)), 0, 1))
			return l0->refusal.why;
		difference = config_difference(&l0->vms[i].config, &want);
		if (difference)
			return difference;
		if (!text_is(l0->vms[i].kernel.cmdline,
			    boot_guest_cmdline(a, &s->vms[i], &kernel)))
			return "command line";
	}
	return NULL;
}

#endif
