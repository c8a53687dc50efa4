/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of L0's own functions, from the table that the second link pass embeds.
 */
#ifndef NESTOR_CPU_SYMBOLS_H
#define NESTOR_CPU_SYMBOLS_H

#include <stdint.h>

/* The function that contains the address and the offset into it, or NULL. */
const char *symbol_of(uint64_t address, uint64_t *offset);

#endif
