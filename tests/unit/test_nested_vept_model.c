/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual EPT against a model, over long random histories: EPT12s of two roots that share
 * tables, pages of all sizes, permissions, A/D flags, few tables. The invariants of
 * vept_invariants.h and vept_model.h hold after each step; after INVEPT no translation is older
 * than EPT12, and none that EPT12 still has was taken away.
 */
#include "fake_seam.h"

#include "random.h"
#include "vept_invariants.h"
#include "vept_model.h"

#define TABLES 40u
#define ROOT_A 0x100000ull
#define ROOT_B 0x101000ull
#define PDPT   0x102000ull
#define PD0    0x103000ull /* and the page after it: PDs */
#define PT0    0x105000ull /* and the three pages after it: PTs */
#define PAGES  64u         /* addresses that are tried: spread over all tables */

static struct nested n;
static struct nested_vm vm;
static struct vept_pages pages[TABLES] __attribute__((aligned(4096)));
static uint64_t books[TABLES][32];
static uint64_t seed;
static uint64_t eptp[2];
static unsigned refused;

/* As a processor has it cached: what is no RAM is where EPT12 had it before the INVEPT. */
static struct {
	const struct vept_root *root;
	uint64_t page, l1, access;
	uint32_t generation;
} kept;

static unsigned below(unsigned bound)
{
	return random_below(&seed, bound);
}

/* L1 writes an entry of EPT12, and EPT01's dirty bit shows it; or a device does. */
static void l1_writes(uint64_t at, uint64_t entry)
{
	if (vm.vept.closes && below(4) == 0)
		model_device_write(&vm.vept, at, entry);
	else
		model_write(at, entry);
}

static void open_page(uint64_t gpa)
{
	refused++;
	vept_open_table(&n, (struct gpa_l1){gpa});
}

/* An address whose walk uses few slots of each table. */
static uint64_t some_gpa(unsigned i)
{
	return (uint64_t)(i & 1) << 39 | (uint64_t)(i >> 1 & 1) << 30 |
	       (uint64_t)(i >> 2 & 3) << 21 | (uint64_t)(i >> 4 & 3) << 12;
}

static void start(uint32_t count, uint64_t ad)
{
	fake_seam_reset();
	memset(&kept, 0, sizeof(kept));
	memset(&n, 0, sizeof(n));
	memset(&vm, 0, sizeof(vm));
	n.vm = &vm;
	memset(pages, 0, sizeof(pages));
	memset(books, 0, sizeof(books));
	vm.vept.pages = pages;
	vm.vept.books = books;
	assert_true(vept_books_size(TABLES) <= sizeof(books));
	vm.vept.count = count;
	vm.vept.pages_hpa = 0x40000000;
	vm.vept.void_hpa = 0x7000;
	vm.vept.maxphyaddr = 46;
	vm.vept.execute_only = true;
	vept_init(&vm.vept);
	fake_scratch(&n.scratch);
	fake.refused = open_page;
	model_forget();
	eptp[0] = ROOT_A | 0x1e | ad;
	eptp[1] = ROOT_B | 0x1e;
	for (unsigned i = 0; i < 2; i++) {
		l1_writes(ROOT_A + i * 8, PDPT | EPT_RWX);
		l1_writes(ROOT_B + i * 8, PDPT | EPT_RWX); /* all four lead to one table */
		l1_writes(PDPT + i * 8, (PD0 + i * PAGE_SIZE) | EPT_RWX);
		for (unsigned k = 0; k < 4; k++)
			l1_writes(PD0 + i * PAGE_SIZE + k * 8, (PT0 + k * PAGE_SIZE) | EPT_RWX);
	}
	for (unsigned k = 0; k < 16; k++)
		l1_writes(PT0 + k / 4 * PAGE_SIZE + k % 4 * 8,
			(0x800000 + (uint64_t)k * PAGE_SIZE) | EPT_WB | EPT_RWX);
}

static uint64_t random_perms(void)
{
	static const uint64_t perms[] = {0, 1, 3, 4, 5, 7, 7, 7};

	return perms[below(8)];
}

static void l1_changes_something(void)
{
	unsigned k = below(4);
	uint64_t flags = below(2) ? EPT_ACCESSED | EPT_DIRTY : 0;

	switch (below(8)) {
	case 0: /* a PD entry: a large page, a table, or nothing */
	case 1:
		l1_writes(PD0 + below(2) * PAGE_SIZE + k * 8,
			below(2) ? (uint64_t)below(12) << 21 | EPT_WB | EPT_LARGE | EPT_RWX |
					   flags
				 : (PT0 + below(4) * PAGE_SIZE) | random_perms());
		break;
	case 2: /* a PML4 entry of one root: rights of upper levels differ */
		l1_writes((below(2) ? ROOT_A : ROOT_B) + below(2) * 8,
			PDPT | (below(4) ? EPT_RWX : random_perms()));
		break;
	case 3: /* a PDPT entry, seldom a huge page */
		l1_writes(PDPT + below(2) * 8, below(4) ? (PD0 + below(2) * PAGE_SIZE) | EPT_RWX
							: EPT_WB | EPT_LARGE | EPT_RWX | flags);
		break;
	default:
		l1_writes(PT0 + below(4) * PAGE_SIZE + k * 8,
			(uint64_t)below(0x2200) << 12 | EPT_WB | random_perms() | flags);
		break;
	}
}

static uint64_t leaf12; /* the last entry of walk12 */

/* What EPT12 says now: permissions, and the L1 address. 0 when not mapped. */
static uint64_t walk12(uint64_t root, uint64_t gpa, uint64_t *l1)
{
	uint64_t table = root & EPT_ADDRESS, perms = EPT_RWX;

	for (unsigned level = 4;; level--) {
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t e = fake_read64(table + (gpa >> shift & 511) * 8);

		leaf12 = e;
		perms &= e;
		if (!perms || (e & 3) == 2)
			return 0;
		table = e & EPT_ADDRESS;
		if (level == 1 || (e & EPT_LARGE)) {
			*l1 = (table & ~((1ull << shift) - 1)) | (gpa & ((1ull << shift) - 1));
			return perms;
		}
	}
}

/* What hardware would use. */
static uint64_t walk02(const struct vept_root *root, uint64_t gpa, uint64_t *hpa)
{
	uint64_t table = root->eptp02 & EPT_ADDRESS, perms = EPT_RWX;

	for (unsigned level = 4;; level--) {
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t i = (table - vm.vept.pages_hpa) / sizeof(struct vept_pages);
		uint64_t e = pages[i].entry[gpa >> shift & 511];

		perms &= e;
		if (!perms)
			return 0;
		table = e & EPT_ADDRESS;
		if (level == 1 || (e & EPT_LARGE)) {
			*hpa = (table & ~((1ull << shift) - 1)) | (gpa & ((1ull << shift) - 1));
			return perms;
		}
	}
}

/* No translation of this root says what EPT12 does not say. */
static void expect_fresh(const struct vept_root *root)
{
	for (unsigned i = 0; i < PAGES; i++) {
		uint64_t gpa = some_gpa(i), l1 = 0, hpa = 0;
		uint64_t have = walk02(root, gpa, &hpa), allowed;

		if (!have)
			continue;
		allowed = walk12(root->eptp12, gpa, &l1);
		assert_false(have & ~allowed);
		assert_true(fake_is_ram(l1, 1) ? hpa == FAKE_HPA_BASE + l1
					       : hpa - vm.vept.void_hpa < PAGE_SIZE ||
							 hpa - n.scratch.hpa < PAGE_SIZE);
	}
}

/* L0 completes the access, or has a page mapped. */
static void touch_void(struct vept_root *root, uint64_t gpa, uint64_t l1, enum vept_result r)
{
	bool writes = below(2);
	const struct vept_void at = {{gpa}, {l1}};
	uint64_t hpa = 0, have;

	assert_int_equal(r, VEPT_NO_RAM);
	assert_true(n.no_ram.v == l1);
	if (below(2))
		return;
	assert_true(writes ? vept_map_scratch(&n, root, &at) : vept_map_ones(&n, root, &at));
	have = walk02(root, gpa, &hpa);
	assert_true(hpa == (writes ? n.scratch.hpa : vm.vept.void_hpa) + (gpa & 0xfff));
	assert_true(writes || !(have & EPT_WRITE));
}

static bool may_be_kept(const struct vept_root *root, uint64_t gpa, uint64_t access)
{
	return kept.root == root && kept.generation == root->generation &&
	       kept.page == (gpa & ~PAGE_MASK) && (access & ~kept.access) == 0;
}

static void keep(const struct vept_root *root, uint64_t gpa, uint64_t access)
{
	bool more = may_be_kept(root, gpa, 0) && kept.l1 == (n.no_ram.v & ~PAGE_MASK);

	kept.root = root;
	kept.generation = root->generation;
	kept.page = gpa & ~PAGE_MASK;
	kept.l1 = n.no_ram.v & ~PAGE_MASK;
	kept.access = (access & (EPT_READ | EPT_WRITE)) | (more ? kept.access : 0);
}

static void touch(unsigned which, uint64_t gpa, uint64_t access)
{
	struct vept_root *root = vept_root_get(&n, eptp[which], 0);
	uint64_t qualification, l1 = 0, hpa = 0;
	uint64_t allowed = walk12(eptp[which], gpa, &l1);
	enum vept_result r =
		vept_handle(&n, root, (struct gpa_l2){gpa}, access, &qualification);

	if (may_be_kept(root, gpa, access)) {
		assert_int_equal(r, VEPT_NO_RAM);
		assert_true(n.no_ram.v == kept.l1 + (gpa & PAGE_MASK));
		return;
	}
	if (r == VEPT_NO_RAM)
		keep(root, gpa, access);
	else if (kept.page == (gpa & ~PAGE_MASK))
		kept.root = NULL;
	if (!allowed || (allowed & access) != access) {
		assert_int_equal(r, VEPT_VIOLATION);
		return;
	}
	if (!fake_is_ram(l1, 1)) {
		touch_void(root, gpa, l1, r);
		return;
	}
	assert_int_equal(r, VEPT_FILLED);
	assert_true((walk02(root, gpa, &hpa) & access) == access);
	assert_true(hpa == FAKE_HPA_BASE + l1);
	if (!(eptp[which] & EPTP_AD))
		return;
	/* SDM 28.2.4: L1 sees A, and D before the first write can happen without an exit */
	walk12(eptp[which], gpa, &l1);
	assert_true(leaf12 & EPT_ACCESSED);
	if (walk02(root, gpa, &hpa) & 2)
		assert_true(leaf12 & EPT_DIRTY);
}

/* Whatever was mapped, other roots can have the tables: only theirs are left. */
static void expect_no_leak(void)
{
	uint32_t roots = 0;

	for (uint64_t i = 0; i < 2 * vm.vept.roots; i++)
		vept_root_get(&n, (ROOT_A + (16 + i) * PAGE_SIZE) | 0x1e, 0);
	for (unsigned i = 0; i < TABLES; i++)
		vept_invalidate_all(&n);
	vept_check(&vm.vept);
	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		roots += vm.vept.root[i].eptp12 != 0;
	assert_int_equal(vm.vept.in_use, roots);
}

static void run_history(uint32_t table_count, uint64_t ad, uint64_t first, uint32_t open_max)
{
	start(table_count, ad);
	vm.vept.open_max = open_max;
	seed = first;
	for (unsigned i = 0; i < 4000; i++) {
		static const uint64_t accesses[] = {1, 1, 2, 3, 4};

		switch (below(8)) {
		case 0:
			l1_changes_something();
			break;
		case 1:
			kept.root = NULL;
			model_invept_all(&n);
			for (unsigned k = 0; k < 2; k++)
				expect_fresh(vept_root_get(&n, eptp[k], 0));
			break;
		case 2: {
			unsigned k = below(2);

			kept.root = NULL;
			assert_true(vept_invalidate(&n, eptp[k]));
			expect_fresh(vept_root_get(&n, eptp[k], 0));
			break;
		}
		default:
			touch(below(2), some_gpa(below(PAGES)), accesses[below(5)]);
			break;
		}
		vept_check(&vm.vept);
		if (i % 4 == 0) /* it takes long */
			model_check(&vm.vept);
	}
	expect_no_leak();
}

static void histories_with_many_tables_stay_true_to_ept12(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		run_history(TABLES, 0, i * 77 + 1, VEPT_OPEN);
}

static void histories_with_accessed_and_dirty_flags_stay_true_to_ept12(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		run_history(TABLES, EPTP_AD, i * 77 + 2, VEPT_OPEN);
}

static void histories_with_hardly_any_tables_stay_true_to_ept12(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		run_history(8 + (uint32_t)i, 0, i * 77 + 3, VEPT_OPEN);
}

/* INVEPT looks at one page, or a few, of nine: L1 cannot write the others until it tries to. */
static void histories_with_closed_pages_stay_true_to_ept12(void **state)
{
	(void)state;
	refused = 0;
	for (uint32_t i = 0; i < 8; i++) {
		run_history(i % 2 ? TABLES : 10, i % 3 ? 0 : EPTP_AD, i * 77 + 4, 1 + i / 2);
		assert_true(vm.vept.open <= vm.vept.open_max);
		assert_true(vm.vept.closes);
	}
	assert_true(refused > 400);
}

static void expect_path_of_ept12(unsigned which, uint64_t gpa, uint64_t access)
{
	touch(which, gpa, access);
	vept_check(&vm.vept);
	model_check(&vm.vept);
}

/*
 * The bug this guards: a fill that found no tables began again at the root, with entries that
 * its walk had never read. Roots with different rights at each level; L1 changes nothing, so
 * that every path must be EPT12's.
 */
static void running_out_of_tables_leaves_paths_of_ept12(void **state)
{
	static const uint64_t accesses[] = {1, 2, 3, 4};

	(void)state;
	for (uint32_t count = 8; count < 24; count++) {
		start(count, 0);
		l1_writes(ROOT_A, PDPT | 1);
		l1_writes(ROOT_B + 8, PDPT | 5);
		l1_writes(PDPT + 8, (PD0 + PAGE_SIZE) | 3);
		l1_writes(PD0 + 8, (PT0 + PAGE_SIZE) | 1);
		model_forget();
		seed = count;
		for (unsigned i = 0; i < 400; i++)
			expect_path_of_ept12(
				below(2), some_gpa(below(PAGES)), accesses[below(4)]);
	}
}

/* And what L1 then takes away is away: its page is watched, not one that the stack named. */
static void what_was_filled_under_pressure_goes_by_invept(void **state)
{
	uint64_t hpa;

	(void)state;
	for (uint32_t count = 8; count < 16; count++) {
		start(count, 0);
		for (unsigned round = 0; round < 3; round++)
			for (unsigned i = 0; i < PAGES; i++)
				touch(0, some_gpa(i), 1);
		model_invept_all(&n);
		touch(0, some_gpa(0), 1);
		l1_writes(PDPT, 0);
		model_invept_all(&n);
		assert_true(walk02(vept_root_get(&n, eptp[0], 0), some_gpa(0), &hpa) == 0);
	}
}

/* After INVEPT what EPT12 still says is still there: L2 faults only for what changed. */
static void invept_takes_away_only_what_changed(void **state)
{
	(void)state;
	start(TABLES, 0);
	for (unsigned i = 0; i < PAGES; i++)
		touch(0, some_gpa(i), 1);
	vept_invalidate(&n, eptp[0]);
	l1_writes(PT0 + 8, 0x900000 | EPT_WB | EPT_RWX);
	vept_invalidate(&n, eptp[0]);
	for (unsigned i = 0; i < PAGES; i++) {
		uint64_t hpa, gpa = some_gpa(i);
		bool changed = (gpa >> 12 & 511) == 1 && (gpa >> 21 & 511) == 0;

		assert_int_equal(
			walk02(vept_root_get(&n, eptp[0], 0), gpa, &hpa) == 0, changed);
	}
}

static void invept_of_one_root_keeps_the_news_for_the_other(void **state)
{
	struct vept_root *b;

	(void)state;
	start(TABLES, 0);
	for (unsigned which = 0; which < 2; which++)
		for (unsigned i = 0; i < PAGES; i++)
			touch(which, some_gpa(i), 1);
	vept_invalidate_all(&n);
	l1_writes(PT0 + 8, 0);
	vept_invalidate(&n, eptp[0]);
	vept_invalidate(&n, eptp[1]);
	b = vept_root_get(&n, eptp[1], 0);
	expect_fresh(b);
}

static void the_oldest_root_goes_when_tables_run_out(void **state)
{
	uint64_t hpa;

	(void)state;
	start(9, 0); /* a walk needs four, and one is to spare */
	touch(0, some_gpa(0), 1);
	touch(1, some_gpa(0), 1);
	assert_int_equal(
		vm.vept.root[0].generation + vm.vept.root[vm.vept.roots - 1].generation, 0);
	touch(1, some_gpa(4), 1);
	touch(1, some_gpa(8), 1);
	for (unsigned i = 0; i < VEPT_ROOTS; i++)
		assert_true(vm.vept.root[i].eptp12 != eptp[0]);
	assert_true(walk02(vept_root_get(&n, eptp[1], 0), some_gpa(8), &hpa));
	vept_check(&vm.vept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories_with_many_tables_stay_true_to_ept12),
		cmocka_unit_test(histories_with_accessed_and_dirty_flags_stay_true_to_ept12),
		cmocka_unit_test(histories_with_hardly_any_tables_stay_true_to_ept12),
		cmocka_unit_test(histories_with_closed_pages_stay_true_to_ept12),
		cmocka_unit_test(running_out_of_tables_leaves_paths_of_ept12),
		cmocka_unit_test(what_was_filled_under_pressure_goes_by_invept),
		cmocka_unit_test(invept_takes_away_only_what_changed),
		cmocka_unit_test(invept_of_one_root_keeps_the_news_for_the_other),
		cmocka_unit_test(the_oldest_root_goes_when_tables_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
