/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for what is typed at the first serial port, by looks at its line status, and tells each
 * line of it. A line `quit` ends it. On the command line: id=N, a number that it tells; quiet:
 * tells nothing; back: sends each line back by that port; deaf: takes nothing; halt: sleeps
 * until the port's interrupt.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"

#define COM1 0x3f8
#define IER  (COM1 + 1)
#define FCR  (COM1 + 2)
#define LCR  (COM1 + 3)
#define MCR  (COM1 + 4)
#define LSR  (COM1 + 5)

#define VECTOR_BASE 0x40 /* of the PIC; the port's line is 4 */

static char line[100];
static bool halts;

/* A master PIC that lets only the port through, in the order of its initialisation words. */
static void use_interrupts(void)
{
	outb(0x20, 0x11);
	outb(0x21, VECTOR_BASE);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0x21, (uint8_t)~0x10);
	outb(0xa1, 0xff);
	outb(FCR, 0xc1); /* 14 bytes */
	outb(MCR, 0x0b);
	outb(IER, 0x01);
}

static void wait_for_byte(void)
{
	while (!(inb(LSR) & 1))
		if (halts) {
			outb(IER, 1); /* a byte that came meanwhile is an edge now */
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		}
}

static bool end_of_interrupt(struct trap_frame *f)
{
	if (f->vector != VECTOR_BASE + 4)
		return false;
	outb(IER, 0); /* until it is waited for again */
	outb(0x20, 0x20);
	return false;
}

static char next_byte(void)
{
	wait_for_byte();
	return (char)inb(COM1);
}

static void read_line(void)
{
	unsigned n = 0;
	char c;

	while ((c = next_byte()) != '\n' && c != '\r')
		if (n < sizeof(line) - 1)
			line[n++] = c;
	line[n] = 0;
}

static void send_back(void)
{
	for (const char *c = line; *c; c++) {
		while (!(inb(LSR) & 0x20))
			;
		outb(COM1, (uint8_t)*c);
	}
}

static bool is_quit(void)
{
	return memcmp(line, "quit", 5) == 0;
}

int payload_main(void)
{
	unsigned id = (unsigned)cmdline_number("id", 0);

	outb(LCR, 0x80);
	outb(COM1, 1); /* 115200 */
	outb(IER, 0);
	outb(LCR, 0x03);
	halts = cmdline_flag("halt");
	trap_hook = end_of_interrupt;
	if (halts)
		use_interrupts();
	if (!cmdline_flag("quiet"))
		print("typed %u: ready\n", id);
	if (cmdline_flag("deaf"))
		for (;;)
			__asm__ volatile("pause");
	do {
		read_line();
		if (!cmdline_flag("quiet"))
			print("typed %u: '%s'\n", id, line);
		if (cmdline_flag("back"))
			send_back();
	} while (!is_quit());
	return 3;
}
