/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 vCPU on the seam in memory, ready to execute VMX instructions: 64-bit mode, CPL 0, no
 * paging, so that linear addresses are L1's physical ones. Include it in exactly one file of a
 * test program.
 */
#ifndef NESTOR_TESTS_NESTED_VCPU_H
#define NESTOR_TESTS_NESTED_VCPU_H

#include "fake_seam.h"

#include "fake_caps.h"
#include "fake_vept.h"
#include "golden_vmcs12.h"

#define VMXON_REGION 0x40000u
#define VMCS_REGION  0x41000u /* and the pages behind it */
#define OPERAND      0x30000u
#define TABLES       64u

#define OUTCOME_SUCCEED      0
#define OUTCOME_FAIL_INVALID (-1)
#define OUTCOME_FAULT        (-2) /* an exception was queued, see fake_last("seam_inject") */
#define OUTCOME_L2           (-3) /* L2 runs */
#define OUTCOME_RELOADED     (-4) /* failed entry: L1's host state was loaded */

static struct nested n;
static struct nested_vm vm;
static uint64_t gpr[16];
static uint64_t bitmap02[512];
static uint64_t vmread_bitmap02[512], vmwrite_bitmap02[512];

static void use_host_state(uint64_t *f)
{
	golden_host(f);
	f[FID_HOST_CR4] = CR4_PAE | CR4_VMXE;
}

/* What L0 asks for on the fake machine, as vm/ would compute it. */
static struct nested_l0_controls l0_controls(const struct vmx_caps *hw)
{
	return (struct nested_l0_controls){
		.pin = caps_fixed1(hw, MSR_VMX_TRUE_PIN) | PIN_EXT_INTR_EXITING |
		       PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_PREEMPTION_TIMER,
		.proc = caps_fixed1(hw, MSR_VMX_TRUE_PROC) | PROC_HLT_EXITING |
			PROC_TSC_OFFSETTING | PROC_MWAIT_EXITING | PROC_MONITOR_EXITING |
			PROC_RDPMC_EXITING | PROC_UNCOND_IO_EXITING | PROC_USE_MSR_BITMAPS |
			PROC_SECONDARY,
		.proc2 = PROC2_ENABLE_EPT | PROC2_ENABLE_VPID | PROC2_UNRESTRICTED_GUEST |
			 PROC2_WBINVD_EXITING,
		.exit = caps_fixed1(hw, MSR_VMX_TRUE_EXIT) | EXIT_HOST_64 | EXIT_ACK_INTR |
			EXIT_SAVE_DEBUG | EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER |
			EXIT_LOAD_EFER,
		.entry = caps_fixed1(hw, MSR_VMX_TRUE_ENTRY) | ENTRY_LOAD_DEBUG |
			 ENTRY_LOAD_PAT | ENTRY_LOAD_EFER | ENTRY_LOAD_CET,
		.exception_bitmap = BIT(VEC_AC) | BIT(VEC_MC),
		.eptp01 = 0x5000 | EPTP_WALK_4 | 6,
	};
}

/* 64-bit mode, CPL 0, no paging. */
static void restore_l1(void)
{
	fake_hw.vmcs01[FID_GUEST_CR0] = CR0_PE | CR0_NE;
	fake_hw.vmcs01[FID_GUEST_CR4] = CR4_VMXE | CR4_PAE;
	fake_hw.vmcs01[FID_GUEST_EFER] = EFER_LMA | EFER_LME;
	fake_hw.vmcs01[FID_GUEST_CS_AR] = 0xa09b;
	fake_hw.vmcs01[FID_GUEST_SS_AR] = 0xc093;
	fake_hw.vmcs01[FID_GUEST_RFLAGS] = RFLAGS_FIXED;
	fake_hw.vmcs01[FID_GUEST_INTERRUPTIBILITY] = 0;
	fake_hw.vmcs01[FID_GUEST_PAT] = GOLDEN_PAT;
	fake_hw.vmcs01[FID_GUEST_DR7] = 0x400;
}

static int vcpu_setup(void **state)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct caps_policy policy = caps_policy_default();

	(void)state;
	fake_seam_reset();
	memset(&n, 0, sizeof(n));
	memset(&vm, 0, sizeof(vm));
	memset(gpr, 0, sizeof(gpr));
	caps_derive(&vm.caps, &hw, &policy);
	vm.l0 = l0_controls(&hw);
	vm.cet = true;
	fake_vept_alloc(&vm.vept, TABLES);
	fake_bitmaps(&n, &vm);
	nested_vm_init(&vm);
	fake_scratch(&n.scratch);
	n.vmread_bitmap02 = vmread_bitmap02;
	n.vmwrite_bitmap02 = vmwrite_bitmap02;
	memset(vmread_bitmap02, 0xff, sizeof(vmread_bitmap02));
	memset(vmwrite_bitmap02, 0xff, sizeof(vmwrite_bitmap02));
	nested_reset(&n, &vm, 0, gpr, 10, bitmap02);
	n.tsc_offset = 1000;
	restore_l1();
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		use_host_state(fake_hw.vmcs02[i]);
	return 0;
}

static int vcpu_teardown(void **state)
{
	(void)state;
	fake_vept_free(&vm.vept);
	return 0;
}

/* Executes a VMX instruction that exited with this instruction information. */
static int execute(uint32_t reason, uint32_t info)
{
	unsigned faults = fake_called("seam_inject");
	uint64_t flags, failed_entries = n.stats.failed_entries;

	assert_ptr_equal(fake_hw.current, fake_hw.vmcs01);
	fake_hw.vmcs01[FID_GUEST_RFLAGS] = RFLAGS_FIXED | RFLAGS_OF;
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] = info;
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_LENGTH] = 3;
	fake_hw.vmcs01[FID_EXIT_QUALIFICATION] = 0;
	nested_vmx_insn(&n, reason);
	if (n.in_l2)
		return OUTCOME_L2;
	assert_ptr_equal(fake_hw.current, fake_hw.vmcs01);
	if (fake_called("seam_inject") != faults)
		return OUTCOME_FAULT;
	if (n.stats.failed_entries != failed_entries)
		return OUTCOME_RELOADED;
	flags = fake_hw.vmcs01[FID_GUEST_RFLAGS];
	assert_int_equal(flags & RFLAGS_OF, 0);
	if (flags & RFLAGS_CF)
		return OUTCOME_FAIL_INVALID;
	if (flags & RFLAGS_ZF)
		return (int)n.cur->f[FID_INSTRUCTION_ERROR];
	return OUTCOME_SUCCEED;
}

/* An instruction with a 64-bit memory operand [RAX] in DS. */
static int execute_m64(uint32_t reason, uint64_t value)
{
	gpr[0] = OPERAND;
	fake_write64(OPERAND, value);
	return execute(reason, 2u << 7 | 3u << 15 | BIT(22));
}

static inline int vmwrite12(uint64_t encoding, uint64_t value)
{
	gpr[1] = value;
	gpr[2] = encoding;
	return execute(EXIT_VMWRITE, BIT(10) | 1u << 3 | 2u << 28);
}

static inline int vmread12(uint64_t encoding, uint64_t *value)
{
	int outcome;

	gpr[1] = 0;
	gpr[2] = encoding;
	outcome = execute(EXIT_VMREAD, BIT(10) | 1u << 3 | 2u << 28);
	*value = gpr[1];
	return outcome;
}

/* VMXON, and a current VMCS at VMCS_REGION. */
static void enter_vmx(void)
{
	n.vmxon = true;
	n.vmxon_gpa = VMXON_REGION;
	fake_write32(VMCS_REGION, CAPS_REVISION);
	assert_int_equal(execute_m64(EXIT_VMCLEAR, VMCS_REGION), OUTCOME_SUCCEED);
	assert_int_equal(execute_m64(EXIT_VMPTRLD, VMCS_REGION), OUTCOME_SUCCEED);
}

/* The current VMCS12 becomes this one, as if L1 had written every field. */
static inline void become(const uint64_t *f)
{
	memcpy(n.cur->f, f, sizeof(n.cur->f));
	n.cur->dirty = UINT8_MAX;
	n.cur->unchecked = UINT8_MAX;
	n.cur->rare_in_02 = false;
	n.cur->launched = false;
}

/* A golden 64-bit VMCS12 without MSR lists and what this L1 is not offered. */
static inline void golden_offered(uint64_t *f)
{
	golden_64bit(f);
	f[FID_EXIT_CONTROLS] &= ~(uint64_t)EXIT_LOAD_PERF_GLOBAL_CTRL;
	f[FID_ENTRY_CONTROLS] &= ~(uint64_t)(ENTRY_LOAD_PERF_GLOBAL_CTRL | ENTRY_LOAD_BNDCFGS);
	f[FID_EXIT_MSR_STORE_COUNT] = 0;
	f[FID_EXIT_MSR_LOAD_COUNT] = 0;
	f[FID_ENTRY_MSR_LOAD_COUNT] = 0;
	golden_memory();
}

#endif
