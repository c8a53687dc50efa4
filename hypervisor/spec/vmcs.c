/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/vmcs.h"

#include "spec/vmx.h"

/*
 * An encoding is width and type (bits 14:10, with bit 12 zero), index (9:1) and access type
 * (0). No index reaches 64, so a table by both finds the field; a duplicate row does not
 * compile.
 */
#define INDEXES 64

static const uint8_t fid_plus_1[32][INDEXES] = {
#define F(name, enc, exists, group, flags) [(enc) >> 10][((enc) >> 1) & 0x1ff] = FID_##name + 1,
#include "spec/vmcs_fields.def"
};

_Static_assert(FID_COUNT < UINT8_MAX, "ids fit the table");

enum vmcs_fid vmcs_fid_of(uint32_t encoding)
{
	uint32_t index = (encoding >> 1) & 0x1ff;
	uint32_t id;

	if (encoding >> 15 || index >= INDEXES ||
		(vmcs_is_high(encoding) && vmcs_width(encoding) != VMCS_WIDTH_64))
		return FID_NONE;
	id = fid_plus_1[encoding >> 10][index];
	return id ? (enum vmcs_fid)(id - 1) : FID_NONE;
}

#define ALWAYS             EXISTS_ALWAYS, 0
#define VMFUNC             EXISTS_VMFUNC, 0
#define CTL(word, control) EXISTS_##word, __builtin_ctzll(word##_##control)
#define SR                 FIELD_SR
#define SW                 FIELD_SW
#define CHK_C              FIELD_CHK_C
#define CHK_H              FIELD_CHK_H
#define CHK_G              FIELD_CHK_G

const struct vmcs_field vmcs_fields[FID_COUNT] = {
#define F(name, enc, exists, group, flags) {#name, enc, GROUP_##group, flags, exists},
#include "spec/vmcs_fields.def"
};
