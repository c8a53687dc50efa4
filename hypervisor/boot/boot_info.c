/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/boot_info.h"

#include "boot/multiboot2.h"
#include "mm/layout.h"

/* The protocols that entry.S can be entered by. */
static const struct {
	uint32_t magic;
	uint32_t max_size; /* of the block */
	bool (*parse)(const uint8_t *block, size_t max, struct boot_info *info);
} protocols[] = {
	{MB2_BOOT_MAGIC, MB2_MAX_SIZE, mb2_parse},
};

bool boot_info_read(uint32_t magic, uint32_t block, struct boot_info *info)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (protocols[i].magic != magic)
			continue;
		if (!protocols[i].parse(
			    direct_va((struct hpa){block}), protocols[i].max_size, info))
			return false;
		info->block.start = block;
		return true;
	}
	return false;
}
