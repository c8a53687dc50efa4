/*
 * What nested/ needs from outside. vm/ implements it on hardware, tests and fuzzers in memory. It
 * is resolved at link time; nothing else may be undefined in the pure archive.
 */
#ifndef NESTOR_NESTED_SEAM_H
#define NESTOR_NESTED_SEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/addr.h"
#include "spec/vmcs.h"

struct nested;
struct l2_leftover;
struct nested_report;
struct nvmcs;

/* ---- hardware VMCSs ---- */

/* Make VMCS01 of this vCPU, or the VMCS02 of v, current (VMPTRLD). */
void seam_use_vmcs01(struct nested *n);
void seam_use_vmcs02(struct nested *n, struct nvmcs *v);

/* One field of the current VMCS. */
uint64_t seam_vmread(enum vmcs_fid fid);
void seam_vmwrite(enum vmcs_fid fid, uint64_t value);

/*
 * Copies of field lists between the current VMCS and v->f, straight-line code from the field
 * table. Fields the machine does not have are left alone.
 */
void seam_read_hot(struct nested *n, struct nvmcs *v);  /* GROUP_HOT of VMCS02 -> VMCS12 */
void seam_read_rare(struct nested *n, struct nvmcs *v); /* GROUP_RARE */
void seam_write_hot(
	struct nested *n, const struct nvmcs *v); /* GROUP_HOT of VMCS12 -> VMCS02 */
void seam_write_rare(struct nested *n, const struct nvmcs *v); /* GROUP_RARE */

/*
 * Shadow VMCS of v <-> VMCS12. Which VMCS is current afterwards is undefined. The read fetches the
 * fields L1 may have written and returns the CHK_* flags of those that changed.
 */
uint32_t seam_shadow_read(struct nested *n, struct nvmcs *v);
void seam_shadow_write(struct nested *n, const struct nvmcs *v);
/* After an exit of L2: only what such an exit changes, GROUP_INFO, GROUP_HOT, the event, and the
 * interrupt status when VMCS02 has it. */
void seam_shadow_write_exit(struct nested *n, const struct nvmcs *v);
/*
 * The shadow VMCS of v, a VMCS that L1 itself uses as a shadow: it holds all fields, and f is a
 * copy. Which VMCS is current afterwards is undefined, but for seam_shadow_get: VMCS01.
 */
void seam_shadow_load_all(struct nested *n, const struct nvmcs *v);
void seam_shadow_store_all(struct nested *n, struct nvmcs *v);
uint64_t seam_shadow_get(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid);
/*
 * VMCS02 is current: L2's VMREAD and VMWRITE reach this shadow (NULL: none) where L1's bitmaps
 * allow it. False when a bitmap is no RAM.
 */
bool seam_shadow_link(struct nested *n, const struct nvmcs *shadow, struct gpa_l1 read_bitmap,
	struct gpa_l1 write_bitmap);
/* L1 enters or leaves VMX operation: hardware serves VMREAD and VMWRITE only inside. VMCS01 is
 * current. */
void seam_shadow_enable(struct nested *n, bool on);
/* One field of it; VMCS01 is current before and after. */
void seam_shadow_write_field(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid);
/* Primary controls of the VMCS02 of v, which is current; vm/ keeps a copy to toggle windows. */
void seam_set_proc_controls(struct nested *n, struct nvmcs *v, uint32_t value);
/* An event for the next entry into the current VMCS (SDM 24.8.3). */
void seam_queue_event(struct nested *n, uint32_t info, uint32_t error_code, uint32_t length);
/* The VMCS that L1's VMREAD and VMWRITE reach by hardware (VMCS01's link pointer); VMCS01 must be
 * current. NULL: none. */
void seam_shadow_select(struct nested *n, const struct nvmcs *v);

/*
 * A VM exit loads L1's host state into VMCS01, which is current (SDM 27.5 "Loading Host State"):
 * all of GROUP_HOST, and the values that the section makes constant. l2 is invalid after a failed
 * VM entry.
 */
void seam_load_l1(struct nested *n, const struct nvmcs *v, const struct l2_leftover *l2);

/* ---- L1's memory ---- */

/* Copies; 0, or negative when any byte is outside L1's RAM (nothing is copied then). */
int seam_l1_read(struct nested *n, struct gpa_l1 a, void *dst, uint32_t len);
int seam_l1_write(struct nested *n, struct gpa_l1 a, const void *src, uint32_t len);

/* The host address of a whole page of L1's RAM for bitmaps and tables, or NULL. */
void *seam_l1_page(struct nested *n, struct gpa_l1 a);
/* The host-physical address behind it and how much is contiguous and aligned alike around it
 * (PAGE_SIZE, SIZE_2M or SIZE_1G), at most what *page_size says before. False when it is not RAM. */
bool seam_l1_translate(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size);

/*
 * Watch a page that holds an EPT12 table: the word of EPT01 that maps it, whose bit 9 ("dirty") the
 * processor sets when L1 writes the page; set now. The caller clears it atomically. Valid as long
 * as the VM. NULL: no RAM, or the machine has no such flag; then nobody knows.
 */
uint64_t *seam_l1_page_watch(struct nested *n, struct gpa_l1 a);
/* Such bits were cleared: returns when no CPU can have the old ones cached. */
void seam_l1_pages_settle(struct nested *n);

/* ---- what the vCPUs of a VM share (struct vept, EPT01): one of them at a time ---- */

void seam_vm_lock(struct nested *n);
void seam_vm_unlock(struct nested *n);

/* ---- flushes of the real TLB ---- */

/* Translations of EPT02: no CPU uses any when it returns, so that tables may be used again. */
void seam_flush_ept(struct nested *n, uint64_t eptp02);
/* This CPU now, each other vCPU of the VM before its next entry that follows its next exit. */
void seam_flush_ept_lazy(struct nested *n, uint64_t eptp02);
/* Those of this vCPU: */
void seam_flush_vpid(struct nested *n, uint16_t vpid02);
void seam_flush_vpid_address(struct nested *n, uint16_t vpid02, uint64_t linear);

/* ---- L1's vCPU ---- */

/* Step over the instruction that exited: RIP, and the interruptibility it ends. */
void seam_skip_insn(struct nested *n);
/* Queue an exception for L1 (the instruction is not completed). */
void seam_inject(struct nested *n, uint8_t vector, bool has_error_code, uint32_t error_code);
void seam_set_cr2(struct nested *n, uint64_t linear);
/* MSR accesses as L1 (or the VM-entry/exit MSR lists on its behalf) would make them; false
 * where WRMSR/RDMSR would raise #GP or the MSR is not L1's to touch. */
bool seam_rdmsr(struct nested *n, uint32_t msr, uint64_t *value);
bool seam_wrmsr(struct nested *n, uint32_t msr, uint64_t value);
/* A VMX abort or triple fault of L1: ends the VM with this reason. */
void seam_l1_shutdown(struct nested *n, const char *why);
/* A refusal worth explaining; counts are bounded by the receiver. */
void seam_report(struct nested *n, const struct nested_report *r);
/* A broken promise of ours; the VM goes on as well as it can. */
void seam_bug(struct nested *n, const char *what);

#endif
