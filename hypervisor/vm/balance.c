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
#include "vm/sched.h"

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

static bool allowed(const struct sched_node *n, unsigned cpu)
{
	return __atomic_load_n(&n->allowed, __ATOMIC_SEQ_CST) >> cpu & 1;
}

static bool usable(unsigned cpu)
{
	return __atomic_load_n(&percpus[cpu].shared.usable, __ATOMIC_ACQUIRE);
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

	for (unsigned i = 0; i < MAX_CPUS; i++) {
		unsigned length = usable(i) && allowed(n, i) ? queue_length(i) : UINT32_MAX;

		if (length < shortest) {
			shortest = length;
			best = i;
		}
	}
	if (shortest == UINT32_MAX) {
		log_warn("'%s': none of the CPUs of its pin= runs VMs; any may run it",
			n->vcpu->vm->config.name);
		__atomic_store_n(&n->allowed, UINT64_MAX, __ATOMIC_SEQ_CST);
	}
	return best;
}

/* Claims a CPU that sleeps and may run the node; MAX_CPUS when there is none. */
static unsigned claim_sleeper(const struct sched_node *n)
{
	for (unsigned i = 0; i < MAX_CPUS; i++)
		if (i != n->cpu && allowed(n, i) &&
			__atomic_load_n(&sched_cpu(i)->shared.idle, __ATOMIC_RELAXED) &&
			__atomic_exchange_n(
				&sched_cpu(i)->shared.idle, false, __ATOMIC_SEQ_CST))
			return i;
	return MAX_CPUS;
}

static void move(struct sched_node *n, unsigned cpu)
{
	uint64_t back = read_cr3();

	sched_dequeue(n);
	if (sched_this_cpu()->node == n)
		sched_put_down();
	sched_use_address_space(n->cr3);
	vcpu_leave_cpu(n->vcpu);
	sched_use_address_space(back);
	/* Its notifications go to this CPU until it is loaded there, and it looks. */
	if (n->direct)
		sched_arrived(n);
	n->vtime = __atomic_load_n(&sched_cpu(cpu)->vclock, __ATOMIC_RELAXED);
	sched_enqueue(n, cpu);
	/* Where it may run may have changed meanwhile (sched_change). By now the node may be
	 * another's: then that CPU looks for nothing. */
	if (!allowed(n, cpu))
		__atomic_store_n(&sched_cpu(cpu)->shared.strays, true, __ATOMIC_SEQ_CST);
	sched_notify(cpu);
}

void sched_give_away(const struct sched_node *keep)
{
	struct sched_shared *s = &sched_this_cpu()->shared;
	struct sched_node *next;

	for (struct sched_node *n = __atomic_load_n(&s->queue, __ATOMIC_ACQUIRE); n != NULL;
		n = next) {
		unsigned cpu;

		next = n->next;
		if (n == keep || !sched_is_runnable(n))
			continue;
		cpu = claim_sleeper(n);
		if (cpu < MAX_CPUS)
			move(n, cpu);
	}
}

bool sched_can_run(uint64_t cpus)
{
	for (unsigned i = 0; i < MAX_CPUS; i++)
		if (cpus >> i & 1 && usable(i))
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
		if (!allowed(n, this_cpu()->index))
			move(n, sched_place(n));
	}
}

/*
 * Nodes change owners meanwhile, so each is told what is the VM's now; a vCPU that joins a
 * queue later looks at what holds by then (vm_follow).
 */
void sched_change(unsigned vm, uint32_t weight, uint64_t allowed)
{
	for (unsigned i = 0; i < DEV_MAX_VCPUS; i++) {
		struct sched_node *n = sched_node_of(vm, i);
		unsigned cpu;

		if (n == NULL)
			continue;
		__atomic_store_n(&n->weight, weight, __ATOMIC_RELAXED);
		if (__atomic_exchange_n(&n->allowed, allowed, __ATOMIC_SEQ_CST) == allowed)
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

/* The CPU that may run the node and has least to run; MAX_CPUS when none has two less than
 * `mine`. */
static unsigned find_lighter(const struct sched_node *n, unsigned mine)
{
	unsigned best = MAX_CPUS, least = mine - 1;

	for (unsigned i = 0; i < MAX_CPUS; i++) {
		unsigned runnable =
			i != n->cpu && usable(i) && allowed(n, i) ? runnable_on(i) : mine;

		if (runnable < least) {
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

/* Has that CPU more than it can run, and one of it for this CPU? */
static bool has_waiting(unsigned cpu, unsigned for_cpu)
{
	struct sched_shared *s = &sched_cpu(cpu)->shared;
	unsigned runnable = 0;
	bool fits = false;

	spin_lock(&s->lock);
	for (struct sched_node *n = s->queue; n != NULL; n = n->next)
		if (sched_is_runnable(n)) {
			runnable++;
			fits |= allowed(n, for_cpu);
		}
	spin_unlock(&s->lock);
	return runnable > 1 && fits;
}

void sched_offer_to_take(void)
{
	unsigned self = this_cpu()->index;

	__atomic_store_n(&sched_this_cpu()->shared.idle, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < MAX_CPUS; i++)
		if (i != self && usable(i) && has_waiting(i, self)) {
			sched_notify(i);
			return;
		}
}
