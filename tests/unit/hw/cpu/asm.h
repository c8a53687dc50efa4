/*
 * For unit tests of files of the hardware ring: takes the place of hypervisor/cpu/asm.h. Time, CR3 and
 * the CPU that runs are variables of the test.
 */
#ifndef NESTOR_CPU_ASM_H
#define NESTOR_CPU_ASM_H

#include <stdint.h>

struct percpu;

extern uint64_t hw_now, hw_cr3;
extern struct percpu *hw_cpu;

/* The CPU sleeps: the test lets time pass, or makes something happen. */
void hw_sleep(void);

static inline uint64_t rdtsc(void)
{
	return hw_now;
}

static inline uint64_t read_cr3(void)
{
	return hw_cr3;
}

static inline void write_cr3(uint64_t v)
{
	hw_cr3 = v;
}

static inline void sti_hlt_cli(void)
{
	hw_sleep();
}

static inline void cpu_pause(void)
{
}

static inline void *read_gs_self(void)
{
	return hw_cpu;
}

#endif
