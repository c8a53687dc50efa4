/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler with a simulated clock: shares, weights, sleepers, pinning, moves between CPUs,
 * kicks.
 */
#include "sched_fakes.h"

static void what_was_typed_wakes_the_vm_it_is_for(void **state)
{
	(void)state;
	vcpus[1].state = VCPU_HALTED;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	assert_ptr_equal(schedule(), &vcpus[0]);
	sched_post(1, 0, EVENT_CONSOLE);
	sched_post(3, 0, EVENT_CONSOLE); /* it is not there */
	assert_true(vcpus[1].node->posted & EVENT_CONSOLE);
	assert_int_equal(vcpus[0].node->posted, 0);
	assert_true(sched_is_runnable(vcpus[1].node));
	assert_true(hw_cr3 == vms[0].host_cr3);
}

static void what_was_typed_wakes_the_cpu_that_has_the_vm(void **state)
{
	(void)state;
	vms[1].config.allowed_cpus = (struct cpu_set){{2}};
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	kicks[1] = 0;
	sched_post(1, 0, EVENT_CONSOLE);
	assert_int_equal(vcpus[1].events, 0);
	assert_int_equal(kicks[1], 1);
	on_cpu(1);
	assert_ptr_equal(schedule(), &vcpus[1]);
	assert_true(vcpus[1].events & EVENT_CONSOLE);
}

/* Between two queues: nobody loses it. */
static void what_was_typed_waits_for_a_vm_that_moves(void **state)
{
	(void)state;
	sched_add(&vcpus[0]);
	sched_dequeue(vcpus[0].node);
	sched_post(0, 0, EVENT_CONSOLE);
	assert_int_equal(vcpus[0].events, 0);
	sched_enqueue(vcpus[0].node, 0);
	assert_ptr_equal(schedule(), &vcpus[0]);
	assert_true(vcpus[0].events & EVENT_CONSOLE);
}

/* Of 8, of which four VMs have one each. */
static void nodes_are_given_in_rows_and_come_back(void **state)
{
	(void)state;
	assert_false(sched_reserve(4, 5));
	assert_int_equal(sched_first_node(4), 0);
	assert_true(sched_reserve(LIMIT_VMS - 1, 3));
	assert_int_equal(sched_first_node(LIMIT_VMS - 1), 4);
	sched_release(1);
	sched_release(3);
	assert_false(sched_reserve(4, 3)); /* three are free, but no more than one in a row */
	assert_true(sched_reserve(3, 1) && sched_reserve(1, 1));
	assert_int_equal(sched_first_node(3), 1);
	assert_int_equal(sched_first_node(1), 3);
	sched_release(LIMIT_VMS - 1);
	assert_null(sched_node_of(LIMIT_VMS - 1, 0));
}

/* The last number that there may be, and a vCPU that the VM has not. */
static void the_last_vm_is_reached_as_the_first(void **state)
{
	(void)state;
	sched_release(2);
	assert_true(sched_reserve(LIMIT_VMS - 1, 1));
	vms[2].id = LIMIT_VMS - 1;
	vcpus[2].state = VCPU_HALTED;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[2]);
	assert_ptr_equal(schedule(), &vcpus[0]);
	sched_post(LIMIT_VMS - 1, 1, EVENT_NET);
	assert_false(sched_is_runnable(vcpus[2].node));
	sched_post(LIMIT_VMS - 1, 0, EVENT_NET);
	assert_true(sched_is_runnable(vcpus[2].node));
	assert_null(sched_node_of(2, 0));
	assert_int_equal(vcpus[2].node->vm, LIMIT_VMS - 1);
}

static void one_alone_has_no_end_of_its_slice(void **state)
{
	(void)state;
	sched_add(&vcpus[0]);
	assert_ptr_equal(schedule(), &vcpus[0]);
	assert_true(sched_cpu(0)->slice_end == DEV_NEVER);
	assert_true(hw_cr3 == vms[0].host_cr3);
	assert_ptr_equal(vcpu_current(), &vcpus[0]);
}

static void equals_share_a_cpu(void **state)
{
	uint64_t used[4] = {0};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		sched_add(&vcpus[i]);
	run(400000000, used);
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(used[i], 95000000, 105000000);
}

static void who_could_run_and_does_not_waits(void **state)
{
	uint64_t used[4] = {0}, waits;

	(void)state;
	sched_add(&vcpus[0]);
	run(100000000, used);
	waits = vcpus[0].stats.waits;
	sched_add(&vcpus[1]);
	run(400000000, used);
	assert_in_range(vcpus[0].stats.ticks_waiting, 190000000, 210000000);
	assert_in_range(vcpus[1].stats.ticks_waiting, 190000000, 210000000);
	assert_in_range(vcpus[0].stats.waits - waits, 90, 110);
}

static void who_sleeps_does_not_wait_until_it_is_woken(void **state)
{
	uint64_t used[4] = {0};

	(void)state;
	vcpus[1].state = VCPU_HALTED;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	run(100000000, used);
	vcpus[1].state = VCPU_RUNNABLE;
	sched_wake(&vcpus[1]);
	hw_now += 5000;
	assert_ptr_equal(schedule(), &vcpus[1]);
	assert_in_range(vcpus[1].stats.ticks_waiting, 5000, 6000);
}

static void weights_decide_the_shares(void **state)
{
	uint64_t used[4] = {0};

	(void)state;
	vms[1].config.weight = 3 * WEIGHT_NORMAL;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	run(400000000, used);
	assert_in_range(used[0], 95000000, 105000000);
	assert_in_range(used[1], 295000000, 305000000);
}

static void a_sleeper_does_not_get_what_it_did_not_use(void **state)
{
	uint64_t used[4] = {0};

	(void)state;
	vcpus[1].state = VCPU_HALTED;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	run(400000000, used);
	assert_int_equal(used[1], 0);
	vcpus[1].state = VCPU_RUNNABLE;
	sched_wake(&vcpus[1]);
	run(40000000, used);
	assert_in_range(used[1], 18000000, 26000000);
}

static void one_that_wakes_up_does_not_wait_for_a_whole_slice(void **state)
{
	(void)state;
	vcpus[1].state = VCPU_HALTED;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	assert_ptr_equal(schedule(), &vcpus[0]);
	vcpus[1].state = VCPU_RUNNABLE;
	sched_wake(&vcpus[1]);
	assert_true(vcpus[0].events & EVENT_TIMER);
	sched_resched();
	assert_true(sched_cpu(0)->slice_end <= hw_now + 100000);
}

static void timers_of_those_that_wait_end_a_slice(void **state)
{
	uint64_t used[4] = {0};

	(void)state;
	vcpus[1].state = VCPU_HALTED;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	vcpus[1].node->deadline = hw_now + 777;
	assert_ptr_equal(schedule(), &vcpus[0]);
	assert_true(sched_cpu(0)->slice_end == hw_now + 777);
	run(100000000, used);
	assert_in_range(used[1], 45000000, 55000000);
}

static void a_cpu_without_work_sleeps_until_the_next_timer(void **state)
{
	(void)state;
	vcpus[0].state = VCPU_HALTED;
	sched_add(&vcpus[0]);
	vcpus[0].node->deadline = hw_now + 5000;
	assert_ptr_equal(schedule(), &vcpus[0]);
	assert_int_equal(hw_now, 1000005000);
	assert_int_equal(sleeps, 1);
	assert_false(sched_is_idle(0));
}

/* Not even that of the vCPU which stood still last: it would stand behind who runs then. */
static void time_that_a_cpu_sleeps_is_nobodys(void **state)
{
	uint64_t used[4] = {0};

	(void)state;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	run(100000000, used);
	vcpus[0].node->vtime += 10000000; /* so that it is looked at last */
	vcpus[0].state = vcpus[1].state = VCPU_HALTED;
	vcpus[0].events = vcpus[1].events = 0;
	vcpus[1].deadline = vcpus[1].node->deadline = hw_now + 1000000000;
	assert_ptr_equal(schedule(), &vcpus[1]); /* a thousand million ticks later */
	assert_int_equal(sleeps, 1);
	vcpus[0].state = VCPU_RUNNABLE;
	sched_wake(&vcpus[0]);
	memset(used, 0, sizeof(used));
	run(40000000, used);
	assert_in_range(used[0], 13000000, 24000000);
}

static void who_is_asked_answers_before_its_turn_and_for_a_short_time(void **state)
{
	uint64_t used[4] = {0};

	(void)state;
	vms[0].config.weight = 1;
	vms[1].config.weight = 100 * WEIGHT_NORMAL;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	run(100000000, used);
	assert_ptr_equal(schedule(), &vcpus[1]);
	hw_now += 1000;
	sched_post(0, 0, EVENT_MANAGE);
	assert_true(vcpus[1].events & EVENT_TIMER);
	assert_ptr_equal(schedule(), &vcpus[0]);
	assert_true(vcpus[0].events & EVENT_MANAGE);
	assert_true(sched_cpu(0)->slice_end <= hw_now + 50000);
	hw_now = sched_cpu(0)->slice_end;
	assert_ptr_equal(schedule(), &vcpus[1]);
}

/* As when it is asked to end: others may have had less. */
static void who_stops_ends_before_its_turn(void **state)
{
	uint64_t used[4] = {0};

	(void)state;
	vms[0].config.weight = 1;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	run(100000000, used);
	assert_ptr_equal(schedule(), &vcpus[1]);
	sched_post(0, 0, EVENT_MANAGE);
	assert_ptr_equal(schedule(), &vcpus[0]);
	vcpus[0].state = VCPU_STOPPED;
	assert_ptr_equal(schedule(), &vcpus[1]);
	assert_null(vcpus[0].node);
	assert_int_equal(vms[0].end_value, 1);
}

static void new_ones_are_spread_over_the_cpus(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		cpu_set_fill(&vms[i].config.allowed_cpus);
		sched_add(&vcpus[i]);
	}
	assert_int_not_equal(vcpus[0].node->cpu, vcpus[1].node->cpu);
	assert_int_not_equal(vcpus[2].node->cpu, vcpus[3].node->cpu);
	assert_int_equal(kicks[1], 2); /* to tell it; CPU 0 is this one */
}

static void pinned_ones_stay(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		vms[i].config.allowed_cpus = (struct cpu_set){{2}};
		sched_add(&vcpus[i]);
		assert_int_equal(vcpus[i].node->cpu, 1);
	}
	vms[3].config.allowed_cpus = (struct cpu_set){{1ull << 40}}; /* there is none */
	sched_add(&vcpus[3]);
	assert_true(sched_place(vcpus[3].node) == 0); /* any may run it */
	set_idle(0, true);
	on_cpu(1);
	sched_give_away(NULL);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(vcpus[i].node->cpu, 1);
	on_cpu(0);
}

static void one_that_waits_goes_to_a_cpu_that_sleeps(void **state)
{
	(void)state;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	sched_allow(0, &(struct cpu_set){{3}});
	sched_allow(1, &(struct cpu_set){{3}});
	kicks[1] = 0;
	set_idle(1, true);
	hw_now++;
	assert_ptr_equal(schedule(), &vcpus[1]); /* the last one added is looked at first */
	assert_int_equal(vcpus[0].node->cpu, 1);
	assert_int_equal(vcpus[0].home, NO_CPU);
	assert_false(sched_is_idle(1)); /* nobody else gives it work */
	assert_int_equal(kicks[1], 1);
	assert_true(hw_cr3 == vms[1].host_cr3);
	on_cpu(1);
	assert_ptr_equal(schedule(), &vcpus[0]);
	assert_int_equal(vcpus[0].home, 1);
}

static void a_cpu_that_goes_to_sleep_asks_for_work(void **state)
{
	(void)state;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	sched_allow(0, &(struct cpu_set){{3}});
	sched_allow(1, &(struct cpu_set){{3}});
	(void)schedule();
	kicks[0] = 0;
	on_cpu(1);
	if (setjmp(awake) == 0)
		(void)schedule();
	assert_int_equal(kicks[0], 1);
	assert_true(sched_cpu(0)->shared.resched);
	assert_true(sched_is_idle(1));
	on_cpu(0);
	sched_resched();
	assert_true(vcpus[0].node->cpu != vcpus[1].node->cpu);
}

static void busy_cpus_level_what_they_have_to_run(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		sched_add(&vcpus[i]);
		sched_allow(i, &(struct cpu_set){{3}});
	}
	/* four here, none there, where the CPU does not sleep: two go, one a slice */
	(void)schedule();
	hw_now = sched_cpu(0)->slice_end;
	(void)schedule();
	hw_now = sched_cpu(0)->slice_end;
	(void)schedule();
	for (unsigned cpu = 0, n = 0; cpu < CPUS; cpu++, n = 0) {
		for (unsigned i = 0; i < 4; i++)
			n += vcpus[i].node->cpu == cpu;
		assert_int_equal(n, 2);
	}
}

/* An interrupt would wait for the guest to enable them, if the CPU enters one just now. */
static void a_cpu_that_is_awake_is_told_of_its_queue_by_an_nmi(void **state)
{
	(void)state;
	vms[1].config.allowed_cpus = (struct cpu_set){{2}};
	sched_add(&vcpus[1]);
	set_idle(1, false);
	kicks[1] = nmis[1] = 0;
	sched_post(1, 0, EVENT_MANAGE);
	assert_int_equal(nmis[1], 1);
	set_idle(1, true);
	sched_notify(1);
	assert_int_equal(kicks[1], 2);
	assert_int_equal(nmis[1], 1);
	set_idle(1, false);
}

static void only_one_in_guest_mode_is_kicked(void **state)
{
	(void)state;
	sched_add(&vcpus[0]);
	on_cpu(0);
	(void)schedule();
	on_cpu(1);
	kicks[0] = 0;
	sched_wake(&vcpus[0]);
	assert_int_equal(kicks[0], 0); /* L0 runs there: it will see the event */
	sched_cpu(0)->shared.guest = vcpus[0].node;
	sched_wake(&vcpus[0]);
	assert_int_equal(kicks[0], 1);
	vcpus[0].events = 0;
	sched_wait_out(&vcpus[0], EVENT_FLUSH); /* it has seen the event already */
	sched_cpu(0)->shared.guest = NULL;
	on_cpu(0);
}

static void a_stopped_vcpu_leaves_and_the_last_one_ends_the_vm(void **state)
{
	(void)state;
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	vcpus[0].state = VCPU_STOPPED;
	assert_ptr_equal(schedule(), &vcpus[1]);
	hw_now = sched_cpu(0)->slice_end;
	assert_ptr_equal(schedule(), &vcpus[1]);
	assert_null(vcpus[0].node);
	assert_int_equal(vms[0].end_value, 1);
	assert_int_equal(vms[1].end_value, 0);
	assert_true(sched_cpu(0)->slice_end == DEV_NEVER);
}

/* The VM may end elsewhere while the CPU sleeps, and its page tables with it. */
static void who_sleeps_without_a_vcpu_is_in_no_vms_address_space(void **state)
{
	(void)state;
	sched_add(&vcpus[0]);
	assert_ptr_equal(schedule(), &vcpus[0]);
	sched_put_down();
	assert_true(hw_cr3 == vms[0].host_cr3);
	vcpus[0].node->runnable = false;
	if (setjmp(awake) == 0)
		(void)schedule();
	assert_int_equal(sleeps, 1);
	assert_true(hw_cr3 == BOOT_SPACE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_alone_has_no_end_of_its_slice),
		TEST(equals_share_a_cpu),
		TEST(who_could_run_and_does_not_waits),
		TEST(who_sleeps_does_not_wait_until_it_is_woken),
		TEST(weights_decide_the_shares),
		TEST(a_sleeper_does_not_get_what_it_did_not_use),
		TEST(one_that_wakes_up_does_not_wait_for_a_whole_slice),
		TEST(timers_of_those_that_wait_end_a_slice),
		TEST(a_cpu_without_work_sleeps_until_the_next_timer),
		TEST(time_that_a_cpu_sleeps_is_nobodys),
		TEST(who_is_asked_answers_before_its_turn_and_for_a_short_time),
		TEST(who_stops_ends_before_its_turn),
		TEST(new_ones_are_spread_over_the_cpus),
		TEST(pinned_ones_stay),
		TEST(one_that_waits_goes_to_a_cpu_that_sleeps),
		TEST(a_cpu_that_goes_to_sleep_asks_for_work),
		TEST(busy_cpus_level_what_they_have_to_run),
		TEST(a_cpu_that_is_awake_is_told_of_its_queue_by_an_nmi),
		TEST(only_one_in_guest_mode_is_kicked),
		TEST(a_stopped_vcpu_leaves_and_the_last_one_ends_the_vm),
		TEST(who_sleeps_without_a_vcpu_is_in_no_vms_address_space),
		TEST(what_was_typed_wakes_the_vm_it_is_for),
		TEST(what_was_typed_wakes_the_cpu_that_has_the_vm),
		TEST(what_was_typed_waits_for_a_vm_that_moves),
		TEST(nodes_are_given_in_rows_and_come_back),
		TEST(the_last_vm_is_reached_as_the_first),
	};

	return cmocka_run_group_tests_name("vm_sched", tests, NULL, NULL);
}
