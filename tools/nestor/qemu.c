/* SPDX-License-Identifier: Apache-2.0 */
/* Starting QEMU, with the same images and ROM as Bochs; see machine.h. */
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "machine_int.h"

static int add_images(struct arena *a, const struct boot_plan *plan, const char *folder,
	struct argv *v, struct error *e)
{
	for (unsigned i = 0; i < BOOT_IMAGES; i++) {
		const char *path = arena_format(a, "%s/image%u.bin", folder, i);

		if (!plan->images[i].content.size)
			continue;
		if (file_write(path, &plan->images[i].content, e))
			return e->status;
		argv_add(v, "-device");
		argv_add(v, arena_format(a, "loader,file=%s,addr=0x%llx,force-raw=on", path,
				    (unsigned long long)plan->images[i].at));
	}
	return 0;
}

static int add_firmware(struct arena *a, const struct boot_plan *plan, const char *folder,
	struct argv *v, struct error *e)
{
	static const char ovmf[] = "/usr/share/ovmf/OVMF.fd";
	bool uefi = plan->iso && plan->firmware == FIRMWARE_UEFI;

	if (uefi && access(ovmf, R_OK) < 0)
		return fail(e, STATUS_HOST_ERROR, "%s is missing: run `make setup`", ovmf);
	if (!plan->iso || uefi) {
		argv_add(v, "-bios");
		argv_add(v, uefi ? ovmf : arena_format(a, "%s/rom.bin", folder));
	}
	if (plan->iso) {
		argv_add(v, "-vga");
		argv_add(v, "std");
		argv_add(v, "-cdrom");
		argv_add(v, plan->iso);
	}
	return 0;
}

/* In an option of QEMU's, a comma in a name is written twice. */
static const char *escaped(struct arena *a, const char *path)
{
	const char *all = "";
	size_t part;

	for (; *path; path += part) {
		part = strcspn(path, ",");
		part += path[part] == ',';
		all = arena_format(
			a, "%s%.*s%s", all, (int)part, path, path[part - 1] == ',' ? "," : "");
	}
	return all;
}

static void add_disk(struct arena *a, const struct machine_parts *parts, struct argv *v)
{
	if (!parts->disk)
		return;
	argv_add(v, "-drive");
	argv_add(v, arena_format(a, "if=ide,index=0,media=disk,format=raw,snapshot=%s,file=%s",
			    parts->config->disk_changes == DISK_CHANGES_KEEP ? "off" : "on",
			    escaped(a, parts->disk)));
	if (parts->plan->iso) {
		argv_add(v, "-boot");
		argv_add(v, "d");
	}
}

/* As Bochs has it (bochs.c). QEMU reads the file each time that the machine does. */
static void add_media(struct arena *a, const struct machine_parts *parts, struct argv *v)
{
	if (!parts->media)
		return;
	argv_add(v, "-drive");
	argv_add(v, arena_format(a, "if=ide,index=2,media=disk,format=raw,file=%s",
			    escaped(a, parts->media)));
}

int qemu_prepare(
	struct arena *a, const struct machine_parts *parts, struct argv *v, struct error *e)
{
	const struct boot_plan *plan = parts->plan;
	const char *folder = parts->folder;
	static const char *const fixed[] = {"-nodefaults", "-no-user-config", "-display",
		"none", "-no-reboot", "-M", "pc", "-chardev", "stdio,id=e9,signal=off",
		"-device", "isa-debugcon,iobase=0xe9,readback=0xe9,chardev=e9", "-device",
		"isa-debug-exit,iobase=0x501,iosize=0x04", NULL};
	const char *qemu = file_find_program(a, "qemu-system-x86_64");
	const char *why;

	if (!qemu)
		return fail(e, STATUS_HOST_ERROR, "qemu-system-x86_64 is not installed");
	argv_add(v, qemu);
	for (unsigned i = 0; fixed[i]; i++)
		argv_add(v, fixed[i]);
	argv_add(v, "-accel");
	argv_add(v, machine_host_nests(a, &why) ? "kvm" : "tcg");
	argv_add(v, "-cpu");
	argv_add(v, machine_host_nests(a, &why) ? "host" : "max");
	argv_add(v, "-m");
	argv_add(v, arena_format(a, "%lluM", (unsigned long long)(plan->memory >> 20)));
	argv_add(v, "-smp");
	argv_add(v, arena_format(a, "%llu", (unsigned long long)plan->cpus));
	if (add_firmware(a, plan, folder, v, e))
		return e->status;
	argv_add(v, "-serial");
	argv_add(v,
		parts->control ? parts->control : arena_format(a, "file:%s/com1.txt", folder));
	if (plan->bare) {
		argv_add(v, "-device");
		argv_add(v, "isa-debug-exit,iobase=0xf4,iosize=0x04");
	}
	if (parts->config->net == MACHINE_NET_USER) {
		argv_add(v, "-netdev");
		argv_add(v, "user,id=net");
		argv_add(v, "-device");
		argv_add(v, arena_format(a, "e1000,netdev=net,addr=%d,mac=" MACHINE_NET_MAC,
				    MACHINE_NET_DEVICE));
	}
	add_disk(a, parts, v);
	add_media(a, parts, v);
	if (parts->config->option)
		argv_add(v, parts->config->option);
	return add_images(a, plan, folder, v, e);
}
