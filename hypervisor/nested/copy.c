/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of lists of fields between VMCS12 and its hardware VMCSs. The lists are rows of the
 * field table: each becomes one access, or nothing when its group or flags are not wanted. A
 * field that not every L1 or not every machine has is looked up first; those that L0 itself
 * uses, and the usual ones, exist.
 */
#include "nested/nested_int.h"

#define ALWAYS             1
#define VMFUNC             field_in_hardware(n, fid)
#define CTL(word, control) (IS_NEEDED_##word(word##_##control) || field_in_hardware(n, fid))
/* L0 does not run without EPT, and without IA32_PAT and IA32_EFER in the VMCS: their fields
 * exist. */
#define IS_NEEDED_PROC2(c) ((c) == PROC2_ENABLE_EPT)
#define IS_NEEDED_PIN(c)   0
#define IS_NEEDED_PROC(c)  0
#define IS_NEEDED_PROC3(c) 0
#define IS_NEEDED_EXIT(c)  0
#define IS_NEEDED_ENTRY(c) ((c) == ENTRY_LOAD_PAT || (c) == ENTRY_LOAD_EFER)
#define SR                 FIELD_SR
#define SW                 FIELD_SW
#define CHK_C              FIELD_CHK_C
#define CHK_H              FIELD_CHK_H
#define CHK_G              FIELD_CHK_G

/*
 * For lists that look up each field: the set in registers, which VMREADs and VMWRITEs leave
 * alone, and no jump for a field that is there. Most are.
 */
#define FIELDS_IN_HARDWARE(n)                      \
	const uint64_t there[NESTED_FIELD_SET] = { \
		(n)->vm->in_hardware[0], (n)->vm->in_hardware[1], (n)->vm->in_hardware[2]}
#define IS_THERE(fid) __builtin_expect((there[(fid) / 64] & BIT64((fid) % 64)) != 0, 1)

_Static_assert(NESTED_FIELD_SET == 3, "the words of FIELDS_IN_HARDWARE");

#define CHECKED (FIELD_CHK_C | FIELD_CHK_H | FIELD_CHK_G)

/* ---- VMCS02, which is current ---- */

void copy_hot_from_02(struct nvmcs *v)
{
#define F(name, enc, exists, group, flags) \
	if (GROUP_##group == GROUP_HOT)    \
		seam_vmread_to(FID_##name, &v->f[FID_##name]);
#include "spec/vmcs_fields.def"
}

void copy_hot_to_02(const struct nvmcs *v)
{
#define F(name, enc, exists, group, flags) \
	if (GROUP_##group == GROUP_HOT)    \
		seam_vmwrite(FID_##name, v->f[FID_##name]);
#include "spec/vmcs_fields.def"
}

void copy_rare_from_02(const struct nested *n, struct nvmcs *v)
{
	FIELDS_IN_HARDWARE(n);

#define F(name, enc, exists, group, flags)               \
	if (GROUP_##group == GROUP_RARE) {               \
		const enum vmcs_fid fid = FID_##name;    \
		if (IS_THERE(fid))                       \
			seam_vmread_to(fid, &v->f[fid]); \
	}
#include "spec/vmcs_fields.def"
}

void copy_rare_to_02(const struct nested *n, const struct nvmcs *v)
{
	FIELDS_IN_HARDWARE(n);

#define F(name, enc, exists, group, flags)            \
	if (GROUP_##group == GROUP_RARE) {            \
		const enum vmcs_fid fid = FID_##name; \
		if (IS_THERE(fid))                    \
			seam_vmwrite(fid, v->f[fid]); \
	}
#include "spec/vmcs_fields.def"
}

/* ---- the shadow VMCS, which becomes current ---- */

/* What VMWRITE without hardware's help would have kept; only the emulator keeps more. */
static inline uint64_t kept(uint32_t enc, uint64_t value)
{
	return vmcs_is_access_rights(enc) ? value & VMCS_AR_MASK : value;
}

uint32_t copy_from_shadow(struct nested *n, struct nvmcs *v)
{
	uint32_t changed = 0;
	uint64_t value;

	seam_use_shadow(n, v);
#define F(name, enc, exists, group, flags)                                     \
	if (((flags)&FIELD_SW) == FIELD_SW) {                                  \
		const enum vmcs_fid fid = FID_##name;                          \
		if (!(exists))                                                 \
			; /* leave it alone */                                 \
		else if (!((flags)&CHECKED))                                   \
			seam_vmread_to(fid, &v->f[fid]);                       \
		else if (v->f[fid] != (value = kept(enc, seam_vmread(fid)))) { \
			v->f[fid] = value;                                     \
			changed |= (flags);                                    \
		}                                                              \
	}
#include "spec/vmcs_fields.def"
	return changed & CHECKED;
}

void copy_to_shadow(struct nested *n, const struct nvmcs *v)
{
	seam_use_shadow(n, v);
#define F(name, enc, exists, group, flags)            \
	if ((flags)&FIELD_SR) {                       \
		const enum vmcs_fid fid = FID_##name; \
		if (exists)                           \
			seam_vmwrite(fid, v->f[fid]); \
	}
#include "spec/vmcs_fields.def"
}

void copy_exit_to_shadow(struct nested *n, const struct nvmcs *v)
{
	seam_use_shadow(n, v);
	seam_vmwrite(FID_ENTRY_INTR_INFO, v->f[FID_ENTRY_INTR_INFO]);
	if (v->proc2_02 & PROC2_VIRT_INTR_DELIVERY)
		seam_vmwrite(FID_GUEST_INTR_STATUS, v->f[FID_GUEST_INTR_STATUS]);
	if (v->timer_on && v->f[FID_EXIT_CONTROLS] & EXIT_SAVE_PREEMPTION_TIMER)
		seam_vmwrite(FID_PREEMPTION_TIMER_VALUE, v->f[FID_PREEMPTION_TIMER_VALUE]);
#define F(name, enc, exists, group, flags)                                      \
	if (((flags)&FIELD_SR) && (GROUP_##group & (GROUP_INFO | GROUP_HOT))) { \
		const enum vmcs_fid fid = FID_##name;                           \
		if (exists)                                                     \
			seam_vmwrite(fid, v->f[fid]);                           \
	}
#include "spec/vmcs_fields.def"
}

void copy_all_to_shadow(struct nested *n, const struct nvmcs *v)
{
	FIELDS_IN_HARDWARE(n);

	seam_use_shadow(n, v);
#define F(name, enc, exists, group, flags)            \
	{                                             \
		const enum vmcs_fid fid = FID_##name; \
		if (IS_THERE(fid))                    \
			seam_vmwrite(fid, v->f[fid]); \
	}
#include "spec/vmcs_fields.def"
}

void copy_all_from_shadow(struct nested *n, struct nvmcs *v)
{
	FIELDS_IN_HARDWARE(n);

	v->in_region = false;
	seam_use_shadow(n, v);
#define F(name, enc, exists, group, flags)               \
	{                                                \
		const enum vmcs_fid fid = FID_##name;    \
		if (IS_THERE(fid))                       \
			seam_vmread_to(fid, &v->f[fid]); \
	}
#include "spec/vmcs_fields.def"
}

void copy_written_from_shadow(struct nested *n, struct nvmcs *v)
{
	seam_use_shadow(n, v);
	for (unsigned w = 0; w < NESTED_FIELD_SET; w++)
		for (uint64_t left = v->written[w]; left != 0; left &= left - 1) {
			unsigned fid = w * 64 + (unsigned)__builtin_ctzll(left);
			uint64_t value = seam_vmread((enum vmcs_fid)fid);

			if (value == v->f[fid])
				continue;
			v->f[fid] = value;
			v->stored[w] |= left & -left;
		}
}

uint64_t shadow_read_field(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid)
{
	uint64_t value;

	seam_use_shadow(n, v);
	value = seam_vmread(fid);
	seam_use_vmcs01(n);
	return value;
}

void shadow_write_field(struct nested *n, const struct nvmcs *v, enum vmcs_fid fid)
{
	if (!field_in_hardware(n, fid))
		return;
	seam_use_shadow(n, v);
	seam_vmwrite(fid, v->f[fid]);
	seam_use_vmcs01(n);
}
