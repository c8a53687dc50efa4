/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions that C has no words for, except those of VT-x (vmx/asm.h).
 */
#ifndef NESTOR_CPU_ASM_H
#define NESTOR_CPU_ASM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bits.h"

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* So many words from a port to memory. */
static inline void insw(uint16_t port, void *to, uint32_t count)
{
	uint64_t left = count;

	__asm__ volatile("cld; rep insw" : "+D"(to), "+c"(left) : "d"(port) : "memory");
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
}

/* In 64-bit mode it clears the upper halves of both registers (SDM vol. 2B "RDTSC"). */
static inline uint64_t rdtsc(void)
{
	uint64_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return hi << 32 | lo;
}

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

#define DEFINE_CR(n)                                                       \
	static inline uint64_t read_cr##n(void)                            \
	{                                                                  \
		uint64_t v;                                                \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));          \
		return v;                                                  \
	}                                                                  \
	static inline void write_cr##n(uint64_t v)                         \
	{                                                                  \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); \
	}
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)
#undef DEFINE_CR

/* DR0 to DR3 */
static inline void read_breakpoints(uint64_t dr[4])
{
	__asm__ volatile("mov %%dr0, %0" : "=r"(dr[0]));
	__asm__ volatile("mov %%dr1, %0" : "=r"(dr[1]));
	__asm__ volatile("mov %%dr2, %0" : "=r"(dr[2]));
	__asm__ volatile("mov %%dr3, %0" : "=r"(dr[3]));
}

static inline void write_breakpoints(const uint64_t dr[4])
{
	__asm__ volatile("mov %0, %%dr0" : : "r"(dr[0]));
	__asm__ volatile("mov %0, %%dr1" : : "r"(dr[1]));
	__asm__ volatile("mov %0, %%dr2" : : "r"(dr[2]));
	__asm__ volatile("mov %0, %%dr3" : : "r"(dr[3]));
}

/* DR0 to DR3 and DR6; DR7 is in the VMCS. */
static inline void read_debug_registers(uint64_t dr[5])
{
	read_breakpoints(dr);
	__asm__ volatile("mov %%dr6, %0" : "=r"(dr[4]));
}

static inline void write_debug_registers(const uint64_t dr[5])
{
	write_breakpoints(dr);
	__asm__ volatile("mov %0, %%dr6" : : "r"(dr[4]));
}

static inline uint64_t read_dr7(void)
{
	uint64_t v;

	__asm__ volatile("mov %%dr7, %0" : "=r"(v));
	return v;
}

static inline void write_dr7(uint64_t v)
{
	__asm__ volatile("mov %0, %%dr7" : : "r"(v));
}

static inline uint64_t read_dr6(void)
{
	uint64_t v;

	__asm__ volatile("mov %%dr6, %0" : "=r"(v));
	return v;
}

static inline void write_dr6(uint64_t v)
{
	__asm__ volatile("mov %0, %%dr6" : : "r"(v));
}

static inline uint64_t xgetbv(uint32_t index)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(index));
	return (uint64_t)hi << 32 | lo;
}

static inline void xsetbv(uint32_t index, uint64_t v)
{
	__asm__ volatile("xsetbv"
			 :
			 : "c"(index), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
}

/* 64-bit forms: the area is a page, 64-byte aligned. */
static inline void xsave64(void *area, uint64_t mask)
{
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
			 : "memory");
}

static inline void xrstor64(const void *area, uint64_t mask)
{
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
			 : "memory");
}

static inline bool cpu_has_rdrand(void)
{
	return cpuid(1, 0).ecx & BIT(30);
}

/* False: the processor has no random number now. */
static inline bool rdrand(uint64_t *value)
{
	bool ok;

	__asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(ok) : : "cc");
	return ok;
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause");
}

/* Sleeps with interrupts on until the next one was handled; interrupts are off before and
 * after. */
/* Takes the interrupts that wait. The instruction after STI is not interrupted. */
static inline void sti_nop_cli(void)
{
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

static inline void sti_hlt_cli(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* The same, unless this CPU was kicked (struct percpu); an NMI that kicks it ends it, too. */
void cpu_sleep(void);
/* The same by MWAIT with this hint, while the word is CPU_SLEEPS. */
void cpu_mwait(uint32_t hint, const uint32_t *word);

/*
 * After a VM exit for an NMI others are blocked until the next entry or IRET: this is one.
 */
static inline void unblock_nmi(void)
{
	uint64_t scratch;

	__asm__ volatile("mov %%ss, %k0\n"
			 "push %0\n"
			 "lea 8(%%rsp), %0\n"
			 "push %0\n"
			 "pushfq\n"
			 "mov %%cs, %k0\n"
			 "push %0\n"
			 "lea 1f(%%rip), %0\n"
			 "push %0\n"
			 "iretq\n"
			 "1:"
			 : "=&r"(scratch)
			 :
			 : "memory", "cc");
}

/* As a machine check would come, for a test. */
static inline void take_machine_check(void)
{
	__asm__ volatile("int $18" : : : "memory");
}

static inline void cli(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline _Noreturn void halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt" : : : "memory");
}

static inline void wbinvd(void)
{
	__asm__ volatile("wbinvd" : : : "memory");
}

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

static inline void lgdt(const struct table_pointer *p)
{
	__asm__ volatile("lgdt %0" : : "m"(*p));
}

static inline void lidt(const struct table_pointer *p)
{
	__asm__ volatile("lidt %0" : : "m"(*p));
}

/* No handler, nor one for that: the processor shuts down, and the chipset resets it (6.15). */
static inline _Noreturn void triple_fault(void)
{
	static const struct table_pointer none;

	lidt(&none);
	for (;;)
		__asm__ volatile("int3");
}

static inline void ltr(uint16_t selector)
{
	__asm__ volatile("ltr %0" : : "r"(selector));
}

/* All segment registers after a new GDT; GS loses its base. */
static inline void load_segments(uint16_t code, uint16_t data)
{
	__asm__ volatile("pushq %q0\n"
			 "lea 1f(%%rip), %%rax\n"
			 "pushq %%rax\n"
			 "lretq\n"
			 "1: mov %1, %%ds\n"
			 "mov %1, %%es\n"
			 "mov %1, %%ss\n"
			 "mov %2, %%fs\n"
			 "mov %2, %%gs\n"
			 :
			 : "r"((uint64_t)code), "r"((uint32_t)data), "r"(0)
			 : "rax", "memory");
}

/* The word at %gs:0 is the per-CPU area's own address. */
static inline void *read_gs_self(void)
{
	void *p;

	__asm__("mov %%gs:0, %0" : "=r"(p));
	return p;
}

/* Writes the cache line back to memory. */
static inline void clflush(const void *at)
{
	__asm__ volatile("clflush %0" : : "m"(*(const uint8_t *)at) : "memory");
}

/* The same, not in order with other lines: CPUID's CLFLUSHOPT. */
static inline void clflushopt(const void *at)
{
	__asm__ volatile("clflushopt %0" : : "m"(*(const uint8_t *)at) : "memory");
}

static inline void mfence(void)
{
	__asm__ volatile("mfence" : : : "memory");
}

/* A jump starts a new trace on the emulator and makes RDTSC exact there. */
static inline uint64_t rdtsc_exact(void)
{
	uint32_t lo, hi;

	__asm__ volatile("jmp 1f\n1: rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

#endif
