/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor's VT-x has, by the names of spec/vmx_features.def; see vmx.h. */
#include "cpu.h"
#include "nested/caps.h"
#include "vmx.h"

/* The processor's capability MSRs. Some of them exist only with certain controls. */
static void read_caps(struct vmx_caps *c)
{
	*c = (struct vmx_caps){.maxphyaddr = (uint8_t)cpuid(0x80000008, 0).eax};
	for (uint32_t m = MSR_VMX_BASIC; m <= MSR_VMX_PROC3; m++) {
		if (m == MSR_VMX_PROC2 && !vmx_can(MSR_VMX_PROC, PROC_SECONDARY))
			continue;
		if (m == MSR_VMX_VMFUNC && !vmx_can(MSR_VMX_PROC2, PROC2_ENABLE_VMFUNC))
			continue;
		if (m == MSR_VMX_PROC3 && !vmx_can(MSR_VMX_PROC, PROC_TERTIARY))
			continue;
		if (m >= MSR_VMX_TRUE_PIN && m <= MSR_VMX_TRUE_ENTRY &&
			!(caps_msr(c, MSR_VMX_BASIC) & BASIC_TRUE_CONTROLS))
			continue;
		c->msr[m - MSR_VMX_BASIC] = rdmsr(m);
	}
}

/* All processors are alike. */
uint64_t vmx_features(void)
{
	static uint64_t features;
	struct vmx_caps c;

	if (!features) {
		read_caps(&c);
		features = caps_machine_features(&c);
	}
	return features;
}

uint64_t vmx_lacked_feature(uint64_t features)
{
	uint64_t lacked = features & ~vmx_features();

	return lacked & (~lacked + 1);
}

struct control {
	uint32_t field;
	uint64_t bit;
	enum caps_feature feature;
};

static const struct control controls[] = {
#define CONTROL(word, bit, feature) \
	{VMCS_##word##_CONTROLS, word##_##bit, CAPS_FEATURE_##feature},
#define SOFTWARE CONTROL
#include "nested/caps_policy.def"
};

uint64_t vmx_features_of(uint32_t field, uint64_t bits)
{
	uint64_t features = 0;

	for (unsigned i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		if (controls[i].field == field && (bits & controls[i].bit))
			features |= 1ull << controls[i].feature;
	return features;
}

uint64_t vmx_used_features(void)
{
	static const uint32_t fields[] = {VMCS_PIN_CONTROLS, VMCS_PROC_CONTROLS,
		VMCS_PROC2_CONTROLS, VMCS_EXIT_CONTROLS, VMCS_ENTRY_CONTROLS,
		VMCS_PROC3_CONTROLS};
	uint64_t used = 0;

	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i] != VMCS_PROC3_CONTROLS || vmx_can(MSR_VMX_PROC, PROC_TERTIARY))
			used |= vmx_features_of(fields[i], vmread(fields[i]));
	return used;
}

static uint64_t named(uint32_t field)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		if (controls[i].field == field)
			bits |= controls[i].bit;
	return bits;
}

bool vmx_has_unnamed_controls(void)
{
	static const struct {
		uint32_t msr, field, others; /* without a field of their own */
	} words[] = {
		{MSR_VMX_PIN, VMCS_PIN_CONTROLS, DEFAULT1_PIN},
		{MSR_VMX_PROC, VMCS_PROC_CONTROLS, DEFAULT1_PROC},
		{MSR_VMX_PROC2, VMCS_PROC2_CONTROLS, 0},
		{MSR_VMX_EXIT, VMCS_EXIT_CONTROLS, DEFAULT1_EXIT | BIT(30)},
		{MSR_VMX_ENTRY, VMCS_ENTRY_CONTROLS, DEFAULT1_ENTRY | BIT(10) | BIT(11)},
	};

	for (unsigned w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
		uint32_t known = words[w].others | (uint32_t)named(words[w].field);

		if (vmx_adjust(words[w].msr, ~known) & ~known)
			return true;
	}
	return vmx_can(MSR_VMX_PROC, PROC_TERTIARY) &&
	       rdmsr(MSR_VMX_PROC3) & ~named(VMCS_PROC3_CONTROLS);
}

const char *vmx_feature_text(uint64_t feature)
{
	unsigned n = 0;

	while (n < CAPS_FEATURE_COUNT - 1 && !(feature >> n & 1))
		n++;
	return caps_feature_name((enum caps_feature)n);
}
