/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Multiboot kernel that calls a BIOS from real mode, as Xen does at its start, by vectors
 * that do little: each call comes back and says so, with all else as it was; interrupts of both
 * PICs are acknowledged. `reboot` and `jump` restart the VM, by INT 19H and at FFFF:0.
 */
#include "cmdline.h"
#include "cpu.h"
#include "real_mode.h"
#include "rt.h"

static bool executes(const uint8_t *code, unsigned size)
{
	*real_regs() = (struct real_regs){
		0x0241, 0x1122, 0x3344, 0x0080, 0x5566, 0x7788, 0x99aa, 0, 0, 0, 0};
	return in_real_mode(code, size);
}

static bool others_intact(void)
{
	volatile struct real_regs *r = real_regs();

	return r->ebx == 0x1122 && r->ecx == 0x3344 && r->edx == 0x80 && r->esi == 0x5566 &&
	       r->edi == 0x7788 && r->ebp == 0x99aa;
}

static void call(uint8_t vector)
{
	bool intact = executes((const uint8_t[]){0xcd, vector}, 2) && others_intact();

	print("int %x: ax %x, carry %u, zero %u, %s\n", vector, real_regs()->eax,
		real_regs()->flags & 1u, real_regs()->flags >> 6 & 1u,
		intact ? "intact" : "CHANGED");
}

static void cmos(uint8_t reg, uint8_t value)
{
	outb(0x70, reg);
	outb(0x71, value);
}

static uint8_t in_service(uint16_t pic)
{
	outb(pic, 0x0b);
	return inb(pic);
}

/* Where a BIOS has them: 08H and 70H. */
static void start_pics(uint8_t mask1, uint8_t mask2)
{
	static const uint8_t words[][2] = {{0x20, 0x11}, {0xa0, 0x11}, {0x21, 0x08},
		{0xa1, 0x70}, {0x21, 4}, {0xa1, 2}, {0x21, 1}, {0xa1, 1}};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		outb(words[i][0], words[i][1]);
	outb(0x21, mask1);
	outb(0xa1, mask2);
}

static void wait_for(const char *what)
{
	bool intact = executes((const uint8_t[]){0xfb, 0xf4}, 2) && others_intact();

	print("%s: ax %x, in service %x %x, %s\n", what, real_regs()->eax, in_service(0x20),
		in_service(0xa0), intact ? "intact" : "CHANGED");
}

static void interrupts(void)
{
	start_pics(0xfe, 0xff);
	outb(0x43, 0x34); /* channel 0, rate generator: 1 ms */
	outb(0x40, 0xa9);
	outb(0x40, 0x04);
	wait_for("timer");
	wait_for("timer again");
	start_pics(0xfb, 0xfe);
	cmos(0x0a, 0x26);
	cmos(0x0b, 0x42); /* periodic */
	outb(0x70, 0x0c);
	(void)inb(0x71);
	wait_for("clock");
	outb(0x70, 0x0c);
	(void)inb(0x71);
	wait_for("clock again");
}

/* The compiler takes addresses that it knows to be near 0 for mistakes. */
static uint16_t low16(uintptr_t at)
{
	__asm__("" : "+r"(at));
	return *(volatile uint16_t *)at;
}

int payload_main(void)
{
	static const uint8_t vectors[] = {
		0x00, 0x06, 0x13, 0x17, 0x1c, 0x40, 0x41, 0x60, 0x80, 0xff};

	if (cmdline_flag("reboot"))
		executes((const uint8_t[]){0xcd, 0x19}, 2);
	if (cmdline_flag("jump"))
		executes((const uint8_t[]){0xea, 0, 0, 0xff, 0xff}, 5);
	for (unsigned i = 0; i < sizeof(vectors); i++)
		call(vectors[i]);
	interrupts();
	print("BDA: COM1 %x, EBDA %x, memory %u KiB\n", low16(0x400), low16(0x40e),
		low16(0x413));
	return 0;
}
