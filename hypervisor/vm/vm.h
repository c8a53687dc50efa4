/*
 * A VM and its vCPUs: memory, state, run queue, and what vm/ offers to its own files and to the
 * glue of nested/. One struct vm_box (vm_int.h) per VM holds everything in memory that only this
 * VM's host address space maps.
 */
#ifndef NESTOR_VM_VM_H
#define NESTOR_VM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/dev.h"
#include "mm/pool.h"
#include "spec/addr.h"
#include "spec/vmx.h"
#include "vmx/ept.h"
#include "vmx/vmx.h"

#define VM_MAX       8
#define VM_NAME_SIZE 32
#define VM_MAX_SLOTS 2

/* In the order of instruction encodings. RSP is in the VMCS: r[REG_RSP] is not used. */
enum reg {
	REG_RAX,
	REG_RCX,
	REG_RDX,
	REG_RBX,
	REG_RSP,
	REG_RBP,
	REG_RSI,
	REG_RDI,
	REG_COUNT = 16
};

struct guest_regs {
	uint64_t r[REG_COUNT];
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
	EVENT_NESTED = 1 << 7 /* for nested/: its hook before entry wants to run */
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

struct vcpu {
	struct guest_regs regs; /* offset 0; vmx/stub.S */
	struct hw_vmcs *vmcs;   /* the current one: &vmcs01, or a VMCS02; vmx/stub.S */
	uint32_t events;        /* enum vcpu_event */
	uint32_t level;         /* whose code the next entry runs: 1 or 2 */
	bool injecting;         /* an event for the next entry is in the current VMCS */
	bool nmi_window;        /* NMI-window exiting is on in VMCS01 */
	bool cr8_exits;
	uint8_t sipi_vector;
	uint64_t entry_tsc; /* host TSC at the last entry */
	uint64_t exit_tsc;  /* host TSC at the last exit */
	struct vm *vm;
	unsigned index; /* in vm->vcpus; the APIC id */
	enum vcpu_state state;
	struct hw_vmcs vmcs01;
	uint64_t cr4_shadow; /* CR4 as L1 wrote it (VMXE included) */
	uint64_t xcr0;       /* L1's; loaded while the vCPU runs */
	uint64_t xss;
	uint64_t feature_control; /* IA32_FEATURE_CONTROL as L1 sees it */
	uint64_t cr2;             /* while not on a CPU, like the following */
	uint64_t msr[8];          /* pass-through MSRs, order of vcpu_switch_msrs */
	uint8_t *xsave;           /* one page */
	uint64_t *warned;         /* bitmap: exit reasons logged once */
	struct vcpu_stats stats;
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
	VM_END_ERROR /* Nestor could not go on with it */
};

struct vm_config {
	char name[VM_NAME_SIZE];
	uint64_t memory;  /* bytes, a multiple of 2 MiB */
	unsigned cpus;    /* 1 to DEV_MAX_VCPUS */
	bool vmx;         /* offer VT-x to L1 */
	bool shadow;      /* offer and use VMCS shadowing where the machine has it */
	bool cmdline0;    /* Multiboot: image name in front of the command line */
	uint8_t protocol; /* enum load_protocol, vm/load.h */
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
	uint64_t tsc_offset; /* guest TSC = host TSC + offset */
	uint64_t deadline;   /* cached platform_deadline, guest TSC */
	void *msr_bitmap;    /* for VMCS01 of all vCPUs */
	void *io_bitmaps;    /* two pages, all ones */
	struct platform *platform;
	enum vm_end end;
	uint32_t end_value;
	uint16_t vpid_base; /* vpid_base + vcpu index for L1; see vpid_for_l2 */
};

/* ---- memory ---- */

/* The host address behind a guest-physical range of RAM that does not leave its slot, or NULL. */
void *vm_gpa_to_va(const struct vm *vm, uint64_t gpa, uint64_t size);

/* Copies from and to guest RAM, page-wise. 0, or -1 when any byte is not RAM (then nothing is
 * copied). */
int vm_read_gpa(const struct vm *vm, uint64_t gpa, void *dst, uint64_t size);
int vm_write_gpa(const struct vm *vm, uint64_t gpa, const void *src, uint64_t size);

/* ---- events and the current VMCS (of whatever level) ---- */

/* The vCPU must look at these before its next entry. Any CPU. */
void vcpu_post(struct vcpu *vcpu, uint32_t events);

/*
 * Writes an event for the next entry into the current VMCS: `info` as in SDM 24.8.3, error code
 * when INTR_INFO_ERROR_CODE is set, instruction length for software events.
 */
void vcpu_inject(struct vcpu *vcpu, uint32_t info, uint32_t error_code, uint32_t length);
/* Hardware exceptions; the instruction is not skipped. */
void vcpu_inject_ud(struct vcpu *vcpu);
void vcpu_inject_gp(struct vcpu *vcpu);
void vcpu_inject_exception(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error);

/* If the exit interrupted the delivery of an event (IDT-vectoring information of the current
 * VMCS), delivers it again at the next entry. For exits that L0 handles without L1. */
void vcpu_redeliver(struct vcpu *vcpu);

/* RIP of the current VMCS behind the instruction that caused the exit; clears STI and MOV-SS
 * blocking. */
void vcpu_skip(struct vcpu *vcpu);

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

/* The vCPU that this CPU runs now. */
struct vcpu *vcpu_current(void);

#endif
