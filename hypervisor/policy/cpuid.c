#include "policy/cpuid.h"

#include <stddef.h>

#define XCR0_OFFERED 0xe7ull /* x87, SSE, AVX, AVX-512; not MPX, PT, PKRU */
#define XSAVE_LEGACY 576u    /* legacy region and header */

static const struct cpuid_leaf zero;

enum reg {
	REG_eax,
	REG_ebx,
	REG_ecx,
	REG_edx
};

struct policy_row {
	uint32_t leaf, subleaf, let, set;
	enum reg reg;
};

static const struct policy_row rows[] = {
#define LEAF(leaf, subleaf, reg, let, set) {leaf, subleaf, let, set, REG_##reg},
#include "policy/cpuid.def"
};

static struct cpuid_leaf *slot(struct cpuid_table *t, uint32_t leaf, uint32_t subleaf)
{
	if (leaf == 0xd)
		return &t->leafd[subleaf];
	if (leaf >= CPUID_EXT_BASE)
		return &t->ext[leaf - CPUID_EXT_BASE];
	return &t->basic[leaf];
}

static uint32_t *reg_of(struct cpuid_leaf *l, enum reg reg)
{
	uint32_t *regs[] = {&l->eax, &l->ebx, &l->ecx, &l->edx};

	return regs[reg];
}

static bool machine_has(uint32_t leaf)
{
	return cpuid_machine(leaf & CPUID_EXT_BASE, 0).eax >= leaf;
}

static void apply_rows(struct cpuid_table *t)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct policy_row *r = &rows[i];
		struct cpuid_leaf m = {0};

		if (machine_has(r->leaf))
			m = cpuid_machine(r->leaf, r->subleaf);
		*reg_of(slot(t, r->leaf, r->subleaf), r->reg) =
			(*reg_of(&m, r->reg) & r->let) | r->set;
	}
}

static unsigned log2_up(unsigned n)
{
	unsigned shift = 0;

	while (1u << shift < n)
		shift++;
	return shift;
}

static void build_topology(struct cpuid_table *t, const struct cpuid_config *c)
{
	t->basic[1].ebx |= c->vcpus << 16 | c->index << 24;
	if (c->vcpus > 1)
		t->basic[1].edx |= 1u << 28;
	for (uint32_t i = 0; machine_has(4) && i < CPUID_LEAF4; i++) {
		struct cpuid_leaf m = cpuid_machine(4, i);

		if ((m.eax & 31) == 0)
			break;
		/* caches are private to a vCPU; all vCPUs are cores of one package */
		m.eax = (m.eax & 0x3ff) | (c->vcpus - 1) << 26;
		t->leaf4[i] = m;
	}
	t->leafb[0] = (struct cpuid_leaf){0, 1, 1u << 8, c->index};
	t->leafb[1] = (struct cpuid_leaf){log2_up(c->vcpus), c->vcpus, 1 | 2u << 8, c->index};
	t->leafb[2] = (struct cpuid_leaf){0, 0, 2, c->index}; /* the end */
}

static void build_xsave(struct cpuid_table *t)
{
	struct cpuid_leaf m;

	t->xcr0_mask = 1;
	if (!(t->basic[1].ecx & 1u << 26) || !machine_has(0xd)) {
		t->leafd[1] = zero;
		t->basic[1].ecx &= ~(1u << 26 | 1u << 28);
		return;
	}
	m = cpuid_machine(0xd, 0);
	t->xcr0_mask = (m.eax | (uint64_t)m.edx << 32) & XCR0_OFFERED;
	t->leafd[0].eax = (uint32_t)t->xcr0_mask;
	t->leafd[0].ecx = XSAVE_LEGACY;
	for (uint32_t i = 2; i < CPUID_LEAFD; i++) {
		if (!(t->xcr0_mask >> i & 1))
			continue;
		m = cpuid_machine(0xd, i);
		t->leafd[i] = m;
		if (m.eax + m.ebx > t->leafd[0].ecx)
			t->leafd[0].ecx = m.eax + m.ebx;
	}
}

static void build_frequencies(struct cpuid_table *t, const struct cpuid_config *c)
{
	/* The crystal is what the LAPIC timer counts; here the TSC's own frequency. */
	t->basic[0x15] = (struct cpuid_leaf){1, 1, c->tsc_khz * 1000u, 0};
	t->basic[0x16] = (struct cpuid_leaf){c->tsc_khz / 1000, c->tsc_khz / 1000, 100, 0};
	t->hv_timing = (struct cpuid_leaf){c->tsc_khz, c->tsc_khz, 0, 0};
}

void cpuid_policy_build(struct cpuid_table *t, const struct cpuid_config *c)
{
	struct cpuid_leaf vendor = cpuid_machine(0, 0);

	*t = (struct cpuid_table){0};
	t->basic[0] = (struct cpuid_leaf){CPUID_BASIC_MAX, vendor.ebx, vendor.ecx, vendor.edx};
	t->ext[0].eax = CPUID_EXT_MAX;
	/* "NestorNestor" in EBX, ECX, EDX */
	t->hv0 = (struct cpuid_leaf){CPUID_HV_MAX, 0x7473654e, 0x654e726f, 0x726f7473};
	apply_rows(t);
	if (c->vmx)
		t->basic[1].ecx |= CPUID1_ECX_VMX;
	if (!c->rdtscp)
		t->ext[1].edx &= ~(1u << 27);
	if (!c->rdtscp)
		t->basic[7].ecx &= ~(1u << 22);
	if (!c->invpcid)
		t->basic[7].ebx &= ~(1u << 10);
	if (!c->xsaves)
		t->leafd[1].eax &= ~(1u << 3);
	build_topology(t, c);
	build_xsave(t);
	build_frequencies(t, c);
	cpuid_policy_update(t, false, 1, 0);
}

static uint32_t standard_size(const struct cpuid_table *t, uint64_t xcr0)
{
	uint32_t size = XSAVE_LEGACY;

	for (uint32_t i = 2; i < CPUID_LEAFD; i++) {
		const struct cpuid_leaf *l = &t->leafd[i];

		if (xcr0 >> i & 1 && l->eax + l->ebx > size)
			size = l->eax + l->ebx;
	}
	return size;
}

/* SDM volume 1, 13.4.3 "Extended Region of an XSAVE Area": each component follows the one before;
 * ECX bit 1 aligns it to 64 bytes. */
static uint32_t compacted_size(const struct cpuid_table *t, uint64_t components)
{
	uint32_t size = XSAVE_LEGACY;

	for (uint32_t i = 2; i < CPUID_LEAFD; i++) {
		const struct cpuid_leaf *l = &t->leafd[i];

		if (!(components >> i & 1))
			continue;
		if (l->ecx & 2)
			size = (size + 63) & ~63u;
		size += l->eax;
	}
	return size;
}

void cpuid_policy_update(struct cpuid_table *t, bool osxsave, uint64_t xcr0, uint64_t xss)
{
	t->basic[1].ecx &= ~CPUID1_ECX_OSXSAVE;
	if (osxsave)
		t->basic[1].ecx |= CPUID1_ECX_OSXSAVE;
	if (t->leafd[0].eax == 0)
		return;
	t->leafd[0].ebx = standard_size(t, xcr0);
	if (t->leafd[1].eax & 0xa)
		t->leafd[1].ebx = compacted_size(t, xcr0 | xss);
}

static const struct cpuid_leaf *get_basic(
	const struct cpuid_table *t, uint32_t leaf, uint32_t subleaf)
{
	switch (leaf) {
	case 4:
		return subleaf < CPUID_LEAF4 ? &t->leaf4[subleaf] : &zero;
	case 7:
		return subleaf == 0 ? &t->basic[7] : &zero;
	case 0xb:
		return &t->leafb[subleaf < CPUID_LEAFB ? subleaf : CPUID_LEAFB - 1];
	case 0xd:
		return subleaf < CPUID_LEAFD ? &t->leafd[subleaf] : &zero;
	default:
		return &t->basic[leaf];
	}
}

const struct cpuid_leaf *cpuid_policy_get(
	const struct cpuid_table *t, uint32_t leaf, uint32_t subleaf)
{
	if (leaf <= CPUID_BASIC_MAX)
		return get_basic(t, leaf, subleaf);
	if (leaf >= CPUID_EXT_BASE && leaf <= CPUID_EXT_MAX)
		return &t->ext[leaf - CPUID_EXT_BASE];
	if (leaf == CPUID_HV_BASE)
		return &t->hv0;
	if (leaf == CPUID_HV_MAX)
		return &t->hv_timing;
	if (leaf > CPUID_HV_BASE && leaf < CPUID_HV_MAX)
		return &zero;
	/* SDM, CPUID: beyond the range the highest basic leaf answers. */
	return &t->basic[CPUID_BASIC_MAX];
}
