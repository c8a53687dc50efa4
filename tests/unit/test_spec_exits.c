/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of exit reasons: names, and the fields of the exit information.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec/exits.h"

static void reasons_have_the_names_of_appendix_c(void **state)
{
	(void)state;
	assert_string_equal(exit_reason_name(0), "EXCEPTION_NMI");
	assert_string_equal(exit_reason_name(10), "CPUID");
	assert_string_equal(exit_reason_name(48), "EPT_VIOLATION");
	assert_string_equal(exit_reason_name(64), "XRSTORS");
	assert_string_equal(exit_reason_name(75), "NOTIFY");
}

static void any_other_number_is_unknown(void **state)
{
	static const uint32_t none[] = {35, 38, 42, 71, EXIT_REASON_COUNT, 0xffff,
		EXIT_REASON_ENTRY_FAILURE | EXIT_INVALID_GUEST_STATE, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_string_equal(exit_reason_name(none[i]), "unknown");
		assert_false(exit_defines(none[i], EXIT_DEFINES_LENGTH));
		assert_false(exit_defines(none[i], EXIT_DEFINES_INFO));
		assert_false(exit_defines(none[i], EXIT_DEFINES_LINEAR));
	}
}

static void each_row_is_a_reason_with_a_name(void **state)
{
	unsigned names = 0;

	(void)state;
	for (uint32_t r = 0; r < EXIT_REASON_COUNT; r++)
		names += exit_reasons[r].name != NULL;
	assert_int_equal(names, EXIT_REASON_ROWS);
}

static void instruction_information_comes_with_an_instruction_length(void **state)
{
	unsigned with_info = 0;

	(void)state;
	for (uint32_t r = 0; r < EXIT_REASON_COUNT; r++) {
		if (!exit_defines(r, EXIT_DEFINES_INFO))
			continue;
		with_info++;
		assert_true(exit_defines(r, EXIT_DEFINES_LENGTH));
	}
	assert_int_equal(with_info, 21);
}

/* An exit that nobody asked for ends no VM, unless what was made for the guest is wrong. */
static void what_nobody_asked_for_is_undefined_or_goes_on(void **state)
{
	static const uint32_t undefined[] = {EXIT_GETSEC, EXIT_PCONFIG, EXIT_UMWAIT,
		EXIT_TPAUSE, EXIT_LOADIWKEY, EXIT_ENCLV, EXIT_ENQCMD_PASID, EXIT_ENQCMDS_PASID,
		EXIT_SEAMCALL, EXIT_TDCALL, EXIT_NO_ROW, EXIT_REASON_COUNT, 200, 0xffff};
	static const uint32_t go_on[] = {
		EXIT_INIT, EXIT_IO_SMI, EXIT_OTHER_SMI, EXIT_BUS_LOCK, EXIT_NOTIFY};

	(void)state;
	for (size_t i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++)
		assert_int_equal(exit_unasked(undefined[i]), UNASKED_UNDEFINED);
	for (size_t i = 0; i < sizeof(go_on) / sizeof(go_on[0]); i++)
		assert_int_equal(exit_unasked(go_on[i]), UNASKED_GO_ON);
	assert_int_equal(exit_unasked(EXIT_EPT_MISCONFIG), UNASKED_BROKEN);
	/* RIP is at an instruction that did not complete, or behind one that did */
	for (uint32_t r = 0; r < EXIT_REASON_COUNT; r++)
		if (exit_defines(r, EXIT_DEFINES_LENGTH))
			assert_int_equal(exit_unasked(r), UNASKED_UNDEFINED);
	assert_string_equal(exit_reason_name(EXIT_NO_ROW), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons_have_the_names_of_appendix_c),
		cmocka_unit_test(any_other_number_is_unknown),
		cmocka_unit_test(each_row_is_a_reason_with_a_name),
		cmocka_unit_test(instruction_information_comes_with_an_instruction_length),
		cmocka_unit_test(what_nobody_asked_for_is_undefined_or_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
