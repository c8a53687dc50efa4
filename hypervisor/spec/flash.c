/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/flash.h"

uint64_t flash_volume_size(const uint8_t *image, uint64_t size)
{
	static const uint8_t guid[] = VOLUME_NV_DATA_GUID;
	uint64_t length;

	if (size < FLASH_BLOCK ||
		__builtin_memcmp(image + VOLUME_GUID, guid, sizeof(guid)) != 0 ||
		__builtin_memcmp(image + VOLUME_SIGNATURE, "_FVH", 4) != 0)
		return 0;
	__builtin_memcpy(&length, image + VOLUME_LENGTH, sizeof(length));
	return length % FLASH_BLOCK == 0 && length < size ? length : 0;
}
