/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of VMs: what L0 takes fits on the machine that the host tool makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/memory.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define TIB (1ull << 40)

static struct vm_config vms[4];
static const struct vm_config *const list[4] = {&vms[0], &vms[1], &vms[2], &vms[3]};

static uint64_t machine(unsigned count, uint64_t memory)
{
	for (unsigned i = 0; i < count; i++) {
		settings_init(vm_settings, &vms[i]);
		vms[i].memory = memory;
	}
	return memory_of_machine(10 * MIB, list, count, 0);
}

static void the_pool_grows_with_the_vm(void **state)
{
	uint64_t small, large;

	(void)state;
	machine(1, 64 * MIB);
	small = memory_pool_size(&vms[0]);
	machine(1, 64 * GIB);
	large = memory_pool_size(&vms[0]);
	assert_int_equal(small % MEMORY_UNIT, 0);
	/* All tables that a VM may have, a page for each MiB, a 64th. */
	assert_true(large > 64 * GIB / MEMORY_UNIT * 5 / 4 * MEMORY_EPT02_TABLE + 1 * GIB);
	assert_true(large < 2 * 64 * GIB / MEMORY_UNIT * MEMORY_EPT02_TABLE + 2 * GIB);
	assert_true(small < 20 * MIB);
	vms[0].vmx = false;
	assert_true(memory_pool_size(&vms[0]) < 11 * MIB + 1 * GIB);
}

/* A table for each 2 MiB in pages of 4 KiB, and a quarter more, up to the largest VM. */
static void tables_of_ept02_follow_ram(void **state)
{
	uint32_t last = 0;

	(void)state;
	for (uint64_t memory = 4 * MIB; memory <= 64 * TIB; memory *= 2) {
		uint64_t tables = memory / MEMORY_UNIT * 5 / 4;

		machine(1, memory);
		last = memory_ept02_tables(&vms[0]);
		assert_in_range(last, tables, tables + 64);
		assert_true(memory_pool_size(&vms[0]) >= tables * MEMORY_EPT02_TABLE);
		/* of all that it has, this is a small part */
		assert_true(tables * MEMORY_EPT02_TABLE <= memory / 190);
	}
	/* no machine has more, and the number has 32 bits */
	machine(1, UINT64_MAX / 2);
	assert_int_equal(memory_ept02_tables(&vms[0]), last);
	vms[0].cpus = 288;
	assert_int_equal(memory_ept02_tables(&vms[0]), last + 8 * 280);
}

static void more_virtual_cpus_need_more(void **state)
{
	uint64_t one;

	(void)state;
	machine(1, 64 * MIB);
	one = memory_pool_size(&vms[0]);
	vms[0].cpus = 60; /* more than a VM may have: sizes are rounded */
	assert_true(memory_pool_size(&vms[0]) >=
		    one +
			    59 * MEMORY_PAGE *
				    (MEMORY_VMCS_PAGES + MEMORY_FIGURES_PAGES +
					    MEMORY_TRACE_PAGES) -
			    MEMORY_UNIT);
}

/* What a VM may need once it runs is in its pool, beside what its vCPUs have from the start. */
static void what_is_needed_later_is_a_part_of_the_pool(void **state)
{
	static const unsigned cpus[] = {1, 2, 8, 9, 64, 288};

	(void)state;
	for (unsigned i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++)
		for (uint64_t memory = 64 * MIB; memory <= 64 * GIB; memory *= 8) {
			uint64_t later, without;

			machine(1, memory);
			vms[0].cpus = cpus[i];
			later = memory_pool_later(&vms[0]);
			assert_true(
				later >= memory / MEMORY_UNIT + MEMORY_TRACE_PAGES * cpus[i]);
			without = (uint64_t)cpus[i] * 56 * MEMORY_PAGE;
			assert_true(later * MEMORY_PAGE + without < memory_pool_size(&vms[0]));
		}
}

static void disks_are_a_part_of_the_pool(void **state)
{
	uint64_t none;

	(void)state;
	machine(1, 64 * MIB);
	none = memory_pool_size(&vms[0]);
	vms[0].disk_memory = 100 * MIB + 1;
	assert_in_range(memory_pool_size(&vms[0]), none + 100 * MIB, none + 104 * MIB);
	vms[0].disk_memory = 0;
}

static void what_firmware_keeps_over_a_restart_is_a_part_of_the_pool(void **state)
{
	uint64_t without;

	(void)state;
	machine(1, 64 * MIB);
	without = memory_pool_size(&vms[0]);
	assert_int_equal(memory_kept_size(&vms[0]), 0);
	vms[0].firmware = true;
	assert_int_equal(memory_kept_size(&vms[0]), MEMORY_UNIT);
	assert_int_equal(memory_pool_size(&vms[0]), without + MEMORY_UNIT);
	vms[0].disk_memory = 100 * MIB;
	assert_int_equal(memory_kept_size(&vms[0]), MEMORY_UNIT + 100 * MIB);
	assert_int_equal(memory_pool_size(&vms[0]), without + MEMORY_UNIT + 100 * MIB);
	vms[0].disk_memory = 0;
	vms[0].firmware = false;
}

static void disks_of_a_vm_that_starts_again_are_kept(void **state)
{
	uint64_t without;

	(void)state;
	machine(1, 64 * MIB);
	vms[0].disk_memory = 10 * MIB;
	without = memory_pool_size(&vms[0]);
	assert_int_equal(memory_kept_size(&vms[0]), 0);
	for (unsigned choice = RESTART_NEVER + 1; choice <= RESTART_ALWAYS; choice++) {
		vms[0].restart = (uint8_t)choice;
		assert_int_equal(memory_kept_size(&vms[0]), MEMORY_UNIT + 10 * MIB);
		assert_int_equal(memory_pool_size(&vms[0]), without + MEMORY_UNIT);
	}
	vms[0].disk_memory = 0;
	assert_int_equal(memory_kept_size(&vms[0]), 0);
	vms[0].restart = RESTART_NEVER;
}

static void streams_to_servers_of_disks_need_memory_that_is_nobodys(void **state)
{
	uint64_t without;

	(void)state;
	without = machine(2, 64 * MIB);
	assert_int_equal(memory_streams_size(list, 2), 0);
	vms[0].remote_disks = 8;
	vms[1].remote_disks = 1;
	assert_true(memory_streams_size(list, 2) >= 9ull * 2 * MEMORY_STREAM_RING);
	assert_int_equal(memory_streams_size(list, 2) % MEMORY_UNIT, 0);
	assert_int_equal(memory_of_machine(10 * MIB, list, 2, 0),
		without + memory_streams_size(list, 2));
	vms[0].remote_disks = vms[1].remote_disks = 0;
}

static void images_that_are_moved_need_their_room_twice(void **state)
{
	uint64_t without;

	(void)state;
	machine(1, 64 * MIB);
	without = memory_of_machine(700 * MIB, list, 1, 0);
	vms[0].devices.count = 1;
	vms[0].iommu = IOMMU_NONE;
	assert_true(
		memory_of_machine(700 * MIB, list, 1, 0) >= 700 * MIB + MEMORY_L0 + 700 * MIB);
	assert_true(memory_of_machine(700 * MIB, list, 1, 0) <= without + 700 * MIB);
	vms[0].iommu = IOMMU_ON; /* then its memory may be anywhere */
	assert_true(
		memory_of_machine(700 * MIB, list, 1, 0) < 700 * MIB + MEMORY_L0 + 700 * MIB);
	vms[0].devices.count = 0;
}

/* Each region lies in one piece on one side of the hole, of which 16 MiB or more is L0's. */
static void all_vms_fit_beside_the_hole(void **state)
{
	static const uint64_t sizes[] = {
		16 * MIB, 512 * MIB, 700 * MIB, 1 * GIB, 1500 * MIB, 2 * GIB, 3 * GIB, 5 * GIB};

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (unsigned count = 1; count <= 4; count++) {
			uint64_t size = machine(count, sizes[s]), pool;
			uint64_t low = size < MEMORY_WITHOUT_HOLE ? size : 3 * GIB;
			uint64_t need;

			pool = memory_pool_size(&vms[0]);
			need = count * (sizes[s] + pool) + 10 * MIB + MEMORY_L0;
			assert_true(size >= need);
			assert_int_equal(size % MEMORY_UNIT, 0);
			assert_true((low - 10 * MIB - MEMORY_L0) / sizes[s] +
					    (size - low) / sizes[s] >=
				    count);
			/* And not much more than that. */
			assert_true(size <= need + 2 * MIB +
						    (size == low ? 0 : 2 * sizes[s] + 1 * GIB));
		}
	}
}

static void network_devices_need_memory_that_is_nobodys(void **state)
{
	uint64_t without;

	(void)state;
	without = machine(2, 64 * MIB);
	vms[0].nets.count = 3;
	vms[1].nets.count = 2;
	assert_true(memory_nets_size(list, 2, 0) >= 5ull * MEMORY_NET_QUEUE);
	assert_int_equal(memory_nets_size(list, 2, 0) % MEMORY_UNIT, 0);
	assert_int_equal(memory_of_machine(10 * MIB, list, 2, 0),
		without + memory_nets_size(list, 2, 0));
	vms[0].cpus = 8;
	assert_true(memory_nets_size(list, 2, 0) >= (8 * 3 + 2) * (uint64_t)MEMORY_NET_QUEUE);
	vms[0].nets.at[0].queues = vms[0].nets.at[1].queues = vms[0].nets.at[2].queues = 1;
	assert_true(memory_nets_size(list, 2, 0) <= 8ull * MEMORY_NET_QUEUE);
	vms[0].cpus = 1;
	vms[0].nets.at[0].queues = vms[0].nets.at[1].queues = vms[0].nets.at[2].queues = 0;
	vms[0].nets.count = vms[1].nets.count = 0;
	assert_int_equal(memory_nets_size(list, 2, 0), 0);
}

static void virtual_functions_have_a_queue_and_memory_each(void **state)
{
	uint64_t pool, all;

	(void)state;
	all = machine(1, 64 * MIB);
	pool = memory_pool_size(&vms[0]);
	vms[0].nets.count = 1;
	vms[0].nets.at[0].vfs = 7;
	assert_int_equal(memory_nets_queues(list, 1, 1, 0), 8);
	vms[0].cpus = 2;
	assert_int_equal(memory_nets_queues(list, 1, 1, 0), 9);
	vms[0].cpus = 1;
	vms[0].nets.at[0].vfs = 1000; /* more than there may be: sizes are rounded */
	assert_true(memory_pool_size(&vms[0]) >= pool + 1000ull * MEMORY_VF);
	assert_true(memory_of_machine(10 * MIB, list, 1, 1) >=
		    all + 1001ull * MEMORY_NET_QUEUE + 1000ull * MEMORY_VF);
	vms[0].nets.at[0].vfs = 0;
	vms[0].nets.count = 0;
}

static void places_for_more_vms_are_as_large_as_the_largest(void **state)
{
	uint64_t both, third;

	(void)state;
	both = machine(2, 64 * MIB);
	assert_int_equal(memory_of_machine(10 * MIB, list, 2, 2), both);
	third = memory_of_machine(10 * MIB, list, 2, 3);
	assert_true(third >= both + 64 * MIB + memory_pool_size(list[0]));
	vms[0].nets.count = 2;
	assert_int_equal(memory_nets_queues(list, 2, 2, 1), 0);
	assert_int_equal(memory_nets_queues(list, 2, 2, 2), 0);
	assert_int_equal(memory_nets_queues(list, 2, 3, 1), 2);
	assert_int_equal(memory_nets_queues(list, 2, 3, 2), 2);
	assert_true(memory_nets_size(list, 2, 8) >= 16ull * MEMORY_NET_QUEUE);
	assert_int_equal(
		memory_of_machine(10 * MIB, list, 2, 3), third + memory_nets_size(list, 2, 3));
	vms[0].nets.count = 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pool_grows_with_the_vm),
		cmocka_unit_test(tables_of_ept02_follow_ram),
		cmocka_unit_test(more_virtual_cpus_need_more),
		cmocka_unit_test(what_is_needed_later_is_a_part_of_the_pool),
		cmocka_unit_test(disks_are_a_part_of_the_pool),
		cmocka_unit_test(what_firmware_keeps_over_a_restart_is_a_part_of_the_pool),
		cmocka_unit_test(disks_of_a_vm_that_starts_again_are_kept),
		cmocka_unit_test(images_that_are_moved_need_their_room_twice),
		cmocka_unit_test(streams_to_servers_of_disks_need_memory_that_is_nobodys),
		cmocka_unit_test(all_vms_fit_beside_the_hole),
		cmocka_unit_test(network_devices_need_memory_that_is_nobodys),
		cmocka_unit_test(virtual_functions_have_a_queue_and_memory_each),
		cmocka_unit_test(places_for_more_vms_are_as_large_as_the_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
