/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The screen of a VGA in text mode, as it comes from Nestor: a cell a character. Its text is
 * exact; its picture is drawn here, with the font of the VM's images if they have one.
 */
#ifndef NESTOR_CELLS_H
#define NESTOR_CELLS_H

#include <stdbool.h>

#include "arena.h"
#include "font.h"
#include "raster.h"

#define CELLS_MAX     16384u /* what the text memory has */
#define CELLS_COLOURS 16u
#define CELL_WIDTH    8u
#define CELL_HEIGHT   16u /* pixels of the picture, whatever the screen's are */

struct cells {
	uint32_t columns, rows;
	uint32_t lines;       /* of a character on the screen, 1 to 32 */
	uint32_t first, last; /* of these, the cursor's */
	bool blinks;          /* bit 7 of an attribute does not belong to the colour behind */
	uint32_t colour[CELLS_COLOURS]; /* 0xRRGGBB */
	const uint32_t *cell;           /* lib/picture.h */
};

/*
 * Fills in all but the cells from a control record `screen`. False: it is one of a picture, or
 * of no size that there is.
 */
bool cells_of_record(const char *line, struct cells *c);

/* Lines of UTF-8, one for each row, without blanks at their ends. */
const char *cells_text(struct arena *a, const struct cells *c);

/* As a picture. */
struct raster cells_draw(struct arena *a, const struct cells *c, const struct fonts *f);

#endif
