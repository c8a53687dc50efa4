/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/madt.h"

#include <stddef.h>

#define ENTRIES       44u
#define LAPIC         0
#define IOAPIC        1
#define X2APIC        9
#define LAPIC_SIZE    8
#define IOAPIC_SIZE   12
#define X2APIC_SIZE   16
#define LAPIC_ENABLED 1u

/* Identifiers that mean all local APICs, and so none: by four bytes, or by one. */
#define ALL_X2APICS UINT32_MAX
#define ALL_LAPICS  0xffu

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The entry at *at, which moves behind it; NULL: there is none. */
static const uint8_t *next(const uint8_t *madt, uint32_t length, uint32_t *at)
{
	const uint8_t *e = madt + *at;

	if (*at > length || length - *at < 2 || e[1] < 2 || e[1] > length - *at)
		return NULL;
	*at += e[1];
	return e;
}

/*
 * False: the entry is no processor that is enabled, or names all of them, as firmware fills in
 * for one that is not there: SDM 10.6.2.1 "Physical Destination Mode", 10.12.9 "ICR Operation
 * in x2APIC Mode".
 */
static bool is_cpu(const uint8_t *e, uint32_t *id)
{
	if (e[0] == LAPIC && e[1] >= LAPIC_SIZE) {
		*id = e[3];
		return get32(e + 4) & LAPIC_ENABLED && *id != ALL_LAPICS;
	}
	if (e[0] == X2APIC && e[1] >= X2APIC_SIZE) {
		*id = get32(e + 4);
		return get32(e + 8) & LAPIC_ENABLED && *id != ALL_X2APICS;
	}
	return false;
}

/* Is it an IOAPIC? */
static bool is_ioapic(const uint8_t *e, uint32_t *address)
{
	if (e[0] != IOAPIC || e[1] < IOAPIC_SIZE)
		return false;
	*address = get32(e + 4);
	return true;
}

/* What `is` takes of the entries, each value once. */
static unsigned collect(const uint8_t *madt, uint32_t length, uint32_t *values, unsigned most,
	bool (*is)(const uint8_t *e, uint32_t *value))
{
	unsigned count = 0;
	uint32_t at = ENTRIES, value;

	for (const uint8_t *e; count < most && (e = next(madt, length, &at)) != NULL;) {
		bool known = false;

		if (!is(e, &value))
			continue;
		for (unsigned i = 0; i < count; i++)
			known = known || values[i] == value;
		if (!known)
			values[count++] = value;
	}
	return count;
}

unsigned madt_cpus(const uint8_t *madt, uint32_t length, uint32_t *ids, unsigned most)
{
	return collect(madt, length, ids, most, is_cpu);
}

unsigned madt_ioapics(const uint8_t *madt, uint32_t length, uint32_t *addresses, unsigned most)
{
	return collect(madt, length, addresses, most, is_ioapic);
}

bool madt_ioapic(const uint8_t *madt, uint32_t length, uint32_t address, uint8_t *id)
{
	uint32_t at = ENTRIES, where;

	for (const uint8_t *e; (e = next(madt, length, &at)) != NULL;)
		if (is_ioapic(e, &where) && where == address) {
			*id = e[2];
			return true;
		}
	return false;
}
