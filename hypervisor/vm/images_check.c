/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a VM's images are fit to begin with. Their pages belong to the loader's modules, are
 * never given to anybody, and those that are wrong are not read again: a VM does not begin with
 * one, reads of disks fail there, and ROM and what firmware asks for end the VM.
 */
#include "vm/images.h"

#include <stddef.h>

#include "cpu/bad_memory.h"
#include "policy/changes.h"
#include "vm/create.h"
#include "vm/life.h"
#include "vm/vm_log.h"

static bool is_wrong(const struct vm_file *f)
{
	return f != NULL && f->size != 0 && bad_memory_in(f->start, f->size);
}

/* What a VM begins with, but for modules. */
static const struct needed {
	size_t at;
	const char *why;
} needed[] = {
#define N(member, what)                                                                  \
	{                                                                                \
		offsetof(struct vm_images, member), what " lies in memory that is wrong" \
	}
	N(firmware, "its firmware"),
	N(vgabios, "the BIOS of its display"),
	N(variables, "what its firmware's variables are at first"),
	N(kernel, "its kernel"),
	N(initrd, "its initial RAM disk"),
	N(boot_rom, "the ROM of its network devices"),
#undef N
};

static const char *why_not(const struct vm_images *images)
{
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (is_wrong((const void *)((const uint8_t *)images + needed[i].at)))
			return needed[i].why;
	for (unsigned i = 0; i < images->module_count; i++)
		if (is_wrong(&images->modules[i]))
			return "a module of its kernel lies in memory that is wrong";
	return NULL;
}

const char *images_check(const struct vm_images *images)
{
	const char *why = why_not(images);

	return why != NULL ? why : firmware_check(images);
}

static void tell_medium(const struct vm *vm, const char *kind, const char *name)
{
	vm_log(vm, LOG_ERROR,
		"'%s': the image of its %s '%s' lies in memory that is wrong: what is there "
		"cannot be read",
		vm->config.name, kind, name);
}

void images_tell_wrong(const struct vm *vm)
{
	const struct vm_images *images = life_images(vm->id);
	const char *why = why_not(images);

	if (why != NULL)
		vm_log(vm, LOG_ERROR,
			"'%s': %s: it ends when it reads that, and does not begin again",
			vm->config.name, why);
	for (unsigned i = 0; i < images->disk_count; i++)
		if (is_wrong(&images->disks[i].image))
			tell_medium(vm, "disk", images->disks[i].config.name);
	for (unsigned i = 0; i < images->cdrom_count; i++)
		if (is_wrong(changes_content(images, i, changes_medium(images, i)).file))
			tell_medium(vm, "CD-ROM drive", images->cdroms[i].config.name);
}
