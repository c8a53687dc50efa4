/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EPT02s that one vCPU has for a debugger: small pages, executable only where the debugger lets
 * them be, and as right as those of all.
 */
#include "l2_ept.h"

#define FETCH (EPT_EXEC | LINEAR)

static struct vept_root *in_view(uint8_t view)
{
	nested_set_view(&n, view);
	return n.cur->root;
}

static void lets_through(uint64_t gpa)
{
	n.view_opens = true;
	n.view_code = (struct gpa_l2){gpa};
}

static uint64_t entry_of(uint64_t gpa)
{
	vept_check(&vm.vept);
	return ept02_leaf(&vm.vept, n.cur->root, gpa);
}

static void a_view_has_a_root_of_its_own_and_l2_runs_on_it(void **state)
{
	struct vept_root *all, *mine;

	(void)state;
	launch(PROC2_ENABLE_EPT);
	all = n.cur->root;
	mine = in_view(1);
	assert_true(mine != all && mine->eptp12 == all->eptp12);
	assert_true(f02()[FID_EPT_POINTER] == mine->eptp02);
	assert_true(in_view(2) != mine);
	assert_ptr_equal(in_view(0), all);
	assert_true(f02()[FID_EPT_POINTER] == all->eptp02);
	assert_ptr_equal(in_view(1), mine);
}

static void the_next_entry_takes_the_view_that_came_while_l1_ran(void **state)
{
	struct vept_root *all;

	(void)state;
	fake_write64(PTE(9), 0);
	launch(PROC2_ENABLE_EPT);
	all = n.cur->root;
	expect_l1(violate(0x9000, EPT_READ), EXIT_EPT_VIOLATION);
	restore_l1();
	nested_set_view(&n, 1);
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	assert_true(n.cur->root != all && f02()[FID_EPT_POINTER] == n.cur->root->eptp02);
}

static void nothing_is_executable_but_what_is_let_through(void **state)
{
	(void)state;
	launch(PROC2_ENABLE_EPT);
	in_view(1);
	assert_int_equal(violate(0x1000, FETCH), NESTED_RESUME);
	assert_int_equal(entry_of(0x1000) & EPT_RWX, EPT_READ);
	lets_through(0x1888);
	assert_int_equal(violate(0x1000, FETCH), NESTED_RESUME);
	assert_int_equal(violate(0x2000, FETCH), NESTED_RESUME);
	assert_int_equal(entry_of(0x1000) & EPT_RWX, EPT_READ | EPT_EXEC);
	assert_int_equal(entry_of(0x2000) & EPT_RWX, EPT_READ);
}

static void large_pages_are_small_there(void **state)
{
	(void)state;
	launch(PROC2_ENABLE_EPT);
	assert_int_equal(violate(0x234000, EPT_WRITE | LINEAR), NESTED_RESUME);
	assert_true(entry_of(0x234000) & EPT_LARGE);
	in_view(1);
	lets_through(0x235000);
	assert_int_equal(violate(0x234000, EPT_WRITE | LINEAR), NESTED_RESUME);
	assert_int_equal(violate(0x235000, FETCH), NESTED_RESUME);
	assert_false(entry_of(0x234000) & (EPT_LARGE | EPT_EXEC));
	assert_true(entry_of(0x235000) & EPT_EXEC);
	assert_true((entry_of(0x235000) & EPT_ADDRESS) == FAKE_HPA_BASE + 0x435000);
	assert_true(entry_of(0x236000) == 0);
}

static void what_ept12_forbids_goes_to_l1(void **state)
{
	(void)state;
	fake_write64(PTE(1), TARGET | EPT_WB | EPT_READ);
	launch(PROC2_ENABLE_EPT);
	in_view(1);
	lets_through(0x1000);
	expect_l1(violate(0x1000, FETCH), EXIT_EPT_VIOLATION);
}

/* Where hardware does not tell a fetch's mode, a right may be one that the view lacks. */
static void a_fetch_of_either_mode_is_let_through(void **state)
{
	(void)state;
	vm.vept.advanced_info = false;
	fake_write64(PTE(1), TARGET | EPT_WB | EPT_READ | EPT_USER_EXEC);
	launch(PROC2_ENABLE_EPT | PROC2_MODE_BASED_EXECUTE);
	in_view(1);
	assert_int_equal(violate(0x1000, EPT_READ | LINEAR), NESTED_RESUME);
	lets_through(0x1000);
	assert_int_equal(violate(0x1000, FETCH), NESTED_RESUME);
	assert_true(entry_of(0x1000) & EPT_USER_EXEC);
	expect_l1(violate(0x1000, FETCH), EXIT_EPT_VIOLATION);
}

static void a_page_that_is_closed_is_asked_for_again(void **state)
{
	struct vept_root *r;

	(void)state;
	launch(PROC2_ENABLE_EPT);
	r = in_view(1);
	lets_through(0x1000);
	assert_int_equal(violate(0x1000, FETCH), NESTED_RESUME);
	vept_view_close(&n, r, r->generation + 1, (struct gpa_l2){0x1000}); /* of another one */
	assert_true(entry_of(0x1000) & EPT_EXEC);
	vept_view_close(&n, r, r->generation, (struct gpa_l2){0x1fff});
	assert_int_equal(entry_of(0x1000), 0);
	vept_view_close(&n, r, r->generation, (struct gpa_l2){0x1000});
}

static void only_its_own_view_is_emptied(void **state)
{
	(void)state;
	launch(PROC2_ENABLE_EPT);
	for (uint8_t view = 0; view < 3; view++) {
		in_view(view);
		assert_int_equal(violate(0x1000, EPT_READ | LINEAR), NESTED_RESUME);
	}
	vept_view_empty(&n, 1);
	for (uint8_t view = 0; view < 3; view++) {
		in_view(view);
		assert_int_equal(entry_of(0x1000) == 0, view == 1);
	}
}

static void invept_takes_away_from_views_too(void **state)
{
	(void)state;
	launch(PROC2_ENABLE_EPT);
	in_view(1);
	lets_through(0x1000);
	assert_int_equal(violate(0x1000, FETCH), NESTED_RESUME);
	fake_write64(PTE(1), 0);
	while (!vept_invalidate(&n, EPT12_AD))
		continue;
	assert_int_equal(entry_of(0x1000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, l2_ept_setup, vcpu_teardown)
		T(a_view_has_a_root_of_its_own_and_l2_runs_on_it),
		T(the_next_entry_takes_the_view_that_came_while_l1_ran),
		T(nothing_is_executable_but_what_is_let_through),
		T(large_pages_are_small_there),
		T(what_ept12_forbids_goes_to_l1),
		T(a_fetch_of_either_mode_is_let_through),
		T(a_page_that_is_closed_is_asked_for_again),
		T(only_its_own_view_is_emptied),
		T(invept_takes_away_from_views_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
