/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.h"

#define BINARY     4u
#define HOURS_24   2u
#define PM         0x80u
#define EPOCH_2000 946684800ull
#define DAY        86400ull
#define INVALID    255u

static unsigned number(uint8_t v, uint8_t b)
{
	if (b & BINARY)
		return v;
	return (v & 15) > 9 || v >> 4 > 9 ? INVALID : (v >> 4) * 10u + (v & 15u);
}

static unsigned hour_of(const struct clock_registers *r)
{
	unsigned h;

	if (r->b & HOURS_24)
		return number(r->hour, r->b);
	h = number((uint8_t)(r->hour & ~PM), r->b);
	if (h < 1 || h > 12)
		return INVALID;
	return h % 12 + (r->hour & PM ? 12 : 0);
}

static unsigned days_in(unsigned year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && year % 4 == 0 ? 1u : 0u);
}

bool clock_seconds(const struct clock_registers *r, uint64_t *seconds)
{
	unsigned s = number(r->second, r->b), m = number(r->minute, r->b), h = hour_of(r);
	unsigned day = number(r->day, r->b), month = number(r->month, r->b);
	unsigned year = number(r->year, r->b);
	uint64_t days;

	if (s > 59 || m > 59 || h > 23 || month < 1 || month > 12 || year > 99 || day < 1 ||
		day > days_in(year, month))
		return false;
	days = year * 365ull + (year + 3) / 4 + day - 1;
	for (unsigned i = 1; i < month; i++)
		days += days_in(year, i);
	*seconds = EPOCH_2000 + days * DAY + h * 3600ull + m * 60ull + s;
	return true;
}
