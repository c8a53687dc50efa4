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

struct passed {
	struct vpass_function f;
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
