/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often the log tells of what functions are kept from. Each has a rate of its own, so that
 * one that goes on for ever does not hide what another one did.
 */
#ifndef NESTOR_VTD_FAULT_LOG_H
#define NESTOR_VTD_FAULT_LOG_H

#include <stdint.h>

#include "lib/budget.h"

#define FAULT_LOG_SOURCES 16u /* functions; all others have one rate together */

/* Zero: nobody was told of. Used by one CPU at a time. */
struct fault_log {
	unsigned count;
	uint32_t source[FAULT_LOG_SOURCES];
	struct budget budget[FAULT_LOG_SOURCES + 1];
};

/* The rate of this source, a PCI_SBDF. */
struct budget *fault_log_budget(struct fault_log *l, uint32_t source);

#endif
