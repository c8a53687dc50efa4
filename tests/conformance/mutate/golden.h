/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden VMCSs for mutations: an L2 in one of several modes that sees a few pages only, and
 * begins with one of many instructions ("snippets"). Not here: what is changed, and the outcome
 * (mutate.c).
 */
#ifndef NESTOR_TESTS_CONFORMANCE_MUTATE_GOLDEN_H
#define NESTOR_TESTS_CONFORMANCE_MUTATE_GOLDEN_H

#include "vmx.h"

/* L2's memory, below 1 MiB for real mode; snippet n is at n slots from its start. */
#define GOLDEN_AREA  0x20000u
#define GOLDEN_STACK (GOLDEN_AREA + 0x1000)
#define GOLDEN_DATA  (GOLDEN_AREA + 0x8000)
#define GOLDEN_SLOT  64u

/* The preemption timer's value: L2 runs much shorter. */
#define GOLDEN_TIMER 100000

enum golden_kind {
	GOLD_LONG_EPT,
	GOLD_LONG,
	GOLD_PROTECTED,
	GOLD_REAL,
	GOLD_LEGACY,
	GOLD_COUNT
};

struct golden {
	struct ept ept;         /* what the golden VMCSs with EPT use */
	struct ept ept_no_code; /* another, valid one, without a page to execute */
	uint64_t list[3];       /* MSR areas: entry load, exit load, exit store */
	uint64_t link_good;     /* a page with the VMCS revision identifier */
	uint64_t link_bad;
	unsigned snippets;
};

extern struct golden golden;

/* Allocates all; once. */
void golden_init(void);

/* Makes the golden VMCS of this kind the current one, and the image of L2's memory for it. */
void golden_make(enum golden_kind kind);

/* Restores L2's memory to the image. */
void golden_memory(void);

const char *golden_name(enum golden_kind kind);
uint8_t golden_first_byte(unsigned snippet);

#endif
