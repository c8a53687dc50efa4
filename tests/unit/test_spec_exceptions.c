/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SDM table 6-5 "Conditions for Generating a Double Fault", for every pair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "spec/exceptions.h"
#include "spec/regs.h"
#include "spec/vmx.h"

/* Table 6-4, with #CP: B benign, C contributory, P page fault, D double fault. */
static const char classes[] = "CBBBBBBBDBCCCCPBBBBBPC";

static char class_of(unsigned vector)
{
	return vector < sizeof(classes) - 1 ? classes[vector] : 'B';
}

/* Rows: the first one; columns: B, C, P. s serial, d double fault, x shutdown. */
static const char table[4][4] = {"sss", "sds", "sdd", "sxx"};

static char expected(char first, char second)
{
	static const char rows[] = "BCPD", columns[] = "BCP";
	unsigned r = 0, c = 0;

	while (rows[r] != first)
		r++;
	while (columns[c] != second)
		c++;
	return table[r][c];
}

static char outcome(uint32_t first, unsigned second)
{
	switch (exception_combine(first, (uint8_t)second)) {
	case OUTCOME_SERIAL:
		return 's';
	case OUTCOME_DOUBLE:
		return 'd';
	default:
		return 'x';
	}
}

static void every_pair_of_exceptions(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 32; first++)
		for (unsigned second = 0; second < 32; second++) {
			uint32_t info = INTR_INFO_VALID | INTR_HW_EXCEPTION << 8 | first;

			if (second == VEC_DF)
				continue;
			assert_int_equal(outcome(info, second),
				expected(class_of(first), class_of(second)));
		}
}

static void other_events_are_benign_whatever_their_vector(void **state)
{
	static const uint32_t types[] = {INTR_EXTERNAL, INTR_NMI, INTR_SW_INTERRUPT,
		INTR_PRIV_SW_EXCEPTION, INTR_SW_EXCEPTION};

	(void)state;
	for (unsigned t = 0; t < sizeof(types) / sizeof(types[0]); t++)
		for (unsigned first = 0; first < 256; first++)
			for (unsigned second = 0; second < 32; second++)
				assert_int_equal(
					outcome(INTR_INFO_VALID | types[t] << 8 | first,
						second),
					's');
}

static void without_a_first_event_there_is_one(void **state)
{
	(void)state;
	assert_int_equal(outcome(INTR_HW_EXCEPTION << 8 | VEC_DF, VEC_PF), 's');
}

/* SDM 17.2.3: the processor clears B0 to B3 at most; exit qualifications may hold bit 12
 * (27.2.1). */
static void dr6_keeps_all_but_the_breakpoints(void **state)
{
	(void)state;
	assert_int_equal(dr6_after(DR6_RESET, DR6_BS), DR6_RESET | DR6_BS);
	assert_int_equal(dr6_after(DR6_RESET | 0xf, 2), DR6_RESET | 2);
	assert_int_equal(
		dr6_after(DR6_RESET | DR6_BD | DR6_BT, 1), DR6_RESET | DR6_BD | DR6_BT | 1);
	assert_int_equal(dr6_after(DR6_RESET, BIT64(12) | 4), DR6_RESET | 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_exceptions),
		cmocka_unit_test(other_events_are_benign_whatever_their_vector),
		cmocka_unit_test(without_a_first_event_there_is_one),
		cmocka_unit_test(dr6_keeps_all_but_the_breakpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
