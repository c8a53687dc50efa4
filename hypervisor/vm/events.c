/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events for L1: interrupts, NMIs, INIT and start-up IPIs, and the VM's timers. What waits is
 * looked at before an entry; what cannot be taken yet gets a window exit.
 */
#include "spec/bios.h"
#include "vm/bad_memory.h"
#include "vm/cet.h"
#include "vm/vm_int.h"

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "cpu/tsc.h"
#include "vm/console.h"
#include "vm/debugger.h"
#include "vm/denial.h"
#include "vm/devices.h"
#include "vm/l2.h"
#include "vm/operate.h"
#include "vm/passed.h"
#include "vm/ram.h"
#include "vm/sched.h"
#include "vm/screen.h"
#include "vm/trace.h"
#include "vm/variables.h"
#include "vmx/asm.h"

/* Ticks that an exit for work and the way back take beside it, about. */
#define WAY 1200u

/* In a millisecond, at work that waits for something outside. */
#define WORK_LOOKS 8

void vcpu_post(struct vcpu *vcpu, uint32_t events)
{
	__atomic_fetch_or(&vcpu->events, events, __ATOMIC_SEQ_CST);
	sched_wake(vcpu);
}

void vcpu_use_vmcs(struct vcpu *vcpu, struct hw_vmcs *v)
{
	hw_vmcs_load(v);
	vcpu->vmcs = v;
}

void vcpu_set_proc(struct vcpu *vcpu, uint32_t bit, bool on)
{
	struct nested *n = &vcpu->nested;
	uint32_t *proc = n->in_l2 ? &n->cur->proc_02 : &vcpu->proc01;
	uint32_t wanted = on ? *proc | bit : *proc & ~bit;

	if (wanted == *proc)
		return;
	*proc = wanted;
	vmwrite(VMCS_PROC_CONTROLS, wanted);
}

/* ---- time ---- */

static bool l2_rests(const struct vcpu *vcpu)
{
	return vcpu->state == VCPU_HALTED && vcpu->nested.in_l2;
}

/* Of the platform's timers for a vCPU, as host TSC. */
static uint64_t timers_deadline(const struct vm *vm, unsigned vcpu)
{
	uint64_t guest = platform_deadline(vm->platform, vcpu);

	return guest == DEV_NEVER ? DEV_NEVER : guest - vm->tsc_offset;
}

/* While it runs. */
static uint64_t next_deadline(const struct vcpu *vcpu)
{
	uint64_t deadline = timers_deadline(vcpu->vm, vcpu->index);

	if (vcpu->work_at < deadline)
		deadline = vcpu->work_at;
	return vcpu->messages_at < deadline ? vcpu->messages_at : deadline;
}

static void read_deadline(struct vcpu *vcpu)
{
	uint64_t deadline = next_deadline(vcpu), rest;

	if (l2_rests(vcpu)) {
		rest = l2_rest_deadline(vcpu);
		deadline = rest < deadline ? rest : deadline;
	}
	if (vcpu->slow_until != 0 && vcpu->slow_until < deadline)
		deadline = vcpu->slow_until;
	__atomic_store_n(&vcpu->deadline, deadline, __ATOMIC_RELAXED);
	vcpu->node->deadline = deadline;
}

void vcpu_run_timers(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	uint64_t now = rdtsc();

	platform_run_timers(vm->platform, vcpu->index, now + vm->tsc_offset);
	if (vcpu->work_at <= now) {
		vcpu->work_at = DEV_NEVER;
		vcpu_post(vcpu, EVENT_WORK);
	}
	if (vcpu->messages_at <= now) {
		vcpu->messages_at = DEV_NEVER;
		vcpu_post(vcpu, EVENT_LINE);
	}
	read_deadline(vcpu);
	if (vcpu->slow_until != 0 && vcpu->slow_until <= now)
		vcpu_post(vcpu, EVENT_TIMER);
	if (l2_rests(vcpu) && l2_rest_deadline(vcpu) <= now)
		vcpu_post(vcpu, EVENT_TIMER);
}

void vcpu_update_deadline(struct vcpu *vcpu)
{
	uint64_t slice = sched_this_cpu()->slice_end;

	read_deadline(vcpu);
	if (slice > l0_time_limit())
		slice = l0_time_limit();
	if (mux_pending() && slice > rdtsc() + tsc_khz)
		slice = rdtsc() + tsc_khz;
	if (vcpu->deferred & EVENT_LOCKS && slice > rdtsc() + DENIAL_WINDOW)
		slice = rdtsc() + DENIAL_WINDOW;
	vcpu->entry_deadline = vcpu->deadline < slice ? vcpu->deadline : slice;
	if (vcpu->entry_deadline == DEV_NEVER && !vcpu->nested.in_l2)
		vmwrite(VMCS_PREEMPTION_TIMER_VALUE, vmx_timer.most);
}

/*
 * The timers of devices that are no LAPIC are vCPU 0's. It may look too early, not late.
 */
static void tell_first(const struct vcpu *vcpu)
{
	struct vcpu *first = vcpu->vm->vcpus[0];

	if (vcpu != first && timers_deadline(vcpu->vm, 0) <
				     __atomic_load_n(&first->deadline, __ATOMIC_RELAXED))
		vcpu_post(first, EVENT_TIMER);
}

void vcpu_touched_devices(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	/* Most accesses change no timer; what is printed has to leave in time. */
	if (next_deadline(vcpu) != vcpu->deadline || mux_pending())
		vcpu_post(vcpu, EVENT_TIMER);
	if (__atomic_load_n(&vm->windows_changed, __ATOMIC_RELAXED) &&
		__atomic_exchange_n(&vm->windows_changed, false, __ATOMIC_SEQ_CST))
		vcpu_windows_changed(vcpu);
	tell_first(vcpu);
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

static uint8_t sipi_vector(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->sipi_vector, __ATOMIC_RELAXED);
}

static bool arrives_in_l2(struct vcpu *vcpu, enum nested_event_kind kind, uint32_t post)
{
	struct nested_event e = {
		.kind = kind, .queued = vcpu->injecting, .sipi_vector = sipi_vector(vcpu)};

	return vcpu->nested.in_l2 && l2_event(vcpu, &e, post);
}

/* Does an interrupt wait that L0 has to deliver? The CPU does it for L1, but for the PIC's. */
static bool irq_waits(struct vcpu *vcpu)
{
	struct platform *p = vcpu->vm->platform;

	if (vcpu->vm->apicv.on && !vcpu->nested.in_l2)
		return platform_extint_pending(p, vcpu->index);
	return platform_irq_waits(p, vcpu->index);
}

/* VMCS01 is current, of a VM whose APICs the CPU virtualizes. */
static void update_apic(struct vcpu *vcpu)
{
	apicv_update(vcpu);
	if (vcpu->state == VCPU_HALTED && platform_irq_waits(vcpu->vm->platform, vcpu->index) &&
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
	if (vcpu->debug.steps && debugger_holds_interrupts(vcpu))
		return;
	if (arrives_in_l2(vcpu, NESTED_INTERRUPT, EVENT_IRQ))
		return;
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

	vcpu->nmi_waits = false;
	if (arrives_in_l2(vcpu, NESTED_NMI, EVENT_NMI))
		return;
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

/*
 * The first processor waits for no start-up IPI (SDM 9.1 "Initialization Overview", 10.4.3): it
 * begins at the reset vector, where firmware, or the BIOS of load/, looks what CMOS says.
 */
static void begin_again(struct vcpu *vcpu)
{
	if (vcpu->vm->config.firmware)
		vcpu->state = VCPU_RUNNABLE;
	else
		vcpu_start_at(vcpu, BIOS_RESUME_VECTOR);
	vcpu_post(vcpu, EVENT_IRQ); /* not looked at since the INIT */
}

/* SDM 27.1 "Architectural State Before a VM Exit": INIT in VMX operation is blocked in L1. */
static void process_init(struct vcpu *vcpu)
{
	static const uint64_t reset_dr[5] = {0, 0, 0, 0, DR6_RESET};
	uint64_t cache;

	if (arrives_in_l2(vcpu, NESTED_INIT, EVENT_INIT))
		return;
	if (vcpu->nested.vmxon) {
		vcpu->init_latched = true;
		return;
	}
	cache = vcpu_read_cr0() & (CR0_CD | CR0_NW); /* INIT leaves them (table 9-1) */
	vcpu_reset_state(vcpu);
	vcpu_write_cr0(vcpu, CR0_ET | cache);
	translations_drop(); /* paging is off: as MOV to CR0 would, SDM 4.10.4.1 */
	write_cr2(0);
	write_debug_registers(reset_dr);
	cet_reset_loaded(vcpu);
	platform_init_vcpu(vcpu->vm->platform, vcpu->index);
	vcpu->state = VCPU_WAIT_SIPI;
	if (vcpu->index == 0)
		begin_again(vcpu);
}

static void process_sipi(struct vcpu *vcpu)
{
	if (arrives_in_l2(vcpu, NESTED_SIPI, EVENT_SIPI))
		return;
	if (vcpu->state == VCPU_WAIT_SIPI) {
		vcpu_start_at(vcpu, sipi_vector(vcpu));
		vcpu_post(vcpu, EVENT_IRQ); /* not looked at since the INIT */
	}
}

static enum vpci_work more_of(enum vpci_work a, enum vpci_work b)
{
	return a > b ? a : b;
}

/*
 * A piece of what the guest asked of its devices. Before the next one the guest has as much
 * time as this one took, unless it is halted, and other VMs have theirs; what it costs is
 * charged to this vCPU.
 */
static void process_work(struct vcpu *vcpu, bool net)
{
	uint64_t begin = rdtsc(), end;
	enum vpci_work left;

	/* Not at each piece: devices that have no room for frames would never come to rest. */
	if (sched_unhold(vcpu->node, EVENT_NET) || net)
		devices_arrived(vcpu->vm);
	left = platform_work(vcpu->vm->platform);
	tell_first(vcpu);
	left = more_of(left, screen_work(vcpu->vm));
	left = more_of(left, variables_work(vcpu->vm));
	end = rdtsc();
	/* What devices ask for meanwhile is in `left`. */
	__atomic_fetch_and(&vcpu->events, ~(uint32_t)EVENT_WORK, __ATOMIC_SEQ_CST);
	vcpu->work_pause = end + (end - vcpu->exit_tsc) + WAY;
	if (left == VPCI_WORK_WAITS)
		vcpu->work_at = end + tsc_khz / WORK_LOOKS;
	else if (left == VPCI_WORK_MORE && vcpu->state == VCPU_RUNNABLE)
		vcpu->work_at = end + (end - begin);
	else if (left == VPCI_WORK_MORE)
		vcpu_post(vcpu, EVENT_WORK);
	devices_fill_console(vcpu->vm);
}

/*
 * Frames come as fast as others send them: that they are looked at takes no more of the guest's
 * time than other work does. Until then they are in the port's queue, and nobody kicks again.
 */
static bool may_look(struct vcpu *vcpu)
{
	uint64_t now = rdtsc();

	if (vcpu->state != VCPU_RUNNABLE || now >= vcpu->work_pause)
		return true;
	/* That it was interrupted for nothing is not its time, either. */
	vcpu->work_pause += now - vcpu->exit_tsc + WAY;
	if (vcpu->work_at > vcpu->work_pause)
		vcpu->work_at = vcpu->work_pause;
	sched_hold(vcpu->node, EVENT_NET);
	vcpu_add_events(vcpu, EVENT_TIMER);
	return false;
}

/* What is rare, and looked at even while the vCPU stands still. */
#define RARE_EVENTS                                                                          \
	(EVENT_STOP | EVENT_FLUSH | EVENT_MEMORY | EVENT_LINE | EVENT_MANAGE | EVENT_PAUSE | \
		EVENT_DEBUG | EVENT_LOCKS | EVENT_BAD_MEMORY)

/*
 * While the VM is paused what comes is put aside, so that nothing of the guest changes; then it
 * is there at once. 0: nothing is to be done now.
 */
static uint32_t park(struct vcpu *vcpu, uint32_t events)
{
	bool was = vcpu->paused;

	vcpu->paused = vm_holds(vcpu);
	if (vcpu->paused) {
		vcpu->parked |= events & ~(uint32_t)RARE_EVENTS;
		__atomic_store_n(&vcpu->deadline, DEV_NEVER, __ATOMIC_RELAXED);
		vcpu->node->deadline = DEV_NEVER;
		return 0;
	}
	if (was) {
		events |= vcpu->parked | EVENT_TIMER | EVENT_IRQ;
		vcpu->parked = 0;
	}
	return events;
}

static bool stands_still(const struct vcpu *vcpu)
{
	return vcpu->starving != 0 || vcpu->slow_until != 0;
}

/*
 * The vCPU needs memory before it goes on, and what its guest does is begun again; or it has
 * locked the bus too often. Devices do nothing on its behalf meanwhile. What waits for it is
 * not lost. 0: as above.
 */
static uint32_t feed(struct vcpu *vcpu, uint32_t events)
{
	bool stands = vcpu->starving != 0 && ram_starves(vcpu);

	if (vcpu->slow_until != 0 && denial_holds(vcpu)) {
		read_deadline(vcpu);
		stands = true;
	}
	vcpu->starved_events |= events & ~(uint32_t)(RARE_EVENTS | EVENT_YIELD);
	if (stands) {
		if (vcpu->state == VCPU_RUNNABLE)
			vcpu->state = VCPU_STARVED;
		return 0;
	}
	if (vcpu->state == VCPU_STARVED)
		vcpu->state = VCPU_RUNNABLE;
	events = vcpu->starved_events | EVENT_TIMER;
	vcpu->starved_events = 0;
	return events;
}

/* Those that are left to be handled now; 0: none, the vCPU has stopped or stands still. */
static __attribute__((noinline)) uint32_t process_rare(struct vcpu *vcpu, uint32_t events)
{
	if (events & EVENT_STOP) {
		vcpu_dump_end(vcpu);
		vcpu->state = VCPU_STOPPED;
		return 0;
	}
	if (events & EVENT_FLUSH)
		translations_drop();
	if (events & EVENT_MEMORY)
		ram_move_on(vcpu);
	if (events & EVENT_BAD_MEMORY)
		bad_memory_leave(vcpu);
	if (events & EVENT_LINE && passed_take(vcpu))
		events |= EVENT_TIMER;
	if (events & EVENT_MANAGE)
		manage_vcpu(vcpu);
	if (events & EVENT_DEBUG)
		debugger_look(vcpu);
	if (events & EVENT_LOCKS)
		events |= denial_window_over(vcpu);
	events = park(vcpu, events);
	if (events != 0 && stands_still(vcpu))
		events = feed(vcpu, events);
	return denial_hold_back(vcpu, events);
}

static void process_seldom(struct vcpu *vcpu, uint32_t events)
{
	if (events & EVENT_CONSOLE)
		console_came(vcpu);
	if (events & EVENT_INIT)
		process_init(vcpu);
	if (events & EVENT_SIPI)
		process_sipi(vcpu);
}

static void process(struct vcpu *vcpu, uint32_t events)
{
	if (events & RARE_EVENTS || vcpu->paused || stands_still(vcpu) ||
		vcpu->deferred & EVENT_LOCKS) {
		events = process_rare(vcpu, events);
		if (events == 0)
			return;
	}
	if (events & EVENT_NMI)
		vcpu->nmi_waits = false; /* it is this one that waits */
	if (l2_rests(vcpu))
		l2_rest(vcpu, events & EVENT_NMI);
	if (events & EVENT_WORK || (events & EVENT_NET && may_look(vcpu))) {
		process_work(vcpu, events & EVENT_NET);
		events |= EVENT_TIMER; /* of the next piece */
	}
	if (events & (EVENT_CONSOLE | EVENT_INIT | EVENT_SIPI))
		process_seldom(vcpu, events);
	if (events & EVENT_TIMER) {
		sched_resched();
		vcpu_update_deadline(vcpu);
	}
	if (vcpu->state == VCPU_WAIT_SIPI) {
		/* L1 shall have it after the start-up IPI that ends its L2. */
		vcpu->nmi_waits |= vcpu->nested.in_l2 && events & EVENT_NMI;
		return;
	}
	if (events & EVENT_NMI) {
		process_nmi(vcpu);
		events |= EVENT_IRQ; /* a halted vCPU may have one waiting, too */
	}
	if (events & EVENT_IRQ)
		process_irq(vcpu);
}

/* What L0 does for the vCPU goes on when it runs again. */
static void give_way(struct vcpu *vcpu)
{
	if (vcpu_traced(vcpu))
		vcpu_trace_out(vcpu);
	vcpu->spent = rdtsc() - vcpu->exit_tsc;
}

static void go_on(struct vcpu *vcpu)
{
	vcpu->exit_tsc = rdtsc() - vcpu->spent;
	if (vcpu_traced(vcpu))
		vcpu_trace_in(vcpu);
}

struct vcpu *vcpu_process_events(struct vcpu *vcpu)
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
		if (vcpu->state != VCPU_RUNNABLE || vcpu->paused || events & EVENT_YIELD ||
			sched_slice_over()) {
			give_way(vcpu);
			vcpu = schedule();
			go_on(vcpu);
		}
	}
}
