/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 that tries to break L0: thousands of random privileged things, from rubbish MSRs to
 * VMCSs, EPT12 tables and lists at addresses anywhere, with an L2 that runs rubbish. It ends
 * with its own debug exit of 0, or with whatever it did to itself; L0 and other VMs must not
 * care.
 *
 * Command line: seed=N, count=N actions, wild=1 for what may well destroy this program itself
 * (host state, lists of exits, any page of its memory in an EPT12), only=N for one kind of
 * action, verbose=N to tell of actions from number N on.
 */
#include "apic.h"
#include "cmdline.h"
#include "cpu.h"
#include "hostile.h"
#include "random.h"
#include "rt.h"
#include "vmx.h"

#define DEFAULT_COUNT 2000

bool hostile_wild, hostile_verbose;

static uint64_t rng;
static uint32_t events; /* interrupts and exceptions outside of guarded instructions */

uint64_t random64(void)
{
	return random_next(&rng);
}

bool one_in(unsigned n)
{
	return random64() % n == 0;
}

uint64_t random_value(uint64_t old)
{
	switch (random64() % 7) {
	case 0:
		return random64();
	case 1:
		return random64() >> random64() % 64;
	case 2:
		return old ^ 1ull << random64() % 64;
	case 3:
		return old ^ 1ull << random64() % 32;
	case 4:
		return 0;
	case 5:
		return ~0ull << random64() % 64;
	default:
		return random_address();
	}
}

/*
 * Events that nothing here waits for: NMIs, debug traps, interrupts; the latter get an EOI. The
 * random PICs deliver any vector, where interrupts are on.
 */
static bool ignore_events(struct trap_frame *f)
{
	if (f->vector >= 32 || f->rflags & RFLAGS_IF) {
		outb(0x20, 0x20);
		outb(0xa0, 0x20);
		*apic_memory(APIC_EOI) = 0;
		wrmsr_try(MSR_X2APIC_EOI, 0);
	} else if (f->vector != 1 && f->vector != 2) {
		return false;
	}
	f->rflags &= ~(uint64_t)RFLAGS_TF;
	events++;
	return true;
}

/* ---- the processor ---- */

static uint32_t random_msr(void)
{
	static const uint32_t base[] = {0, 0x170, 0x1a0, 0x200, 0x250, 0x480, 0x800, 0xc0000080,
		0xc0000100, 0x40000000};
	uint64_t kind = random64() % 12;

	if (kind < 10)
		return base[kind] + (uint32_t)(random64() % (kind == 6 ? 0x100 : 0x20));
	return (uint32_t)(random64() >> random64() % 32);
}

/* An INIT to oneself ends the run, here and on a machine. */
static uint64_t without_init(uint32_t msr, uint64_t v)
{
	return msr == apic_msr(APIC_ICR) || msr == 0x300 ? v & ~0x700ull : v;
}

static void msrs(void)
{
	uint32_t msr = random_msr();
	uint64_t old = rdmsr_try(msr);

	if (one_in(2))
		wrmsr_try(msr, without_init(msr, random_value(old)));
	if (msr == MSR_EFER || msr == MSR_APIC_BASE || msr == MSR_DEBUGCTL)
		wrmsr_try(msr, old);
}

/* Ports that end the VM are for another day. */
static bool ends(uint16_t port)
{
	return port == 0xf4 || port == 0xcf8 || port == 0xcf9 || port == 0x604 ||
	       port == 0x605 || port == 0x8900 || port == 0x64 || port == 0x92 || port == 0xe9;
}

static uint16_t random_port(void)
{
	static const uint16_t base[] = {
		0x20, 0xa0, 0x40, 0x60, 0x70, 0x3f8, 0x2f8, 0xcf8, 0x4d0, 0x600, 0x608, 0xb000};
	uint64_t kind = random64() % 14;
	uint16_t port =
		kind < 12 ? (uint16_t)(base[kind] + random64() % 8) : (uint16_t)random64();

	return port + 4 >= port &&
			       (ends(port) || ends((uint16_t)(port + 1)) ||
				       ends((uint16_t)(port + 2)) || ends((uint16_t)(port + 3)))
		       ? 0x80
		       : port;
}

static void ports(void)
{
	static uint8_t buffer[4096];
	uint16_t port = random_port();
	uint32_t v = (uint32_t)random_value(0);
	void *at = buffer;
	uint64_t count = random64() % 1024;

	switch (random64() % 6) {
	case 0:
		__asm__ volatile("inb %w1, %b0" : "+a"(v) : "Nd"(port));
		break;
	case 1:
		__asm__ volatile("inw %w1, %w0\n\tinl %w1, %0" : "+a"(v) : "Nd"(port));
		break;
	case 2:
		__asm__ volatile("outb %b0, %w1" : : "a"(v), "Nd"(port));
		break;
	case 3:
		__asm__ volatile("outw %w0, %w1\n\toutl %0, %w1" : : "a"(v), "Nd"(port));
		break;
	case 4:
		__asm__ volatile("rep insl" : "+D"(at), "+c"(count) : "d"(port) : "memory");
		break;
	default:
		__asm__ volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(port) : "memory");
	}
}

static uint64_t device_address(void)
{
	static const uint32_t base[] = {0xfee00000, 0xfec00000, 0xe0000000, 0xfed00000,
		0xc0000000, 0xa0000, 0xfffff000};

	return base[random64() % 7] +
	       (one_in(2) ? random64() % 0x40 * 16 : random64() % 0x1000);
}

static void device_memory(void)
{
	uintptr_t at = (uintptr_t)device_address();
	uint64_t v = random_value(0);
	uint64_t words[4] = {0}, count = random64() % 4;
	void *to = words;

	if ((at & ~0xfull) == APIC_DEFAULT_BASE + APIC_ICR)
		return;
	switch (random64() % 7) {
	case 0:
		__asm__ volatile(TRY_BEGIN "movl (%1), %k0" TRY_END
				 : "+r"(v)
				 : "r"(at)
				 : "memory");
		break;
	case 1:
		__asm__ volatile(TRY_BEGIN "movl %k0, (%1)" TRY_END
				 :
				 : "r"(v), "r"(at)
				 : "memory");
		break;
	case 2:
		__asm__ volatile(TRY_BEGIN "movb %b0, (%1)" TRY_END
				 :
				 : "q"(v), "r"(at)
				 : "memory");
		break;
	case 3:
		__asm__ volatile(TRY_BEGIN "movq %0, (%1)" TRY_END
				 :
				 : "r"(v), "r"(at)
				 : "memory");
		break;
	case 4:
		__asm__ volatile(TRY_BEGIN "lock xaddl %k0, (%1)" TRY_END
				 : "+r"(v)
				 : "r"(at)
				 : "memory", "cc");
		break;
	case 5:
		__asm__ volatile(TRY_BEGIN "rep movsq" TRY_END
				 : "+D"(to), "+S"(at), "+c"(count)
				 :
				 : "memory");
		break;
	default:
		__asm__ volatile(TRY_BEGIN "testl $1, (%0)\n\torl $1, (%0)" TRY_END
				 :
				 : "r"(at)
				 : "memory", "cc");
	}
}

#define CR4_SUPERVISOR_ONLY (BIT64(20) | BIT64(21)) /* this program's pages are the user's */

static void control_registers(void)
{
	uint64_t cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4(), v;

	switch (random64() % 6) {
	case 0:
		write_cr0_try(random_value(cr0));
		__asm__ volatile("clts");
		write_cr0_try(cr0);
		break;
	case 1:
		write_cr4_try(random_value(cr4) & ~CR4_SUPERVISOR_ONLY);
		write_cr4_try(cr4);
		break;
	case 2:
		write_cr3_try(cr3 | (random64() & 0x18) | (one_in(4) ? random64() << 40 : 0));
		write_cr3_try(cr3);
		break;
	case 3:
		v = random_value(0);
		__asm__ volatile(TRY_BEGIN "mov %0, %%cr8" TRY_END : : "r"(v) : "memory");
		__asm__ volatile(TRY_BEGIN "mov %0, %%cr8" TRY_END : : "r"(0ul) : "memory");
		break;
	case 4:
		v = random_value(0x400);
		__asm__ volatile(TRY_BEGIN "mov %0, %%dr7" TRY_END : : "r"(v) : "memory");
		__asm__ volatile(TRY_BEGIN "mov %0, %%dr6" TRY_END : : "r"(v) : "memory");
		__asm__ volatile("mov %0, %%dr7" : : "r"(0x400ul) : "memory");
		break;
	default:
		__asm__ volatile(TRY_BEGIN "lmsw %w0" TRY_END
				 :
				 : "r"(random64() | 1)
				 : "memory");
		write_cr0_try(cr0);
	}
}

/* Segments: random selectors, random descriptors; then exits while they are loaded. */
static void segments(void)
{
	uint64_t kept = rt_gdt[SEL_DATA16 / 8];
	uint16_t selector = (uint16_t)(one_in(2) ? SEL_DATA16 : random64() % 0x70);

	if (one_in(2))
		rt_gdt[SEL_DATA16 / 8] = random64();
	__asm__ volatile(TRY_BEGIN "mov %w0, %%ds\n\tmov %w0, %%es" TRY_END : : "r"(selector));
	__asm__ volatile(TRY_BEGIN "mov %w0, %%fs\n\tmov %w0, %%gs" TRY_END : : "r"(selector));
	__asm__ volatile(TRY_BEGIN "lldt %w0" TRY_END : : "r"(one_in(2) ? selector : 0));
	cpuid((uint32_t)random64(), (uint32_t)random64());
	rdmsr_try(MSR_EFER);
	rt_gdt[SEL_DATA16 / 8] = kept;
	__asm__ volatile("mov %w0, %%ds\n\tmov %w0, %%es\n\tmov %w0, %%fs\n\tmov %w0, %%gs"
			 :
			 : "r"(SEL_DATA));
}

/* A call to 32-bit or 16-bit code that has exits of its own, and may be stepped. */
__asm__(".text\n\t.code32\n"
	"compat_code:\n\tpushl %eax\n\tpushl %ebx\n\tpushl %ecx\n\tpushl %edx\n\txorl %eax, %eax\n\tcpuid\n\t"
	"inb $0x80, %al\n\tmovl $0x10, %ecx\n\trdmsr\n\t"
	"popl %edx\n\tpopl %ecx\n\tpopl %ebx\n\tpopl %eax\n\tljmp *compat_back\n"
	".code64\n"
	".data\ncompat_back:\n\t.long compat_end\n\t.word 8\n"
	"compat_to:\n\t.long compat_code\n\t.word 0x18\n.text\n");

static void other_code(void)
{
	uint64_t step = one_in(3) ? RFLAGS_TF : 0;

	__asm__ volatile(
		"pushfq\n\torq %0, (%%rsp)\n\tpopfq\n\tljmp *compat_to\ncompat_end:\n\t"
		"pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"
		:
		: "r"(step)
		: "memory", "cc");
}

static void plain_instructions(void)
{
	uint64_t rcx = one_in(2) ? 0 : random64();

	switch (random64() % 9) {
	case 0:
		cpuid((uint32_t)random_value(0), (uint32_t)(random64() % 16));
		break;
	case 1:
		__asm__ volatile(
			TRY_BEGIN "xsetbv" TRY_END
			:
			: "a"(random_value(7)), "d"(one_in(4) ? random64() : 0), "c"(rcx));
		break;
	case 2:
		__asm__ volatile(TRY_BEGIN "rdpmc" TRY_END : : "c"(rcx) : "rax", "rdx");
		break;
	case 3:
		__asm__ volatile(TRY_BEGIN "monitor\n\tmwait" TRY_END
				 :
				 : "a"(0), "c"(0), "d"(0));
		break;
	case 4:
		__asm__ volatile(TRY_BEGIN "getsec" TRY_END : : "a"(rcx) : "rbx", "rcx", "rdx");
		break;
	case 5:
		__asm__ volatile("wbinvd");
		break;
	case 6:
		__asm__ volatile(TRY_BEGIN ".byte 0x0f, 0x01, 0xcf" TRY_END
				 :
				 : "a"(0)); /* ENCLS */
		break;
	case 7:
		__asm__ volatile("sti\n\tnop\n\tnop\n\tcli");
		break;
	default:
		other_code();
	}
}

static void (*const actions[])(void) = {msrs, ports, device_memory, control_registers, segments,
	plain_instructions, hostile_virtio, hostile_vtd, hostile_insn, hostile_insn,
	hostile_tables, hostile_l2, hostile_l2, hostile_l2};
#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

int payload_main(void)
{
	uint64_t seed = cmdline_number("seed", 1),
		 count = cmdline_number("count", DEFAULT_COUNT);
	uint64_t only = cmdline_number("only", ACTIONS),
		 verbose = cmdline_number("verbose", count);

	hostile_wild = cmdline_number("wild", 0) != 0;
	rng = seed;
	trap_hook = ignore_events;
	print("hostile: seed=%lu count=%lu wild=%u\n", seed, count, hostile_wild);
	hostile_vmx_start();
	hostile_virtio_start();
	hostile_vtd_start();
	for (uint64_t i = 0; i < count; i++) {
		uint64_t kind = only < ACTIONS ? only : random64() % ACTIONS;

		hostile_verbose = i >= verbose;
		if (hostile_verbose)
			print("%lu: kind %lu\n", i, kind);
		actions[kind]();
	}
	print("hostile: done, %u events, ", events);
	hostile_vmx_end();
	return 0;
}
