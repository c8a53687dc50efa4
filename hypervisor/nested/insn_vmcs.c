/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMXON, VMXOFF, and the instructions on VMCSs except VM entry (SDM 30.3 "VMX Instructions").
 */
#include "nested/nested_int.h"

/* The first word of a VMCS or VMXON region; absent memory reads as all ones. */
static uint32_t region_revision(struct nested *n, uint64_t gpa)
{
	const uint32_t *page = seam_l1_page(n, (struct gpa_l1){gpa});
	uint32_t revision;

	if (page)
		return __atomic_load_n(page, __ATOMIC_RELAXED);
	if (seam_l1_read(n, (struct gpa_l1){gpa}, &revision, sizeof(revision)))
		return UINT32_MAX;
	return revision;
}

/* The m64 operand of VMXON, VMCLEAR, VMPTRLD. */
static bool pointer_operand(struct nested *n, const struct l1_mode *m, uint64_t *gpa)
{
	uint32_t info = (uint32_t)seam_vmread(FID_EXIT_INSTRUCTION_INFO);

	return insn_mem_read(n, m, info, gpa, sizeof(*gpa));
}

void insn_serve_by_hardware(bool on)
{
	uint64_t proc2 = seam_vmread(FID_PROC2_CONTROLS);

	seam_vmwrite(FID_PROC2_CONTROLS,
		on ? proc2 | PROC2_VMCS_SHADOWING : proc2 & ~(uint64_t)PROC2_VMCS_SHADOWING);
}

int insn_vmxon(struct nested *n, const struct l1_mode *m)
{
	uint64_t enabled = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_NOT_SMX;
	uint32_t revision;
	uint64_t gpa;

	if (n->vmxon)
		return VMERR_VMXON_IN_ROOT;
	if (!nested_cr0_fits(n, nested_l1_cr0()))
		return insn_fault(n, INSN_GP, DENIAL_INSN_CR0_FIXED, nested_l1_cr0());
	if (!nested_cr4_fits(n, nested_l1_cr4()))
		return insn_fault(n, INSN_GP, DENIAL_INSN_CR4_FIXED, nested_l1_cr4());
	if ((n->feature_control & enabled) != enabled)
		return insn_fault(n, INSN_GP, DENIAL_INSN_FEATURE_CONTROL, n->feature_control);
	if (!pointer_operand(n, m, &gpa))
		return INSN_DONE;
	if (!nvmcs_pointer_valid(n, gpa))
		return insn_refuse(n, INSN_FAIL_INVALID, gpa, 0);
	revision = region_revision(n, gpa);
	if (revision != caps_revision(&n->vm->caps))
		return insn_refuse(n, INSN_FAIL_INVALID, gpa, revision);
	n->vmxon = true;
	n->vmxon_gpa = gpa;
	if (n->vm->shadowing)
		insn_serve_by_hardware(true);
	return INSN_SUCCEED;
}

int insn_vmxoff(struct nested *n)
{
	nvmcs_select(n, NULL);
	n->vmxon = false;
	n->vmxon_gpa = NVMCS_FREE;
	if (n->vm->shadowing)
		insn_serve_by_hardware(false);
	return INSN_SUCCEED;
}

int insn_vmclear(struct nested *n, const struct l1_mode *m)
{
	uint64_t gpa;
	struct nvmcs *v;

	if (!pointer_operand(n, m, &gpa))
		return INSN_DONE;
	if (!nvmcs_pointer_valid(n, gpa))
		return insn_refuse(n, VMERR_VMCLEAR_BAD_ADDRESS, gpa, 0);
	if (gpa == n->vmxon_gpa)
		return insn_refuse(n, VMERR_VMCLEAR_VMXON_POINTER, gpa, 0);
	v = nvmcs_find(n, gpa);
	if (v) {
		if (v == n->cur)
			nvmcs_select(n, NULL);
		v->launched = false;
		nvmcs_flush(n, v);
	} else {
		nvmcs_clear_region(n, gpa);
	}
	return INSN_SUCCEED;
}

int insn_vmptrld(struct nested *n, const struct l1_mode *m)
{
	uint64_t gpa;
	uint32_t revision;
	struct nvmcs *v;

	if (!pointer_operand(n, m, &gpa))
		return INSN_DONE;
	if (!nvmcs_pointer_valid(n, gpa))
		return insn_refuse(n, VMERR_VMPTRLD_BAD_ADDRESS, gpa, 0);
	if (gpa == n->vmxon_gpa)
		return insn_refuse(n, VMERR_VMPTRLD_VMXON_POINTER, gpa, 0);
	revision = region_revision(n, gpa);
	if ((revision & ~VMCS_SHADOW_INDICATOR) != caps_revision(&n->vm->caps) ||
		((revision & VMCS_SHADOW_INDICATOR) &&
			!cap_control(n, MSR_VMX_PROC2, PROC2_VMCS_SHADOWING)))
		return insn_refuse(n, VMERR_VMPTRLD_BAD_REVISION, gpa, revision);
	v = nvmcs_load(n, gpa, revision);
	if (v != n->cur)
		nvmcs_select(n, v);
	return INSN_SUCCEED;
}

int insn_vmptrst(struct nested *n, const struct l1_mode *m)
{
	uint64_t gpa = n->cur ? n->cur->gpa : NVMCS_FREE;
	uint32_t info = (uint32_t)seam_vmread(FID_EXIT_INSTRUCTION_INFO);

	return insn_mem_write(n, m, info, &gpa, sizeof(gpa)) ? INSN_SUCCEED : INSN_DONE;
}

/* The field an encoding names for L1, FID_NONE when its virtual CPU has no such field. */
static enum vmcs_fid field_of(const struct nested *n, uint64_t encoding)
{
	enum vmcs_fid fid = encoding >> 32 ? FID_NONE : vmcs_fid_of((uint32_t)encoding);

	return fid != FID_NONE && field_exists(n, fid) ? fid : FID_NONE;
}

/* Whether a hardware VMCS, not v->f, has the field's value; if the machine has the field. */
static bool field_elsewhere(const struct nvmcs *v, enum vmcs_fid fid)
{
	return v->all_in_shadow || learn_open(v, fid, true) ||
	       (v->rare_in_02 && vmcs_fields[fid].group == GROUP_RARE);
}

__attribute__((noinline)) static uint64_t field_fetch(
	struct nested *n, struct nvmcs *v, enum vmcs_fid fid)
{
	uint64_t value;

	if (!field_in_hardware(n, fid))
		return v->f[fid];
	if (v->all_in_shadow || learn_open(v, fid, true)) {
		value = shadow_read_field(n, v, fid);
		if (n->in_l2)
			seam_use_vmcs02(n, n->cur);
		return value & vmcs_value_mask(vmcs_fields[fid].encoding);
	}
	seam_use_vmcs02(n, v);
	value = seam_vmread(fid);
	seam_use_vmcs01(n);
	return value;
}

static uint64_t field_get(struct nested *n, struct nvmcs *v, enum vmcs_fid fid)
{
	return field_elsewhere(v, fid) ? field_fetch(n, v, fid) : v->f[fid];
}

__attribute__((noinline)) static void field_store_02(
	struct nested *n, const struct nvmcs *v, enum vmcs_fid fid)
{
	if (!field_in_hardware(n, fid))
		return;
	seam_use_vmcs02(n, v);
	seam_vmwrite(fid, v->f[fid]);
	seam_use_vmcs01(n);
}

static void field_set(struct nested *n, struct nvmcs *v, enum vmcs_fid fid, uint64_t value)
{
	const struct vmcs_field *row = &vmcs_fields[fid];

	value &= vmcs_value_mask(row->encoding);
	if (value == v->f[fid] && !field_elsewhere(v, fid))
		return;
	v->f[fid] = value;
	v->unchecked |= row->flags & (FIELD_CHK_C | FIELD_CHK_H | FIELD_CHK_G);
	if (v->rare_in_02 && row->group == GROUP_RARE) {
		field_store_02(n, v, fid);
	} else {
		v->dirty |= row->group;
	}
	if (n->vm->shadowing &&
		(v->is_shadow || (row->flags & FIELD_SR) || learn_open(v, fid, false)))
		shadow_write_field(n, v, fid);
}

/*
 * On the fields of v; NULL: there is no VMCS. Two copies: those of L1 shall not pay for L2's.
 */
static inline __attribute__((always_inline)) int vmread_of(
	struct nested *n, const struct l1_mode *m, struct nvmcs *v)
{
	uint32_t info = (uint32_t)seam_vmread(FID_EXIT_INSTRUCTION_INFO);
	uint64_t encoding, value;
	enum vmcs_fid fid;

	if (!v)
		return INSN_FAIL_INVALID;
	encoding = insn_reg_get(n, m, INFO_REG2(info));
	fid = field_of(n, encoding);
	if (fid == FID_NONE)
		return insn_refuse(n, VMERR_BAD_FIELD, encoding, 0);
	n->touched = (uint8_t)fid;
	value = field_get(n, v, fid);
	if (vmcs_is_high((uint32_t)encoding))
		value >>= 32;
	if (info & INFO_REGISTER)
		insn_reg_set(n, m, INFO_REG1(info), value);
	else if (!insn_mem_write(n, m, info, &value, m->long64 ? 8 : 4))
		return INSN_DONE;
	return INSN_SUCCEED;
}

static inline __attribute__((always_inline)) int vmwrite_of(
	struct nested *n, const struct l1_mode *m, struct nvmcs *v)
{
	uint32_t info = (uint32_t)seam_vmread(FID_EXIT_INSTRUCTION_INFO);
	uint64_t encoding, value = 0;
	enum vmcs_fid fid;

	if (!v)
		return INSN_FAIL_INVALID;
	if (info & INFO_REGISTER)
		value = insn_reg_get(n, m, INFO_REG1(info));
	else if (!insn_mem_read(n, m, info, &value, m->long64 ? 8 : 4))
		return INSN_DONE;
	encoding = insn_reg_get(n, m, INFO_REG2(info));
	fid = field_of(n, encoding);
	if (fid == FID_NONE)
		return insn_refuse(n, VMERR_BAD_FIELD, encoding, 0);
	if (vmcs_type((uint32_t)encoding) == VMCS_TYPE_INFO &&
		!(caps_msr(&n->vm->caps, MSR_VMX_MISC) & MISC_VMWRITE_ANY))
		return insn_refuse(n, VMERR_READ_ONLY_FIELD, encoding, 0);
	if (vmcs_is_high((uint32_t)encoding))
		value = value << 32 | (uint32_t)field_get(n, v, fid);
	n->touched = (uint8_t)fid;
	field_set(n, v, fid, value);
	return INSN_SUCCEED;
}

int insn_vmread(struct nested *n, const struct l1_mode *m)
{
	int outcome = vmread_of(n, m, n->cur);

	if (outcome != INSN_SUCCEED)
		return outcome;
	if (n->vm->shadowing)
		learn_touch(n, false);
	return INSN_SUCCEED;
}

int insn_vmwrite(struct nested *n, const struct l1_mode *m)
{
	int outcome = vmwrite_of(n, m, n->cur);

	if (outcome != INSN_SUCCEED)
		return outcome;
	if (n->vm->shadowing)
		learn_touch(n, true);
	return INSN_SUCCEED;
}

int insn_vmread_link(struct nested *n, const struct l1_mode *m)
{
	return vmread_of(n, m, n->cur->link);
}

int insn_vmwrite_link(struct nested *n, const struct l1_mode *m)
{
	struct nvmcs *v = n->cur->link;
	int outcome = vmwrite_of(n, m, v);

	if (outcome == INSN_SUCCEED && n->vm->shadowing)
		learn_shadow_write(n, v);
	return outcome;
}
