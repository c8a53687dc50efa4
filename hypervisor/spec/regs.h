/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers: numbers, bits, and values after reset (SDM vol. 3A 2.3 "System Flags and Fields in
 * the EFLAGS Register", 2.5 "Control Registers", 9.1 "Initialization Overview").
 */
#ifndef NESTOR_SPEC_REGS_H
#define NESTOR_SPEC_REGS_H

#include "lib/bits.h"

/* In the order of instruction encodings, and of exit qualifications and instruction
 * information. */
enum reg {
	REG_RAX,
	REG_RCX,
	REG_RDX,
	REG_RBX,
	REG_RSP,
	REG_RBP,
	REG_RSI,
	REG_RDI,
	REG_COUNT = 16
};

#define REG_COUNT_32 8u /* outside 64-bit mode */

#define CR0_PE BIT64(0)
#define CR0_MP BIT64(1)
#define CR0_EM BIT64(2)
#define CR0_TS BIT64(3)
#define CR0_ET BIT64(4)
#define CR0_NE BIT64(5)
#define CR0_WP BIT64(16)
#define CR0_AM BIT64(18)
#define CR0_NW BIT64(29)
#define CR0_CD BIT64(30)
#define CR0_PG BIT64(31)

/* Those that are not reserved. */
#define CR0_DEFINED                                                                       \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | \
		CR0_CD | CR0_PG)
#define CR0_RESET (CR0_CD | CR0_NW | CR0_ET)

#define CR4_VME        BIT64(0)
#define CR4_PVI        BIT64(1)
#define CR4_TSD        BIT64(2)
#define CR4_DE         BIT64(3)
#define CR4_PSE        BIT64(4)
#define CR4_PAE        BIT64(5)
#define CR4_MCE        BIT64(6)
#define CR4_PGE        BIT64(7)
#define CR4_PCE        BIT64(8)
#define CR4_OSFXSR     BIT64(9)
#define CR4_OSXMMEXCPT BIT64(10)
#define CR4_UMIP       BIT64(11)
#define CR4_LA57       BIT64(12)
#define CR4_VMXE       BIT64(13)
#define CR4_SMXE       BIT64(14)
#define CR4_FSGSBASE   BIT64(16)
#define CR4_PCIDE      BIT64(17)
#define CR4_OSXSAVE    BIT64(18)
#define CR4_KL         BIT64(19)
#define CR4_SMEP       BIT64(20)
#define CR4_SMAP       BIT64(21)
#define CR4_PKE        BIT64(22)
#define CR4_CET        BIT64(23)

/* "Linear-Address Masking" of user pointers, by 57-bit and 48-bit rules */
#define CR3_LAM_U57 BIT64(61)
#define CR3_LAM_U48 BIT64(62)

/* What CPUID shows of CR4: SDM vol. 2 "CPUID", leaves 1 and 7. */
#define CR4_OF_CPUID (CR4_OSXSAVE | CR4_PKE)
/* A MOV to CR4 that changes one of them loads PAE paging's PDPTEs (4.4.1 "PDPTE Registers"), or
 * ends what is cached of translations (4.10.4.1). */
#define CR4_LOADS_PDPTES (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)
#define CR4_FLUSHES      (CR4_LOADS_PDPTES | CR4_PCIDE)

/* 2.6 "Extended Control Registers (Including XCR0)" */
/* SDM volume 1, 13.4.1 "Legacy Region of an XSAVE Area", 13.4.2 "XSAVE Header" */
#define XSAVE_MXCSR       24u
#define XSAVE_HEADER      512u
#define XSAVE_HEADER_REST 56u /* XCOMP_BV and reserved words: 0 in the standard format */
#define MXCSR_VALID       0xffffu

#define XCR0_X87       BIT64(0)
#define XCR0_SSE       BIT64(1)
#define XCR0_AVX       BIT64(2)
#define XCR0_OPMASK    BIT64(5)
#define XCR0_ZMM_HI256 BIT64(6)
#define XCR0_HI16_ZMM  BIT64(7)
#define XCR0_PKRU_BIT  9u
#define XCR0_PKRU      BIT64(XCR0_PKRU_BIT)
#define XCR0_AVX512    (XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM)

#define EFER_SCE BIT64(0)
#define EFER_LME BIT64(8)
#define EFER_LMA BIT64(10)
#define EFER_NXE BIT64(11)

#define RFLAGS_CF      BIT64(0)
#define RFLAGS_FIXED   BIT64(1)
#define RFLAGS_PF      BIT64(2)
#define RFLAGS_AF      BIT64(4)
#define RFLAGS_ZF      BIT64(6)
#define RFLAGS_SF      BIT64(7)
#define RFLAGS_TF      BIT64(8)
#define RFLAGS_IF      BIT64(9)
#define RFLAGS_DF      BIT64(10)
#define RFLAGS_OF      BIT64(11)
#define RFLAGS_IOPL    (BIT64(12) | BIT64(13))
#define RFLAGS_NT      BIT64(14)
#define RFLAGS_RF      BIT64(16)
#define RFLAGS_VM      BIT64(17)
#define RFLAGS_AC      BIT64(18)
#define RFLAGS_VIF     BIT64(19)
#define RFLAGS_VIP     BIT64(20)
#define RFLAGS_ID      BIT64(21)
#define RFLAGS_STATUS  (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)
#define RFLAGS_DEFINED 0x3f7fd7ull /* RFLAGS_FIXED included; the others are 0 */

/* 17.2 "Debug Registers" */
#define DR6_B0_B3 0xfull
#define DR6_BD    BIT64(13)
#define DR6_BS    BIT64(14)
#define DR6_BT    BIT64(15)
#define DR6_RESET 0xffff0ff0ull
#define CR8_MAX   15ull

#define DR7_LOCAL   0x155ull /* L0 to L3, LE */
#define DR7_ENABLED 0xffull  /* any breakpoint */
#define DR7_GD      BIT64(13)
/* Of DR0 to DR3: both enable bits; one of them; the fields R/W (bits 1:0) and LEN (3:2). */
#define DR7_ENABLE(n)     (3ull << 2 * (n))
#define DR7_GLOBAL(n)     (2ull << 2 * (n))
#define DR7_KIND(n, kind) ((uint64_t)(kind) << (16 + 4 * (n)))
#define DR7_RESET         BIT64(10) /* which is always 1 */
#define DR7_RESERVED      (BIT64(12) | BIT64(14) | BIT64(15))

/* 17.4.1 "IA32_DEBUGCTL MSR" */
#define DEBUGCTL_LBR                   BIT64(0)
#define DEBUGCTL_BTF                   BIT64(1)
#define DEBUGCTL_TR                    BIT64(6)
#define DEBUGCTL_BTS                   BIT64(7)
#define DEBUGCTL_BTINT                 BIT64(8)
#define DEBUGCTL_BTS_OFF_OS            BIT64(9)
#define DEBUGCTL_BTS_OFF_USR           BIT64(10)
#define DEBUGCTL_FREEZE_LBRS_ON_PMI    BIT64(11)
#define DEBUGCTL_FREEZE_PERFMON_ON_PMI BIT64(12)
#define DEBUGCTL_FREEZE_WHILE_SMM      BIT64(14)
/* With CPUID.1:EDX.DS; with version 2 of performance monitoring. */
#define DEBUGCTL_DS                                                          \
	(DEBUGCTL_TR | DEBUGCTL_BTS | DEBUGCTL_BTINT | DEBUGCTL_BTS_OFF_OS | \
		DEBUGCTL_BTS_OFF_USR)
/* Records of branches: they are written to memory, or to MSRs, or read from there. */
#define DEBUGCTL_TRACES        (DEBUGCTL_LBR | DEBUGCTL_TR | DEBUGCTL_BTS | DEBUGCTL_BTINT)
#define DEBUGCTL_FREEZE_ON_PMI (DEBUGCTL_FREEZE_LBRS_ON_PMI | DEBUGCTL_FREEZE_PERFMON_ON_PMI)

/* 24.4.2 "Guest Non-Register State": pending debug exceptions */
#define PENDING_DBG_B0_B3   0xfull
#define PENDING_DBG_ENABLED BIT64(12) /* enabled breakpoint */
#define PENDING_DBG_BS      BIT64(14) /* single step */
#define PENDING_DBG_RTM     BIT64(16)

/* 18.2 "Architectural Performance Monitoring": of IA32_PERF_CAPABILITIES */
#define PERF_CAP_FREEZE_WHILE_SMM BIT64(12)

/* 11.12.4 "Programming the PAT" */
#define PAT_RESET 0x0007040600070406ull
/* L0's own: entry 1 (PWT alone), write-through after a reset, is write-combining. */
#define PAT_L0 0x0007040600070106ull

/* In the order of the VMCS, whose encodings are two apart (B.1, B.3, B.4), and of the TSS. */
enum sreg {
	SEG_ES,
	SEG_CS,
	SEG_SS,
	SEG_DS,
	SEG_FS,
	SEG_GS,
	SEG_LDTR,
	SEG_TR,
	SEG_COUNT
};

#define SEG_NAMED 6u /* those that instructions name */

/* 3.4.5.1 "Code- and Data-Segment Descriptor Types" */
#define SEG_TYPE_ACCESSED   BIT(0)
#define SEG_TYPE_WRITABLE   BIT(1) /* of data */
#define SEG_TYPE_READABLE   BIT(1) /* of code */
#define SEG_TYPE_DOWN       BIT(2) /* of data: expand-down */
#define SEG_TYPE_CONFORMING BIT(2) /* of code */
#define SEG_TYPE_CODE       BIT(3)
/* 3.5 "System Descriptor Types" */
#define SEG_TYPE_LDT      2u
#define SEG_TYPE_TSS_16   1u
#define SEG_TYPE_TSS_32   9u     /* of 64 bits in IA-32e mode */
#define SEG_TYPE_TSS_BUSY BIT(1) /* of both */
#define SEG_TYPE_32BIT    BIT(3) /* of TSSs, call gates, interrupt gates and trap gates */

/* Segment access rights as the VMCS holds them (24.4.1 "Guest Register State") */
#define SEG_AR_TYPE(ar) ((ar)&0xfu)
#define SEG_AR_S        BIT(4)
#define SEG_AR_DPL(ar)  (((ar) >> 5) & 3u)
#define SEG_AR_P        BIT(7)
#define SEG_AR_L        BIT(13)
#define SEG_AR_DB       BIT(14)
#define SEG_AR_G        BIT(15)
#define SEG_AR_UNUSABLE BIT(16)
#define SEG_AR_RESERVED 0xfffe0f00u

/* Of DPL 0, present and accessed. 9.1.1 "Processor State After Reset", 27.5.2 "Loading Host
 * Segment and Descriptor-Table Registers" */
#define SEG_AR_CODE16   0x9bu
#define SEG_AR_DATA16   0x93u
#define SEG_AR_CODE32   (SEG_AR_CODE16 | SEG_AR_DB | SEG_AR_G)
#define SEG_AR_CODE64   (SEG_AR_CODE16 | SEG_AR_L | SEG_AR_G)
#define SEG_AR_DATA32   (SEG_AR_DATA16 | SEG_AR_DB | SEG_AR_G)
#define SEG_AR_LDT      (SEG_TYPE_LDT | SEG_AR_P)
#define SEG_AR_TSS_BUSY (SEG_TYPE_TSS_32 | SEG_TYPE_TSS_BUSY | SEG_AR_P)
#define SEG_AR_V86      0xf3u /* 26.3.1.2: in virtual-8086 mode, of all six */

#define SELECTOR_RPL(s) ((s)&3u)
#define SELECTOR_TI     BIT(2)

/* 7.2.1 "Task-State Segment (TSS)", 7.7 "Task Management in 64-bit Mode": the smallest limit */
#define TSS_LIMIT 0x67u

#endif
