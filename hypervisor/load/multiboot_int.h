/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Multiboot 1 and 2 have in common: multiboot.c.
 */
#ifndef NESTOR_LOAD_MULTIBOOT_INT_H
#define NESTOR_LOAD_MULTIBOOT_INT_H

#include "load/load_int.h"

#define MULTIBOOT_LOADER_NAME "Nestor"
#define MULTIBOOT_MODULES     (LOAD_MAX_MODULES + 1) /* the initrd counts as the first */

/* Addresses of a header instead of ELF: Multiboot 1, 3.1.3; Multiboot 2, address tag. */
struct multiboot_addresses {
	uint32_t header, load, load_end, bss_end;
};

struct placed_module {
	uint64_t start, end;
	const char *name; /* in front of its text; NULL: none */
	struct text cmdline;
};

/* The fields "framebuffer" of both: Multiboot 1, 3.3; Multiboot 2, 3.6.12. */
struct multiboot_screen {
	uint64_t address;
	uint32_t pitch, width, height; /* bytes of a row; characters */
	uint8_t bits, type;
} __attribute__((packed));

/* That of a VGA in text mode. */
extern const struct multiboot_screen multiboot_text_screen;

/* The kernel whose header, at this offset of the image, has addresses; its entry is not set. */
const char *multiboot_load_flat(const struct load_target *t, const struct load_image *i,
	uint64_t header, const struct multiboot_addresses *a, struct loaded *l);
/* The kernel by its ELF header. */
const char *multiboot_load_elf(
	const struct load_target *t, const struct load_image *i, struct loaded *l);
/* Copies the modules behind the kernel, which ends at `at`: page-aligned, in order. */
const char *multiboot_place_modules(const struct load_target *t, const struct load_request *r,
	uint64_t at, struct placed_module m[MULTIBOOT_MODULES], unsigned *count);
/* To low memory; the bytes with the NUL. Name: at most LOAD_NAME, or NULL. */
uint32_t multiboot_put_text(
	const struct load_target *t, uint64_t gpa, const char *name, struct text text);
/* The kernel's, at LOAD_CMDLINE; the bytes with the NUL. */
uint32_t multiboot_put_cmdline(const struct load_target *t, const struct load_request *r);
/* KiB of RAM above 1 MiB, up to the first hole. */
uint32_t multiboot_high_kib(const struct load_target *t);
/* The entry in protected mode, with the address of the information. */
void multiboot_finish(const struct load_target *t, uint32_t magic, uint32_t info,
	uint64_t entry, struct entry_state *e);

#endif
