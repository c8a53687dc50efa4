/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of control-flow enforcement that L1 has, and the values that they take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/cet.h"
#include "spec/regs.h"
#include "spec/cet.h"
#include "spec/cpu_features.h"
#include "spec/msr.h"

#define CET_SS     (1u << 7)
#define CET_IBT    (1u << 20)
#define XSAVES     0xfu
#define NOT_CANON  UINT64_C(0x0000800000000000)
#define KERNEL     UINT64_C(0xffff800000000000)
#define U_AND_S    0x1800u
#define PT_AND_CET 0x1900u

static struct cet_offer offer_seen(uint32_t ecx, uint32_t edx, bool vt_x, uint64_t features)
{
	static struct cpuid_table t;
	struct cpuid_leaves m = {0};
	struct cpuid_config c = {
		.package = 1, .xsaves = true, .cet = vt_x, .features = features};
	struct cet_offer o;

	m.basic[0].eax = CPUID_BASIC_MAX;
	m.basic[1].ecx = 1u << 26; /* XSAVE */
	m.basic[7].ecx = ecx;
	m.basic[7].edx = edx;
	m.leafd[0].eax = 7;
	m.leafd[1] = (struct cpuid_leaf){XSAVES, 0, PT_AND_CET, 0};
	m.leafd[11] = (struct cpuid_leaf){16, 0, 1, 0};
	m.leafd[12] = (struct cpuid_leaf){24, 0, 1, 0};
	cpuid_policy_build(&t, &m, &c);
	cet_offer_make(&o, &t);
	if (o.xss != 0) {
		assert_int_equal(cpuid_policy_get(&t, 0xd, 1)->ecx, U_AND_S);
		assert_int_equal(cpuid_policy_get(&t, 0xd, 11)->eax, 16);
		assert_int_equal(cpuid_policy_get(&t, 0xd, 12)->ecx, 1);
		cpuid_policy_update(&t, CR4_OSXSAVE, 1, U_AND_S);
		assert_int_equal(cpuid_policy_get(&t, 0xd, 1)->ebx, 576 + 16 + 24);
		assert_int_equal(cpuid_policy_get(&t, 0xd, 0)->ebx, 576);
	} else {
		assert_int_equal(cpuid_policy_get(&t, 0xd, 1)->ecx, 0);
		assert_int_equal(cpuid_policy_get(&t, 0xd, 11)->eax, 0);
	}
	assert_true(!!(cpuid_policy_cr4(&t) & 1u << 23) == (o.control != 0));
	return o;
}

static struct cet_offer offer(uint32_t ecx, uint32_t edx, bool vt_x)
{
	return offer_seen(ecx, edx, vt_x, UINT64_MAX);
}

static enum denial write(const struct cet_offer *o, uint32_t msr, uint64_t value)
{
	return cet_denial(o, msr, true, value);
}

static void without_cet_there_is_no_register_of_it(void **state)
{
	struct cet_offer none = offer(0, 0, true), unused = offer(CET_SS, CET_IBT, false);

	(void)state;
	assert_int_equal(none.control, 0);
	assert_int_equal(unused.control | unused.xss, 0);
	for (uint32_t msr = MSR_U_CET; msr <= MSR_SSP_TABLE; msr++) {
		if (!is_cet_msr(msr))
			continue;
		assert_int_equal(cet_denial(&none, msr, false, 0), DENIAL_MSR_UNKNOWN);
		assert_int_equal(write(&unused, msr, 0), DENIAL_MSR_UNKNOWN);
	}
	assert_false(is_cet_msr(MSR_U_CET + 1));
	assert_false(is_cet_msr(MSR_S_CET + 1));
	assert_false(is_cet_msr(MSR_SSP_TABLE + 1));
}

static void tracking_alone_has_no_shadow_stacks(void **state)
{
	struct cet_offer o = offer(0, CET_IBT, true);

	(void)state;
	assert_int_equal(write(&o, MSR_S_CET, CET_ENDBR_EN), DENIAL_NONE);
	assert_int_equal(write(&o, MSR_S_CET, CET_SH_STK_EN), DENIAL_MSR_CET);
	assert_int_equal(write(&o, MSR_PL0_SSP, 0), DENIAL_MSR_UNKNOWN);
	assert_int_equal(write(&o, MSR_SSP_TABLE, 0), DENIAL_MSR_UNKNOWN);
	o = offer(CET_SS, 0, true);
	assert_int_equal(write(&o, MSR_U_CET, CET_SH_STK_EN | 2), DENIAL_NONE);
	assert_int_equal(write(&o, MSR_U_CET, CET_ENDBR_EN), DENIAL_MSR_CET);
	assert_int_equal(write(&o, MSR_PL0_SSP + 3, 8), DENIAL_NONE);
}

static void values_are_those_that_the_processor_takes(void **state)
{
	struct cet_offer o = offer(CET_SS, CET_IBT, true);

	(void)state;
	assert_int_equal(write(&o, MSR_S_CET, KERNEL | 0x3f), DENIAL_NONE);
	for (unsigned bit = 6; bit < 10; bit++)
		assert_int_equal(write(&o, MSR_U_CET, UINT64_C(1) << bit), DENIAL_MSR_CET);
	assert_int_equal(write(&o, MSR_S_CET, CET_TRACKER), DENIAL_NONE);
	assert_int_equal(write(&o, MSR_S_CET, CET_SUPPRESS), DENIAL_NONE);
	assert_int_equal(write(&o, MSR_S_CET, CET_TRACKER | CET_SUPPRESS), DENIAL_MSR_CET);
	assert_int_equal(write(&o, MSR_S_CET, NOT_CANON), DENIAL_MSR_CANONICAL);
	for (uint32_t msr = MSR_PL0_SSP; msr <= MSR_PL3_SSP; msr++) {
		assert_int_equal(write(&o, msr, KERNEL | 4), DENIAL_NONE);
		assert_int_equal(write(&o, msr, 2), DENIAL_MSR_SSP);
		assert_int_equal(write(&o, msr, NOT_CANON), DENIAL_MSR_CANONICAL);
	}
	assert_int_equal(write(&o, MSR_SSP_TABLE, KERNEL | 3), DENIAL_NONE);
	assert_int_equal(write(&o, MSR_SSP_TABLE, NOT_CANON), DENIAL_MSR_CANONICAL);
	assert_int_equal(cet_denial(&o, MSR_S_CET, false, 0), DENIAL_NONE);
}

static void xss_has_the_state_of_cet_and_no_other(void **state)
{
	struct cet_offer o = offer(CET_SS, CET_IBT, true);

	(void)state;
	assert_int_equal(o.xss, U_AND_S);
	assert_int_equal(write(&o, MSR_XSS, U_AND_S), DENIAL_NONE);
	assert_int_equal(write(&o, MSR_XSS, 0x100), DENIAL_MSR_XSS);
	assert_int_equal(cet_denial(&o, MSR_XSS, false, 0x100), DENIAL_NONE);
}

/* With `xsaves` off the leaf is not the machine's, and so is the register. */
static void xss_is_there_with_xsaves_only(void **state)
{
	struct cet_offer o = offer(0, 0, true);

	(void)state;
	assert_int_equal(cet_denial(&o, MSR_XSS, false, 0), DENIAL_NONE);
	assert_int_equal(write(&o, MSR_XSS, 0), DENIAL_NONE);
	assert_int_equal(write(&o, MSR_XSS, 0x800), DENIAL_MSR_XSS);
	o = offer_seen(CET_SS, CET_IBT, true, ~(UINT64_C(1) << CPU_FEATURE_XSAVES));
	assert_int_equal(o.xss, 0);
	assert_int_equal(cet_denial(&o, MSR_XSS, false, 0), DENIAL_MSR_UNKNOWN);
	assert_int_equal(write(&o, MSR_XSS, 0), DENIAL_MSR_UNKNOWN);
}

static bool passes(const uint64_t *bitmap, uint32_t msr, bool write)
{
	uint32_t bit = msr_bitmap_bit(msr, write);

	return !(bitmap[bit / 64] >> bit % 64 & 1);
}

static void what_exists_needs_no_exit(void **state)
{
	static uint64_t bitmap[512];
	struct cet_offer o = offer(0, CET_IBT, true);

	(void)state;
	memset(bitmap, 0xff, sizeof(bitmap));
	cet_allow(&o, bitmap);
	assert_true(passes(bitmap, MSR_S_CET, false) && passes(bitmap, MSR_U_CET, true));
	assert_false(passes(bitmap, MSR_PL0_SSP, false));
	o = offer(CET_SS, 0, true);
	cet_allow(&o, bitmap);
	assert_true(passes(bitmap, MSR_PL3_SSP, true) && passes(bitmap, MSR_SSP_TABLE, true));
	assert_false(passes(bitmap, MSR_U_CET + 1, false));
	assert_false(passes(bitmap, MSR_XSS, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_cet_there_is_no_register_of_it),
		cmocka_unit_test(tracking_alone_has_no_shadow_stacks),
		cmocka_unit_test(values_are_those_that_the_processor_takes),
		cmocka_unit_test(xss_has_the_state_of_cet_and_no_other),
		cmocka_unit_test(xss_is_there_with_xsaves_only),
		cmocka_unit_test(what_exists_needs_no_exit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
