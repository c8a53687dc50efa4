/* SPDX-License-Identifier: Apache-2.0 */
/* Pins to CPUs whose numbers do not fit a word. */
#define CPUS 130
#include "sched_fakes.h"

static void pin(unsigned vm, unsigned first, unsigned last)
{
	struct cpu_set *s = &vms[vm].config.allowed_cpus;

	*s = (struct cpu_set){{0}};
	for (unsigned i = first; i <= last; i++)
		set_add(s->word, i);
}

static void a_vm_is_placed_on_the_cpu_of_its_pin(void **state)
{
	static const unsigned cpus[] = {0, 63, 64, 129};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		pin(i, cpus[i], cpus[i]);
		sched_add(&vcpus[i]);
		assert_int_equal(vcpus[i].node->cpu, cpus[i]);
		assert_int_equal(kicks[cpus[i]], cpus[i] != 0);
	}
}

/* CPU 128 has one already. */
static void of_several_it_gets_one_with_less_to_run(void **state)
{
	(void)state;
	pin(0, 128, 128);
	pin(1, 128, 129);
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	assert_int_equal(vcpus[1].node->cpu, 129);
}

static void one_that_waits_goes_to_a_cpu_of_its_pin_alone(void **state)
{
	(void)state;
	pin(0, 0, 0);
	pin(1, 0, 0);
	sched_add(&vcpus[0]);
	sched_add(&vcpus[1]);
	pin(1, 100, 101);
	sched_allow(1, &vms[1].config.allowed_cpus);
	set_idle(70, true);
	set_idle(101, true);
	sched_give_away(vcpus[0].node);
	assert_int_equal(vcpus[1].node->cpu, 101);
	assert_true(sched_is_idle(70));
}

static void a_pin_that_is_changed_sends_its_vcpus_away(void **state)
{
	(void)state;
	pin(0, 65, 65);
	sched_add(&vcpus[0]);
	on_cpu(65);
	assert_ptr_equal(schedule(), &vcpus[0]);
	pin(0, 66, 127);
	sched_change(0, WEIGHT_NORMAL, &vms[0].config.allowed_cpus);
	assert_true(sched_asked());
	if (setjmp(awake) == 0)
		assert_null(schedule());
	assert_in_range(vcpus[0].node->cpu, 66, 127);
}

/* No CPU has numbers of 130 and more. */
static void cpus_that_are_not_there_run_nothing(void **state)
{
	(void)state;
	pin(0, 130, 1023);
	assert_false(sched_can_run(&vms[0].config.allowed_cpus));
	pin(0, 129, 1023);
	assert_true(sched_can_run(&vms[0].config.allowed_cpus));
}

/* As another CPU sees it in the midst of cpu_set_store: words 0 and 1 are empty. */
static void a_pin_that_is_half_written(void **state)
{
	(void)state;
	logged = 0;
	pin(0, 65, 65);
	sched_add(&vcpus[0]);
	pin(1, 65, 65);
	sched_add(&vcpus[1]);
	on_cpu(65);
	assert_ptr_equal(schedule(), &vcpus[1]); /* its address space is current */
	sched_cpu(65)->shared.strays = true;     /* of a change before */
	vms[0].config.allowed_cpus = (struct cpu_set){{0}};
	sched_allow(0, &vms[0].config.allowed_cpus);
	sched_send_strays();
	print_message("logged %u; CR3 then %lx, the VM of the vCPU has %lx\n", logged,
		logged_in, vms[0].host_cr3);
	assert_true(logged_in == vms[0].host_cr3 || logged_in == BOOT_SPACE);
}

/* vCPU 0 runs at once, and follows (vm_follow) while the others are still to come. */
static void a_pin_that_is_changed_while_a_vm_starts_stays(void **state)
{
	struct cpu_set now = {{0}};

	(void)state;
	sched_release(0);
	assert_true(sched_reserve(0, 2));
	vms[0].config.cpus = 2;
	vcpus[1].vm = &vms[0];
	vcpus[1].index = 1;
	pin(0, 65, 65); /* as it was when the VM was made */
	sched_add(&vcpus[0]);
	set_add(now.word, 100);
	sched_change(0, WEIGHT_NORMAL, &now);
	sched_add(&vcpus[1]);
	assert_int_equal(vcpus[1].node->cpu, 100);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_vm_is_placed_on_the_cpu_of_its_pin),
		T(of_several_it_gets_one_with_less_to_run),
		T(one_that_waits_goes_to_a_cpu_of_its_pin_alone),
		T(a_pin_that_is_changed_sends_its_vcpus_away),
		T(cpus_that_are_not_there_run_nothing),
		T(a_pin_that_is_half_written),
		T(a_pin_that_is_changed_while_a_vm_starts_stays),
	};

	return cmocka_run_group_tests_name("vm_sched_pins", tests, NULL, NULL);
}
