/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints on the text mode of a VGA as small kernels do: at b8000, and by the registers. What it
 * finds and what it did it tells on its console; the screen is the test's to look at.
 */
#include "cpu.h"
#include "rt.h"

#define TEXT    ((volatile uint16_t *)0xb8000)
#define COLUMNS 80u
#define ROWS    25u
#define CRTC    0x3d4
#define STATUS  0x3da
#define RETRACE 0x08u
#define POLLS   1000000u
#define FIRST   7u /* row of the text memory that is the screen's first one */

/* The compiler takes low addresses for those of members of NULL. */
static volatile void *low(uintptr_t at)
{
	__asm__("" : "+r"(at));
	return (volatile void *)at;
}

static uint8_t bda8(uintptr_t at)
{
	return *(volatile uint8_t *)low(at);
}

static uint16_t bda16(uintptr_t at)
{
	return (uint16_t)(bda8(at) | bda8(at + 1) << 8);
}

static void set_crtc16(uint8_t high, unsigned value)
{
	outb(CRTC, high);
	outb(CRTC + 1, (uint8_t)(value >> 8));
	outb(CRTC, (uint8_t)(high + 1));
	outb(CRTC + 1, (uint8_t)value);
}

static void put(unsigned row, unsigned column, uint8_t attribute, const char *s)
{
	volatile uint16_t *to = TEXT + (FIRST + row) * COLUMNS + column;

	while (*s)
		*to++ = (uint16_t)(attribute << 8 | (uint8_t)*s++);
}

/* Several times: the host's clock has no part in the fastest one. */
static uint64_t ticks_of_clearing(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned n = 0; n < 3; n++) {
		uint64_t start = rdtsc_exact(), ticks;

		for (unsigned i = 0; i < (FIRST + ROWS) * COLUMNS; i++)
			TEXT[i] = 0x0720;
		ticks = rdtsc_exact() - start;
		least = ticks < least ? ticks : least;
	}
	return least;
}

static bool retrace_comes(uint8_t wanted)
{
	for (unsigned i = 0; i < POLLS; i++)
		if ((inb(STATUS) & RETRACE) == wanted)
			return true;
	return false;
}

int payload_main(void)
{
	print("BDA: mode %x, %u columns, %u rows of %u lines, CRTC %x, equipment %x\n",
		bda8(0x449), bda16(0x44a), bda8(0x484) + 1u, bda16(0x485), bda16(0x463),
		bda16(0x410));
	print("status: %x\n", inb(STATUS) & 0xf0);
	print("a cell at the start: %x\n", *TEXT);
	print("a cell costs an exit: %s\n",
		ticks_of_clearing() > (FIRST + ROWS) * COLUMNS * 100 ? "yes" : "no");
	put(0, 0, 0x07, "\xc9\xcd\xcd\xbb");
	put(1, 0, 0x1e, "Hello from b8000: O0 Il1 |");
	put(24, 70, 0x4f, "last line\x02");
	set_crtc16(0x0c, FIRST * COLUMNS);
	set_crtc16(0x0e, (FIRST + 2) * COLUMNS + 3);
	outb(CRTC, 0x0f);
	print("cursor: %x\n", inb(CRTC + 1));
	print("retrace: %s\n",
		retrace_comes(RETRACE) && retrace_comes(0) && retrace_comes(RETRACE)
			? "comes and goes"
			: "none");
	return 0;
}
