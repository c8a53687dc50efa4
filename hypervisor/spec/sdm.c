/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/sdm.h"

const struct sdm_row sdm_rows[SDM_ROWS] = {
#define SDM(pinned, since_2023, in_2026) {pinned, since_2023, in_2026},
#include "spec/sdm.def"
};

_Static_assert(0
#define SDM(pinned, since_2023, in_2026) +1
#include "spec/sdm.def"
		       == SDM_ROWS,
	"the number of rows of sdm.def");

/* What follows the prefix; NULL when the number does not begin so. */
static const char *behind(const char *section, const char *prefix)
{
	while (*prefix != '\0')
		if (*section++ != *prefix++)
			return NULL;
	return *section == '.' || *section == ' ' || *section == '\0' ? section : NULL;
}

const struct sdm_row *sdm_row_of(const char *section, const char **rest)
{
	for (unsigned i = 0; i < SDM_ROWS; i++) {
		*rest = behind(section, sdm_rows[i].pinned);
		if (*rest)
			return &sdm_rows[i];
	}
	return NULL;
}
