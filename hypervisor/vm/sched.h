/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run queues: which vCPU runs where. What the scheduler keeps for each CPU lies in the part of
 * struct percpu that cpu/ leaves to the layers above, so that a CPU reaches its own through GS
 * (docs/decisions/0022-scheduler-per-cpu.md).
 */
#ifndef NESTOR_VM_SCHED_H
#define NESTOR_VM_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/lock.h"
#include "cpu/percpu.h"
#include "lib/cpu_set.h"

struct vcpu;

/* Where every address space has it, so that the scheduler sees the vCPUs of all VMs. */
struct sched_node {
	struct vcpu *vcpu;
	struct sched_node *next; /* in the queue of its CPU */
	uint64_t cr3;            /* of its VM */
	uint64_t deadline;       /* copy of vcpu->deadline */
	uint64_t vtime;          /* ticks it has run, divided by its weight */
	uint16_t vm, index;      /* whose vCPU it is, and which */
	uint32_t tenant;         /* vcpu->tenant */
	uint64_t lines;          /* of the machine that interrupted for it, messages; any CPU */
	uint32_t weight;         /* atomic */
	uint32_t home;           /* the node of the machine that it prefers; NODE_ANY: none */
	uint32_t held;   /* of these: the vCPU knows of them; written by its CPU; atomic */
	uint32_t posted; /* enum vcpu_event, by CPUs that cannot see the vCPU; atomic */
	uint32_t cpu;    /* whose queue it is in; changed by that CPU only */
	uint64_t since;  /* host TSC since which it could run and does not; 0: no; atomic */
	bool direct;     /* units of the machine post for it, and notify its CPU */
	bool slept;      /* since it ran last */
	bool runnable;   /* may be written by any CPU */
	bool used;       /* claimed by any CPU, by an exchange */
	bool there;      /* its vCPU is in a queue, or on its way to one; atomic */
};

/* What other CPUs may touch, by atomic accesses or under the lock. */
struct sched_shared {
	struct sched_node *guest; /* whose vCPU runs in guest mode here; NULL: L0 runs */
	struct sched_node *queue; /* the vCPUs that are this CPU's */
	struct spinlock lock;     /* of queue */
	bool resched;             /* the queue changed: look at it; set before a kick */
	bool strays;              /* some of the queue may not run here any more; likewise */
};

struct sched_cpu {
	struct sched_node *node; /* of the vCPU whose VMCS is loaded; NULL: of none */
	uint64_t slice_end;      /* host TSC at which the running vCPU must give way */
	uint64_t run_start;      /* host TSC at which it was picked */
	uint64_t cut;            /* host TSC at which timers of those that wait ran last */
	uint32_t tenant;         /* of the vCPU that ran here last; 0: none has */
	uint64_t vclock;         /* virtual time of this CPU's queue; others read it */
	uint32_t probe;          /* where it looked for a CPU with less to run last */
	bool crowded;            /* as other CPUs see it (balance.c) */
	struct sched_shared shared __attribute__((aligned(PERCPU_LINE)));
};

_Static_assert(sizeof(struct sched_cpu) <= PERCPU_UPPER, "does not fit into struct percpu");
_Static_assert(_Alignof(struct sched_cpu) <= PERCPU_LINE, "more than struct percpu aligns it");

static inline struct sched_cpu *sched_cpu(unsigned cpu)
{
	return (void *)percpus[cpu]->upper;
}

static inline struct sched_cpu *sched_this_cpu(void)
{
	return (void *)this_cpu()->upper;
}

/* Others only put nodes in front, so that the own CPU needs no lock to walk its queue. */
static inline struct sched_node *sched_first(const struct sched_cpu *c)
{
	return __atomic_load_n(&c->shared.queue, __ATOMIC_ACQUIRE);
}

#define SCHED_GUEST                                                            \
	(offsetof(struct percpu, upper) + offsetof(struct sched_cpu, shared) + \
		offsetof(struct sched_shared, guest))

/* This CPU is about to enter guest mode: what it reads afterwards is read after others can see
 * that. */
static inline void sched_set_guest(struct sched_node *node)
{
	percpu_exchange(SCHED_GUEST, node);
}

/* It is not, or no longer. */
static inline void sched_clear_guest(void)
{
	percpu_clear(SCHED_GUEST);
}

/* vCPUs of all VMs together: each has VPIDs of its own. */
#define SCHED_NODES (65535u / VPIDS_PER_VCPU)

/* So many nodes, in zeroed memory that each address space has; SCHED_NODES at most. */
void sched_make(void *memory, unsigned count);
/*
 * The VM, which has none, has nodes for so many vCPUs; it has none any more. While it has no
 * vCPU in a queue. False: there are not so many left.
 */
bool sched_reserve(unsigned vm, unsigned vcpus);
void sched_release(unsigned vm);
/* The number of the node of its vCPU 0; those of the others follow. */
unsigned sched_first_node(unsigned vm);
/* The node of a vCPU that the VM has one for, whether the vCPU is there or not. */
struct sched_node *sched_node_at(unsigned vm, unsigned vcpu);

/* Before any CPU schedules; boot_space: an address space that is no VM's. */
void sched_init(uint64_t boot_space);

/* Picks a vCPU of this CPU's queue, sleeping until there is one, and makes its VMCS, address
 * space and registers current. Does not return when no VM is left. */
struct vcpu *schedule(void);
/* The vCPU joins the queue of some CPU. Its VMCSs may be active on this one. Its node, which is
 * another's after its end. */
struct sched_node *sched_add(struct vcpu *vcpu);
/* The vCPU may be able to run, or has events to look at. Any CPU. */
void sched_wake(struct vcpu *vcpu);
/* Posts events to a vCPU of a VM, from the address space of any. */
void sched_post(unsigned vm, unsigned vcpu, uint32_t events);
/* The owner of the vCPU, in its address space: they become events of the vCPU. */
void sched_take_posted(struct sched_node *n);
/*
 * For the owner of a vCPU: it knows of these events, and whoever posts them need not tell it;
 * or it shall be told again, and looks afterwards.
 */
static inline void sched_hold(struct sched_node *n, uint32_t events)
{
	__atomic_fetch_or(&n->held, events, __ATOMIC_SEQ_CST);
}

/* True: one of these was held back. */
static inline bool sched_unhold(struct sched_node *n, uint32_t events)
{
	return __atomic_load_n(&n->held, __ATOMIC_RELAXED) != 0 &&
	       __atomic_fetch_and(&n->held, ~events, __ATOMIC_SEQ_CST) & events;
}

/* A request is in the posted-interrupt descriptor of the vCPU. True when it runs in guest mode
 * on another CPU, which has been notified; else it needs an event. Any CPU. */
bool sched_notify_guest(const struct vcpu *vcpu);
/* Requests are in the descriptor of a vCPU of this CPU's queue that does not look by itself. */
void sched_arrived(struct sched_node *n);
/* Returns when the vCPU, which has this event posted, is not in guest mode or has seen the
 * event. */
void sched_wait_out(const struct vcpu *vcpu, uint32_t event);
/* After sched_notify: gives away what waits, or has the running vCPU give way soon. */
void sched_resched(void);
/* Has another CPU asked this one to look at its queue? Then sched_resched is due. */
bool sched_asked(void);
/* Must the vCPU that runs give way, to another one or since the run has taken too long? */
bool sched_slice_over(void);

/* For balance.c. NULL: the vCPU is in no queue; the node may become another's meanwhile. */
struct sched_node *sched_node_of(unsigned vm, unsigned vcpu);
static inline bool sched_is_runnable(const struct sched_node *n)
{
	return __atomic_load_n(&n->runnable, __ATOMIC_ACQUIRE);
}

/* Something in the queue of that CPU has become runnable. */
void sched_notify(unsigned cpu);
/* The registers of the vCPU that this CPU has loaded go to memory; none is current then. */
void sched_put_down(void);
void sched_use_address_space(uint64_t cr3);
/* The one that is no VM's: set once, by sched_init. */
extern uint64_t sched_boot_space;

/* ---- pick.c ---- */

#define SLICE_TICKS 2000000u

/* The vCPU has used so many ticks. */
void sched_charge(struct sched_node *n, uint64_t ticks);
/*
 * Who runs next of this CPU's queue: whose turn it is, if the core is for its VM; else one of
 * the VM that has the core. early: it is not its turn, and it shall have a short slice only.
 * NULL: nobody can; if *again is not DEV_NEVER, not before that or before something changes.
 */
struct sched_node *sched_choose(struct sched_cpu *c, bool *early, uint64_t *again);

/* ---- balance.c ---- */
/* The node joins the queue of a CPU; and leaves the one that it is in. */
void sched_enqueue(struct sched_node *n, unsigned cpu);
void sched_dequeue(struct sched_node *n);
/*
 * It can run from now on: called before it is runnable; and it runs, and is current. Figures
 * only: who is late may spoil one.
 */
void sched_begin_wait(struct sched_node *n);
void sched_end_wait(struct sched_node *n);
/* What a VM has now, for its vCPUs in queues. Any CPU, any address space. */
void sched_change(unsigned vm, uint32_t weight, const struct cpu_set *allowed);
/* Whether one of these CPUs runs VMs. */
bool sched_can_run(const struct cpu_set *cpus);
/* A VM whose vCPUs join queues may run on these. */
void sched_allow(unsigned vm, const struct cpu_set *allowed);
/* If that is flagged, each vCPU of this CPU's queue that may not run here goes where it may. */
void sched_send_strays(void);
/* A CPU for a new node. */
unsigned sched_place(struct sched_node *n);
/* Runnable vCPUs of this CPU's queue, but for `keep`, go to CPUs that sleep, as far as there
 * are. */
void sched_give_away(const struct sched_node *keep);
/* One runnable vCPU of this CPU's queue, but for `keep`, goes to a CPU that has two less to
 * run. */
void sched_level(const struct sched_node *keep);
/*
 * This CPU is about to sleep: others may give it work, and one that has is asked; it does not
 * sleep any more. waits: some of its own wait, which others may take. And whether a CPU has
 * offered that, and nobody has brought it work.
 */
void sched_offer_to_take(bool waits);
void sched_wakes_up(void);
bool sched_is_idle(unsigned cpu);

#endif
