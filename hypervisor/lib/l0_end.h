/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of the machine at the end of a run: the option at-end=.
 */
#ifndef NESTOR_LIB_L0_END_H
#define NESTOR_LIB_L0_END_H

enum l0_end {
	L0_END_HALT, /* it is powered off as machine= says, or stands still */
	L0_END_RESET,
	L0_END_OFF /* by firmware's tables, else as L0_END_HALT */
};

#endif
