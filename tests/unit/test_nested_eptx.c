/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What EPT can besides translating, for L2: #VE, EPTP switching, mode-based execute control,
 * and the qualification of what L1 gets.
 */
#include "l2_ept.h"

/* ---- #VE ---- */

static void a_convertible_violation_becomes_an_exception(void **state)
{
	(void)state;
	fake_write64(PTE(1), 0);
	launch(PROC2_EPT_VIOLATION_VE);
	assert_int_equal(violate(0x1238, EPT_WRITE | LINEAR), NESTED_RESUME);
	assert_int_equal(
		f02()[FID_ENTRY_INTR_INFO], INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_VE);
	assert_true(f02()[FID_GUEST_RFLAGS] & RFLAGS_RF);
	assert_true(
		fake_read64(VE_AREA) == (UINT64_C(0xffffffff00000000) | EXIT_EPT_VIOLATION));
	assert_true(fake_read64(VE_AREA + 8) == (EPT_WRITE | LINEAR));
	assert_true(fake_read64(VE_AREA + 16) == 0x7001238);
	assert_true(fake_read64(VE_AREA + 24) == 0x1238);
	assert_true(fake_read64(VE_AREA + 32) == 0x1234);
	/* busy until L2 clears it */
	expect_l1(violate(0x1238, EPT_WRITE | LINEAR), EXIT_EPT_VIOLATION);
}

/* What EPT02 lacks is no business of L2's. */
static void our_own_violations_are_no_exceptions(void **state)
{
	(void)state;
	launch(PROC2_EPT_VIOLATION_VE);
	assert_int_equal(violate(0x1000, EPT_WRITE), NESTED_RESUME);
	assert_false(f02()[FID_ENTRY_INTR_INFO] & INTR_INFO_VALID);
	assert_true(leaf(0x1000));
}

static void bit_63_of_the_last_entry_suppresses(void **state)
{
	(void)state;
	fake_write64(PTE(1), EPT_NO_VE);
	fake_write64(PTE(2), TARGET | EPT_WB | EPT_READ | EPT_NO_VE);
	fake_write64(EPT12_PD + 8, 0x400000 | EPT_WB | EPT_LARGE | EPT_READ | EPT_NO_VE);
	fake_write64(EPT12_PD + 16, EPT_NO_VE);
	launch(PROC2_EPT_VIOLATION_VE);
	for (unsigned i = 0; i < 4; i++) {
		static const uint64_t gpa[] = {0x1000, 0x2000, 0x200000, 0x400000};

		expect_l1(violate(gpa[i], EPT_WRITE), EXIT_EPT_VIOLATION);
		restore_l1();
		assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	}
	/* that of an entry that leads to a table does not count */
	fake_write64(EPT12_PD, EPT12_PT | EPT_RWX | EPT_NO_VE);
	fake_write64(PTE(3), 0);
	assert_int_equal(violate(0x3000, EPT_WRITE), NESTED_RESUME);
	assert_true(f02()[FID_ENTRY_INTR_INFO] & INTR_INFO_VALID);
}

static void real_mode_and_event_delivery_get_no_exception(void **state)
{
	(void)state;
	fake_write64(PTE(1), 0);
	launch(PROC2_EPT_VIOLATION_VE);
	f02()[FID_IDT_VECTORING_INFO] = INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD;
	expect_l1(violate(0x1000, EPT_WRITE), EXIT_EPT_VIOLATION);
	restore_l1();
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	f02()[FID_IDT_VECTORING_INFO] = 0;
	f02()[FID_GUEST_CR0] &= ~CR0_PE;
	expect_l1(violate(0x1000, EPT_WRITE), EXIT_EPT_VIOLATION);
	assert_int_equal(fake_read64(VE_AREA), 0);
}

static void an_area_outside_ram_is_busy(void **state)
{
	(void)state;
	fake_write64(PTE(1), 0);
	golden[FID_VE_INFO_ADDRESS] = 0x3000000000;
	launch(PROC2_EPT_VIOLATION_VE);
	expect_l1(violate(0x1000, EPT_WRITE), EXIT_EPT_VIOLATION);
}

static void l1_can_intercept_the_exception(void **state)
{
	(void)state;
	fake_write64(PTE(1), 0);
	golden[FID_EXCEPTION_BITMAP] = BIT(VEC_VE);
	launch(PROC2_EPT_VIOLATION_VE);
	expect_l1(violate(0x1000, EPT_WRITE | BIT64(12)), EXIT_EXCEPTION_NMI);
	assert_int_equal(f12(FID_EXIT_INTR_INFO),
		INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | INTR_INFO_NMI_UNBLOCKING | VEC_VE);
	assert_int_equal(fake_read64(VE_AREA) >> 32, UINT32_MAX);
}

static void a_misconfiguration_is_no_exception(void **state)
{
	(void)state;
	fake_write64(PTE(1), TARGET | EPT_WB | EPT_WRITE);
	launch(PROC2_EPT_VIOLATION_VE);
	expect_l1(violate(0x1000, EPT_WRITE), EXIT_EPT_MISCONFIG);
}

/* ---- EPTP switching ---- */

static enum nested_verdict vmfunc(uint64_t rax, uint64_t rcx)
{
	gpr[0] = rax;
	gpr[1] = rcx;
	f02()[FID_GUEST_RIP] = 0x1000;
	f02()[FID_EXIT_INSTRUCTION_LENGTH] = 3;
	return nested_l2_exit(&n, EXIT_VMFUNC);
}

static void launch_with_functions(void)
{
	golden[FID_VMFUNC_CONTROLS] = VMFUNC_EPTP_SWITCHING;
	fake_write64(LIST, EPT12_AD);
	fake_write64(LIST + 8, 0x200000 | 0x1e);
	fake_write64(LIST + 511 * 8, 0x200000 | 0x1e);
	fake_write64(LIST + 16, 0x200000 | 0x1d);
	fake_write64(0x200000, EPT12_PDPT | EPT_RWX);
	launch(PROC2_ENABLE_VMFUNC);
	assert_true(f02()[FID_PROC2_CONTROLS] & PROC2_ENABLE_VMFUNC);
	assert_int_equal(f02()[FID_VMFUNC_CONTROLS], 0);
}

static void l2_switches_between_cached_roots(void **state)
{
	const struct vept_root *first, *second;
	uint32_t tables;

	(void)state;
	launch_with_functions();
	violate(0x1000, EPT_READ);
	first = n.cur->root;
	assert_int_equal(vmfunc(0xff00000000, 0xff00000001), NESTED_RESUME);
	assert_int_equal(f02()[FID_GUEST_RIP], 0x1003);
	assert_true(f12(FID_EPT_POINTER) == (0x200000 | 0x1e));
	assert_int_equal(f12(FID_EPTP_INDEX), 1);
	second = n.cur->root;
	assert_ptr_not_equal(first, second);
	assert_true(f02()[FID_EPT_POINTER] == second->eptp02);
	assert_int_equal(leaf(0x1000), 0);
	violate(0x1000, EPT_READ);
	tables = vm.vept.in_use;
	assert_int_equal(vmfunc(0, 0), NESTED_RESUME);
	assert_ptr_equal(n.cur->root, first);
	assert_true(leaf(0x1000));
	assert_int_equal(vmfunc(0, 511), NESTED_RESUME);
	assert_ptr_equal(n.cur->root, second);
	assert_true(leaf(0x1000));
	assert_int_equal(f12(FID_EPTP_INDEX), 511);
	assert_int_equal(vm.vept.in_use, tables);
	assert_int_equal(fake_called("flush and wait") + fake_called("flush"), 0);
}

static void what_cannot_be_switched_to_exits(void **state)
{
	static const uint64_t bad[][2] = {{0, 512}, {0, 2}, {0, 3}, {1, 0}, {63, 0}};

	(void)state;
	launch_with_functions();
	for (unsigned i = 0; i < 5; i++) {
		expect_l1(vmfunc(bad[i][0], bad[i][1]), EXIT_VMFUNC);
		assert_int_equal(f12(FID_EXIT_INSTRUCTION_LENGTH), 3);
		assert_int_equal(f12(FID_GUEST_RIP), 0x1000);
		assert_true(f12(FID_EPT_POINTER) == EPT12_AD);
		restore_l1();
		assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	}
	n.cur->f[FID_EPTP_LIST_ADDRESS] = 0x3000000000; /* no RAM */
	expect_l1(vmfunc(0, 0), EXIT_VMFUNC);
	restore_l1();
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	n.cur->f[FID_EPTP_LIST_ADDRESS] = LIST;
	n.cur->f[FID_VMFUNC_CONTROLS] = 0;
	expect_l1(vmfunc(0, 0), EXIT_VMFUNC);
}

static void a_stepping_l1_sees_the_switch(void **state)
{
	(void)state;
	golden[FID_PROC_CONTROLS] |= PROC_MTF;
	launch_with_functions();
	expect_l1(vmfunc(0, 1), EXIT_MTF);
	assert_int_equal(f12(FID_GUEST_RIP), 0x1003);
	assert_int_equal(f12(FID_EPTP_INDEX), 1);
}

/* ---- mode-based execute control ---- */

static void launch_with_modes(uint64_t rights)
{
	golden[FID_EPT_POINTER] = EPT12;
	fake_write64(PTE(1), (TARGET + 0x1000) | EPT_WB | rights);
	launch(PROC2_MODE_BASED_EXECUTE);
	assert_true(f02()[FID_PROC2_CONTROLS] & PROC2_MODE_BASED_EXECUTE);
}

static void user_and_supervisor_fetches_have_their_own_rights(void **state)
{
	static const struct {
		uint64_t rights;
		bool user, supervisor;
	} c[] = {{EPT_READ | EPT_EXEC, false, true}, {EPT_READ | EPT_USER_EXEC, true, false},
		{EPT_RWX | EPT_USER_EXEC, true, true}, {EPT_READ | EPT_WRITE, false, false},
		{EPT_USER_EXEC, true, false}, {EPT_EXEC, false, true}};

	for (unsigned i = 0; i < 6; i++) {
		for (unsigned user = 0; user < 2; user++) {
			bool allowed = user ? c[i].user : c[i].supervisor;
			uint64_t q = EPT_EXEC | LINEAR | (user ? USER : 0);

			l2_ept_setup(state);
			launch_with_modes(c[i].rights);
			if (allowed) {
				assert_int_equal(violate(0x1000, q), NESTED_RESUME);
				assert_int_equal(
					leaf(0x1000) & (EPT_RWX | EPT_USER_EXEC), c[i].rights);
			} else {
				expect_l1(violate(0x1000, q), EXIT_EPT_VIOLATION);
				assert_int_equal(f12(FID_EXIT_QUALIFICATION),
					q | (c[i].rights & EPT_RWX) << 3 |
						(c[i].rights & EPT_USER_EXEC ? BIT(6) : 0));
			}
			vcpu_teardown(state);
		}
	}
}

/* Hardware that does not tell user from supervisor: the second violation is L1's. */
static void a_fetch_of_unknown_mode_is_tried(void **state)
{
	(void)state;
	vm.vept.advanced_info = false;
	launch_with_modes(EPT_READ | EPT_USER_EXEC);
	assert_int_equal(violate(0x1000, EPT_EXEC | LINEAR), NESTED_RESUME);
	expect_l1(violate(0x1000, EPT_EXEC | LINEAR), EXIT_EPT_VIOLATION);
}

static void a_fetch_of_unknown_mode_from_a_split_page_is_tried(void **state)
{
	(void)state;
	vm.vept.advanced_info = false;
	fake_write64(EPT12_PDPT + 8, EPT_WB | EPT_LARGE | EPT_READ | EPT_EXEC);
	launch_with_modes(EPT_READ | EPT_USER_EXEC);
	assert_int_equal(violate(0x40000000, EPT_EXEC | LINEAR), NESTED_RESUME);
	expect_l1(violate(0x40000000, EPT_EXEC | LINEAR), EXIT_EPT_VIOLATION);
}

static void without_the_control_bit_10_is_ignored(void **state)
{
	(void)state;
	golden[FID_EPT_POINTER] = EPT12;
	fake_write64(PTE(1), TARGET | EPT_WB | EPT_USER_EXEC);
	fake_write64(PTE(2), TARGET | EPT_WB | EPT_READ | EPT_USER_EXEC);
	launch(0);
	expect_l1(violate(0x1000, EPT_READ | LINEAR), EXIT_EPT_VIOLATION);
	assert_int_equal(f12(FID_EXIT_QUALIFICATION), EPT_READ | LINEAR);
	restore_l1();
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	expect_l1(violate(0x2000, EPT_EXEC | LINEAR | USER), EXIT_EPT_VIOLATION);
	assert_int_equal(f12(FID_EXIT_QUALIFICATION), EPT_EXEC | LINEAR | USER | EPT_READ << 3);
}

static void execute_without_read_needs_the_capability(void **state)
{
	(void)state;
	vm.vept.execute_only = false;
	launch_with_modes(EPT_USER_EXEC);
	expect_l1(violate(0x1000, EPT_EXEC | LINEAR | USER), EXIT_EPT_MISCONFIG);
}

/* ---- what L1 mapped is there at its next entry ---- */

static void enter_again(void)
{
	restore_l1();
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	vept_check(&vm.vept);
}

static void what_l1_maps_after_a_violation_needs_no_exit(void **state)
{
	(void)state;
	golden[FID_EPT_POINTER] = EPT12;
	fake_write64(PTE(1), 0);
	launch(0);
	expect_l1(violate(0x1238, EPT_WRITE), EXIT_EPT_VIOLATION);
	enter_again();
	assert_int_equal(leaf(0x1000), 0);
	expect_l1(violate(0x1238, EPT_WRITE), EXIT_EPT_VIOLATION);
	fake_write64(PTE(1), (TARGET + 0x5000) | EPT_WB | EPT_RWX);
	enter_again();
	assert_true((leaf(0x1000) & EPT_ADDRESS) == FAKE_HPA_BASE + TARGET + 0x5000);
}

/* Flags tell what L2 accessed: nothing is filled in advance that would set one. */
static void no_flag_is_set_in_advance(void **state)
{
	(void)state;
	fake_write64(PTE(1), 0);
	launch(0);
	expect_l1(violate(0x1238, EPT_WRITE), EXIT_EPT_VIOLATION);
	fake_write64(PTE(1), (TARGET + 0x5000) | EPT_WB | EPT_RWX);
	enter_again();
	assert_int_equal(leaf(0x1000), 0);
	assert_int_equal(fake_read64(PTE(1)) & (EPT_ACCESSED | EPT_DIRTY), 0);
	fake_write64(PTE(1), 0);
	violate(0x2000, EPT_READ);
	expect_l1(violate(0x1238, EPT_WRITE), EXIT_EPT_VIOLATION);
	fake_write64(PTE(1), (TARGET + 0x5000) | EPT_WB | EPT_RWX | EPT_ACCESSED);
	enter_again();
	assert_int_equal(leaf(0x1000) & EPT_RWX, EPT_READ | EPT_EXEC);
}

/* ---- the rest of the qualification ---- */

static void what_tells_about_the_access_is_hardwares(void **state)
{
	static const uint64_t told[] = {0, 0x80, 0x180, 0x780, 0x980, 0xf80, 0x1000};

	(void)state;
	fake_write64(PTE(1), TARGET | EPT_WB | EPT_READ | EPT_EXEC);
	launch(0);
	for (unsigned i = 0; i < 7; i++) {
		/* the rights of EPT02, and what is not defined here, are not L1's business */
		expect_l1(violate(0x1000, EPT_WRITE | told[i] | 7 << 3 | BIT64(6) | BIT64(13)),
			EXIT_EPT_VIOLATION);
		assert_int_equal(f12(FID_EXIT_QUALIFICATION),
			EPT_WRITE | told[i] | (EPT_READ | EPT_EXEC) << 3);
		assert_int_equal(f12(FID_GUEST_LINEAR_ADDRESS), 0x7001000);
		restore_l1();
		assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	}
}

/* MOV to CR3 of a PAE L2 loads PDPTEs through EPT; no linear address belongs to it (27.2.1). */
static void pdptes_are_loaded_through_ept(void **state)
{
	(void)state;
	fake_write64(PTE(1), 0);
	launch(0);
	assert_int_equal(violate(0x2000, EPT_READ), NESTED_RESUME);
	assert_true(leaf(0x2000) & EPT_READ);
	expect_l1(violate(0x1020, EPT_READ), EXIT_EPT_VIOLATION);
	assert_int_equal(f12(FID_EXIT_QUALIFICATION), EPT_READ);
	assert_int_equal(f12(FID_GUEST_PHYSICAL_ADDRESS), 0x1020);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, l2_ept_setup, vcpu_teardown)
		T(a_convertible_violation_becomes_an_exception),
		T(our_own_violations_are_no_exceptions),
		T(bit_63_of_the_last_entry_suppresses),
		T(real_mode_and_event_delivery_get_no_exception),
		T(an_area_outside_ram_is_busy),
		T(l1_can_intercept_the_exception),
		T(a_misconfiguration_is_no_exception),
		T(l2_switches_between_cached_roots),
		T(what_cannot_be_switched_to_exits),
		T(a_stepping_l1_sees_the_switch),
		cmocka_unit_test(user_and_supervisor_fetches_have_their_own_rights),
		T(a_fetch_of_unknown_mode_is_tried),
		T(a_fetch_of_unknown_mode_from_a_split_page_is_tried),
		T(without_the_control_bit_10_is_ignored),
		T(execute_without_read_needs_the_capability),
		T(what_l1_maps_after_a_violation_needs_no_exit),
		T(no_flag_is_set_in_advance),
		T(what_tells_about_the_access_is_hardwares),
		T(pdptes_are_loaded_through_ept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
