/* SPDX-License-Identifier: Apache-2.0 */
/* MSRs that the ROM writes in place of some other firmware; see boot.h. */
#include "boot.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROM_MSRS \
	0xfe00 /* in the ROM: how many in 16 bits; behind 32, index and value of each */
#define ROM_MSRS_MAX 19

/* A number as C has it. False: there is none, or something else follows. */
static bool take_number(const char **at, char end, uint64_t most, uint64_t *out)
{
	char *rest;

	errno = 0;
	*out = strtoull(*at, &rest, 0);
	if (!isdigit((unsigned char)**at) || errno != 0 || *out > most || *rest != end)
		return false;
	*at = rest + (end != 0);
	return true;
}

int boot_set_msrs(struct boot_plan *plan, const char *list, const char *where, struct error *e)
{
	const char *at = list;
	unsigned count = 0;

	if (list == NULL)
		return 0;
	if (plan != NULL && plan->rom.data == NULL)
		return fail(
			e, STATUS_BAD_INPUT, "%s: it is for a start without firmware", where);
	for (bool last = false; !last; count++) {
		unsigned to = ROM_MSRS + 4 + 12 * count;
		uint64_t index, value;

		last = strchr(at, ',') == NULL;
		if (count == ROM_MSRS_MAX)
			return fail(e, STATUS_BAD_INPUT, "%s: there are more than %d MSRs",
				where, ROM_MSRS_MAX);
		if (!take_number(&at, '=', UINT32_MAX, &index) ||
			!take_number(&at, last ? 0 : ',', UINT64_MAX, &value))
			return fail(e, STATUS_BAD_INPUT,
				"%s: '%s' is not allowed: must be INDEX=VALUE,..., each a "
				"number such as 0x1b, of 32 and of 64 bits",
				where, list);
		if (plan == NULL)
			continue;
		bytes_put(&plan->rom, to, 4, index);
		bytes_put(&plan->rom, to + 4, 8, value);
	}
	if (plan != NULL)
		bytes_put(&plan->rom, ROM_MSRS, 2, count);
	return 0;
}
