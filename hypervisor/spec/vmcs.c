#include "spec/vmcs.h"

enum vmcs_fid vmcs_fid_of(uint32_t encoding)
{
	uint32_t high = vmcs_width(encoding) == VMCS_WIDTH_64 && vmcs_is_high(encoding);

	switch (encoding - high) {
#define F(name, enc, exists, group, flags) \
	case enc:                          \
		return FID_##name;
#include "spec/vmcs_fields.def"
	default:
		return FID_NONE;
	}
}

#define ALWAYS             EXISTS_ALWAYS, 0
#define VMFUNC             EXISTS_VMFUNC, 0
#define CTL_BIT(word, bit) EXISTS_##word, bit
#define SR                 FIELD_SR
#define SW                 FIELD_SW
#define CHK_C              FIELD_CHK_C
#define CHK_H              FIELD_CHK_H
#define CHK_G              FIELD_CHK_G

const struct vmcs_field vmcs_fields[FID_COUNT] = {
#define F(name, enc, exists, group, flags) {#name, enc, GROUP_##group, flags, exists},
#include "spec/vmcs_fields.def"
};
