/*
 * Events for L1: interrupts, NMIs, INIT and start-up IPIs, and the VM's timers. What waits is
 * looked at before an entry; what cannot be taken yet gets a window exit.
 */
#include "vm/vm_int.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "spec/exceptions.h"
#include "vm/nested_glue.h"
#include "vmx/asm.h"

void vcpu_post(struct vcpu *vcpu, uint32_t events)
{
	__atomic_fetch_or(&vcpu->events, events, __ATOMIC_SEQ_CST);
	sched_wake(vcpu);
}

void vcpu_inject(struct vcpu *vcpu, uint32_t info, uint32_t error_code, uint32_t length)
{
	vmwrite(VMCS_ENTRY_INTR_INFO, info | INTR_INFO_VALID);
	if (info & INTR_INFO_ERROR_CODE)
		vmwrite(VMCS_ENTRY_EXCEPTION_ERROR_CODE, error_code);
	if (INTR_INFO_TYPE(info) >= INTR_SW_INTERRUPT &&
		INTR_INFO_TYPE(info) <= INTR_SW_EXCEPTION)
		vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, length);
	vcpu->injecting = true;
}

static void shut_down(struct vcpu *vcpu)
{
	if (vcpu->nested.in_l2)
		nested_deliver_triple_fault(&vcpu->nested);
	else
		vm_stop(vcpu->vm, VM_END_TRIPLE_FAULT, 0, "triple fault");
}

static bool l1_takes(struct vcpu *vcpu, uint32_t info, uint32_t error, uint64_t qualification)
{
	return vcpu->nested.in_l2 &&
	       nested_deliver_exception(&vcpu->nested, info, error, qualification);
}

/*
 * An L1 that intercepts the exception gets it instead of its L2. Otherwise an event whose delivery
 * the exit interrupted decides what the exception becomes (SDM 6.15, table 6-5).
 */
static void raise(struct vcpu *vcpu, uint32_t info, uint32_t error, uint64_t linear)
{
	/* In real mode exceptions have no error code, and entries may not deliver one (26.2.1.3). */
	uint32_t no_code = vmread(VMCS_GUEST_CR0) & CR0_PE ? 0 : INTR_INFO_ERROR_CODE;
	uint32_t double_fault =
		(VEC_DF | INTR_HW_EXCEPTION << 8 | INTR_INFO_ERROR_CODE) & ~no_code;
	enum exception_outcome outcome;

	info &= ~no_code;
	/* RF in the frame of a fault (SDM 17.3.1.1): an injected event pushes RFLAGS as they are (26.6.1.1). */
	if (INTR_INFO_VECTOR(info) != VEC_DB)
		vmwrite(VMCS_GUEST_RFLAGS, vmread(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
	if (l1_takes(vcpu, info, error, linear))
		return;
	if (INTR_INFO_VECTOR(info) == VEC_PF)
		write_cr2(linear);
	outcome = exception_combine(
		vmread32(VMCS_IDT_VECTORING_INFO), (uint8_t)INTR_INFO_VECTOR(info));
	if (outcome == OUTCOME_SHUTDOWN)
		shut_down(vcpu);
	else if (outcome == OUTCOME_SERIAL)
		vcpu_inject(vcpu, info, error, 0);
	else if (!l1_takes(vcpu, double_fault, 0, 0))
		vcpu_inject(vcpu, double_fault, 0, 0);
}

void vcpu_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
	/* a page fault whose address is in CR2 already: of an operand of L1's VMX instruction */
	uint64_t linear = vector == VEC_PF ? read_cr2() : 0;

	raise(vcpu, vector | INTR_HW_EXCEPTION << 8 | (has_error ? INTR_INFO_ERROR_CODE : 0),
		error, linear);
}

void vcpu_inject_page_fault(struct vcpu *vcpu, uint64_t linear, uint32_t error)
{
	raise(vcpu, VEC_PF | INTR_HW_EXCEPTION << 8 | INTR_INFO_ERROR_CODE, error, linear);
}

void vcpu_inject_paging_fault(struct vcpu *vcpu, const struct paging_fault *fault)
{
	if (fault->ept)
		nested_deliver_ept_fault(&vcpu->nested, fault);
	else
		vcpu_inject_page_fault(vcpu, fault->address, fault->error_code);
}

void vcpu_inject_ud(struct vcpu *vcpu)
{
	vcpu_inject_exception(vcpu, VEC_UD, false, 0);
}

void vcpu_inject_gp(struct vcpu *vcpu)
{
	vcpu_inject_exception(vcpu, VEC_GP, true, 0);
}

/*
 * The emulator does not write the IDT-vectoring information when it delivers a virtual interrupt: an
 * exit in the middle finds what was delivered before. The delivery has set SVI, with RFLAGS.IF = 1,
 * while an interrupt handler has it clear until its EOI lowers SVI.
 */
void vcpu_repair_vectoring(uint32_t proc2)
{
	uint64_t vector;

	if (!vmx_stale_vectoring || !(proc2 & PROC2_VIRT_INTR_DELIVERY) ||
		!(vmread32(VMCS_IDT_VECTORING_INFO) & INTR_INFO_VALID))
		return;
	vector = vmread(VMCS_GUEST_INTR_STATUS) >> 8;
	if (vector != 0 && vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF)
		vmwrite(VMCS_IDT_VECTORING_INFO, INTR_INFO_VALID | INTR_EXTERNAL << 8 | vector);
}

/* SDM 27.2.4 "Information for VM Exits During Event Delivery". */
void vcpu_redeliver(struct vcpu *vcpu)
{
	uint32_t info = vmread32(VMCS_IDT_VECTORING_INFO);

	if (!(info & INTR_INFO_VALID))
		return;
	if (INTR_INFO_TYPE(info) == INTR_NMI)
		vmwrite(VMCS_GUEST_INTERRUPTIBILITY,
			vmread32(VMCS_GUEST_INTERRUPTIBILITY) & ~INTERRUPTIBILITY_NMI);
	vcpu_inject(vcpu, info & ~INTR_INFO_NMI_UNBLOCKING,
		vmread32(VMCS_IDT_VECTORING_ERROR_CODE),
		vmread32(VMCS_EXIT_INSTRUCTION_LENGTH));
}

void vcpu_use_vmcs(struct vcpu *vcpu, struct hw_vmcs *v)
{
	hw_vmcs_load(v);
	vcpu->vmcs = v;
}

void vcpu_set_proc(struct vcpu *vcpu, uint32_t bit, bool on)
{
	uint32_t proc = on ? vcpu->vmcs->proc | bit : vcpu->vmcs->proc & ~bit;

	if (proc == vcpu->vmcs->proc)
		return;
	vcpu->vmcs->proc = proc;
	vmwrite(VMCS_PROC_CONTROLS, proc);
}

/* ---- time ---- */

static void read_deadline(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	uint64_t guest = platform_deadline(vm->platform, vcpu->index);

	vcpu->deadline = guest == DEV_NEVER ? DEV_NEVER : guest - vm->tsc_offset;
	vcpu->node->deadline = vcpu->deadline;
}

void vcpu_run_timers(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	platform_run_timers(vm->platform, vcpu->index, rdtsc() + vm->tsc_offset);
	read_deadline(vcpu);
}

void vcpu_update_deadline(struct vcpu *vcpu)
{
	uint64_t slice = this_cpu()->slice_end;

	read_deadline(vcpu);
	if (slice > vm_time_limit)
		slice = vm_time_limit;
	vcpu->entry_deadline = vcpu->deadline < slice ? vcpu->deadline : slice;
	if (vcpu->entry_deadline == DEV_NEVER && !vcpu->nested.in_l2)
		vmwrite(VMCS_PREEMPTION_TIMER_VALUE, UINT32_MAX);
}

void vcpu_touched_devices(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct vcpu *first = vm->vcpus[0];
	uint64_t guest;

	vcpu_post(vcpu, EVENT_TIMER);
	if (vcpu == first)
		return;
	/* The timers of devices that are no LAPIC are vCPU 0's. */
	guest = platform_deadline(vm->platform, 0);
	if (guest - vm->tsc_offset != __atomic_load_n(&first->deadline, __ATOMIC_RELAXED))
		vcpu_post(first, EVENT_TIMER);
}

/* ---- translations ---- */

void vm_flush_others(struct vm *vm, const struct vcpu *self, bool wait)
{
	for (unsigned i = 0; i < vm->config.cpus; i++)
		if (vm->vcpus[i] != self)
			__atomic_fetch_or(&vm->vcpus[i]->events, EVENT_FLUSH, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; wait && i < vm->config.cpus; i++)
		if (vm->vcpus[i] != self)
			sched_wait_out(vm->vcpus[i], EVENT_FLUSH);
}

/* ---- events ---- */

/* An L2 of L1's may be in the shutdown state, where interrupts are blocked (SDM 26.3.1.5). */
static bool can_take_interrupt(const struct vcpu *vcpu)
{
	return !vcpu->injecting && vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF &&
	       vmread32(VMCS_GUEST_ACTIVITY_STATE) != ACTIVITY_SHUTDOWN &&
	       !(vmread32(VMCS_GUEST_INTERRUPTIBILITY) &
		       (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS));
}

/* Does an interrupt wait that L0 has to deliver? The CPU does it for L1, but for the PIC's. */
static bool irq_waits(struct vcpu *vcpu)
{
	struct platform *p = vcpu->vm->platform;

	if (vcpu->vm->apicv.on && !vcpu->nested.in_l2)
		return platform_extint_pending(p, vcpu->index);
	return platform_irq_pending(p, vcpu->index) >= 0;
}

/* VMCS01 is current, of a VM whose APICs the CPU virtualizes. */
static void update_apic(struct vcpu *vcpu)
{
	apicv_update(vcpu);
	if (vcpu->state == VCPU_HALTED &&
		platform_irq_pending(vcpu->vm->platform, vcpu->index) >= 0 &&
		can_take_interrupt(vcpu))
		vcpu->state = VCPU_RUNNABLE;
}

static void process_irq(struct vcpu *vcpu)
{
	struct platform *p = vcpu->vm->platform;
	int vector;

	if (vcpu->vm->apicv.on && !vcpu->nested.in_l2)
		update_apic(vcpu);
	if (!irq_waits(vcpu))
		return;
	if (vcpu->nested.in_l2 && nested_glue_irq(vcpu)) {
		vcpu->state = VCPU_RUNNABLE;
		return;
	}
	if (!can_take_interrupt(vcpu)) {
		if (vcpu->state == VCPU_RUNNABLE)
			vcpu_set_proc(vcpu, PROC_INTR_WINDOW, true);
		return;
	}
	vector = platform_irq_ack(p, vcpu->index);
	if (vector < 0)
		return;
	vcpu->state = VCPU_RUNNABLE;
	vcpu->stats.injected++;
	vcpu_inject(vcpu, (uint32_t)vector, 0, 0);
	if (irq_waits(vcpu))
		vcpu_set_proc(vcpu, PROC_INTR_WINDOW, true);
}

static void process_nmi(struct vcpu *vcpu)
{
	uint32_t blocking;

	vcpu->nmi_waits = nested_nmi_blocked(&vcpu->nested);
	if (vcpu->nmi_waits)
		return; /* until L2 exits */
	if (vcpu->nested.in_l2 && nested_glue_nmi(vcpu)) {
		vcpu->state = VCPU_RUNNABLE;
		return;
	}
	blocking = vmread32(VMCS_GUEST_INTERRUPTIBILITY);
	if (vcpu->injecting || blocking & (INTERRUPTIBILITY_NMI | INTERRUPTIBILITY_MOV_SS |
						  INTERRUPTIBILITY_STI)) {
		vcpu_set_proc(vcpu, PROC_NMI_WINDOW, true);
		vcpu->nmi_waits = true;
		return;
	}
	vcpu->state = VCPU_RUNNABLE;
	vcpu_inject(vcpu, VEC_NMI | INTR_NMI << 8, 0, 0);
}

/* SDM 27.1 "Architectural State Before a VM Exit": INIT in VMX operation is blocked in L1. */
static void process_init(struct vcpu *vcpu)
{
	static const uint64_t reset_dr[5] = {0, 0, 0, 0, 0xffff0ff0};

	if (vcpu->nested.in_l2 && nested_glue_init(vcpu))
		return;
	if (vcpu->nested.vmxon) {
		vcpu->init_latched = true;
		return;
	}
	vcpu_reset_state(vcpu);
	write_cr2(0);
	write_debug_registers(reset_dr);
	platform_init_vcpu(vcpu->vm->platform, vcpu->index);
	vcpu->state = VCPU_WAIT_SIPI;
}

static void process_sipi(struct vcpu *vcpu)
{
	if (vcpu->nested.in_l2 && nested_deliver_sipi(&vcpu->nested, vcpu->sipi_vector)) {
		vcpu->state = VCPU_RUNNABLE;
		return;
	}
	if (vcpu->state == VCPU_WAIT_SIPI) {
		vcpu_start_at(vcpu, vcpu->sipi_vector);
		vcpu_post(vcpu, EVENT_IRQ); /* not looked at since the INIT */
	}
}

static void process(struct vcpu *vcpu, uint32_t events)
{
	bool was_in_l2 = vcpu->nested.in_l2;

	if (events & EVENT_STOP)
		vcpu->state = VCPU_STOPPED;
	if (vcpu->state == VCPU_STOPPED)
		return;
	if (events & EVENT_FLUSH)
		vmx_flush_all();
	if (events & EVENT_INIT)
		process_init(vcpu);
	if (events & EVENT_SIPI)
		process_sipi(vcpu);
	if (events & EVENT_TIMER) {
		sched_resched();
		vcpu_update_deadline(vcpu);
	}
	if (vcpu->state == VCPU_WAIT_SIPI)
		return;
	if (events & EVENT_NMI) {
		process_nmi(vcpu);
		events |= EVENT_IRQ; /* a halted vCPU may have one waiting, too */
	}
	if (events & EVENT_IRQ)
		process_irq(vcpu);
	if (was_in_l2 && !vcpu->nested.in_l2 && vcpu->vm->apicv.on)
		vcpu_post(vcpu, EVENT_IRQ); /* VMCS01 does not know what happened meanwhile */
}

struct vcpu *vcpu_process_events(struct vcpu *vcpu)
{
	for (;;) {
		uint32_t events = __atomic_exchange_n(&vcpu->events, 0, __ATOMIC_SEQ_CST);

		if (events == 0)
			return vcpu;
		process(vcpu, events);
		if (vcpu->state != VCPU_RUNNABLE || events & EVENT_YIELD) {
			vcpu->stats.ticks[0] += rdtsc() - vcpu->exit_tsc;
			vcpu = schedule();
			vcpu->exit_tsc = rdtsc();
		}
	}
}
