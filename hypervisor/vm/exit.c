/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VM exits: accounting, dispatch, and the handlers that need few lines. A handler works on the
 * current VMCS, which is a VMCS02 when nested/ left the exit to L0.
 */
#include "vm/vm_int.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "cpu/nmi.h"
#include "vm/bad_memory.h"
#include "vm/cet.h"
#include "vm/console.h"
#include "vm/debugger.h"
#include "vm/denial.h"
#include "vm/explain.h"
#include "vm/l2.h"
#include "vm/life.h"
#include "vm/nmi.h"
#include "vm/sched.h"
#include "vm/trace.h"
#include "vm/vm_log.h"
#include "vm/watch.h"
#include "vmx/asm.h"
#include "vmx/stub.h"

bool vm_first_time(struct vm *vm, unsigned what)
{
	uint64_t bit = BIT64(what % 64);

	return what / 64 < sizeof(vm->warned) / sizeof(vm->warned[0]) &&
	       !(__atomic_fetch_or(&vm->warned[what / 64], bit, __ATOMIC_RELAXED) & bit);
}

static void skip(struct vcpu *vcpu)
{
	(void)vcpu;
	nested_skip();
}

/* What L1 cannot have since CPUID says so. */
static void undefined(struct vcpu *vcpu)
{
	vcpu_inject_ud(vcpu);
}

static void protection_fault(struct vcpu *vcpu)
{
	vcpu_inject_gp(vcpu);
}

static void handle_vmx_insn(struct vcpu *vcpu)
{
	bool vmxon = vcpu->nested.vmxon;
	uint32_t reason = vmread32(VMCS_EXIT_REASON) & 0xffff;

	if (!vcpu->vm->config.vmx) {
		if (vcpu->vm->nested_vm->explaining)
			vm_report_no_vmx(vcpu, reason);
		vcpu_inject_ud(vcpu);
		return;
	}
	nested_vmx_insn(&vcpu->nested, reason);
	if (vcpu->nested.in_l2)
		l2_entered(vcpu);
	if (vcpu->nested.vmxon != vmxon)
		vcpu_update_cr_masks(vcpu);
	if (vcpu->init_latched && !vcpu->nested.vmxon) {
		vcpu->init_latched = false;
		vcpu_post(vcpu, EVENT_INIT);
	}
}

/* What L1 could not take yet may end L2. */
static void handle_vm_entry(struct vcpu *vcpu)
{
	if (vcpu->vm->apicv.on && apicv_requested(vcpu))
		vcpu_add_events(vcpu, EVENT_IRQ);
	handle_vmx_insn(vcpu);
}

/* The CPU was kicked; that may have been for another vCPU of its queue. */
static void look_at_queue(struct vcpu *vcpu)
{
	percpu_progress();
	console_work();
	nmi_work();
	bad_memory_work();
	if (sched_asked())
		vcpu_post(vcpu, EVENT_TIMER);
	if (__atomic_load_n(&vcpu->node->lines, __ATOMIC_SEQ_CST) != 0)
		vcpu_post(vcpu, EVENT_LINE);
	if (l0_time_limit() == 0 || life_asked())
		vcpu_post(vcpu, EVENT_YIELD);
}

static void handle_preemption_timer(struct vcpu *vcpu)
{
	mux_poll();
	watch_work();
	vcpu_run_timers(vcpu);
	vcpu_post(vcpu, EVENT_TIMER);
	if (sched_slice_over())
		vcpu_post(vcpu, EVENT_YIELD);
}

/*
 * Exceptions come before the preemption timer (SDM 25.5.1), and a delivery may raise the next
 * one for ever: such an exit is where L0 looks at the time.
 */
void vcpu_look_at_time(struct vcpu *vcpu)
{
	if (rdtsc() >= vcpu->entry_deadline)
		handle_preemption_timer(vcpu);
}

/* INT1 changes no register. */
static void handle_debug_exception(struct vcpu *vcpu, uint32_t info)
{
	if (INTR_INFO_TYPE(info) == INTR_PRIV_SW_EXCEPTION)
		vcpu_inject(vcpu, VEC_DB | INTR_PRIV_SW_EXCEPTION << 8, 0,
			vmread32(VMCS_EXIT_INSTRUCTION_LENGTH));
	else
		vcpu_inject_debug(vcpu, vmread(VMCS_EXIT_QUALIFICATION));
}

static void handle_exception(struct vcpu *vcpu)
{
	uint32_t info = vmread32(VMCS_EXIT_INTR_INFO);
	uint8_t vector = (uint8_t)INTR_INFO_VECTOR(info);

	if (INTR_INFO_TYPE(info) == INTR_NMI) {
		nmi_arrived();
		if (l0_config()->selftest == L0_SELFTEST_MCE)
			selftest_nmis_blocked();
		unblock_nmi();
		look_at_queue(vcpu); /* a kick */
		return;
	}
	if (vector == VEC_MC) {
		vcpu_machine_check(vcpu);
		if (vcpu->vm->end == VM_RUNS)
			vcpu_redeliver(vcpu); /* what it interrupted: SDM 27.2.4 */
		return;
	}
	vcpu_look_at_time(vcpu);
	if (vector == VEC_AC && denial_split_locks() &&
		nested_ac_of_split_lock(&vcpu->nested)) {
		handle_split_lock(vcpu);
		return;
	}
	if (vector == VEC_DB) {
		handle_debug_exception(vcpu, info);
		return;
	}
	/* CR2 does not have the address: SDM 27.1 "Architectural State Before a VM Exit". */
	if (vector == VEC_PF)
		vcpu_inject_page_fault(vcpu, vmread(VMCS_EXIT_QUALIFICATION),
			vmread32(VMCS_EXIT_INTR_ERROR_CODE));
	else
		vcpu_inject_exception(vcpu, vector, info & INTR_INFO_ERROR_CODE,
			vmread32(VMCS_EXIT_INTR_ERROR_CODE));
}

static void handle_external_interrupt(struct vcpu *vcpu)
{
	uint32_t vector = INTR_INFO_VECTOR(vmread32(VMCS_EXIT_INTR_INFO));

	fault_device(vector);
	if (vector != VECTOR_SPURIOUS)
		apic_eoi();
	if (vector == VECTOR_TIMER) /* where it stands for the preemption timer */
		vcpu_look_at_time(vcpu);
	if (vector == VECTOR_POSTED) /* it met L2, or a VMCS01 without posted interrupts */
		vcpu_post(vcpu, EVENT_IRQ);
	look_at_queue(vcpu);
}

static void handle_interrupt_window(struct vcpu *vcpu)
{
	vcpu_set_proc(vcpu, PROC_INTR_WINDOW, false);
	vcpu_post(vcpu, EVENT_IRQ);
}

static void handle_nmi_window(struct vcpu *vcpu)
{
	vcpu_set_proc(vcpu, PROC_NMI_WINDOW, false);
	if (vcpu->nmi_waits)
		vcpu_post(vcpu, EVENT_NMI);
}

static void handle_hlt(struct vcpu *vcpu)
{
	nested_skip();
	if (vcpu_debug_pending()) /* which resumes execution: SDM vol. 2A "HLT" */
		return;
	vcpu->state = VCPU_HALTED;
	vcpu_post(vcpu, EVENT_IRQ | EVENT_TIMER);
}

/* A vCPU spins: another one has its turn. */
static void handle_pause(struct vcpu *vcpu)
{
	nested_skip();
	vcpu_post(vcpu, EVENT_YIELD);
}

static void handle_mwait(struct vcpu *vcpu)
{
	vcpu_inject_ud(vcpu); /* CPUID does not offer MONITOR/MWAIT */
}

typedef void (*exit_handler)(struct vcpu *vcpu);

static const exit_handler handlers[EXIT_REASON_COUNT] = {
	[EXIT_EXCEPTION_NMI] = handle_exception,
	[EXIT_EXTERNAL_INTERRUPT] = handle_external_interrupt,
	[EXIT_TRIPLE_FAULT] = vcpu_shut_down,
	[EXIT_INTERRUPT_WINDOW] = handle_interrupt_window,
	[EXIT_NMI_WINDOW] = handle_nmi_window,
	[EXIT_TASK_SWITCH] = handle_task_switch,
	[EXIT_CPUID] = handle_cpuid,
	[EXIT_GETSEC] = undefined,
	[EXIT_APIC_ACCESS] = handle_apic_access,
	[EXIT_APIC_WRITE] = handle_apic_write,
	[EXIT_VIRTUALIZED_EOI] = handle_virtualized_eoi,
	[EXIT_HLT] = handle_hlt,
	[EXIT_INVD] = skip,
	[EXIT_RDPMC] = protection_fault,
	[EXIT_RSM] = undefined,
	[EXIT_VMCALL] = handle_vmx_insn,
	[EXIT_VMCLEAR] = handle_vmx_insn,
	[EXIT_VMLAUNCH] = handle_vm_entry,
	[EXIT_VMPTRLD] = handle_vmx_insn,
	[EXIT_VMPTRST] = handle_vmx_insn,
	[EXIT_VMREAD] = handle_vmx_insn,
	[EXIT_VMRESUME] = handle_vm_entry,
	[EXIT_VMWRITE] = handle_vmx_insn,
	[EXIT_VMXOFF] = handle_vmx_insn,
	[EXIT_VMXON] = handle_vmx_insn,
	[EXIT_CR_ACCESS] = handle_cr_access,
	[EXIT_MOV_DR] = handle_mov_dr,
	[EXIT_IO] = handle_io,
	[EXIT_RDMSR] = handle_rdmsr,
	[EXIT_WRMSR] = handle_wrmsr,
	[EXIT_MWAIT] = handle_mwait,
	[EXIT_MONITOR] = handle_mwait,
	[EXIT_PAUSE] = handle_pause,
	[EXIT_EPT_VIOLATION] = handle_ept_violation,
	[EXIT_INVEPT] = handle_vmx_insn,
	[EXIT_PREEMPTION_TIMER] = handle_preemption_timer,
	[EXIT_INVVPID] = handle_vmx_insn,
	[EXIT_WBINVD] = skip,
	[EXIT_XSETBV] = handle_xsetbv,
	[EXIT_VMFUNC] = handle_vmx_insn,
	[EXIT_ENCLS] = undefined,
	[EXIT_BUS_LOCK] = handle_bus_lock,
	[EXIT_NOTIFY] = handle_notify,
};

void vcpu_handle_exit(struct vcpu *vcpu, uint32_t reason)
{
	exit_handler h = handlers[reason];

	if (__builtin_expect(h != NULL, true))
		h(vcpu);
	else
		handle_unasked(vcpu);
}

/* The launch state after a failed entry depends on which instruction it was: start afresh. */
static void entry_failed(struct vcpu *vcpu, uint32_t reason)
{
	bool machine_check = EXIT_REASON_BASIC(reason) == EXIT_MACHINE_CHECK_ENTRY;
	bool mended = !machine_check && cet_fit_mode(vcpu, reason);

	if (!machine_check && !mended && vm_may_log(vcpu->vm)) {
		log_error("entry into L%u failed: 0x%x", 1u + vcpu->nested.in_l2, reason);
		vcpu_dump(vcpu);
	}
	hw_vmcs_clear(vcpu->vmcs);
	hw_vmcs_load(vcpu->vmcs);
	/* The guest's state is as it was, and so is an event: SDM 26.8 "VM-Entry Failures
	 * During or After Loading Guest State". */
	if (machine_check)
		vcpu_machine_check(vcpu);
	if (machine_check || mended)
		return;
	vcpu->injecting = false;
	if (vcpu->nested.in_l2)
		l2_entry_failed(vcpu, reason);
	else
		vm_stop(vcpu->vm, VM_END_ERROR, reason & 0xffff, "VM entry failed");
}

/* In units of 2^n TSC ticks (SDM A.6), rounded up so that it never fires early; 0 fires at
 * once. */
static inline __attribute__((always_inline)) void write_timer(struct vcpu *vcpu, uint64_t ticks)
{
	uint64_t value = ticks != 0 ? (ticks >> vmx_timer.shift) + 1 : 0;

	if (value > vmx_timer.most)
		value = vmx_timer.most;
	if (vcpu->nested.in_l2)
		value = nested_timer_value(&vcpu->nested, (uint32_t)value);
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, value);
}

/* node: the vCPU's. */
static inline bool has_events(const struct vcpu *vcpu, const struct sched_node *node)
{
	return (__atomic_load_n(&vcpu->events, __ATOMIC_RELAXED) |
		       __atomic_load_n(&node->posted, __ATOMIC_RELAXED)) != 0;
}

/*
 * Whoever posts an event from now on kicks this CPU out of guest mode; what is there already is
 * handled first. Seldom, and then it is slow: ordinary exits shall not pay for its stack frame.
 */
static __attribute__((noinline)) struct vcpu *handle_events(struct vcpu *vcpu)
{
	if (l0_config()->selftest != L0_SELFTEST_NONE) {
		sched_clear_guest();
		selftest_vcpu(vcpu);
	}
	for (;;) {
		sched_clear_guest();
		vcpu = vcpu_process_events(vcpu);
		if (vcpu->debug.on)
			debugger_load(vcpu);
		sched_set_guest(vcpu->node);
		if (!has_events(vcpu, vcpu->node))
			break;
		if (vcpu->debug.loaded) {
			debugger_unload(vcpu);
			vcpu_add_events(vcpu, EVENT_DEBUG);
		}
	}
	if (vcpu_traced(vcpu)) /* after another one, perhaps, that is not */
		vcpu_trace_entry(vcpu);
	return vcpu;
}

/* L0 has begun to run for the vCPU without an exit. */
static void no_exit(struct vcpu *vcpu, uint64_t now)
{
	vcpu->exit_tsc = now;
	vcpu->row = STAT_ROW_NONE;
}

/* L0 has done what the exit was for. */
static inline __attribute__((always_inline)) void account_l0(struct vcpu *vcpu, uint64_t now)
{
	uint64_t ticks = now - vcpu->exit_tsc;

	vcpu->stats.ticks[0] += ticks;
	vcpu->stats.latency[STAT_LATENCY((size_t)vcpu->row) + latency_bucket(ticks)]++;
}

/* When the timer has to fire: what is deferred asks for an exit at once. */
static inline uint64_t timer_deadline(const struct vcpu *vcpu)
{
	return (vcpu->deferred & ~EVENTS_PATIENT) != 0 ? 0 : vcpu->entry_deadline;
}

/*
 * Without a preemption timer the local APIC's interrupt ends the guest, whether it has
 * interrupts enabled or not, and after an event that the entry delivers (SDM 25.2, 26.6); the
 * timer stays armed from entry to entry. Timers that are due run here; what is deferred waits
 * for an exit.
 */
static __attribute__((noinline)) struct vcpu *arm_apic(struct vcpu *vcpu, uint64_t now)
{
	uint64_t deadline = timer_deadline(vcpu);

	if (deadline != 0 && deadline <= now) {
		if (vcpu->debug.loaded)
			debugger_unload(vcpu);
		sched_clear_guest();
		no_exit(vcpu, now);
		handle_preemption_timer(vcpu);
		vcpu = handle_events(vcpu);
		now = rdtsc();
		account_l0(vcpu, now);
		deadline = timer_deadline(vcpu);
	}
	vcpu->entry_tsc = now;
	if (deadline != DEV_NEVER)
		apic_timer_arm(deadline, now);
	return vcpu;
}

/*
 * The deadline has passed already. The preemption timer would fire at once, but exits that come
 * before it, NMIs of kicks among them, may come each time: at the end of the slice the vCPU
 * gives way here.
 */
static __attribute__((noinline)) struct vcpu *late(struct vcpu *vcpu, uint64_t now)
{
	uint64_t deadline;

	while (sched_slice_over()) {
		if (vcpu->debug.loaded)
			debugger_unload(vcpu);
		no_exit(vcpu, now);
		vcpu_add_events(vcpu, EVENT_YIELD);
		vcpu = handle_events(vcpu);
		now = rdtsc();
		account_l0(vcpu, now);
	}
	if (!vmx_timer.on)
		return arm_apic(vcpu, now);
	vcpu->entry_tsc = now;
	deadline = timer_deadline(vcpu);
	write_timer(vcpu, deadline > now ? deadline - now : 0);
	return vcpu;
}

/* Not inlined, so that an entry without a deadline does not pay for it. */
static __attribute__((noinline)) struct vcpu *arm_timer(struct vcpu *vcpu, uint64_t now)
{
	uint64_t deadline = timer_deadline(vcpu);

	if (deadline <= now)
		return late(vcpu, now);
	if (!vmx_timer.on)
		return arm_apic(vcpu, now);
	write_timer(vcpu, deadline - now);
	return vcpu;
}

/* L0 needs none for L2, unless something waits for L2's next exit. */
static inline struct vcpu *arm_timer_of_l1(struct vcpu *vcpu, uint64_t now)
{
	if (vcpu->defers)
		return arm_timer(vcpu, now);
	/* No such field without the timer: then nobody reads it, either. */
	vmwrite(VMCS_PREEMPTION_TIMER_VALUE, nested_timer_value(&vcpu->nested, vmx_timer.most));
	return vcpu;
}

/*
 * The last steps before an entry. The preemption timer counts from the value in the VMCS at
 * every entry, so a deadline costs one VMWRITE each time, none without.
 */
static inline __attribute__((always_inline)) struct vcpu *leave(struct vcpu *vcpu)
{
	struct sched_node *node = vcpu->node;
	uint64_t now;

	sched_set_guest(node);
	if (has_events(vcpu, node))
		vcpu = handle_events(vcpu);
	now = rdtsc();
	account_l0(vcpu, now);
	vcpu->entry_tsc = now;
	if (vcpu->entry_deadline != DEV_NEVER)
		return arm_timer(vcpu, now);
	if (vcpu->nested.in_l2)
		return arm_timer_of_l1(vcpu, now);
	return vcpu;
}

/* More than a basic reason of the table: the basic reason, or what stands for all without a
 * row. */
static uint32_t odd_reason(uint32_t reason)
{
	uint32_t basic = EXIT_REASON_BASIC(reason);

	return basic < EXIT_REASON_COUNT ? basic : EXIT_NO_ROW;
}

static void post_deferred(struct vcpu *vcpu)
{
	vcpu_add_events(vcpu, vcpu->deferred);
	vcpu->deferred = 0;
	vcpu->defers = false;
}

/*
 * Figures, and for a report on how the VM came to its end (dump.c) the exit itself. Every exit
 * pays for it: the level is a constant here.
 */
static inline __attribute__((always_inline)) void account(
	struct vcpu *vcpu, unsigned level, uint32_t reason, uint64_t now)
{
	struct exit_trace *t = &vcpu->trace;
	uint64_t rip = vmread(VMCS_GUEST_RIP);
	unsigned at = (t->at + 1u) % TRACE_SIZE;
	uint8_t row = (uint8_t)STAT_ROW(level, reason);

	t->at = at;
	t->rip[at] = rip;
	t->row[at] = row;
	vcpu->row = row;
	vcpu->stats.ticks[level] += now - vcpu->entry_tsc;
}

static inline __attribute__((always_inline)) struct vcpu *dispatch(
	struct vcpu *vcpu, uint32_t reason, uint64_t now)
{
	vcpu->injecting = false;
	if (!vcpu->nested.in_l2) {
		account(vcpu, 1, reason, now);
		vcpu_handle_exit(vcpu, reason);
	} else {
		account(vcpu, 2, reason, now);
		l2_exit(vcpu, reason);
	}
	return leave(vcpu);
}

/*
 * Something waits for this exit, or it has no basic reason of the table: a failed entry, or a
 * processor newer than L0.
 */
static __attribute__((noinline)) struct vcpu *odd_exit(
	struct vcpu *vcpu, uint32_t reason, uint64_t now)
{
	if (vcpu->defers)
		post_deferred(vcpu);
	if (vcpu->debug.loaded && debugger_takes(vcpu, reason)) {
		vcpu->injecting = false;
		account(vcpu, vcpu->nested.in_l2 ? 2 : 1, reason, now);
		debugger_exit(vcpu);
		return leave(vcpu);
	}
	if (reason & EXIT_REASON_BUS_LOCKED && EXIT_REASON_BASIC(reason) != EXIT_BUS_LOCK) {
		denial_bus_locked(vcpu);
		if (vcpu->nested.in_l2)
			nested_bus_locked(&vcpu->nested);
	}
	if (!(reason & EXIT_REASON_ENTRY_FAILURE))
		return dispatch(vcpu, odd_reason(reason), now);
	no_exit(vcpu, now);
	entry_failed(vcpu, reason);
	return leave(vcpu);
}

struct vcpu *vcpu_exit(struct vcpu *vcpu)
{
	uint32_t reason = vmread32(VMCS_EXIT_REASON);
	uint64_t now = rdtsc();

	vcpu->exit_tsc = now;
	sched_clear_guest();
	if (vcpu->defers || reason >= EXIT_REASON_COUNT)
		return odd_exit(vcpu, reason, now);
	return dispatch(vcpu, reason, now);
}

struct vcpu *vcpu_entry_failed(struct vcpu *vcpu)
{
	uint32_t error = vmread32(VMCS_INSTRUCTION_ERROR);

	sched_clear_guest();
	no_exit(vcpu, rdtsc());
	post_deferred(vcpu);
	if (vcpu->debug.loaded)
		debugger_unload(vcpu);
	if (!vcpu->nested.in_l2) {
		log_error("VMLAUNCH or VMRESUME failed: VM-instruction error %u", error);
		entry_failed(vcpu, error);
		return leave(vcpu);
	}
	hw_vmcs_clear(vcpu->vmcs);
	hw_vmcs_load(vcpu->vmcs);
	l2_entry_vmfailed(vcpu, error);
	return leave(vcpu);
}

struct vcpu *vcpu_kicked(void)
{
	struct vcpu *vcpu = vcpu_current();

	sched_clear_guest();
	no_exit(vcpu, rdtsc());
	if (vcpu->debug.loaded) {
		debugger_unload(vcpu);
		vcpu_add_events(vcpu, EVENT_DEBUG);
	}
	look_at_queue(vcpu);
	return leave(vcpu);
}

struct vcpu *vm_first(void)
{
	struct vcpu *vcpu = schedule();

	vcpu->exit_tsc = rdtsc() - vcpu->spent;
	return leave(vcpu);
}
