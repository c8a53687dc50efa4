/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why an instruction of L1 failed, in words; and the ring that keeps a VM's last refusals.
 *
 * Owns the wording only: the rules are in entry_*.def and the instructions' own code.
 */
#ifndef NESTOR_NESTED_EXPLAIN_H
#define NESTOR_NESTED_EXPLAIN_H

#include <stddef.h>
#include <stdint.h>

#include "nested/entry_checks.h"
#include "spec/vmx.h"
#include "spec/vmx_caps.h"

enum report_kind {
	REPORT_VMFAIL, /* VMfailValid with `error`; VMfailInvalid without a current VMCS */
	REPORT_FAIL_INVALID, /* VMfailInvalid by itself */
	REPORT_CHECK,        /* a VM-entry check: `check` tells error or exit reason */
	REPORT_MSR_LOAD      /* exit reason 34: an entry of the VM-entry MSR-load list */
};

/* A refusal, as handed to seam_report. */
struct nested_report {
	uint8_t kind;        /* enum report_kind */
	uint8_t instruction; /* exit reason of the instruction in L1 */
	uint8_t error;       /* VM-instruction error number of REPORT_VMFAIL */
	bool no_vmcs;        /* there was no current VMCS */
	uint16_t check;      /* enum check_id of REPORT_CHECK */
	uint64_t l1_rip;
	/*
	 * REPORT_CHECK: value of the check's field; MSR_LOAD: number of the entry; else the
	 * operand: pointer, encoding, type, or the current VMCS.
	 */
	uint64_t value;
	/*
	 * GUEST_CR0_FIXED: bits that are free; MSR_LOAD: index and value of the MSR; VMPTRLD
	 * and VMXON: revision identifier of the region; INVEPT and INVVPID: the descriptor.
	 */
	uint64_t found[2];
};

/* What a report is counted by: checks by their id, then instruction errors, then the rest. */
#define EXPLAIN_ERROR    CHECK_COUNT
#define EXPLAIN_INVALID  (EXPLAIN_ERROR + VMERR_INVALID_INVEPT_INVVPID + 1)
#define EXPLAIN_MSR_LOAD (EXPLAIN_INVALID + 1)
#define EXPLAIN_RULES    (EXPLAIN_MSR_LOAD + 1)

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
 * which rule of the SDM it is. Returns its length; cut to size > 0.
 */
size_t explain_text(
	char *buf, size_t size, const struct nested_report *r, const struct vmx_caps *caps);

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
