/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image formats: puts a kernel and its modules into a VM's RAM by its boot protocol, and says
 * in which state the first vCPU starts. Pure. What it has to know of the VM is in struct
 * load_target.
 */
#ifndef NESTOR_LOAD_LOAD_H
#define NESTOR_LOAD_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/text.h"

#define LOAD_MAX_RAM     12
#define LOAD_MAX_RANGES  30
#define LOAD_MAX_MODULES 16
#define LOAD_EBDA        0x9fc00u /* extended BIOS data: conventional memory ends */
#define LOAD_LOW_KIB     (LOAD_EBDA >> 10)

enum load_format {
	LOAD_AUTO,  /* by what the kernel looks like: bzImage, Multiboot 2, Multiboot 1 */
	LOAD_LINUX, /* bzImage, or vmlinux, by its 64-bit entry, or the best that it has */
	LOAD_ELF,   /* any ELF, entered in protected mode as Multiboot 1 does */
	LOAD_MULTIBOOT1,
	LOAD_MULTIBOOT2,
	LOAD_LINUX16 /* bzImage or zImage by the 16-bit entry, in real mode */
};

/* RAM of the VM, and where the host has it. */
struct load_ram {
	uint64_t start, size;
	uint8_t *host;
};

enum load_range_type { /* numbers of e820 and of Multiboot */
	LOAD_RANGE_RAM = 1,
	LOAD_RANGE_RESERVED = 2
};

/* A row of the memory map that the kernel is told. */
struct load_range {
	uint64_t start, size;
	uint32_t type; /* enum load_range_type */
};

struct vm;

struct load_target {
	const struct vm *vm; /* whose RAM it is, for load_ready */
	/*
	 * Zero but for the ACPI tables; Multiboot modules go to the first, which begins at 0.
	 */
	struct load_ram ram[LOAD_MAX_RAM];
	unsigned ram_count;
	struct load_range map[LOAD_MAX_RANGES];
	unsigned map_count;
	uint64_t
		/* guest-physical address of the ACPI tables, which lie in the first RAM */
		rsdp;
	bool vga; /* it has the text mode of a VGA, whose text is in the first RAM, too */
};

struct load_image {
	const uint8_t *data;
	size_t size;
	struct text cmdline;
};

struct load_request {
	enum load_format format;
	bool cmdline0; /* Multiboot: a name of the image in front of the command line */
	struct load_image kernel;
	struct load_image initrd; /* size 0: none; Multiboot has it as its first module */
	struct load_image modules[LOAD_MAX_MODULES]; /* Multiboot only */
	unsigned module_count;
};

enum entry_mode {
	ENTRY_MODE_PROTECTED, /* paging off */
	ENTRY_MODE_LONG,
	ENTRY_MODE_REAL
};

/*
 * How the first vCPU starts: as after reset, but for this. Its segments are flat; in real mode
 * they are as their selectors say, and there is no GDT.
 */
struct entry_state {
	enum entry_mode mode;
	uint64_t rip;
	uint64_t cr3; /* long mode */
	uint64_t gdt_base;
	uint32_t gdt_limit;
	uint16_t code_selector, data_selector;
	uint64_t rax, rbx, rsi;
	uint64_t rsp; /* real mode */
};

/* Seam, provided by vm/: RAM of the target can be accessed, or not so much of it. */
bool load_ready(const struct load_target *t, uint64_t gpa, uint64_t size);

/*
 * NULL, or what is wrong with the images; *out is undefined then, and RAM may have been
 * written. Work
 * is bounded by the sizes of RAM and images, whatever these hold.
 */
const char *load_images(const struct load_target *target, const struct load_request *request,
	struct entry_state *out);

#endif
