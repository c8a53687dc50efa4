/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Privileged instructions for payloads, as inline functions, and the way to survive a faulting
 * one: an asm statement between TRY_BEGIN and TRY_END continues after TRY_END when it faults,
 * and `trap` tells what happened.
 */
#ifndef NESTOR_GUESTS_RUNTIME_CPU_H
#define NESTOR_GUESTS_RUNTIME_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* What the last guarded statement of this processor raised; vector is negative: nothing. */
struct trap_info {
	int vector;
	uint32_t error;
	uint64_t rip;
	uint64_t cr2;
};

extern volatile struct trap_info trap;
extern volatile uint64_t trap_resume;

/* The upper half of trap_resume stays 0. */
#define TRY_BEGIN "movl $-1, trap\n\tmovl $771f, trap_resume\n\t"
#define TRY_END   "\n771:\tmovl $0, trap_resume\n\t"

static inline bool trapped(void)
{
	return trap.vector >= 0;
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %w1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %w1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %w1" : : "a"(v), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %w1, %0" : "=a"(v) : "Nd"(port));
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

/* As rdmsr and wrmsr, with the outcome in `trap`. */
static inline uint64_t rdmsr_try(uint32_t msr)
{
	uint32_t lo = 0, hi = 0;

	__asm__ volatile(TRY_BEGIN "rdmsr" TRY_END : "+a"(lo), "+d"(hi) : "c"(msr) : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr_try(uint32_t msr, uint64_t v)
{
	__asm__ volatile(TRY_BEGIN "wrmsr" TRY_END
			 :
			 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
}

#define CR_ACCESSORS(n)                                                                   \
	static inline uint64_t read_cr##n(void)                                           \
	{                                                                                 \
		unsigned long v;                                                          \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory");            \
		return v;                                                                 \
	}                                                                                 \
	static inline void write_cr##n(uint64_t v)                                        \
	{                                                                                 \
		__asm__ volatile("mov %0, %%cr" #n : : "r"((unsigned long)v) : "memory"); \
	}                                                                                 \
	static inline void write_cr##n##_try(uint64_t v)                                  \
	{                                                                                 \
		__asm__ volatile(TRY_BEGIN "mov %0, %%cr" #n TRY_END                      \
				 :                                                        \
				 : "r"((unsigned long)v)                                  \
				 : "memory");                                             \
	}
CR_ACCESSORS(0)
CR_ACCESSORS(2)
CR_ACCESSORS(3)
CR_ACCESSORS(4)
#ifdef __x86_64__
CR_ACCESSORS(8)
#endif

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf)
			 : "memory");
	return r;
}

static inline void invlpg(uintptr_t a)
{
	__asm__ volatile("invlpg (%0)" : : "r"(a) : "memory");
}

/* Exact on Bochs: the jump starts a new trace, at whose start RDTSC is sampled. */
static inline uint64_t rdtsc_exact(void)
{
	uint32_t lo, hi;

	__asm__ volatile("jmp 1f\n1:\trdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* A pseudo-descriptor as LGDT, LIDT, SGDT, SIDT take it. */
struct table_pointer {
	uint16_t limit;
	uintptr_t base;
} __attribute__((packed));

#endif
