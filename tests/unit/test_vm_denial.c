/* SPDX-License-Identifier: Apache-2.0 */
/* What L0 does when a guest holds up its CPU, or the memory of all: vm/denial.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/left_msrs.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "nested/nested.h"
#include "spec/cpuid.h"
#include "spec/msr.h"
#include "vm/denial.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

#define KHZ    1000000u
#define SECOND (1000ull * KHZ)
#define MS     (1ull * KHZ)
#define RATE   1000u /* locks a second that docs/denial.md tells of */
#define BURST  100u  /* ... and at once */

uint64_t hw_now;
uint32_t tsc_khz = KHZ;
_Thread_local struct percpu *hw_cpu;
static struct percpu cpu;
static struct vm vm;
static struct vcpu vcpu, second;

/* The machine: CPUID.(7,0).EDX, the two MSRs, and what VT-x offers. */
static struct {
	uint32_t features, proc2;
	uint64_t core_caps, test_ctrl;
	unsigned writes;
} machine;

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	assert_int_equal(subleaf, 0);
	return leaf == 7 ? (struct cpuid_regs){.edx = machine.features}
			 : (struct cpuid_regs){.eax = 7};
}

uint64_t hw_rdmsr(uint32_t msr)
{
	if (msr == MSR_CORE_CAPABILITIES) {
		assert_true(machine.features & 1u << 30);
		return machine.core_caps;
	}
	assert_int_equal(msr, MSR_TEST_CTRL);
	assert_true(machine.core_caps & 1u << 5);
	return machine.test_ctrl;
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	assert_int_equal(msr, MSR_TEST_CTRL);
	assert_true(machine.core_caps & 1u << 5);
	assert_true(value >> 31 == 1); /* bits that are not ours stay */
	machine.test_ctrl = value;
	machine.writes++;
}

uint32_t vmx_allowed1(uint32_t msr)
{
	assert_int_equal(msr, MSR_VMX_PROC2);
	return machine.proc2;
}

static struct {
	uint64_t qualification, blocked;
	unsigned ends, redeliveries, looks, logs, keeps, windows;
	uint32_t posted;
	bool warned;
} did;

uint64_t hw_vmread(uint64_t encoding)
{
	return encoding == VMCS_EXIT_QUALIFICATION ? did.qualification : 0;
}

void vmcs_write_setup(uint32_t encoding, uint64_t value)
{
	assert_int_equal(encoding, VMCS_NOTIFY_WINDOW);
	assert_in_range(value, 1, UINT32_MAX);
	did.windows++;
}

void vm_stop(struct vm *of, enum vm_end end, uint32_t value, const char *why)
{
	assert_ptr_equal(of, &vm);
	assert_int_equal(end, VM_END_ERROR);
	assert_int_equal(value, EXIT_NOTIFY);
	assert_non_null(why);
	did.ends++;
}

bool vm_first_time(struct vm *of, unsigned what)
{
	bool first = !did.warned;

	(void)what;
	assert_ptr_equal(of, &vm);
	did.warned = true;
	return first;
}

void vcpu_redeliver(struct vcpu *of)
{
	assert_ptr_equal(of->vm, &vm);
	did.redeliveries++;
}

void nested_block_nmis_again(uint64_t qualification)
{
	did.blocked = qualification;
}

static bool alignment; /* checks are on */

bool nested_checks_alignment(void)
{
	return alignment;
}

void vcpu_look_at_time(struct vcpu *of)
{
	assert_ptr_equal(of, &vcpu);
	did.looks++;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
	did.logs++;
}

void left_msrs_keep_split_locks(void)
{
	did.keeps++;
}

void vcpu_post(struct vcpu *of, uint32_t events)
{
	assert_ptr_equal(of->vm, &vm);
	did.posted |= events;
}

static int setup(void **state)
{
	(void)state;
	memset(&did, 0, sizeof(did));
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.vm = &vm;
	second = vcpu;
	hw_now = 5 * SECOND;
	memset(&cpu, 0, sizeof(cpu));
	hw_cpu = cpu.self = &cpu;
	memset(&machine, 0, sizeof(machine));
	machine.features = 1u << 30;
	machine.core_caps = 1u << 5;
	machine.test_ctrl = 1ull << 31;
	return 0;
}

static void the_window_is_written_where_the_machine_has_the_control(void **state)
{
	(void)state;
	denial_vmcs_create(PROC2_ENABLE_EPT | PROC2_BUS_LOCK_EXITING);
	assert_int_equal(did.windows, 0);
	denial_vmcs_create(PROC2_NOTIFY_EXITING);
	assert_int_equal(did.windows, 1);
}

static void a_guest_that_takes_no_interrupt_goes_on_and_its_time_is_looked_at(void **state)
{
	(void)state;
	did.qualification = QUAL_NMI_UNBLOCKING;
	for (unsigned i = 0; i < 3; i++)
		handle_notify(&vcpu);
	assert_int_equal(did.ends, 0);
	assert_int_equal(did.redeliveries, 3);
	assert_int_equal(did.looks, 3);
	assert_true(did.blocked == QUAL_NMI_UNBLOCKING);
	assert_int_equal(did.logs, 1);
}

static void a_guest_whose_state_is_lost_is_not_entered_again(void **state)
{
	(void)state;
	did.qualification = QUAL_NOTIFY_INVALID | QUAL_NMI_UNBLOCKING;
	handle_notify(&vcpu);
	assert_int_equal(did.ends, 1);
	assert_int_equal(did.redeliveries + did.looks, 0);
}

static void a_bus_lock_costs_the_turn(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		handle_bus_lock(&vcpu);
	assert_int_equal(did.posted, EVENT_YIELD);
	assert_int_equal(did.redeliveries, 3);
	assert_int_equal(did.logs, 1);
	assert_int_equal(did.ends, 0);
}

/* nested/ tells of those of L2, by the seam, and hands on those that L1 does not ask for. */
static void a_bus_lock_of_l2_counts_once(void **state)
{
	(void)state;
	vcpu.nested.in_l2 = true;
	handle_bus_lock(&vcpu);
	assert_int_equal(vm.locks.count, 0);
	assert_int_equal(did.redeliveries, 1);
	denial_exited(&vcpu);
	assert_int_equal(vm.locks.count, 1);
	assert_int_equal(did.posted, EVENT_YIELD);
	assert_int_equal(did.redeliveries, 1);
}

/* A guest that does nothing but lock: it runs until its next lock, or until it may again. */
static unsigned locks_until(struct vcpu *of, uint64_t end)
{
	unsigned locks = 0;

	while (hw_now < end) {
		if (of->slow_until != 0 && denial_holds(of)) {
			assert_true(of->slow_until > hw_now);
			assert_true(of->slow_until - hw_now <= SECOND / RATE);
			hw_now = of->slow_until;
			continue;
		}
		handle_bus_lock(of);
		locks++;
		hw_now += 5000;
	}
	return locks;
}

/* Alone on its CPU, where to give its turn away costs it nothing. */
static void a_guest_locks_so_often_a_second_and_then_waits(void **state)
{
	uint64_t start = hw_now;

	(void)state;
	assert_in_range(locks_until(&vcpu, start + SECOND), RATE - 2, RATE + BURST + 2);
	assert_in_range(locks_until(&vcpu, start + 2 * SECOND), RATE - 2, RATE + 2);
	assert_true(vm.locks.count >= 2 * RATE - 4);
	assert_true(vm.locks.late >= vm.locks.count - BURST - 2);
	assert_int_equal(did.logs, 1);
	denial_report(&vm);
	assert_int_equal(did.logs, 2);
}

/* The rate is the VM's: with a second vCPU it has no more. */
static void vcpus_share_what_their_vm_may(void **state)
{
	uint64_t start = hw_now;
	unsigned locks = 0;

	(void)state;
	while (hw_now < start + SECOND) {
		struct vcpu *of = hw_now / 5000 % 2 != 0 ? &vcpu : &second;

		if (of->slow_until == 0 || !denial_holds(of)) {
			handle_bus_lock(of);
			locks++;
		}
		hw_now += 5000;
	}
	assert_in_range(locks, RATE - 2, RATE + BURST + 2);
}

/* What programs do by mistake. */
static void a_guest_within_its_rate_never_waits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * RATE; i++) {
		handle_bus_lock(&vcpu);
		assert_int_equal(vcpu.slow_until, 0);
		hw_now += SECOND / RATE;
	}
	assert_int_equal(vm.locks.late, 0);
	hw_now += SECOND;
	for (unsigned i = 0; i < BURST; i++)
		handle_bus_lock(&vcpu);
	assert_int_equal(vcpu.slow_until, 0);
	handle_bus_lock(&vcpu);
	assert_true(vcpu.slow_until != 0);
}

/* The exit is another one's: neither the turn nor an event is touched. */
static void a_lock_that_another_exit_tells_of_is_paid_for_too(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BURST + 1; i++)
		denial_bus_locked(&vcpu);
	assert_true(vcpu.slow_until != 0);
	assert_int_equal(vcpu.events, EVENT_TIMER);
	assert_int_equal(did.posted, 0);
	assert_int_equal(did.redeliveries, 0);
	hw_now = vcpu.slow_until - 1;
	assert_true(denial_holds(&vcpu));
	hw_now++;
	assert_false(denial_holds(&vcpu));
	assert_int_equal(vcpu.slow_until, 0);
}

static void a_vm_without_locks_is_not_told_of(void **state)
{
	(void)state;
	denial_report(&vm);
	assert_int_equal(did.logs, 0);
}

/* ---- split locks ---- */

#define AC (1ull << 29)

static bool raises(void)
{
	return machine.test_ctrl & AC;
}

static void split_locks_are_told_of_where_nothing_better_is(void **state)
{
	static const struct {
		uint32_t features, proc2;
		uint64_t core_caps;
		bool threads, on;
	} rows[] = {
		{1u << 30, 0, 1u << 5, false, true},
		{1u << 30, 0, 1u << 5, true, false},
		{1u << 30, PROC2_BUS_LOCK_EXITING, 1u << 5, false, false},
		{1u << 30, 0, 0x1f, false, false},
		{0, 0, 0, false, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)setup(NULL);
		machine.features = rows[i].features;
		machine.proc2 = rows[i].proc2;
		machine.core_caps = rows[i].core_caps;
		denial_init(rows[i].threads);
		denial_cpu();
		denial_enter_cpu(&vcpu);
		assert_int_equal(denial_split_locks(), rows[i].on);
		assert_int_equal(raises(), rows[i].on);
		assert_int_equal(machine.writes, rows[i].on);
		assert_int_equal(did.keeps, rows[i].on);
	}
}

/* The boot CPU has it, this one not: an access to its MSR would fault. */
static void a_cpu_that_cannot_is_left_alone(void **state)
{
	(void)state;
	denial_init(false);
	machine.core_caps = 0;
	denial_cpu();
	vcpu.deferred = EVENT_LOCKS;
	denial_enter_cpu(&vcpu);
	assert_int_equal(machine.writes, 0);
}

/* What vm/exit.c and vm/events.c do with what was deferred, at the next exit. */
static uint32_t next_exit(struct vcpu *of)
{
	assert_true(of->deferred == EVENT_LOCKS && of->defers);
	of->deferred = 0;
	of->defers = false;
	return denial_window_over(of);
}

static void a_guest_gets_past_its_split_lock_and_the_next_one_raises_again(void **state)
{
	(void)state;
	denial_init(false);
	denial_cpu();
	for (unsigned i = 1; i < 4; i++) {
		assert_true(raises());
		handle_split_lock(&vcpu);
		assert_false(raises());
		assert_int_equal(did.redeliveries, i);
		assert_int_equal(did.posted, EVENT_TIMER | EVENT_YIELD);
		assert_int_equal(next_exit(&vcpu), EVENT_TIMER);
	}
	assert_true(raises());
	assert_int_equal(vm.locks.count, 3);
	assert_int_equal(did.logs, 2); /* of the machine, and of the VM */
}

/* Where the guest's own may be meant it is tried again, and the next one is not for a lock. */
static void an_ac_that_may_be_the_guests_own_is_tried_again(void **state)
{
	(void)state;
	denial_init(false);
	denial_cpu();
	alignment = true;
	assert_false(vcpu.nested.locks_pass);
	for (unsigned i = 0; i < BURST; i++) {
		handle_split_lock(&vcpu);
		assert_false(raises());
		assert_true(vcpu.nested.locks_pass);
		assert_int_equal(vcpu.slow_until, 0);
		assert_int_equal(next_exit(&vcpu), EVENT_TIMER);
		assert_true(raises());
		assert_false(vcpu.nested.locks_pass);
	}
	/* whichever it was, it is paid for; only what is known to lock counts as such */
	assert_int_equal(vm.locks.count, 0);
	handle_split_lock(&vcpu);
	assert_true(vcpu.slow_until != 0);
	alignment = false;
}

/* INIT while it waits: no exit is behind the lock, and it may be alone on its CPU. */
static void a_vcpu_that_is_reset_before_its_lock_raises(void **state)
{
	(void)state;
	denial_init(false);
	denial_cpu();
	handle_split_lock(&vcpu);
	(void)denial_hold_back(&vcpu, EVENT_IRQ | EVENT_NMI | EVENT_INIT);
	assert_false(raises());
	vcpu.deferred = 0; /* as reset_events */
	vcpu.defers = false;
	denial_reset(&vcpu);
	assert_true(raises());
	assert_false(vcpu.nested.locks_pass);
	assert_int_equal(vcpu.starved_events, 0);
	machine.writes = 0;
	denial_reset(&vcpu); /* of one that is at no lock */
	assert_int_equal(machine.writes, 0);
}

/* It gives its turn away: who runs meanwhile, here or there, has no share in it. */
static void another_vcpu_on_the_cpu_raises(void **state)
{
	struct percpu other = {.self = &other};
	uint64_t here;

	(void)state;
	denial_init(false);
	denial_cpu();
	handle_split_lock(&vcpu);
	denial_enter_cpu(&second);
	assert_true(raises());
	denial_enter_cpu(&vcpu);
	assert_false(raises());
	denial_enter_cpu(&second);
	here = machine.test_ctrl;
	machine.test_ctrl = 1ull << 31;
	hw_cpu = &other;
	denial_cpu();
	denial_enter_cpu(&vcpu); /* it has moved */
	assert_false(raises());
	(void)next_exit(&vcpu);
	assert_true(raises());
	assert_true(here & AC);
}

static void split_locks_have_the_rate_of_bus_locks(void **state)
{
	uint64_t end = hw_now + SECOND;
	unsigned locks = 0;

	(void)state;
	denial_init(false);
	denial_cpu();
	while (hw_now < end) {
		if (vcpu.slow_until != 0 && denial_holds(&vcpu)) {
			hw_now = vcpu.slow_until;
			continue;
		}
		if (raises()) {
			handle_split_lock(&vcpu);
		} else {
			locks++;
			(void)next_exit(&vcpu);
		}
		hw_now += 5000;
	}
	assert_in_range(locks, RATE - 2, RATE + BURST + 2);
	assert_int_equal(did.blocked, 0);
}

/*
 * A timer as fast as the rate: its interrupt would be taken on the entry for the lock, and its
 * handler exits before the lock is executed.
 */
static void a_tick_does_not_take_the_lock_away(void **state)
{
	uint64_t end = hw_now + 10 * SECOND, period = SECOND / RATE;
	uint64_t tick = hw_now + period / 2;
	unsigned locks = 0, ticks = 0;
	uint32_t events = 0;

	(void)state;
	denial_init(false);
	denial_cpu();
	for (; hw_now < end; hw_now += 5000) {
		if (tick <= hw_now) {
			events |= EVENT_IRQ;
			tick += period;
		}
		if (vcpu.slow_until != 0 && denial_holds(&vcpu))
			continue;
		if (denial_hold_back(&vcpu, events) & EVENT_IRQ) {
			ticks++;
			events = 0;
			if (!raises())
				events = next_exit(&vcpu) & EVENT_IRQ;
			continue;
		}
		events = 0;
		if (raises()) {
			handle_split_lock(&vcpu);
			continue;
		}
		locks++;
		events = next_exit(&vcpu) & EVENT_IRQ;
	}
	assert_in_range(locks, 10 * RATE - 100, 10 * RATE + BURST);
	assert_in_range(ticks, 10 * RATE - 100, 10 * RATE);
}

static void only_interrupts_and_nmis_wait_for_a_lock(void **state)
{
	const uint32_t all = EVENT_IRQ | EVENT_NMI | EVENT_INIT | EVENT_STOP | EVENT_TIMER;

	(void)state;
	assert_int_equal(denial_hold_back(&vcpu, all), all);
	vcpu.deferred = EVENT_LOCKS;
	vcpu.defers = true;
	assert_int_equal(denial_hold_back(&vcpu, all), EVENT_INIT | EVENT_STOP | EVENT_TIMER);
	assert_int_equal(next_exit(&vcpu), EVENT_IRQ | EVENT_NMI | EVENT_TIMER);
	assert_int_equal(vcpu.starved_events, 0);
}

#define T(test) cmocka_unit_test_setup(test, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_window_is_written_where_the_machine_has_the_control),
		T(a_guest_that_takes_no_interrupt_goes_on_and_its_time_is_looked_at),
		T(a_guest_whose_state_is_lost_is_not_entered_again),
		T(a_bus_lock_costs_the_turn),
		T(a_bus_lock_of_l2_counts_once),
		T(a_guest_locks_so_often_a_second_and_then_waits),
		T(vcpus_share_what_their_vm_may),
		T(a_guest_within_its_rate_never_waits),
		T(a_lock_that_another_exit_tells_of_is_paid_for_too),
		T(a_vm_without_locks_is_not_told_of),
		T(split_locks_are_told_of_where_nothing_better_is),
		T(a_cpu_that_cannot_is_left_alone),
		T(a_guest_gets_past_its_split_lock_and_the_next_one_raises_again),
		T(an_ac_that_may_be_the_guests_own_is_tried_again),
		T(a_vcpu_that_is_reset_before_its_lock_raises),
		T(another_vcpu_on_the_cpu_raises),
		T(a_tick_does_not_take_the_lock_away),
		T(only_interrupts_and_nmis_wait_for_a_lock),
		T(split_locks_have_the_rate_of_bus_locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
