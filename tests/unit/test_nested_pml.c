/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page-modification logging for L1 (SDM 28.2.5), and flags that L0's own accesses for L2 set.
 */
#include "l2_ept.h"

#include "nested/paging.h"

/* ---- page-modification logging ---- */

static void the_first_write_of_a_page_is_logged(void **state)
{
	(void)state;
	launch(PROC2_ENABLE_PML);
	assert_int_equal(violate(0x1238, EPT_READ), NESTED_RESUME);
	assert_int_equal(f12(FID_PML_INDEX), 511);
	assert_int_equal(violate(0x1238, EPT_WRITE), NESTED_RESUME);
	assert_int_equal(fake_read64(LOG + 511 * 8), 0x1000);
	assert_int_equal(f12(FID_PML_INDEX), 510);
	assert_int_equal(
		fake_read64(PTE(1)) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED | EPT_DIRTY);
	assert_true(leaf(0x1000) & EPT_WRITE);
	violate(0x1238, EPT_WRITE);
	assert_int_equal(f12(FID_PML_INDEX), 510);
	/* one address stands for the 2 MiB */
	violate(0x234567, EPT_WRITE);
	assert_int_equal(fake_read64(LOG + 510 * 8), 0x234000);
	assert_int_equal(f12(FID_PML_INDEX), 509);
}

/* L1 reads the index by hardware. */
static void the_shadow_vmcs_has_the_index(void **state)
{
	(void)state;
	vm.shadowing = true;
	enter_vmx();
	golden[FID_PROC2_CONTROLS] |= PROC2_ENABLE_PML;
	become(golden);
	memcpy(fake_hw.shadow[n.cur->hw], golden, sizeof(golden));
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), OUTCOME_L2);
	violate(0x1238, EPT_WRITE);
	assert_int_equal(nested_l2_exit(&n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(fake_hw.shadow[n.cur->hw][FID_PML_INDEX], 510);
	assert_ptr_equal(fake_hw.current, fake_hw.vmcs01);
}

static void the_last_entry_leaves_a_full_log(void **state)
{
	(void)state;
	golden[FID_PML_INDEX] = 0;
	launch(PROC2_ENABLE_PML);
	assert_int_equal(violate(0x1000, EPT_WRITE), NESTED_RESUME);
	assert_int_equal(fake_read64(LOG), 0x1000);
	assert_int_equal(f12(FID_PML_INDEX), 0xffff);
}

static void a_full_log_exits_before_anything_changes(void **state)
{
	(void)state;
	golden[FID_PML_INDEX] = 512;
	launch(PROC2_ENABLE_PML);
	f02()[FID_IDT_VECTORING_INFO] = INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD;
	expect_l1(violate(0x1000, EPT_WRITE | LINEAR | BIT64(12)), EXIT_PML_FULL);
	assert_int_equal(f12(FID_EXIT_QUALIFICATION), BIT(12));
	assert_int_equal(f12(FID_IDT_VECTORING_INFO) & 0xff, VEC_UD);
	assert_int_equal(fake_read64(PTE(1)) & (EPT_ACCESSED | EPT_DIRTY), 0);
	assert_int_equal(leaf(0x1000), 0);
	assert_int_equal(f12(FID_PML_INDEX), 512);
}

static void a_full_log_matters_only_when_a_flag_is_to_be_set(void **state)
{
	(void)state;
	launch(PROC2_ENABLE_PML);
	violate(0x1000, EPT_WRITE);
	violate(0x2000, EPT_READ);
	n.cur->f[FID_PML_INDEX] = 0xffff;
	assert_int_equal(violate(0x1000, EPT_WRITE), NESTED_RESUME);
	assert_int_equal(violate(0x2000, EPT_READ), NESTED_RESUME);
	/* an accessed flag, too */
	expect_l1(violate(0x3000, EPT_READ), EXIT_PML_FULL);
}

static void a_violation_comes_before_a_full_log(void **state)
{
	(void)state;
	golden[FID_PML_INDEX] = 0xffff;
	fake_write64(PTE(1), TARGET | EPT_WB | EPT_READ);
	launch(PROC2_ENABLE_PML);
	expect_l1(violate(0x1000, EPT_WRITE | LINEAR), EXIT_EPT_VIOLATION);
	assert_int_equal(f12(FID_EXIT_QUALIFICATION), EPT_WRITE | EPT_READ << 3 | LINEAR);
}

static void nothing_is_logged_without_the_flags(void **state)
{
	(void)state;
	golden[FID_EPT_POINTER] = EPT12;
	golden[FID_PML_INDEX] = 0xffff;
	launch(PROC2_ENABLE_PML);
	assert_int_equal(violate(0x1000, EPT_WRITE), NESTED_RESUME);
	assert_int_equal(f12(FID_PML_INDEX), 0xffff);
	assert_int_equal(fake_read64(PTE(1)) & (EPT_ACCESSED | EPT_DIRTY), 0);
}

/* The log lies in an EPT12 table: L0 itself changes what L2 sees, and INVEPT finds it. */
static void a_log_in_a_table_is_a_change_of_the_table(void **state)
{
	(void)state;
	golden[FID_PML_ADDRESS] = EPT12_PT;
	golden[FID_PML_INDEX] = 2;
	launch(PROC2_ENABLE_PML);
	violate(0x2000, EPT_READ);
	vept_invalidate(&n, EPT12_AD);
	assert_true(leaf(0x2000));
	violate(0x1000, EPT_WRITE);
	vept_invalidate(&n, EPT12_AD);
	assert_int_equal(leaf(0x2000), 0);
}

/* L0 writes to L2's memory for L2. */
static void l0s_own_accesses_set_flags_and_are_logged(void **state)
{
	struct gpa_l1 at;

	(void)state;
	launch(PROC2_ENABLE_PML);
	assert_true(vept_walk(&n, EPT12_AD, (struct gpa_l2){0x1234}, 1, &at));
	assert_true(at.v == TARGET + 0x1234);
	assert_int_equal(fake_read64(PTE(1)) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED);
	assert_true(vept_walk(&n, EPT12_AD, (struct gpa_l2){0x1234}, 2, &at));
	assert_int_equal(
		fake_read64(PTE(1)) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED | EPT_DIRTY);
	assert_int_equal(fake_read64(LOG + 511 * 8), 0x1000);
}

/* Nothing changes, whether the table of the page is mirrored or not. */
static void who_looks_sets_no_flags(void **state)
{
	struct gpa_l1 at;

	(void)state;
	launch(PROC2_ENABLE_PML);
	for (unsigned mirrored = 0; mirrored < 2; mirrored++) {
		assert_true(vept_find(&n, EPT12_AD, (struct gpa_l2){0x1234}, EPT_READ, &at));
		assert_true(at.v == TARGET + 0x1234);
		assert_int_equal(fake_read64(PTE(1)) & (EPT_ACCESSED | EPT_DIRTY), 0);
		violate(0x2000, EPT_READ);
	}
}

/* The exit comes before the access, as for L2's own. */
static void a_full_log_stops_l0s_accesses_too(void **state)
{
	struct paging_state s = {.eptp12 = EPT12_AD, .maxphyaddr = 46};
	struct paging_fault fault;
	uint32_t word = 0x12345678;

	(void)state;
	golden[FID_PML_INDEX] = 0xffff;
	launch(PROC2_ENABLE_PML);
	assert_false(paging_write(&n, &s, 0x1238, &word, sizeof(word), &fault));
	assert_true(fault.ept);
	assert_int_equal(fake_read32(TARGET + 0x1238), 0);
	assert_int_equal(fake_read64(PTE(1)) & (EPT_ACCESSED | EPT_DIRTY), 0);
	nested_deliver_ept_fault(&n, &fault);
	expect_l1(NESTED_L1, EXIT_PML_FULL);
	assert_int_equal(f12(FID_EXIT_QUALIFICATION), 0);
}

/* L2's own tables, walked by L0 for L2: accessed flags in them are writes under EPT12. */
static void walks_of_l2s_paging_are_writes_of_its_tables(void **state)
{
	struct paging_state s = {.cr0 = CR0_PG | CR0_PE,
		.cr3 = 0x1000,
		.cr4 = CR4_PAE,
		.efer = EFER_LME | EFER_LMA,
		.maxphyaddr = 46,
		.eptp12 = EPT12};
	struct gpa_l1 out;
	struct paging_fault fault;

	(void)state;
	launch(PROC2_ENABLE_PML);
	fake_write64(TARGET + 0x1000, 0x2000 | 3); /* L2's PML4 at 0x1000, PDPT at 0x2000 */
	fake_write64(TARGET + 0x2000, 0x83);
	fake_write64(PTE(1), (TARGET + 0x1000) | EPT_WB | EPT_READ);
	assert_false(paging_walk(&n, &s, 0x3000, 0, &out, &fault));
	assert_true(fault.ept);
	assert_int_equal(fake_read64(TARGET + 0x1000), 0x2000 | 3); /* not L2's to write */
	fake_write64(PTE(1), (TARGET + 0x1000) | EPT_WB | EPT_RWX);
	s.eptp12 = EPT12_AD;
	assert_true(paging_walk(&n, &s, 0x3000, 0, &out, &fault));
	assert_int_equal(fake_read64(TARGET + 0x1000), 0x2000 | 3 | 0x20);
	assert_int_equal(
		fake_read64(PTE(1)) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED | EPT_DIRTY);
	assert_int_equal(
		fake_read64(PTE(2)) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED | EPT_DIRTY);
	assert_int_equal(fake_read64(LOG + 511 * 8), 0x1000);
	assert_int_equal(fake_read64(LOG + 510 * 8), 0x2000);
}

#define SPP1    0x127000ull
#define SPPE(i) (SPP1 + (i)*8) /* of page i */

/* Pages 1 and 2 are written by leave of sub-pages alone, of which all but one give it. */
static void protect_but(uint64_t refused)
{
	const uint64_t asks = EPT_READ | EPT_EXEC | EPT_USER_EXEC | EPT_WB | EPT_SUB_PAGE;

	for (uint64_t page = 1; page < 3; page++) {
		uint64_t right = refused >> PAGE_SHIFT == page ? SPP_RIGHT(refused) : 0;

		fake_write64(PTE(page), (TARGET + page * PAGE_SIZE) | asks);
		fake_write64(SPPE(page), 0x5555555555555555 & ~right);
	}
}

static void launch_with_sub_pages(void)
{
	golden[FID_SPPTP] = 0x124000;
	fake_write64(0x124000, 0x125000 | SPP_VALID);
	fake_write64(0x125000, 0x126000 | SPP_VALID);
	fake_write64(0x126000, SPP1 | SPP_VALID);
	launch(PROC2_ENABLE_PML | PROC2_SUB_PAGE_WRITE);
}

/* A write of L0's over two pages: all sub-pages are asked before anything changes. */
static void a_write_that_a_sub_page_refuses_leaves_no_flag(void **state)
{
	static const uint64_t refused[] = {0x1f00, 0x2080};
	struct paging_state s = {.cr0 = CR0_PE, .maxphyaddr = 46, .eptp12 = EPT12_AD};
	struct paging_fault fault;
	uint64_t data[64] = {1};

	(void)state;
	launch_with_sub_pages();
	for (unsigned i = 0; i < 2; i++) {
		protect_but(refused[i]);
		assert_false(paging_can_write(&n, &s, 0x1e90, 512, &fault));
		assert_false(paging_write(&n, &s, 0x1e90, data, 512, &fault));
		assert_true(fault.ept && fault.gpa == refused[i]);
		assert_true(fault.address == refused[i]);
		assert_int_equal(fake_read64(PTE(1)) & EPT_DIRTY, 0);
		assert_int_equal(fake_read64(PTE(2)) & EPT_DIRTY, 0);
		assert_int_equal(f12(FID_PML_INDEX), 511);
		assert_int_equal(fake_read64(TARGET + 0x1e90), 0);
	}
	protect_but(0);
	assert_true(paging_write(&n, &s, 0x1e90, data, 512, &fault));
	assert_int_equal(fake_read64(PTE(1)) & EPT_DIRTY, EPT_DIRTY);
	assert_int_equal(fake_read64(PTE(2)) & EPT_DIRTY, EPT_DIRTY);
	assert_int_equal(f12(FID_PML_INDEX), 509);
	assert_int_equal(fake_read64(LOG + 511 * 8), 0x1000);
	assert_int_equal(fake_read64(TARGET + 0x1e90), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, l2_ept_setup, vcpu_teardown)
		T(the_first_write_of_a_page_is_logged),
		T(the_shadow_vmcs_has_the_index),
		T(the_last_entry_leaves_a_full_log),
		T(a_full_log_exits_before_anything_changes),
		T(a_full_log_matters_only_when_a_flag_is_to_be_set),
		T(a_violation_comes_before_a_full_log),
		T(nothing_is_logged_without_the_flags),
		T(a_log_in_a_table_is_a_change_of_the_table),
		T(l0s_own_accesses_set_flags_and_are_logged),
		T(who_looks_sets_no_flags),
		T(a_full_log_stops_l0s_accesses_too),
		T(walks_of_l2s_paging_are_writes_of_its_tables),
		T(a_write_that_a_sub_page_refuses_leaves_no_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
