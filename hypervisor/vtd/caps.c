/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/caps.h"

#include "spec/addr.h"

#define LEVELS_MIN      3u
#define LEVELS_MAX      5u
#define WIDTH(levels)   (12 + 9 * (levels))
#define IOTLB_REGISTERS 16u

static bool has_levels(uint64_t cap, unsigned levels)
{
	return VTD_CAP_SAGAW(cap) >> (levels - 2) & 1;
}

/* Four reach all memory that EPT01 does; the others where a unit has nothing else. */
static unsigned choose_levels(uint64_t cap, unsigned wanted)
{
	static const unsigned order[] = {4, 3, 5};

	if (wanted != 0)
		return wanted >= LEVELS_MIN && wanted <= LEVELS_MAX && has_levels(cap, wanted)
			       ? wanted
			       : 0;
	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (has_levels(cap, order[i]))
			return order[i];
	return 0;
}

static unsigned most_levels(uint64_t cap)
{
	for (unsigned levels = LEVELS_MAX; levels >= LEVELS_MIN; levels--)
		if (has_levels(cap, levels))
			return levels;
	return 0;
}

static unsigned size_of_registers(uint64_t cap, uint64_t ecap)
{
	unsigned faults = VTD_CAP_FRO(cap) + VTD_CAP_NFR(cap) * VTD_FRCD_SIZE;
	unsigned iotlb = VTD_ECAP_IRO(ecap) + IOTLB_REGISTERS;
	unsigned end = faults > iotlb ? faults : iotlb;

	return end < PAGE_SIZE ? PAGE_SIZE : (end + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
}

static unsigned width(const struct vtd_caps *c)
{
	unsigned most = VTD_CAP_MGAW(c->cap), tables = WIDTH(c->levels);

	return most < tables ? most : tables;
}

const char *vtd_caps_judge(uint64_t cap, uint64_t ecap, unsigned levels, struct vtd_caps *c)
{
	*c = (struct vtd_caps){.cap = cap,
		.ecap = ecap,
		.levels = choose_levels(cap, levels),
		.levels_most = most_levels(cap),
		.large_2m = (cap & VTD_CAP_2M) != 0,
		.large_1g = (cap & VTD_CAP_1G) != 0,
		.coherent = (ecap & VTD_ECAP_C) != 0,
		.snoop = (ecap & VTD_ECAP_SC) != 0,
		.pass = (ecap & VTD_ECAP_PT) != 0,
		.write_flush = (cap & VTD_CAP_RWBF) != 0,
		.remap = (ecap & VTD_ECAP_IR) != 0,
		.extended = (ecap & VTD_ECAP_EIM) != 0,
		.posts = (ecap & VTD_ECAP_IR) != 0 && (cap & VTD_CAP_PI) != 0,
		.domains = VTD_CAP_DOMAINS(cap),
		.registers_size = size_of_registers(cap, ecap)};
	if ((cap == 0 && ecap == 0) || (cap == UINT64_MAX && ecap == UINT64_MAX))
		return "there is no unit where the table DMAR says so";
	if ((cap & 7) == 7)
		return "it says that it has a number of domains that is not possible";
	if (c->levels == 0)
		return "it has no tables of 3, 4 or 5 levels";
	c->bits = width(c);
	if (!(ecap & VTD_ECAP_QI))
		return "it has no queued invalidation";
	return NULL;
}
