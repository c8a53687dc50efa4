/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of the machine that VMs own: which function is whose, where its interrupt comes in,
 * and its state before and after its VM. What the VM sees of it is dev/vpass.
 */
#ifndef NESTOR_VM_PASSED_H
#define NESTOR_VM_PASSED_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/vpass.h"
#include "policy/scenario.h"
#include "spec/addr.h"

#define PASSED_MAX 16 /* functions of all VMs */

struct sched_node;
struct vcpu;
struct vm;

/* What a VM has of them. */
struct passed_devices {
	unsigned count;                  /* that it may have */
	struct vpass device[PASSED_MAX]; /* f is NULL: it is not there */
	unsigned left;    /* pages of RAM that are wrong, and none of these reaches any more */
	uint32_t pending; /* of these, bits: vm/passed_slot.c has to do with them; atomic */
	uint8_t pin[PASSED_MAX]; /* of the machine's IOAPIC; PASSED_NO_PIN */
	/* Registers of which EPT01 has pages. */
	unsigned mapped_count;
	struct dev_window mapped[PASSED_MAX * PCI_BARS];
};

#define PASSED_NO_PIN UINT8_MAX

/*
 * Looks for all functions that VMs want and makes them quiet. False, with a line in the log:
 * one is not there, or cannot be given away. Boot CPU, before any VM is made.
 */
bool passed_claim(const struct scenario *s);

/*
 * A unit has blocked this. True: it was a function of a VM, which is told, and it is counted.
 */
struct vtd_fault;
bool passed_blocked(const struct vtd_fault *f);
/* How many requests of the VM's functions were blocked, over all its lives. */
uint64_t passed_blocked_count(unsigned vm);

/* Does a VM own this channel, at its fixed ports, of an IDE controller? */
bool passed_has_ide(unsigned channel);

/* The registers of the VM's devices, in its address space. */
bool passed_map(unsigned vm, uint64_t cr3);
/* The functions on the VM's PCI. False: too many. */
bool passed_add(struct vm *vm);

/* Have its devices come out of their reset? Before, the VM may not start again. */
bool passed_ready(unsigned vm);
/* The VM will run: its devices decode. */
void passed_begin(struct vm *vm);
/* Their interrupts go to its first vCPU, which is in a queue now. */
void passed_listen(unsigned vm, struct sched_node *node);
/*
 * All its vCPUs have stopped: its devices write no memory and are silent. Its address space is
 * current. keeps: it may start again, and its virtual functions stay there for it.
 */
void passed_end(unsigned vm, bool keeps);
/* Until passed_ready it needs none of them. Only after passed_end. */
void passed_leave(unsigned vm);

/* ---- what comes and goes; passed_slot.c ---- */

/*
 * Who has the function behind this root port: the name of the VM, which need not run, or NULL.
 * Any CPU.
 */
const char *passed_holder(unsigned vm, unsigned port);
/*
 * The VM has it from now on, or not any more; it does not run, and if it begins just now
 * vm_follow does what is left. NULL, or why not. Any CPU.
 */
const char *passed_hold(unsigned vm, unsigned port);
void passed_drop(unsigned vm, unsigned port);
/* It waits for somebody who starts it, with what it has; it began with nothing. */
void passed_wait(unsigned vm);
/* The number in struct passed_devices; count: there is none. */
unsigned passed_at_port(const struct vm *vm, unsigned port);
/* Into the VM's PCI, and out of it. With the lock of the platform. NULL, or why not. */
const char *passed_attach(struct vm *vm, unsigned port);
void passed_take_out(struct vm *vm, unsigned port);
/*
 * Of functions that were taken out, or that their guest resets, a set: taken before no vCPU
 * reaches registers that are gone, done afterwards, in the address space of the VM.
 */
uint32_t passed_take_pending(struct vm *vm);
void passed_do_pending(struct vm *vm, uint32_t pending);

/* ---- registers ---- */

/*
 * Maps registers of the VM's devices at this address, if it has such and they need no exits.
 * True: EPT01 has them. With the lock of the VM.
 */
bool passed_map_direct(struct vm *vm, uint64_t gpa);
/* What is mapped at this address then, in a page of that size, which it need not have. */
bool passed_translate(struct vm *vm, uint64_t gpa, struct hpa *hpa, uint64_t *size);
/*
 * They may be elsewhere now: EPT01 has none. True: it had some, and must be flushed. Likewise.
 */
bool passed_unmap_direct(struct vm *vm);

/*
 * Lines and messages that came in for this vCPU, as interrupts of its devices. True: its
 * deadline has changed.
 */
bool passed_take(struct vcpu *vcpu);
/*
 * Must this CPU call passed_poll from time to time, whatever its guests do? Where a guest that
 * has interrupts disabled does not exit for one, to take those that wait; and for what the
 * machine's IOMMU has to tell.
 */
bool passed_polls(void);
void passed_poll(void);
/* The host TSC at which this CPU must call passed_poll again, if it sleeps. */
uint64_t passed_sleep_end(void);

#endif
