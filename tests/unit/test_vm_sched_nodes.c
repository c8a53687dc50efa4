/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler on a machine of two nodes with two CPUs each: who prefers which. */
#define CPUS 4
#include "sched_fakes.h"

#include "mm/node.h"

static int two_nodes(void **state)
{
	int r = set_up(state);

	for (unsigned i = 0; i < CPUS; i++)
		cpu_data[i].shared.node = i / 2;
	for (unsigned i = 0; i < 4; i++)
		cpu_set_fill(&vms[i].config.allowed_cpus);
	return r;
}

/* All of a VM with one vCPU. */
static void add(unsigned i, uint32_t home)
{
	vms[i].home[0] = home;
	sched_add(&vcpus[i]);
}

static void new_ones_start_near_their_memory(void **state)
{
	(void)state;
	add(0, 1);
	add(1, 1);
	add(2, 0);
	add(3, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(vcpus[i].node->cpu / 2, i < 2);
	assert_int_not_equal(vcpus[0].node->cpu, vcpus[1].node->cpu);
	assert_int_not_equal(vcpus[2].node->cpu, vcpus[3].node->cpu);
}

static void who_would_have_to_wait_starts_far_away(void **state)
{
	(void)state;
	add(0, 1);
	add(1, 1);
	add(2, 1);
	assert_int_equal(vcpus[2].node->cpu / 2, 0);
	add(3, NODE_ANY);
	assert_int_equal(vcpus[3].node->cpu / 2, 0);
	assert_int_not_equal(vcpus[2].node->cpu, vcpus[3].node->cpu);
}

/* A vCPU of a VM with several nodes has that of its part. */
static void each_vcpu_has_the_node_that_stands_for_its_own(void **state)
{
	(void)state;
	vms[0].config.nodes = 2;
	vms[0].config.cpus = 4;
	vms[0].home[0] = 1;
	vms[0].home[1] = 0;
	sched_add(&vcpus[0]);
	assert_int_equal(vcpus[0].node->home, 1);
	vms[1].config.nodes = 2;
	vms[1].config.cpus = 2;
	vms[1].home[1] = 1;
	vcpus[1].index = 1;
	sched_add(&vcpus[1]);
	assert_int_equal(vcpus[1].node->home, 1);
	assert_int_equal(vcpus[1].node->cpu / 2, 1);
	vcpus[1].index = 0;
}

/* Two on CPU 0, whose homes these are; which CPU does the one go to that has to wait? */
static unsigned goes_to(uint32_t home, uint64_t sleeping)
{
	for (unsigned i = 0; i < 2; i++) {
		vms[i].config.allowed_cpus = (struct cpu_set){{1}};
		add(i, home);
		cpu_set_fill(&vms[i].config.allowed_cpus);
		sched_allow(i, &vms[i].config.allowed_cpus);
	}
	for (unsigned i = 1; i < CPUS; i++)
		set_idle(i, sleeping >> i & 1);
	hw_now++;
	assert_ptr_equal(schedule(), &vcpus[1]);
	return vcpus[0].node->cpu;
}

static void one_that_waits_goes_to_a_cpu_that_sleeps_near_its_memory(void **state)
{
	(void)state;
	assert_int_equal(goes_to(1, 1 << 1 | 1 << 3), 3);
}

static void or_to_another_one_rather_than_wait(void **state)
{
	(void)state;
	assert_int_equal(goes_to(1, 1 << 1), 1);
}

static void whose_memory_is_of_no_node_goes_to_the_first(void **state)
{
	(void)state;
	assert_int_equal(goes_to(NODE_ANY, 1 << 1 | 1 << 3), 1);
}

static void of_busy_cpus_with_as_much_to_run_the_near_one_is_taken(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		vms[i].config.allowed_cpus = (struct cpu_set){{1}};
		add(i, 1);
		cpu_set_fill(&vms[i].config.allowed_cpus);
		sched_allow(i, &vms[i].config.allowed_cpus);
	}
	for (unsigned i = 0; i < CPUS; i++)
		set_idle(i, false);
	(void)schedule();
	hw_now = sched_cpu(0)->slice_end;
	(void)schedule();
	for (unsigned i = 0, moved = 0; i < 4; i++) {
		moved += vcpus[i].node->cpu != 0;
		assert_int_not_equal(vcpus[i].node->cpu, 1);
		assert_true(i < 3 || moved != 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, two_nodes, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new_ones_start_near_their_memory),
		TEST(who_would_have_to_wait_starts_far_away),
		TEST(each_vcpu_has_the_node_that_stands_for_its_own),
		TEST(one_that_waits_goes_to_a_cpu_that_sleeps_near_its_memory),
		TEST(or_to_another_one_rather_than_wait),
		TEST(whose_memory_is_of_no_node_goes_to_the_first),
		TEST(of_busy_cpus_with_as_much_to_run_the_near_one_is_taken),
	};

	return cmocka_run_group_tests_name("vm_sched_nodes", tests, NULL, NULL);
}
