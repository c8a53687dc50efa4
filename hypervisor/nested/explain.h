/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why something was refused to L1 or L2, in words; and the ring that keeps a VM's last
 * refusals.
 *
 * Owns the wording only: the rules are in entry_*.def, misconfig.def, spec/denials.def and the
 * code that applies them.
 */
#ifndef NESTOR_NESTED_EXPLAIN_H
#define NESTOR_NESTED_EXPLAIN_H

#include <stddef.h>
#include <stdint.h>

#include "nested/entry_checks.h"
#include "spec/denials.h"
#include "spec/vmx.h"
#include "spec/vmx_caps.h"

enum report_kind {
	REPORT_VMFAIL, /* VMfailValid with `error`; VMfailInvalid without a current VMCS */
	REPORT_FAIL_INVALID, /* VMfailInvalid by itself */
	REPORT_CHECK,        /* a VM-entry check: `check` tells error or exit reason */
	REPORT_MSR_LOAD,     /* exit reason 34: an entry of the VM-entry MSR-load list */
	/* These say by `why`, a row of spec/denials.def, as MSR_LOAD does: */
	REPORT_FAULT,         /* a VMX instruction raised exception `error` */
	REPORT_MSR,           /* RDMSR or WRMSR raised #GP */
	REPORT_EPT_MISCONFIG, /* an entry of EPT12 is malformed */
	REPORT_ABORT          /* VMX abort `error`, which ends L1 */
};

/* A refusal, as handed to seam_report. */
struct nested_report {
	uint8_t kind;        /* enum report_kind */
	uint8_t instruction; /* exit reason: of the instruction; ABORT: of L2's exit */
	uint8_t error;       /* VM-instruction error number of REPORT_VMFAIL; see above */
	bool no_vmcs;        /* there was no current VMCS */
	bool l2;             /* rip is L2's, not L1's */
	uint8_t why;         /* enum denial; DENIAL_NONE is none that could be found out */
	uint8_t level;       /* EPT_MISCONFIG: 4 is the PML4 entry */
	uint16_t check;      /* enum check_id of REPORT_CHECK */
	uint64_t rip;
	/*
	 * REPORT_CHECK: value of the check's field; MSR_LOAD, ABORT: number of the entry, or
	 * HOST_CR3; FAULT: what its rule is about; MSR: the value to be written; EPT_MISCONFIG:
	 * the entry; else the operand: pointer, encoding, type, or the current VMCS.
	 */
	uint64_t value;
	/*
	 * GUEST_CR0_FIXED: bits that are free; MSR_LOAD, ABORT: first word of the entry (index
	 * of the MSR) and value, LIST_TOO_LONG: the limit; MSR: its index; EPT_MISCONFIG: the
	 * guest-physical address; VMPTRLD and VMXON: revision identifier of the region; INVEPT
	 * and INVVPID: the descriptor.
	 */
	uint64_t found[2];
};

/* What a report is counted by: checks by their id, instruction errors, refusals, the rest. */
#define EXPLAIN_ERROR   CHECK_COUNT
#define EXPLAIN_DENIAL  (EXPLAIN_ERROR + VMERR_INVALID_INVEPT_INVVPID + 1)
#define EXPLAIN_INVALID (EXPLAIN_DENIAL + DENIAL_COUNT)
#define EXPLAIN_RULES   (EXPLAIN_INVALID + 1)

/* Rule of a report, below EXPLAIN_RULES for any content. */
unsigned explain_rule(const struct nested_report *r);
/* Its id. */
const char *explain_rule_name(unsigned rule);
/* Name of the field that a report is about; "" when there is none. */
const char *explain_field(const struct nested_report *r);
/* The error number or exit reason that L1 got; 0 for VMfailInvalid. */
unsigned explain_error(const struct nested_report *r);
unsigned explain_exit_reason(const struct nested_report *r);

/*
 * One line, without a newline, that says what failed, where, why, what would be allowed and
 * which rule of the SDM it is. Returns its length; cut to size > 0. mark: an address of L1's
 * code is written as @ and hexadecimal digits, for who puts symbols behind them.
 */
size_t explain_text(char *buf, size_t size, const struct nested_report *r,
	const struct vmx_caps *caps, bool mark);
#define EXPLAIN_TEXT 576 /* any of them fits */

/* " (27.2.1.1 since 2023, 29.2.1.1 in 2026)" for a section of the pinned edition, or "". */
size_t explain_editions(char *buf, size_t size, const char *sdm);

/* What the check of this id allows, for the coverage page. */
size_t explain_allowed(char *buf, size_t size, enum check_id id);

/* ---- a VM's refusals ---- */

#define EXPLAIN_RING  64
#define EXPLAIN_SHOWN 16 /* of each rule; more are counted */

struct explain_record {
	struct nested_report report;
	uint64_t tsc;
	uint32_t vcpu;
	uint32_t nth; /* of its rule, from 1; stops at the largest value */
};

struct explain_ring {
	uint64_t total;
	struct explain_record last[EXPLAIN_RING]; /* number `total - 1` is the newest */
	uint32_t count[EXPLAIN_RULES];
};

/* Keeps a report; returns its record, which holds until EXPLAIN_RING more came. Cheap. */
const struct explain_record *explain_add(
	struct explain_ring *ring, const struct nested_report *r, uint32_t vcpu, uint64_t tsc);

#endif
