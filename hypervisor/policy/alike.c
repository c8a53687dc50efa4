/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/alike.h"

#include "spec/msr.h"

/* Bits of IA32_ARCH_CAPABILITIES that mitigations.def looks at, or that make an MSR exist. */
#define ARCH_CAPS_JUDGED                                                                    \
	(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA | ARCH_CAP_SKIP_L1D |         \
		ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO |               \
		ARCH_CAP_TSX_CTRL | ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO |               \
		ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR | ARCH_CAP_RRSBA | \
		ARCH_CAP_BHI_NO | ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_CTRL | ARCH_CAP_GDS_NO | \
		ARCH_CAP_RFDS_NO | ARCH_CAP_RFDS_CLEAR | ARCH_CAP_ITS_NO)

static const char *const names[CPUID_FIELD_COUNT] = {
#define FLAG(leaf, subleaf, reg, bit, name)        [CPUID_##name] = "CPUID's " #name,
#define FIELD(leaf, subleaf, reg, low, wide, name) [CPUID_##name] = "CPUID's " #name,
#include "spec/cpuid.def"
};

enum kind {
	KIND_NONE,
	KIND_USES,
	KIND_SAME
};

static const uint8_t kinds[CPUID_FIELD_COUNT] = {
#define USES(name) [CPUID_##name] = KIND_USES,
#define SAME(name) [CPUID_##name] = KIND_SAME,
#define VMX(name, rule)
#include "policy/alike.def"
};

enum vmx_rule {
	VMX_SAME,
	VMX_MORE,
	VMX_LESS,
	VMX_CONTROLS
};

static const struct vmx_row {
	uint32_t msr;
	uint8_t rule; /* enum vmx_rule */
	const char *name;
} vmx_rows[] = {
#define USES(name)
#define SAME(name)
#define VMX(name, rule) {MSR_VMX_##name, VMX_##rule, "IA32_VMX_" #name},
#include "policy/alike.def"
};

_Static_assert(sizeof(vmx_rows) / sizeof(vmx_rows[0]) == CAPS_MSR_COUNT, "each MSR has a row");

static bool differ(struct cpu_difference *d, const char *what, uint64_t boot, uint64_t own)
{
	*d = (struct cpu_difference){what, boot, own};
	return false;
}

/* Has it all bits that the boot CPU's has? */
static bool has_all(uint64_t boot, uint64_t own)
{
	return (boot & ~own) == 0;
}

static bool flags_alike(const struct cpuid_leaves *boot, const struct cpuid_leaves *own,
	struct cpu_difference *d)
{
	for (unsigned i = 0; i < CPUID_FIELD_COUNT; i++) {
		enum cpuid_field f = (enum cpuid_field)i;
		bool flag = cpuid_places[f].width == 1;
		uint32_t b = cpuid_leaves_get(boot, f), o = cpuid_leaves_get(own, f);

		if (kinds[f] == KIND_SAME && b != o)
			return differ(d, names[f], b, o);
		if ((kinds[f] == KIND_USES || (flag && cpuid_policy_lets(f))) && !has_all(b, o))
			return differ(d, names[f], b, o);
	}
	return true;
}

/* A vCPU's XSAVE area moves with it: components are where they were, and as large. */
static bool xsave_alike(const struct cpuid_leaves *boot, const struct cpuid_leaves *own,
	struct cpu_difference *d)
{
	uint32_t used = boot->leafd[0].eax & (uint32_t)CPUID_XCR0_OFFERED;
	uint32_t supervisor = boot->leafd[1].ecx & (uint32_t)CPUID_XSS_OFFERED;

	if (!has_all(used, own->leafd[0].eax))
		return differ(d, "XCR0 by CPUID.(0DH,0).EAX", used, own->leafd[0].eax);
	if (!has_all(supervisor, own->leafd[1].ecx))
		return differ(
			d, "IA32_XSS by CPUID.(0DH,1).ECX", supervisor, own->leafd[1].ecx);
	for (unsigned i = 2; i < CPUID_LEAFD; i++) {
		const struct cpuid_leaf *b = &boot->leafd[i], *o = &own->leafd[i];

		if (!((used | supervisor) >> i & 1))
			continue;
		if (b->eax != o->eax)
			return differ(d, "a size of CPUID.0DH", b->eax, o->eax);
		if (b->ebx != o->ebx)
			return differ(d, "an offset of CPUID.0DH", b->ebx, o->ebx);
	}
	return true;
}

static bool row_alike(enum vmx_rule rule, uint64_t boot, uint64_t own)
{
	switch (rule) {
	case VMX_MORE:
		return has_all(boot, own);
	case VMX_LESS:
		return has_all(own, boot);
	case VMX_CONTROLS:
		return has_all(boot >> 32, own >> 32) && has_all((uint32_t)own, (uint32_t)boot);
	case VMX_SAME:
		break;
	}
	return boot == own;
}

static bool vmx_alike(
	const struct vmx_caps *boot, const struct vmx_caps *own, struct cpu_difference *d)
{
	for (unsigned i = 0; i < sizeof(vmx_rows) / sizeof(vmx_rows[0]); i++) {
		const struct vmx_row *r = &vmx_rows[i];
		uint64_t mask = r->msr == MSR_VMX_MISC ? ~MISC_MSEG_REVISION : UINT64_MAX;
		uint64_t b = caps_msr(boot, r->msr) & mask, o = caps_msr(own, r->msr) & mask;

		if (!row_alike((enum vmx_rule)r->rule, b, o))
			return differ(d, r->name, b, o);
	}
	if (boot->linear_bits != own->linear_bits)
		return differ(
			d, "bits of linear addresses", boot->linear_bits, own->linear_bits);
	if (!has_all(boot->cr3_lam, own->cr3_lam))
		return differ(d, "CR3 by CPUID's LAM", boot->cr3_lam, own->cr3_lam);
	return true;
}

bool cpus_are_alike(
	const struct cpu_facts *boot, const struct cpu_facts *own, struct cpu_difference *d)
{
	uint64_t b = boot->arch_caps & ARCH_CAPS_JUDGED, o = own->arch_caps & ARCH_CAPS_JUDGED;

	if (!flags_alike(&boot->cpuid, &own->cpuid, d) ||
		!xsave_alike(&boot->cpuid, &own->cpuid, d))
		return false;
	if (b != o)
		return differ(d, "IA32_ARCH_CAPABILITIES", b, o);
	return vmx_alike(&boot->vmx, &own->vmx, d);
}
