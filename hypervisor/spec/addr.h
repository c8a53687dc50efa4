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

/* 3.3.7.1 "Canonical Addressing", with linear addresses of 48 bits: L1 is never offered 57. */
static inline bool canonical(uint64_t linear)
{
	return linear >> 47 == 0 || linear >> 47 == 0x1ffff;
}

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096u
#define PAGE_MASK  0xfffull
#define SIZE_2M    0x200000ull
#define SIZE_1G    0x40000000ull

#endif
