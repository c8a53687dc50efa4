/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints docs/sdm-coverage.md: every VM-entry check with its field, section of the SDM, what is
 * allowed and its tests. Everything comes from the tables.
 */
#include <stdio.h>
#include <string.h>

#include "fake_memory.h"
#include "entry_mutations.h"
#include "nested/explain.h"
#include "spec/sdm.h"

/* Mutations of a golden VMCS12 that must fail by this check. */
static unsigned tests_of(unsigned id)
{
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(mutations) / sizeof(mutations[0]); i++)
		n += mutations[i].id == id;
	return n;
}

/* Rules that a mutation of one VMCS12 cannot reach are in a function of the test program. */
static void print_tests(unsigned id)
{
	unsigned n = tests_of(id);

	if (id == CHECK_IA32E_GUEST_OF_HOST_32)
		printf("none: earlier rules refuse all that it would");
	else if (n == 0)
		printf("`cover_rows_behind_capabilities`");
	else
		printf("%u mutation%s", n, n == 1 ? "" : "s");
}

static void print_outcome(const struct check_row *row)
{
	if (row->vmfail != 0)
		printf("VMfail %u", row->vmfail);
	else if (row->qualification != 0)
		printf("exit 33, %u", row->qualification);
	else
		printf("exit 33");
}

static void print_head(const char *sdm)
{
	int number = (int)strcspn(sdm, " ");
	char editions[64];

	explain_editions(editions, sizeof(editions), sdm);
	printf("\n## SDM %.*s \"%s\"%s\n\n| rule | field | allowed | outcome | tests |\n"
	       "|---|---|---|---|---|\n",
		number, sdm, sdm + number + 1, editions);
}

static void print_row(unsigned id)
{
	const struct check_row *row = &check_rows[id];
	char allowed[512];

	explain_allowed(allowed, sizeof(allowed), (enum check_id)id);
	printf("| %s | %s | %s | ", row->name, vmcs_fields[row->field].name, allowed);
	print_outcome(row);
	printf(" | ");
	print_tests(id);
	printf(" |\n");
}

static void print_chapters(void)
{
	printf("\n## Chapters in other editions\n\nThe longest beginning of a section's number "
	       "counts; what follows it is the same (`hypervisor/spec/sdm.def`).\n\n"
	       "| here | since 2023 | in 2026 |\n|---|---|---|\n");
	for (unsigned i = 0; i < SDM_ROWS; i++)
		printf("| %s | %s | %s |\n", sdm_rows[i].pinned, sdm_rows[i].since_2023,
			sdm_rows[i].in_2026);
}

int main(void)
{
	const char *section = "";

	printf("# VM-entry checks\n\n"
	       "Made by `make docs` from the tables in `hypervisor/nested/`; do not edit. %u "
	       "checks. A mutation is a row of\n`tests/unit/entry_mutations.h`: a change of a "
	       "valid VMCS that this check, and no earlier one, must refuse\n"
	       "(`test_nested_entry_checks`, which fails when a check has no test). N is the "
	       "width of addresses in a VMCS.\nOutcome: the VM-instruction error, or exit reason "
	       "33 with its qualification where it is not 0.\n",
		CHECK_COUNT - 1);
	for (unsigned id = CHECK_OK + 1; id < CHECK_COUNT; id++) {
		if (strcmp(section, check_rows[id].sdm) != 0)
			print_head(check_rows[id].sdm);
		section = check_rows[id].sdm;
		print_row(id);
	}
	print_chapters();
	return 0;
}
