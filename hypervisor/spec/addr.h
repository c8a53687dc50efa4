/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address types. Each level has its own one-member structure, so that mixing levels does not
 * compile; the machine code is that of a plain integer.
 */
#ifndef NESTOR_SPEC_ADDR_H
#define NESTOR_SPEC_ADDR_H

#include <stdbool.h>
#include <stdint.h>

/* L2 guest-physical: what EPT12 translates. */
struct gpa_l2 {
	uint64_t v;
};

/* L1 guest-physical: what EPT01 translates; all pointers in a VMCS12 are of this kind. */
struct gpa_l1 {
	uint64_t v;
};

/* Host-physical: what hardware VMCSs and EPT entries hold. */
struct hpa {
	uint64_t v;
};

/* Linear address in a guest; which one is said by the function that takes it. */
struct gva {
	uint64_t v;
};

/* 3.3.7.1 "Canonical Addressing": linear addresses have 48 bits; 57 with 5-level paging. */
#define LINEAR_BITS      48u
#define LINEAR_BITS_LA57 57u

static inline bool canonical_in(uint64_t linear, unsigned bits)
{
	uint64_t high = linear >> (bits - 1);

	return high == 0 || high == UINT64_MAX >> (bits - 1);
}

/* The nearest that is canonical: bits above that number are as the highest below. */
static inline uint64_t canonical_made(uint64_t linear, unsigned bits)
{
	return (uint64_t)((int64_t)(linear << (64 - bits)) >> (64 - bits));
}

static inline bool canonical(uint64_t linear)
{
	return canonical_in(linear, LINEAR_BITS);
}

/* la57: CR4.LA57 is 1. */
static inline bool canonical_with(uint64_t linear, bool la57)
{
	return canonical(linear) || (la57 && canonical_in(linear, LINEAR_BITS_LA57));
}

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096u
#define PAGE_MASK  0xfffull
#define SIZE_2M    0x200000ull
#define SIZE_1G    0x40000000ull

#endif
