/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/acpi.h"

#include "cpu/mem.h"
#include "mm/layout.h"

#define HEADER_SIZE       36u
#define MAX_TABLE         (1u << 20)
#define MADT_ENTRIES      44u
#define MADT_LAPIC        0
#define MADT_IOAPIC_ENTRY 1
#define MADT_X2APIC       9
#define LAPIC_ENABLED     1u
#define REACHABLE         (1ull << 32)

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

const uint8_t *acpi_find(
	const uint8_t *rsdp, size_t size, const char *signature, uint32_t *length)
{
	const uint8_t *root;
	uint32_t all, step;

	if (rsdp == NULL || size < 20)
		return NULL;
	if (size >= 36 && rsdp[15] >= 2) {
		step = 8;
		root = table_at(get64(rsdp + 24), &all);
	} else {
		step = 4;
		root = table_at(get32(rsdp + 16), &all);
	}
	if (root == NULL)
		return NULL;
	for (uint32_t at = HEADER_SIZE; at + step <= all; at += step) {
		const uint8_t *t =
			table_at(step == 8 ? get64(root + at) : get32(root + at), length);

		if (t != NULL && memcmp(t, signature, 4) == 0)
			return t;
	}
	return NULL;
}

unsigned acpi_count_cpus(const uint8_t *rsdp, size_t size)
{
	uint32_t length;
	const uint8_t *madt = acpi_find(rsdp, size, "APIC", &length);

	return madt != NULL ? count_madt(madt, length) : 0;
}

bool acpi_ioapic_id(const uint8_t *rsdp, size_t size, uint32_t address, uint8_t *id)
{
	uint32_t length;
	const uint8_t *madt = acpi_find(rsdp, size, "APIC", &length);

	for (uint32_t at = MADT_ENTRIES; madt != NULL && at + 2 <= length; at += madt[at + 1]) {
		const uint8_t *e = madt + at;

		if (e[1] < 2 || e[1] > length - at)
			break;
		if (e[0] == MADT_IOAPIC_ENTRY && e[1] >= 12 && get32(e + 4) == address) {
			*id = e[2];
			return true;
		}
	}
	return false;
}
