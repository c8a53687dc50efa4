/* SPDX-License-Identifier: Apache-2.0 */
/* VMs that run, move, end and begin again on several CPUs, under ThreadSanitizer. */
#include "sched_world.h"

#define RESTARTS 150
#define RENEWALS 5

static unsigned ends[VMS];

/* Nobody manages them. */
void console_work(void)
{
}

void vm_ended(const struct vm *vm, bool again)
{
	CHECK(vm->end == VM_END_RESET && vm->end_value == vm->id);
	CHECK(again == (ends[vm->id] < RESTARTS));
	ends[vm->id]++;
}

static void vms_run_move_end_and_restart_on_several_cpus(void **state)
{
	(void)state;
	begin_cpus();
	idle_init(); /* they sleep by MWAIT, and wake each other by a store */
	for (unsigned i = 0; i < VMS; i++)
		plan((struct vm_config){.start = true,
			.restart = RESTART_ON_RESET,
			.restart_limit = RESTARTS,
			.allowed_cpus = {{i == 1 ? 2 : UINT64_MAX}}});
	for (unsigned i = 0; i < VMS; i++)
		renewals[i] = RENEWALS; /* vm_create looks whether it was wiped */
	begin_vms();
	run_all();
	for (unsigned i = 0; i < VMS; i++)
		assert_int_equal(ends[i] + renewals[i], RESTARTS + 1);
	for (unsigned i = 0; i < VMS; i++)
		assert_int_equal(shown[i], i % 3 ? RESTARTS + 1 : 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vms_run_move_end_and_restart_on_several_cpus),
	};

	return cmocka_run_group_tests_name("tsan_vm_sched", tests, NULL, NULL);
}
