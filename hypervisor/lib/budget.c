/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/budget.h"

void budget_refuse(struct budget *b)
{
	__atomic_fetch_add(&b->refused, 1, __ATOMIC_RELAXED);
}

bool budget_spend(struct budget *b, uint64_t now, uint64_t period, uint32_t burst)
{
	uint64_t old = __atomic_load_n(&b->spent, __ATOMIC_RELAXED);

	for (;;) {
		uint64_t from = old > now ? old : now;

		if (from - now > period * (burst - 1)) {
			budget_refuse(b);
			return false;
		}
		if (__atomic_compare_exchange_n(&b->spent, &old, from + period, false,
			    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
}

uint32_t budget_take_refused(struct budget *b)
{
	if (__atomic_load_n(&b->refused, __ATOMIC_RELAXED) == 0)
		return 0;
	return __atomic_exchange_n(&b->refused, 0, __ATOMIC_RELAXED);
}
