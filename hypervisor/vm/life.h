/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lives of VMs: from the images to the run, through restarts, to the return of their
 * memory.
 *
 * What a life leaves behind is wiped before anybody gets it. That is done in pieces between the
 * slices of other VMs, by the CPU where the VM ended. Before, it sends what its display shows,
 * if anybody wants to see that.
 */
#ifndef NESTOR_VM_LIFE_H
#define NESTOR_VM_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/scenario.h"

struct vm;

/* Before any CPU schedules: the boot address space, which maps all memory and the images. */
void life_init(uint64_t boot_cr3);

/* Creates and loads VM `id`. The images stay where they are for the whole run. Boot address
 * space. NULL, or what is wrong; "" when the log says it already. */
const char *life_begin(unsigned id, const struct vm_images *images);
/* Starts VMs 0 to count - 1, all of which have begun. */
void life_start(unsigned count);

/* Does the run wait for the end of such a VM? For all, if all are in the background. */
bool life_awaits(const struct vm_config *c);
/* Have all VMs ended that the run waits for? */
bool life_is_over(void);

/*
 * For vm/sched.c: a vCPU of VM `id` has stopped for good, and this CPU has left the VM's
 * address space, which goes away some time after the last of them. The address space may be
 * another afterwards.
 */
void life_vcpu_ended(struct vm *vm, unsigned id);

/* For vm/sched.c: does one piece of what this CPU has to do after VMs ended. True: there is
 * more. The address space is another afterwards. */
bool life_work(void);

#endif
