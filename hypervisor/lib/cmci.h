/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts of corrected machine-check errors (SDM vol. 3B, 15.5 "Corrected Machine Check
 * Error Interrupt"): which banks of a CPU have one, and when errors come too fast for it. Pure.
 */
#ifndef NESTOR_LIB_CMCI_H
#define NESTOR_LIB_CMCI_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/budget.h"
#include "lib/mce.h"

#define CMCI_BURST     10u /* errors of a bank at once, and one more each so many ms: */
#define CMCI_PERIOD_MS 1000u
#define CMCI_QUIET_MS  60000u /* a bank that was off is on again after so long without one */

/* IA32_MCi_CTL2 (15.3.2.5) */
#define MCI_CTL2_THRESHOLD UINT64_C(0x7fff)
#define MCI_CTL2_CMCI_EN   (UINT64_C(1) << 30)

/* Of one CPU; zero at the start. Bit n is bank n. */
struct cmci {
	uint32_t owned; /* whose interrupts this CPU gets, or would get */
	uint32_t off;   /* of these: errors came too fast, it is only looked at now and then */
	struct budget budget[MCE_BANKS_MAX];
	uint64_t last[MCE_BANKS_MAX]; /* when a bank that is off had an error */
};

/* `value` with the interrupt at each error, or without. */
uint64_t cmci_control(uint64_t value, bool on);

/* An error of this bank was found; khz: of `now`. True: its interrupt is to be turned off. */
bool cmci_error(struct cmci *c, unsigned bank, uint64_t now, uint32_t khz);

/* Banks that have been quiet long enough: their interrupts are to be turned on again. */
uint32_t cmci_calm(struct cmci *c, uint64_t now, uint32_t khz);

#endif
