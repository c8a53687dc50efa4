/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts that units of the machine post into descriptors of vCPUs: whoever has a request is
 * entered, wherever the notification went to, and nobody else is woken.
 */
#include "sched_fakes.h"

static void add(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		vms[i].apicv.direct = true;
		descriptors[i].vector = VECTOR_ARRIVED; /* as it is made */
		sched_add(&vcpus[i]);
	}
}

/* A device sends: what the unit does, and then the CPU that is notified. */
static void post(unsigned vcpu)
{
	struct descriptor *d = &descriptors[vcpu];
	bool notified = d->outstanding;
	struct percpu *here = hw_cpu;

	d->outstanding = true;
	if (notified || d->vector != VECTOR_ARRIVED)
		return;
	on_cpu(d->cpu);
	fault_arrived();
	hw_cpu = here;
}

static void a_vcpu_that_is_loaded_is_notified_without_an_exit(void **state)
{
	(void)state;
	add(1);
	assert_ptr_equal(schedule(), &vcpus[0]);
	assert_int_equal(descriptors[0].vector, VECTOR_POSTED);
	assert_int_equal(descriptors[0].cpu, 0);
}

static void one_that_sleeps_is_woken_and_others_are_not(void **state)
{
	(void)state;
	vcpus[1].state = vcpus[2].state = VCPU_HALTED;
	add(3);
	assert_ptr_equal(schedule(), &vcpus[0]);
	hw_now += SLICE_TICKS;
	assert_ptr_equal(schedule(), &vcpus[0]); /* the others have gone to sleep */
	assert_false(sched_is_runnable(vcpus[1].node));
	assert_int_equal(descriptors[1].vector, VECTOR_ARRIVED);
	post(1);
	assert_true(hw_cr3 == vms[0].host_cr3);
	assert_true(vcpus[0].events & EVENT_TIMER); /* it gives way soon */
	assert_true(sched_is_runnable(vcpus[1].node));
	assert_false(sched_is_runnable(vcpus[2].node));
	hw_now += SLICE_TICKS;
	assert_ptr_equal(schedule(), &vcpus[1]);
	assert_true(vcpus[1].events & EVENT_IRQ);
}

/* Its notification meets whoever is entered next, who does not know what it is for. */
static void what_came_before_another_one_is_loaded_is_not_lost(void **state)
{
	(void)state;
	add(2);
	assert_ptr_equal(schedule(), &vcpus[1]);
	hw_now += SLICE_TICKS;
	vcpus[1].state = VCPU_HALTED;
	vcpus[1].events = 0;
	post(1);
	assert_ptr_equal(schedule(), &vcpus[0]);
	assert_int_equal(descriptors[0].vector, VECTOR_POSTED);
	assert_int_equal(descriptors[1].vector, VECTOR_ARRIVED);
	assert_true(sched_is_runnable(vcpus[1].node));
	hw_now += SLICE_TICKS;
	assert_ptr_equal(schedule(), &vcpus[1]);
}

static void one_that_moves_looks_where_it_goes(void **state)
{
	(void)state;
	vcpus[1].state = VCPU_HALTED;
	add(2);
	assert_ptr_equal(schedule(), &vcpus[0]);
	hw_now += SLICE_TICKS;
	assert_ptr_equal(schedule(), &vcpus[0]);
	assert_false(sched_is_runnable(vcpus[1].node));
	sched_change(1, WEIGHT_NORMAL, &(struct cpu_set){{2}});
	hw_now += SLICE_TICKS;
	assert_ptr_equal(schedule(), &vcpus[0]);
	assert_int_equal(vcpus[1].node->cpu, 1);
	post(1); /* to the CPU that it has left */
	assert_true(hw_cr3 == vms[0].host_cr3);
	on_cpu(1);
	assert_true(sched_is_runnable(vcpus[1].node));
	assert_ptr_equal(schedule(), &vcpus[1]);
	assert_int_equal(descriptors[1].vector, VECTOR_POSTED);
	assert_int_equal(descriptors[1].cpu, 1);
}

/* When it goes on it looks by itself; until then each turn of the others would wake it. */
static void one_that_is_paused_is_not_woken(void **state)
{
	unsigned turns = 0;

	(void)state;
	add(2);
	vcpus[1].paused = true;
	descriptors[1].outstanding = true;
	for (unsigned i = 0; i < 20; i++) {
		struct vcpu *v = schedule();

		turns += v == &vcpus[1];
		v->events = 0; /* they are put aside */
		hw_now += SLICE_TICKS;
	}
	assert_in_range(turns, 0, 2);
	descriptors[1].outstanding = false;
	post(1);
	assert_false(sched_is_runnable(vcpus[1].node));
	vcpus[1].paused = false;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_vcpu_that_is_loaded_is_notified_without_an_exit),
		TEST(one_that_sleeps_is_woken_and_others_are_not),
		TEST(what_came_before_another_one_is_loaded_is_not_lost),
		TEST(one_that_is_paused_is_not_woken),
		TEST(one_that_moves_looks_where_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
