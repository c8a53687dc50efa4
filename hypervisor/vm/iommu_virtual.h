/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of the machine in a VM that has a virtual VT-d: their unit's tables are what the VM's
 * own say, composed with where its memory is (vtd/mirror.h).
 *
 * Who has turned translation on there, or says that tables changed, waits until the machine's
 * unit does the same; meanwhile a function whose tables are made anew reaches nothing.
 */
#ifndef NESTOR_VM_IOMMU_VIRTUAL_H
#define NESTOR_VM_IOMMU_VIRTUAL_H

#include <stdbool.h>

#include "dev/vvtd.h"
#include "vtd/mirror.h"
#include "vtd/unit.h"

struct passed;
struct vm;

#define IOMMU_FAULTS 8u

enum iommu_follows {
	IOMMU_FOLLOWS_VM, /* the function reaches the VM's memory, as without a virtual unit */
	IOMMU_FOLLOWS_NOBODY, /* nothing */
	IOMMU_FOLLOWS_TABLES  /* what the VM's tables for it say */
};

/* Of one function; with the lock of the platform. */
struct iommu_virtual {
	enum iommu_follows now; /* what the machine's unit has */
	bool making;            /* it will be IOMMU_FOLLOWS_TABLES: the mirror is not done */
	bool lost;  /* the unit may use tables of before: nothing is given it again */
	bool again; /* memory ran out, and it was made anew once */
	struct vvtd_context context;
	struct vtd_mirror mirror; /* with root NULL: there is none */
	struct vtd_tables dead;   /* of before, whose pages go back; no mirror before */
	/* Requests that were blocked: page | 1 for a read | 2 for any; 0: none. Atomic. */
	uint64_t fault[IOMMU_FAULTS];
};

/*
 * The function has come into a VM that runs, where it is this requester: it reaches what the
 * VM's unit says, if there is one. With the lock of the platform, like the next.
 */
void iommu_virtual_begin(struct passed *p, struct vm *vm, uint16_t source);
/*
 * It is silent, and leaves: it reaches nothing, nor does it follow. Its tables go back to the
 * VM's pool in pieces (dev_remap_work). NULL, or why its unit has not forgotten it.
 */
const char *iommu_virtual_leave(struct passed *p);

/* The function is silent: nothing follows from its VM's unit any more. */
void iommu_virtual_end(struct passed *p);

/*
 * Functions of the VM that follow its unit's tables do not reach RAM of it that is wrong any
 * more (cpu/bad_memory.h). What leads there is looked for in so many of their tables, and goes;
 * a function that has more reaches nothing until these were compared, as if it were new. Takes
 * the lock of the platform. NULL, or why they may.
 */
const char *iommu_virtual_leave_bad(struct vm *vm);

/* A request of the function was blocked: its VM is told, if its unit is who decides. */
bool iommu_virtual_fault(struct passed *p, const struct vtd_fault *f);

#endif
