/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the reading of scenario files. What the tool takes, L0 takes, too, as the same. */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>

#include "tool_agreement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = {NULL};
	struct scenario_spec s;
	struct error e = {0};

	scenario_init(&s);
	if (!scenario_parse(&s, "fuzz.yaml", (const char *)data, size, &a, &e)) {
		const char *wrong = l0_disagrees(&s, size % (KERNEL_MULTIBOOT2 + 1), &a);

		if (wrong) {
			fprintf(stderr, "L0 disagrees: %s\n", wrong);
			abort();
		}
	}
	arena_free(&a);
	return 0;
}
