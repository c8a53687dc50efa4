/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A debugger outside the VM, for L1 and L2: breakpoints, steps, and what it changes. What it
 * needs is in the CPU and the current VMCS only from the last moment before an entry to the
 * first moment behind the exit: all else in L0, what L1 reads of L2 included, finds the guest's
 * own debug registers and controls.
 */
#ifndef NESTOR_VM_DEBUGGER_H
#define NESTOR_VM_DEBUGGER_H

#include <stdbool.h>
#include <stdint.h>

#include "emul/debugger.h"
#include "vm/vcpu.h"

struct vm;

/* ---- the way into the guest and back (vm/exit.c, vm/events.c) ---- */

/* The vCPU, with vcpu->debug.on, is about to be entered. */
void debugger_load(struct vcpu *vcpu);
/*
 * It has left the guest, or was not entered, with vcpu->debug.loaded: the guest's own is back.
 */
void debugger_unload(struct vcpu *vcpu);
/*
 * The same after an exit. True: the exit is the debugger's, whole or in part: debugger_exit
 * follows in place of its handling.
 */
bool debugger_takes(struct vcpu *vcpu, uint32_t reason);
void debugger_exit(struct vcpu *vcpu);
/* L0 has accessed memory for the guest, at a linear address; how: enum emul_watch. */
void debugger_access(struct vcpu *vcpu, uint64_t at, unsigned size, unsigned how);
/* A step is under way here: interrupts that L0 would deliver wait until it is over. */
bool debugger_holds_interrupts(struct vcpu *vcpu);
/* EVENT_DEBUG: whether the vCPU, and so the VM, stands still from now on. */
void debugger_look(struct vcpu *vcpu);

/* A new vCPU, with selftest=debugger or selftest=pages. */
void debugger_selftest(struct vcpu *vcpu);

/* ---- what is asked of it ---- */

/* What debugger_add says. */
enum debugger_added {
	DEBUGGER_ADDED,
	DEBUGGER_FULL,     /* there are DEBUGGER_POINTS, or DEBUGGER_CODE, already */
	DEBUGGER_NO_MEMORY /* in the VM's pool */
};

/*
 * A breakpoint, of all vCPUs of the VM, which has passed debugger_valid. soft: on code, it
 * needs no debug register. One that is there already is there once.
 */
enum debugger_added debugger_add(struct vm *vm, const struct debugger_point *p, bool soft);
/* False: there is none like this; `l2` does not count. */
bool debugger_remove(struct vm *vm, const struct debugger_point *p, bool soft);
/* The soft one with a number; false: there are not so many. */
bool debugger_soft(struct vm *vm, uint64_t number, struct debugger_point *p);
/* All breakpoints, steps, and what is known of stops; vCPUs that were left alone go on. */
void debugger_remove_all(struct vm *vm);
/*
 * The vCPU, which is current, stops behind its next instruction at this level (0: any). False:
 * the machine has no monitor trap flag.
 */
bool debugger_step(struct vcpu *vcpu, unsigned level);
/* Why a vCPU of the VM stands still: DEBUG_NOTHING, unless it is for a debugger. */
struct debug_stop debugger_stop_of(struct vm *vm, unsigned vcpu);
/* Had a vCPU, when it was entered last, no register for this breakpoint? */
bool debugger_missing(const struct vm *vm, unsigned point);
/* For records. */
const char *debugger_word(enum debug_why why);
/* They go on, and do not stand still for the same reason again. */
void debugger_forget_stops(struct vm *vm);

/* What debugger_set says. */
enum debugger_set {
	DEBUGGER_SET,
	DEBUGGER_SET_UNKNOWN, /* there is no such register, or it cannot be changed */
	DEBUGGER_SET_VALUE,   /* it cannot have this value */
	/* it can, but not now: an event waits, interrupts are blocked, it is L2 */
	DEBUGGER_SET_STATE
};

/*
 * Changes a register at the level where the vCPU, which is current, is; only to what VM entry
 * takes: rax to r15, rip, rflags but for VM and what is reserved, cr2, fs_base, gs_base; of L1
 * cr0, cr3, cr4, cr8, as by MOV.
 */
enum debugger_set debugger_set(struct vcpu *vcpu, const char *name, uint64_t value);

#endif
