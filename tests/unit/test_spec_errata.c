/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errata of processors' timers, and capabilities without the one that is not to be used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_caps.h"
#include "spec/errata.h"
#include "spec/vmx_needs.h"

static void processors_whose_preemption_timer_has_another_rate_are_known(void **state)
{
	static const uint32_t wrong[] = {0x106a0, 0x106a1, 0x106a4, 0x106a5, 0x106e5, 0x20652,
		0x20655, 0x206e6, 0x306a8};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_non_null(errata_timer_rate(wrong[i]));
		/* Of the type "overdrive", and with bits that are reserved. */
		assert_non_null(errata_timer_rate(wrong[i] | 0xf000d000));
	}
	assert_non_null(strstr(errata_timer_rate(0x106a5), "AAK139"));
}

static void others_have_a_preemption_timer_as_the_manual_says(void **state)
{
	/* A stepping before and behind, a family and a model beside. */
	static const uint32_t right[] = {0, 0x106a2, 0x106a3, 0x106a6, 0x106e4, 0x106e6,
		0x20651, 0x20653, 0x20654, 0x206e5, 0x306a7, 0x306a9, 0x206a7, 0x50654, 0x306b8,
		0x307a8, 0x10306a8};

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		assert_null(errata_timer_rate(right[i]));
}

static void tsc_deadlines_need_a_revision_of_the_microcode(void **state)
{
	static const struct {
		uint32_t signature, revision;
	} rows[] = {{0x306c3, 0x22}, {0x306f2, 0x3a}, {0x306f4, 0x0f}, {0x40651, 0x20},
		{0x40661, 0x17}, {0x306d4, 0x25}, {0x40671, 0x17}, {0x406f1, 0x0b000020},
		{0x50662, 0x11}, {0x50663, 0x0700000e}, {0x50664, 0x0f00000c},
		{0x50665, 0x0e000003}, {0x50653, 0x01000136}, {0x50654, 0x02000014},
		{0x406e3, 0xb2}, {0x506e3, 0xb2}, {0x806ec, 0x52}, {0x906ed, 0x52},
		/* Sandy and Ivy Bridge, Cascade Lake, Ice Lake, Sapphire Rapids. */
		{0x206a7, 0}, {0x306a9, 0}, {0x50657, 0}, {0x606a6, 0}, {0x806f8, 0}, {0, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(errata_deadline_revision(rows[i].signature), rows[i].revision);
}

/* Below 2^25 times what CPUID.15H tells. */
static void large_values_of_the_preemption_timer_are_left_out(void **state)
{
	(void)state;
	assert_int_equal(errata_timer_most(2, 168), 84u * (1u << 25) - 1);
	assert_int_equal(errata_timer_most(2, 3), 3u * (1u << 24) - 1);
	assert_int_equal(errata_timer_most(2, 256), UINT32_MAX);
	assert_int_equal(errata_timer_most(1, UINT32_MAX), UINT32_MAX);
	assert_int_equal(errata_timer_most(0, 168), UINT32_MAX);
	assert_int_equal(errata_timer_most(2, 0), UINT32_MAX);
}

/* Where Linux flushes the line before each MONITOR, or does not trust stores at all. */
static void processors_whose_mwait_misses_stores_are_known(void **state)
{
	(void)state;
	assert_true(errata_monitor_deaf(0x206e6));
	assert_true(errata_monitor_deaf(0x206f2));
	assert_true(errata_monitor_deaf(0x506c9));
	assert_false(errata_monitor_deaf(0x206c2));
	assert_false(errata_monitor_deaf(0x506e3));
}

static void self_snooping_is_not_trusted_up_to_sandy_bridge(void **state)
{
	(void)state;
	assert_true(errata_two_types(0x106a5));
	assert_true(errata_two_types(0x206e6));
	assert_true(errata_two_types(0x206c2));
	assert_true(errata_two_types(0x206a7));
	assert_false(errata_two_types(0x206d7)); /* the server */
	assert_false(errata_two_types(0x306a9));
	assert_false(errata_two_types(0x806f8));
}

static void without_the_preemption_timer_nobody_is_offered_one(void **state)
{
	struct vmx_caps hw = fake_hardware_caps(), before = hw, l1;
	struct caps_policy policy = caps_policy_default();

	(void)state;
	assert_true(vmx_caps_has_timer(&hw));
	vmx_caps_drop_timer(&hw);
	assert_false(vmx_caps_has_timer(&hw));
	assert_null(vmx_needs_missing(&hw));
	assert_int_equal(caps_allowed1(&hw, MSR_VMX_TRUE_PIN) | PIN_PREEMPTION_TIMER,
		caps_allowed1(&before, MSR_VMX_TRUE_PIN));
	assert_int_equal(caps_allowed1(&hw, MSR_VMX_TRUE_EXIT) | EXIT_SAVE_PREEMPTION_TIMER,
		caps_allowed1(&before, MSR_VMX_TRUE_EXIT));
	caps_derive(&l1, &hw, &policy);
	for (uint32_t msr = MSR_VMX_PIN; msr <= MSR_VMX_TRUE_PIN; msr += 12)
		assert_false(caps_allowed1(&l1, msr) & PIN_PREEMPTION_TIMER);
	assert_false(caps_allowed1(&l1, MSR_VMX_EXIT) & EXIT_SAVE_PREEMPTION_TIMER);
	assert_false(caps_allowed1(&l1, MSR_VMX_TRUE_EXIT) & EXIT_SAVE_PREEMPTION_TIMER);
	assert_false(caps_field_exists(&l1, FID_PREEMPTION_TIMER_VALUE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processors_whose_preemption_timer_has_another_rate_are_known),
		cmocka_unit_test(others_have_a_preemption_timer_as_the_manual_says),
		cmocka_unit_test(tsc_deadlines_need_a_revision_of_the_microcode),
		cmocka_unit_test(large_values_of_the_preemption_timer_are_left_out),
		cmocka_unit_test(processors_whose_mwait_misses_stores_are_known),
		cmocka_unit_test(without_the_preemption_timer_nobody_is_offered_one),
		cmocka_unit_test(self_snooping_is_not_trusted_up_to_sandy_bridge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
