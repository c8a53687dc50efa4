/*
 * A VM and its vCPUs: memory, state, run queue, and what vm/ offers to its own files and to the
 * glue of nested/. One struct vm_box (vm_int.h) per VM holds everything in memory that only this
 * VM's host address space maps.
 */
#ifndef NESTOR_VM_VM_H
#define NESTOR_VM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/lock.h"
#include "dev/dev.h"
#include "lib/limits.h"
#include "mm/pool.h"
#include "nested/nested.h"
#include "policy/vm_config.h"
#include "spec/addr.h"
#include "spec/regs.h"
#include "spec/vmx.h"
#include "vmx/ept.h"
#include "vmx/vmx.h"

#define VM_MAX       LIMIT_VMS
#define VM_MAX_SLOTS 2

/* By enum reg. RSP is in the VMCS: r[REG_RSP] has it during an emulation only (vm/seam_emul.h). */
struct guest_regs {
	uint64_t r[REG_COUNT]; /* RSP is in the VMCS: r[REG_RSP] is not used */
};

/* Why a vCPU must be looked at before its next entry. Bits of vcpu->events; other CPUs may set
 * them (atomically), only the CPU that runs the vCPU clears them. */
enum vcpu_event {
	EVENT_IRQ = 1 << 0,   /* platform_irq_pending may have a vector */
	EVENT_NMI = 1 << 1,   /* an NMI waits */
	EVENT_INIT = 1 << 2,  /* INIT IPI */
	EVENT_SIPI = 1 << 3,  /* start-up IPI, vector in sipi_vector */
	EVENT_TIMER = 1 << 4, /* the platform's deadline may have changed */
	EVENT_STOP = 1 << 5,  /* the VM ended */
	EVENT_YIELD = 1 << 6, /* time slice over, or nothing to run: go through schedule() */
	EVENT_FLUSH = 1 << 7  /* guest translations of this VM have changed: drop them all */
};

enum vcpu_state {
	VCPU_RUNNABLE,
	VCPU_HALTED,    /* HLT: until an interrupt, NMI or INIT */
	VCPU_WAIT_SIPI, /* after INIT */
	VCPU_STOPPED    /* the VM ended */
};

/* Exits by level they came from, and time. Index 0: L0, 1: L1, 2: L2. */
struct vcpu_stats {
	uint64_t exits[3][EXIT_REASON_COUNT]; /* [0] is not used */
	uint64_t ticks[3];
	uint64_t nested_exits;   /* delivered to L1 */
	uint64_t nested_entries; /* L1's VMLAUNCH and VMRESUME that reached L2 */
	uint64_t injected;       /* interrupts */
};

struct vm;
struct explain_ring;
struct sched_node;
struct cpuid_table;
struct mtrr_state;
struct nested_hw;
struct vcpu_saved;

#define NO_CPU UINT32_MAX

/* Pass-through MSRs that are in no VMCS: they stay in the CPU until another vCPU runs. */
#define VCPU_SWITCHED_MSRS 6
extern const uint32_t vcpu_switched_msrs[VCPU_SWITCHED_MSRS];

/* VPIDs of a vCPU: vcpu_vpid01 for L1, the VPID02_SLOTS behind it for L2. */
#define VPIDS_PER_VCPU (1 + VPID02_SLOTS)

struct vcpu {
	struct guest_regs regs; /* offset 0; vmx/stub.S */
	struct hw_vmcs *vmcs;   /* the current one: &vmcs01, or a VMCS02; vmx/stub.S */
	uint32_t events;        /* enum vcpu_event */
	uint32_t deferred; /* enum vcpu_event to post after the next exit, which is at once */
	bool init_latched; /* INIT arrived in VMX root operation: blocked there */
	bool nmi_waits;    /* an NMI is blocked: until the NMI window, or the level changes */
	bool injecting;    /* an event for the next entry is in the current VMCS */
	uint8_t sipi_vector;
	uint64_t entry_tsc;      /* host TSC at the last entry */
	uint64_t exit_tsc;       /* host TSC at the last exit */
	uint64_t entry_deadline; /* host TSC for the preemption timer; DEV_NEVER: none */
	struct vm *vm;
	unsigned index;          /* in vm->vcpus; the APIC id */
	enum vcpu_state state;   /* only its own CPU writes it */
	struct sched_node *node; /* in the run queue of its CPU; NULL before and after */
	unsigned home;           /* the CPU where its VMCSs are active, or NO_CPU */
	uint64_t deadline;       /* of its timers, as host TSC; DEV_NEVER: none */
	struct hw_vmcs vmcs01;
	uint32_t proc01; /* its primary controls */
	struct cpuid_table *cpuid;
	uint64_t tsc_adjust; /* IA32_TSC_ADJUST: its TSC minus the VM's */
	uint64_t xcr0;       /* L1's; loaded while the vCPU runs */
	uint64_t xss;
	uint64_t dr[5]; /* DR0 to DR3, DR6; while not on a CPU, like the following */
	uint64_t cr2;   /* while not on a CPU, like the following */
	uint64_t msr[VCPU_SWITCHED_MSRS]; /* in the order of vcpu_switched_msrs */
	uint8_t *xsave;                   /* one page */
	struct mtrr_state *mtrr;
	struct vcpu_stats stats;
	enum dev_apic_mode apic_mode; /* that VMCS01 is set up for */
	uint64_t eoi_exit[4];         /* EOI-exit bitmaps of VMCS01 */
	struct nested nested;
	struct vcpu_saved *saved;    /* with selftest=state */
	struct nested_hw *nested_hw; /* hardware VMCSs for L2, vm/nested_hw.h */
};

struct mem_slot {
	uint64_t gpa;
	uint64_t size;
	struct hpa hpa;
};

enum vm_end {
	VM_RUNS,
	VM_END_DEBUG_EXIT,
	VM_END_POWEROFF,
	VM_END_RESET,
	VM_END_TRIPLE_FAULT,
	VM_END_ERROR,   /* Nestor could not go on with it */
	VM_END_L0_FAULT /* L0 took a fault in its handling */
};

/* Local APICs that the CPU virtualizes. */
struct vm_apicv {
	bool on;
	bool posted;            /* with posted interrupts */
	bool met_l2;            /* an L2 has run on EPT01 */
	unsigned hidden;        /* reasons why EPT01 does not have access_page */
	struct hpa access_page; /* what EPT01 has at the address of the local APIC */
	uint64_t *msr_bitmap;   /* for VMCS01 of vCPUs in x2APIC mode */
};

struct vm {
	struct vm_config config;
	unsigned id; /* console channel 2 + id */
	struct vcpu *vcpus[DEV_MAX_VCPUS];
	struct mem_slot slots[VM_MAX_SLOTS];
	unsigned slot_count;
	struct page_pool pool;
	struct ept ept01;
	uint64_t host_cr3;
	uint64_t tsc_offset;  /* time of the VM = host TSC + offset; vm/tsc.c for vCPUs */
	struct spinlock lock; /* EPT01, virtual EPT, explanations */
	struct spinlock platform_lock;
	uint64_t *msr_bitmap; /* for VMCS01 of all vCPUs, but see apicv */
	struct vm_apicv apicv;
	struct platform *platform;
	struct nested_vm *nested_vm;
	struct explain_ring *explain; /* refused VM entries and VMX instructions of L1 */
	struct hpa
		void_page; /* ones: what is behind addresses without memory, if it must be mapped */
	struct hpa vmread_bitmap, vmwrite_bitmap; /* with VMCS shadowing for L1 */
	enum vm_end end;
	uint32_t end_value;
	uint64_t warned[4]; /* bitmap: things logged once, enum vm_warning and exit reasons */
};

/* ---- memory ---- */

/* The host address behind a guest-physical range of RAM that does not leave its slot, or NULL. */
void *vm_gpa_to_va(const struct vm *vm, uint64_t gpa, uint64_t size);

/* Copies from and to guest RAM, page-wise. 0, or -1 when any byte is not RAM (then nothing is
 * copied). */
int vm_read_gpa(const struct vm *vm, uint64_t gpa, void *dst, uint64_t size);
int vm_write_gpa(const struct vm *vm, uint64_t gpa, const void *src, uint64_t size);

/* What the vCPUs of a VM share; nothing to do for a VM with one. See cpu/lock.h for the order. */
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
 * The translations of the VM have changed, and this CPU has dropped the old ones: the others do so
 * before they next enter one of its vCPUs. wait: returns when none of them can use an old one any
 * more. Callers may hold locks of this VM.
 */
void vm_flush_others(struct vm *vm, const struct vcpu *self, bool wait);

/* ---- events and the current VMCS (of whatever level) ---- */

/* Posts events: the vCPU looks at them before its next entry, and wakes up for it. Any CPU. */
void vcpu_post(struct vcpu *vcpu, uint32_t events);

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

/* RIP of the current VMCS behind the instruction that caused the exit; clears STI and MOV-SS
 * blocking. */
void vcpu_skip(struct vcpu *vcpu);
/* The same for an instruction of this length. */
void vcpu_step_over(struct vcpu *vcpu, uint64_t length);

/* Makes `v` (VMCS01 or a VMCS02 of this vCPU) the current VMCS. */
void vcpu_use_vmcs(struct vcpu *vcpu, struct hw_vmcs *v);

/* Interrupt-window or NMI-window exiting of the current VMCS. */
void vcpu_set_proc(struct vcpu *vcpu, uint32_t bit, bool on);

/* ---- exits ---- */

/* Runs L0's handler of this exit reason on the current VMCS. */
void vcpu_handle_exit(struct vcpu *vcpu, uint32_t reason);

/* ---- MSRs as L1's RDMSR/WRMSR; false means #GP. ---- */
bool vm_rdmsr(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool vm_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* ---- life ---- */

/* Ends the VM: all its vCPUs stop at their next entry. `why` is for the log. */
void vm_stop(struct vm *vm, enum vm_end end, uint32_t value, const char *why);

/* The host memory of a VM: its RAM; everything about it; and the address space that maps both. */
struct vm_memory {
	struct hpa ram, pool;
	uint64_t ram_size, pool_size; /* multiples of SIZE_2M */
	uint64_t cr3;
};

/* Takes what a configuration needs, zeroed. False when there is not so much: says so in the log,
 * nothing is taken then. Boot address space. */
bool vm_memory_take(const struct vm_config *config, bool ram_zeroed, struct vm_memory *m);
/* Returns it; the caller has wiped it. */
void vm_memory_give_back(const struct vm_memory *m);

/* Creates in memory that is zero what a configuration asks for: vCPUs in reset state, platform. NULL
 * when the configuration is impossible; says so in the log. Boot address space. */
struct vm *vm_create(
	const struct vm_config *config, unsigned id, const struct vm_memory *memory);

/* Puts all vCPUs of the VM into run queues. Boot address space. */
void vm_start(struct vm *vm);

/* The vCPU that this CPU runs now, or NULL. */
struct vcpu *vcpu_current(void);

static inline uint16_t vcpu_vpid01(const struct vcpu *vcpu)
{
	return (uint16_t)(1 + (vcpu->vm->id * DEV_MAX_VCPUS + vcpu->index) * VPIDS_PER_VCPU);
}

/* Seam, provided by control/: all vCPUs of the VM have stopped; its address space is current. again:
 * it will be started again. */
void vm_ended(const struct vm *vm, bool again);
/* Seam, provided by control/: no VM runs any more. Reports and ends the machine. */
_Noreturn void all_vms_ended(void);

#endif
