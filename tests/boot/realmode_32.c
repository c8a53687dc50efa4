/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Multiboot kernel that calls a BIOS from real mode, as Xen does at its start, where there is
 * none: each call comes back and says so, with all else as it was; interrupts of both PICs are
 * acknowledged. `reboot` and `jump` restart the VM, by INT 19H and at FFFF:0.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"

#define CODE_AT 0x8000u
#define REGS_AT 0x7e00u
#define LOW_END 0x7000u /* the stack of real mode is below, the area that is compared, too */
#define STACK   0x100u

struct regs {
	uint16_t ax, bx, cx, dx, si, di, bp, flags, sp;
};

/* In: `real_site` in the copy of `real_code`, and REGS_AT; out: REGS_AT. */
void real_mode(void);
extern const uint8_t real_code[], real_site[], real_code_end[];

__asm__(".text\n"
	"real_mode:\n"
	"	pushal\n"
	"	movl	%esp, real_esp\n"
	"	sidt	real_idt\n"
	"	movl	%cr0, %eax\n"
	"	andl	$0x7fffffff, %eax\n"
	"	movl	%eax, %cr0\n"
	"	lidt	real_ivt\n"
	"	ljmp	$0x40, $0x8000\n"
	"real_back:\n"
	"	movl	$0x10, %eax\n"
	"	movl	%eax, %ds\n"
	"	movl	%eax, %es\n"
	"	movl	%eax, %ss\n"
	"	movl	real_esp, %esp\n"
	"	lidt	real_idt\n"
	"	movl	%cr0, %eax\n"
	"	orl	$0x80000000, %eax\n"
	"	movl	%eax, %cr0\n"
	"	popal\n"
	"	ret\n"
	"	.code16\n"
	"real_code:\n"
	"	movw	$0x48, %ax\n"
	"	movw	%ax, %ds\n"
	"	movw	%ax, %es\n"
	"	movw	%ax, %ss\n"
	"	movl	%cr0, %eax\n"
	"	andb	$0xfe, %al\n"
	"	movl	%eax, %cr0\n"
	"	ljmp	$0, $0x8000 + 1f - real_code\n"
	"1:	xorw	%ax, %ax\n"
	"	movw	%ax, %ds\n"
	"	movw	%ax, %es\n"
	"	movw	%ax, %ss\n"
	"	movw	$0x7000, %sp\n"
	"	movw	0x7e00, %ax\n"
	"	movw	0x7e02, %bx\n"
	"	movw	0x7e04, %cx\n"
	"	movw	0x7e06, %dx\n"
	"	movw	0x7e08, %si\n"
	"	movw	0x7e0a, %di\n"
	"	movw	0x7e0c, %bp\n"
	"real_site:\n"
	"	.fill	5, 1, 0x90\n"
	"	cli\n"
	"	movw	%ax, 0x7e00\n"
	"	movw	%bx, 0x7e02\n"
	"	movw	%cx, 0x7e04\n"
	"	movw	%dx, 0x7e06\n"
	"	movw	%si, 0x7e08\n"
	"	movw	%di, 0x7e0a\n"
	"	movw	%bp, 0x7e0c\n"
	"	movw	%sp, 0x7e10\n"
	"	pushfw\n"
	"	popw	0x7e0e\n"
	"	movl	%cr0, %eax\n"
	"	orb	$1, %al\n"
	"	movl	%eax, %cr0\n"
	"	ljmpl	$0x18, $real_back\n"
	"real_code_end:\n"
	"	.code32\n"
	"	.data\n"
	"	.balign	4\n"
	"real_esp: .long 0\n"
	"real_idt: .skip 6\n"
	"real_ivt: .word 0x3ff\n	.long 0\n"
	"	.text\n");

static uint8_t before[LOW_END - STACK];

static volatile struct regs *regs(void)
{
	return (volatile struct regs *)(uintptr_t)REGS_AT;
}

/* Executes up to five bytes in real mode. False: memory or the stack pointer is another. */
static bool in_real_mode(const uint8_t *code, unsigned size)
{
	uint8_t *copy = (uint8_t *)(uintptr_t)CODE_AT;

	memcpy(copy, real_code, (unsigned)(real_code_end - real_code));
	memcpy(copy + (real_site - real_code), code, size);
	*regs() = (struct regs){0x0241, 0x1122, 0x3344, 0x0080, 0x5566, 0x7788, 0x99aa, 0, 0};
	for (unsigned i = 0; i < sizeof(before); i++)
		before[i] = *(volatile uint8_t *)(uintptr_t)i;
	real_mode();
	for (unsigned i = 0; i < sizeof(before); i++)
		if (before[i] != *(volatile uint8_t *)(uintptr_t)i)
			return false;
	return regs()->sp == LOW_END;
}

static bool others_intact(void)
{
	volatile struct regs *r = regs();

	return r->bx == 0x1122 && r->cx == 0x3344 && r->dx == 0x80 && r->si == 0x5566 &&
	       r->di == 0x7788 && r->bp == 0x99aa;
}

static void call(uint8_t vector)
{
	bool intact = in_real_mode((const uint8_t[]){0xcd, vector}, 2) && others_intact();

	print("int %x: ax %x, carry %u, zero %u, %s\n", vector, regs()->ax, regs()->flags & 1u,
		regs()->flags >> 6 & 1u, intact ? "intact" : "CHANGED");
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
	bool intact = in_real_mode((const uint8_t[]){0xfb, 0xf4}, 2) && others_intact();

	print("%s: ax %x, in service %x %x, %s\n", what, regs()->ax, in_service(0x20),
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
	static const uint8_t vectors[] = {0x00, 0x06, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16,
		0x17, 0x1a, 0x1c, 0x40, 0x41, 0x60, 0x80, 0xff};

	if (cmdline_flag("reboot"))
		in_real_mode((const uint8_t[]){0xcd, 0x19}, 2);
	if (cmdline_flag("jump"))
		in_real_mode((const uint8_t[]){0xea, 0, 0, 0xff, 0xff}, 5);
	for (unsigned i = 0; i < sizeof(vectors); i++)
		call(vectors[i]);
	interrupts();
	print("BDA: COM1 %x, EBDA %x, memory %u KiB\n", low16(0x400), low16(0x40e),
		low16(0x413));
	return 0;
}
