/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of VT-x: control bits, event types, error numbers, capability MSRs (SDM 24.6 to 24.9,
 * 30.4, appendix A); with exits, EPT and the registers, whose names VT-x uses all the time.
 */
#ifndef NESTOR_SPEC_VMX_H
#define NESTOR_SPEC_VMX_H

#include "spec/ept.h"
#include "spec/exits.h"
#include "spec/msr.h"
#include "spec/regs.h"

/* 24.6.1 "Pin-Based VM-Execution Controls" */
#define PIN_EXT_INTR_EXITING BIT(0)
#define PIN_NMI_EXITING      BIT(3)
#define PIN_VIRTUAL_NMIS     BIT(5)
#define PIN_PREEMPTION_TIMER BIT(6)
#define PIN_POSTED_INTR      BIT(7)

/* 24.6.2 "Processor-Based VM-Execution Controls", primary */
#define PROC_INTR_WINDOW       BIT(2)
#define PROC_TSC_OFFSETTING    BIT(3)
#define PROC_HLT_EXITING       BIT(7)
#define PROC_INVLPG_EXITING    BIT(9)
#define PROC_MWAIT_EXITING     BIT(10)
#define PROC_RDPMC_EXITING     BIT(11)
#define PROC_RDTSC_EXITING     BIT(12)
#define PROC_CR3_LOAD_EXITING  BIT(15)
#define PROC_CR3_STORE_EXITING BIT(16)
#define PROC_TERTIARY          BIT(17)
#define PROC_CR8_LOAD_EXITING  BIT(19)
#define PROC_CR8_STORE_EXITING BIT(20)
#define PROC_TPR_SHADOW        BIT(21)
#define PROC_NMI_WINDOW        BIT(22)
#define PROC_MOV_DR_EXITING    BIT(23)
#define PROC_UNCOND_IO_EXITING BIT(24)
#define PROC_USE_IO_BITMAPS    BIT(25)
#define PROC_MTF               BIT(27)
#define PROC_USE_MSR_BITMAPS   BIT(28)
#define PROC_MONITOR_EXITING   BIT(29)
#define PROC_PAUSE_EXITING     BIT(30)
#define PROC_SECONDARY         BIT(31)

/* 24.6.2, secondary */
#define PROC2_APIC_ACCESSES      BIT(0)
#define PROC2_ENABLE_EPT         BIT(1)
#define PROC2_DESC_TABLE_EXITING BIT(2)
#define PROC2_ENABLE_RDTSCP      BIT(3)
#define PROC2_X2APIC_MODE        BIT(4)
#define PROC2_ENABLE_VPID        BIT(5)
#define PROC2_WBINVD_EXITING     BIT(6)
#define PROC2_UNRESTRICTED_GUEST BIT(7)
#define PROC2_APIC_REGISTER_VIRT BIT(8)
#define PROC2_VIRT_INTR_DELIVERY BIT(9)
#define PROC2_PAUSE_LOOP_EXITING BIT(10)
#define PROC2_RDRAND_EXITING     BIT(11)
#define PROC2_ENABLE_INVPCID     BIT(12)
#define PROC2_ENABLE_VMFUNC      BIT(13)
#define PROC2_VMCS_SHADOWING     BIT(14)
#define PROC2_ENCLS_EXITING      BIT(15)
#define PROC2_RDSEED_EXITING     BIT(16)
#define PROC2_ENABLE_PML         BIT(17)
#define PROC2_EPT_VIOLATION_VE   BIT(18)
#define PROC2_CONCEAL_FROM_PT    BIT(19)
#define PROC2_ENABLE_XSAVES      BIT(20)
#define PROC2_MODE_BASED_EXECUTE BIT(22)
#define PROC2_SUB_PAGE_WRITE     BIT(23)
#define PROC2_PT_USES_GPA        BIT(24)
#define PROC2_TSC_SCALING        BIT(25)
#define PROC2_USER_WAIT_PAUSE    BIT(26)
#define PROC2_ENCLV_EXITING      BIT(28)
#define PROC2_BUS_LOCK_EXITING   BIT(30) /* "VMM bus-lock detection" */
#define PROC2_NOTIFY_EXITING     BIT(31) /* "instruction timeout" */

/* Tertiary, a word of 64 bits ("activate tertiary controls") */
#define PROC3_IPI_VIRTUALIZATION   BIT64(4)
#define PROC3_VIRTUALIZE_SPEC_CTRL BIT64(7)

/* The field of "instruction timeout", which L1 does not have: ticks without an interrupt
 * window. */
#define VMCS_NOTIFY_WINDOW 0x4024u

/* 24.7.1 "VM-Exit Controls" */
#define EXIT_SAVE_DEBUG            BIT(2)
#define EXIT_HOST_64               BIT(9)
#define EXIT_LOAD_PERF_GLOBAL_CTRL BIT(12)
#define EXIT_ACK_INTR              BIT(15)
#define EXIT_SAVE_PAT              BIT(18)
#define EXIT_LOAD_PAT              BIT(19)
#define EXIT_SAVE_EFER             BIT(20)
#define EXIT_LOAD_EFER             BIT(21)
#define EXIT_SAVE_PREEMPTION_TIMER BIT(22)
#define EXIT_CLEAR_BNDCFGS         BIT(23)
#define EXIT_CONCEAL_FROM_PT       BIT(24)
#define EXIT_LOAD_CET              BIT(28)

/* 24.8.1 "VM-Entry Controls" */
#define ENTRY_LOAD_DEBUG            BIT(2)
#define ENTRY_IA32E_GUEST           BIT(9)
#define ENTRY_TO_SMM                BIT(10)
#define ENTRY_DEACTIVATE_DUAL       BIT(11)
#define ENTRY_LOAD_PERF_GLOBAL_CTRL BIT(13)
#define ENTRY_LOAD_PAT              BIT(14)
#define ENTRY_LOAD_EFER             BIT(15)
#define ENTRY_LOAD_BNDCFGS          BIT(16)
#define ENTRY_CONCEAL_FROM_PT       BIT(17)
#define ENTRY_LOAD_CET              BIT(20)

/* 24.8.3, 24.9.2: interruption-information fields */
#define INTR_INFO_VECTOR(i)      ((i)&0xffu)
#define INTR_INFO_TYPE(i)        (((i) >> 8) & 7u)
#define INTR_INFO_ERROR_CODE     BIT(11)
#define INTR_INFO_NMI_UNBLOCKING BIT(12)
#define INTR_INFO_VALID          BIT(31)

enum intr_type {
	INTR_EXTERNAL = 0,
	INTR_NMI = 2,
	INTR_HW_EXCEPTION = 3,
	INTR_SW_INTERRUPT = 4,
	INTR_PRIV_SW_EXCEPTION = 5,
	INTR_SW_EXCEPTION = 6,
	INTR_OTHER_EVENT = 7
};

/* 24.4.2 "Guest Non-Register State" */
#define INTERRUPTIBILITY_STI     BIT(0)
#define INTERRUPTIBILITY_MOV_SS  BIT(1)
#define INTERRUPTIBILITY_SMI     BIT(2)
#define INTERRUPTIBILITY_NMI     BIT(3)
#define INTERRUPTIBILITY_ENCLAVE BIT(4)

enum activity_state {
	ACTIVITY_ACTIVE = 0,
	ACTIVITY_HLT = 1,
	ACTIVITY_SHUTDOWN = 2,
	ACTIVITY_WAIT_FOR_SIPI = 3
};

/* 30.4 "VM Instruction Error Numbers" */
enum vm_instruction_error {
	VMERR_NONE = 0,
	VMERR_VMCALL_IN_ROOT = 1,
	VMERR_VMCLEAR_BAD_ADDRESS = 2,
	VMERR_VMCLEAR_VMXON_POINTER = 3,
	VMERR_VMLAUNCH_NOT_CLEAR = 4,
	VMERR_VMRESUME_NOT_LAUNCHED = 5,
	VMERR_VMRESUME_AFTER_VMXOFF = 6,
	VMERR_ENTRY_CONTROLS = 7,
	VMERR_ENTRY_HOST_STATE = 8,
	VMERR_VMPTRLD_BAD_ADDRESS = 9,
	VMERR_VMPTRLD_VMXON_POINTER = 10,
	VMERR_VMPTRLD_BAD_REVISION = 11,
	VMERR_BAD_FIELD = 12,
	VMERR_READ_ONLY_FIELD = 13,
	VMERR_VMXON_IN_ROOT = 15,
	VMERR_ENTRY_BAD_EXECUTIVE = 16,
	VMERR_ENTRY_UNLAUNCHED_EXECUTIVE = 17,
	VMERR_ENTRY_EXECUTIVE_NOT_VMXON = 18,
	VMERR_VMCALL_NOT_CLEAR = 19,
	VMERR_VMCALL_EXIT_CONTROLS = 20,
	VMERR_VMCALL_BAD_MSEG = 22,
	VMERR_VMXOFF_DUAL_MONITOR = 23,
	VMERR_VMCALL_BAD_SMM = 24,
	VMERR_ENTRY_BAD_EXECUTION_EXECUTIVE = 25,
	VMERR_ENTRY_EVENTS_BLOCKED_MOV_SS = 26,
	VMERR_INVALID_INVEPT_INVVPID = 28
};

/* VMX aborts that a VM exit of software's making can have (SDM 27.7 "VMX Aborts"). */
enum vmx_abort {
	VMX_ABORT_SAVE_MSRS = 1,
	VMX_ABORT_HOST_PDPTES = 2,
	VMX_ABORT_LOAD_MSRS = 4,
};

/* 30.3 "VMX Instructions": INVEPT, INVVPID */
enum invept_type {
	INVEPT_SINGLE = 1,
	INVEPT_GLOBAL = 2
};

enum invvpid_type {
	INVVPID_ADDRESS = 0,
	INVVPID_SINGLE = 1,
	INVVPID_ALL = 2,
	INVVPID_SINGLE_KEEP_GLOBALS = 3
};

/* Appendix A.10 IA32_VMX_EPT_VPID_CAP */
#define EPT_CAP_EXECUTE_ONLY   BIT64(0)
#define EPT_CAP_WALK_4         BIT64(6)
#define EPT_CAP_UC             BIT64(8)
#define EPT_CAP_WB             BIT64(14)
#define EPT_CAP_2M             BIT64(16)
#define EPT_CAP_1G             BIT64(17)
#define EPT_CAP_INVEPT         BIT64(20)
#define EPT_CAP_AD             BIT64(21)
#define EPT_CAP_ADVANCED_INFO  BIT64(22)
#define EPT_CAP_INVEPT_SINGLE  BIT64(25)
#define EPT_CAP_INVEPT_GLOBAL  BIT64(26)
#define EPT_CAP_INVVPID        BIT64(32)
#define EPT_CAP_INVVPID_ADDR   BIT64(40)
#define EPT_CAP_INVVPID_SINGLE BIT64(41)
#define EPT_CAP_INVVPID_GLOBAL BIT64(42)
#define EPT_CAP_INVVPID_KEEP_G BIT64(43)

/* Vectors of exceptions */
enum exception_vector {
	VEC_DE = 0,
	VEC_DB = 1,
	VEC_NMI = 2,
	VEC_BP = 3,
	VEC_OF = 4,
	VEC_BR = 5,
	VEC_UD = 6,
	VEC_NM = 7,
	VEC_DF = 8,
	VEC_TS = 10,
	VEC_NP = 11,
	VEC_SS = 12,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_MF = 16,
	VEC_AC = 17,
	VEC_MC = 18,
	VEC_XM = 19,
	VEC_VE = 20,
	VEC_CP = 21 /* control protection */
};

#endif
