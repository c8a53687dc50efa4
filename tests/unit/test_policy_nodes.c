/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual nodes of a VM: every part of its memory and each vCPU is in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/memory.h"
#include "policy/nodes.h"

#define GIB (1ull << 30)

static struct vm_config config(uint32_t nodes, unsigned cpus, uint64_t memory)
{
	struct vm_config c;

	settings_init(vm_settings, &c);
	strcpy(c.name, "a");
	c.nodes = nodes;
	c.cpus = cpus;
	c.memory = memory;
	return c;
}

static void all_memory_and_all_vcpus_are_in_nodes_as_equal_as_can_be(void **state)
{
	(void)state;
	for (uint32_t nodes = 1; nodes <= LIMIT_NODES; nodes++)
		for (unsigned cpus = nodes; cpus <= LIMIT_VCPUS; cpus++) {
			struct vm_config c = config(nodes, cpus, 5 * GIB + cpus * MEMORY_UNIT);
			uint64_t least = c.memory / nodes / MEMORY_UNIT * MEMORY_UNIT;

			assert_int_equal(nodes_ram_start(&c, 0), 0);
			assert_int_equal(nodes_ram_start(&c, nodes), c.memory);
			assert_int_equal(nodes_vcpu_start(&c, nodes), cpus);
			for (unsigned i = 0; i < nodes; i++) {
				uint64_t ram =
					nodes_ram_start(&c, i + 1) - nodes_ram_start(&c, i);
				unsigned vcpus =
					nodes_vcpu_start(&c, i + 1) - nodes_vcpu_start(&c, i);

				assert_int_equal(nodes_ram_start(&c, i) % MEMORY_UNIT, 0);
				assert_int_equal(nodes_of_ram(&c, nodes_ram_start(&c, i)), i);
				assert_int_equal(
					nodes_of_ram(&c, nodes_ram_start(&c, i + 1) - 1), i);
				assert_in_range(ram, least, least + MEMORY_UNIT);
				assert_in_range(vcpus, cpus / nodes, cpus / nodes + 1);
			}
			for (unsigned k = 0; k < cpus; k++) {
				unsigned node = nodes_of_vcpu(&c, k);

				assert_true(k >= nodes_vcpu_start(&c, node) &&
					    k < nodes_vcpu_start(&c, node + 1));
			}
		}
}

static void the_largest_vm_has_its_memory_to_the_last_byte(void **state)
{
	struct vm_config c = config(8, 64, 1024 * GIB);

	(void)state;
	for (unsigned i = 0; i <= 8; i++)
		assert_int_equal(nodes_ram_start(&c, i), 128 * GIB * i);
	c = config(7, 64, 1024 * GIB);
	assert_int_equal(nodes_ram_start(&c, 7), 1024 * GIB);
}

static void a_package_is_a_node_where_numbers_can_tell_packages_apart(void **state)
{
	static const struct {
		uint32_t nodes;
		unsigned cpus, package;
	} rows[] = {{1, 1, 1}, {1, 3, 3}, {1, 4, 4}, {2, 2, 1}, {2, 4, 2}, {2, 3, 3}, {2, 6, 6},
		{4, 8, 2}, {3, 6, 2}, {4, 6, 6}, {8, 64, 8}, {5, 40, 8}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vm_config c = config(rows[i].nodes, rows[i].cpus, 4 * GIB);

		assert_int_equal(nodes_package(&c), rows[i].package);
		for (unsigned k = 0; rows[i].package != rows[i].cpus && k < rows[i].cpus; k++)
			assert_int_equal(nodes_of_vcpu(&c, k), k / rows[i].package);
	}
}

static void nodes_without_vcpus_or_with_next_to_no_memory_are_refused(void **state)
{
	struct vm_config c = config(4, 3, 4 * GIB);

	(void)state;
	assert_string_equal(vm_config_error(&c), "each of its 'nodes' needs a virtual CPU");
	c = config(4, 4, 254ull << 20);
	assert_string_equal(
		vm_config_error(&c), "each of its 'nodes' needs 64M of memory at least");
	c = config(4, 4, 256ull << 20);
	assert_null(vm_config_error(&c));
	c.iommu = IOMMU_NONE;
	c.devices.count = 1;
	assert_non_null(
		strstr(vm_config_error(&c), "'nodes' is not for a VM with 'iommu: none'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_memory_and_all_vcpus_are_in_nodes_as_equal_as_can_be),
		cmocka_unit_test(the_largest_vm_has_its_memory_to_the_last_byte),
		cmocka_unit_test(a_package_is_a_node_where_numbers_can_tell_packages_apart),
		cmocka_unit_test(nodes_without_vcpus_or_with_next_to_no_memory_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
