/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time of day as a PC's real-time clock keeps it (MC146818 registers).
 */
#ifndef NESTOR_LIB_CLOCK_H
#define NESTOR_LIB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Registers 0, 2, 4, 7, 8, 9 and B as they were read. */
struct clock_registers {
	uint8_t second, minute, hour, day, month, year;
	uint8_t b; /* bit 2: binary, not BCD; bit 1: 24 hours, not 12 */
};

/* Seconds since 1970; years are those of 2000 to 2099. False: not a time. */
bool clock_seconds(const struct clock_registers *r, uint64_t *seconds);

#endif
