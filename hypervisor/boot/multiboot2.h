/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Multiboot2 information block. Pure: touches nothing but its arguments, and trusts no size
 * in the block.
 */
#ifndef NESTOR_BOOT_MULTIBOOT2_H
#define NESTOR_BOOT_MULTIBOOT2_H

#include "boot/boot_info.h"

#define MB2_BOOT_MAGIC 0x36d76289u
#define MB2_MAX_SIZE   (1u << 20)

/*
 * Parses the block at `block`, of which at most max bytes are readable; info->block is left to
 * the caller, who knows the physical address. False when it is not a block at all (size out of
 * bounds).
 */
bool mb2_parse(const uint8_t *block, size_t max, struct boot_info *info);

#endif
