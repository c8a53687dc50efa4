/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/acpi.h"

#include "cpu/mem.h"
#include "cpu/reach.h"
#include "lib/spcr.h"

#define HEADER_SIZE 36u
#define MAX_TABLE   (1u << 20)

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

/* A table whose length and checksum are right, or NULL; wherever it is. */
static const uint8_t *table_at(uint64_t address, uint32_t *length)
{
	struct hpa at = {address};
	const uint8_t *t = address != 0 ? reach(at, HEADER_SIZE) : NULL;
	uint8_t sum = 0;

	if (t == NULL)
		return NULL;
	*length = get32(t + 4);
	if (*length < HEADER_SIZE || *length > MAX_TABLE || reach(at, *length) == NULL)
		return NULL;
	for (uint32_t i = 0; i < *length; i++)
		sum = (uint8_t)(sum + t[i]);
	return sum == 0 ? t : NULL;
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

unsigned acpi_cpus(const uint8_t *rsdp, size_t size, uint32_t *ids, unsigned most)
{
	uint32_t length;
	const uint8_t *madt = acpi_find(rsdp, size, "APIC", &length);

	return madt != NULL ? madt_cpus(madt, length, ids, most) : 0;
}

bool acpi_nmi_input(const uint8_t *rsdp, size_t size, uint32_t boot_id, struct madt_nmi *nmi)
{
	uint32_t length;
	const uint8_t *madt = acpi_find(rsdp, size, "APIC", &length);

	return madt != NULL && madt_nmi_input(madt, length, boot_id, nmi);
}

bool acpi_reset_register(const uint8_t *rsdp, size_t size, struct fadt_reset *r)
{
	uint32_t length;
	const uint8_t *fadt = acpi_find(rsdp, size, "FACP", &length);

	return fadt != NULL && fadt_reset_register(fadt, length, r);
}

bool acpi_ioapic_id(const uint8_t *rsdp, size_t size, uint32_t address, uint8_t *id)
{
	uint32_t length;
	const uint8_t *madt = acpi_find(rsdp, size, "APIC", &length);

	return madt != NULL && madt_ioapic(madt, length, address, id);
}

const char *acpi_uart(const uint8_t *rsdp, size_t size, struct uart *u, uint16_t *divisor)
{
	uint32_t length;
	const uint8_t *table = acpi_find(rsdp, size, "SPCR", &length);

	if (table != NULL && spcr_uart(table, length, u, divisor))
		return "SPCR";
	table = acpi_find(rsdp, size, "DBG2", &length);
	*divisor = 0;
	return table != NULL && dbg2_uart(table, length, u) ? "DBG2" : NULL;
}
