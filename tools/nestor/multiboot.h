/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multiboot 1 and 2: headers of images, and the information that a boot loader passes.
 */
#ifndef NESTOR_MULTIBOOT_H
#define NESTOR_MULTIBOOT_H

#include <stdbool.h>

#include "arena.h"
#include "bytes.h"

#define MULTIBOOT1_EAX 0x2badb002U
#define MULTIBOOT2_EAX 0x36d76289U

struct multiboot_header {
	unsigned version; /* 1 or 2; 0: the file has no Multiboot header */
	uint64_t offset;  /* of the header in the file */
	bool has_address; /* the header says where to load; else the file is ELF */
	uint64_t load_low, load_file_end, load_high; /* end of the file part, end of memory */
	uint64_t load_offset;                        /* of the byte for load_low */
	bool has_entry;
	uint64_t entry;
};

/* Finds the header. Returns NULL, or what is wrong with it. */
const char *multiboot_find(const struct bytes *file, struct multiboot_header *out);
/* The same of one version, where a file may have both. */
const char *multiboot_find_version(
	const struct bytes *file, unsigned version, struct multiboot_header *out);

/* Types of the memory map's entries: others are not usable either. */
enum memory_type {
	MEMORY_USABLE = 1,
	MEMORY_RESERVED = 2
};

struct memory_range {
	uint64_t base, size;
	uint32_t type;
};

struct boot_module {
	uint32_t start, end; /* physical */
	const char *cmdline;
};

struct boot_info {
	const char *cmdline;
	const struct boot_module *modules;
	unsigned module_count;
	const struct memory_range *ranges;
	unsigned range_count;
	struct bytes rsdp; /* of ACPI 2.0; empty: none */
};

/* Makes the Multiboot 2 information block. */
struct bytes multiboot2_info(struct arena *a, const struct boot_info *info);

/* Makes the Multiboot 1 information, with all that it points to, for physical address @at. */
struct bytes multiboot1_info(struct arena *a, const struct boot_info *info, uint32_t at);

#endif
