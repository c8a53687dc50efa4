/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VM-entry checks: golden VMCS12s pass, and for each row of the tables one mutation that it,
 * and no earlier row, refuses.
 */
#include "fake_memory.h"
#include "entry_mutations.h"
#include "golden_vmcs12.h"
#include "random.h"

struct fixture {
	uint64_t f[FID_COUNT];
	struct vmx_caps caps;
	struct check_env e;
	bool covered[CHECK_COUNT];
};

static struct fixture fx;

static int setup(void **state)
{
	fake_reset();
	golden_memory();
	memset(&fx, 0, sizeof(fx));
	fx.caps = golden_caps();
	fx.e = (struct check_env){
		.f = fx.f, .caps = &fx.caps, .l1_long_mode = true, .current = {GOLDEN_CURRENT}};
	golden_64bit(fx.f);
	*state = &fx;
	return 0;
}

static void expect(enum check_id want)
{
	enum check_id got = golden_run(&fx.e);

	if (got != want)
		fail_msg("expected %s, got %s", check_rows[want].name, check_rows[got].name);
	fx.covered[want] = true;
}

static void start_from(void (*golden)(uint64_t *f))
{
	golden(fx.f);
	fx.e.l1_long_mode = golden != golden_32bit_l1;
}

static void run_mutation(const struct mutation *m)
{
	start_from(m->golden);
	for (unsigned i = 0; i < 5; i++) {
		const struct change *c = &m->change[i];

		if (c->set == 0 && c->clear == 0)
			break;
		fx.f[c->fid] = (fx.f[c->fid] & ~c->clear) | c->set;
	}
	expect(m->id);
}

static void golden_vmcs12s_pass_every_check(void **state)
{
	(void)state;
	golden_64bit(fx.f);
	expect(CHECK_OK);
	golden_32bit(fx.f);
	expect(CHECK_OK);
	golden_v86(fx.f);
	expect(CHECK_OK);
	golden_real(fx.f);
	expect(CHECK_OK);
	golden_shadow_paging(fx.f);
	expect(CHECK_OK);
	golden_apicv(fx.f);
	expect(CHECK_OK);
	start_from(golden_32bit_l1);
	expect(CHECK_OK);
}

/* Rows that no change of fields reaches while earlier rows hold. */
static void cover_rows_behind_capabilities(void)
{
	start_from(golden_64bit);
	fx.caps.msr[MSR_VMX_TRUE_ENTRY - MSR_VMX_BASIC] |=
		(uint64_t)(ENTRY_TO_SMM | ENTRY_DEACTIVATE_DUAL) << 32;
	fx.f[FID_ENTRY_CONTROLS] |= ENTRY_TO_SMM;
	expect(CHECK_ENTRY_TO_SMM);
	golden_64bit(fx.f);
	fx.f[FID_ENTRY_CONTROLS] |= ENTRY_DEACTIVATE_DUAL;
	expect(CHECK_DEACTIVATE_DUAL_MONITOR);

	fx.caps.msr[MSR_VMX_EPT_VPID_CAP - MSR_VMX_BASIC] &= ~EPT_CAP_AD;
	golden_64bit(fx.f);
	fx.f[FID_EPT_POINTER] |= EPTP_AD;
	expect(CHECK_EPTP_ACCESSED_DIRTY);
	fx.caps = golden_caps();

	/* The link pointer is the current VMCS, which has the revision that is asked for. */
	golden_apicv(fx.f);
	fx.e.current.v = GOLDEN_LINK;
	expect(CHECK_LINK_POINTER_CURRENT);
	fx.e.current.v = GOLDEN_CURRENT;

	fake_write64(GOLDEN_PDPT + 24, 0x1003);
	golden_shadow_paging(fx.f);
	expect(CHECK_PDPTES_IN_MEMORY);
	fake_write64(GOLDEN_PDPT + 24, 0);

	golden_32bit_l1(fx.f);
	fx.e.l1_long_mode = true;
	fx.f[FID_ENTRY_CONTROLS] |= ENTRY_IA32E_GUEST;
	expect(CHECK_HOST_32_OF_64BIT_L1);

	/* Reached by its function only: a guest in both modes fails in guest_state already. */
	golden_v86(fx.f);
	fx.f[FID_ENTRY_CONTROLS] |= ENTRY_IA32E_GUEST;
	assert_int_equal(nested_check_guest_events(&fx.e), CHECK_RFLAGS_VM_MODE);
	fx.covered[CHECK_RFLAGS_VM_MODE] = true;
}

static void every_row_refuses_its_mutation(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mutations) / sizeof(mutations[0]); i++)
		run_mutation(&mutations[i]);
	cover_rows_behind_capabilities();
	/* The SDM has this row, but earlier ones refuse all that it would. */
	fx.covered[CHECK_IA32E_GUEST_OF_HOST_32] = true;
	for (unsigned i = CHECK_OK + 1; i < CHECK_COUNT; i++)
		if (!fx.covered[i])
			fail_msg("no mutation for %s", check_rows[i].name);
}

/* What breaks a rule by 48 bits is fine for a processor with 57, and more than those is not. */
static void a_processor_with_57_bits_takes_addresses_of_57(void **state)
{
	unsigned taken = 0;

	(void)state;
	fx.caps.linear_bits = 57;
	for (size_t i = 0; i < sizeof(mutations) / sizeof(mutations[0]); i++) {
		struct mutation m = mutations[i];

		for (unsigned c = 0; c < 5; c++) {
			uint64_t *set = &m.change[c].set, was = *set;

			if (was != NOT_CANONICAL && was != NOT_IDENTICAL)
				continue;
			/* RIP is checked by the mode: LA57 is clear in HOST_CR4. */
			m.id = m.change[c].fid == FID_HOST_RIP ? CHECK_HOST_64_RIP : CHECK_OK;
			run_mutation(&m);
			m.id = mutations[i].id;
			*set = was == NOT_CANONICAL ? 1ull << 56 : 1ull << 57;
			taken++;
		}
		run_mutation(&m);
	}
	assert_int_equal(taken, 24);
}

static void host_rip_is_canonical_in_the_mode_that_the_exit_enters(void **state)
{
	(void)state;
	fx.caps.linear_bits = 57;
	fx.caps.msr[MSR_VMX_CR4_FIXED1 - MSR_VMX_BASIC] |= CR4_LA57;
	start_from(golden_64bit);
	fx.f[FID_HOST_RIP] = NOT_CANONICAL;
	fx.f[FID_GUEST_CR4] |= CR4_LA57;
	expect(CHECK_HOST_64_RIP);
	fx.f[FID_GUEST_CR4] &= ~CR4_LA57;
	fx.f[FID_HOST_CR4] |= CR4_LA57;
	expect(CHECK_OK);
	fx.f[FID_HOST_RIP] = 1ull << 56;
	expect(CHECK_HOST_64_RIP);
}

/* With LAM, which a guest can have without an exit. */
static void cr3_may_have_the_bits_of_lam_where_the_processor_has_it(void **state)
{
	static const enum vmcs_fid fid[] = {FID_GUEST_CR3, FID_HOST_CR3};
	static const enum check_id id[] = {CHECK_GUEST_CR3_WIDTH, CHECK_HOST_CR3_WIDTH};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		start_from(golden_64bit);
		fx.f[fid[i]] |= CR3_LAM_U57 | CR3_LAM_U48;
		fx.caps.cr3_lam = 0;
		expect(id[i]);
		fx.caps.cr3_lam = CR3_LAM_U57 | CR3_LAM_U48;
		expect(CHECK_OK);
		fx.f[fid[i]] |= 1ull << 60;
		expect(id[i]);
	}
	golden_shadow_paging(fx.f); /* its PDPTEs are found */
	fx.f[FID_GUEST_CR3] |= CR3_LAM_U48;
	expect(CHECK_OK);
}

/* As the processor takes it, which then faults at the first fetch. */
static void guest_rip_may_have_57_bits_in_a_mode_of_48(void **state)
{
	(void)state;
	fx.caps.linear_bits = 57;
	start_from(golden_64bit);
	fx.f[FID_GUEST_RIP] = 1ull << 56;
	expect(CHECK_OK);
	fx.f[FID_GUEST_RIP] = 1ull << 57;
	expect(CHECK_RIP_IDENTICAL_HIGH);
}

static void rows_tell_the_outcome_of_their_section(void **state)
{
	(void)state;
	for (unsigned i = CHECK_OK + 1; i < CHECK_COUNT; i++) {
		const struct check_row *r = &check_rows[i];
		unsigned vmfail = strncmp(r->sdm, "26.2.1.", 7) == 0 ? VMERR_ENTRY_CONTROLS
				  : strncmp(r->sdm, "26.2.", 5) == 0 ? VMERR_ENTRY_HOST_STATE
								     : 0;

		assert_true(r->field < FID_COUNT);
		assert_int_equal(r->vmfail, vmfail);
	}
	assert_int_equal(check_rows[CHECK_GUEST_CR0_FIXED].qualification, 0);
	assert_int_equal(check_rows[CHECK_PDPTE2_RESERVED].qualification, 2);
	assert_int_equal(check_rows[CHECK_PDPTES_IN_MEMORY].qualification, 2);
	assert_int_equal(check_rows[CHECK_STI_BLOCKING_NMI].qualification, 3);
	assert_int_equal(check_rows[CHECK_LINK_POINTER_CURRENT].qualification, 4);
}

static void fields_of_controls_that_are_off_are_not_checked(void **state)
{
	(void)state;
	fx.f[FID_PROC_CONTROLS] = 0x04006172;
	fx.f[FID_PROC2_CONTROLS] = UINT32_MAX;
	fx.f[FID_IO_BITMAP_A] = fx.f[FID_MSR_BITMAP] = fx.f[FID_VIRTUAL_APIC_ADDR] = 1;
	fx.f[FID_EPT_POINTER] = fx.f[FID_PML_ADDRESS] = fx.f[FID_TPR_THRESHOLD] = UINT32_MAX;
	fx.f[FID_VPID] = 0;
	expect(CHECK_OK);
	fx.f[FID_EXIT_MSR_LOAD_COUNT] = 0;
	fx.f[FID_EXIT_MSR_LOAD_ADDR] = UINT64_MAX;
	expect(CHECK_OK);
	fx.f[FID_ENTRY_INTR_INFO] = 0x7fffffff;
	expect(CHECK_OK);
}

static void unusable_segments_are_not_checked_except_cs_and_tr(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		if (FID_GUEST_ES_AR + i == FID_GUEST_CS_AR)
			continue;
		fx.f[FID_GUEST_ES_AR + i] = SEG_AR_UNUSABLE | 0xfffe0f00;
		fx.f[FID_GUEST_ES_LIMIT + i] = 0xfff00000;
	}
	fx.f[FID_GUEST_SS_AR] = SEG_AR_UNUSABLE;
	fx.f[FID_GUEST_SS_BASE] = UINT64_MAX;
	fx.f[FID_GUEST_LDTR_BASE] = NOT_CANONICAL;
	expect(CHECK_OK);
	fx.f[FID_GUEST_CS_AR] |= SEG_AR_UNUSABLE;
	expect(CHECK_OK);
	fx.f[FID_GUEST_CS_AR] &= ~(uint64_t)SEG_AR_S;
	expect(CHECK_CS_S);
}

static void bit_47_of_rip_may_differ_from_the_bits_above_it(void **state)
{
	(void)state;
	fx.f[FID_GUEST_RIP] = NOT_CANONICAL;
	expect(CHECK_OK);
}

static void nw_and_cd_are_never_checked(void **state)
{
	(void)state;
	fx.caps.msr[MSR_VMX_CR0_FIXED1 - MSR_VMX_BASIC] &= ~(CR0_NW | CR0_CD);
	fx.f[FID_GUEST_CR0] |= CR0_NW | CR0_CD;
	fx.f[FID_HOST_CR0] |= CR0_NW;
	expect(CHECK_OK);
}

static void tpr_threshold_is_compared_only_without_apic_accesses(void **state)
{
	(void)state;
	fx.f[FID_TPR_THRESHOLD] = 15;
	expect(CHECK_OK);
	fx.f[FID_PROC2_CONTROLS] &= ~(uint64_t)PROC2_APIC_ACCESSES;
	expect(CHECK_TPR_THRESHOLD_ABOVE_VTPR);
	fx.f[FID_TPR_THRESHOLD] = 4;
	expect(CHECK_OK);
	fx.f[FID_TPR_THRESHOLD] = 15;
	fx.f[FID_VIRTUAL_APIC_ADDR] = 0xfee00000;
	expect(CHECK_OK);
}

static void plain_capabilities_rule_without_true_ones(void **state)
{
	(void)state;
	fx.caps.msr[0] &= ~BASIC_TRUE_CONTROLS;
	expect(CHECK_PROC_RESERVED);
	fx.f[FID_PROC_CONTROLS] |= PROC_CR3_LOAD_EXITING | PROC_CR3_STORE_EXITING;
	expect(CHECK_OK);
}

static void pointers_are_32_bits_wide_when_basic_says_so(void **state)
{
	(void)state;
	fx.f[FID_MSR_BITMAP] = 1ull << 32;
	expect(CHECK_OK);
	fx.caps.msr[0] |= BASIC_WIDTH_32;
	expect(CHECK_MSR_BITMAP_ADDRESS);
}

static void instruction_length_zero_needs_the_capability(void **state)
{
	(void)state;
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_SW_EXCEPTION, VEC_BP, 0);
	expect(CHECK_OK);
	fx.caps.msr[MSR_VMX_MISC - MSR_VMX_BASIC] &= ~MISC_ZERO_LENGTH;
	expect(CHECK_INJECT_INSTRUCTION_LENGTH);
	fx.f[FID_ENTRY_INSTRUCTION_LENGTH] = 1;
	expect(CHECK_OK);
}

static void any_exception_may_have_an_error_code_where_the_machine_says_so(void **state)
{
	(void)state;
	fx.caps.msr[0] |= BASIC_ANY_ERROR_CODE;
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_HW_EXCEPTION, VEC_UD, 1);
	expect(CHECK_OK);
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_HW_EXCEPTION, VEC_GP, 0);
	expect(CHECK_OK);
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_SW_EXCEPTION, VEC_GP, 1);
	expect(CHECK_INJECT_ERROR_CODE_PRESENCE);
	fx.caps.msr[0] &= ~BASIC_ANY_ERROR_CODE;
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_HW_EXCEPTION, VEC_UD, 1);
	expect(CHECK_INJECT_ERROR_CODE_PRESENCE);
}

static void pending_mtf_needs_the_monitor_trap_flag(void **state)
{
	(void)state;
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_OTHER_EVENT, 0, 0);
	expect(CHECK_OK);
	fx.caps.msr[MSR_VMX_TRUE_PROC - MSR_VMX_BASIC] &= ~((uint64_t)PROC_MTF << 32);
	expect(CHECK_INJECT_TYPE);
}

static void events_that_wake_a_halted_guest_may_be_injected(void **state)
{
	(void)state;
	fx.f[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_HLT;
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_EXTERNAL, 0x20, 0);
	expect(CHECK_OK);
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_NMI, 2, 0);
	expect(CHECK_OK);
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_HW_EXCEPTION, VEC_DB, 0);
	expect(CHECK_OK);
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_OTHER_EVENT, 0, 0);
	expect(CHECK_OK);
	fx.f[FID_GUEST_ACTIVITY_STATE] = ACTIVITY_SHUTDOWN;
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_HW_EXCEPTION, VEC_MC, 0);
	expect(CHECK_OK);
}

static void real_mode_exceptions_have_no_error_code(void **state)
{
	(void)state;
	golden_real(fx.f);
	fx.f[FID_ENTRY_INTR_INFO] = INJECT(INTR_HW_EXCEPTION, VEC_GP, 0);
	expect(CHECK_OK);
}

static void context_changes_with_all_that_other_groups_read(void **state)
{
	static const struct change other[] = {
		ON(GUEST_RFLAGS, RFLAGS_VM),
		OFF(PROC2_CONTROLS, PROC2_ENABLE_EPT),
		ON(PROC2_CONTROLS, PROC2_UNRESTRICTED_GUEST),
		ON(PROC2_CONTROLS, PROC2_VMCS_SHADOWING),
		OFF(PROC_CONTROLS, PROC_SECONDARY),
		OFF(ENTRY_CONTROLS, ENTRY_IA32E_GUEST),
		OFF(EXIT_CONTROLS, EXIT_HOST_64),
		OFF(EXIT_CONTROLS, EXIT_LOAD_PAT),
		OFF(EXIT_CONTROLS, EXIT_LOAD_EFER),
		OFF(EXIT_CONTROLS, EXIT_LOAD_PERF_GLOBAL_CTRL),
	};
	uint64_t was = nested_check_context(&fx.e);

	(void)state;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		golden_64bit(fx.f);
		fx.f[other[i].fid] = (fx.f[other[i].fid] & ~other[i].clear) | other[i].set;
		assert_true(nested_check_context(&fx.e) != was);
	}
	golden_64bit(fx.f);
	fx.e.l1_long_mode = false;
	assert_true(nested_check_context(&fx.e) != was);
	fx.e.l1_long_mode = true;
	fx.f[FID_PROC_CONTROLS] |= PROC_INTR_WINDOW;
	assert_true(nested_check_context(&fx.e) == was);
}

static void (*const goldens[])(uint64_t *f) = {golden_64bit, golden_32bit, golden_v86,
	golden_real, golden_shadow_paging, golden_apicv, golden_32bit_l1};

/* Changes a field that has none of these flags: one bit, or all. */
static void change_a_field(uint64_t *seed, unsigned without)
{
	unsigned fid;
	uint64_t bits;

	do
		fid = random_below(seed, FID_COUNT);
	while (vmcs_fields[fid].flags & without);
	bits = random_next(seed);
	if (bits & 1)
		bits = fx.f[fid] ^ (2ull << (bits >> 8) % 32);
	fx.f[fid] = bits & vmcs_value_mask(vmcs_fields[fid].encoding);
}

/* Under the sanitizers. */
static void any_vmcs12_has_one_outcome(void **state)
{
	uint64_t seed = 0x4e6573746f72;

	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		unsigned changes = i % 4 ? 1 + i % 3 : FID_COUNT;
		enum check_id id;

		start_from(goldens[i % 7]);
		for (unsigned k = 0; k < changes; k++)
			change_a_field(&seed, 0);
		id = golden_run(&fx.e);
		assert_true(id < CHECK_COUNT);
		assert_int_equal(golden_run(&fx.e), id);
		fx.covered[id] = true;
	}
	assert_true(fx.covered[CHECK_OK]);
}

/* A group of checks, and the flag of the fields that make it run again. */
static void expect_flags_to_suffice(
	enum check_id (*group)(const struct check_env *), unsigned flag, bool with_context)
{
	uint64_t seed = 0x6772617669 + flag;

	for (unsigned i = 0; i < 20000; i++) {
		enum check_id before;
		uint64_t context;

		start_from(goldens[i % 7]);
		for (unsigned k = 0; k < i % 3; k++)
			change_a_field(&seed, 0);
		before = group(&fx.e);
		context = nested_check_context(&fx.e);
		change_a_field(&seed, flag);
		if ((!with_context || nested_check_context(&fx.e) == context) &&
			group(&fx.e) != before)
			fail_msg("%s changed unseen", check_rows[before].name);
	}
}

static void groups_depend_only_on_flagged_fields_and_context(void **state)
{
	(void)state;
	expect_flags_to_suffice(nested_check_controls, FIELD_CHK_C, false);
	expect_flags_to_suffice(nested_check_host, FIELD_CHK_H, true);
	expect_flags_to_suffice(nested_check_guest_state, FIELD_CHK_G, true);
}

static void checked_pdptes_are_handed_out(void **state)
{
	uint64_t pdpte[4] = {0};

	(void)state;
	golden_shadow_paging(fx.f);
	fake_write64(GOLDEN_PDPT + 24, 0x4001);
	fx.e.pdpte = pdpte;
	expect(CHECK_OK);
	assert_true(pdpte[0] == 0x1001 && pdpte[3] == 0x4001);
}

static void msr_list_entries_are_judged_by_index(void **state)
{
	(void)state;
	assert_int_equal(nested_msr_entry_denial(MSR_KERNEL_GS_BASE, 0, true), DENIAL_NONE);
	assert_int_equal(
		nested_msr_entry_denial(MSR_KERNEL_GS_BASE, 1, true), DENIAL_LIST_RESERVED);
	assert_int_equal(
		nested_msr_entry_denial(MSR_FS_BASE, 0, true), DENIAL_LIST_SEGMENT_BASE);
	assert_int_equal(
		nested_msr_entry_denial(MSR_GS_BASE, 0, true), DENIAL_LIST_SEGMENT_BASE);
	assert_int_equal(nested_msr_entry_denial(MSR_GS_BASE, 0, false), DENIAL_NONE);
	assert_int_equal(nested_msr_entry_denial(0x800, 0, true), DENIAL_LIST_X2APIC);
	assert_int_equal(nested_msr_entry_denial(0x8ff, 0, false), DENIAL_LIST_X2APIC);
	assert_int_equal(nested_msr_entry_denial(0x900, 0, false), DENIAL_NONE);
	assert_int_equal(nested_msr_entry_denial(0x9b, 0, true), DENIAL_LIST_SMM);
	assert_int_equal(nested_msr_entry_denial(0x9e, 0, false), DENIAL_LIST_SMM);
	assert_int_equal(nested_msr_entry_denial(0x79, 0, true), DENIAL_LIST_MICROCODE);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(golden_vmcs12s_pass_every_check),
		TEST(every_row_refuses_its_mutation),
		TEST(a_processor_with_57_bits_takes_addresses_of_57),
		TEST(host_rip_is_canonical_in_the_mode_that_the_exit_enters),
		TEST(cr3_may_have_the_bits_of_lam_where_the_processor_has_it),
		TEST(guest_rip_may_have_57_bits_in_a_mode_of_48),
		TEST(rows_tell_the_outcome_of_their_section),
		TEST(fields_of_controls_that_are_off_are_not_checked),
		TEST(unusable_segments_are_not_checked_except_cs_and_tr),
		TEST(bit_47_of_rip_may_differ_from_the_bits_above_it),
		TEST(nw_and_cd_are_never_checked),
		TEST(tpr_threshold_is_compared_only_without_apic_accesses),
		TEST(plain_capabilities_rule_without_true_ones),
		TEST(pointers_are_32_bits_wide_when_basic_says_so),
		TEST(instruction_length_zero_needs_the_capability),
		TEST(any_exception_may_have_an_error_code_where_the_machine_says_so),
		TEST(pending_mtf_needs_the_monitor_trap_flag),
		TEST(events_that_wake_a_halted_guest_may_be_injected),
		TEST(real_mode_exceptions_have_no_error_code),
		TEST(context_changes_with_all_that_other_groups_read),
		TEST(any_vmcs12_has_one_outcome),
		TEST(groups_depend_only_on_flagged_fields_and_context),
		TEST(checked_pdptes_are_handed_out),
		TEST(msr_list_entries_are_judged_by_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
