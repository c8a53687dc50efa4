/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MTRRs as firmware has set them. L0 reads and compares them, and writes none.
 */
#ifndef NESTOR_CPU_MTRR_H
#define NESTOR_CPU_MTRR_H

#include "spec/mtrr.h"

/* On the boot CPU, before others start. */
void mtrr_read(void);

/* What that was; NULL: the processor has none. */
const struct mtrrs *mtrr_of_boot_cpu(void);

/* On each other CPU: a line in the log, if its own are others. */
void mtrr_compare(void);

#endif
