/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of an instruction that L0 completed, on the current VMCS, of whatever level.
 */
#include "nested/nested_int.h"

static bool in_long64(void)
{
	return seam_vmread(FID_GUEST_CS_AR) & SEG_AR_L &&
	       seam_vmread(FID_GUEST_EFER) & EFER_LMA;
}

void nested_step_over(uint64_t length)
{
	uint64_t old = seam_vmread(FID_GUEST_RIP), rip = old + length, flags;
	uint64_t blocking = seam_vmread(FID_GUEST_INTERRUPTIBILITY);

	/* Only crossing 4 GiB tells 64-bit mode from the others. */
	if ((rip ^ old) >> 32 && !in_long64())
		rip = (uint32_t)rip;
	seam_vmwrite(FID_GUEST_RIP, rip);
	if (blocking & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS))
		seam_vmwrite(FID_GUEST_INTERRUPTIBILITY,
			blocking & ~(uint64_t)(INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS));
	flags = seam_vmread(FID_GUEST_RFLAGS);
	if (!(flags & (RFLAGS_TF | RFLAGS_RF)))
		return;
	/* An EPT violation sets RF (SDM 27.3.3), the end of an instruction clears it
	 * (17.3.1.1). */
	seam_vmwrite(FID_GUEST_RFLAGS, flags & ~RFLAGS_RF);
	/* The trap that RFLAGS.TF brings after an instruction, as the CPU would have it
	 * pending. */
	if (flags & RFLAGS_TF && !(seam_vmread(FID_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
		seam_vmwrite(FID_GUEST_PENDING_DBG,
			seam_vmread(FID_GUEST_PENDING_DBG) | PENDING_DBG_BS);
}

void nested_block_nmis_again(uint64_t qualification)
{
	if ((qualification & QUAL_NMI_UNBLOCKING) &&
		!(seam_vmread(FID_IDT_VECTORING_INFO) & INTR_INFO_VALID))
		seam_vmwrite(FID_GUEST_INTERRUPTIBILITY,
			seam_vmread(FID_GUEST_INTERRUPTIBILITY) | INTERRUPTIBILITY_NMI);
}

bool nested_checks_alignment(void)
{
	/* SDM 24.4.1: the DPL of SS is the CPL. */
	return SEG_AR_DPL(seam_vmread(FID_GUEST_SS_AR)) == 3 &&
	       seam_vmread(FID_GUEST_CR0) & CR0_AM && seam_vmread(FID_GUEST_RFLAGS) & RFLAGS_AC;
}

bool nested_ac_of_split_lock(const struct nested *n)
{
	return !n->locks_pass || !nested_checks_alignment();
}

void nested_skip(void)
{
	nested_step_over(seam_vmread(FID_EXIT_INSTRUCTION_LENGTH));
}
