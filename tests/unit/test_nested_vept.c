/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual EPT: what EPT02 contains after fills and INVEPT, against an EPT12 in fake memory.
 */
#include "vept_alone.h"

#include "random.h"

#define EPT12_PT2 0x104000ull

static void a_small_page_maps_as_a_small_page(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	assert_int_equal(touch(root, 0x5123, EPT_READ), VEPT_FILLED);
	expect_mapped(root, 0x5000, 0x805000, EPT_RWX, 1);
	expect_unmapped(root, 0x6000);
	assert_int_equal(root->eptp02 & 0xfff, 0x1e);
}

static void a_large_page_maps_as_a_large_page(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	assert_int_equal(touch(root, 0x234567, EPT_EXEC), VEPT_FILLED);
	expect_mapped(root, 0x200000, 0x400000, EPT_RWX, 2);
}

static void a_huge_page_is_split_where_ram_is_contiguous_for_less(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	fake_write64(EPT12_PDPT + 8, 0 | EPT_WB | EPT_LARGE | EPT_READ | EPT_WRITE);
	assert_int_equal(touch(root, 0x40000000 + 0x600000, EPT_WRITE), VEPT_FILLED);
	expect_mapped(root, 0x40000000 + 0x600000, 0x600000, EPT_READ | EPT_WRITE, 2);
	expect_unmapped(root, 0x40000000 + 0x800000);
}

static void an_absent_entry_is_a_violation_with_no_permissions(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	uint64_t q;

	(void)state;
	assert_int_equal(
		vept_handle(&n, root, (struct gpa_l2){0x400000}, EPT_WRITE | 0x180, &q),
		VEPT_VIOLATION);
	assert_int_equal(q, EPT_WRITE | 0x180);
	assert_int_equal(vept_handle(&n, root, (struct gpa_l2){1ull << 48}, EPT_READ, &q),
		VEPT_VIOLATION);
	assert_int_equal(q, EPT_READ);
}

static void permissions_of_all_levels_count(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	uint64_t q;

	(void)state;
	fake_write64(EPT12_PD, EPT12_PT | EPT_READ | EPT_EXEC);
	assert_int_equal(
		vept_handle(&n, root, (struct gpa_l2){0x1000}, EPT_WRITE, &q), VEPT_VIOLATION);
	assert_int_equal(q >> 3 & 7, EPT_READ | EPT_EXEC);
	assert_int_equal(touch(root, 0x1000, EPT_READ), VEPT_FILLED);
	fake_write64(EPT12_PML4, EPT12_PDPT | EPT_READ);
	assert_int_equal(
		vept_handle(&n, root, (struct gpa_l2){0x1000}, EPT_EXEC, &q), VEPT_VIOLATION);
	assert_int_equal(q >> 3 & 7, EPT_READ);
}

static void malformed_entries_are_misconfigurations(void **state)
{
	static const struct {
		uint64_t at, entry;
	} bad[] = {
		{EPT12_PML4, EPT12_PDPT | EPT_WRITE},           /* write without read */
		{EPT12_PML4, EPT12_PDPT | EPT_RWX | EPT_LARGE}, /* reserved in a PML4E */
		{EPT12_PDPT, EPT12_PD | EPT_RWX | 0x20},    /* memory type in a table pointer */
		{EPT12_PD, EPT12_PT | EPT_RWX | BIT64(50)}, /* beyond the physical width */
		{EPT12_PD, 0x400000 | EPT_WB | EPT_LARGE | EPT_RWX |
				   0x1000},                   /* below a large page */
		{EPT12_PT, 0x800000 | (2ull << 3) | EPT_RWX}, /* memory type 2 */
		{EPT12_PT, 0x800000 | (7ull << 3) | EPT_RWX}, /* memory type 7 */
		{EPT12_PT, 0x800000 | EPT_WB | EPT_WRITE |
				   EPT_EXEC}, /* write and execute without read */
	};
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t good = fake_read64(bad[i].at);

		fake_write64(bad[i].at, bad[i].entry);
		assert_int_equal(touch(root, 0x234, EPT_READ), VEPT_MISCONFIG);
		fake_write64(bad[i].at, good);
	}
	assert_int_equal(touch(root, 0x234, EPT_READ), VEPT_FILLED);
}

static void execute_only_needs_the_capability(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	fake_write64(EPT12_PT, 0x800000 | EPT_WB | EPT_EXEC);
	assert_int_equal(touch(root, 0, EPT_EXEC), VEPT_FILLED);
	expect_mapped(root, 0, 0x800000, EPT_EXEC, 1);
	assert_int_equal(touch(root, 0, EPT_READ), VEPT_VIOLATION);
	vm.vept.execute_only = false;
	fake_write64(EPT12_PT + 8, 0x801000 | EPT_WB | EPT_EXEC);
	assert_int_equal(touch(root, 0x1000, EPT_EXEC), VEPT_MISCONFIG);
}

static void a_1g_page_needs_the_capability(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	vm.vept.no_1g = true;
	fake_write64(EPT12_PDPT, EPT_WB | EPT_LARGE | EPT_RWX);
	assert_int_equal(touch(root, 0x234, EPT_READ), VEPT_MISCONFIG);
	vm.vept.no_1g = false;
	assert_int_equal(touch(root, 0x234, EPT_READ), VEPT_FILLED);
}

static void memory_type_and_ipat_are_those_of_l1(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	unsigned level;

	(void)state;
	fake_write64(EPT12_PT, 0x800000 | (1ull << 3) | BIT64(6) | EPT_RWX);
	assert_int_equal(touch(root, 0, EPT_READ), VEPT_FILLED);
	assert_int_equal(walk02(root, 0, &level) & 0x78, (1u << 3) | BIT(6));
}

static void what_is_no_ram_of_l1_is_l0s(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	unsigned level;

	(void)state;
	fake_write64(EPT12_PT, 0xfee00000 | EPT_WB | EPT_RWX);
	assert_int_equal(touch(root, 0x30, EPT_WRITE), VEPT_NO_RAM);
	assert_true(n.no_ram.v == 0xfee00030);
	assert_int_equal(walk02(root, 0, &level), 0);
	fake_write64(EPT12_PT, 0xfee00000 | EPT_WB | EPT_READ);
	vept_invalidate(&n, EPT12);
	assert_int_equal(touch(root, 0x30, EPT_WRITE), VEPT_VIOLATION);
}

#define EPT12_OTHER (EPT12 + 0x20000)

/* As what nobody writes; whatever else is refused comes to L0. */
static void where_nothing_is_ones_are_for_code_and_tables(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	const struct vept_void at = {{0}, {0xfee00000}};
	unsigned level;

	(void)state;
	fake_write64(EPT12_PT, 0xfee00000 | EPT_WB | EPT_RWX);
	assert_true(vept_map_ones(&n, root, &at));
	assert_int_equal(walk02(root, 0, &level) & (EPT_RWX | ~0xfffull), FAKE_VEPT_VOID | 5);
	assert_int_equal(level, 1);
	assert_int_equal(touch(root, 0x30, EPT_WRITE), VEPT_NO_RAM);
	fake_write64(EPT12_PT, 0);
	assert_false(vept_map_ones(&n, root, &at));
}

/* Between the violation and the page of ours L1 may have changed EPT12. */
static void where_memory_has_come_no_page_of_ours_is_mapped(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	const struct vept_void at = {{0x30}, {0xfee00030}};
	unsigned level;

	(void)state;
	fake_write64(EPT12_PT, 0xfee00000 | EPT_WB | EPT_RWX);
	assert_int_equal(touch(root, 0x30, EPT_WRITE), VEPT_NO_RAM);
	fake_write64(EPT12_PT, 0x800000 | EPT_WB | EPT_RWX);
	assert_int_equal(touch(root, 0x30, EPT_WRITE), VEPT_NO_RAM); /* no INVEPT yet */
	assert_false(vept_map_scratch(&n, root, &at));
	assert_int_equal(walk02(root, 0x30, &level), 0);
	assert_int_equal(touch(root, 0x30, EPT_WRITE), VEPT_FILLED);
	assert_int_equal(walk02(root, 0x30, &level) & ~0xfffull, FAKE_HPA_BASE + 0x800000);
}

/* One page of each vCPU, for what L0 does not complete. */
static void what_l2_writes_where_nothing_is_is_not_kept(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0), *other;
	unsigned level;

	(void)state;
	for (uint64_t i = 0; i <= VEPT_SCRATCH_PAGES; i++) {
		fake_write64(EPT12_PT + i * 8, (0xfe000000 + i * 0x1000) | EPT_WB | EPT_RWX);
		assert_true(vept_map_scratch(&n, root,
			&(struct vept_void){{i * 0x1000}, {0xfe000000 + i * 0x1000}}));
		assert_int_equal(walk02(root, i * 0x1000, &level) & (EPT_RWX | ~0xfffull),
			FAKE_VEPT_SCRATCH | EPT_RWX);
		assert_true(
			n.scratch.page[3] == (i % VEPT_SCRATCH_PAGES == 0 ? UINT64_MAX : 7));
		n.scratch.page[3] = 7;
	}
	assert_int_equal(walk02(root, 0, &level), 0);
	fake_write64(EPT12_OTHER & ~0xfffull, EPT12_PDPT | EPT_RWX);
	other = vept_root_get(&n, EPT12_OTHER, 0);
	assert_true(vept_map_scratch(&n, other, &(struct vept_void){{0}, {0xfe000000}}));
	assert_true(n.scratch.page[3] == UINT64_MAX);
	assert_int_equal(walk02(root, VEPT_SCRATCH_PAGES * 0x1000, &level), 0);
	vept_forget(&n);
	assert_int_equal(walk02(other, 0, &level), 0);
}

/* 24.6.8: L1 may name any address. Where L1 uses it for no L2 of that root, it is L0's. */
static void an_apic_access_page_that_is_no_ram_is_a_page_of_ours(void **state)
{
	struct vept_root *plain = vept_root_get(&n, EPT12, 0);
	struct vept_root *apic = vept_root_get(&n, EPT12, 0xfee00000);
	unsigned level;

	(void)state;
	assert_ptr_not_equal(plain, apic);
	fake_write64(EPT12_PT, 0xfee00000 | EPT_WB | EPT_RWX);
	fake_write64(EPT12_PT + 8, 0xfee01000 | EPT_WB | EPT_RWX);
	assert_int_equal(touch(apic, 0x30, EPT_WRITE), VEPT_FILLED);
	assert_int_equal(walk02(apic, 0, &level) & ~0xfffull, FAKE_VEPT_APIC);
	assert_int_equal(touch(apic, 0x1030, EPT_WRITE), VEPT_NO_RAM);
	assert_int_equal(touch(plain, 0x30, EPT_WRITE), VEPT_NO_RAM);
	fake_write64(EPT12_PT, 0);
	vept_invalidate(&n, EPT12);
	assert_int_equal(walk02(apic, 0, &level), 0);
}

static void an_ept12_table_outside_ram_reads_as_ones(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	fake_write64(EPT12_PD, 0x3f00000000 | EPT_RWX);
	assert_int_equal(touch(root, 0, EPT_READ), VEPT_MISCONFIG);
}

static void invept_removes_what_changed(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	touch(root, 0x1000, EPT_READ);
	touch(root, 0x2000, EPT_READ);
	fake_write64(EPT12_PT + 8, 0x900000 | EPT_WB | EPT_RWX);
	expect_mapped(root, 0x1000, 0x801000, EPT_RWX, 1);
	vept_invalidate(&n, EPT12);
	expect_unmapped(root, 0x1000);
	expect_mapped(root, 0x2000, 0x802000, EPT_RWX, 1);
	assert_int_equal(fake_called("flush"), 1);
	assert_int_equal(fake_called("flush and wait"), 0);
	touch(root, 0x1000, EPT_READ);
	expect_mapped(root, 0x1000, 0x900000, EPT_RWX, 1);
}

static void invept_without_a_change_removes_and_flushes_nothing(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	touch(root, 0x1000, EPT_READ);
	touch(root, 0x200000, EPT_READ);
	vept_invalidate_all(&n);
	expect_mapped(root, 0x1000, 0x801000, EPT_RWX, 1);
	expect_mapped(root, 0x200000, 0x400000, EPT_RWX, 2);
	assert_int_equal(fake_called("flush and wait"), 0);
	assert_int_equal(fake_called("flush"), 0);
}

static void invept_does_not_look_at_tables_that_l1_did_not_write(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	touch(root, 0x1000, EPT_READ);
	vept_invalidate(&n, EPT12);
	n.stats.vept_syncs = 0;
	vept_invalidate(&n, EPT12);
	assert_int_equal(n.stats.vept_syncs, 0);
}

static void invept_of_another_root_leaves_what_did_not_change(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	touch(root, 0x1000, EPT_READ);
	touch(root, 0x2000, EPT_READ);
	fake_write64(EPT12_PT + 8, 0x900000 | EPT_WB | EPT_RWX);
	vept_invalidate(&n, 0x200000 | 0x1e);
	expect_mapped(root, 0x2000, 0x802000, EPT_RWX, 1);
}

static void single_context_invept_takes_every_root_of_the_same_tables(void **state)
{
	struct vept_root *a = vept_root_get(&n, EPT12, 0), *b = vept_root_get(&n, EPT12_AD, 0);

	(void)state;
	assert_ptr_not_equal(a, b);
	touch(a, 0x1000, EPT_READ);
	touch(b, 0x1000, EPT_READ);
	fake_write64(EPT12_PT + 8, 0);
	vept_invalidate(&n, EPT12);
	expect_unmapped(a, 0x1000);
	expect_unmapped(b, 0x1000);
}

/* The bug this guards: the first mirror that asked consumed the dirty bit of the page. */
static void every_mirror_of_a_written_table_is_compared(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	fake_write64(EPT12_PD + 16, EPT12_PT | EPT_RWX); /* the same table at a second place */
	touch(root, 0x1000, EPT_READ);
	touch(root, 0x401000, EPT_READ);
	vept_invalidate(&n, EPT12);
	fake_write64(EPT12_PT + 8, 0);
	vept_invalidate(&n, EPT12);
	expect_unmapped(root, 0x1000);
	expect_unmapped(root, 0x401000);
}

static void a_large_page_that_becomes_a_table_is_followed(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	touch(root, 0x200000, EPT_READ);
	fake_write64(EPT12_PT2, 0xa00000 | EPT_WB | EPT_READ);
	fake_write64(EPT12_PD + 8, EPT12_PT2 | EPT_RWX);
	vept_invalidate(&n, EPT12);
	expect_unmapped(root, 0x200000);
	touch(root, 0x200000, EPT_READ);
	expect_mapped(root, 0x200000, 0xa00000, EPT_READ, 1);
	fake_write64(EPT12_PD + 8, 0x400000 | EPT_WB | EPT_LARGE | EPT_RWX);
	vept_invalidate(&n, EPT12);
	touch(root, 0x200000, EPT_WRITE);
	expect_mapped(root, 0x200000, 0x400000, EPT_RWX, 2);
	assert_int_equal(vm.vept.in_use, 3); /* PML4, PDPT, PD: the mirror of PT2 went */
}

static void a_fill_sees_what_l1_changed_without_invept(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	fake_write64(EPT12_PT + 8, 0x801000 | EPT_WB | EPT_READ);
	touch(root, 0x1000, EPT_READ);
	fake_write64(EPT12_PT + 8, 0x801000 | EPT_WB | EPT_READ | EPT_WRITE);
	assert_int_equal(touch(root, 0x1000, EPT_WRITE), VEPT_FILLED);
	expect_mapped(root, 0x1000, 0x801000, EPT_READ | EPT_WRITE, 1);
}

static void accessed_and_dirty_are_set_as_hardware_would(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12_AD, 0);

	(void)state;
	assert_true(root->eptp02 & EPTP_AD);
	touch(root, 0x3000, EPT_READ);
	assert_true(fake_read64(EPT12_PML4) & EPT_ACCESSED);
	assert_true(fake_read64(EPT12_PDPT) & EPT_ACCESSED);
	assert_true(fake_read64(EPT12_PD) & EPT_ACCESSED);
	assert_int_equal(fake_read64(EPT12_PT + 24) & (EPT_ACCESSED | EPT_DIRTY), EPT_ACCESSED);
	expect_mapped(root, 0x3000, 0x803000, EPT_READ | EPT_EXEC, 1);
	assert_int_equal(touch(root, 0x3000, EPT_WRITE), VEPT_FILLED);
	assert_int_equal(fake_read64(EPT12_PT + 24) & (EPT_ACCESSED | EPT_DIRTY),
		EPT_ACCESSED | EPT_DIRTY);
	expect_mapped(root, 0x3000, 0x803000, EPT_RWX, 1);
}

static void without_a_d_bits_ept12_is_not_written(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	touch(root, 0x3000, EPT_WRITE);
	assert_int_equal(fake.writes, 0);
	assert_int_equal(fake_read64(EPT12_PT + 24) & (EPT_ACCESSED | EPT_DIRTY), 0);
}

static void clearing_dirty_takes_write_access_away_at_invept(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12_AD, 0);

	(void)state;
	touch(root, 0x3000, EPT_WRITE);
	fake_write64(EPT12_PT + 24, fake_read64(EPT12_PT + 24) & ~EPT_DIRTY);
	vept_invalidate(&n, EPT12_AD);
	expect_unmapped(root, 0x3000);
	touch(root, 0x3000, EPT_READ);
	expect_mapped(root, 0x3000, 0x803000, EPT_READ | EPT_EXEC, 1);
}

static void roots_are_cached_and_the_oldest_goes(void **state)
{
	struct vept_root *first = vept_root_get(&n, EPT12, 0), *second;
	uint32_t generation = first->generation;

	(void)state;
	second = vept_root_get(&n, (EPT12_PML4 + 0x10000) | 0x1e, 0);
	assert_ptr_equal(vept_root_get(&n, EPT12, 0), first);
	vept_root_get(&n, (EPT12_PML4 + 0x10000) | 0x1e, 0);
	for (uint64_t i = 2; i <= vm.vept.roots; i++)
		vept_root_get(&n, (EPT12_PML4 + i * 0x10000) | 0x1e, 0);
	assert_false(vept_root_reuse(&n, first, generation));
	assert_true(vept_root_reuse(&n, second, second->generation));
	assert_int_equal(vm.vept.in_use, vm.vept.roots);
}

/* Each vCPU may run an L2 of its own: no root that is in use goes. */
static void a_vm_with_many_vcpus_has_a_root_for_each(void **state)
{
	struct vept_root *first;
	uint32_t generation;

	(void)state;
	vm.vept.vcpus = 32;
	vept_init(&vm.vept);
	assert_int_equal(vm.vept.roots, 32 + VEPT_SPARE);
	first = vept_root_get(&n, EPT12, 0);
	generation = first->generation;
	for (n.vcpu = 1; n.vcpu < 31; n.vcpu++)
		vept_root_get(&n, (EPT12_PML4 + n.vcpu * 0x10000ull) | 0x1e, 0);
	for (uint64_t i = 0; i < 2 * VEPT_SPARE; i++)
		vept_root_get(&n, (EPT12_PML4 + (100 + i) * 0x10000) | 0x1e, 0);
	n.vcpu = 0;
	assert_true(vept_root_reuse(&n, first, generation));
	vm.vept.vcpus = 0;
}

static void running_out_of_tables_never_fails(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	/* Every 512 GiB part needs its own tables of all levels. */
	for (uint64_t i = 0; i < 300; i++) {
		uint64_t gpa = i << 39;

		fake_write64(EPT12_PML4 + i * 8, EPT12_PDPT | EPT_RWX);
		assert_int_equal(touch(root, gpa, EPT_READ), VEPT_FILLED);
		expect_mapped(root, gpa, 0x800000, EPT_RWX, 1);
		assert_true(vm.vept.in_use <= TABLES);
	}
}

static void nothing_leaks_over_random_use(void **state)
{
	struct vept_root *roots[3];
	uint64_t seed = 12345;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t x = (uint32_t)random_next(&seed);
		uint64_t gpa = (uint64_t)(x >> 8 & 0x3ff) << 12;

		for (unsigned k = 0; k < 3; k++)
			roots[k] = vept_root_get(&n, EPT12 + k * 0x100000, 0);
		switch (x >> 28) {
		case 0:
			fake_write64(EPT12_PT + (x >> 8 & 511) * 8,
				(x & 1) ? 0x900000 | EPT_WB | EPT_RWX : 0);
			break;
		case 1:
			vept_invalidate(&n, EPT12);
			break;
		case 2:
			fake_write64(EPT12_PD + 8,
				(x & 1) ? EPT12_PT2 | EPT_RWX
					: 0x400000 | EPT_WB | EPT_LARGE | EPT_RWX);
			break;
		default:
			touch(roots[0], gpa, x & 7 ? x & 7 : 1);
			break;
		}
	}
	for (uint64_t i = 1; i <= vm.vept.roots; i++)
		vept_root_get(&n, (EPT12_PML4 + i * 0x1000000) | 0x1e, 0);
	for (unsigned i = 0; i < TABLES; i++)
		vept_invalidate_all(&n);
	assert_int_equal(vm.vept.in_use, vm.vept.roots);
}

/* What L1 says of its memory is heard only where a device could pass by the caches. */
static void memory_is_write_back_where_no_device_passes_by_caches(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	uint64_t type = EPT_MEMTYPE | EPT_IPAT;

	(void)state;
	fake_write64(PTE(1), TARGET | EPT_TYPE(MEMTYPE_UC) | EPT_RWX);
	touch(root, 0x1000, EPT_READ);
	assert_true((ept02_leaf(&vm.vept, root, 0x1000) & type) == EPT_TYPE(MEMTYPE_UC));
	vm.vept.write_back = true;
	fake_write64(PTE(2), TARGET | EPT_TYPE(MEMTYPE_UC) | EPT_READ);
	fake_write64(PTE(3), FAKE_DEVICE | EPT_WB | EPT_IPAT | EPT_RWX);
	touch(root, 0x2000, EPT_READ);
	assert_true((ept02_leaf(&vm.vept, root, 0x2000) & (type | EPT_RWX)) ==
		    (EPT_WB | EPT_IPAT | EPT_READ));
	touch(root, 0x3000, EPT_READ);
	assert_true((ept02_leaf(&vm.vept, root, 0x3000) & EPT_MEMTYPE) == EPT_TYPE(MEMTYPE_UC));
	vept_forget(&n); /* the model knows nothing of it */
}

/* A machine check told of the page: who asks for it gets nothing, nobody else reads it. */
static void after_forgetting_l1s_top_table_is_looked_for_again(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	assert_int_equal(touch(root, 0x5123, EPT_READ), VEPT_FILLED);
	fake.gone = EPT12_PML4;
	vept_forget(&n);
	expect_unmapped(root, 0x5000);
	assert_int_not_equal(touch(root, 0x5123, EPT_READ), VEPT_FILLED);
	expect_unmapped(root, 0x5000);
	model_invept_all(&n);
	fake.gone = 0;
	assert_int_equal(touch(root, 0x5123, EPT_READ), VEPT_FILLED);
	fake_write64(EPT12_PML4, 0);
	model_invept_all(&n);
	expect_unmapped(root, 0x5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_small_page_maps_as_a_small_page),
		T(a_large_page_maps_as_a_large_page),
		T(a_huge_page_is_split_where_ram_is_contiguous_for_less),
		T(an_absent_entry_is_a_violation_with_no_permissions),
		T(permissions_of_all_levels_count),
		T(malformed_entries_are_misconfigurations),
		T(execute_only_needs_the_capability),
		T(a_1g_page_needs_the_capability),
		T(memory_type_and_ipat_are_those_of_l1),
		T(what_is_no_ram_of_l1_is_l0s),
		T(where_nothing_is_ones_are_for_code_and_tables),
		T(where_memory_has_come_no_page_of_ours_is_mapped),
		T(what_l2_writes_where_nothing_is_is_not_kept),
		T(an_apic_access_page_that_is_no_ram_is_a_page_of_ours),
		T(an_ept12_table_outside_ram_reads_as_ones),
		T(invept_removes_what_changed),
		T(invept_without_a_change_removes_and_flushes_nothing),
		T(invept_does_not_look_at_tables_that_l1_did_not_write),
		T(invept_of_another_root_leaves_what_did_not_change),
		T(single_context_invept_takes_every_root_of_the_same_tables),
		T(every_mirror_of_a_written_table_is_compared),
		T(a_large_page_that_becomes_a_table_is_followed),
		T(a_fill_sees_what_l1_changed_without_invept),
		T(accessed_and_dirty_are_set_as_hardware_would),
		T(without_a_d_bits_ept12_is_not_written),
		T(clearing_dirty_takes_write_access_away_at_invept),
		T(roots_are_cached_and_the_oldest_goes),
		T(a_vm_with_many_vcpus_has_a_root_for_each),
		T(memory_is_write_back_where_no_device_passes_by_caches),
		T(running_out_of_tables_never_fails),
		T(nothing_leaks_over_random_use),
		T(after_forgetting_l1s_top_table_is_looked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
