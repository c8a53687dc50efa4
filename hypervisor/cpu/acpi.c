/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/acpi.h"

#include <stdbool.h>

#include "cpu/mem.h"
#include "mm/layout.h"

#define HEADER_SIZE   36u
#define MAX_TABLE     (1u << 20)
#define MADT_ENTRIES  44u
#define MADT_LAPIC    0
#define MADT_X2APIC   9
#define LAPIC_ENABLED 1u
#define REACHABLE     (1ull << 32)

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* A table whose length and checksum are right, or NULL. */
static const uint8_t *table_at(uint64_t address, uint32_t *length)
{
	const uint8_t *t = direct_va((struct hpa){address});
	uint8_t sum = 0;

	if (address == 0 || address > REACHABLE - MAX_TABLE)
		return NULL;
	*length = get32(t + 4);
	if (*length < HEADER_SIZE || *length > MAX_TABLE)
		return NULL;
	for (uint32_t i = 0; i < *length; i++)
		sum = (uint8_t)(sum + t[i]);
	return sum == 0 ? t : NULL;
}

static unsigned count_madt(const uint8_t *madt, uint32_t length)
{
	unsigned n = 0;

	for (uint32_t at = MADT_ENTRIES; at + 2 <= length && madt[at + 1] >= 2;
		at += madt[at + 1]) {
		const uint8_t *e = madt + at;

		if (e[1] > length - at)
			break;
		if (e[0] == MADT_LAPIC && e[1] >= 8)
			n += get32(e + 4) & LAPIC_ENABLED;
		if (e[0] == MADT_X2APIC && e[1] >= 16)
			n += get32(e + 8) & LAPIC_ENABLED;
	}
	return n;
}

unsigned acpi_count_cpus(const uint8_t *rsdp, size_t size)
{
	const uint8_t *root;
	uint32_t length, step;

	if (rsdp == NULL || size < 20)
		return 0;
	if (size >= 36 && rsdp[15] >= 2) {
		step = 8;
		root = table_at(get64(rsdp + 24), &length);
	} else {
		step = 4;
		root = table_at(get32(rsdp + 16), &length);
	}
	if (root == NULL)
		return 0;
	for (uint32_t at = HEADER_SIZE; at + step <= length; at += step) {
		uint32_t table_length;
		const uint8_t *t = table_at(
			step == 8 ? get64(root + at) : get32(root + at), &table_length);

		if (t != NULL && memcmp(t, "APIC", 4) == 0)
			return count_madt(t, table_length);
	}
	return 0;
}
