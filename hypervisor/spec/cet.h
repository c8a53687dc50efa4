/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control-flow enforcement (SDM volume 1, chapter 17 "Control-flow Enforcement Technology
 * (CET)"): shadow stacks and indirect-branch tracking.
 */
#ifndef NESTOR_SPEC_CET_H
#define NESTOR_SPEC_CET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bits.h"

/* IA32_U_CET and IA32_S_CET; bits 63:12 are the address of a bitmap for legacy code. */
#define CET_SH_STK_EN BIT64(0)  /* shadow stacks */
#define CET_ENDBR_EN  BIT64(2)  /* indirect-branch tracking */
#define CET_SUPPRESS  BIT64(10) /* of the tracker: it rests ... */
#define CET_TRACKER   BIT64(11) /* ... or waits for ENDBRANCH */

/* Bits that are there with shadow stacks; with indirect-branch tracking. */
#define CET_OF_SS  UINT64_C(0x3)
#define CET_OF_IBT UINT64_C(0xfffffffffffffc3c)

#define SSP_ALIGNMENT UINT64_C(0x3) /* bits of a shadow-stack pointer that are 0 */

/* May the registers have this value, where these bits are there? Canonical or not. */
static inline bool cet_control_valid(uint64_t value, uint64_t bits)
{
	return (value & ~bits) == 0 &&
	       (value & (CET_SUPPRESS | CET_TRACKER)) != (CET_SUPPRESS | CET_TRACKER);
}

#endif
