/* SPDX-License-Identifier: Apache-2.0 */
/* What the registers of a machine check mean, and what follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mce.h"
#include "random.h"

#define RECOVERY MCG_CAP_SER_P
#define U        (MCI_VAL | MCI_UC | MCI_EN)

/* SDM 15.6.3, tables 15-6 and 15-7. */
static void a_bank_is_what_the_table_says(void **state)
{
	static const struct {
		uint64_t status, capabilities;
		enum mce_class want;
	} rows[] = {
		{0, RECOVERY, MCE_NONE},
		{MCI_UC | MCI_PCC, RECOVERY, MCE_NONE},
		{MCI_VAL, RECOVERY, MCE_CORRECTED},
		{MCI_VAL | MCI_OVER, 0, MCE_CORRECTED},
		{U, RECOVERY, MCE_DEFERRED},
		{U, 0, MCE_FATAL},
		{MCI_VAL | MCI_UC, 0, MCE_DEFERRED},
		{U | MCI_S, RECOVERY, MCE_OPTIONAL},
		{U | MCI_S | MCI_OVER, RECOVERY, MCE_OPTIONAL},
		{U | MCI_S | MCI_AR, RECOVERY, MCE_REQUIRED},
		{U | MCI_S | MCI_AR, 0, MCE_FATAL},
		{U | MCI_S | MCI_AR | MCI_OVER, RECOVERY, MCE_FATAL},
		{U | MCI_PCC, RECOVERY, MCE_FATAL},
		{U | MCI_PCC | MCI_S | MCI_AR, RECOVERY, MCE_FATAL},
		{MCI_VAL | MCI_UC | MCI_PCC, RECOVERY, MCE_FATAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
			mce_classify(rows[i].status, rows[i].capabilities), rows[i].want);
}

static void only_whom_it_concerns_ends(void **state)
{
	static const struct {
		enum mce_class worst;
		uint64_t status;
		enum mce_verdict guest, l0;
	} rows[] = {
		{MCE_NONE, MCG_STATUS_RIPV, MCE_GO_ON, MCE_GO_ON},
		{MCE_NONE, 0, MCE_END_VM, MCE_STOP},
		{MCE_CORRECTED, MCG_STATUS_RIPV, MCE_GO_ON, MCE_GO_ON},
		{MCE_DEFERRED, MCG_STATUS_RIPV, MCE_GO_ON, MCE_GO_ON},
		{MCE_OPTIONAL, MCG_STATUS_RIPV | MCG_STATUS_EIPV, MCE_GO_ON, MCE_GO_ON},
		{MCE_OPTIONAL, MCG_STATUS_EIPV, MCE_END_VM, MCE_STOP},
		{MCE_REQUIRED, MCG_STATUS_RIPV | MCG_STATUS_EIPV, MCE_END_VM, MCE_STOP},
		{MCE_FATAL, MCG_STATUS_RIPV, MCE_STOP, MCE_STOP},
		{MCE_FATAL, 0, MCE_STOP, MCE_STOP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(mce_judge(rows[i].worst, rows[i].status, true), rows[i].guest);
		assert_int_equal(mce_judge(rows[i].worst, rows[i].status, false), rows[i].l0);
	}
}

static void expect_text(uint64_t status, const char *want)
{
	struct mce_bank b = {.status = status, .address = 0x1000, .misc = 0x86};
	char text[MCE_TEXT];

	mce_describe(text, sizeof(text), 7, &b, mce_classify(status, RECOVERY));
	assert_string_equal(text, want);
}

static void a_bank_is_told_in_words(void **state)
{
	(void)state;
	expect_text(MCI_VAL | 0x9f,
		"bank 7: corrected: memory controller, status 0x800000000000009f");
	expect_text(U | MCI_S | MCI_AR | MCI_ADDRV | MCI_MISCV | 0x134,
		"bank 7: uncorrected, action required: cache hierarchy, "
		"status 0xbd80000000000134, address 0x1000, misc 0x86");
	expect_text(U | MCI_PCC | MCI_OVER | 0xe0b,
		"bank 7: fatal: I/O, status 0xf200000000000e0b, others were lost");
	expect_text(MCI_VAL | 0x1179,
		"bank 7: corrected: cache hierarchy, status 0x8000000000001179");
	expect_text(MCI_VAL | 0x405,
		"bank 7: corrected: internal, unclassified, status 0x8000000000000405");
	expect_text(
		MCI_VAL | 0x5, "bank 7: corrected: internal parity, status 0x8000000000000005");
	expect_text(MCI_VAL | 0x7,
		"bank 7: corrected: of an unknown kind, status 0x8000000000000007");
}

/* Whatever hardware says: corrupt context is fatal, nothing that is corrected ends anything. */
static void whatever_is_in_a_bank_is_judged(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		struct mce_bank b = {
			random_next(&seed), random_next(&seed), random_next(&seed)};
		enum mce_class c = mce_classify(b.status, random_next(&seed));
		char text[MCE_TEXT], small[20];

		assert_int_equal(c == MCE_NONE, !(b.status & MCI_VAL));
		if (b.status & MCI_VAL && b.status & MCI_UC && b.status & MCI_PCC)
			assert_int_equal(c, MCE_FATAL);
		if (!(b.status & MCI_UC))
			assert_true(c <= MCE_CORRECTED);
		if (c <= MCE_OPTIONAL)
			assert_int_equal(mce_judge(c, MCG_STATUS_RIPV, i & 1), MCE_GO_ON);
		mce_describe(text, sizeof(text), i & 31, &b, c);
		assert_true(strlen(text) < sizeof(text) - 1);
		mce_describe(small, sizeof(small), i & 31, &b, c);
		assert_true(strlen(small) < sizeof(small));
	}
}

/* SDM 15.3.2.4 and tables 15-3, 15-9, 15-16, 15-19: only a physical address of a page. */
static void memory_is_named_where_all_says_so(void **state)
{
	static const uint64_t where = MCI_ADDRV | MCI_MISCV;
	static const uint64_t physical = MCI_MISC_IS(MCI_MISC_PHYSICAL, 6);
	static const struct {
		uint64_t status, misc, capabilities;
		bool want;
	} rows[] = {
		{U | MCI_S | where | 0xc1, physical, RECOVERY, true},           /* scrubbing */
		{U | MCI_S | where | 0x17a, physical, RECOVERY, true},          /* write-back */
		{U | MCI_S | MCI_AR | where | 0x134, physical, RECOVERY, true}, /* data load */
		{U | MCI_S | MCI_AR | where | 0x150, physical, RECOVERY, true}, /* fetch */
		{U | where | 0x9f, physical, RECOVERY, true},                   /* UCNA */
		{U | where | 0x280, physical, RECOVERY, true},
		{U | where | 0xd, physical, RECOVERY, true},
		{U | where | 0x9f, MCI_MISC_IS(MCI_MISC_PHYSICAL, 12), RECOVERY, true},
		{U | where | 0x9f, MCI_MISC_IS(MCI_MISC_PHYSICAL, 13), RECOVERY, false},
		{U | where | 0x9f, MCI_MISC_IS(1, 6), RECOVERY, false}, /* linear */
		{U | where | 0x9f, MCI_MISC_IS(3, 6), RECOVERY, false}, /* a DIMM's own */
		{U | where | 0x9f, MCI_MISC_IS(7, 6), RECOVERY, false},
		{U | MCI_ADDRV | 0x9f, physical, RECOVERY, false},
		{U | MCI_MISCV | 0x9f, physical, RECOVERY, false},
		{MCI_VAL | where | 0x9f, physical, RECOVERY, false},     /* corrected */
		{U | MCI_PCC | where | 0x9f, physical, RECOVERY, false}, /* all ends */
		{U | where | 0x9f, physical, 0, false},                  /* no such field */
		{MCI_VAL | MCI_UC | where | 0x9f, physical, 0, false},   /* likewise */
		{U | where | 0x14, physical, RECOVERY, false},           /* a TLB */
		{U | where | 0x810, physical, RECOVERY, false},          /* a bus */
		{U | where | 0x405, physical, RECOVERY, false},          /* internal */
		{where | MCI_UC | 0x9f, physical, RECOVERY, false},      /* not valid */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mce_bank b = {rows[i].status, 0xfff0123456789abcull, rows[i].misc};
		uint64_t page = 1;

		assert_int_equal(mce_bad_page(&b, rows[i].capabilities, &page), rows[i].want);
		assert_true(page == (rows[i].want ? 0x0000123456789000ull : 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bank_is_what_the_table_says),
		cmocka_unit_test(only_whom_it_concerns_ends),
		cmocka_unit_test(a_bank_is_told_in_words),
		cmocka_unit_test(memory_is_named_where_all_says_so),
		cmocka_unit_test(whatever_is_in_a_bank_is_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
