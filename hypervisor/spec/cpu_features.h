/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of what a VM can see of its processor in CPUID. Shared by L0 and the host tool.
 */
#ifndef NESTOR_SPEC_CPU_FEATURES_H
#define NESTOR_SPEC_CPU_FEATURES_H

#include "spec/feature_names.h"

/* In the order of cpu_features.def; bits of a mask. */
enum cpu_feature {
#define FEATURE(id, name, needs) CPU_FEATURE_##id,
#define FLAG(id, flag)
#define STAYS(flag)
#define GROUP(name, features)
#define PRESET(name, features)
#include "spec/cpu_features.def"
	CPU_FEATURE_COUNT
};

extern const struct feature_family cpu_feature_family;

#endif
