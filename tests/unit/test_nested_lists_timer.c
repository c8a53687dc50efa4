/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSR lists of entries and exits with their failures and limit (SDM 26.4, 27.4, 27.6), L1's
 * preemption timer (25.5.1), and EPT violations as L1 sees them (27.2.1).
 */
#include "nested_world.h"

#include "spec/apic.h"

#define LIST  0x200000ull /* room for any length */
#define LIMIT 512u        /* with 0 in bits 27:25 of IA32_VMX_MISC */

static int setup(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	world_reset();
	fake_set_msr(MSR_LSTAR, 0x5678);
	golden_64bit(f);
	world_host(f);
	f[FID_EXIT_MSR_STORE_COUNT] = f[FID_EXIT_MSR_LOAD_COUNT] = 0;
	f[FID_ENTRY_MSR_LOAD_COUNT] = 0;
	f[FID_EXIT_MSR_STORE_ADDR] = f[FID_EXIT_MSR_LOAD_ADDR] = LIST;
	f[FID_ENTRY_MSR_LOAD_ADDR] = LIST;
	world_vmptrld(0);
	world_write_all(f);
	return 0;
}

static void put(unsigned i, uint64_t index, uint64_t value)
{
	fake_write64(LIST + i * 16, index);
	fake_write64(LIST + i * 16 + 8, value);
}

static void expect_entered(void)
{
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
	world.n.run_pending = false;
}

static void expect_entry_fails_at(uint64_t number)
{
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTRY_FAILED);
	world_l1_64();
	assert_int_equal(world_read(FID_EXIT_REASON), 0x80000000 | EXIT_MSR_LOADING);
	assert_int_equal(world_read(FID_EXIT_QUALIFICATION), number);
}

static void exit_to_l1(void)
{
	fake.call_count = 0;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
}

static void an_entry_loads_its_msrs_in_order(void **state)
{
	uint64_t value;

	(void)state;
	put(0, MSR_STAR, 1);
	put(1, MSR_LSTAR, 2);
	put(2, MSR_STAR, 3);
	world_write(FID_ENTRY_MSR_LOAD_COUNT, 3);
	expect_entered();
	assert_true(seam_rdmsr(&world.n, MSR_STAR, &value));
	assert_int_equal(value, 3);
	assert_true(seam_rdmsr(&world.n, MSR_LSTAR, &value));
	assert_int_equal(value, 2);
}

static void a_bad_entry_fails_with_its_number(void **state)
{
	static const uint64_t bad[] = {MSR_FS_BASE, MSR_GS_BASE, 0x800, 0x8ff, 0x9b, 0x79, 0x8b,
		1ull << 32 | MSR_STAR /* reserved bits */, 0x12345678 /* L1 has no such MSR */};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		world_write(FID_ENTRY_MSR_LOAD_COUNT, i + 3);
		for (unsigned k = 0; k < i + 3; k++)
			put(k, MSR_STAR, k);
		put(i + 1, bad[i], 0);
		expect_entry_fails_at(i + 2);
	}
	for (unsigned k = 0; k < 16; k++)
		put(k, MSR_STAR, k);
	expect_entered();
}

/* Of SYSENTER's MSRs L2 has values in VMCS02, and f has those before its run. */
static void a_list_that_fails_leaves_what_the_guest_had(void **state)
{
	(void)state;
	for (uint32_t msr = MSR_SYSENTER_CS; msr <= MSR_SYSENTER_EIP; msr++) {
		fake_set_msr(msr, 0);
		put(msr - MSR_SYSENTER_CS, msr, 0x7777);
	}
	put(3, MSR_FS_BASE, 0);
	expect_entered();
	world_02()[FID_GUEST_SYSENTER_CS] = 0x11;
	world_02()[FID_GUEST_SYSENTER_ESP] = 0x22;
	world_02()[FID_GUEST_SYSENTER_EIP] = 0x33;
	exit_to_l1();
	world_l1_64();
	for (unsigned again = 0; again < 2; again++) {
		world_write(FID_ENTRY_MSR_LOAD_COUNT, 4);
		assert_int_equal(world_insn(EXIT_VMRESUME), ENTRY_FAILED);
		world_l1_64();
		assert_int_equal(world_read(FID_EXIT_QUALIFICATION), 4);
		if (again) /* f has it, and VMCS02 what it was */
			assert_int_equal(world_read(FID_GUEST_SYSENTER_ESP), 0x22);
		world_write(FID_ENTRY_MSR_LOAD_COUNT, 0);
		assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
		world.n.run_pending = false;
		assert_int_equal(world_02()[FID_GUEST_SYSENTER_CS], 0x11);
		assert_int_equal(world_02()[FID_GUEST_SYSENTER_ESP], 0x22);
		assert_int_equal(world_02()[FID_GUEST_SYSENTER_EIP], 0x33);
		exit_to_l1();
		world_l1_64();
	}
	world_write(FID_ENTRY_MSR_LOAD_COUNT, 3);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	world.n.run_pending = false;
	exit_to_l1();
	world_l1_64();
	assert_int_equal(world_read(FID_GUEST_SYSENTER_EIP), 0x7777);
}

/* Hardware's VMfail comes before the list: what that has loaded is not the guest's. */
static void an_entry_that_is_refused_takes_back_what_its_list_loaded(void **state)
{
	(void)state;
	fake_set_msr(MSR_SYSENTER_EIP, 0);
	put(0, MSR_SYSENTER_EIP, 0x7777);
	expect_entered();
	world_02()[FID_GUEST_SYSENTER_EIP] = 0x33;
	exit_to_l1();
	world_l1_64();
	world_write(FID_ENTRY_MSR_LOAD_COUNT, 1);
	world_write(
		FID_PIN_CONTROLS, world_read(FID_PIN_CONTROLS) & ~(uint64_t)PIN_POSTED_INTR);
	world_write(FID_PROC_CONTROLS, world_read(FID_PROC_CONTROLS) | PROC_TPR_SHADOW);
	world_write(FID_PROC2_CONTROLS,
		world_read(FID_PROC2_CONTROLS) &
			~(uint64_t)(PROC2_APIC_ACCESSES | PROC2_VIRT_INTR_DELIVERY |
				    PROC2_APIC_REGISTER_VIRT | PROC2_X2APIC_MODE));
	world_write(FID_TPR_THRESHOLD, 3);
	fake_write32(world_read(FID_VIRTUAL_APIC_ADDR) + APIC_TPR, 0xf0);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	assert_int_equal(world_02()[FID_GUEST_SYSENTER_EIP], 0x7777);
	nested_entry_vmfailed(&world.n, VMERR_ENTRY_CONTROLS);
	world_l1_64();
	assert_int_equal(world_read(FID_GUEST_SYSENTER_EIP), 0x33);
}

static void a_list_is_as_long_as_the_capability_says(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= LIMIT; i++)
		put(i, MSR_STAR, i);
	world_write(FID_ENTRY_MSR_LOAD_COUNT, LIMIT + 1);
	expect_entry_fails_at(LIMIT + 1);
	world_write(FID_ENTRY_MSR_LOAD_COUNT, 0x10000000);
	expect_entry_fails_at(LIMIT + 1);
	world_write(FID_ENTRY_MSR_LOAD_COUNT, LIMIT);
	expect_entered();
}

static void a_list_where_l1_has_no_ram_cannot_be_loaded(void **state)
{
	(void)state;
	world_write(FID_ENTRY_MSR_LOAD_ADDR, FAKE_RAM_SIZE - 16);
	fake_write64(FAKE_RAM_SIZE - 16, MSR_STAR);
	world_write(FID_ENTRY_MSR_LOAD_COUNT, 2);
	expect_entry_fails_at(2);
}

static void an_exit_stores_then_loads(void **state)
{
	uint64_t value;

	(void)state;
	put(0, MSR_STAR, 0);
	put(1, MSR_LSTAR, 0);
	world_write(FID_EXIT_MSR_STORE_COUNT, 2);
	fake_write64(LIST + 0x1000, MSR_STAR);
	fake_write64(LIST + 0x1008, 0x99);
	world_write(FID_EXIT_MSR_LOAD_ADDR, LIST + 0x1000);
	world_write(FID_EXIT_MSR_LOAD_COUNT, 1);
	expect_entered();
	exit_to_l1();
	assert_int_equal(fake_read64(LIST + 8), 0x1234);
	assert_int_equal(fake_read64(LIST + 24), 0x5678);
	assert_true(seam_rdmsr(&world.n, MSR_STAR, &value));
	assert_int_equal(value, 0x99);
	assert_int_equal(fake_called("seam_l1_shutdown"), 0);
}

static void what_an_exit_cannot_store_or_load_is_a_vmx_abort(void **state)
{
	static const uint64_t bad_store[] = {
		0x9e, 0x800, 1ull << 32 | MSR_STAR, 0x12345678, MSR_STAR};

	(void)state;
	world_write(FID_EXIT_MSR_STORE_COUNT, 1);
	for (unsigned i = 0; i < 5; i++) {
		put(0, bad_store[i], 0);
		if (i == 4)
			world_write(FID_EXIT_MSR_STORE_ADDR, FAKE_RAM_SIZE);
		assert_int_equal(world_insn(i == 0 ? EXIT_VMLAUNCH : EXIT_VMRESUME), ENTERED);
		exit_to_l1();
		assert_int_equal(fake_called("seam_l1_shutdown"), 1);
		world_l1_64();
	}
	world_write(FID_EXIT_MSR_STORE_COUNT, 0);
	world_write(FID_EXIT_MSR_LOAD_COUNT, 1);
	put(0, MSR_GS_BASE, 0);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	exit_to_l1();
	assert_int_equal(fake_called("seam_l1_shutdown"), 1);
}

static void exit_lists_have_the_same_limit(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= LIMIT; i++)
		put(i, MSR_STAR, i);
	world_write(FID_EXIT_MSR_STORE_COUNT, LIMIT);
	world_write(FID_EXIT_MSR_LOAD_COUNT, LIMIT);
	expect_entered();
	exit_to_l1();
	assert_int_equal(fake_called("seam_l1_shutdown"), 0);
	world_l1_64();
	world_write(FID_EXIT_MSR_STORE_COUNT, LIMIT + 1);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	exit_to_l1();
	assert_true(fake_called("seam_l1_shutdown") > 0);
}

/* A failed entry loads L1's MSRs as an exit does, and stores none (SDM 26.7). */
static void a_failed_entry_loads_and_does_not_store(void **state)
{
	uint64_t value;

	(void)state;
	put(0, MSR_STAR, 0x77);
	world_write(FID_EXIT_MSR_STORE_COUNT, 1);
	world_write(FID_EXIT_MSR_LOAD_COUNT, 1);
	world_write(FID_GUEST_CR3, UINT64_MAX);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTRY_FAILED);
	assert_true(seam_rdmsr(&world.n, MSR_STAR, &value));
	assert_int_equal(value, 0x77);
	assert_int_equal(fake_read64(LIST + 8), 0x77);
	world_l1_64();
	assert_int_equal(world_read(FID_EXIT_REASON), 0x80000000 | EXIT_INVALID_GUEST_STATE);
	assert_true(world_read(FID_GUEST_CR3) == UINT64_MAX);
}

/* ---- the preemption timer ---- */

static void arm(uint32_t value, bool save)
{
	uint64_t exit = world_read(FID_EXIT_CONTROLS);

	world_write(FID_PIN_CONTROLS, world_read(FID_PIN_CONTROLS) | PIN_PREEMPTION_TIMER);
	world_write(FID_PREEMPTION_TIMER_VALUE, value);
	world_write(FID_EXIT_CONTROLS, save ? exit | EXIT_SAVE_PREEMPTION_TIMER
					    : exit & ~(uint64_t)EXIT_SAVE_PREEMPTION_TIMER);
}

/* Hardware runs L2 for some time units with the deadline that L0 has. */
static void run(uint32_t l0_deadline, uint32_t units, uint32_t expected_02)
{
	assert_int_equal(nested_timer_value(&world.n, l0_deadline), expected_02);
	world_02()[FID_PREEMPTION_TIMER_VALUE] = expected_02 - units;
}

static void l1s_timer_runs_out_over_several_runs(void **state)
{
	(void)state;
	arm(1000, true);
	expect_entered();
	run(UINT32_MAX, 300, 1000);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_EXTERNAL_INTERRUPT), NESTED_L0);
	run(200, 200, 200); /* L0's deadline is sooner */
	assert_int_equal(nested_l2_exit(&world.n, EXIT_PREEMPTION_TIMER), NESTED_L0);
	run(UINT32_MAX, 500, 500);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_PREEMPTION_TIMER), NESTED_L1);
	world_l1_64();
	assert_int_equal(world_read(FID_EXIT_REASON), EXIT_PREEMPTION_TIMER);
	assert_int_equal(world_read(FID_PREEMPTION_TIMER_VALUE), 0);
}

static void what_is_left_is_saved_if_l1_asks(void **state)
{
	(void)state;
	arm(1000, true);
	expect_entered();
	run(UINT32_MAX, 400, 1000);
	exit_to_l1();
	world_l1_64();
	assert_int_equal(world_read(FID_PREEMPTION_TIMER_VALUE), 600);
	arm(1000, false);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	run(UINT32_MAX, 400, 1000);
	exit_to_l1();
	world_l1_64();
	assert_int_equal(world_read(FID_PREEMPTION_TIMER_VALUE), 1000);
}

static void a_timer_of_zero_expires_at_once(void **state)
{
	(void)state;
	arm(0, false);
	expect_entered();
	run(UINT32_MAX, 0, 0);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_PREEMPTION_TIMER), NESTED_L1);
}

static void without_l1s_timer_only_l0_has_a_deadline(void **state)
{
	(void)state;
	world_write(FID_PREEMPTION_TIMER_VALUE, 5);
	expect_entered();
	run(70, 70, 70);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_PREEMPTION_TIMER), NESTED_L0);
	exit_to_l1();
	world_l1_64();
	assert_int_equal(world_read(FID_PREEMPTION_TIMER_VALUE), 5);
}

/* L1's timer counts once in 8 units of the machine's. */
static void a_slower_timer_of_l1s_ends_when_the_machine_has_counted_for_it(void **state)
{
	(void)state;
	world.vm.timer_shift = 3;
	arm(1000, false);
	expect_entered();
	run(7000, 7000, 7000);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_PREEMPTION_TIMER), NESTED_L0);
	run(UINT32_MAX, 999, 1000);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_EXTERNAL_INTERRUPT), NESTED_L0);
	run(UINT32_MAX, 1, 1);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_PREEMPTION_TIMER), NESTED_L1);
}

/* More than the machine's timer can hold: it is armed again and again. */
static void the_longest_time_of_a_slower_timer_is_counted_to_its_end(void **state)
{
	(void)state;
	world.vm.timer_shift = 5;
	arm(UINT32_MAX, true);
	expect_entered();
	run(UINT32_MAX, 0x80000000 - 32, 0x80000000 - 32);
	for (unsigned i = 0; i < 63; i++) {
		assert_int_equal(nested_l2_exit(&world.n, EXIT_PREEMPTION_TIMER), NESTED_L0);
		run(UINT32_MAX, 0x80000000, 0x80000000);
	}
	assert_int_equal(nested_l2_exit(&world.n, EXIT_PREEMPTION_TIMER), NESTED_L1);
	world_l1_64();
	assert_int_equal(world_read(FID_PREEMPTION_TIMER_VALUE), 0);
}

/*
 * What L0 took for L2 before it ran is taken from the timer first: none of it is lost at the
 * end of a piece.
 */
static void time_that_l0_took_counts_in_a_slower_timer(void **state)
{
	(void)state;
	world.vm.timer_shift = 5;
	arm(0x10000000, false); /* 2^33 units */
	expect_entered();
	run(UINT32_MAX, 0x80000000, 0x80000000);
	nested_rested(&world.n, 0x40000000);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_PREEMPTION_TIMER), NESTED_L0);
	assert_true(nested_rest_limit(&world.n) == (1ull << 33) - 0xc0000000);
}

/* Three units of the machine's each time, of 32 that one of L1's has: nothing is lost. */
static void short_runs_of_l2_add_up_in_a_slower_timer_that_is_saved(void **state)
{
	(void)state;
	world.vm.timer_shift = 5;
	arm(2, true);
	expect_entered();
	for (unsigned i = 0; i < 20; i++) {
		run(UINT32_MAX, 3, 64 - 3 * i);
		exit_to_l1();
		world_l1_64();
		assert_int_equal(world_read(FID_PREEMPTION_TIMER_VALUE), 3 * i < 30 ? 2 : 1);
		assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	}
	run(UINT32_MAX, 4, 4);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_PREEMPTION_TIMER), NESTED_L1);
	world_l1_64();
	assert_int_equal(world_read(FID_PREEMPTION_TIMER_VALUE), 0);
}

/* ---- EPT violations ---- */

static enum nested_verdict touch(uint64_t gpa, uint64_t qualification)
{
	world_02()[FID_GUEST_PHYSICAL_ADDRESS] = gpa;
	world_02()[FID_EXIT_QUALIFICATION] = qualification;
	return nested_l2_exit(&world.n, EXIT_EPT_VIOLATION);
}

static void map_page(uint64_t entry)
{
	fake_write64(0x8000, 0x13000 | 7);
	fake_write64(0x13000, 0x14000 | 7);
	fake_write64(0x14000, 0x15000 | 7);
	fake_write64(0x15000, entry);
}

static void what_ept12_allows_is_filled_and_l2_goes_on(void **state)
{
	(void)state;
	map_page(0x16000 | 0x30 | 7);
	expect_entered();
	assert_int_equal(touch(0x123, 0x182), NESTED_RESUME);
	assert_true(world.n.in_l2);
	assert_int_equal(world.n.stats.vept_fills, 1);
}

/* SDM 27.2.3: L2's IRET had ended the blocking of NMIs before it faulted. */
static void nmi_blocking_that_iret_ended_is_put_back(void **state)
{
	(void)state;
	map_page(0x16000 | 0x30 | 7);
	expect_entered();
	assert_int_equal(touch(0, 0x181 | BIT(12)), NESTED_RESUME);
	assert_true(world_02()[FID_GUEST_INTERRUPTIBILITY] & INTERRUPTIBILITY_NMI);
	world_02()[FID_GUEST_INTERRUPTIBILITY] = 0;
	world_02()[FID_IDT_VECTORING_INFO] = INTR_INFO_VALID;
	assert_int_equal(touch(0, 0x181 | BIT(12)), NESTED_RESUME);
	assert_false(world_02()[FID_GUEST_INTERRUPTIBILITY] & INTERRUPTIBILITY_NMI);
}

static void what_ept12_forbids_is_l1s_with_its_own_permissions(void **state)
{
	(void)state;
	map_page(0x16000 | 0x30 | 5);
	expect_entered();
	world_02()[FID_GUEST_LINEAR_ADDRESS] = 0x7123;
	assert_int_equal(touch(0x123, 0x182), NESTED_L1);
	world_l1_64();
	assert_int_equal(world_read(FID_EXIT_REASON), EXIT_EPT_VIOLATION);
	assert_int_equal(world_read(FID_EXIT_QUALIFICATION), 0x182 | 5 << 3);
	assert_int_equal(world_read(FID_GUEST_PHYSICAL_ADDRESS), 0x123);
	assert_int_equal(world_read(FID_GUEST_LINEAR_ADDRESS), 0x7123);
}

static void a_malformed_entry_is_an_ept_misconfiguration(void **state)
{
	(void)state;
	map_page(0x16000 | 0x30 | 2);
	expect_entered();
	assert_int_equal(touch(0x456, 0x181), NESTED_L1);
	world_l1_64();
	assert_int_equal(world_read(FID_EXIT_REASON), EXIT_EPT_MISCONFIG);
	assert_int_equal(world_read(FID_GUEST_PHYSICAL_ADDRESS), 0x456);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(an_entry_loads_its_msrs_in_order),
		T(a_bad_entry_fails_with_its_number),
		T(a_list_that_fails_leaves_what_the_guest_had),
		T(an_entry_that_is_refused_takes_back_what_its_list_loaded),
		T(a_list_is_as_long_as_the_capability_says),
		T(a_list_where_l1_has_no_ram_cannot_be_loaded),
		T(an_exit_stores_then_loads),
		T(what_an_exit_cannot_store_or_load_is_a_vmx_abort),
		T(exit_lists_have_the_same_limit),
		T(a_failed_entry_loads_and_does_not_store),
		T(l1s_timer_runs_out_over_several_runs),
		T(what_is_left_is_saved_if_l1_asks),
		T(a_timer_of_zero_expires_at_once),
		T(a_slower_timer_of_l1s_ends_when_the_machine_has_counted_for_it),
		T(the_longest_time_of_a_slower_timer_is_counted_to_its_end),
		T(time_that_l0_took_counts_in_a_slower_timer),
		T(short_runs_of_l2_add_up_in_a_slower_timer_that_is_saved),
		T(without_l1s_timer_only_l0_has_a_deadline),
		T(what_ept12_allows_is_filled_and_l2_goes_on),
		T(nmi_blocking_that_iret_ended_is_put_back),
		T(what_ept12_forbids_is_l1s_with_its_own_permissions),
		T(a_malformed_entry_is_an_ept_misconfiguration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
