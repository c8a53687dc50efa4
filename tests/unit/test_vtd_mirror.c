/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that follow the owner's, against a plain list of what each page should be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bits.h"
#include "random.h"
#include "vtd/mirror.h"
#include "vtd/seam.h"

#define PAGE      UINT64_C(4096)
#define BLOCK     (UINT64_C(512) * PAGE)
#define BLOCKS    8u
#define PAGES     (BLOCKS * 512u)
#define BASE      UINT64_C(0xfe400000) /* so that interrupt requests are among them */
#define RAM_END   (UINT64_C(24) << 20)
#define HIGH_RAM  (UINT64_C(32) << 20)
#define HIGH_END  (UINT64_C(48) << 20)
#define HOST      UINT64_C(0x40000000)
#define HIGH_HOST UINT64_C(0x80001000) /* of no use for large pages */

/* ---- the owner: blocks of 2 MiB, each a page or a table ---- */

struct block {
	bool is_table;
	struct vtd_leaf large, page[512];
};

static struct block blocks[BLOCKS];
static unsigned looked;

/* As many pages as are one behind the other, or a hole of as many. */
static void go_on(const struct block *b, uint64_t end, struct vtd_leaf *leaf)
{
	uint64_t i = (leaf->at - BASE) / PAGE % 512;

	for (unsigned n = 0; n < 63 && ++i < 512 && leaf->at + leaf->size < end; n++) {
		const struct vtd_leaf *next = &b->page[i];

		if (next->rights != leaf->rights ||
			(next->rights != 0 && next->gpa != leaf->gpa + leaf->size))
			return;
		leaf->size += PAGE;
	}
}

void vtd_seam_leaf(void *owner, uint64_t at, uint64_t end, struct vtd_leaf *leaf)
{
	uint64_t n = (at - BASE) / BLOCK;
	struct block *b = owner;

	looked++;
	if (at < BASE || n >= BLOCKS) {
		uint64_t size = at < BIT64(31)    ? BIT64(31)
				: at >= BIT64(32) ? BIT64(32)
						  : BLOCK;

		*leaf = (struct vtd_leaf){.at = at & ~(size - 1), .size = size};
		return;
	}
	*leaf = b[n].is_table ? b[n].page[(at - BASE) / PAGE % 512] : b[n].large;
	if (b[n].is_table)
		go_on(&b[n], end, leaf);
}

uint64_t vtd_seam_host(void *owner, uint64_t gpa, uint64_t size, uint64_t *host)
{
	uint64_t end = HIGH_RAM;

	(void)owner;
	*host = VTD_NO_RAM;
	if (gpa < RAM_END) {
		*host = HOST + gpa;
		end = RAM_END;
	} else if (gpa >= HIGH_END) {
		return size;
	} else if (gpa >= HIGH_RAM) {
		*host = HIGH_HOST + gpa - HIGH_RAM;
		end = HIGH_END;
	}
	return end - gpa < size ? end - gpa : size;
}

/* ---- the rest of the seam ---- */

static _Alignas(4096) uint8_t pool_pages[64][4096];
static bool used[64];
static unsigned pages_left, pages_used;

void *vtd_seam_page(void *pool)
{
	(void)pool;
	for (unsigned i = 0; i < 64 && pages_left != 0; i++)
		if (!used[i]) {
			used[i] = true;
			pages_left--;
			pages_used++;
			return memset(pool_pages[i], 0, sizeof(pool_pages[i]));
		}
	return NULL;
}

void vtd_seam_page_back(void *pool, void *page)
{
	(void)pool;
	used[((uint8_t *)page - &pool_pages[0][0]) / 4096] = false;
	pages_used--;
}

uint64_t vtd_seam_address(const void *at)
{
	return (uint64_t)(uintptr_t)at;
}

void *vtd_seam_pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

void vtd_seam_write_back(const void *at, unsigned size)
{
	(void)at;
	(void)size;
}

/* ---- what each page should be ---- */

struct target {
	uint64_t host, rights;
};

static struct target target_of(uint64_t at)
{
	struct vtd_leaf leaf;
	struct target t = {0};

	vtd_seam_leaf(blocks, at, at + PAGE, &leaf);
	if (leaf.rights == 0 || VTD_MSI_RANGE(at))
		return t;
	(void)vtd_seam_host(blocks, leaf.gpa + (at - leaf.at), PAGE, &t.host);
	t.rights = t.host == VTD_NO_RAM ? 0 : leaf.rights;
	return t;
}

static struct target found(const struct vtd_mirror *m, uint64_t at)
{
	struct target t = {0};
	uint64_t size;

	t.rights = vtd_tables_look(&m->tables, at, &t.host, &size);
	return t;
}

static bool same(struct target a, struct target b)
{
	return a.rights == b.rights && (a.rights == 0 || a.host == b.host);
}

static void expect_equal(const struct vtd_mirror *m)
{
	for (unsigned i = 0; i < PAGES; i++)
		if (!same(found(m, BASE + i * PAGE), target_of(BASE + i * PAGE)))
			fail_msg("page %u is another one", i);
}

static void keep(const struct vtd_mirror *m, struct target *old)
{
	for (unsigned i = 0; i < PAGES; i++)
		old[i] = found(m, BASE + i * PAGE);
}

/* What the unit may have cached and is other now is in what was noted. */
static void expect_noted(struct vtd_mirror *m, const struct target *old)
{
	uint64_t at = 0, size = 0;

	(void)vtd_mirror_changed(m, &at, &size);
	for (unsigned i = 0; i < PAGES; i++) {
		uint64_t page = BASE + i * PAGE;

		if (!same(found(m, page), old[i]))
			assert_true(page >= at && page - at < size);
	}
	assert_false(vtd_mirror_changed(m, &at, &size));
}

/* ---- ---- */

static uint64_t seed;

static uint32_t number(uint32_t below)
{
	return random_below(&seed, below);
}

static struct vtd_leaf random_leaf(uint64_t at, uint64_t size)
{
	return (struct vtd_leaf){.at = at,
		.size = size,
		.gpa = (uint64_t)number((uint32_t)((HIGH_END + BLOCK) / size)) * size,
		.rights = number(4)};
}

static void change_block(unsigned n)
{
	struct block *b = &blocks[n];
	uint64_t at = BASE + n * BLOCK;

	b->is_table = number(2);
	b->large = random_leaf(at, BLOCK);
	for (unsigned i = 0; i < 512; i++) {
		const struct vtd_leaf *before = &b->page[i != 0 ? i - 1 : 0];

		b->page[i] = random_leaf(at + i * PAGE, PAGE);
		if (i != 0 && number(8) != 0) { /* it goes on */
			b->page[i].gpa = before->gpa + PAGE;
			b->page[i].rights = before->rights;
		}
	}
}

static void empty_block(unsigned n)
{
	blocks[n] = (struct block){.large = {.at = BASE + n * BLOCK, .size = BLOCK}};
}

static const struct vtd_caps caps = {
	.levels = 4, .bits = 48, .large_2m = true, .large_1g = true, .coherent = true};

static struct vtd_mirror mirror;

static int begin(void **state)
{
	(void)state;
	seed = 1;
	pages_left = 1000;
	for (unsigned i = 0; i < BLOCKS; i++)
		empty_block(i);
	assert_true(vtd_mirror_create(&mirror, &caps, NULL));
	return 0;
}

static int end(void **state)
{
	(void)state;
	vtd_mirror_destroy(&mirror);
	assert_int_equal(pages_used, 0);
	return 0;
}

static void compare_all(unsigned most)
{
	unsigned turns = 0;

	while (vtd_mirror_step(&mirror, blocks, most))
		assert_true(++turns < 1000000);
}

static void all_that_the_owner_maps_is_there_and_nothing_else(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BLOCKS; i++)
		change_block(i);
	vtd_mirror_forget(&mirror, 0, UINT64_MAX);
	compare_all(64);
	expect_equal(&mirror);
}

static void what_changes_is_followed_where_it_is_told(void **state)
{
	static struct target old[PAGES];

	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		unsigned n = number(BLOCKS), i = number(512);

		keep(&mirror, old);
		if (number(2) && blocks[n].is_table) {
			blocks[n].page[i] = random_leaf(BASE + n * BLOCK + i * PAGE, PAGE);
			vtd_mirror_forget(&mirror, BASE + n * BLOCK + i * PAGE, PAGE);
		} else {
			change_block(n);
			vtd_mirror_forget(&mirror, BASE + n * BLOCK, BLOCK);
		}
		compare_all(1 + number(100));
		expect_equal(&mirror);
		expect_noted(&mirror, old);
	}
}

static void what_is_told_while_it_compares_is_compared_too(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		change_block(number(BLOCKS));
		vtd_mirror_forget(&mirror, BASE, BLOCKS * BLOCK);
		for (unsigned k = 0; k < 5; k++) {
			unsigned n = number(BLOCKS);

			(void)vtd_mirror_step(&mirror, blocks, number(300));
			change_block(n);
			vtd_mirror_forget(&mirror, BASE + n * BLOCK, BLOCK);
		}
		compare_all(50);
		expect_equal(&mirror);
	}
}

/* The owner may invalidate a part of what it made one large page. */
static void a_part_of_a_large_page_is_all_of_it(void **state)
{
	(void)state;
	blocks[1].large.rights = VTD_SL_RIGHTS;
	vtd_mirror_forget(&mirror, BASE + BLOCK + 7 * PAGE, PAGE);
	compare_all(64);
	expect_equal(&mirror);
	blocks[1].is_table = true;
	for (unsigned i = 0; i < 512; i++)
		blocks[1].page[i] =
			(struct vtd_leaf){.at = BASE + BLOCK + i * PAGE, .size = PAGE};
	vtd_mirror_forget(&mirror, BASE + BLOCK + 9 * PAGE, PAGE);
	compare_all(64);
	expect_equal(&mirror);
}

/* Also where it was mapped by small ones: memory is not aligned so. */
static void a_part_of_a_large_page_of_small_ones_is_all_of_it(void **state)
{
	(void)state;
	blocks[2].large =
		(struct vtd_leaf){BASE + 2 * BLOCK, BLOCK, HIGH_RAM + 2 * BLOCK, VTD_SL_RIGHTS};
	vtd_mirror_forget(&mirror, BASE + 2 * BLOCK, PAGE);
	compare_all(3);
	expect_equal(&mirror);
	blocks[2].large.rights = 0;
	vtd_mirror_forget(&mirror, BASE + 2 * BLOCK, PAGE);
	compare_all(3);
	expect_equal(&mirror);
}

static void a_large_page_stays_one_if_memory_is_so(void **state)
{
	uint64_t host, size;

	(void)state;
	blocks[0].large.rights = VTD_SL_READ;
	blocks[0].large.gpa = 2 * BLOCK;
	vtd_mirror_forget(&mirror, BASE, BLOCK);
	compare_all(64);
	assert_int_equal(vtd_tables_look(&mirror.tables, BASE + 5, &host, &size), VTD_SL_READ);
	assert_int_equal(size, BLOCK);
	assert_int_equal(host, HOST + 2 * BLOCK + 5);
}

static void interrupt_requests_have_no_memory_whatever_tables_say(void **state)
{
	uint64_t host, size;

	(void)state;
	for (unsigned i = 0; i < BLOCKS; i++)
		blocks[i].large.rights = VTD_SL_RIGHTS;
	vtd_mirror_forget(&mirror, 0, UINT64_MAX);
	compare_all(1000);
	assert_int_equal(vtd_tables_look(&mirror.tables, 0xfee00000, &host, &size), 0);
	assert_int_equal(vtd_tables_look(&mirror.tables, 0xfeeff000, &host, &size), 0);
	assert_int_equal(
		vtd_tables_look(&mirror.tables, 0xfedff000, &host, &size), VTD_SL_RIGHTS);
	assert_int_equal(
		vtd_tables_look(&mirror.tables, 0xfef00000, &host, &size), VTD_SL_RIGHTS);
}

static void a_piece_is_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BLOCKS; i++)
		change_block(i);
	vtd_mirror_forget(&mirror, 0, UINT64_MAX);
	do {
		looked = 0;
		if (!vtd_mirror_step(&mirror, blocks, 10))
			break;
		assert_true(looked <= 10);
	} while (true);
	expect_equal(&mirror);
}

static void without_memory_the_rest_is_not_mapped_and_the_reason_is_kept(void **state)
{
	static struct target old[PAGES];

	(void)state;
	for (unsigned i = 0; i < BLOCKS; i++)
		change_block(i);
	pages_left = 3;
	vtd_mirror_forget(&mirror, 0, UINT64_MAX);
	compare_all(64);
	assert_non_null(mirror.why);
	keep(&mirror, old);
	for (unsigned i = 0; i < PAGES; i++)
		if (old[i].rights != 0)
			assert_true(same(old[i], target_of(BASE + i * PAGE)));
	pages_left = 1000;
	vtd_mirror_forget(&mirror, 0, UINT64_MAX);
	compare_all(64);
	expect_equal(&mirror);
}

/* ---- memory that is wrong ---- */

static struct target known[PAGES]; /* what was mapped before */

/* Addresses that lead to this page; all others are as they were. */
static unsigned leads_to(uint64_t host)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		struct target t = found(&mirror, BASE + i * PAGE);

		if (known[i].rights == 0 || known[i].host != host)
			assert_true(same(t, known[i]));
		else if (t.rights != 0)
			n++;
	}
	return n;
}

static void map_blocks(void)
{
	for (unsigned i = 0; i < BLOCKS; i++)
		change_block(i);
	/* one large page, and a second way into the midst of it */
	blocks[3].is_table = false;
	blocks[3].large = (struct vtd_leaf){BASE + 3 * BLOCK, BLOCK, BLOCK, VTD_SL_READ};
	blocks[6].is_table = true;
	blocks[6].page[9] = (struct vtd_leaf){
		BASE + 6 * BLOCK + 9 * PAGE, PAGE, BLOCK + 77 * PAGE, VTD_SL_RIGHTS};
	vtd_mirror_forget(&mirror, 0, UINT64_MAX);
	compare_all(1000);
	keep(&mirror, known);
}

static void whoever_leads_to_a_page_leaves_it_at_once_and_nothing_else(void **state)
{
	static struct target old[PAGES];
	unsigned ways = 0, most;
	uint64_t host, size, at;

	(void)state;
	map_blocks();
	(void)vtd_mirror_changed(&mirror, &at, &size);
	assert_int_equal(vtd_tables_look(&mirror.tables, BASE + 3 * BLOCK, &host, &size), 1);
	assert_int_equal(size, BLOCK);
	for (unsigned i = 0; i < 200; i++) {
		host = HOST + (i == 0 ? BLOCK + 77 * PAGE : number(RAM_END / PAGE) * PAGE);
		keep(&mirror, known);
		keep(&mirror, old);
		ways = leads_to(host);
		assert_true(i != 0 || ways >= 2);
		most = 1000;
		assert_true(vtd_mirror_leave(&mirror, host, &most));
		assert_int_equal(leads_to(host), 0);
		assert_true(most <= 1000 - 3);
		expect_noted(&mirror, old);
	}
}

static void what_cannot_be_looked_through_or_split_is_not_said_to_be_left(void **state)
{
	unsigned most, needs = 1000;

	(void)state;
	map_blocks();
	assert_true(vtd_mirror_leave(&mirror, HOST + RAM_END, &needs)); /* all of it */
	needs = 1000 - needs;
	for (unsigned n = 0; n <= needs; n++) {
		most = n;
		assert_false(vtd_mirror_leave(&mirror, HOST + RAM_END, &most));
		assert_int_equal(most, 0);
	}
	most = 1000;
	pages_left = 0;
	assert_false(vtd_mirror_leave(&mirror, HOST + BLOCK + 5 * PAGE, &most));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_that_the_owner_maps_is_there_and_nothing_else),
		TEST(what_changes_is_followed_where_it_is_told),
		TEST(what_is_told_while_it_compares_is_compared_too),
		TEST(a_part_of_a_large_page_is_all_of_it),
		TEST(a_part_of_a_large_page_of_small_ones_is_all_of_it),
		TEST(a_large_page_stays_one_if_memory_is_so),
		TEST(interrupt_requests_have_no_memory_whatever_tables_say),
		TEST(a_piece_is_bounded),
		TEST(without_memory_the_rest_is_not_mapped_and_the_reason_is_kept),
		TEST(whoever_leads_to_a_page_leaves_it_at_once_and_nothing_else),
		TEST(what_cannot_be_looked_through_or_split_is_not_said_to_be_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
