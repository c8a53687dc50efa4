/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody who defines, starts, stops and destroys VMs of sched_threads.h at random, from
 * whatever CPU looks first.
 */
#ifndef NESTOR_TESTS_SCHED_MANAGER_H
#define NESTOR_TESTS_SCHED_MANAGER_H

#ifndef ROUNDS
#define ROUNDS 4000
#endif
#define OF_EACH  20 /* of what the manager does, at least, however the CPUs' threads are run */
#define TOO_MANY (1000 * ROUNDS) /* by then it is not the threads' order */

/* Whether a VM may be destroyed, by its number. */
#ifndef MAY_GO
#define MAY_GO(vm) true
#endif

/* Nothing is wanted this time. */
#ifndef RESTS
#define RESTS false
#endif

static uint32_t manager; /* a CPU has it; atomic */
static unsigned rounds, defined, destroyed, started, ended_by_order;

void vm_ended(const struct vm *vm, bool again)
{
	CHECK(vm->end != VM_RUNS);
	(void)again;
}

static const char *name_of(unsigned i)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f"};

	return names[i];
}

static void define(unsigned name)
{
	unsigned like;

	if (life_find(name_of(random_number() % 6), &like) &&
		life_define(like, name_of(name), name % 2 ? "cpus=2;weight=50" : "") == NULL)
		defined++;
}

/* What a request to the VM's first vCPU would do, where that is. */
static void order(unsigned vm, bool destroy)
{
	struct sched_node *n = sched_this_cpu()->node;

	if (n == NULL || n->vm != vm || life_view(vm).is != LIFE_IS_RUNNING)
		return;
	sched_use_address_space(n->cr3);
	if (destroy && MAY_GO(vm) && life_forget(vm) == NULL)
		destroyed++;
	else
		life_wish(vm, random_number() % 2);
	vm_stop(n->vcpu->vm, VM_END_OVER, vm, "");
	ended_by_order++;
}

static void manage(unsigned name)
{
	enum life_is is;
	unsigned vm;

	if (!life_find(name_of(name), &vm)) {
		define(name);
		return;
	}
	is = life_view(vm).is;
	if (is == LIFE_IS_RUNNING)
		order(vm, name != 0 && random_number() % 2);
	else if (name == 0 || random_number() % 3 != 0) /* one stays, for others to be like */
		started += life_switch_on(vm);
	else if (MAY_GO(vm))
		destroyed += life_forget(vm) == NULL;
}

static bool enough_of_each(void)
{
	return defined > OF_EACH && started > OF_EACH && ended_by_order > OF_EACH &&
	       destroyed > OF_EACH;
}

/* One request at a time, as control/manage.c has it. */
void console_work(void)
{
	if (RESTS || __atomic_exchange_n(&manager, 1, __ATOMIC_ACQUIRE) != 0)
		return;
	if (l0_time_limit() != 0) {
		manage((unsigned)(random_number() % 6));
		rounds++;
		if ((rounds >= ROUNDS && enough_of_each()) || rounds == TOO_MANY)
			config_stop();
	}
	__atomic_store_n(&manager, 0, __ATOMIC_RELEASE);
}

#endif
