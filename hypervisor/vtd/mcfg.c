/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/mcfg.h"

#include <stddef.h>

#include "spec/pcie.h"

#define ENTRIES  44u /* behind the header of all tables, and 8 reserved bytes */
#define ENTRY    16u
#define SEGMENT  8u
#define FIRST    10u
#define LAST     11u
#define BUS_SIZE (UINT64_C(1) << 20)
#define REACHED  (UINT64_C(1) << 46) /* what L0's direct map has room for */
/* IOAPICs, the HPET, local APICs: no bus is there, and L0 has them mapped. */
#define APICS     UINT64_C(0xfec00000)
#define APICS_END UINT64_C(0xfef00000)

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)p[i] << i * 8;
	return v;
}

static const char *why_not(const struct mcfg_range *r)
{
	if (r->first > r->last)
		return "its first bus is behind its last one";
	if (r->base == 0 || r->base % BUS_SIZE != 0)
		return "its address is no multiple of 1 MiB";
	if (r->base >= REACHED || mcfg_start(r) + mcfg_size(r) > REACHED)
		return "its address is further up than L0 reaches";
	if (mcfg_start(r) < APICS_END && mcfg_start(r) + mcfg_size(r) > APICS)
		return "it is where APICs are";
	return NULL;
}

static void read_entry(const uint8_t *e, struct mcfg_range *r)
{
	*r = (struct mcfg_range){.base = get(e, 8),
		.segment = (uint16_t)get(e + SEGMENT, 2),
		.first = e[FIRST],
		.last = e[LAST]};
	r->why = why_not(r);
	r->wrong = r->why != NULL;
}

/* Two that cannot both be right. */
static const char *why_not_both(const struct mcfg_range *a, const struct mcfg_range *b)
{
	if (a->segment == b->segment && a->first <= b->last && b->first <= a->last)
		return "another entry has buses of it, too";
	if (mcfg_start(a) < mcfg_start(b) + mcfg_size(b) &&
		mcfg_start(b) < mcfg_start(a) + mcfg_size(a))
		return "another entry has its memory, too";
	return NULL;
}

/*
 * The right one of two is not told apart from one that is wrong: neither is used. What is wrong
 * in itself speaks against nobody.
 */
static void compare_all(struct mcfg *m)
{
	for (unsigned i = 0; i < m->count; i++)
		for (unsigned k = 0; k < i; k++) {
			struct mcfg_range *a = &m->ranges[k], *b = &m->ranges[i];
			const char *why = a->wrong || b->wrong ? NULL : why_not_both(a, b);

			if (why != NULL)
				a->why = b->why = why;
		}
}

/* An entry that comes twice is one. */
static bool is_known(const struct mcfg *m, const struct mcfg_range *r)
{
	for (unsigned i = 0; i < m->count; i++) {
		const struct mcfg_range *k = &m->ranges[i];

		if (k->base == r->base && k->segment == r->segment && k->first == r->first &&
			k->last == r->last)
			return true;
	}
	return false;
}

static const char *read_table(const uint8_t *table, uint32_t length, struct mcfg *m)
{
	if (length < ENTRIES || (length - ENTRIES) % ENTRY != 0)
		return "its length is not that of whole entries";
	if (length == ENTRIES)
		return "it has no entries";
	if ((length - ENTRIES) / ENTRY > MCFG_RANGES)
		return "it has more entries than Nestor has room for";
	for (uint32_t at = ENTRIES; at < length; at += ENTRY) {
		struct mcfg_range *r = &m->ranges[m->count];

		read_entry(table + at, r);
		m->count += !is_known(m, r);
	}
	compare_all(m);
	return NULL;
}

void mcfg_read(const uint8_t *table, uint32_t length, struct mcfg *m)
{
	m->count = 0;
	m->there = table != NULL;
	m->why = table == NULL ? "firmware has no such table" : read_table(table, length, m);
}

uint64_t mcfg_start(const struct mcfg_range *r)
{
	return r->base + r->first * BUS_SIZE;
}

uint64_t mcfg_size(const struct mcfg_range *r)
{
	return (r->last - r->first + 1u) * BUS_SIZE;
}

const struct mcfg_range *mcfg_find(const struct mcfg *m, uint32_t sbdf)
{
	unsigned bus = PCI_BDF_BUS(PCI_SBDF_BDF(sbdf));

	for (unsigned i = 0; i < m->count && m->why == NULL; i++) {
		const struct mcfg_range *r = &m->ranges[i];

		if (r->why == NULL && r->segment == PCI_SBDF_SEGMENT(sbdf) && bus >= r->first &&
			bus <= r->last)
			return r;
	}
	return NULL;
}

bool mcfg_address(const struct mcfg *m, uint32_t sbdf, unsigned offset, uint64_t *address)
{
	const struct mcfg_range *r = mcfg_find(m, sbdf);

	if (r == NULL || offset >= PCIE_CONFIG_SIZE)
		return false;
	*address = r->base + (uint64_t)PCI_SBDF_BDF(sbdf) * PCIE_CONFIG_SIZE + offset;
	return true;
}

/* How many functions were compared. */
static unsigned compare_bus(struct mcfg *m, const struct mcfg_range *r, unsigned bus,
	uint32_t (*by_ports)(uint16_t bdf), uint32_t (*by_memory)(uint64_t address))
{
	unsigned seen = 0;

	for (unsigned device = 0; device < PCI_DEVICES; device++) {
		uint16_t bdf = PCI_BDF(bus, device, 0);
		uint32_t word = by_ports(bdf);

		if ((word & PCI_NO_VENDOR) == PCI_NO_VENDOR)
			continue;
		seen++;
		if (by_memory(r->base + (uint64_t)bdf * PCIE_CONFIG_SIZE) != word)
			m->why = "the memory that it names does not show what the ports show";
	}
	return seen;
}

void mcfg_check(struct mcfg *m, uint32_t (*by_ports)(uint16_t bdf),
	uint32_t (*by_memory)(uint64_t address))
{
	for (unsigned i = 0; i < m->count && m->why == NULL; i++) {
		struct mcfg_range *r = &m->ranges[i];

		unsigned bus = r->first;

		if (r->segment != 0 || r->why != NULL)
			continue;
		while (bus <= r->last && compare_bus(m, r, bus, by_ports, by_memory) == 0)
			bus++;
		if (bus > r->last)
			r->why = "its buses have no function to compare with the ports";
	}
}
