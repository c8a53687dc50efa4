/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Console, exit, traps and memory of a payload. Not here: VT-x (vmx.c), descriptor tables.
 */
#include "rt.h"

#include <stdarg.h>

#include "cmdline.h"
#include "cpu.h"
#include "smp.h"

#define PORT_E9         0xe9
#define PORT_DEBUG_EXIT 0xf4
#define PORT_COM1       0x3f8
#define PORT_BOCHS_END  0x8900
#define LSR_EMPTY       0x60
#define POOL_START      0x800000u

extern uint32_t mb_magic, mb_info;
extern uintptr_t user_return_rsp;
extern char user_return[];
_Noreturn void rt_main(void);
void trap_handle(struct trap_frame *f);

PERCPU volatile struct trap_info trap;
PERCPU volatile uint64_t trap_resume;
PERCPU volatile uint32_t interrupt_count[256];
PERCPU uint8_t rt_tss[0x68];
PERCPU unsigned cpu_number;
bool (*trap_hook)(struct trap_frame *f);

static bool use_e9;
static uintptr_t pool_next = POOL_START;
static uintptr_t pool_2m_next = 0x2000000;

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return dst;
}

void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

static void console_init(void)
{
	use_e9 = !cmdline_flag("com1") && inb(PORT_E9) == 0xe9;
	if (use_e9)
		return;
	outb(PORT_COM1 + 1, 0);
	outb(PORT_COM1 + 3, 0x83);
	outb(PORT_COM1 + 0, 1);
	outb(PORT_COM1 + 1, 0);
	outb(PORT_COM1 + 3, 3);
}

static void console_wait(uint8_t bits)
{
	while ((inb(PORT_COM1 + 5) & bits) != bits)
		;
}

static void console_put(char c)
{
	if (use_e9) {
		outb(PORT_E9, (uint8_t)c);
		return;
	}
	console_wait(0x20);
	outb(PORT_COM1, (uint8_t)c);
}

/* Where formatted characters go: the console when dst is NULL. */
struct sink {
	char *dst;
	size_t left;
};

static void sink_put(struct sink *s, char c)
{
	if (!s->dst) {
		console_put(c);
	} else if (s->left > 1) {
		*s->dst++ = c;
		s->left--;
	}
}

/* Returns v % base. In steps that need no 64-bit division: a 32-bit payload has none. */
static unsigned divide(uint64_t *v, unsigned base)
{
	uint32_t high = (uint32_t)(*v >> 32), low = (uint32_t)*v, quotient, rest;

	__asm__("divl %4"
		: "=a"(quotient), "=d"(rest)
		: "0"(low), "1"(high % base), "r"(base)
		: "cc");
	*v = (uint64_t)(high / base) << 32 | quotient;
	return rest;
}

static void put_number(struct sink *s, uint64_t v, unsigned base, int width, char pad)
{
	char digits[20];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[divide(&v, base)];
	} while (v);
	for (; width > n; width--)
		sink_put(s, pad);
	while (n)
		sink_put(s, digits[--n]);
}

static void put_string(struct sink *s, const char *text, int width)
{
	for (; *text; text++, width--)
		sink_put(s, *text);
	for (; width > 0; width--)
		sink_put(s, ' ');
}

static uint64_t next_number(va_list *args, bool is_long, bool is_signed)
{
	if (is_long)
		return va_arg(*args, uint64_t);
	if (is_signed)
		return (uint64_t)(int64_t)va_arg(*args, int);
	return va_arg(*args, unsigned);
}

static void put_conversion(struct sink *s, const char **format, va_list *args)
{
	const char *p = *format;
	char pad = ' ';
	int width = 0;
	bool is_long = false;
	uint64_t v;

	if (*p == '0' || *p == '-')
		pad = *p++ == '0' ? '0' : ' ';
	while (*p >= '0' && *p <= '9')
		width = width * 10 + (*p++ - '0');
	for (; *p == 'l'; p++)
		is_long = true;
	*format = p;
	switch (*p) {
	case 'c':
		sink_put(s, (char)va_arg(*args, int));
		return;
	case 's':
		put_string(s, va_arg(*args, const char *), width);
		return;
	case 'x':
		put_number(s, next_number(args, is_long, false), 16, width, pad);
		return;
	case 'd':
	case 'u':
		v = next_number(args, is_long, *p == 'd');
		if (*p == 'd' && (int64_t)v < 0) {
			sink_put(s, '-');
			v = 0 - v;
		}
		put_number(s, v, 10, width, pad);
		return;
	default:
		sink_put(s, *p);
	}
}

static void put_format(struct sink *s, const char *format, va_list *args)
{
	for (; *format; format++) {
		if (*format != '%') {
			sink_put(s, *format);
			continue;
		}
		format++;
		put_conversion(s, &format, args);
	}
}

void print(const char *format, ...)
{
	struct sink s = {NULL, 0};
	va_list args;

	va_start(args, format);
	put_format(&s, format, &args);
	va_end(args);
}

void format_text(char *dst, size_t size, const char *format, ...)
{
	struct sink s = {dst, size};
	va_list args;

	va_start(args, format);
	put_format(&s, format, &args);
	va_end(args);
	*s.dst = 0;
}

_Noreturn void payload_exit(uint8_t v)
{
	static const char end[] = "Shutdown";

	if (!use_e9)
		console_wait(LSR_EMPTY);
	outb(PORT_DEBUG_EXIT, v);
	for (const char *p = end; *p; p++)
		outb(PORT_BOCHS_END, (uint8_t)*p);
	for (;;)
		__asm__ volatile("cli; hlt");
}

const char *payload_cmdline(void)
{
	const uint32_t *info = (const uint32_t *)(uintptr_t)mb_info;

	if (mb_magic != 0x2badb002 || !(info[0] & 4))
		return "";
	return (const char *)(uintptr_t)info[4];
}

void *pages_alloc(unsigned count)
{
	uintptr_t at = __atomic_fetch_add(&pool_next, count * 4096ul, __ATOMIC_SEQ_CST);

	return memset((void *)at, 0, count * 4096ul);
}

void *page_alloc(void)
{
	return pages_alloc(1);
}

void *pages_alloc_2m(void)
{
	return (void *)__atomic_fetch_add(&pool_2m_next, 0x200000, __ATOMIC_SEQ_CST);
}

static void trap_fatal(const struct trap_frame *f)
{
	print("unexpected vector %u error %x rip %x stack %x cr2 %x\n", (unsigned)f->vector,
		(unsigned)f->error, (unsigned)f->rip, (unsigned)(uintptr_t)f,
		(unsigned)read_cr2());
	payload_exit(0x7f);
}

void trap_handle(struct trap_frame *f)
{
	if (trap_hook && trap_hook(f))
		return;
	trap.vector = (int)f->vector;
	trap.error = (uint32_t)f->error;
	trap.rip = f->rip;
	trap.cr2 = read_cr2();
	if (f->cs & 3) {
		f->rip = (uintptr_t)user_return;
		f->cs = SEL_CODE;
		f->ss = SEL_DATA;
		f->rsp = user_return_rsp;
		f->rflags = 2;
		return;
	}
	if (f->vector >= 32) {
		interrupt_count[f->vector]++;
		return;
	}
	if (!trap_resume)
		trap_fatal(f);
	f->rip = (uintptr_t)trap_resume;
}

_Noreturn void rt_main(void)
{
	console_init();
	tables_init();
	trap_init();
	payload_exit((uint8_t)payload_main());
}
