/*
 * Virtual EPT: what EPT02 contains after fills and INVEPT, against an EPT12 in fake memory.
 */
#include "fake_seam.h"

#include <stdlib.h>

#include "fake_caps.h"
#include "nested/vept.h"
#include "random.h"
#include "vept_invariants.h"
#include "vept_model.h"

#define TABLES       64u
#define PML4         0x100000ull
#define PDPT         0x101000ull
#define PD           0x102000ull
#define PT           0x103000ull
#define PT2          0x104000ull
#define EPTP         (PML4 | 0x18 | 6)
#define EPTP_WITH_AD (EPTP | EPTP_AD)
#define LEAF         (6ull << 3)
#define R            1ull
#define W            2ull
#define X            4ull
#define RWX          7ull
#define LARGE        BIT64(7)
#define A            BIT64(8)
#define D            BIT64(9)
#define VOID_HPA     0x7000ull

static struct nested n;
static struct nested_vm vm;

static int setup(void **state)
{
	(void)state;
	fake_seam_reset();
	memset(&n, 0, sizeof(n));
	memset(&vm, 0, sizeof(vm));
	n.vm = &vm;
	vm.vept.pages = aligned_alloc(4096, TABLES * sizeof(struct vept_pages));
	vm.vept.books = malloc(vept_books_size(TABLES));
	vm.vept.count = TABLES;
	vm.vept.pages_hpa = 0x40000000;
	vm.vept.void_hpa = VOID_HPA;
	vm.vept.maxphyaddr = 46;
	vm.vept.execute_only = true;
	vept_init(&vm.vept);
	/* 0 to 2 MiB by 4 KiB pages in PT, 2 to 4 MiB by one page */
	fake_write64(PML4, PDPT | RWX);
	fake_write64(PDPT, PD | RWX);
	fake_write64(PD, PT | RWX);
	fake_write64(PD + 8, 0x400000 | LEAF | LARGE | RWX);
	for (uint64_t i = 0; i < 512; i++)
		fake_write64(PT + i * 8, (0x800000 + i * PAGE_SIZE) | LEAF | RWX);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vept_check(&vm.vept);
	model_invept_all(&n);
	free(vm.vept.pages);
	free(vm.vept.books);
	return 0;
}

static enum vept_result touch(struct vept_root *root, uint64_t gpa, uint64_t access)
{
	uint64_t qualification;

	return vept_handle(&n, root, (struct gpa_l2){gpa}, access, &qualification);
}

/* Walks EPT02 as hardware would: the leaf entry, or 0; *level is its level. */
static uint64_t walk02(const struct vept_root *root, uint64_t gpa, unsigned *level)
{
	uint64_t hpa = root->eptp02 & ~0xfffull;

	for (*level = 4;; --*level) {
		uint64_t t = (hpa - vm.vept.pages_hpa) / sizeof(struct vept_pages);
		uint64_t e;

		assert_in_range(t, 0, TABLES - 1);
		assert_true(vm.vept.table[t].in_use);
		assert_int_equal(vm.vept.table[t].level, *level);
		e = vm.vept.pages[t].entry[gpa >> (12 + 9 * (*level - 1)) & 511];
		if (!(e & RWX))
			return 0;
		if (*level == 1 || (e & LARGE))
			return e;
		hpa = e & 0xffffffffff000ull;
	}
}

static void expect_mapped(const struct vept_root *root, uint64_t gpa, uint64_t l1,
	uint64_t perms, unsigned want_level)
{
	unsigned level;
	uint64_t e = walk02(root, gpa, &level);
	uint64_t offset = (1ull << (12 + 9 * (level - 1))) - 1;

	assert_int_equal(level, want_level);
	assert_int_equal(
		(e & 0xffffffffff000ull & ~offset) + (gpa & offset), FAKE_HPA_BASE + l1);
	assert_int_equal(e & RWX, perms);
}

static void expect_unmapped(const struct vept_root *root, uint64_t gpa)
{
	unsigned level;

	assert_int_equal(walk02(root, gpa, &level), 0);
}

static void a_small_page_maps_as_a_small_page(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	assert_int_equal(touch(root, 0x5123, R), VEPT_FILLED);
	expect_mapped(root, 0x5000, 0x805000, RWX, 1);
	expect_unmapped(root, 0x6000);
	assert_int_equal(root->eptp02 & 0xfff, 0x1e);
}

static void a_large_page_maps_as_a_large_page(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	assert_int_equal(touch(root, 0x234567, X), VEPT_FILLED);
	expect_mapped(root, 0x200000, 0x400000, RWX, 2);
}

static void a_huge_page_is_split_where_ram_is_contiguous_for_less(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	fake_write64(PDPT + 8, 0 | LEAF | LARGE | R | W);
	assert_int_equal(touch(root, 0x40000000 + 0x600000, W), VEPT_FILLED);
	expect_mapped(root, 0x40000000 + 0x600000, 0x600000, R | W, 2);
	expect_unmapped(root, 0x40000000 + 0x800000);
}

static void an_absent_entry_is_a_violation_with_no_permissions(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);
	uint64_t q;

	(void)state;
	assert_int_equal(vept_handle(&n, root, (struct gpa_l2){0x400000}, W | 0x180, &q),
		VEPT_VIOLATION);
	assert_int_equal(q, W | 0x180);
	assert_int_equal(
		vept_handle(&n, root, (struct gpa_l2){1ull << 48}, R, &q), VEPT_VIOLATION);
	assert_int_equal(q, R);
}

static void permissions_of_all_levels_count(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);
	uint64_t q;

	(void)state;
	fake_write64(PD, PT | R | X);
	assert_int_equal(vept_handle(&n, root, (struct gpa_l2){0x1000}, W, &q), VEPT_VIOLATION);
	assert_int_equal(q >> 3 & 7, R | X);
	assert_int_equal(touch(root, 0x1000, R), VEPT_FILLED);
	fake_write64(PML4, PDPT | R);
	assert_int_equal(vept_handle(&n, root, (struct gpa_l2){0x1000}, X, &q), VEPT_VIOLATION);
	assert_int_equal(q >> 3 & 7, R);
}

static void malformed_entries_are_misconfigurations(void **state)
{
	static const struct {
		uint64_t at, entry;
	} bad[] = {
		{PML4, PDPT | W},           /* write without read */
		{PML4, PDPT | RWX | LARGE}, /* reserved in a PML4E */
		{PDPT, PD | RWX | 0x20},    /* memory type in a table pointer */
		{PD, PT | RWX | BIT64(50)}, /* beyond the physical width */
		{PD, 0x400000 | LEAF | LARGE | RWX | 0x1000}, /* below a large page */
		{PT, 0x800000 | (2ull << 3) | RWX},           /* memory type 2 */
		{PT, 0x800000 | (7ull << 3) | RWX},           /* memory type 7 */
		{PT, 0x800000 | LEAF | W | X}, /* write and execute without read */
	};
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t good = fake_read64(bad[i].at);

		fake_write64(bad[i].at, bad[i].entry);
		assert_int_equal(touch(root, 0x234, R), VEPT_MISCONFIG);
		fake_write64(bad[i].at, good);
	}
	assert_int_equal(touch(root, 0x234, R), VEPT_FILLED);
}

static void execute_only_needs_the_capability(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	fake_write64(PT, 0x800000 | LEAF | X);
	assert_int_equal(touch(root, 0, X), VEPT_FILLED);
	expect_mapped(root, 0, 0x800000, X, 1);
	assert_int_equal(touch(root, 0, R), VEPT_VIOLATION);
	vm.vept.execute_only = false;
	fake_write64(PT + 8, 0x801000 | LEAF | X);
	assert_int_equal(touch(root, 0x1000, X), VEPT_MISCONFIG);
}

static void memory_type_and_ipat_are_those_of_l1(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);
	unsigned level;

	(void)state;
	fake_write64(PT, 0x800000 | (1ull << 3) | BIT64(6) | RWX);
	assert_int_equal(touch(root, 0, R), VEPT_FILLED);
	assert_int_equal(walk02(root, 0, &level) & 0x78, (1u << 3) | BIT(6));
}

static void what_is_no_ram_of_l1_maps_the_void_page(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);
	unsigned level;

	(void)state;
	fake_write64(PT, 0xfee00000 | LEAF | RWX);
	assert_int_equal(touch(root, 0, R), VEPT_FILLED);
	assert_int_equal(walk02(root, 0, &level) & ~0xfffull, VOID_HPA);
	assert_int_equal(level, 1);
}

static void an_ept12_table_outside_ram_reads_as_ones(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	fake_write64(PD, 0x3f00000000 | RWX);
	assert_int_equal(touch(root, 0, R), VEPT_MISCONFIG);
}

static void invept_removes_what_changed(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	touch(root, 0x1000, R);
	touch(root, 0x2000, R);
	fake_write64(PT + 8, 0x900000 | LEAF | RWX);
	expect_mapped(root, 0x1000, 0x801000, RWX, 1);
	vept_invalidate(&n, EPTP);
	expect_unmapped(root, 0x1000);
	expect_mapped(root, 0x2000, 0x802000, RWX, 1);
	assert_int_equal(fake_called("flush"), 1);
	assert_int_equal(fake_called("flush and wait"), 0);
	touch(root, 0x1000, R);
	expect_mapped(root, 0x1000, 0x900000, RWX, 1);
}

static void invept_without_a_change_removes_and_flushes_nothing(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	touch(root, 0x1000, R);
	touch(root, 0x200000, R);
	vept_invalidate_all(&n);
	expect_mapped(root, 0x1000, 0x801000, RWX, 1);
	expect_mapped(root, 0x200000, 0x400000, RWX, 2);
	assert_int_equal(fake_called("flush and wait"), 0);
	assert_int_equal(fake_called("flush"), 0);
}

static void invept_does_not_look_at_tables_that_l1_did_not_write(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	touch(root, 0x1000, R);
	vept_invalidate(&n, EPTP);
	n.stats.vept_syncs = 0;
	vept_invalidate(&n, EPTP);
	assert_int_equal(n.stats.vept_syncs, 0);
}

static void invept_of_another_root_leaves_what_did_not_change(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	touch(root, 0x1000, R);
	touch(root, 0x2000, R);
	fake_write64(PT + 8, 0x900000 | LEAF | RWX);
	vept_invalidate(&n, 0x200000 | 0x1e);
	expect_mapped(root, 0x2000, 0x802000, RWX, 1);
}

static void single_context_invept_takes_every_root_of_the_same_tables(void **state)
{
	struct vept_root *a = vept_root_get(&n, EPTP), *b = vept_root_get(&n, EPTP_WITH_AD);

	(void)state;
	assert_ptr_not_equal(a, b);
	touch(a, 0x1000, R);
	touch(b, 0x1000, R);
	fake_write64(PT + 8, 0);
	vept_invalidate(&n, EPTP);
	expect_unmapped(a, 0x1000);
	expect_unmapped(b, 0x1000);
}

/* The bug this guards: the first mirror that asked consumed the dirty bit of the page. */
static void every_mirror_of_a_written_table_is_compared(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	fake_write64(PD + 16, PT | RWX); /* the same table at a second place */
	touch(root, 0x1000, R);
	touch(root, 0x401000, R);
	vept_invalidate(&n, EPTP);
	fake_write64(PT + 8, 0);
	vept_invalidate(&n, EPTP);
	expect_unmapped(root, 0x1000);
	expect_unmapped(root, 0x401000);
}

static void a_large_page_that_becomes_a_table_is_followed(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	touch(root, 0x200000, R);
	fake_write64(PT2, 0xa00000 | LEAF | R);
	fake_write64(PD + 8, PT2 | RWX);
	vept_invalidate(&n, EPTP);
	expect_unmapped(root, 0x200000);
	touch(root, 0x200000, R);
	expect_mapped(root, 0x200000, 0xa00000, R, 1);
	fake_write64(PD + 8, 0x400000 | LEAF | LARGE | RWX);
	vept_invalidate(&n, EPTP);
	touch(root, 0x200000, W);
	expect_mapped(root, 0x200000, 0x400000, RWX, 2);
	assert_int_equal(vm.vept.in_use, 3); /* PML4, PDPT, PD: the mirror of PT2 went */
}

static void a_fill_sees_what_l1_changed_without_invept(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	fake_write64(PT + 8, 0x801000 | LEAF | R);
	touch(root, 0x1000, R);
	fake_write64(PT + 8, 0x801000 | LEAF | R | W);
	assert_int_equal(touch(root, 0x1000, W), VEPT_FILLED);
	expect_mapped(root, 0x1000, 0x801000, R | W, 1);
}

static void accessed_and_dirty_are_set_as_hardware_would(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP_WITH_AD);

	(void)state;
	assert_true(root->eptp02 & EPTP_AD);
	touch(root, 0x3000, R);
	assert_true(fake_read64(PML4) & A);
	assert_true(fake_read64(PDPT) & A);
	assert_true(fake_read64(PD) & A);
	assert_int_equal(fake_read64(PT + 24) & (A | D), A);
	expect_mapped(root, 0x3000, 0x803000, R | X, 1);
	assert_int_equal(touch(root, 0x3000, W), VEPT_FILLED);
	assert_int_equal(fake_read64(PT + 24) & (A | D), A | D);
	expect_mapped(root, 0x3000, 0x803000, RWX, 1);
}

static void without_a_d_bits_ept12_is_not_written(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	touch(root, 0x3000, W);
	assert_int_equal(fake.writes, 0);
	assert_int_equal(fake_read64(PT + 24) & (A | D), 0);
}

static void clearing_dirty_takes_write_access_away_at_invept(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP_WITH_AD);

	(void)state;
	touch(root, 0x3000, W);
	fake_write64(PT + 24, fake_read64(PT + 24) & ~D);
	vept_invalidate(&n, EPTP_WITH_AD);
	expect_unmapped(root, 0x3000);
	touch(root, 0x3000, R);
	expect_mapped(root, 0x3000, 0x803000, R | X, 1);
}

static void roots_are_cached_and_the_oldest_goes(void **state)
{
	struct vept_root *first = vept_root_get(&n, EPTP), *second;
	uint32_t generation = first->generation;

	(void)state;
	second = vept_root_get(&n, (PML4 + 0x10000) | 0x1e);
	assert_ptr_equal(vept_root_get(&n, EPTP), first);
	vept_root_get(&n, (PML4 + 0x10000) | 0x1e);
	for (uint64_t i = 2; i <= VEPT_ROOTS; i++)
		vept_root_get(&n, (PML4 + i * 0x10000) | 0x1e);
	assert_false(vept_root_reuse(&n, first, generation));
	assert_true(vept_root_reuse(&n, second, second->generation));
	assert_int_equal(vm.vept.in_use, VEPT_ROOTS);
}

static void running_out_of_tables_never_fails(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPTP);

	(void)state;
	/* Every 512 GiB part needs its own tables of all levels. */
	for (uint64_t i = 0; i < 300; i++) {
		uint64_t gpa = i << 39;

		fake_write64(PML4 + i * 8, PDPT | RWX);
		assert_int_equal(touch(root, gpa, R), VEPT_FILLED);
		expect_mapped(root, gpa, 0x800000, RWX, 1);
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
			roots[k] = vept_root_get(&n, EPTP + k * 0x100000);
		switch (x >> 28) {
		case 0:
			fake_write64(
				PT + (x >> 8 & 511) * 8, (x & 1) ? 0x900000 | LEAF | RWX : 0);
			break;
		case 1:
			vept_invalidate(&n, EPTP);
			break;
		case 2:
			fake_write64(
				PD + 8, (x & 1) ? PT2 | RWX : 0x400000 | LEAF | LARGE | RWX);
			break;
		default:
			touch(roots[0], gpa, x & 7 ? x & 7 : 1);
			break;
		}
	}
	for (uint64_t i = 1; i <= VEPT_ROOTS; i++)
		vept_root_get(&n, (PML4 + i * 0x1000000) | 0x1e);
	for (unsigned i = 0; i < TABLES; i++)
		vept_invalidate_all(&n);
	assert_int_equal(vm.vept.in_use, VEPT_ROOTS);
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
		T(memory_type_and_ipat_are_those_of_l1),
		T(what_is_no_ram_of_l1_maps_the_void_page),
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
		T(running_out_of_tables_never_fails),
		T(nothing_leaks_over_random_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
