/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of the high precision event timer: IA-PC HPET Specification 1.0a, chapter 2. All
 * have 64 bits; software accesses 4 or 8 bytes of one, aligned.
 */
#ifndef NESTOR_SPEC_HPET_H
#define NESTOR_SPEC_HPET_H

#include "lib/bits.h"

#define HPET_DEFAULT_BASE UINT64_C(0xfed00000) /* on every PC; ACPI says */
#define HPET_SIZE         0x400u

enum hpet_register {
	HPET_CAPABILITIES = 0x00,
	HPET_CONFIG = 0x10,
	HPET_STATUS = 0x20,
	HPET_COUNTER = 0xf0,
	HPET_TIMER = 0x100, /* and so on, for each timer */
	HPET_TIMER_CONFIG = 0x00,
	HPET_TIMER_COMPARATOR = 0x08,
	HPET_TIMER_MESSAGE = 0x10, /* data of the message; its address from bit 32 on */
	HPET_TIMER_SIZE = 0x20
};

/* Capabilities; the period of the counter, in femtoseconds, is in bits 63:32. */
#define HPET_CAP_REVISION     0x01u
#define HPET_CAP_LAST_SHIFT   8 /* number of the last timer */
#define HPET_CAP_LAST(c)      ((unsigned)((c) >> 8) & 0x1f)
#define HPET_CAP_64BIT        0x2000u
#define HPET_CAP_LEGACY       0x8000u
#define HPET_CAP_VENDOR_SHIFT 16
#define HPET_CAP_PERIOD_SHIFT 32
#define HPET_PERIOD_MAX       100000000u                 /* 100 ns */
#define HPET_FEMTOSECONDS     UINT64_C(1000000000000000) /* in a second */

#define HPET_ENABLE 0x1u
#define HPET_LEGACY 0x2u /* timers 0 and 1 take the interrupts of PIT and RTC */

/* Configuration of a timer; the pins of the IOAPIC that it may have are in bits 63:32. */
#define HPET_TN_LEVEL       0x0002u
#define HPET_TN_ENABLE      0x0004u /* its interrupt */
#define HPET_TN_PERIODIC    0x0008u
#define HPET_TN_CAN_PERIOD  0x0010u
#define HPET_TN_64BIT       0x0020u
#define HPET_TN_SET_VALUE   0x0040u /* the next write of the comparator is no period only */
#define HPET_TN_32BIT       0x0100u
#define HPET_TN_ROUTE_SHIFT 9
#define HPET_TN_ROUTE_BITS  0x3e00u
#define HPET_TN_ROUTE(c)    ((unsigned)((c) >> 9) & 0x1f)
#define HPET_TN_MESSAGE     0x4000u /* it sends messages (FSB) */
#define HPET_TN_CAN_MESSAGE 0x8000u
#define HPET_TN_PINS_SHIFT  32

#endif
