/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of explain; nobody else includes it.
 */
#ifndef NESTOR_NESTED_EXPLAIN_INT_H
#define NESTOR_NESTED_EXPLAIN_INT_H

#include <stddef.h>
#include <stdint.h>

#include "nested/explain.h"
#include "spec/denials.h"
#include "spec/vmx_caps.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct out {
	char *buf;
	size_t size, used;
};

enum word {
	WORD_NONE,
	WORD_PIN,
	WORD_PROC,
	WORD_PROC2,
	WORD_PROC3,
	WORD_EXIT,
	WORD_ENTRY,
	WORD_CR0,
	WORD_CR4,
	WORD_EFER,
	WORD_DEBUGCTL
};

struct bit_limits {
	uint64_t must_be_1, may_be_1;
};

/* ---- explain_put.c ---- */

void explain_put(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Words in which $ stands for the width of addresses (0: N), # for the value. */
void explain_put_words(struct out *o, const char *text, unsigned width, uint64_t value);
/* "26.2.1.1 Title" as 26.2.1.1 "Title", and its numbers in other editions; "" is nothing. */
void explain_put_section(struct out *o, const char *sdm);

/* ---- explain.c ---- */

/* "; bit 5 (ENABLE_VPID) must be 0" for the first few, and how many more. */
void explain_put_bad_bits(struct out *o, enum word word, uint64_t value, struct bit_limits l);

/* ---- explain_denial.c ---- */

const char *explain_denial_name(enum denial why);
/* What follows the place, for each kind of report that says why by enum denial. */
void explain_put_fault(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps);
void explain_put_msr(struct out *o, const struct nested_report *r, const struct vmx_caps *caps);
void explain_put_misconfig(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps);
void explain_put_abort(
	struct out *o, const struct nested_report *r, const struct vmx_caps *caps);
/* The entry of an MSR list that could not be loaded or stored. */
void explain_put_list_entry(struct out *o, const struct nested_report *r, const char *list,
	const struct vmx_caps *caps);

#endif
