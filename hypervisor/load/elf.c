/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF: 32-bit and 64-bit, little-endian, program headers only.
 */
#include "load/load_int.h"

#define PT_LOAD 1u

/* Kernels have less than ten. Each is compared with each. */
#define MAX_HEADERS 128

struct elf {
	const struct load_image *image;
	bool is64;
	uint64_t entry;
	uint64_t headers; /* of the program: offset, size of one, count */
	uint16_t header_size, header_count;
};

struct segment {
	uint64_t offset, vaddr, paddr, file_size;
	uint64_t memory_size; /* 0: nothing to load */
};

bool elf_is(const struct load_image *i)
{
	return i->size >= 52 && __builtin_memcmp(i->data, "\177ELF", 4) == 0 &&
	       (i->data[4] == 1 || i->data[4] == 2) && i->data[5] == 1;
}

bool elf_is64(const struct load_image *i)
{
	return i->data[4] == 2;
}

static const char *read_header(const struct load_image *i, struct elf *e)
{
	uint32_t entry = 0, headers = 0;

	*e = (struct elf){.image = i, .is64 = elf_is64(i)};
	if (e->is64) {
		if (!image_get64(i, 24, &e->entry) || !image_get64(i, 32, &e->headers))
			return "the ELF header is cut";
	} else {
		image_get32(i, 24, &entry);
		image_get32(i, 28, &headers);
		e->entry = entry;
		e->headers = headers;
	}
	if (!image_get16(i, e->is64 ? 54 : 42, &e->header_size) ||
		!image_get16(i, e->is64 ? 56 : 44, &e->header_count) ||
		e->header_size < (e->is64 ? 56 : 32) || e->headers > i->size)
		return "the ELF header is malformed";
	if (e->header_count > MAX_HEADERS)
		return "the ELF file has more than 128 program headers";
	return NULL;
}

static bool get_segment64(const struct load_image *i, uint64_t at, struct segment *s)
{
	return image_get64(i, at + 8, &s->offset) && image_get64(i, at + 16, &s->vaddr) &&
	       image_get64(i, at + 24, &s->paddr) && image_get64(i, at + 32, &s->file_size) &&
	       image_get64(i, at + 40, &s->memory_size);
}

static bool get_segment32(const struct load_image *i, uint64_t at, struct segment *s)
{
	uint32_t v[5];

	for (unsigned k = 0; k < 5; k++) {
		if (!image_get32(i, at + 4 + 4u * k, &v[k]))
			return false;
	}
	*s = (struct segment){v[0], v[1], v[2], v[3], v[4]};
	return true;
}

/* False when the header is not in the file. */
static bool get_segment(const struct elf *e, unsigned k, struct segment *s)
{
	uint64_t at = e->headers + (uint64_t)k * e->header_size;
	uint32_t type;

	*s = (struct segment){0};
	if (!image_get32(e->image, at, &type))
		return false;
	if (type != PT_LOAD)
		return true;
	return e->is64 ? get_segment64(e->image, at, s) : get_segment32(e->image, at, s);
}

/* Whether it shares memory with one in front of it; all of them lie in RAM. */
static bool overlaps(const struct elf *e, unsigned k, const struct segment *s)
{
	struct segment o;

	for (unsigned j = 0; j < k; j++) {
		if (get_segment(e, j, &o) && o.memory_size != 0 &&
			s->paddr < o.paddr + o.memory_size &&
			o.paddr < s->paddr + s->memory_size)
			return true;
	}
	return false;
}

/* Segments that do not overlap are together not larger than RAM: so is the work of copying
 * them. */
static const char *check_segment(
	const struct load_target *t, const struct elf *e, unsigned k, const struct segment *s)
{
	uint64_t size = e->image->size;

	if (s->file_size > s->memory_size || s->offset > size ||
		s->file_size > size - s->offset)
		return "an ELF segment lies outside the file";
	if (ram_at(t, s->paddr, s->memory_size) == NULL)
		return "an ELF segment lies outside the VM's memory";
	return overlaps(e, k, s) ? "two ELF segments overlap" : NULL;
}

static const char *check(const struct load_target *t, const struct elf *e, struct loaded *l)
{
	const char *error;
	struct segment s;

	*l = (struct loaded){e->entry, 0};
	for (unsigned k = 0; k < e->header_count; k++) {
		if (!get_segment(e, k, &s))
			return "the ELF program headers are cut";
		if (s.memory_size == 0)
			continue;
		error = check_segment(t, e, k, &s);
		if (error != NULL)
			return error;
		if (e->entry >= s.vaddr && e->entry - s.vaddr < s.memory_size)
			l->entry = e->entry - s.vaddr + s.paddr;
		if (s.paddr + s.memory_size > l->end)
			l->end = s.paddr + s.memory_size;
	}
	return l->end != 0 ? NULL : "the ELF file has nothing to load";
}

const char *elf_load(const struct load_target *t, const struct load_image *i, struct loaded *l)
{
	struct elf e;
	struct segment s;
	const char *error = read_header(i, &e);

	if (error == NULL)
		error = check(t, &e, l);
	if (error != NULL)
		return error;
	for (unsigned k = 0; k < e.header_count; k++) {
		if (get_segment(&e, k, &s) &&
			s.memory_size != 0) /* beyond file_size RAM is zero */
			(void)ram_write(t, s.paddr, i->data + s.offset, s.file_size);
	}
	return NULL;
}
