/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/cpuid.h"

#include <stddef.h>

#include "spec/addr.h"
#include "spec/cpu_features.h"
#include "spec/regs.h"

#define XSAVE_LEGACY 576u /* legacy region and header */
#define PACKAGE_IDS  255u /* leaf 1 can say of a package */
#define CACHE_CORES  64u  /* likewise leaf 4 */

static const struct cpuid_leaf zero;

enum rule_kind {
	RULE_LET,
	RULE_SET,
	RULE_NONE
};

enum condition {
	IF_ALWAYS,
	IF_VMX,
	IF_SMP,
	IF_RDTSCP,
	IF_INVPCID,
	IF_XSAVE,
	IF_XSAVES,
	IF_USER_WAIT,
	IF_KEYS,
	IF_CET,
	IF_FAST_STRINGS
};

struct rule {
	uint8_t kind;      /* enum rule_kind */
	uint8_t condition; /* enum condition */
	uint32_t value;    /* for RULE_SET */
};

#define LET       RULE_LET, IF_ALWAYS, 0
#define LET_IF(c) RULE_LET, IF_##c, 0
#define SET       RULE_SET, IF_ALWAYS, 1
#define SET_IF(c) RULE_SET, IF_##c, 1
#define VALUE(n)  RULE_SET, IF_ALWAYS, n
#define HIDE      RULE_NONE, IF_ALWAYS, 0
#define COMPUTED  RULE_NONE, IF_ALWAYS, 0

static const struct rule rules[CPUID_FIELD_COUNT] = {
#define FEATURE(name, rule, why) [CPUID_##name] = {rule},
#include "policy/cpuid.def"
};

/* A second row for a name does not compile, so that with as many rows as names each has one. */
enum {
	RULES = 0
#define FEATURE(name, rule, why) +1
#include "policy/cpuid.def"
};
_Static_assert((int)RULES == (int)CPUID_FIELD_COUNT, "every name of spec/cpuid.def has a row");

/* Leaves with subleaves have fields in leaves 7 and 0xd only. */
#define HAS_PLACE(leaf, subleaf)                                                        \
	((leaf) == CPUID_LEAF_XSAVE             ? (subleaf) < CPUID_LEAFD               \
		: (leaf) == CPUID_LEAF_FEATURES ? (subleaf) < CPUID_LEAF7               \
		: (leaf) >= CPUID_EXT_BASE      ? (leaf) <= CPUID_EXT_MAX && !(subleaf) \
						: (leaf) <= CPUID_BASIC_MAX && !(subleaf))
#define FLAG(leaf, subleaf, reg, bit, name) \
	_Static_assert(HAS_PLACE(leaf, subleaf), #name " is in a leaf of struct cpuid_leaves");
#define FIELD(leaf, subleaf, reg, low, wide, name) FLAG(leaf, subleaf, reg, low, name)
#include "spec/cpuid.def"

static size_t leaf_offset(uint32_t leaf, uint32_t subleaf)
{
	if (leaf == CPUID_LEAF_XSAVE)
		return offsetof(struct cpuid_leaves, leafd) + subleaf * sizeof(zero);
	if (leaf == CPUID_LEAF_FEATURES && subleaf != 0)
		return offsetof(struct cpuid_leaves, features) + (subleaf - 1) * sizeof(zero);
	if (leaf >= CPUID_EXT_BASE)
		return offsetof(struct cpuid_leaves, ext) +
		       (leaf - CPUID_EXT_BASE) * sizeof(zero);
	return offsetof(struct cpuid_leaves, basic) + leaf * sizeof(zero);
}

/* Where the register of a field is among the leaves. */
static size_t offset_of(enum cpuid_field field)
{
	const struct cpuid_place *p = &cpuid_places[field];

	return leaf_offset(p->leaf, p->subleaf) + p->reg * sizeof(uint32_t);
}

static uint32_t get_bits(const struct cpuid_leaves *l, enum cpuid_field field)
{
	const uint32_t *reg = (const void *)((const char *)l + offset_of(field));

	return *reg & cpuid_mask(field);
}

static void put_bits(struct cpuid_leaves *l, enum cpuid_field field, uint32_t bits)
{
	uint32_t *reg = (void *)((char *)l + offset_of(field));

	*reg = (*reg & ~cpuid_mask(field)) | (bits & cpuid_mask(field));
}

static void put(struct cpuid_leaves *l, enum cpuid_field field, uint32_t value)
{
	put_bits(l, field, value << cpuid_places[field].low);
}

static bool has_xsave(const struct cpuid_leaves *machine)
{
	return get_bits(machine, CPUID_XSAVE) && machine->basic[0].eax >= CPUID_LEAF_XSAVE;
}

static void apply_rules(
	struct cpuid_table *t, const struct cpuid_leaves *machine, const struct cpuid_config *c)
{
	bool xsave = has_xsave(machine);
	const bool met[] = {[IF_ALWAYS] = true,
		[IF_VMX] = c->vmx,
		[IF_SMP] = c->package > 1,
		[IF_RDTSCP] = c->rdtscp,
		[IF_INVPCID] = c->invpcid,
		[IF_XSAVE] = xsave,
		[IF_XSAVES] = xsave && c->xsaves,
		[IF_USER_WAIT] = c->user_wait,
		[IF_KEYS] = xsave && machine->leafd[0].eax & (uint32_t)XCR0_PKRU,
		[IF_CET] = c->cet,
		[IF_FAST_STRINGS] = c->fast_strings};

	for (unsigned i = 0; i < CPUID_FIELD_COUNT; i++) {
		enum cpuid_field field = (enum cpuid_field)i;

		if (!met[rules[i].condition])
			continue;
		if (rules[i].kind == RULE_LET)
			put_bits(&t->l, field, get_bits(machine, field));
		if (rules[i].kind == RULE_SET)
			put(&t->l, field, rules[i].value);
	}
}

static const struct {
	uint8_t feature; /* enum cpu_feature */
	uint8_t field;   /* enum cpuid_field: a flag that it is */
} feature_flags[] = {
#define FEATURE(id, name, needs)
#define FLAG(id, flag) {CPU_FEATURE_##id, CPUID_##flag},
#define STAYS(flag)
#define GROUP(name, features)
#define PRESET(name, features)
#include "spec/cpu_features.def"
};

/* What the VM is not to see. Widths of addresses are those of a processor without it. */
static void hide_features(struct cpuid_table *t, uint64_t wanted)
{
	uint64_t seen = features_with_needs(&cpu_feature_family, wanted);

	for (size_t i = 0; i < sizeof(feature_flags) / sizeof(feature_flags[0]); i++)
		if (!(seen >> feature_flags[i].feature & 1))
			put(&t->l, (enum cpuid_field)feature_flags[i].field, 0);
	if (!cpuid_policy_has(t, CPUID_LA57) &&
		cpuid_leaves_get(&t->l, CPUID_LINEAR_BITS) > LINEAR_BITS)
		put(&t->l, CPUID_LINEAR_BITS, LINEAR_BITS);
}

static unsigned log2_up(unsigned n)
{
	unsigned shift = 0;

	while (1u << shift < n)
		shift++;
	return shift;
}

/*
 * What has no room for the number of vCPUs says as many as it can; who needs to know looks at
 * leaf 0xb (10.12.8 "CPUID Extensions And Topology Enumeration").
 */
static void build_topology(
	struct cpuid_table *t, const struct cpuid_leaves *machine, const struct cpuid_config *c)
{
	uint32_t cores = c->package < CACHE_CORES ? c->package : CACHE_CORES;

	/* Of 8 bits; the low ones of an id (10.12.8.1 "Consistency of APIC IDs and CPUID") */
	put(&t->l, CPUID_PACKAGE_IDS, c->package < PACKAGE_IDS ? c->package : PACKAGE_IDS);
	put(&t->l, CPUID_INITIAL_APIC_ID, c->index & UINT8_MAX);
	for (uint32_t i = 0; i < CPUID_LEAF4; i++) {
		struct cpuid_leaf m = machine->leaf4[i];

		if (CPUID_CACHE_TYPE(m.eax) == 0)
			break;
		/* caches are private to a vCPU; all vCPUs of a package are cores */
		m.eax = (m.eax & CPUID_CACHE_OWN) | (cores - 1) << CPUID_CACHE_CORES_SHIFT;
		t->l.leaf4[i] = m;
	}
	t->leafb[0] = (struct cpuid_leaf){0, 1, 0 | CPUID_LEVEL_SMT, c->index};
	t->leafb[1] = (struct cpuid_leaf){
		log2_up(c->package), c->package, 1 | CPUID_LEVEL_CORE, c->index};
	t->leafb[2] = (struct cpuid_leaf){0, 0, 2, c->index}; /* the end */
}

static uint64_t cache_kib(const struct cpuid_leaf *c)
{
	return (uint64_t)CPUID_CACHE_LINE(c->ebx) * CPUID_CACHE_PARTITIONS(c->ebx) *
	       CPUID_CACHE_WAYS(c->ebx) * ((uint64_t)c->ecx + 1) / 1024;
}

static const struct {
	uint8_t descriptor, type, level;
	uint16_t kib;
} descriptors[] = {
#define CACHE(descriptor, type, level, kib) {descriptor, type, level, kib},
#include "spec/cpuid_caches.def"
};

/* The descriptor of a cache: of its size, or the next below; the one that refers to leaf 4 if
 * there is none. */
static uint32_t descriptor_of(const struct cpuid_leaf *c)
{
	uint32_t found = CPUID_DESCRIPTORS_LEAF4, kib = 0;

	for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
		if (descriptors[i].type != CPUID_CACHE_TYPE(c->eax) ||
			descriptors[i].level != CPUID_CACHE_LEVEL(c->eax) ||
			descriptors[i].kib > cache_kib(c) || descriptors[i].kib <= kib)
			continue;
		found = descriptors[i].descriptor;
		kib = descriptors[i].kib;
	}
	return found;
}

/*
 * The C library reads leaf 2 at the start of each program, and leaf 4 again and again for each
 * descriptor that refers to it: an exit each.
 */
static void build_descriptors(struct cpuid_table *t)
{
	uint32_t d[CPUID_LEAF4] = {0};

	for (uint32_t i = 0; i < CPUID_LEAF4; i++)
		if (CPUID_CACHE_TYPE(t->l.leaf4[i].eax) != 0)
			d[i] = descriptor_of(&t->l.leaf4[i]);
	if (d[0] == 0)
		d[0] = CPUID_DESCRIPTORS_LEAF4;
	t->l.basic[CPUID_LEAF_DESCRIPTORS] = (struct cpuid_leaf){
		.eax = CPUID_DESCRIPTORS_ONCE | d[0] << 8 | d[1] << 16 | d[2] << 24,
		.ebx = d[3] | CPUID_DESCRIPTORS_NO_TLBS << 8};
}

/* Supervisor state of XSAVES: what features that L1 has need. */
static void build_xss(struct cpuid_table *t, const struct cpuid_leaves *machine)
{
	bool cet = cpuid_policy_has(t, CPUID_CET_SS) || cpuid_policy_has(t, CPUID_CET_IBT);

	if (!cet || !cpuid_policy_has(t, CPUID_XSAVES))
		return;
	t->xss_mask = machine->leafd[1].ecx & CPUID_XSS_OFFERED;
	t->l.leafd[1].ecx = (uint32_t)t->xss_mask;
	for (uint32_t i = 2; i < CPUID_LEAFD; i++)
		if (t->xss_mask >> i & 1)
			t->l.leafd[i] = machine->leafd[i];
}

/* State of what is not to be seen is not offered, either. */
static uint64_t seen_xcr0(const struct cpuid_table *t)
{
	uint64_t hidden = 0;

	if (!cpuid_policy_has(t, CPUID_AVX))
		hidden |= XCR0_AVX;
	if (!cpuid_policy_has(t, CPUID_AVX512F))
		hidden |= XCR0_AVX512;
	if (!cpuid_policy_has(t, CPUID_PKU))
		hidden |= XCR0_PKRU;
	return ~hidden;
}

uint64_t cpuid_policy_xcr0(const struct cpuid_leaves *machine)
{
	const struct cpuid_leaf *m = &machine->leafd[0];

	if (!has_xsave(machine))
		return XCR0_X87;
	return (m->eax | (uint64_t)m->edx << 32) & CPUID_XCR0_OFFERED;
}

static void build_xsave(struct cpuid_table *t, const struct cpuid_leaves *machine)
{
	struct cpuid_leaf *d = t->l.leafd;

	t->xcr0_mask = XCR0_X87;
	if (!cpuid_policy_has(t, CPUID_XSAVE))
		return;
	t->xcr0_mask = cpuid_policy_xcr0(machine) & seen_xcr0(t);
	d[0].eax = (uint32_t)t->xcr0_mask;
	d[0].ecx = XSAVE_LEGACY;
	for (uint32_t i = 2; i < CPUID_LEAFD; i++) {
		if (!(t->xcr0_mask >> i & 1))
			continue;
		d[i] = machine->leafd[i];
		if (d[i].eax + d[i].ebx > d[0].ecx)
			d[0].ecx = d[i].eax + d[i].ebx;
	}
	build_xss(t, machine);
}

static void build_frequencies(struct cpuid_table *t, const struct cpuid_config *c)
{
	/* The crystal is what the LAPIC timer counts; here the TSC's own frequency. Zeroes say
	 * that it is not told. */
	if (c->tsc_khz <= UINT32_MAX / 1000)
		t->l.basic[CPUID_LEAF_TSC] = (struct cpuid_leaf){1, 1, c->tsc_khz * 1000u, 0};
	t->l.basic[CPUID_LEAF_FREQUENCIES] =
		(struct cpuid_leaf){c->tsc_khz / 1000, c->tsc_khz / 1000, 100, 0};
	t->hv_timing = (struct cpuid_leaf){c->tsc_khz, c->tsc_khz, 0, 0};
}

void cpuid_policy_build(
	struct cpuid_table *t, const struct cpuid_leaves *machine, const struct cpuid_config *c)
{
	*t = (struct cpuid_table){0};
	t->l.basic[0] = machine->basic[0];
	t->l.basic[0].eax = CPUID_BASIC_MAX;
	t->l.ext[0].eax = CPUID_EXT_MAX;
	/* "NestorNestor" in EBX, ECX, EDX */
	t->hv0 = (struct cpuid_leaf){CPUID_HV_MAX, 0x7473654e, 0x654e726f, 0x726f7473};
	apply_rules(t, machine, c);
	hide_features(t, c->features);
	put(&t->l, CPUID_FEATURE_SUBLEAVES,
		get_bits(machine, CPUID_FEATURE_SUBLEAVES) < CPUID_LEAF7
			? get_bits(machine, CPUID_FEATURE_SUBLEAVES)
			: CPUID_LEAF7 - 1);
	build_topology(t, machine, c);
	build_descriptors(t);
	build_xsave(t, machine);
	build_frequencies(t, c);
	cpuid_policy_update(t, 0, 1, 0);
}

void cpuid_policy_apic(struct cpuid_table *t, bool enabled)
{
	put(&t->l, CPUID_APIC, enabled);
}

static uint32_t standard_size(const struct cpuid_table *t, uint64_t xcr0)
{
	uint32_t size = XSAVE_LEGACY;

	for (uint32_t i = 2; i < CPUID_LEAFD; i++) {
		const struct cpuid_leaf *l = &t->l.leafd[i];

		if (xcr0 >> i & 1 && l->eax + l->ebx > size)
			size = l->eax + l->ebx;
	}
	return size;
}

/* SDM volume 1, 13.4.3 "Extended Region of an XSAVE Area": each component follows the one
 * before. */
static uint32_t compacted_size(const struct cpuid_table *t, uint64_t components)
{
	uint32_t size = XSAVE_LEGACY;

	for (uint32_t i = 2; i < CPUID_LEAFD; i++) {
		const struct cpuid_leaf *l = &t->l.leafd[i];

		if (!(components >> i & 1))
			continue;
		if (l->ecx & CPUID_XSAVE_ALIGNED)
			size = (size + 63) & ~63u;
		size += l->eax;
	}
	return size;
}

void cpuid_policy_update(struct cpuid_table *t, uint64_t cr4, uint64_t xcr0, uint64_t xss)
{
	put(&t->l, CPUID_OSXSAVE, (cr4 & CR4_OSXSAVE) != 0);
	put(&t->l, CPUID_OSPKE, (cr4 & CR4_PKE) != 0);
	if (t->l.leafd[0].eax == 0)
		return;
	t->l.leafd[0].ebx = standard_size(t, xcr0);
	if (cpuid_policy_has(t, CPUID_XSAVEC) || cpuid_policy_has(t, CPUID_XSAVES))
		t->l.leafd[1].ebx = compacted_size(t, xcr0 | xss);
}

/* Beyond the levels ECX is what was asked for. */
static const struct cpuid_leaf *topology(struct cpuid_table *t, uint32_t subleaf)
{
	if (subleaf < CPUID_LEAFB - 1)
		return &t->leafb[subleaf];
	t->leafb[CPUID_LEAFB - 1].ecx = subleaf;
	return &t->leafb[CPUID_LEAFB - 1];
}

static const struct cpuid_leaf *get_basic(
	struct cpuid_table *t, uint32_t leaf, uint32_t subleaf)
{
	switch (leaf) {
	case CPUID_LEAF_CACHES:
		return subleaf < CPUID_LEAF4 ? &t->l.leaf4[subleaf] : &zero;
	case CPUID_LEAF_FEATURES:
		return subleaf == 0            ? &t->l.basic[CPUID_LEAF_FEATURES]
		       : subleaf < CPUID_LEAF7 ? &t->l.features[subleaf - 1]
					       : &zero;
	case CPUID_LEAF_TOPOLOGY:
		return topology(t, subleaf);
	case CPUID_LEAF_XSAVE:
		return subleaf < CPUID_LEAFD ? &t->l.leafd[subleaf] : &zero;
	default:
		return &t->l.basic[leaf];
	}
}

const struct cpuid_leaf *cpuid_policy_get(
	struct cpuid_table *t, uint32_t leaf, uint32_t subleaf)
{
	if (leaf <= CPUID_BASIC_MAX)
		return get_basic(t, leaf, subleaf);
	if (leaf >= CPUID_EXT_BASE && leaf <= CPUID_EXT_MAX)
		return &t->l.ext[leaf - CPUID_EXT_BASE];
	if (leaf == CPUID_HV_BASE)
		return &t->hv0;
	if (leaf == CPUID_HV_MAX)
		return &t->hv_timing;
	if (leaf > CPUID_HV_BASE && leaf < CPUID_HV_MAX)
		return &zero;
	/* SDM, CPUID: beyond the range the highest basic leaf answers. */
	return &t->l.basic[CPUID_BASIC_MAX];
}

uint32_t cpuid_leaves_get(const struct cpuid_leaves *l, enum cpuid_field field)
{
	return get_bits(l, field) >> cpuid_places[field].low;
}

bool cpuid_policy_lets(enum cpuid_field field)
{
	return rules[field].kind == RULE_LET;
}

bool cpuid_policy_has(const struct cpuid_table *t, enum cpuid_field field)
{
	return get_bits(&t->l, field) != 0;
}

/* Positions of the CR4 bits: CR4_BIT_VME and so on. */
enum {
#define N(word, bit, name) word##_BIT_##name = (bit),
#include "spec/control_bits.def"
};

static const struct {
	uint8_t bit;
	uint8_t field; /* enum cpuid_field; CPUID_FIELD_COUNT: no flag is needed */
} cr4_bits[] = {
#define CR4(name, flag)       {CR4_BIT_##name, CPUID_##flag},
#define CR4_ALWAYS(name, why) {CR4_BIT_##name, CPUID_FIELD_COUNT},
#include "policy/cr4.def"
};

_Static_assert(CPUID_FIELD_COUNT <= UINT8_MAX, "names of CPUID fit");

uint64_t cpuid_policy_cr4(const struct cpuid_table *t)
{
	uint64_t offered = 0;

	for (size_t i = 0; i < sizeof(cr4_bits) / sizeof(cr4_bits[0]); i++) {
		enum cpuid_field flag = (enum cpuid_field)cr4_bits[i].field;

		if (flag == CPUID_FIELD_COUNT || cpuid_policy_has(t, flag))
			offered |= 1ull << cr4_bits[i].bit;
	}
	return offered;
}

unsigned cpuid_policy_linear_bits(const struct cpuid_table *t)
{
	return cpuid_policy_has(t, CPUID_LA57) ? LINEAR_BITS_LA57 : LINEAR_BITS;
}
