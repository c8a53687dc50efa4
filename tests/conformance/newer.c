/* SPDX-License-Identifier: Apache-2.0 */
/* cpu: sapphire_rapids */
/*
 * What newer processors have besides: protection keys of user pages, in L1, in L2, and where L0
 * completes the access; TPAUSE, UMONITOR and UMWAIT; direct stores; the flags of CPUID.
 */
#include "conf.h"
#include "spec/paging.h"

/* Of leaf 7: what is offered of what this is about. */
#define ECX_SHOWN  0x1a000038u /* PKU, OSPKE, WAITPKG, CLDEMOTE, MOVDIRI, MOVDIR64B */
#define EDX_SHOWN  0x00804100u /* VP2INTERSECT, SERIALIZE, AVX512_FP16 */
#define EAX1_SHOWN 0x008000bfu /* of subleaf 1: SHA512 to AVX-IFMA; not those of fast strings */
#define WAITPKG    BIT(5)      /* of CPUID.(7,0).ECX */
#define CLDEMOTE   BIT(25)
#define SERIALIZE  BIT(14) /* of EDX */

#define UMWAIT_CONTROL 0xe1u
#define CR4_PKE_BIT    BIT(22)
#define XCR0_WITH_PKRU 0x207u
#define KEY            ((uint64_t)5 << 59)
#define NO_ACCESS      0x400u /* of key 5, in PKRU */
#define NO_WRITES      0x800u
#define CR0_WP_BIT     BIT(16)
#define IOAPIC         0xfec00000ul

static uint64_t page; /* of users, with the key */
static uint64_t *pml4, *pdpt, *pd;

static void wrpkru(uint32_t v)
{
	__asm__ volatile("wrpkru" : : "a"(v), "c"(0), "d"(0) : "memory");
}

static uint32_t rdpkru(void)
{
	uint32_t v, zero;

	__asm__ volatile("rdpkru" : "=a"(v), "=d"(zero) : "c"(0));
	return v;
}

static void flags(const char *name)
{
	struct cpuid_regs r = cpuid(7, 0);

	print("%s: leaf 7 %x %x, subleaf 1 %x, leaf d %x %x\n", name, r.ecx & ECX_SHOWN,
		r.edx & EDX_SHOWN, cpuid(7, 1).eax & EAX1_SHOWN, cpuid(0xd, 0).eax & 0x200,
		cpuid(0xd, 9).ebx);
}

static void make_page(void)
{
	page = address_of(pages_alloc_2m());
	pml4 = boot_pml4;
	pdpt = (uint64_t *)(uintptr_t)(pml4[0] & PT_ADDRESS);
	pd = (uint64_t *)(uintptr_t)(pdpt[page >> 30] & PT_ADDRESS);
	pml4[0] |= PT_US;
	pdpt[page >> 30] |= PT_US;
	pd[page >> 21 & 511] |= PT_US | KEY;
	write_cr3(read_cr3());
}

/* ---- protection keys of L1 ---- */

static void told(const char *name)
{
	if (trapped())
		print("%s: trap %d, error %x, at %lx of the page\n", name, trap.vector,
			trap.error, trap.cr2 - page);
	else
		print("%s: done\n", name);
}

static void touch(const char *name, bool write)
{
	uint64_t v = 0;

	if (write)
		__asm__ volatile(TRY_BEGIN "mov %0,(%1)" TRY_END
				 :
				 : "r"(v), "r"(page + 8)
				 : "memory");
	else
		__asm__ volatile(TRY_BEGIN "mov (%1),%0" TRY_END
				 : "+r"(v)
				 : "r"(page + 8)
				 : "memory");
	told(name);
}

/* From the IOAPIC to the page, and back: L0 completes both, and walks to the page itself. */
static void copy(const char *name, bool from_device)
{
	uint64_t to = from_device ? page + 0x10 : IOAPIC,
		 from = from_device ? IOAPIC : page + 0x10;

	*(volatile uint32_t *)IOAPIC = 1;
	__asm__ volatile(TRY_BEGIN "movsl" TRY_END : "+D"(to), "+S"(from) : : "memory");
	told(name);
	wrpkru(0);
	print("%s: select %x\n", name, *(volatile uint32_t *)IOAPIC & 0xff);
}

static void user_reads(void)
{
	__asm__ volatile("mov (%0),%%eax\n\tint $0x80" : : "r"(page) : "eax", "memory");
}

static void user_copies(void)
{
	uint64_t to = page + 0x10, from = IOAPIC;

	__asm__ volatile("movsl\n\tint $0x80" : "+D"(to), "+S"(from) : : "memory");
}

/* A user's accesses; the emulator lets a supervisor pass whom the key denies: DEVIATIONS.md. */
static void as_user(uint32_t pkru)
{
	print("users, pkru %x\n", pkru);
	wrpkru(pkru);
	user_call(user_reads);
	told("  reads");
	user_call(user_copies);
	told("  copies");
	wrpkru(0);
}

static void keys(const char *name, uint32_t pkru)
{
	print("%s:\n", name);
	wrpkru(pkru);
	print("  pkru %x\n", rdpkru());
	touch("  read", false);
	touch("  write", true);
	write_cr0(read_cr0() & ~(uint64_t)CR0_WP_BIT);
	touch("  write without WP", true);
	write_cr0(read_cr0() | CR0_WP_BIT);
	copy("  from a device", true);
	wrpkru(pkru);
	copy("  to a device", false);
	wrpkru(0);
}

static void in_l1(void)
{
	uint32_t v;

	__asm__ volatile(TRY_BEGIN "rdpkru" TRY_END : "=a"(v) : "c"(0) : "rdx");
	print("rdpkru without CR4.PKE: trap %d\n", trap.vector);
	write_cr4(read_cr4() | CR4_PKE_BIT);
	flags("with CR4.PKE");
	keys("all allowed", 0);
	keys("key 5 for reading", NO_WRITES);
	keys("key 4 denied", NO_ACCESS >> 2);
	as_user(0);
	as_user(NO_ACCESS);
	as_user(NO_WRITES);
	as_user(NO_ACCESS | NO_WRITES);
	write_cr4(read_cr4() & ~(uint64_t)CR4_PKE_BIT);
	flags("without CR4.PKE");
}

/* ---- of L2 ---- */

#define PKRU(value) "mov $" #value ",%eax\n\txor %ecx,%ecx\n\txor %edx,%edx\n\twrpkru\n\t"

L2_CODE(p_read, PKRU(0x100) "mov 8(%rsi),%rax\n\tvmcall");
L2_CODE(p_write, PKRU(0x800) "mov 8(%rsi),%rax\n\tmov %rax,8(%rsi)\n\tvmcall");
L2_CODE(p_allowed, PKRU(0x30c) "mov %rsi,8(%rsi)\n\tmov 8(%rsi),%rax\n\tvmcall");
L2_CODE(p_copy,
	PKRU(0x800) "mov $0xfec00000,%ebx\n\tmov %rsi,%rdi\n\tmov %rbx,%rsi\n\tmovsl\n\t"
		    "vmcall");

static void begin(void (*code)(void))
{
	l2_restart(&conf_l2, code);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = conf_default_handler;
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP) | BIT(VEC_PF) | BIT(VEC_UD));
	conf_l2.rsi = page;
}

static void keys_of_l2(void)
{
	static void (*const codes[])(void) = {p_read, p_write, p_allowed, p_copy};
	static const char *const names[] = {"L2 reads", "L2 writes", "L2 may", "L2 copies"};

	for (unsigned i = 0; i < 4; i++) {
		begin(codes[i]);
		vmwrite(VMCS_GUEST_CR4, vmread(VMCS_GUEST_CR4) | CR4_PKE_BIT);
		conf_run(names[i]);
		print("%s: error %lx\n", names[i],
			vmread(VMCS_EXIT_REASON) == 0 ? vmread(VMCS_EXIT_INTR_ERROR_CODE) : 0);
	}
	write_cr4(read_cr4() | CR4_PKE_BIT);
	print("what L2 left: pkru %x\n", rdpkru());
	wrpkru(0);
	write_cr4(read_cr4() & ~(uint64_t)CR4_PKE_BIT);
}

/* ---- waiting ---- */

static void write_control(uint64_t v)
{
	wrmsr_try(UMWAIT_CONTROL, v);
	print("UMWAIT_CONTROL = %lx: trap %d, %lx\n", v, trap.vector, rdmsr(UMWAIT_CONTROL));
}

static uint32_t deadline_low(uint64_t at)
{
	return (uint32_t)at;
}

/* CF: the time of the MSR ended it. */
static void tpause(const char *name, uint32_t hint, uint64_t ticks)
{
	uint64_t at = ticks == 0 ? 0 : rdtsc_exact() + ticks;
	uint8_t carry = 0;

	__asm__ volatile(TRY_BEGIN "tpause %2\n\tsetc %0" TRY_END
			 : "+q"(carry)
			 : "a"(deadline_low(at)), "r"(hint), "d"((uint32_t)(at >> 32))
			 : "cc", "memory");
	print("%s: trap %d, CF %d, in time %d\n", name, trap.vector, carry,
		ticks == 0 || carry || rdtsc_exact() >= at);
}

static void umwait(const char *name, bool written)
{
	static uint64_t line[8] __attribute__((aligned(64)));
	uint64_t at = rdtsc_exact() + 20000;
	uint8_t carry = 0;

	__asm__ volatile(TRY_BEGIN "umonitor %1" TRY_END : : "r"(0), "r"(line) : "memory");
	if (written)
		line[0]++;
	__asm__ volatile(TRY_BEGIN "umwait %2\n\tsetc %0" TRY_END
			 : "+q"(carry)
			 : "a"((uint32_t)at), "r"(0), "d"((uint32_t)(at >> 32))
			 : "cc", "memory");
	print("%s: trap %d, CF %d, waited %d\n", name, trap.vector, carry, rdtsc_exact() >= at);
}

static void waits(void)
{
	print("UMWAIT_CONTROL at first: %lx\n", rdmsr_try(UMWAIT_CONTROL));
	write_control(0x100000);
	write_control(0x100001); /* reserved bits: DEVIATIONS.md */
	write_control(0);
	tpause("tpause, over", 0, 0);
	tpause("tpause", 0, 20000);
	tpause("tpause, lighter", 1, 20000);
	tpause("tpause, reserved hint", 2, 20000);
	umwait("umwait", false);
	umwait("umwait, written before", true);
}

L2_CODE(w_tpause, "xor %eax,%eax\n\txor %edx,%edx\n\txor %ecx,%ecx\n\ttpause %ecx\n\tvmcall");
L2_CODE(w_umwait,
	"umonitor %rsi\n\txor %eax,%eax\n\txor %edx,%edx\n\tmov $1,%ebx\n\tumwait %ebx\n\t"
	"vmcall");
L2_CODE(w_msr,
	"mov $0xe1,%ecx\n\txor %edx,%edx\n\tmov $0x4000,%eax\n\twrmsr\n\trdmsr\n\tvmcall");

static void wait_of_l2(const char *name, void (*code)(void), uint32_t proc2, uint32_t proc)
{
	begin(code);
	if (proc2 != 0) {
		ctl_set(VMCS_PROC_CONTROLS, PROC_SECONDARY);
		ctl_set(VMCS_PROC2_CONTROLS, proc2);
	}
	if (proc != 0)
		ctl_set(VMCS_PROC_CONTROLS, proc);
	conf_run(name);
	print("%s: rax %lx\n", name, conf_l2.rax);
}

static void waits_of_l2(void)
{
	wait_of_l2("L2's tpause without the control", w_tpause, 0, 0);
	wait_of_l2("L2's umwait without the control", w_umwait, 0, 0);
	wait_of_l2("L2's tpause", w_tpause, PROC2_USER_WAIT_PAUSE, 0);
	wait_of_l2("L2's umwait", w_umwait, PROC2_USER_WAIT_PAUSE, 0);
	wait_of_l2("L2's tpause exits", w_tpause, PROC2_USER_WAIT_PAUSE, PROC_RDTSC_EXITING);
	wait_of_l2("L2's umwait exits", w_umwait, PROC2_USER_WAIT_PAUSE, PROC_RDTSC_EXITING);
	wait_of_l2("L2 writes UMWAIT_CONTROL", w_msr, PROC2_USER_WAIT_PAUSE, 0);
	print("L1's UMWAIT_CONTROL: %lx\n", rdmsr(UMWAIT_CONTROL));
	wrmsr(UMWAIT_CONTROL, 0);
}

/* ---- stores ---- */

static void stores(void)
{
	uint64_t *from = page_alloc(), *to = page_alloc(), sum = 0;
	uint64_t select = IOAPIC, word = 0x0102030405060708;

	for (unsigned i = 0; i < 512; i++)
		from[i] = i * 0x0101010101;
	__asm__ volatile("movdir64b (%0),%1" : : "r"(from + 3), "r"(to + 8) : "memory");
	__asm__ volatile("movdiri %0,(%1)" : : "r"(word), "r"(to + 32) : "memory");
	for (unsigned i = 0; i < 512; i++)
		sum = sum * 31 + to[i];
	print("direct stores: %lx\n", sum);
	__asm__ volatile(TRY_BEGIN "movdir64b (%0),%1" TRY_END
			 :
			 : "r"(from), "r"(to + 1)
			 : "memory");
	print("movdir64b, not aligned: trap %d\n", trap.vector);
	__asm__ volatile("movdiri %0,(%1)" : : "r"(0x10), "r"(select) : "memory");
	print("movdiri to a device: select %x\n", *(volatile uint32_t *)select & 0xff);
	if (cpuid(7, 0).ecx & CLDEMOTE)
		__asm__ volatile("cldemote (%0)" : : "r"(from) : "memory");
	if (cpuid(7, 0).edx & SERIALIZE)
		__asm__ volatile("serialize" : : : "memory");
	else
		conf_skipped("serialize", "SERIALIZE");
}

int payload_main(void)
{
	flags("at first");
	if (!(cpuid(7, 0).ecx & BIT(3))) {
		conf_skipped("newer", "protection keys");
		return 0;
	}
	write_cr4(read_cr4() | BIT(18));
	__asm__ volatile("xsetbv" : : "c"(0), "a"(XCR0_WITH_PKRU), "d"(0));
	print("XSAVE area: %u\n", cpuid(0xd, 0).ebx);
	make_page();
	in_l1();
	conf_start();
	keys_of_l2();
	if (cpuid(7, 0).ecx & WAITPKG) {
		waits();
		waits_of_l2();
	}
	if ((cpuid(7, 0).ecx >> 27 & 3) == 3)
		stores();
	return 0;
}
