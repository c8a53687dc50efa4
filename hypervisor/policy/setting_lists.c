/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/setting_int.h"

#include "lib/fmt.h"
#include "lib/limits.h"
#include "spec/net.h"
#include "spec/pci.h"

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
static bool parse_cpu_range(struct text item, uint64_t *mask)
{
	struct text from, to = item;
	uint64_t first, last;

	setting_cut(&to, '-', &from);
	if (!text_number(from, &first) || !text_number(to, &last) || first > last ||
		last >= LIMIT_CPU_NUMBERS)
		return false;
	for (uint64_t i = first; i <= last; i++) {
		if (*mask & 1ull << i)
			return false;
		*mask |= 1ull << i;
	}
	return true;
}

bool setting_parse_cpu_list(struct text v, uint64_t *mask)
{
	struct text item;
	bool more;

	*mask = 0;
	do {
		more = setting_cut(&v, ',', &item);
		if (!parse_cpu_range(item, mask))
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

/* Two hexadecimal digits of a bus or device, or one of a function. */
static bool take_hex(struct text *t, unsigned digits, unsigned *v)
{
	*v = 0;
	if (t->len < digits)
		return false;
	for (unsigned i = 0; i < digits; i++, t->s++, t->len--) {
		char c = (char)(t->s[0] | 0x20);

		if (t->s[0] >= '0' && t->s[0] <= '9')
			*v = *v << 4 | (unsigned)(t->s[0] - '0');
		else if (c >= 'a' && c <= 'f')
			*v = *v << 4 | (unsigned)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

static bool take_text(struct text *t, const char *s)
{
	for (; *s != '\0'; s++, t->s++, t->len--)
		if (t->len == 0 || t->s[0] != *s)
			return false;
	return true;
}

static bool starts_with(struct text t, const char *s)
{
	return take_text(&t, s);
}

/*
 * [pci:][0000:]BUS:DEVICE.FUNCTION, of the first segment, as pci(8) and Linux write them;
 * 00:00.0, the host bridge, cannot be given away.
 */
static bool parse_function(struct text t, uint64_t *bdf)
{
	unsigned bus, device, function;

	if (starts_with(t, "pci:"))
		(void)take_text(&t, "pci:");
	if (starts_with(t, "0000:"))
		(void)take_text(&t, "0000:");
	if (!take_hex(&t, 2, &bus) || !take_text(&t, ":") || !take_hex(&t, 2, &device) ||
		!take_text(&t, ".") || !take_hex(&t, 1, &function))
		return false;
	if (t.len != 0 || device > 31 || function > 7)
		return false;
	*bdf = PCI_BDF(bus, device, function);
	return *bdf != 0;
}

bool setting_parse_functions(struct text v, uint64_t *list)
{
	unsigned count = 0;
	struct text item;
	uint64_t bdf;
	bool more;

	*list = SETTING_ALL_FUNCTIONS;
	if (text_is(v, "all"))
		return true;
	*list = 0;
	if (text_is(v, "none"))
		return true;
	do {
		more = setting_cut(&v, ',', &item);
		if (count == SETTING_FUNCTIONS_MAX || !parse_function(item, &bdf))
			return false;
		for (unsigned i = 0; i < count; i++)
			if ((*list >> i * 16 & 0xffff) == bdf)
				return false;
		*list |= bdf << count++ * 16;
	} while (more);
	return *list != SETTING_ALL_FUNCTIONS;
}

size_t setting_put_cpu_list(uint64_t mask, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < LIMIT_CPU_NUMBERS; i++) {
		unsigned last = i;

		if (!(mask >> i & 1))
			continue;
		while (last + 1 < LIMIT_CPU_NUMBERS && mask >> (last + 1) & 1)
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

size_t setting_put_functions(uint64_t list, char *buf, size_t size)
{
	size_t n = 0;

	if (list == 0 || list == SETTING_ALL_FUNCTIONS)
		return fmt(buf, size, list == 0 ? "none" : "all");
	for (; list != 0; list >>= 16)
		n += fmt(buf + n, size - n, "%spci:%02x:%02x.%u", n == 0 ? "" : ",",
			PCI_BDF_BUS(list & 0xffff), PCI_BDF_DEVICE(list & 0xffff),
			PCI_BDF_FUNCTION(list));
	return n;
}
