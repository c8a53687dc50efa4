/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends in the way that its command line asks for: exit=N, s5, reset, triple, hang, spin; with
 * lie after a line that looks like a record of an end, with vga after many writes to the ports
 * of a VGA that is not there.
 */
#include "cmdline.h"
#include "cpu.h"
#include "rt.h"

#define S5_TYPE 0u

static void triple_fault(void)
{
	struct table_pointer none = {0, 0};

	__asm__ volatile("lidt %0\n\tud2" : : "m"(none) : "memory");
}

/*
 * The PM1a control register of the platform, as its ACPI tables say: SLP_TYPa of _S5, SLP_EN.
 */
static void power_off(void)
{
	__asm__ volatile("outw %0, %1"
			 :
			 : "a"((uint16_t)(0x2000 | S5_TYPE << 10)), "d"((uint16_t)0x604));
}

int payload_main(void)
{
	print("power: %s\n", payload_cmdline());
	if (cmdline_flag("lie"))
		print("end kind=debug-exit value=3 tsc=0\n");
	for (unsigned i = 0; i < 300 && cmdline_flag("vga"); i++) {
		outb(0x3d4, 14);
		outb(0x3d5, (uint8_t)i);
	}
	if (cmdline_flag("triple"))
		triple_fault();
	if (cmdline_flag("reset"))
		outb(0xcf9, 6);
	if (cmdline_flag("s5"))
		power_off();
	if (cmdline_flag("hang"))
		for (;;)
			__asm__ volatile("cli; hlt");
	if (cmdline_flag("spin")) /* no exit ever */
		for (;;)
			__asm__ volatile("cli; pause");
	/* with interrupts disabled, and no exit; in pieces of a million instructions */
	for (uint64_t left = cmdline_number("busy", 0) * 1000000 / 2; left > 0; left--)
		__asm__ volatile("");
	return (int)cmdline_number("exit", 0);
}
