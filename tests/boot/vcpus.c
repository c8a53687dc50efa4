/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM with more processors than xAPIC mode has ids for: all are in x2APIC mode, start by INIT
 * and start-up IPIs, by their ids and by a broadcast, and take interrupts by each kind of
 * destination. They stay in real mode, halted, so that hundreds of them leave this one time.
 */
#include "apic.h"
#include "cpu.h"
#include "rt.h"
#include "smp.h"

#define CODE     0x8000u
#define DATA     0x30000u /* which have started, how often each, what each took */
#define STACKS   0x40000u /* 64 bytes each */
#define STARTS   0x1000u
#define TAKEN    0x2000u
#define MOST     512u
#define VECTOR   0x41u
#define XAPIC    255u /* ids that xAPIC mode can name */
#define CLUSTER  16u
#define IN_TURNS 20000000u

#define STR2(x) #x
#define STR(x)  STR2(x)

/* In x2APIC mode, or it does not say that it has started. ESI: its id. */
__asm__(".text\n.code16\nprocessor:\n\tcli\n\t"
	"movw $" STR(
		DATA) " >> 4, %ax\n\tmovw %ax, %ds\n\t"
		      "movl $0x1b, %ecx\n\trdmsr\n\ttestw $0x400, %ax\n\tjz 1f\n\t"
		      "movl $0x802, %ecx\n\trdmsr\n\tmovl %eax, %esi\n\t"
		      "movw $" STR(
			      STACKS) " >> 4, %ax\n\tmovw %ax, %ss\n\t"
				      "leal 1(%esi), %esp\n\tshll $6, %esp\n\t"
				      "movl $0x80f, %ecx\n\tmovl $0x1ff, %eax\n\txorl %edx, %edx\n\twrmsr\n\t"
				      "lock incl " STR(
					      STARTS) "(, %esi, 4)\n\tlock incl 0\n"
						      "1:\tsti\n\thlt\n\tjmp 1b\n"
						      "taker:\n\tlock incl " STR(
							      TAKEN) "(, %esi, 4)\n\t"
								     "movl $0x80b, %ecx\n\txorl %eax, %eax\n\txorl %edx, %edx\n\twrmsr\n\tiretw\n"
								     "processor_end:\n.code64\n");

extern char processor[], taker[], processor_end[];

static volatile uint32_t *const started = (uint32_t *)DATA;
static volatile uint32_t *const starts = (uint32_t *)(DATA + STARTS);
static volatile uint32_t *const taken = (uint32_t *)(DATA + TAKEN);
static volatile uint32_t own;
static unsigned count, expected;

static bool on_interrupt(struct trap_frame *f)
{
	if (f->vector != VECTOR)
		return false;
	own++;
	apic_eoi();
	return true;
}

static void prepare(void)
{
	uint16_t entry[] = {(uint16_t)(taker - processor), CODE >> 4};
	uintptr_t at = VECTOR * 4;

	__asm__("" : "+r"(at)); /* there is no object, as far as the compiler knows */
	memcpy((void *)at, entry, sizeof(entry));
	memset((void *)DATA, 0, 0x10000);
	memcpy((void *)CODE, processor, (size_t)(processor_end - processor));
}

static bool start_each(unsigned from)
{
	for (unsigned i = from; i < count; i++) {
		ipi(i, ICR_INIT | ICR_ASSERT);
		ipi(i, ICR_STARTUP | ICR_ASSERT | CODE >> 12);
	}
	return wait_until(started, count - from, IN_TURNS);
}

static bool start_others(void)
{
	*started = 0;
	ipi(0, ICR_INIT | ICR_ASSERT | ICR_OTHERS);
	ipi(0, ICR_STARTUP | ICR_ASSERT | ICR_OTHERS | CODE >> 12);
	return wait_until(started, count - 1, IN_TURNS);
}

static unsigned wrong_starts(void)
{
	unsigned wrong = 0;

	for (unsigned i = 1; i < MOST; i++)
		wrong += starts[i] != (i < count ? i >= XAPIC ? 2u : 1u : 0u);
	return wrong;
}

/* Each has one interrupt more than before; how many have not. */
static unsigned missing(void)
{
	unsigned n = 0;

	expected++;
	for (unsigned i = 1; i < count; i++)
		n += !wait_until(&taken[i], expected, n == 0 ? IN_TURNS : 0);
	return n;
}

static void to_each(void)
{
	for (unsigned i = 1; i < count; i++)
		ipi(i, ICR_ASSERT | VECTOR);
	print("physical: %u missing\n", missing());
}

static void to_clusters(void)
{
	for (unsigned c = 0; c * CLUSTER < count; c++)
		ipi(c << 16 | (c == 0 ? 0xfffe : 0xffff), ICR_LOGICAL | ICR_ASSERT | VECTOR);
	print("logical: %u missing\n", missing());
}

static void to_all(void)
{
	uint64_t before = rdtsc_exact(), ticks;

	ipi(0, ICR_OTHERS | ICR_ASSERT | VECTOR);
	ticks = rdtsc_exact() - before;
	print("all others: %u missing, own %u\n", missing(), own);
	print("ticks of that IPI: %lu\n", ticks);
	ipi(UINT32_MAX, ICR_ASSERT | VECTOR);
	interrupts_on();
	interrupts_off();
	print("all: %u missing, own %u\n", missing(), own);
}

int payload_main(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	count = cpuid(0xb, 1).ebx & 0xffff;
	print("vcpus: %u, x2apic %lu, id bits %u, leaf 1 %x, leaf 4 %x\n", count,
		base >> 10 & 1, cpuid(0xb, 1).eax, cpuid(1, 0).ebx >> 16 & 0xff,
		cpuid(4, 0).eax >> 26);
	if (!(base & APIC_BASE_X2APIC) || count > MOST)
		return 1;
	x2apic_on();
	apic_write(APIC_SVR, SVR_ON);
	trap_hook = on_interrupt;
	prepare();
	print("by ids: %s\n", start_each(XAPIC) ? "all" : "not all");
	print("by broadcast: %s\n", start_others() ? "all" : "not all");
	print("wrong starts: %u\n", wrong_starts());
	to_each();
	to_clusters();
	to_all();
	print("vcpus: done\n");
	return 0;
}
