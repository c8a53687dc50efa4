/* SPDX-License-Identifier: Apache-2.0 */
/* What memory holds when the machine starts; see boot.h. */
#include "boot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot_int.h"
#include "elf.h"
#include "file.h"
#include "machine_acpi.h"
#include "firmware.h"
#include "policy/memory.h"
#include "variables.h"

#define ROM_SIZE       0x10000
#define ROM_PARAMETERS 0xff00

extern const uint8_t _binary_rom_bin_start[];

void boot_set_rom(struct arena *a, const struct rom_parameters *p, struct boot_plan *plan)
{
	plan->rom = (struct bytes){arena_alloc(a, ROM_SIZE), ROM_SIZE};
	memcpy(plan->rom.data, _binary_rom_bin_start, ROM_SIZE);
	bytes_put(&plan->rom, ROM_PARAMETERS + 0, 4, p->eax);
	bytes_put(&plan->rom, ROM_PARAMETERS + 4, 4, p->ebx);
	bytes_put(&plan->rom, ROM_PARAMETERS + 8, 4, p->esi);
	bytes_put(&plan->rom, ROM_PARAMETERS + 12, 4, p->cr3);
	bytes_put(&plan->rom, ROM_PARAMETERS + 16, 8, p->entry);
	boot_set_chipset(plan);
}

void boot_touch_blocks(struct boot_plan *plan, unsigned blocks)
{
	bytes_put(&plan->rom, ROM_PARAMETERS + 24, 4, blocks);
}

/* A file that is in memory once, however many VMs have it. */
struct shared_file {
	const char *path;
	struct bytes content;
};

struct shared_files {
	struct shared_file
		at[LIMIT_VMS * (SCENARIO_MAX_DISKS + SCENARIO_MAX_CDROMS + 1) + LIMIT_IMAGES];
	unsigned count;
};

static int read_shared(struct arena *a, struct shared_files *l, const struct place *from,
	struct bytes *out, struct error *e)
{
	for (unsigned i = 0; i < l->count; i++)
		if (strcmp(l->at[i].path, from->path) == 0) {
			*out = l->at[i].content;
			return 0;
		}
	if (file_read(a, from->path, from->where, out, e))
		return e->status;
	l->at[l->count++] = (struct shared_file){from->path, *out};
	return 0;
}

static int read_disk(struct arena *a, struct shared_files *l, const struct disk_spec *d,
	struct bytes *out, struct error *e)
{
	if (!d->image.path || d->config.host) {
		*out = (struct bytes){arena_alloc(a, 1), 1};
		return 0;
	}
	if (read_shared(a, l, &d->image, out, e))
		return e->status;
	if (out->size)
		return 0;
	return fail(e, STATUS_BAD_INPUT, "%s: '%s' is empty", d->image.where, d->image.path);
}

static int read_medium(struct arena *a, struct shared_files *l, const struct place *from,
	struct bytes *out, struct error *e)
{
	const char *problem;

	if (read_shared(a, l, from, out, e))
		return e->status;
	problem = cdrom_size_error(out->size);
	return problem ? fail(e, STATUS_BAD_INPUT, "%s: '%s' has %zu bytes: %s", from->where,
				 from->path, out->size, problem)
		       : 0;
}

static int read_cdrom(struct arena *a, struct shared_files *l, const struct cdrom_spec *c,
	struct bytes *out, struct error *e)
{
	if (strcmp(c->image.path, CDROM_NONE) != 0)
		return read_medium(a, l, &c->image, out, e);
	*out = (struct bytes){arena_alloc(a, 1), 1}; /* a module has a byte, at least */
	return 0;
}

static int read_images(struct arena *a, const struct scenario_spec *s, struct shared_files *l,
	struct bytes *out, struct error *e)
{
	for (unsigned i = 0; i < s->image_count; i++)
		if (read_medium(a, l, &s->images[i].file, &out[i], e))
			return e->status;
	return 0;
}

/*
 * Firmware that has no driver of its own for the network gets that of a package. It need not be
 * there where the network is only what somebody may choose while the run goes.
 */
static int read_boot_rom(struct arena *a, struct shared_files *l, const struct vm_spec *vm,
	struct vm_files *f, struct error *e)
{
	struct place rom = {FIRMWARE_BOOT_ROM, vm->where};
	const char *problem;

	bool named = vm_boot_names(&vm->config, VM_BOOT_NETWORK);

	if (!vm->firmware.path || vm->config.nets.count == 0 || firmware_is_uefi(&f->firmware))
		return 0;
	if (access(rom.path, R_OK) < 0 && !named)
		return 0;
	if (access(rom.path, R_OK) < 0)
		return fail(e, STATUS_BAD_INPUT,
			"%s: the VM '%s': 'boot' names network, which needs '%s': install the "
			"package ipxe-qemu",
			vm->where, vm->config.name, rom.path);
	if (read_shared(a, l, &rom, &f->boot_rom, e))
		return e->status;
	problem = option_rom_size_error(f->boot_rom.size);
	return problem ? fail(e, STATUS_BAD_INPUT, "%s: the VM '%s': '%s' has %zu bytes: %s",
				 rom.where, vm->config.name, rom.path, f->boot_rom.size,
				 problem)
		       : 0;
}

/* What many VMs may have. */
static int read_devices(struct arena *a, struct shared_files *l, const struct vm_spec *vm,
	struct vm_files *f, struct error *e)
{
	for (unsigned i = 0; i < vm->disk_count; i++)
		if (read_disk(a, l, &vm->disks[i], &f->disks[i], e))
			return e->status;
	for (unsigned i = 0; i < vm->cdrom_count; i++)
		if (read_cdrom(a, l, &vm->cdroms[i], &f->cdroms[i], e))
			return e->status;
	return read_boot_rom(a, l, vm, f, e);
}

static int read_vm(
	struct arena *a, const struct vm_spec *vm, struct vm_files *f, struct error *e)
{
	if (vm->firmware.path && firmware_load(a, &vm->firmware, &f->firmware, e))
		return e->status;
	if (vm->variables.path && variables_load(a, vm, &f->firmware, &f->variables, e))
		return e->status;
	if (!vm->kernel.path)
		return 0;
	if (vm->firmware.path ? kernel_load_packed(a, &vm->kernel, &f->kernel, e)
			      : kernel_load(a, &vm->kernel, vm->config.protocol, &f->kernel, e))
		return e->status;
	f->need = f->kernel.high + BOOT_MIB;
	if (vm->initrd.path) {
		if (file_read(a, vm->initrd.path, vm->initrd.where, &f->initrd, e))
			return e->status;
		f->need += f->initrd.size;
	}
	for (unsigned i = 0; i < vm->module_count; i++) {
		const struct place *file = &vm->modules[i].file;

		if (file_read(a, file->path, file->where, &f->modules[i], e))
			return e->status;
		f->need += f->modules[i].size;
	}
	if (f->need <= vm->config.memory)
		return boot_check_reserve(vm, f, e);
	return fail(e, STATUS_BAD_INPUT,
		"%s: '%s' and its modules need %lluM of memory, but the VM '%s' has %lluM",
		vm->kernel.where, vm->kernel.path,
		(unsigned long long)((f->need + BOOT_MIB - 1) / BOOT_MIB), vm->config.name,
		(unsigned long long)(vm->config.memory / BOOT_MIB));
}

/* All VMs with such a display share it. */
static int read_vgabios(struct arena *a, const struct scenario_spec *s, struct vm_files *files,
	unsigned vm, struct error *e)
{
	const struct vm_spec *v = &s->vms[vm];

	if (v->config.display == DISPLAY_NONE || !v->firmware.path)
		return 0;
	if (v->config.display == DISPLAY_TEXT && firmware_is_uefi(&files[vm].firmware))
		return fail(e, STATUS_BAD_INPUT,
			"%s: the VM '%s': UEFI firmware has no text mode: 'display: text' is for "
			"a BIOS, or a VM without firmware; 'display: ramfb' works with it",
			v->firmware.where, v->config.name);
	if (firmware_load_vgabios(
		    a, &v->firmware, (enum vm_display)v->config.display, &files[vm].vgabios, e))
		return e->status;
	for (unsigned i = 0; i < vm && files[vm].vgabios.size; i++)
		if (files[i].vgabios.size && s->vms[i].config.display == v->config.display)
			files[vm].vgabios = files[i].vgabios;
	return 0;
}

int boot_read_files(
	struct arena *a, const struct scenario_spec *s, struct vm_files *files, struct error *e)
{
	struct shared_files shared = {.count = 0};

	for (unsigned i = 0; i < s->vm_count; i++)
		if (read_vm(a, &s->vms[i], &files[i], e) || read_vgabios(a, s, files, i, e) ||
			read_devices(a, &shared, &s->vms[i], &files[i], e))
			return e->status;
	return read_images(a, s, &shared, files[0].images, e);
}

static const char *firmware_line(struct arena *a, const struct vm_spec *vm)
{
	char settings[SETTING_TEXT_SIZE];

	settings_format(vm_settings, &vm->config, settings, sizeof(settings));
	return arena_format(a, "firmware%s", settings);
}

unsigned boot_vm_files(struct arena *a, const struct vm_spec *vm, const struct vm_files *f,
	struct boot_file out[BOOT_VM_FILES])
{
	unsigned n = 0;

	if (vm->firmware.path)
		out[n++] = (struct boot_file){"firmware", &f->firmware, firmware_line(a, vm)};
	if (f->vgabios.size)
		out[n++] = (struct boot_file){"vgabios", &f->vgabios,
			arena_format(a, "vgabios vm=%s", vm->config.name)};
	if (f->variables.size)
		out[n++] = (struct boot_file){"variables", &f->variables,
			arena_format(a, "variables vm=%s", vm->config.name)};
	if (vm->kernel.path)
		out[n++] = (struct boot_file){
			"kernel", &f->kernel.image, boot_kernel_line(a, vm, &f->kernel)};
	if (vm->initrd.path)
		out[n++] = (struct boot_file){
			"initrd", &f->initrd, boot_initrd_line(a, vm, &f->kernel)};
	for (unsigned i = 0; i < vm->module_count; i++)
		out[n++] = (struct boot_file){"module", &f->modules[i],
			arena_format(a, "module vm=%s -- %s", vm->config.name,
				boot_module_text(a, vm, &f->kernel, i))};
	if (f->boot_rom.size)
		out[n++] = (struct boot_file){"boot-rom", &f->boot_rom,
			arena_format(a, "boot-rom vm=%s", vm->config.name)};
	return n;
}

void boot_add_module(struct module_list *l, const struct bytes *content, const char *cmdline)
{
	l->content[l->count] = content;
	l->modules[l->count].cmdline = cmdline;
	l->count++;
}

/* The module before this one that has the same bytes; its own number: none. */
static unsigned same_content(const struct module_list *l, unsigned i)
{
	unsigned k = 0;

	while (k < i && l->content[k]->data != l->content[i]->data)
		k++;
	return l->content[i]->size ? k : i;
}

/* What they take together, in whole pages. */
static uint64_t packed_size(const struct module_list *l)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < l->count; i++)
		if (same_content(l, i) == i)
			size += boot_whole_pages(l->content[i]->size);
	return size;
}

struct bytes boot_pack_modules(struct arena *a, struct module_list *l, uint64_t at)
{
	struct bytes all = {NULL, packed_size(l)};
	uint64_t offset = 0;

	all.data = arena_alloc(a, all.size + 1);
	for (unsigned i = 0; i < l->count; i++) {
		size_t size = l->content[i]->size;
		unsigned same = same_content(l, i);

		if (same != i) {
			l->modules[i].start = l->modules[same].start;
			l->modules[i].end = l->modules[same].end;
			continue;
		}

		if (size)
			memcpy(all.data + offset, l->content[i]->data, size);
		l->modules[i].start = (uint32_t)(at + offset);
		l->modules[i].end = (uint32_t)(at + offset + size);
		offset += boot_whole_pages(size);
	}
	return all;
}

static void list_modules(struct arena *a, const struct scenario_spec *s,
	const struct vm_files *files, struct module_list *l)
{
	struct boot_file of_vm[BOOT_VM_FILES];

	for (unsigned i = 0; i < s->vm_count; i++) {
		const struct vm_spec *vm = &s->vms[i];
		unsigned n = boot_vm_files(a, vm, &files[i], of_vm);

		for (unsigned j = 0; j < n; j++)
			boot_add_module(l, of_vm[j].content, of_vm[j].line);
		for (unsigned j = 0; j < vm->disk_count; j++)
			boot_add_module(l, &files[i].disks[j],
				scenario_disk_line(a, vm, &vm->disks[j]));
		for (unsigned j = 0; j < vm->cdrom_count; j++)
			boot_add_module(l, &files[i].cdroms[j],
				scenario_cdrom_line(a, vm, &vm->cdroms[j]));
	}
	for (unsigned i = 0; i < s->image_count; i++)
		boot_add_module(l, &files[0].images[i], scenario_image_line(a, &s->images[i]));
}

static uint64_t machine_cpus(const struct scenario_spec *s)
{
	uint64_t cpus = 1;

	for (unsigned i = 0; i < s->vm_count; i++)
		cpus = s->vms[i].config.cpus > cpus ? s->vms[i].config.cpus : cpus;
	return s->machine.cpus ? s->machine.cpus : cpus;
}

/* The information block itself, for address @at. */
static struct bytes boot_information(struct arena *a, struct module_list *l,
	const char *cmdline, unsigned version, uint64_t at, const struct boot_plan *plan)
{
	struct memory_range ranges[BOOT_MAP_MAX + BOOT_RANGES];
	const struct bytes *acpi = &plan->images[BOOT_ACPI].content;
	unsigned odd = boot_map_ranges(plan->map, ranges);
	struct boot_info info = {cmdline, l->modules, l->count, ranges,
		odd + boot_memory_map(plan, ranges + odd),
		acpi->size ? (struct bytes){acpi->data, MACHINE_RSDP_SIZE} : (struct bytes){0}};

	return version == 2 ? multiboot2_info(a, &info)
			    : multiboot1_info(a, &info, (uint32_t)at);
}

struct boot_image boot_info_image(struct arena *a, struct module_list *l, const char *cmdline,
	unsigned version, uint64_t at, const struct boot_plan *plan)
{
	size_t info_size = boot_information(a, l, cmdline, version, at, plan).size;
	size_t info_pages = boot_whole_pages(info_size);
	struct bytes modules = boot_pack_modules(a, l, at + info_pages);
	struct bytes info = boot_information(a, l, cmdline, version, at, plan);
	struct boot_image out = {at, {NULL, info_pages + modules.size}};

	out.content.data = arena_alloc(a, out.content.size);
	memcpy(out.content.data, info.data, info.size);
	memcpy(out.content.data + info_pages, modules.data, modules.size);
	return out;
}

static int open_l0(struct arena *a, const struct place *l0, struct bytes *file, struct elf *elf,
	struct error *e)
{
	struct multiboot_header h = {0};
	const char *problem;

	if (file_read(a, l0->path, l0->where, file, e))
		return e->status;
	problem = elf_open(file, elf);
	if (!problem)
		problem = multiboot_find(file, &h);
	if (!problem && h.version != 2)
		problem = "has no Multiboot 2 header: it is not Nestor";
	if (!problem && (elf->low < BOOT_MIB || elf->high > 1ULL << 30))
		problem = "is not at a physical address from 1 MiB to 1 GiB";
	if (!problem && h.has_entry)
		elf->entry = h.entry;
	if (problem)
		return fail(e, STATUS_BAD_INPUT, "%s: '%s' %s", l0->where, l0->path, problem);
	return 0;
}

/*
 * What the machine needs, by the formula that L0 takes memory by; places: for so many VMs, as
 * far as they are more.
 */
static uint64_t memory_need(const struct scenario_spec *s, const struct vm_files *files,
	uint64_t images, unsigned places)
{
	const struct vm_config *vms[SCENARIO_MAX_VMS];
	struct vm_config configs[SCENARIO_MAX_VMS];

	for (unsigned i = 0; i < s->vm_count; i++) {
		const struct vm_spec *vm = &s->vms[i];

		configs[i] = vm->config;
		for (unsigned k = 0; k < vm->disk_count; k++) {
			configs[i].disk_memory += disk_config_memory(
				&vm->disks[k].config, files[i].disks[k].size);
			configs[i].remote_disks += disk_config_is_remote(&vm->disks[k].config);
		}
		vms[i] = &configs[i];
	}
	return memory_of_machine(images, vms, s->vm_count, places);
}

/* Is there so much, where the scenario says how much there is? */
static int check_memory(const struct scenario_spec *s, uint64_t need, struct error *e)
{
	const char *where = s->machine.memory_where;

	if (!s->machine.memory || s->machine.memory >= need)
		return 0;
	return fail(e, STATUS_BAD_INPUT,
		"%s: the machine's %lluM of memory are too little for the VMs: needs %lluM",
		where ? where : "machine", (unsigned long long)(s->machine.memory / BOOT_MIB),
		(unsigned long long)(need / BOOT_MIB));
}

int boot_check_memory(struct arena *a, const struct scenario_spec *s,
	const struct vm_files *files, const struct place *l0, const char *cmdline,
	struct error *e)
{
	struct module_list *l = arena_alloc(a, sizeof(*l));
	struct boot_plan plan = {0};
	uint64_t images;

	list_modules(a, s, files, l);
	images = packed_size(l);
	if (images > BOOT_IMAGES_END)
		return boot_too_large(s, files, e);
	if (s->machine.memory && access(l0->path, R_OK) == 0)
		return boot_plan_nestor(a, s, files, l0, cmdline, &plan, e);
	return check_memory(s, memory_need(s, files, images, 0), e);
}

int boot_plan_nestor(struct arena *a, const struct scenario_spec *s,
	const struct vm_files *files, const struct place *l0, const char *cmdline,
	struct boot_plan *out, struct error *e)
{
	struct module_list *l = arena_alloc(a, sizeof(*l));
	struct bytes file;
	struct elf elf;
	uint64_t info_at, need;

	if (open_l0(a, l0, &file, &elf, e))
		return e->status;
	info_at = boot_whole_pages(elf.high);
	list_modules(a, s, files, l);
	out->cpus = machine_cpus(s);
	boot_plan_tables(a, &s->machine, out);
	/* Sized once without modules' places and memory map, which do not change its size. */
	out->memory = BOOT_MIB * 2;
	need = info_at + boot_info_image(a, l, cmdline, 2, info_at, out).content.size;
	if (need > BOOT_IMAGES_END)
		return boot_too_large(s, files, e);
	out->memory = memory_need(s, files, need, (unsigned)s->machine.places);
	if (check_memory(s, memory_need(s, files, need, 0), e))
		return e->status;
	out->memory = s->machine.memory ? s->machine.memory : out->memory;
	boot_plan_tables(a, &s->machine, out); /* of so much */
	out->images[0] = (struct boot_image){elf.low, elf_flatten(&elf, a)};
	out->images[1] = boot_info_image(a, l, cmdline, 2, info_at, out);
	boot_set_rom(a,
		&(struct rom_parameters){.eax = MULTIBOOT2_EAX,
			.ebx = (uint32_t)info_at,
			.entry = elf_physical_entry(&elf)},
		out);
	return 0;
}

/* ISO 9660: the primary volume descriptor, and what it has of a scenario's needs. */
enum {
	ISO_DESCRIPTOR = 0x8000,
	ISO_APPLICATION = 574,
	ISO_APPLICATION_SIZE = 128,
};

const char *boot_iso_label(struct arena *a, const struct scenario_spec *s,
	const struct vm_files *files, uint64_t images)
{
	return arena_format(a, BOOT_ISO_LABEL,
		(unsigned long long)(memory_need(s, files, images, 0) >> 20),
		(unsigned long long)machine_cpus(s));
}

/* What the image says that its machine needs; any other image gets a machine of middle size. */
static int read_iso(struct arena *a, const struct place *iso, uint64_t *memory, uint64_t *cpus,
	struct error *e)
{
	char label[ISO_APPLICATION_SIZE + 1] = "";
	unsigned long long mib, count;
	struct bytes d, text;

	if (file_read_at(a, iso->path, iso->where, ISO_DESCRIPTOR, 2048, &d, e))
		return e->status;
	if (!bytes_match(&d, 0, "\1CD001", 6))
		return fail(e, STATUS_BAD_INPUT, "%s: '%s' is not an ISO 9660 image",
			iso->where, iso->path);
	text = bytes_slice(&d, ISO_APPLICATION, ISO_APPLICATION_SIZE);
	memcpy(label, text.data, text.size);
	*memory = 512 * BOOT_MIB;
	*cpus = 1;
	if (sscanf(label, BOOT_ISO_LABEL, &mib, &count) == 2 && mib > 0 && mib <= 1 << 20 &&
		count > 0 && count <= 64) {
		*memory = mib * BOOT_MIB;
		*cpus = count;
	}
	return 0;
}

int boot_plan_iso(struct arena *a, const struct scenario_spec *s, const struct place *iso,
	uint64_t firmware, struct boot_plan *out, struct error *e)
{
	char *path = realpath(iso->path, NULL);
	uint64_t memory, cpus;

	if (!path)
		return fail(e, STATUS_BAD_INPUT, "%s: '%s': %s", iso->where, iso->path,
			strerror(errno));
	out->iso = arena_copy(a, path);
	free(path);
	out->firmware = firmware;
	if (read_iso(a, iso, &memory, &cpus, e))
		return e->status;
	out->memory = s->machine.memory ? s->machine.memory : memory;
	out->cpus = s->machine.cpus ? s->machine.cpus : cpus;
	return 0;
}
