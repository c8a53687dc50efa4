/* SPDX-License-Identifier: Apache-2.0 */
/* Guest images; see kernel.h. */
#include "kernel.h"

#include "elf.h"
#include "file.h"
#include "multiboot.h"
#include "policy/memory.h"
#include "unpack.h"

/* Offsets in the setup header of a bzImage (the kernel's Documentation/x86/boot.rst). */
enum {
	SETUP_SECTS = 0x1f1,
	SETUP_SYSSIZE = 0x1f4, /* of the protected-mode part, in units of 16 bytes */
	SETUP_FLAG = 0x1fe,    /* of a boot sector */
	SETUP_MAGIC = 0x202,   /* "HdrS" */
	SETUP_VERSION = 0x206,
	SETUP_LOADFLAGS = 0x211,  /* bit 0: a bzImage, which lies above 1 MiB */
	SETUP_XLOADFLAGS = 0x236, /* bit 0: it has a 64-bit entry */
	SETUP_PAYLOAD_OFFSET = 0x248,
	SETUP_PAYLOAD_LENGTH = 0x24c,
	SETUP_PREF_ADDRESS = 0x258,
	SETUP_INIT_SIZE = 0x260,
	SETUP_HEADER_END = 0x264,
	ENTRY_64 = 0x200,     /* behind the 32-bit one */
	PLACE_HIGH = 1 << 20, /* of the protected-mode part, by the 16-bit entry */
	PLACE_LOW = 0x10000,
	PLACE_LOW_END = 0x90000,
};

enum load_protocol kernel_protocol(enum kernel_kind kind)
{
	static const enum load_protocol protocols[] = {
		[KERNEL_LINUX] = PROTOCOL_LINUX,
		[KERNEL_BZIMAGE] = PROTOCOL_LINUX,
		[KERNEL_REAL] = PROTOCOL_LINUX16,
		[KERNEL_MULTIBOOT1] = PROTOCOL_MB1,
		[KERNEL_MULTIBOOT2] = PROTOCOL_MB2,
		[KERNEL_ELF] = PROTOCOL_ELF,
		[KERNEL_PACKED] = PROTOCOL_LINUX,
	};

	return protocols[kind];
}

bool kernel_is_linux(enum kernel_kind kind)
{
	return kernel_protocol(kind) == PROTOCOL_LINUX ||
	       kernel_protocol(kind) == PROTOCOL_LINUX16;
}

static const char *check_vmlinux(const struct elf *elf)
{
	static const char banner[] = "Linux version ";

	if (!memmem(elf->file->data, elf->file->size, banner, sizeof(banner) - 1))
		return "is an ELF file, but neither a Linux kernel nor one with a Multiboot "
		       "header";
	return NULL;
}

static uint64_t setup_size(const struct bytes *file)
{
	uint64_t sectors = bytes_value(file, SETUP_SECTS, 1);

	return ((sectors ? sectors : 4) + 1) * 512;
}

/* Protocol 2.08 tells of a payload; what is no Linux, such as memtest86+, has none. */
static bool has_no_payload(const struct bytes *file)
{
	return bytes_value(file, SETUP_VERSION, 2) >= 0x208 &&
	       bytes_has(file, 0, SETUP_HEADER_END) &&
	       bytes_value(file, SETUP_PAYLOAD_LENGTH, 4) == 0;
}

/* Protocol 2.10 says where what cannot be unpacked wants to be; else its setup code knows. */
static bool is_for_16_bit_entry(const struct bytes *file)
{
	uint64_t version = bytes_value(file, SETUP_VERSION, 2);

	return version < 0x208 || (version < 0x20a && has_no_payload(file));
}

static bool has_header(const struct bytes *file)
{
	return bytes_match(file, SETUP_MAGIC, "HdrS", 4);
}

/*
 * A kernel of before protocol 2.00, as memtest86+ before 6: it has the flag of boot sectors
 * only, and says how long it is.
 */
static bool is_old(const struct bytes *file)
{
	uint64_t units, size;

	if (!bytes_has(file, 0, SETUP_MAGIC + 4) || has_header(file) ||
		bytes_value(file, SETUP_FLAG, 2) != 0xaa55)
		return false;
	units = bytes_value(file, SETUP_SYSSIZE, 2);
	size = setup_size(file) + 16 * units;
	return units && file->size <= size && size - file->size < 16;
}

/* What it occupies in the end is the kernel's business before protocol 2.10. */
static const char *parse_real(struct kernel *out)
{
	const struct bytes *file = &out->image;
	uint64_t setup = setup_size(file), end;
	uint64_t version = has_header(file) ? bytes_value(file, SETUP_VERSION, 2) : 0;

	if (file->size < SETUP_HEADER_END || file->size <= setup)
		return "is a damaged bzImage: there is nothing behind its setup sectors";
	out->kind = KERNEL_REAL;
	out->flat = true;
	out->low =
		version && bytes_value(file, SETUP_LOADFLAGS, 1) & 1 ? PLACE_HIGH : PLACE_LOW;
	out->high = out->low + file->size - setup;
	if (out->low == PLACE_LOW && out->high > PLACE_LOW_END)
		return "is a damaged zImage: it is too large for its place below 576 KiB";
	if (version < 0x20a)
		return NULL;
	end = bytes_value(file, SETUP_PREF_ADDRESS, 8);
	if (end > UINT32_MAX)
		return NULL;
	end += bytes_value(file, SETUP_INIT_SIZE, 4);
	out->high = end > out->high ? end : out->high;
	return NULL;
}

static const char *parse_bzimage(struct kernel *out)
{
	uint64_t setup = setup_size(&out->image);

	if (out->image.size <= setup)
		return "is a damaged bzImage: there is nothing behind its setup sectors";
	out->kind = KERNEL_BZIMAGE;
	out->low = bytes_value(&out->image, SETUP_PREF_ADDRESS, 8);
	out->high = out->low + bytes_value(&out->image, SETUP_INIT_SIZE, 4);
	out->flat = true;
	if (out->low > UINT32_MAX || out->high > UINT32_MAX)
		return "is a bzImage that wants to be above 4 GiB";
	if (out->low < 1u << 20)
		return "is a bzImage that wants to be below 1 MiB, where firmware and loaders are";
	if (out->high - out->low < out->image.size - setup)
		return "is a damaged bzImage: it is larger than the memory that it asks for";
	return NULL;
}

void kernel_bzimage(const struct kernel *kernel, struct kernel_bzimage *out)
{
	const struct bytes *file = &kernel->image;
	uint64_t setup = setup_size(file);

	out->code = bytes_slice(file, setup, file->size - setup);
	out->is64 = bytes_value(file, SETUP_VERSION, 2) >= 0x20c &&
		    (bytes_value(file, SETUP_XLOADFLAGS, 2) & 1) != 0;
	out->entry = kernel->low + (out->is64 ? ENTRY_64 : 0);
}

/* Unpacks the vmlinux in a bzImage; its last four bytes are its unpacked size. */
static const char *unpack_bzimage(
	struct arena *a, const struct bytes *file, struct bytes *vmlinux)
{
	uint64_t offset = bytes_value(file, SETUP_PAYLOAD_OFFSET, 4);
	uint64_t length = bytes_value(file, SETUP_PAYLOAD_LENGTH, 4);
	struct bytes packed;
	uint64_t size;

	offset += setup_size(file);
	if (length < 8 || !bytes_has(file, offset, length))
		return "is a damaged bzImage: its payload is not all in the file";
	packed = bytes_slice(file, offset, length);
	size = bytes_value(&packed, length - 4, 4);
	packed.size -= 4;
	return unpack(a, &packed, (size_t)size, vmlinux);
}

static const char *parse_linux(struct kernel *out)
{
	struct elf elf;
	const char *problem = elf_open(&out->image, &elf);

	if (!problem)
		problem = check_vmlinux(&elf);
	out->kind = KERNEL_LINUX;
	out->low = elf.low;
	out->high = elf.high;
	return problem;
}

static const char *parse_multiboot(const struct multiboot_header *h, struct kernel *out)
{
	struct elf elf;
	const char *problem;

	out->kind = h->version == 2 ? KERNEL_MULTIBOOT2 : KERNEL_MULTIBOOT1;
	out->header = h->offset;
	if (h->has_address) {
		out->low = h->load_low;
		out->high = h->load_high;
		out->flat = true;
		return NULL;
	}
	problem = elf_open(&out->image, &elf);
	out->low = elf.low;
	out->high = elf.high;
	return problem;
}

const char *kernel_parse(struct arena *a, const struct bytes *file, struct kernel *out)
{
	struct multiboot_header h;
	const char *problem;

	*out = (struct kernel){.image = *file};
	if (is_old(file))
		return parse_real(out);
	if (has_header(file)) {
		if (is_for_16_bit_entry(file))
			return parse_real(out);
		if (has_no_payload(file))
			return parse_bzimage(out);
		problem = unpack_bzimage(a, file, &out->image);
		return problem ? problem : parse_linux(out);
	}
	problem = multiboot_find(file, &h);
	if (problem)
		return problem;
	if (h.version)
		return parse_multiboot(&h, out);
	if (elf_is(file))
		return parse_linux(out);
	return "is no kernel: it must be a Linux bzImage or vmlinux, or have a Multiboot 1 or "
	       "2 header";
}

/* Of a file that may have a header of each version, or none that counts. */
static const char *parse_one_multiboot(unsigned version, struct kernel *out)
{
	struct multiboot_header h;
	const char *problem = multiboot_find_version(&out->image, version, &h);

	if (problem)
		return problem;
	if (!h.version)
		return version == 1 ? "has no Multiboot 1 header" : "has no Multiboot 2 header";
	return parse_multiboot(&h, out);
}

static const char *parse_any_elf(struct kernel *out)
{
	struct elf elf;
	const char *problem = elf_open(&out->image, &elf);

	out->kind = KERNEL_ELF;
	out->low = elf.low;
	out->high = elf.high;
	return problem;
}

const char *kernel_parse_as(struct arena *a, const struct bytes *file,
	enum load_protocol protocol, struct kernel *out)
{
	const char *problem;

	*out = (struct kernel){.image = *file};
	switch (protocol) {
	case PROTOCOL_MB1:
		return parse_one_multiboot(1, out);
	case PROTOCOL_MB2:
		return parse_one_multiboot(2, out);
	case PROTOCOL_ELF:
		return parse_any_elf(out);
	case PROTOCOL_LINUX16:
		return has_header(file) || is_old(file)
			       ? parse_real(out)
			       : "is no Linux kernel with a 16-bit entry";
	default:
		break;
	}
	problem = kernel_parse(a, file, out);
	if (problem || protocol == PROTOCOL_AUTO || kernel_protocol(out->kind) == protocol)
		return problem;
	return "is not started by the protocol that is asked for, but by another: leave "
	       "'protocol' away";
}

/* The units of segments, each once; those of an ELF file lie within 1 GiB. */
static uint64_t segments_units(const struct elf *elf)
{
	bool seen[ELF_SPAN_MAX / MEMORY_UNIT + 2] = {false};
	uint64_t first = elf->low / MEMORY_UNIT, count = 0;
	struct elf_segment s;

	for (unsigned i = 0; i < elf->phnum; i++) {
		uint64_t at, last;

		if (!elf_get_segment(elf, i, &s))
			continue;
		last = (s.paddr + s.memsz - 1) / MEMORY_UNIT;
		for (at = s.paddr / MEMORY_UNIT; at <= last; at++) {
			count += !seen[at - first];
			seen[at - first] = true;
		}
	}
	return count;
}

uint64_t kernel_units(const struct kernel *kernel)
{
	uint64_t first = kernel->low / MEMORY_UNIT;
	struct elf elf;

	if (!kernel->flat && elf_open(&kernel->image, &elf) == NULL)
		return segments_units(&elf) + (first != 0);
	return (kernel->high + MEMORY_UNIT - 1) / MEMORY_UNIT - first + (first != 0);
}

int kernel_load(struct arena *a, const struct place *from, enum load_protocol protocol,
	struct kernel *out, struct error *e)
{
	struct bytes file;
	const char *problem;

	if (file_read(a, from->path, from->where, &file, e))
		return e->status;
	problem = kernel_parse_as(a, &file, protocol, out);
	if (problem)
		return fail(
			e, STATUS_BAD_INPUT, "%s: '%s' %s", from->where, from->path, problem);
	return 0;
}

int kernel_load_packed(
	struct arena *a, const struct place *from, struct kernel *out, struct error *e)
{
	*out = (struct kernel){.kind = KERNEL_PACKED};
	if (file_read(a, from->path, from->where, &out->image, e))
		return e->status;
	if (!bytes_match(&out->image, SETUP_MAGIC, "HdrS", 4))
		return fail(e, STATUS_BAD_INPUT,
			"%s: '%s' is no Linux bzImage, which firmware could start", from->where,
			from->path);
	out->high = out->image.size;
	return 0;
}
