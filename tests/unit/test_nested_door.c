/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that arrive while L2 runs: who takes them, and what L1 finds when it does.
 * Interrupts, NMIs, INIT and SIPI, exceptions, triple faults and MTF that come of what L0
 * did in L2's place.
 */
#include "nested_world.h"

#include "nested/nested_int.h"

static void interrupts_end_l2_with_or_without_acknowledgement(void **state)
{
	(void)state;
	fake_hw.irq = 0x31;
	assert_true(world_arrives(NESTED_INTERRUPT));
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_EXTERNAL_INTERRUPT);
	assert_int_equal(world_12()[FID_EXIT_INTR_INFO], INTR_INFO_VALID | 0x31);
	assert_int_equal(fake_called("seam_irq_ack"), 1);
	world_resume();
	world_12()[FID_EXIT_CONTROLS] &= ~(uint64_t)EXIT_ACK_INTR;
	assert_true(world_arrives(NESTED_INTERRUPT));
	assert_int_equal(world_12()[FID_EXIT_INTR_INFO], 0);
	assert_int_equal(fake_called("seam_irq_ack"), 0);
	world_resume();
	world_12()[FID_PIN_CONTROLS] &= ~(uint64_t)PIN_EXT_INTR_EXITING;
	assert_false(world_arrives(NESTED_INTERRUPT));
	assert_int_equal(fake_called("ended"), 0);
	assert_true(world.n.in_l2);
}

/* SDM 25.2: exits by a window come before external interrupts. */
static void an_open_window_of_l1_comes_before_its_interrupt(void **state)
{
	static const struct {
		uint32_t window;
		uint64_t flags, blocking, activity;
		uint32_t reason;
	} cases[] = {
		{PROC_INTR_WINDOW, RFLAGS_IF, 0, ACTIVITY_ACTIVE, EXIT_INTERRUPT_WINDOW},
		{PROC_INTR_WINDOW, RFLAGS_IF, 0, ACTIVITY_HLT, EXIT_INTERRUPT_WINDOW},
		{PROC_INTR_WINDOW, 0, 0, ACTIVITY_ACTIVE, EXIT_EXTERNAL_INTERRUPT},
		{PROC_INTR_WINDOW, RFLAGS_IF, INTERRUPTIBILITY_STI, ACTIVITY_ACTIVE,
			EXIT_EXTERNAL_INTERRUPT},
		{PROC_INTR_WINDOW, RFLAGS_IF, 0, ACTIVITY_SHUTDOWN, EXIT_EXTERNAL_INTERRUPT},
		{PROC_NMI_WINDOW, 0, 0, ACTIVITY_ACTIVE, EXIT_NMI_WINDOW},
		{PROC_NMI_WINDOW, 0, INTERRUPTIBILITY_NMI, ACTIVITY_ACTIVE,
			EXIT_EXTERNAL_INTERRUPT},
		{PROC_NMI_WINDOW | PROC_INTR_WINDOW, RFLAGS_IF, INTERRUPTIBILITY_NMI,
			ACTIVITY_ACTIVE, EXIT_INTERRUPT_WINDOW},
		{0, RFLAGS_IF, 0, ACTIVITY_ACTIVE, EXIT_EXTERNAL_INTERRUPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_hw.irq = 0x31;
		world_12()[FID_PROC_CONTROLS] &=
			~(uint64_t)(PROC_INTR_WINDOW | PROC_NMI_WINDOW);
		world_12()[FID_PROC_CONTROLS] |= cases[i].window;
		world_02()[FID_GUEST_RFLAGS] = RFLAGS_FIXED | cases[i].flags;
		world_02()[FID_GUEST_INTERRUPTIBILITY] = cases[i].blocking;
		world_02()[FID_GUEST_ACTIVITY_STATE] = cases[i].activity;
		fake.call_count = 0;
		assert_true(world_arrives(NESTED_INTERRUPT));
		assert_int_equal(world_12()[FID_EXIT_REASON], cases[i].reason);
		assert_int_equal(fake_called("seam_irq_ack"),
			cases[i].reason == EXIT_EXTERNAL_INTERRUPT);
		world_12()[FID_PROC_CONTROLS] &=
			~(uint64_t)(PROC_INTR_WINDOW | PROC_NMI_WINDOW);
		world_12()[FID_GUEST_INTERRUPTIBILITY] = 0;
		world_12()[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_ACTIVE;
		world_resume();
	}
}

/*
 * The same when the interrupt is L2's own, which may not get it at the entry before the window.
 */
static void an_open_window_of_l1_comes_before_an_interrupt_of_l2(void **state)
{
	static const struct nested_event irq = {.kind = NESTED_INTERRUPT};

	(void)state;
	world_12()[FID_PIN_CONTROLS] &= ~(uint64_t)PIN_EXT_INTR_EXITING;
	world_12()[FID_PROC_CONTROLS] |= PROC_INTR_WINDOW;
	world_02()[FID_GUEST_RFLAGS] = RFLAGS_FIXED | RFLAGS_IF;
	world.n.run_pending = true;
	assert_int_equal(nested_who_takes(&world.n, &irq), TAKER_ENTRY_FIRST);
	world.n.run_pending = false;
	assert_true(world_arrives(NESTED_INTERRUPT));
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_INTERRUPT_WINDOW);
	world_12()[FID_PROC_CONTROLS] &= ~(uint64_t)PROC_INTR_WINDOW;
	world_resume();
	assert_false(world_arrives(NESTED_INTERRUPT));
}

/* Branch records go to MSRs or memory that are not L1's. */
static void l2_records_no_branches(void **state)
{
	uint64_t bits = DEBUGCTL_LBR | DEBUGCTL_TR | DEBUGCTL_BTS | DEBUGCTL_BTINT;

	(void)state;
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	world_l1_64();
	world_write(FID_GUEST_DEBUGCTL, bits | DEBUGCTL_BTF);
	world_write(FID_ENTRY_CONTROLS, world_read(FID_ENTRY_CONTROLS) | ENTRY_LOAD_DEBUG);
	world_write(FID_EXIT_CONTROLS, world_read(FID_EXIT_CONTROLS) | EXIT_SAVE_DEBUG);
	world_resume();
	assert_int_equal(world_02()[FID_GUEST_DEBUGCTL], DEBUGCTL_BTF);
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(world_12()[FID_GUEST_DEBUGCTL], DEBUGCTL_BTF);
}

static void an_interrupt_that_has_gone_leaves_l2_alone(void **state)
{
	(void)state;
	fake_hw.irq = -1;
	world_12()[FID_EXIT_REASON] = 0x77;
	assert_true(world_arrives(NESTED_INTERRUPT));
	assert_true(world.n.in_l2);
	assert_int_equal(world_12()[FID_EXIT_REASON], 0x77);
}

/* SDM 26.7.5 and 26.7.6: what L1 injects comes first. */
static void events_wait_for_the_entry_and_what_it_injects(void **state)
{
	static const enum nested_event_kind kinds[] = {
		NESTED_INTERRUPT, NESTED_NMI, NESTED_INIT};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct nested_event e = {.kind = kinds[i]};

		world.n.run_pending = true;
		assert_int_equal(nested_who_takes(&world.n, &e), TAKER_ENTRY_FIRST);
		world.n.run_pending = false;
		assert_int_equal(nested_who_takes(&world.n, &e), TAKER_L1);
		e.queued = true;
		assert_int_equal(nested_who_takes(&world.n, &e), TAKER_ENTRY_FIRST);
	}
}

static void an_nmi_exit_blocks_nmis_in_l1(void **state)
{
	(void)state;
	assert_true(world_arrives(NESTED_NMI));
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_EXCEPTION_NMI);
	assert_int_equal(
		world_12()[FID_EXIT_INTR_INFO], INTR_INFO_VALID | INTR_NMI << 8 | VEC_NMI);
	assert_int_equal(fake_hw.vmcs01[FID_GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_NMI);
	world_resume();
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(fake_hw.vmcs01[FID_GUEST_INTERRUPTIBILITY], 0);
	world_resume();
	world_12()[FID_PIN_CONTROLS] &= ~(uint64_t)(PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	assert_false(world_arrives(NESTED_NMI));
}

static void without_virtual_nmis_the_blocking_outlives_iret_and_exit(void **state)
{
	static const struct nested_event nmi = {.kind = NESTED_NMI};

	(void)state;
	world_12()[FID_PIN_CONTROLS] &= ~(uint64_t)PIN_VIRTUAL_NMIS;
	assert_int_equal(nested_who_takes(&world.n, &nmi), TAKER_L1);
	world_12()[FID_ENTRY_INTR_INFO] = INTR_INFO_VALID | INTR_NMI << 8 | VEC_NMI;
	assert_int_equal(nested_who_takes(&world.n, &nmi), TAKER_EXIT_FIRST);
	world_12()[FID_ENTRY_INTR_INFO] = 0;
	world_12()[FID_GUEST_INTERRUPTIBILITY] = INTERRUPTIBILITY_NMI;
	assert_int_equal(nested_who_takes(&world.n, &nmi), TAKER_EXIT_FIRST);
	world_02()[FID_GUEST_INTERRUPTIBILITY] = 0; /* IRET, with VMCS02's virtual NMIs */
	assert_int_equal(nested_l2_exit(&world.n, EXIT_CPUID), NESTED_L1);
	assert_int_equal(world_12()[FID_GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_NMI);
	assert_int_equal(fake_hw.vmcs01[FID_GUEST_INTERRUPTIBILITY], INTERRUPTIBILITY_NMI);
}

static void an_exception_that_l0_raises_is_l1s_when_it_intercepts_it(void **state)
{
	const uint32_t info = VEC_GP | INTR_HW_EXCEPTION << 8 | INTR_INFO_ERROR_CODE;

	(void)state;
	world_12()[FID_EXCEPTION_BITMAP] = 0;
	assert_false(nested_exception(&world.n, info, 0x50, 0));
	assert_true(world.n.in_l2);
	world_12()[FID_EXCEPTION_BITMAP] = BIT(VEC_GP);
	assert_true(nested_exception(&world.n, info, 0x50, 0x1234));
	assert_false(world.n.in_l2);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_EXCEPTION_NMI);
	assert_int_equal(world_12()[FID_EXIT_INTR_INFO], info | INTR_INFO_VALID);
	assert_int_equal(world_12()[FID_EXIT_INTR_ERROR_CODE], 0x50);
	assert_int_equal(world_12()[FID_EXIT_QUALIFICATION], 0x1234);
	assert_true(world_12()[FID_GUEST_RFLAGS] & RFLAGS_RF);
}

static void exceptions_of_l0_tell_what_was_being_delivered(void **state)
{
	uint32_t first =
		INTR_INFO_VALID | INTR_INFO_ERROR_CODE | INTR_HW_EXCEPTION << 8 | VEC_PF;

	(void)state;
	world_02()[FID_IDT_VECTORING_INFO] = first;
	world_02()[FID_IDT_VECTORING_ERROR_CODE] = 6;
	world_12()[FID_EXCEPTION_BITMAP] = BIT(VEC_GP) | BIT(VEC_DF);
	assert_true(nested_exception(
		&world.n, INTR_INFO_ERROR_CODE | INTR_HW_EXCEPTION << 8 | VEC_GP, 0, 0));
	assert_int_equal(world_12()[FID_IDT_VECTORING_INFO], first);
	assert_int_equal(world_12()[FID_IDT_VECTORING_ERROR_CODE], 6);
}

static void a_double_fault_exits_as_if_nothing_was_being_delivered(void **state)
{
	(void)state;
	world_02()[FID_IDT_VECTORING_INFO] = INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | VEC_PF;
	world_12()[FID_EXCEPTION_BITMAP] = BIT(VEC_DF);
	assert_true(nested_exception(
		&world.n, INTR_INFO_ERROR_CODE | INTR_HW_EXCEPTION << 8 | VEC_DF, 0, 0));
	assert_int_equal(world_12()[FID_IDT_VECTORING_INFO], 0);
}

static void a_triple_fault_that_l0_forms_is_l1s(void **state)
{
	(void)state;
	assert_true(world_arrives(NESTED_TRIPLE_FAULT));
	assert_false(world.n.in_l2);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_TRIPLE_FAULT);
}

static void the_monitor_trap_flag_ends_l2_after_an_instruction_of_l0(void **state)
{
	(void)state;
	world_12()[FID_PROC_CONTROLS] |= PROC_MTF;
	assert_true(world_arrives(NESTED_MTF));
	assert_false(world.n.in_l2);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_MTF);
	assert_int_equal(world_12()[FID_EXIT_INTR_INFO], 0);
}

static void only_a_sipi_ends_the_wait_for_sipi(void **state)
{
	(void)state;
	assert_false(world_arrives(NESTED_SIPI));
	assert_true(world_arrives(NESTED_INIT));
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_INIT);
	world_l1_64();
	world_write(FID_GUEST_ACTIVITY_STATE, ACTIVITY_WAIT_FOR_SIPI);
	world_resume();
	assert_true(world.n.l2_wait_sipi);
	assert_false(world_arrives(NESTED_INTERRUPT));
	assert_false(world_arrives(NESTED_NMI));
	assert_false(world_arrives(NESTED_INIT));
	assert_true(world_event(&(struct nested_event){.kind = NESTED_SIPI, .sipi_vector = 9}));
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_SIPI);
	assert_int_equal(world_12()[FID_EXIT_QUALIFICATION], 9);
	assert_int_equal(world_read(FID_GUEST_ACTIVITY_STATE), ACTIVITY_WAIT_FOR_SIPI);
	assert_false(world.n.l2_wait_sipi);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, world_setup_l2)
		T(interrupts_end_l2_with_or_without_acknowledgement),
		T(an_open_window_of_l1_comes_before_its_interrupt),
		T(an_open_window_of_l1_comes_before_an_interrupt_of_l2),
		T(l2_records_no_branches),
		T(an_interrupt_that_has_gone_leaves_l2_alone),
		T(events_wait_for_the_entry_and_what_it_injects),
		T(an_nmi_exit_blocks_nmis_in_l1),
		T(without_virtual_nmis_the_blocking_outlives_iret_and_exit),
		T(an_exception_that_l0_raises_is_l1s_when_it_intercepts_it),
		T(exceptions_of_l0_tell_what_was_being_delivered),
		T(a_double_fault_exits_as_if_nothing_was_being_delivered),
		T(a_triple_fault_that_l0_forms_is_l1s),
		T(the_monitor_trap_flag_ends_l2_after_an_instruction_of_l0),
		T(only_a_sipi_ends_the_wait_for_sipi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
