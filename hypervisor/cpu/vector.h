/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vector registers, which a guest's values stay in while L0 runs. L0 itself uses none.
 */
#ifndef NESTOR_CPU_VECTOR_H
#define NESTOR_CPU_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

/* May those of 256 bits be accessed, with XCR0 as it is? */
bool vector_wide(void);

/* XMM or, wide, YMM. reg: 0 to 15. Setting XMM leaves the rest of the register as it is. */
void vector_get(unsigned reg, uint64_t v[4], bool wide);
void vector_set(unsigned reg, const uint64_t v[4], bool wide);

#endif
