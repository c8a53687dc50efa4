/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a processor refuses what has no error number: enum denial, a row of denials.def each.
 */
#ifndef NESTOR_SPEC_DENIALS_H
#define NESTOR_SPEC_DENIALS_H

enum denial {
	DENIAL_NONE,
#define R(id, section, what, allowed) DENIAL_##id,
#include "spec/denials.def"
	DENIAL_COUNT
};

#endif
