/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of a unit.
 */
#ifndef NESTOR_VTD_UNIT_INT_H
#define NESTOR_VTD_UNIT_INT_H

#include "vtd/unit.h"

/* The unit is not used any more. Returns why, which stays the first reason. */
const char *vtd_unit_fail(struct vtd_unit *u, const char *why);

/* Descriptors, a few; done when it returns. */
const char *vtd_unit_submit(struct vtd_unit *u, const struct vtd_entry *d, unsigned count);

#endif
