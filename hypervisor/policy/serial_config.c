/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/serial_config.h"

#include "lib/fmt.h"
#include "lib/uart.h"
#include "policy/setting_int.h"
#include "spec/pci.h"

#define MMIO_WORD "mmio:"
#define PCI_WORD  "pci:"
#define MMIO_END  (UINT64_C(1) << 46) /* of what L0 can map */
#define BAUD_MIN  300u
#define BAUD_MAX  4000000u

static const char *const words[] = {
	[L0_SERIAL_AUTO] = "auto",
	[L0_SERIAL_COM1] = "com1",
	[L0_SERIAL_COM2] = "com2",
	[L0_SERIAL_COM3] = "com3",
	[L0_SERIAL_COM4] = "com4",
	[L0_SERIAL_NONE] = "none",
};

static bool take_word(struct text *t, const char *s)
{
	size_t n = text_of(s, SIZE_MAX).len;

	if (t->len < n || !text_is((struct text){t->s, n}, s))
		return false;
	*t = (struct text){t->s + n, t->len - n};
	return true;
}

/* So many hexadecimal digits, a number below the end. */
static bool take_hex(struct text *t, unsigned digits, unsigned end, unsigned *v)
{
	*v = 0;
	if (t->len < digits)
		return false;
	for (unsigned i = 0; i < digits; i++, t->s++, t->len--) {
		char c = t->s[0];

		if (c >= '0' && c <= '9')
			*v = *v << 4 | (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*v = *v << 4 | (unsigned)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	return *v < end;
}

static bool parse_bdf(struct text t, uint16_t *bdf)
{
	unsigned bus, device, function;

	if (!take_hex(&t, 2, 256, &bus) || !take_word(&t, ":") ||
		!take_hex(&t, 2, PCI_DEVICES, &device) || !take_word(&t, ".") ||
		!take_hex(&t, 1, PCI_FUNCTIONS, &function) || t.len != 0)
		return false;
	*bdf = PCI_BDF(bus, device, function);
	return true;
}

static bool parse_place(struct text t, struct l0_serial *s)
{
	if (take_word(&t, MMIO_WORD)) {
		s->kind = L0_SERIAL_MMIO;
		s->width = 1;
		return text_number(t, &s->address) && s->address != 0 && s->address < MMIO_END;
	}
	if (take_word(&t, PCI_WORD)) {
		s->kind = L0_SERIAL_PCI;
		return parse_bdf(t, &s->bdf);
	}
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (text_is(t, words[i])) {
			s->kind = (uint8_t)i;
			return true;
		}
	return false;
}

/* False: it is something else, such as a rate. */
static bool parse_width(struct text t, struct l0_serial *s)
{
	uint64_t bits;

	if (s->kind != L0_SERIAL_MMIO || !text_number(t, &bits) ||
		(bits != 8 && bits != 16 && bits != 32))
		return false;
	s->width = (uint8_t)(bits / 8);
	return true;
}

static bool parse_rate(struct text t, struct l0_serial *s, const char **why)
{
	struct text baud;
	bool has_clock = setting_cut(&t, '@', &baud);
	uint64_t rate, clock = 0;

	if (!text_number(baud, &rate) || rate < BAUD_MIN || rate > BAUD_MAX) {
		*why = "a rate is from 300 to 4000000";
		return false;
	}
	if (has_clock && (!text_number(t, &clock) || clock == 0 || clock > UINT32_MAX)) {
		*why = "a clock is from 1 to 4294967295 Hz";
		return false;
	}
	s->baud = (uint32_t)rate;
	s->clock = (uint32_t)clock;
	if (uart_divisor(s->baud, s->clock) == 0) {
		*why = "no divisor of its clock gives that rate";
		return false;
	}
	return true;
}

static bool is_uart(const struct l0_serial *s)
{
	return s->kind != L0_SERIAL_AUTO && s->kind != L0_SERIAL_NONE;
}

bool serial_parse(struct text v, struct l0_serial *s, const char **why)
{
	struct text item;
	bool more = setting_cut(&v, ',', &item);

	__builtin_memset(s, 0, sizeof(*s));
	*why = NULL;
	if (!parse_place(item, s) || (more && !is_uart(s)))
		return false;
	if (more) {
		more = setting_cut(&v, ',', &item);
		if (!parse_width(item, s)) {
			if (!parse_rate(item, s, why) || more)
				return false;
		} else if (more && (!parse_rate(v, s, why)))
			return false;
	}
	if (s->kind == L0_SERIAL_MMIO && (s->address & (s->width - 1u)) != 0) {
		*why = "the address is no multiple of a register's width";
		return false;
	}
	return true;
}

size_t serial_format(const struct l0_serial *s, char *buf, size_t size)
{
	size_t n;

	if (s->kind == L0_SERIAL_MMIO)
		n = fmt(buf, size, MMIO_WORD "0x%lx,%u", s->address, 8u * s->width);
	else if (s->kind == L0_SERIAL_PCI)
		n = fmt(buf, size, PCI_WORD "%02x:%02x.%u", PCI_BDF_BUS(s->bdf),
			PCI_BDF_DEVICE(s->bdf), PCI_BDF_FUNCTION(s->bdf));
	else
		n = fmt(buf, size, "%s", words[s->kind]);
	if (s->baud != 0)
		n += fmt(buf + n, size - n, ",%u", s->baud);
	if (s->clock != 0)
		n += fmt(buf + n, size - n, "@%u", s->clock);
	return n;
}
