/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/cpuid.h"

const struct cpuid_place cpuid_places[CPUID_FIELD_COUNT] = {
#define FLAG(leaf, subleaf, reg, bit, name) \
	[CPUID_##name] = {leaf, subleaf, CPUID_REG_##reg, bit, 1},
#define FIELD(leaf, subleaf, reg, low, wide, name) \
	[CPUID_##name] = {leaf, subleaf, CPUID_REG_##reg, low, wide},
#include "spec/cpuid.def"
};
