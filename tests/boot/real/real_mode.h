/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For 32-bit payloads: a few bytes of code in real mode, with registers of the caller's.
 */
#ifndef NESTOR_TESTS_BOOT_REAL_MODE_H
#define NESTOR_TESTS_BOOT_REAL_MODE_H

#include <stdbool.h>
#include <stdint.h>

#define REAL_REGS  0x7e00u
#define REAL_STACK 0x7000u /* real mode's is below, and so is the memory that is compared */

struct real_regs {
	uint32_t eax, ebx, ecx, edx, esi, edi, ebp, flags;
	uint16_t sp, unused, es;
};

#define REAL_CARRY 0x01u
#define REAL_ZERO  0x40u

/* As they go in, and as they came out. */
static inline volatile struct real_regs *real_regs(void)
{
	return (volatile struct real_regs *)(uintptr_t)REAL_REGS;
}

/*
 * Executes up to five bytes in real mode, interrupts disabled, with registers and flags of
 * real_regs(). False: the stack pointer is another, or memory below the stack, but for what
 * belongs to the calls in the BIOS data area: keys, screen, ticks, state of drives.
 */
bool in_real_mode(const uint8_t *code, unsigned size);

/* The offset, in segment 0, where real mode goes on behind five bytes of code. */
uint16_t real_site_end(void);

#endif
