/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual EPT where no large page may be executable: what reads, fetches and fills after exits
 * of L1 make of EPT12's large pages.
 */
#include "vept_alone.h"

static uint64_t rights02(const struct vept_root *root, uint64_t gpa, unsigned want_level)
{
	unsigned level;
	uint64_t e = walk02(root, gpa, &level);

	assert_int_equal(level, want_level);
	return e & EPT_RWX;
}

/* Pages of 2 MiB from 2 MiB on; what is read of one before and after some of it was code. */
static void large_pages_are_not_executable_where_the_processor_errs(void **state)
{
	struct vept_root *root;

	(void)state;
	vm.vept.small_code = true;
	root = vept_root_get(&n, EPT12, 0);
	assert_int_equal(touch(root, 0x234567, EPT_READ), VEPT_FILLED);
	assert_int_equal(rights02(root, 0x200000, 2), EPT_READ | EPT_WRITE);
	assert_int_equal(touch(root, 0x234567, EPT_EXEC), VEPT_FILLED);
	expect_mapped(root, 0x234000, 0x434000, EPT_RWX, 1);
	expect_unmapped(root, 0x235000);
	assert_int_equal(touch(root, 0x235000, EPT_WRITE), VEPT_FILLED);
	expect_mapped(root, 0x235000, 0x435000, EPT_RWX, 1);
	expect_mapped(root, 0x234000, 0x434000, EPT_RWX, 1);
	assert_int_equal(touch(root, 0x5000, EPT_EXEC), VEPT_FILLED); /* EPT12 has small ones */
	expect_mapped(root, 0x5000, 0x805000, EPT_RWX, 1);
	vept_forget(&n); /* the model knows nothing of it */
}

static void large_pages_of_data_stay_large(void **state)
{
	struct vept_root *root;

	(void)state;
	vm.vept.small_code = true;
	root = vept_root_get(&n, EPT12, 0);
	fake_write64(EPT12_PDPT + 8, 0 | EPT_WB | EPT_LARGE | EPT_READ | EPT_WRITE);
	assert_int_equal(touch(root, 0x40000000 + 0x600000, EPT_WRITE), VEPT_FILLED);
	expect_mapped(root, 0x40000000 + 0x600000, 0x600000, EPT_READ | EPT_WRITE, 2);
	assert_int_equal(touch(root, 0x40000000 + 0x600000, EPT_EXEC), VEPT_VIOLATION);
	vept_forget(&n);
}

/* With an execute-only page there is nothing to leave of a large one. */
static void execute_only_pages_are_small_at_once(void **state)
{
	static struct nvmcs cur;
	struct vept_root *root;

	(void)state;
	vm.vept.small_code = true;
	n.cur = &cur;
	root = vept_root_get(&n, EPT12, 0);
	fake_write64(EPT12_PDPT + 8, 0 | EPT_WB | EPT_LARGE | EPT_EXEC);
	vept_prefill(&n, root, (struct gpa_l2){0x40000000 + 0x600000});
	expect_mapped(root, 0x40000000 + 0x600000, 0x600000, EPT_EXEC, 1);
	vept_forget(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(large_pages_are_not_executable_where_the_processor_errs),
		T(large_pages_of_data_stay_large),
		T(execute_only_pages_are_small_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
