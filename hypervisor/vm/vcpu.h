/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU: what is known of it between two entries. It is in memory of its VM, which only the
 * address space of that VM maps.
 */
#ifndef NESTOR_VM_VCPU_H
#define NESTOR_VM_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/dev.h"
#include "emul/debugger.h"
#include "emul/decode.h"
#include "lib/latency.h"
#include "lib/limits.h"
#include "nested/nested.h"
#include "policy/cet.h"
#include "policy/mitigations.h"
#include "policy/msr.h"
#include "spec/regs.h"
#include "spec/vmx.h"
#include "vmx/vmx.h"

/*
 * By enum reg. RSP is in the VMCS: r[REG_RSP] has it during an emulation only (vm/seam_emul.h).
 */
struct guest_regs {
	uint64_t r[REG_COUNT];
};

/* Why a vCPU must be looked at before its next entry. Bits of vcpu->events; other CPUs may set
 * them (atomically), only the CPU that runs the vCPU clears them. */
enum vcpu_event {
	EVENT_IRQ = 1 << 0,      /* platform_irq_pending may have a vector */
	EVENT_NMI = 1 << 1,      /* an NMI waits */
	EVENT_INIT = 1 << 2,     /* INIT IPI */
	EVENT_SIPI = 1 << 3,     /* start-up IPI, vector in sipi_vector */
	EVENT_TIMER = 1 << 4,    /* the platform's deadline may have changed */
	EVENT_STOP = 1 << 5,     /* the VM ended */
	EVENT_YIELD = 1 << 6,    /* time slice over, or nothing to run: go through schedule() */
	EVENT_FLUSH = 1 << 7,    /* guest translations of this VM have changed: drop them all */
	EVENT_WORK = 1 << 8,     /* a device has work to do */
	EVENT_NET = 1 << 9,      /* frames may have come */
	EVENT_CONSOLE = 1 << 10, /* something was typed at the console; vCPU 0 */
	EVENT_LINE = 1 << 11,    /* lines of the machine's devices interrupted: passed_take */
	EVENT_MANAGE = 1 << 12,  /* somebody asks something: manage_vcpu */
	EVENT_PAUSE = 1 << 13,   /* the VM stands still or goes on: vm->paused */
	EVENT_MEMORY = 1 << 14,  /* RAM that moves: ram_move_on; and there may be some again */
	EVENT_DEBUG = 1 << 15,   /* a debugger: breakpoints changed, or an exit with them */
	EVENT_LOCKS = 1 << 16,   /* split locks are looked at again: denial_enter_cpu */
	EVENT_BAD_MEMORY = 1 << 17 /* machine checks told of memory: bad_memory_leave */
};

/* Deferred, they wait for an exit that comes by itself. */
#define EVENTS_PATIENT ((uint32_t)(EVENT_DEBUG | EVENT_LOCKS))

enum vcpu_state {
	VCPU_RUNNABLE,
	VCPU_HALTED,    /* HLT: until an interrupt, NMI or INIT */
	VCPU_WAIT_SIPI, /* after INIT */
	VCPU_STOPPED,   /* the VM ended */
	VCPU_STARVED    /* until there is memory for it (vm/ram.h), or at slow_until */
};

/* An exit from level 1 or 2 as a number: of its row among the figures. */
#define STAT_ROW(level, reason) ((reason) + ((level)-1) * EXIT_REASON_COUNT)
#define STAT_ROW_NONE           STAT_ROW(3, 0) /* L0 runs for another reason */
#define STAT_ROWS               (STAT_ROW_NONE + 1)
#define STAT_LATENCY(row)       ((row)*LATENCY_BUCKETS)

_Static_assert(STAT_ROWS <= UINT8_MAX, "rows are bytes");

struct vcpu_stats {
	/*
	 * How long L0 ran, from an exit to the entry that follows it, sleep left out: how often
	 * it took so long, by STAT_LATENCY() and latency_bucket(). The exit under way is not in
	 * it yet (vcpu_exits()).
	 */
	uint64_t latency[STAT_ROWS * LATENCY_BUCKETS];
	uint64_t ticks[3];      /* of L0, L1, L2 */
	uint64_t injected;      /* interrupts */
	uint64_t waits;         /* how often it could run, and another vCPU did; ... */
	uint64_t ticks_waiting; /* ... and how long */
};

/* The last exits. */
#define TRACE_SIZE 32

struct exit_trace {
	unsigned at; /* the newest */
	uint64_t rip[TRACE_SIZE];
	uint8_t row[TRACE_SIZE]; /* STAT_ROW() */
};

/* Why a debugger's vCPU stands still. */
enum debug_why {
	DEBUG_NOTHING,
	DEBUG_STEP,
	DEBUG_BREAK, /* about to execute what is at `at` */
	DEBUG_WRITE, /* has written there */
	DEBUG_ACCESS /* has read or written there */
};

struct debug_stop {
	enum debug_why why;
	unsigned level;
	uint64_t rip, at, tsc;
};

/* Where a vCPU is in its program. */
struct debug_mark {
	unsigned level;
	uint64_t rip, rcx;
};

/* What a debugger outside the VM wants of a vCPU (vm/debugger.h). */
struct vcpu_debug {
	bool on;      /* something is to be done at each entry */
	bool loaded;  /* its registers and controls are in the CPU: from entry to exit */
	bool dr;      /* ... and debug registers among them */
	bool control; /* ... and the primary controls are not those that `proc` says */
	bool left;    /* there was an exit since the mark */
	bool quiet;   /* selftest=debugger or pages */
	bool steps, skips;
	bool held;              /* an interrupt waits for the end of the step */
	unsigned step_level;    /* 1, 2, or 0: any */
	struct debug_mark from; /* where the step began */
	struct debug_mark mark; /* before the last exit was handled */
	struct debug_mark skip; /* the breakpoint behind which it goes on */
	struct debug_stop hit;  /* met by the last exit */
	struct debug_stop stop; /* why it stands still; with vm->lock */
	uint32_t generation;    /* of points */
	uint32_t epoch;         /* of vm->debug_epoch */
	uint64_t for_guest;     /* conditions of a #DB that the debugger and the guest share */
	struct debugger_points set;    /* those that shall have a register */
	struct debugger_points points; /* ... and of others those that have one for now */
	struct debugger_pages *pages;  /* of those others; NULL: there were never any */
	struct debugger_plan plan;
	uint64_t own_dr[4], own_dr7; /* the guest's, while they are not in the CPU */
};

struct vm;
struct debugger_pages;
struct explain_ring;
struct sched_node;
struct cpuid_table;
struct nested_hw;
struct vcpu_tracing;

#define NO_CPU UINT32_MAX

/* Pass-through MSRs that are in no VMCS: they stay in the CPU until another vCPU runs. */
#define VCPU_SWITCHED_MSRS 6
extern const uint32_t vcpu_switched_msrs[VCPU_SWITCHED_MSRS];

/* Likewise, of a vCPU with CET: IA32_U_CET, IA32_PL0_SSP to IA32_PL3_SSP. */
#define VCPU_CET_MSRS 5

/* VPIDs of a vCPU: vcpu_vpid01 for L1, the VPID02_SLOTS behind it for L2. */
#define VPIDS_PER_VCPU (1 + VPID02_SLOTS)

/* An instruction that emul/ decoded: guests access devices by few, again and again. */
#define VCPU_DECODED_BITS 3u
struct vcpu_decoded {
	uint64_t key[2]; /* the code bytes, and the mode */
	struct emul_insn insn;
};

/* SDM 24.7.2 "VM-Exit Controls for MSRs": an entry of an MSR list. */
struct msr_list_entry {
	_Alignas(16) uint32_t index;
	uint32_t reserved;
	uint64_t value;
};

struct vcpu {
	struct guest_regs regs; /* offset 0; vmx/stub.S */
	struct hw_vmcs *vmcs;   /* the current one: &vmcs01, or a VMCS02; vmx/stub.S */
	/* What its exits call: vcpu_exit, or what calls that; vmx/stub.S. */
	struct vcpu *(*on_exit)(struct vcpu *vcpu);
	uint32_t events; /* enum vcpu_event */
	/* enum vcpu_event to post after the next exit: at once, but for EVENTS_PATIENT */
	uint32_t deferred;
	uint32_t starved_events; /* enum vcpu_event: until it has memory, or a lock is over */
	bool defers;             /* deferred is not 0: what each exit looks at */
	uint8_t starving;        /* enum ram_want: what it needs before it goes on */
	bool init_latched;       /* INIT arrived in VMX root operation: blocked there */
	bool irq_known;          /* since the last interrupt of L2's exit or notification: */
	bool irq_more;           /* another one waits behind it */
	/* What there is to do when L2 has ended: both are looked at together. */
	union {
		struct {
			/* An NMI is blocked: until the NMI window, or the level changes. */
			bool nmi_waits;
			bool barrier_at_exit; /* vm/mitigate.h */
		};
		uint16_t at_exit_to_l1;
	};
	bool injecting;      /* an event for the next entry is in the current VMCS */
	uint8_t sipi_vector; /* of the last start-up IPI; atomic */
	uint8_t row;         /* STAT_ROW() of the last exit, or STAT_ROW_NONE */
	uint64_t entry_tsc;  /* host TSC at the last entry */
	uint64_t exit_tsc; /* host TSC at the last exit, and so much later as it slept since */
	uint64_t spent;    /* while it does not run: ticks of L0 since its last exit */
	uint64_t entry_deadline; /* host TSC for the preemption timer; DEV_NEVER: none */
	uint64_t rest_tsc;       /* host TSC up to which the rest of its L2 is accounted for */
	struct vm *vm;
	unsigned index;        /* in vm->vcpus; the APIC id */
	enum vcpu_state state; /* only its own CPU writes it, and the next two */
	bool paused;           /* it is not run, whatever its state */
	uint32_t parked;       /* enum vcpu_event that came meanwhile */
	/* In the run queue of its CPU; NULL before and after; atomic. */
	struct sched_node *node;
	unsigned home;        /* the CPU where its VMCSs are active, or NO_CPU */
	uint64_t deadline;    /* of its timers, as host TSC; DEV_NEVER: none; atomic */
	uint64_t slow_until;  /* host TSC before which it does not go on; 0: it may */
	uint64_t work_at;     /* host TSC when it goes on with the work of devices; DEV_NEVER */
	uint64_t work_pause;  /* host TSC until which others' frames wait for its guest */
	uint64_t messages_at; /* host TSC when devices that were silenced may send; DEV_NEVER */
	uint64_t messages_pause; /* host TSC until which the next messages are too early */
	struct hw_vmcs vmcs01;
	uint32_t proc01; /* its primary controls */
	struct cpuid_table *cpuid;
	uint64_t tsc_adjust; /* IA32_TSC_ADJUST: its TSC minus the VM's */
	uint64_t xcr0;       /* L1's; loaded while the vCPU runs */
	uint64_t xss;        /* likewise, if a bit of it may be set */
	uint32_t umwait;     /* likewise, where CPUID offers WAITPKG: IA32_UMWAIT_CONTROL */
	struct cet_offer cet;
	struct msr_offer msrs;
	uint64_t dr[5]; /* DR0 to DR3, DR6; while not on a CPU, like the following */
	uint64_t cr2;   /* while not on a CPU, like the following */
	uint64_t msr[VCPU_SWITCHED_MSRS]; /* in the order of vcpu_switched_msrs */
	uint64_t cet_msr[VCPU_CET_MSRS];  /* vm/cet.c */
	uint8_t *xsave;                   /* one page */
	uint32_t tenant; /* vCPUs with another one are kept apart in branch predictors */
	struct speculation_offer speculation;
	struct msr_list_entry spec_ctrl; /* the guest's, while L0 runs */
	struct msr_list_entry spec_ctrl_host;
	bool spec_ctrl_listed; /* VMCSs have lists with these two */
	bool spec_ctrl_passes; /* ... and VMCS01 a bitmap that lets accesses through */
	struct mtrr_state *mtrr;
	struct vcpu_stats stats;
	struct exit_trace trace;
	struct vcpu_tracing *tracing; /* vm/trace.h; NULL: it was never traced */
	enum dev_apic_mode apic_mode; /* that VMCS01 is set up for */
	uint64_t eoi_exit[4];         /* EOI-exit bitmaps of VMCS01 */
	struct nested nested;
	struct nested_hw *nested_hw; /* hardware VMCSs for L2, vm/nested_hw.h */
	struct vcpu_decoded decoded[1u << VCPU_DECODED_BITS]; /* by a hash of the key */
	struct vcpu_debug debug;
};

#endif
