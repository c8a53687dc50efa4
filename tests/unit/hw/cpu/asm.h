/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For unit tests of files of the hardware ring: takes the place of hypervisor/cpu/asm.h. Time,
 * CR3 and the CPU that runs are variables of the test; a thread of the test is a CPU.
 */
#ifndef NESTOR_CPU_ASM_H
#define NESTOR_CPU_ASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct percpu;

extern uint64_t hw_now; /* of all CPUs; atomic */
extern _Thread_local uint64_t hw_cr3;
extern _Thread_local struct percpu *hw_cpu;

/* The CPU sleeps: the test lets time pass, or makes something happen. */
void hw_sleep(void);

/* It waits for another CPU. */
void hw_pause(void);

/* Ports. */
uint8_t hw_in(uint16_t port);
void hw_out(uint16_t port, uint8_t value);
void hw_words(uint16_t port, void *to, uint32_t count);

static inline uint8_t inb(uint16_t port)
{
	return hw_in(port);
}

static inline void outb(uint16_t port, uint8_t value)
{
	hw_out(port, value);
}

/* A test with registers of 16 bits has these. */
uint16_t hw_in_word(uint16_t port);
void hw_out_word(uint16_t port, uint16_t value);

static inline uint16_t inw(uint16_t port)
{
	return hw_in_word(port);
}

static inline void outw(uint16_t port, uint16_t value)
{
	hw_out_word(port, value);
}

static inline void insw(uint16_t port, void *to, uint32_t count)
{
	hw_words(port, to, count);
}

/* A test whose CPUs have clocks of their own has this. */
uint64_t hw_tsc(void) __attribute__((weak));

static inline uint64_t rdtsc(void)
{
	return hw_tsc != NULL ? hw_tsc() : __atomic_load_n(&hw_now, __ATOMIC_RELAXED);
}

static inline void mfence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf);

/* A line of the cache is written back. */
void hw_flush(const void *at, bool opt);

static inline void clflush(const void *at)
{
	hw_flush(at, false);
}

static inline void clflushopt(const void *at)
{
	hw_flush(at, true);
}

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	return hw_cpuid(leaf, subleaf);
}

static inline uint64_t read_cr3(void)
{
	return hw_cr3;
}

/* A test whose CPUs cache translations of L0's own has this. */
void hw_cr3_loaded(void) __attribute__((weak));

static inline void write_cr3(uint64_t v)
{
	hw_cr3 = v;
	if (hw_cr3_loaded != NULL)
		hw_cr3_loaded();
}

static inline void sti_hlt_cli(void)
{
	hw_sleep();
}

static inline void cpu_sleep(void)
{
	hw_sleep();
}

/* It sleeps by MWAIT while the word is CPU_SLEEPS. */
void hw_mwait(uint32_t hint, const uint32_t *word);

static inline void cpu_mwait(uint32_t hint, const uint32_t *word)
{
	hw_mwait(hint, word);
}

static inline void cpu_pause(void)
{
	hw_pause();
}

/* Registers that a vCPU leaves in the CPU. */
uint64_t hw_rdmsr(uint32_t msr);
void hw_wrmsr(uint32_t msr, uint64_t value);
void hw_xsetbv(uint64_t value);
void hw_xsave(void *area, uint64_t mask);
void hw_xrstor(const void *area, uint64_t mask);

static inline uint64_t rdmsr(uint32_t msr)
{
	return hw_rdmsr(msr);
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	hw_wrmsr(msr, value);
}

static inline void xsetbv(uint32_t index, uint64_t value)
{
	(void)index;
	hw_xsetbv(value);
}

static inline void xsave64(void *area, uint64_t mask)
{
	hw_xsave(area, mask);
}

static inline void xrstor64(const void *area, uint64_t mask)
{
	hw_xrstor(area, mask);
}

static inline uint64_t read_cr2(void)
{
	return 0;
}

static inline void write_cr2(uint64_t value)
{
	(void)value;
}

static inline void read_debug_registers(uint64_t dr[5])
{
	(void)dr;
}

static inline void write_debug_registers(const uint64_t dr[5])
{
	(void)dr;
}

/* Control register 4, and the end of a CPU: of tests that have them. */
uint64_t hw_cr4_access(bool write, uint64_t value);
_Noreturn void hw_halt(void);

static inline uint64_t read_cr4(void)
{
	return hw_cr4_access(false, 0);
}

static inline void write_cr4(uint64_t v)
{
	(void)hw_cr4_access(true, v);
}

/* How a CPU begins; a test that has caches sees what empties them. */
void hw_wbinvd(void);

static inline void wbinvd(void)
{
	hw_wbinvd();
}

static inline void write_cr0(uint64_t v)
{
	(void)v;
}

struct table_pointer {
	uint16_t limit;
	uint64_t base;
};

static inline void lgdt(const struct table_pointer *p)
{
	(void)p;
}

static inline void ltr(uint16_t selector)
{
	(void)selector;
}

static inline void load_segments(uint16_t code, uint16_t data)
{
	(void)code;
	(void)data;
}

static inline _Noreturn void halt_forever(void)
{
	hw_halt();
}

static inline _Noreturn void triple_fault(void)
{
	hw_halt();
}

static inline void *read_gs_self(void)
{
	return hw_cpu;
}

#endif
