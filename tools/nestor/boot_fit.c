/* SPDX-License-Identifier: Apache-2.0 */
/* Whether images fit where they shall be; see boot_int.h. */
#include "boot_int.h"
#include "policy/memory.h"

/* ---- the reserve of a VM ---- */

static uint64_t units(uint64_t size)
{
	return (size + MEMORY_UNIT - 1) / MEMORY_UNIT;
}

/* Of Multiboot modules behind the kernel, the initial RAM disk first, beyond its own. */
static uint64_t modules_units(const struct vm_spec *vm, const struct vm_files *f)
{
	uint64_t end = f->kernel.high;

	if (f->initrd.size)
		end = boot_whole_pages(end) + f->initrd.size;
	for (unsigned i = 0; i < vm->module_count; i++)
		end = boot_whole_pages(end) + f->modules[i].size;
	return units(end) - units(f->kernel.high);
}

/* L0 copies images into units of the reserve, but for those that are spare. */
int boot_check_reserve(const struct vm_spec *vm, const struct vm_files *f, struct error *e)
{
	uint64_t spare = memory_spare(&vm->config), need = spare;

	if (!vm->config.reserve || vm->firmware.path)
		return 0;
	need += kernel_units(&f->kernel);
	need += kernel_is_linux(f->kernel.kind) ? units(f->initrd.size) : modules_units(vm, f);
	if (need <= vm->config.reserve / MEMORY_UNIT)
		return 0;
	return fail(e, STATUS_BAD_INPUT,
		"%s: '%s' and its modules need a 'reserve' of %lluM, with %lluM for L0's own "
		"accesses, but the VM '%s' has one of %lluM",
		vm->kernel.where, vm->kernel.path,
		(unsigned long long)(need * MEMORY_UNIT / BOOT_MIB),
		(unsigned long long)(spare * MEMORY_UNIT / BOOT_MIB), vm->config.name,
		(unsigned long long)(vm->config.reserve / BOOT_MIB));
}

/* ---- the images of all VMs ---- */

struct largest {
	const struct place *place;
	uint64_t size;
};

static void look(struct largest *l, const struct place *place, const struct bytes *content)
{
	if (place->path && content->size > l->size)
		*l = (struct largest){place, content->size};
}

static void look_at_vm(struct largest *l, const struct vm_spec *vm, const struct vm_files *f)
{
	look(l, &vm->firmware, &f->firmware);
	look(l, &vm->kernel, &f->kernel.image);
	look(l, &vm->initrd, &f->initrd);
	for (unsigned i = 0; i < vm->module_count; i++)
		look(l, &vm->modules[i].file, &f->modules[i]);
	for (unsigned i = 0; i < vm->disk_count; i++)
		look(l, &vm->disks[i].image, &f->disks[i]);
	for (unsigned i = 0; i < vm->cdrom_count; i++)
		look(l, &vm->cdroms[i].image, &f->cdroms[i]);
}

int boot_too_large(const struct scenario_spec *s, const struct vm_files *files, struct error *e)
{
	struct largest l = {NULL, 0};

	for (unsigned i = 0; i < s->vm_count; i++)
		look_at_vm(&l, &s->vms[i], &files[i]);
	return fail(e, STATUS_BAD_INPUT,
		"%s: '%s', of %lluM, is the largest image: those of all VMs must be less than "
		"2048M together, with Nestor",
		l.place->where, l.place->path, (unsigned long long)(l.size / BOOT_MIB));
}
