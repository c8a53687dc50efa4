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
/* What VMs there shall be, to which life_define adds. */
void life_plan(struct scenario *s);
/* VMs that there may be at a time. */
unsigned life_places(void);

/* Creates and loads VM `id`. The images stay where they are for the whole run. Boot address
 * space. NULL, or what is wrong; "" when the log says it already. */
const char *life_begin(unsigned id, struct vm_images *images);
/* All VMs have begun: starts those that shall start now. */
void life_start(void);

enum life_is {
	LIFE_IS_RUNNING,
	LIFE_IS_PAUSED,
	LIFE_IS_ENDING, /* or about to begin again */
	LIFE_IS_OFF,
	LIFE_IS_GONE /* it ended for good */
};

struct life_view {
	enum life_is is;
	uint32_t restarts;
};

/* ---- for whoever manages VMs; any CPU, any address space ---- */

bool life_find(const char *name, unsigned *id);
/* NULL: there is no such VM. What each of its starts begins from; words that change while the
 * run goes are atomic (policy/changes.h, weight and allowed_cpus). */
struct vm_images *life_images(unsigned id);
/* The images that drives of all VMs may be given. */
const struct image_store *life_store(void);
const struct vm_config *life_config(unsigned id);
struct life_view life_view(unsigned id);
/* For vm/operate.c, where the VM is paused. */
void life_set_paused(unsigned id, bool paused);
/* After the end that is about to come it begins again, or does not, whatever restart= says. */
void life_wish(unsigned id, bool again);
/* Shall one of those begin again that this CPU has? Then life_work is due. */
bool life_asked(void);
/* With L0's option keep=on: a VM that is off begins. False: it is not off. */
bool life_switch_on(unsigned id);
/*
 * Also with keep=on, and one call at a time: a VM that is off, like another one (scenario.h,
 * scenario_define). NULL, or why not, until the next call. There is a record of it.
 */
const char *life_define(unsigned like, const char *name, const char *with);
/* After its end, or now if it is off, its memory goes back and its place is free; then there is
 * a record. NULL, or why not. */
const char *life_forget(unsigned id);

/* ---- */

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
