/* SPDX-License-Identifier: Apache-2.0 */
/* cpu: sapphire_rapids */
/*
 * What a flag of CPUID stands for goes with it: the instruction, bits of CR4, XCR0 and
 * IA32_XSS, MSRs, controls of VT-x. As the processor has it, so under Nestor, whose VMs may be
 * told to see less (tests/boot/run.sh).
 */
#include "conf.h"

#include "spec/regs.h"

#define EBX7(bit) (cpuid(7, 0).ebx >> (bit)&1)
#define ECX7(bit) (cpuid(7, 0).ecx >> (bit)&1)

#define XSS            0xda0u
#define UMWAIT_CONTROL 0xe1u
#define S_CET          0x6a2u

static unsigned control(uint32_t msr, uint32_t bit)
{
	return (rdmsr(msr) >> 32 & bit) != 0;
}

/*
 * The last access to a register of what CPUID tells or does not. DEVIATIONS.md: the emulator
 * knows no #GP of those that its model has not.
 */
static void tell_msr(const char *name, bool there)
{
	if (!there && !trapped())
		conf_skipped(name, "#GP for unknown MSRs");
	else
		print("%s: %d\n", name, trap.vector);
}

static void invpcid(void)
{
	const uint64_t descriptor[2] = {0};

	__asm__ volatile(TRY_BEGIN "invpcid (%0),%1" TRY_END
			 :
			 : "r"(descriptor), "r"(2ul)
			 : "memory");
	print("invpcid: %u, trap %d, control %u\n", EBX7(10), trap.vector,
		control(MSR_VMX_PROC2, PROC2_ENABLE_INVPCID));
}

static void waits(void)
{
	__asm__ volatile(TRY_BEGIN "tpause %0" TRY_END : : "r"(1), "a"(0), "d"(0) : "memory");
	print("waitpkg: %u, trap %d, control %u\n", ECX7(5), trap.vector,
		control(MSR_VMX_PROC2, PROC2_USER_WAIT_PAUSE));
	(void)rdmsr_try(UMWAIT_CONTROL);
	tell_msr("waitpkg MSR", ECX7(5));
}

static void xsetbv_try(const char *name, uint32_t value)
{
	__asm__ volatile(TRY_BEGIN "xsetbv" TRY_END : : "a"(value), "c"(0), "d"(0) : "memory");
	print("%s: trap %d, area %u\n", name, trap.vector, cpuid(0xd, 0).ebx);
}

static void state(void)
{
	static uint8_t area[4096] __attribute__((aligned(64)));

	write_cr4_try(read_cr4() | CR4_OSXSAVE);
	print("xsave: %u, trap %d\n", cpuid(1, 0).ecx >> 26 & 1, trap.vector);
	if (trapped())
		return;
	print("avx: %u %u, avx512f: %u, pku: %u, components %x\n", cpuid(1, 0).ecx >> 28 & 1,
		EBX7(5), EBX7(16), ECX7(3), cpuid(0xd, 0).eax & 0x2e7);
	xsetbv_try("x87", 1);
	xsetbv_try("avx", 7);
	xsetbv_try("avx512", 0xe7);
	xsetbv_try("keys", 0x203);
	__asm__ volatile(TRY_BEGIN "xsaves (%0)" TRY_END
			 :
			 : "r"(area), "a"(1), "d"(0)
			 : "memory");
	print("xsaves: %u, trap %d, control %u, components %x\n", cpuid(0xd, 1).eax >> 3 & 1,
		trap.vector, control(MSR_VMX_PROC2, PROC2_ENABLE_XSAVES),
		cpuid(0xd, 1).ecx & 0x1800);
	(void)rdmsr_try(XSS);
	tell_msr("xsaves MSR read", cpuid(0xd, 1).eax >> 3 & 1);
	wrmsr_try(XSS, 0);
	tell_msr("xsaves MSR written", cpuid(0xd, 1).eax >> 3 & 1);
}

/* Whether VMX operation allows it. */
static void fixed_bit(const char *name, unsigned seen, uint64_t bit)
{
	print("%s: %u, fixed %u\n", name, seen,
		(unsigned)((rdmsr(MSR_VMX_CR4_FIXED1) & bit) != 0));
}

static void bit_of_cr4(const char *name, unsigned seen, uint64_t bit)
{
	uint64_t before = read_cr4();

	write_cr4_try(before ^ bit);
	print("%s: trap %d\n", name, trap.vector);
	write_cr4(before);
	fixed_bit(name, seen, bit);
}

int payload_main(void)
{
	invpcid();
	waits();
	state();
	fixed_bit("smep", EBX7(7), CR4_SMEP); /* not tried: the payload's pages are users' */
	fixed_bit("smap", EBX7(20), CR4_SMAP);
	bit_of_cr4("fsgsbase", EBX7(0), CR4_FSGSBASE);
	bit_of_cr4("umip", ECX7(2), CR4_UMIP);
	bit_of_cr4("pku", ECX7(3), CR4_PKE);
	bit_of_cr4("pcid", cpuid(1, 0).ecx >> 17 & 1, CR4_PCIDE);
	fixed_bit("la57", ECX7(16), CR4_LA57);
	print("addresses: %u\n", cpuid(0x80000008, 0).eax >> 8 & 0xff);
	print("cet: %u %u, control %u\n", ECX7(7), cpuid(7, 0).edx >> 20 & 1,
		control(MSR_VMX_ENTRY, ENTRY_LOAD_CET));
	(void)rdmsr_try(S_CET);
	tell_msr("cet MSR", ECX7(7) || cpuid(7, 0).edx >> 20 & 1);
	print("rdrand: %u, control %u\n", cpuid(1, 0).ecx >> 30 & 1,
		control(MSR_VMX_PROC2, PROC2_RDRAND_EXITING));
	print("rdseed: %u, control %u\n", EBX7(18),
		control(MSR_VMX_PROC2, PROC2_RDSEED_EXITING));
	return 0;
}
