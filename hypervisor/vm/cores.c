/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/cores.h"

#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "vm/sched.h"

#define THREADS     8u      /* of a core, at most */
#define RETRY_TICKS 100000u /* between two tries for a core whose VM has been asked for it */

/*
 * What of a core changes by one exchange: the VM that has it, plus 1, and how many threads hold
 * it. With no thread the VM has only been there last.
 */
#define OWNER(state)        ((unsigned)((state)&0xffff))
#define COUNT(state)        ((unsigned)((state) >> 16))
#define STATE(owner, count) ((uint32_t)(owner) | (uint32_t)(count) << 16)

/* All atomic, but for the list of its threads. */
static struct core {
	uint32_t state;
	uint32_t turns;  /* how often it came to another VM */
	uint32_t wanted; /* by this VM, plus 1; 0: by none */
	/* host TSC at which it was asked for last, or a slice before `until` */
	uint64_t wanted_at;
	uint64_t until; /* host TSC at which it may be taken from its VM */
	unsigned thread_count;
	uint32_t thread[THREADS];
} __attribute__((aligned(PERCPU_LINE))) cores[MAX_CPUS];

/* Of a CPU; its own but for `waits`. */
static struct thread {
	struct core *core; /* NULL: it has one thread */
	unsigned held;     /* the VM that it holds the core for, plus 1; 0: it does not */
	unsigned wish;     /* the VM that it asked for last, plus 1; 0: it has it, or left it */
	uint32_t turns_seen; /* of the core, when it was held last */
	bool waits;          /* for its core to be free; atomic */
} __attribute__((aligned(PERCPU_LINE))) threads[MAX_CPUS];

static bool active;

/* ---- set-up ---- */

static void add_thread(unsigned cpu, unsigned shift)
{
	unsigned first = 0;
	struct core *c;

	while (percpus[first]->apic_id >> shift != percpus[cpu]->apic_id >> shift)
		first++;
	c = &cores[first];
	if (c->thread_count == THREADS)
		return;
	c->thread[c->thread_count++] = cpu;
	threads[cpu].core = c;
}

unsigned cores_init(unsigned shift)
{
	unsigned shared = 0;

	for (unsigned i = 0; i < cpu_slots; i++) {
		cores[i].thread_count = 0;
		cores[i].state = cores[i].wanted = 0;
		threads[i] = (struct thread){0};
	}
	for (unsigned i = 0; shift != 0 && i < cpu_slots; i++)
		if (percpus[i]->shared.online)
			add_thread(i, shift);
	for (unsigned i = 0; i < cpu_slots; i++) {
		shared += cores[i].thread_count > 1;
		if (threads[i].core != NULL && threads[i].core->thread_count == 1)
			threads[i].core = NULL;
	}
	active = shared != 0;
	return shared;
}

/* ---- who has it ---- */

static struct thread *own_thread(void)
{
	return &threads[this_cpu()->index];
}

/* Who asked long ago has found another place, or has ended. */
static unsigned wanted_by(const struct core *c, uint64_t now)
{
	unsigned vm = __atomic_load_n(&c->wanted, __ATOMIC_SEQ_CST);
	uint64_t at = __atomic_load_n(&c->wanted_at, __ATOMIC_SEQ_CST);

	return now < at + SLICE_TICKS ? vm : 0;
}

/* A thread asks for one VM at a time: the next one takes the place of the one before. */
static void ask(struct thread *t, unsigned vm, uint64_t now)
{
	struct core *c = t->core;
	unsigned before = wanted_by(c, now);
	uint64_t until = __atomic_load_n(&c->until, __ATOMIC_SEQ_CST);

	if (before != 0 && before != vm && before != t->wish)
		return;
	t->wish = vm;
	/* It tries again at that time, and is not forgotten before. */
	if (until > now + SLICE_TICKS)
		now = until - SLICE_TICKS;
	__atomic_store_n(&c->wanted_at, now, __ATOMIC_SEQ_CST);
	__atomic_store_n(&c->wanted, vm, __ATOMIC_SEQ_CST);
}

static void tell_others(const struct core *c, bool waiting)
{
	for (unsigned i = 0; i < c->thread_count; i++)
		if (c->thread[i] != this_cpu()->index &&
			(!waiting || __atomic_load_n(
					     &threads[c->thread[i]].waits, __ATOMIC_SEQ_CST)))
			sched_notify(c->thread[i]);
}

/* Another VM has the core: what it has waiting elsewhere suits threads that sleep now. */
static void tell_idle(const struct core *c)
{
	for (unsigned i = 0; i < c->thread_count; i++)
		if (c->thread[i] != this_cpu()->index && sched_is_idle(c->thread[i]))
			sched_notify(c->thread[i]);
}

static void release(struct thread *t)
{
	if (t->held == 0)
		return;
	t->held = 0;
	if (COUNT(__atomic_sub_fetch(&t->core->state, STATE(0, 1), __ATOMIC_SEQ_CST)) == 0)
		tell_others(t->core, true);
}

/* As much as the VM is worth, in both directions within reason. */
static uint64_t slice_of(const struct sched_node *n)
{
	uint64_t weight = __atomic_load_n(&n->weight, __ATOMIC_RELAXED);
	uint64_t ticks = (uint64_t)SLICE_TICKS * weight / WEIGHT_NORMAL;

	if (ticks < SLICE_TICKS / 8)
		return SLICE_TICKS / 8;
	return ticks < 8ull * SLICE_TICKS ? ticks : 8ull * SLICE_TICKS;
}

/* It is this VM's, with one thread more. False: another thread was quicker. */
static bool enter(struct thread *t, uint32_t state, const struct sched_node *n, uint64_t now)
{
	struct core *c = t->core;
	unsigned vm = n->vm + 1u;
	bool comes = OWNER(state) != vm;

	if (!__atomic_compare_exchange_n(&c->state, &state, STATE(vm, COUNT(state) + 1), false,
		    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	if (COUNT(state) == 0)
		__atomic_store_n(&c->until, now + slice_of(n), __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&c->wanted, __ATOMIC_SEQ_CST) == vm)
		__atomic_store_n(&c->wanted, 0, __ATOMIC_SEQ_CST);
	if (comes) {
		__atomic_fetch_add(&c->turns, 1, __ATOMIC_SEQ_CST);
		tell_idle(c);
	}
	t->held = vm;
	t->wish = 0;
	__atomic_store_n(&t->waits, false, __ATOMIC_SEQ_CST);
	/* What the VM before has left in what threads share. */
	if (t->turns_seen != __atomic_load_n(&c->turns, __ATOMIC_SEQ_CST))
		percpu_detour(DETOUR_FLUSH | DETOUR_BARRIER);
	t->turns_seen = __atomic_load_n(&c->turns, __ATOMIC_SEQ_CST);
	return true;
}

/* One try. The core is for whoever has asked for it, once its VM's time is over or nobody holds
 * it; but for what this thread itself has asked for before, if it gives that up: @past, a VM
 * plus 1. */
static bool try_take(struct thread *t, const struct sched_node *n, uint64_t now, unsigned past)
{
	struct core *c = t->core;
	unsigned vm = n->vm + 1u;

	for (;;) {
		uint32_t state = __atomic_load_n(&c->state, __ATOMIC_SEQ_CST);
		unsigned other = wanted_by(c, now);
		bool over = now >= __atomic_load_n(&c->until, __ATOMIC_SEQ_CST);

		if (COUNT(state) != 0 && OWNER(state) != vm)
			return false;
		if (other != 0 && other != vm && other != past && (over || COUNT(state) == 0))
			return false;
		if (enter(t, state, n, now))
			return true;
	}
}

bool cores_take(const struct sched_node *n, uint64_t *again)
{
	struct thread *t = own_thread();
	uint64_t now, until;

	*again = UINT64_MAX;
	if (!active || t->core == NULL)
		return true;
	now = rdtsc();
	if (t->held == n->vm + 1u && !cores_must_yield())
		return true;
	release(t);
	/* First: who lets the core go afterwards sees that this CPU waits. */
	__atomic_store_n(&t->waits, true, __ATOMIC_SEQ_CST);
	if (try_take(t, n, now, t->wish))
		return true;
	ask(t, n->vm + 1u, now);
	until = __atomic_load_n(&t->core->until, __ATOMIC_SEQ_CST);
	if (now >= until)
		tell_others(t->core, false);
	*again = now < until ? until : now + RETRY_TICKS;
	return false;
}

void cores_release(void)
{
	if (active && own_thread()->core != NULL)
		release(own_thread());
}

bool cores_join(const struct sched_node *n)
{
	return try_take(own_thread(), n, rdtsc(), 0);
}

void cores_withdraw(unsigned vm)
{
	struct thread *t = own_thread();
	uint32_t wish = vm + 1;

	if (!active || t->core == NULL || t->wish != wish)
		return;
	t->wish = 0;
	if (__atomic_compare_exchange_n(
		    &t->core->wanted, &wish, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		tell_others(t->core, true);
}

/* ---- questions ---- */

int cores_owner(void)
{
	const struct thread *t = own_thread();
	uint32_t state;

	if (!active || t->core == NULL)
		return -1;
	state = __atomic_load_n(&t->core->state, __ATOMIC_SEQ_CST);
	return COUNT(state) != 0 ? (int)OWNER(state) - 1 : -1;
}

uint64_t cores_yield_at(void)
{
	const struct thread *t = own_thread();
	unsigned other;

	if (!active || t->core == NULL || t->held == 0)
		return UINT64_MAX;
	other = wanted_by(t->core, rdtsc());
	return other == 0 || other == t->held
		       ? UINT64_MAX
		       : __atomic_load_n(&t->core->until, __ATOMIC_SEQ_CST);
}

bool cores_must_yield(void)
{
	uint64_t at = cores_yield_at();

	return at != UINT64_MAX && rdtsc() >= at;
}

bool cores_suits(unsigned cpu, unsigned vm)
{
	const struct core *c = threads[cpu].core;
	uint32_t state;

	if (!active || c == NULL)
		return true;
	state = __atomic_load_n(&c->state, __ATOMIC_SEQ_CST);
	return COUNT(state) == 0 || OWNER(state) == vm + 1;
}
