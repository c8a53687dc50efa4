/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMCS12s that pass every VM-entry check, for tests to start from, and capabilities under which
 * all features can be used. Include fake_memory.h or fake_seam.h first.
 */
#ifndef NESTOR_TESTS_GOLDEN_VMCS12_H
#define NESTOR_TESTS_GOLDEN_VMCS12_H

#include <string.h>

#include "fake_caps.h"
#include "nested/entry_checks.h"

/* Pages in L1's RAM that the golden VMCS12s point to. */
#define GOLDEN_VIRTUAL_APIC 0x5000
#define GOLDEN_PDPT         0x9000
#define GOLDEN_CURRENT      0xa000
#define GOLDEN_LINK         0xb000
#define GOLDEN_PID_TABLE    0x12fe0 /* of eight entries, the last four on the next page */

#define GOLDEN_PAT 0x0007040600070406ull

/* What L1 sees when every feature that Nestor knows is offered. */
static inline struct vmx_caps golden_caps(void)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct vmx_caps l1;
	struct caps_policy policy = caps_policy_default();

	policy.features = UINT64_MAX;
	policy.perf_global_valid = 0x70000000full;
	caps_derive(&l1, &hw, &policy);
	return l1;
}

static inline void golden_segment(
	uint64_t *f, enum vmcs_fid selector, uint64_t value, uint64_t limit, uint64_t ar)
{
	unsigned i = selector - FID_GUEST_ES_SELECTOR;

	f[selector] = value;
	f[FID_GUEST_ES_BASE + i] = 0;
	f[FID_GUEST_ES_LIMIT + i] = limit;
	f[FID_GUEST_ES_AR + i] = ar;
}

static inline void golden_controls(uint64_t *f)
{
	f[FID_PIN_CONTROLS] = 0x16 | PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;
	f[FID_PROC_CONTROLS] = 0x04006172 | PROC_HLT_EXITING | PROC_TPR_SHADOW |
			       PROC_USE_IO_BITMAPS | PROC_USE_MSR_BITMAPS | PROC_SECONDARY;
	f[FID_PROC2_CONTROLS] = PROC2_ENABLE_EPT | PROC2_ENABLE_VPID | PROC2_APIC_ACCESSES;
	f[FID_EXIT_CONTROLS] = 0x00036dfb | EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_ACK_INTR |
			       EXIT_LOAD_PAT | EXIT_LOAD_EFER | EXIT_LOAD_PERF_GLOBAL_CTRL;
	f[FID_ENTRY_CONTROLS] = 0x000011fb | ENTRY_LOAD_DEBUG | ENTRY_IA32E_GUEST |
				ENTRY_LOAD_PAT | ENTRY_LOAD_EFER | ENTRY_LOAD_PERF_GLOBAL_CTRL |
				ENTRY_LOAD_BNDCFGS;
	f[FID_IO_BITMAP_A] = 0x1000;
	f[FID_IO_BITMAP_B] = 0x2000;
	f[FID_MSR_BITMAP] = 0x3000;
	f[FID_VIRTUAL_APIC_ADDR] = GOLDEN_VIRTUAL_APIC;
	f[FID_APIC_ACCESS_ADDR] = 0xfee00000;
	f[FID_VPID] = 1;
	f[FID_EPT_POINTER] = 0x8000 | EPTP_WALK_4 | 6;
	f[FID_EXIT_MSR_STORE_COUNT] = 2;
	f[FID_EXIT_MSR_STORE_ADDR] = 0x6000;
	f[FID_EXIT_MSR_LOAD_COUNT] = 2;
	f[FID_EXIT_MSR_LOAD_ADDR] = 0x6010;
	f[FID_ENTRY_MSR_LOAD_COUNT] = 2;
	f[FID_ENTRY_MSR_LOAD_ADDR] = 0x6020;
}

static inline void golden_host(uint64_t *f)
{
	f[FID_HOST_CR0] = 0x80050033;
	f[FID_HOST_CR3] = 0x7000;
	f[FID_HOST_CR4] = CR4_PAE | CR4_VMXE | CR4_PCIDE;
	f[FID_HOST_EFER] = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	f[FID_HOST_PAT] = GOLDEN_PAT;
	f[FID_HOST_CS_SELECTOR] = 0x10;
	f[FID_HOST_SS_SELECTOR] = 0x18;
	f[FID_HOST_TR_SELECTOR] = 0x40;
	f[FID_HOST_GS_BASE] = 0xffff888000000000;
	f[FID_HOST_GDTR_BASE] = 0xfffffe0000001000;
	f[FID_HOST_IDTR_BASE] = 0xfffffe0000000000;
	f[FID_HOST_RIP] = 0xffffffff81000000;
}

/* Into a 64-bit guest with EPT, without unrestricted guest. */
static inline void golden_64bit(uint64_t *f)
{
	memset(f, 0, FID_COUNT * sizeof(*f));
	golden_controls(f);
	golden_host(f);
	f[FID_GUEST_CR0] = 0x80050033;
	f[FID_GUEST_CR3] = 0x1000;
	f[FID_GUEST_CR4] = CR4_PAE | CR4_VMXE;
	f[FID_GUEST_EFER] = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	f[FID_GUEST_PAT] = GOLDEN_PAT;
	f[FID_GUEST_DR7] = 0x400;
	f[FID_GUEST_RFLAGS] = RFLAGS_FIXED | RFLAGS_IF;
	f[FID_GUEST_RIP] = 0xffffffff81000000;
	golden_segment(f, FID_GUEST_CS_SELECTOR, 0x10, 0xffffffff, 0xa09b);
	golden_segment(f, FID_GUEST_SS_SELECTOR, 0x18, 0xffffffff, 0xc093);
	golden_segment(f, FID_GUEST_DS_SELECTOR, 0x18, 0xffffffff, 0xc093);
	golden_segment(f, FID_GUEST_ES_SELECTOR, 0x18, 0xffffffff, 0xc093);
	golden_segment(f, FID_GUEST_FS_SELECTOR, 0x18, 0xffffffff, 0xc093);
	golden_segment(f, FID_GUEST_GS_SELECTOR, 0x18, 0xffffffff, 0xc093);
	golden_segment(f, FID_GUEST_LDTR_SELECTOR, 0x28, 0xffff, 0x82);
	golden_segment(f, FID_GUEST_TR_SELECTOR, 0x40, 0x67, 0x8b);
	f[FID_GUEST_GDTR_LIMIT] = 0xffff;
	f[FID_GUEST_IDTR_LIMIT] = 0xfff;
	f[FID_VMCS_LINK_POINTER] = UINT64_MAX;
}

/* Into a 32-bit guest that uses PAE paging, with EPT. */
static inline void golden_32bit(uint64_t *f)
{
	golden_64bit(f);
	f[FID_ENTRY_CONTROLS] &= ~(uint64_t)ENTRY_IA32E_GUEST;
	f[FID_GUEST_EFER] = EFER_NXE;
	f[FID_GUEST_RIP] = 0x100000;
	f[FID_GUEST_CS_AR] = 0xc09b;
	f[FID_GUEST_PDPTE0] = 0x1001;
}

/* Into a virtual-8086 guest. */
static inline void golden_v86(uint64_t *f)
{
	golden_32bit(f);
	f[FID_GUEST_RFLAGS] |= RFLAGS_VM;
	for (unsigned i = 0; i < 6; i++) {
		f[FID_GUEST_ES_SELECTOR + i] = 0x1000 + i;
		f[FID_GUEST_ES_BASE + i] = (0x1000 + i) << 4;
		f[FID_GUEST_ES_LIMIT + i] = 0xffff;
		f[FID_GUEST_ES_AR + i] = 0xf3;
	}
	f[FID_GUEST_RIP] = 0x100;
}

/* Into a real-mode guest: unrestricted. */
static inline void golden_real(uint64_t *f)
{
	golden_32bit(f);
	f[FID_PROC2_CONTROLS] |= PROC2_UNRESTRICTED_GUEST;
	f[FID_GUEST_CR0] = CR0_NE | CR0_ET;
	f[FID_GUEST_CR4] = CR4_VMXE;
	for (unsigned i = 0; i < 6; i++) {
		f[FID_GUEST_ES_SELECTOR + i] = 0xf000;
		f[FID_GUEST_ES_BASE + i] = 0xf0000;
		f[FID_GUEST_ES_LIMIT + i] = 0xffff;
		f[FID_GUEST_ES_AR + i] = 0x93;
	}
	f[FID_GUEST_RIP] = 0xfff0;
}

/* Into a 32-bit guest that uses PAE paging, without EPT: the PDPTEs are in L1's RAM. */
static inline void golden_shadow_paging(uint64_t *f)
{
	golden_32bit(f);
	f[FID_PROC2_CONTROLS] &= ~(uint64_t)PROC2_ENABLE_EPT;
	f[FID_GUEST_CR3] = GOLDEN_PDPT;
	f[FID_GUEST_PDPTE0] = UINT64_MAX;
}

/* A 32-bit L1 and a 32-bit guest. */
static inline void golden_32bit_l1(uint64_t *f)
{
	golden_32bit(f);
	f[FID_EXIT_CONTROLS] &= ~(uint64_t)EXIT_HOST_64;
	f[FID_HOST_EFER] = EFER_NXE;
	f[FID_HOST_CR4] = CR4_VMXE;
	f[FID_HOST_RIP] = 0xc0001000;
}

/* Everything of APIC virtualization, and the EPT features that need EPT. */
static inline void golden_apicv(uint64_t *f)
{
	golden_64bit(f);
	f[FID_PIN_CONTROLS] |= PIN_POSTED_INTR | PIN_PREEMPTION_TIMER;
	f[FID_EXIT_CONTROLS] |= EXIT_SAVE_PREEMPTION_TIMER;
	f[FID_PROC2_CONTROLS] |= PROC2_APIC_REGISTER_VIRT | PROC2_VIRT_INTR_DELIVERY |
				 PROC2_ENABLE_PML | PROC2_ENABLE_VMFUNC | PROC2_VMCS_SHADOWING |
				 PROC2_EPT_VIOLATION_VE | PROC2_SUB_PAGE_WRITE;
	f[FID_EPT_POINTER] |= EPTP_AD;
	f[FID_PROC_CONTROLS] |= PROC_TERTIARY;
	f[FID_PROC3_CONTROLS] = PROC3_IPI_VIRTUALIZATION;
	f[FID_PID_POINTER_TABLE] = GOLDEN_PID_TABLE;
	f[FID_LAST_PID_POINTER_INDEX] = 7;
	f[FID_POSTED_INTR_NV] = 0xf2;
	f[FID_POSTED_INTR_DESC] = 0xc040;
	f[FID_PML_ADDRESS] = 0xd000;
	f[FID_VMFUNC_CONTROLS] = VMFUNC_EPTP_SWITCHING;
	f[FID_EPTP_LIST_ADDRESS] = 0xe000;
	f[FID_VMREAD_BITMAP] = 0xf000;
	f[FID_VMWRITE_BITMAP] = 0x10000;
	f[FID_VE_INFO_ADDRESS] = 0x11000;
	f[FID_SPPTP] = 0x12000;
	f[FID_VMCS_LINK_POINTER] = GOLDEN_LINK;
}

/* Virtualized x2APIC mode, with all that goes with it. */
static inline void golden_x2apic(uint64_t *f)
{
	golden_apicv(f);
	f[FID_PROC2_CONTROLS] &= ~(uint64_t)PROC2_APIC_ACCESSES;
	f[FID_PROC2_CONTROLS] |= PROC2_X2APIC_MODE;
	f[FID_GUEST_INTR_STATUS] = 0x4151;
}

/* What the golden VMCS12s expect in L1's RAM. */
static inline void golden_memory(void)
{
	fake.ram[GOLDEN_VIRTUAL_APIC + 0x80] = 0x40;
	fake_write64(GOLDEN_PDPT, 0x1001);
	fake_write32(GOLDEN_LINK, CAPS_REVISION | BIT(31));
}

static inline enum check_id golden_run(const struct check_env *e)
{
	enum check_id id = nested_check_controls(e);

	if (id == CHECK_OK)
		id = nested_check_entry_events(e);
	if (id == CHECK_OK)
		id = nested_check_host(e);
	if (id == CHECK_OK)
		id = nested_check_guest_state(e);
	if (id == CHECK_OK)
		id = nested_check_guest_events(e);
	return id;
}

#endif
