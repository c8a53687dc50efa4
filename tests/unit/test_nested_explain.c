/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations: what is said of a refused VM entry or VMX instruction, and the ring of a VM.
 */
#include "fake_memory.h"
#include "golden_vmcs12.h"
#include "nested/explain.h"

static char text[1024];

static const char *explain(struct nested_report r)
{
	struct vmx_caps caps = golden_caps();
	size_t n;

	r.rip = 0x40132a;
	n = explain_text(text, sizeof(text), &r, &caps, false);
	assert_int_equal(n, strlen(text));
	return text;
}

static struct nested_report check(enum check_id id, uint64_t value)
{
	return (struct nested_report){.kind = REPORT_CHECK,
		.instruction = EXIT_VMLAUNCH,
		.check = (uint16_t)id,
		.value = value};
}

static struct nested_report vmfail(uint8_t instruction, uint8_t error, uint64_t value)
{
	return (struct nested_report){.kind = REPORT_VMFAIL,
		.instruction = instruction,
		.error = error,
		.value = value};
}

static void says(struct nested_report r, const char *words)
{
	if (!strstr(explain(r), words))
		fail_msg("'%s' lacks '%s'", text, words);
}

static void a_refused_entry_is_told_in_words(void **state)
{
	(void)state;
	assert_string_equal(explain(check(CHECK_EPTP_MEMORY_TYPE, 0x1000003b)),
		"VMLAUNCH at 0x40132a failed with error 7 (invalid control field): ENABLE_EPT "
		"is set and EPT_POINTER = 0x1000003b has memory type 3; allowed: 0 (UC) or 6 "
		"(WB). SDM 26.2.1.1 \"VM-Execution Control Fields\" (27.2.1.1 since 2023, "
		"29.2.1.1 in 2026), rule EPTP_MEMORY_TYPE");
	assert_string_equal(explain(check(CHECK_IO_BITMAP_A_ADDRESS, 0x1010)),
		"VMLAUNCH at 0x40132a failed with error 7 (invalid control field): "
		"USE_IO_BITMAPS is set and IO_BITMAP_A = 0x1010; allowed: a 4 KiB aligned "
		"address below 2^46. SDM 26.2.1.1 \"VM-Execution Control Fields\" (27.2.1.1 "
		"since 2023, 29.2.1.1 in 2026), rule IO_BITMAP_A_ADDRESS");
	says(check(CHECK_HOST_CS_NULL, 0), "failed with error 8 (invalid host-state field): ");
	says(check(CHECK_RFLAGS_RESERVED, 0),
		"failed with exit reason 33 (invalid guest state): ");
	says(check(CHECK_LINK_POINTER_ADDRESS, 1), "; qualification 4. SDM 26.3.1.5 \"");
}

static void control_bits_are_named(void **state)
{
	struct nested_report r = check(CHECK_GUEST_CR0_FIXED, CR0_ET);

	(void)state;
	says(check(CHECK_PIN_RESERVED, 0x14 | PIN_EXT_INTR_EXITING),
		"PIN_CONTROLS = 0x15; bit 1 (reserved) must be 1. SDM");
	says(check(CHECK_PROC2_RESERVED, BIT(24) | BIT(29)),
		"; bit 24 (PT_USES_GPA) must be 0, bit 29 (reserved) must be 0. SDM");
	says(check(CHECK_PIN_RESERVED, UINT32_MAX),
		", bit 11 (reserved) must be 0 and 20 more");
	says(check(CHECK_GUEST_CR4_FIXED, CR4_VMXE | CR4_LA57), "bit 12 (LA57) must be 0");
	says(check(CHECK_HOST_EFER_RESERVED, BIT(1)), "bit 1 (reserved) must be 0");
	says(r, "bit 0 (PE) must be 1, bit 5 (NE) must be 1, bit 31 (PG) must be 1");
	r.found[0] = CR0_PE | CR0_PG; /* an unrestricted guest */
	says(r, "GUEST_CR0 = 0x10; bit 5 (NE) must be 1. SDM");
}

static void every_check_says_what_is_allowed(void **state)
{
	(void)state;
	for (unsigned id = CHECK_OK + 1; id < CHECK_COUNT; id++) {
		size_t n = explain_allowed(text, sizeof(text), (enum check_id)id);

		if (n == 0)
			fail_msg("%s has no row in explain_rules.def", check_rows[id].name);
		/* Not the expansion of a macro with the same name. */
		assert_null(strpbrk(check_rows[id].name, " (<"));
		says(check((enum check_id)id, UINT64_MAX), check_rows[id].name);
		if (!strstr(text, "; allowed: ") && !strstr(text, " must be "))
			fail_msg("'%s' says nothing of what is allowed", text);
		assert_true(strlen(text) < EXPLAIN_TEXT);
	}
}

static void errors_of_instructions_have_their_meaning(void **state)
{
	struct nested_report r = vmfail(EXIT_VMPTRLD, VMERR_VMPTRLD_BAD_REVISION, 0x5000);

	(void)state;
	says(vmfail(EXIT_VMCLEAR, VMERR_VMCLEAR_BAD_ADDRESS, 0x1008),
		"VMCLEAR at 0x40132a failed with error 2 (VMCLEAR with invalid physical "
		"address): the operand is 0x1008; allowed: a 4 KiB aligned address below 2^46. "
		"SDM 30.4 \"VM Instruction Error Numbers\" (31.4 since 2023, 33.4 in 2026), rule "
		"VMCLEAR_BAD_ADDRESS");
	says(vmfail(EXIT_VMREAD, VMERR_BAD_FIELD, 0x6fff), "no field has the encoding 0x6fff");
	says(vmfail(EXIT_VMREAD, VMERR_BAD_FIELD, 1ull << 32), "encoding 0x100000000");
	says(vmfail(EXIT_VMWRITE, VMERR_BAD_FIELD, VMCS_TSC_MULTIPLIER),
		"is TSC_MULTIPLIER; it exists only where the control TSC_SCALING may be 1");
	says(vmfail(EXIT_VMWRITE, VMERR_BAD_FIELD, VMCS_EPTP_LIST_ADDRESS), "EPTP switching");
	says(vmfail(EXIT_INVEPT, VMERR_INVALID_INVEPT_INVVPID, 7), "type 7; allowed: types 1");
	says(vmfail(EXIT_INVVPID, VMERR_INVALID_INVEPT_INVVPID, 1),
		"type 1 with descriptor 0x0 0x0; allowed: types 0 to 3");
	r.found[0] = 0x80000007;
	says(r, "revision identifier is 0x80000007; allowed: 0x4e535431");
	says(r, "bit 31 only for shadow VMCSs");
	r.no_vmcs = true;
	says(r, "as VMfailInvalid, since no VMCS is current");
	assert_int_equal(explain_error(&r), 0);
}

static void vmfail_invalid_and_msr_lists_are_told(void **state)
{
	struct nested_report r = {
		.kind = REPORT_FAIL_INVALID, .instruction = EXIT_VMREAD, .no_vmcs = true};
	struct nested_report list = {.kind = REPORT_MSR_LOAD,
		.instruction = EXIT_VMRESUME,
		.why = DENIAL_LIST_SEGMENT_BASE,
		.value = 3,
		.found = {MSR_FS_BASE, 0x77}};

	(void)state;
	says(r, "VMREAD at 0x40132a failed with VMfailInvalid: no VMCS is current");
	r.instruction = EXIT_VMLAUNCH;
	r.no_vmcs = false;
	says(r, "the current VMCS is a shadow VMCS");
	r.instruction = EXIT_VMXON;
	r.value = 0x1001;
	says(r, "the operand is 0x1001; allowed: a 4 KiB aligned address");
	r.value = 0x1000;
	says(r, "whose revision identifier is 0x0; allowed: 0x4e535431");
	says(list, "exit reason 34 (MSR loading): entry 3 of the VM-entry MSR-load list, MSR "
		   "0xc0000100 = 0x77: FS and GS bases are fields of the VMCS; allowed: ");
	assert_int_equal(explain_exit_reason(&list), EXIT_MSR_LOADING);
	list.why = DENIAL_LIST_TOO_LONG;
	list.found[0] = 512;
	says(list,
		"entry 3 of the VM-entry MSR-load list: the list is longer than 0x200 entries");
}

/* What a report says L1 saw: an error number, an exit reason, or neither (VMfailInvalid). */
static void a_report_has_one_outcome(void **state)
{
	struct nested_report bad = check((enum check_id)CHECK_COUNT, 0);
	struct nested_report controls = check(CHECK_PIN_RESERVED, 0);
	struct nested_report guest = check(CHECK_GUEST_CR0_FIXED, 0);
	struct nested_report fail = vmfail(EXIT_VMREAD, VMERR_BAD_FIELD, 0);
	struct nested_report invalid = {.kind = REPORT_FAIL_INVALID, .error = 5};

	(void)state;
	assert_int_equal(explain_error(&controls), VMERR_ENTRY_CONTROLS);
	assert_int_equal(explain_exit_reason(&controls), 0);
	assert_int_equal(explain_error(&guest), 0);
	assert_int_equal(explain_exit_reason(&guest), EXIT_INVALID_GUEST_STATE);
	assert_int_equal(explain_error(&fail), VMERR_BAD_FIELD);
	assert_int_equal(explain_exit_reason(&fail), 0);
	assert_int_equal(explain_error(&invalid), 0);
	assert_int_equal(explain_exit_reason(&invalid), 0);
	assert_int_equal(explain_error(&bad), 0);
	assert_int_equal(explain_allowed(text, sizeof(text), (enum check_id)CHECK_COUNT),
		explain_allowed(text, sizeof(text), CHECK_OK));
	says(vmfail(EXIT_INVEPT, VMERR_INVALID_INVEPT_INVVPID, 2), "type 2 with descriptor");
	says(vmfail(EXIT_INVVPID, VMERR_INVALID_INVEPT_INVVPID, 4), "type 4; allowed: types 0");
}

/* ---- what has no number ---- */

static struct nested_report denied(enum report_kind kind, uint8_t instruction, enum denial why)
{
	return (struct nested_report){.kind = (uint8_t)kind,
		.instruction = instruction,
		.why = (uint8_t)why,
		.error = VEC_GP,
		.value = 3,
		.found = {0x1234, 0x77}};
}

static void a_fault_has_its_exception_and_its_rule(void **state)
{
	struct nested_report r = denied(REPORT_FAULT, EXIT_VMPTRLD, DENIAL_INSN_CPL);

	(void)state;
	assert_string_equal(explain(r),
		"VMPTRLD at 0x40132a raised #GP: the CPL is 0x3; allowed: CPL 0. SDM 30.3 "
		"\"VMX Instructions\" (31.3 since 2023, 33.3 in 2026), rule INSN_CPL");
	r.error = VEC_UD;
	says(r, " raised #UD: ");
	r.error = VEC_SS;
	says(r, " raised #SS: ");
	r = denied(REPORT_FAULT, EXIT_VMXON, DENIAL_INSN_CR0_FIXED);
	r.value = CR0_PE | CR0_PG | CR0_CD;
	says(r, "CR0 is 0xc0000001; bit 5 (NE) must be 1; allowed: VMXON with the bits");
	r = denied(REPORT_FAULT, EXIT_VMXON, DENIAL_INSN_CR4_FIXED);
	says(r, "CR4 is 0x3; bit 13 (VMXE) must be 1; allowed: ");
	assert_int_equal(explain_error(&r), 0);
	assert_int_equal(explain_exit_reason(&r), 0);
}

static void an_msr_has_its_index_and_what_was_written(void **state)
{
	struct nested_report r = denied(REPORT_MSR, EXIT_RDMSR, DENIAL_MSR_UNKNOWN);

	(void)state;
	says(r, "RDMSR at 0x40132a of MSR 0x1234 raised #GP: this VM has no such MSR; allowed");
	r = denied(REPORT_MSR, EXIT_WRMSR, DENIAL_MSR_PAT_TYPES);
	r.l2 = true;
	says(r, "WRMSR of L2 at 0x40132a of MSR 0x1234 with 0x3 raised #GP: a byte is no memory "
		"type; allowed: 0, 1, 4, 5, 6 or 7 in each byte. SDM 11.12.4 \"Programming the "
		"PAT\" (12.12.4 since 2023, 14.12.4 in 2026), rule MSR_PAT_TYPES");
}

static void a_misconfiguration_has_level_entry_and_address(void **state)
{
	static const char *const entries[] = {
		"PTE (level 1)", "PDE (level 2)", "PDPTE (level 3)", "PML4E (level 4)"};
	struct nested_report r =
		denied(REPORT_EPT_MISCONFIG, EXIT_EPT_MISCONFIG, DENIAL_EPT_WRITE_WITHOUT_READ);

	(void)state;
	r.l2 = true;
	for (uint8_t level = 1; level <= 4; level++) {
		r.level = level;
		says(r, entries[level - 1]);
	}
	assert_string_equal(text,
		"L2 at 0x40132a met an EPT misconfiguration (exit reason 49): guest-physical "
		"address 0x1234, EPT PML4E (level 4) = 0x3: bit 1 (write) is 1 and bit 0 (read) "
		"is 0; allowed: write access with read access only. SDM 28.2.3.1 \"EPT "
		"Misconfigurations\" (29.3.3.1 since 2023, 31.3.3.1 in 2026), rule "
		"EPT_WRITE_WITHOUT_READ");
	assert_int_equal(explain_exit_reason(&r), EXIT_EPT_MISCONFIG);
}

static void a_vmx_abort_has_its_number_and_its_entry(void **state)
{
	struct nested_report r = denied(REPORT_ABORT, EXIT_CPUID, DENIAL_LIST_MICROCODE);

	(void)state;
	r.l2 = true;
	r.error = VMX_ABORT_LOAD_MSRS;
	says(r, "L2 at 0x40132a exited (CPUID) into VMX abort 4 (loading L1's MSRs failed): entry "
		"3 of the VM-exit MSR-load list, MSR 0x1234 = 0x77: the MSR updates microcode");
	r.error = VMX_ABORT_SAVE_MSRS;
	says(r, "VMX abort 1 (saving L2's MSRs failed): entry 3 of the VM-exit MSR-store list");
	r.error = VMX_ABORT_HOST_PDPTES;
	r.why = DENIAL_HOST_PDPTES_RESERVED;
	says(r, "VMX abort 2 (checking L1's PDPTEs failed): a PDPTE at HOST_CR3 = 0x3 is present");
}

/* A section of the pinned edition is named in all three. */
static void every_denial_is_complete(void **state)
{
	(void)state;
	for (unsigned why = DENIAL_NONE + 1; why < DENIAL_COUNT; why++) {
		struct nested_report r = denied(REPORT_FAULT, EXIT_VMXON, (enum denial)why);

		says(r, "; allowed: ");
		if (strstr(text, ". SDM ") && !strstr(text, "SDM A"))
			says(r, " in 2026), rule ");
		assert_true(strlen(text) < EXPLAIN_TEXT - 150); /* longer places */
		assert_string_equal(explain_rule_name(explain_rule(&r)),
			strstr(text, "rule ") + strlen("rule "));
	}
}

static void every_check_has_a_section_in_all_editions(void **state)
{
	(void)state;
	for (unsigned id = CHECK_OK + 1; id < CHECK_COUNT; id++) {
		explain_editions(text, sizeof(text), check_rows[id].sdm);
		assert_true(strncmp(text, " (27.", 5) == 0 && strstr(text, " in 2026)"));
	}
	explain_editions(text, sizeof(text), "28.3.3.1 Operations");
	assert_string_equal(text, " (29.4.3.1 since 2023, 31.4.3.1 in 2026)");
	explain_editions(text, sizeof(text), "28.1");
	assert_string_equal(text, " (29.1 since 2023, 31.1 in 2026)");
	explain_editions(text, sizeof(text), "2.1 Overview");
	assert_string_equal(text, "");
}

/* The mark is for addresses of L1's code: the host tool has its image. */
static void l1s_addresses_can_be_marked(void **state)
{
	struct vmx_caps caps = golden_caps();
	struct nested_report r = denied(REPORT_FAULT, EXIT_VMXON, DENIAL_INSN_VMXE);

	(void)state;
	r.rip = 0xabc;
	explain_text(text, sizeof(text), &r, &caps, true);
	assert_true(strncmp(text, "VMXON at @abc raised", 20) == 0);
	r.l2 = true;
	explain_text(text, sizeof(text), &r, &caps, true);
	assert_true(strncmp(text, "VMXON of L2 at 0xabc raised", 27) == 0);
}

static void any_report_has_a_rule_and_a_text_that_fits(void **state)
{
	struct vmx_caps caps = golden_caps();
	struct nested_report r = {.rip = UINT64_MAX, .value = UINT64_MAX};

	(void)state;
	for (unsigned kind = 0; kind < 10; kind++) {
		for (unsigned n = 0; n < 300; n++) {
			r.kind = (uint8_t)kind;
			r.instruction = r.error = r.why = r.level = (uint8_t)n;
			r.check = (uint16_t)(n == 299 ? UINT16_MAX : n);
			assert_true(explain_rule(&r) < EXPLAIN_RULES);
			assert_true(strlen(explain_rule_name(explain_rule(&r))) > 0);
			explain_field(&r);
			for (size_t size = 1; size < 600; size += 97)
				assert_true(
					explain_text(text, size, &r, &caps, size & 1) < size);
		}
	}
}

static void the_ring_keeps_the_last_and_counts_all(void **state)
{
	static struct explain_ring ring;
	struct nested_report r = check(CHECK_VPID_ZERO, 0);
	const struct explain_record *e;

	(void)state;
	memset(&ring, 0, sizeof(ring));
	for (unsigned i = 1; i <= EXPLAIN_RING + 5; i++) {
		r.value = i;
		e = explain_add(&ring, &r, 2, 1000 + i);
		assert_int_equal(e->nth, i);
		assert_int_equal(e->vcpu, 2);
		assert_int_equal(e->report.value, i);
	}
	assert_int_equal(ring.total, EXPLAIN_RING + 5);
	assert_int_equal(ring.last[0].report.value, EXPLAIN_RING + 1);
	assert_int_equal(ring.last[5].report.value, 6);
	r = check(CHECK_VPID_ZERO + 1, 0);
	assert_int_equal(explain_add(&ring, &r, 0, 0)->nth, 1);
	ring.count[CHECK_VPID_ZERO] = UINT32_MAX;
	r = check(CHECK_VPID_ZERO, 0);
	assert_int_equal(explain_add(&ring, &r, 0, 0)->nth, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_entry_is_told_in_words),
		cmocka_unit_test(control_bits_are_named),
		cmocka_unit_test(every_check_says_what_is_allowed),
		cmocka_unit_test(errors_of_instructions_have_their_meaning),
		cmocka_unit_test(vmfail_invalid_and_msr_lists_are_told),
		cmocka_unit_test(a_report_has_one_outcome),
		cmocka_unit_test(a_fault_has_its_exception_and_its_rule),
		cmocka_unit_test(an_msr_has_its_index_and_what_was_written),
		cmocka_unit_test(a_misconfiguration_has_level_entry_and_address),
		cmocka_unit_test(a_vmx_abort_has_its_number_and_its_entry),
		cmocka_unit_test(every_denial_is_complete),
		cmocka_unit_test(every_check_has_a_section_in_all_editions),
		cmocka_unit_test(l1s_addresses_can_be_marked),
		cmocka_unit_test(any_report_has_a_rule_and_a_text_that_fits),
		cmocka_unit_test(the_ring_keeps_the_last_and_counts_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
