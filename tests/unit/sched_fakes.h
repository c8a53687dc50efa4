/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the scheduler: what it calls, CPUs with a simulated clock, four VMs of one vCPU.
 * A test that wants more says so before: VMS, and VCPUS of all of them, which it shares out.
 */
#ifndef NESTOR_TESTS_SCHED_FAKES_H
#define NESTOR_TESTS_SCHED_FAKES_H

#ifndef CPUS
#define CPUS 2
#endif
#ifndef VMS
#define VMS 4
#endif
#ifndef VCPUS
#define VCPUS VMS
#endif
#include "sched_cpus.h"

static struct vm vms[VMS];
static struct vcpu vcpus[VCPUS];
static unsigned kicks[CPUS], nmis[CPUS], sleeps, left[VCPUS], entered[VCPUS];
static unsigned sleep_limit; /* so many are one too many; 0: none is */
static jmp_buf awake;
/* A few are left, if there may be more than vCPUs. */
static struct sched_node node_memory[VCPUS + 4 < SCHED_NODES ? VCPUS + 4 : SCHED_NODES];

/* ---- what the scheduler calls ---- */

void hw_sleep(void)
{
	if (++sleeps == sleep_limit || armed == DEV_NEVER)
		longjmp(awake, 1);
	hw_now = armed;
}

/* Nobody has asked for it (idle_init). */
void hw_mwait(uint32_t hint, const uint32_t *word)
{
	(void)hint;
	(void)word;
	abort();
}

/* One thread: nobody else can hold what is waited for. */
void hw_pause(void)
{
	abort();
}

void apic_send_nmi(uint32_t id)
{
	kicks[id]++;
	nmis[id]++;
}

void apic_send(uint32_t id, uint8_t vector)
{
	assert_int_equal(vector, VECTOR_KICK);
	kicks[id]++;
}

void console_work(void)
{
}

void panic_at(const char *file, int line, const char *format, ...)
{
	(void)format;
	_assert_true(0, "panic", file, line);
	abort();
}

void vcpu_save_registers(struct vcpu *vcpu)
{
	assert_true(hw_cr3 == vcpu->vm->host_cr3);
}

void vcpu_load_registers(struct vcpu *vcpu)
{
	assert_true(hw_cr3 == vcpu->vm->host_cr3);
}

void vcpu_leave_cpu(struct vcpu *vcpu)
{
	left[vcpu - vcpus]++;
	vcpu->home = NO_CPU;
}

void vcpu_enter_cpu(struct vcpu *vcpu)
{
	entered[vcpu - vcpus] += vcpu->home != hw_cpu->index;
	assert_true(vcpu->home == NO_CPU || vcpu->home == hw_cpu->index);
	vcpu->home = hw_cpu->index;
}

/* Its timer interrupts it: it can run. */
void vcpu_run_timers(struct vcpu *vcpu)
{
	vcpu->deadline = DEV_NEVER;
	vcpu->node->deadline = DEV_NEVER;
	vcpu->state = VCPU_RUNNABLE;
	sched_wake(vcpu);
}

void vcpu_update_deadline(struct vcpu *vcpu)
{
	vcpu->node->deadline = vcpu->deadline;
}

void vm_stop(struct vm *vm, enum vm_end end, uint32_t value, const char *why)
{
	(void)value;
	(void)why;
	vm->end = end;
}

bool life_work(void)
{
	return false;
}

bool life_is_over(void)
{
	return false;
}

void life_vcpu_ended(struct vm *vm, unsigned id)
{
	(void)id;
	assert_true(hw_cr3 == BOOT_SPACE);
	vm->end_value = 1;
}

void vcpu_post(struct vcpu *vcpu, uint32_t events)
{
	assert_true(hw_cr3 == vcpu->vm->host_cr3);
	vcpu->events |= events;
	sched_wake(vcpu);
}

/* What units of the machine see of a vCPU's descriptor. */
static struct descriptor {
	bool outstanding;
	uint8_t vector;
	unsigned cpu;
} descriptors[VCPUS];

bool apicv_notify(struct vcpu *vcpu, uint8_t vector)
{
	struct descriptor *d = &descriptors[vcpu - vcpus];

	assert_true(hw_cr3 == vcpu->vm->host_cr3);
	d->vector = vector;
	d->cpu = hw_cpu->index;
	return d->outstanding;
}

bool apicv_has_posted(const struct vcpu *vcpu)
{
	assert_true(hw_cr3 == vcpu->vm->host_cr3);
	return descriptors[vcpu - vcpus].outstanding;
}

/* ---- helpers ---- */

static void on_cpu(unsigned index)
{
	hw_cpu = percpus[index];
}

/* That it sleeps, or not. */
static inline void set_idle(unsigned cpu, bool idle)
{
	struct percpu *before = hw_cpu;

	on_cpu(cpu);
	if (idle)
		sched_offer_to_take(false);
	else
		sched_wakes_up();
	hw_cpu = before;
}

static int set_up(void **state)
{
	(void)state;
	memset(vms, 0, sizeof(vms));
	memset(vcpus, 0, sizeof(vcpus));
	memset(cpu_data, 0, sizeof(cpu_data));
	memset(kicks, 0, sizeof(kicks));
	memset(left, 0, sizeof(left));
	memset(descriptors, 0, sizeof(descriptors));
	memset(entered, 0, sizeof(entered));
	sleeps = sleep_limit = 0;
	armed = DEV_NEVER;
	hw_now = 1000000000;
	fake_cpus();
	for (unsigned i = 0; i < CPUS; i++)
		set_idle(i, false);
	sched_init(BOOT_SPACE);
	sched_make(node_memory, sizeof(node_memory) / sizeof(node_memory[0]));
	sched_release(LIMIT_VMS - 1); /* a test may have used it */
	for (unsigned i = 0; i < VMS; i++) {
		sched_release(i);
		assert_true(sched_reserve(i, 1));
		vms[i].id = i;
		vms[i].host_cr3 = 0x1000 * (i + 1);
		vms[i].config.cpus = 1;
		vms[i].config.weight = WEIGHT_NORMAL;
		vms[i].config.allowed_cpus =
			(struct cpu_set){{1}}; /* CPU 0, unless a test says otherwise */
		vcpus[i].vm = &vms[i];
		vcpus[i].deadline = DEV_NEVER;
	}
	return 0;
}

/* All vCPUs stop, so that the next test finds no node in use. */
static int tear_down(void **state)
{
	(void)state;
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		on_cpu(cpu);
		armed = DEV_NEVER;
		for (unsigned i = 0; i < VCPUS; i++)
			if (vcpus[i].node != NULL && vcpus[i].node->cpu == cpu) {
				vcpus[i].state = VCPU_STOPPED;
				sched_wake(&vcpus[i]);
			}
		if (setjmp(awake) == 0)
			(void)schedule();
	}
	for (unsigned i = 0; i < VCPUS; i++)
		assert_null(vcpus[i].node);
	return 0;
}

/* What the CPU does until it has run so long: ticks by vCPU. */
static inline void run(uint64_t ticks, uint64_t *used)
{
	uint64_t end = hw_now + ticks;

	while (hw_now < end) {
		struct vcpu *v = schedule();
		uint64_t slice = sched_this_cpu()->slice_end;
		uint64_t until = slice < end ? slice : end;

		used[v - vcpus] += until - hw_now;
		hw_now = until;
	}
}

#endif
