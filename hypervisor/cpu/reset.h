/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resets the machine: by the register that firmware names, by the chipset's, and by a triple
 * fault, in this order.
 */
#ifndef NESTOR_CPU_RESET_H
#define NESTOR_CPU_RESET_H

#include "lib/fadt.h"

/* Of firmware's table. The caller has mapped it, if it is in memory. Before VMs run. */
void reset_take_register(const struct fadt_reset *r);

_Noreturn void reset_machine(void);

#endif
