/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/acpi.h"

#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/reach.h"
#include "lib/spcr.h"

#define HEADER_SIZE    36u
#define MAX_TABLE      (1u << 20)
#define RSDP_SIZE      20u /* of revision 0 */
#define RSDP_XSDT_SIZE 36u

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

static uint8_t sum_of(const uint8_t *t, uint32_t length)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + t[i]);
	return sum;
}

/*
 * The table with this signature, if it is the one there and is as it should be; NULL: it is
 * not, which the log is to be told if it is the one, and damaged. What a damaged table says is
 * not believed: it would be which processors get an INIT, or where devices are.
 */
static const uint8_t *table_at(
	uint64_t address, const char *signature, uint32_t *length, bool tell)
{
	struct hpa at = {address};
	const uint8_t *t = address != 0 ? reach(at, HEADER_SIZE) : NULL;
	uint8_t sum;

	if (t == NULL || memcmp(t, signature, 4) != 0)
		return NULL;
	*length = get32(t + 4);
	if (*length < HEADER_SIZE || *length > MAX_TABLE || reach(at, *length) == NULL) {
		if (tell)
			log_warn("the ACPI table %s at 0x%lx is not used: its length is %u; "
				 "allowed: %u to %u, in memory",
				signature, address, *length, HEADER_SIZE, MAX_TABLE);
		return NULL;
	}
	sum = sum_of(t, *length);
	if (sum == 0)
		return t;
	if (tell)
		log_warn("the ACPI table %s at 0x%lx is not used: its bytes add up to 0x%x, "
			 "and have to add up to 0",
			signature, address, sum);
	return NULL;
}

/* A table of addresses: XSDT, with 8 bytes each, or RSDT, with 4. */
struct root {
	const uint8_t *table;
	uint32_t length, step;
};

/*
 * ACPI 6.5, 5.2.5.3 "Root System Description Pointer (RSDP) Structure", 5.2.8 "Extended System
 * Description Table (XSDT)": the XSDT is the one where there is one. Firmware that says so and
 * has none, or a damaged one, has the RSDT for older systems.
 */
static struct root find_root(const uint8_t *rsdp, size_t size)
{
	static bool told; /* each table is looked for from here */
	struct root r = {.step = 8};
	uint32_t rsdt = get32(rsdp + 16);
	bool tell = !told;

	told = true;
	if (size >= RSDP_XSDT_SIZE && rsdp[15] >= 2) {
		r.table = table_at(get64(rsdp + 24), "XSDT", &r.length, tell);
		if (r.table != NULL)
			return r;
		if (tell)
			log_warn("no ACPI table XSDT at 0x%lx, where the RSDP tells of it: the "
				 "RSDT at 0x%x is used",
				get64(rsdp + 24), rsdt);
	}
	r.step = 4;
	r.table = table_at(rsdt, "RSDT", &r.length, tell);
	return r;
}

const uint8_t *acpi_find(
	const uint8_t *rsdp, size_t size, const char *signature, uint32_t *length)
{
	struct root r;

	if (rsdp == NULL || size < RSDP_SIZE)
		return NULL;
	r = find_root(rsdp, size);
	for (uint32_t at = HEADER_SIZE; r.table != NULL && at + r.step <= r.length;
		at += r.step) {
		const uint8_t *e = r.table + at, *t;

		t = table_at(r.step == 8 ? get64(e) : get32(e), signature, length, true);
		if (t != NULL)
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

unsigned acpi_ioapics(const uint8_t *rsdp, size_t size, uint32_t *addresses, unsigned most)
{
	uint32_t length;
	const uint8_t *madt = acpi_find(rsdp, size, "APIC", &length);

	return madt != NULL ? madt_ioapics(madt, length, addresses, most) : 0;
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

const char *acpi_power_off(const uint8_t *rsdp, size_t size, struct power_off *p)
{
	uint32_t length, aml_length;
	const uint8_t *fadt = acpi_find(rsdp, size, "FACP", &length), *dsdt;

	if (fadt == NULL)
		return "there is no ACPI table FADT";
	dsdt = table_at(power_off_dsdt(fadt, length), "DSDT", &aml_length, true);
	if (dsdt == NULL)
		return "there is no ACPI table DSDT";
	return power_off_find(fadt, length, dsdt, aml_length, p);
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
