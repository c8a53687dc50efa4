/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What whoever manages a VM changes of it while the run goes: what its configuration says from
 * now on (life_images, policy/changes.h), and what a VM that runs has of that.
 */
#ifndef NESTOR_VM_CHANGE_H
#define NESTOR_VM_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cpu_set.h"

struct cdrom_medium;
struct vm;
struct vm_images;

/* What is in a drive by a word of changes.h, in the VM's address space. */
struct cdrom_medium vm_medium(const struct vm_images *vm, unsigned drive, uint64_t medium);

/* Weight and pins of a VM that starts are what was asked for meanwhile. Any address space. */
void change_follow_cpus(unsigned id);
/* Any CPU, any address space. At once, and for later starts. vm: life_images(id). */
void change_weight(unsigned id, struct vm_images *vm, uint32_t weight);
/* CPUs that may run it. False: none of these runs VMs; nothing has changed. */
bool change_pins(unsigned id, struct vm_images *vm, const struct cpu_set *cpus);

/* ---- in the VM's address space, by the CPU that has its first vCPU ---- */

/*
 * A word of changes.h. False: the guest has locked the drive, and now knows what is wanted.
 */
bool vm_change_medium(struct vm *vm, unsigned drive, uint64_t medium, bool force);
void vm_change_link(struct vm *vm, unsigned net, bool up);
/* With its virtual functions; the guest sees the link go down and up. */
void vm_change_network(struct vm *vm, unsigned net, uint8_t number);

/*
 * What is behind a root port, for which the configuration has something, comes into its slot;
 * goes: the guest is asked, and gives it when it turns the slot off, which a record says, or it
 * goes at once (force, or the slot is off already). It holds for later starts, too; a guest
 * that was asked does not find it at its next start. fresh: a bay has what the host put there
 * since. network: not NULL, a network device is on that one from now on. NULL, or why not.
 */
const char *vm_attach(struct vm *vm, unsigned port, bool fresh, const uint8_t *network);
const char *vm_detach(struct vm *vm, unsigned port, bool force, bool *gone);

/* What was changed after the VM was created and before it ran becomes so. */
void vm_follow(struct vm *vm);

#endif
