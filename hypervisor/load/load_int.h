/*
 * Shared by the loaders; nobody else includes it.
 */
#ifndef NESTOR_LOAD_LOAD_INT_H
#define NESTOR_LOAD_LOAD_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load/load.h"

/* Low memory of a loaded VM: what the loader writes there, out of the images' way. */
#define LOAD_GDT          0x1000u
#define LOAD_INFO         0x2000u  /* boot_params or Multiboot information */
#define LOAD_CMDLINE      0x4000u  /* up to LOAD_CMDLINE_SIZE */
#define LOAD_TABLES       0x10000u /* identity map: 6 pages */
#define LOAD_CMDLINE_SIZE 4096u
#define LOW_RAM_END       0xa0000u

struct image {
	const uint8_t *data;
	size_t size;
};

struct memory_range {
	uint64_t start, size;
	uint32_t type; /* 1: RAM, 2: reserved, as e820 and Multiboot have it */
};

#define MEMORY_RANGES 6

/* The VM's memory map. Returns the number of ranges. */
unsigned load_memory_map(const struct vm *vm, struct memory_range r[MEMORY_RANGES]);

struct image load_image(const struct vm_file *f);

/* Unsigned little-endian fields; false when outside the image. */
bool image_get16(const struct image *i, uint64_t at, uint16_t *v);
bool image_get32(const struct image *i, uint64_t at, uint32_t *v);
bool image_get64(const struct image *i, uint64_t at, uint64_t *v);

/* What an ELF file was loaded to. */
struct elf_info {
	uint64_t entry; /* physical where a segment tells */
	uint64_t end;   /* behind the last byte used */
	bool is64;
};

bool elf_is(const struct image *i);
/* Copies the segments to their physical addresses. NULL, or what is wrong. */
const char *elf_load(struct vm *vm, const struct image *i, struct elf_info *info);

/* A text at a guest-physical address, cut to size, NUL-terminated. */
void load_text(struct vm *vm, uint64_t gpa, struct text t, size_t size);

/* Page tables at LOAD_TABLES that map 4 GiB onto itself; the value for CR3. */
uint64_t load_identity_map(struct vm *vm);
void load_gdt(struct vm *vm);

const char *load_linux_bzimage(struct vm *vm, const struct vm_images *images);
const char *load_linux_elf(struct vm *vm, const struct vm_images *images);
bool linux_is_bzimage(const struct image *i);

/* Offset of the header in the image, or -1. */
int64_t mb1_header(const struct image *i);
int64_t mb2_header(const struct image *i);
const char *load_mb1(struct vm *vm, const struct vm_images *images);
const char *load_mb2(struct vm *vm, const struct vm_images *images);

#endif
