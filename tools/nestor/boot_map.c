/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a memory map that some firmware would hand over; see boot.h. */
#include "boot_int.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

/* So many entries, each so far behind the one before. */
struct entries {
	struct memory_range first;
	uint64_t count, step;
};

/* A number as C has it, and this behind it, which is passed over. */
static bool take_number(const char **at, char behind, uint64_t *out)
{
	char *rest;

	errno = 0;
	*out = strtoull(*at, &rest, 0);
	if (!isdigit((unsigned char)**at) || errno != 0 || (behind != 0 && *rest != behind))
		return false;
	*at = rest + (behind != 0);
	return true;
}

/* START+SIZE=TYPE or START+SIZE=TYPE*COUNT/STEP, and the comma behind it or the end. */
static bool take_entries(const char **at, struct entries *out)
{
	uint64_t type;

	*out = (struct entries){.count = 1};
	if (!take_number(at, '+', &out->first.base) ||
		!take_number(at, '=', &out->first.size) || !take_number(at, 0, &type) ||
		type > UINT32_MAX)
		return false;
	out->first.type = (uint32_t)type;
	if (**at == '*') {
		++*at;
		if (!take_number(at, '/', &out->count) || !take_number(at, 0, &out->step))
			return false;
	}
	if (**at == ',')
		return *++*at != 0;
	return **at == 0;
}

unsigned boot_map_ranges(const char *list, struct memory_range ranges[BOOT_MAP_MAX])
{
	const char *at = list;
	struct entries e;
	unsigned n = 0;

	while (at != NULL && *at != 0 && take_entries(&at, &e))
		for (uint64_t i = 0; i < e.count && n < BOOT_MAP_MAX; i++) {
			ranges[n] = e.first;
			ranges[n++].base += i * e.step;
		}
	return n;
}

int boot_check_map(
	const struct boot_plan *plan, const char *list, const char *where, struct error *e)
{
	const char *at = list;
	struct entries one;
	uint64_t count = 0;

	if (list == NULL)
		return 0;
	if (plan != NULL && plan->rom.data == NULL)
		return fail(
			e, STATUS_BAD_INPUT, "%s: it is for a start without firmware", where);
	do {
		if (!take_entries(&at, &one))
			return fail(e, STATUS_BAD_INPUT,
				"%s: '%s' is not allowed: must be START+SIZE=TYPE or "
				"START+SIZE=TYPE*COUNT/STEP,..., each a number such as 0x9f000",
				where, list);
		if (one.count > BOOT_MAP_MAX || (count += one.count) > BOOT_MAP_MAX)
			return fail(e, STATUS_BAD_INPUT, "%s: there are more than %u entries",
				where, BOOT_MAP_MAX);
	} while (*at != 0);
	return 0;
}
