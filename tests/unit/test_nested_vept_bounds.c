/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much virtual EPT does in one exit, whatever L1 has made it remember. Steps are branches
 * of vept*.c that run, counted by the compiler's instrumentation: no time, and no counter of
 * ours.
 */
#define FAKE_RAM_SIZE (160u << 20)

#include "fake_seam.h"

#include "fake_vept.h"
#include "nested/vept.h"
#include "vept_invariants.h"
#include "vept_model.h"

#define PML4       0x100000ull
#define EPTP       (PML4 | 0x1e)
#define PDPT       0x101000ull
#define PD         0x102000ull
#define PT         0x103000ull
#define MANY_PAGES 0x1000000ull /* EPT12 tables that are all different */
#define FEW        5000u        /* tables of EPT02 */
#define MANY       10000u
#define HUGE       200000u /* for 312 GiB of RAM */
#define SPARE      600u
#define PIECES     1000u

static struct nested n;
static struct nested_vm vm;
static uint64_t steps;
static bool counting;

/* Called by the compiler. */
void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop);
void __sanitizer_cov_trace_pc_guard(uint32_t *guard);

void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop)
{
	(void)start;
	(void)stop;
}

void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	(void)guard;
	steps += counting;
}

static void start(uint32_t tables)
{
	fake_seam_reset();
	model_forget();
	memset(&n, 0, sizeof(n));
	memset(&vm, 0, sizeof(vm));
	n.vm = &vm;
	fake_vept_alloc(&vm.vept, tables);
	vept_init(&vm.vept);
	fake_write64(PML4, PDPT | 7);
	for (uint64_t i = 0; i < 512; i++) {
		fake_write64(PDPT + i * 8, PD | 7);
		fake_write64(PD + i * 8, PT | 7);
		fake_write64(PT + i * 8, (0x800000 + i * PAGE_SIZE) | EPT_WB | 7);
	}
}

static void finish(void)
{
	fake_vept_free(&vm.vept);
}

static enum vept_result touch(uint64_t gpa)
{
	uint64_t q;

	return vept_handle(&n, vept_root_get(&n, EPTP, 0), (struct gpa_l2){gpa}, 1, &q);
}

/* One piece of INVEPT; the most steps so far are in *most. */
static bool invept(uint64_t *most)
{
	bool done;

	steps = 0;
	counting = true;
	done = vept_invalidate_all(&n);
	counting = false;
	if (steps > *most)
		*most = steps;
	return done;
}

/* INVEPT until it is complete; the number of pieces. */
static unsigned invept_all(uint64_t *most)
{
	unsigned pieces = 1;

	for (; !invept(most); pieces++)
		assert_true(pieces < PIECES);
	return pieces;
}

/* All of EPT02's tables are mirrors of one page of EPT12, and clean. */
static void fill_with_mirrors_of_one_page(uint32_t tables)
{
	uint64_t most = 0;

	start(tables);
	for (uint32_t i = 0; i < tables - SPARE; i++)
		assert_int_equal(touch((uint64_t)i << 21), VEPT_FILLED);
	invept_all(&most);
}

static uint64_t steps_of_taking_all_away(uint32_t tables)
{
	uint64_t most = 0;

	fill_with_mirrors_of_one_page(tables);
	fake_write64(PML4, 0);
	assert_int_equal(invept_all(&most), 1);
	assert_int_equal(touch(0), VEPT_VIOLATION);
	vept_check(&vm.vept);
	model_check(&vm.vept);
	finish();
	return most;
}

/* The bug this guards: quadratic time for mirrors of one page. */
static void taking_a_root_away_takes_as_long_for_many_tables_as_for_few(void **state)
{
	uint64_t few = steps_of_taking_all_away(FEW), many = steps_of_taking_all_away(HUGE);

	(void)state;
	/* Of the eight that are freed at once, that of level 3 has 391 entries instead of 9. */
	assert_in_range(many, 1, few + few / 10 + 512 * 10);
}

/* What was cut off is freed in pieces, of constant size, and all of it. */
static void what_is_gone_is_freed_by_and_by(void **state)
{
	uint64_t most = 0;
	uint32_t before;

	(void)state;
	fill_with_mirrors_of_one_page(MANY);
	fake_write64(PML4, 0);
	invept_all(&most);
	before = vm.vept.in_use;
	assert_true(before > MANY - 2 * SPARE);
	most = 0;
	for (unsigned i = 0; i < MANY && vm.vept.in_use > 1; i++) {
		uint32_t in_use = vm.vept.in_use;

		invept(&most);
		assert_in_range(in_use - vm.vept.in_use, 1, 8);
	}
	assert_int_equal(vm.vept.in_use, 1);
	assert_in_range(most, 1, 8 * 512 * 20);
	vept_check(&vm.vept);
	finish();
}

/* A page with many mirrors was written: pieces, each of the same size. */
static void comparing_many_mirrors_is_cut_into_pieces(void **state)
{
	uint64_t few = 0, many = 0;
	unsigned pieces;

	(void)state;
	fill_with_mirrors_of_one_page(FEW);
	fake_write64(PT, 0);
	invept_all(&few);
	finish();
	fill_with_mirrors_of_one_page(HUGE);
	fake_write64(PT, 0);
	n.stats.vept_syncs = 0;
	pieces = invept_all(&many);
	assert_in_range(n.stats.vept_syncs, HUGE - SPARE - 3, HUGE);
	assert_in_range(pieces, n.stats.vept_syncs / 256, n.stats.vept_syncs / 256 + 2);
	/* but for the watched pages, of which there are four */
	assert_in_range(many, 1, few + few / 10);
	model_check(&vm.vept);
	finish();
}

/* L2 has used a page of the i-th of so many EPT12 tables that are all different. */
static void use_table(uint64_t i, unsigned pages)
{
	uint64_t pd = MANY_PAGES + (pages + i / 512) * PAGE_SIZE;
	uint64_t pt = MANY_PAGES + i * PAGE_SIZE;

	fake_write64(PDPT + i / 512 * 8, pd | 7);
	fake_write64(pd + i % 512 * 8, pt | 7);
	fake_write64(pt, 0x800000 | EPT_WB | 7);
	assert_int_equal(touch(i << 21), VEPT_FILLED);
}

/* Many pages, all different, all written. */
static void finding_many_written_pages_is_cut_into_pieces(void **state)
{
	const unsigned pages = 2000;
	uint64_t clean = 0, most = 0, gone = 0;

	(void)state;
	start(MANY);
	for (uint64_t i = 0; i < pages; i++)
		use_table(i, pages);
	assert_in_range(invept_all(&most), pages / 256, pages / 256 * 2 + 2);
	assert_int_equal(invept_all(&clean), 1);
	assert_in_range(clean, pages, pages * 6); /* a look at each page */
	for (uint64_t i = 0; i < pages; i++)
		fake_write64(MANY_PAGES + i * PAGE_SIZE, 0);
	most = 0;
	assert_true(invept_all(&most) > pages / 256);
	/* each piece compares 256 tables of one entry, and looks at the pages */
	assert_in_range(most, 1, clean + 256 * 120);
	model_check(&vm.vept);
	fake_write64(PML4, 0);
	assert_int_equal(invept_all(&gone), 1);
	finish();
}

static void open_page(uint64_t gpa)
{
	vept_open_table(&n, (struct gpa_l1){gpa});
}

/* What INVEPT costs that finds nothing, with so many pages that are all different. */
static uint64_t steps_of_looking(unsigned pages)
{
	uint64_t most = 0, clean = 0;

	start(HUGE);
	fake.refused = open_page;
	for (uint64_t i = 0; i < pages; i++)
		use_table(i, pages);
	invept_all(&most);
	assert_int_equal(invept_all(&clean), 1);
	assert_true(vm.vept.watch_count > pages);
	return clean;
}

/* INVEPT looks at no more words than with 32,768 pages, and what L1 writes is seen as ever. */
static void the_look_at_pages_does_not_grow_with_them(void **state)
{
	const unsigned few = 8000, many = 36000;
	uint64_t less, most = 0, clean;

	(void)state;
	less = steps_of_looking(few);
	finish();
	clean = steps_of_looking(many);
	assert_in_range(vm.vept.open, VEPT_OPEN - 256, VEPT_OPEN);
	assert_in_range(clean, VEPT_OPEN, less * VEPT_OPEN / few);
	for (uint64_t i = 0; i < many; i += 1000)
		fake_write64(MANY_PAGES + i * PAGE_SIZE, 0);
	n.stats.vept_zaps = 0;
	assert_in_range(invept_all(&most), 1, 4);
	assert_int_equal(n.stats.vept_zaps, many / 1000);
	assert_in_range(most, 1, clean + 512 * 120);
	model_check(&vm.vept);
	vept_check(&vm.vept);
	finish();
}

/* Closing pages is a piece of work, too, however many there are: of one new table. */
static void a_new_page_closes_no_more_than_some(void **state)
{
	const unsigned pages = 6000;
	uint64_t most = 0;

	(void)state;
	start(MANY);
	fake.refused = open_page;
	vm.vept.open_max = 3000;
	for (uint64_t i = 0; i < pages; i++) {
		use_table(i, pages);
		if (i == 4200) /* so many more are on record */
			fake.call_count = 0;
		counting = i > 4000;
		steps = 0;
		open_page(MANY_PAGES + i * 7 % 4000 * PAGE_SIZE);
		counting = false;
		most = steps > most ? steps : most;
	}
	assert_in_range(most, 256, 256 * 20);
	assert_in_range(vm.vept.open, 3000 - 256, 3000);
	assert_in_range(fake_called("settle"), 7, 20);
	vept_check(&vm.vept);
	finish();
}

static void write_all_pages(void)
{
	for (uint32_t i = 0; i < vm.vept.watch_count; i++)
		*vm.vept.scan[i].word |= FAKE_WRITTEN;
}

/*
 * Another vCPU writes everything again before each piece: INVEPT ends, and nothing old is left.
 */
static void invept_ends_under_an_l1_that_writes_all_the_time(void **state)
{
	uint64_t most = 0;
	unsigned pieces = 0;
	bool done = false;

	(void)state;
	fill_with_mirrors_of_one_page(FEW);
	fake_write64(PT, 0);
	while (!done) {
		write_all_pages();
		done = invept(&most);
		assert_true(++pieces < PIECES);
	}
	/* what would do if L1 did not write: 128 to find all pages, a try for 256 tables */
	assert_in_range(pieces, 128 + FEW / 256, 130 + FEW / 256);
	model_check(&vm.vept);
	vept_check(&vm.vept);
	finish();
}

/* No dirty flags, more pages than one piece can take for written: the roots concerned are
 * emptied. */
static void without_dirty_flags_many_pages_cost_no_more_than_few(void **state)
{
	uint64_t most = 0;

	(void)state;
	start(MANY);
	fake_hw.no_written = true;
	for (uint64_t i = 0; i < 512; i++) {
		fake_write64(PD + i * 8, (MANY_PAGES + i * PAGE_SIZE) | 7);
		fake_write64(MANY_PAGES + i * PAGE_SIZE, 0x800000 | EPT_WB | 7);
		assert_int_equal(touch(i << 21), VEPT_FILLED);
	}
	fake_write64(MANY_PAGES, 0);
	assert_true(invept_all(&most) <= 3);
	model_check(&vm.vept);
	vept_check(&vm.vept);
	finish();
}

/* L1 chooses its pages so that they meet in one bucket: not more than 512 can. */
static void pages_chosen_to_collide_are_found_in_bounded_time(void **state)
{
	uint32_t tables = FAKE_RAM_SIZE / (2u << 20), longest = 0;

	(void)state;
	start(tables);
	for (uint64_t page = 0; page < FAKE_RAM_SIZE / PAGE_SIZE; page++)
		longest += ((page ^ page >> 8) & vm.vept.bucket_mask) == 0;
	assert_in_range(longest, 1, 512);
	finish();
}

/* As many vCPUs as there may be, each with a root in use; another one makes L0 look at all. */
static void a_root_for_each_of_many_vcpus_is_found_in_few_steps(void **state)
{
	static struct vept_root *of[VEPT_VCPUS];
	uint32_t generation[VEPT_VCPUS];

	(void)state;
	start(2 * VEPT_ROOTS);
	vm.vept.vcpus = VEPT_VCPUS;
	vept_init(&vm.vept);
	for (n.vcpu = 0; n.vcpu < VEPT_VCPUS; n.vcpu++) {
		struct vept_root *r =
			vept_root_get(&n, (MANY_PAGES + n.vcpu * PAGE_SIZE) | 0x1e, 0);

		assert_int_equal(vm.vept.table[r->table].root, r - vm.vept.root);
		generation[n.vcpu] = r->generation;
		of[n.vcpu] = r;
	}
	n.vcpu = 0;
	for (uint64_t i = VEPT_VCPUS; i < VEPT_VCPUS + 2 * VEPT_SPARE; i++) {
		steps = 0;
		counting = true;
		vept_root_get(&n, (MANY_PAGES + i * PAGE_SIZE) | 0x1e, 0);
		counting = false;
		assert_in_range(steps, 1, 10 * VEPT_ROOTS);
	}
	for (n.vcpu = 1; n.vcpu < VEPT_VCPUS; n.vcpu++)
		assert_true(vept_root_reuse(&n, of[n.vcpu], generation[n.vcpu]));
	n.vcpu = 0;
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_root_for_each_of_many_vcpus_is_found_in_few_steps),
		cmocka_unit_test(taking_a_root_away_takes_as_long_for_many_tables_as_for_few),
		cmocka_unit_test(what_is_gone_is_freed_by_and_by),
		cmocka_unit_test(comparing_many_mirrors_is_cut_into_pieces),
		cmocka_unit_test(finding_many_written_pages_is_cut_into_pieces),
		cmocka_unit_test(the_look_at_pages_does_not_grow_with_them),
		cmocka_unit_test(a_new_page_closes_no_more_than_some),
		cmocka_unit_test(invept_ends_under_an_l1_that_writes_all_the_time),
		cmocka_unit_test(without_dirty_flags_many_pages_cost_no_more_than_few),
		cmocka_unit_test(pages_chosen_to_collide_are_found_in_bounded_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
