/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data and I/O breakpoints (SDM 17.2.4 "Debug Control Register (DR7)") over what L0 does for a
 * guest. Pure.
 */
#ifndef NESTOR_EMUL_BREAKPOINT_H
#define NESTOR_EMUL_BREAKPOINT_H

#include <stdint.h>

#include "spec/regs.h"

/* Bits by the R/W field of DR7: which breakpoints an access meets. */
enum emul_watch {
	WATCH_WRITE = 1 << 1 | 1 << 3,
	WATCH_IO = 1 << 2,
	WATCH_READ = 1 << 3
};

/* Might anything match? */
static inline int emul_breakpoints_on(uint64_t dr7)
{
	return (dr7 & DR7_ENABLED) != 0;
}

/*
 * The pending debug exceptions (24.4.2) of an access to `size` bytes at a linear address or
 * port. 0 when no enabled breakpoint matches; otherwise others that match count, too, as on the
 * processor. dr: DR0 to DR3.
 */
uint64_t emul_breakpoints(
	uint64_t dr7, const uint64_t dr[4], uint64_t at, unsigned size, enum emul_watch watch);

#endif
