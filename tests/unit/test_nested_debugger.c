/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a debugger outside the VM asks of nested/: exits that are nobody's, whose a monitor trap
 * flag exit is, and what tells L2s apart.
 */
#include "l2_ept.h"

#define TIMER 1000u

static void an_exit_of_a_debugger_is_not_seen_by_l1(void **state)
{
	uint64_t before[FID_COUNT];

	(void)state;
	launch(PROC2_ENABLE_EPT);
	memcpy(before, n.cur->f, sizeof(before));
	assert_true(n.run_pending);
	nested_l2_exit_of_l0(&n);
	assert_false(n.run_pending);
	assert_true(n.in_l2);
	assert_int_equal(n.stats.exits_kept, 1);
	assert_int_equal(nested_exits_to_l1(&n.stats), 0);
	assert_memory_equal(n.cur->f, before, sizeof(before));
}

static void the_time_until_it_is_of_l1s_preemption_timer(void **state)
{
	(void)state;
	golden[FID_PIN_CONTROLS] |= PIN_PREEMPTION_TIMER;
	golden[FID_PREEMPTION_TIMER_VALUE] = TIMER;
	launch(PROC2_ENABLE_EPT);
	assert_int_equal(nested_timer_value(&n, UINT32_MAX), TIMER);
	f02()[FID_PREEMPTION_TIMER_VALUE] = TIMER - 300;
	nested_l2_exit_of_l0(&n);
	assert_int_equal(nested_timer_value(&n, UINT32_MAX), TIMER - 300);
}

static void an_mtf_exit_is_l1s_by_the_control(void **state)
{
	(void)state;
	golden[FID_PROC_CONTROLS] |= PROC_MTF;
	launch(PROC2_ENABLE_EPT);
	assert_true(nested_mtf_of_l1(&n));
	nested_l2_exit_of_l0(&n);
	assert_true(nested_mtf_of_l1(&n));
}

static void an_mtf_exit_is_l1s_right_behind_its_injection(void **state)
{
	(void)state;
	golden[FID_ENTRY_INTR_INFO] = INTR_INFO_VALID | INTR_OTHER_EVENT << 8;
	launch(PROC2_ENABLE_EPT);
	assert_true(nested_mtf_of_l1(&n));
	nested_l2_exit_of_l0(&n);
	assert_false(nested_mtf_of_l1(&n));
}

static void an_mtf_exit_is_the_debuggers_otherwise(void **state)
{
	(void)state;
	launch(PROC2_ENABLE_EPT);
	assert_false(nested_mtf_of_l1(&n));
}

static void another_event_that_l1_injects_is_no_mtf_exit(void **state)
{
	(void)state;
	golden[FID_ENTRY_INTR_INFO] = INTR_INFO_VALID | INTR_NMI << 8 | VEC_NMI;
	launch(PROC2_ENABLE_EPT);
	assert_false(nested_mtf_of_l1(&n));
}

static void an_l2_has_its_ept_pointer_as_a_name_or_its_vmcs12(void **state)
{
	(void)state;
	launch(PROC2_ENABLE_EPT);
	assert_true(nested_l2_name(&n) == EPT12_AD);
	n.cur->f[FID_PROC2_CONTROLS] &= ~(uint64_t)PROC2_ENABLE_EPT;
	assert_true(nested_l2_name(&n) == (n.cur->gpa | 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, l2_ept_setup, vcpu_teardown)
		T(an_exit_of_a_debugger_is_not_seen_by_l1),
		T(the_time_until_it_is_of_l1s_preemption_timer),
		T(an_mtf_exit_is_l1s_by_the_control),
		T(an_mtf_exit_is_l1s_right_behind_its_injection),
		T(an_mtf_exit_is_the_debuggers_otherwise),
		T(another_event_that_l1_injects_is_no_mtf_exit),
		T(an_l2_has_its_ept_pointer_as_a_name_or_its_vmcs12),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
