/* SPDX-License-Identifier: Apache-2.0 */
/* As many CPUs, VMs and vCPUs as there may be. */
#define CPUS  1024
#define VMS   256
#define VCPUS 8191
#define OF_VM 32 /* the last VM has one less */
#include "sched_fakes.h"

static unsigned on[CPUS];

/* Each VM has its share of the vCPUs, which may run anywhere. */
static int set_up_all(void **state)
{
	(void)set_up(state);
	for (unsigned i = 0; i < VMS; i++)
		sched_release(i);
	for (unsigned i = 0; i < VMS; i++) {
		unsigned count = i == VMS - 1 ? OF_VM - 1 : OF_VM;

		assert_true(sched_reserve(i, count));
		vms[i].config.cpus = (uint16_t)count;
		vms[i].config.allowed_cpus = (struct cpu_set){{0}};
		for (unsigned k = 0; k < CPUS; k++)
			set_add(vms[i].config.allowed_cpus.word, k);
	}
	for (unsigned i = 0; i < VCPUS; i++) {
		vcpus[i].vm = &vms[i / OF_VM];
		vcpus[i].index = (uint16_t)(i % OF_VM);
		vcpus[i].deadline = DEV_NEVER;
	}
	return 0;
}

static void add_all(void)
{
	for (unsigned i = 0; i < VCPUS; i++)
		sched_add(&vcpus[i]);
	memset(on, 0, sizeof(on));
	for (unsigned i = 0; i < VCPUS; i++)
		on[vcpus[i].node->cpu]++;
}

static void they_are_shared_out_evenly(void **state)
{
	(void)state;
	add_all();
	for (unsigned i = 0; i < CPUS; i++)
		assert_in_range(on[i], VCPUS / CPUS, VCPUS / CPUS + 1);
}

/* Of a queue of eight each runs within eight slices. */
static void each_runs_before_one_runs_twice(void **state)
{
	static uint64_t used[VCPUS];
	unsigned missing = 0;

	(void)state;
	memset(used, 0, sizeof(used));
	add_all();
	for (unsigned i = 0; i < CPUS; i++) {
		uint64_t begun = hw_now;

		on_cpu(i);
		for (unsigned k = 0; k < on[i]; k++) {
			struct vcpu *v = schedule();

			assert_int_equal(used[v - vcpus], 0);
			used[v - vcpus]++;
			hw_now = sched_this_cpu()->slice_end;
		}
		hw_now = begun;
	}
	for (unsigned i = 0; i < VCPUS; i++)
		missing += used[i] == 0;
	assert_int_equal(missing, 0);
}

/* VPIDs are what is used up: 8,191 vCPUs have all of them. */
static void there_is_no_room_for_one_more(void **state)
{
	(void)state;
	assert_false(sched_reserve(VMS - 1, OF_VM + 1));
	sched_release(3);
	assert_true(sched_reserve(3, OF_VM));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up_all, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(they_are_shared_out_evenly),
		T(each_runs_before_one_runs_twice),
		T(there_is_no_room_for_one_more),
	};

	return cmocka_run_group_tests_name("vm_sched_many", tests, NULL, NULL);
}
