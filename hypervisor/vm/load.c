#include "vm/load.h"

#include "cpu/mem.h"
#include "mm/layout.h"
#include "vm/load_int.h"
#include "vm/vm_int.h"

#define PAGE_RW    3ull
#define PAGE_LARGE 0x80ull

#define EM_386    3
#define EM_X86_64 62
#define PT_LOAD   1u

struct image load_image(const struct vm_file *f)
{
	return (struct image){direct_va((struct hpa){f->start}), f->size};
}

static bool image_get(const struct image *i, uint64_t at, void *v, size_t size)
{
	if (at > i->size || i->size - at < size)
		return false;
	memcpy(v, i->data + at, size);
	return true;
}

bool image_get16(const struct image *i, uint64_t at, uint16_t *v)
{
	return image_get(i, at, v, sizeof(*v));
}

bool image_get32(const struct image *i, uint64_t at, uint32_t *v)
{
	return image_get(i, at, v, sizeof(*v));
}

bool image_get64(const struct image *i, uint64_t at, uint64_t *v)
{
	return image_get(i, at, v, sizeof(*v));
}

unsigned load_memory_map(const struct vm *vm, struct memory_range r[MEMORY_RANGES])
{
	uint64_t low = vm->slots[0].size;
	unsigned n = 0;

	r[n++] = (struct memory_range){0, 0x9fc00, 1};
	r[n++] = (struct memory_range){0x9fc00, 0x400, 2};
	r[n++] = (struct memory_range){DEV_ACPI_BASE, 0x20000, 2};
	r[n++] = (struct memory_range){0x100000, low - 0x100000, 1};
	r[n++] = (struct memory_range){DEV_ECAM_BASE, 256 << 20, 2};
	if (vm->slot_count > 1)
		r[n++] = (struct memory_range){vm->slots[1].gpa, vm->slots[1].size, 1};
	return n;
}

void load_text(struct vm *vm, uint64_t gpa, struct text t, size_t size)
{
	char *to = vm_gpa_to_va(vm, gpa, size);

	if (to != NULL)
		text_copy(t, to, size);
}

uint64_t load_identity_map(struct vm *vm)
{
	uint64_t *t = vm_gpa_to_va(vm, LOAD_TABLES, 6 * PAGE_SIZE);

	t[0] = (LOAD_TABLES + PAGE_SIZE) | PAGE_RW;
	for (uint64_t i = 0; i < 4; i++)
		t[512 + i] = (LOAD_TABLES + (2 + i) * PAGE_SIZE) | PAGE_RW;
	for (uint64_t i = 0; i < 2048; i++)
		t[1024 + i] = i * SIZE_2M | PAGE_RW | PAGE_LARGE;
	return LOAD_TABLES;
}

/* Code at 0x08 (32-bit) and 0x10 (64-bit), data at 0x18: Linux wants 0x10 and 0x18. */
void load_gdt(struct vm *vm)
{
	static const uint64_t gdt[] = {
		0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff};

	vm_write_gpa(vm, LOAD_GDT, gdt, sizeof(gdt));
}

/* ---- ELF ---- */

bool elf_is(const struct image *i)
{
	return i->size >= 52 && memcmp(i->data, "\177ELF", 4) == 0 &&
	       (i->data[4] == 1 || i->data[4] == 2) && i->data[5] == 1;
}

struct elf_segment {
	uint64_t offset, vaddr, paddr, file_size, memory_size;
};

static bool read_segment64(const struct image *i, uint64_t at, struct elf_segment *s)
{
	return image_get64(i, at + 8, &s->offset) && image_get64(i, at + 16, &s->vaddr) &&
	       image_get64(i, at + 24, &s->paddr) && image_get64(i, at + 32, &s->file_size) &&
	       image_get64(i, at + 40, &s->memory_size);
}

static bool read_segment32(const struct image *i, uint64_t at, struct elf_segment *s)
{
	uint32_t v[5];

	for (unsigned k = 0; k < 5; k++) {
		if (!image_get32(i, at + 4 + 4u * k, &v[k]))
			return false;
	}
	*s = (struct elf_segment){v[0], v[1], v[2], v[3], v[4]};
	return true;
}

static const char *load_segment(
	struct vm *vm, const struct image *i, const struct elf_segment *s)
{
	uint8_t *to;

	if (s->memory_size == 0)
		return NULL;
	if (s->file_size > s->memory_size || s->offset > i->size ||
		s->file_size > i->size - s->offset)
		return "an ELF segment lies outside the file";
	to = vm_gpa_to_va(vm, s->paddr, s->memory_size);
	if (to == NULL)
		return "an ELF segment lies outside the VM's memory";
	memcpy(to, i->data + s->offset, s->file_size);
	return NULL; /* the rest is zero already */
}

const char *elf_load(struct vm *vm, const struct image *i, struct elf_info *info)
{
	uint64_t phoff, entry;
	uint32_t phoff32 = 0, entry32 = 0, type;
	uint16_t phsize, phcount;
	bool is64 = i->data[4] == 2;

	image_get32(i, 24, &entry32);
	image_get32(i, 28, &phoff32);
	entry = entry32;
	phoff = phoff32;
	if (is64 && (!image_get64(i, 24, &entry) || !image_get64(i, 32, &phoff)))
		return "the ELF header is cut";
	if (!image_get16(i, is64 ? 54 : 42, &phsize) ||
		!image_get16(i, is64 ? 56 : 44, &phcount) || phsize < (is64 ? 56 : 32) ||
		phoff > i->size)
		return "the ELF header is malformed";
	*info = (struct elf_info){entry, 0, is64};
	for (uint64_t k = 0; k < phcount; k++) {
		uint64_t at = phoff + k * phsize;
		const char *error;
		struct elf_segment s;

		if (!image_get32(i, at, &type))
			return "the ELF program headers are cut";
		if (type != PT_LOAD)
			continue;
		if (!(is64 ? read_segment64(i, at, &s) : read_segment32(i, at, &s)))
			return "the ELF program headers are cut";
		error = load_segment(vm, i, &s);
		if (error != NULL)
			return error;
		if (entry >= s.vaddr && entry - s.vaddr < s.memory_size)
			info->entry = entry - s.vaddr + s.paddr;
		if (s.paddr + s.memory_size > info->end)
			info->end = s.paddr + s.memory_size;
	}
	return info->end != 0 ? NULL : "the ELF file has nothing to load";
}

/* ---- choice of the protocol ---- */

static uint8_t recognise(const struct image *i)
{
	if (linux_is_bzimage(i))
		return PROTOCOL_LINUX;
	if (mb2_header(i) >= 0)
		return PROTOCOL_MB2;
	if (mb1_header(i) >= 0)
		return PROTOCOL_MB1;
	return PROTOCOL_AUTO;
}

const char *vm_load(struct vm *vm, const struct vm_images *images)
{
	struct image i = load_image(&images->kernel);
	uint8_t protocol = images->config.protocol, found = recognise(&i);
	struct platform_config p = {
		.vcpus = vm->config.cpus,
		.memory = vm->config.memory,
	};
	uint8_t *acpi = vm_gpa_to_va(vm, DEV_ACPI_BASE, 0x10000);

	if (acpi == NULL || acpi_build(acpi, 0x10000, DEV_ACPI_BASE, &p) == 0)
		return "the VM is too small for its ACPI tables";
	load_gdt(vm);
	if (protocol == PROTOCOL_AUTO)
		protocol = found;
	switch (protocol) {
	case PROTOCOL_LINUX:
		if (found == PROTOCOL_LINUX)
			return load_linux_bzimage(vm, images);
		return elf_is(&i) ? load_linux_elf(vm, images) : "not a Linux kernel";
	case PROTOCOL_MB1:
		return found == PROTOCOL_AUTO || mb1_header(&i) < 0 ? "no Multiboot header"
								    : load_mb1(vm, images);
	case PROTOCOL_MB2:
		return mb2_header(&i) < 0 ? "no Multiboot 2 header" : load_mb2(vm, images);
	case PROTOCOL_ELF:
		return elf_is(&i) ? load_mb1(vm, images) : "not an ELF file";
	default:
		return "the kernel is none of bzImage, Multiboot 1, Multiboot 2";
	}
}
