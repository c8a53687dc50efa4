/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which vCPU this CPU runs. Run to completion: a vCPU gives way when it halts, ends or has used
 * its slice; nothing else is ever switched.
 *
 * Each vCPU belongs to one CPU, whose queue it is in and where its VMCSs are. Only that CPU
 * runs it, and only that CPU gives it away, to a CPU that sleeps (vm/balance.c).
 */
#include "vm/vm_int.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/idle.h"
#include "cpu/log.h"
#include "cpu/mce.h"
#include "cpu/mux.h"
#include "cpu/nmi.h"
#include "cpu/power.h"
#include "cpu/tsc.h"
#include "policy/nodes.h"
#include "vm/bad_memory.h"
#include "vm/console.h"
#include "vm/cores.h"
#include "vm/life.h"
#include "vm/nmi.h"
#include "vm/passed.h"
#include "vm/sched.h"
#include "vm/watch.h"
#include "vmx/asm.h"

#define WAKE_TICKS 50000u /* what the running vCPU gets when another becomes runnable */

uint64_t sched_boot_space;

void sched_init(uint64_t boot_space)
{
	sched_boot_space = boot_space;
	for (unsigned i = 0; i < cpu_slots; i++)
		sched_cpu(i)->shared.lock.rank = LOCK_QUEUE;
}

struct vcpu *vcpu_current(void)
{
	return this_cpu()->current;
}

/* Of a vCPU that this CPU does not run: it may stop meanwhile. */
static struct sched_node *node_of(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->node, __ATOMIC_SEQ_CST);
}

/* ---- queues ---- */

static unsigned runnable_count(const struct sched_cpu *c)
{
	unsigned count = 0;

	for (struct sched_node *n = sched_first(c); n != NULL; n = n->next)
		count += sched_is_runnable(n);
	return count;
}

/*
 * VMs may start on several CPUs at once. A CPU that still has the pointer of a vCPU that was
 * here before may wake the node, or kick its CPU: the new vCPU then finds that it has nothing
 * to do.
 */
static struct sched_node *claim_node(const struct vcpu *vcpu)
{
	struct sched_node *n = sched_node_at(vcpu->vm->id, vcpu->index);

	if (__atomic_exchange_n(&n->used, true, __ATOMIC_ACQUIRE))
		panic("two vCPUs have one run-queue node");
	return n;
}

/* Whoever posts an event before the node is there wakes nobody: the vCPU looks for itself. */
static bool starts_runnable(const struct vcpu *vcpu)
{
	return vcpu->state == VCPU_RUNNABLE ||
	       __atomic_load_n(&vcpu->events, __ATOMIC_SEQ_CST) != 0;
}

struct sched_node *sched_add(struct vcpu *vcpu)
{
	struct sched_node *n = claim_node(vcpu);
	unsigned cpu;

	n->vcpu = vcpu;
	n->cr3 = vcpu->vm->host_cr3;
	n->vm = (uint16_t)vcpu->vm->id;
	n->index = (uint16_t)vcpu->index;
	n->tenant = vcpu->tenant;
	n->deadline = DEV_NEVER;
	n->vtime = 0;
	__atomic_store_n(&n->weight, vcpu->vm->config.weight, __ATOMIC_RELAXED);
	/* Once: the first one may follow a change while the others are still to come. */
	if (vcpu->index == 0)
		sched_allow(vcpu->vm->id, &vcpu->vm->config.allowed_cpus);
	n->home = vcpu->vm->home[nodes_of_vcpu(&vcpu->vm->config, vcpu->index)];
	n->direct = vcpu->vm->apicv.direct;
	n->slept = true;
	/* First: who posts to the vCPU that was here makes this one look, at worst. */
	__atomic_store_n(&n->runnable, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&n->posted, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&n->held, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&n->lines, 0, __ATOMIC_SEQ_CST);
	vcpu_leave_cpu(vcpu);
	cpu = sched_place(n);
	__atomic_store_n(&n->cpu, cpu, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vcpu->node, n, __ATOMIC_SEQ_CST);
	sched_begin_wait(n);
	if (starts_runnable(vcpu))
		__atomic_store_n(&n->runnable, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&n->there, true, __ATOMIC_SEQ_CST);
	sched_enqueue(n, cpu);
	sched_notify(cpu);
	return n;
}

/* ---- waking up ---- */

static void shorten_slice(struct sched_cpu *c, uint64_t ticks)
{
	struct vcpu *vcpu = vcpu_current();
	uint64_t end = rdtsc() + ticks;

	if (vcpu != NULL && c->slice_end > end) {
		c->slice_end = end;
		__atomic_fetch_or(&vcpu->events, EVENT_TIMER, __ATOMIC_SEQ_CST);
	}
}

/*
 * Out of its sleep; or out of guest mode, into which it may be on its way, by an NMI, since a
 * guest that has interrupts disabled does not exit for an interrupt on every machine, nor for
 * one that came before it was entered, and may get a virtual one for it that it has disabled
 * (tests/conformance/DEVIATIONS.md). A CPU that wakes up says so before it looks at its queue.
 */
static void kick_cpu(unsigned cpu)
{
	if (idle_wake(cpu))
		return;
	if (sched_is_idle(cpu))
		apic_send(percpus[cpu]->apic_id, VECTOR_KICK);
	else
		nmi_kick(cpu);
}

/* A node of that CPU has become runnable. */
void sched_notify(unsigned cpu)
{
	const struct sched_node *node = sched_this_cpu()->node;

	__atomic_store_n(&sched_cpu(cpu)->shared.resched, true, __ATOMIC_SEQ_CST);
	if (cpu != this_cpu()->index)
		kick_cpu(cpu);
	else if (node != NULL && node->cr3 == read_cr3())
		__atomic_fetch_or(&node->vcpu->events, EVENT_TIMER, __ATOMIC_SEQ_CST);
	/* In another VM's address space schedule() is at work, and looks itself. */
}

/*
 * Gets the vCPU out of guest mode on another CPU, where it does not see its events. Elsewhere
 * it will: a CPU looks at the events after it has said that it enters guest mode (vm/exit.c,
 * leave).
 */
static struct sched_shared *kick(const struct sched_node *n)
{
	unsigned cpu = __atomic_load_n(&n->cpu, __ATOMIC_SEQ_CST);

	if (n == sched_this_cpu()->node ||
		__atomic_load_n(&sched_cpu(cpu)->shared.guest, __ATOMIC_SEQ_CST) != n)
		return NULL;
	nmi_kick(cpu);
	return &sched_cpu(cpu)->shared;
}

/*
 * The request and its mark are in the descriptor. The vCPU looks there before it enters guest
 * mode, unless it never left it, or left it and comes back at once: then the interrupt meets it
 * there.
 */
bool sched_notify_guest(const struct vcpu *vcpu)
{
	const struct sched_node *n = node_of(vcpu);
	unsigned cpu;

	if (n == NULL || n == sched_this_cpu()->node)
		return false;
	cpu = __atomic_load_n(&n->cpu, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&sched_cpu(cpu)->shared.guest, __ATOMIC_SEQ_CST) != n)
		return false;
	apic_send(percpus[cpu]->apic_id, VECTOR_POSTED);
	return true;
}

void sched_wake(struct vcpu *vcpu)
{
	struct sched_node *n = node_of(vcpu);

	if (n == NULL)
		return;
	if (sched_is_runnable(n)) {
		kick(n);
		return;
	}
	sched_begin_wait(n);
	if (__atomic_exchange_n(&n->runnable, true, __ATOMIC_SEQ_CST))
		kick(n);
	else if (n != sched_this_cpu()->node)
		sched_notify(__atomic_load_n(&n->cpu, __ATOMIC_SEQ_CST));
}

/*
 * The events lie in the node until the CPU that has it looks: before the vCPU runs next. If it
 * runs it is kicked; a CPU looks after it has said that it enters guest mode.
 */
void sched_post(unsigned vm, unsigned vcpu, uint32_t events)
{
	struct sched_node *n = sched_node_of(vm, vcpu);

	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* what they are about, before `held` */
	if (n == NULL || (__atomic_load_n(&n->held, __ATOMIC_SEQ_CST) & events) == events ||
		(__atomic_fetch_or(&n->posted, events, __ATOMIC_SEQ_CST) & events) == events)
		return;
	if (!sched_is_runnable(n))
		sched_begin_wait(n);
	__atomic_store_n(&n->runnable, true, __ATOMIC_SEQ_CST);
	sched_notify(__atomic_load_n(&n->cpu, __ATOMIC_SEQ_CST));
}

/* The address space of the node's VM is current. */
void sched_take_posted(struct sched_node *n)
{
	if (__atomic_load_n(&n->posted, __ATOMIC_SEQ_CST) != 0)
		vcpu_add_events(n->vcpu, __atomic_exchange_n(&n->posted, 0, __ATOMIC_SEQ_CST));
}

void sched_wait_out(const struct vcpu *vcpu, uint32_t event)
{
	struct sched_node *n = node_of(vcpu);
	struct sched_shared *s = n != NULL ? kick(n) : NULL;

	while (s != NULL && __atomic_load_n(&s->guest, __ATOMIC_SEQ_CST) == n &&
		__atomic_load_n(&vcpu->events, __ATOMIC_SEQ_CST) & event)
		cpu_pause();
}

bool sched_asked(void)
{
	return __atomic_load_n(&sched_this_cpu()->shared.resched, __ATOMIC_SEQ_CST);
}

bool sched_slice_over(void)
{
	uint64_t now = rdtsc();

	return now >= sched_this_cpu()->slice_end || now >= l0_time_limit();
}

void sched_resched(void)
{
	struct sched_cpu *c = sched_this_cpu();

	if (!__atomic_exchange_n(&c->shared.resched, false, __ATOMIC_SEQ_CST))
		return;
	sched_give_away(c->node);
	if (runnable_count(c) > (c->node != NULL && sched_is_runnable(c->node)))
		shorten_slice(c, WAKE_TICKS);
	if (__atomic_load_n(&c->shared.strays, __ATOMIC_SEQ_CST) || cores_must_yield())
		shorten_slice(c, 0);
}

/* ---- switching ---- */

void sched_use_address_space(uint64_t cr3)
{
	if (read_cr3() == cr3)
		return;
	write_cr3(cr3);
	percpu_detour(DETOUR_FLUSH);
}

void sched_put_down(void)
{
	struct sched_cpu *c = sched_this_cpu();

	if (c->node == NULL)
		return;
	sched_use_address_space(c->node->cr3);
	if (sched_is_runnable(c->node))
		sched_begin_wait(c->node);
	/* What came until now notified whoever runs here next, who does not know. */
	if (c->node->direct && apicv_notify(c->node->vcpu, VECTOR_ARRIVED) &&
		vcpu_listens(c->node->vcpu))
		sched_arrived(c->node);
	vcpu_save_registers(c->node->vcpu);
	this_cpu()->current = NULL;
	c->node = NULL;
}

/* From whatever address space into that of the node's VM, with its vCPU's registers. */
static void switch_to(struct sched_node *n)
{
	struct sched_cpu *c = sched_this_cpu();

	if (c->node != n) {
		sched_put_down();
		sched_use_address_space(n->cr3);
		c->node = n;
		this_cpu()->current = n->vcpu;
		if (c->tenant != n->tenant)
			percpu_detour(DETOUR_BARRIER);
		c->tenant = n->tenant;
		vcpu_enter_cpu(n->vcpu);
		vcpu_load_registers(n->vcpu);
		if (n->direct)
			(void)apicv_notify(n->vcpu, VECTOR_POSTED);
		/* A notification may have met whoever ran here, see sched_notify_guest. */
		if (n->vcpu->vm->apicv.posted)
			vcpu_add_events(n->vcpu, EVENT_IRQ);
	}
	sched_use_address_space(n->cr3);
	sched_take_posted(n);
	if (__atomic_load_n(&n->lines, __ATOMIC_SEQ_CST) != 0)
		vcpu_add_events(n->vcpu, EVENT_LINE);
}

/* Runs the timers that are due, of this CPU's vCPUs, at their expense; that may make some
 * runnable. The earliest deadline that is still ahead. */
static uint64_t run_due_timers(struct sched_cpu *c)
{
	uint64_t next = DEV_NEVER;

	for (struct sched_node *n = sched_first(c); n != NULL; n = n->next) {
		uint64_t now = rdtsc();

		if (n->deadline <= now) {
			sched_use_address_space(n->cr3);
			vcpu_run_timers(n->vcpu);
			c->cut = rdtsc();
			sched_charge(n, c->cut - now);
		}
		next = n->deadline < next ? n->deadline : next;
	}
	return next;
}

/* The run is over, or has taken too long: no VM goes on. */
static void stop_all(const struct sched_cpu *c)
{
	for (struct sched_node *n = sched_first(c); n != NULL; n = n->next) {
		switch_to(n);
		if (__atomic_load_n(&n->vcpu->vm->end, __ATOMIC_SEQ_CST) != VM_RUNS)
			continue;
		if (life_is_over())
			vm_stop(n->vcpu->vm, VM_END_OVER, 0, "the run does not wait for it");
		else if (l0_time_limit() == 0)
			vm_stop(n->vcpu->vm, VM_END_STOPPED, 0, "the host tool ends the run");
		else
			vm_stop(n->vcpu->vm, VM_END_ERROR, 0, "time limit reached");
	}
}

static void sleep_until(struct sched_cpu *c, uint64_t deadline, bool core_waits)
{
	sched_offer_to_take(core_waits);
	/*
	 * A VM whose last vCPU on this CPU has moved away may end meanwhile, with its tables.
	 */
	if (c->node == NULL)
		sched_use_address_space(sched_boot_space);
	if (mux_pending() && deadline > rdtsc() + tsc_khz)
		deadline = rdtsc() + tsc_khz;
	deadline = watch_sleep_end(deadline);
	if (deadline != DEV_NEVER)
		apic_timer_arm(deadline, rdtsc());
	idle_begin();
	/* What is runnable waits for the core: then something else must have happened. */
	if (core_waits ? !sched_asked() : runnable_count(c) == 0)
		idle_sleep(deadline);
	idle_end();
	apic_timer_stop();
	sched_wakes_up();
}

/* What the vCPU has used since it was picked. */
static void account(struct sched_cpu *c)
{
	uint64_t now = rdtsc();

	if (c->node != NULL)
		sched_charge(c->node, now - c->run_start);
	c->run_start = now;
}

/* The vCPU has stopped and is current. */
static void retire(struct sched_node *n)
{
	struct vcpu *vcpu = n->vcpu;
	struct vm *vm = vcpu->vm;
	unsigned id = vm->id;

	__atomic_store_n(&n->there, false, __ATOMIC_SEQ_CST);
	sched_dequeue(n);
	sched_put_down();
	vcpu_leave_cpu(vcpu);
	__atomic_store_n(&vcpu->node, NULL, __ATOMIC_SEQ_CST);
	__atomic_store_n(&n->runnable, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&n->used, false, __ATOMIC_RELEASE);
	sched_use_address_space(sched_boot_space);
	life_vcpu_ended(vm, id);
}

/* The one that ran has stopped: it needs no turn to end, be it however far ahead. */
static void retire_current(struct sched_cpu *c)
{
	struct sched_node *n = c->node;

	if (n == NULL)
		return;
	sched_use_address_space(n->cr3);
	if (n->vcpu->state == VCPU_STOPPED)
		retire(n);
}

/* The vCPU is current. Whether it can be entered after what waits for it was handled. */
static bool ready(struct sched_node *n)
{
	struct vcpu *vcpu = n->vcpu;

	if (vcpu->state == VCPU_STOPPED) {
		retire(n);
		return false;
	}
	if (vcpu->state == VCPU_RUNNABLE && !vcpu->paused)
		return true;
	n->slept = true;
	__atomic_store_n(&n->runnable, false, __ATOMIC_SEQ_CST);
	/* Who posts now finds it asleep; what was posted before is seen here. */
	if ((__atomic_load_n(&vcpu->events, __ATOMIC_SEQ_CST) |
		    __atomic_load_n(&n->posted, __ATOMIC_SEQ_CST) |
		    __atomic_load_n(&n->lines, __ATOMIC_SEQ_CST)) == 0)
		return false;
	__atomic_store_n(&n->runnable, true, __ATOMIC_SEQ_CST);
	return true;
}

static uint64_t earliest(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t first = a < b ? a : b;

	return first < c ? first : c;
}

/*
 * When the one that runs has to give way, if only for the timers of the others: at once, but
 * once in WAKE_TICKS only, so that a timer that is always due leaves it time to run.
 */
static uint64_t slice_end(const struct sched_cpu *c, const struct sched_node *runs, bool work)
{
	bool ends = work || runnable_count(c) > 1 || passed_polls();
	uint64_t end = ends ? rdtsc() + SLICE_TICKS : DEV_NEVER;
	uint64_t least = c->cut + WAKE_TICKS;

	for (struct sched_node *n = sched_first(c); n != NULL; n = n->next)
		if (n != runs && n->deadline < end)
			end = n->deadline > least ? n->deadline : least;
	return earliest(end, cores_yield_at(), DEV_NEVER);
}

struct vcpu *schedule(void)
{
	struct sched_cpu *c = sched_this_cpu();

	for (;;) {
		struct sched_node *n;
		bool work, early;
		uint64_t next, again;

		/* What a kick is for is looked at below. */
		__atomic_fetch_and(
			&this_cpu()->detour, (uint8_t)~DETOUR_KICKED, __ATOMIC_SEQ_CST);
		percpu_progress();
		watch_work();
		mux_poll();
		console_work();
		nmi_work();
		passed_poll();
		mce_poll();
		bad_memory_work();
		power_poll();
		account(c);
		retire_current(c);
		sched_send_strays();
		work = life_work();
		next = run_due_timers(c);
		c->run_start = rdtsc(); /* what was done for others is not charged to who ran */
		if (rdtsc() >= l0_time_limit())
			stop_all(c);
		n = sched_choose(c, &early, &again);
		if (n == NULL && work)
			continue;
		if (n == NULL && again != DEV_NEVER &&
			__atomic_exchange_n(&c->shared.resched, false, __ATOMIC_SEQ_CST))
			continue;
		if (n == NULL) {
			next = earliest(next, again, passed_sleep_end());
			sleep_until(c, earliest(next, l0_time_limit(), DEV_NEVER),
				again != DEV_NEVER);
			c->run_start = rdtsc(); /* nobody has had the time that it slept */
			continue;
		}
		switch_to(n);
		sched_end_wait(n);
		if (!ready(n))
			continue;
		sched_give_away(n);
		if (runnable_count(c) > 2)
			sched_level(n);
		c->slice_end = slice_end(c, n, work);
		if (early)
			shorten_slice(c, WAKE_TICKS);
		vcpu_update_deadline(n->vcpu);
		return n->vcpu;
	}
}
