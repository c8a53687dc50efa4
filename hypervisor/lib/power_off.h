/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the machine is switched off, as ACPI's tables tell it: registers by the FADT, the values
 * by the object \_S5 (ACPI 6.5, 4.8.3.2 "PM1 Control Grouping", 7.4.2 "\_Sx (System States)").
 * Pure.
 */
#ifndef NESTOR_LIB_POWER_OFF_H
#define NESTOR_LIB_POWER_OFF_H

#include <stdbool.h>
#include <stdint.h>

/* The second of two registers, PM1b, need not be there: 0. */
struct power_off {
	uint16_t control[2];
	uint16_t status[2]; /* 0: not there, of the first, too */
	uint8_t type[2];    /* SLP_TYP of S5, 0 to 7 */
	uint16_t smi_port;  /* 0: ACPI mode is always on */
	uint8_t smi_enable; /* what is written there to turn it on */
};

/* PM1 control registers, of 16 bits */
#define PM1_SCI_EN     (1u << 0) /* ACPI mode is on */
#define PM1_TYPE_SHIFT 10u
#define PM1_TYPE       (7u << PM1_TYPE_SHIFT)
#define PM1_SLP_EN     (1u << 13)

/* What is to be written to one before SLP_EN is; `old` is what it has. */
uint16_t power_off_control(uint16_t old, uint8_t type);

/* Where the DSDT is; 0: the FADT does not tell. */
uint64_t power_off_dsdt(const uint8_t *fadt, uint32_t length);

/*
 * NULL, or why the machine cannot be switched off so. The object is looked for by its name, as
 * AML is not run: it must be a package of numbers. @aml is the DSDT, with its header.
 */
const char *power_off_find(const uint8_t *fadt, uint32_t length, const uint8_t *aml,
	uint32_t aml_length, struct power_off *p);

#endif
