/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of a unit.
 */
#ifndef NESTOR_VTD_UNIT_INT_H
#define NESTOR_VTD_UNIT_INT_H

#include "vtd/unit.h"

/* Descriptors, a few; done when it returns. */
const char *vtd_unit_submit(struct vtd_unit *u, const struct vtd_entry *d, unsigned count);

#endif
