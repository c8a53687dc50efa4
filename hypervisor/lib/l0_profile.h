/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a profiler outside L0 needs of its data to tell L1 from L2; the host tool finds it in
 * L0's ELF file, by the symbol `l0_profile_layout`.
 */
#ifndef NESTOR_LIB_L0_PROFILE_H
#define NESTOR_LIB_L0_PROFILE_H

#include <stdint.h>

#define L0_PROFILE_SYMBOL "l0_profile_layout"

struct l0_profile_layout {
	uint32_t current; /* from GS: the pointer to the vCPU whose VMCS is loaded */
	uint32_t in_l2;   /* from there: a byte, not 0: its guest is L2 */
};

#endif
