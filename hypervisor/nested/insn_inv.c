/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INVEPT and INVVPID of L1 (SDM 30.3).
 */
#include "nested/nested_int.h"

/* Bits of IA32_VMX_EPT_VPID_CAP that make a type valid. */
static bool type_supported(
	const struct nested *n, uint64_t type, unsigned first_bit, unsigned last)
{
	uint64_t cap = caps_msr(&n->vm->caps, MSR_VMX_EPT_VPID_CAP);

	return type <= last && (cap & BIT64(first_bit + type));
}

static int refuse_descriptor(struct nested *n, uint64_t type, uint64_t first, uint64_t second)
{
	n->refused = (struct nested_refusal){.value = type, .found = {first, second}};
	return VMERR_INVALID_INVEPT_INVVPID;
}

int insn_invept(struct nested *n, const struct l1_mode *m)
{
	uint32_t info = (uint32_t)seam_vmread(FID_EXIT_INSTRUCTION_INFO);
	uint64_t type = insn_reg_get(n, m, INFO_REG2(info));
	uint64_t descriptor[2], pending = seam_vmread(FID_GUEST_PENDING_DBG);
	bool done;

	if (!cap_control(n, MSR_VMX_PROC2, PROC2_ENABLE_EPT) ||
		!(caps_msr(&n->vm->caps, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_INVEPT))
		return insn_fault(n, INSN_UD, DENIAL_INSN_NOT_OFFERED, 0);
	if (type == 0 || !type_supported(n, type, 24, INVEPT_GLOBAL))
		return insn_refuse(n, VMERR_INVALID_INVEPT_INVVPID, type, 0);
	if (!insn_mem_read(n, m, info, descriptor, sizeof(descriptor)))
		return INSN_DONE;
	paging_forget_code(n);
	if (type == INVEPT_SINGLE) {
		if (!caps_eptp_ok(&n->vm->caps, descriptor[0]))
			return refuse_descriptor(n, type, descriptor[0], descriptor[1]);
		done = vept_invalidate(n, descriptor[0]);
	} else {
		done = vept_invalidate_all(n);
	}
	if (done)
		return INSN_SUCCEED;
	/* L1 executes it again, after its interrupts: its operand has met no breakpoint yet. */
	seam_vmwrite(FID_GUEST_PENDING_DBG, pending);
	return INSN_DONE;
}

static void flush_vpids(struct nested *n, uint16_t vpid12, bool all)
{
	for (unsigned i = 0; i < VPID02_SLOTS; i++)
		if (n->vpid12[i] && (all || n->vpid12[i] == vpid12))
			seam_flush_vpid(n, (uint16_t)(n->vpid01 + 1 + i));
}

int insn_invvpid(struct nested *n, const struct l1_mode *m)
{
	uint32_t info = (uint32_t)seam_vmread(FID_EXIT_INSTRUCTION_INFO);
	uint64_t type = insn_reg_get(n, m, INFO_REG2(info));
	struct {
		uint64_t vpid, linear;
	} d;

	if (!cap_control(n, MSR_VMX_PROC2, PROC2_ENABLE_VPID) ||
		!(caps_msr(&n->vm->caps, MSR_VMX_EPT_VPID_CAP) & EPT_CAP_INVVPID))
		return insn_fault(n, INSN_UD, DENIAL_INSN_NOT_OFFERED, 0);
	if (!type_supported(n, type, 40, INVVPID_SINGLE_KEEP_GLOBALS))
		return insn_refuse(n, VMERR_INVALID_INVEPT_INVVPID, type, 0);
	if (!insn_mem_read(n, m, info, &d, sizeof(d)))
		return INSN_DONE;
	if (d.vpid >> 16 || (type != INVVPID_ALL && d.vpid == 0) ||
		(type == INVVPID_ADDRESS && !canonical_in(d.linear, n->vm->caps.linear_bits)))
		return refuse_descriptor(n, type, d.vpid, d.linear);
	flush_vpids(n, (uint16_t)d.vpid, type == INVVPID_ALL);
	return INSN_SUCCEED;
}
