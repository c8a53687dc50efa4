/* SPDX-License-Identifier: Apache-2.0 */
/* A picture in memory. */
#ifndef NESTOR_RASTER_H
#define NESTOR_RASTER_H

#include <stddef.h>
#include <stdint.h>

struct raster {
	uint32_t width, height;
	const uint32_t *pixels; /* 0xRRGGBB, row by row */
};

static inline uint32_t raster_pixel(const struct raster *r, uint32_t x, uint32_t y)
{
	return r->pixels[(size_t)y * r->width + x];
}

#endif
