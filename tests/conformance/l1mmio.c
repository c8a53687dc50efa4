/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of instructions on device memory: the local APIC's task-priority register as
 * operand. With "walk" on the command line, under Nestor only (DEVIATIONS.md): a paging
 * structure in a device's memory.
 */
#include "apic.h"
#include "cmdline.h"
#include "conf.h"

#define STATUS      0x8d5ul /* CF PF AF ZF SF OF */
#define SLOT_LINEAR 0x700000000000ul

static volatile uint32_t *const tpr = (uint32_t *)(APIC_DEFAULT_BASE + APIC_TPR);

#define CASE(name, text)                                                                      \
	do {                                                                                  \
		uint64_t a = 0x35, c = 0x1234567890, f;                                       \
		*tpr = 0x35;                                                                  \
		__asm__ volatile("push $0x3\n\tpopf\n\t" text "\n\tpushf\n\tpop %2"           \
				 : "+a"(a), "+c"(c), "=&r"(f)                                 \
				 : "d"(tpr)                                                   \
				 : "cc", "memory");                                           \
		print("%s: rax=%lx rcx=%lx flags=%lx tpr=%x\n", name, a, c, f &STATUS, *tpr); \
	} while (0)

static void walk(void)
{
	boot_pml4[SLOT_LINEAR >> 39 & 0x1ff] = APIC_DEFAULT_BASE | 3;
	__asm__ volatile(TRY_BEGIN "mov (%0), %%al" TRY_END
			 :
			 : "r"(SLOT_LINEAR)
			 : "rax", "memory");
	print("walk: vector %d error %x at %lx\n", trap.vector, trap.error, trap.cr2);
	print("the local APIC is there: %x\n", apic_read(APIC_VERSION));
}

int payload_main(void)
{
	if (cpuid(1, 0).ecx & BIT(22)) {
		CASE("movbe load", "movbe (%%rdx), %%ecx");
		CASE("movbe store", "mov $0x42000000, %%eax\n\tmovbe %%eax, (%%rdx)");
	} else {
		conf_skipped("movbe load", "MOVBE");
		conf_skipped("movbe store", "MOVBE");
	}
	CASE("cmpxchg, equal", "lock cmpxchg %%ecx, (%%rdx)");
	CASE("cmpxchg, other", "inc %%eax\n\tcmpxchg %%ecx, (%%rdx)");
	CASE("xadd", "lock xadd %%ecx, (%%rdx)");
	CASE("bt", "btl $4, (%%rdx)");
	CASE("bts", "mov $6, %%ecx\n\tlock bts %%ecx, (%%rdx)");
	CASE("btr", "btrl $0, (%%rdx)");
	CASE("btc", "btcl $33, (%%rdx)");
	CASE("not", "notl (%%rdx)");
	CASE("neg", "negl (%%rdx)");
	CASE("inc", "incl (%%rdx)");
	CASE("dec", "lock decl (%%rdx)");
	CASE("cmovc", "cmovcl (%%rdx), %%ecx");
	CASE("cmovnc", "cmovncl (%%rdx), %%ecx");
	CASE("movnti", "mov $0x71, %%ecx\n\tmovnti %%ecx, (%%rdx)");
	*tpr = 0;
	if (cmdline_flag("walk"))
		walk();
	return 0;
}
