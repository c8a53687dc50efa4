/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data of one physical CPU, reached through GS. It is there in every address space: that of the
 * boot CPU lies in the image, that of the others in memory that is taken when it is known how
 * many there are. Only its own CPU touches it, except where a comment says otherwise.
 */
#ifndef NESTOR_CPU_PERCPU_H
#define NESTOR_CPU_PERCPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/asm.h"
#include "cpu/lock.h"
#include "lib/cmci.h"

#define MAX_CPUS   1024u /* pointers; a CPU that is not there costs no more */
#define MAX_HELD   6     /* a lock of each rank */
#define STACK_SIZE 16384u
#define IST_SIZE   4096u

/* What the layers above keep for each CPU; they lay it out (vm/sched.h). */
#define PERCPU_UPPER 128u
#define PERCPU_LINE  64 /* no CPU writes in a line of another's but on purpose */

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS  0x18

/* Bits of struct percpu.detour; vmx/stub.S, cpu/trap.S. NMIs set the first at any moment. */
#define DETOUR_KICKED  1u /* an NMI came since the last entry */
#define DETOUR_FLUSH   2u /* the first-level data cache may have what is another VM's */
#define DETOUR_BARRIER 4u /* branch predictors may have been trained by another VM */
#define DETOUR_CLEAR   8u /* each entry clears buffers of the processor */

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iomap;
} __attribute__((packed));

struct vcpu;

/* What other CPUs may read, by atomic accesses. */
struct cpu_shared {
	bool online;       /* came up to be used; written once by its CPU */
	bool usable;       /* runs VMs; written once by its CPU */
	bool parked;       /* runs nothing; written once by its CPU */
	bool waits;        /* until those that run VMs do so, and then rests; likewise */
	bool checked;      /* takes machine checks; written once by its CPU */
	uint32_t kicks;    /* NMIs that CPUs have sent it (cpu/nmi.h) */
	uint32_t sleep;    /* CPU_WAKES and others; monitored while it sleeps (cpu/idle.h) */
	uint32_t node;     /* mm/node.h; written by the boot CPU before any runs VMs */
	uint32_t progress; /* it has looked for work; counts (vm/watch.h) */
	uint64_t told;     /* its TSC, when that was the latest (cpu/tsc_step.h) */
};

#define CPU_WAKES  0u
#define CPU_SLEEPS 1u /* cpu/trap.S */
#define CPU_HALTS  2u /* an interrupt wakes it, not a store */

/* Where it is in L0, for another CPU that has asked by an NMI. */
struct cpu_place {
	bool asked; /* atomic; what follows is its answer once it is false again */
	uint32_t count;
	uint64_t at[16];
};

struct percpu {
	struct percpu *self;  /* offset 0 */
	struct vcpu *current; /* offset 8: vmx/stub.S; the vCPU whose VMCS is loaded */
	uint64_t stack_top;   /* offset 16: boot/entry.S */
	uint32_t index;       /* 0 is the boot CPU */
	uint32_t apic_id;     /* of the host LAPIC */
	bool in_fault;        /* a fault is being reported */
	/* Offset 33: vmx/stub.S. DETOUR_*: why the next entry does not go straight. */
	uint8_t detour;
	uint8_t guards; /* DETOUR_FLUSH, DETOUR_BARRIER: what this CPU needs; constant */
	uint64_t gdt[5];
	struct tss tss;
	struct spinlock *held[MAX_HELD];
	unsigned held_count;
	uint64_t firmware_pat;  /* IA32_PAT as it was */
	uint64_t mce_poll_at;   /* host TSC */
	uint64_t power_poll_at; /* likewise */
	uint64_t timer_at;      /* host TSC that the local APIC's timer waits for; 0: none */
	uint64_t slept;         /* ticks that its last sleep by MWAIT took */
	uint64_t late_until;    /* host TSC until which NMIs without a reason are late kicks */
	uint32_t kicks_seen;    /* of shared.kicks */
	uint32_t foreign_nmis;  /* that were no kicks, and nobody has told of */
	uint32_t smis;          /* that it had had when it came up, where it counts them */
	uint32_t tsc_lags;      /* how often its TSC was behind another one's */
	uint32_t mux_ticket;    /* of the output stream's lock, with mux_drawn */
	bool in_mux;            /* it has the lock, wants it, or lets go of it */
	bool mux_drawn;
	uint8_t split_locks; /* enum split_locks (vm/denial.c) */
	bool no_tzcnt;       /* BSF executes it, without BMI1; no_lzcnt: BSR */
	bool no_lzcnt;
	bool notified;    /* a notification of posted interrupts met L0; reset by who asks */
	struct cmci cmci; /* banks whose interrupts it gets */
	struct cpu_place place;
	struct cpu_shared shared;
	uint8_t upper[PERCPU_UPPER] __attribute__((aligned(PERCPU_LINE)));
	uint8_t vmxon_page[4096] __attribute__((aligned(4096)));
	uint8_t stack[STACK_SIZE] __attribute__((aligned(64)));
	uint8_t ist[3][IST_SIZE];
};

/* By index, 0 is the boot CPU; NULL: there is none. */
extern struct percpu *percpus[MAX_CPUS];
/* Indices below have data; those that came up are among them, perhaps with gaps. */
extern unsigned cpu_slots;
/* CPUs that came up; the boot CPU counts. */
extern unsigned cpu_count;

static inline struct percpu *this_cpu(void)
{
	return read_gs_self();
}

/* This CPU looks for work: it does not stand still. */
static inline void percpu_progress(void)
{
	struct cpu_shared *s = &this_cpu()->shared;

	__atomic_store_n(&s->progress, s->progress + 1, __ATOMIC_RELAXED);
}

/* Something happened after which guests need this, if this CPU does it. */
static inline void percpu_detour(uint8_t work)
{
	struct percpu *c = this_cpu();

	if (c->guards & work)
		__atomic_fetch_or(&c->detour, work, __ATOMIC_RELAXED);
}

/*
 * A pointer in this CPU's struct percpu, by its offset, which is a constant: one instruction
 * each. The exchange is a barrier, too: what this CPU reads afterwards is read after others can
 * see it.
 */
static inline __attribute__((always_inline)) void percpu_exchange(size_t offset, void *value)
{
	__asm__ volatile("xchg %0, %%gs:%c1" : "+r"(value) : "i"(offset) : "memory");
}

static inline __attribute__((always_inline)) void percpu_clear(size_t offset)
{
	__asm__ volatile("movq $0, %%gs:%c0" : : "i"(offset) : "memory");
}

/* Data for so many CPUs beside the boot CPU, in memory that is zero. They are not up yet. */
void percpu_make(void *memory, unsigned count);
/* Descriptors, GS, IDT and control registers of the CPU that calls. */
void percpu_init(unsigned index);

#endif
