/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual EPT and what L0 writes itself, while other vCPUs look at it.
 */
#include "nested_vcpu.h"

#include "nested/paging.h"
#include "vept_invariants.h"
#include "vept_model.h"
#include "vept_world.h"

static struct nested other; /* a second vCPU */
static uint64_t other_gpr[16], other_bitmap[512];

static int setup(void **state)
{
	vcpu_setup(state);
	nested_reset(&other, &vm, 1, other_gpr, 20, other_bitmap);
	ept12_make(EPT_RWX | EPT_USER_EXEC);
	return 0;
}

/* L1 executes INVEPT: EPT02 is EPT12 then, whatever the test did. */
static int teardown(void **state)
{
	vept_check(&vm.vept);
	model_invept_all(&n);
	return vcpu_teardown(state);
}

static enum vept_result touch(struct vept_root *root, uint64_t gpa, uint64_t access)
{
	uint64_t qualification;
	enum vept_result r =
		vept_handle(&n, root, (struct gpa_l2){gpa}, access, &qualification);

	vept_check(&vm.vept);
	return r;
}

static uint64_t leaf(const struct vept_root *root, uint64_t gpa)
{
	return ept02_leaf(&vm.vept, root, gpa);
}

static uint64_t target(const struct vept_root *root, uint64_t gpa)
{
	return (leaf(root, gpa) & EPT_ADDRESS) - FAKE_HPA_BASE;
}

static void make_another_table(void)
{
	fake_write64(EPT12_PDPT + 8, 0x104000 | EPT_RWX);
	fake_write64(0x104000, 0x400000 | EPT_WB | EPT_LARGE | EPT_RWX);
}

/* What L0 writes leaves no dirty flag: operands, VMCS data, MSR lists. */
static void writes_of_l0_are_seen(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	struct paging_state plain = {.cr0 = CR0_PE, .maxphyaddr = 46};
	struct paging_fault fault;
	uint64_t entry = 0x900000 | EPT_WB | EPT_RWX;

	(void)state;
	touch(root, 0x1000, EPT_READ);
	vept_invalidate(&n, EPT12);
	assert_true(paging_write(&n, &plain, PTE(1), &entry, sizeof(entry), &fault));
	vept_invalidate(&n, EPT12);
	assert_int_equal(leaf(root, 0x1000), 0);
}

static unsigned waited;

/* It waits for the lock, or gets what it promises. */
static void invept_of_another(void)
{
	if (fake_hw.locked)
		waited++;
	else
		assert_true(vept_invalidate(&other, EPT12) && leaf(n.cur->root, 0x1000) == 0);
}

/* A vCPU that sees what L0 wrote executes INVEPT before L0 does anything else. */
static void who_has_seen_a_write_of_l0_has_no_stale_translation(void **state)
{
	static struct nvmcs cur;
	struct paging_state plain = {.cr0 = CR0_PE, .maxphyaddr = 46};
	uint64_t entry = 0x900000 | EPT_WB | EPT_RWX;
	struct paging_fault fault;

	(void)state;
	n.cur = &cur;
	cur.root = vept_root_get(&n, EPT12, 0);
	touch(cur.root, 0x1000, EPT_READ);
	vept_invalidate(&n, EPT12);
	vept_invalidate(&n, EPT12);
	fake.at_write = invept_of_another;
	assert_true(paging_write(&n, &plain, PTE(1), &entry, sizeof(entry), &fault));
	assert_int_equal(nested_l1_write(&n, (struct gpa_l1){PTE(1)}, &entry, 8), 0);
	assert_int_equal(waited, 2);
	assert_int_equal(nested_l1_write(&n, (struct gpa_l1){0x900000}, &entry, 8), 0);
	fake.at_write = NULL;
	vept_invalidate(&n, EPT12);
	assert_int_equal(leaf(cur.root, 0x1000), 0);
	n.cur = NULL;
}

/*
 * A vCPU that makes tables of pages which L0 is writing for another one, at that moment: the
 * look whether they are tables is over. What it has seen of the write its next INVEPT knows.
 */
#define LATE_TABLE 0x104000ull
#define LATE(page) (LATE_TABLE + (page)*8)

static struct vept_root *late_root;
static unsigned late_step, late_steps, late_invepts;

/* EPT12 leads to the late table from 4 MiB on; L2 of the other vCPU uses it. */
static void make_late_table(void)
{
	fake_write64(EPT12_PD + 16, LATE_TABLE | EPT_RWX);
	touch(late_root, 0x400000, EPT_READ);
	assert_true(target(late_root, 0x400000) == 0x700000);
}

static void invept_late(void)
{
	while (!vept_invalidate(&other, EPT12))
		;
	late_invepts++;
}

/* Before the bytes are there, and when they are. */
static void make_and_invalidate(void)
{
	if (late_step++ != 0)
		return;
	make_late_table();
	invept_late(); /* takes the mark that a new table has */
	invept_late();
}

static void see_and_invalidate(void)
{
	if (++late_steps != 1)
		return;
	invept_late();
	assert_int_equal(leaf(late_root, 0x400000), 0);
}

static void start_late(void)
{
	vm.vept.vcpus = 2;
	late_step = late_steps = late_invepts = 0;
	fake_write64(LATE(0), 0x700000 | EPT_WB | EPT_RWX);
	late_root = vept_root_get(&other, EPT12, 0);
	fake.before_write = make_and_invalidate;
	fake.at_write = see_and_invalidate;
}

static void end_late(void)
{
	fake.before_write = fake.at_write = NULL;
	assert_int_equal(late_invepts, 3);
	assert_int_equal(vm.vept.l0_writes[0], 0);
	vm.vept.vcpus = 0;
}

static void a_write_to_a_page_that_becomes_a_table_is_seen(void **state)
{
	uint64_t entry = 0x900000 | EPT_WB | EPT_RWX;

	(void)state;
	start_late();
	assert_int_equal(nested_l1_write(&n, (struct gpa_l1){LATE(0)}, &entry, 8), 0);
	end_late();
}

/* The second page of two. */
static void a_write_over_two_pages_is_seen_in_both(void **state)
{
	uint64_t entry = 0x900000 | EPT_WB | EPT_RWX;
	uint8_t data[16] = {0};

	(void)state;
	memcpy(data + 8, &entry, sizeof(entry));
	start_late();
	assert_int_equal(nested_l1_write(&n, (struct gpa_l1){LATE_TABLE - 8}, data, 16), 0);
	end_late();
}

/* Who looks while the bytes come has looked too early: the next one looks again. */
static void a_write_that_ends_behind_an_invept_is_seen_by_the_next(void **state)
{
	uint64_t entry = 0x900000 | EPT_WB | EPT_RWX;

	(void)state;
	start_late();
	fake.at_write = NULL;
	assert_int_equal(nested_l1_write(&n, (struct gpa_l1){LATE(0)}, &entry, 8), 0);
	assert_int_not_equal(leaf(late_root, 0x400000), 0);
	invept_late();
	assert_int_equal(leaf(late_root, 0x400000), 0);
	touch(late_root, 0x400000, EPT_READ);
	assert_true(target(late_root, 0x400000) == 0x900000);
	invept_late(); /* nothing is looked at for ever */
	assert_int_equal(vm.vept.hints, 0);
	late_invepts--;
	end_late();
}

/* Of a VMCS that goes back into its region; the page is closed before it is there. */
static void make_table_of_region(void)
{
	fake.before_write = NULL;
	late_root = vept_root_get(&other, EPT12, 0);
	make_another_table();
	fake_write64(EPT12_PD + 16, VMCS_REGION | EPT_RWX);
	touch(late_root, 0x400000 + (100 << 12), EPT_READ);
	vm.vept.open_max = 1;
	touch(late_root, SIZE_1G, EPT_READ);
	vm.vept.open_max = VEPT_OPEN;
	invept_late();
	invept_late();
	assert_true(target(late_root, 0x400000 + (100 << 12)) == 0x700000);
}

static void a_flush_to_a_page_that_becomes_a_closed_table_is_seen(void **state)
{
	uint64_t slot = 100, old = 0x700000 | EPT_WB | EPT_RWX;

	(void)state;
	enter_vmx();
	vm.vept.vcpus = 2;
	fake_write64(VMCS_REGION + slot * 8, old);
	fake.before_write = make_table_of_region;
	assert_int_equal(execute_m64(EXIT_VMCLEAR, VMCS_REGION), OUTCOME_SUCCEED);
	fake.before_write = NULL;
	assert_true(fake_read64(VMCS_REGION + slot * 8) != old);
	invept_late();
	assert_int_equal(leaf(late_root, 0x400000 + (slot << 12)), 0);
	vm.vept.vcpus = 0;
}

/* A VMCLEAR writes VMCS12 into its region, which L1 uses as an EPT12 table, too. */
static void a_flushed_vmcs_is_seen(void **state)
{
	uint64_t slot = 100, gpa = slot << 12, old = 0x801000 | EPT_WB | EPT_RWX;
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	enter_vmx();
	fake_write64(EPT12_PD, VMCS_REGION | EPT_RWX);
	fake_write64(VMCS_REGION + slot * 8, old);
	assert_int_equal(touch(root, gpa, EPT_READ), VEPT_FILLED);
	vept_invalidate(&n, EPT12);
	assert_true(target(root, gpa) == 0x801000);
	assert_int_equal(execute_m64(EXIT_VMCLEAR, VMCS_REGION), OUTCOME_SUCCEED);
	assert_true(fake_read64(VMCS_REGION + slot * 8) != old);
	vept_invalidate(&n, EPT12);
	assert_int_equal(leaf(root, gpa), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(writes_of_l0_are_seen),
		T(who_has_seen_a_write_of_l0_has_no_stale_translation),
		T(a_write_to_a_page_that_becomes_a_table_is_seen),
		T(a_write_over_two_pages_is_seen_in_both),
		T(a_write_that_ends_behind_an_invept_is_seen_by_the_next),
		T(a_flush_to_a_page_that_becomes_a_closed_table_is_seen),
		T(a_flushed_vmcs_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
