/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fmt.h"

#include <stdbool.h>
#include <stdint.h>

struct out {
	char *buf;
	size_t size;
	size_t len;
};

struct spec {
	bool left, zero, wide;
	int width;
	int precision; /* -1: none */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len++] = c;
}

static void put_padded(struct out *o, const struct spec *s, const char *text, int len)
{
	int pad = s->width > len ? s->width - len : 0;

	for (int i = 0; !s->left && i < pad; i++)
		put(o, s->zero ? '0' : ' ');
	for (int i = 0; i < len; i++)
		put(o, text[i]);
	for (int i = 0; s->left && i < pad; i++)
		put(o, ' ');
}

static void put_digits(
	struct out *o, const struct spec *s, uint64_t v, unsigned base, bool negative)
{
	char digits[24];
	int n = sizeof(digits);

	do {
		digits[--n] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v != 0);
	if (negative)
		digits[--n] = '-';
	put_padded(o, s, digits + n, (int)sizeof(digits) - n);
}

static void put_number(struct out *o, const struct spec *s, uint64_t v, unsigned base)
{
	put_digits(o, s, v, base, false);
}

static void put_signed(struct out *o, const struct spec *s, int64_t v)
{
	put_digits(o, s, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
	int len = 0;

	if (text == NULL)
		text = "(null)";
	while ((s->precision < 0 || len < s->precision) && text[len] != '\0')
		len++;
	put_padded(o, s, text, len);
}

static const char *parse_number(const char *f, int *value, va_list *args)
{
	if (*f == '*') {
		*value = va_arg(*args, int);
		return f + 1;
	}
	*value = 0;
	while (*f >= '0' && *f <= '9' && *value < 10000)
		*value = *value * 10 + (*f++ - '0');
	return f;
}

static const char *parse_spec(const char *f, struct spec *s, va_list *args)
{
	*s = (struct spec){.precision = -1};
	for (; *f == '-' || *f == '0'; f++) {
		s->left |= *f == '-';
		s->zero |= *f == '0';
	}
	f = parse_number(f, &s->width, args);
	if (*f == '.')
		f = parse_number(f + 1, &s->precision, args);
	for (; *f == 'l' || *f == 'z'; f++)
		s->wide = true;
	return f;
}

static void convert(struct out *o, char conversion, struct spec *s, va_list *args)
{
	switch (conversion) {
	case 'c': {
		char c = (char)va_arg(*args, int);

		put_padded(o, s, &c, 1);
		break;
	}
	case 's':
		put_string(o, s, va_arg(*args, const char *));
		break;
	case 'd':
		put_signed(o, s, s->wide ? va_arg(*args, int64_t) : va_arg(*args, int));
		break;
	case 'u':
		put_number(
			o, s, s->wide ? va_arg(*args, uint64_t) : va_arg(*args, unsigned), 10);
		break;
	case 'x':
		put_number(
			o, s, s->wide ? va_arg(*args, uint64_t) : va_arg(*args, unsigned), 16);
		break;
	case 'p':
		put_number(o, s, (uint64_t)(uintptr_t)va_arg(*args, void *), 16);
		break;
	default:
		put(o, conversion);
		break;
	}
}

size_t fmt_v(char *buf, size_t size, const char *format, va_list args)
{
	struct out o = {buf, size, 0};
	struct spec s;
	va_list copy;

	va_copy(copy, args);
	for (const char *f = format; *f != '\0'; f++) {
		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		f = parse_spec(f + 1, &s, &copy);
		if (*f == '\0')
			break;
		convert(&o, *f, &s, &copy);
	}
	va_end(copy);
	buf[o.len] = '\0';
	return o.len;
}

size_t fmt(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	size_t n;

	va_start(args, format);
	n = fmt_v(buf, size, format, args);
	va_end(args);
	return n;
}
