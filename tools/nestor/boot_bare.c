/* SPDX-License-Identifier: Apache-2.0 */
/* The start of a guest image on the machine itself, without Nestor; see boot.h. */
#include "boot_int.h"

#include "elf.h"
#include "machine_acpi.h"

/* Where a bare Linux finds what its boot loader left. */
enum {
	LINUX_PARAMETERS = 0x10000,
	LINUX_CMDLINE = 0x11000,
	LINUX_PAGE_TABLES = 0x12000, /* PML4, PDPT, four page directories */
	LINUX_LOW_SIZE = 0x8000,
	LINUX32_INITRD_END = 0x38000000, /* what a 32-bit kernel maps */
};

static struct boot_image multiboot_image(
	struct arena *a, const struct kernel *k, uint64_t *entry)
{
	struct multiboot_header h;
	struct boot_image out;
	struct elf elf;

	multiboot_find_version(&k->image, k->kind == KERNEL_MULTIBOOT2 ? 2 : 1, &h);
	if (h.has_address) {
		out.at = h.load_low;
		out.content =
			bytes_slice(&k->image, h.load_offset, h.load_file_end - h.load_low);
		*entry = h.entry;
		return out;
	}
	elf_open(&k->image, &elf);
	out.at = elf.low;
	out.content = elf_flatten(&elf, a);
	*entry = h.has_entry && h.version == 2 ? h.entry : elf_physical_entry(&elf);
	return out;
}

static void plan_multiboot(struct arena *a, const struct vm_spec *vm, const struct vm_files *f,
	struct boot_plan *out)
{
	struct module_list *l = arena_alloc(a, sizeof(*l));
	uint64_t info_at = boot_whole_pages(f->kernel.high);
	unsigned version = f->kernel.kind == KERNEL_MULTIBOOT2 ? 2 : 1;
	struct rom_parameters p = {.eax = version == 2 ? MULTIBOOT2_EAX : MULTIBOOT1_EAX};

	if (f->initrd.size != 0) /* the first one, as in L0 */
		boot_add_module(l, &f->initrd, boot_initrd_text(a, vm, &f->kernel));
	for (unsigned i = 0; i < vm->module_count; i++)
		boot_add_module(l, &f->modules[i], boot_module_text(a, vm, &f->kernel, i));
	out->images[0] = multiboot_image(a, &f->kernel, &p.entry);
	out->images[1] = boot_info_image(
		a, l, boot_guest_cmdline(a, vm, &f->kernel), version, info_at, out);
	p.ebx = (uint32_t)info_at;
	boot_set_rom(a, &p, out);
}

/* The zero page of the Linux boot protocol, for the entry of a vmlinux. */
static void write_linux_parameters(struct bytes *b, const struct boot_plan *plan,
	const struct boot_image *initrd, bool is64)
{
	struct memory_range ranges[BOOT_RANGES];
	unsigned count = boot_memory_map(plan, ranges);

	bytes_put(b, 0x70, 8, plan->images[BOOT_ACPI].at); /* RSDP; 0: it may look for it */
	bytes_put(b, 0x1e8, 1, count);
	bytes_put(b, 0x1fe, 2, 0xaa55);
	memcpy(b->data + 0x202, "HdrS", 4);
	bytes_put(b, 0x206, 2, 0x20f);
	bytes_put(b, 0x210, 1, 0xff); /* boot loader without a number */
	bytes_put(b, 0x211, 1, 1);    /* loaded high */
	if (initrd->content.size) {
		bytes_put(b, 0x218, 4, initrd->at);
		bytes_put(b, 0x21c, 4, initrd->content.size);
	}
	bytes_put(b, 0x228, 4, LINUX_CMDLINE);
	bytes_put(b, 0x230, 4, 2 << 20); /* kernel alignment */
	bytes_put(b, 0x22c, 4,
		is64 ? 0x7fffffff : LINUX32_INITRD_END - 1); /* end of an initrd, at most */
	bytes_put(b, 0x236, 2, 0);
	bytes_put(b, 0x238, 4, 2047); /* command line size */
	for (unsigned i = 0; i < count; i++) {
		uint64_t at = 0x2d0 + 20 * i;

		bytes_put(b, at, 8, ranges[i].base);
		bytes_put(b, at + 8, 8, ranges[i].size);
		bytes_put(b, at + 16, 4, ranges[i].type);
	}
}

/* Identity-maps the first 4 GiB in pages of 2 MiB. */
static void write_page_tables(struct bytes *b, uint64_t at)
{
	uint64_t offset = at - LINUX_PARAMETERS;

	bytes_put(b, offset, 8, (at + BOOT_PAGE) | 3);
	for (uint64_t i = 0; i < 4; i++)
		bytes_put(b, offset + BOOT_PAGE + 8 * i, 8, (at + (2 + i) * BOOT_PAGE) | 3);
	for (uint64_t i = 0; i < 4 * 512; i++)
		bytes_put(b, offset + 2 * BOOT_PAGE + 8 * i, 8, (i << 21) | 0x83);
}

/* The end of the memory that is used for images. */
static uint64_t bare_end(uint64_t memory)
{
	return memory < BOOT_IMAGES_END ? memory : BOOT_IMAGES_END;
}

/* What is put where of a kernel by Linux' protocol, and how it is entered. */
struct linux_start {
	struct boot_image image;
	bool is64;
	uint64_t entry;
};

static struct linux_start linux_start(struct arena *a, const struct kernel *k)
{
	struct kernel_bzimage z;
	struct elf elf;

	if (k->kind == KERNEL_BZIMAGE) {
		kernel_bzimage(k, &z);
		return (struct linux_start){{k->low, z.code}, z.is64, z.entry};
	}
	elf_open(&k->image, &elf);
	return (struct linux_start){
		{elf.low, elf_flatten(&elf, a)}, elf.is64, elf_physical_entry(&elf)};
}

static int plan_linux(struct arena *a, const struct vm_spec *vm, const struct vm_files *f,
	struct boot_plan *out, struct error *e)
{
	uint64_t end = bare_end(out->memory), initrd_at;
	struct bytes low = {arena_alloc(a, LINUX_LOW_SIZE), LINUX_LOW_SIZE};
	struct linux_start start = linux_start(a, &f->kernel);

	if (!start.is64 && end > LINUX32_INITRD_END)
		end = LINUX32_INITRD_END;
	if (f->initrd.size > end || end - f->initrd.size < f->kernel.high + BOOT_PAGE)
		return fail(e, STATUS_BAD_INPUT,
			"%s: '%s' and its initrd do not fit below %lluM", vm->kernel.where,
			vm->kernel.path, (unsigned long long)(end / BOOT_MIB));
	initrd_at = (end - f->initrd.size) / BOOT_PAGE * BOOT_PAGE;
	out->images[0] = start.image;
	out->images[1] = (struct boot_image){initrd_at, f->initrd};
	write_linux_parameters(&low, out, &out->images[1], start.is64);
	memcpy(low.data + LINUX_CMDLINE - LINUX_PARAMETERS, vm->cmdline,
		strlen(vm->cmdline) + 1);
	write_page_tables(&low, LINUX_PAGE_TABLES);
	out->images[2] = (struct boot_image){LINUX_PARAMETERS, low};
	boot_set_rom(a,
		&(struct rom_parameters){.esi = LINUX_PARAMETERS,
			.cr3 = start.is64 ? LINUX_PAGE_TABLES : 0,
			.entry = start.entry},
		out);
	return 0;
}

/* ---- what only VMs have ---- */

/* Settings of a VM that say something of the machine, too; and those of which no guest is told,
 * so that a run can be repeated with --bare. */
static const char *const of_machine[] = {"name", "memory", "cpus", "protocol", "argv0",
	"shadow", "apicv", "weight", "pin", "background", NULL};

/* What is right for others. Those that are not here are Nestor's: how it runs a VM. */
static const struct {
	const char *name, *instead;
} of_vms[] = {
	{"nodes", "--machine-nodes says how many the machine has"},
	{"vmx", "the processor's is there: --machine-option chooses another one"},
	{"cpu-features", "--machine-option chooses another processor"},
	{"vmx-features", "--machine-option chooses another processor"},
	{"balloon", "the machine has no such device"},
	{"rng", "the machine has no such device"},
	{"virtio-console", "the machine has no such device: what is typed goes to its UART"},
	{"ports", "the machine has no such device: what is typed goes to its UART"},
	{"vsock", "the machine has no such device"},
	{"hpet", "the machine has its own one"},
	{"root-ports", "the machine has its own devices"},
	{"display", "the machine has none that is shown"},
	{"firmware-log", "the machine starts no firmware"},
	{"boot", "the machine starts no firmware"},
	{"net", "--net-device is for the machine's network card"},
	{"devices", "all devices of the machine are its own"},
	{"iommu", "--machine-iommu is for the machine's"},
};

static bool is_of_machine(const char *name)
{
	const char *const *n = of_machine;

	while (*n && strcmp(*n, name) != 0)
		n++;
	return *n != NULL;
}

static int refuse_of_vms(const struct vm_spec *vm, const char *name, struct error *e)
{
	const char *instead = "that is Nestor's, which is not there";

	for (size_t i = 0; i < sizeof(of_vms) / sizeof(of_vms[0]); i++)
		if (strcmp(of_vms[i].name, name) == 0)
			instead = of_vms[i].instead;
	return fail(e, STATUS_BAD_INPUT, "%s: --bare has no use for '%s': %s", vm->where, name,
		instead);
}

/* The comparison of the two runs would be one of two machines. */
static int check_of_vms(const struct vm_spec *vm, struct error *e)
{
	const struct place *variables = &vm->variables;

	for (const struct setting *s = vm_settings; s->kind != SETTING_END; s++)
		if (!is_of_machine(s->name) && !setting_is_default(s, &vm->config))
			return refuse_of_vms(vm, s->name, e);
	if (vm->disk_count || vm->cdrom_count)
		return fail(e, STATUS_BAD_INPUT,
			"%s: --bare has no use for '%s' of VMs: --machine-disk is the machine's",
			vm->where, vm->disk_count ? "disks" : "cdroms");
	if (variables->path)
		return fail(
			e, STATUS_BAD_INPUT, "%s: --bare starts no firmware", variables->where);
	return 0;
}

int boot_plan_bare(struct arena *a, const struct scenario_spec *s, const struct vm_files *files,
	struct boot_plan *out, struct error *e)
{
	const struct vm_spec *vm = &s->vms[0];

	if (s->vm_count != 1)
		return fail(e, STATUS_USAGE, "--bare runs one image, but there are %u VMs",
			s->vm_count);
	if (vm->firmware.path)
		return fail(e, STATUS_BAD_INPUT, "%s: --bare starts no firmware",
			vm->firmware.where);
	if (check_of_vms(vm, e))
		return e->status;
	if (vm->config.cpus > MACHINE_ACPI_CPUS)
		return fail(e, STATUS_BAD_INPUT,
			"%s: %u CPUs are asked for, but a bare machine has at most %d",
			vm->kernel.where, vm->config.cpus, MACHINE_ACPI_CPUS);
	if (files[0].kernel.kind == KERNEL_REAL)
		return fail(e, STATUS_BAD_INPUT,
			"%s: '%s' is started by its 16-bit entry, which needs a BIOS: a bare "
			"machine has none",
			vm->kernel.where, vm->kernel.path);
	if (files[0].need > bare_end(vm->config.memory))
		return fail(e, STATUS_BAD_INPUT, "%s: '%s' and its modules do not fit 2 GiB",
			vm->kernel.where, vm->kernel.path);
	out->bare = true;
	out->memory = vm->config.memory;
	out->cpus = vm->config.cpus;
	boot_plan_tables(a, &s->machine, out);
	if (kernel_protocol(files[0].kernel.kind) == PROTOCOL_LINUX)
		return plan_linux(a, vm, &files[0], out, e);
	plan_multiboot(a, vm, &files[0], out);
	return 0;
}
