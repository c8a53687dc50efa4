/*
 * The Multiboot2 information block, parsed into a bounded structure. Pure: touches nothing but its
 * arguments, and trusts no size in the block.
 */
#ifndef NESTOR_BOOT_MULTIBOOT2_H
#define NESTOR_BOOT_MULTIBOOT2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/limits.h"
#include "lib/text.h"

#define MB2_BOOT_MAGIC  0x36d76289u
#define MB2_MAX_SIZE    (1u << 20)
#define MB2_MAX_RANGES  64
#define MB2_MAX_MODULES LIMIT_BOOT_MODULES

struct mb2_range {
	uint64_t start;
	uint64_t size;
};

struct mb2_module {
	uint64_t start;
	uint64_t size;
	struct text cmdline;
};

/* Texts and rsdp point into the block. */
struct mb2_info {
	struct text cmdline;
	struct mb2_range ram[MB2_MAX_RANGES]; /* available memory */
	unsigned ram_count;
	struct mb2_module modules[MB2_MAX_MODULES];
	unsigned module_count;
	const uint8_t *rsdp; /* NULL without ACPI */
	size_t rsdp_size;
	bool truncated; /* something did not fit or was malformed, and was left out */
};

/*
 * Parses the block at `block`, of which at most max bytes are readable. False when it is not a
 * block at all (size out of bounds).
 */
bool mb2_parse(const uint8_t *block, size_t max, struct mb2_info *info);

#endif
