/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/vmx_features.h"

#define HAS(id)      (1ull << CAPS_FEATURE_##id)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct feature_name features[CAPS_FEATURE_COUNT] = {
#define FEATURE(id, name, on, needs) {name, on, needs},
#define GROUP(name, mask)
#define PRESET(name, mask)
#include "spec/vmx_features.def"
};

static const struct feature_group groups[] = {
#define FEATURE(id, name, on, needs)
#define GROUP(name, mask) {name, mask},
#define PRESET(name, mask)
#include "spec/vmx_features.def"
};

/* Each row adds to those before it. */
static const struct feature_group presets[] = {
#define FEATURE(id, name, on, needs)
#define GROUP(name, mask)
#define PRESET(name, mask) {name, mask},
#include "spec/vmx_features.def"
};

const struct feature_family vmx_feature_family = {
	features, COUNT(features), groups, COUNT(groups), presets, COUNT(presets)};

uint64_t caps_feature_by_name(const char *name, size_t len)
{
	return feature_by_name(&vmx_feature_family, name, len);
}

const char *caps_feature_name(enum caps_feature feature)
{
	return features[feature].name;
}

uint64_t caps_feature_needs(enum caps_feature feature)
{
	return features[feature].needs;
}

uint64_t caps_features_default(void)
{
	return features_default(&vmx_feature_family);
}
