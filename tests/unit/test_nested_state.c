/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State of the virtual VT-x that travels: what is got, put into a vCPU that knows nothing, is
 * the same, and L1 and L2 go on as if nothing had been.
 */
#include "nested_world.h"

#include "nested/nested_int.h"
#include "nested/state.h"

static struct nested_state before, after;

/* What L1 can see after an exit. */
struct seen {
	uint64_t f12[FID_COUNT];
	uint64_t l1[FID_COUNT];
};

static struct seen original, copy;

/* Another machine: nothing of the virtual VT-x is there, but L1's memory is. */
static void forget(bool shadowing)
{
	memset(fake_hw.vmcs01, 0, sizeof(fake_hw.vmcs01));
	memset(fake_hw.vmcs02, 0x5a, sizeof(fake_hw.vmcs02));
	memset(fake_hw.shadow, 0x5a, sizeof(fake_hw.shadow));
	for (unsigned i = 0; i < NVMCS_SLOTS; i++) {
		world_vmcs02_create(fake_hw.vmcs02[i]);
		fake_hw.vmcs02[i][FID_ENTRY_INTR_INFO] = 0;
	}
	fake_hw.vmcs01[FID_ENTRY_CONTROLS] = world.vm.l0.entry;
	fake_hw.current = fake_hw.vmcs01;
	memset(&world.n, 0x5a, sizeof(world.n));
	world.n.stats = (struct nested_stats){0};
	fake_bitmaps(&world.n, &world.vm);
	world.vm.shadowing = shadowing;
	nested_vm_init(&world.vm);
	world.n.scratch.page = world.scratch_page;
	world.n.vmread_bitmap02 = world.vmread_bitmap02;
	world.n.vmwrite_bitmap02 = world.vmwrite_bitmap02;
	nested_reset(&world.n, &world.vm, 0, world.gpr, 0x200, world.msr_bitmap02);
	world.n.use_counter = 0;
	world.n.tsc_offset = 0x123456789;
}

static void travel(bool shadowing)
{
	nested_get(&world.n, &before);
	forget(shadowing);
	assert_true(nested_set(&world.n, &before));
	nested_get(&world.n, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_ptr_equal(fake_hw.current,
		world.n.in_l2 ? fake_hw.vmcs02[world.n.cur->hw] : fake_hw.vmcs01);
}

static uint64_t mix(uint64_t seed, unsigned i)
{
	uint64_t v = (seed + 1) * 0x9e3779b97f4a7c15ull + i * 0xbf58476d1ce4e5b9ull;

	return v ^ v >> 29;
}

/* L2 ran and changed all of its state; the hardware's fields keep their widths. */
static void scramble_l2(uint64_t seed)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (vmcs_type(vmcs_fields[i].encoding) == VMCS_TYPE_GUEST &&
			i != FID_VMCS_LINK_POINTER && i != FID_PREEMPTION_TIMER_VALUE)
			world_02()[i] = mix(seed, i) & vmcs_value_mask(vmcs_fields[i].encoding);
	world_02()[FID_GUEST_DEBUGCTL] &= ~(uint64_t)DEBUGCTL_TRACES;
	world_02()[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_HLT;
	nested_set_l2_cr4(&world.n, world_02()[FID_GUEST_CR4] & ~world.vm.l0.cr4_hidden);
}

static void exit_and_see(struct seen *s)
{
	world_02()[FID_EXIT_QUALIFICATION] = 0;
	world_02()[FID_IDT_VECTORING_INFO] = 0;
	world_02()[FID_EXIT_INSTRUCTION_LENGTH] = 2;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	memcpy(s->l1, fake_hw.vmcs01, sizeof(s->l1));
	s->l1[FID_VMCS_LINK_POINTER] = 0; /* the machine's */
	world_l1_64();
	for (unsigned i = 0; i < FID_COUNT; i++)
		s->f12[i] = world_read((enum vmcs_fid)i);
}

static void expect_same(void)
{
	for (unsigned i = 0; i < FID_COUNT; i++) {
		if (original.f12[i] != copy.f12[i])
			fail_msg("VMCS12: %s is %lx, was %lx", vmcs_fields[i].name, copy.f12[i],
				original.f12[i]);
		if (vmcs_type(vmcs_fields[i].encoding) == VMCS_TYPE_GUEST &&
			original.l1[i] != copy.l1[i])
			fail_msg("L1: %s is %lx, was %lx", vmcs_fields[i].name, copy.l1[i],
				original.l1[i]);
	}
}

static void (*const goldens[])(uint64_t *f) = {golden_64bit, golden_32bit, golden_v86,
	golden_real, golden_shadow_paging, golden_apicv};

static void cr4_of_l2_is_told_as_it_has_it(void **state)
{
	uint64_t cr4, told;

	(void)state;
	world_enter(golden_64bit);
	cr4 = world_02()[FID_GUEST_CR4] & ~(uint64_t)CR4_MCE;
	for (unsigned i = 0; i < 2; i++, cr4 |= CR4_MCE) {
		nested_set_l2_cr4(&world.n, cr4);
		assert_true(world_02()[FID_GUEST_CR4] == (cr4 | CR4_MCE));
		assert_true(nested_state_field(&world.n, FID_GUEST_CR4, &told));
		assert_true(told == cr4);
		travel(i);
		assert_true(before.l2.f[FID_GUEST_CR4] == cr4);
		assert_true(nested_l2_cr4(&world.n) == cr4);
		assert_true(world_02()[FID_GUEST_CR4] == (cr4 | CR4_MCE));
	}
}

static void l2_in_flight_goes_on(bool shadowing)
{
	for (unsigned g = 0; g < sizeof(goldens) / sizeof(goldens[0]); g++) {
		world_reset();
		world.vm.shadowing = shadowing;
		world_enter(goldens[g]);
		scramble_l2(g);
		nested_get(&world.n, &before);
		exit_and_see(&original);
		forget(shadowing);
		assert_true(nested_set(&world.n, &before));
		exit_and_see(&copy);
		expect_same();
	}
}

static void l2_in_flight_goes_on_and_exits_as_it_would_have(void **state)
{
	(void)state;
	l2_in_flight_goes_on(false);
}

static void l2_in_flight_goes_on_with_vmcs_shadowing(void **state)
{
	(void)state;
	l2_in_flight_goes_on(true);
}

static void golden_without_ept(uint64_t *f)
{
	golden_shadow_paging(f);
	f[FID_PROC2_CONTROLS] |= PROC2_APIC_ACCESSES;
	f[FID_APIC_ACCESS_ADDR] = GOLDEN_VIRTUAL_APIC;
}

/*
 * Its PDPTEs are registers: what L2, or another CPU, has made of its table since is not looked
 * at, were it malformed. The page that stands for its APIC is one of EPT01's here, too.
 */
static void an_l2_without_ept_goes_on_with_the_pdptes_that_it_had(void **state)
{
	(void)state;
	world_reset();
	world_enter(golden_without_ept);
	assert_true(world.n.cur->root == NULL);
	for (uint32_t i = 0; i < 4; i++)
		world_02()[FID_GUEST_PDPTE0 + i] = 0x7001 + i * PAGE_SIZE;
	fake_write64(GOLDEN_PDPT, UINT64_MAX);
	nested_get(&world.n, &before);
	forget(false);
	fake.call_count = 0;
	assert_true(nested_set(&world.n, &before));
	for (uint32_t i = 0; i < 4; i++)
		assert_true(world_02()[FID_GUEST_PDPTE0 + i] == 0x7001 + i * PAGE_SIZE);
	assert_true(world_02()[FID_GUEST_CR3] == GOLDEN_PDPT);
	assert_int_equal(fake_called("seam_l1_single_page"), 1);
	assert_true(world.n.cur->apic_in_ept01);
	assert_true(world.n.cur->root == NULL);
}

static void what_is_got_is_what_was_set(void **state)
{
	(void)state;
	for (unsigned g = 0; g < sizeof(goldens) / sizeof(goldens[0]); g++) {
		world_reset();
		world.vm.shadowing = g & 1;
		world_enter(goldens[g]);
		scramble_l2(g);
		travel(g & 1);
	}
}

static void the_machine_may_shadow_where_the_old_one_did_not(void **state)
{
	(void)state;
	world_enter(golden_64bit);
	nested_get(&world.n, &before);
	exit_and_see(&original);
	forget(true);
	assert_true(nested_set(&world.n, &before));
	exit_and_see(&copy);
	expect_same();
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
}

static void an_event_that_waits_for_the_entry_comes_along(void **state)
{
	(void)state;
	world_enter(golden_64bit);
	world.n.run_pending = true;
	seam_queue_event(&world.n, INTR_INFO_VALID | INTR_INFO_ERROR_CODE | 0x30e, 0x17, 3);
	travel(false);
	assert_true(world.n.run_pending);
	assert_int_equal(world_02()[FID_ENTRY_INTR_INFO],
		INTR_INFO_VALID | INTR_INFO_ERROR_CODE | 0x30e);
	assert_int_equal(world_02()[FID_ENTRY_EXCEPTION_ERROR_CODE], 0x17);
}

/* L2 runs with 1,000 units of L1's preemption timer, each 2^shift of the machine's. */
static void enter_with_timer(uint8_t shift)
{
	uint64_t f[FID_COUNT];

	golden_64bit(f);
	world_host(f);
	f[FID_PIN_CONTROLS] |= PIN_PREEMPTION_TIMER;
	f[FID_PREEMPTION_TIMER_VALUE] = 1000;
	world.vm.timer_shift = shift;
	world_vmptrld(0);
	world_write_all(f);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
}

static void expire_after(uint32_t units)
{
	world_02()[FID_PREEMPTION_TIMER_VALUE] =
		nested_timer_value(&world.n, UINT32_MAX) - units;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_PREEMPTION_TIMER), NESTED_L0);
}

static void what_is_left_of_l1s_preemption_timer_comes_along(void **state)
{
	(void)state;
	enter_with_timer(0);
	expire_after(400);
	travel(false);
	assert_int_equal(nested_timer_value(&world.n, UINT32_MAX), 600);
}

static void so_does_a_part_of_a_unit_of_a_slower_timer(void **state)
{
	(void)state;
	enter_with_timer(5);
	expire_after(401);
	travel(false);
	assert_int_equal(nested_timer_value(&world.n, UINT32_MAX), 32000 - 401);
}

static void a_part_of_a_unit_is_less_than_one_in_any_state(void **state)
{
	(void)state;
	enter_with_timer(5);
	nested_get(&world.n, &before);
	before.timer_phase = UINT32_MAX;
	forget(false);
	assert_true(nested_set(&world.n, &before));
	assert_int_equal(nested_timer_value(&world.n, UINT32_MAX), 32000 - 31);
}

static void vmcs12s_that_do_not_run_come_along_with_what_l1_wrote(void **state)
{
	(void)state;
	world.vm.shadowing = true;
	fake_write32(WORLD_VMCS + 2 * PAGE_SIZE, CAPS_REVISION | BIT(31));
	for (unsigned i = 0; i < 4; i++) {
		world_vmptrld(i);
		world_write(FID_GUEST_CS_BASE, 0x1000 * i);
		world_write(FID_EPTP_LIST_ADDRESS, 0x2000 * i);
	}
	/* by hardware, without an exit */
	fake_hw.shadow[world.n.cur->hw][FID_GUEST_RIP] = 0x77;
	travel(true);
	for (unsigned i = 0; i < 4; i++) {
		world_vmptrld(i);
		assert_int_equal(world_read(FID_GUEST_CS_BASE), 0x1000 * i);
		assert_int_equal(world_read(FID_EPTP_LIST_ADDRESS), 0x2000 * i);
	}
	assert_int_equal(world_read(FID_GUEST_RIP), 0x77);
	world_vmptrld(2);
	assert_true(world.n.cur->is_shadow);
}

static void the_least_recently_used_vmcs12_still_goes_first(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		world_vmptrld(i);
	world_vmptrld(0);
	travel(false);
	world_vmptrld(NVMCS_SLOTS); /* takes the place of VMCS 1 */
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		assert_true(
			(nvmcs_find(&world.n, WORLD_VMCS + i * PAGE_SIZE) != NULL) == (i != 1));
}

/* L2 of VMCS 0 has used the shadow VMCSs 2 and 3, one after the other. */
static void vmcss_that_were_only_linked_come_along(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	world.vm.shadowing = true;
	golden_64bit(f);
	world_host(f);
	f[FID_PROC_CONTROLS] |= PROC_SECONDARY;
	f[FID_PROC2_CONTROLS] |= PROC2_VMCS_SHADOWING;
	f[FID_VMREAD_BITMAP] = f[FID_VMWRITE_BITMAP] = 0x7000;
	world_vmptrld(0);
	world_write_all(f);
	for (unsigned i = 2; i < 4; i++) {
		fake_write32(WORLD_VMCS + i * PAGE_SIZE, CAPS_REVISION | VMCS_SHADOW_INDICATOR);
		world_write(FID_VMCS_LINK_POINTER, WORLD_VMCS + i * PAGE_SIZE);
		assert_int_equal(world_insn(i == 2 ? EXIT_VMLAUNCH : EXIT_VMRESUME), ENTERED);
		fake_hw.shadow[world.n.cur->link->hw][FID_GUEST_RIP] = 0x4240 + i;
		world_02()[FID_EXIT_INSTRUCTION_LENGTH] = 2;
		assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
		world_l1_64();
	}
	travel(true);
	assert_int_equal(before.vmcs_count, 3);
	assert_int_equal(before.vmcs[0].f[FID_GUEST_RIP], 0x4242);
	assert_int_equal(before.vmcs[1].f[FID_GUEST_RIP], 0x4243);
	assert_int_equal(before.vmcs[2].gpa, WORLD_VMCS);
}

static void a_vcpu_outside_vmx_operation_travels(void **state)
{
	(void)state;
	travel(false);
	assert_false(world.n.vmxon);
	world_vmxon();
	travel(false);
	assert_true(world.n.vmxon);
	world_vmptrld(0);
	assert_int_equal(world_insn(EXIT_VMXOFF), VMSUCCEED);
	travel(false);
	assert_int_equal(before.vmcs_count, 1);
}

static void impossible(void)
{
	forget(false);
	assert_false(nested_set(&world.n, &after));
}

static void impossible_states_are_refused(void **state)
{
	(void)state;
	world_enter(golden_64bit);
	nested_get(&world.n, &before);
#define BREAK(change)           \
	do {                    \
		after = before; \
		change;         \
		impossible();   \
	} while (0)
	BREAK(after.vmcs_count = NVMCS_SLOTS + 1);
	BREAK(after.vmcs_count = UINT32_MAX);
	BREAK(after.cr0_cache = CR0_PE);
	BREAK(after.vmcs[0].gpa |= 8);
	BREAK(after.vmcs[0].gpa = 1ull << 60);
	BREAK(after.vmcs[1] = after.vmcs[0]; after.vmcs_count = 2);
	BREAK(after.current_gpa = 0x5000);
	BREAK(after.current_gpa = NVMCS_FREE);
	BREAK(after.vmxon = false);
	BREAK(after.vmcs[0].is_shadow = true);
	BREAK(after.vmcs[0].f[FID_PIN_CONTROLS] = 0xffffffff);
	BREAK(after.vmcs[0].f[FID_HOST_CR3] = UINT64_MAX);
	BREAK(after.in_l2 = false; after.run_pending = true);
	BREAK(after.l1.f[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_WAIT_FOR_SIPI);
	BREAK(after.l2.f[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_WAIT_FOR_SIPI);
	BREAK(after.l1.f[FID_GUEST_DEBUGCTL] = DEBUGCTL_TR);
	BREAK(after.l2.f[FID_GUEST_DEBUGCTL] = DEBUGCTL_BTS);
	BREAK(after.timer_on = true);
	BREAK(after.vmxon_gpa = 3);
	BREAK(after.feature_control = UINT64_MAX);
	BREAK(after.vmcs[0].f[FID_VMCS_LINK_POINTER] = WORLD_VMCS + 8);
	after = before;
	forget(false);
	memset(&world.vm.caps, 0, sizeof(world.vm.caps));
	assert_false(nested_set(&world.n, &after));
}

/* Whoever made the state: without MCE in CR4 a machine check would shut the processor down. */
static void l1_keeps_mce_whatever_its_state_says(void **state)
{
	(void)state;
	world_reset();
	world_enter(golden_64bit);
	exit_and_see(&copy);
	nested_get(&world.n, &before);
	before.l1.f[FID_GUEST_CR4] &= ~(uint64_t)CR4_MCE;
	forget(false);
	assert_true(nested_set(&world.n, &before));
	assert_int_equal(fake_hw.vmcs01[FID_GUEST_CR4] & CR4_MCE, CR4_MCE);
}

/* The list was not checked with the entry that puts L2 back. */
static void an_msr_list_of_a_state_is_checked_at_the_next_entry(void **state)
{
	(void)state;
	world_reset();
	world_enter(golden_64bit);
	nested_get(&world.n, &before);
	for (unsigned i = 0; i < before.vmcs_count; i++) {
		before.vmcs[i].f[FID_ENTRY_MSR_LOAD_COUNT] = 1;
		before.vmcs[i].f[FID_ENTRY_MSR_LOAD_ADDR] = FAKE_RAM_SIZE - 8;
	}
	forget(false);
	assert_true(nested_set(&world.n, &before));
	exit_and_see(&copy);
	assert_int_equal(world_insn(EXIT_VMRESUME), VMFAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_msr_list_of_a_state_is_checked_at_the_next_entry),
#define T(name) cmocka_unit_test_setup(name, world_setup)
		T(cr4_of_l2_is_told_as_it_has_it),
		T(l2_in_flight_goes_on_and_exits_as_it_would_have),
		T(l2_in_flight_goes_on_with_vmcs_shadowing),
		T(an_l2_without_ept_goes_on_with_the_pdptes_that_it_had),
		T(what_is_got_is_what_was_set),
		T(the_machine_may_shadow_where_the_old_one_did_not),
		T(an_event_that_waits_for_the_entry_comes_along),
		T(what_is_left_of_l1s_preemption_timer_comes_along),
		T(so_does_a_part_of_a_unit_of_a_slower_timer),
		T(a_part_of_a_unit_is_less_than_one_in_any_state),
		T(vmcs12s_that_do_not_run_come_along_with_what_l1_wrote),
		T(the_least_recently_used_vmcs12_still_goes_first),
		T(vmcss_that_were_only_linked_come_along),
		T(a_vcpu_outside_vmx_operation_travels),
		T(impossible_states_are_refused),
		cmocka_unit_test(l1_keeps_mce_whatever_its_state_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
