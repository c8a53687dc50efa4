/* Fuzzes the reading of scenario files. */
#include "scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = {NULL};
	struct scenario_spec s;
	struct error e = {0};

	scenario_init(&s);
	scenario_parse(&s, "fuzz.yaml", (const char *)data, size, &a, &e);
	arena_free(&a);
	return 0;
}
