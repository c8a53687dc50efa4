/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles: trees of frames, what is written of them, and stacks from the plugin's counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "profile.h"
#include "profile_raw.h"
#include "symbols.h"

#include <cmocka.h> /* last: it has a macro named fail */

/* This program, by a name that is its own in a child, too. */
static char self[4096];

static struct arena arena;
static struct error error;
static const char *folder;
static char *text;

static int set_up(void **state)
{
	(void)state;
	error = (struct error){0};
	return file_make_temporary(&arena, &folder, &error);
}

static int tear_down(void **state)
{
	(void)state;
	file_remove_tree(folder);
	free(text);
	text = NULL;
	arena_free(&arena);
	return 0;
}

static const char *written(const struct flame *root, bool svg)
{
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (svg)
		flame_write_svg(root, "a < b & c", out);
	else
		flame_write_folded(root, out);
	fclose(out);
	return text;
}

static void add(struct flame *root, const char *a, const char *b, const char *c, uint64_t ticks)
{
	struct flame *f = flame_child(&arena, root, a);

	f = b ? flame_child(&arena, f, b) : f;
	f = c ? flame_child(&arena, f, c) : f;
	f->self += ticks;
}

static void frames_are_summed_up_and_sorted(void **state)
{
	struct flame root = {.name = "all"};

	(void)state;
	add(&root, "z", "y", "x", 5);
	add(&root, "z", "b", NULL, 1);
	add(&root, "a", NULL, NULL, 2);
	add(&root, "z", "y", NULL, 3);
	add(&root, "z", "y", "x", 5);
	flame_sum(&root);
	assert_int_equal(root.total, 16);
	assert_int_equal(root.children->next->total, 14);
	assert_string_equal(written(&root, false), "a 2\nz;b 1\nz;y 3\nz;y;x 10\n");
}

static void a_picture_has_each_frame_with_its_share(void **state)
{
	struct flame root = {.name = "all"};

	(void)state;
	add(&root, "f<&>", "inner", NULL, 750);
	add(&root, "L1", NULL, NULL, 250);
	flame_sum(&root);
	written(&root, true);
	assert_non_null(strstr(text, "<title>all (1000 ticks, 100.00 %; itself 0)</title>"));
	assert_non_null(strstr(text, "<title>f&lt;&amp;&gt; (750 ticks, 75.00 %; itself 0)"));
	assert_non_null(strstr(text, "<title>inner (750 ticks, 75.00 %; itself 750)</title>"));
	assert_non_null(strstr(text, "a &lt; b &amp; c"));
	assert_null(strstr(text, "href"));
}

static void frames_that_are_too_narrow_and_empty_trees_are_no_trouble(void **state)
{
	struct flame root = {.name = "all"}, none = {.name = "all"};

	(void)state;
	add(&root, "a", NULL, NULL, 1000000000);
	add(&root, "narrow", "deep", NULL, 1);
	flame_sum(&root);
	written(&root, true);
	assert_null(strstr(text, "narrow"));
	free(text);
	flame_sum(&none);
	assert_string_equal(written(&none, false), "");
	free(text);
	assert_non_null(strstr(written(&none, true), "</svg>"));
}

/* ---- stacks ---- */

__attribute__((noinline)) static int known_inner(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x + 1;
}

__attribute__((noinline)) static int known_outer(int x)
{
	__asm__ volatile("" : "+r"(x));
	return known_inner(x) * 2;
}

/* This program's own symbols stand for those of L0. */
static uint64_t linked(const char *name)
{
	struct bytes image;
	uint64_t value = 0;

	assert_int_equal(file_read(&arena, self, "test", &image, &error), 0);
	assert_true(symbols_value(&image, name, &value));
	return value;
}

static struct profile_raw *make_raw(void)
{
	struct profile_raw *raw = arena_alloc(&arena, sizeof(*raw));

	raw->magic = PROFILE_RAW_MAGIC;
	raw->ready = 1;
	return raw;
}

static int stacks(struct profile_raw *raw, struct flame *root)
{
	struct bytes content = {(uint8_t *)raw, sizeof(*raw)};

	return profile_stacks(&arena, self, folder, &content, root, &error);
}

static void stacks_have_calls_exits_and_levels(void **state)
{
	struct flame root = {.name = "all"};
	struct profile_raw *raw = make_raw();

	(void)state;
	assert_int_equal(known_outer(1), 4);
	raw->guest[0] = 100;
	raw->guest[1] = 7;
	raw->nodes[PROFILE_ROOTS] =
		(struct profile_node){linked("known_outer") + 1, PROFILE_ROOT(2, 10), 0};
	raw->slots[5] = (struct profile_slot){linked("known_inner"), 40, PROFILE_ROOTS, 1};
	raw->slots[6] = (struct profile_slot){linked("known_inner"), 2, PROFILE_ROOT_START, 1};
	raw->slots[7] = (struct profile_slot){0x10, 3, PROFILE_ROOT(1, 10), 1};
	assert_int_equal(stacks(raw, &root), 0);
	assert_string_equal(written(&root, false), "L0;L1:CPUID;[outside of Nestor] 3\n"
						   "L0;L2:CPUID;known_outer;known_inner 40\n"
						   "L0;start;known_inner 2\n"
						   "L1 100\n"
						   "L2 7\n");
}

/* Whatever is in the file. */
static void counts_that_make_no_sense_are_no_trouble(void **state)
{
	struct flame root = {.name = "all"};
	struct profile_raw *raw = make_raw();
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		raw->nodes[seed >> 48] =
			(struct profile_node){seed, (uint32_t)(seed >> 20), (uint32_t)seed};
		raw->slots[seed >> 44] = (struct profile_slot){
			seed >> 3, seed & 0xff, (uint32_t)(seed >> 13), 1};
	}
	assert_int_equal(stacks(raw, &root), 0);
	assert_true(root.total > 0);
}

static void a_file_that_nobody_counted_in_is_refused(void **state)
{
	struct flame root = {.name = "all"};
	struct profile_raw *raw = make_raw();

	(void)state;
	raw->ready = 0;
	assert_int_equal(stacks(raw, &root), STATUS_HOST_ERROR);
	assert_non_null(strstr(error.text, "did not count"));
	error = (struct error){0};
	raw->magic = 0;
	assert_int_equal(stacks(raw, &root), STATUS_HOST_ERROR);
}

static void an_l0_without_the_symbol_is_refused(void **state)
{
	(void)state;
	assert_int_equal(profile_begin(&arena, self, folder, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, L0_PROFILE_SYMBOL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(frames_are_summed_up_and_sorted),
		T(a_picture_has_each_frame_with_its_share),
		T(frames_that_are_too_narrow_and_empty_trees_are_no_trouble),
		T(stacks_have_calls_exits_and_levels),
		T(counts_that_make_no_sense_are_no_trouble),
		T(a_file_that_nobody_counted_in_is_refused),
		T(an_l0_without_the_symbol_is_refused),
	};

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
