/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the debugger; nobody else includes it. */
#ifndef NESTOR_VM_DEBUGGER_INT_H
#define NESTOR_VM_DEBUGGER_INT_H

#include "emul/debugger_code.h"
#include "emul/debugger_view.h"
#include "vm/debugger.h"

/* A page of code with breakpoints that is executable for now. */
struct debugger_open {
	bool any;
	bool steps; /* no register covers it: RIP is looked at behind each instruction in it */
	unsigned level;
	struct vept_root *root; /* in which it is so, with its generation; NULL: in `view` */
	uint32_t generation;
	uint64_t gpa;    /* in that EPT */
	uint64_t linear; /* its address */
	uint64_t rip;    /* of the instruction that needs it */
};

/*
 * What a vCPU needs for soft breakpoints. Of the two open pages one is RIP's or was, and one is
 * the next page, into which the instruction at RIP reaches: only until that is done.
 */
struct debugger_pages {
	struct debugger_code code; /* the VM's, of `generation` */
	struct debugger_frames frames;
	struct debugger_view view;
	uint64_t eptp; /* of the view */
	struct debugger_open open[2];
	unsigned crowded;       /* bits of levels where registers are not enough */
	unsigned resolved;      /* bits of levels whose `frames` have been asked for */
	bool renew;             /* `code` is another one: nothing is open, or known */
	bool viewed;            /* the current VMCS has the view */
	bool filled;            /* the last exit was about the view alone */
	bool fetched;           /* the last exit was a fetch from a page that is not open */
	uint32_t ept_changes;   /* of EPT01, which `view` has seen */
	struct debug_mark from; /* the last entry */
	bool resumes;           /* ... with RFLAGS.RF */
};

/* ---- debugger.c ---- */

uint64_t debugger_linear_rip(void);
bool debugger_has_mtf(void);

/* ---- debugger_pages.c ---- */

/* With vm->lock: what the vCPUs of a VM need, if they have not got it. False: no memory. */
bool debugger_pages_give(struct vm *vm);
bool debugger_pages_give_one(struct vcpu *vcpu);
/* With vm->lock: takes over what the VM has. */
void debugger_pages_take(struct vcpu *vcpu);
/*
 * Before an entry, with the guest's own debug registers known: makes the plan, and the EPT.
 * True: RIP is to be looked at behind the next instruction.
 */
bool debugger_pages_load(struct vcpu *vcpu, const struct debugger_place *place);
void debugger_pages_unload(struct vcpu *vcpu);
/* No debugger is there any more. */
void debugger_pages_off(struct vcpu *vcpu);
/* An EPT violation. True: neither L1 nor L2 is concerned; debugger_pages_exit follows. */
bool debugger_pages_violation(struct vcpu *vcpu, const struct debugger_place *place);
/* The event whose delivery it interrupted goes on. */
void debugger_pages_exit(struct vcpu *vcpu);
/* The breakpoint that the vCPU has come to, where no register tells; or NULL. */
const struct debugger_point *debugger_pages_look(
	struct vcpu *vcpu, const struct debugger_place *place);
/* It stands still: what it is about to execute is asked anew. */
void debugger_pages_close(struct vcpu *vcpu);

#endif
