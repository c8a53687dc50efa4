/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of x87, SSE and AVX that are looked at and changed from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "random.h"
#include "spec/cpuid.h"
#include "vm/cet.h"
#include "vm/operate.h"
#include "vm/vm_int.h"

#define AVX_AT 640u /* not where the standard has it on most CPUs */
#define MASK   (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_PKRU)
#define PKRU   2696u /* likewise */

static uint8_t cpu[4096], area[4096];
static struct vcpu vcpu;
static uint64_t xcr0, saved_with, restored_with;
static unsigned restores, cet_moves, umwait_writes;
static bool waits;
static uint64_t in_use, offered;

/* ---- what it calls ---- */

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	assert_int_equal(leaf, CPUID_LEAF_XSAVE);
	assert_int_equal(subleaf, 2);
	return (struct cpuid_regs){.ebx = AVX_AT, .eax = 256};
}

uint64_t cpuid_xcr0_mask(void)
{
	return offered;
}

void hw_xsetbv(uint64_t value)
{
	xcr0 = value;
}

void hw_xsave(void *to, uint64_t mask)
{
	saved_with = xcr0 & mask;
	memcpy(to, cpu, XSAVE_HEADER);
	memcpy((uint8_t *)to + AVX_AT, cpu + AVX_AT, 256);
	if (mask != XCR0_PKRU)
		return;
	memcpy((uint8_t *)to + PKRU, cpu + PKRU, 4);
	memcpy((uint8_t *)to + XSAVE_HEADER, &in_use, sizeof(in_use));
}

/*
 * It faults for reserved bits of MXCSR, and for a header that is none of the standard format.
 */
void hw_xrstor(const void *from, uint64_t mask)
{
	uint32_t mxcsr;
	uint64_t header[8];

	memcpy(&mxcsr, (const uint8_t *)from + XSAVE_MXCSR, sizeof(mxcsr));
	memcpy(header, (const uint8_t *)from + XSAVE_HEADER, sizeof(header));
	assert_int_equal(mxcsr & ~MXCSR_VALID, 0);
	for (unsigned i = 1; i < 8; i++)
		assert_int_equal(header[i], 0);
	restored_with = xcr0 & mask & header[0];
	restores++;
	memcpy(cpu, from, XSAVE_HEADER);
	memcpy(cpu + AVX_AT, (const uint8_t *)from + AVX_AT, 256);
}

struct cpuid_regs cpuid_of(const struct vcpu *who, uint32_t leaf, uint32_t subleaf)
{
	(void)who;
	assert_int_equal(leaf, CPUID_LEAF_XSAVE);
	assert_int_equal(subleaf, XCR0_PKRU_BIT);
	return (struct cpuid_regs){.eax = 8, .ebx = PKRU};
}

bool cpuid_offers(const struct vcpu *who, enum cpuid_field field)
{
	(void)who;
	assert_int_equal(field, CPUID_WAITPKG);
	return waits;
}

/* Only a vCPU with CET asks. */
void cet_save(struct vcpu *who)
{
	assert_true(who->cet.control != 0);
	cet_moves++;
}

void cet_load(const struct vcpu *who)
{
	assert_true(who->cet.control != 0);
	cet_moves++;
}

/* A machine without IA32_TSC_AUX faults. */
static bool has_aux;
static unsigned aux_accesses;

bool msr_policy_has(const struct msr_offer *o, uint32_t msr)
{
	assert_ptr_equal(o, &vcpu.msrs);
	assert_int_equal(msr, MSR_TSC_AUX);
	return has_aux;
}

uint64_t hw_rdmsr(uint32_t msr)
{
	aux_accesses += msr == MSR_TSC_AUX;
	return msr;
}

void hw_wrmsr(uint32_t msr, uint64_t value)
{
	aux_accesses += msr == MSR_TSC_AUX;
	if (msr != MSR_UMWAIT_CONTROL)
		return;
	assert_int_equal(value, vcpu.umwait);
	umwait_writes++;
}

/* ---- tests ---- */

static int begin(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < sizeof(cpu); i++)
		cpu[i] = (uint8_t)random_next(&seed);
	memcpy(cpu + XSAVE_MXCSR, "\x80\x1f\0\0", 4);
	memset(area, 0, sizeof(area));
	vcpu.xsave = area;
	vcpu.xcr0 = MASK;
	xcr0 = MASK;
	restores = umwait_writes = 0;
	waits = false;
	in_use = 0;
	offered = MASK;
	has_aux = true;
	aux_accesses = 0;
	return 0;
}

static void all_registers_are_seen_and_xcr0_is_the_guests_again(void **state)
{
	const uint8_t *legacy, *avx;

	(void)state;
	vcpu.xcr0 = xcr0 = XCR0_X87;
	vcpu_fpu_read(&vcpu, &legacy, &avx);
	assert_int_equal(saved_with, MASK);
	assert_int_equal(xcr0, XCR0_X87);
	assert_memory_equal(legacy, cpu, FPU_LEGACY);
	assert_null(avx);
	vcpu.xcr0 = MASK;
	vcpu_fpu_read(&vcpu, &legacy, &avx);
	assert_memory_equal(avx, cpu + AVX_AT, FPU_AVX_SIZE);
}

static void bytes_that_are_changed_are_in_the_cpu_and_no_others(void **state)
{
	static const uint8_t data[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	uint8_t before[sizeof(cpu)];

	(void)state;
	memcpy(before, cpu, sizeof(cpu));
	assert_true(vcpu_fpu_write(&vcpu, FPU_LEGACY - 16, data, 16));
	assert_true(vcpu_fpu_write(&vcpu, FPU_AVX + FPU_AVX_SIZE - 16, data, 16));
	assert_int_equal(restored_with, MASK & ~XCR0_PKRU);
	assert_int_equal(xcr0, vcpu.xcr0);
	memcpy(before + FPU_LEGACY - 16, data, 16);
	memcpy(before + AVX_AT + FPU_AVX_SIZE - 16, data, 16);
	assert_memory_equal(cpu, before, sizeof(cpu));
}

static void what_is_no_register_or_would_fault_changes_nothing(void **state)
{
	static const uint8_t data[64] = {[3] = 1};
	static const struct {
		uint64_t at;
		uint32_t size;
	} bad[] = {{FPU_LEGACY - 1, 2}, {FPU_LEGACY, 1}, {XSAVE_HEADER, 8}, {FPU_AVX - 1, 1},
		{FPU_AVX - 1, 2}, {FPU_AVX + FPU_AVX_SIZE - 1, 2}, {FPU_AVX + FPU_AVX_SIZE, 1},
		{UINT64_MAX, 1}, {UINT64_MAX - 15, 16}, {4096, 1}, {0, 64}, {XSAVE_MXCSR, 4}};
	uint8_t before[sizeof(cpu)];

	(void)state;
	memcpy(before, cpu, sizeof(cpu));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t reserved[64] = {0};

		memcpy(reserved, data, sizeof(data));
		reserved[XSAVE_MXCSR + 2] = 1; /* of {0, 64} */
		assert_false(vcpu_fpu_write(&vcpu, bad[i].at, reserved, bad[i].size));
	}
	vcpu.xcr0 = XCR0_X87 | XCR0_SSE;
	assert_false(vcpu_fpu_write(&vcpu, FPU_AVX, data, 16));
	assert_int_equal(restores, 0);
	assert_memory_equal(cpu, before, sizeof(cpu));
}

static void mxcsr_takes_valid_bits(void **state)
{
	(void)state;
	assert_true(vcpu_fpu_write(&vcpu, XSAVE_MXCSR, (const uint8_t *)"\xff\xff\0\0", 4));
	assert_memory_equal(cpu + XSAVE_MXCSR, "\xff\xff\0\0", 4);
}

static void cet_moves_with_the_vcpus_that_have_it(void **state)
{
	(void)state;
	cet_moves = 0;
	vcpu_save_registers(&vcpu);
	vcpu_load_registers(&vcpu);
	assert_int_equal(cet_moves, 0);
	vcpu.cet.control = 1;
	vcpu_save_registers(&vcpu);
	vcpu_load_registers(&vcpu);
	assert_int_equal(cet_moves, 2);
	vcpu.cet.control = 0;
}

static void pkru_is_read_without_cr4_and_xcr0_is_the_guests_afterwards(void **state)
{
	uint32_t at = 0;

	(void)state;
	vcpu.xcr0 = xcr0 = XCR0_X87;
	memcpy(&at, cpu + PKRU, 4);
	in_use = XCR0_PKRU;
	assert_int_equal(vcpu_pkru(&vcpu), at);
	assert_true(xcr0 == XCR0_X87);
	assert_true(saved_with == XCR0_PKRU);
	in_use = XCR0_X87; /* it is what a reset makes it: the area has something older */
	assert_int_equal(vcpu_pkru(&vcpu), 0);
	offered = XCR0_X87;
	saved_with = 0;
	assert_int_equal(vcpu_pkru(&vcpu), 0);
	assert_true(saved_with == 0);
}

static void the_limit_of_user_waits_moves_where_there_are_such(void **state)
{
	(void)state;
	vcpu.umwait = 0x12340;
	vcpu_load_registers(&vcpu);
	assert_int_equal(umwait_writes, 0);
	waits = true;
	vcpu_load_registers(&vcpu);
	assert_int_equal(umwait_writes, 1);
}

static void tsc_aux_moves_with_the_vcpus_that_have_it(void **state)
{
	(void)state;
	vcpu_save_registers(&vcpu);
	vcpu_load_registers(&vcpu);
	assert_int_equal(aux_accesses, 2);
	has_aux = false;
	vcpu_save_registers(&vcpu);
	vcpu_load_registers(&vcpu);
	assert_int_equal(aux_accesses, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, begin)
		T(all_registers_are_seen_and_xcr0_is_the_guests_again),
		T(bytes_that_are_changed_are_in_the_cpu_and_no_others),
		T(what_is_no_register_or_would_fault_changes_nothing),
		T(mxcsr_takes_valid_bits),
		T(cet_moves_with_the_vcpus_that_have_it),
		T(pkru_is_read_without_cr4_and_xcr0_is_the_guests_afterwards),
		T(the_limit_of_user_waits_moves_where_there_are_such),
		T(tsc_aux_moves_with_the_vcpus_that_have_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
