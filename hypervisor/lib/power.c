/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/power.h"

#include "lib/bits.h"
#include "lib/fmt.h"

/* CPUID.1:EDX; CPUID.6:EAX, ECX */
#define FEATURE_ACPI  BIT(22)
#define FEATURE_TM    BIT(29)
#define POWER_PTM     BIT(6)
#define POWER_HWP     BIT(7)
#define POWER_HWP_EPP BIT(10)
#define POWER_BIAS    BIT(3)

/* IA32_HWP_CAPABILITIES: 14.4.3, figure 14-5 */
#define HIGHEST(capabilities) ((capabilities)&0xff)
#define LOWEST(capabilities)  ((capabilities) >> 24 & 0xff)

/* IA32_HWP_REQUEST: 14.4.4, figure 14-6; the processor chooses within these */
#define LEAST(value)      ((uint64_t)(value))
#define MOST(value)       ((uint64_t)(value) << 8)
#define PREFERENCE(value) ((uint64_t)(value) << 24)
#define CHOICE_BITS       0xffffffull /* the two, and what is wanted of them: 0, all */
#define PREFERENCE_BITS   PREFERENCE(0xff)
#define BALANCE           0x80u /* between performance, 0, and energy, 0xff */

#define BIAS_BITS     0xfull
#define BIAS_BALANCED 6u /* 14.3.4: between 0, performance, and 15, energy */

struct power_facts power_facts_of(uint32_t features, uint32_t power, uint32_t power_more)
{
	return (struct power_facts){
		.hwp = power & POWER_HWP,
		.hwp_preference = power & POWER_HWP_EPP,
		.bias = power_more & POWER_BIAS,
		.thermal = features & FEATURE_ACPI && features & FEATURE_TM,
		.package_thermal = power & POWER_PTM,
	};
}

uint64_t power_hwp_request(
	uint64_t request, uint64_t capabilities, bool preference, enum l0_performance mode)
{
	bool most = mode == L0_PERFORMANCE_MOST;

	if (mode == L0_PERFORMANCE_FIRMWARE)
		return request;
	request &= ~CHOICE_BITS;
	request |= LEAST(most ? HIGHEST(capabilities) : LOWEST(capabilities)) |
		   MOST(HIGHEST(capabilities));
	if (preference)
		request = (request & ~PREFERENCE_BITS) | PREFERENCE(most ? 0 : BALANCE);
	return request;
}

uint64_t power_bias(uint64_t bias, enum l0_performance mode)
{
	if (mode == L0_PERFORMANCE_FIRMWARE)
		return bias;
	return (bias & ~BIAS_BITS) | (mode == L0_PERFORMANCE_MOST ? 0 : BIAS_BALANCED);
}

static const struct {
	uint32_t bit;
	const char *text;
} kinds[] = {
	{THERMAL_CRITICAL, "critical temperature"},
	{THERMAL_HOT, "too hot"},
	{THERMAL_PROCHOT, "PROCHOT"},
	{THERMAL_LIMIT, "limit of power"},
};

uint32_t power_thermal_seen(uint64_t status)
{
	uint32_t seen = 0;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (status & THERMAL_LOG(kinds[i].bit))
			seen |= kinds[i].bit;
	return seen;
}

/* 14.8.5.2: a log is cleared by writing 0. What reads as 1 exists, and may be written. */
#define LOGS 0xaaaaull

uint64_t power_thermal_clear(uint64_t status, uint32_t seen)
{
	return status & LOGS & ~(uint64_t)THERMAL_LOG(seen);
}

void power_thermal_describe(char *to, size_t size, uint32_t seen)
{
	size_t used = 0;

	if (size != 0)
		to[0] = '\0';
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (seen & kinds[i].bit && used < size)
			used += fmt(to + used, size - used, "%s%s", used != 0 ? ", " : "",
				kinds[i].text);
}
