/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures as PNG files. */
#ifndef NESTOR_PNG_H
#define NESTOR_PNG_H

#include <stdio.h>

#include "raster.h"

/* Writes @r to @out, 8 bits of red, green and blue. 0, or -1 with errno. */
int png_write(FILE *out, const struct raster *r);

#endif
