/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L2 in the HLT or shutdown state, which the hardware never enters: what wakes it, what ends
 * it, and in what order.
 */
#include "nested_world.h"

#include "nested/nested_int.h"
#include "spec/apic.h"

#define TICKS 100u

static int setup(void **state)
{
	world_setup_l2(state);
	world.n.run_pending = false;
	world_02()[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_HLT;
	world_02()[FID_GUEST_INTERRUPTIBILITY] = 0;
	world_02()[FID_GUEST_PENDING_DBG] = 0;
	world_02()[FID_GUEST_RFLAGS] = RFLAGS_FIXED | RFLAGS_IF;
	world_12()[FID_PROC_CONTROLS] &= ~(uint64_t)(PROC_INTR_WINDOW | PROC_NMI_WINDOW);
	world.n.cur->timer_on = false;
	world.n.cur->proc2_02 &= ~PROC2_VIRT_INTR_DELIVERY;
	return 0;
}

static void expect_end(uint32_t reason)
{
	assert_int_equal(nested_rest(&world.n, false), NESTED_REST_ENDED);
	assert_false(world.n.in_l2);
	assert_int_equal(world_12()[FID_EXIT_REASON], reason);
	assert_int_equal(world_12()[FID_EXIT_INTR_INFO], 0);
}

static void expect_rest(void)
{
	assert_int_equal(nested_rest(&world.n, false), NESTED_RESTS);
	assert_true(world.n.in_l2);
	assert_int_not_equal(world_02()[FID_GUEST_ACTIVITY_STATE], ACTIVITY_ACTIVE);
}

static void expect_wake(void)
{
	assert_int_equal(nested_rest(&world.n, false), NESTED_WAKES);
	assert_true(world.n.in_l2);
	assert_int_equal(world_02()[FID_GUEST_ACTIVITY_STATE], ACTIVITY_ACTIVE);
	world_02()[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_HLT;
}

static void hlt_always_exits_and_nothing_wakes_an_l2_for_which_nothing_is_there(void **state)
{
	(void)state;
	assert_true(world_02()[FID_PROC_CONTROLS] & PROC_HLT_EXITING);
	expect_rest();
	assert_true(nested_rest_limit(&world.n) == UINT64_MAX);
}

static void l1s_preemption_timer_runs_on_and_ends_the_rest(void **state)
{
	struct nvmcs *v = world.n.cur;

	(void)state;
	v->timer_on = true;
	v->timer12 = TICKS;
	nested_rested(&world.n, TICKS - 1);
	expect_rest();
	assert_int_equal(nested_rest_limit(&world.n), 1);
	nested_rested(&world.n, UINT64_MAX);
	expect_end(EXIT_PREEMPTION_TIMER);
	assert_int_equal(world_read(FID_GUEST_ACTIVITY_STATE), ACTIVITY_HLT);
}

static void a_timer_that_l1_does_not_use_is_not_counted(void **state)
{
	(void)state;
	world.n.cur->timer12 = TICKS;
	nested_rested(&world.n, 2 * TICKS);
	assert_int_equal(world.n.cur->timer12, TICKS);
	expect_rest();
}

/* SDM 26.7.5, 26.7.6: the shutdown state ends as by an NMI, not as by an interrupt. */
static void windows_end_the_rest_as_their_events_would(void **state)
{
	(void)state;
	world_12()[FID_PROC_CONTROLS] |= PROC_INTR_WINDOW;
	world_02()[FID_GUEST_RFLAGS] = RFLAGS_FIXED;
	expect_rest();
	world_02()[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_SHUTDOWN;
	world_02()[FID_GUEST_RFLAGS] = RFLAGS_FIXED | RFLAGS_IF;
	expect_rest();
	world_12()[FID_PROC_CONTROLS] |= PROC_NMI_WINDOW;
	world_02()[FID_GUEST_INTERRUPTIBILITY] = INTERRUPTIBILITY_NMI;
	expect_rest();
	world_02()[FID_GUEST_INTERRUPTIBILITY] = 0;
	expect_end(EXIT_NMI_WINDOW);
	assert_int_equal(world_read(FID_GUEST_ACTIVITY_STATE), ACTIVITY_SHUTDOWN);
}

static void an_interrupt_window_ends_the_halt(void **state)
{
	(void)state;
	world_12()[FID_PROC_CONTROLS] |= PROC_INTR_WINDOW;
	expect_end(EXIT_INTERRUPT_WINDOW);
}

/* 29.2.1 "Evaluation of Pending Virtual Interrupts": by class of priority. */
static void a_virtual_interrupt_wakes_l2_if_its_priority_and_if_allow_it(void **state)
{
	static const struct {
		uint8_t rvi, svi, tpr;
		bool interrupts, wakes;
	} cases[] = {
		{0x51, 0, 0, true, true},
		{0x51, 0, 0, false, false},
		{0x51, 0x5f, 0, true, false},
		{0x51, 0x4f, 0, true, true},
		{0x51, 0, 0x50, true, false},
		{0x51, 0, 0x4f, true, true},
		{0x0f, 0, 0, true, false},
		{0, 0, 0, true, false},
	};
	uint64_t apic = world_12()[FID_VIRTUAL_APIC_ADDR];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world.n.cur->proc2_02 |= PROC2_VIRT_INTR_DELIVERY;
		world_02()[FID_GUEST_INTR_STATUS] = (uint64_t)cases[i].svi << 8 | cases[i].rvi;
		world_02()[FID_GUEST_RFLAGS] =
			RFLAGS_FIXED | (cases[i].interrupts ? RFLAGS_IF : 0);
		fake_write32(apic + APIC_TPR, cases[i].tpr);
		if (cases[i].wakes)
			expect_wake();
		else
			expect_rest();
		world_02()[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_SHUTDOWN;
		expect_rest();
		world_02()[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_HLT;
	}
	world.n.cur->proc2_02 &= ~PROC2_VIRT_INTR_DELIVERY;
	world_02()[FID_GUEST_INTR_STATUS] = 0xf1;
	expect_rest();
}

/*
 * 26.7.3: traps that an entry makes pending; 26.7.7 comes before them, and only at the entry.
 */
static void what_an_entry_brings_comes_by_its_priority(void **state)
{
	(void)state;
	world_12()[FID_PROC_CONTROLS] |= PROC_TPR_SHADOW | PROC_SECONDARY | PROC_INTR_WINDOW;
	world_12()[FID_PROC2_CONTROLS] |= PROC2_APIC_ACCESSES;
	world_12()[FID_PROC2_CONTROLS] &= ~(uint64_t)PROC2_VIRT_INTR_DELIVERY;
	world_12()[FID_TPR_THRESHOLD] = 5;
	fake_write32(world_12()[FID_VIRTUAL_APIC_ADDR] + APIC_TPR, 0x40);
	world_02()[FID_GUEST_PENDING_DBG] = PENDING_DBG_BS;
	world.n.cur->timer_on = true;
	world.n.cur->timer12 = 0;
	expect_wake();
	world.n.run_pending = true;
	expect_end(EXIT_TPR_BELOW_THRESHOLD);
}

static void the_timer_comes_before_a_window_and_a_breakpoint_that_is_not_enabled_is_nothing(
	void **state)
{
	(void)state;
	world_02()[FID_GUEST_PENDING_DBG] = PENDING_DBG_B0_B3;
	expect_rest();
	world_12()[FID_PROC_CONTROLS] |= PROC_INTR_WINDOW | PROC_NMI_WINDOW;
	world.n.cur->timer_on = true;
	world.n.cur->timer12 = 0;
	expect_end(EXIT_PREEMPTION_TIMER);
}

/* SDM 26.3.2.1 */
static void bits_of_cr0_that_an_entry_does_not_load_are_not_saved_either(void **state)
{
	(void)state;
	world_02()[FID_GUEST_CR0] = (CR0_PE | CR0_PG | CR0_NE | CR0_TS) | 0x0080ffc0;
	nested_entered_resting();
	expect_rest();
	world.n.cur->timer_on = true;
	world.n.cur->timer12 = 0;
	expect_end(EXIT_PREEMPTION_TIMER);
	assert_int_equal(world_read(FID_GUEST_CR0), CR0_PE | CR0_PG | CR0_NE | CR0_TS | CR0_ET);
}

static void nor_are_those_of_dr7(void **state)
{
	(void)state;
	world.n.cur->f[FID_EXIT_CONTROLS] |= EXIT_SAVE_DEBUG;
	world_02()[FID_GUEST_DR7] = 0x3 | 0xd000;
	nested_entered_resting();
	expect_rest();
	world.n.cur->timer_on = true;
	world.n.cur->timer12 = 0;
	expect_end(EXIT_PREEMPTION_TIMER);
	assert_int_equal(world_read(FID_GUEST_DR7), 0x3 | DR7_RESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(hlt_always_exits_and_nothing_wakes_an_l2_for_which_nothing_is_there),
		T(l1s_preemption_timer_runs_on_and_ends_the_rest),
		T(a_timer_that_l1_does_not_use_is_not_counted),
		T(windows_end_the_rest_as_their_events_would),
		T(an_interrupt_window_ends_the_halt),
		T(a_virtual_interrupt_wakes_l2_if_its_priority_and_if_allow_it),
		T(what_an_entry_brings_comes_by_its_priority),
		T(the_timer_comes_before_a_window_and_a_breakpoint_that_is_not_enabled_is_nothing),
		T(bits_of_cr0_that_an_entry_does_not_load_are_not_saved_either),
		T(nor_are_those_of_dr7),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
