/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local APIC (SDM vol. 3A chapter 10 "Advanced Programmable Interrupt Controller (APIC)").
 */
#ifndef NESTOR_SPEC_APIC_H
#define NESTOR_SPEC_APIC_H

#include "lib/bits.h"

/* 10.4.4 "Local APIC Status and Location": IA32_APIC_BASE */
#define APIC_BASE_BSP       BIT64(8)
#define APIC_BASE_X2APIC    BIT64(10)
#define APIC_BASE_ENABLE    BIT64(11)
#define APIC_DEFAULT_BASE   UINT64_C(0xfee00000)
#define IOAPIC_DEFAULT_BASE UINT64_C(0xfec00000) /* on every PC; the chipset says */
#define IOAPIC_PINS         24

/*
 * Table 10-1 "Local APIC Register Address Map", by offset in the page; also that of the
 * virtual-APIC page (29.1.1). ISR, TMR and IRR are eight registers each.
 */
enum apic_offset {
	APIC_ID = 0x020,
	APIC_VERSION = 0x030,
	APIC_TPR = 0x080,
	APIC_APR = 0x090,
	APIC_PPR = 0x0a0,
	APIC_EOI = 0x0b0,
	APIC_REMOTE_READ = 0x0c0,
	APIC_LDR = 0x0d0,
	APIC_DFR = 0x0e0,
	APIC_SVR = 0x0f0,
	APIC_ISR = 0x100,
	APIC_TMR = 0x180,
	APIC_IRR = 0x200,
	APIC_ESR = 0x280,
	APIC_LVT_CMCI = 0x2f0, /* not of a virtual one */
	APIC_ICR = 0x300,
	APIC_ICR_HIGH = 0x310, /* xAPIC; x2APIC has the upper half beside the lower one */
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_THERMAL = 0x330,
	APIC_LVT_PMC = 0x340,
	APIC_LVT_LINT0 = 0x350,
	APIC_LVT_LINT1 = 0x360,
	APIC_LVT_ERROR = 0x370,
	APIC_INITIAL_COUNT = 0x380,
	APIC_CURRENT_COUNT = 0x390,
	APIC_DIVIDE = 0x3e0,
	APIC_SELF_IPI = 0x3f0 /* x2APIC */
};

/* The number of a register: that of its x2APIC MSR, from 800H on (table 10-6). */
#define APIC_NUMBER(offset) ((offset) / 16)

/* 10.5.1 "Local Vector Table" */
#define APIC_VERSION_LAST_LVT(v) ((v) >> 16 & 0xff)

#define LVT_LOW        BIT(13) /* LINT0, LINT1: the pin is active low */
#define LVT_MASKED     BIT(16)
#define LVT_TIMER_MODE (3u << 17)
#define TIMER_PERIODIC (1u << 17)
#define TIMER_DEADLINE (2u << 17)

/* 10.6.1 "Interrupt Command Register (ICR)" */
#define ICR_LOGICAL         BIT(11)
#define ICR_BUSY            BIT(12)
#define ICR_ASSERT          BIT(14)
#define ICR_LEVEL           BIT(15)
#define ICR_SHORTHAND_SHIFT 18

enum icr_shorthand {
	SHORTHAND_NONE,
	SHORTHAND_SELF,
	SHORTHAND_ALL,
	SHORTHAND_OTHERS
};

/* Delivery modes: bits 10:8 of LVT entries, the ICR, IOAPIC entries and messages. */
enum apic_delivery {
	DELIVER_FIXED = 0,
	DELIVER_LOWEST = 1,
	DELIVER_SMI = 2,
	DELIVER_NMI = 4,
	DELIVER_INIT = 5,
	DELIVER_STARTUP = 6,
	DELIVER_EXTINT = 7
};

#define DELIVER_SHIFT 8

/* The lower half of an IOAPIC's entry (Intel 82093AA, "I/O Redirection Table Registers"). */
#define IOAPIC_DELIVERY(low) ((enum apic_delivery)((low) >> DELIVER_SHIFT & 7))
#define IOAPIC_ACTIVE_LOW    (1u << 13)
#define IOAPIC_REMOTE_IRR    (1u << 14) /* of a level: it waits for its EOI */
#define IOAPIC_LEVEL         (1u << 15)
#define IOAPIC_MASKED        (1u << 16)

/* What of these the lower half of the ICR has: a delivery mode, a shorthand. */
#define ICR_LOWEST  ((uint32_t)DELIVER_LOWEST << DELIVER_SHIFT)
#define ICR_NMI     ((uint32_t)DELIVER_NMI << DELIVER_SHIFT)
#define ICR_INIT    ((uint32_t)DELIVER_INIT << DELIVER_SHIFT)
#define ICR_STARTUP ((uint32_t)DELIVER_STARTUP << DELIVER_SHIFT)
#define ICR_SELF    ((uint32_t)SHORTHAND_SELF << ICR_SHORTHAND_SHIFT)
#define ICR_ALL     ((uint32_t)SHORTHAND_ALL << ICR_SHORTHAND_SHIFT)
#define ICR_OTHERS  ((uint32_t)SHORTHAND_OTHERS << ICR_SHORTHAND_SHIFT)

/* 10.9 "Spurious Interrupt", 10.5.3 "Error Handling", 10.5.4 "APIC Timer" */
#define SVR_ENABLE                 BIT(8)
#define ESR_SEND_ILLEGAL_VECTOR    BIT(5)
#define ESR_RECEIVE_ILLEGAL_VECTOR BIT(6)
#define ESR_ILLEGAL_REGISTER       BIT(7)
#define DIVIDE_BY_1                0xbu

#endif
