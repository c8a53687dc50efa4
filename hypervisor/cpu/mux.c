#include "cpu/mux.h"

#include <stdbool.h>

#include "cpu/asm.h"
#include "cpu/config.h"
#include "lib/fmt.h"

#define PORT_E9  0xe9
#define COM1     0x3f8
#define COM1_LSR (COM1 + 5)
#define LSR_RX   0x01
#define LSR_THRE 0x20

#define SELECT     0xff
#define NO_CHANNEL 0xff

static struct {
	bool use_e9;
	bool locked;
	uint8_t channel; /* selected last */
} mux = {.channel = NO_CHANNEL};

void mux_init(void)
{
	mux.use_e9 = inb(PORT_E9) == PORT_E9;
	if (mux.use_e9)
		return;
	outb(COM1 + 1, 0);    /* no interrupts */
	outb(COM1 + 3, 0x80); /* divisor latch: 115200 */
	outb(COM1 + 0, 1);
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 0x03); /* 8n1; firmware may leave 5-bit mode */
	outb(COM1 + 2, 0x07);
	outb(COM1 + 4, 0x03);
}

static void raw(uint8_t byte)
{
	if (mux.use_e9) {
		outb(PORT_E9, byte);
		return;
	}
	/* Bounded: a port that is not there must not stop L0. */
	for (unsigned i = 0; i < 1000000 && !(inb(COM1_LSR) & LSR_THRE); i++)
		cpu_pause();
	outb(COM1, byte);
}

void mux_write(uint8_t channel, const char *s, size_t len)
{
	bool channels = l0_config()->mux;

	while (__atomic_test_and_set(&mux.locked, __ATOMIC_ACQUIRE))
		cpu_pause();
	if (channels && mux.channel != channel) {
		raw(SELECT);
		raw(channel);
		mux.channel = channel;
	}
	for (size_t i = 0; i < len; i++) {
		if (channels && (uint8_t)s[i] == SELECT)
			raw(SELECT);
		raw((uint8_t)s[i]);
	}
	__atomic_clear(&mux.locked, __ATOMIC_RELEASE);
}

void mux_record_v(const char *format, va_list args)
{
	char line[896];
	size_t n = fmt_v(line, sizeof(line) - 1, format, args);

	line[n++] = '\n';
	mux_write(MUX_CONTROL, line, n);
}

void mux_record(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	mux_record_v(format, args);
	va_end(args);
}

void mux_break_lock(void)
{
	__atomic_clear(&mux.locked, __ATOMIC_RELEASE);
}
