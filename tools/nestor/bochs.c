/* SPDX-License-Identifier: Apache-2.0 */
/* Starting Bochs; see machine.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "machine_disk.h"
#include "machine_int.h"
#include "policy/memory.h"

/* More than this makes Bochs itself give up; what the guest has beyond is swapped to a file. */
#define HOST_LIMIT_MIB   2048
#define MEMORY_LIMIT_MIB 1048576ull /* of its setting "guest" */

/* With more it has no timers for their local APICs. */
#define CPUS_MAX 15

/* It hands out memory in pieces of this size, the largest that it takes. */
#define BLOCK (8ULL << 20)

static const char *find_bochs(struct arena *a)
{
	const char *own = file_own_folder(a);
	const char *const places[] = {
		getenv("NESTOR_BOCHS"),
		arena_format(a, "%s/machine/bochs", own),
		arena_format(a, "%s/../lib/nestor/machine/bochs", own),
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i] && access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/*
 * Bochs 3.0 loses instruction pointers when it emulates several processors, unless our library
 * is loaded with it (tools/machine/bochs_smp.c) or it runs in its debugger, which is slower.
 */
static bool runs_smp_well(struct arena *a, const char *bochs)
{
	const char *slash = strrchr(bochs, '/');
	int length = slash ? (int)(slash - bochs) : 0;

	return access(arena_format(a, "%.*s/smp.so", length, bochs), F_OK) == 0;
}

/* ---- plugins of ours (tools/machine), which the Bochs that is known has ---- */

struct plugin {
	bool wanted;
	const char *name, *what; /* it is for */
	const char *variable,
		*value; /* of its environment; NULL: it needs none, or others set it */
};

#define PLUGINS 3

static void plugins_of(const struct machine_parts *parts, struct plugin out[PLUGINS])
{
	const struct machine_spec *c = parts->config;
	const char *kind = c->iommu == MACHINE_IOMMU_VTD_CACHING    ? "caching"
			   : c->iommu == MACHINE_IOMMU_VTD_SEGMENTS ? "segments"
								    : "";

	out[0] = (struct plugin){c->host_disks != 0, "nestordisk",
		"a disk that is a file ('nbd' lets another VM serve it)", "NESTOR_DISKS",
		parts->folder};
	out[1] = (struct plugin){c->iommu != MACHINE_IOMMU_NONE, "nestorvtd", "--machine-iommu",
		"NESTOR_VTD", kind};
	out[2] = (struct plugin){c->profile, "nestorprof", "--profile", NULL, NULL};
}

static const char *plugin_lines(struct arena *a, const struct machine_parts *parts)
{
	struct plugin plugins[PLUGINS];
	const char *lines = "";

	plugins_of(parts, plugins);
	for (const struct plugin *p = plugins; p < plugins + PLUGINS; p++)
		if (p->wanted)
			lines = arena_format(a, "%splugin_ctrl: %s=1\n", lines, p->name);
	return lines;
}

static int prepare_plugins(
	struct arena *a, const struct machine_parts *parts, const char *bochs, struct error *e)
{
	const char *slash = strrchr(bochs, '/');
	int length = slash ? (int)(slash - bochs) : 0;
	struct plugin plugins[PLUGINS];

	plugins_of(parts, plugins);
	for (const struct plugin *p = plugins; p < plugins + PLUGINS; p++) {
		const char *file = arena_format(a,
			"%.*s/root/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_%s.so", length,
			bochs, p->name);

		if (p->wanted && access(file, R_OK) < 0)
			return fail(e, STATUS_HOST_ERROR,
				"%s: '%s' is missing: run `make machine`", p->what, file);
		if (p->wanted && p->variable && setenv(p->variable, p->value, 1) < 0)
			return fail(e, STATUS_HOST_ERROR, "the environment is full");
	}
	return 0;
}

/* The end of the highest image. */
static uint64_t images_end(const struct boot_plan *plan)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < BOOT_IMAGES; i++) {
		const struct boot_image *image = &plan->images[i];

		if (image->content.size && image->at + image->content.size > end)
			end = image->at + image->content.size;
	}
	return end;
}

void bochs_adapt(struct boot_plan *plan)
{
	plan->memory = (plan->memory + BLOCK - 1) / BLOCK * BLOCK;
	if (plan->iso)
		return;
	boot_touch_blocks(plan, (unsigned)((images_end(plan) + BLOCK - 1) / BLOCK));
}

/*
 * Writes memory from address 0 to the last image as one sparse file: Bochs can load only one
 * image that is larger than a block, and only from the first block on.
 */
static int write_ram(const char *path, const struct boot_plan *plan, struct error *e)
{
	if (file_write_text(path, "", e))
		return e->status;
	for (unsigned i = 0; i < BOOT_IMAGES; i++)
		if (file_write_at(path, plan->images[i].at, &plan->images[i].content, e))
			return e->status;
	return 0;
}

/* What the machine starts from. */
static const char *boot_lines(struct arena *a, const struct boot_plan *plan, const char *folder)
{
	if (plan->iso)
		return arena_format(a,
			"romimage: file=$BXSHARE/BIOS-bochs-latest\n"
			"vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest\n"
			"ata0-master: type=cdrom, path=\"%s\", status=inserted\n"
			"boot: cdrom\n",
			plan->iso);
	return arena_format(a,
		"romimage: file=\"%s/rom.bin\", address=0xffff0000\n"
		"vgaromimage: file=\"%s/vga.bin\"\n"
		"optramimage1: file=\"%s/ram.bin\", address=0\n",
		folder, folder, folder);
}

/*
 * The disk, beside the CD that an ISO is. Bochs counts cylinders by itself, but there must be a
 * whole one: a small disk has cylinders of one sector.
 */
static const char *disk_lines(struct arena *a, const struct machine_parts *parts)
{
	unsigned long long sectors = parts->disk_size / MACHINE_DISK_SECTOR;
	bool small = sectors < 16 * 63;

	if (!parts->disk)
		return "";
	return arena_format(a,
		"ata0-%s: type=disk, path=\"%s\", mode=%s, cylinders=%llu, heads=%d, spt=%d\n",
		parts->plan->iso ? "slave" : "master", parts->disk,
		parts->config->disk_changes == DISK_CHANGES_KEEP ? "flat" : "volatile",
		small ? sectors : 0, small ? 1 : 16, small ? 1 : 63);
}

/* The disk by which media are lent: the first one of the second channel, as Nestor expects. */
static const char *media_lines(struct arena *a, const struct machine_parts *parts)
{
	if (!parts->media)
		return "";
	return arena_format(a,
		"ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15\n"
		"ata1-master: type=disk, path=\"%s\", mode=flat, cylinders=0, heads=16, "
		"spt=63\n",
		parts->media);
}

/* The network card, with the emulator's own NAT behind it. Slot 1 is device 2 of bus 0. */
static const char *net_lines(struct arena *a, const struct machine_spec *config)
{
	if (config->net == MACHINE_NET_NONE)
		return "";
	return arena_format(a,
		"pci: enabled=1, chipset=i440fx, slot%d=e1000\n"
		"e1000: card=0, mac=" MACHINE_NET_MAC ", ethmod=slirp, ethdev=none\n",
		MACHINE_NET_DEVICE - 1);
}

/* It takes addresses without RAM for memory, too. */
static unsigned long long memory_mib(const struct boot_plan *plan)
{
	return (plan->memory + memory_hole(plan->memory)) >> 20;
}

/* The configuration, for a machine whose runs repeat exactly. */
static const char *configuration(struct arena *a, const struct machine_parts *parts)
{
	const struct machine_spec *config = parts->config;
	const struct boot_plan *plan = parts->plan;
	const char *folder = parts->folder;
	const char *com1 = parts->control
				   ? arena_format(a, "mode=term, dev=\"%s\"", parts->control)
				   : arena_format(a, "mode=file, dev=\"%s/com1.txt\"", folder);
	unsigned long long mib = memory_mib(plan);
	unsigned long long host = mib < HOST_LIMIT_MIB ? mib : HOST_LIMIT_MIB;

	return arena_format(a,
		"cpu: model=corei7_skylake_x, count=%llu, ips=%llu, reset_on_triple_fault=0\n"
		"memory: guest=%llu, host=%llu, block_size=%llu\n"
		"%s"
		"display_library: sdl2\n"
		"clock: sync=none, time0=1700000000\n"
		"port_e9_hack: enabled=1\n"
		"com1: enabled=1, %s\n"
		"plugin_ctrl: unmapped=1, biosdev=0, speaker=0, extfpuirq=0, parallel=0, "
		"gameport=0, iodebug=0, serial=1\n"
		"log: \"%s/machine.log\"\n"
		"panic: action=fatal\n"
		"error: action=report\n"
		"info: action=report\n"
		"debug: action=ignore\n"
		"%s%s%s%s%s%s",
		(unsigned long long)plan->cpus, (unsigned long long)config->ips, mib, host,
		BLOCK >> 10, boot_lines(a, plan, folder), com1, folder, net_lines(a, config),
		disk_lines(a, parts), media_lines(a, parts), plugin_lines(a, parts),
		config->option ? config->option : "", config->option ? "\n" : "");
}

int bochs_prepare(
	struct arena *a, const struct machine_parts *parts, struct argv *v, struct error *e)
{
	const struct boot_plan *plan = parts->plan;
	const char *folder = parts->folder;
	struct bytes vga = {arena_alloc(a, 512), 512};
	const char *bochs = find_bochs(a);
	const char *rc = arena_format(a, "%s/bochsrc", folder);
	const char *debugger = arena_format(a, "%s/debugger", folder);
	const char *text = configuration(a, parts);

	if (plan->iso && plan->firmware == FIRMWARE_UEFI)
		return fail(e, STATUS_USAGE, "--firmware uefi needs --machine qemu");
	if (plan->cpus > CPUS_MAX)
		return fail(e, STATUS_BAD_INPUT,
			"%s: %llu CPUs are asked for, but the emulated machine has at most %d",
			parts->config->cpus_where ? parts->config->cpus_where : "the image",
			(unsigned long long)plan->cpus, CPUS_MAX);
	if (memory_mib(plan) > MEMORY_LIMIT_MIB)
		return fail(e, STATUS_BAD_INPUT,
			"%s: %lluM of memory are asked for, what L0 needs included, but the "
			"emulated machine has at most %lluM, with its addresses without RAM",
			parts->config->memory_where ? parts->config->memory_where : "the VMs",
			(unsigned long long)plan->memory >> 20, MEMORY_LIMIT_MIB);
	if (!bochs)
		return fail(
			e, STATUS_HOST_ERROR, "Bochs >= 3.0 is missing: run `make machine`");
	if (prepare_plugins(a, parts, bochs, e))
		return e->status;
	if (file_write(arena_format(a, "%s/vga.bin", folder), &vga, e) ||
		file_write_text(rc, text, e) || file_write_text(debugger, "c\n", e) ||
		write_ram(arena_format(a, "%s/ram.bin", folder), plan, e))
		return e->status;
	argv_add(v, bochs);
	argv_add(v, "-q");
	argv_add(v, "-f");
	argv_add(v, rc);
	argv_add(v, "-rc");
	argv_add(v, debugger);
	if (plan->cpus > 1 && !runs_smp_well(a, bochs))
		argv_add(v, "-debugger");
	return 0;
}
