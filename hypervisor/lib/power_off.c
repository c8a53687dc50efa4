/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/power_off.h"

#include <stddef.h>

#include "lib/bits.h"
#include "lib/fadt.h"
#include "lib/gas.h"

/* Table 5.9 "FADT Format" */
#define DSDT        40u
#define SMI_CMD     48u
#define ACPI_ENABLE 52u
#define PM1_EVT     56u /* PM1b's is behind it */
#define PM1_CNT     64u
#define PM1_CNT_LEN 89u
#define HW_REDUCED  BIT(20)
#define X_DSDT      140u
#define X_PM1_EVT   148u
#define X_PM1_CNT   172u
#define FADT_SHORT  116u /* ACPI 1.0 */
#define AML_BEGINS  36u
#define TYPE_MAX    7u

/* 20.2.1 "Name Objects Encoding", 20.2.3 "Data Objects Encoding" */
#define AML_ZERO    0x00u
#define AML_ONE     0x01u
#define AML_NAME    0x08u
#define AML_BYTE    0x0au
#define AML_WORD    0x0bu
#define AML_DWORD   0x0cu
#define AML_PACKAGE 0x12u
#define AML_ROOT    '\\'

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

uint16_t power_off_control(uint16_t old, uint8_t type)
{
	return (uint16_t)((old & ~(PM1_TYPE | PM1_SLP_EN)) | (unsigned)type << PM1_TYPE_SHIFT);
}

uint64_t power_off_dsdt(const uint8_t *fadt, uint32_t length)
{
	uint64_t at = length >= X_DSDT + 8 ? get(fadt + X_DSDT, 8) : 0;

	if (at == 0 && length >= DSDT + 4)
		at = get(fadt + DSDT, 4);
	return at;
}

/* ---- registers ---- */

/* The port of number i of two, by the field of 64 bits, if it is there and is one. */
static uint16_t port_of(const uint8_t *fadt, uint32_t length, unsigned at, unsigned wide)
{
	const uint8_t *gas = fadt + wide;
	uint64_t port = get(fadt + at, 4);

	if (length >= wide + GAS_SIZE && get(gas + GAS_ADDRESS, 8) != 0)
		port = gas[GAS_SPACE] == FADT_PORT ? get(gas + GAS_ADDRESS, 8) : 0;
	return port <= UINT16_MAX - 1 ? (uint16_t)port : 0;
}

static const char *find_registers(const uint8_t *fadt, uint32_t length, struct power_off *p)
{
	if (length < FADT_SHORT)
		return "the ACPI table FADT is too short";
	if (get(fadt + FADT_FLAGS, 4) & HW_REDUCED)
		return "the machine has no PM1 registers (hardware-reduced ACPI)";
	for (unsigned i = 0; i < 2; i++) {
		p->control[i] =
			port_of(fadt, length, PM1_CNT + 4 * i, X_PM1_CNT + GAS_SIZE * i);
		p->status[i] = port_of(fadt, length, PM1_EVT + 4 * i, X_PM1_EVT + GAS_SIZE * i);
	}
	if (p->control[0] == 0 || fadt[PM1_CNT_LEN] < 2)
		return "the ACPI table FADT has no port of the register PM1a";
	if (get(fadt + SMI_CMD, 4) <= UINT16_MAX && fadt[ACPI_ENABLE] != 0)
		p->smi_port = (uint16_t)get(fadt + SMI_CMD, 4);
	p->smi_enable = fadt[ACPI_ENABLE];
	return NULL;
}

/* ---- \_S5 ---- */

/* What is left of AML; once it was left, nothing is any more. */
struct aml {
	const uint8_t *at, *end;
	bool bad;
};

static uint32_t take(struct aml *a, unsigned size)
{
	uint32_t v;

	if ((size_t)(a->end - a->at) < size)
		a->bad = true;
	if (a->bad)
		return 0;
	v = (uint32_t)get(a->at, size);
	a->at += size;
	return v;
}

/* PkgLength, whose first byte says how many follow. */
static void skip_length(struct aml *a)
{
	(void)take(a, take(a, 1) >> 6);
}

static uint32_t take_number(struct aml *a)
{
	uint32_t op = take(a, 1);

	switch (op) {
	case AML_ZERO:
	case AML_ONE:
		return op;
	case AML_BYTE:
	case AML_WORD:
	case AML_DWORD:
		return take(a, 1u << (op - AML_BYTE));
	default:
		a->bad = true;
		return 0;
	}
}

/* Behind the name. One number has both values, as some firmware has it. */
static bool take_values(struct aml a, uint8_t type[2])
{
	uint32_t count, first, second;

	if (take(&a, 1) != AML_PACKAGE)
		return false;
	skip_length(&a);
	count = take(&a, 1);
	first = take_number(&a);
	second = count > 1 ? take_number(&a) : first >> 8;
	if (count == 1)
		first &= 0xff;
	type[0] = (uint8_t)first;
	type[1] = (uint8_t)second;
	return !a.bad && count != 0 && first <= TYPE_MAX && second <= TYPE_MAX;
}

/* Behind a NameOp: is it this name, by itself or from the root? */
static bool take_name(struct aml *a)
{
	if (a->at < a->end && *a->at == AML_ROOT)
		a->at++;
	return take(a, 4) == ('_' | 'S' << 8 | '5' << 16 | (uint32_t)'_' << 24);
}

static bool find_s5(const uint8_t *aml, uint32_t length, uint8_t type[2])
{
	for (uint32_t i = AML_BEGINS; i < length; i++) {
		struct aml a = {aml + i + 1, aml + length, false};

		if (aml[i] == AML_NAME && take_name(&a) && take_values(a, type))
			return true;
	}
	return false;
}

const char *power_off_find(const uint8_t *fadt, uint32_t length, const uint8_t *aml,
	uint32_t aml_length, struct power_off *p)
{
	const char *why;

	*p = (struct power_off){0};
	why = find_registers(fadt, length, p);
	if (why == NULL && !find_s5(aml, aml_length, p->type))
		why = "the ACPI table DSDT has no \\_S5 that is a package of numbers";
	return why;
}
