/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the loaders; nobody else includes it.
 */
#ifndef NESTOR_LOAD_LOAD_INT_H
#define NESTOR_LOAD_LOAD_INT_H

#include "lib/limits.h"
#include "load/load.h"

/* Low memory of a loaded VM: what the loader writes there, out of the images' way. */
#define LOAD_GDT          0x1000u
#define LOAD_INFO         0x2000u  /* boot_params or Multiboot 1 information */
#define LOAD_CMDLINE      0x4000u  /* up to LOAD_CMDLINE_SIZE */
#define LOAD_MODULE_TEXTS 0x5000u  /* Multiboot 1: LOAD_MODULE_TEXT for each module */
#define LOAD_INFO2        0x5000u  /* Multiboot 2 information, command lines included */
#define LOAD_TABLES       0x10000u /* identity map: 6 pages */
#define LOAD_CMDLINE_SIZE 4096u
#define LOAD_NAME         7u /* of the loader's own names, at most; a space follows */
#define LOAD_MODULE_TEXT  (LOAD_NAME + 1u + LIMIT_NAMED_LINE + 1u)
#define LOAD_BIOS         0xf0000u  /* behind the ACPI tables, reserved like them */
#define LOAD_LOW_END      0x100000u /* images that may be anywhere lie above */

/* What of a kernel is in RAM. */
struct loaded {
	uint64_t entry; /* physical where an ELF segment tells */
	uint64_t end;   /* behind the last byte used */
};

/* ---- image.c: unsigned little-endian fields; false when outside the image ---- */
bool image_get16(const struct load_image *i, uint64_t at, uint16_t *v);
bool image_get32(const struct load_image *i, uint64_t at, uint32_t *v);
bool image_get64(const struct load_image *i, uint64_t at, uint64_t *v);

/* ---- ram.c ---- */

/* Where the host has a range of RAM, or NULL. Low memory is always there. */
uint8_t *ram_at(const struct load_target *t, uint64_t gpa, uint64_t size);
/* False, and nothing is written, when the range is not RAM. */
bool ram_write(const struct load_target *t, uint64_t gpa, const void *data, uint64_t size);
/* To low memory. */
void ram_put32(const struct load_target *t, uint64_t gpa, uint32_t v);
void ram_put64(const struct load_target *t, uint64_t gpa, uint64_t v);
/* To low memory, cut to size, NUL-terminated. */
void ram_put_text(const struct load_target *t, uint64_t gpa, struct text text, size_t size);
/* The GDT: 32-bit code; code of the entry's mode and data where Linux wants them. */
#define GDT_CODE32 0x08u
#define GDT_CODE   0x10u
#define GDT_DATA   0x18u
/* The GDT that the entry state *e then uses, and its selectors. */
void ram_put_gdt(const struct load_target *t, struct entry_state *e, uint16_t code_selector);
/* Page tables that map 4 GiB onto itself; the value for CR3. */
uint64_t ram_put_identity_map(const struct load_target *t);

/* ---- bios.c ---- */

/*
 * What a kernel finds in real mode when there was no firmware: vectors, BIOS data, the code of
 * bios.S with the target's memory map. Before the images: one that wants to be there wins.
 */
void bios_put(const struct load_target *t);

/* ---- vga.c ---- */

/* The screen of a VM with a VGA, and what a BIOS says of it. After bios_put. */
void vga_put(const struct load_target *t);

/* ---- elf.c ---- */
bool elf_is(const struct load_image *i);
/* These three, of an image that elf_is. */
bool elf_is64(const struct load_image *i);
/* Checks all segments, then copies them to their physical addresses. NULL, or what is wrong:
 * nothing has been copied then. */
const char *elf_load(const struct load_target *t, const struct load_image *i, struct loaded *l);

/* ---- the formats: whether an image is one, and load_images for it ---- */
bool linux_is_bzimage(const struct load_image *i);
const char *linux_load_bzimage(
	const struct load_target *t, const struct load_request *r, struct entry_state *e);
const char *linux_load_elf(
	const struct load_target *t, const struct load_request *r, struct entry_state *e);
/* Whether it has a 16-bit entry, and no other; linux_is_bzimage has others. */
bool linux_is_old(const struct load_image *i);
bool linux_is_real(const struct load_image *i);
const char *linux_load_real(
	const struct load_target *t, const struct load_request *r, struct entry_state *e);
bool mb1_is(const struct load_image *i);
const char *mb1_load(
	const struct load_target *t, const struct load_request *r, struct entry_state *e);
bool mb2_is(const struct load_image *i);
const char *mb2_load(
	const struct load_target *t, const struct load_request *r, struct entry_state *e);

#endif
