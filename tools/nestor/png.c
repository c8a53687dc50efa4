/* SPDX-License-Identifier: Apache-2.0 */
/* PNG files by libpng; see png.h. */
#include "png.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>

/* What libpng itself would print is not of interest: the caller has errno. */
static void ignore(png_structp png, png_const_charp text)
{
	(void)png;
	(void)text;
}

static _Noreturn void give_up(png_structp png, png_const_charp text)
{
	(void)text;
	longjmp(*png_set_longjmp_fn(png, longjmp, sizeof(jmp_buf)), 1);
}

static void write_rows(png_structp png, const struct raster *r, uint8_t *row)
{
	for (uint32_t y = 0; y < r->height; y++) {
		for (uint32_t x = 0; x < r->width; x++) {
			uint32_t colour = raster_pixel(r, x, y);

			row[3 * x] = (uint8_t)(colour >> 16);
			row[3 * x + 1] = (uint8_t)(colour >> 8);
			row[3 * x + 2] = (uint8_t)colour;
		}
		png_write_row(png, row);
	}
}

/* After an error of libpng control comes back here a second time: nothing changes between. */
static int write_all(
	png_structp png, png_infop info, FILE *out, const struct raster *r, uint8_t *row)
{
	if (setjmp(*png_set_longjmp_fn(png, longjmp, sizeof(jmp_buf))))
		return -1;
	png_init_io(png, out);
	png_set_IHDR(png, info, r->width, r->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
		PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	write_rows(png, r, row);
	png_write_end(png, info);
	return 0;
}

int png_write(FILE *out, const struct raster *r)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, give_up, ignore);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	uint8_t *row = malloc((size_t)r->width * 3);
	int status = -1;

	errno = info && row ? 0 : ENOMEM;
	if (info && row)
		status = write_all(png, info, out, r, row);
	if (status && !errno)
		errno = EIO;
	free(row);
	png_destroy_write_struct(&png, &info);
	return status;
}
