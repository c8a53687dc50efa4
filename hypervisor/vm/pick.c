/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is on a CPU: fair by weight, by virtual time. */
#include "vm/vm_int.h"

#include "vm/cores.h"
#include "vm/sched.h"

#define SLEEPER_LAG (2 * SLICE_TICKS) /* how far a vCPU that slept may be behind */

void sched_charge(struct sched_node *n, uint64_t ticks)
{
	n->vtime += ticks * WEIGHT_NORMAL / __atomic_load_n(&n->weight, __ATOMIC_RELAXED);
}

/* Virtual time goes on with the one that has had least, of those that did not just wake up. */
static void advance_clock(struct sched_cpu *c)
{
	uint64_t least = UINT64_MAX;

	for (struct sched_node *n = sched_first(c); n != NULL; n = n->next)
		if (sched_is_runnable(n) && !n->slept && n->vtime < least)
			least = n->vtime;
	if (least != UINT64_MAX && least > c->vclock)
		__atomic_store_n(&c->vclock, least, __ATOMIC_RELAXED);
}

static bool is_asked(const struct sched_node *n)
{
	return __atomic_load_n(&n->posted, __ATOMIC_SEQ_CST) & EVENT_MANAGE;
}

/*
 * The runnable node that has had least. A node that slept does not get all that it did not use.
 *
 * Who is asked something by whoever manages the run is next, however much it has had: beside
 * one of a hundred times its weight its turn may be minutes away, and the line carries no other
 * request meanwhile. There is one at a time, and no guest makes any.
 */
static struct sched_node *pick(struct sched_cpu *c, int vm, bool *early)
{
	struct sched_node *fair = NULL, *asked = NULL;
	uint64_t floor;

	advance_clock(c);
	floor = c->vclock > SLEEPER_LAG ? c->vclock - SLEEPER_LAG : 0;
	for (struct sched_node *n = sched_first(c); n != NULL; n = n->next) {
		if (!sched_is_runnable(n) || (vm >= 0 && n->vm != vm))
			continue;
		if (n->slept && n->vtime < floor)
			n->vtime = floor;
		n->slept = false;
		if (fair == NULL || n->vtime < fair->vtime)
			fair = n;
		if (is_asked(n))
			asked = n;
	}
	*early = asked != NULL && asked != fair;
	return *early ? asked : fair;
}

struct sched_node *sched_choose(struct sched_cpu *c, bool *early, uint64_t *again)
{
	struct sched_node *n = pick(c, -1, early);
	int owner;

	*again = DEV_NEVER;
	if (n == NULL)
		cores_release();
	if (n == NULL || cores_take(n, again))
		return n;
	owner = cores_owner();
	n = owner >= 0 && owner != n->vm ? pick(c, owner, early) : NULL;
	if (n != NULL && cores_join(n))
		return n;
	n = c->node; /* which was not put down */
	if (n != NULL && sched_is_runnable(n) &&
		__atomic_load_n(&n->since, __ATOMIC_RELAXED) == 0)
		sched_begin_wait(n);
	sched_give_away(NULL);
	return NULL;
}
