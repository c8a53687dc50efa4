/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table DMAR, whatever is in it: the first byte says which bridges there are, and whether
 * length and checksum are made right.
 */
#include <string.h>

#include "input.h"
#include "vtd/dmar.h"
#include "vtd/ranges.h"
#include "vtd/seam.h"

#define HEADER 36u

static uint8_t bridges;

/* Those of odd segments are others. */
bool vtd_seam_bridge(uint32_t sbdf, uint8_t *secondary, uint8_t *subordinate)
{
	unsigned bdf = (sbdf & 0xffff) ^ (sbdf >> 16 & 1) << 3;

	*secondary = (uint8_t)((bdf >> 8) + 1 + (bdf >> 3 & 3));
	*subordinate = (uint8_t)(*secondary + (bridges & 7));
	return (bdf >> 3 & bridges) == 0;
}

/* No tables are made here. */
void *vtd_seam_page(void *pool)
{
	(void)pool;
	return NULL;
}

void vtd_seam_page_back(void *pool, void *page)
{
	(void)pool;
	(void)page;
}

uint64_t vtd_seam_address(const void *at)
{
	return (uint64_t)(uintptr_t)at;
}

void *vtd_seam_pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

void vtd_seam_write_back(const void *at, unsigned size)
{
	(void)at;
	(void)size;
}

/* Regions of a function are some of the table, each once; together they are sorted ranges. */
static void ask_regions(const struct dmar *d, uint16_t bdf)
{
	static struct vtd_ranges all;
	uint8_t regions[DMAR_REGIONS];
	unsigned count = dmar_regions_of(d, bdf & 1, bdf, regions, DMAR_REGIONS);

	check(count <= d->region_count && (count == 0 || d->why == NULL));
	all.count = 0;
	for (unsigned i = 0; i < count; i++) {
		check(regions[i] < d->region_count);
		for (unsigned k = 0; k < i; k++)
			check(regions[k] != regions[i]);
		if (vtd_region_error(&d->regions[regions[i]]) == NULL)
			vtd_ranges_add(&all, &d->regions[regions[i]]);
	}
	check(all.count <= count);
	for (unsigned i = 0; i < all.count; i++)
		check(all.at[i].start < all.at[i].end &&
			(i == 0 || all.at[i - 1].end < all.at[i].start));
}

/* What is said of a function must fit together. */
static void ask(const struct dmar *d, uint16_t bdf)
{
	const char *why = NULL;
	uint32_t unit = dmar_unit_of(d, (uint16_t)(bdf & 1), bdf, &why);
	uint16_t source;

	check((unit == DMAR_NONE) == (why != NULL));
	check(unit == DMAR_NONE ||
		(unit < d->unit_count && d->why == NULL && d->units[unit].why == NULL &&
			d->units[unit].segment == (bdf & 1)));
	if (dmar_region_of(d, 0, bdf) != NULL)
		check(dmar_region_of(d, 0, bdf)->first <= dmar_region_of(d, 0, bdf)->last);
	ask_regions(d, bdf);
	unit = dmar_ioapic(d, (uint8_t)bdf, &source);
	check(unit == DMAR_NONE || unit < d->unit_count);
}

static void make_right(uint8_t *table, size_t size)
{
	uint8_t sum = 0;

	memcpy(table, "DMAR", 4);
	table[4] = (uint8_t)size;
	table[5] = (uint8_t)(size >> 8);
	table[6] = table[7] = 0;
	table[9] = 0;
	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dmar d;
	uint8_t table[2048], how;

	if (size < 1 || size - 1 > sizeof(table))
		return 0;
	how = data[0];
	bridges = how >> 1;
	memcpy(table, data + 1, size - 1);
	if (how & 1 && size - 1 >= HEADER)
		make_right(table, size - 1);
	dmar_read(table, size - 1, &d);
	dmar_follow(&d);
	for (unsigned bdf = 0; bdf < 0x400; bdf += 3)
		ask(&d, (uint16_t)bdf);
	return 0;
}
