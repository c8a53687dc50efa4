/* SPDX-License-Identifier: Apache-2.0 */
/* A core with two threads: who has it, for how long, and who gets it next. */
#include "sched_fakes.h"

#include "vm/cores.h"

static uint64_t again;

static bool takes(unsigned cpu, unsigned vm)
{
	on_cpu(cpu);
	return cores_take(vcpus[vm].node, &again);
}

static int set_up_core(void **state)
{
	set_up(state);
	for (unsigned i = 0; i < 4; i++) {
		vms[i].config.allowed_cpus = (struct cpu_set){{1 + i % 2}};
		sched_add(&vcpus[i]);
	}
	assert_int_equal(cores_init(1), 1);
	kicks[0] = kicks[1] = 0;
	return 0;
}

static int tear_down_core(void **state)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		on_cpu(cpu);
		cores_release();
	}
	assert_int_equal(cores_init(0), 0);
	return tear_down(state);
}

static void both_threads_run_one_vm(void **state)
{
	(void)state;
	assert_true(takes(0, 0));
	assert_true(takes(1, 0));
	assert_true(takes(0, 0)); /* it has it already */
	assert_int_equal(cores_owner(), 0);
	assert_false(cores_must_yield());
	assert_int_equal(kicks[0] + kicks[1], 0);
}

static void another_vm_waits_for_a_slice_and_then_gets_the_core(void **state)
{
	uint64_t start = hw_now;

	(void)state;
	assert_true(takes(0, 0));
	assert_false(takes(1, 1));
	assert_true(again == start + SLICE_TICKS);
	assert_int_equal(kicks[0], 0);
	on_cpu(0);
	assert_true(cores_yield_at() == again);
	assert_false(cores_must_yield());
	hw_now = again;
	assert_false(takes(1, 1)); /* but the other thread is told */
	assert_int_equal(kicks[0], 1);
	on_cpu(0);
	assert_true(cores_must_yield());
	assert_false(takes(0, 0)); /* which lets it go */
	assert_true(kicks[1] > 0);
	assert_true(takes(1, 1));
	assert_false(takes(0, 0));
	assert_true(again == hw_now + SLICE_TICKS);
}

static void a_core_that_nobody_holds_is_free_at_once(void **state)
{
	(void)state;
	assert_true(takes(0, 0));
	assert_false(takes(1, 1));
	on_cpu(0);
	cores_release();
	assert_int_equal(cores_owner(), -1);
	assert_true(kicks[1] > 0); /* who waits is told */
	assert_false(takes(0, 2)); /* who asked first comes first */
	assert_true(takes(1, 1));
}

static void who_asked_and_went_away_holds_nobody_up_for_long(void **state)
{
	(void)state;
	assert_true(takes(0, 0));
	assert_false(takes(1, 1));
	on_cpu(0);
	cores_release();
	assert_false(takes(0, 0));
	hw_now += SLICE_TICKS;
	assert_true(takes(0, 0));
}

static void weights_are_slices_of_the_core(void **state)
{
	uint64_t start = hw_now;

	(void)state;
	vcpus[0].node->weight = 3 * WEIGHT_NORMAL;
	vcpus[1].node->weight = 1;
	assert_true(takes(0, 0));
	assert_false(takes(1, 1));
	assert_true(again == start + 3ull * SLICE_TICKS);
	on_cpu(0);
	cores_release();
	assert_true(takes(1, 1));
	assert_false(takes(0, 0));
	assert_true(again == hw_now + SLICE_TICKS / 8);
}

/* While another VM has the core a thread runs what it has of that one; else it sleeps. */
static void a_thread_runs_what_the_core_is_for(void **state)
{
	(void)state;
	assert_true(takes(1, 1)); /* the other thread runs VM 1 */
	on_cpu(0);
	vms[1].config.allowed_cpus = (struct cpu_set){{1}};
	vcpus[2].vm = &vms[1]; /* a second vCPU of VM 1, on CPU 0 */
	vcpus[2].node->vm = 1;
	vcpus[2].node->cr3 = vms[1].host_cr3;
	vcpus[2].node->vtime = 1; /* not its turn */
	assert_ptr_equal(schedule(), &vcpus[2]);
	assert_true(sched_cpu(0)->slice_end <= hw_now + SLICE_TICKS);
	hw_now = sched_cpu(0)->slice_end;
	sleep_limit = 3;
	if (setjmp(awake) == 0)
		(void)schedule(); /* VM 0's turn: the other thread is told, and does not come */
	assert_true(kicks[1] > 0);
	assert_int_equal(sleeps, 3);
	sleep_limit = 0;
	vcpus[2].vm = &vms[2];
	vcpus[2].node->vm = 2;
	vcpus[2].node->cr3 = vms[2].host_cr3;
}

static void a_vcpu_moves_to_where_it_can_run(void **state)
{
	(void)state;
	assert_true(takes(0, 0));
	assert_false(cores_suits(1, 1));
	assert_true(cores_suits(1, 0));
	on_cpu(0);
	cores_release();
	assert_true(cores_suits(1, 1));
}

static void cores_with_one_thread_are_anybodys(void **state)
{
	(void)state;
	assert_int_equal(cores_init(0), 0);
	assert_true(takes(0, 0));
	assert_true(takes(1, 1));
	assert_int_equal(cores_owner(), -1);
	assert_true(cores_suits(0, 3));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up_core, tear_down_core)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(both_threads_run_one_vm),
		T(another_vm_waits_for_a_slice_and_then_gets_the_core),
		T(a_core_that_nobody_holds_is_free_at_once),
		T(who_asked_and_went_away_holds_nobody_up_for_long),
		T(weights_are_slices_of_the_core),
		T(a_thread_runs_what_the_core_is_for),
		T(a_vcpu_moves_to_where_it_can_run),
		T(cores_with_one_thread_are_anybodys),
	};

	return cmocka_run_group_tests_name("vm_cores", tests, NULL, NULL);
}
