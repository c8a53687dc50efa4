/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF files for the loaders: segments at the borders of memory, and files made to be refused,
 * which leave RAM as it was.
 */
#include "load_world.h"

static const struct elf_segment kernel = {0x100000, 0x100000, 4000, 4000};

static void refused_untouched(const char *text)
{
	refused(LOAD_ELF, text);
	assert_true(all_zero(0x100000, RAM_SIZE));
	assert_true(all_zero(HIGH_RAM, HIGH_RAM + HIGH_SIZE));
}

/* A good segment in front, which must not be copied when the other one is refused. */
static void make_two(bool is64, struct elf_segment second)
{
	const struct elf_segment both[] = {kernel, second};

	make_elf(is64, kernel.vaddr, both, 2);
}

static void a_segment_may_reach_to_the_end_of_memory(void **state)
{
	struct elf_segment s = {0x200000, RAM_SIZE - 4000, 4000, 4000};

	(void)state;
	for (unsigned is64 = 0; is64 < 2; is64++) {
		make_two(is64, s);
		assert_null(load(LOAD_ELF));
		assert_true(has(RAM_SIZE - 4000, ELF_DATA, 4000));
		world_teardown(NULL);
		world_setup(NULL);
		s.memory_size = 4001;
		make_two(is64, s);
		refused_untouched("an ELF segment lies outside the VM's memory");
		s.memory_size = 4000;
	}
}

static void a_segment_may_lie_above_4_gib(void **state)
{
	struct elf_segment s = {HIGH_RAM, HIGH_RAM, 4000, HIGH_SIZE};

	(void)state;
	make_two(true, s);
	assert_null(load(LOAD_ELF));
	assert_true(has(HIGH_RAM, ELF_DATA, 4000));
}

static void a_segment_outside_the_memory_is_refused(void **state)
{
	const char *text = "an ELF segment lies outside the VM's memory";

	(void)state;
	make_two(true, (struct elf_segment){0, RAM_SIZE, 0, 1});
	refused_untouched(text);
	make_two(true, (struct elf_segment){0, HIGH_RAM - 1, 0, 2});
	refused_untouched(text);
	make_two(true, (struct elf_segment){0, HIGH_RAM, 0, HIGH_SIZE + 1});
	refused_untouched(text);
	make_two(true, (struct elf_segment){0, UINT64_MAX, 0, 2});
	refused_untouched(text);
	make_two(true, (struct elf_segment){0, 0x200000, 0, UINT64_MAX});
	refused_untouched(text);
}

static void a_segment_outside_the_file_is_refused(void **state)
{
	const char *text = "an ELF segment lies outside the file";

	(void)state;
	make_two(true, (struct elf_segment){0, 0x200000, 4097, 4097});
	refused_untouched(text);
	make_two(true, (struct elf_segment){0, 0x200000, 2, 1});
	refused_untouched(text);
	make_two(true, (struct elf_segment){0, 0x200000, UINT64_MAX, UINT64_MAX});
	refused_untouched(text);
	make_two(true, (struct elf_segment){0, 0x200000, 1, 1});
	put(ELF_HEADERS + 56 + 8, 8, UINT64_MAX);
	refused_untouched(text);
}

static void segments_that_overlap_are_refused(void **state)
{
	const char *text = "two ELF segments overlap";

	(void)state;
	make_two(true, (struct elf_segment){0, kernel.paddr + 3999, 0, 1});
	refused_untouched(text);
	make_two(true, (struct elf_segment){0, kernel.paddr - 1, 0, 2});
	refused_untouched(text);
	make_two(true, (struct elf_segment){0, kernel.paddr + 1, 1, 1});
	refused_untouched(text);
	make_two(true, (struct elf_segment){0, kernel.paddr - 1, 0, 5000});
	refused_untouched(text);
	make_two(false, (struct elf_segment){0, kernel.paddr, 4000, 4000});
	refused_untouched(text);
}

static void segments_may_touch(void **state)
{
	const struct elf_segment all[] = {{0, 0x101000, 4096, 4096}, {0, 0x100000, 4096, 4096},
		{0, 0x102000, 1, 0x1000}, {0, 0x100800, 0, 0}};

	(void)state;
	make_elf(true, 0x100000, all, 4);
	assert_null(load(LOAD_ELF));
	assert_true(has(0x100000, ELF_DATA, 4096) && has(0x101000, ELF_DATA, 4096));
	assert_true(has(0x102000, ELF_DATA, 1) && all_zero(0x102001, RAM_SIZE));
}

/* Each of them lies in file and memory: without a bound the same bytes would be copied 65,535
 * times. */
static void many_program_headers_are_refused(void **state)
{
	static struct elf_segment all[128];

	(void)state;
	for (unsigned i = 0; i < 128; i++)
		all[i] = (struct elf_segment){0, 0x100000 + 4096 * i, 4096, 4096};
	make_elf(false, 0x100000, all, 128);
	assert_null(load(LOAD_ELF));
	assert_true(has(0x100000 + 4096 * 127, ELF_DATA, 4096));
	world_teardown(NULL);
	world_setup(NULL);
	make_elf(false, 0x100000, all, 128);
	put(44, 2, 129);
	refused_untouched("the ELF file has more than 128 program headers");
	put(44, 2, 0xffff);
	refused_untouched("the ELF file has more than 128 program headers");
}

static void headers_that_are_no_segments_to_load_do_not_count(void **state)
{
	(void)state;
	make_two(false, (struct elf_segment){0, UINT32_MAX, UINT32_MAX, UINT32_MAX});
	put(ELF_HEADERS + 32, 4, 4); /* PT_NOTE */
	assert_null(load(LOAD_ELF));
	make_two(false, (struct elf_segment){0, UINT32_MAX, 0, 0});
	assert_null(load(LOAD_ELF));
	make_elf(false, kernel.vaddr, NULL, 0);
	assert_string_equal(load(LOAD_ELF), "the ELF file has nothing to load");
}

static void malformed_headers_are_refused(void **state)
{
	const char *malformed = "the ELF header is malformed";

	(void)state;
	make_elf(true, kernel.vaddr, &kernel, 1);
	put(32, 8, sizeof(w.kernel));
	refused_untouched(malformed);
	make_elf(true, kernel.vaddr, &kernel, 1);
	put(54, 2, 55);
	refused_untouched(malformed);
	make_elf(false, kernel.vaddr, &kernel, 1);
	put(42, 2, 31);
	refused_untouched(malformed);
	make_elf(true, kernel.vaddr, &kernel, 1);
	w.size = 57;
	refused_untouched(malformed);
	make_elf(true, kernel.vaddr, &kernel, 1);
	put(32, 8, w.size - 3);
	refused_untouched("the ELF program headers are cut");
	put(32, 8, w.size - 40);
	put(w.size - 40, 4, 1); /* PT_LOAD */
	refused_untouched("the ELF program headers are cut");
	make_elf(true, 1ull << 32, &kernel, 1);
	assert_string_equal(load(LOAD_ELF), "the entry point lies above 4 GiB");
}

static void a_file_is_elf_by_its_first_bytes(void **state)
{
	(void)state;
	make_elf(false, kernel.vaddr, &kernel, 1);
	put(4, 1, 3);
	refused_untouched("not an ELF file");
	make_elf(false, kernel.vaddr, &kernel, 1);
	put(5, 1, 2); /* big-endian */
	refused_untouched("not an ELF file");
	make_elf(false, kernel.vaddr, &kernel, 1);
	w.size = 51;
	refused_untouched("not an ELF file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_segment_may_reach_to_the_end_of_memory),
		TEST(a_segment_may_lie_above_4_gib),
		TEST(a_segment_outside_the_memory_is_refused),
		TEST(a_segment_outside_the_file_is_refused),
		TEST(segments_that_overlap_are_refused),
		TEST(segments_may_touch),
		TEST(many_program_headers_are_refused),
		TEST(headers_that_are_no_segments_to_load_do_not_count),
		TEST(malformed_headers_are_refused),
		TEST(a_file_is_elf_by_its_first_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
