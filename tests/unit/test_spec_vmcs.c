/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map from VMCS encodings to fields. All low halves are tried with an upper half of zero;
 * with every other upper half, all low halves that name a field and a sample of those that do
 * not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "spec/vmcs.h"

/* The answer by definition: a search through the rows. */
static enum vmcs_fid search(uint32_t encoding)
{
	for (unsigned i = 0; i < FID_COUNT; i++) {
		uint32_t e = vmcs_fields[i].encoding;

		if (encoding == e || (vmcs_width(e) == VMCS_WIDTH_64 && encoding == (e | 1)))
			return (enum vmcs_fid)i;
	}
	return FID_NONE;
}

static void every_low_half_maps_to_the_row_that_has_it(void **state)
{
	unsigned found = 0;

	(void)state;
	for (uint32_t e = 0; e <= UINT16_MAX; e++) {
		enum vmcs_fid want = search(e);

		if (vmcs_fid_of(e) != want)
			fail_msg("encoding %#x", e);
		found += want != FID_NONE;
	}
	assert_true(found > FID_COUNT);
}

static void no_encoding_above_16_bits_names_a_field(void **state)
{
	(void)state;
	for (uint32_t high = 1; high <= UINT16_MAX; high++) {
		for (unsigned i = 0; i < FID_COUNT; i++) {
			uint32_t e = high << 16 | vmcs_fields[i].encoding;

			if (vmcs_fid_of(e) != FID_NONE || vmcs_fid_of(e | 1) != FID_NONE)
				fail_msg("encoding %#x", e);
		}
		/* ... and low halves that name none, another set for each upper half */
		for (uint32_t i = 0; i < 64; i++) {
			uint32_t e = high << 16 | ((high * 40503u + i * 1021u) & UINT16_MAX);

			if (vmcs_fid_of(e) != FID_NONE)
				fail_msg("encoding %#x", e);
		}
	}
}

static void only_64_bit_fields_have_a_high_half(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FID_COUNT; i++) {
		uint32_t e = vmcs_fields[i].encoding;
		bool wide = vmcs_width(e) == VMCS_WIDTH_64;

		assert_false(vmcs_is_high(e));
		assert_true(vmcs_is_high(e | 1));
		assert_int_equal(vmcs_fid_of(e | 1), wide ? i : (unsigned)FID_NONE);
	}
}

static void rows_are_sorted_and_use_no_reserved_bit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FID_COUNT; i++) {
		uint32_t e = vmcs_fields[i].encoding;

		assert_true(i == 0 || vmcs_fields[i - 1].encoding < e);
		assert_int_equal(e & 0x9001, 0); /* bits 15 and 12; access type full */
	}
}

/* SDM appendix B: the value of one field of each kind, written out. */
static void encodings_are_those_of_the_manual(void **state)
{
	static const struct {
		uint32_t encoding;
		enum vmcs_fid fid;
		enum vmcs_width width;
		enum vmcs_type type;
		uint64_t mask;
	} known[] = {
		{0x0000, FID_VPID, VMCS_WIDTH_16, VMCS_TYPE_CONTROL, 0xffff},
		{0x0802, FID_GUEST_CS_SELECTOR, VMCS_WIDTH_16, VMCS_TYPE_GUEST, 0xffff},
		{0x0c0c, FID_HOST_TR_SELECTOR, VMCS_WIDTH_16, VMCS_TYPE_HOST, 0xffff},
		{0x201a, FID_EPT_POINTER, VMCS_WIDTH_64, VMCS_TYPE_CONTROL, UINT64_MAX},
		{0x2401, FID_GUEST_PHYSICAL_ADDRESS, VMCS_WIDTH_64, VMCS_TYPE_INFO, UINT64_MAX},
		{0x2800, FID_VMCS_LINK_POINTER, VMCS_WIDTH_64, VMCS_TYPE_GUEST, UINT64_MAX},
		{0x2c02, FID_HOST_EFER, VMCS_WIDTH_64, VMCS_TYPE_HOST, UINT64_MAX},
		{0x4002, FID_PROC_CONTROLS, VMCS_WIDTH_32, VMCS_TYPE_CONTROL, UINT32_MAX},
		{0x4400, FID_INSTRUCTION_ERROR, VMCS_WIDTH_32, VMCS_TYPE_INFO, UINT32_MAX},
		{0x482e, FID_PREEMPTION_TIMER_VALUE, VMCS_WIDTH_32, VMCS_TYPE_GUEST,
			UINT32_MAX},
		{0x4c00, FID_HOST_SYSENTER_CS, VMCS_WIDTH_32, VMCS_TYPE_HOST, UINT32_MAX},
		{0x6000, FID_CR0_GUEST_HOST_MASK, VMCS_WIDTH_NATURAL, VMCS_TYPE_CONTROL,
			UINT64_MAX},
		{0x6400, FID_EXIT_QUALIFICATION, VMCS_WIDTH_NATURAL, VMCS_TYPE_INFO,
			UINT64_MAX},
		{0x681e, FID_GUEST_RIP, VMCS_WIDTH_NATURAL, VMCS_TYPE_GUEST, UINT64_MAX},
		{0x6c16, FID_HOST_RIP, VMCS_WIDTH_NATURAL, VMCS_TYPE_HOST, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_int_equal(vmcs_fid_of(known[i].encoding), known[i].fid);
		assert_int_equal(vmcs_width(known[i].encoding), known[i].width);
		assert_int_equal(vmcs_type(known[i].encoding), known[i].type);
		assert_true(vmcs_value_mask(known[i].encoding) == known[i].mask);
	}
}

static void fields_that_l1_writes_in_the_shadow_vmcs_are_also_read_there(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FID_COUNT; i++)
		if (vmcs_fields[i].flags & FIELD_SW_ONLY)
			assert_true(vmcs_fields[i].flags & FIELD_SR);
}

/* SDM appendix B, "Notes": the control of one field of each control word, by its number. */
static void a_field_exists_with_the_control_of_the_manual(void **state)
{
	static const struct {
		enum vmcs_fid fid;
		enum vmcs_exists_word word;
		unsigned bit;
	} known[] = {
		{FID_POSTED_INTR_DESC, EXISTS_PIN, 7},
		{FID_PREEMPTION_TIMER_VALUE, EXISTS_PIN, 6},
		{FID_MSR_BITMAP, EXISTS_PROC, 28},
		{FID_PROC2_CONTROLS, EXISTS_PROC, 31},
		{FID_TPR_THRESHOLD, EXISTS_PROC, 21},
		{FID_APIC_ACCESS_ADDR, EXISTS_PROC2, 0},
		{FID_VPID, EXISTS_PROC2, 5},
		{FID_GUEST_PDPTE3, EXISTS_PROC2, 1},
		{FID_TSC_MULTIPLIER, EXISTS_PROC2, 25},
		{FID_PROC3_CONTROLS, EXISTS_PROC, 17},
		{FID_PID_POINTER_TABLE, EXISTS_PROC3, 4},
		{FID_SPEC_CTRL_SHADOW, EXISTS_PROC3, 7},
		{FID_HOST_PERF_GLOBAL_CTRL, EXISTS_EXIT, 12},
		{FID_HOST_EFER, EXISTS_EXIT, 21},
		{FID_GUEST_PAT, EXISTS_ENTRY, 14},
		{FID_GUEST_BNDCFGS, EXISTS_ENTRY, 16},
		{FID_EPTP_LIST_ADDRESS, EXISTS_VMFUNC, 0},
		{FID_GUEST_RIP, EXISTS_ALWAYS, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_int_equal(vmcs_fields[known[i].fid].exists_word, known[i].word);
		assert_int_equal(vmcs_fields[known[i].fid].exists_bit, known[i].bit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_low_half_maps_to_the_row_that_has_it),
		cmocka_unit_test(no_encoding_above_16_bits_names_a_field),
		cmocka_unit_test(only_64_bit_fields_have_a_high_half),
		cmocka_unit_test(rows_are_sorted_and_use_no_reserved_bit),
		cmocka_unit_test(encodings_are_those_of_the_manual),
		cmocka_unit_test(a_field_exists_with_the_control_of_the_manual),
		cmocka_unit_test(fields_that_l1_writes_in_the_shadow_vmcs_are_also_read_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
