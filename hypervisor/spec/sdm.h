/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a section of the SDM is called in editions that number it differently (sdm.def).
 */
#ifndef NESTOR_SPEC_SDM_H
#define NESTOR_SPEC_SDM_H

#include <stddef.h>

/* Beginnings of a section's number. */
struct sdm_row {
	const char *pinned, *since_2023, *in_2026;
};

#define SDM_ROWS 17

extern const struct sdm_row sdm_rows[SDM_ROWS];

/*
 * The row of a section as the pinned edition numbers it: "26.2.1.1", with or without a space
 * and its title behind it. NULL: it is in no row. *rest is what follows the number's beginning,
 * and belongs behind the row's other columns, too.
 */
const struct sdm_row *sdm_row_of(const char *section, const char **rest);

#endif
