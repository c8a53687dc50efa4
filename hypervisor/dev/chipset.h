/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chipset: the LPC bridge, and, for firmware only, what the host bridge has beyond its
 * identity.
 *
 * Firmware moves ECAM and routes PIRQs to ISA lines. All else is kept or read-only, and has no
 * effect: the ACPI ports stay where they are, 0xc0000 to 0xfffff is always RAM.
 */
#ifndef NESTOR_DEV_CHIPSET_H
#define NESTOR_DEV_CHIPSET_H

#include <stdint.h>

#include "lib/bits.h"

struct platform;

/* After vpci_reset. */
void chipset_reset(struct platform *p);

/* What follows from its registers when a state was put back. */
void chipset_put_back(struct platform *p);

/* Where ECAM begins now: below 4 GiB, or CHIPSET_NO_ECAM. */
#define CHIPSET_NO_ECAM BIT64(63) /* where no memory access goes */
uint64_t chipset_ecam(const struct platform *p);

#endif
