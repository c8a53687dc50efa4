/* SPDX-License-Identifier: Apache-2.0 */
/* The tool's recognition of guest images: ELF, Multiboot, bzImage with its compressions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "elf.h"
#include "kernel.h"
#include "multiboot.h"
#include "tool_images.h"
#include "unpack.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct arena arena;

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void expect_linux(const struct bytes *payload, size_t unpacked)
{
	struct bytes file = image_bzimage(&arena, payload, unpacked);
	struct kernel k;

	assert_null(kernel_parse(&arena, &file, &k));
	assert_int_equal(k.kind, KERNEL_LINUX);
	assert_int_equal(k.low, 0x1000000);
	assert_int_equal(k.high, 0x1003000);
	assert_int_equal(k.image.size, unpacked);
	assert_string_equal(k.image.data + 1024, IMAGE_TEXT);
}

static void a_gzip_bzimage_is_unpacked(void **state)
{
	struct bytes elf = image_elf64(&arena, 0x1000000, 0x3000);
	struct bytes out = {arena_alloc(&arena, 8192), 8192};
	z_stream z = {.next_in = elf.data,
		.avail_in = (uInt)elf.size,
		.next_out = out.data,
		.avail_out = (uInt)out.size};

	(void)state;
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.size = z.total_out;
	deflateEnd(&z);
	expect_linux(&out, elf.size);
}

static void an_xz_bzimage_is_unpacked(void **state)
{
	struct bytes elf = image_elf64(&arena, 0x1000000, 0x3000);
	struct bytes out = {arena_alloc(&arena, 8192), 8192};
	size_t size = 0;

	(void)state;
	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, elf.data, elf.size,
				 out.data, &size, out.size),
		LZMA_OK);
	out.size = size;
	expect_linux(&out, elf.size);
}

static void a_zstd_bzimage_is_unpacked(void **state)
{
	struct bytes elf = image_elf64(&arena, 0x1000000, 0x3000);
	struct bytes out = {arena_alloc(&arena, 8192), 8192};

	(void)state;
	out.size = ZSTD_compress(out.data, out.size, elf.data, elf.size, 19);
	expect_linux(&out, elf.size);
}

static struct bytes lz4_legacy(const struct bytes *in)
{
	struct bytes out = {arena_alloc(&arena, 8192), 8192};
	int size = LZ4_compress_default(
		(const char *)in->data, (char *)out.data + 8, (int)in->size, (int)out.size - 8);

	memcpy(out.data, "\x02\x21\x4c\x18", 4);
	bytes_put(&out, 4, 4, (uint64_t)size);
	out.size = 8 + (size_t)size;
	return out;
}

static void an_lz4_bzimage_is_unpacked(void **state)
{
	struct bytes elf = image_elf64(&arena, 0x1000000, 0x3000);
	struct bytes out = lz4_legacy(&elf);

	(void)state;
	expect_linux(&out, elf.size);
}

static void a_bzimage_with_a_wrong_unpacked_size_is_refused(void **state)
{
	struct bytes elf = image_elf64(&arena, 0x1000000, 0x3000);
	struct bytes payload = lz4_legacy(&elf);
	struct bytes file = image_bzimage(&arena, &payload, elf.size - 100);
	struct kernel k;

	(void)state;
	assert_non_null(kernel_parse(&arena, &file, &k));
	file = image_bzimage(&arena, &payload, 0xffffffff);
	assert_non_null(strstr(kernel_parse(&arena, &file, &k), "512 MiB"));
}

static void every_truncation_of_a_bzimage_is_refused(void **state)
{
	struct bytes elf = image_elf64(&arena, 0x1000000, 0x3000);
	struct bytes payload = lz4_legacy(&elf);
	struct bytes file = image_bzimage(&arena, &payload, elf.size);
	struct kernel k;

	(void)state;
	for (size_t size = 0; size < file.size; size++) {
		struct bytes part = {arena_alloc(&arena, size), size};

		memcpy(part.data, file.data, size);
		assert_non_null(kernel_parse(&arena, &part, &k));
	}
}

/* memtest86+ is such a program. */
static struct bytes bzimage_as_it_is(uint64_t low, uint32_t init_size)
{
	struct bytes file = {arena_alloc(&arena, 8192), 8192};

	bytes_put(&file, 0x1f1, 1, 2); /* sectors of setup code, behind the first */
	bytes_put(&file, 0x1fe, 2, 0xaa55);
	memcpy(file.data + 0x202, "HdrS", 4);
	bytes_put(&file, 0x206, 2, 0x20c);
	bytes_put(&file, 0x236, 2, 1);
	bytes_put(&file, 0x258, 8, low);
	bytes_put(&file, 0x260, 4, init_size);
	memcpy(file.data + 1536, "code", 4);
	return file;
}

static void a_bzimage_without_a_payload_is_started_as_it_is(void **state)
{
	struct bytes file = bzimage_as_it_is(0x100000, 0x6000);
	struct kernel_bzimage z;
	struct kernel k;

	(void)state;
	assert_null(kernel_parse(&arena, &file, &k));
	assert_int_equal(k.kind, KERNEL_BZIMAGE);
	assert_int_equal(kernel_protocol(k.kind), PROTOCOL_LINUX);
	assert_int_equal(k.low, 0x100000);
	assert_int_equal(k.high, 0x106000);
	assert_ptr_equal(k.image.data, file.data);
	kernel_bzimage(&k, &z);
	assert_memory_equal(z.code.data, "code", 4);
	assert_int_equal(z.code.size, 8192 - 1536);
	assert_true(z.is64);
	assert_int_equal(z.entry, 0x100200);
	bytes_put(&file, 0x236, 2, 4);
	kernel_bzimage(&k, &z);
	assert_false(z.is64);
	assert_int_equal(z.entry, 0x100000);
}

static void a_bzimage_without_a_payload_that_cannot_be_started_says_why(void **state)
{
	struct bytes file = bzimage_as_it_is(0x100000, 0x6000);
	struct kernel k;

	(void)state;
	file = bzimage_as_it_is(0x100000, 100);
	assert_non_null(strstr(kernel_parse(&arena, &file, &k), "larger than the memory"));
	file = bzimage_as_it_is(0xfffff000, 0x6000);
	assert_non_null(strstr(kernel_parse(&arena, &file, &k), "above 4 GiB"));
	file = bzimage_as_it_is(UINT64_MAX, 0x6000);
	assert_non_null(strstr(kernel_parse(&arena, &file, &k), "above 4 GiB"));
	file = bzimage_as_it_is(0xff000, 0x6000);
	assert_non_null(strstr(kernel_parse(&arena, &file, &k), "below 1 MiB"));
	file = bzimage_as_it_is(0x100000, 0x6000);
	file.size = 1536;
	assert_non_null(strstr(kernel_parse(&arena, &file, &k), "nothing behind its setup"));
}

static void expect_real(
	const struct bytes *file, enum load_protocol p, uint64_t low, uint64_t high)
{
	struct kernel k;

	assert_null(kernel_parse_as(&arena, file, p, &k));
	assert_int_equal(k.kind, KERNEL_REAL);
	assert_int_equal(kernel_protocol(k.kind), PROTOCOL_LINUX16);
	assert_true(kernel_is_linux(k.kind));
	assert_ptr_equal(k.image.data, file->data);
	assert_int_equal(k.low, low);
	assert_int_equal(k.high, high);
}

static void a_bzimage_that_tells_too_little_is_started_by_its_16_bit_entry(void **state)
{
	struct bytes file = bzimage_as_it_is(0x100000, 0x6000);

	(void)state;
	bytes_put(&file, 0x211, 1, 1);
	bytes_put(&file, 0x206, 2, 0x209);
	expect_real(&file, PROTOCOL_AUTO, 0x100000, 0x100000 + 8192 - 1536);
	bytes_put(&file, 0x206, 2, 0x207);
	bytes_put(&file, 0x24c, 4, 100); /* no payload's size yet */
	expect_real(&file, PROTOCOL_AUTO, 0x100000, 0x100000 + 8192 - 1536);
	bytes_put(&file, 0x211, 1, 0); /* a zImage */
	expect_real(&file, PROTOCOL_AUTO, 0x10000, 0x10000 + 8192 - 1536);
}

static void any_bzimage_is_started_by_its_16_bit_entry_if_that_is_asked_for(void **state)
{
	struct bytes elf = image_elf64(&arena, 0x1000000, 0x3000);
	struct bytes payload = lz4_legacy(&elf);
	struct bytes file = image_bzimage(&arena, &payload, elf.size);
	struct kernel k;

	(void)state;
	bytes_put(&file, 0x211, 1, 1);
	bytes_put(&file, 0x258, 8, 0x1000000);
	bytes_put(&file, 0x260, 4, 0x3000);
	expect_real(&file, PROTOCOL_LINUX16, 0x100000, 0x1003000);
	assert_null(kernel_parse_as(&arena, &file, PROTOCOL_LINUX, &k));
	assert_int_equal(k.kind, KERNEL_LINUX);
	assert_non_null(
		strstr(kernel_parse_as(&arena, &file, PROTOCOL_MB1, &k), "no Multiboot 1"));
	assert_non_null(strstr(
		kernel_parse_as(&arena, &elf, PROTOCOL_LINUX16, &k), "no Linux kernel with"));
}

static void a_protocol_that_is_asked_for_is_the_one_even_if_the_image_has_others(void **state)
{
	struct bytes elf = image_elf64(&arena, 0x1000000, 0x3000);
	struct bytes both = {arena_alloc(&arena, elf.size + 64), elf.size + 64};
	struct kernel k;

	(void)state;
	assert_null(kernel_parse_as(&arena, &elf, PROTOCOL_ELF, &k));
	assert_int_equal(kernel_protocol(k.kind), PROTOCOL_ELF);
	assert_int_equal(k.low, 0x1000000);
	assert_non_null(
		strstr(kernel_parse_as(&arena, &elf, PROTOCOL_MB2, &k), "no Multiboot 2"));
	memcpy(both.data, elf.data, elf.size);
	bytes_put(&both, elf.size, 4, 0x1badb002);
	bytes_put(&both, elf.size + 8, 4, 0u - 0x1badb002);
	bytes_put(&both, elf.size + 16, 4, 0xe85250d6);
	bytes_put(&both, elf.size + 24, 4, 16);
	bytes_put(&both, elf.size + 28, 4, 0u - 0xe85250d6 - 16);
	assert_null(kernel_parse_as(&arena, &both, PROTOCOL_AUTO, &k));
	assert_int_equal(k.kind, KERNEL_MULTIBOOT2);
	assert_null(kernel_parse_as(&arena, &both, PROTOCOL_MB1, &k));
	assert_int_equal(k.kind, KERNEL_MULTIBOOT1);
	assert_int_equal(k.header, elf.size);
}

static void what_cannot_be_started_by_a_16_bit_entry_says_why(void **state)
{
	struct bytes file = bzimage_as_it_is(0x100000, 0x6000);
	struct bytes large = {arena_alloc(&arena, 0x81000), 0x81000};
	struct kernel k;

	(void)state;
	memcpy(large.data, file.data, file.size);
	bytes_put(&large, 0x206, 2, 0x203);
	large.size = 0x80000 + 1536;
	assert_null(kernel_parse(&arena, &large, &k));
	large.size++;
	assert_non_null(strstr(kernel_parse(&arena, &large, &k), "below 576 KiB"));
	file.size = 1536;
	assert_non_null(strstr(kernel_parse_as(&arena, &file, PROTOCOL_LINUX16, &k),
		"nothing behind its setup"));
	file.size = 8192;
	bytes_put(&file, 0x202, 4, 0);
	assert_non_null(strstr(kernel_parse(&arena, &file, &k), "is no kernel"));
}

static void a_kernel_of_before_protocol_2_00_is_known_by_its_size(void **state)
{
	struct bytes file = bzimage_as_it_is(UINT64_MAX, UINT32_MAX);
	struct kernel k;

	(void)state;
	bytes_put(&file, 0x202, 4, 0);
	bytes_put(&file, 0x1f4, 2, (8192 - 1536) / 16);
	expect_real(&file, PROTOCOL_AUTO, 0x10000, 0x10000 + 8192 - 1536);
	expect_real(&file, PROTOCOL_LINUX16, 0x10000, 0x10000 + 8192 - 1536);
	bytes_put(&file, 0x1f4, 2, (8192 - 1536) / 16 + 1);
	assert_non_null(strstr(kernel_parse(&arena, &file, &k), "is no kernel"));
	file.size--;
	bytes_put(&file, 0x1f4, 2, (8192 - 1536) / 16);
	expect_real(&file, PROTOCOL_AUTO, 0x10000, 0x10000 + 8191 - 1536);
	bytes_put(&file, 0x1fe, 2, 0);
	assert_non_null(strstr(kernel_parse(&arena, &file, &k), "is no kernel"));
}

static void a_32_bit_linux_is_recognised(void **state)
{
	struct bytes elf = image_elf32(&arena, 0x1000000, 0x3000);
	struct bytes payload = lz4_legacy(&elf);
	struct kernel k;

	(void)state;
	expect_linux(&payload, elf.size);
	assert_null(kernel_parse(&arena, &elf, &k));
	assert_int_equal(k.kind, KERNEL_LINUX);
	elf.data[1024] = 'l';
	assert_non_null(strstr(kernel_parse(&arena, &elf, &k), "neither a Linux kernel nor"));
}

static void a_vmlinux_is_recognised_without_multiboot_header(void **state)
{
	struct bytes file = image_elf64(&arena, 0x1000000, 0x3000);
	struct kernel k;

	(void)state;
	assert_null(kernel_parse(&arena, &file, &k));
	assert_int_equal(k.kind, KERNEL_LINUX);
}

static void an_elf_that_is_no_kernel_is_refused(void **state)
{
	struct bytes file = image_elf64(&arena, 0x1000000, 0x3000);
	struct kernel k;

	(void)state;
	file.data[1024] = 'l';
	assert_non_null(strstr(kernel_parse(&arena, &file, &k), "neither"));
}

static void every_damage_to_elf_headers_is_survived(void **state)
{
	struct bytes file = image_elf64(&arena, 0x1000000, 0x3000);
	struct elf elf;

	(void)state;
	for (size_t at = 0; at < 64 + 56; at++) {
		uint8_t old = file.data[at];

		for (unsigned value = 0; value < 256; value++) {
			file.data[at] = (uint8_t)value;
			if (!elf_open(&file, &elf))
				(void)elf_physical_entry(&elf);
		}
		file.data[at] = old;
	}
}

static void an_elf_segment_outside_the_file_is_refused(void **state)
{
	struct bytes file = image_elf64(&arena, 0x1000000, 0x3000);
	struct elf elf;

	(void)state;
	bytes_put(&file, 64 + 8, 8, 4000); /* p_offset */
	assert_non_null(elf_open(&file, &elf));
	bytes_put(&file, 64 + 8, 8, UINT64_MAX - 10);
	assert_non_null(elf_open(&file, &elf));
}

static void the_entry_of_an_elf_is_a_physical_address(void **state)
{
	struct bytes file = image_elf64(&arena, 0x200000, 0x3000);
	struct bytes flat;
	struct elf elf;

	(void)state;
	assert_null(elf_open(&file, &elf));
	assert_int_equal(elf_physical_entry(&elf), 0x200010);
	flat = elf_flatten(&elf, &arena);
	assert_int_equal(flat.size, 1024);
	assert_string_equal(flat.data, IMAGE_TEXT);
}

static void multiboot_2_goes_before_multiboot_1(void **state)
{
	struct bytes file = image_elf64(&arena, 0x200000, 0x3000);
	struct kernel k;

	(void)state;
	image_put_multiboot1(&file, 1100, 0);
	assert_null(kernel_parse(&arena, &file, &k));
	assert_int_equal(k.kind, KERNEL_MULTIBOOT1);
	image_put_multiboot2(&file, 1200, 16);
	assert_null(kernel_parse(&arena, &file, &k));
	assert_int_equal(k.kind, KERNEL_MULTIBOOT2);
	assert_int_equal(k.low, 0x200000);
	assert_int_equal(k.high, 0x203000);
}

static void multiboot_1_load_addresses_are_used(void **state)
{
	struct bytes file = {arena_alloc(&arena, 4096), 4096};
	struct multiboot_header h;

	(void)state;
	image_put_multiboot1(&file, 64, 1U << 16);
	bytes_put(&file, 64 + 12, 4, 0x100040); /* header */
	bytes_put(&file, 64 + 16, 4, 0x100000); /* load */
	bytes_put(&file, 64 + 24, 4, 0x105000); /* bss end */
	bytes_put(&file, 64 + 28, 4, 0x100100); /* entry */
	assert_null(multiboot_find(&file, &h));
	assert_int_equal(h.version, 1);
	assert_int_equal(h.load_offset, 0);
	assert_int_equal(h.load_low, 0x100000);
	assert_int_equal(h.load_file_end, 0x101000);
	assert_int_equal(h.load_high, 0x105000);
	assert_int_equal(h.entry, 0x100100);
	bytes_put(&file, 64 + 16, 4, 0x200000);
	assert_non_null(multiboot_find(&file, &h));
}

/* Two segments in one unit, and one in two units far away; with load addresses, all between. */
static void a_kernel_lies_in_units_of_memory(void **state)
{
	struct bytes file = image_elf64(&arena, 0x600000, 0x1000);
	Elf64_Ehdr *h = (Elf64_Ehdr *)(void *)file.data;
	Elf64_Phdr *p = (Elf64_Phdr *)(void *)(file.data + sizeof(*h));
	struct kernel k;

	(void)state;
	h->e_phnum = 3;
	p[1] = p[2] = p[0];
	p[1].p_paddr = 0x601000;
	p[2].p_paddr = 0x15ff000;
	p[2].p_memsz = 0x2000;
	assert_null(kernel_parse(&arena, &file, &k));
	assert_int_equal(kernel_units(&k), 4); /* and low memory */
	p[0].p_paddr = 0x1000;
	assert_null(kernel_parse(&arena, &file, &k));
	assert_int_equal(kernel_units(&k), 4);
	image_put_multiboot1(&file, 1800, 1U << 16);
	bytes_put(&file, 1812, 4, 0x600000 + 1800);
	bytes_put(&file, 1816, 4, 0x600000);
	bytes_put(&file, 1824, 4, 0xe00001);
	assert_null(kernel_parse(&arena, &file, &k));
	assert_int_equal(kernel_units(&k), 6);
}

static void multiboot_2_tags_that_lead_outside_are_survived(void **state)
{
	struct bytes file = {arena_alloc(&arena, 256), 256};
	struct multiboot_header h;

	(void)state;
	image_put_multiboot2(&file, 0, 0x7fffffff);
	bytes_put(&file, 16, 2, 5);
	bytes_put(&file, 20, 4, 0xfffffff8);
	assert_null(multiboot_find(&file, &h));
	bytes_put(&file, 20, 4, 3);
	assert_null(multiboot_find(&file, &h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_gzip_bzimage_is_unpacked, tear_down),
		cmocka_unit_test_teardown(an_xz_bzimage_is_unpacked, tear_down),
		cmocka_unit_test_teardown(a_zstd_bzimage_is_unpacked, tear_down),
		cmocka_unit_test_teardown(an_lz4_bzimage_is_unpacked, tear_down),
		cmocka_unit_test_teardown(
			a_bzimage_with_a_wrong_unpacked_size_is_refused, tear_down),
		cmocka_unit_test_teardown(every_truncation_of_a_bzimage_is_refused, tear_down),
		cmocka_unit_test_teardown(
			a_bzimage_without_a_payload_is_started_as_it_is, tear_down),
		cmocka_unit_test_teardown(
			a_bzimage_without_a_payload_that_cannot_be_started_says_why, tear_down),
		cmocka_unit_test_teardown(
			a_bzimage_that_tells_too_little_is_started_by_its_16_bit_entry,
			tear_down),
		cmocka_unit_test_teardown(
			any_bzimage_is_started_by_its_16_bit_entry_if_that_is_asked_for,
			tear_down),
		cmocka_unit_test_teardown(
			a_kernel_of_before_protocol_2_00_is_known_by_its_size, tear_down),
		cmocka_unit_test_teardown(
			a_protocol_that_is_asked_for_is_the_one_even_if_the_image_has_others,
			tear_down),
		cmocka_unit_test_teardown(
			what_cannot_be_started_by_a_16_bit_entry_says_why, tear_down),
		cmocka_unit_test_teardown(a_32_bit_linux_is_recognised, tear_down),
		cmocka_unit_test_teardown(
			a_vmlinux_is_recognised_without_multiboot_header, tear_down),
		cmocka_unit_test_teardown(an_elf_that_is_no_kernel_is_refused, tear_down),
		cmocka_unit_test_teardown(every_damage_to_elf_headers_is_survived, tear_down),
		cmocka_unit_test_teardown(
			an_elf_segment_outside_the_file_is_refused, tear_down),
		cmocka_unit_test_teardown(the_entry_of_an_elf_is_a_physical_address, tear_down),
		cmocka_unit_test_teardown(multiboot_2_goes_before_multiboot_1, tear_down),
		cmocka_unit_test_teardown(multiboot_1_load_addresses_are_used, tear_down),
		cmocka_unit_test_teardown(a_kernel_lies_in_units_of_memory, tear_down),
		cmocka_unit_test_teardown(
			multiboot_2_tags_that_lead_outside_are_survived, tear_down),
	};

	return cmocka_run_group_tests_name("tool_kernel", tests, NULL, NULL);
}
