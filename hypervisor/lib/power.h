/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 asks of a processor's speed, and what the processor tells of its heat: values of
 * MSRs, by CPUID (SDM 14.4 "Hardware-Controlled Performance States (HWP)", 14.3.4 "Performance
 * and Energy Bias Hint", 14.8 "Thermal Monitoring and Protection"). Who reads and writes them
 * is not here.
 */
#ifndef NESTOR_LIB_POWER_H
#define NESTOR_LIB_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/l0_power.h"

/* Which of these MSRs there are. */
struct power_facts {
	bool hwp;             /* IA32_PM_ENABLE, IA32_HWP_CAPABILITIES, IA32_HWP_REQUEST */
	bool hwp_preference;  /* bits 31:24 of the request */
	bool bias;            /* IA32_ENERGY_PERF_BIAS */
	bool thermal;         /* IA32_THERM_STATUS: CPUID.1:EDX.ACPI and TM */
	bool package_thermal; /* IA32_PACKAGE_THERM_STATUS */
};

/* CPUID.1:EDX, CPUID.6:EAX and ECX; those of a leaf that is not there are 0. */
struct power_facts power_facts_of(uint32_t features, uint32_t power, uint32_t power_more);

/* IA32_HWP_REQUEST, by IA32_HWP_CAPABILITIES, in place of what it is. */
uint64_t power_hwp_request(
	uint64_t request, uint64_t capabilities, bool preference, enum l0_performance mode);

/* IA32_ENERGY_PERF_BIAS, in place of what it is. */
uint64_t power_bias(uint64_t bias, enum l0_performance mode);

/* Of IA32_THERM_STATUS and IA32_PACKAGE_THERM_STATUS alike: what is so, and bit 1 behind each
 * that it has been so since it was cleared. */
#define THERMAL_HOT      (1u << 0) /* the processor slows itself down */
#define THERMAL_PROCHOT  (1u << 2) /* ... since something else asks for it */
#define THERMAL_CRITICAL (1u << 4)
#define THERMAL_LIMIT    (1u << 10) /* a limit of power */
#define THERMAL_LOG(bit) ((bit) << 1)

/* What of it has been since the log was cleared. */
uint32_t power_thermal_seen(uint64_t status);
/* What is written to clear the log of these: other logs stay. */
uint64_t power_thermal_clear(uint64_t status, uint32_t seen);
/* "critical temperature, PROCHOT", for the log; 96 bytes hold it. */
void power_thermal_describe(char *to, size_t size, uint32_t seen);

#endif
