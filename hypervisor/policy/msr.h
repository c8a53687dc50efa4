/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1's MSRs as far as they are rules and plain state: those of msrs.def, the bitmap of those
 * that need no exit, and the MTRRs. Not here: exits, the LAPIC's MSRs (dev), those of VMX
 * (nested), time (vm). Pure.
 */
#ifndef NESTOR_POLICY_MSR_H
#define NESTOR_POLICY_MSR_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/cpuid.h"
#include "spec/denials.h"
#include "spec/msr.h"
#include "spec/vmx.h"

/* IA32_EFER bits that L1 may set. */
#define EFER_OFFERED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

/* What the rules say of an access, and who has to finish it. */
enum msr_answer {
	MSR_ANSWER_REFUSED,  /* #GP */
	MSR_ANSWER_DONE,     /* nothing is left to do */
	MSR_ANSWER_REGISTER, /* the register itself is L1's: read or write that */
	MSR_ANSWER_TSC       /* the vCPU's time-stamp counter */
};

/* Which of the rules hold for a vCPU, by its CPUID: an MSR without a rule is refused. */
struct msr_offer {
	uint64_t rules; /* by their place in msrs.def */
	unsigned linear_bits;
};

void msr_offer_make(struct msr_offer *o, const struct cpuid_table *t);
/* Whether there is a rule for it. */
bool msr_policy_has(const struct msr_offer *o, uint32_t msr);
/* *value is set with MSR_ANSWER_DONE only. */
enum msr_answer msr_policy_read(const struct msr_offer *o, uint32_t msr, uint64_t *value);
/* Refuses also what WRMSR refuses of a register's value, but for changes of IA32_EFER. */
enum msr_answer msr_policy_write(const struct msr_offer *o, uint32_t msr, uint64_t value);
/* Why one of these two refuses; DENIAL_NONE: it does not. */
enum denial msr_policy_denial(
	const struct msr_offer *o, uint32_t msr, bool write, uint64_t value);
/* SDM 4.1.2 "Paging-Mode Enabling": what of IA32_EFER may change. paging: CR0.PG. Writes of LMA
 * have no effect. */
bool msr_policy_efer_change_valid(uint64_t old, uint64_t value, bool paging);

/* A page: everything exits. */
void msr_bitmap_fill(uint64_t *bitmap);
/* What has a rule that needs no exit does not exit any more. */
void msr_policy_allow(const struct msr_offer *o, uint64_t *bitmap);
/* Reads, or writes, of this MSR do not exit any more. */
void msr_bitmap_allow(uint64_t *bitmap, uint32_t msr, bool write);

#define MTRR_VARIABLE 8u /* pairs */

/* Memory types as L1 set them: kept for reading back, without effect (EPT decides). */
struct mtrr_state {
	uint64_t physical[2 * MTRR_VARIABLE];
	uint64_t fixed[MTRR_FIXED_COUNT];
	uint64_t def_type;
};

/* All memory is write-back, as firmware leaves it. */
void mtrr_reset(struct mtrr_state *m);
/* Where an MTRR is kept; NULL: the MSR is none of these. */
uint64_t *mtrr_slot(struct mtrr_state *m, uint32_t msr);
/* Whether WRMSR takes the value; for an MSR that has a slot. */
bool mtrr_valid(uint32_t msr, uint64_t value, uint8_t maxphyaddr);

#endif
