/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a function can be given to a VM behind its unit. What L0 does, and what the host tool
 * says that it would do.
 */
#ifndef NESTOR_VTD_JUDGE_H
#define NESTOR_VTD_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "vtd/dmar.h"
#include "vtd/unit.h"

/* How it is to be given away. */
struct vtd_wish {
	bool through;  /* as if there were no unit */
	bool given_up; /* firmware has been asked for it, or will be */
};

/* With this unit, which dmar_unit_of named. Segment 0. NULL, or why not. */
const char *vtd_judge_function(const struct dmar *d, const struct vtd_unit *u, uint16_t bdf,
	const struct vtd_wish *wish);

#endif
