/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often something may be done: so many times at once, and one more each `period`. Several
 * CPUs may ask.
 */
#ifndef NESTOR_LIB_BUDGET_H
#define NESTOR_LIB_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget {
	uint64_t spent;   /* the time at which all that was done will be paid; atomic */
	uint32_t refused; /* since budget_take_refused; atomic */
};

/* `now` and `period` in the same unit. False: not now; that is counted. */
bool budget_spend(struct budget *b, uint64_t now, uint64_t period, uint32_t burst);

/* It is not to be done, whatever the budget says; that is counted, too. */
void budget_refuse(struct budget *b);

/* How often it was refused; from 0 again. */
uint32_t budget_take_refused(struct budget *b);

#endif
