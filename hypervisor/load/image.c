/* SPDX-License-Identifier: Apache-2.0 */
#include "load/load_int.h"

static bool image_get(const struct load_image *i, uint64_t at, void *v, size_t size)
{
	if (at > i->size || i->size - at < size)
		return false;
	__builtin_memcpy(v, i->data + at, size);
	return true;
}

bool image_get16(const struct load_image *i, uint64_t at, uint16_t *v)
{
	return image_get(i, at, v, sizeof(*v));
}

bool image_get32(const struct load_image *i, uint64_t at, uint32_t *v)
{
	return image_get(i, at, v, sizeof(*v));
}

bool image_get64(const struct load_image *i, uint64_t at, uint64_t *v)
{
	return image_get(i, at, v, sizeof(*v));
}
