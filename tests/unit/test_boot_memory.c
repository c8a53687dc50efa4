/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loader left moves away from where kernels want to be; what of it is wrong stays, is
 * not read, and its pages are nobody's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/memory.h"
#include "cpu/asm.h"
#include "cpu/bad_memory.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mtrr.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"

#define PAGES   64u /* the loader's in the lower half, free ones in the upper one */
#define MODULES 3u

const uint8_t image_start[PAGE_SIZE], image_end[1];

static _Alignas(4096) uint8_t memory[PAGES * PAGE_SIZE];
static struct boot_info info;
static bool is_free[PAGES];
static unsigned next;

static uint64_t hpa(unsigned page)
{
	return (uint64_t)(uintptr_t)&memory[page * PAGE_SIZE] - DIRECT_BASE;
}

/* Of the part that is in `memory`. */
static void mark(uint64_t start, uint64_t size, bool free)
{
	for (unsigned i = 0; i < PAGES; i++)
		if (hpa(i) < start + size && start < hpa(i) + PAGE_SIZE)
			is_free[i] = free;
}

bool page_alloc(uint64_t size, uint64_t align, uint64_t limit, struct hpa *at)
{
	(void)align;
	(void)limit;
	*at = (struct hpa){hpa(next)};
	next += (unsigned)((size + PAGE_MASK) / PAGE_SIZE);
	return true;
}

void page_add(uint64_t start, uint64_t size)
{
	mark(start, size, true);
}

void page_reserve(uint64_t start, uint64_t size)
{
	if (size != 0)
		mark(start, size, false);
}

void page_know(uint64_t start, uint64_t size)
{
	(void)start;
	(void)size;
	abort();
}

void page_know_reserved(uint64_t start, uint64_t size)
{
	(void)start;
	(void)size;
	abort();
}

bool paging_create(uint64_t *cr3)
{
	(void)cr3;
	abort();
}

bool paging_map_direct(uint64_t cr3, struct hpa at, uint64_t size, uint64_t flags)
{
	(void)cr3;
	(void)at;
	(void)size;
	(void)flags;
	abort();
}

_Thread_local uint64_t hw_cr3;

const struct mtrrs *mtrr_of_boot_cpu(void)
{
	abort();
}

uint64_t mtrr_not_write_back(
	const struct mtrrs *m, uint64_t start, uint64_t size, uint64_t *first)
{
	(void)m;
	(void)start;
	(void)size;
	(void)first;
	abort();
}

const struct l0_config *l0_config(void)
{
	abort();
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

/* ---- ---- */

/* Module i is in three pages from 4i on, of the last one 100 bytes; the block in page 20. */
static int begin(void **state)
{
	(void)state;
	memset(&bad_memory, 0, sizeof(bad_memory));
	memset(&info, 0, sizeof(info));
	memset(is_free, 0, sizeof(is_free));
	next = PAGES / 2;
	for (unsigned i = 0; i < sizeof(memory); i++)
		memory[i] = (uint8_t)(1 + i / PAGE_SIZE);
	info.ram[0] = (struct boot_range){hpa(0), PAGES / 2 * PAGE_SIZE};
	info.ram_count = 1;
	for (unsigned i = 0; i < MODULES; i++) {
		info.modules[i].range = (struct boot_range){hpa(4 * i), 2 * PAGE_SIZE + 100};
		info.modules[i].cmdline.s = (const char *)&memory[20 * PAGE_SIZE + 10 * i];
	}
	info.module_count = MODULES;
	info.block = (struct boot_range){hpa(20), 500};
	info.cmdline.s = (const char *)&memory[20 * PAGE_SIZE + 400];
	return 0;
}

static void expect_moved(const struct boot_range *r, unsigned from, unsigned pages)
{
	const uint8_t *to = direct_va((struct hpa){r->start});

	assert_true(r->start >= hpa(PAGES / 2));
	for (unsigned i = 0; i < pages; i++) {
		assert_int_equal(to[i * PAGE_SIZE], 1 + from + i);
		assert_int_equal(memory[(from + i) * PAGE_SIZE], 0);
		assert_true(is_free[from + i]);
	}
}

static void all_that_the_loader_left_is_moved_and_what_it_had_is_free_and_empty(void **state)
{
	(void)state;
	assert_true(boot_memory_move(&info));
	for (unsigned i = 0; i < MODULES; i++)
		expect_moved(&info.modules[i].range, 4 * i, 3);
	expect_moved(&info.block, 20, 1);
	assert_ptr_equal(
		info.cmdline.s, (const char *)direct_va((struct hpa){info.block.start}) + 400);
	for (unsigned i = 0; i < PAGES; i++)
		if (is_free[i])
			assert_true(i < 11 ? i % 4 != 3 : i == 20);
}

static void a_module_that_is_wrong_stays_as_it_is_and_is_not_given_away(void **state)
{
	uint64_t shared = hpa(6) + 100; /* where module 1 ends, one more begins */

	(void)state;
	info.modules[2].range = (struct boot_range){shared, PAGE_SIZE};
	bad_memory_note(hpa(5));
	assert_true(boot_memory_move(&info));
	expect_moved(&info.modules[0].range, 0, 3);
	assert_int_equal(info.modules[1].range.start, hpa(4));
	for (unsigned i = 4; i < 7; i++) {
		assert_int_equal(memory[i * PAGE_SIZE], 1 + i);
		assert_false(is_free[i]);
	}
	assert_true(info.modules[2].range.start >= hpa(PAGES / 2));
	assert_int_equal(memory[6 * PAGE_SIZE + 100], 0);
	assert_true(is_free[7]);
}

static void the_loaders_block_stays_if_it_is_wrong(void **state)
{
	const char *line = info.cmdline.s;

	(void)state;
	bad_memory_note(hpa(20));
	assert_true(boot_memory_move(&info));
	assert_int_equal(info.block.start, hpa(20));
	assert_ptr_equal(info.cmdline.s, line);
	assert_int_equal(memory[20 * PAGE_SIZE], 21);
	assert_false(is_free[20]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin)
	const struct CMUnitTest tests[] = {
		TEST(all_that_the_loader_left_is_moved_and_what_it_had_is_free_and_empty),
		TEST(a_module_that_is_wrong_stays_as_it_is_and_is_not_given_away),
		TEST(the_loaders_block_stays_if_it_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
