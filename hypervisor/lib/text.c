/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text.h"

struct text text_of(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0')
		n++;
	return (struct text){s, n};
}

bool text_is(struct text t, const char *s)
{
	for (size_t i = 0; i < t.len; i++) {
		if (s[i] == '\0' || s[i] != t.s[i])
			return false;
	}
	return s[t.len] == '\0';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct text text_word(struct text *rest)
{
	struct text w;

	while (rest->len > 0 && is_space(rest->s[0])) {
		rest->s++;
		rest->len--;
	}
	w = (struct text){rest->s, 0};
	while (rest->len > 0 && !is_space(rest->s[0])) {
		rest->s++;
		rest->len--;
		w.len++;
	}
	return w;
}

bool text_key_value(struct text word, struct text *key, struct text *value)
{
	for (size_t i = 0; i < word.len; i++) {
		if (word.s[i] != '=')
			continue;
		*key = (struct text){word.s, i};
		*value = (struct text){word.s + i + 1, word.len - i - 1};
		return true;
	}
	*key = word;
	*value = (struct text){word.s + word.len, 0};
	return false;
}

static int digit(char c, unsigned base)
{
	int d = -1;

	if (c >= '0' && c <= '9')
		d = c - '0';
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		d = (c | 0x20) - 'a' + 10;
	return d < (int)base ? d : -1;
}

static unsigned suffix_shift(char c)
{
	switch (c | 0x20) {
	case 'k':
		return 10;
	case 'm':
		return 20;
	case 'g':
		return 30;
	case 't':
		return 40;
	default:
		return 0;
	}
}

bool text_number(struct text t, uint64_t *value)
{
	unsigned base = 10, shift;
	uint64_t v = 0;

	if (t.len > 2 && t.s[0] == '0' && (t.s[1] | 0x20) == 'x') {
		base = 16;
		t.s += 2;
		t.len -= 2;
	}
	shift = t.len > 1 ? suffix_shift(t.s[t.len - 1]) : 0;
	if (shift != 0)
		t.len--;
	if (t.len == 0)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		int d = digit(t.s[i], base);

		if (d < 0 || v > (UINT64_MAX - (uint64_t)d) / base)
			return false;
		v = v * base + (uint64_t)d;
	}
	if (shift != 0 && v >> (64 - shift) != 0)
		return false;
	*value = v << shift;
	return true;
}

bool text_bool(struct text t, bool *value)
{
	*value = text_is(t, "on") || text_is(t, "1") || text_is(t, "yes");
	return *value || text_is(t, "off") || text_is(t, "0") || text_is(t, "no");
}

bool text_copy(struct text t, char *buf, size_t size)
{
	size_t n = t.len < size ? t.len : size - 1;

	for (size_t i = 0; i < n; i++)
		buf[i] = t.s[i];
	buf[n] = '\0';
	return n == t.len;
}
