/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of what a VM's virtual VT-x can be offered. Shared by L0 and the host tool; knows
 * nothing of capability MSRs.
 */
#ifndef NESTOR_SPEC_VMX_FEATURES_H
#define NESTOR_SPEC_VMX_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/feature_names.h"

/* In the order of vmx_features.def; bits of a mask. */
enum caps_feature {
#define FEATURE(id, name, on, needs) CAPS_FEATURE_##id,
#define GROUP(name, features)
#define PRESET(name, features)
#include "spec/vmx_features.def"
	CAPS_FEATURE_COUNT
};

extern const struct feature_family vmx_feature_family;

/* The mask of a feature or group of features of this name, 0 when there is none. */
uint64_t caps_feature_by_name(const char *name, size_t len);
const char *caps_feature_name(enum caps_feature feature);
/* The mask of features without which it is not offered. */
uint64_t caps_feature_needs(enum caps_feature feature);
/* What a VM gets when nothing is said: all that Nestor implements. */
uint64_t caps_features_default(void);

#endif
