/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/lock.h"

#include "cpu/log.h"
#include "cpu/percpu.h"

static void check_order(const struct percpu *c, const struct spinlock *l)
{
	if (c->held_count > 0 && c->held[c->held_count - 1]->rank >= l->rank)
		panic("lock of rank %u taken while one of rank %u is held", l->rank,
			c->held[c->held_count - 1]->rank);
}

void spin_lock(struct spinlock *l)
{
	struct percpu *c = this_cpu();
	uint32_t ticket;

	if (LOCK_CHECKS)
		check_order(c, l);
	ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket)
		cpu_pause();
	c->held[c->held_count++] = l;
}

void spin_unlock(struct spinlock *l)
{
	this_cpu()->held_count--;
	__atomic_store_n(&l->owner, l->owner + 1, __ATOMIC_RELEASE);
}

void spin_unlock_all(void)
{
	struct percpu *c = this_cpu();

	while (c->held_count > 0)
		spin_unlock(c->held[c->held_count - 1]);
}
