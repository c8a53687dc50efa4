/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual EPT shared by vCPUs, and what INVEPT must and must not take away.
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
	fake_hw.at_settle = NULL;
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

/* ---- what INVEPT must take away ---- */

static void remap_unseen(void)
{
	uint64_t entry = 0x900000 | EPT_WB | EPT_RWX;

	memcpy(fake.ram + PTE(1), &entry, sizeof(entry)); /* and no dirty flag */
}

/* The bug this guards: comparing before all CPUs were flushed. */
static void a_write_with_a_cached_dirty_flag_is_seen(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	touch(root, 0x1000, EPT_READ);
	fake_write64(PTE(2), 0);
	fake_hw.at_settle = remap_unseen;
	vept_invalidate(&n, EPT12);
	assert_int_equal(leaf(root, 0x1000), 0);
}

static void make_another_table(void)
{
	fake_write64(EPT12_PDPT + 8, 0x104000 | EPT_RWX);
	fake_write64(0x104000, 0x400000 | EPT_WB | EPT_LARGE | EPT_RWX);
}

static void remap_with_flag(void)
{
	remap_unseen();
	fake.written[PTE(1) / PAGE_SIZE] |= FAKE_WRITTEN;
}

/* A CPU that may write by what it has cached does so until it is flushed. */
static void what_is_written_while_a_page_is_closed_is_seen(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	make_another_table();
	touch(root, 0x1000, EPT_READ);
	vept_invalidate(&n, EPT12);
	vept_invalidate(&n, EPT12);
	vm.vept.open_max = 1;
	fake_hw.at_settle = remap_with_flag;
	fake.call_count = 0;
	touch(root, SIZE_1G, EPT_READ);
	assert_int_equal(fake_called("settle"), 1);
	assert_false(fake.written[PTE(1) / PAGE_SIZE] & EPT_WRITE);
	fake_hw.at_settle = NULL;
	vept_invalidate(&n, EPT12);
	assert_int_equal(leaf(root, 0x1000), 0);
	vm.vept.open_max = VEPT_OPEN;
}

/* More than there is room to tell of: everything is forgotten. */
static void pages_that_devices_write_are_seen(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	make_another_table();
	for (unsigned many = 0; many < 2; many++) {
		vm.vept.open_max = 1;
		touch(root, 0x1000, EPT_READ);
		touch(root, SIZE_1G, EPT_READ);
		assert_false(fake.written[PTE(1) / PAGE_SIZE] & EPT_WRITE);
		while (!vept_invalidate(&n, EPT12))
			;
		for (uint64_t i = 0; many && i < 2 * VEPT_TOLD; i++)
			vept_device_wrote(&vm.vept, (struct gpa_l1){0x1000000 + i * PAGE_SIZE});
		model_device_write(
			&vm.vept, PTE(1), (0x900000 + many * PAGE_SIZE) | EPT_WB | 7);
		vept_invalidate(&n, EPT12);
		assert_int_equal(leaf(root, 0x1000), 0);
	}
	vm.vept.open_max = VEPT_OPEN;
}

static void without_dirty_flags_every_table_is_compared(void **state)
{
	struct vept_root *root;

	(void)state;
	fake_hw.no_written = true;
	root = vept_root_get(&n, EPT12, 0);
	touch(root, 0x1000, EPT_READ);
	vept_invalidate(&n, EPT12);
	remap_unseen();
	vept_invalidate(&n, EPT12);
	assert_int_equal(leaf(root, 0x1000), 0);
	assert_int_equal(fake_called("settle"), 0);
}

/* ---- what INVEPT must not take away: L2 would fault again for nothing ---- */

static void flags_that_we_set_cause_no_refill(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12_AD, 0);

	(void)state;
	touch(root, 0x1000, EPT_READ);
	touch(root, 0x2000, EPT_WRITE);
	touch(root, 0x1000, EPT_WRITE);
	n.stats.vept_zaps = 0;
	vept_invalidate(&n, EPT12_AD);
	assert_true(leaf(root, 0x1000) & EPT_WRITE);
	assert_true(leaf(root, 0x2000) & EPT_WRITE);
	assert_int_equal(n.stats.vept_zaps, 0);
}

/* 1 GiB of EPT12 over 2 MiB of EPT01: the parts share one dirty flag. */
static void a_split_page_stays_when_its_dirty_flag_is_set(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12_AD, 0);

	(void)state;
	fake_write64(EPT12_PDPT + 8, EPT_WB | EPT_LARGE | EPT_RWX);
	touch(root, 0x40000000, EPT_READ);
	touch(root, 0x40200000, EPT_READ);
	touch(root, 0x40200000, EPT_WRITE);
	assert_true(leaf(root, 0x40000000));
	assert_true(leaf(root, 0x40200000) & EPT_WRITE);
	assert_false(leaf(root, 0x40000000) & EPT_WRITE);
}

static void bits_that_mean_nothing_cause_no_refill(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	touch(root, 0x1000, EPT_READ);
	fake_write64(
		PTE(1), fake_read64(PTE(1)) | BIT64(55) | BIT64(11) | EPT_ACCESSED | EPT_DIRTY);
	vept_invalidate(&n, EPT12);
	assert_true(target(root, 0x1000) == TARGET + 0x1000);
	fake_write64(EPT12_PD, fake_read64(EPT12_PD) | BIT64(60));
	vept_invalidate(&n, EPT12);
	assert_true(target(root, 0x1000) == TARGET + 0x1000);
	touch(root, 0x2000, EPT_READ);
	assert_true(target(root, 0x1000) == TARGET + 0x1000);
	assert_int_equal(n.stats.vept_zaps, 0);
}

static void only_cleared_flags_are_taken_up(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12_AD, 0);

	(void)state;
	touch(root, 0x1000, EPT_READ);
	touch(root, 0x2000, EPT_WRITE);
	fake_write64(PTE(1), fake_read64(PTE(1)) | EPT_DIRTY);
	fake_write64(PTE(2), fake_read64(PTE(2)) & ~EPT_DIRTY);
	vept_invalidate(&n, EPT12_AD);
	assert_true(target(root, 0x1000) == TARGET + 0x1000);
	assert_int_equal(leaf(root, 0x2000), 0);
}

static void only_written_tables_are_compared(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	for (uint64_t i = 0; i < 8; i++) {
		fake_write64(EPT12_PD + 0x100 + i * 8, (0x110000 + i * PAGE_SIZE) | EPT_RWX);
		fake_write64(0x110000 + i * PAGE_SIZE, TARGET | EPT_WB | EPT_RWX);
		touch(root, (32 + i) << 21, EPT_READ);
	}
	vept_invalidate(&n, EPT12);
	n.stats.vept_syncs = 0;
	fake_write64(0x113000 + 8, TARGET | EPT_WB | EPT_RWX);
	vept_invalidate(&n, EPT12);
	assert_int_equal(n.stats.vept_syncs, 1);
	vept_invalidate_all(&n);
	assert_int_equal(n.stats.vept_syncs, 1);
	assert_int_equal(n.stats.vept_zaps, 0);
}

/* More tables than one execution of INVEPT compares. */
static struct vept_root *many_mirrors(unsigned count)
{
	struct vept_root *root;

	vept_root_leave(&n);
	fake_vept_free(&vm.vept);
	fake_vept_alloc(&vm.vept, count + 64);
	vept_init(&vm.vept);
	root = vept_root_get(&n, EPT12, 0);
	for (uint64_t i = 0; i < count; i++) {
		fake_write64(EPT12_PD + i * 8, EPT12_PT | EPT_RWX);
		vept_handle(&n, root, (struct gpa_l2){i << 21}, EPT_READ, &(uint64_t){0});
	}
	return root;
}

/* Interrupts of L1 come in between; it is complete when RIP moves on. */
static void an_invept_with_much_to_do_is_executed_again(void **state)
{
	struct vept_root *root = many_mirrors(500);
	uint64_t *rip = &fake_hw.vmcs01[FID_GUEST_RIP], start = 0x1000;
	unsigned executions = 0;

	(void)state;
	model_invept_all(&n);
	fake_write64(PTE(0), 0);
	enter_vmx();
	gpr[0] = OPERAND;
	gpr[1] = 2; /* all contexts */
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] = 2u << 7 | 3u << 15 | BIT(22) | 1u << 28;
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_LENGTH] = 3;
	fake_hw.vmcs01[FID_EXIT_QUALIFICATION] = 0;
	fake_hw.vmcs01[FID_GUEST_RFLAGS] = RFLAGS_FIXED | RFLAGS_OF;
	for (*rip = start; *rip == start; executions++) {
		assert_true(executions < 10);
		/* no outcome yet */
		assert_true(fake_hw.vmcs01[FID_GUEST_RFLAGS] == (RFLAGS_FIXED | RFLAGS_OF));
		nested_vmx_insn(&n, EXIT_INVEPT);
	}
	assert_true(fake_hw.vmcs01[FID_GUEST_RFLAGS] == RFLAGS_FIXED);
	assert_int_equal(*rip, start + 3);
	assert_int_equal(executions, 2);
	for (uint64_t i = 0; i < 500; i++)
		assert_int_equal(leaf(root, i << 21), 0);
}

/* ---- flushes ---- */

/* EPT02 is as EPT12 then, and INVEPT finds nothing: what this CPU has goes all the same. */
static void invept_flushes_a_leaf_that_a_fill_has_changed(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	fake_write64(PTE(1), 0xfe000000 | EPT_WB | EPT_RWX);
	assert_true(vept_map_ones(&n, root, &(struct vept_void){{0x1000}, {0xfe000000}}));
	vept_invalidate(&n, EPT12);
	fake_write64(PTE(1), 0x900000 | EPT_WB | EPT_RWX);
	touch(root, 0x1000, EPT_WRITE);
	fake.call_count = 0;
	n.stats.vept_zaps = 0;
	vept_invalidate(&n, EPT12);
	assert_int_equal(n.stats.vept_zaps, 0);
	assert_int_equal(fake_called("flush"), 0);
	assert_int_equal(fake_called("flush here"), 1);
	assert_true(fake_last("flush here")->a == root->eptp02);
}

/* By EP4TA, as hardware does: flags of the pointer do not tell roots apart. */
static void invept_flushes_the_roots_that_it_names(void **state)
{
	struct vept_root *roots[] = {vept_root_get(&n, EPT12, 0),
		vept_root_get(&n, EPT12_AD, 0), vept_root_get(&n, EPT12, 0x800000)};

	(void)state;
	vept_root_get(&n, EPT12 + 0x100000, 0);
	vept_invalidate(&n, EPT12);
	assert_int_equal(fake_called("flush here"), 3);
	assert_true(roots[0]->eptp02 != roots[2]->eptp02);
	fake.call_count = 0;
	vept_invalidate_all(&n);
	assert_int_equal(fake_called("flush here"), 4);
}

static void tables_are_flushed_everywhere_before_they_are_used_again(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	touch(root, 0x1000, EPT_READ);
	fake_write64(EPT12_PD, 0);
	vept_invalidate(&n, EPT12);
	assert_int_equal(fake_called("flush and wait"), 1);
}

/* ---- roots ---- */

static void a_root_that_another_vcpu_uses_stays(void **state)
{
	struct vept_root *mine, *its = vept_root_get(&other, EPT12, 0);
	uint32_t generation = its->generation;

	(void)state;
	for (uint64_t i = 1; i <= 3 * vm.vept.roots; i++)
		mine = vept_root_get(&n, (EPT12_PML4 + i * 0x10000) | 0x1e, 0);
	assert_int_equal(its->generation, generation);
	assert_true(its->eptp12 == EPT12);
	assert_true(vept_root_reuse(&other, its, generation));
	vept_root_get(&other, mine->eptp12, 0);
	for (uint64_t i = 1; i <= 3 * vm.vept.roots; i++)
		vept_root_get(&n, (EPT12_PML4 + i * 0x10000) | 0x1e, 0);
	assert_false(vept_root_reuse(&other, its, generation));
	assert_true(mine->eptp12 && vept_root_reuse(&other, mine, mine->generation));
	vept_check(&vm.vept);
}

/* Tables are short: roots in use lose what they map, but not their top table. */
static void a_root_in_use_can_be_emptied(void **state)
{
	struct vept_root *its = vept_root_get(&other, EPT12, 0);
	uint64_t q;

	(void)state;
	for (uint64_t i = 0; i < 300; i++) {
		fake_write64(EPT12_PML4 + i * 8, EPT12_PDPT | EPT_RWX);
		vept_handle(&other, its, (struct gpa_l2){i << 39}, EPT_READ, &q);
		vept_check(&vm.vept);
	}
	assert_true(vm.vept.count - vm.vept.in_use < 8);
	for (uint64_t i = 0; i < 20; i++)
		touch(vept_root_get(&n, EPT12_AD, 0), i << 39, EPT_READ);
	assert_true(vept_root_reuse(&other, its, its->generation));
	assert_int_equal(vm.vept.table[its->table].level, 4);
}

/* Another vCPU took the tables of a root that a cached VMCS12 points to. */
static void an_entry_does_not_use_a_root_that_is_gone(void **state)
{
	uint64_t f[FID_COUNT];
	uint64_t eptp02;

	(void)state;
	golden_offered(f);
	f[FID_EPT_POINTER] = EPT12;
	enter_vmx();
	become(f);
	assert_int_equal(execute(EXIT_VMLAUNCH, 0), OUTCOME_L2);
	assert_int_equal(nested_l2_exit(&n, EXIT_CPUID), NESTED_L1);
	restore_l1();
	vept_root_leave(&n);
	for (uint64_t i = 1; i <= vm.vept.roots; i++)
		vept_root_get(&other, (EPT12_PML4 + i * 0x10000) | 0x1e, 0);
	assert_int_equal(execute(EXIT_VMRESUME, 0), OUTCOME_L2);
	assert_true(n.cur->root->eptp12 == EPT12);
	eptp02 = fake_hw.vmcs02[n.cur->hw][FID_EPT_POINTER];
	assert_true(eptp02 == n.cur->root->eptp02);
	vept_check(&vm.vept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_write_with_a_cached_dirty_flag_is_seen),
		T(what_is_written_while_a_page_is_closed_is_seen),
		T(pages_that_devices_write_are_seen),
		T(without_dirty_flags_every_table_is_compared),
		T(flags_that_we_set_cause_no_refill),
		T(a_split_page_stays_when_its_dirty_flag_is_set),
		T(bits_that_mean_nothing_cause_no_refill),
		T(only_cleared_flags_are_taken_up),
		T(only_written_tables_are_compared),
		T(an_invept_with_much_to_do_is_executed_again),
		T(invept_flushes_a_leaf_that_a_fill_has_changed),
		T(invept_flushes_the_roots_that_it_names),
		T(tables_are_flushed_everywhere_before_they_are_used_again),
		T(a_root_that_another_vcpu_uses_stays),
		T(a_root_in_use_can_be_emptied),
		T(an_entry_does_not_use_a_root_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
