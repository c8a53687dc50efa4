/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loader tells L0, whatever protocol it speaks: the one form that the rest of L0
 * knows. A loader's own structures are known to its parser only.
 */
#ifndef NESTOR_BOOT_BOOT_INFO_H
#define NESTOR_BOOT_BOOT_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/limits.h"
#include "lib/pixels.h"
#include "lib/text.h"

#define BOOT_MAX_RANGES   4096
#define BOOT_MAX_RESERVED 256
#define BOOT_MAX_MODULES  LIMIT_BOOT_MODULES

/* Physical. start + size does not overflow. */
struct boot_range {
	uint64_t start;
	uint64_t size;
};

/* An image that the loader put into memory. */
struct boot_module {
	struct boot_range range;
	struct text cmdline;
};

/* A screen of characters, two bytes each, line by line. */
struct boot_screen {
	uint64_t start; /* physical, below 4 GiB; 0: there is none */
	unsigned columns, rows;
};

/* Texts and rsdp point into the loader's block. */
struct boot_info {
	struct text cmdline;
	struct boot_range ram[BOOT_MAX_RANGES]; /* available memory, by where it begins */
	unsigned ram_count;
	/* what is firmware's own in the map; what there is no room for is not */
	struct boot_range reserved[BOOT_MAX_RESERVED];
	unsigned reserved_count;
	uint64_t left_out; /* bytes of memory in pieces that there was no room for */
	struct boot_module modules[BOOT_MAX_MODULES];
	unsigned module_count;
	const uint8_t *rsdp; /* NULL without ACPI */
	size_t rsdp_size;
	struct boot_screen screen;
	struct pixels pixels; /* a frame buffer that is ok, in no RAM; start 0: there is none */
	struct boot_range block; /* the loader's block: no free memory, though it lies in ram */
	bool truncated;          /* something did not fit or was malformed, and was left out */
};

/*
 * Reads what the loader left at physical address `block`, in the form that `magic` stands for.
 * False when it is none that L0 knows, or no such block. The boot page tables must be in use.
 */
bool boot_info_read(uint32_t magic, uint32_t block, struct boot_info *info);

#endif
