/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a VM's CPUs as plain data, for snapshots and for moving a VM; docs/state.md
 * lists all pieces. Fixed-width members, no pointers, no host addresses. Memory is not part of
 * it.
 */
#ifndef NESTOR_VM_STATE_H
#define NESTOR_VM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/state.h"
#include "nested/state.h"
#include "policy/msr.h"
#include "spec/addr.h"
#include "vm/devices.h"
#include "vm/vm.h"

#define VM_STATE_VERSION 10u

/* Registers that are in no VMCS. */
struct register_state {
	uint64_t gpr[REG_COUNT]; /* RSP is in nested_state.l1 or .l2 */
	uint64_t dr[5];          /* DR0 to DR3, DR6 */
	uint64_t cr2;
	uint64_t msr[VCPU_SWITCHED_MSRS]; /* in the order of vcpu_switched_msrs */
	uint64_t cet[VCPU_CET_MSRS];      /* as vcpu.cet_msr; 0 without CET */
	uint64_t tsc_adjust;
	uint64_t spec_ctrl; /* IA32_SPEC_CTRL: bits that CPUID offers */
	uint64_t xcr0;
	uint64_t xss;
	uint64_t umwait; /* IA32_UMWAIT_CONTROL; 0 without WAITPKG */
	struct mtrr_state mtrr;
	uint8_t xsave[PAGE_SIZE]; /* standard format, SDM volume 1, 13.4 */
};

struct vcpu_saved {
	uint32_t state;  /* enum vcpu_state */
	uint32_t events; /* EVENT_NMI, EVENT_INIT, EVENT_SIPI: the others are found out anew */
	uint32_t deferred;
	uint32_t init_latched;
	uint32_t nmi_waits;
	uint32_t sipi_vector;
	struct register_state registers;
	struct nested_state nested;
};

struct vm_state {
	uint32_t size; /* vm_state_size() */
	uint32_t version;
	uint32_t cpus;
	uint32_t reserved;
	struct platform_state platform; /* the VM's time is in there */
	struct devices_state devices;
	struct vcpu_saved vcpu[]; /* `cpus` of them */
};

static inline uint64_t vm_state_size(unsigned cpus)
{
	return sizeof(struct vm_state) + cpus * sizeof(struct vcpu_saved);
}

/*
 * The vCPU runs nowhere and its registers are in no CPU; it has left its CPU, or is this one's.
 * Its VMCS is current afterwards. Address space of its VM.
 */
void vcpu_get_state(struct vcpu *vcpu, struct vcpu_saved *s);

/*
 * Into a vCPU as vcpu_create leaves it, of a VM with the same configuration on a machine that
 * has what the VM was offered; the VM's TSC offset is set. Same conditions. What the state says
 * is not believed: false, and the vCPU may not run, for values that no vCPU can have.
 */
bool vcpu_set_state(struct vcpu *vcpu, const struct vcpu_saved *s);

/* All vCPUs and devices; none of the vCPUs runs. Set: the VM has been created, and goes on in
 * its own time, as if none had passed. */
void vm_get_state(struct vm *vm, struct vm_state *s);
bool vm_set_state(struct vm *vm, const struct vm_state *s);

#endif
