/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device behind a virtual VT-d: its rings and buffers are at addresses of its own,
 * whose pages lie anywhere in memory, and its messages go through the remapping table.
 */
#include <stdlib.h>

#include "virtio_world.h"

#include "virtio/rng.h"

#define IOVA     UINT64_C(0x40000000) /* the function's pages, PAGES of them */
#define PAGES    32u
#define PAGE     0x1000u
#define ROOT     0x300000u
#define CONTEXT  0x301000u
#define TABLES_3 0x302000u /* three of them, one a level */
#define IRTES    0x306000u
#define QUEUE_OF 0x307000u /* of invalidation */
#define DOMAIN   9u
#define VECTOR   0x51u
#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM)

/* Areas that cross pages as far as their alignment allows it. */
#define DESC   (IOVA + 0x0ff0)
#define AVAIL  (IOVA + 0x3ffe)
#define USED   (IOVA + 0x5ffc)
#define TABLE  (IOVA + 0x7ff8) /* an indirect one */
#define BUFFER (IOVA + 0x9f01)

static struct virtio_rng rng;
static unsigned mapped[PAGES]; /* the page of memory of each */
static uint16_t avail;

static void vtd_write(unsigned offset, unsigned size, uint64_t v)
{
	put(VVTD_BASE + offset, size, v);
}

static void store(uint64_t gpa, uint64_t v)
{
	memcpy(ram(gpa), &v, sizeof(v));
}

static void map(unsigned n, unsigned page, unsigned rights)
{
	mapped[n] = page;
	store(TABLES_3 + 2 * PAGE + 8 * n, (uint64_t)page * PAGE | rights);
}

static void make_tables(void)
{
	store(ROOT, CONTEXT | VTD_PRESENT);
	store(CONTEXT + 16 * WORLD_BDF, TABLES_3 | VTD_PRESENT);
	store(CONTEXT + 16 * WORLD_BDF + 8, DOMAIN << VTD_CONTEXT_DID_SHIFT | 1);
	store(TABLES_3 + 8 * (IOVA >> 30), (TABLES_3 + PAGE) | VTD_SL_RIGHTS);
	store(TABLES_3 + PAGE, (TABLES_3 + 2 * PAGE) | VTD_SL_RIGHTS);
	for (unsigned n = 0; n < PAGES; n++) /* far from each other, and backwards */
		map(n, 0x2f0 - 3 * n, VTD_SL_RIGHTS);
}

static uint8_t *byte(uint64_t iova)
{
	uint64_t n = (iova - IOVA) / PAGE;

	assert_in_range(n, 0, PAGES - 1);
	return ram((uint64_t)mapped[n] * PAGE + iova % PAGE);
}

static void put_bytes(uint64_t iova, uint64_t v, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		*byte(iova + i) = (uint8_t)(v >> i * 8);
}

static uint64_t get_bytes(uint64_t iova, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)*byte(iova + i) << i * 8;
	return v;
}

static void put_ring_desc(uint64_t at_iova, uint64_t address, uint32_t length, uint16_t flags)
{
	put_bytes(at_iova, address, 8);
	put_bytes(at_iova + 8, length, 4);
	put_bytes(at_iova + 12, flags, 2);
	put_bytes(at_iova + 14, 0, 2);
}

static int set_up(void **state)
{
	(void)state;
	fake_vtd = true;
	world_start();
	memset(&rng, 0, sizeof(rng));
	assert_true(virtio_rng_create(&rng, &machine, WORLD_BDF));
	world_find();
	make_tables();
	vtd_write(VTD_RTADDR, 8, ROOT);
	vtd_write(VTD_GCMD, 4, VTD_RTP);
	vtd_write(VTD_GCMD, 4, VTD_TE);
	avail = 0;
	return 0;
}

static void start(uint64_t features, uint16_t size)
{
	world_features(features);
	assert_true(common(VIRTIO_COMMON_STATUS, 1) & VIRTIO_FEATURES_OK);
	world_use_msix(1);
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, 0);
	set_common(VIRTIO_COMMON_QUEUE_SIZE, 2, size);
	set_common(VIRTIO_COMMON_QUEUE_VECTOR, 2, 0);
	set_common(VIRTIO_COMMON_QUEUE_DESC, 8, DESC);
	set_common(VIRTIO_COMMON_QUEUE_DRIVER, 8, AVAIL);
	set_common(VIRTIO_COMMON_QUEUE_DEVICE, 8, USED);
	set_common(VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
	world_driver_ok();
}

static void run(void)
{
	put(at.notify, 2, 0);
	while (platform_work(&machine) == VPCI_WORK_MORE)
		;
}

/* The descriptor with this number is available. */
static void offer(uint16_t head)
{
	put_bytes(AVAIL + 4 + 2 * (avail % 64), head, 2);
	put_bytes(AVAIL + 2, ++avail, 2);
	run();
}

static bool failed(void)
{
	return common(VIRTIO_COMMON_STATUS, 1) & VIRTIO_NEEDS_RESET;
}

/* The device's bytes count up from `first`. */
static void expect_bytes(uint64_t iova, uint32_t length, unsigned first)
{
	for (uint32_t i = 0; i < length; i++)
		assert_int_equal(*byte(iova + i), (uint8_t)(first + i));
}

static uint64_t record(unsigned half)
{
	return get(VVTD_BASE + VVTD_FRCD + 8 * half, 8);
}

/* ---- tests ---- */

static void a_driver_that_would_go_past_the_unit_is_refused(void **state)
{
	(void)state;
	assert_true(world_offered() & VIRTIO_F_ACCESS_PLATFORM);
	world_features(VIRTIO_F_VERSION_1);
	assert_false(common(VIRTIO_COMMON_STATUS, 1) & VIRTIO_FEATURES_OK);
	world_features(FEATURES);
	assert_true(common(VIRTIO_COMMON_STATUS, 1) & VIRTIO_FEATURES_OK);
}

static void without_a_unit_nothing_of_it_is_there(void **state)
{
	uint64_t v;

	(void)state;
	fake_vtd = false;
	world_start();
	assert_true(virtio_rng_create(&rng, &machine, WORLD_BDF));
	world_find();
	assert_false(world_offered() & VIRTIO_F_ACCESS_PLATFORM);
	assert_false(platform_mmio(&machine, 0, VVTD_BASE, false, 4, &v));
	world_features(FEATURES);
	assert_false(common(VIRTIO_COMMON_STATUS, 1) & VIRTIO_FEATURES_OK);
	world_features(VIRTIO_F_VERSION_1);
	assert_true(common(VIRTIO_COMMON_STATUS, 1) & VIRTIO_FEATURES_OK);
}

static void the_areas_of_a_split_ring_cross_pages_that_are_far_apart(void **state)
{
	(void)state;
	start(FEATURES, 64);
	for (uint16_t i = 0; i < 200; i++) {
		uint16_t head = i % 64;
		unsigned first = world.random + 1u;

		put_ring_desc(DESC + 16 * head, BUFFER + i, 100, VIRTIO_DESC_WRITE);
		offer(head);
		expect_bytes(BUFFER + i, 100, first);
		assert_int_equal(get_bytes(USED + 2, 2), i + 1);
		assert_int_equal(get_bytes(USED + 4 + 8 * head, 4), head);
		assert_int_equal(get_bytes(USED + 8 + 8 * head, 4), 100);
	}
	assert_false(failed());
	assert_int_equal(get(VVTD_BASE + VTD_FSTS, 4), 0);
}

static void a_buffer_of_many_pages_is_filled_in_order(void **state)
{
	unsigned first = world.random + 1u;

	(void)state;
	start(FEATURES, 64);
	put_ring_desc(DESC, BUFFER, 3 * PAGE, VIRTIO_DESC_WRITE);
	offer(0);
	assert_int_equal(get_bytes(USED + 8, 4), PAGE); /* as much as it gives at once */
	expect_bytes(BUFFER, PAGE, first);
}

static void an_indirect_table_crosses_pages_too(void **state)
{
	(void)state;
	start(FEATURES | VIRTIO_F_INDIRECT_DESC, 64);
	for (unsigned i = 0; i < 3; i++)
		put_ring_desc(TABLE + 16 * i, BUFFER + 0x100 * i, 0x100,
			VIRTIO_DESC_WRITE | (i < 2 ? VIRTIO_DESC_NEXT : 0));
	put_bytes(TABLE + 14, 1, 2);
	put_bytes(TABLE + 16 + 14, 2, 2);
	put_ring_desc(DESC, TABLE, 48, VIRTIO_DESC_INDIRECT);
	offer(0);
	assert_int_equal(get_bytes(USED + 8, 4), 0x300);
	expect_bytes(BUFFER, 0x300, 1);
}

/* Its descriptors are written, so that they are asked for each time. */
static void a_packed_ring_crosses_pages_too(void **state)
{
	(void)state;
	fake_watched = DESC;
	world_features(FEATURES | VIRTIO_F_RING_PACKED);
	start(FEATURES | VIRTIO_F_RING_PACKED, 64);
	set_common(VIRTIO_COMMON_STATUS, 1, 0);
	world_features(FEATURES | VIRTIO_F_RING_PACKED);
	set_common(VIRTIO_COMMON_QUEUE_SELECT, 2, 0);
	set_common(VIRTIO_COMMON_QUEUE_SIZE, 2, 64);
	set_common(VIRTIO_COMMON_QUEUE_DESC, 8, DESC);
	set_common(VIRTIO_COMMON_QUEUE_DRIVER, 8, IOVA + 0x3ffc);
	set_common(VIRTIO_COMMON_QUEUE_DEVICE, 8, USED);
	set_common(VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
	world_driver_ok();
	for (uint16_t i = 0; i < 64; i++) {
		unsigned first = world.random + 1u;

		put_bytes(DESC + 16 * i, BUFFER + i, 8);
		put_bytes(DESC + 16 * i + 8, 100, 4);
		put_bytes(DESC + 16 * i + 12, i, 2);
		put_bytes(DESC + 16 * i + 14, VIRTIO_DESC_WRITE | VIRTIO_PACKED_AVAIL, 2);
		fake_writes = 0;
		run();
		assert_int_equal(fake_writes, 1);
		assert_int_equal(get_bytes(DESC + 16 * i + 14, 2) & VIRTIO_PACKED_USED,
			VIRTIO_PACKED_USED);
		assert_int_equal(get_bytes(DESC + 16 * i + 8, 4), 100);
		expect_bytes(BUFFER + i, 100, first);
	}
}

static void a_page_that_may_not_be_written_stops_the_device_and_is_recorded(void **state)
{
	uint64_t bad = IOVA + 0xa000;

	(void)state;
	start(FEATURES, 64);
	map(0xa, mapped[0xa], VTD_SL_READ);
	put_ring_desc(DESC, bad - 16, 32, VIRTIO_DESC_WRITE);
	offer(0);
	assert_true(failed());
	assert_int_equal(get(VVTD_BASE + VTD_FSTS, 4), VTD_PPF);
	assert_int_equal(record(0), bad);
	assert_int_equal(record(1),
		VTD_FRCD_F | (uint64_t)VTD_FAULT_WRITE_DENIED << VTD_FRCD_REASON_SHIFT |
			WORLD_BDF);
}

static void a_ring_of_which_a_page_is_not_there_stops_the_device(void **state)
{
	(void)state;
	map(6, mapped[6], 0); /* the second page of USED */
	start(FEATURES, 64);
	put_ring_desc(DESC, BUFFER, 32, VIRTIO_DESC_WRITE);
	offer(0);
	assert_true(failed());
	assert_int_equal(record(0), IOVA + 6 * PAGE);
}

/* A page of the function's by the queue, as a driver unmaps it. */
static void invalidate(uint64_t iova)
{
	store(QUEUE_OF, VTD_INV_IOTLB | VTD_PAGES << VTD_INV_G_SHIFT |
				(uint64_t)DOMAIN << VTD_INV_DID_SHIFT);
	store(QUEUE_OF + 8, iova & ~(PAGE - UINT64_C(1)));
	vtd_write(VTD_GCMD, 4, VTD_TE);
	vtd_write(VTD_IQT, 8, 0);
	vtd_write(VTD_IQA, 8, QUEUE_OF);
	vtd_write(VTD_GCMD, 4, VTD_TE | VTD_QIE);
	vtd_write(VTD_IQT, 8, 16);
	assert_int_equal(get(VVTD_BASE + VTD_IQH, 8), 16);
}

static void an_unmapped_page_is_used_until_it_is_invalidated(void **state)
{
	(void)state;
	start(FEATURES, 64);
	put_ring_desc(DESC, BUFFER, 16, VIRTIO_DESC_WRITE);
	offer(0);
	map((BUFFER - IOVA) / PAGE, mapped[(BUFFER - IOVA) / PAGE], 0);
	offer(0);
	assert_false(failed());
	invalidate(BUFFER + PAGE);
	offer(0);
	assert_false(failed());
	invalidate(BUFFER);
	offer(0);
	assert_true(failed());
}

/* They are not asked for again, but for what the device writes; so other places count later. */
static void the_rings_of_a_queue_are_known_until_something_is_invalidated(void **state)
{
	unsigned page = (DESC - IOVA) / PAGE;

	(void)state;
	start(FEATURES, 64);
	put_ring_desc(DESC, BUFFER, 16, VIRTIO_DESC_WRITE);
	offer(0);
	map(page, mapped[page], 0);
	offer(0);
	assert_false(failed());
	invalidate(BUFFER + PAGE);
	offer(0);
	assert_false(failed()); /* that page is not the one */
	invalidate(DESC);
	offer(0);
	assert_true(failed());
}

/* The same place, and a queue that is larger: its second page was not looked up before. */
static void the_rings_of_a_queue_of_another_size_are_other_ones(void **state)
{
	(void)state;
	start(FEATURES, 1);
	put_ring_desc(DESC, BUFFER, 16, VIRTIO_DESC_WRITE);
	offer(0);
	assert_false(failed());
	put_bytes(AVAIL + 2, avail = 0, 2);
	put_bytes(USED + 2, 0, 2);
	start(FEATURES, 64);
	put_ring_desc(DESC + 16, BUFFER, 16, VIRTIO_DESC_WRITE);
	offer(1);
	assert_false(failed());
	assert_int_equal(get_bytes(USED + 2, 2), 1);
}

static void the_stamp_changes_with_what_a_function_may_read(void **state)
{
	uint64_t stamp;

	(void)state;
	start(FEATURES, 64);
	stamp = vvtd_stamp(&machine, WORLD_BDF);
	assert_true(stamp > 1 && stamp == vvtd_stamp(&machine, WORLD_BDF));
	assert_true(stamp != vvtd_stamp(&machine, WORLD_BDF + 8));
	invalidate(DESC);
	assert_true(stamp != vvtd_stamp(&machine, WORLD_BDF));
	assert_true(vvtd_stamp(&machine, 0) == 1);
	vtd_write(VTD_GCMD, 4, 0);
	assert_true(vvtd_stamp(&machine, WORLD_BDF) == 1);
	machine.config.ram_stays = false;
	assert_true(vvtd_stamp(&machine, WORLD_BDF) == 0);
}

static void a_function_without_a_context_is_served_until_that_is_invalidated(void **state)
{
	(void)state;
	start(FEATURES, 64);
	put_ring_desc(DESC, BUFFER, 16, VIRTIO_DESC_WRITE);
	offer(0);
	store(CONTEXT + 16 * WORLD_BDF, 0);
	offer(0);
	assert_false(failed());
	vtd_write(VTD_CCMD, 8, VTD_CCMD_ICC | (uint64_t)VTD_GLOBAL << VTD_CCMD_CIRG_SHIFT);
	offer(0);
	assert_true(failed());
	assert_int_equal(VTD_FRCD_REASON(record(1)), VTD_FAULT_CONTEXT_ABSENT);
}

static void a_new_root_counts_at_once(void **state)
{
	(void)state;
	start(FEATURES, 64);
	put_ring_desc(DESC, BUFFER, 16, VIRTIO_DESC_WRITE);
	offer(0);
	store(ROOT, 0);
	offer(0);
	assert_false(failed());
	vtd_write(VTD_GCMD, 4, VTD_TE | VTD_RTP);
	offer(0);
	assert_true(failed());
	assert_int_equal(VTD_FRCD_REASON(record(1)), VTD_FAULT_ROOT_ABSENT);
}

/* Each access is asked for twice: what the first one made known says no more than it found. */
static void what_a_function_has_accessed_is_known_with_its_rights_and_its_end(void **state)
{
	uint64_t last = IOVA + 2 * PAGE + 0xff8;
	uint8_t *moved;

	(void)state;
	map(2, 0x123, VTD_SL_READ);
	dev_lock(&machine);
	for (unsigned i = 0; i < 2; i++) {
		assert_ptr_equal(dev_memory(&machine, WORLD_BDF, last, 8, false), byte(last));
		assert_null(dev_memory(&machine, WORLD_BDF, last, 8, true));
		assert_null(dev_memory(&machine, WORLD_BDF, last, 9, false));
		assert_null(dev_memory(
			&machine, WORLD_BDF + 64, last, 8, false)); /* its place is the same */
		assert_ptr_equal(
			dev_memory(&machine, WORLD_BDF, last + 8, PAGE, true), byte(last + 8));
	}
	dev_unlock(&machine);
	machine.config.ram_stays = false;
	vtd_write(VTD_GCMD, 4, VTD_TE | VTD_RTP);
	dev_lock(&machine);
	assert_ptr_equal(dev_memory(&machine, WORLD_BDF, last, 8, false), byte(last));
	moved = malloc(fake_ram_size);
	assert_non_null(moved);
	memcpy(moved, fake_ram, fake_ram_size);
	fake_ram = moved;
	assert_ptr_equal(dev_memory(&machine, WORLD_BDF, last, 8, false), moved + 0x123ff8);
	fake_ram = ram(0);
	free(moved);
	dev_unlock(&machine);
}

static void what_is_passed_through_goes_to_the_same_address(void **state)
{
	(void)state;
	store(CONTEXT + 16 * WORLD_BDF, VTD_PRESENT | VTD_TT_PASS << VTD_CONTEXT_TT_SHIFT);
	store(CONTEXT + 16 * WORLD_BDF + 8, DOMAIN << VTD_CONTEXT_DID_SHIFT | 2);
	world_up(FEATURES, 1, 64);
	memcpy(ram(AREA(0)), &(struct virtio_desc){BUFFERS, 5000, VIRTIO_DESC_WRITE, 0}, 16);
	*word(AREA(0) + DRIVER_AREA + 2) = 1;
	run();
	assert_int_equal(*word(AREA(0) + DEVICE_AREA + 2), 1);
	assert_int_equal(*ram(BUFFERS + 4095), 4096 % 256);
}

static void messages_go_through_the_table(void **state)
{
	(void)state;
	start(FEATURES, 64);
	store(IRTES, VTD_PRESENT | (uint64_t)VECTOR << VTD_IRTE_VECTOR_SHIFT);
	store(IRTES + 8, VTD_SVT_SOURCE << VTD_IRTE_SVT_SHIFT | WORLD_BDF);
	vtd_write(VTD_IRTA, 8, IRTES);
	vtd_write(VTD_GCMD, 4, VTD_TE | VTD_IRTP);
	vtd_write(VTD_GCMD, 4, VTD_TE | VTD_IRE);
	put_ring_desc(DESC, BUFFER, 16, VIRTIO_DESC_WRITE);
	offer(0); /* compatibility format, as world_use_msix made it */
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(VTD_FRCD_REASON(record(1)), VTD_FAULT_COMPATIBILITY_BLOCKED);
	put((get(WORLD_ECAM + 0x10, 8) & ~15ull) + get(at.msix + 4, 4), 8,
		0xfee00000 | VTD_MSI_REMAPPABLE);
	offer(0);
	assert_int_equal(fake_pending(0), VECTOR);
}

static void another_function_may_not_use_the_entry(void **state)
{
	(void)state;
	start(FEATURES, 64);
	store(IRTES, VTD_PRESENT | (uint64_t)VECTOR << VTD_IRTE_VECTOR_SHIFT);
	store(IRTES + 8, VTD_SVT_SOURCE << VTD_IRTE_SVT_SHIFT | (WORLD_BDF + 8));
	vtd_write(VTD_IRTA, 8, IRTES);
	vtd_write(VTD_GCMD, 4, VTD_TE | VTD_IRTP);
	vtd_write(VTD_GCMD, 4, VTD_TE | VTD_IRE);
	put((get(WORLD_ECAM + 0x10, 8) & ~15ull) + get(at.msix + 4, 4), 8,
		0xfee00000 | VTD_MSI_REMAPPABLE);
	put_ring_desc(DESC, BUFFER, 16, VIRTIO_DESC_WRITE);
	offer(0);
	assert_int_equal(fake_pending(0), -1);
	assert_int_equal(VTD_FRCD_REASON(record(1)), VTD_FAULT_SOURCE);
	assert_int_equal(VTD_FRCD_SOURCE(record(1)), WORLD_BDF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_driver_that_would_go_past_the_unit_is_refused, set_up),
		cmocka_unit_test_setup(without_a_unit_nothing_of_it_is_there, set_up),
		cmocka_unit_test_setup(
			the_areas_of_a_split_ring_cross_pages_that_are_far_apart, set_up),
		cmocka_unit_test_setup(a_buffer_of_many_pages_is_filled_in_order, set_up),
		cmocka_unit_test_setup(an_indirect_table_crosses_pages_too, set_up),
		cmocka_unit_test_setup(a_packed_ring_crosses_pages_too, set_up),
		cmocka_unit_test_setup(
			a_page_that_may_not_be_written_stops_the_device_and_is_recorded,
			set_up),
		cmocka_unit_test_setup(
			a_ring_of_which_a_page_is_not_there_stops_the_device, set_up),
		cmocka_unit_test_setup(
			an_unmapped_page_is_used_until_it_is_invalidated, set_up),
		cmocka_unit_test_setup(
			the_rings_of_a_queue_are_known_until_something_is_invalidated, set_up),
		cmocka_unit_test_setup(
			the_rings_of_a_queue_of_another_size_are_other_ones, set_up),
		cmocka_unit_test_setup(the_stamp_changes_with_what_a_function_may_read, set_up),
		cmocka_unit_test_setup(
			a_function_without_a_context_is_served_until_that_is_invalidated,
			set_up),
		cmocka_unit_test_setup(a_new_root_counts_at_once, set_up),
		cmocka_unit_test_setup(
			what_a_function_has_accessed_is_known_with_its_rights_and_its_end,
			set_up),
		cmocka_unit_test_setup(what_is_passed_through_goes_to_the_same_address, set_up),
		cmocka_unit_test_setup(messages_go_through_the_table, set_up),
		cmocka_unit_test_setup(another_function_may_not_use_the_entry, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
