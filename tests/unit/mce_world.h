/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine with simulated banks of machine checks, and a second CPU, for tests of cpu/mce.c.
 */
#ifndef NESTOR_TESTS_MCE_WORLD_H
#define NESTOR_TESTS_MCE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/bad_memory.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/mce.h"
#include "cpu/mux.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "spec/msr.h"
#include "spec/regs.h"
#include "spec/vmx_caps.h"

#define BANKS 4u
#define UCR   (MCI_VAL | MCI_UC | MCI_EN | MCI_S)

uint64_t hw_now;
_Thread_local struct percpu *hw_cpu;
uint32_t tsc_khz = 1000;

static struct percpu cpu;
static uint64_t cap, mcg_status, mcg_ctl, cr4, ctl[BANKS], ctl2[BANKS];
static uint64_t feature_control, ext_ctl;
static uint32_t interrupting; /* banks that can */
static bool has_cmci;
static struct mce_bank bank[BANKS];
static bool has_mca;
static unsigned lines, errors, pauses, ends, others_stopped;
static jmp_buf halted;
/* A second CPU that comes while the first waits for it. */
static struct percpu second;
struct percpu *percpus[MAX_CPUS] = {&cpu, &second};
unsigned cpu_slots = 2;
static unsigned second_comes; /* after so many rounds; 0: it does not */
static bool second_is_local;
static enum mce_verdict second_says;

/* ---- what it calls ---- */

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	assert_int_equal(leaf, 1);
	return (struct cpuid_regs){.edx = has_mca ? 1u << 7 | 1u << 14 : 0};
}

static bool has_ext_ctl(void)
{
	return cap & MCG_CAP_LMCE_P && feature_control & FEATURE_CONTROL_LOCK &&
	       feature_control & FEATURE_CONTROL_LMCE;
}

/* Address and misc are #GP where the bank has none. */
uint64_t hw_rdmsr(uint32_t msr)
{
	unsigned i = (msr - MSR_MC0_CTL) / 4;

	assert_true(has_mca);
	if (msr == MSR_MCG_CAP)
		return cap;
	if (msr == MSR_MCG_STATUS)
		return mcg_status;
	if (msr == MSR_FEATURE_CONTROL)
		return feature_control;
	if (msr == MSR_MCG_EXT_CTL) {
		assert_true(has_ext_ctl());
		return ext_ctl;
	}
	if (msr >= MSR_MC0_CTL2 && msr < MSR_MC0_CTL2 + BANKS) {
		assert_true(cap & MCG_CAP_CMCI_P);
		return ctl2[msr - MSR_MC0_CTL2];
	}
	assert_true(msr >= MSR_MC0_CTL && i < BANKS);
	switch (msr % 4) {
	case 1:
		return bank[i].status;
	case 2:
		assert_true(bank[i].status & MCI_ADDRV);
		return bank[i].address;
	case 3:
		assert_true(bank[i].status & MCI_MISCV);
		return bank[i].misc;
	default:
		return ctl[i];
	}
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	unsigned i = (msr - MSR_MC0_CTL) / 4;

	assert_true(has_mca);
	if (msr == MSR_MCG_STATUS) {
		mcg_status = value;
	} else if (msr == MSR_MCG_EXT_CTL) {
		assert_true(has_ext_ctl());
		ext_ctl = value;
	} else if (msr == MSR_MCG_CTL) {
		assert_true(cap & MCG_CAP_CTL_P);
		mcg_ctl = value;
	} else if (msr >= MSR_MC0_CTL2 && msr < MSR_MC0_CTL2 + BANKS) {
		assert_true(cap & MCG_CAP_CMCI_P);
		if (interrupting >> (msr - MSR_MC0_CTL2) & 1)
			ctl2[msr - MSR_MC0_CTL2] = value;
	} else {
		assert_true(msr >= MSR_MC0_CTL && i < BANKS && msr % 4 < 2);
		assert_true(msr % 4 == 0 || value == 0); /* else #GP */
		if (msr % 4 == 0)
			ctl[i] = value;
		else
			bank[i].status = value;
	}
}

uint64_t hw_cr4_access(bool write, uint64_t value)
{
	if (write)
		cr4 = value;
	return cr4;
}

/* The other CPU comes after so many rounds of waiting, or never. */
void hw_pause(void)
{
	hw_now += 10;
	pauses++;
	if (pauses == second_comes) {
		struct percpu *first = hw_cpu;

		hw_cpu = &second;
		mcg_status = MCG_STATUS_MCIP | MCG_STATUS_RIPV | MCG_STATUS_EIPV |
			     (second_is_local ? MCG_STATUS_LMCE_S : 0);
		second_says = mce_exception(true);
		hw_cpu = first;
	}
}

void hw_halt(void)
{
	longjmp(halted, 1);
}

bool apic_take_cmci(void)
{
	return has_cmci;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)format;
	lines++;
	errors += level == LOG_ERROR;
}

void fault_stop_others(void)
{
	others_stopped++;
}

void fault_print_context(void)
{
}

void mux_stop(void)
{
}

void mux_break_lock(void)
{
}

void fault_end(void)
{
	ends++;
	longjmp(halted, 2);
}

static int begin(void **state)
{
	(void)state;
	hw_cpu = &cpu;
	cpu = (struct percpu){.self = &cpu};
	memset(bank, 0, sizeof(bank));
	memset(ctl, 0, sizeof(ctl));
	memset(ctl2, 0, sizeof(ctl2));
	interrupting = 0xf;
	has_cmci = true;
	cap = BANKS | MCG_CAP_SER_P | MCG_CAP_CTL_P;
	has_mca = true;
	mcg_status = mcg_ctl = cr4 = ext_ctl = feature_control = 0;
	second = (struct percpu){.self = &second, .index = 1};
	second_comes = 0;
	hw_now += 1000000000;
	lines = errors = pauses = ends = others_stopped = 0;
	return 0;
}

#endif
