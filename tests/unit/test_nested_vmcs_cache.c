/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VMCS12s that are active on a vCPU: more than its slots, written back when they leave,
 * shadow VMCSs, VPIDs; and regions that L1 filled with rubbish.
 */
#include "nested_world.h"

#include "nested/nested_int.h"
#include "nested/state.h"
#include "random.h"

#define MANY 16u /* VMCSs, twice the slots */

static uint64_t pattern(unsigned vmcs, unsigned field)
{
	return (vmcs * 1000 + field + 1) * 0x9e3779b97f4a7c15ull &
	       vmcs_value_mask(vmcs_fields[field].encoding);
}

static void fill(unsigned vmcs)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		world_write((enum vmcs_fid)i, pattern(vmcs, i));
}

static void expect_filled(unsigned vmcs)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (world_read((enum vmcs_fid)i) != pattern(vmcs, i))
			fail_msg("VMCS %u: %s", vmcs, vmcs_fields[i].name);
}

static void more_vmcss_than_slots_keep_their_fields(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		world_vmptrld(i);
		fill(i);
	}
	for (unsigned i = 0; i < 3 * MANY; i++) {
		world_vmptrld(i * 5 % MANY);
		expect_filled(i * 5 % MANY);
	}
}

static void fields_survive_vmclear_and_vmxoff(void **state)
{
	(void)state;
	world_vmptrld(3);
	fill(3);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(3)), VMSUCCEED);
	world_vmptrld(3);
	expect_filled(3);
	assert_int_equal(world_insn(EXIT_VMXOFF), VMSUCCEED);
	world_vmptrld(3);
	expect_filled(3);
}

static void clear(unsigned vmcs)
{
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(vmcs)), VMSUCCEED);
}

/* The slot has its fields still; they are not read again. */
static void a_vmcs_that_comes_back_is_known(void **state)
{
	const struct nvmcs *slot;
	unsigned reads;

	(void)state;
	world_vmptrld(2);
	world_vmptrld(3);
	fill(3);
	slot = world.n.cur;
	world_vmptrld(4);
	clear(2);
	clear(3);
	reads = fake.reads;
	world_vmptrld(3);
	assert_int_equal(fake.reads, reads);
	assert_ptr_equal(world.n.cur, slot);
	expect_filled(3);
}

/* The page was another vCPU's VMCS since, or is a new one. */
static void a_vmcs_that_comes_back_has_what_its_region_has(void **state)
{
	(void)state;
	for (unsigned i = 3; i <= 4; i++) {
		world_vmptrld(i);
		fill(i);
	}
	clear(3);
	clear(4);
	memcpy(fake.ram + WORLD_VMCS_N(3), fake.ram + WORLD_VMCS_N(4), PAGE_SIZE);
	world_vmptrld(3);
	expect_filled(4);
	clear(3);
	memset(fake.ram + WORLD_VMCS_N(3) + 16, 0, PAGE_SIZE - 16);
	world_vmptrld(3);
	for (unsigned i = 0; i < FID_COUNT; i++)
		assert_int_equal(world_read((enum vmcs_fid)i), 0);
}

static void a_vmcs_may_come_back_as_a_shadow_and_the_other_way_round(void **state)
{
	(void)state;
	world.vm.shadowing = true;
	for (unsigned i = 0; i < 4; i++) {
		fake_write32(WORLD_VMCS_N(3), CAPS_REVISION | (i & 1 ? BIT(31) : 0));
		world_vmptrld(3);
		if (i == 0)
			fill(3);
		expect_filled(3);
		assert_int_equal(world.n.cur->all_in_shadow, i & 1);
		clear(3);
	}
}

static void vmptrld_of_the_current_vmcs_changes_nothing(void **state)
{
	(void)state;
	world_vmptrld(0);
	fill(0);
	fake_write64(
		WORLD_VMCS_N(0) + 0x100, UINT64_MAX); /* L1 may not look behind the cache */
	world_vmptrld(0);
	expect_filled(0);
}

static void vmclear_of_a_vmcs_that_is_not_active_only_clears_it(void **state)
{
	uint8_t page[PAGE_SIZE];

	(void)state;
	world_enter(golden_64bit);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	for (unsigned i = 1; i <= NVMCS_SLOTS; i++) /* drives it out, launched */
		world_vmptrld(i);
	memcpy(page, fake.ram + WORLD_VMCS_N(0), PAGE_SIZE);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(0)), VMSUCCEED);
	assert_memory_equal(page + 16, fake.ram + WORLD_VMCS_N(0) + 16, PAGE_SIZE - 16);
	world_vmptrld(0);
	assert_int_equal(world_insn(EXIT_VMRESUME), VMFAIL);
	assert_int_equal(world.error, VMERR_VMRESUME_NOT_LAUNCHED);
}

/* A VMCS that L2 ran on leaves the cache with the state L2 left. */
static void eviction_writes_back_what_l2_changed(void **state)
{
	(void)state;
	world_enter(golden_64bit);
	seam_vmwrite(FID_GUEST_GS_BASE, 0x7777);
	seam_vmwrite(FID_GUEST_RIP, 0x8888);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	for (unsigned i = 1; i <= 2 * NVMCS_SLOTS - 1; i++)
		world_vmptrld(i);
	world_vmptrld(0);
	assert_int_equal(world_read(FID_GUEST_GS_BASE), 0x7777);
	assert_int_equal(world_read(FID_GUEST_RIP), 0x8888);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	assert_int_equal(world_02()[FID_GUEST_GS_BASE], 0x7777);
}

/* ---- shadowing ---- */

static void what_l1_writes_without_an_exit_is_seen_at_the_next_entry(void **state)
{
	uint64_t *shadow;

	(void)state;
	assert_int_equal(world_insn(EXIT_VMXOFF), VMSUCCEED);
	world.vm.shadowing = true;
	world_enter(golden_64bit);
	shadow = fake_hw.shadow[world.n.cur->hw];
	seam_vmwrite(FID_GUEST_RIP, 0x1111);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(shadow[FID_GUEST_RIP], 0x1111);
	assert_int_equal(shadow[FID_EXIT_REASON], EXIT_CPUID);
	world_l1_64();
	shadow[FID_GUEST_RIP] = 0x1113; /* VMWRITE by hardware */
	shadow[FID_GUEST_CR3] = 0x2000;
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	assert_int_equal(world_02()[FID_GUEST_RIP], 0x1113);
	assert_int_equal(world_02()[FID_GUEST_CR3], 0x2000);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	shadow[FID_GUEST_CR3] = UINT64_MAX; /* a bad value does not slip through */
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTRY_FAILED);
}

static void shadow_fields_reach_the_region_of_an_evicted_vmcs(void **state)
{
	(void)state;
	world.vm.shadowing = true;
	world_vmptrld(0);
	fake_hw.shadow[world.n.cur->hw][FID_GUEST_RIP] = 0x2222;
	for (unsigned i = 1; i <= NVMCS_SLOTS; i++)
		world_vmptrld(i);
	world_vmptrld(0);
	assert_int_equal(fake_hw.shadow[world.n.cur->hw][FID_GUEST_RIP], 0x2222);
	assert_int_equal(world_read(FID_GUEST_RIP), 0x2222);
}

/* In another run, too: L1 may have copies of the one before. */
static void no_stamp_is_written_again_after_a_restore(void **state)
{
	static struct nested_state s;
	uint8_t page[PAGE_SIZE];

	(void)state;
	world_vmptrld(3);
	world_write(FID_TSC_OFFSET, 1);
	clear(3);
	memcpy(page, fake.ram + WORLD_VMCS_N(3), PAGE_SIZE);
	nested_get(&world.n, &s);
	nested_reset(&world.n, &world.vm, 0, world.gpr, 0x100, world.msr_bitmap02);
	world.n.use_counter = 0;
	world.vm.stamps = 0x123456789abcdef;
	assert_true(nested_set(&world.n, &s));
	world_vmptrld(3);
	world_write(FID_TSC_OFFSET, 2);
	clear(3);
	memcpy(fake.ram + WORLD_VMCS_N(3), page, PAGE_SIZE);
	world_vmptrld(3);
	assert_int_equal(world_read(FID_TSC_OFFSET), 1);
}

/* Does VMCS02 link to the shadow VMCS of this region (NVMCS_FREE: to none)? */
static bool linked_to(uint64_t gpa)
{
	uint64_t link = world_02()[FID_VMCS_LINK_POINTER];

	for (unsigned i = 0; i < NVMCS_SLOTS && gpa != NVMCS_FREE; i++)
		if (world.n.slot[i].gpa == gpa)
			return link == seam_shadow_hpa(&world.n, &world.n.slot[i]).v;
	return link == UINT64_MAX;
}

/* The link pointer of a VMCS12 with VMCS shadowing is followed at each entry. */
static void l2_reaches_the_linked_shadow_vmcs_even_after_it_was_evicted(void **state)
{
	(void)state;
	world.vm.shadowing = true;
	world_enter(golden_apicv);
	assert_true(linked_to(GOLDEN_LINK));
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	assert_int_equal(world_pointer(EXIT_VMCLEAR, GOLDEN_LINK), VMSUCCEED);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	assert_true(linked_to(GOLDEN_LINK));
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	world_write(FID_VMCS_LINK_POINTER, UINT64_MAX);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	assert_true(linked_to(NVMCS_FREE));
}

/* ---- VPIDs ---- */

static uint16_t enter_with_vpid(unsigned vmcs, uint16_t vpid12)
{
	uint64_t f[FID_COUNT];

	golden_64bit(f);
	world_host(f);
	f[FID_VPID] = vpid12;
	if (!vpid12)
		f[FID_PROC2_CONTROLS] &= ~(uint64_t)PROC2_ENABLE_VPID;
	world_vmptrld(vmcs);
	world_write_all(f);
	assert_int_equal(
		world_insn(world.n.cur->launched ? EXIT_VMRESUME : EXIT_VMLAUNCH), ENTERED);
	f[0] = world_02()[FID_VPID];
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	return (uint16_t)f[0];
}

static void each_vpid_of_l1_has_its_own_and_keeps_it(void **state)
{
	uint16_t used[VPID02_SLOTS - 1];

	(void)state;
	for (uint16_t i = 0; i < VPID02_SLOTS - 1; i++) {
		used[i] = enter_with_vpid(0, (uint16_t)(10 + i));
		assert_true(used[i] != world.n.vpid01);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(used[i], used[k]);
	}
	for (uint16_t i = 0; i < VPID02_SLOTS - 1; i++)
		assert_int_equal(enter_with_vpid(1, (uint16_t)(10 + i)), used[i]);
}

static void entries_without_vpid_flush_and_share_with_none(void **state)
{
	uint16_t tagged = enter_with_vpid(0, 10), untagged = enter_with_vpid(1, 0);

	(void)state;
	assert_int_not_equal(tagged, untagged);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
		assert_int_equal(fake_last("seam_flush_vpid")->a, untagged);
		assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
		world_l1_64();
	}
}

/* A recycled VPID is flushed, and its former user gets another one. */
static void a_recycled_vpid_has_one_user(void **state)
{
	uint16_t first = enter_with_vpid(0, 10);

	(void)state;
	for (uint16_t i = 1; i < VPID02_SLOTS - 1; i++)
		enter_with_vpid(1, (uint16_t)(10 + i));
	assert_int_equal(enter_with_vpid(1, 99), first);
	world_vmptrld(0);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	assert_int_not_equal(world_02()[FID_VPID], first);
	assert_int_equal(fake_last("seam_flush_vpid")->a, world_02()[FID_VPID]);
}

/* ---- rubbish ---- */

static void expect_harmless(unsigned vmcs)
{
	enum world_outcome outcome;

	world_vmptrld(vmcs);
	for (unsigned i = 0; i < FID_COUNT; i++)
		assert_false(world_read((enum vmcs_fid)i) &
			     ~vmcs_value_mask(vmcs_fields[i].encoding));
	outcome = world_insn(EXIT_VMLAUNCH);
	if (outcome == ENTRY_FAILED)
		world_l1_64();
	else if (outcome == VMFAIL)
		assert_true(world.error == VMERR_ENTRY_CONTROLS ||
			    world.error == VMERR_ENTRY_HOST_STATE ||
			    world.error == VMERR_VMLAUNCH_NOT_CLEAR);
	else
		assert_int_equal(outcome, ENTERED);
	assert_false(world.n.in_l2);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS_N(vmcs)), VMSUCCEED);
}

static void a_region_of_ones_is_only_a_vmcs_of_ones(void **state)
{
	(void)state;
	memset(fake.ram + WORLD_VMCS_N(0), 0xff, PAGE_SIZE);
	fake_write32(WORLD_VMCS_N(0), CAPS_REVISION);
	expect_harmless(0);
}

static void a_random_region_gives_architectural_outcomes_only(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < PAGE_SIZE; i++)
			fake.ram[WORLD_VMCS_N(1) + i] = (uint8_t)random_next(&seed);
		fake_write32(WORLD_VMCS_N(1), CAPS_REVISION);
		expect_harmless(1);
	}
}

/* Absent memory reads as ones, which is no revision; but it may vanish behind L1's back. */
static void a_region_at_the_end_of_ram_is_no_trouble(void **state)
{
	(void)state;
	fake_write32(FAKE_RAM_SIZE - PAGE_SIZE, CAPS_REVISION);
	assert_int_equal(world_pointer(EXIT_VMPTRLD, FAKE_RAM_SIZE - PAGE_SIZE), VMSUCCEED);
	fill(0);
	expect_filled(0);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, FAKE_RAM_SIZE - PAGE_SIZE), VMSUCCEED);
	nvmcs_load(&world.n, FAKE_RAM_SIZE, 0);
	assert_true(nvmcs_find(&world.n, FAKE_RAM_SIZE)->f[FID_GUEST_RIP] == UINT64_MAX);
	assert_true(nvmcs_find(&world.n, FAKE_RAM_SIZE)->f[FID_VPID] == UINT16_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, world_setup_root)
		T(more_vmcss_than_slots_keep_their_fields),
		T(fields_survive_vmclear_and_vmxoff),
		T(a_vmcs_that_comes_back_is_known),
		T(a_vmcs_that_comes_back_has_what_its_region_has),
		T(a_vmcs_may_come_back_as_a_shadow_and_the_other_way_round),
		T(no_stamp_is_written_again_after_a_restore),
		T(vmptrld_of_the_current_vmcs_changes_nothing),
		T(vmclear_of_a_vmcs_that_is_not_active_only_clears_it),
		T(eviction_writes_back_what_l2_changed),
		T(what_l1_writes_without_an_exit_is_seen_at_the_next_entry),
		T(shadow_fields_reach_the_region_of_an_evicted_vmcs),
		T(l2_reaches_the_linked_shadow_vmcs_even_after_it_was_evicted),
		T(each_vpid_of_l1_has_its_own_and_keeps_it),
		T(entries_without_vpid_flush_and_share_with_none),
		T(a_recycled_vpid_has_one_user),
		T(a_region_of_ones_is_only_a_vmcs_of_ones),
		T(a_random_region_gives_architectural_outcomes_only),
		T(a_region_at_the_end_of_ram_is_no_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
