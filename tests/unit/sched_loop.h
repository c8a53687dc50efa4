/* SPDX-License-Identifier: Apache-2.0 */
/* What a CPU of sched_threads.h does, which includes this: guests that disturb each other. */
#ifndef NESTOR_TESTS_SCHED_LOOP_H
#define NESTOR_TESTS_SCHED_LOOP_H

/* Of the CPUs' random numbers. */
#ifndef FIRST_SEED
#define FIRST_SEED 1
#endif

/* ---- the loop of a CPU: that of vm/exit.c and vm/events.c in small ---- */

static uint64_t random_number(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed >> 33;
}

/* --wrap=spin_unlock */
void __real_spin_unlock(struct spinlock *l);
void __wrap_spin_unlock(struct spinlock *l);

void __wrap_spin_unlock(struct spinlock *l)
{
	__real_spin_unlock(l);
	give_turn();
}

/* What a test does first with a vCPU's events. Those that are left; 0: none. */
#ifndef SEES
#define SEES(vcpu, events) (events)
#endif

static void process(struct vcpu *vcpu, uint32_t events)
{
	events = SEES(vcpu, events);
	if (events & EVENT_STOP)
		vcpu->state = VCPU_STOPPED;
	if (vcpu->state == VCPU_STOPPED)
		return;
	if (events & EVENT_TIMER) {
		sched_resched();
		vcpu_update_deadline(vcpu);
	}
	if (events & (EVENT_IRQ | EVENT_SIPI | EVENT_NET))
		vcpu->state = VCPU_RUNNABLE;
}

static struct vcpu *process_events(struct vcpu *vcpu)
{
	for (;;) {
		uint32_t events;

		sched_take_posted(vcpu->node);
		events = __atomic_exchange_n(&vcpu->events, 0, __ATOMIC_SEQ_CST);
		if (events == 0)
			return vcpu;
		if (sched_asked())
			events |= EVENT_TIMER;
		process(vcpu, events);
		if (vcpu->state != VCPU_RUNNABLE || sched_slice_over())
			vcpu = schedule();
	}
}

static void set_guest(struct sched_node *n)
{
	__atomic_store_n(&sched_this_cpu()->shared.guest, n, __ATOMIC_SEQ_CST);
}

static struct vcpu *enter(struct vcpu *vcpu)
{
	set_guest(vcpu->node);
	while (__atomic_load_n(&vcpu->events, __ATOMIC_SEQ_CST) != 0 ||
		__atomic_load_n(&vcpu->node->posted, __ATOMIC_SEQ_CST) != 0) {
		set_guest(NULL);
		vcpu = process_events(vcpu);
		set_guest(vcpu->node);
	}
	return vcpu;
}

/* What a test looks at: this CPU is in guest mode for a VM, by its number plus 1; 0: is not. */
#ifndef IN_GUEST
#define IN_GUEST(vm)
#endif

/* A while in guest mode: until a kick, or the guest does something. */
static void run_guest(struct vcpu *vcpu)
{
	bool *entered = entered_of(vcpu);

	CHECK(vcpu->node->vcpu == vcpu && vcpu_current() == vcpu);
	CHECK(hw_cr3 == vcpu->vm->host_cr3 && vcpu->home == hw_cpu->index);
	CHECK(!__atomic_exchange_n(entered, true, __ATOMIC_RELAXED));
	IN_GUEST(vcpu->vm->id + 1);
	for (uint64_t i = random_number() % 16; i > 0 && !take_kick(); i--)
		pass(300);
	if (random_number() % 8 == 0)
		let_others_run();
	IN_GUEST(0);
	CHECK(__atomic_exchange_n(entered, false, __ATOMIC_RELAXED));
}

static void flush_other(const struct vcpu *other)
{
	__atomic_fetch_or(
		&((struct vcpu *)(uintptr_t)other)->events, EVENT_FLUSH, __ATOMIC_SEQ_CST);
	sched_wait_out(other, EVENT_FLUSH);
}

/* Another exit that a test has. True: there is no more to it. */
#ifndef EXITS
#define EXITS(vcpu) false
#endif

static void handle_exit(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct vcpu *other = vm->vcpus[random_number() % vm->config.cpus];

	if (EXITS(vcpu))
		return;
	switch (random_number() % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
		vcpu_post(other, EVENT_IRQ);
		break;
	case 4:
		vcpu_post(other, EVENT_SIPI);
		break;
	case 5:
	case 6:
		if (other != vcpu)
			flush_other(other);
		break;
	case 7:
	case 8:
	case 9:
		vcpu->state = VCPU_HALTED;
		set_deadline(vcpu, pass(0) + random_number() % 100000);
		vcpu_post(vcpu, EVENT_TIMER);
		break;
	case 11:
	case 12:
		sched_post((unsigned)(random_number() % VMS),
			(unsigned)(random_number() % VCPUS), EVENT_NET);
		break;
	case 13: /* any one CPU, or several; seldom, so that they are spread again */
		if (random_number() % 16 == 0)
			sched_change((unsigned)(random_number() % VMS),
				1 + (uint32_t)(random_number() % WEIGHT_MAX),
				&(struct cpu_set){{1 + random_number() % ((1u << CPUS) - 1)}});
		break;
	case 10:
		if (random_number() % 4 == 0)
			vm_stop(vm, VM_END_RESET, vm->id, "");
		break;
	default:
		if (sched_asked())
			vcpu_post(vcpu, EVENT_TIMER);
		(void)sched_notify_guest(other);
		break;
	}
}

static void *run_cpu(void *arg)
{
	struct vcpu *vcpu;

	hw_cpu = arg;
	write_cr3(BOOT_SPACE);
	seed = hw_cpu->index + FIRST_SEED;
	vcpu = schedule();
	for (;;) {
		vcpu = enter(vcpu);
		run_guest(vcpu);
		set_guest(NULL);
		handle_exit(vcpu);
		if (sched_slice_over())
			vcpu = schedule();
	}
}

#endif
