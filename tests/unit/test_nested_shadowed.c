/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMCSs that L1 uses as shadows for VMCSs of its guests: hardware serves their fields, and what
 * L1 writes there reaches their regions.
 */
#include "nested_world.h"

#include "nested/nested_int.h"
#include "nested/state.h"

static void clear(unsigned vmcs)
{
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(vmcs)), VMSUCCEED);
}

static bool left_to_hardware(const uint64_t *bitmap, enum vmcs_fid fid)
{
	uint32_t encoding = vmcs_fields[fid].encoding;

	return !(bitmap[encoding / 64] & BIT64(encoding % 64));
}

static void a_shadow_vmcs_of_l1_holds_all_fields(void **state)
{
	(void)state;
	world.vm.shadowing = true;
	fake_write32(WORLD_VMCS_N(5), CAPS_REVISION | BIT(31));
	world_vmptrld(5);
	for (unsigned i = 0; i < FID_COUNT; i++)
		world_write((enum vmcs_fid)i, i + 1);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), VMFAIL_INVALID);
	for (unsigned i = 6; i < 6 + NVMCS_SLOTS; i++)
		world_vmptrld(i);
	world_vmptrld(5);
	for (unsigned i = 0; i < FID_COUNT; i++)
		assert_int_equal(world_read((enum vmcs_fid)i),
			(i + 1) & vmcs_value_mask(vmcs_fields[i].encoding));
}

/* Of the others the slot's copy is right. */
static void a_shadow_vmcs_lets_l1_write_what_it_has_written(void **state)
{
	const uint64_t *region = (const uint64_t *)(const void *)(fake.ram + WORLD_VMCS_N(5));
	struct nvmcs *v;

	(void)state;
	world.vm.shadowing = true;
	world.vm.learn_writes = 1;
	fake_write32(WORLD_VMCS_N(5), CAPS_REVISION | BIT(31));
	world_vmptrld(5);
	v = world.n.cur;
	assert_true(left_to_hardware(world.n.bitmaps->read, FID_TSC_OFFSET));
	assert_false(left_to_hardware(world.n.bitmaps->write, FID_TSC_OFFSET));
	world_write(FID_TSC_OFFSET, 1);
	world_write(FID_GUEST_RIP, 1);
	assert_true(left_to_hardware(world.n.bitmaps->write, FID_TSC_OFFSET));
	assert_false(left_to_hardware(world.n.bitmaps->write, FID_GUEST_RSP));
	for (uint64_t turn = 2; turn < 5; turn++) {
		fake_hw.shadow[v->hw][FID_TSC_OFFSET] = turn;
		assert_int_equal(world_read(FID_TSC_OFFSET), turn);
		clear(5);
		assert_int_equal(region[2 + FID_TSC_OFFSET], turn);
		world_vmptrld(5);
		assert_ptr_equal(world.n.cur, v);
		assert_int_equal(world_read(FID_TSC_OFFSET), turn);
		assert_true(left_to_hardware(world.n.bitmaps->write, FID_TSC_OFFSET));
	}
}

/* A field that is open is fetched at each VMCLEAR: one that is seldom written is not opened. */
static void a_shadow_vmcs_opens_what_l1_writes_again_and_again(void **state)
{
	const uint64_t *region = (const uint64_t *)(const void *)(fake.ram + WORLD_VMCS_N(5));
	unsigned writes;
	struct nvmcs *v;

	(void)state;
	world.vm.shadowing = true;
	fake_write32(WORLD_VMCS_N(5), CAPS_REVISION | BIT(31));
	world_vmptrld(5);
	v = world.n.cur;
	clear(5);
	writes = fake.writes;
	for (uint64_t turn = 0; turn < 1000; turn++) {
		bool open = turn + 1 >= 2 * world.vm.learn_writes;

		world_vmptrld(5);
		if (turn % 40 == 0)
			world_write(FID_GUEST_RIP, turn);
		assert_false(left_to_hardware(world.n.bitmaps->write, FID_GUEST_RIP));
		assert_int_equal(
			left_to_hardware(world.n.bitmaps->write, FID_TSC_OFFSET), open);
		if (turn % 2 == 0 && open)
			fake_hw.shadow[v->hw][FID_TSC_OFFSET] = turn;
		else if (turn % 2 == 0)
			world_write(FID_TSC_OFFSET, turn);
		clear(5);
		assert_int_equal(region[2 + FID_GUEST_RIP], turn - turn % 40);
		assert_int_equal(region[2 + FID_TSC_OFFSET], turn - turn % 2);
	}
	assert_int_equal(fake.writes, writes); /* nothing was copied as a whole */
}

/* That it writes a field still nobody sees while hardware serves it. */
static void what_l1_has_left_off_in_a_shadow_vmcs_is_closed_after_a_while(void **state)
{
	struct nvmcs *v;

	(void)state;
	world.vm.shadowing = true;
	world.vm.learn_writes = 1;
	world.vm.learn_keep = 100;
	fake_write32(WORLD_VMCS_N(5), CAPS_REVISION | BIT(31));
	world_vmptrld(5);
	v = world.n.cur;
	world_write(FID_TSC_OFFSET, 1);
	for (unsigned turn = 0; turn < 99; turn++) {
		clear(5);
		world_vmptrld(5);
		assert_true(left_to_hardware(world.n.bitmaps->write, FID_TSC_OFFSET));
	}
	fake_hw.shadow[v->hw][FID_TSC_OFFSET] = 2;
	clear(5); /* fetches it for the last time */
	world_vmptrld(5);
	assert_false(left_to_hardware(world.n.bitmaps->write, FID_TSC_OFFSET));
	assert_true(left_to_hardware(world.n.bitmaps->read, FID_TSC_OFFSET));
	assert_int_equal(world_read(FID_TSC_OFFSET), 2);
	world_write(FID_TSC_OFFSET, 3);
	assert_true(left_to_hardware(world.n.bitmaps->write, FID_TSC_OFFSET));
}

/* What changes between VMPTRLD and VMCLEAR reaches the region, by whatever way. */
static void a_shadow_vmcs_that_comes_back_is_written_where_it_changed(void **state)
{
	const uint64_t *region = (const uint64_t *)(const void *)(fake.ram + WORLD_VMCS_N(5));
	static struct nested_state s;
	uint8_t page[PAGE_SIZE];
	unsigned writes;
	uint64_t *shadow;

	(void)state;
	world.vm.shadowing = true;
	world.vm.learn_writes = 1;
	fake_write32(WORLD_VMCS_N(5), CAPS_REVISION | BIT(31));
	world_vmptrld(5);
	shadow = fake_hw.shadow[world.n.cur->hw];
	world_write(FID_TSC_OFFSET, 1);
	clear(5);
	memcpy(page, fake.ram + WORLD_VMCS_N(5), PAGE_SIZE);
	writes = fake.writes;
	world_vmptrld(5);
	clear(5);
	assert_memory_equal(page, fake.ram + WORLD_VMCS_N(5), PAGE_SIZE);
	assert_int_equal(fake.writes, writes); /* nothing was copied */
	world_vmptrld(5);
	shadow[FID_TSC_OFFSET] = 2;
	clear(5);
	memcpy(fake.ram + WORLD_VMCS_N(5), page, PAGE_SIZE); /* as it was before */
	world_vmptrld(5);
	assert_int_equal(world_read(FID_TSC_OFFSET), 1);
	clear(5);
	world_vmptrld(5);
	world_write(FID_GUEST_RIP, 3);
	clear(5);
	assert_int_equal(region[2 + FID_GUEST_RIP], 3);
	world_vmptrld(5);
	shadow[FID_GUEST_RIP] = 4;
	nested_get(&world.n, &s);
	clear(5);
	assert_int_equal(region[2 + FID_GUEST_RIP], 4);
	assert_int_equal(region[2 + FID_TSC_OFFSET], 1);
}

/* A failing instruction writes to it, too (SDM 30.2 "Conventions"). */
static void the_error_of_an_instruction_reaches_the_region_of_a_shadow_vmcs(void **state)
{
	const uint64_t *region = (const uint64_t *)(const void *)(fake.ram + WORLD_VMCS_N(5));

	(void)state;
	world.vm.shadowing = true;
	fake_write32(WORLD_VMCS_N(5), CAPS_REVISION | BIT(31));
	world_vmptrld(5);
	clear(5);
	world_vmptrld(5);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(3) + 1), VMFAIL);
	assert_int_equal(world_read(FID_INSTRUCTION_ERROR), VMERR_VMCLEAR_BAD_ADDRESS);
	clear(5);
	assert_int_equal(region[2 + FID_INSTRUCTION_ERROR], VMERR_VMCLEAR_BAD_ADDRESS);
}

/* Of the VMCS that the slot had before, in the same turn. */
static void what_was_touched_in_another_vmcs_is_none_of_a_shadow_vmcss(void **state)
{
	struct nvmcs *v;

	(void)state;
	world.vm.shadowing = true;
	world.vm.learn_writes = 1;
	world_vmptrld(6);
	v = world.n.cur;
	world_write(FID_TSC_OFFSET, 1);
	clear(6);
	fake_write32(WORLD_VMCS_N(5), CAPS_REVISION | BIT(31));
	world_vmptrld(5);
	assert_ptr_equal(world.n.cur, v);
	world_write(FID_TSC_OFFSET, 1);
	assert_true(left_to_hardware(world.n.bitmaps->write, FID_TSC_OFFSET));
}

/* What the slot's bitmaps have of the one is not left for the other. */
static void a_slot_serves_a_shadow_vmcs_and_then_another_vmcs(void **state)
{
	struct nvmcs *v;

	(void)state;
	world.vm.shadowing = true;
	world.vm.learn_touches = world.vm.learn_writes = 1;
	fake_write32(WORLD_VMCS_N(5), CAPS_REVISION | BIT(31));
	world_vmptrld(5);
	v = world.n.cur;
	world_write(FID_TSC_OFFSET, 1);
	clear(5);
	world_vmptrld(6);
	assert_ptr_equal(world.n.cur, v);
	world_read(FID_GUEST_CS_BASE); /* which is learned */
	assert_ptr_equal(world.n.bitmaps, &world.n.own[v->hw]);
	assert_true(left_to_hardware(world.n.bitmaps->read, FID_GUEST_CS_BASE));
	assert_false(left_to_hardware(world.n.bitmaps->write, FID_TSC_OFFSET));
	clear(6);
	world_vmptrld(5);
	assert_ptr_equal(world.n.cur, v);
	assert_true(left_to_hardware(world.n.bitmaps->read, FID_GUEST_SS_BASE));
	assert_false(left_to_hardware(world.n.bitmaps->write, FID_TSC_OFFSET));
	assert_int_equal(world_read(FID_TSC_OFFSET), 1);
	world_write(FID_TSC_OFFSET, 2);
	clear(5);
	world_vmptrld(6);
	assert_ptr_equal(world.n.cur, v);
	world_read(FID_GUEST_CS_BASE);
	assert_false(left_to_hardware(world.n.bitmaps->write, FID_TSC_OFFSET));
	assert_false(left_to_hardware(world.n.bitmaps->read, FID_GUEST_SS_BASE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, world_setup_root)
		T(a_shadow_vmcs_of_l1_holds_all_fields),
		T(a_shadow_vmcs_lets_l1_write_what_it_has_written),
		T(a_shadow_vmcs_opens_what_l1_writes_again_and_again),
		T(what_l1_has_left_off_in_a_shadow_vmcs_is_closed_after_a_while),
		T(a_shadow_vmcs_that_comes_back_is_written_where_it_changed),
		T(the_error_of_an_instruction_reaches_the_region_of_a_shadow_vmcs),
		T(what_was_touched_in_another_vmcs_is_none_of_a_shadow_vmcss),
		T(a_slot_serves_a_shadow_vmcs_and_then_another_vmcs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
