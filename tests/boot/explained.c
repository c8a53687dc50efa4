/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 that does what --explain explains: a fault of VMX instructions by each rule that can be
 * broken from here, MSRs, MSR lists, entries of EPT12, and at last a VMX abort, which ends it.
 */
#include "cmdline.h"
#include "conf.h"

#define WINDOW 0x40000000ull

static struct l2 l2;
static struct ept ept;
static uint64_t *pdpt, *pd, *pt; /* of WINDOW */

L2_CODE(touch_window, "mov 0x40000000, %eax");

/* ---- faults ---- */

static void vmxoff(void)
{
	__asm__ volatile("vmxoff" : : : "cc");
}

__attribute__((noinline)) static void non_canonical_operand(void)
{
	__asm__ volatile(TRY_BEGIN "vmptrld (%0)" TRY_END
			 :
			 : "r"(0x800000000000ull)
			 : "memory", "cc");
}

static void faults(void)
{
	uint64_t region = address_of(vmxon_region());

	vmx_vmptrst(&region);
	non_canonical_operand();
	user_call(vmxoff);
	vmx_vmxoff();
	vmx_vmptrst(&region); /* outside VMX operation */
	region = address_of(vmxon_region());
	write_cr0(read_cr0() & ~CR0_NE);
	vmx_vmxon(region);
	write_cr0(read_cr0() | CR0_NE);
	write_cr4(read_cr4() & ~(uint64_t)CR4_VMXE);
	vmx_vmxon(region);
	write_cr4(read_cr4() | CR4_VMXE);
	print("VMXON: %s\n", vmx_outcome(vmx_vmxon(region)));
}

/* ---- MSRs ---- */

/* The bitmap covers it, so that L1 does not get L2's access. */
#define UNKNOWN_MSR 0x1ff0

__attribute__((noinline)) static void unknown_msr(void)
{
	rdmsr_try(UNKNOWN_MSR);
}

static void msrs(void)
{
	unknown_msr();
	wrmsr_try(MSR_PLATFORM_ID, 5);
	wrmsr_try(MSR_MTRR_CAP, 0);
	wrmsr_try(MSR_MTRR_DEF_TYPE, 2);
	wrmsr_try(MSR_FEATURE_CONTROL, 0);
	wrmsr_try(MSR_VMX_BASIC, 0);
	rdmsr_try(MSR_VMX_PROC3 + 1);
	rdmsr_try(MSR_X2APIC_FIRST + 2);
	wrmsr_try(MSR_APIC_BASE, 0x400);
	wrmsr_try(MSR_APIC_BASE, 1);
	wrmsr_try(MSR_APIC_BASE, 0xfed00900);
	l2_restart(&l2, unknown_msr);
	l2_run(&l2);
	print("L2's RDMSR: exit %lu\n", vmread(VMCS_EXIT_REASON));
}

static void entry_list(uint64_t first_word, uint64_t value)
{
	uint64_t *list = page_alloc();

	list[0] = first_word;
	list[1] = value;
	l2_restart(&l2, l2_done);
	vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, address_of(list));
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	l2_run(&l2);
	print("list: exit %lx\n", vmread(VMCS_EXIT_REASON));
}

/* ---- EPT12 ---- */

static void misconfigured(uint64_t *at, uint64_t entry)
{
	uint64_t good = *at;

	*at = entry;
	invept_global();
	l2_restart(&l2, touch_window);
	ept_use(&ept);
	l2_run(&l2);
	print("EPT12: exit %lu\n", vmread(VMCS_EXIT_REASON));
	*at = good;
}

static void misconfigurations(void)
{
	ept_init(&ept);
	ept_identity(&ept, 0x4000000, 2);
	ept_map(&ept, WINDOW, address_of(page_alloc()), 1, EPT_RWX | EPT_WB);
	pdpt = ept_entry(&ept, WINDOW, 3);
	pd = ept_entry(&ept, WINDOW, 2);
	pt = ept_entry(&ept, WINDOW, 1);
	misconfigured(pt, *pt & ~(uint64_t)EPT_READ);
	misconfigured(pt, *pt | BIT64(51));
	misconfigured(pt, (*pt & ~(uint64_t)EPT_MEMTYPE) | 2 << 3);
	misconfigured(pd, *pd | 0x20);
	misconfigured(pd, 0x1000 | EPT_RWX | EPT_WB | EPT_LARGE);
	misconfigured(pdpt, EPT_RWX | EPT_WB | EPT_LARGE);
	misconfigured(pt, 0); /* an EPT violation, which is not explained */
}

static void vmx_abort(void)
{
	uint64_t *list = page_alloc();

	list[0] = MSR_X2APIC_FIRST;
	l2_restart(&l2, l2_done);
	vmwrite(VMCS_EXIT_MSR_LOAD_ADDR, address_of(list));
	vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 1);
	l2_run(&l2);
	print("after the VMX abort\n");
}

int payload_main(void)
{
	if (!vmx_supported() || !vmx_enable())
		return 1;
	faults();
	l2_setup(&l2, l2_done);
	msrs();
	entry_list(MSR_FS_BASE, 0);
	entry_list(MSR_PAT, 2);
	misconfigurations();
	print("explained: all\n");
	while (cmdline_flag("stay"))
		__asm__ volatile("pause");
	vmx_abort();
	return 2;
}
