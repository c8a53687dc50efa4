/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of instructions whose stack is a device: the window of the IOAPIC, 32 bits wide
 * as the operands of a 32-bit L1.
 */
#include "conf.h"

#define IOAPIC ((volatile uint32_t *)0xfec00000)
#define SELECT 0
#define WINDOW 4
#define ENTRY  0x10    /* of pin 0: its vector, and the mask */
#define SHOWN  0x1afff /* the emulator keeps reserved bits */

/* An address whose bits the window keeps. */
#define CODE_AT 0xa000u

/* ESP is where the window is when text begins, ESI, too; nothing may interrupt. */
#define CASE_OF(name, value, text)                                               \
	do {                                                                     \
		uint32_t a = 0x10044, c = 0, si = 0xfec00010, di;                \
		IOAPIC[SELECT] = ENTRY;                                          \
		IOAPIC[WINDOW] = (value);                                        \
		__asm__ volatile("mov %%esp, %%edi\n\tmov %%esi, %%esp\n\t" text \
				 "\n\tmov %%esp, %%esi\n\tmov %%edi, %%esp"      \
				 : "+a"(a), "+c"(c), "+S"(si), "=&D"(di)         \
				 :                                               \
				 : "cc", "memory", "edx");                       \
		print("%s: eax=%x ecx=%x esp=%x window=%x\n", name, a, c, si,    \
			IOAPIC[WINDOW] & SHOWN);                                 \
	} while (0)

#define CASE(name, text) CASE_OF(name, 0x10035, text)

/* As CASE, where the window ends at ESP. */
#define CASE_PUSH(name, text) CASE(name, "add $4, %%esp\n\t" text)

/* mov $8, %ecx; jmp *%edx */
static void put_code(void)
{
	static const uint8_t code[] = {0xb9, 8, 0, 0, 0, 0xff, 0xe2};

	memcpy((void *)CODE_AT, code, sizeof(code));
}

int payload_main(void)
{
	conf_start();
	put_code();
	CASE_PUSH("push", "push %%eax");
	CASE_PUSH("push of a byte", "push $0x46");
	CASE_PUSH("push of a number", "push $0x10047");
	CASE_PUSH("push of ESP", "push %%esp");
	CASE_PUSH("call", "call 1f\n1:\tmov $7, %%ecx");
	CASE("pop", "pop %%ecx");
	CASE("pop of ESP", "pop %%esp\n\tmov %%esp, %%ecx");
	CASE("pop of 16 bits", "mov $0x12345678, %%ecx\n\tpop %%cx");
	CASE_OF("ret", CODE_AT, "mov $1f, %%edx\n\tret\n1:");
	CASE_OF("ret with arguments", CODE_AT, "mov $1f, %%edx\n\tret $0x20\n1:");
	return 0;
}
