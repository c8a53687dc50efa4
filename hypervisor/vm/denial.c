/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest can do to the CPU itself, and so to others: an instruction or a delivery that
 * leaves no room for an interrupt, and locks that stop the memory of all CPUs. Where the
 * machine can, such things exit (docs/denial.md).
 */
#include "vm/denial.h"

#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/leaves.h"
#include "cpu/left_msrs.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "lib/budget.h"
#include "nested/nested.h"
#include "spec/cpuid.h"
#include "spec/msr.h"
#include "vmx/asm.h"

/*
 * Ticks without a moment in which an interrupt could be taken. No instruction of a guest takes
 * so long that does not exit anyway, and if one did it would only go on; a CPU that is held up
 * for so long, a third of a millisecond, does no harm yet.
 */
#define NOTIFY_WINDOW (1u << 20)

void denial_vmcs_create(uint32_t proc2)
{
	if (proc2 & PROC2_NOTIFY_EXITING)
		vmcs_write_setup(VMCS_NOTIFY_WINDOW, NOTIFY_WINDOW);
}

/*
 * The guest was somewhere in the middle: it goes on as behind an EPT violation, unless the
 * processor could not save where. Then it cannot be entered again (SDM "Notify VM Exits").
 */
void handle_notify(struct vcpu *vcpu)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);

	if (q & QUAL_NOTIFY_INVALID) {
		vm_stop(vcpu->vm, VM_END_ERROR, EXIT_NOTIFY,
			"the processor was held up, and has lost the guest's state");
		return;
	}
	if (vm_first_time(vcpu->vm, EXIT_NOTIFY))
		log_warn("'%s': L%u takes no interrupt for %u ticks, at rip %lx",
			vcpu->vm->config.name, 1u + vcpu->nested.in_l2, NOTIFY_WINDOW,
			vmread(VMCS_GUEST_RIP));
	vcpu_redeliver(vcpu);
	nested_block_nmis_again(q);
	vcpu_look_at_time(vcpu);
}

/*
 * Locks of a VM, of all its vCPUs together. Each stops the memory of all CPUs for some thousand
 * ticks, so that these are some tenths of a percent of everybody's time; what programs do by
 * mistake, one in many operations, is within it.
 */
#define LOCKS_A_SECOND 1000u
#define LOCKS_AT_ONCE  100u

static uint64_t lock_period(void)
{
	return (uint64_t)tsc_khz * 1000 / LOCKS_A_SECOND;
}

static bool pay(struct vm *vm)
{
	return budget_spend(&vm->locks.budget, rdtsc(), lock_period(), LOCKS_AT_ONCE);
}

/*
 * The lock is over, or begins: who had none left waits now, until it is paid for. Each vCPU
 * owes one at most, so that a VM has as many a second, however many lock.
 */
static bool charge(struct vcpu *vcpu)
{
	if (pay(vcpu->vm))
		return true;
	vcpu->slow_until = rdtsc() + lock_period();
	vcpu_add_events(vcpu, EVENT_TIMER);
	return false;
}

void denial_bus_locked(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	__atomic_fetch_add(&vm->locks.count, 1, __ATOMIC_RELAXED);
	if (vm_first_time(vm, EXIT_BUS_LOCK))
		log_warn("'%s': L%u locks the bus, at rip %lx; it may so %u times a second",
			vm->config.name, 1u + vcpu->nested.in_l2, vmread(VMCS_GUEST_RIP),
			LOCKS_A_SECOND);
	if (!charge(vcpu))
		__atomic_fetch_add(&vm->locks.late, 1, __ATOMIC_RELAXED);
}

bool denial_holds(struct vcpu *vcpu)
{
	uint64_t now = rdtsc();

	if (now < vcpu->slow_until)
		return true;
	vcpu->slow_until = pay(vcpu->vm) ? 0 : now + lock_period();
	return vcpu->slow_until != 0;
}

/*
 * Behind the instruction. The exit is what keeps the next lock away for a while; others have
 * their turn on this CPU first.
 */
void denial_exited(struct vcpu *vcpu)
{
	denial_bus_locked(vcpu);
	vcpu_post(vcpu, EVENT_YIELD);
}

/* Of L2 where L1 does not ask for it: nested/ has told of it. */
void handle_bus_lock(struct vcpu *vcpu)
{
	if (!vcpu->nested.in_l2)
		denial_exited(vcpu);
	vcpu_redeliver(vcpu);
}

/* ---- split locks, by #AC ---- */

/* What a CPU does: nothing of it, raises #AC, or lets them through for the vCPU it runs. */
enum split_locks {
	SPLIT_LOCKS_UNSEEN,
	SPLIT_LOCKS_RAISE,
	SPLIT_LOCKS_PASS
};

static bool raise; /* constant after denial_init */

static bool cpu_can_raise(void)
{
	uint32_t edx = cpuid_or_none(CPUID_LEAF_FEATURES, 0).edx;

	return edx & cpuid_mask(CPUID_CORE_CAPABILITIES) &&
	       rdmsr(MSR_CORE_CAPABILITIES) & CORE_CAP_SPLIT_LOCK_AC;
}

/*
 * The MSR is the core's, and one thread that has the bit set is enough: no guest could get
 * past its lock while the other thread runs one.
 */
void denial_init(bool threads_share_cores)
{
	bool exits = vmx_allowed1(MSR_VMX_PROC2) & PROC2_BUS_LOCK_EXITING;

	raise = !exits && cpu_can_raise() && !threads_share_cores;
	if (raise) {
		left_msrs_keep_split_locks(); /* a thread that is not used comes later */
		log_info("split locks of guests: told of by #AC");
		return;
	}
	if (!exits && cpu_can_raise())
		log_info("split locks of guests are not limited: threads share the control");
}

bool denial_split_locks(void)
{
	return raise;
}

static void set_state(struct percpu *c, enum split_locks s)
{
	uint64_t v = rdmsr(MSR_TEST_CTRL) & ~TEST_CTRL_SPLIT_LOCK_AC;

	c->split_locks = (uint8_t)s;
	wrmsr(MSR_TEST_CTRL, s == SPLIT_LOCKS_RAISE ? v | TEST_CTRL_SPLIT_LOCK_AC : v);
}

/* From then on in L0, too, whose own locks are of aligned words. */
void denial_cpu(void)
{
	if (raise && cpu_can_raise())
		set_state(this_cpu(), SPLIT_LOCKS_RAISE);
}

void denial_enter_cpu(const struct vcpu *vcpu)
{
	struct percpu *c = this_cpu();
	enum split_locks wanted =
		vcpu->deferred & EVENT_LOCKS ? SPLIT_LOCKS_PASS : SPLIT_LOCKS_RAISE;

	if (c->split_locks != SPLIT_LOCKS_UNSEEN && c->split_locks != wanted)
		set_state(c, wanted);
}

/*
 * Before the instruction, or in the midst of a delivery. It is begun again with the bit clear,
 * which is set again behind the next exit; and that comes soon: what is paid for is a window of
 * some locks. Steps by the monitor trap flag would need the guest's level to be told apart, and
 * are L1's for its L2.
 *
 * With alignment checks on it may be no lock, which the next #AC tells; that is no refund, or a
 * guest that has both in turn would lock for nothing.
 */
void handle_split_lock(struct vcpu *vcpu)
{
	vcpu_redeliver(vcpu);
	nested_block_nmis_again(vmread32(VMCS_EXIT_INTR_INFO));
	if (nested_checks_alignment())
		(void)charge(vcpu);
	else
		denial_bus_locked(vcpu);
	vcpu->nested.locks_pass = true;
	vcpu_defer(vcpu, EVENT_LOCKS);
	denial_enter_cpu(vcpu);
	vcpu_post(vcpu, EVENT_TIMER | EVENT_YIELD);
}

/*
 * An interrupt that is delivered on the entry that was paid for would take it away: its handler
 * exits, and the lock has to be paid for again, for ever if a timer is as fast as the rate.
 */
uint32_t denial_hold_back(struct vcpu *vcpu, uint32_t events)
{
	uint32_t held = vcpu->deferred & EVENT_LOCKS ? events & (EVENT_IRQ | EVENT_NMI) : 0;

	vcpu->starved_events |= held;
	return events & ~held;
}

uint32_t denial_window_over(struct vcpu *vcpu)
{
	uint32_t held = vcpu->starved_events;

	denial_enter_cpu(vcpu);
	vcpu->nested.locks_pass = false;
	vcpu->starved_events = 0;
	return held | EVENT_TIMER; /* the deadline was sooner */
}

/* No exit ends that window any more: nothing waits for one. */
void denial_reset(struct vcpu *vcpu)
{
	bool open = vcpu->nested.locks_pass;

	vcpu->nested.locks_pass = false;
	if (!open)
		return;
	vcpu->starved_events &= ~(uint32_t)(EVENT_IRQ | EVENT_NMI);
	denial_enter_cpu(vcpu);
}

void denial_report(const struct vm *vm)
{
	if (vm->locks.count != 0)
		log_info("'%s' has locked the bus %lu times, and waited after %lu of them",
			vm->config.name, vm->locks.count, vm->locks.late);
}
