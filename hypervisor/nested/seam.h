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
void seam_read_hot(struct nvmcs *v);         /* GROUP_HOT of VMCS02 -> VMCS12 */
void seam_read_rare(struct nvmcs *v);        /* GROUP_RARE */
void seam_write_hot(const struct nvmcs *v);  /* GROUP_HOT of VMCS12 -> VMCS02 */
void seam_write_rare(const struct nvmcs *v); /* GROUP_RARE */

/* Shadow VMCS of v <-> VMCS12; the current VMCS is kept. The read returns the CHK_* flags of the
 * fields that changed (enum vmcs_field_flags). */
uint32_t seam_shadow_read(struct nested *n, struct nvmcs *v);
void seam_shadow_write(struct nested *n, struct nvmcs *v);

/* VMCLEAR of VMCS02 and shadow VMCS of v and their reset to the state of a new VMCS. */
void seam_nvmcs_reset(struct nested *n, struct nvmcs *v);

/* ---- L1's memory ---- */

/* Copies; 0, or negative when any byte is outside L1's RAM (nothing is copied then). */
int seam_l1_read(struct nested *n, struct gpa_l1 a, void *dst, uint32_t len);
int seam_l1_write(struct nested *n, struct gpa_l1 a, const void *src, uint32_t len);

/* The host address of a whole page of L1's RAM for bitmaps and tables, or NULL. */
void *seam_l1_page(struct nested *n, struct gpa_l1 a);
/* The host-physical address behind it and how much is contiguous and aligned alike around it
 * (PAGE_SIZE, SIZE_2M or SIZE_1G). False when it is not RAM. */
bool seam_l1_translate(struct nested *n, struct gpa_l1 a, struct hpa *hpa, uint64_t *page_size);

/* ---- pages for EPT02, bitmaps ---- */

/* A zeroed page of the VM's bounded pool, or NULL. */
void *seam_page_get(struct nested *n);
void seam_page_put(struct nested *n, void *page);
struct hpa seam_page_hpa(const void *page);
void *seam_page_va(struct hpa hpa);

/* ---- flushes of the real TLB, all CPUs this VM runs on ---- */

void seam_flush_ept(struct nested *n, uint64_t eptp02);
void seam_flush_vpid(struct nested *n, uint16_t vpid02);
void seam_flush_vpid_address(struct nested *n, uint16_t vpid02, uint64_t linear);

/* ---- L1's vCPU ---- */

/* Queue an exception for L1 (the instruction is not completed). */
void seam_inject(struct nested *n, uint8_t vector, bool has_error_code, uint32_t error_code);
void seam_set_cr2(struct nested *n, uint64_t linear);
/* MSR accesses as L1 (or the VM-entry/exit MSR lists on its behalf) would make them; false
 * where WRMSR/RDMSR would raise #GP or the MSR is not L1's to touch. */
bool seam_rdmsr(struct nested *n, uint32_t msr, uint64_t *value);
bool seam_wrmsr(struct nested *n, uint32_t msr, uint64_t value);
/* Time, for L1's preemption timer: guest TSC of L1. */
uint64_t seam_l1_tsc(struct nested *n);
/* The triple fault or VMX abort of L1: ends the VM with this reason. */
void seam_l1_shutdown(struct nested *n, const char *why);

#endif
