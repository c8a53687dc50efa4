/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VT-x for payloads: guarded VMX instructions, an L2 that shares the payload's page tables, EPT
 * construction, and the names of outcomes in printed lines.
 */
#ifndef NESTOR_GUESTS_RUNTIME_VMX_H
#define NESTOR_GUESTS_RUNTIME_VMX_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/addr.h"
#include "spec/vmcs.h"
#include "spec/vmx.h"
#include "spec/vmx_features.h"

enum vmx_status {
	VMX_OK = 0,
	VMX_FAIL_INVALID = 1,
	VMX_FAIL_VALID = 2,
	VMX_FAULT = 3,       /* an exception; `trap` tells which */
	VMX_FALL_THROUGH = 4 /* VMLAUNCH or VMRESUME ended without effect and without VMfail */
};

/* Registers of L2; the order is known to vmx_run.S. */
struct l2 {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t launched;
	void *vmcs;
	void *msr_bitmap;
	void *io_bitmap; /* two pages */
	char *stack;     /* one page; the top is GUEST_RSP at the start */
};

/* "ok", "VMfailInvalid", "VMfailValid 12", "#GP(0)"; in a static buffer. */
const char *vmx_outcome(enum vmx_status s);

/* One VMX instruction each; operands in memory as the SDM has them. */
enum vmx_status vmx_vmxon(uint64_t pa);
enum vmx_status vmx_vmxoff(void);
enum vmx_status vmx_vmclear(uint64_t pa);
enum vmx_status vmx_vmptrld(uint64_t pa);
enum vmx_status vmx_vmptrst(uint64_t *pa);
enum vmx_status vmx_vmread(uint64_t field, uint64_t *value);
enum vmx_status vmx_vmwrite(uint64_t field, uint64_t value);
enum vmx_status vmx_vmlaunch(void);
enum vmx_status vmx_vmresume(void);
enum vmx_status vmx_vmcall(void);
enum vmx_status vmx_invept(uint64_t type, const uint64_t descriptor[2]);
enum vmx_status vmx_invvpid(uint64_t type, const uint64_t descriptor[2]);

/* Value of a field of the current VMCS, 0 when VMREAD fails. */
uint64_t vmread(uint64_t field);
/* VMWRITE that must succeed: otherwise the payload ends with a message. */
void vmwrite(uint64_t field, uint64_t value);
/* When set, called for a field that does not exist instead. */
extern void (*vmwrite_absent)(uint32_t field);

/* Does this processor have VT-x, and may it be used? */
bool vmx_supported(void);
/* Sets CR4.VMXE and the feature-control MSR, then VMXON; true on success. */
bool vmx_enable(void);
/* The VMXON region that vmx_enable used on this processor. */
void *vmxon_region(void);
/* A zeroed page with the revision identifier. */
void *vmcs_alloc(void);

/* The control word nearest to `want` that the capability MSR (non-TRUE index) allows. */
uint32_t vmx_adjust(uint32_t msr, uint32_t want);
/* Whether every bit of `want` may be 1. */
bool vmx_can(uint32_t msr, uint64_t want);
/*
 * Features of spec/vmx_features.def, as masks of 1 << enum caps_feature: what this processor
 * has; those that bits of a control field are part of (field: VMCS_PROC2_CONTROLS and so on);
 * those whose controls are 1 in the current VMCS.
 */
uint64_t vmx_features(void);
uint64_t vmx_features_of(uint32_t field, uint64_t bits);
uint64_t vmx_used_features(void);
/* Whether this processor has controls that are part of none: newer ones, with their fields. */
bool vmx_has_unnamed_controls(void);
/* One of the features that this processor lacks, as a mask; 0 when it has all of them. */
uint64_t vmx_lacked_feature(uint64_t features);
/* The name of the feature, of a mask that has one. */
const char *vmx_feature_text(uint64_t feature);

/* Set and clear bits in a control field of the current VMCS. */
void ctl_set(uint64_t field, uint64_t bits);
void ctl_clear(uint64_t field, uint64_t bits);

/*
 * A VMCS, current and complete for a 64-bit L2 at CPL 0 on the payload's own page tables, GDT,
 * IDT and TSS, entered at fn; returning from fn executes VMCALL. No intercepts but HLT and what
 * the processor requires; MSR and I/O bitmaps allocated, zero; MSR bitmaps in use. Registers
 * zero.
 */
void l2_setup(struct l2 *g, void (*fn)(void));
/* The same structure again from the start, at another function. */
void l2_restart(struct l2 *g, void (*fn)(void));
/* The current VMCS, set up on another processor, runs on this one: its page tables. */
void l2_adopt(void);
/* 32-bit protected mode without paging, flat segments; needs unrestricted guest and EPT. */
void l2_protected_mode(void);
/* Real mode at segment 0 based at `base` (below 1 MiB, 16-aligned), IP 0. */
void l2_real_mode(uint32_t base);
/*
 * Virtual-8086 mode on whatever 32-bit paging or PAE paging the VMCS has, otherwise the
 * same.
 */
void l2_virtual_8086(uint32_t base);

/* VMLAUNCH or VMRESUME, whichever g->launched says; sets it after a successful entry. */
enum vmx_status l2_run(struct l2 *g);
/* Moves GUEST_RIP behind the instruction that exited. */
void l2_skip(void);

int l2_enter(struct l2 *g);
void l2_done(void);

struct ept {
	uint64_t *root;
	uint64_t eptp;
};

/* An empty 4-level EPT of write-back type. */
void ept_init(struct ept *e);
/* Maps one page of 4 KiB (level 1), 2 MiB (2) or 1 GiB (3); flags include the memory type. */
void ept_map(struct ept *e, uint64_t gpa, uint64_t hpa, int level, uint64_t flags);
/* The entry that maps gpa at a level, or NULL when no table is there. */
uint64_t *ept_entry(struct ept *e, uint64_t gpa, int level);
/* Identity for [0, bytes) by pages of that level. */
void ept_identity(struct ept *e, uint64_t bytes, int level);
/* Turns EPT on in the current VMCS. */
void ept_use(const struct ept *e);
enum vmx_status invept_single(const struct ept *e);
enum vmx_status invept_global(void);

#endif
