/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bits and masks of integers.
 */
#ifndef NESTOR_LIB_BITS_H
#define NESTOR_LIB_BITS_H

#include <stdint.h>

#define BIT(n)   (1u << (n))
#define BIT64(n) (UINT64_C(1) << (n))

/* The values of an operand of 1 to 8 bytes. */
static inline uint64_t mask_of(unsigned bytes)
{
	return UINT64_MAX >> (64 - bytes * 8);
}

#endif
