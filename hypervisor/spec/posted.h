/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The posted-interrupt descriptor: 64 bytes of memory, by which who sends interrupts to a
 * virtual processor leaves them, and says so with one interrupt (SDM 29.6 "Posted-Interrupt
 * Processing", table 29-1; VT-d 9.12 "Posted Interrupt Descriptor (PID)"). In words of 64 bits.
 */
#ifndef NESTOR_SPEC_POSTED_H
#define NESTOR_SPEC_POSTED_H

#include "lib/bits.h"

#define PID_SIZE      64u /* and aligned so */
#define PID_PIR_WORDS 4u  /* requests, a bit for each vector */
#define PID_CONTROL   4u  /* the word with what follows */
#define PID_ON        BIT64(0)
/* What processors leave to software, and remapping units read. */
#define PID_SN              BIT64(1)
#define PID_NV_SHIFT        16
#define PID_NDST_SHIFT      32
#define PID_NDST_8BIT_SHIFT 8 /* in that, of local APICs of 8 bits */
#define PID_NV(c)           ((uint8_t)((c) >> 16))
#define PID_NDST(c)         ((uint32_t)((c) >> 32)) /* local APICs of 8 bits: in 47:40 */
#define PID_NDST_8BIT(c)    ((uint8_t)((c) >> 40))
#define PID_RESERVED        UINT64_C(0xff00fffc) /* of units; in the lower 32 bits */

/* An entry of the table of "IPI virtualization": an address and, below it, */
#define PID_POINTER_VALID BIT64(0)
#define PID_POINTER_FLAGS 0x3fu /* the others are reserved */

#endif
