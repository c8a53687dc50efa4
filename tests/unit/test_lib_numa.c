/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes by the ACPI tables SRAT and SLIT, as firmware writes them, and as it should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/numa.h"
#include "random.h"

#define GIB (1ull << 30)
#define TIB (1ull << 40)

static uint8_t table[65536];
static uint32_t size;
static struct numa n;

static int set_up(void **state)
{
	(void)state;
	memset(table, 0, sizeof(table));
	table[8] = 3; /* revision */
	size = 48;
	return 0;
}

static void put(uint32_t at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		table[at + i] = (uint8_t)(value >> 8 * i);
}

static void head(uint8_t kind, uint8_t length)
{
	memset(table + size, 0, length);
	table[size] = kind;
	table[size + 1] = length;
	size += length;
}

static void lapic(uint32_t domain, uint8_t id, uint32_t flags)
{
	head(0, 16);
	table[size - 16 + 2] = (uint8_t)domain;
	table[size - 16 + 3] = id;
	put(size - 16 + 4, flags, 4);
	put(size - 16 + 9, domain >> 8, 3);
}

static void x2apic(uint32_t domain, uint32_t id, uint32_t flags)
{
	head(2, 24);
	put(size - 24 + 4, domain, 4);
	put(size - 24 + 8, id, 4);
	put(size - 24 + 12, flags, 4);
}

static void memory(uint32_t domain, uint64_t start, uint64_t bytes, uint32_t flags)
{
	head(1, 40);
	put(size - 40 + 2, domain, 4);
	put(size - 40 + 8, start, 8);
	put(size - 40 + 16, bytes, 8);
	put(size - 40 + 28, flags, 4);
}

static uint32_t memory_node(uint64_t address)
{
	uint64_t last;

	return numa_of_memory(&n, address, &last);
}

static void memory_and_processors_of_nodes_are_found(void **state)
{
	uint64_t last;

	(void)state;
	lapic(0, 0, 1);
	lapic(1, 4, 1);
	x2apic(1, 0x123, 1);
	memory(0, 0, 0xa0000, 1);
	memory(0, 0x100000, 3 * GIB - 0x100000, 1);
	memory(0, 4 * GIB, 4 * GIB, 1);
	memory(1, 8 * GIB, 8 * GIB, 1);
	assert_true(numa_read(&n, table, size));
	assert_int_equal(n.count, 2);
	assert_int_equal(n.left_out, 0);
	assert_int_equal(numa_of_cpu(&n, 0), 0);
	assert_int_equal(numa_of_cpu(&n, 4), 1);
	assert_int_equal(numa_of_cpu(&n, 0x123), 1);
	assert_int_equal(numa_of_cpu(&n, 5), NUMA_NONE);
	assert_int_equal(numa_of_memory(&n, 0x1000, &last), 0);
	assert_int_equal(last, 0x9ffff);
	assert_int_equal(numa_of_memory(&n, 0xa0000, &last), NUMA_NONE);
	assert_int_equal(last, 0xfffff);
	assert_int_equal(memory_node(8 * GIB - 1), 0);
	assert_int_equal(numa_of_memory(&n, 8 * GIB, &last), 1);
	assert_int_equal(last, 16 * GIB - 1);
	assert_int_equal(numa_of_memory(&n, 16 * GIB, &last), NUMA_NONE);
	assert_int_equal(last, UINT64_MAX);
	assert_int_equal(n.distance[0][0], NUMA_NEAR);
	assert_int_equal(n.distance[0][1], NUMA_FAR);
}

static void nodes_are_numbered_by_their_domains_which_have_32_bits(void **state)
{
	(void)state;
	memory(0x80000001, 2 * GIB, GIB, 1);
	memory(7, GIB, GIB, 1);
	lapic(0x30002, 9, 1);
	assert_true(numa_read(&n, table, size));
	assert_int_equal(n.count, 3);
	assert_int_equal(n.domain[0], 7);
	assert_int_equal(n.domain[1], 0x30002);
	assert_int_equal(n.domain[2], 0x80000001);
	assert_int_equal(memory_node(2 * GIB), 2);
	assert_int_equal(numa_of_cpu(&n, 9), 1);
}

static void domains_of_the_first_revision_have_8_bits(void **state)
{
	(void)state;
	table[8] = 1;
	memory(0xabcd01, 0, GIB, 1);
	lapic(0x777701, 3, 1);
	assert_true(numa_read(&n, table, size));
	assert_int_equal(n.count, 1);
	assert_int_equal(n.domain[0], 1);
	assert_int_equal(numa_of_cpu(&n, 3), 0);
}

static void what_is_off_or_keeps_its_content_is_left_out_and_what_can_be_added_counts(
	void **state)
{
	(void)state;
	memory(0, 0, GIB, 1);
	memory(1, GIB, GIB, 0);     /* off */
	memory(2, 2 * GIB, GIB, 5); /* not volatile */
	memory(3, 3 * GIB, GIB, 3); /* may be added */
	memory(4, 4 * GIB, 0, 1);   /* nothing */
	lapic(5, 5, 0);
	x2apic(5, 6, 2);
	assert_true(numa_read(&n, table, size));
	assert_int_equal(n.count, 2);
	assert_int_equal(memory_node(GIB), NUMA_NONE);
	assert_int_equal(memory_node(2 * GIB), NUMA_NONE);
	assert_int_equal(memory_node(3 * GIB), 1);
	assert_int_equal(numa_of_cpu(&n, 5), NUMA_NONE);
	assert_int_equal(n.left_out, 0);
}

static void a_table_without_memory_is_one_node(void **state)
{
	(void)state;
	lapic(3, 0, 1);
	assert_false(numa_read(&n, table, size));
	assert_int_equal(n.count, 1);
	assert_int_equal(memory_node(0), 0);
	assert_int_equal(memory_node(UINT64_MAX), 0);
	assert_int_equal(numa_of_cpu(&n, 0), NUMA_NONE);
	assert_false(numa_read(&n, table, 20));
	assert_int_equal(n.count, 1);
}

static void memory_that_two_nodes_claim_is_the_first_ones(void **state)
{
	(void)state;
	memory(0, GIB, 2 * GIB, 1);
	memory(1, 2 * GIB, 2 * GIB, 1);
	memory(1, 0, 2 * GIB, 1);
	memory(1, UINT64_MAX - GIB, 2 * GIB, 1); /* beyond all addresses */
	memory(1, 8 * GIB, GIB, 1);
	lapic(0, 1, 1);
	lapic(0, 1, 1);
	lapic(1, 1, 1);
	assert_true(numa_read(&n, table, size));
	assert_int_equal(n.left_out, 4);
	assert_int_equal(memory_node(0), NUMA_NONE);
	assert_int_equal(memory_node(2 * GIB), 0);
	assert_int_equal(memory_node(3 * GIB), NUMA_NONE);
	assert_int_equal(memory_node(8 * GIB), 1);
	assert_int_equal(numa_of_cpu(&n, 1), 0);
}

static void pieces_side_by_side_are_one_in_any_order(void **state)
{
	(void)state;
	memory(0, 2 * GIB, GIB, 1);
	memory(0, 0, GIB, 1);
	memory(1, 3 * GIB, GIB, 1);
	memory(0, GIB, GIB, 1);
	assert_true(numa_read(&n, table, size));
	assert_int_equal(n.range_count, 2);
	assert_int_equal(n.range[0].last, 3 * GIB - 1);
}

static void sixty_four_tebibytes_in_sixty_four_nodes_with_1024_processors_are_taken(
	void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		memory(i, i * TIB, TIB, 1);
	for (uint32_t i = 0; i < NUMA_CPUS; i++)
		x2apic(i / 16, i, 1);
	assert_true(numa_read(&n, table, size));
	assert_int_equal(n.count, 64);
	assert_int_equal(n.left_out, 0);
	for (uint32_t i = 0; i < 64; i++) {
		assert_int_equal(memory_node(i * TIB), i);
		assert_int_equal(memory_node((i + 1) * TIB - 1), i);
		assert_int_equal(numa_of_cpu(&n, 16 * i + 15), i);
	}
	memory(64, 64 * TIB, TIB, 1);
	x2apic(0, NUMA_CPUS, 1);
	assert_true(numa_read(&n, table, size));
	assert_int_equal(n.count, 64);
	assert_int_equal(n.left_out, 2);
	assert_int_equal(memory_node(64 * TIB), NUMA_NONE);
}

static void what_stands_before_damage_counts(void **state)
{
	(void)state;
	memory(0, 0, GIB, 1);
	memory(1, GIB, GIB, 1);
	table[size - 40 + 1] = 1; /* an entry shorter than its head */
	assert_true(numa_read(&n, table, size));
	assert_int_equal(n.count, 1);
	table[size - 40 + 1] = 41; /* one that goes beyond the table */
	assert_true(numa_read(&n, table, size));
	assert_int_equal(n.count, 1);
	table[size - 40 + 1] = 39; /* and one too short for what it is */
	assert_true(numa_read(&n, table, size));
	assert_int_equal(n.count, 1);
}

static uint8_t slit[64];

static bool distances(uint64_t count, const char *entries, uint32_t bytes)
{
	for (unsigned i = 0; i < 8; i++)
		slit[36 + i] = (uint8_t)(count >> 8 * i);
	memcpy(slit + 44, entries, bytes);
	return numa_read_distances(&n, slit, 44 + bytes);
}

static void distances_are_those_of_the_domains(void **state)
{
	(void)state;
	memory(0, 0, GIB, 1);
	memory(2, GIB, GIB, 1);
	memory(9, 2 * GIB, GIB, 1); /* the table has no row for it */
	assert_true(numa_read(&n, table, size));
	assert_true(distances(3, "\x0a\x10\x1f\x10\x0a\x20\x15\x20\x0a", 9));
	assert_int_equal(n.distance[0][1], 0x1f);
	assert_int_equal(n.distance[1][0], 0x15);
	assert_int_equal(n.distance[1][1], NUMA_NEAR);
	assert_int_equal(n.distance[0][2], NUMA_FAR);
	assert_int_equal(n.distance[2][2], NUMA_NEAR);
}

static void distances_that_cannot_be_change_nothing(void **state)
{
	(void)state;
	memory(0, 0, GIB, 1);
	memory(1, GIB, GIB, 1);
	assert_true(numa_read(&n, table, size));
	assert_false(distances(2, "\x0a\x09\x14\x0a", 4)); /* nearer than itself */
	assert_false(distances(2, "\x0b\x14\x14\x0a", 4)); /* not at itself */
	assert_false(distances(3, "\x0a\x14\x14\x0a", 4)); /* cut */
	assert_false(distances(1ull << 32, "\x0a", 1));    /* whose square is 0 */
	assert_false(numa_read_distances(&n, slit, 43));
	assert_int_equal(n.distance[0][1], NUMA_FAR);
}

/* Whatever is in a table: nodes and ranges are what the header promises. */
static void check(void)
{
	uint64_t last;

	assert_in_range(n.count, 1, NUMA_NODES);
	assert_in_range(n.range_count, 1, NUMA_RANGES);
	for (unsigned i = 0; i < n.range_count; i++) {
		assert_true(n.range[i].start <= n.range[i].last && n.range[i].node < n.count);
		assert_true(i == 0 || n.range[i - 1].last < n.range[i].start);
		assert_int_equal(numa_of_memory(&n, n.range[i].last, &last), n.range[i].node);
		assert_int_equal(last, n.range[i].last);
	}
	for (unsigned i = 0; i < n.cpu_count; i++)
		assert_true(n.cpu[i].node < n.count);
}

static void rubbish_is_never_read_beyond_its_end(void **state)
{
	static const uint8_t sizes[] = {16, 40, 24};
	uint64_t seed = 3;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t length = random_below(&seed, 400), at = 48;
		uint8_t *exact = malloc(length + 1); /* the sanitizer knows its end */

		for (uint32_t k = 0; k < length; k++)
			exact[k] = (uint8_t)(random_below(&seed, 2) ? random_below(&seed, 17)
								    : random_next(&seed));
		while (at + 2 < length && random_below(&seed, 16) != 0) {
			exact[at] = (uint8_t)random_below(&seed, 3);
			exact[at + 1] = sizes[exact[at]];
			at += exact[at + 1];
		}
		(void)numa_read(&n, exact, length);
		check();
		(void)numa_read_distances(&n, exact, length);
		free(exact);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(memory_and_processors_of_nodes_are_found),
		TEST(nodes_are_numbered_by_their_domains_which_have_32_bits),
		TEST(domains_of_the_first_revision_have_8_bits),
		TEST(what_is_off_or_keeps_its_content_is_left_out_and_what_can_be_added_counts),
		TEST(a_table_without_memory_is_one_node),
		TEST(memory_that_two_nodes_claim_is_the_first_ones),
		TEST(pieces_side_by_side_are_one_in_any_order),
		TEST(sixty_four_tebibytes_in_sixty_four_nodes_with_1024_processors_are_taken),
		TEST(what_stands_before_damage_counts),
		TEST(distances_are_those_of_the_domains),
		TEST(distances_that_cannot_be_change_nothing),
		TEST(rubbish_is_never_read_beyond_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
