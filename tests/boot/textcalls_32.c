/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Multiboot kernel that prints on the text mode of a VGA by INT 10H, and tells on its console
 * what it then finds in the text memory, in the CRT controller and in the BIOS data area. What
 * it leaves on the screen is the test's to look at.
 */
#include "cpu.h"
#include "real_mode.h"
#include "rt.h"

#define TEXT    ((volatile uint16_t *)0xb8000)
#define CELLS   0x4000u
#define COLUMNS 80u
#define PAGE    0x800u /* cells */
#define CRTC    0x3d4
#define STRING  0x7c00u

/* The compiler takes addresses that it knows to be near 0 for mistakes. */
static volatile uint8_t *low(uintptr_t at)
{
	__asm__("" : "+r"(at));
	return (volatile uint8_t *)at;
}

static uint8_t crtc(uint8_t index)
{
	outb(CRTC, index);
	return inb(CRTC + 1);
}

static uint32_t crtc16(uint8_t index)
{
	return (uint32_t)crtc(index) << 8 | crtc((uint8_t)(index + 1));
}

static void set_crtc(uint8_t index, uint8_t value)
{
	outb(CRTC, index);
	outb(CRTC + 1, value);
}

static uint32_t cell(unsigned row, unsigned column)
{
	return TEXT[row * COLUMNS + column];
}

/* ECX and EDX count 16 bits; what a call does not answer must come back. */
static bool call(uint16_t ax, uint16_t bx, uint16_t cx, uint16_t dx)
{
	volatile struct real_regs *r = real_regs();
	const struct real_regs in = {0x11110000u | ax, 0x22220000u | bx, 0x33330000u | cx,
		0x44440000u | dx, 0x55665566, 0x77887788, 0x99aa0000u | STRING, 0, 0, 0, 0};

	*r = in;
	return in_real_mode((const uint8_t[]){0xcd, 0x10}, 2) && r->esi == in.esi &&
	       r->edi == in.edi && r->ebp == in.ebp && r->es == in.es;
}

/* Those that answer nothing. */
static void quiet(uint16_t ax, uint16_t bx, uint16_t cx, uint16_t dx)
{
	volatile struct real_regs *r = real_regs();

	if (!call(ax, bx, cx, dx) || (uint16_t)r->eax != ax || (uint16_t)r->ebx != bx ||
		(uint16_t)r->ecx != cx || (uint16_t)r->edx != dx)
		print("CHANGED by %x\n", ax);
}

static void type(const char *s)
{
	for (; *s; s++)
		quiet((uint16_t)(0x0e00 | (uint8_t)*s), 0xff00, 0, 0);
}

static void go(uint8_t page, uint8_t row, uint8_t column)
{
	quiet(0x0200, (uint16_t)(page << 8), 0, (uint16_t)(row << 8 | column));
}

/* What was on the screen, and what somebody did to the registers, is gone. */
static void modes(void)
{
	for (unsigned i = 0; i < CELLS; i++)
		TEXT[i] = 0x4f58;
	set_crtc(0x0c, 3);
	set_crtc(0x11, 0);
	set_crtc(0x01, 39);
	quiet(0x0083, 0, 0, 0);
	print("mode 83: cell %x, start %x, last column %x, protected %x\n", cell(3, 3),
		crtc16(0x0c), crtc(0x01), crtc(0x11) & 0x80);
	outb(0x3c8, 7);
	for (unsigned i = 0; i < 3; i++)
		outb(0x3c9, 1);
	go(0, 7, 7);
	quiet(0x0003, 0, 0, 0);
	outb(0x3c7, 20);
	print("mode 3: cells %x %x, cursor %x, brown %x", cell(0, 0), TEXT[CELLS - 1],
		crtc16(0x0e), inb(0x3c9));
	print(" %x", inb(0x3c9));
	print(" %x\n", inb(0x3c9));
	go(0, 1, 1);
	quiet(0x0013, 0, 0, 0);
	(void)call(0x0f00, 0, 0, 0);
	print("mode 13: mode %x, cursor %x\n", real_regs()->eax & 0xffff, crtc16(0x0e));
}

static void cells(void)
{
	go(0, 5, 10);
	quiet(0x0942, 0x1e, 3, 0);
	go(0, 5, 12);
	quiet(0x0a43, 0x2f, 2, 0);
	print("\ncells: %x %x %x %x, cursor %x\n", cell(5, 10), cell(5, 11), cell(5, 12),
		cell(5, 13), crtc16(0x0e));
	(void)call(0x0800, 0, 0, 0);
	print("read: %x\n", real_regs()->eax & 0xffff);
	(void)call(0x0300, 0, 0, 0);
	print("cursor: %x, shape %x\n", real_regs()->edx & 0xffff, real_regs()->ecx & 0xffff);
	quiet(0x0100, 0, 0x0007, 0);
	print("shape of eight lines: %x\n", crtc16(0x0a));
	quiet(0x0100, 0, 0x2000, 0);
	print("no cursor: %x\n", crtc16(0x0a));
	quiet(0x0100, 0, 0x0d0e, 0);
	quiet(0x0900, 0x70, 0, 0);
	print("none: %x\n", cell(5, 12));
}

/* Characters that move, and a row more than there are. */
static void rows(void)
{
	go(0, 23, 77);
	quiet(0x0920, 0x1f, 83, 0);
	type("abcd\b\be\rf\ng");
	print("\nrows: %x %x %x %x %x, cursor %x\n", cell(22, 77), cell(22, 79), cell(23, 0),
		cell(23, 1), cell(24, 1), crtc16(0x0e));
	print("a blank of the last one: %x\n", cell(24, 5));
	go(0, 24, 79);
	type("z");
	print("\nbehind the last cell: %x %x, cursor %x\n", cell(23, 79), cell(24, 79),
		crtc16(0x0e));
}

static void windows(void)
{
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 4; k++)
			TEXT[i * COLUMNS + k] = (uint16_t)(0x3030 + 4 * i + k);
	quiet(0x0601, 0x4100, 0x0001, 0x0202); /* of rows 0 to 2, columns 1 and 2 */
	print("up: %x %x %x %x, %x\n", cell(0, 1), cell(1, 2), cell(2, 1), cell(2, 0),
		cell(3, 1));
	quiet(0x0702, 0x4200, 0x0000, 0x0303);
	print("down: %x %x %x %x\n", cell(0, 0), cell(1, 3), cell(2, 0), cell(3, 3));
	quiet(0x0600, 0x4300, 0x0101, 0xffff);
	print("all: %x %x %x\n", cell(1, 0), cell(1, 1), cell(24, 79));
	quiet(0x07ff, 0x4400, 0x0202, 0x0101);
	print("none: %x\n", cell(2, 2));
}

static void pages(void)
{
	quiet(0x0502, 0, 0, 0);
	type("2");
	print("\npage 2: start %x, cell %x, cursor %x\n", crtc16(0x0c), TEXT[2 * PAGE],
		crtc16(0x0e));
	go(1, 1, 0);
	quiet(0x0931, 0x0117, 1, 0);
	print("\npage 1: cell %x, cursor %x\n", TEXT[PAGE + COLUMNS], crtc16(0x0e));
	(void)call(0x0f00, 0, 0, 0);
	print("shown: %x, starts at %x\n", real_regs()->ebx & 0xffff,
		low(0x44e)[0] | low(0x44e)[1] << 8);
	quiet(0x0500, 0, 0, 0);
}

static void strings(void)
{
	static const char plain[] = "plain\r\nnext", coloured[] = "r\x4f"
								  "g\x2f";

	quiet(0x0003, 0, 0, 0);
	memcpy((void *)(uintptr_t)STRING, plain, sizeof(plain));
	quiet(0x1301, 0x1e, sizeof(plain) - 1, 0x0205);
	print("\nstring: %x %x, cursor %x\n", cell(2, 5), cell(3, 3), crtc16(0x0e));
	memcpy((void *)(uintptr_t)STRING, coloured, sizeof(coloured));
	quiet(0x1302, 0x1e, 2, 0x0400);
	print("\ncoloured: %x %x, cursor %x\n", cell(4, 0), cell(4, 1), crtc16(0x0e));
}

static void tells(void)
{
	(void)call(0x1200, 0x10, 0, 0);
	print("memory: %x %x\n", real_regs()->ebx & 0xffff, real_regs()->ecx & 0xffff);
	(void)call(0x1202, 0x30, 0, 0);
	print("400 lines: %x\n", real_regs()->eax & 0xffff);
	(void)call(0x1a00, 0, 0, 0);
	print("display: %x %x\n", real_regs()->eax & 0xffff, real_regs()->ebx & 0xffff);
	quiet(0x4f00, 1, 2, 3);
}

int payload_main(void)
{
	modes();
	cells();
	rows();
	windows();
	pages();
	strings();
	tells();
	return 0;
}
