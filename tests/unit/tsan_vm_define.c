/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody who defines, starts, stops and destroys VMs at random, from whatever CPU looks
 * first, while they run, move and end, under ThreadSanitizer.
 */
#include "sched_world.h"

#include "sched_manager.h"

static void vms_are_defined_started_stopped_and_destroyed_on_several_cpus(void **state)
{
	struct l0_config c = {.keep = true, .places = VMS, .time_limit = UINT64_MAX};

	(void)state;
	config_set(&c);
	hw_naps = 20;
	begin_cpus();
	idle_init(); /* they sleep by MWAIT, and wake each other by a store */
	for (unsigned i = 0; i < 2; i++)
		plan((struct vm_config){.memory = 16 << 20,
			.start = i == 0,
			.restart = RESTART_ON_RESET,
			.allowed_cpus = {{UINT64_MAX}},
			.vmx_features = 1});
	begin_vms();
	run_all();
	print_message("%u rounds: %u defined, %u started, %u stopped, %u destroyed\n", rounds,
		defined, started, ended_by_order, destroyed);
	assert_true(rounds >= ROUNDS && enough_of_each());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vms_are_defined_started_stopped_and_destroyed_on_several_cpus),
	};

	return cmocka_run_group_tests_name("tsan_vm_define", tests, NULL, NULL);
}
