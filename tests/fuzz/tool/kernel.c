/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the recognition of guest images, and the plan to start them bare. */
#include <stdlib.h>

#include "boot.h"
#include "kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void plan_bare(struct arena *a, const struct kernel *k)
{
	struct vm_files *files = arena_alloc(a, sizeof(*files) * SCENARIO_MAX_VMS);
	struct boot_plan plan = {0};
	struct error e = {0};
	struct scenario_spec s;
	struct vm_spec *vm;

	scenario_init(&s);
	vm = scenario_add_vm(&s, "fuzz");
	strcpy(vm->config.name, "vm");
	vm->kernel = (struct place){"image", "fuzz"};
	files[0].kernel = *k;
	files[0].need = k->high;
	if (k->high <= vm->config.memory)
		boot_plan_bare(a, &s, files, &plan, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = {NULL};
	struct bytes file = {malloc(size), size};
	struct kernel k;

	if (size)
		memcpy(file.data, data, size);
	if (!kernel_parse(&a, &file, &k))
		plan_bare(&a, &k);
	arena_free(&a);
	free(file.data);
	return 0;
}
