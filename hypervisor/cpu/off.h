/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Switches the machine off, by ACPI's state S5.
 */
#ifndef NESTOR_CPU_OFF_H
#define NESTOR_CPU_OFF_H

#include "lib/power_off.h"

/* What firmware's tables tell. Before VMs run. */
void off_take(const struct power_off *p);

/* Returns where that is not known, or has no effect. */
void off_try(void);

#endif
