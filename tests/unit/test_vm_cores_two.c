/* SPDX-License-Identifier: Apache-2.0 */
/* Two cores with two threads each: CPUs 0 and 1, 2 and 3. */
#define CPUS 4
#include "sched_fakes.h"

#include "vm/cores.h"

static void pin(unsigned vm, uint64_t cpus)
{
	sched_allow(vms[vm].id, &(struct cpu_set){{cpus}});
}

static int set_up_cores(void **state)
{
	set_up(state);
	for (unsigned i = 0; i < 4; i++) {
		vms[i].config.allowed_cpus = (struct cpu_set){{1u << i}};
		sched_add(&vcpus[i]);
	}
	assert_int_equal(cores_init(1), 2);
	memset(kicks, 0, sizeof(kicks));
	for (unsigned i = 0; i < 4; i++)
		sched_cpu(i)->shared.resched = false;
	return 0;
}

static int tear_down_cores(void **state)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		on_cpu(cpu);
		cores_release();
		sched_wakes_up();
	}
	assert_int_equal(cores_init(0), 0);
	return tear_down(state);
}

/* It wakes up, schedules, and sleeps again: true; it runs something: false. */
static bool only_sleeps(unsigned cpu)
{
	on_cpu(cpu);
	sched_wakes_up();
	kicks[cpu] = 0;
	sleep_limit = sleeps + 1;
	if (setjmp(awake) != 0)
		return true;
	(void)schedule();
	return false;
}

static void run_on(unsigned cpu)
{
	assert_false(only_sleeps(cpu));
}

/* 0 and 2 run, 1 and 3 wait for their cores, and may run on either. */
static void threads_that_wait_do_not_wake_each_other(void **state)
{
	unsigned rounds = 0;

	(void)state;
	run_on(0);
	run_on(2);
	pin(1, 0xa);
	pin(3, 0xa);
	assert_true(only_sleeps(1));
	assert_true(only_sleeps(3));
	while (rounds < 1000 && kicks[1] != 0 && only_sleeps(1) && kicks[3] != 0 &&
		only_sleeps(3)) {
		hw_now += 100;
		rounds++;
	}
	print_message("%u rounds of wake-ups for nothing\n", rounds);
	assert_true(rounds < 3);
}

/* VM 1 asks for the core of VM 0, and moves to CPU 2 at once. */
static void who_moves_away_asks_no_longer(void **state)
{
	uint64_t start;

	(void)state;
	vcpus[2].node->runnable = false;
	vcpus[3].node->runnable = false;
	assert_true(only_sleeps(2));
	run_on(0);
	pin(1, 0x6);
	hw_now += SLICE_TICKS - 1000;
	assert_true(only_sleeps(1));
	assert_int_equal(vcpus[1].node->cpu, 2);
	run_on(2);
	hw_now += 1000;
	start = hw_now;
	on_cpu(0);
	sleep_limit = 0;
	assert_ptr_equal(schedule(), &vcpus[0]);
	print_message("the core stood still for %lu of %u ticks\n",
		(unsigned long)(hw_now - start), SLICE_TICKS);
	vcpus[2].node->runnable = vcpus[3].node->runnable = true;
	assert_true(hw_now == start);
}

/* CPU 2 begins to sleep after CPU 1 has found none that does, and before it does itself. */
static void who_waits_for_a_core_is_taken_by_one_that_begins_to_sleep(void **state)
{
	uint64_t again;
	bool early;

	(void)state;
	vcpus[2].node->runnable = false;
	vcpus[3].node->runnable = false;
	run_on(0);
	pin(1, 0x6);
	on_cpu(1);
	assert_null(sched_choose(sched_this_cpu(), &early, &again));
	on_cpu(2);
	assert_null(sched_choose(sched_this_cpu(), &early, &again));
	sched_offer_to_take(false); /* sleep_until, both */
	on_cpu(1);
	sched_offer_to_take(true);
	print_message("CPU 1 kicked %u, CPU 2 kicked %u, vCPU on CPU %u\n", kicks[1], kicks[2],
		vcpus[1].node->cpu);
	vcpus[2].node->runnable = vcpus[3].node->runnable = true;
	assert_true(kicks[1] != 0 || sched_asked() || vcpus[1].node->cpu == 2);
}

/* VM 1 asks; then it is VM 3's turn on that thread; then VM 0 halts. */
static void a_thread_asks_for_one_vm_at_a_time(void **state)
{
	uint64_t start;

	(void)state;
	vcpus[2].node->runnable = false;
	run_on(0);
	assert_true(only_sleeps(1));
	on_cpu(3);
	vcpus[1].node->vtime = 1000;
	sched_dequeue(vcpus[3].node);
	pin(3, 2);
	sched_enqueue(vcpus[3].node, 1);
	hw_now += 1000;
	assert_true(only_sleeps(1));
	vcpus[0].state = VCPU_HALTED;
	assert_true(only_sleeps(0));
	assert_true(kicks[1] != 0);
	start = hw_now;
	on_cpu(1);
	sched_wakes_up();
	sleep_limit = 0;
	assert_non_null(schedule());
	print_message("both threads slept for %lu of %u ticks\n",
		(unsigned long)(hw_now - start), SLICE_TICKS);
	vcpus[2].node->runnable = true;
	assert_true(hw_now == start);
}

/* A vCPU that this CPU has loaded goes to another one, where its VM may end at once. */
static void who_moves_away_leaves_no_address_space_behind(void **state)
{
	uint64_t again;
	bool early;

	(void)state;
	vcpus[2].node->runnable = false;
	vcpus[3].node->runnable = false;
	run_on(1);
	on_cpu(1);
	cores_release();
	run_on(0);
	assert_true(only_sleeps(2));
	on_cpu(1);
	hw_cr3 = vms[1].host_cr3;
	pin(1, 0x6);
	assert_null(sched_choose(sched_this_cpu(), &early, &again));
	assert_int_equal(vcpus[1].node->cpu, 2);
	print_message("address space 0x%lx\n", (unsigned long)hw_cr3);
	vcpus[2].node->runnable = vcpus[3].node->runnable = true;
	assert_true(hw_cr3 == BOOT_SPACE);
}

/* A loaded vCPU whose core is another VM's could run and does not. */
static void waiting_for_the_core_is_waiting(void **state)
{
	(void)state;
	vcpus[2].node->runnable = vcpus[3].node->runnable = false;
	run_on(0);
	assert_true(only_sleeps(1));
	hw_now += SLICE_TICKS;
	assert_true(only_sleeps(1)); /* CPU 0 is told */
	assert_true(only_sleeps(0));
	run_on(1);
	hw_now += SLICE_TICKS;
	on_cpu(1);
	cores_release();
	run_on(0);
	print_message("waited %lu ticks, by the figures\n",
		(unsigned long)vcpus[0].stats.ticks_waiting);
	vcpus[2].node->runnable = vcpus[3].node->runnable = true;
	assert_true(vcpus[0].stats.ticks_waiting >= SLICE_TICKS);
}

/* CPU 1 sleeps beside VM 0; then VM 1 comes to that core, and has another vCPU on CPU 3. */
static void an_idle_thread_hears_that_another_vm_has_its_core(void **state)
{
	(void)state;
	run_on(2);
	on_cpu(1);
	sched_dequeue(vcpus[1].node);
	pin(1, 1);
	vcpus[1].node->runnable = false;
	sched_enqueue(vcpus[1].node, 0);
	run_on(0);
	assert_true(only_sleeps(1));
	vcpus[3].vm = &vms[1];
	vcpus[3].node->vm = 1;
	vcpus[3].node->cr3 = vms[1].host_cr3;
	pin(3, 0xa);
	assert_true(only_sleeps(3));
	vcpus[1].node->runnable = true;
	vcpus[0].state = VCPU_HALTED;
	run_on(0);
	print_message("VM 1 on CPU 0; CPU 1 kicked %u, CPU 3 kicked %u\n", kicks[1], kicks[3]);
	vcpus[3].vm = &vms[3];
	vcpus[3].node->vm = 3;
	vcpus[3].node->cr3 = vms[3].host_cr3;
	assert_true(kicks[1] != 0 || kicks[3] != 0);
}

/* VM 0 has a long slice, and halts for a moment each time that a wish is forgotten. */
static void who_halts_for_a_moment_does_not_have_a_whole_slice_again(void **state)
{
	uint64_t again;
	unsigned turns = 0;

	(void)state;
	vcpus[0].node->weight = 8 * WEIGHT_NORMAL;
	for (on_cpu(0); turns < 100 && cores_take(vcpus[0].node, &again); turns++) {
		on_cpu(1);
		assert_false(cores_take(vcpus[1].node, &again)); /* it sleeps until `again` */
		hw_now += SLICE_TICKS + 1;
		on_cpu(0);
		cores_release();
	}
	print_message("VM 0 had the core %u times, VM 1 waits\n", turns);
	assert_true(turns < 2);
}

/* 3 of 4 slots answered in time; the last one came later. */
static void input_reaches_a_cpu_behind_a_gap(void **state)
{
	(void)state;
	cpu_count = 3;
	on_cpu(0);
	sched_post(3, 0, EVENT_CONSOLE);
	cpu_count = CPUS;
	print_message("CPU 3 kicked %u\n", kicks[3]);
	assert_true(kicks[3] != 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up_cores, tear_down_cores)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(threads_that_wait_do_not_wake_each_other),
		T(who_moves_away_asks_no_longer),
		T(who_waits_for_a_core_is_taken_by_one_that_begins_to_sleep),
		T(a_thread_asks_for_one_vm_at_a_time),
		T(who_moves_away_leaves_no_address_space_behind),
		T(waiting_for_the_core_is_waiting),
		T(an_idle_thread_hears_that_another_vm_has_its_core),
		T(who_halts_for_a_moment_does_not_have_a_whole_slice_again),
		T(input_reaches_a_cpu_behind_a_gap),
	};

	return cmocka_run_group_tests_name("vm_cores_two", tests, NULL, NULL);
}
