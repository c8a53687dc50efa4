/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof by exhaustion: which of all 2^32 encodings name a field. The function is compiled into
 * this program, with optimisation and without sanitizers (tests/build.mk).
 */
#include "spec/vmcs.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* From the rows alone: the encoding itself, and with bit 0 for a field of 64 bits. */
static enum vmcs_fid expected[1 << 16];

static void fill(void)
{
	for (unsigned e = 0; e < 1 << 16; e++)
		expected[e] = FID_NONE;
#define F(name, enc, exists, group, flags) \
	expected[enc] = FID_##name;        \
	if (((enc) >> 13 & 3) == 1)        \
		expected[(enc) | 1] = FID_##name;
#include "spec/vmcs_fields.def"
}

static void each_of_all_encodings_names_its_field_or_none(void **state)
{
	unsigned found = 0;
	uint32_t e = 0;

	(void)state;
	fill();
	do {
		enum vmcs_fid id = vmcs_fid_of(e);

		if (id != (e >> 16 ? FID_NONE : expected[e]))
			fail_msg("encoding %#x", e);
		found += id != FID_NONE;
	} while (++e != 0);
	assert_true(found > FID_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_of_all_encodings_names_its_field_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
