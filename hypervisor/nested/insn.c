/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMX instructions of L1: the checks common to all, operands, and how they end.
 */
#include "nested/explain.h"
#include "nested/nested_int.h"

void insn_finish(uint64_t flags)
{
	seam_vmwrite(
		FID_GUEST_RFLAGS, (seam_vmread(FID_GUEST_RFLAGS) & ~RFLAGS_STATUS) | flags);
	nested_skip();
}

void insn_fail(struct nested *n, uint32_t error)
{
	if (n->cur) {
		n->cur->f[FID_INSTRUCTION_ERROR] = error;
		n->cur->in_region = false;
		if (n->vm->shadowing)
			shadow_write_field(n, n->cur, FID_INSTRUCTION_ERROR);
	}
	insn_finish(n->cur ? RFLAGS_ZF : RFLAGS_CF);
}

static uint64_t reg_get(struct nested *n, unsigned reg)
{
	return reg == REG_RSP ? seam_vmread(FID_GUEST_RSP) : n->gpr[reg];
}

uint64_t insn_reg_get(struct nested *n, const struct l1_mode *m, unsigned reg)
{
	uint64_t value = reg_get(n, reg);

	return m->long64 ? value : (uint32_t)value;
}

void insn_reg_set(struct nested *n, const struct l1_mode *m, unsigned reg, uint64_t value)
{
	if (!m->long64)
		value = (uint32_t)value;
	if (reg == REG_RSP)
		seam_vmwrite(FID_GUEST_RSP, value);
	else
		n->gpr[reg] = value;
}

/* Before the exception is queued; n->refused tells by which rule. */
static __attribute__((noinline)) void report_fault(struct nested *n, uint8_t vector)
{
	struct nested_report r = {.kind = REPORT_FAULT,
		.instruction = (uint8_t)seam_vmread(FID_EXIT_REASON),
		.error = vector,
		.why = n->refused.why,
		.l2 = n->in_l2,
		.rip = seam_vmread(FID_GUEST_RIP),
		.value = n->refused.value};

	seam_report(n, &r);
}

void insn_raise(struct nested *n, uint8_t vector)
{
	if (n->vm->explaining)
		report_fault(n, vector);
	seam_inject(n, vector, vector != VEC_UD, 0);
}

/* Segment access outside 64-bit mode (SDM vol. 3A, 5.3 "Limit Checking", 5.5 types). */
static bool segment_allows(unsigned segment, uint64_t offset, uint32_t len, bool write)
{
	uint32_t ar = (uint32_t)seam_vmread((enum vmcs_fid)(FID_GUEST_ES_AR + segment));
	uint64_t limit = (uint32_t)seam_vmread((enum vmcs_fid)(FID_GUEST_ES_LIMIT + segment));
	bool code = ar & SEG_TYPE_CODE;
	uint64_t last = offset + len - 1;

	if (ar & SEG_AR_UNUSABLE)
		return false;
	if (write ? code || !(ar & SEG_TYPE_WRITABLE) : code && !(ar & SEG_TYPE_READABLE))
		return false;
	if (!code && (ar & SEG_TYPE_DOWN)) {
		uint64_t top = ar & SEG_AR_DB ? UINT32_MAX : UINT16_MAX;

		return offset > limit && last <= top;
	}
	return last <= limit;
}

/* The linear address of the memory operand. False: a fault was queued. */
static bool operand_address(struct nested *n, const struct l1_mode *m, uint32_t info,
	uint32_t len, bool write, uint64_t *linear)
{
	static const uint64_t size_mask[] = {UINT16_MAX, UINT32_MAX, UINT64_MAX};
	unsigned addrsize = INFO_ADDRSIZE(info);
	unsigned segment = INFO_SEGMENT(info);
	uint64_t offset = seam_vmread(FID_EXIT_QUALIFICATION); /* the displacement, 27.2.1 */

	if (!(info & INFO_NO_BASE))
		offset += reg_get(n, INFO_BASE(info));
	if (!(info & INFO_NO_INDEX))
		offset += reg_get(n, INFO_INDEX(info)) << INFO_SCALE(info);
	offset &= size_mask[addrsize > 2 ? 2 : addrsize];

	*linear = offset;
	if (!m->long64 || segment == SEG_FS || segment == SEG_GS)
		*linear += seam_vmread((enum vmcs_fid)(FID_GUEST_ES_BASE + segment));
	if (m->long64) {
		if (insn_canonical(*linear) && insn_canonical(*linear + len - 1))
			return true;
		(void)insn_fault(n, INSN_GP, DENIAL_INSN_OPERAND_CANONICAL, *linear);
	} else {
		*linear = (uint32_t)*linear;
		if (segment_allows(segment, offset, len, write))
			return true;
		(void)insn_fault(n, INSN_GP, DENIAL_INSN_OPERAND_SEGMENT, offset);
	}
	insn_raise(n, segment == SEG_SS ? VEC_SS : VEC_GP);
	return false;
}

/* Of L1, or of an L2 whose instruction is completed here. */
static struct paging_state operand_paging(struct nested *n, const struct l1_mode *m)
{
	return (struct paging_state){
		.eptp12 = n->in_l2 && n->cur->root ? n->cur->root->eptp12 : 0,
		.cr0 = seam_vmread(FID_GUEST_CR0),
		.cr3 = seam_vmread(FID_GUEST_CR3),
		.cr4 = seam_vmread(FID_GUEST_CR4),
		.efer = seam_vmread(FID_GUEST_EFER),
		.cpl = m->cpl,
		.rflags_ac = seam_vmread(FID_GUEST_RFLAGS) & RFLAGS_AC,
		.maxphyaddr = n->vm->caps.maxphyaddr,
	};
}

static bool page_fault(struct nested *n, const struct paging_fault *f)
{
	if (f->ept)
		nested_deliver_ept_fault(n, f);
	else
		seam_inject_page_fault(n, f->address, f->error_code);
	return false;
}

/* Data breakpoints: SDM 17.2.4. */
static void watched(struct nested *n, uint64_t linear, uint32_t len, bool write)
{
	if (seam_vmread(FID_GUEST_DR7) & DR7_ENABLED)
		seam_operand(n, linear, len, write);
}

static __attribute__((noinline)) bool read_by_walk(struct nested *n, const struct l1_mode *m,
	uint64_t linear, void *dst, uint32_t len, bool keep)
{
	struct paging_state s = operand_paging(n, m);
	struct paging_fault fault;

	if (!paging_read(n, &s, linear, dst, len, &fault))
		return page_fault(n, &fault);
	if (keep)
		operand_keep(n, &s, linear);
	return true;
}

bool insn_mem_read(
	struct nested *n, const struct l1_mode *m, uint32_t info, void *dst, uint32_t len)
{
	bool usual = m->long64 && !n->in_l2 && len % sizeof(uint64_t) == 0;
	uint64_t linear;

	if (!operand_address(n, m, info, len, false, &linear))
		return false;
	if (!(usual && operand_read(n, linear, dst, len)) &&
		!read_by_walk(n, m, linear, dst, len, usual))
		return false;
	watched(n, linear, len, false);
	return true;
}

bool insn_mem_write(
	struct nested *n, const struct l1_mode *m, uint32_t info, const void *src, uint32_t len)
{
	struct paging_state s = operand_paging(n, m);
	struct paging_fault fault;
	uint64_t linear;

	if (!operand_address(n, m, info, len, true, &linear))
		return false;
	if (!paging_write(n, &s, linear, src, len, &fault))
		return page_fault(n, &fault);
	watched(n, linear, len, true);
	return true;
}

static uint64_t visible(enum vmcs_fid value, enum vmcs_fid shadow, enum vmcs_fid mask)
{
	uint64_t m = seam_vmread(mask);

	return (seam_vmread(value) & ~m) | (seam_vmread(shadow) & m);
}

uint64_t nested_l1_cr0(void)
{
	return visible(FID_GUEST_CR0, FID_CR0_READ_SHADOW, FID_CR0_GUEST_HOST_MASK);
}

uint64_t nested_l1_cr4(void)
{
	return visible(FID_GUEST_CR4, FID_CR4_READ_SHADOW, FID_CR4_GUEST_HOST_MASK);
}

/*
 * What every VMX instruction checks first. CR0.PE needs no look: VMX operation keeps it set,
 * and outside of it all of them are #UD. VMCALL exits in any mode (25.1.2), so RFLAGS.VM does.
 */
static int common_checks(struct nested *n, uint32_t reason, struct l1_mode *m)
{
	bool lma = seam_vmread(FID_GUEST_EFER) & EFER_LMA;
	bool long64 = lma && (seam_vmread(FID_GUEST_CS_AR) & SEG_AR_L);

	m->long64 = long64;
	m->cpl = (uint8_t)SEG_AR_DPL(seam_vmread(FID_GUEST_SS_AR));
	if (reason == EXIT_VMXON && !(nested_l1_cr4() & CR4_VMXE))
		return insn_fault(n, INSN_UD, DENIAL_INSN_VMXE, 0);
	if (reason != EXIT_VMXON && !n->vmxon)
		return insn_fault(n, INSN_UD, DENIAL_INSN_NOT_IN_VMX, 0);
	if ((lma && !long64) || (seam_vmread(FID_GUEST_RFLAGS) & RFLAGS_VM))
		return insn_fault(n, INSN_UD, DENIAL_INSN_MODE, 0);
	if (m->cpl > 0)
		return insn_fault(n, INSN_GP, DENIAL_INSN_CPL, m->cpl);
	return INSN_SUCCEED;
}

static int execute(struct nested *n, uint32_t reason, const struct l1_mode *m)
{
	switch (reason) {
	case EXIT_VMREAD:
		return insn_vmread(n, m);
	case EXIT_VMWRITE:
		return insn_vmwrite(n, m);
	case EXIT_VMLAUNCH:
	case EXIT_VMRESUME:
		return nested_entry(n, m, reason);
	case EXIT_INVEPT:
		return insn_invept(n, m);
	case EXIT_INVVPID:
		return insn_invvpid(n, m);
	case EXIT_VMPTRLD:
		return insn_vmptrld(n, m);
	case EXIT_VMPTRST:
		return insn_vmptrst(n, m);
	case EXIT_VMCLEAR:
		return insn_vmclear(n, m);
	case EXIT_VMXON:
		return insn_vmxon(n, m);
	case EXIT_VMXOFF:
		return insn_vmxoff(n);
	case EXIT_VMCALL: /* no dual-monitor treatment: SDM 30.3 "VMCALL" */
		return VMERR_VMCALL_IN_ROOT;
	default: /* VMFUNC in root operation */
		return insn_fault(n, INSN_UD, DENIAL_INSN_NOT_OFFERED, 0);
	}
}

/* Before RIP moves on. The checks of VM entry have reported what they found. */
static void report(struct nested *n, uint32_t reason, int outcome)
{
	bool entry = reason == EXIT_VMLAUNCH || reason == EXIT_VMRESUME;
	struct nested_report r = {
		.kind = (uint8_t)(outcome < 0 ? REPORT_FAIL_INVALID : REPORT_VMFAIL),
		.instruction = (uint8_t)reason,
		.error = (uint8_t)(outcome < 0 ? 0 : outcome),
		.no_vmcs = !n->cur,
		.rip = seam_vmread(FID_GUEST_RIP),
		.value = entry && n->cur ? n->cur->gpa : n->refused.value,
		.found = {n->refused.found[0], n->refused.found[1]},
	};

	if (outcome != VMERR_ENTRY_CONTROLS && outcome != VMERR_ENTRY_HOST_STATE)
		seam_report(n, &r);
}

void nested_vmx_insn(struct nested *n, uint32_t exit_reason)
{
	struct l1_mode m;
	int outcome = common_checks(n, exit_reason, &m);

	if (outcome == INSN_SUCCEED)
		outcome = execute(n, exit_reason, &m);
	switch (outcome) {
	case INSN_SUCCEED:
		insn_finish(0);
		break;
	case INSN_FAIL_INVALID:
		report(n, exit_reason, outcome);
		insn_finish(RFLAGS_CF);
		break;
	case INSN_UD:
		insn_raise(n, VEC_UD);
		break;
	case INSN_GP:
		insn_raise(n, VEC_GP);
		break;
	case INSN_DONE:
		break;
	default:
		report(n, exit_reason, outcome);
		insn_fail(n, (uint32_t)outcome);
	}
}
