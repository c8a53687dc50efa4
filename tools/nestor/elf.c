/* SPDX-License-Identifier: Apache-2.0 */
/* ELF executables; see elf.h. */
#include "elf.h"

#include <elf.h>

bool elf_is(const struct bytes *file)
{
	return bytes_match(file, 0, ELFMAG, SELFMAG);
}

bool elf_get_segment(const struct elf *elf, unsigned index, struct elf_segment *out)
{
	uint64_t at = elf->phoff + (uint64_t)index * elf->phentsize;
	unsigned word = elf->is64 ? 8 : 4;
	uint64_t offset, size;

	if (index >= elf->phnum || bytes_value(elf->file, at, 4) != PT_LOAD)
		return false;
	offset = bytes_value(elf->file, at + (elf->is64 ? 8 : 4), word);
	out->vaddr = bytes_value(elf->file, at + (elf->is64 ? 16 : 8), word);
	out->paddr = bytes_value(elf->file, at + (elf->is64 ? 24 : 12), word);
	size = bytes_value(elf->file, at + (elf->is64 ? 32 : 16), word);
	out->memsz = bytes_value(elf->file, at + (elf->is64 ? 40 : 20), word);
	out->content = bytes_slice(elf->file, offset, size);
	return out->memsz != 0;
}

/* Is the segment's content in the file, and its memory below 2^52? */
static bool segment_sound(const struct elf *elf, unsigned index, const struct elf_segment *s)
{
	uint64_t at = elf->phoff + (uint64_t)index * elf->phentsize;
	uint64_t size = elf->is64 ? bytes_value(elf->file, at + 32, 8)
				  : bytes_value(elf->file, at + 16, 4);

	return s->content.size == size && size <= s->memsz && s->memsz <= 1ULL << 52 &&
	       s->paddr <= (1ULL << 52) - s->memsz;
}

static const char *read_segments(struct elf *elf)
{
	elf->low = UINT64_MAX;
	elf->high = 0;
	for (unsigned i = 0; i < elf->phnum; i++) {
		struct elf_segment s;

		if (!elf_get_segment(elf, i, &s))
			continue;
		if (!segment_sound(elf, i, &s))
			return "is a damaged ELF file: a load segment is not all in the file";
		elf->low = s.paddr < elf->low ? s.paddr : elf->low;
		elf->high = s.paddr + s.memsz > elf->high ? s.paddr + s.memsz : elf->high;
	}
	if (elf->high == 0)
		return "is an ELF file without load segments";
	if (elf->high - elf->low > ELF_SPAN_MAX)
		return "is an ELF file whose load segments span more than 1 GiB";
	return NULL;
}

const char *elf_open(const struct bytes *file, struct elf *elf)
{
	uint64_t class, type, machine;

	*elf = (struct elf){.file = file};
	if (!elf_is(file))
		return "is not an ELF file";
	class = bytes_value(file, EI_CLASS, 1);
	type = bytes_value(file, 16, 2);
	machine = bytes_value(file, 18, 2);
	elf->is64 = class == ELFCLASS64;
	if (class != ELFCLASS32 && class != ELFCLASS64)
		return "is a damaged ELF file: it is neither 32-bit nor 64-bit";
	if (bytes_value(file, EI_DATA, 1) != ELFDATA2LSB ||
		(machine != EM_X86_64 && machine != EM_386))
		return "is an ELF file for another kind of CPU";
	if (type != ET_EXEC && type != ET_DYN)
		return "is an ELF file, but not an executable";
	elf->entry = elf->is64 ? bytes_value(file, 24, 8) : bytes_value(file, 24, 4);
	elf->phoff = elf->is64 ? bytes_value(file, 32, 8) : bytes_value(file, 28, 4);
	elf->phentsize = (unsigned)bytes_value(file, elf->is64 ? 54 : 42, 2);
	elf->phnum = (unsigned)bytes_value(file, elf->is64 ? 56 : 44, 2);
	if (elf->phentsize < (elf->is64 ? 56 : 32) ||
		!bytes_has(file, elf->phoff, (uint64_t)elf->phentsize * elf->phnum))
		return "is a damaged ELF file: its program headers are not all in the file";
	return read_segments(elf);
}

struct bytes elf_flatten(const struct elf *elf, struct arena *a)
{
	struct bytes out = {NULL, 0};
	struct elf_segment s;

	for (unsigned i = 0; i < elf->phnum; i++)
		if (elf_get_segment(elf, i, &s) && s.content.size &&
			s.paddr - elf->low + s.content.size > out.size)
			out.size = s.paddr - elf->low + s.content.size;
	out.data = arena_alloc(a, out.size + 1);
	for (unsigned i = 0; i < elf->phnum; i++)
		if (elf_get_segment(elf, i, &s) && s.content.size)
			memcpy(out.data + (s.paddr - elf->low), s.content.data, s.content.size);
	return out;
}

uint64_t elf_physical_entry(const struct elf *elf)
{
	struct elf_segment s;

	if (elf->entry >= elf->low && elf->entry < elf->high)
		return elf->entry;
	for (unsigned i = 0; i < elf->phnum; i++)
		if (elf_get_segment(elf, i, &s) && elf->entry >= s.vaddr &&
			elf->entry - s.vaddr < s.memsz)
			return elf->entry - s.vaddr + s.paddr;
	return elf->entry;
}
