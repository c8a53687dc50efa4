/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/bad_memory.h"

#include "cpu/log.h"
#include "spec/addr.h"

struct bad_pages bad_memory;

static uint64_t own_start, own_size; /* constant once there are several CPUs */
static uint32_t own_count;           /* of these, and not out of use; atomic */

void bad_memory_own(uint64_t start, uint64_t size)
{
	own_start = start & ~PAGE_MASK;
	own_size = start + size - own_start;
}

static unsigned out_of_use(void)
{
	return bad_pages_count(&bad_memory) - __atomic_load_n(&own_count, __ATOMIC_RELAXED);
}

static void tell(uint64_t page)
{
	if (page - own_start < own_size)
		log_error(
			"memory at 0x%lx is wrong, and Nestor's own, which cannot leave it: this "
			"machine needs other memory",
			page);
	else
		log_error("memory at 0x%lx is wrong, and taken out of use: %u pages of 4 KiB "
			  "since the start",
			page, out_of_use());
}

void bad_memory_note(uint64_t page)
{
	static bool told_full; /* atomic */

	switch (bad_pages_add(&bad_memory, page)) {
	case BAD_PAGE_NEW:
		if (page - own_start < own_size)
			__atomic_fetch_add(&own_count, 1, __ATOMIC_RELAXED);
		tell(page);
		break;
	case BAD_PAGE_NO_ROOM:
		if (!__atomic_exchange_n(&told_full, true, __ATOMIC_SEQ_CST))
			log_error("memory at 0x%lx is wrong, and stays in use, like all that "
				  "is told of from now on: %u pages are out of use already; "
				  "this machine needs other memory",
				page, out_of_use());
		break;
	default:
		break;
	}
}

void bad_memory_report(void)
{
	if (bad_memory_any())
		log_warn(
			"memory that is wrong: %u pages of 4 KiB were taken out of use, %u times "
			"there was no room for one",
			out_of_use(), __atomic_load_n(&bad_memory.lost, __ATOMIC_RELAXED));
}
