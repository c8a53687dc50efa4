/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L0's own address spaces, and memory that moves: no CPU uses a translation of memory that is
 * somebody else's by now, nor takes something else for a table. Random histories of VMs that
 * run, give memory up, move between CPUs, end and begin, each in a process of its own, since
 * L0's state begins once. docs/translations.md lists which flush each of these holds to.
 */
#define ROUNDS 200
#define RESTS  (below(16) != 0)
/* Chunks stay chunks: there is no memory for another VM like one that has them. */
#define MAY_GO(vm) (life_config(vm)->reserve == 0 || rounds > ROUNDS)
#include "own_guest.h"
#include "sched_manager.h"

#include <sys/wait.h>
#include <unistd.h>

static void plan_vms(void)
{
	static const struct {
		uint64_t memory, reserve;
	} of[VMS] = {{28 << 20, 0}, {64 << 20, 36 << 20}, {64 << 20, 44 << 20}, {28 << 20, 0}};

	for (unsigned i = 0; i < VMS; i++)
		plan((struct vm_config){.memory = of[i].memory,
			.reserve = of[i].reserve,
			.nodes = 1,
			.start = i != 3,
			.restart = RESTART_ON_RESET,
			.allowed_cpus = {{UINT64_MAX}},
			.vmx_features = 1});
}

static void *run_in_turn(void *cpu)
{
	hw_cpu = cpu;
	while (sem_wait(&turn[hw_cpu->index]) != 0)
		;
	return run_cpu(cpu);
}

static void run_turns(void)
{
	pthread_t thread[CPUS];

	for (unsigned i = 0; i < CPUS; i++)
		sem_init(&turn[i], 0, 0);
	for (unsigned i = 0; i < CPUS; i++)
		CHECK(pthread_create(&thread[i], NULL, run_in_turn, percpus[i]) == 0);
	turns = true;
	sem_post(&turn[0]);
	for (unsigned i = 0; i < CPUS; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
}

static void begin(unsigned levels, uint64_t number)
{
	static struct l0_config c = {
		.keep = true, .places = VMS, .time_limit = UINT64_MAX, .ram_zeroed = true};

	own.levels = levels;
	own.seed = first_seed = number;
	/* With flags of EPT01 INVEPT looks at what L1 wrote, else at everything. */
	vmx_caps.msr[MSR_VMX_EPT_VPID_CAP - MSR_VMX_BASIC] = number % 2 ? EPT_CAP_AD : 0;
	fake_cpus();
	make_memory();
	node_init(NULL, 0);
	config_set(&c);
	hw_naps = 20;
	begin_cpus();
	CHECK(cores_init(number % 2) == number % 2); /* one core has two threads, or none has */
	plan_vms();
}

static bool history(unsigned levels, uint64_t number)
{
	begin(levels, number);
	begin_vms();
	run_turns();
	CHECK(rounds >= ROUNDS && enough_of_each());
	CHECK(own.guesses > 10000 && own.uses > 100000 && own.moved > 100);
	CHECK(filled > 1000 && invalidated > 100);
	return true;
}

/* One of the pages for it, or its tables, is not to be had: the rest goes back, once. */
static bool make_in_part(unsigned levels, uint64_t number)
{
	struct vm_memory m;
	bool made;

	begin(levels, 0);
	own.fails = (unsigned)number;
	made = vm_memory_take(&scenario.vms[1], 1, true, &m);
	own.fails = 0;
	if (made)
		vm_memory_give_back(&m);
	CHECK((uint64_t)(uintptr_t)ram_take_window("") == WINDOW(0));
	return made;
}

/* ---- what histories seldom meet ---- */

/* This thread is that CPU, in this address space. */
static void on(unsigned cpu, uint64_t cr3)
{
	hw_cpu = percpus[cpu];
	hw_cr3 = own.cpu[cpu].cr3;
	if (hw_cr3 != cr3)
		write_cr3(cr3);
}

/*
 * A vCPU that has seen a round comes to a CPU that works for another one of the VM, which has
 * not and leaves: nobody sees the round there, and the address space stays.
 */
static bool comes_and_goes(unsigned levels, uint64_t number)
{
	const uint64_t gpa = 2 * CHUNK_SIZE;
	struct vcpu *stays, *leaves;
	struct vm_memory m;
	struct vm *vm;

	begin(levels, number);
	CHECK(vm_memory_take(&scenario.vms[1], 1, true, &m));
	vm_memory_enter(&m);
	vm = vm_create(&scenario.vms[1], 1, &m);
	CHECK(vm != NULL);
	leaves = vm->vcpus[0];
	stays = vm->vcpus[1];
	on(1, m.cr3);
	translations_arrive(leaves);
	access_ram(vm, gpa, false);
	CHECK(ram_give(vm, gpa));
	ram_move_on(leaves); /* out of EPT01 */
	ram_move_on(leaves);
	linear_touch(&own.cpu[1].linear, linear_root(m.cr3, levels),
		(uint64_t)(uintptr_t)vm->ram->window + gpa, NULL);
	on(2, m.cr3);
	translations_arrive(stays);
	ram_move_on(stays); /* out of the window */
	ram_move_on(stays);
	on(2, boot_space);
	on(1, m.cr3);
	translations_arrive(stays);
	on(2, m.cr3);
	translations_arrive(leaves);
	ram_move_on(leaves); /* it is nobody's */
	CHECK(vm->ram->stats.given == 1);
	on(1, m.cr3);
	access_ram(vm, gpa, false);
	return true;
}

/* In a process of its own, since L0's state begins once. */
static bool apart(
	bool (*run)(unsigned levels, uint64_t number), unsigned levels, uint64_t number)
{
	pid_t child = fork();
	int status = -1;

	assert_true(child >= 0);
	if (child == 0)
		_exit(!run(levels, number));
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		fail_msg("number %lu, %u levels", number, levels);
	return WEXITSTATUS(status) == 0;
}

static void no_cpu_uses_what_is_no_longer_there(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 2; i++)
		assert_true(apart(history, 4, i));
}

static void nor_with_5_level_paging(void **state)
{
	(void)state;
	assert_true(apart(history, 5, 1));
}

static void nor_where_a_vcpu_came_that_had_seen_that_it_goes(void **state)
{
	(void)state;
	assert_true(apart(comes_and_goes, 4, 0));
	assert_true(apart(comes_and_goes, 5, 0));
}

static void a_vm_that_is_made_in_part_gives_back_what_it_took(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned i = 1; i < 36; i++)
		refused += !apart(make_in_part, 4, i) + !apart(make_in_part, 5, i);
	assert_in_range(refused, 16, 69);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_that_is_made_in_part_gives_back_what_it_took),
		cmocka_unit_test(no_cpu_uses_what_is_no_longer_there),
		cmocka_unit_test(nor_with_5_level_paging),
		cmocka_unit_test(nor_where_a_vcpu_came_that_had_seen_that_it_goes),
	};

	return cmocka_run_group_tests_name("vm_translations_own", tests, NULL, NULL);
}
