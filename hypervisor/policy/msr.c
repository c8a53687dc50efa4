/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/msr.h"

#include <stddef.h>

#include "spec/addr.h"

#define MTRR_ALL_WB UINT64_C(0x0606060606060606)
#define MTRR_WB     6u

/* See msrs.def. */
enum msr_kind {
	MSR_KIND_PASS,
	MSR_KIND_PASS_READ,
	MSR_KIND_CONST,
	MSR_KIND_CONST_READ,
	MSR_KIND_FIXED,
	MSR_KIND_READ_ONLY
};

struct msr_rule {
	uint32_t msr;
	enum msr_kind kind;
	uint64_t value;
	enum cpuid_field needs[2]; /* one of them; CPUID_FIELD_COUNT: nothing */
	uint64_t bit;              /* in msr_offer.rules */
};

#define ALWAYS       CPUID_FIELD_COUNT, CPUID_FIELD_COUNT
#define IF(a)        CPUID_##a, CPUID_##a
#define IF_ANY(a, b) CPUID_##a, CPUID_##b

enum rule_index {
#define MSR(name, kind, value, needs) RULE_##name,
#include "policy/msrs.def"
	RULES
};
_Static_assert(RULES <= 64, "a bit each in struct msr_offer");

static const struct msr_rule rules[RULES] = {
#define MSR(name, kind, value, needs) \
	{MSR_##name, MSR_KIND_##kind, value, {needs}, BIT64(RULE_##name)},
#include "policy/msrs.def"
};

/* A second row for an MSR does not compile. */
static const struct msr_rule *row_of(uint32_t msr)
{
	switch (msr) {
#define MSR(name, kind, value, needs) \
	case MSR_##name:              \
		return &rules[RULE_##name];
#include "policy/msrs.def"
	default:
		return NULL;
	}
}

static const struct msr_rule *rule_of(const struct msr_offer *o, uint32_t msr)
{
	const struct msr_rule *r = row_of(msr);

	return r != NULL && o->rules & r->bit ? r : NULL;
}

static bool is_met(const struct cpuid_table *t, enum cpuid_field need)
{
	return need == CPUID_FIELD_COUNT || cpuid_policy_has(t, need);
}

void msr_offer_make(struct msr_offer *o, const struct cpuid_table *t)
{
	*o = (struct msr_offer){.linear_bits = cpuid_policy_linear_bits(t)};
	for (unsigned i = 0; i < RULES; i++)
		if (is_met(t, rules[i].needs[0]) || is_met(t, rules[i].needs[1]))
			o->rules |= rules[i].bit;
}

bool msr_policy_has(const struct msr_offer *o, uint32_t msr)
{
	return rule_of(o, msr) != NULL;
}

enum msr_answer msr_policy_read(const struct msr_offer *o, uint32_t msr, uint64_t *value)
{
	const struct msr_rule *r = rule_of(o, msr);

	if (r == NULL)
		return MSR_ANSWER_REFUSED;
	switch (r->kind) {
	case MSR_KIND_PASS:
		return MSR_ANSWER_REGISTER;
	case MSR_KIND_PASS_READ:
		return MSR_ANSWER_TSC;
	default:
		*value = r->value;
		return MSR_ANSWER_DONE;
	}
}

/* SDM 11.12.4 "Programming the PAT": 2 and 3 are reserved. */
static bool pat_valid(uint64_t v)
{
	for (unsigned i = 0; i < 64; i += 8) {
		uint8_t type = (uint8_t)(v >> i);

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

static enum denial unless(bool valid, enum denial why)
{
	return valid ? DENIAL_NONE : why;
}

/* What WRMSR refuses in a register that passes through. */
static enum denial register_value_denial(uint32_t msr, uint64_t v, unsigned linear_bits)
{
	switch (msr) {
	case MSR_PAT:
		return unless(pat_valid(v), DENIAL_MSR_PAT_TYPES);
	case MSR_EFER:
		return unless(!(v & ~EFER_OFFERED), DENIAL_MSR_EFER_RESERVED);
	case MSR_TSC_AUX:
	case MSR_FMASK:
		return unless(v >> 32 == 0, DENIAL_MSR_HIGH_BITS);
	case MSR_STAR:
	case MSR_SYSENTER_CS:
		return DENIAL_NONE;
	default:
		return unless(canonical_in(v, linear_bits), DENIAL_MSR_CANONICAL);
	}
}

static enum denial write_denial(const struct msr_rule *r, uint64_t value, unsigned linear_bits)
{
	switch (r->kind) {
	case MSR_KIND_PASS:
		return register_value_denial(r->msr, value, linear_bits);
	case MSR_KIND_FIXED:
		return unless(value == r->value, DENIAL_MSR_FIXED);
	case MSR_KIND_READ_ONLY:
		return DENIAL_MSR_READ_ONLY;
	default:
		return DENIAL_NONE;
	}
}

enum denial msr_policy_denial(
	const struct msr_offer *o, uint32_t msr, bool write, uint64_t value)
{
	const struct msr_rule *r = rule_of(o, msr);

	if (r == NULL)
		return DENIAL_MSR_UNKNOWN;
	return write ? write_denial(r, value, o->linear_bits) : DENIAL_NONE;
}

enum msr_answer msr_policy_write(const struct msr_offer *o, uint32_t msr, uint64_t value)
{
	const struct msr_rule *r = rule_of(o, msr);

	if (r == NULL || write_denial(r, value, o->linear_bits) != DENIAL_NONE)
		return MSR_ANSWER_REFUSED;
	switch (r->kind) {
	case MSR_KIND_PASS:
		return MSR_ANSWER_REGISTER;
	case MSR_KIND_PASS_READ:
		return MSR_ANSWER_TSC;
	default:
		return MSR_ANSWER_DONE;
	}
}

bool msr_policy_efer_change_valid(uint64_t old, uint64_t value, bool paging)
{
	uint64_t changed = old ^ value;

	return !(changed & EFER_LME && paging);
}

void msr_bitmap_allow(uint64_t *bitmap, uint32_t msr, bool write)
{
	uint32_t bit = msr_bitmap_bit(msr, write);

	bitmap[bit / 64] &= ~BIT64(bit % 64);
}

void msr_bitmap_fill(uint64_t *bitmap)
{
	for (size_t i = 0; i < PAGE_SIZE / sizeof(*bitmap); i++)
		bitmap[i] = UINT64_MAX;
}

void msr_policy_allow(const struct msr_offer *o, uint64_t *bitmap)
{
	for (size_t i = 0; i < RULES; i++) {
		enum msr_kind kind = rules[i].kind;

		if (!(o->rules & rules[i].bit))
			continue;
		if (kind == MSR_KIND_PASS || kind == MSR_KIND_PASS_READ ||
			kind == MSR_KIND_CONST_READ)
			msr_bitmap_allow(bitmap, rules[i].msr, false);
		if (kind == MSR_KIND_PASS)
			msr_bitmap_allow(bitmap, rules[i].msr, true);
	}
}

void mtrr_reset(struct mtrr_state *m)
{
	*m = (struct mtrr_state){.def_type = MTRR_DEF_TYPE_ON | MTRR_DEF_TYPE_FIX | MTRR_WB};
	for (unsigned i = 0; i < MTRR_FIXED_COUNT; i++)
		m->fixed[i] = MTRR_ALL_WB;
}

static bool is_physical(uint32_t msr)
{
	return msr - MSR_MTRR_PHYS_BASE_0 < 2 * MTRR_VARIABLE;
}

uint64_t *mtrr_slot(struct mtrr_state *m, uint32_t msr)
{
	if (is_physical(msr))
		return &m->physical[msr - MSR_MTRR_PHYS_BASE_0];
	if (msr == MSR_MTRR_FIX_64K)
		return &m->fixed[0];
	if (msr == MSR_MTRR_FIX_16K_0 || msr == MSR_MTRR_FIX_16K_1)
		return &m->fixed[1 + msr - MSR_MTRR_FIX_16K_0];
	if (msr >= MSR_MTRR_FIX_4K_0 && msr <= MSR_MTRR_FIX_4K_7)
		return &m->fixed[3 + msr - MSR_MTRR_FIX_4K_0];
	if (msr == MSR_MTRR_DEF_TYPE)
		return &m->def_type;
	return NULL;
}

/* UC, WC, WT, WP, WB */
static bool memtype_valid(uint8_t type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

/* SDM 11.11.2 "Setting Memory Ranges with MTRRs" */
bool mtrr_valid(uint32_t msr, uint64_t value, uint8_t maxphyaddr)
{
	uint64_t beyond = ~(BIT64(maxphyaddr) - 1);

	if (msr == MSR_MTRR_DEF_TYPE)
		return !(value & MTRR_DEF_TYPE_RESERVED) && memtype_valid((uint8_t)value);
	if (is_physical(msr) && msr & 1)
		return !(value & (beyond | MTRR_PHYS_MASK_RESERVED));
	if (is_physical(msr))
		return !(value & (beyond | MTRR_PHYS_BASE_RESERVED)) &&
		       memtype_valid((uint8_t)value);
	for (unsigned i = 0; i < 64; i += 8) {
		if (!memtype_valid((uint8_t)(value >> i)))
			return false;
	}
	return true;
}
