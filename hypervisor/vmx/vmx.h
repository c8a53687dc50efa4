/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical VT-x of the machine: capabilities, VMX operation, hardware VMCSs and EPT. Knows
 * nothing about VMs.
 */
#ifndef NESTOR_VMX_VMX_H
#define NESTOR_VMX_VMX_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/vmx_caps.h"
#include "spec/addr.h"
#include "spec/vmcs.h"

/* The machine's capabilities; valid after vmx_probe. The same on all CPUs. */
extern struct vmx_caps vmx_caps;

/*
 * The VMX-preemption timer, which counts down once in 2^shift ticks of the TSC (SDM 25.5.1,
 * A.6); constant when VMs run. most: the greatest value that does not end early. Not on: the
 * local APIC's timer ends what has to end, and vmx_caps have none.
 */
extern struct vmx_timer {
	bool on;
	uint8_t shift;
	uint32_t most;
} vmx_timer;

enum vmx_status {
	VMX_OK,
	VMX_ABSENT,       /* CPUID has no VMX */
	VMX_LOCKED_OFF,   /* IA32_FEATURE_CONTROL is locked without VMX outside SMX */
	VMX_INSUFFICIENT, /* a feature that Nestor cannot do without is missing */
};

/* Reads the capabilities; *missing names what VMX_INSUFFICIENT means. Boot CPU, once. */
enum vmx_status vmx_probe(const char **missing);

/* The timer is not to be used. After vmx_probe, before there is a VMCS. */
void vmx_timer_off(void);

/* Enables VT-x in IA32_FEATURE_CONTROL of this CPU. False when it is locked off. */
bool vmx_unlock(void);

/* The first capability MSR of this CPU that is not the boot CPU's; 0: all are. */
uint32_t vmx_other_msr(void);

/* Enters VMX operation on this CPU. False when VT-x is locked off or differs from the boot
 * CPU's. */
bool vmx_cpu_on(void);

/*
 * A VMCS in memory. hw_vmcs_init on a zeroed page comes first; vmcs_load makes it current on
 * this CPU. `launched` tells the entry stub VMLAUNCH from VMRESUME (offset 0: vmx/stub.S).
 */
struct hw_vmcs {
	uint32_t launched; /* 0 or 1 */
	struct hpa hpa;
	void *page;
};

/* The page (zeroed, 4 KiB, in the direct map) becomes a VMCS in state "clear". */
void hw_vmcs_init(struct hw_vmcs *v, void *page, bool shadow);
/* VMCLEAR; the VMCS leaves this CPU and must be launched next. Not current afterwards. */
void hw_vmcs_clear(struct hw_vmcs *v);
/* VMPTRLD. */
void hw_vmcs_load(struct hw_vmcs *v);

/* VMCSs whose host state is written from now on let exits clear what guests have left in
 * registers and in the return stack buffer; history: and of their branches (vmx/stub.S). Before
 * any VM is made. */
void vmx_guard_exits(bool history);

/* Host state and the like in the current VMCS, the same in every VMCS of a VM on this CPU. */
void vmcs_write_host_state(uint64_t cr3);
/* What of it is another on each CPU: for a VMCS that has moved here. */
void vmcs_write_host_cpu(void);
/* Drops all guest translations of this CPU. */
void vmx_flush_all(void);

/* VMWRITE of a field that must exist: panics otherwise. */
void vmcs_write_setup(uint32_t encoding, uint64_t value);

/* A control word that the machine accepts: what is wanted plus what must be 1, minus what must
 * be 0. `msr` is MSR_VMX_PIN etc.; the TRUE variant is used where it exists. */
uint32_t vmx_adjust(uint32_t msr, uint32_t wanted);
/* The bits that may be 1. */
uint32_t vmx_allowed1(uint32_t msr);

#endif
