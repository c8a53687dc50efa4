/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/madt.h"

#include <stddef.h>

#define ENTRIES       44u
#define LAPIC         0
#define IOAPIC        1
#define LAPIC_NMI     4
#define X2APIC        9
#define X2APIC_NMI    10
#define LAPIC_SIZE    8
#define IOAPIC_SIZE   12
#define NMI_SIZE      6
#define X2APIC_SIZE   16
#define X2NMI_SIZE    12
#define LAPIC_ENABLED 1u
#define NMI_CPUS      1024u

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

/* Which processors it means, by their ACPI processor UIDs, and what it says. */
struct nmi_entry {
	uint32_t uid;
	bool all;
	struct madt_nmi nmi;
};

#define POLARITY 3u /* of the flags: 0 as the bus has it, 1 high, 3 low (table 5.26) */
#define LOW      3u

static bool is_nmi(const uint8_t *e, struct nmi_entry *out)
{
	if (e[0] == LAPIC_NMI && e[1] >= NMI_SIZE)
		*out = (struct nmi_entry){.uid = e[2],
			.all = e[2] == 0xff,
			.nmi = {.lint = e[5], .active_low = (e[3] & POLARITY) == LOW}};
	else if (e[0] == X2APIC_NMI && e[1] >= X2NMI_SIZE)
		*out = (struct nmi_entry){.uid = get32(e + 4),
			.all = get32(e + 4) == UINT32_MAX,
			.nmi = {.lint = e[8], .active_low = (e[2] & POLARITY) == LOW}};
	else
		return false;
	return out->nmi.lint <= 1;
}

/* A structure for all means those that the other kind names, too: firmwares write one. */
static bool means(const struct nmi_entry *nmi, const uint8_t *cpu)
{
	return nmi->all || nmi->uid == (cpu[0] == LAPIC ? cpu[2] : get32(cpu + 12));
}

/* The first structure that means this processor. */
static bool find_nmi(
	const uint8_t *madt, uint32_t length, const uint8_t *cpu, struct madt_nmi *nmi)
{
	uint32_t at = ENTRIES;
	struct nmi_entry found;

	for (const uint8_t *e; (e = next(madt, length, &at)) != NULL;)
		if (is_nmi(e, &found) && means(&found, cpu)) {
			nmi->lint = found.nmi.lint;
			nmi->active_low = found.nmi.active_low;
			return true;
		}
	return false;
}

/* The first processor, or the boot processor, that a structure means; of so many at most. */
static bool find_processor(
	const uint8_t *madt, uint32_t length, const uint32_t *boot_id, struct madt_nmi *nmi)
{
	uint32_t at = ENTRIES, id;
	unsigned left = NMI_CPUS;

	for (const uint8_t *e; left != 0 && (e = next(madt, length, &at)) != NULL;) {
		if (!is_cpu(e, &id) || (boot_id != NULL && id != *boot_id))
			continue;
		left--;
		nmi->id = id;
		if (find_nmi(madt, length, e, nmi))
			return true;
	}
	return false;
}

bool madt_nmi_input(
	const uint8_t *madt, uint32_t length, uint32_t boot_id, struct madt_nmi *nmi)
{
	return find_processor(madt, length, &boot_id, nmi) ||
	       find_processor(madt, length, NULL, nmi);
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
