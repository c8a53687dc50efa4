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

	r.l1_rip = 0x40132a;
	n = explain_text(text, sizeof(text), &r, &caps);
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
		"(WB). SDM 26.2.1.1 \"VM-Execution Control Fields\", rule EPTP_MEMORY_TYPE");
	assert_string_equal(explain(check(CHECK_IO_BITMAP_A_ADDRESS, 0x1010)),
		"VMLAUNCH at 0x40132a failed with error 7 (invalid control field): "
		"USE_IO_BITMAPS is set and IO_BITMAP_A = 0x1010; allowed: a 4 KiB aligned "
		"address below 2^46. SDM 26.2.1.1 \"VM-Execution Control Fields\", rule "
		"IO_BITMAP_A_ADDRESS");
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
	says(check(CHECK_PROC2_RESERVED, PROC2_SUB_PAGE_WRITE | BIT(31)),
		"; bit 23 (SUB_PAGE_WRITE) must be 0, bit 31 (reserved) must be 0. SDM");
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
		assert_true(strlen(text) < 480); /* vm/explain.c has 512 */
	}
}

static void errors_of_instructions_have_their_meaning(void **state)
{
	struct nested_report r = vmfail(EXIT_VMPTRLD, VMERR_VMPTRLD_BAD_REVISION, 0x5000);

	(void)state;
	says(vmfail(EXIT_VMCLEAR, VMERR_VMCLEAR_BAD_ADDRESS, 0x1008),
		"VMCLEAR at 0x40132a failed with error 2 (VMCLEAR with invalid physical "
		"address): the operand is 0x1008; allowed: a 4 KiB aligned address below 2^46. "
		"SDM 30.4 \"VM Instruction Error Numbers\", rule VMCLEAR_BAD_ADDRESS");
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
		   "0xc0000100 = 0x77, cannot be loaded");
	assert_int_equal(explain_exit_reason(&list), EXIT_MSR_LOADING);
	list.found[0] |= 1ull << 32;
	says(list, "bits 63:32 must be 0 and are 0x1");
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

static void any_report_has_a_rule_and_a_text_that_fits(void **state)
{
	struct vmx_caps caps = golden_caps();
	struct nested_report r = {.l1_rip = UINT64_MAX, .value = UINT64_MAX};

	(void)state;
	for (unsigned kind = 0; kind < 6; kind++) {
		for (unsigned n = 0; n < 300; n++) {
			r.kind = (uint8_t)kind;
			r.instruction = r.error = (uint8_t)n;
			r.check = (uint16_t)(n == 299 ? UINT16_MAX : n);
			assert_true(explain_rule(&r) < EXPLAIN_RULES);
			assert_true(strlen(explain_rule_name(explain_rule(&r))) > 0);
			explain_field(&r);
			for (size_t size = 1; size < 600; size += 97)
				assert_true(explain_text(text, size, &r, &caps) < size);
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
		cmocka_unit_test(any_report_has_a_rule_and_a_text_that_fits),
		cmocka_unit_test(the_ring_keeps_the_last_and_counts_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
