/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of instructions with operands in device memory: registers of the IOAPIC, which no
 * processor virtualizes, as source, as destination and as both.
 */
#include "conf.h"

#define IOAPIC ((volatile uint32_t *)0xfec00000)
#define SELECT 0
#define WINDOW 4
#define ENTRY  0x10    /* of pin 0: its vector, and the mask */
#define SHOWN  0x1afff /* the emulator keeps reserved bits */

#define CF       0x001ul
#define ZF       0x040ul
#define OF       0x800ul
#define RESULT   0x8c5ul /* CF PF ZF SF OF */
#define STATUS   0x8d5ul
#define NO_FLAGS 0ul

static uint64_t cell __attribute__((used, aligned(16)));

static void prepare(void)
{
	IOAPIC[SELECT] = ENTRY;
	IOAPIC[WINDOW] = 0x10035;
	cell = 0x1122334400000011; /* as SELECT, the other half of the entry */
}

/*
 * RSI is the window, RDI a cell of memory; RDX is the select register. Flags that are defined
 * count.
 */
#define CASE(name, defined, text)                                                             \
	do {                                                                                  \
		uint64_t a = 0x35, c = 0x1234567803, d = 0xfec00000, si = 0xfec00010;         \
		uint64_t di = address_of(&cell), f = 0;                                       \
		prepare();                                                                    \
		__asm__ volatile(TRY_BEGIN "push $0x3\n\tpopf\n\t" text                       \
					   "\n\tpushf\n\tpop %5\n\t"                          \
					   "cld" TRY_END                                      \
				 : "+a"(a), "+c"(c), "+d"(d), "+S"(si), "+D"(di), "+r"(f)     \
				 :                                                            \
				 : "cc", "memory");                                           \
		print("%s: trap %d rax=%lx rcx=%lx rdx=%lx rsi=%lx rdi=%lx flags=%lx ", name, \
			trap.vector, a, c, d, si, di, f &(defined));                          \
		print("select=%x window=%x cell=%lx\n", IOAPIC[SELECT] & 0xff,                \
			IOAPIC[WINDOW] & SHOWN, cell);                                        \
		trap.vector = -1;                                                             \
	} while (0)

/* Without the instruction BSF or BSR is executed, which leaves CF undefined. */
#define SCANNED(has) (ZF | ((has) ? CF : 0))

static void prefixes(void)
{
	CASE("rex.w before fs", STATUS, ".byte 0x48, 0x64, 0x8b, 0x06");
	CASE("rex twice", STATUS, ".byte 0x48, 0x40, 0x8b, 0x06");
	CASE("rex.w", STATUS, "movslq (%%rsi), %%rax");
	CASE("es after fs", STATUS, ".byte 0x64, 0x26, 0x8b, 0x06");
	CASE("addr32", STATUS,
		"mov $0xfec00010, %%esi\n\tadd $0xfffffffffffffff0, %%rsi\n\t"
		"addr32 mov 16(%%esi), %%eax");
	CASE("base, index", STATUS, "mov $4, %%ecx\n\tmov (%%rdx, %%rcx, 4), %%eax");
	CASE("moffs", STATUS, "movabs 0xfec00010, %%eax");
}

static void arithmetic(void)
{
	CASE("imul", CF | OF, "imul (%%rsi), %%eax");
	CASE("imul by immediate", CF | OF, "imul $-3, (%%rsi), %%eax");
	CASE("imul by much", CF | OF, "imul $0x12345678, (%%rsi), %%ecx");
	CASE("mul", CF | OF, "mull (%%rsi)");
	CASE("mul of much", CF | OF, "mov $-1, %%eax\n\tmull (%%rsi)");
	CASE("imul of one operand", CF | OF, "mov $-1, %%eax\n\timull (%%rsi)");
	CASE("div", NO_FLAGS, "mov $7, %%edx\n\tdivl (%%rsi)");
	CASE("idiv", NO_FLAGS, "mov $-1, %%edx\n\tidivl (%%rsi)");
	CASE("div of too much", NO_FLAGS, "mov $0x10035, %%edx\n\tdivl (%%rsi)");
	CASE("adc", STATUS, "adcl $0, (%%rsi)");
	CASE("sbb", STATUS, "sbbl $0x10, (%%rsi)");
}

static void shifts_and_scans(void)
{
	CASE("shl", RESULT, "shll $1, (%%rsi)");
	CASE("shl by cl", RESULT & ~OF, "shll %%cl, (%%rsi)");
	CASE("shr", RESULT & ~OF, "shrl $2, (%%rsi)");
	CASE("sar", RESULT, "sarl $1, (%%rsi)");
	CASE("rol", STATUS, "roll $1, (%%rsi)");
	CASE("ror", STATUS & ~OF, "rorl $4, (%%rsi)");
	CASE("rcl", STATUS, "rcll $1, (%%rsi)");
	CASE("rcr", STATUS & ~OF, "rcrl $3, (%%rsi)");
	CASE("shld", RESULT & ~OF, "shldl $4, %%ecx, (%%rsi)");
	CASE("shrd by cl", RESULT & ~OF, "shrdl %%cl, %%eax, (%%rsi)");
	CASE("bsf", ZF, "bsf (%%rsi), %%eax");
	CASE("bsr", ZF, "bsr (%%rsi), %%eax");
	CASE("tzcnt", SCANNED(cpuid(7, 0).ebx & BIT(3)), "tzcnt (%%rsi), %%eax");
	CASE("lzcnt", SCANNED(cpuid(0x80000001, 0).ecx & BIT(5)), "lzcnt (%%rsi), %%eax");
	CASE("popcnt", STATUS, "popcnt (%%rsi), %%eax");
	CASE("crc32", STATUS, "crc32l (%%rsi), %%eax");
	CASE("andn", ZF | OF | CF, "andn (%%rsi), %%ecx, %%eax");
	CASE("shlx", STATUS, "shlx %%ecx, (%%rsi), %%eax");
	CASE("pext", STATUS, "mov $0x12345678, %%ecx\n\tpext (%%rsi), %%ecx, %%eax");
	CASE("pdep", STATUS, "mov $0x12345678, %%ecx\n\tpdep (%%rsi), %%ecx, %%eax");
	CASE("mulx", STATUS, "mov $-1, %%edx\n\tmulx (%%rsi), %%ecx, %%eax");
	CASE("mulx to one register", STATUS, "mov $-1, %%edx\n\tmulx (%%rsi), %%eax, %%eax");
	CASE("rorx", STATUS, "rorx $5, (%%rsi), %%eax");
}

static void strings(void)
{
	CASE("lods", STATUS, "lodsl");
	CASE("lods down", STATUS, "std\n\tlodsl");
	CASE("scas", STATUS, "mov %%rsi, %%rdi\n\tscasl");
	CASE("cmps", STATUS, "cmpsl");
	CASE("movs to memory", STATUS, "movsl");
	CASE("movs to a device", STATUS, "mov %%rdx, %%rdi\n\tmov $cell, %%esi\n\tmovsl");
	CASE("movs between registers of a device", STATUS,
		"mov %%rsi, %%rdi\n\tmov $0xfee00030, %%esi\n\tmovsl");
	CASE("rep movs of one between devices", STATUS,
		"mov $1, %%ecx\n\tmov %%rsi, %%rdi\n\tmov $0xfee00030, %%esi\n\trep movsl");
	CASE("repne scas", STATUS,
		"mov $1, %%ecx\n\tmov $0x10035, %%eax\n\tmov %%rsi, %%rdi\n\trepne scasl");
	CASE("stos down", STATUS, "std\n\tmov %%rsi, %%rdi\n\tstosl");
	CASE("outs from a device", STATUS, "mov $0x80, %%edx\n\toutsl");
	CASE("ins to a device", STATUS, "mov %%rsi, %%rdi\n\tmov $0xf0, %%edx\n\tinsl");
}

/* XMM registers of the guest's, by their number. */
static void vectors(void)
{
	write_cr4(read_cr4() | 0x200);
	CASE("movd from", STATUS, "movd (%%rsi), %%xmm3\n\tmovq %%xmm3, %%rax");
	CASE("movd to", STATUS, "movq %%rax, %%xmm12\n\tmovd %%xmm12, (%%rsi)");
	CASE("movss from", STATUS,
		"pcmpeqd %%xmm9, %%xmm9\n\tmovss (%%rsi), %%xmm9\n\tmovq %%xmm9, %%rax\n\t"
		"movhlps %%xmm9, %%xmm9\n\tmovq %%xmm9, %%rcx");
	CASE("movss to", STATUS, "movd %%eax, %%xmm0\n\tmovss %%xmm0, (%%rsi)");
}

static void others(void)
{
	CASE("cmpxchg", STATUS, "mov $0x10035, %%eax\n\tlock cmpxchg %%ecx, (%%rsi)");
	CASE("xadd", STATUS, "xadd %%ecx, (%%rsi)");
	CASE("bts far", CF, "mov $129, %%ecx\n\tbts %%ecx, (%%rdx)");
	CASE("bt before", CF, "mov $-128, %%rcx\n\tbt %%ecx, (%%rsi)");
	CASE("clflush", STATUS, "clflush (%%rsi)");
}

int payload_main(void)
{
	conf_start();
	prefixes();
	arithmetic();
	shifts_and_scans();
	strings();
	vectors();
	others();
	return 0;
}
