/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other memory for a VM that begins again: what is taken is not wiped here, which takes as long
 * as other VMs would wait, and what the VM keeps goes along.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/bad_memory.h"
#include "cpu/log.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "vm/bad_memory.h"
#include "vm/create.h"
#include "vm/images.h"
#include "vm/streams.h"

#define POOL 4u /* pages, the last two of which are kept */
#define KEPT 2u

typedef uint8_t pages[POOL][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static pages old, other, copy;
static struct vm_images images;
static struct vm_memory m;

static struct {
	unsigned takes, gives, frees, lines;
	bool none, no_streams;
} world;

/* ---- what it calls ---- */

static struct vm_memory made_of(pages *p)
{
	return (struct vm_memory){.vm = 7,
		.pool = hpa_of(*p),
		.pool_size = sizeof(*p),
		.kept_size = images.config.restart ? KEPT * PAGE_SIZE : 0,
		.cr3 = 0x1000};
}

bool vm_memory_take(
	const struct vm_images *of, unsigned id, bool ram_zeroed, struct vm_memory *to)
{
	assert_ptr_equal(of, &images);
	assert_int_equal(id, 7);
	assert_true(ram_zeroed); /* else it would be wiped at once */
	world.takes++;
	if (!world.none)
		*to = made_of(&other);
	return !world.none;
}

void vm_memory_give_back(const struct vm_memory *of)
{
	assert_int_equal(of->vm, 7);
	world.gives++;
}

bool streams_map(unsigned vm, uint64_t cr3)
{
	assert_int_equal(vm, 7);
	assert_int_equal(cr3, 0x1000);
	return !world.no_streams;
}

void bad_memory_wipe(struct hpa at, uint64_t size)
{
	memset(direct_va(at), 0, size);
}

bool page_alloc(uint64_t size, uint64_t align, uint64_t limit, struct hpa *out)
{
	assert_int_equal(size, KEPT * PAGE_SIZE);
	(void)align;
	(void)limit;
	*out = hpa_of(copy);
	return true;
}

void page_free(struct hpa start, uint64_t size)
{
	const uint8_t *page = direct_va(start);

	assert_int_equal(size, KEPT * PAGE_SIZE);
	for (unsigned i = 0; i < size; i++)
		assert_int_equal(page[i], 0);
	world.frees++;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
	world.lines++;
}

/* ---- tests; wrong memory stays wrong, so that all that is so comes last ---- */

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	memset(&images, 0, sizeof(images));
	images.config.restart = RESTART_ALWAYS;
	strcpy(images.config.name, "a");
	memset(old, 0x11, sizeof(old));
	memset(old[POOL - KEPT], 0x22, KEPT * PAGE_SIZE);
	memset(other, 0xee, sizeof(other));
	m = made_of(&old);
	return 0;
}

static bool all(const uint8_t *page, unsigned count, uint8_t value)
{
	for (unsigned i = 0; i < count * PAGE_SIZE; i++)
		if (page[i] != value)
			return false;
	return true;
}

static void what_is_right_stays(void **state)
{
	bool renewed = true;

	(void)state;
	m.kept_lost = true;
	assert_null(vm_memory_renew(&images, 7, &m, &renewed));
	assert_false(renewed || m.kept_lost);
	assert_int_equal(world.takes + world.gives, 0);
	assert_int_equal(m.pool.v, hpa_of(old).v);
}

static void wrong(const uint8_t *page)
{
	bad_memory_note(hpa_of(page).v);
}

static void other_memory_is_the_callers_to_wipe(void **state)
{
	bool renewed = false;

	(void)state;
	wrong(old[1]);
	assert_null(vm_memory_renew(&images, 7, &m, &renewed));
	assert_true(renewed);
	assert_false(m.kept_lost);
	assert_int_equal(world.takes, 1);
	assert_int_equal(world.gives, 1);
	assert_int_equal(world.frees, 1);
	assert_int_equal(m.pool.v, hpa_of(other).v);
	assert_true(all(other[0], POOL - KEPT, 0xee));
	assert_true(all(other[POOL - KEPT], KEPT, 0x22));
	assert_true(all(old[0], POOL - KEPT, 0x11)); /* wiped before */
	assert_true(all(old[POOL - KEPT], KEPT, 0));
	assert_null(vm_memory_renew(&images, 7, &m, &renewed));
	assert_false(renewed);
}

static void without_other_memory_there_is_none(void **state)
{
	bool renewed = true;

	(void)state;
	world.none = true;
	assert_string_equal(
		vm_memory_renew(&images, 7, &m, &renewed), "there is no other memory for it");
	assert_false(renewed);
	assert_int_equal(m.cr3 | m.pool_size, 0);
	assert_int_equal(world.frees, 1);
	world.none = false;
	world.no_streams = true;
	assert_non_null(vm_memory_renew(&images, 7, &m, &renewed));
	assert_int_equal(world.gives, 3); /* what there was, nothing, what was taken */
	world.no_streams = false;
	assert_null(vm_memory_renew(&images, 7, &m, &renewed)); /* asked again, there is some */
	assert_true(renewed);
}

static void some_vms_have_to_stay_where_they_are(void **state)
{
	bool renewed = true;

	(void)state;
	images.config.reserve = SIZE_2M;
	assert_non_null(vm_memory_renew(&images, 7, &m, &renewed));
	assert_false(renewed);
	assert_int_equal(world.takes + world.gives, 0);
}

static void what_is_lost_is_wiped_with_the_rest(void **state)
{
	bool renewed = false;

	(void)state;
	wrong(old[POOL - 1]);
	assert_null(vm_memory_renew(&images, 7, &m, &renewed));
	assert_true(renewed);
	assert_true(m.kept_lost);
	assert_int_equal(world.frees, 0);
	assert_true(all(other[0], POOL, 0xee));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_right_stays, set_up),
		cmocka_unit_test_setup(other_memory_is_the_callers_to_wipe, set_up),
		cmocka_unit_test_setup(without_other_memory_there_is_none, set_up),
		cmocka_unit_test_setup(some_vms_have_to_stay_where_they_are, set_up),
		cmocka_unit_test_setup(what_is_lost_is_wiped_with_the_rest, set_up),
	};

	return cmocka_run_group_tests_name("test_vm_renew", tests, NULL, NULL);
}
