/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/cpu_features.h"

#define HAS(id)      (1ull << CPU_FEATURE_##id)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct feature_name features[CPU_FEATURE_COUNT] = {
#define FEATURE(id, name, needs) {name, true, needs},
#define FLAG(id, flag)
#define STAYS(flag)
#define GROUP(name, mask)
#define PRESET(name, mask)
#include "spec/cpu_features.def"
};

_Static_assert(CPU_FEATURE_COUNT <= 64, "a mask has them all");

static const struct feature_group groups[] = {
#define FEATURE(id, name, needs)
#define FLAG(id, flag)
#define STAYS(flag)
#define GROUP(name, mask) {name, mask},
#define PRESET(name, mask)
#include "spec/cpu_features.def"
};

/* Each row adds to those before it. */
static const struct feature_group presets[] = {
#define FEATURE(id, name, needs)
#define FLAG(id, flag)
#define STAYS(flag)
#define GROUP(name, mask)
#define PRESET(name, mask) {name, mask},
#include "spec/cpu_features.def"
};

const struct feature_family cpu_feature_family = {
	features, COUNT(features), groups, COUNT(groups), presets, COUNT(presets)};
