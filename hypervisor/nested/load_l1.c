/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM exit loads L1's host state (SDM 27.5 "Loading Host State") into VMCS01, which is
 * current.
 */
#include "nested/nested_int.h"

/* The value of the segment's field: s is its place in the VMCS, where ES is first. */
static inline void write_segment(enum vmcs_fid of_es, unsigned s, uint64_t value)
{
	seam_vmwrite((enum vmcs_fid)(of_es + s), value);
}

/* 27.5.2: a data segment with a null selector is unusable. */
static inline void load_data_segment(unsigned s, uint64_t selector)
{
	write_segment(FID_GUEST_ES_SELECTOR, s, selector);
	write_segment(FID_GUEST_ES_LIMIT, s, UINT32_MAX);
	write_segment(
		FID_GUEST_ES_AR, s, selector ? SEG_AR_DATA32 : SEG_AR_DATA32 | SEG_AR_UNUSABLE);
}

/* 27.5.2 "Loading Host Segment and Descriptor-Table Registers". */
static void load_segments(const uint64_t *f, bool long64)
{
	seam_vmwrite(FID_GUEST_CS_SELECTOR, f[FID_HOST_CS_SELECTOR]);
	seam_vmwrite(FID_GUEST_CS_BASE, 0);
	seam_vmwrite(FID_GUEST_CS_LIMIT, UINT32_MAX);
	seam_vmwrite(FID_GUEST_CS_AR, long64 ? SEG_AR_CODE64 : SEG_AR_CODE32);
	load_data_segment(SEG_ES, f[FID_HOST_ES_SELECTOR]);
	load_data_segment(SEG_SS, f[FID_HOST_SS_SELECTOR]);
	load_data_segment(SEG_DS, f[FID_HOST_DS_SELECTOR]);
	load_data_segment(SEG_FS, f[FID_HOST_FS_SELECTOR]);
	load_data_segment(SEG_GS, f[FID_HOST_GS_SELECTOR]);
	seam_vmwrite(FID_GUEST_ES_BASE, 0);
	seam_vmwrite(FID_GUEST_SS_BASE, 0);
	seam_vmwrite(FID_GUEST_DS_BASE, 0);
	seam_vmwrite(FID_GUEST_FS_BASE, f[FID_HOST_FS_BASE]);
	seam_vmwrite(FID_GUEST_GS_BASE, f[FID_HOST_GS_BASE]);
	seam_vmwrite(FID_GUEST_TR_SELECTOR, f[FID_HOST_TR_SELECTOR]);
	seam_vmwrite(FID_GUEST_TR_BASE, f[FID_HOST_TR_BASE]);
	seam_vmwrite(FID_GUEST_TR_LIMIT, TSS_LIMIT);
	seam_vmwrite(FID_GUEST_TR_AR, SEG_AR_TSS_BUSY);
	seam_vmwrite(FID_GUEST_LDTR_SELECTOR, 0);
	seam_vmwrite(FID_GUEST_LDTR_AR, SEG_AR_UNUSABLE);
	seam_vmwrite(FID_GUEST_GDTR_BASE, f[FID_HOST_GDTR_BASE]);
	seam_vmwrite(FID_GUEST_GDTR_LIMIT, UINT16_MAX);
	seam_vmwrite(FID_GUEST_IDTR_BASE, f[FID_HOST_IDTR_BASE]);
	seam_vmwrite(FID_GUEST_IDTR_LIMIT, UINT16_MAX);
}

/* 27.5.1 for IA32_EFER and IA32_PAT, and the IA-32e-mode control that goes with them. */
static void load_modes(const uint64_t *f, bool long64, const struct l2_leftover *l2)
{
	uint32_t exit = (uint32_t)f[FID_EXIT_CONTROLS];
	uint32_t entry01 = (uint32_t)seam_vmread(FID_ENTRY_CONTROLS);
	uint32_t want = long64 ? entry01 | ENTRY_IA32E_GUEST : entry01 & ~ENTRY_IA32E_GUEST;
	uint64_t efer = f[FID_HOST_EFER];

	if (!(exit & EXIT_LOAD_EFER)) {
		efer = l2->valid ? l2->efer : seam_vmread(FID_GUEST_EFER);
		efer &= ~(EFER_LMA | EFER_LME);
		efer |= long64 ? EFER_LMA | EFER_LME : 0;
	}
	seam_vmwrite(FID_GUEST_EFER, efer);
	if (want != entry01)
		seam_vmwrite(FID_ENTRY_CONTROLS, want);
	if (exit & EXIT_LOAD_PAT)
		seam_vmwrite(FID_GUEST_PAT, f[FID_HOST_PAT]);
	else if (l2->valid)
		seam_vmwrite(FID_GUEST_PAT, l2->pat);
}

/*
 * 27.5.4: an L1 with PAE paging gets its PDPTEs from memory, and a VMX abort if they are bad.
 */
static void load_pdptes(struct nested *n, const struct nvmcs *v, bool long64)
{
	const uint64_t *f = v->f;
	struct gpa_l1 at = {f[FID_HOST_CR3] & CR3_PDPT};
	uint64_t pdpte[4];

	if (long64 || !(f[FID_HOST_CR4] & CR4_PAE))
		return;
	n->refused = (struct nested_refusal){
		.why = DENIAL_HOST_PDPTES_NOT_RAM, .value = f[FID_HOST_CR3]};
	if (seam_l1_read(n, at, pdpte, sizeof(pdpte))) {
		exit_abort(n, v, VMX_ABORT_HOST_PDPTES,
			"VMX abort: host PDPTEs are not in memory");
		return;
	}
	n->refused.why = DENIAL_HOST_PDPTES_RESERVED;
	if (!paging_pdptes_ok(pdpte, n->vm->caps.maxphyaddr)) {
		exit_abort(n, v, VMX_ABORT_HOST_PDPTES,
			"VMX abort: a host PDPTE has a reserved bit set");
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		seam_vmwrite((enum vmcs_fid)(FID_GUEST_PDPTE0 + i), pdpte[i]);
}

/* 27.5.1: an exit loads these bits of CR0 and leaves the others, CD and NW among them. */
static void load_cr0(const struct nested *n, uint64_t host)
{
	const uint64_t loaded =
		CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_PG;

	host = (host & loaded) | CR0_ET;
	seam_vmwrite(FID_GUEST_CR0, host);
	seam_vmwrite(FID_CR0_READ_SHADOW, host | n->cr0_cache);
}

/* MCE is L0's: without it a machine check shuts the processor down. */
static void load_cr4(struct nested *n, uint64_t cr4)
{
	bool cpuid_changes = (seam_vmread(FID_CR4_READ_SHADOW) ^ cr4) & CR4_OF_CPUID;

	seam_vmwrite(FID_GUEST_CR4, cr4 | CR4_MCE);
	seam_vmwrite(FID_CR4_READ_SHADOW, cr4);
	if (cpuid_changes)
		seam_cpuid_changed(n);
}

void load_l1(struct nested *n, const struct nvmcs *v, const struct l2_leftover *l2)
{
	const uint64_t *f = v->f;
	bool long64 = f[FID_EXIT_CONTROLS] & EXIT_HOST_64;

	load_modes(f, long64, l2);
	load_segments(f, long64);
	load_cr0(n, f[FID_HOST_CR0]);
	seam_vmwrite(FID_GUEST_CR3, f[FID_HOST_CR3]);
	load_cr4(n, f[FID_HOST_CR4]);
	load_pdptes(n, v, long64);
	seam_vmwrite(FID_GUEST_SYSENTER_CS, f[FID_HOST_SYSENTER_CS]);
	seam_vmwrite(FID_GUEST_SYSENTER_ESP, f[FID_HOST_SYSENTER_ESP]);
	seam_vmwrite(FID_GUEST_SYSENTER_EIP, f[FID_HOST_SYSENTER_EIP]);
	seam_vmwrite(FID_GUEST_RSP, f[FID_HOST_RSP]);
	seam_vmwrite(FID_GUEST_RIP, f[FID_HOST_RIP]);
	seam_vmwrite(FID_GUEST_RFLAGS, RFLAGS_FIXED);
	seam_vmwrite(FID_GUEST_DR7, DR7_RESET);
	seam_vmwrite(FID_GUEST_DEBUGCTL, 0);
	seam_vmwrite(FID_GUEST_INTERRUPTIBILITY, l2->nmi_blocked ? INTERRUPTIBILITY_NMI : 0);
	seam_vmwrite(FID_GUEST_PENDING_DBG, 0);
}
