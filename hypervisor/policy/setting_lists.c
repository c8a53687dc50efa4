/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/setting_int.h"

#include "lib/fmt.h"
#include "lib/limits.h"
#include "spec/net.h"

/* Takes off *rest what is before the separator, and it; false when there is none. */
bool setting_cut(struct text *rest, char separator, struct text *before)
{
	size_t n = 0;

	while (n < rest->len && rest->s[n] != separator)
		n++;
	*before = (struct text){rest->s, n};
	if (n == rest->len)
		return false;
	*rest = (struct text){rest->s + n + 1, rest->len - n - 1};
	return true;
}

/* A CPU number or FROM-TO. */
static bool parse_cpu_range(struct text item, struct cpu_set *cpus)
{
	struct text from, to = item;
	uint64_t first, last;

	setting_cut(&to, '-', &from);
	if (!text_number(from, &first) || !text_number(to, &last) || first > last ||
		last >= LIMIT_CPU_NUMBERS)
		return false;
	for (unsigned i = (unsigned)first; i <= last; i++) {
		if (set_has(cpus->word, i))
			return false;
		set_add(cpus->word, i);
	}
	return true;
}

bool setting_parse_cpu_list(struct text v, struct cpu_set *cpus)
{
	struct text item;
	unsigned pieces = 0;
	bool more;

	*cpus = (struct cpu_set){{0}};
	do {
		more = setting_cut(&v, ',', &item);
		if (pieces++ == LIMIT_CPU_PIECES || !parse_cpu_range(item, cpus))
			return false;
	} while (more);
	return true;
}

static bool hex_digit(char c, unsigned *value)
{
	if (c >= '0' && c <= '9')
		*value = (unsigned)(c - '0');
	else if (c >= 'a' && c <= 'f')
		*value = (unsigned)(c - 'a') + 10;
	else if (c >= 'A' && c <= 'F')
		*value = (unsigned)(c - 'A') + 10;
	else
		return false;
	return true;
}

/* Of one station. */
bool setting_parse_mac(struct text v, uint64_t *mac)
{
	unsigned high, low;

	*mac = 0;
	for (unsigned i = 0; i < ETH_MAC_SIZE; i++) {
		const char *at = v.s + 3 * i;

		if (v.len != 3 * ETH_MAC_SIZE - 1 || !hex_digit(at[0], &high) ||
			!hex_digit(at[1], &low) || (i + 1 < ETH_MAC_SIZE && at[2] != ':'))
			return false;
		*mac = *mac << 8 | high << 4 | low;
	}
	return *mac != 0 && !(*mac >> 40 & ETH_MULTICAST);
}

size_t setting_put_cpu_list(const struct cpu_set *cpus, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 0;
		(i = set_next(cpus->word, i, LIMIT_CPU_NUMBERS)) < (unsigned)LIMIT_CPU_NUMBERS;
		i++) {
		unsigned last = i;

		while (last + 1 < LIMIT_CPU_NUMBERS && set_has(cpus->word, last + 1))
			last++;
		n += fmt(buf + n, size - n, "%s%u", n == 0 ? "" : ",", i);
		if (last > i)
			n += fmt(buf + n, size - n, "-%u", last);
		i = last;
	}
	return n;
}

size_t setting_put_mac(uint64_t mac, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < ETH_MAC_SIZE; i++) {
		unsigned byte = (unsigned)(mac >> (40 - 8 * i)) & 0xff;

		n += fmt(buf + n, size - n, "%s%02x", i == 0 ? "" : ":", byte);
	}
	return n;
}
