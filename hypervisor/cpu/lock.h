/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks between CPUs: fair (tickets), not recursive, held for a bounded number of instructions.
 *
 * A CPU takes locks in the order of their ranks only, lowest first. A build with DEBUG=1 checks
 * it. What a CPU holds is on record, so that a contained fault can let go of it.
 */
#ifndef NESTOR_CPU_LOCK_H
#define NESTOR_CPU_LOCK_H

#include <stdint.h>

enum lock_rank {
	LOCK_VM = 1,   /* struct vm: EPT01, virtual EPT */
	LOCK_PLATFORM, /* struct platform: all devices of a VM */
	LOCK_NET,      /* a port of the switch, or what its ports have learned */
	LOCK_POOL,     /* a VM's page pool */
	LOCK_RAM,      /* chunks of a VM's RAM that moves */
	LOCK_PAGES,    /* free host memory */
	LOCK_QUEUE,    /* a CPU's run queue */
	LOCK_VIRTUAL,  /* which virtual functions of the machine there are */
	LOCK_MESSAGES, /* what devices of the machine may send */
	LOCK_IOMMU,    /* the machine's remapping units */
	LOCK_MACHINE   /* registers of the machine behind an index: PCI, the IOAPIC */
};                     /* The output stream has its own lock, below all of these (cpu/mux.c). */

/* Set by a build with DEBUG=1. */
#ifndef LOCK_CHECKS
#define LOCK_CHECKS 0
#endif

struct spinlock {
	uint32_t next;  /* the ticket of who comes next */
	uint32_t owner; /* the ticket of who may go on */
	uint8_t rank;   /* enum lock_rank */
};

#define SPINLOCK(r) ((struct spinlock){.rank = (r)})

void spin_lock(struct spinlock *l);
void spin_unlock(struct spinlock *l);

/* Lets go of all locks of this CPU, whose work on what they protect ended in a fault. */
void spin_unlock_all(void);

#endif
