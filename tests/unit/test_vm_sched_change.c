/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler when what a VM may have is changed while its vCPUs are in queues. */
#include "sched_fakes.h"

static void a_weight_that_is_changed_decides_the_shares(void **state)
{
	uint64_t used[4] = {0};

	(void)state;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	run(40000000, used);
	sched_change(1, 3 * WEIGHT_NORMAL, &(struct cpu_set){{1}});
	memset(used, 0, sizeof(used));
	run(400000000, used);
	assert_in_range(used[0], 95000000, 105000000);
	assert_in_range(used[1], 295000000, 305000000);
}

/* The one that runs, one that waits, and one that is halted and is woken there. */
static void ones_that_are_pinned_elsewhere_go_there(void **state)
{
	(void)state;
	vcpus[2].state = VCPU_HALTED;
	for (unsigned i = 0; i < 3; i++)
		sched_add(&vcpus[i]);
	assert_ptr_equal(schedule(), &vcpus[1]);
	kicks[1] = 0;
	for (unsigned i = 0; i < 3; i++)
		sched_change(i, WEIGHT_NORMAL, &(struct cpu_set){{2}});
	assert_true(sched_asked());
	sched_resched();
	assert_true(sched_slice_over());
	assert_true(vcpus[1].events & EVENT_TIMER);
	if (setjmp(awake) == 0)
		assert_null(schedule()); /* nothing is left here: it sleeps */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(vcpus[i].node->cpu, 1);
		assert_int_equal(vcpus[i].home, NO_CPU);
	}
	assert_true(kicks[1] > 0);
	on_cpu(1);
	assert_int_equal(schedule()->vm->host_cr3, hw_cr3);
	vcpus[2].state = VCPU_RUNNABLE;
	sched_wake(&vcpus[2]);
	assert_true(sched_is_runnable(vcpus[2].node));
	assert_int_equal(vcpus[2].node->cpu, 1);
}

static void ones_that_may_stay_do_not_move(void **state)
{
	(void)state;
	sched_add(&vcpus[0]);
	assert_ptr_equal(schedule(), &vcpus[0]);
	sched_change(0, WEIGHT_NORMAL, &(struct cpu_set){{3}});
	sched_resched();
	assert_ptr_equal(schedule(), &vcpus[0]);
	assert_int_equal(vcpus[0].node->cpu, 0);
	assert_int_equal(left[0], 1); /* when it was added */
	assert_false(sched_can_run(&(struct cpu_set){{4}}));
	assert_true(sched_can_run(&(struct cpu_set){{6}}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_weight_that_is_changed_decides_the_shares, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			ones_that_are_pinned_elsewhere_go_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			ones_that_may_stay_do_not_move, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("changes of weights and pins", tests, NULL, NULL);
}
