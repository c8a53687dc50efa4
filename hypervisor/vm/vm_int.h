/*
 * Shared by the files of vm/; nobody else includes it.
 */
#ifndef NESTOR_VM_VM_INT_H
#define NESTOR_VM_VM_INT_H

#include "dev/platform.h"
#include "nested/explain.h"
#include "nested/paging.h"
#include "spec/cpuid.h"
#include "vm/vm.h"

struct entry_state;

/* What a VM is made of, in memory of its own. */
struct vm_box {
	struct vm vm;
	struct platform platform;
	struct nested_vm nested_vm;
	struct explain_ring explain;
};

/* In the image, so that the scheduler sees the vCPUs of all VMs from every address space. */
struct sched_node {
	struct vcpu *vcpu;       /* NULL: free */
	struct sched_node *next; /* in the queue of its CPU */
	uint64_t cr3;            /* of its VM */
	uint64_t deadline;       /* copy of vcpu->deadline */
	uint64_t vtime;          /* ticks it has run, divided by its weight */
	uint64_t allowed;        /* CPUs that may run it */
	uint32_t weight;
	uint32_t cpu;  /* whose queue it is in; changed by that CPU only */
	bool slept;    /* since it ran last */
	bool runnable; /* may be written by any CPU */
};

/* ---- vm.c ---- */
/* What L1's VT-x offers; cr4_valid: the CR4 bits that its CPUID offers. Before the vCPUs run. */
void vm_derive_caps(struct vm *vm, uint64_t cr4_valid);

/* ---- vcpu.c ---- */
struct vcpu *vcpu_create(struct vm *vm, unsigned index);
/* State after power-on; needs VMCS01 current, and no hardware VMCS for L2 in use. */
void vcpu_power_on(struct vcpu *vcpu);
/* State after power-on or INIT, but for what an INIT leaves alone; needs VMCS01 current. */
void vcpu_reset_state(struct vcpu *vcpu);
/* Before another CPU may run it: nothing of it is active on this one any more. Its registers are not
 * in this CPU. */
void vcpu_leave_cpu(struct vcpu *vcpu);
/* Its VMCSs become this CPU's, if they are not; the one that was current is current. */
void vcpu_enter_cpu(struct vcpu *vcpu);
/* Start-up IPI. */
void vcpu_start_at(struct vcpu *vcpu, uint8_t vector);

/* From the state after power-on to that in which a boot protocol starts; VMCS01 is current. */
void vcpu_apply_entry(struct vcpu *vcpu, const struct entry_state *e);

/* ---- inject.c ---- */
/* IDT-vectoring information on the emulator, after an exit from a guest with these secondary controls. */
void vcpu_repair_vectoring(uint32_t proc2);
/* What paging_read and paging_write found: a page fault, or an EPT violation for L1. */
void vcpu_inject_paging_fault(struct vcpu *vcpu, const struct paging_fault *fault);

/* ---- exit.c ---- */
/* The registers that rule linear addresses, of the current VMCS. */
struct paging_state vcpu_paging_state(const struct vcpu *vcpu);
bool vcpu_in_long64(void);

/* The state of the current VMCS into the log. */
void vcpu_dump(struct vcpu *vcpu);

/* True the first time it is asked for this number. */
bool vm_first_time(struct vm *vm, unsigned what);
enum vm_warning {
	WARN_MSR = EXIT_REASON_COUNT,
	WARN_IO,
	WARN_MMIO
};

/* ---- handlers, one file each ---- */
void handle_cpuid(struct vcpu *vcpu);
void handle_rdmsr(struct vcpu *vcpu);
void handle_wrmsr(struct vcpu *vcpu);
void handle_cr_access(struct vcpu *vcpu);
void handle_xsetbv(struct vcpu *vcpu);
void handle_io(struct vcpu *vcpu);
void handle_ept_violation(struct vcpu *vcpu);
void handle_apic_access(struct vcpu *vcpu);
void handle_apic_write(struct vcpu *vcpu);
void handle_virtualized_eoi(struct vcpu *vcpu);
void handle_task_switch(struct vcpu *vcpu);

/* ---- io.c ---- */
/* One access of 1, 2 or 4 bytes to a port. Reads fill *value, zero-extended. */
void vcpu_port_io(struct vcpu *vcpu, uint16_t port, bool write, unsigned size, uint32_t *value);

/* ---- apicv.c ---- */
/* Decides whether the VM uses it, and makes what all vCPUs share. False: the pool is too small. */
bool apicv_create(struct vm *vm);
/* The fields of VMCS01, which is current, that never change. */
void apicv_vcpu_create(struct vcpu *vcpu);
/* Brings VMCS01, which is current, up to date with the local APIC. Only when vm->apicv.on. */
void apicv_update(struct vcpu *vcpu);
/* Whether L1 has a request, deliverable or not; likewise. */
bool apicv_requested(const struct vcpu *vcpu);
/* L1 enters an L2 without EPT12; likewise. */
void apicv_l2_without_ept(struct vcpu *vcpu);

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
/* Would these values use PAE paging outside IA-32e mode, whose PDPTEs are registers? */
bool vcpu_uses_pdptes(uint64_t cr0, uint64_t cr4);
/* Loads them, then, from where CR3 of the current VMCS says. False: a reserved bit in one. */
bool vcpu_load_pdptes(struct vcpu *vcpu, uint64_t cr0, uint64_t cr4);
/* IA-32e mode of the current VMCS starts or ends. */
void vcpu_set_lma(bool active);
/* The address in L1's memory behind a physical address of the current level. False: there is none. */
bool vcpu_physical_address(struct vcpu *vcpu, uint64_t address, struct gpa_l1 *at);
/* May XCR0 of a vCPU be this (SDM 2.6 "Extended Control Registers (Including XCR0)")? */
bool vcpu_xcr0_valid(uint64_t v);
/* A general register as an operand of the current mode. */
uint64_t vcpu_read_gpr(struct vcpu *vcpu, unsigned reg);
/* CR0/CR4 intercepts follow whether L1 is in VMX operation. */
void vcpu_update_cr_masks(struct vcpu *vcpu);

/* ---- cpuid.c ---- */
bool cpuid_create(struct vcpu *vcpu);
/* After CR4.OSXSAVE, XCR0 or XSS changed. */
void cpuid_update(struct vcpu *vcpu);
/* What L1's CPUID leaf says. */
struct cpuid_regs cpuid_of(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);
bool cpuid_offers(const struct vcpu *vcpu, enum cpuid_field field);
/* XCR0 bits offered. */
uint64_t cpuid_xcr0_mask(void);

/* ---- msr.c ---- */
bool msr_create(struct vcpu *vcpu);
/* What the CPU virtualizes in x2APIC mode. */
void msr_allow_x2apic(uint64_t *bitmap);

/* ---- events.c ---- */
/* Posts events of the vCPU that this CPU is about to enter. */
static inline void vcpu_add_events(struct vcpu *vcpu, uint32_t events)
{
	__atomic_fetch_or(&vcpu->events, events, __ATOMIC_SEQ_CST);
}

/* Handles vcpu->events. Returns the vCPU that this CPU shall enter. */
__attribute__((noinline)) struct vcpu *vcpu_process_events(struct vcpu *vcpu);
/* The next deadline of the vCPU's timers, for its entry; it is current. */
void vcpu_update_deadline(struct vcpu *vcpu);
/* The vCPU accessed a device: deadlines may have changed. */
void vcpu_touched_devices(struct vcpu *vcpu);
/* Runs the vCPU's timers that are due; it need not be current. */
void vcpu_run_timers(struct vcpu *vcpu);

/* ---- selftest.c ---- */
/* With selftest=state: what it needs. False: the VM's pool is too small. */
bool selftest_create(struct vcpu *vcpu);
/* Takes the state of the current vCPU and puts it back. */
void selftest_state(struct vcpu *vcpu);

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

/* ---- sched.c ---- */
/* Picks a vCPU of this CPU's queue, sleeping until there is one, and makes its VMCS, address
 * space and registers current. Does not return when no VM is left. */
struct vcpu *schedule(void);
/* The vCPU joins the queue of some CPU. Its VMCSs may be active on this one. */
void sched_add(struct vcpu *vcpu);
/* The vCPU may be able to run, or has events to look at. Any CPU. */
void sched_wake(struct vcpu *vcpu);
/* A request is in the posted-interrupt descriptor of the vCPU. True when it runs in guest mode on
 * another CPU, which has been notified; else it needs an event. Any CPU. */
bool sched_notify_guest(const struct vcpu *vcpu);
/* Returns when the vCPU, which has this event posted, is not in guest mode or has seen the event. */
void sched_wait_out(const struct vcpu *vcpu, uint32_t event);
/* After sched_notify: gives away what waits, or has the running vCPU give way soon. */
void sched_resched(void);

/* For balance.c. */
void sched_enqueue(struct sched_node *n, unsigned cpu);
void sched_dequeue(struct sched_node *n);
bool sched_is_runnable(const struct sched_node *n);
/* Something in the queue of that CPU has become runnable. */
void sched_notify(unsigned cpu);
/* The registers of the vCPU that this CPU has loaded go to memory; none is current then. */
void sched_put_down(void);
void sched_use_address_space(uint64_t cr3);
/* The one that is no VM's: set once, by sched_init. */
extern uint64_t sched_boot_space;

/* ---- balance.c ---- */
/* A CPU for a new node. */
unsigned sched_place(struct sched_node *n);
/* Runnable vCPUs of this CPU's queue, but for `keep`, go to CPUs that sleep, as far as there are. */
void sched_give_away(const struct sched_node *keep);
/* One runnable vCPU of this CPU's queue, but for `keep`, goes to a CPU that has two less to run. */
void sched_level(const struct sched_node *keep);
/* This CPU is about to sleep: others may give it work, and one that has is asked. */
void sched_offer_to_take(void);

/* ---- switch.c ---- */
/* Registers that stay loaded across exits: FPU, pass-through MSRs, CR2. */
void vcpu_save_registers(struct vcpu *vcpu);
void vcpu_load_registers(struct vcpu *vcpu);

#endif
