/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of the memory operands of string I/O, and of MOVS with a device: addresses that
 * wrap, are not canonical, not mapped, or not aligned.
 */
#include "apic.h"
#include "conf.h"

#define POST       0x80
#define DEBUG_PORT 0xe9 /* what is written comes out, what is read is its number */
#define UNMAPPED   0x140000123ull
#define NO_ADDRESS (1ull << 63)
#define IOAPIC     0xfec00000ull
#define VECTOR     0x51u

static uint64_t table[512] __attribute__((aligned(4096)));
static uint8_t *top; /* the last page below 4 GiB */

static void show(const char *name, uint64_t rsi, uint64_t rdi, uint64_t rcx)
{
	print("%s: rsi %lx rdi %lx rcx %lx", name, rsi, rdi, rcx);
	if (trap.vector >= 0)
		print(" trap %d(%x)", trap.vector, trap.error);
	if (trap.vector == 14)
		print(" at %lx", trap.cr2);
	print("\n");
	trap.vector = -1;
}

#define CASE(name, insn, rsi, rdi, rcx, port)                   \
	do {                                                    \
		uint64_t si = (rsi), di = (rdi), cx = (rcx);    \
		__asm__ volatile(TRY_BEGIN insn TRY_END         \
				 : "+S"(si), "+D"(di), "+c"(cx) \
				 : "d"(port)                    \
				 : "memory");                   \
		show(name, si, di, cx);                         \
	} while (0)

/* The last page below 4 GiB becomes one of ours; page 0 is. */
static void map_top(void)
{
	uint64_t *pdpt = (uint64_t *)(uintptr_t)(boot_pml4[0] & ~0xfffull);
	uint64_t *pd = (uint64_t *)(uintptr_t)(pdpt[3] & ~0xfffull);

	top = page_alloc();
	for (uint64_t i = 0; i < 512; i++)
		table[i] = (0xffe00000 + i * 4096) | 7;
	table[511] = address_of(top) | 7;
	pd[511] = address_of(table) | 7;
	write_cr3(read_cr3());
	top[4094] = 'y';
	top[4095] = 'z';
	__asm__ volatile("movb $'a', 0\n\tmovb $'b', 1" ::: "memory");
}

static void wraps(void)
{
	uint8_t zero, one;

	print("written: ");
	CASE("\naddr32 rep outsb across 4 GiB", "addr32 rep outsb", 0xfffffffe, 0, 4,
		DEBUG_PORT);
	CASE("addr32 rep insb across 4 GiB", "addr32 rep insb", 0, 0xfffffffe, 4, DEBUG_PORT);
	CASE("addr32 rep insb down", "std\n\taddr32 rep insb\n\tcld", 0, 1, 4, DEBUG_PORT);
	__asm__ volatile("movb 0, %0\n\tmovb 1, %1" : "=r"(zero), "=r"(one) : : "memory");
	print("top %x %x, bottom %x %x\n", top[4094], top[4095], zero, one);
	CASE("upper half of rcx", "addr32 rep insb", 0, 0x100000000 | address_of(top),
		0x500000001, POST);
	CASE("upper half of rcx alone", "addr32 rep insb", 0, 0, 0x500000000, POST);
}

static void not_canonical(void)
{
	CASE("outsb", "outsb", NO_ADDRESS, 0, 1, POST);
	CASE("insb", "insb", 0, NO_ADDRESS, 1, POST);
	CASE("outsb ss", ".byte 0x36\n\toutsb", NO_ADDRESS, 0, 1, POST);
	CASE("outsl at the end", "outsl", 0x7ffffffffffe, 0, 1, POST);
	CASE("rep outsb of none", "rep outsb", NO_ADDRESS, 0, 0, POST);
	CASE("rep movsb from a device", "rep movsb", IOAPIC, NO_ADDRESS, 1, 0);
	CASE("rep movsb to a device", "rep movsb", NO_ADDRESS, IOAPIC, 1, 0);
	CASE("movsl fs to a device", ".byte 0x64\n\tmovsl", NO_ADDRESS, IOAPIC, 1, 0);
}

static void not_mapped(void)
{
	CASE("outsb, not mapped", "outsb", UNMAPPED, 0, 1, POST);
	CASE("insb, not mapped", "insb", 0, UNMAPPED, 1, POST);
	CASE("movsl from a device, not mapped", "movsl", IOAPIC, UNMAPPED, 1, 0);
	CASE("movsl to a device, not mapped", "movsl", UNMAPPED, IOAPIC, 1, 0);
	CASE("movsl, neither mapped", "movsl", UNMAPPED, UNMAPPED + 0x1000, 1, 0);
}

static uint64_t left; /* iterations, when the interrupt came */

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector != VECTOR)
		return false;
	left = f->rcx;
	apic_eoi();
	return true;
}

/* STI blocks interrupts for one iteration, not for the repetition. */
static void interrupted(void)
{
	uint64_t si = address_of(top), cx = 3000;

	apic_write(APIC_SVR, SVR_ENABLE | 0xff);
	trap_hook = on_interrupt;
	self_ipi(VECTOR);
	__asm__ volatile("sti\n\trep outsb\n\tcli" : "+S"(si), "+c"(cx) : "d"(POST) : "memory");
	trap_hook = NULL;
	print("interrupt in the midst of rep outsb: %d, rcx %lx\n", left != 0, cx);
}

int payload_main(void)
{
	conf_start();
	map_top();
	wraps();
	not_canonical();
	not_mapped();
	interrupted();
	return 0;
}
