/* SPDX-License-Identifier: Apache-2.0 */
/* ELF executables for x86: their headers and load segments, all bounds checked. */
#ifndef NESTOR_ELF_H
#define NESTOR_ELF_H

#include <stdbool.h>

#include "arena.h"
#include "bytes.h"

/* What the load segments of an executable may span, in bytes of physical addresses. */
#define ELF_SPAN_MAX (1ULL << 30)

struct elf {
	const struct bytes *file;
	bool is64;
	uint64_t entry;     /* as in the header */
	uint64_t low, high; /* physical range of the load segments, with their zeroed parts */
	uint64_t phoff;
	unsigned phentsize, phnum;
};

struct elf_segment {
	uint64_t vaddr, paddr, memsz;
	struct bytes content;
};

/* Does @file begin as an ELF file? */
bool elf_is(const struct bytes *file);

/*
 * Reads the headers of an executable for x86 (32 or 64 bits). Returns NULL, or what is wrong
 * with it: "is not ..." or the like, to follow the file's name. @file must outlive @elf.
 */
const char *elf_open(const struct bytes *file, struct elf *elf);

/* Returns load segment @index (counting all program headers); false if it is none. */
bool elf_get_segment(const struct elf *elf, unsigned index, struct elf_segment *out);

/* Returns the memory from elf->low on, without the zeroes at the end. */
struct bytes elf_flatten(const struct elf *elf, struct arena *a);

/* Translates an entry point given as a virtual address, if it is one, to a physical one. */
uint64_t elf_physical_entry(const struct elf *elf);

#endif
