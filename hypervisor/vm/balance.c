/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues of CPUs. vCPUs move from a CPU that has too many to one that sleeps; and, at the
 * end of slices, to one that has two less to run.
 *
 * The CPU that a vCPU belongs to gives it away: it alone can VMCLEAR what is active there, so
 * nobody ever waits for another CPU. A CPU that goes to sleep says so, and asks one that has
 * waiting vCPUs.
 */
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "mm/node.h"
#include "vm/cores.h"
#include "vm/sched.h"

#define PROBES 8u /* CPUs that are looked at for one with less to run */

/*
 * CPUs, bit by index, so that nobody looks at each of them: those that sleep or are about to,
 * of which whoever clears the bit brings work; and those in whose queue somebody waits. A CPU
 * sets its bit of either before it looks at the other set, so that one of the two sees both.
 */
static uint64_t idle[CPU_SET_WORDS], crowded[CPU_SET_WORDS];

/* Where VMs may run; atomic. */
static struct cpu_set pins[VM_MAX];

_Static_assert(MAX_CPUS == LIMIT_CPU_NUMBERS, "each CPU has a number that pin= can name");

/* ---- queues ---- */

void sched_enqueue(struct sched_node *n, unsigned cpu)
{
	struct sched_shared *s = &sched_cpu(cpu)->shared;

	spin_lock(&s->lock);
	n->next = s->queue;
	__atomic_store_n(&n->cpu, cpu, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->queue, n, __ATOMIC_RELEASE);
	spin_unlock(&s->lock);
}

void sched_dequeue(struct sched_node *n)
{
	struct sched_shared *s = &sched_cpu(n->cpu)->shared;
	struct sched_node **link = &s->queue;

	spin_lock(&s->lock);
	while (*link != n)
		link = &(*link)->next;
	*link = n->next;
	spin_unlock(&s->lock);
}

/* ---- how long they wait ---- */

void sched_begin_wait(struct sched_node *n)
{
	__atomic_store_n(&n->since, rdtsc(), __ATOMIC_RELAXED);
}

void sched_end_wait(struct sched_node *n)
{
	uint64_t since = __atomic_load_n(&n->since, __ATOMIC_RELAXED), now;
	struct vcpu_stats *stats = &n->vcpu->stats;

	if (since == 0)
		return;
	now = rdtsc();
	__atomic_store_n(&n->since, 0, __ATOMIC_RELAXED);
	stats->waits++;
	stats->ticks_waiting += now > since ? now - since : 0;
}

/* ---- who goes where ---- */

static bool allowed(unsigned vm, unsigned cpu)
{
	return set_has_shared(pins[vm].word, cpu);
}

void sched_allow(unsigned vm, const struct cpu_set *allowed)
{
	(void)cpu_set_store(&pins[vm], allowed);
}

static bool usable(unsigned cpu)
{
	return __atomic_load_n(&percpus[cpu]->shared.usable, __ATOMIC_ACQUIRE);
}

/* Is its memory near this CPU, or does it not matter? */
static bool is_near(const struct sched_node *n, unsigned cpu)
{
	return n->home == NODE_ANY || percpus[cpu]->shared.node == n->home;
}

static unsigned queue_length(unsigned cpu)
{
	struct sched_shared *s = &sched_cpu(cpu)->shared;
	unsigned length = 0;

	spin_lock(&s->lock);
	for (struct sched_node *n = s->queue; n != NULL; n = n->next)
		length++;
	spin_unlock(&s->lock);
	return length;
}

unsigned sched_place(struct sched_node *n)
{
	unsigned best = this_cpu()->index, shortest = UINT32_MAX;

	for (unsigned i = 0; i < cpu_slots; i++) {
		unsigned length = UINT32_MAX;

		/* Where it can run at once rather than where it must wait for a core; near its
		 * memory rather than far away. */
		if (usable(i) && allowed(n->vm, i))
			length = 4 * queue_length(i) + (cores_suits(i, n->vm) ? 0 : 2) +
				 (is_near(n, i) ? 0 : 1);

		if (length < shortest) {
			shortest = length;
			best = i;
		}
	}
	if (shortest == UINT32_MAX) {
		struct cpu_set any;
		uint64_t back = read_cr3();

		sched_use_address_space(n->cr3); /* its name is nowhere else */
		log_warn("'%s': none of the CPUs of its pin= runs VMs; any may run it",
			n->vcpu->vm->config.name);
		sched_use_address_space(back);
		cpu_set_fill(&any);
		sched_allow(n->vm, &any);
	}
	return best;
}

/* Of those near its memory, or of the others. Only CPUs that its pin names are looked at. */
static unsigned claim(const struct sched_node *n, bool near)
{
	for (unsigned w = 0; w < SET_WORDS(cpu_slots); w++) {
		uint64_t left = __atomic_load_n(&idle[w], __ATOMIC_SEQ_CST) &
				__atomic_load_n(&pins[n->vm].word[w], __ATOMIC_SEQ_CST);

		for (; left != 0; left &= left - 1) {
			unsigned i = w * 64 + (unsigned)__builtin_ctzll(left);

			if (i != n->cpu && is_near(n, i) == near && cores_suits(i, n->vm) &&
				set_drop_shared(idle, i))
				return i;
		}
	}
	return MAX_CPUS;
}

/* Claims a CPU that sleeps and may run the node; MAX_CPUS when there is none. */
static unsigned claim_sleeper(const struct sched_node *n)
{
	unsigned cpu = claim(n, true);

	return cpu < MAX_CPUS || n->home == NODE_ANY ? cpu : claim(n, false);
}

static void move(struct sched_node *n, unsigned cpu)
{
	const struct sched_node *stays;
	unsigned vm = n->vm;

	sched_dequeue(n);
	if (sched_this_cpu()->node == n)
		sched_put_down();
	stays = sched_this_cpu()->node;
	cores_withdraw(vm);
	sched_use_address_space(n->cr3);
	vcpu_leave_cpu(n->vcpu);
	/* The VM may end as soon as its vCPU is elsewhere, and its tables with it: wherever
	 * this CPU was, it is not there from now on. */
	sched_use_address_space(stays != NULL ? stays->cr3 : sched_boot_space);
	/* Its notifications go to this CPU until it is loaded there, and it looks. */
	if (n->direct)
		sched_arrived(n);
	n->vtime = __atomic_load_n(&sched_cpu(cpu)->vclock, __ATOMIC_RELAXED);
	sched_enqueue(n, cpu);
	/* Where it may run may have changed meanwhile (sched_change). The node is that CPU's by
	 * now, or even a new vCPU's: then that CPU looks for nothing. */
	if (!allowed(vm, cpu))
		__atomic_store_n(&sched_cpu(cpu)->shared.strays, true, __ATOMIC_SEQ_CST);
	sched_notify(cpu);
}

static void set_crowded(bool is)
{
	struct sched_cpu *c = sched_this_cpu();

	if (c->crowded == is)
		return;
	c->crowded = is;
	if (is)
		set_add_shared(crowded, this_cpu()->index);
	else
		(void)set_drop_shared(crowded, this_cpu()->index);
}

void sched_give_away(const struct sched_node *keep)
{
	struct sched_node *next;
	bool waits = false;

	for (struct sched_node *n = sched_first(sched_this_cpu()); n != NULL; n = next) {
		unsigned cpu;

		next = n->next;
		if (n == keep || !sched_is_runnable(n))
			continue;
		set_crowded(true);
		cpu = claim_sleeper(n);
		if (cpu < MAX_CPUS)
			move(n, cpu);
		else
			waits = true;
	}
	set_crowded(waits);
}

bool sched_can_run(const struct cpu_set *cpus)
{
	for (unsigned i = 0; (i = set_next(cpus->word, i, cpu_slots)) < cpu_slots; i++)
		if (usable(i))
			return true;
	return false;
}

/* Whether they can run or not: one that is woken later is woken here. */
void sched_send_strays(void)
{
	struct sched_shared *s = &sched_this_cpu()->shared;
	struct sched_node *next;

	if (!__atomic_load_n(&s->strays, __ATOMIC_SEQ_CST))
		return;
	__atomic_store_n(&s->strays, false, __ATOMIC_SEQ_CST);
	for (struct sched_node *n = __atomic_load_n(&s->queue, __ATOMIC_ACQUIRE); n != NULL;
		n = next) {
		next = n->next;
		if (!allowed(n->vm, this_cpu()->index))
			move(n, sched_place(n));
	}
}

/*
 * Nodes change owners meanwhile, so each is told what is the VM's now; a vCPU that joins a
 * queue later looks at what holds by then (vm_follow).
 */
void sched_change(unsigned vm, uint32_t weight, const struct cpu_set *allowed)
{
	bool changed = cpu_set_store(&pins[vm], allowed);

	for (unsigned i = 0; i < DEV_MAX_VCPUS; i++) {
		struct sched_node *n = sched_node_of(vm, i);
		unsigned cpu;

		if (n == NULL)
			continue;
		__atomic_store_n(&n->weight, weight, __ATOMIC_RELAXED);
		if (!changed)
			continue;
		cpu = __atomic_load_n(&n->cpu, __ATOMIC_SEQ_CST);
		__atomic_store_n(&sched_cpu(cpu)->shared.strays, true, __ATOMIC_SEQ_CST);
		sched_notify(cpu);
	}
}

static unsigned runnable_on(unsigned cpu)
{
	struct sched_shared *s = &sched_cpu(cpu)->shared;
	unsigned runnable = 0;

	spin_lock(&s->lock);
	for (struct sched_node *n = s->queue; n != NULL; n = n->next)
		runnable += sched_is_runnable(n);
	spin_unlock(&s->lock);
	return runnable;
}

/*
 * The CPU that may run the node and has least to run, of all or of the next few; MAX_CPUS when
 * none has two less than `mine`.
 */
static unsigned find_lighter(const struct sched_node *n, unsigned mine)
{
	unsigned best = MAX_CPUS, least = mine - 1;
	unsigned from = cpu_slots > PROBES ? sched_this_cpu()->probe : 0;

	sched_this_cpu()->probe = (from + PROBES) % cpu_slots;
	for (unsigned k = 0; k < cpu_slots && k < PROBES; k++) {
		unsigned i = (from + k) % cpu_slots;
		unsigned runnable =
			i != n->cpu && usable(i) && allowed(n->vm, i) ? runnable_on(i) : mine;

		if (runnable < least || (best < MAX_CPUS && runnable == least &&
						is_near(n, i) && !is_near(n, best))) {
			least = runnable;
			best = i;
		}
	}
	return best;
}

void sched_level(const struct sched_node *keep)
{
	struct sched_shared *s = &sched_this_cpu()->shared;
	unsigned mine = runnable_on(this_cpu()->index);

	for (struct sched_node *n = __atomic_load_n(&s->queue, __ATOMIC_ACQUIRE);
		mine > 2 && n != NULL; n = n->next) {
		unsigned cpu;

		if (n == keep || !sched_is_runnable(n))
			continue;
		cpu = find_lighter(n, mine);
		if (cpu == MAX_CPUS)
			continue;
		move(n, cpu);
		return;
	}
}

/* Has that CPU more than it can run, or what waits for its core, and one of it for this CPU? */
static bool has_waiting(unsigned cpu, unsigned for_cpu)
{
	struct sched_shared *s = &sched_cpu(cpu)->shared;
	unsigned runnable = 0;
	bool fits = false;

	spin_lock(&s->lock);
	for (struct sched_node *n = s->queue; n != NULL; n = n->next)
		if (sched_is_runnable(n)) {
			runnable++;
			fits |= allowed(n->vm, for_cpu) && cores_suits(for_cpu, n->vm);
		}
	spin_unlock(&s->lock);
	return runnable > (sched_is_idle(cpu) ? 0 : 1) && fits;
}

void sched_offer_to_take(bool waits)
{
	unsigned self = this_cpu()->index;

	set_crowded(waits);
	set_add_shared(idle, self);
	/* Who began to sleep meanwhile has seen a CPU that has something to run. */
	if (waits)
		sched_give_away(NULL);
	for (unsigned i = 0; (i = set_next_shared(crowded, i, cpu_slots)) < cpu_slots; i++)
		if (i != self && has_waiting(i, self)) {
			sched_notify(i);
			return;
		}
}

void sched_wakes_up(void)
{
	(void)set_drop_shared(idle, this_cpu()->index);
}

bool sched_is_idle(unsigned cpu)
{
	return set_has_shared(idle, cpu);
}
