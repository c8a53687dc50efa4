/* SPDX-License-Identifier: Apache-2.0 */
/* cpu: sapphire_rapids +wrmsrns */
/*
 * WRMSRNS (SDM vol. 2, "WRMSRNS"): WRMSR that need not serialize, three bytes long. L1 writes
 * registers that L0 lets through, completes and refuses; L2 such that L1 intercepts, and such
 * that L0 completes for it. Its exits are WRMSR's.
 */
#include "conf.h"

#define CODE            ".byte 0x0f, 0x01, 0xc6"
#define HAS             BIT(19) /* of CPUID.(7,1).EAX */
#define PAT             0x277u
#define MTRR_DEF        0x2ffu
#define FS_BASE         0xc0000100u
#define LSTAR           0xc0000082u
#define NOT_CANONICAL   0x8000000000000000ull
#define PAT_VALUE       0x0007040600070406ull
#define BAD_PAT         0x0207040600070406ull
#define WRITES_AT(word) ((word) + 2048 / 8) /* of the MSR bitmap, in words */

/* EDX:EAX to the MSR that RCX names, and back into RAX. */
L2_CODE(n_write, CODE "\n\trdmsr\n\tshl $32,%rdx\n\tor %rdx,%rax");
L2_CODE(n_write_only, CODE "\n\tmov $0x77,%eax");

static uint64_t *bitmap;

static void wrmsrns(uint32_t msr, uint64_t v)
{
	__asm__ volatile(TRY_BEGIN CODE TRY_END
			 :
			 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
}

static void write(const char *name, uint32_t msr, uint64_t v)
{
	wrmsrns(msr, v);
	print("%s: trap %d, error %x", name, trap.vector, trapped() ? trap.error : 0);
	print(", then %lx\n", rdmsr_try(msr));
}

static void user_writes(void)
{
	__asm__ volatile(CODE : : "c"(FS_BASE), "a"(0), "d"(0) : "memory");
	__asm__ volatile("int $0x80");
}

static void in_l1(void)
{
	uint64_t fs = rdmsr(FS_BASE), pat = rdmsr(PAT);

	write("FS base", FS_BASE, 0x123456789abc);
	write("FS base, not canonical", FS_BASE, NOT_CANONICAL);
	write("FS base, as it was", FS_BASE, fs);
	write("PAT", PAT, PAT_VALUE);
	write("PAT, no type", PAT, BAD_PAT);
	write("PAT, as it was", PAT, pat);
	write("default type", MTRR_DEF, 0xc06);
	write("default type, reserved", MTRR_DEF, 0x1c06);
	user_call(user_writes);
	print("a user: trap %d, error %x\n", trap.vector, trap.error);
}

static void begin(void (*code)(void), uint32_t msr, uint64_t value)
{
	l2_restart(&conf_l2, code);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = conf_default_handler;
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	vmwrite(VMCS_MSR_BITMAP, address_of(bitmap));
	ctl_set(VMCS_PROC_CONTROLS, PROC_USE_MSR_BITMAPS);
	for (unsigned w = 0; w < 512; w++)
		bitmap[w] = 0;
	conf_l2.rcx = msr;
	conf_l2.rax = (uint32_t)value;
	conf_l2.rdx = value >> 32;
}

/* The qualification tells the two instructions apart on processors, not on the emulator. */
static void run(const char *name)
{
	conf_run(name);
	print("%s: reason %lx, length %lx, qualification %lx\n", name, vmread(VMCS_EXIT_REASON),
		vmread(VMCS_EXIT_INSTRUCTION_LENGTH), vmread(VMCS_EXIT_QUALIFICATION));
}

static void in_l2(void)
{
	begin(n_write, FS_BASE, 0x1234567890);
	run("L2, let through");
	begin(n_write, PAT, PAT_VALUE);
	run("L2, completed by L0");
	begin(n_write_only, LSTAR, NOT_CANONICAL);
	run("L2, refused");
	begin(n_write_only, PAT, BAD_PAT);
	run("L2, refused by L0");
	begin(n_write_only, FS_BASE, 0x1234567890);
	bitmap[WRITES_AT((0x2000 + (FS_BASE & 0x1fff)) / 64)] = 1ull << (FS_BASE & 63);
	run("L2, intercepted");
	begin(n_write_only, PAT, BAD_PAT);
	bitmap[WRITES_AT(PAT / 64)] = 1ull << (PAT & 63);
	run("L2, intercepted before it is refused");
	begin(n_write_only, 0x2000, 0);
	run("L2, beyond the bitmap");
	begin(n_write_only, FS_BASE, 0x1234567890);
	ctl_clear(VMCS_PROC_CONTROLS, PROC_USE_MSR_BITMAPS);
	run("L2, without a bitmap");
}

int payload_main(void)
{
	if (cpuid(0, 0).eax < 7 || cpuid(7, 0).eax < 1 || !(cpuid(7, 1).eax & HAS)) {
		conf_skipped("WRMSRNS", "WRMSRNS");
		return 0;
	}
	print("CPUID has it\n");
	in_l1();
	conf_start();
	bitmap = page_alloc();
	in_l2();
	return 0;
}
