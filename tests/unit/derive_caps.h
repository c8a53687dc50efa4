/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1's capabilities of a machine by the policy with these features, for tests.
 */
#ifndef NESTOR_TESTS_DERIVE_CAPS_H
#define NESTOR_TESTS_DERIVE_CAPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "fake_caps.h"

static inline struct vmx_caps derive(const struct vmx_caps *hw, uint64_t features)
{
	struct caps_policy policy = caps_policy_default();
	struct vmx_caps l1;

	policy.features = features;
	caps_derive(&l1, hw, &policy);
	return l1;
}

static inline uint64_t feature(const char *name)
{
	uint64_t mask = caps_feature_by_name(name, strlen(name));

	assert_true(mask != 0);
	return mask;
}

#endif
