/*
 * Multiboot 1 and 2 kernels.
 */
#include "load/load_int.h"

#include "cpu/mem.h"
#include "vm/vm_int.h"

#define MB1_MAGIC       0x1badb002u
#define MB1_BOOT_MAGIC  0x2badb002u
#define MB1_SEARCH      8192u
#define MB1_AOUT        (1u << 16)
#define MB1_INFO_MEMORY (1u << 0)
#define MB1_INFO_CMD    (1u << 2)
#define MB1_INFO_MODS   (1u << 3)
#define MB1_INFO_MMAP   (1u << 6)
#define MB1_INFO_LOADER (1u << 9)

#define MB2_MAGIC      0xe85250d6u
#define MB2_BOOT_MAGIC 0x36d76289u
#define MB2_SEARCH     32768u
#define MB2_ENTRY      3
#define MB2_ADDRESS    2

/* Where things are in the area at LOAD_INFO and behind. */
#define INFO_MMAP     (LOAD_INFO + 0x100)
#define INFO_MODULES  (LOAD_INFO + 0x200)
#define INFO_LOADER   (LOAD_INFO + 0x400)
#define INFO_MB2_SIZE 0x2000u
#define MODULE_TEXTS  0x5000u
#define MODULE_TEXT   1024u
#define LOADER_NAME   "Nestor"

struct loaded {
	uint64_t entry, end;
};

int64_t mb1_header(const struct image *i)
{
	uint32_t magic, flags, sum;

	for (uint64_t at = 0; at < MB1_SEARCH && image_get32(i, at, &magic); at += 4) {
		if (magic == MB1_MAGIC && image_get32(i, at + 4, &flags) &&
			image_get32(i, at + 8, &sum) && magic + flags + sum == 0)
			return (int64_t)at;
	}
	return -1;
}

int64_t mb2_header(const struct image *i)
{
	uint32_t v[4];

	for (uint64_t at = 0; at < MB2_SEARCH && image_get32(i, at, &v[0]); at += 8) {
		if (v[0] != MB2_MAGIC)
			continue;
		for (unsigned k = 1; k < 4; k++) {
			if (!image_get32(i, at + 4u * k, &v[k]))
				return -1;
		}
		if (v[0] + v[1] + v[2] + v[3] == 0 && v[1] == 0)
			return (int64_t)at;
	}
	return -1;
}

/* Addresses of a header instead of ELF: Multiboot 1, 3.1.3; Multiboot 2, address tag. */
static const char *load_flat(struct vm *vm, const struct image *i, uint64_t header,
	const uint32_t a[4], struct loaded *l)
{
	uint32_t header_addr = a[0], load = a[1], load_end = a[2], bss_end = a[3];
	uint64_t offset, size;

	if (load > header_addr || header < header_addr - load)
		return "the Multiboot header's addresses contradict each other";
	offset = header - (header_addr - load);
	size = load_end != 0 ? (uint64_t)load_end - load : i->size - offset;
	if (load_end != 0 && (load_end < load || size > i->size - offset))
		return "the Multiboot header's load addresses lie outside the file";
	if (vm_write_gpa(vm, load, i->data + offset, size) != 0)
		return "the kernel does not fit into the VM's memory";
	l->end = load + size > bss_end ? load + size : bss_end;
	return NULL;
}

static const char *load_elf(struct vm *vm, const struct image *i, struct loaded *l)
{
	struct elf_info info;
	const char *error;

	if (!elf_is(i))
		return "a Multiboot kernel that is no ELF file";
	error = elf_load(vm, i, &info);
	if (error != NULL)
		return error;
	*l = (struct loaded){info.entry, info.end};
	return info.entry >> 32 == 0 ? NULL : "the entry point lies above 4 GiB";
}

struct placed_module {
	uint64_t start, end;
	struct text cmdline;
};

/* Behind the kernel, page-aligned, in order. The initrd of the scenario counts as the first. */
static const char *place_modules(struct vm *vm, const struct vm_images *images, uint64_t at,
	struct placed_module *m, unsigned *count)
{
	*count = 0;
	for (unsigned k = 0; k < images->module_count + 1; k++) {
		const struct vm_file *f = k == 0 ? &images->initrd : &images->modules[k - 1];
		struct image i = load_image(f);

		if (k == 0 && i.size == 0)
			continue;
		at = (at + PAGE_MASK) & ~PAGE_MASK;
		if (at < 0x100000)
			at = 0x100000;
		if (at + i.size > vm->slots[0].size ||
			(i.size != 0 && vm_write_gpa(vm, at, i.data, i.size) != 0))
			return "the modules do not fit into the VM's memory";
		m[(*count)++] = (struct placed_module){at, at + i.size, f->cmdline};
		at += i.size;
	}
	return NULL;
}

/* As QEMU does, the name of the image comes first. */
static void put_cmdline(struct vm *vm, const struct vm_images *images)
{
	uint64_t at = LOAD_CMDLINE;

	if (images->config.cmdline0) {
		load_text(vm, at, (struct text){"kernel ", 7}, LOAD_CMDLINE_SIZE);
		at += 7;
	}
	load_text(vm, at, images->kernel.cmdline, LOAD_CMDLINE_SIZE - 7);
}

static void put32(struct vm *vm, uint64_t at, uint32_t v)
{
	vm_write_gpa(vm, at, &v, sizeof(v));
}

static void put64(struct vm *vm, uint64_t at, uint64_t v)
{
	vm_write_gpa(vm, at, &v, sizeof(v));
}

/* Words of the BIOS data area that say where conventional memory ends; Xen looks there. */
static void put_bios_data(struct vm *vm)
{
	const uint16_t ebda_segment = 0x9fc0, conventional_kib = 639;

	(void)vm_write_gpa(vm, 0x40e, &ebda_segment, sizeof(ebda_segment));
	(void)vm_write_gpa(vm, 0x413, &conventional_kib, sizeof(conventional_kib));
}

static void start_protected(struct vm *vm, uint32_t magic, uint64_t entry)
{
	struct vcpu *vcpu = vm->vcpus[0];

	put_bios_data(vm);
	vcpu->regs.r[REG_RAX] = magic;
	vcpu->regs.r[REG_RBX] = LOAD_INFO;
	vcpu_set_protected_mode(vcpu, entry);
	vmcs_write_setup(VMCS_GUEST_GDTR_BASE, LOAD_GDT);
	vmcs_write_setup(VMCS_GUEST_GDTR_LIMIT, 4 * 8 - 1);
}

/* ---- Multiboot 1 ---- */

static void put_mb1_modules(struct vm *vm, const struct placed_module *m, unsigned count)
{
	for (unsigned k = 0; k < count; k++) {
		uint64_t at = INFO_MODULES + 16u * k, text = MODULE_TEXTS + MODULE_TEXT * k;

		put32(vm, at, (uint32_t)m[k].start);
		put32(vm, at + 4, (uint32_t)m[k].end);
		put32(vm, at + 8, (uint32_t)text);
		load_text(vm, text, m[k].cmdline, MODULE_TEXT);
	}
	put32(vm, LOAD_INFO + 20, count);
	put32(vm, LOAD_INFO + 24, INFO_MODULES);
}

static void put_mb1_memory(struct vm *vm)
{
	struct memory_range r[MEMORY_RANGES];
	unsigned n = load_memory_map(vm, r);

	put32(vm, LOAD_INFO + 4, 639);
	put32(vm, LOAD_INFO + 8, (uint32_t)((vm->slots[0].size - 0x100000) >> 10));
	for (unsigned i = 0; i < n; i++) {
		put32(vm, INFO_MMAP + 24u * i, 20);
		put64(vm, INFO_MMAP + 24u * i + 4, r[i].start);
		put64(vm, INFO_MMAP + 24u * i + 12, r[i].size);
		put32(vm, INFO_MMAP + 24u * i + 20, r[i].type);
	}
	put32(vm, LOAD_INFO + 44, 24 * n);
	put32(vm, LOAD_INFO + 48, INFO_MMAP);
}

static const char *load_mb1_kernel(struct vm *vm, const struct image *i, struct loaded *l)
{
	int64_t header = mb1_header(i);
	uint32_t flags = 0, a[5];
	const char *error;

	if (header < 0)
		return load_elf(vm, i, l);
	image_get32(i, (uint64_t)header + 4, &flags);
	if (!(flags & MB1_AOUT))
		return load_elf(vm, i, l);
	for (unsigned k = 0; k < 5; k++) {
		if (!image_get32(i, (uint64_t)header + 12 + 4u * k, &a[k]))
			return "the Multiboot header is cut";
	}
	error = load_flat(vm, i, (uint64_t)header, a, l);
	l->entry = a[4];
	return error;
}

const char *load_mb1(struct vm *vm, const struct vm_images *images)
{
	struct image i = load_image(&images->kernel);
	struct placed_module modules[SCENARIO_MAX_MODULES + 1];
	struct loaded l;
	unsigned count;
	const char *error = load_mb1_kernel(vm, &i, &l);

	if (error == NULL)
		error = place_modules(vm, images, l.end, modules, &count);
	if (error != NULL)
		return error;
	put32(vm, LOAD_INFO,
		MB1_INFO_MEMORY | MB1_INFO_CMD | MB1_INFO_MODS | MB1_INFO_MMAP |
			MB1_INFO_LOADER);
	put_mb1_memory(vm);
	put_cmdline(vm, images);
	put32(vm, LOAD_INFO + 16, LOAD_CMDLINE);
	put_mb1_modules(vm, modules, count);
	load_text(vm, INFO_LOADER, text_of(LOADER_NAME, sizeof(LOADER_NAME)), 16);
	put32(vm, LOAD_INFO + 64, INFO_LOADER);
	start_protected(vm, MB1_BOOT_MAGIC, l.entry);
	return NULL;
}

/* ---- Multiboot 2 ---- */

/* Walks the header's tags for an entry address and flat addresses. */
static const char *load_mb2_kernel(struct vm *vm, const struct image *i, struct loaded *l)
{
	uint64_t header = (uint64_t)mb2_header(i), at = header + 16;
	uint32_t size, entry = 0, a[4];
	bool has_entry = false, flat = false;
	const char *error;
	uint16_t type;

	while (image_get16(i, at, &type) && image_get32(i, at + 4, &size) && type != 0) {
		if (size < 8)
			return "the Multiboot 2 header is malformed";
		if (type == MB2_ENTRY)
			has_entry = image_get32(i, at + 8, &entry);
		for (unsigned k = 0; type == MB2_ADDRESS && k < 4; k++)
			flat = image_get32(i, at + 8 + 4u * k, &a[k]);
		at += ((uint64_t)size + 7) & ~7ull;
	}
	error = flat ? load_flat(vm, i, header, a, l) : load_elf(vm, i, l);
	if (error == NULL && flat && !has_entry)
		error = "the Multiboot 2 header has addresses but no entry point";
	if (has_entry)
		l->entry = entry;
	return error;
}

struct tag_writer {
	struct vm *vm;
	uint64_t at;
};

static void tag(struct tag_writer *w, uint32_t type, const void *body, uint32_t size)
{
	if (w->at + size + 16 > LOAD_INFO + INFO_MB2_SIZE)
		return;
	put32(w->vm, w->at, type);
	put32(w->vm, w->at + 4, size + 8);
	vm_write_gpa(w->vm, w->at + 8, body, size);
	w->at += (size + 8 + 7) & ~7u;
}

static void tag_modules(struct tag_writer *w, const struct placed_module *m, unsigned count)
{
	struct {
		uint32_t start, end;
		char cmdline[128];
	} body;

	for (unsigned k = 0; k < count; k++) {
		body.start = (uint32_t)m[k].start;
		body.end = (uint32_t)m[k].end;
		text_copy(m[k].cmdline, body.cmdline, sizeof(body.cmdline));
		tag(w, 3, &body,
			8 + (uint32_t)text_of(body.cmdline, sizeof(body.cmdline) - 1).len + 1);
	}
}

static void tag_memory(struct tag_writer *w)
{
	struct {
		uint32_t entry_size, version;
		struct {
			uint64_t start, size;
			uint32_t type, reserved;
		} entry[MEMORY_RANGES];
	} map = {.entry_size = 24};
	struct memory_range r[MEMORY_RANGES];
	unsigned n = load_memory_map(w->vm, r);
	uint32_t basic[2] = {639, (uint32_t)((w->vm->slots[0].size - 0x100000) >> 10)};

	for (unsigned i = 0; i < n; i++) {
		map.entry[i].start = r[i].start;
		map.entry[i].size = r[i].size;
		map.entry[i].type = r[i].type;
	}
	tag(w, 4, basic, sizeof(basic));
	tag(w, 6, &map, 8 + 24 * n);
}

const char *load_mb2(struct vm *vm, const struct vm_images *images)
{
	struct image i = load_image(&images->kernel);
	struct placed_module modules[SCENARIO_MAX_MODULES + 1];
	struct tag_writer w = {vm, LOAD_INFO + 8};
	const char *cmdline = vm_gpa_to_va(vm, LOAD_CMDLINE, LOAD_CMDLINE_SIZE);
	struct loaded l;
	unsigned count;
	const char *error = load_mb2_kernel(vm, &i, &l);

	if (error == NULL)
		error = place_modules(vm, images, l.end, modules, &count);
	if (error != NULL)
		return error;
	put_cmdline(vm, images);
	tag(&w, 1, cmdline, (uint32_t)text_of(cmdline, LOAD_CMDLINE_SIZE - 1).len + 1);
	tag(&w, 2, LOADER_NAME, sizeof(LOADER_NAME));
	tag_modules(&w, modules, count);
	tag_memory(&w);
	tag(&w, 15, vm_gpa_to_va(vm, DEV_ACPI_BASE, 36), 36);
	tag(&w, 0, NULL, 0);
	put32(vm, LOAD_INFO, (uint32_t)(w.at - LOAD_INFO));
	start_protected(vm, MB2_BOOT_MAGIC, l.entry);
	return NULL;
}
