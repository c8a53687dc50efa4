/*
 * What the scheduler keeps for each CPU. It lies in the part of struct percpu that cpu/ leaves to the
 * layers above, so that a CPU reaches its own through GS (docs/decisions/0022-scheduler-per-cpu.md).
 */
#ifndef NESTOR_VM_SCHED_H
#define NESTOR_VM_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/lock.h"
#include "cpu/percpu.h"

struct sched_node;

/* What other CPUs may touch, by atomic accesses or under the lock. */
struct sched_shared {
	struct sched_node *guest; /* whose vCPU runs in guest mode here; NULL: L0 runs */
	struct sched_node *queue; /* the vCPUs that are this CPU's */
	struct spinlock lock;     /* of queue */
	bool idle;                /* sleeps or is about to; whoever clears it brings work */
	bool resched;             /* the queue changed: look at it; set before a kick */
};

struct sched_cpu {
	struct sched_node *node; /* of the vCPU whose VMCS is loaded; NULL: of none */
	uint64_t slice_end;      /* host TSC at which the running vCPU must give way */
	uint64_t run_start;      /* host TSC at which it was picked */
	uint64_t vclock;         /* virtual time of this CPU's queue */
	struct sched_shared shared __attribute__((aligned(PERCPU_LINE)));
};

_Static_assert(sizeof(struct sched_cpu) <= PERCPU_UPPER, "does not fit into struct percpu");
_Static_assert(_Alignof(struct sched_cpu) <= PERCPU_LINE, "more than struct percpu aligns it");

static inline struct sched_cpu *sched_cpu(unsigned cpu)
{
	return (void *)percpus[cpu].upper;
}

static inline struct sched_cpu *sched_this_cpu(void)
{
	return (void *)this_cpu()->upper;
}

#define SCHED_GUEST                                                            \
	(offsetof(struct percpu, upper) + offsetof(struct sched_cpu, shared) + \
		offsetof(struct sched_shared, guest))

/* This CPU is about to enter guest mode: what it reads afterwards is read after others can see that. */
static inline void sched_set_guest(struct sched_node *node)
{
	percpu_exchange(SCHED_GUEST, node);
}

/* It is not, or no longer. */
static inline void sched_clear_guest(void)
{
	percpu_clear(SCHED_GUEST);
}

/* Before any CPU schedules; boot_space: an address space that is no VM's. */
void sched_init(uint64_t boot_space);

#endif
