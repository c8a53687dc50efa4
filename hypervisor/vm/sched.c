/*
 * Which vCPU this CPU runs. Run to completion: a vCPU gives way when it halts, ends or has used
 * its slice; nothing else is ever switched.
 */
#include "vm/vm_int.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/log.h"
#include "cpu/percpu.h"

#define MAX_NODES   (VM_MAX * DEV_MAX_VCPUS)
#define SLICE_TICKS 2000000u
#define WAKE_TICKS  50000u /* what the running vCPU gets when another becomes runnable */

static struct sched_node nodes[MAX_NODES];
static unsigned node_count;

uint64_t vm_time_limit = UINT64_MAX;

struct vcpu *vcpu_current(void)
{
	return this_cpu()->current;
}

void sched_add(struct vcpu *vcpu)
{
	struct sched_node *n = &nodes[node_count++];

	*n = (struct sched_node){
		.vcpu = vcpu,
		.cr3 = vcpu->vm->host_cr3,
		.deadline = DEV_NEVER,
		.runnable = true,
	};
	vcpu->node = n;
}

/* The vCPU that runs goes on for a little only, now that another waits. */
static void shorten_slice(const struct vcpu *waiting)
{
	struct percpu *c = this_cpu();
	uint64_t end = rdtsc() + WAKE_TICKS;

	if (c->current == NULL || c->current == waiting || c->slice_end <= end)
		return;
	c->slice_end = end;
	__atomic_fetch_or(&c->current->events, EVENT_TIMER, __ATOMIC_SEQ_CST);
}

void sched_wake(struct vcpu *vcpu)
{
	if (vcpu->node == NULL || __atomic_load_n(&vcpu->node->runnable, __ATOMIC_ACQUIRE))
		return;
	__atomic_store_n(&vcpu->node->runnable, true, __ATOMIC_RELEASE);
	shorten_slice(vcpu);
}

/* From whatever address space into that of the node's VM, with its vCPU's registers. */
static void switch_to(struct sched_node *n)
{
	struct percpu *c = this_cpu();

	if (c->current == n->vcpu)
		return;
	if (c->current != NULL)
		vcpu_save_registers(c->current);
	write_cr3(n->cr3);
	c->current = n->vcpu;
	vcpu_use_vmcs(n->vcpu, n->vcpu->vmcs);
	vcpu_load_registers(n->vcpu);
}

static unsigned alive_count(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < node_count; i++)
		n += nodes[i].vcpu != NULL;
	return n;
}

/* Runs the timers that are due, of any VM; that may make vCPUs runnable. The earliest deadline
 * that is still ahead. */
static uint64_t run_due_timers(void)
{
	uint64_t next = DEV_NEVER;

	for (unsigned i = 0; i < node_count; i++) {
		struct sched_node *n = &nodes[i];

		if (n->vcpu == NULL || n->deadline == DEV_NEVER)
			continue;
		if (n->deadline <= rdtsc()) {
			switch_to(n);
			vm_run_timers(n->vcpu->vm);
			vm_update_deadline(n->vcpu);
		}
		next = n->deadline < next ? n->deadline : next;
	}
	return next;
}

static unsigned runnable_count(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < node_count; i++)
		n += nodes[i].vcpu != NULL &&
		     __atomic_load_n(&nodes[i].runnable, __ATOMIC_ACQUIRE);
	return n;
}

/* The run has taken too long: no VM goes on. */
static void stop_all(void)
{
	for (unsigned i = 0; i < node_count; i++) {
		struct sched_node *n = &nodes[i];

		if (n->vcpu == NULL)
			continue;
		switch_to(n);
		vcpu_dump(n->vcpu);
		vm_stop(n->vcpu->vm, VM_END_ERROR, 0, "time limit reached");
	}
}

static void sleep_until(uint64_t deadline)
{
	if (deadline != DEV_NEVER)
		apic_timer_arm(deadline, rdtsc());
	if (runnable_count() == 0)
		sti_hlt_cli();
	apic_timer_stop();
}

/* The next runnable node behind the one that ran last. */
static struct sched_node *pick(void)
{
	static unsigned last;

	for (unsigned i = 1; i <= node_count; i++) {
		struct sched_node *n = &nodes[(last + i) % node_count];

		if (n->vcpu != NULL && __atomic_load_n(&n->runnable, __ATOMIC_ACQUIRE)) {
			last = (unsigned)(n - nodes);
			return n;
		}
	}
	return NULL;
}

/* The vCPU is current. Whether it can be entered after what waits for it was handled. */
static bool ready(struct sched_node *n)
{
	struct vcpu *vcpu = n->vcpu;

	if (vcpu->state == VCPU_STOPPED) {
		n->vcpu = NULL;
		n->runnable = false;
		return false;
	}
	if (vcpu->state == VCPU_RUNNABLE)
		return true;
	n->runnable = false;
	if (__atomic_load_n(&vcpu->events, __ATOMIC_SEQ_CST) == 0)
		return false;
	n->runnable = true;
	return true;
}

struct vcpu *schedule(void)
{
	for (;;) {
		struct sched_node *n;
		uint64_t next = run_due_timers();

		if (rdtsc() >= vm_time_limit)
			stop_all();
		if (alive_count() == 0)
			all_vms_ended();
		n = pick();
		if (n == NULL) {
			sleep_until(next < vm_time_limit ? next : vm_time_limit);
			continue;
		}
		switch_to(n);
		if (!ready(n))
			continue;
		this_cpu()->slice_end =
			runnable_count() > 1 ? rdtsc() + SLICE_TICKS : DEV_NEVER;
		vm_update_deadline(n->vcpu);
		return n->vcpu;
	}
}
