/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Multiboot kernel that calls each function of the BIOS from real mode, and prints what came
 * back. Registers that are no result must come back as they were. `keys` reads two keys.
 */
#include "cmdline.h"
#include "cpu.h"
#include "real_mode.h"
#include "rt.h"

#define BUFFER 0x7c00u /* of the calls, above the memory that is compared */
#define SMAP   0x534d4150u

enum reg { /* sets of them */
	EAX = 1,
	EBX = 2,
	ECX = 4,
	EDX = 8,
	ES = 16
};

struct call {
	const char *name;
	uint8_t vector;
	uint8_t results; /* enum reg; others come back as they were */
	uint32_t eax, ebx, ecx, edx;
	uint32_t flags; /* set where the call clears them, so that this is seen */
};

#define C REAL_CARRY
#define Z REAL_ZERO

static const struct call calls[] = {
	{"10 set mode", 0x10, 0, 0x0003, 0, 0, 0, 0},
	{"10 mode", 0x10, EAX | EBX, 0x0f00, 0xabcd, 0, 0, 0},
	{"10 cursor", 0x10, ECX | EDX, 0x0300, 0, 0, 0xffff, 0},
	{"10 write A", 0x10, 0, 0x0e41, 7, 0, 0, 0},
	{"10 cursor behind A", 0x10, ECX | EDX, 0x0300, 0, 0, 0, 0},
	{"10 write BB in place", 0x10, 0, 0x0942, 7, 2, 0, 0},
	{"10 blank the screen", 0x10, 0, 0x0920, 7, 2000, 0, 0},
	{"10 cursor to 5, 10", 0x10, 0, 0x0200, 0, 0, 0x050a, 0},
	{"10 cursor there", 0x10, ECX | EDX, 0x0300, 0, 0, 0, 0},
	{"10 read", 0x10, EAX, 0x0800, 0, 0, 0, 0},
	{"10 VESA", 0x10, 0, 0x4f00, 0, 0, 0, 0},
	{"10 VGA", 0x10, 0, 0x1a00, 0, 0, 0, 0},
	{"11", 0x11, EAX, 0, 0, 0, 0, 0},
	{"12", 0x12, EAX, 0, 0, 0, 0, 0},
	{"13 reset", 0x13, EAX, 0x0000, 0, 0, 0x80, 0},
	{"13 status", 0x13, EAX, 0x0100, 0, 0, 0x80, 0},
	{"13 read", 0x13, EAX, 0x0201, 0, 1, 0x80, 0},
	{"13 parameters", 0x13, EAX | EDX, 0x0800, 0, 0, 0x80, 0},
	{"13 type", 0x13, EAX, 0x1500, 0, 0, 0x80, C},
	{"13 extensions", 0x13, EAX, 0x4100, 0x55aa, 0, 0x80, 0},
	{"14 other port", 0x14, EAX, 0x0300, 0, 0, 1, 0},
	{"14 set", 0x14, EAX, 0x00e3, 0, 0, 0, 0},
	{"14 send C", 0x14, EAX, 0x0143, 0, 0, 0, 0},
	{"14 receive", 0x14, EAX, 0x0200, 0, 0, 0, 0},
	{"15 88", 0x15, EAX, 0x8800, 0, 0, 0, C},
	{"15 e801", 0x15, EAX | EBX | ECX | EDX, 0xe801, 0, 0, 0, C},
	{"15 a20 off", 0x15, EAX, 0x2400, 0, 0, 0, 0},
	{"15 a20 on", 0x15, EAX, 0x2401, 0, 0, 0, C},
	{"15 a20", 0x15, EAX, 0x2402, 0, 0, 0, C},
	{"15 a20 how", 0x15, EAX | EBX, 0x2403, 0, 0, 0, C},
	{"15 wait", 0x15, EAX, 0x8600, 0, 0, 1000, C},
	{"15 configuration", 0x15, EAX | EBX | ES, 0xc000, 0, 0, 0, C},
	{"15 extended data", 0x15, EAX | ES, 0xc100, 0, 0, 0, C},
	{"15 e820 no magic", 0x15, EAX, 0xe820, 0, 24, 1, 0},
	{"15 e820 no room", 0x15, EAX, 0xe820, 0, 19, SMAP, 0},
	{"15 e820 behind", 0x15, EAX, 0xe820, 0x10000, 24, SMAP, 0},
	{"15 APM", 0x15, EAX, 0x5300, 0, 0, 0, 0},
	{"16 look", 0x16, EAX, 0x0100, 0, 0, 0, 0},
	{"16 shift", 0x16, EAX, 0x0200, 0, 0, 0, 0},
	{"16 store", 0x16, EAX, 0x0500, 0, 0x1e61, 0, 0},
	{"16 look again", 0x16, EAX, 0x1100, 0, 0, 0, Z},
	{"16 read", 0x16, EAX, 0x0000, 0, 0, 0, 0},
	{"16 look at none", 0x16, EAX, 0x0100, 0, 0, 0, 0},
	{"1a set ticks", 0x1a, EAX, 0x0100, 0, 0x12, 0x3456, C},
	{"1a ticks", 0x1a, EAX | ECX | EDX, 0x0000, 0, 0, 0, C},
	{"1a PCI", 0x1a, EAX, 0xb101, 0, 0, 0, 0},
};

/* The compiler takes addresses that it knows to be near 0 for mistakes. */
static volatile uint8_t *low(uintptr_t at)
{
	__asm__("" : "+r"(at));
	return (volatile uint8_t *)at;
}

static void set(const struct call *c)
{
	*real_regs() = (struct real_regs){c->eax, c->ebx, c->ecx, c->edx, 0x55665566,
		0x77880000 | BUFFER, 0x99aa99aa, c->flags, 0, 0, 0};
}

static bool executes(uint8_t vector)
{
	return in_real_mode((const uint8_t[]){0xcd, vector}, 2);
}

/* Of a register that is a result nothing is asked. */
static bool others_intact(const struct call *c)
{
	volatile struct real_regs *r = real_regs();

	return (c->results & EAX || r->eax == c->eax) &&
	       (c->results & EBX || r->ebx == c->ebx) &&
	       (c->results & ECX || r->ecx == c->ecx) &&
	       (c->results & EDX || r->edx == c->edx) && (c->results & ES || r->es == 0) &&
	       r->esi == 0x55665566 && r->edi == (0x77880000 | BUFFER) && r->ebp == 0x99aa99aa;
}

static void call(const struct call *c)
{
	volatile struct real_regs *r = real_regs();
	bool intact;

	set(c);
	intact = executes(c->vector) && others_intact(c);
	print("int %s:", c->name);
	if (c->results & EAX)
		print(" ax %x", r->eax);
	if (c->results & EBX)
		print(" bx %x", r->ebx);
	if (c->results & ECX)
		print(" cx %x", r->ecx);
	if (c->results & EDX)
		print(" dx %x", r->edx);
	if (c->results & ES)
		print(" es %x", r->es);
	print(", carry %u, zero %u, %s\n", r->flags & REAL_CARRY ? 1 : 0,
		r->flags & REAL_ZERO ? 1 : 0, intact ? "intact" : "CHANGED");
}

/* All rows, with room for so many bytes. */
static void memory_map(uint32_t room)
{
	struct call c = {"", 0x15, 0, 0xe820, 0, room, SMAP, C};
	volatile uint32_t *row = (volatile uint32_t *)low(BUFFER);
	volatile struct real_regs *r = real_regs();
	bool intact;

	do {
		for (unsigned i = 0; i < 7; i++)
			row[i] = 0xa5a5a5a5;
		set(&c);
		(void)executes(0x15);
		intact = r->edx == SMAP && r->edi == (0x77880000 | BUFFER) && r->es == 0;
		print("e820 %u: %x%08x %x%08x %u %x, eax %x, ecx %u, carry %u, %s\n", room,
			row[1], row[0], row[3], row[2], row[4], row[5], r->eax, r->ecx,
			r->flags & REAL_CARRY ? 1 : 0, intact ? "intact" : "CHANGED");
		c.ebx = r->ebx;
	} while (c.ebx != 0 && !(r->flags & REAL_CARRY));
}

/* Into a buffer whose end is at the start of its segment, not of the next one. */
static void memory_map_over_the_end(void)
{
	const struct call c = {"", 0x15, 0, 0xe820, 0, 24, SMAP, C};
	volatile uint32_t *end = (volatile uint32_t *)low(0x1fff8);
	volatile uint32_t *start = (volatile uint32_t *)low(0x10000);

	set(&c);
	real_regs()->es = 0x1000;
	real_regs()->edi = 0xfff9;
	low(0x1fff9)[0] = low(0x1000c)[0] = low(0x10010)[0] = 0xa5;
	(void)executes(0x15);
	print("e820 over the end: %x %x %x %x %x %x, %x, ecx %u, carry %u\n", end[0], end[1],
		start[0], start[1], start[2], start[3], start[4], real_regs()->ecx,
		real_regs()->flags & REAL_CARRY ? 1 : 0);
}

/* The clock is the machine's: that it is one. */
static void clock(void)
{
	struct call now = {"", 0x1a, 0, 0x0200, 0, 0, 0, C},
		    date = {"", 0x1a, 0, 0x0400, 0, 0, 0, C};
	volatile struct real_regs *r = real_regs();
	uint32_t hour, month;

	set(&now);
	(void)executes(0x1a);
	hour = r->ecx >> 8 & 0xff;
	print("int 1a time: %s, carry %u\n", hour < 0x24 ? "an hour" : "NO HOUR",
		r->flags & REAL_CARRY ? 1 : 0);
	set(&date);
	(void)executes(0x1a);
	month = r->edx >> 8 & 0xff;
	print("int 1a date: century %x, %s, carry %u\n", r->ecx >> 8 & 0xff,
		month >= 1 && month <= 0x12 ? "a month" : "NO MONTH",
		r->flags & REAL_CARRY ? 1 : 0);
}

/* The PICs' masks; the PIT is as after reset, and begins here to count at 18.2 Hz. */
static void hardware(void)
{
	print("hardware: masks %x %x\n", inb(0x21), inb(0xa1));
	outb(0x43, 0x34);
	outb(0x40, 0);
	outb(0x40, 0);
}

/* Ticks come by vector 08H once IRQ 0 is let through: the PICs have their vectors. */
static void ticks(void)
{
	struct call set_ticks = {"", 0x1a, EAX, 0x0100, 0, 0, 0, 0};
	struct call get = {"", 0x1a, EAX, 0, 0, 0, 0, 0};

	set(&set_ticks);
	(void)executes(0x1a);
	outb(0x21, inb(0x21) & 0xfe);
	for (unsigned i = 0; i < 3; i++)
		(void)in_real_mode((const uint8_t[]){0xfb, 0xf4}, 2); /* sti, hlt */
	outb(0x21, inb(0x21) | 1);
	set(&get);
	(void)executes(0x1a);
	print("ticks: %u\n", real_regs()->edx & 0xffff);
	low(0x46c)[0] = 0xaf; /* the last of the day */
	low(0x46c)[1] = 0;
	low(0x46c)[2] = 0x18;
	outb(0x21, inb(0x21) & 0xfe);
	(void)in_real_mode((const uint8_t[]){0xfb, 0xf4}, 2);
	outb(0x21, inb(0x21) | 1);
	set(&get);
	(void)executes(0x1a);
	print("midnight: al %x, ticks %u\n", real_regs()->eax & 0xff,
		real_regs()->edx & 0xffff);
}

/* Those that the PIT counts while a call waits. */
static uint32_t ticks_of(const struct call *c)
{
	struct call set_ticks = {"", 0x1a, EAX, 0x0100, 0, 0, 0, 0};
	struct call get = {"", 0x1a, EAX, 0, 0, 0, 0, 0};

	set(&set_ticks);
	(void)executes(0x1a);
	outb(0x21, inb(0x21) & 0xfe);
	set(c);
	(void)executes(c->vector);
	outb(0x21, inb(0x21) | 1);
	set(&get);
	(void)executes(0x1a);
	return real_regs()->edx & 0xffff;
}

/* Half a second, in which the PIT ticks nine times; and as long as a byte may take to come. */
static void ticks_of_a_wait(void)
{
	const struct call wait = {"", 0x15, EAX, 0x8600, 0, 7, 0xa120, 0x200};
	const struct call receive = {"", 0x14, EAX, 0x0200, 0, 0, 0, 0x200};

	print("ticks of a wait: %s\n", ticks_of(&wait) >= 8 ? "all" : "lost");
	print("ticks of a line that is silent: %s\n",
		ticks_of(&receive) >= 2 ? "some" : "lost");
}

static void read_keys(void)
{
	static const struct call read = {"16 read", 0x16, EAX, 0x1000, 0, 0, 0, 0};

	print("keys?\n");
	call(&read);
	call(&read);
}

/* Code that restarts the processor goes on behind itself, by the address at 40:67. */
static void warm_restart(const char *how, uint8_t shutdown, const uint8_t code[5])
{
	bool came;

	outb(0x70, 0x0f);
	outb(0x71, shutdown);
	low(0x467)[0] = (uint8_t)real_site_end();
	low(0x467)[1] = (uint8_t)(real_site_end() >> 8);
	low(0x467)[2] = low(0x467)[3] = 0;
	real_regs()->sp = 0xffff;
	real_regs()->edx = 0xcf9;
	came = in_real_mode(code, 5);
	outb(0x70, 0x0f);
	print("restart by %s: memory and stack %s, sp %x, shutdown %x\n", how,
		came ? "intact" : "other", real_regs()->sp, inb(0x71));
}

int payload_main(void)
{
	if (cmdline_flag("keys")) {
		read_keys();
		return 0;
	}
	hardware();
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		call(&calls[i]);
	memory_map(20);
	memory_map(24);
	memory_map_over_the_end();
	clock();
	ticks();
	ticks_of_a_wait();
	warm_restart("ffff:0", 0x0a, (const uint8_t[]){0xea, 0, 0, 0xff, 0xff});
	/* mov $0xfe, %al; out %al, $0x64; hlt */
	warm_restart("64", 0x0a, (const uint8_t[]){0xb0, 0xfe, 0xe6, 0x64, 0xf4});
	warm_restart("64", 0x05, (const uint8_t[]){0xb0, 0xfe, 0xe6, 0x64, 0xf4});
	/* mov $4, %al; out %al, %dx; hlt */
	warm_restart("cf9", 0x0a, (const uint8_t[]){0xb0, 0x04, 0xee, 0xf4, 0xf4});
	/* mov $1, %sp; push %ax: no fault can be delivered, either */
	warm_restart("a triple fault", 0x0a, (const uint8_t[]){0xbc, 0x01, 0x00, 0x50, 0xf4});
	return 0;
}
