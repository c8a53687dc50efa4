/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest is told of its nodes, read by what L0 reads the machine's tables with; from the
 * tables as a kernel finds them, and as firmware is given them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dev/acpi_loader.h"
#include "dev/dev.h"
#include "lib/numa.h"
#include "spec/addr.h"

#define GIB (1ull << 30)
#define LOW DEV_PCI_HOLE_START /* of RAM below 4 GiB */

static uint8_t memory[65536];
static struct platform_config config;
static struct numa n;

/* Every node has as much RAM and as many vCPUs as the others. */
static void make(unsigned nodes, unsigned vcpus, uint64_t ram)
{
	config = (struct platform_config){
		.vcpus = vcpus, .tsc_khz = 1000000, .memory = ram, .node_count = nodes};
	for (unsigned i = 0; i < nodes; i++) {
		config.nodes[i].ram_end = ram / nodes * (i + 1);
		config.nodes[i].vcpu_end = vcpus / nodes * (i + 1);
		for (unsigned k = 0; k < nodes; k++)
			config.nodes[i].distance[k] = (uint8_t)(i == k ? 10 : 20 + i + k);
	}
}

/* The table of a signature, wherever it is; its checksum is left to a loader, or is right. */
static const uint8_t *find(const uint8_t *in, size_t size, const char *name, uint32_t *length)
{
	for (size_t at = 0; at + 44 <= size; at += 4) {
		if (memcmp(in + at, name, 4) != 0 || memcmp(in + at + 10, "NESTOR", 6) != 0)
			continue;
		memcpy(length, in + at + 4, 4);
		assert_true(*length <= size - at);
		return in + at;
	}
	return NULL;
}

static void read_tables(const uint8_t *in, size_t size)
{
	uint32_t srat_length, slit_length;
	const uint8_t *srat = find(in, size, "SRAT", &srat_length);
	const uint8_t *slit = find(in, size, "SLIT", &slit_length);

	assert_non_null(srat);
	assert_non_null(slit);
	assert_true(numa_read(&n, srat, srat_length));
	assert_true(numa_read_distances(&n, slit, slit_length));
	assert_int_equal(n.left_out, 0);
	assert_int_equal(n.count, config.node_count);
	for (unsigned i = 0; i < n.count; i++)
		for (unsigned k = 0; k < n.count; k++)
			assert_int_equal(n.distance[i][k], config.nodes[i].distance[k]);
	for (unsigned i = 0; i < config.vcpus; i++)
		assert_int_equal(numa_of_cpu(&n, i), i / (config.vcpus / n.count));
}

/* Each byte of RAM is in the node whose part it is, and nothing else is in any. */
static void check_ram(uint64_t low)
{
	uint64_t each = config.memory / config.node_count, last, all = 0;

	for (uint64_t ram = 0; ram < config.memory; ram = ram / each * each + each) {
		uint64_t gpa = ram < low ? ram : BIT64(32) + (ram - low);

		assert_int_equal(numa_of_memory(&n, gpa, &last), ram / each);
	}
	for (unsigned i = 0; i < n.range_count; i++)
		all += n.range[i].last - n.range[i].start + 1;
	assert_int_equal(all, config.memory);
	if (config.memory <= low)
		return;
	assert_int_equal(numa_of_memory(&n, low - 1, &last), (low - 1) / each);
	assert_int_equal(last, low - 1);
	assert_int_equal(numa_of_memory(&n, low, &last), NUMA_NONE);
	assert_int_equal(last, BIT64(32) - 1);
	assert_int_equal(numa_of_memory(&n, BIT64(32), &last), low / each);
}

static void a_kernel_finds_the_nodes_on_both_sides_of_the_hole(void **state)
{
	static const uint64_t sizes[] = {GIB, 4 * GIB, 6 * GIB, 16 * GIB, 1024 * GIB};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (unsigned nodes = 2; nodes <= DEV_MAX_NODES; nodes *= 2) {
			make(nodes, 16, sizes[i]);
			assert_int_not_equal(
				acpi_build(memory, sizeof(memory), 0xe0000, &config), 0);
			read_tables(memory, sizeof(memory));
			check_ram(LOW);
		}
}

static void firmware_is_given_them_with_its_own_hole_however_many_they_are(void **state)
{
	static struct acpi_loader l;
	struct vfwcfg_table *told = (void *)memory; /* that there is one counts */

	(void)state;
	make(DEV_MAX_NODES, DEV_MAX_VCPUS, 8 * GIB);
	config.fwcfg = told;
	config.vtd = config.hpet = true;
	config.root_ports = LIMIT_ROOT_PORTS;
	assert_true(acpi_loader_build(&l, &config, DEV_ECAM_BASE));
	read_tables(l.tables, sizeof(l.tables));
	check_ram(DEV_FIRMWARE_HOLE_START);
}

static void a_guest_of_one_node_is_told_nothing(void **state)
{
	uint32_t length;

	(void)state;
	for (unsigned nodes = 0; nodes < 2; nodes++) {
		memset(memory, 0, sizeof(memory));
		make(1, 4, GIB);
		config.node_count = nodes;
		assert_int_not_equal(acpi_build(memory, sizeof(memory), 0xe0000, &config), 0);
		assert_null(find(memory, sizeof(memory), "SRAT", &length));
		assert_null(find(memory, sizeof(memory), "SLIT", &length));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_finds_the_nodes_on_both_sides_of_the_hole),
		cmocka_unit_test(
			firmware_is_given_them_with_its_own_hole_however_many_they_are),
		cmocka_unit_test(a_guest_of_one_node_is_told_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
