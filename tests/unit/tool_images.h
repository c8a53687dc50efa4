/* SPDX-License-Identifier: Apache-2.0 */
/* Small images made in memory, for the tests of the tool's parsers. */
#ifndef TOOL_IMAGES_H
#define TOOL_IMAGES_H

#include <elf.h>
#include <string.h>

#include "arena.h"
#include "bytes.h"

#define IMAGE_TEXT "Linux version 6.1 (test)"

/* An ELF64 executable with one load segment at @paddr that holds IMAGE_TEXT at its start. */
static inline struct bytes image_elf64(struct arena *a, uint64_t paddr, uint64_t memsz)
{
	struct bytes b = {arena_alloc(a, 4096), 4096};
	Elf64_Ehdr h = {.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = 0xffffffff80000000 + paddr + 16,
		.e_phoff = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1};
	Elf64_Phdr p = {.p_type = PT_LOAD,
		.p_offset = 1024,
		.p_vaddr = 0xffffffff80000000 + paddr,
		.p_paddr = paddr,
		.p_filesz = 1024,
		.p_memsz = memsz};

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(b.data, &h, sizeof(h));
	memcpy(b.data + sizeof(h), &p, sizeof(p));
	strcpy((char *)b.data + 1024, IMAGE_TEXT);
	return b;
}

/* The same as an ELF32 executable, entered at its physical address + 16. */
static inline struct bytes image_elf32(struct arena *a, uint32_t paddr, uint32_t memsz)
{
	struct bytes b = {arena_alloc(a, 4096), 4096};
	Elf32_Ehdr h = {.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_entry = paddr + 16,
		.e_phoff = sizeof(h),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 1};
	Elf32_Phdr p = {.p_type = PT_LOAD,
		.p_offset = 1024,
		.p_vaddr = 0xc0000000 + paddr,
		.p_paddr = paddr,
		.p_filesz = 1024,
		.p_memsz = memsz};

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS32;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(b.data, &h, sizeof(h));
	memcpy(b.data + sizeof(h), &p, sizeof(p));
	strcpy((char *)b.data + 1024, IMAGE_TEXT);
	return b;
}

/* Puts a Multiboot 1 header with @flags at @offset. */
static inline void image_put_multiboot1(struct bytes *b, size_t offset, uint32_t flags)
{
	bytes_put(b, offset, 4, 0x1badb002);
	bytes_put(b, offset + 4, 4, flags);
	bytes_put(b, offset + 8, 4, (uint32_t)(0 - 0x1badb002U - flags));
}

/* Puts a Multiboot 2 header of @size bytes at @offset; its tags are the caller's. */
static inline void image_put_multiboot2(struct bytes *b, size_t offset, uint32_t size)
{
	bytes_put(b, offset, 4, 0xe85250d6);
	bytes_put(b, offset + 4, 4, 0);
	bytes_put(b, offset + 8, 4, size);
	bytes_put(b, offset + 12, 4, (uint32_t)(0 - 0xe85250d6U - size));
}

/* A bzImage with @payload, followed by its unpacked size. */
static inline struct bytes image_bzimage(
	struct arena *a, const struct bytes *payload, size_t unpacked)
{
	size_t start = 5 * 512 + 256;
	struct bytes b = {arena_alloc(a, start + payload->size + 4), start + payload->size + 4};

	bytes_put(&b, 0x1f1, 1, 4);
	memcpy(b.data + 0x202, "HdrS", 4);
	bytes_put(&b, 0x206, 2, 0x20f);
	bytes_put(&b, 0x248, 4, 256);
	bytes_put(&b, 0x24c, 4, payload->size + 4);
	memcpy(b.data + start, payload->data, payload->size);
	bytes_put(&b, start + payload->size, 4, unpacked);
	return b;
}

#endif
