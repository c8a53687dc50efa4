/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of vm/ that handle exits and events have in common; nobody else includes it. A
 * VM's birth is in create.h, run queues are in sched.h, RAM is in memory.h, L2 in l2.h.
 */
#ifndef NESTOR_VM_VM_INT_H
#define NESTOR_VM_VM_INT_H

#include "dev/platform.h"
#include "nested/paging.h"
#include "spec/cpuid.h"
#include "spec/denials.h"
#include "vm/memory.h"
#include "vm/vm.h"

/*
 * What the vCPUs of a VM share; nothing to do for a VM with one. See cpu/lock.h for the order.
 */
static inline void vm_lock(struct vm *vm)
{
	if (vm->config.cpus > 1)
		spin_lock(&vm->lock);
}

static inline void vm_unlock(struct vm *vm)
{
	if (vm->config.cpus > 1)
		spin_unlock(&vm->lock);
}

/*
 * The translations of the VM have changed, and this CPU has dropped the old ones: the others do
 * so before they next enter one of its vCPUs. wait: returns when none of them can use an old
 * one any more. Callers may hold locks of this VM.
 */
void vm_flush_others(struct vm *vm, const struct vcpu *self, bool wait);
/* This CPU drops all translations of guests: another one has changed some. */
void translations_drop(void);
/* The vCPU was elsewhere before, or is new: this CPU may have some that it or an earlier one of
 * its number left here. */
void translations_arrive(const struct vcpu *vcpu);

/* Of a VM in a row: see sched_reserve(). */
static inline uint16_t vcpu_vpid01(const struct vcpu *vcpu)
{
	return (uint16_t)(vcpu->vm->first_vpid + vcpu->index * VPIDS_PER_VCPU);
}

_Static_assert(UINT16_MAX / VPIDS_PER_VCPU >= DEV_MAX_VCPUS, "VPIDs have 16 bits");

/* ---- exits by what a guest can do to the CPU itself: denial.c ---- */

void handle_notify(struct vcpu *vcpu);
/* A reason without a handler. */
void handle_unasked(struct vcpu *vcpu);
void handle_bus_lock(struct vcpu *vcpu);
/* #AC of a split lock: it is paid for, and then the guest gets past it. */
void handle_split_lock(struct vcpu *vcpu);
/* Exits by which a guest could keep its CPU: is its time over? */
void vcpu_look_at_time(struct vcpu *vcpu);

/* ---- the current VMCS, of whatever level ---- */

/*
 * Writes an event for the next entry into the current VMCS: `info` as in SDM 24.8.3, error code
 * when INTR_INFO_ERROR_CODE is set, instruction length for software events.
 */
void vcpu_inject(struct vcpu *vcpu, uint32_t info, uint32_t error_code, uint32_t length);
/*
 * Hardware exceptions; the instruction is not skipped. While L2 runs, L1 may intercept them:
 * VMCS01 is current afterwards.
 */
void vcpu_inject_ud(struct vcpu *vcpu);
void vcpu_inject_gp(struct vcpu *vcpu);
void vcpu_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error);
/* #PF; CR2 changes only when the vCPU takes it. */
void vcpu_inject_page_fault(struct vcpu *vcpu, uint64_t linear, uint32_t error);

/* If the exit interrupted the delivery of an event (IDT-vectoring information of the current
 * VMCS), delivers it again at the next entry. For exits that L0 handles without L1. */
void vcpu_redeliver(struct vcpu *vcpu);

/* Makes `v` (VMCS01 or a VMCS02 of this vCPU) the current VMCS. */
void vcpu_use_vmcs(struct vcpu *vcpu, struct hw_vmcs *v);

/* Interrupt-window or NMI-window exiting of the current VMCS. */
void vcpu_set_proc(struct vcpu *vcpu, uint32_t bit, bool on);

/* ---- inject.c ---- */
/* A triple fault of L1's: it ends the VM, or its processors are reset. */
void vcpu_shut_down(struct vcpu *vcpu);
/* #DB with these bits of DR6, as the processor would deliver it. */
void vcpu_inject_debug(struct vcpu *vcpu, uint64_t conditions);
/* What paging_read and paging_write found: a page fault, or an EPT violation for L1. */
void vcpu_inject_paging_fault(struct vcpu *vcpu, const struct paging_fault *fault);

/* ---- exit.c ---- */
/* The registers that rule linear addresses, of the current VMCS. */
struct paging_state vcpu_paging_state(const struct vcpu *vcpu);
bool vcpu_in_long64(void);

/* True the first time it is asked for this number. */
bool vm_first_time(struct vm *vm, unsigned what);
enum vm_warning {
	WARN_MSR = EXIT_REASON_COUNT,
	WARN_EXIT,
	WARN_IO,
	WARN_MMIO,
	WARN_EMULATION,
	WARN_MEMORY,
	WARN_MEDIUM,
	WARN_DISK /* and those behind it: one for each disk */
};

/* A machine check came while the vCPU's guest ran, or on the way into it. */
void vcpu_machine_check(struct vcpu *vcpu);

/* Runs L0's handler of this exit reason on the current VMCS. */
void vcpu_handle_exit(struct vcpu *vcpu, uint32_t reason);

/* ---- MSRs as L1's RDMSR/WRMSR; false means #GP. ---- */
bool vm_rdmsr(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool vm_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value);
/* Why one of these was false; DENIAL_NONE when that cannot be found out any more. */
enum denial vm_msr_denial(const struct vcpu *vcpu, uint32_t msr, bool write, uint64_t value);

/* ---- dump.c ---- */
/*
 * Tells of a vCPU, which is current, all that explains where it is and how it came there: as
 * control
 * records `dump` for the host tool, which adds symbols, else in the log. At most a few times
 * for each
 * VM, whatever guests do.
 */
void vcpu_dump(struct vcpu *vcpu);
/* The vCPU, which is current, stops: the same, if its VM ended in a way that needs an
 * explanation. */
void vcpu_dump_end(struct vcpu *vcpu);

/* ---- handlers, one file each ---- */
void handle_cpuid(struct vcpu *vcpu);
void handle_rdmsr(struct vcpu *vcpu);
void handle_wrmsr(struct vcpu *vcpu);
void handle_cr_access(struct vcpu *vcpu);
void handle_mov_dr(struct vcpu *vcpu);
void handle_xsetbv(struct vcpu *vcpu);
void handle_io(struct vcpu *vcpu);
void handle_ept_violation(struct vcpu *vcpu);
/* Devices of L1 are at other addresses: pages of ones that were mapped may be in their way. */
void vcpu_windows_changed(struct vcpu *vcpu);
void handle_apic_access(struct vcpu *vcpu);
void handle_apic_write(struct vcpu *vcpu);
void handle_virtualized_eoi(struct vcpu *vcpu);
void handle_task_switch(struct vcpu *vcpu);

/* ---- debug.c ---- */
/* Pending debug exceptions of an access that L0 makes for the guest; how: enum emul_watch. */
uint64_t vcpu_breakpoints(uint64_t dr7, uint64_t at, unsigned size, unsigned how);
uint64_t vcpu_io_breakpoints(uint16_t port, unsigned size);
/* Adds to those of the current VMCS. */
void vcpu_pend_debug(uint64_t pending);
/* Will a debug exception follow the next entry? */
bool vcpu_debug_pending(void);

/* ---- io.c ---- */
/* One access of 1, 2 or 4 bytes to a port. Reads fill *value, zero-extended. */
void vcpu_port_io(struct vcpu *vcpu, uint16_t port, bool write, unsigned size, uint32_t *value);

/* ---- apicv.c ---- */
/* Brings VMCS01, which is current, up to date with the local APIC. Only when vm->apicv.on. */
void apicv_update(struct vcpu *vcpu);
/* Whether L1 has a request, deliverable or not; likewise. */
bool apicv_requested(const struct vcpu *vcpu);
/*
 * Whether requests are for it now: when a vCPU that is paused, starves or waits for start-up
 * goes on, it looks by itself.
 */
static inline bool vcpu_listens(const struct vcpu *vcpu)
{
	return !vcpu->paused && (vcpu->state == VCPU_RUNNABLE || vcpu->state == VCPU_HALTED);
}

/* Only what is in the descriptor. */
bool apicv_has_posted(const struct vcpu *vcpu);
/*
 * Units of the machine notify this CPU by that vector. True: they have posted something that
 * the vCPU did not take yet.
 */
bool apicv_notify(struct vcpu *vcpu, uint8_t vector);
/* L1 enters an L2 without EPT12; likewise. */
void apicv_l2_without_ept(struct vcpu *vcpu);
/* L2 is about to run: likewise, if it has none and is the first of that kind. */
static inline void apicv_entered_l2(struct vcpu *vcpu)
{
	if (vcpu->vm->apicv.on && vcpu->nested.cur->root == NULL && !vcpu->vm->apicv.met_l2)
		apicv_l2_without_ept(vcpu);
}

/* ---- cr.c ---- */
/* CR4 of VMCS01 from L1's value; updates what depends on it. */
void vcpu_write_cr4(struct vcpu *vcpu, uint64_t cr4);
void vcpu_write_cr0(struct vcpu *vcpu, uint64_t cr0);
uint64_t vcpu_read_cr0(void);
uint64_t vcpu_read_cr4(void);
/* CR4 bits that L1 may not set. */
uint64_t vcpu_cr4_reserved(const struct vcpu *vcpu);
/* What MOV to CR0 checks of the value alone (SDM 2.5 "Control Registers"): false is a #GP. */
bool vcpu_cr0_valid(uint64_t cr0, uint64_t old);
/* The same for MOV to CR4, but for bits that are reserved or fixed. */
bool vcpu_cr4_valid(uint64_t cr4, uint64_t old);
/* Would these values use PAE paging outside IA-32e mode, whose PDPTEs are registers? */
bool vcpu_uses_pdptes(uint64_t cr0, uint64_t cr4);
/* Loads them, then, from where CR3 of the current VMCS says. False: a reserved bit in one. */
bool vcpu_load_pdptes(struct vcpu *vcpu, uint64_t cr0, uint64_t cr4);
/* IA-32e mode of the current VMCS starts or ends. */
void vcpu_set_lma(bool active);
/* The address in L1's memory behind a physical address of the current level. False: there is
 * none. */
bool vcpu_physical_address(struct vcpu *vcpu, uint64_t address, struct gpa_l1 *at);
/* PKRU, which the CPU has for this vCPU; 0 without protection keys. */
uint32_t vcpu_pkru(struct vcpu *vcpu);

/* May XCR0 of a vCPU be this (SDM 2.6 "Extended Control Registers (Including XCR0)")? */
/*
 * CR0, CR3, CR4 or CR8 of L1, whose VMCS01 is current, gets a value, as by MOV to it. False:
 * MOV would fault; nothing has changed.
 */
bool vcpu_set_cr(struct vcpu *vcpu, unsigned cr, uint64_t value);
bool vcpu_xcr0_valid(const struct vcpu *vcpu, uint64_t v);

/* May IA32_UMWAIT_CONTROL of a vCPU be this? 0 where CPUID does not offer it. */
bool umwait_valid(const struct vcpu *vcpu, uint64_t value);
/* A general register as an operand of the current mode. */
uint64_t vcpu_read_gpr(struct vcpu *vcpu, unsigned reg);
void vcpu_write_gpr(struct vcpu *vcpu, unsigned reg, uint64_t v);
/* CR0/CR4 intercepts follow whether L1 is in VMX operation. */
void vcpu_update_cr_masks(struct vcpu *vcpu);

/* ---- cpuid.c ---- */
/* After CR4.OSXSAVE, XCR0, XSS or IA32_APIC_BASE changed. */
void cpuid_update(struct vcpu *vcpu);
/* What L1's CPUID leaf says. */
struct cpuid_regs cpuid_of(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);
bool cpuid_offers(const struct vcpu *vcpu, enum cpuid_field field);
/* XCR0 bits that are switched: those that a vCPU may be offered. */
uint64_t cpuid_xcr0_mask(void);

/* ---- events.c ---- */
/* Posts events: the vCPU looks at them before its next entry, and wakes up for it. Any CPU. */
void vcpu_post(struct vcpu *vcpu, uint32_t events);
/* Posts events of the vCPU that this CPU is about to enter. */
static inline void vcpu_add_events(struct vcpu *vcpu, uint32_t events)
{
	__atomic_fetch_or(&vcpu->events, events, __ATOMIC_SEQ_CST);
}

/* Posts events after the next exit. */
static inline void vcpu_defer(struct vcpu *vcpu, uint32_t events)
{
	vcpu->deferred |= events;
	vcpu->defers = true;
}

/*
 * Handles vcpu->events. Returns the vCPU that this CPU shall enter. However fast events arrive,
 * the vCPU gives way at the end of its slice.
 */
__attribute__((noinline)) struct vcpu *vcpu_process_events(struct vcpu *vcpu);
/* The next deadline of the vCPU's timers, for its entry; it is current. */
void vcpu_update_deadline(struct vcpu *vcpu);
/* The vCPU accessed a device: deadlines may have changed. */
void vcpu_touched_devices(struct vcpu *vcpu);
/* Runs the vCPU's timers that are due; it need not be current. */
void vcpu_run_timers(struct vcpu *vcpu);

/* ---- vcpu.c ---- */
/* State after power-on or INIT, but for what an INIT leaves alone; needs VMCS01 current. */
void vcpu_reset_state(struct vcpu *vcpu);
/* Before another CPU may run it: nothing of it is active on this one any more. Its registers
 * are not in this CPU. */
void vcpu_leave_cpu(struct vcpu *vcpu);
/* Its VMCSs become this CPU's, if they are not; the one that was current is current. */
void vcpu_enter_cpu(struct vcpu *vcpu);
/* Start-up IPI. */
void vcpu_start_at(struct vcpu *vcpu, uint8_t vector);

/* ---- selftest.c ---- */
/* What selftest= asks for, between two entries of the current vCPU. */
void selftest_vcpu(struct vcpu *vcpu);
/* With selftest=machine-check, after an exit that leaves NMIs blocked. */
void selftest_nmis_blocked(void);

/* ---- tsc.c ---- */
/* L1's TSC on this vCPU. */
uint64_t vcpu_tsc(const struct vcpu *vcpu);
/* IA32_TIME_STAMP_COUNTER and IA32_TSC_ADJUST as L1 writes them. */
void vcpu_set_tsc(struct vcpu *vcpu, uint64_t value);
void vcpu_set_tsc_adjust(struct vcpu *vcpu, uint64_t adjust);
/* IA32_TSC_ADJUST of a vCPU whose state is put back. */
void vcpu_put_back_tsc(struct vcpu *vcpu, uint64_t adjust);
/* IA32_TSC_DEADLINE, which is in terms of the vCPU's TSC. False: #GP. */
bool vcpu_rdmsr_deadline(struct vcpu *vcpu, uint64_t *value);
bool vcpu_wrmsr_deadline(struct vcpu *vcpu, uint64_t value);

/* ---- firmware.c ---- */
/* Of what firmware reports: lines go to the log. */
void firmware_log_byte(struct vm *vm, uint8_t byte);

/* ---- switch.c ---- */
/* Registers that stay loaded across exits: FPU, pass-through MSRs, CR2. */
void vcpu_save_registers(struct vcpu *vcpu);
void vcpu_load_registers(struct vcpu *vcpu);

#endif
