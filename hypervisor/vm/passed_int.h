/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of devices that VMs own share: which function is whose.
 */
#ifndef NESTOR_VM_PASSED_INT_H
#define NESTOR_VM_PASSED_INT_H

#include "cpu/fault.h"
#include "spec/ide.h"
#include "vm/iommu.h"
#include "vm/iommu_virtual.h"
#include "vm/passed.h"
#include "vm/passed_virtual.h"

/*
 * A function that one VM may have. One that moves between VMs has one of these for each: the
 * first one says who has it.
 */
struct passed {
	struct vpass_function f;
	struct machine_device device;
	struct passed *first;
	uint32_t holder;   /* of the first: PASSED_NOBODY, or passed_mark(); atomic */
	uint8_t root_port; /* in the VM; 0: it is on bus 0, and the VM's for the whole run */
	unsigned vm;
	const char *name;                 /* of that VM */
	struct iommu_place place;         /* the unit that its requests go through */
	struct passed_physical *physical; /* it is a virtual function of this device; or NULL */
	bool holds;                       /* and is one that must be there */
	struct passed *owner;             /* or its VM makes it of this one; or NULL */
	uint16_t number;                  /* of those */
	uint16_t group;              /* of functions that the machine does not keep apart */
	uint8_t wanted;              /* vectors of L0's that it could use */
	uint8_t messages;            /* that it has, from f.messages.first on */
	struct sched_node *listener; /* who is told of them; atomic */
	bool posts;                  /* its unit puts messages into descriptors of vCPUs */
	struct hpa descriptor[DEV_MAX_VCPUS]; /* if so */
	uint8_t pin;                          /* that its INTx comes in at */
	struct iommu_virtual virtual;
	char refusal[80]; /* why it was refused last */
	uint64_t blocked; /* requests of it that its unit did not let through; atomic */
};

/* Set before VMs run. */
extern struct passed passed[PASSED_MAX];
extern unsigned passed_count;
extern struct passed *passed_sender[MESSAGE_VECTORS];

/* Addresses that nobody has, on machines without firmware; 0: none are left. For claims. */
uint64_t passed_free_memory(uint64_t size, uint64_t alignment);

static inline struct passed *passed_of(const struct vpass_function *f)
{
	return (struct passed *)((uintptr_t)f - offsetof(struct passed, f));
}

#define PASSED_NOBODY 0u
#define PASSED_USED   BIT(31) /* its VM runs with it, or is about to */

static inline uint32_t passed_mark(const struct passed *p)
{
	return (uint32_t)(p - passed) + 1;
}

static inline uint32_t passed_holder_of(const struct passed *p)
{
	return __atomic_load_n(&p->first->holder, __ATOMIC_SEQ_CST);
}

/* Has its VM the function, whether it runs or not; does it run with it? */
static inline bool passed_is_held(const struct passed *p)
{
	return (passed_holder_of(p) & ~PASSED_USED) == passed_mark(p);
}

static inline bool passed_is_used(const struct passed *p)
{
	return passed_holder_of(p) == (passed_mark(p) | PASSED_USED);
}

/* False: it was not so, and nothing was changed. */
static inline bool passed_change(struct passed *p, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(
		&p->first->holder, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* ---- passed.c ---- */

void passed_say(const struct passed *p, const char *what, const char *why);
#define PASSED_NOT_FORGOTTEN \
	"was silenced, but its IOMMU does not say that it forgot its memory"
/* Its messages go to this vCPU; NULL: to nobody. */
void passed_set_listener(struct passed *p, struct sched_node *node);
/* Pins of the machine, bits, are the vCPU's and open, or nobody's and masked. */
void passed_open_pins(uint32_t pins, struct sched_node *node);
void passed_close_pins(uint32_t pins);

/* ---- passed_strays.c ---- */

/*
 * USB controllers that firmware's SMM code has are L0's from now on: with dma=leave those that
 * VMs own alone. Before anything is blocked or silenced, while ECAM is open.
 */
void passed_hand_over(const struct scenario *s);
/* Was this one, of segment 0, asked back? */
bool passed_handed_over(uint16_t bdf);
/* What no VM has can neither reach memory nor interrupt from now on. After the claims. */
void passed_stop_strays(void);

/* ---- seam_pass.c ---- */

/* The local APIC of a CPU that 8 bits name: the first ones have such, if any has. */
uint32_t passed_low_target(void);

/* ---- passed_slot.c ---- */

/*
 * It does not run: what it began with is not in use. keeps: what it has stays its own.
 */
void passed_rest(unsigned vm, bool keeps);
/* In its slot, if its VM has it now. False: no room. */
bool passed_add_in_slot(struct vm *vm, struct vpass *v, struct passed *p);
/* Its unit has no message of it any more. */
void passed_clear_messages(const struct passed *p);

/* Pins that interrupt by edges: those of IDE channels; and all of them. */
static inline uint32_t passed_edges(const struct passed *p)
{
	return (uint32_t)p->f.fixed << IDE_LINE(0);
}

static inline uint32_t passed_pins(const struct passed *p)
{
	return passed_edges(p) | (p->pin != PASSED_NO_PIN ? 1u << p->pin : 0);
}

#endif
