/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an address of L2's is mapped, for who looks from outside.
 */
#include "l2_ept.h"

#include "spec/addr.h"

#define PAGE_5 0x5000ull

static struct vept_look look(uint64_t gpa)
{
	struct vept_look l;

	assert_true(vept_look(&n, (struct gpa_l2){gpa}, &l));
	return l;
}

static void both_walks_are_told_before_and_after_ept02_has_the_page(void **state)
{
	struct vept_look l;

	(void)state;
	launch(PROC2_ENABLE_EPT);
	l = look(PAGE_5);
	assert_int_equal(l.found, VEPT_FILLED);
	assert_int_equal(l.last12, 1);
	assert_true(l.l1.v == TARGET + PAGE_5);
	assert_true((l.entry12[4] & EPT_ADDRESS) == EPT12_PDPT);
	assert_true((l.entry12[3] & EPT_ADDRESS) == EPT12_PD);
	assert_true((l.entry12[2] & EPT_ADDRESS) == EPT12_PT);
	assert_true(l.entry12[1] == fake_read64(PTE(5)));
	assert_false(l.entry02[l.last02] & EPT_RIGHTS);
	assert_int_equal(violate(PAGE_5, QUAL_READ), NESTED_RESUME);
	l = look(PAGE_5);
	assert_int_equal(l.last02, 1);
	assert_true(l.entry02[1] == ept02_leaf(&vm.vept, n.cur->root, PAGE_5));
	assert_true(l.entry02[1] & EPT_READ);
}

static void a_look_sets_no_flags_and_maps_nothing(void **state)
{
	uint64_t before[512];
	uint32_t in_use;

	(void)state;
	launch(PROC2_ENABLE_EPT);
	in_use = vm.vept.in_use;
	for (unsigned i = 0; i < 512; i++)
		before[i] = fake_read64(PTE(i));
	for (uint64_t page = 0; page < 512; page++)
		look(page * PAGE_SIZE);
	for (unsigned i = 0; i < 512; i++)
		assert_true(fake_read64(PTE(i)) == before[i]);
	assert_false(fake_read64(EPT12_PML4) & EPT_ACCESSED);
	assert_int_equal(vm.vept.in_use, in_use);
}

static void a_large_page_ends_the_walk(void **state)
{
	struct vept_look l;

	(void)state;
	launch(PROC2_ENABLE_EPT);
	l = look(SIZE_2M + 0x1234);
	assert_int_equal(l.found, VEPT_FILLED);
	assert_int_equal(l.last12, 2);
	assert_true(l.l1.v == 0x401234);
}

static void what_is_not_mapped_or_malformed_is_told_as_that(void **state)
{
	struct vept_look l;

	(void)state;
	launch(PROC2_ENABLE_EPT);
	l = look(SIZE_1G);
	assert_int_equal(l.found, VEPT_VIOLATION);
	assert_int_equal(l.last12, 3);
	assert_int_equal(l.entry12[3], 0);
	fake_write64(PTE(5), TARGET | EPT_WRITE);
	l = look(PAGE_5);
	assert_int_equal(l.found, VEPT_MISCONFIG);
	assert_int_equal(l.last12, 1);
}

static void without_ept_or_beyond_48_bits_there_is_nothing_to_tell(void **state)
{
	struct vept_look l;

	(void)state;
	launch(PROC2_ENABLE_EPT);
	assert_false(vept_look(&n, (struct gpa_l2){BIT64(48)}, &l));
	n.cur->root = NULL;
	assert_false(vept_look(&n, (struct gpa_l2){0}, &l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, l2_ept_setup, vcpu_teardown)
		T(both_walks_are_told_before_and_after_ept02_has_the_page),
		T(a_look_sets_no_flags_and_maps_nothing),
		T(a_large_page_ends_the_walk),
		T(what_is_not_mapped_or_malformed_is_told_as_that),
		T(without_ept_or_beyond_48_bits_there_is_nothing_to_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
