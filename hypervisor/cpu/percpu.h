/*
 * Data of one physical CPU, reached through GS. It lies in the image, so it is there in every
 * address space. Only its own CPU touches it, except where a comment says otherwise.
 */
#ifndef NESTOR_CPU_PERCPU_H
#define NESTOR_CPU_PERCPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/asm.h"
#include "cpu/lock.h"

#define MAX_CPUS   16
#define MAX_HELD   6 /* a lock of each rank */
#define STACK_SIZE 16384u
#define IST_SIZE   4096u

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS  0x18

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
struct sched_node;

/* What other CPUs may touch, by atomic accesses or under the lock. */
struct cpu_shared {
	struct sched_node *guest; /* whose vCPU runs in guest mode here; NULL: L0 runs */
	struct sched_node *queue; /* the vCPUs that are this CPU's */
	struct spinlock lock;     /* of queue */
	bool online;              /* came up; written once by its CPU */
	bool usable;              /* runs VMs; written once by its CPU */
	bool idle;                /* sleeps or is about to; whoever clears it brings work */
	bool resched;             /* the queue changed: look at it; set before a kick */
};

struct percpu {
	struct percpu *self;  /* offset 0 */
	struct vcpu *current; /* offset 8: vmx/stub.S; the vCPU whose VMCS is loaded */
	uint64_t stack_top;   /* offset 16: boot/entry.S */
	uint32_t index;       /* 0 is the boot CPU */
	uint32_t apic_id;     /* of the host LAPIC */
	bool in_fault;        /* a fault is being reported */
	bool kicked;          /* offset 33: vmx/stub.S; an NMI came since the last entry */
	uint64_t gdt[5];
	struct tss tss;
	struct sched_node *node; /* of current */
	uint64_t slice_end;      /* host TSC at which the running vCPU must give way */
	uint64_t run_start;      /* host TSC at which it was picked */
	uint64_t vclock;         /* virtual time of this CPU's queue, see vm/sched.c */
	struct spinlock *held[MAX_HELD];
	unsigned held_count;
	struct cpu_shared shared __attribute__((aligned(64)));
	uint8_t vmxon_page[4096] __attribute__((aligned(4096)));
	uint8_t stack[STACK_SIZE] __attribute__((aligned(64)));
	uint8_t ist[3][IST_SIZE];
};

extern struct percpu percpus[MAX_CPUS];
/* CPUs that came up; the boot CPU counts. */
extern unsigned cpu_count;

static inline struct percpu *this_cpu(void)
{
	return read_gs_self();
}

#define PERCPU_GUEST offsetof(struct percpu, shared.guest)

/* This CPU is about to enter guest mode: what it reads afterwards is read after others can see that. */
static inline void cpu_set_guest(struct sched_node *node)
{
	__asm__ volatile("xchg %0, %%gs:%c1" : "+r"(node) : "i"(PERCPU_GUEST) : "memory");
}

/* It is not, or no longer. */
static inline void cpu_clear_guest(void)
{
	__asm__ volatile("movq $0, %%gs:%c0" : : "i"(PERCPU_GUEST) : "memory");
}

/* Descriptors, GS, IDT and control registers of the CPU that calls. */
void percpu_init(unsigned index);

#endif
