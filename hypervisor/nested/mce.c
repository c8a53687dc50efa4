/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CR4.MCE of L2. The processor has it set while any guest runs: with it clear a machine check
 * shuts the machine down (SDM 6.15 "Interrupt 18-Machine-Check Exception (#MC)"). VMCS02's mask
 * has the bit, so that a MOV to CR4 that would change it exits; what L2 has made of it is in
 * `mce_clear`, and in GUEST_CR4 of VMCS12 after an exit to L1. An L1 that owns the bit in its
 * own mask and has it set, as most do, pays nothing for that.
 */
#include "nested/nested_int.h"

static void set_mce(struct nvmcs *v, uint64_t cr4)
{
	v->mce_clear = !(cr4 & CR4_MCE);
	v->mce_shown = !v->mce_clear && !(v->f[FID_CR4_GUEST_HOST_MASK] & CR4_MCE);
}

void mce_find(struct nvmcs *v)
{
	set_mce(v, v->f[FID_GUEST_CR4]);
}

uint64_t nested_l2_cr4(const struct nested *n)
{
	uint64_t cr4 = seam_vmread(FID_GUEST_CR4);

	return n->cur->mce_clear ? cr4 & ~(uint64_t)CR4_MCE : cr4;
}

void nested_set_l2_cr4(struct nested *n, uint64_t cr4)
{
	struct nvmcs *v = n->cur;

	set_mce(v, cr4);
	seam_vmwrite(FID_GUEST_CR4, cr4 | CR4_MCE);
	seam_vmwrite(FID_CR4_READ_SHADOW, mce_shadow(v));
}
