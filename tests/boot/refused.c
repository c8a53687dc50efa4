/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accesses to device memory that L0 does not complete raise an exception in the guest, and the
 * guest goes on; so it does after a HLT with a single step due. Under Nestor only: on the
 * machine such accesses reach the device.
 */
#include "cpu.h"
#include "rt.h"
#include "smp.h"

#define IOAPIC 0xfec00000ul
#define LAPIC  0xfee00000ul

static uint64_t old_rsp __attribute__((used));

#define CASE(name, at, text)                                                     \
	do {                                                                     \
		trap.vector = -1;                                                \
		__asm__ volatile("mov %%rsp, old_rsp\n\t" TRY_BEGIN text TRY_END \
				 "mov old_rsp, %%rsp"                            \
				 :                                               \
				 : "S"(at)                                       \
				 : "rax", "memory", "cc");                       \
		print("%s: vector %d\n", name, trap.vector);                     \
	} while (0)

static void refused(void)
{
	CASE("sgdt", IOAPIC, "sgdt (%%rsi)");
	CASE("fxsave", IOAPIC, "fxsave64 (%%rsi)");
	CASE("fild", IOAPIC, "fildl (%%rsi)");
	CASE("mmx", IOAPIC, "movq (%%rsi), %%mm0");
	CASE("far jump", IOAPIC, "ljmp *(%%rsi)");
	CASE("mov to a segment", IOAPIC, "mov (%%rsi), %%fs");
	CASE("fetch from the IOAPIC", IOAPIC, "jmp *%%rsi");
	CASE("fetch from the local APIC", LAPIC + 0x800, "jmp *%%rsi");
	CASE("fxsave to the local APIC", LAPIC, "fxsave64 (%%rsi)");
	print("the local APIC is there: %x\n", *(volatile uint32_t *)(LAPIC + 0x30));
}

static int steps;

static bool count_steps(struct trap_frame *f)
{
	if (f->vector != 1)
		return false;
	if (++steps == 3)
		f->rflags &= ~0x100ul;
	return true;
}

/* SDM vol. 2A "HLT": a debug exception resumes execution. No interrupt comes. */
static void halt_with_tf(void)
{
	trap_hook = count_steps;
	__asm__ volatile("pushf\n\torl $0x100, (%%rsp)\n\tpopf\n\thlt\n\tnop\n\tnop"
			 :
			 :
			 : "memory", "cc");
	trap_hook = NULL;
	print("hlt with TF: %d steps\n", steps);
}

int payload_main(void)
{
	write_cr4(read_cr4() | 0x200); /* OSFXSR */
	refused();
	halt_with_tf();
	return 0;
}
