/* SPDX-License-Identifier: Apache-2.0 */
#include "vtd/mcfg.h"

#include <stddef.h>

#include "spec/pcie.h"

#define ENTRIES     44u /* behind the header of all tables, and 8 reserved bytes */
#define ENTRY       16u
#define ENTRIES_MAX 64u
#define SEGMENT     8u
#define FIRST       10u
#define LAST        11u
#define BUS_SIZE    (UINT64_C(1) << 20)
#define REACHED     (UINT64_C(1) << 46) /* half of what L0's direct map has room for */

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)p[i] << i * 8;
	return v;
}

static const char *read_entry(const uint8_t *e, struct mcfg *m)
{
	m->base = get(e, 8);
	m->first = e[FIRST];
	m->last = e[LAST];
	if (m->first > m->last)
		return "its first bus is behind its last one";
	if (m->base == 0 || m->base % BUS_SIZE != 0)
		return "its address is no multiple of 1 MiB";
	if (m->base >= REACHED)
		return "its address is further up than L0 reaches";
	return NULL;
}

/* Two ranges of one segment are not told apart from one that is wrong: none is used. */
static const char *read_table(const uint8_t *table, uint32_t length, struct mcfg *m)
{
	const char *why = "it has nothing for segment 0";
	unsigned found = 0;

	if (length < ENTRIES || (length - ENTRIES) % ENTRY != 0)
		return "its length is not that of whole entries";
	if ((length - ENTRIES) / ENTRY > ENTRIES_MAX)
		return "it has more entries than there are segments on any machine";
	for (uint32_t at = ENTRIES; at < length; at += ENTRY) {
		if (get(table + at + SEGMENT, 2) != 0)
			continue;
		if (++found > 1)
			return "it has two entries for segment 0";
		why = read_entry(table + at, m);
	}
	return why;
}

void mcfg_read(const uint8_t *table, uint32_t length, struct mcfg *m)
{
	*m = (struct mcfg){.why = NULL};
	m->why = table == NULL ? "firmware has no such table" : read_table(table, length, m);
}

uint64_t mcfg_start(const struct mcfg *m)
{
	return m->base + m->first * BUS_SIZE;
}

uint64_t mcfg_size(const struct mcfg *m)
{
	return (m->last - m->first + 1u) * BUS_SIZE;
}

bool mcfg_address(const struct mcfg *m, uint16_t bdf, unsigned offset, uint64_t *address)
{
	unsigned bus = PCI_BDF_BUS(bdf);

	if (m->why != NULL || bus < m->first || bus > m->last || offset >= PCIE_CONFIG_SIZE)
		return false;
	*address = m->base + (uint64_t)bdf * PCIE_CONFIG_SIZE + offset;
	return true;
}

const char *mcfg_check(const struct mcfg *m, uint32_t (*by_ports)(uint16_t bdf),
	uint32_t (*by_memory)(uint64_t address))
{
	bool seen = false;

	if (m->why != NULL)
		return m->why;
	for (unsigned device = 0; device < PCI_DEVICES; device++) {
		uint16_t bdf = PCI_BDF(m->first, device, 0);
		uint64_t address;
		uint32_t word = by_ports(bdf);

		if ((word & PCI_NO_VENDOR) == PCI_NO_VENDOR ||
			!mcfg_address(m, bdf, 0, &address))
			continue;
		seen = true;
		if (by_memory(address) != word)
			return "the memory that it names does not show what the ports show";
	}
	return seen ? NULL : "its first bus has no function to compare with the ports";
}
