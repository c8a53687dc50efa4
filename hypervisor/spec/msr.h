/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSRs: their numbers, in order, and bits and layouts that belong to one of them (SDM vol. 4
 * "Model-Specific Registers (MSRs)").
 */
#ifndef NESTOR_SPEC_MSR_H
#define NESTOR_SPEC_MSR_H

#include <stdbool.h>
#include <stdint.h>

#define MSR_TSC               0x10
#define MSR_PLATFORM_ID       0x17
#define MSR_APIC_BASE         0x1b
#define MSR_EBL_CR_POWERON    0x2a
#define MSR_SMI_COUNT         0x34
#define MSR_TEST_CTRL         0x33
#define MSR_FEATURE_CONTROL   0x3a
#define MSR_TSC_ADJUST        0x3b
#define MSR_SPEC_CTRL         0x48
#define MSR_PRED_CMD          0x49 /* write only, like IA32_FLUSH_CMD */
#define MSR_BIOS_UPDT_TRIG    0x79
#define MSR_BIOS_SIGN_ID      0x8b
#define MSR_SMM_MONITOR_CTL   0x9b
#define MSR_SMBASE            0x9e
#define MSR_UMWAIT_CONTROL    0xe1 /* with WAITPKG */
#define MSR_MPERF             0xe7
#define MSR_APERF             0xe8
#define MSR_MTRR_CAP          0xfe
#define MSR_CORE_CAPABILITIES 0xcf
#define MSR_ARCH_CAPABILITIES 0x10a
#define MSR_FLUSH_CMD         0x10b
#define MSR_TSX_CTRL          0x122
#define MSR_MCU_OPT_CTRL      0x123
#define MSR_SYSENTER_CS       0x174
#define MSR_SYSENTER_ESP      0x175
#define MSR_SYSENTER_EIP      0x176
#define MSR_MCG_CAP           0x179
#define MSR_MCG_STATUS        0x17a
#define MSR_MCG_CTL           0x17b
#define MSR_THERM_STATUS      0x19c
#define MSR_MISC_ENABLE       0x1a0
#define MSR_ENERGY_PERF_BIAS  0x1b0
#define MSR_PACKAGE_THERM     0x1b1 /* IA32_PACKAGE_THERM_STATUS */
#define MSR_DEBUGCTL          0x1d9
#define MSR_MTRR_PHYS_BASE_0  0x200 /* pairs of base and mask */
#define MSR_MTRR_PHYS_MASK_0  0x201
#define MSR_MTRR_FIX_64K      0x250
#define MSR_MTRR_FIX_16K_0    0x258
#define MSR_MTRR_FIX_16K_1    0x259
#define MSR_MTRR_FIX_4K_0     0x268
#define MSR_MTRR_FIX_4K_7     0x26f
#define MSR_PAT               0x277
#define MSR_MC0_CTL2          0x280 /* and on: one for each bank */
#define MSR_MTRR_DEF_TYPE     0x2ff
#define MSR_PERF_CAPABILITIES 0x345
#define MSR_FIXED_CTR_CTRL    0x38d
#define MSR_PERF_GLOBAL_CTRL  0x38f
#define MSR_PEBS_ENABLE       0x3f1
#define MSR_MC0_CTL           0x400 /* and on: control, status, address, misc of each bank */
#define MSR_VMX_BASIC         0x480
#define MSR_VMX_PIN           0x481
#define MSR_VMX_PROC          0x482
#define MSR_VMX_EXIT          0x483
#define MSR_VMX_ENTRY         0x484
#define MSR_VMX_MISC          0x485
#define MSR_VMX_CR0_FIXED0    0x486
#define MSR_VMX_CR0_FIXED1    0x487
#define MSR_VMX_CR4_FIXED0    0x488
#define MSR_VMX_CR4_FIXED1    0x489
#define MSR_VMX_VMCS_ENUM     0x48a
#define MSR_VMX_PROC2         0x48b
#define MSR_VMX_EPT_VPID_CAP  0x48c
#define MSR_VMX_TRUE_PIN      0x48d
#define MSR_VMX_TRUE_PROC     0x48e
#define MSR_VMX_TRUE_EXIT     0x48f
#define MSR_VMX_TRUE_ENTRY    0x490
#define MSR_VMX_VMFUNC        0x491
#define MSR_VMX_PROC3         0x492 /* IA32_VMX_PROCBASED_CTLS3 */
#define MSR_MCG_EXT_CTL       0x4d0
#define MSR_RTIT_CTL          0x570
#define MSR_U_CET             0x6a0
#define MSR_S_CET             0x6a2
#define MSR_PL0_SSP           0x6a4
#define MSR_PL3_SSP           0x6a7
#define MSR_SSP_TABLE         0x6a8 /* IA32_INTERRUPT_SSP_TABLE_ADDR */
#define MSR_TSC_DEADLINE      0x6e0
#define MSR_PM_ENABLE         0x770
#define MSR_HWP_CAPABILITIES  0x771
#define MSR_HWP_REQUEST       0x774
#define MSR_X2APIC_FIRST      0x800
#define MSR_X2APIC_TPR        0x808
#define MSR_X2APIC_EOI        0x80b
#define MSR_X2APIC_ICR        0x830
#define MSR_X2APIC_LVT_TIMER  0x832
#define MSR_X2APIC_INITIAL    0x838
#define MSR_X2APIC_CURRENT    0x839
#define MSR_X2APIC_DIVIDE     0x83e
#define MSR_X2APIC_SELF_IPI   0x83f
#define MSR_X2APIC_LAST       0x8ff
#define MSR_BNDCFGS           0xd90
#define MSR_XSS               0xda0
#define MSR_LBR_CTL           0x14ce
#define MSR_EFER              0xc0000080
#define MSR_STAR              0xc0000081
#define MSR_LSTAR             0xc0000082
#define MSR_CSTAR             0xc0000083
#define MSR_FMASK             0xc0000084
#define MSR_FS_BASE           0xc0000100
#define MSR_GS_BASE           0xc0000101
#define MSR_KERNEL_GS_BASE    0xc0000102
#define MSR_TSC_AUX           0xc0000103

/* IA32_UMWAIT_CONTROL: bit 0 forbids C0.2, bits 31:2 are a time */
#define UMWAIT_RESERVED UINT64_C(0xffffffff00000002)

/* MSR_TEST_CTRL, IA32_CORE_CAPABILITIES (vol. 4, table 2-2) */
#define TEST_CTRL_SPLIT_LOCK_AC (1ull << 29)
#define CORE_CAP_SPLIT_LOCK_AC  (1ull << 5)

/* IA32_MISC_ENABLE */
#define MISC_ENABLE_FAST_STRINGS (1ull << 0)
#define MISC_ENABLE_NO_BTS       (1ull << 11)
#define MISC_ENABLE_NO_PEBS      (1ull << 12)
#define MISC_ENABLE_LIMIT_CPUID  (1ull << 22)

/*
 * Speculative execution: Intel, "CPUID Enumeration and Architectural MSRs"; SDM vol. 4, table
 * 2-2. What the bits of IA32_ARCH_CAPABILITIES say of a vulnerability is in
 * policy/mitigations.def.
 */
#define SPEC_CTRL_IBRS          (1ull << 0)
#define SPEC_CTRL_STIBP         (1ull << 1)
#define SPEC_CTRL_SSBD          (1ull << 2)
#define SPEC_CTRL_IPRED_DIS_U   (1ull << 3)
#define SPEC_CTRL_IPRED_DIS_S   (1ull << 4)
#define SPEC_CTRL_RRSBA_DIS_U   (1ull << 5)
#define SPEC_CTRL_RRSBA_DIS_S   (1ull << 6)
#define SPEC_CTRL_PSFD          (1ull << 7)
#define SPEC_CTRL_DDPD_U        (1ull << 8)
#define SPEC_CTRL_BHI_DIS_S     (1ull << 10)
#define PRED_CMD_IBPB           (1ull << 0)
#define FLUSH_CMD_L1D           (1ull << 0)
#define TSX_CTRL_RTM_DISABLE    (1ull << 0)
#define TSX_CTRL_CPUID_CLEAR    (1ull << 1)
#define MCU_OPT_RNGDS_DIS       (1ull << 0) /* the mitigation of SRBDS is off */
#define MCU_OPT_GDS_DIS         (1ull << 4) /* that of GDS */
#define MCU_OPT_GDS_LOCK        (1ull << 5)
#define ARCH_CAP_RDCL_NO        (1ull << 0)
#define ARCH_CAP_IBRS_ALL       (1ull << 1)
#define ARCH_CAP_RSBA           (1ull << 2)
#define ARCH_CAP_SKIP_L1D       (1ull << 3) /* SKIP_L1DFL_VMENTRY */
#define ARCH_CAP_SSB_NO         (1ull << 4)
#define ARCH_CAP_MDS_NO         (1ull << 5)
#define ARCH_CAP_PSCHANGE_MC_NO (1ull << 6) /* IF_PSCHANGE_MC_NO */
#define ARCH_CAP_TSX_CTRL       (1ull << 7)
#define ARCH_CAP_TAA_NO         (1ull << 8)
#define ARCH_CAP_SBDR_SSDP_NO   (1ull << 13)
#define ARCH_CAP_FBSDP_NO       (1ull << 14)
#define ARCH_CAP_PSDP_NO        (1ull << 15)
#define ARCH_CAP_FB_CLEAR       (1ull << 17)
#define ARCH_CAP_RRSBA          (1ull << 19)
#define ARCH_CAP_BHI_NO         (1ull << 20)
#define ARCH_CAP_PBRSB_NO       (1ull << 24)
#define ARCH_CAP_GDS_CTRL       (1ull << 25)
#define ARCH_CAP_GDS_NO         (1ull << 26)
#define ARCH_CAP_RFDS_NO        (1ull << 27)
#define ARCH_CAP_RFDS_CLEAR     (1ull << 28)
#define ARCH_CAP_ITS_NO         (1ull << 62)

/* 11.11.1 "MTRR Feature Identification", 11.11.2 "Setting Memory Ranges with MTRRs" */
#define MTRR_CAP_FIX            (1ull << 8) /* bits 7:0: pairs of variable ranges */
#define MTRR_CAP_WC             (1ull << 10)
#define MTRR_DEF_TYPE_FIX       (1ull << 10) /* fixed ranges are on; bits 7:0: default type */
#define MTRR_DEF_TYPE_ON        (1ull << 11)
#define MTRR_DEF_TYPE_RESERVED  (~0xcffull)
#define MTRR_PHYS_BASE_RESERVED 0xf00ull /* and above the physical-address width; 7:0: type */
#define MTRR_PHYS_MASK_RESERVED 0x7ffull /* likewise */
#define MTRR_FIXED_COUNT        11u      /* of 8 types each */

static inline bool msr_is_x2apic(uint32_t msr)
{
	return msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST;
}

/*
 * 24.6.9 "MSR-Bitmap Address": the bit of an MSR in the page. Only for the two ranges that it
 * covers, up to 0x1fff and 0xc0000000 to 0xc0001fff.
 */
static inline uint32_t msr_bitmap_bit(uint32_t msr, bool write)
{
	return (msr & 0x1fff) + (msr >> 31 ? 8192 : 0) + (write ? 16384 : 0);
}

#endif
