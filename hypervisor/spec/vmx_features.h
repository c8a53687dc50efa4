/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of what a VM's virtual VT-x can be offered, and the texts that choose among them:
 * `-ept,-vpid`, or a CPU generation with changes, `haswell,-shadow`. Shared by L0 and the host
 * tool; knows nothing of capability MSRs.
 */
#ifndef NESTOR_SPEC_VMX_FEATURES_H
#define NESTOR_SPEC_VMX_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of vmx_features.def; bits of a mask. */
enum caps_feature {
#define FEATURE(id, name, on, needs) CAPS_FEATURE_##id,
#define GROUP(name, features)
#define PRESET(name, features)
#include "spec/vmx_features.def"
	CAPS_FEATURE_COUNT
};

/* The mask of a feature or group of features of this name, 0 when there is none. */
uint64_t caps_feature_by_name(const char *name, size_t len);
const char *caps_feature_name(enum caps_feature feature);
/* The mask of features without which it is not offered. */
uint64_t caps_feature_needs(enum caps_feature feature);
/* What a VM gets when nothing is said: all that Nestor implements. */
uint64_t caps_features_default(void);

/*
 * The mask that a text asks for. Words with commas between them: a preset, first if at all,
 * then +NAME and -NAME from left to right; without a preset they change the default. A preset
 * has what that generation's VT-x had, as far as Nestor implements it. False: *bad is the
 * offset and *bad_len the length of the word at fault, a name that does not exist, or +NAME of
 * a feature that Nestor does not implement.
 */
bool caps_features_parse(
	const char *text, size_t len, uint64_t *mask, size_t *bad, size_t *bad_len);

/*
 * Such a text, as short as it can be, for a mask that caps_features_parse() gave; returns its
 * length. Empty for the default. Cut when it does not fit; size > 0.
 */
size_t caps_features_format(uint64_t mask, char *buf, size_t size);

/*
 * The words that such a text may have, in one line: "presets: ...; features: ...". Cut when it
 * does not fit; size > 0.
 */
void caps_features_list(char *buf, size_t size);

#endif
