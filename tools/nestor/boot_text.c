/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of a guest's images, as its boot protocol and L0 want them; see boot_int.h. */
#include "boot_int.h"
#include "file.h"

/* By Multiboot a text begins with its file's name, unless the VM wants none. */
static const char *guest_text(struct arena *a, const struct vm_spec *vm,
	const struct kernel *kernel, const char *path, const char *text)
{
	if (kernel_is_linux(kernel->kind) || !vm->config.cmdline0)
		return text;
	return arena_format(a, "%s%s%s", file_base_name(path), *text ? " " : "", text);
}

const char *boot_guest_cmdline(
	struct arena *a, const struct vm_spec *vm, const struct kernel *kernel)
{
	return guest_text(a, vm, kernel, vm->kernel.path, vm->cmdline);
}

const char *boot_initrd_text(
	struct arena *a, const struct vm_spec *vm, const struct kernel *kernel)
{
	return guest_text(a, vm, kernel, vm->initrd.path, "");
}

const char *boot_module_text(
	struct arena *a, const struct vm_spec *vm, const struct kernel *kernel, unsigned i)
{
	const struct module_spec *m = &vm->modules[i];

	return guest_text(a, vm, kernel, m->file.path, m->cmdline);
}

/* The tool itself puts the names before the texts, as it knows the files'. */
const char *boot_kernel_line(
	struct arena *a, const struct vm_spec *vm, const struct kernel *kernel)
{
	char settings[SETTING_TEXT_SIZE];
	struct vm_config c = vm->config;

	if (vm->firmware.path) /* which has the settings */
		return arena_format(a, "kernel vm=%s -- %s", vm->config.name, vm->cmdline);
	c.protocol = (uint8_t)kernel_protocol(kernel->kind);
	c.cmdline0 = false;
	settings_format(vm_settings, &c, settings, sizeof(settings));
	return arena_format(a, "kernel%s -- %s", settings, boot_guest_cmdline(a, vm, kernel));
}

const char *boot_initrd_line(
	struct arena *a, const struct vm_spec *vm, const struct kernel *kernel)
{
	const char *text = boot_initrd_text(a, vm, kernel);

	return arena_format(a, "initrd vm=%s%s%s", vm->config.name, *text ? " -- " : "", text);
}
