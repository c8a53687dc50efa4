/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What firmware, or the system before, has left in a CPU's MSRs that L0 does not use: rows of
 * left_msrs.def.
 */
#ifndef NESTOR_CPU_LEFT_MSRS_H
#define NESTOR_CPU_LEFT_MSRS_H

/* Once on each CPU, before VMXON, and on the boot CPU before memory is anybody's. Tells of each
 * that was otherwise, with what it is now. */
void left_msrs_clear(void);

/*
 * From now on #AC at split locks stays as it is on CPUs that come: the control is the core's,
 * and its other thread may have turned it on. Before there are others than the boot CPU.
 */
void left_msrs_keep_split_locks(void);

#endif
