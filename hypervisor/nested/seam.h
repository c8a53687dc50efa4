/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nested/ needs from outside. vm/ implements it on hardware, tests and fuzzers in memory.
 * It is resolved at link time; nothing else may be undefined in the pure archive.
 */
#ifndef NESTOR_NESTED_SEAM_H
#define NESTOR_NESTED_SEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/addr.h"
#include "spec/vmcs.h"

struct nested;
struct nested_bitmaps;
struct nested_report;
struct nvmcs;

/* ---- hardware VMCSs ---- */

/* Makes VMCS01 of this vCPU, the VMCS02 of v, or the shadow VMCS of v current (VMPTRLD). */
void seam_use_vmcs01(struct nested *n);
void seam_use_vmcs02(struct nested *n, const struct nvmcs *v);
void seam_use_shadow(struct nested *n, const struct nvmcs *v);

/* One field of the current VMCS, which the machine has. */
uint64_t seam_vmread(enum vmcs_fid fid);
void seam_vmread_to(enum vmcs_fid fid, uint64_t *to);
void seam_vmwrite(enum vmcs_fid fid, uint64_t value);

/* The shadow VMCS of v, for link pointers. */
struct hpa seam_shadow_hpa(struct nested *n, const struct nvmcs *v);

/* VMCS01, which is current, gets these VMREAD and VMWRITE bitmaps. */
void seam_use_bitmaps(struct nested *n, const struct nested_bitmaps *b);

/* An event for the next entry into the current VMCS (SDM 24.8.3). */
void seam_queue_event(struct nested *n, uint32_t info, uint32_t error_code, uint32_t length);

/* ---- L1's memory ---- */

/* Copies; 0, or negative when any byte is outside L1's RAM (nothing is copied then). */
int seam_l1_read(struct nested *n, struct gpa_l1 a, void *dst, uint32_t len);
int seam_l1_write(struct nested *n, struct gpa_l1 a, const void *src, uint32_t len);

/* The host address of the whole page of L1's RAM that `a` is in, or NULL. */
void *seam_l1_page(struct nested *n, struct gpa_l1 a);
/* Are addresses that it has given still right, and will be while L1 does not run? */
bool seam_l1_stays(struct nested *n);
/*
 * The host-physical address behind it and how much is contiguous and aligned alike around it
 * (PAGE_SIZE, SIZE_2M or SIZE_1G), at most what *page_size says before. False when it is not
 * RAM.
 */
bool seam_l1_translate(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size);

/*
 * The same for registers of a device of the machine that L1 owns and accesses without an exit;
 * *page_size only says what it may be. The lock is held.
 */
bool seam_l1_device(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size);

/*
 * A field of a hardware VMCS has the host-physical address that seam_l1_translate gave, and may
 * keep it as long as the VM runs: the page stays where it is.
 */
void seam_l1_pin(struct nested *n, struct gpa_l1 a);
/*
 * EPT01 maps this page by an entry of its own from now on, as the APIC-access page of an L2
 * without EPT has to be (SDM 29.4.5 "Issues Pertaining to Page Size and TLB Management").
 */
void seam_l1_single_page(struct nested *n, struct gpa_l1 a);

/*
 * Watch a page that holds an EPT12 table: the word of EPT01 that maps it, whose bit 9 ("dirty")
 * the processor sets when L1 writes the page; set now. The caller clears it atomically, and
 * then flushes EPT01 and waits, since a processor may have the old word cached. Valid as long
 * as the VM. NULL: no RAM, or the machine has no such flag; then nobody knows.
 */
uint64_t *seam_l1_page_watch(struct nested *n, struct gpa_l1 a);

/* ---- what the vCPUs of a VM share (struct vept, EPT01): one of them at a time ---- */

void seam_vm_lock(struct nested *n);
void seam_vm_unlock(struct nested *n);

/* ---- flushes of the real TLB ---- */

/*
 * Translations of EPT02 or EPT01: by this CPU now. wait: by no CPU any more when it returns, so
 * that tables may be used again; otherwise by each other vCPU of the VM before its next entry
 * that follows its next exit.
 */
void seam_flush_ept(struct nested *n, uint64_t eptp, bool wait);
/* By this CPU now; nobody else has to. */
void seam_flush_ept_here(struct nested *n, uint64_t eptp);
/* Those of this vCPU. */
void seam_flush_vpid(struct nested *n, uint16_t vpid02);

/* ---- L1's vCPU ---- */

/* Queue an exception for L1 (the instruction is not completed). */
void seam_inject(struct nested *n, uint8_t vector, bool has_error_code, uint32_t error_code);
/* The same for #PF; CR2 changes when L1 takes it. */
void seam_inject_page_fault(struct nested *n, uint64_t linear, uint32_t error_code);
/*
 * The instruction that is being completed has read or written its operand here, and breakpoints
 * are enabled: what they meet is pending behind it.
 */
void seam_operand(struct nested *n, uint64_t linear, uint32_t len, bool write);
/* MSR accesses as L1 (or the VM-entry/exit MSR lists on its behalf) would make them; false
 * where WRMSR/RDMSR would raise #GP or the MSR is not L1's to touch. */
bool seam_rdmsr(struct nested *n, uint32_t msr, uint64_t *value);
bool seam_wrmsr(struct nested *n, uint32_t msr, uint64_t value);
/* CR4_OF_CPUID of VMCS01 changed, which CPUID shows. */
void seam_cpuid_changed(struct nested *n);

/* PKRU of the guest; its CR4.PKE is 1. */
uint32_t seam_pkru(struct nested *n);
/* L1's local APIC: acknowledges the interrupt that it signals, and ends it at once if it is the
 * notification (-1: none is); the vector, negative if there is none any more. */
int seam_irq_ack(struct nested *n, int notification);
/*
 * L1's local APIC sends a fixed interrupt as by a write of its ICR, to the physical id that
 * NDST of a posted-interrupt descriptor has for its mode.
 */
void seam_notify(struct nested *n, uint32_t ndst, uint8_t vector);
/* A VMX abort or triple fault of L1: ends the VM with this reason. */
void seam_l1_shutdown(struct nested *n, const char *why);
/* L2, whose VMCS02 is current, exited for having locked the bus, whoever handles that. */
void seam_bus_locked(struct nested *n);
/* A refusal worth explaining; counts are bounded by the receiver. */
void seam_report(struct nested *n, const struct nested_report *r);
/* A broken promise of ours; the VM goes on as well as it can. */
void seam_bug(struct nested *n, const char *what);

#endif
