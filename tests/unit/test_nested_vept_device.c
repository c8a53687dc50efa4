/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual EPT: registers of a device of the machine that L1 owns, mapped for its L2.
 */
#include "vept_alone.h"

/* UC, or WC where EPT12 wants that; never a type by which L2 could cache them. */
static void registers_of_a_device_are_mapped_and_not_cached(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	static const struct {
		uint64_t type12, type02;
	} types[] = {{EPT_TYPE(MEMTYPE_UC), EPT_TYPE(MEMTYPE_UC)},
		{EPT_TYPE(MEMTYPE_WC), EPT_TYPE(MEMTYPE_WC)},
		{EPT_TYPE(MEMTYPE_WT), EPT_TYPE(MEMTYPE_UC)},
		{EPT_TYPE(MEMTYPE_WP) | EPT_IPAT, EPT_TYPE(MEMTYPE_UC) | EPT_IPAT},
		{EPT_WB, EPT_TYPE(MEMTYPE_UC)},
		{EPT_WB | EPT_IPAT, EPT_TYPE(MEMTYPE_UC) | EPT_IPAT}};

	(void)state;
	for (uint64_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		uint64_t at = FAKE_DEVICE + i * PAGE_SIZE;
		unsigned level;

		fake_write64(EPT12_PT + i * 8, at | types[i].type12 | EPT_RWX);
		assert_int_equal(touch(root, i * PAGE_SIZE, EPT_WRITE), VEPT_FILLED);
		assert_true(walk02(root, i * PAGE_SIZE, &level) ==
			    ((FAKE_DEVICE_HPA + i * PAGE_SIZE) | types[i].type02 | EPT_RWX));
		assert_int_equal(level, 1);
	}
	fake_write64(EPT12_PT, (FAKE_DEVICE + FAKE_DEVICE_SIZE) | EPT_RWX);
	vept_invalidate(&n, EPT12);
	assert_int_equal(touch(root, 0, EPT_WRITE), VEPT_NO_RAM);
}

/* By L1 they may be forbidden; and when they have moved nothing of them is left. */
static void registers_of_a_device_have_the_rights_of_ept12_and_go(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	unsigned level;

	(void)state;
	fake_write64(EPT12_PT, FAKE_DEVICE | EPT_READ);
	assert_int_equal(touch(root, 0, EPT_WRITE), VEPT_VIOLATION);
	assert_int_equal(touch(root, 0, EPT_READ), VEPT_FILLED);
	assert_int_equal(walk02(root, 0, &level) & EPT_RWX, EPT_READ);
	vept_forget(&n);
	assert_int_equal(walk02(root, 0, &level), 0);
	assert_int_equal(fake_called("flush and wait"), 1);
}

/* Pages of both sizes: the smaller of what EPT12 has and what the device has. */
static void large_pages_of_registers_stay_large(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	unsigned level;

	(void)state;
	fake_write64(EPT12_PD + 8, (FAKE_DEVICE + SIZE_2M) | EPT_LARGE | EPT_RWX);
	assert_int_equal(touch(root, SIZE_2M + 0x5123, EPT_WRITE), VEPT_FILLED);
	assert_true(walk02(root, SIZE_2M + 0x5123, &level) ==
		    ((FAKE_DEVICE_HPA + SIZE_2M) | EPT_LARGE | EPT_RWX));
	assert_int_equal(level, 2);
}

#define VOID 0xfe000000u

static void expect_no_ram(struct vept_root *root, uint64_t gpa, uint64_t access, uint64_t l1)
{
	assert_int_equal(touch(root, gpa, access), VEPT_NO_RAM);
	assert_true(n.no_ram.v == l1);
}

/* As a processor has a translation cached: the same page, and what was allowed there. */
static void where_ept12_led_holds_until_invept(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	fake_write64(EPT12_PT, VOID | EPT_RWX);
	expect_no_ram(root, 0x10, EPT_READ, VOID + 0x10);
	fake_write64(EPT12_PT, (VOID + 0x1000) | EPT_RWX);
	fake_write64(EPT12_PT + 8, (VOID + 0x2000) | EPT_RWX);
	expect_no_ram(root, 0x20, EPT_READ, VOID + 0x20);
	expect_no_ram(root, 0x1020, EPT_READ, VOID + 0x2020);
	expect_no_ram(root, 0x20, EPT_READ, VOID + 0x1020); /* one page is known */
	fake_write64(EPT12_PT, (VOID + 0x3000) | EPT_RWX);
	expect_no_ram(root, 0x20, EPT_WRITE, VOID + 0x3020); /* it was read only */
	expect_no_ram(root, 0x20, EPT_READ, VOID + 0x3020);
	fake_write64(EPT12_PT, 0);
	expect_no_ram(root, 0x20, EPT_WRITE, VOID + 0x3020);
	assert_true(vept_invalidate(&n, EPT12));
	assert_int_equal(touch(root, 0x20, EPT_READ), VEPT_VIOLATION);
}

/* SDM 28.3.3.1: an EPT violation ends what is cached of its address: L1 needs no INVEPT. */
static void a_violation_ends_what_is_known_of_its_page(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	fake_write64(EPT12_PT, VOID | EPT_READ);
	expect_no_ram(root, 0x10, EPT_READ, VOID + 0x10);
	assert_int_equal(touch(root, 0x18, EPT_WRITE), VEPT_VIOLATION);
	fake_write64(EPT12_PT, (VOID + 0x1000) | EPT_RWX);
	expect_no_ram(root, 0x10, EPT_READ, VOID + 0x1010);
}

/* L0 found nothing at another page than EPT12 has by now: INVEPT would find no change. */
static void a_page_of_ours_stands_only_where_ept12_leads_to_what_was_looked_at(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	const struct vept_void nothing = {{0}, {VOID}};
	unsigned level;

	(void)state;
	fake_write64(EPT12_PT, VOID | EPT_RWX);
	expect_no_ram(root, 0, EPT_READ, VOID);
	fake_write64(EPT12_PT, FAKE_DEVICE | EPT_RWX);
	expect_no_ram(root, 0, EPT_READ, VOID); /* no INVEPT yet */
	assert_false(vept_map_ones(&n, root, &nothing));
	assert_int_equal(walk02(root, 0, &level), 0);
	assert_int_equal(touch(root, 0, EPT_READ), VEPT_FILLED);
}

/* With mode-based execute a fetch of user mode tells of no access at all. */
static void fetches_ask_ept12_each_time(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);

	(void)state;
	fake_write64(EPT12_PT, VOID | EPT_RWX);
	expect_no_ram(root, 0x10, EPT_EXEC, VOID + 0x10);
	fake_write64(EPT12_PT, (VOID + 0x1000) | EPT_RWX);
	expect_no_ram(root, 0x10, EPT_EXEC, VOID + 0x1010);
	expect_no_ram(root, 0x10, EPT_READ, VOID + 0x1010);
	fake_write64(EPT12_PT, (VOID + 0x2000) | EPT_RWX);
	expect_no_ram(root, 0x10, 0, VOID + 0x2010);
}

/* Not only for INVEPT: what L1 has there is asked, and a root that went is another. */
static void where_ept12_led_goes_with_root_memory_and_devices(void **state)
{
	struct vept_root *root = vept_root_get(&n, EPT12, 0);
	uint32_t generation = root->generation;

	(void)state;
	fake_write64(EPT12_PT, (FAKE_DEVICE + FAKE_DEVICE_SIZE) | EPT_RWX);
	expect_no_ram(root, 0, EPT_WRITE, FAKE_DEVICE + FAKE_DEVICE_SIZE);
	fake_write64(EPT12_PT, FAKE_DEVICE | EPT_RWX);
	vept_forget(&n);
	assert_int_equal(touch(root, 0, EPT_WRITE), VEPT_FILLED);

	fake_write64(EPT12_PT, VOID | EPT_RWX);
	assert_true(vept_invalidate(&n, EPT12));
	expect_no_ram(root, 0, EPT_WRITE, VOID);
	n.foreign.l1.v = 0x800000; /* where memory is: as if it had come */
	expect_no_ram(root, 0, EPT_WRITE, VOID);
	fake_write64(EPT12_PT, (VOID + 0x1000) | EPT_RWX);
	root->generation++;
	expect_no_ram(root, 0, EPT_WRITE, VOID + 0x1000);
	root->generation = generation;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(registers_of_a_device_are_mapped_and_not_cached),
		T(registers_of_a_device_have_the_rights_of_ept12_and_go),
		T(large_pages_of_registers_stay_large),
		T(where_ept12_led_holds_until_invept),
		T(a_violation_ends_what_is_known_of_its_page),
		T(a_page_of_ours_stands_only_where_ept12_leads_to_what_was_looked_at),
		T(fetches_ask_ept12_each_time),
		T(where_ept12_led_goes_with_root_memory_and_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
