/* SPDX-License-Identifier: Apache-2.0 */
/* Two cores with two threads each, which run one VM at a time, under ThreadSanitizer. */
#define CPUS 4

static void watch(unsigned vm);
#define IN_GUEST(vm) watch(vm)

#include "sched_world.h"

#include "vm/cores.h"

#define RESTARTS 60

static unsigned ends[VMS], in_guest[CPUS], together;

/* Both threads say what they run before they look at the other one. */
static void watch(unsigned vm)
{
	unsigned cpu = hw_cpu->index, other;

	__atomic_store_n(&in_guest[cpu], vm, __ATOMIC_SEQ_CST);
	other = __atomic_load_n(&in_guest[cpu ^ 1], __ATOMIC_SEQ_CST);
	CHECK(vm == 0 || other == 0 || other == vm);
	if (vm != 0 && other == vm)
		__atomic_fetch_add(&together, 1, __ATOMIC_RELAXED);
}

/* Nobody manages them. */
void console_work(void)
{
}

void vm_ended(const struct vm *vm, bool again)
{
	CHECK(vm->end == VM_END_RESET && again == (ends[vm->id] < RESTARTS));
	ends[vm->id]++;
}

static void threads_of_a_core_never_run_two_vms(void **state)
{
	(void)state;
	begin_cpus();
	assert_int_equal(cores_init(1), 2);
	for (unsigned i = 0; i < VMS; i++)
		plan((struct vm_config){.start = true,
			.restart = RESTART_ON_RESET,
			.restart_limit = RESTARTS,
			.allowed_cpus = {{i == 1 ? 2 : UINT64_MAX}}});
	begin_vms();
	run_all();
	for (unsigned i = 0; i < VMS; i++)
		assert_int_equal(ends[i], RESTARTS + 1);
	assert_true(together > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_of_a_core_never_run_two_vms),
	};

	return cmocka_run_group_tests_name("tsan_vm_cores", tests, NULL, NULL);
}
