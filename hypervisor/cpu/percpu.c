/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/percpu.h"

#include "cpu/fault.h"
#include "cpu/leaves.h"
#include "spec/cpuid.h"
#include "spec/vmx.h"

static struct percpu boot_cpu __attribute__((aligned(4096)));
struct percpu *percpus[MAX_CPUS] = {&boot_cpu};
unsigned cpu_slots = 1;
unsigned cpu_count = 1;

#define GDT_CODE64 0x00af9b000000ffffull
#define GDT_DATA   0x00cf93000000ffffull
#define GDT_TSS    0x0000890000000000ull

static void set_tss_descriptor(struct percpu *c)
{
	uint64_t base = (uint64_t)(uintptr_t)&c->tss;

	c->gdt[3] = GDT_TSS | (sizeof(c->tss) - 1) | (base & 0xffffff) << 16 |
		    (base >> 24 & 0xff) << 56;
	c->gdt[4] = base >> 32;
}

/* CR4.LA57 stays as entry.S has set it: with paging on it cannot change. */
static void init_control_registers(void)
{
	bool xsave = cpuid(1, 0).ecx & BIT(26);
	struct cpuid_regs features = {0};

	if (cpuid(0, 0).eax >= 7)
		features = cpuid(7, 0);
	write_cr4(CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | (xsave ? CR4_OSXSAVE : 0) |
		  (features.ebx & BIT(7) ? CR4_SMEP : 0) | (read_cr4() & CR4_LA57));
	if (xsave)
		xsetbv(0, 1);
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
}

/*
 * What L0's page tables mean by PWT and PCD: write-back, UC and write-combining, whatever
 * firmware has made of it; before anything is reached by them, and by entry 1 nothing is yet.
 * SDM 11.12.4 "Programming the PAT"
 */
static void set_pat(struct percpu *c)
{
	c->firmware_pat = rdmsr(MSR_PAT);
	wrmsr(MSR_PAT, PAT_L0);
	if (c->firmware_pat == PAT_RESET)
		return;
	write_cr3(read_cr3()); /* or old types would fill caches behind WBINVD */
	wbinvd();
	write_cr3(read_cr3());
}

/* Without these instructions their prefix is ignored (SDM vol. 2 "TZCNT", "LZCNT"). */
static void find_aliases(struct percpu *c)
{
	struct cpuid_regs features = {0}, extended = {0};

	if (cpuid(0, 0).eax >= CPUID_LEAF_FEATURES)
		features = cpuid(CPUID_LEAF_FEATURES, 0);
	if (cpuid(CPUID_EXT_BASE, 0).eax > CPUID_EXT_BASE)
		extended = cpuid(CPUID_EXT_BASE + 1, 0);
	c->no_tzcnt = !(features.ebx & BIT(3));
	c->no_lzcnt = !(extended.ecx & BIT(5));
}

void percpu_make(void *memory, unsigned count)
{
	struct percpu *c = memory;

	for (unsigned i = 0; i < count; i++)
		percpus[cpu_slots + i] = &c[i];
	cpu_slots += count;
}

void percpu_init(unsigned index)
{
	struct percpu *c = percpus[index];

	cpuid_lift_limit();
	c->self = c;
	c->index = index;
	c->stack_top = (uint64_t)(uintptr_t)c->stack + STACK_SIZE;
	c->gdt[0] = 0;
	c->gdt[1] = GDT_CODE64;
	c->gdt[2] = GDT_DATA;
	for (unsigned i = 0; i < 3; i++)
		c->tss.ist[i] = (uint64_t)(uintptr_t)c->ist[i] + IST_SIZE;
	c->tss.iomap = sizeof(c->tss);
	set_tss_descriptor(c);
	lgdt(&(struct table_pointer){sizeof(c->gdt) - 1, (uint64_t)(uintptr_t)c->gdt});
	load_segments(SEL_CODE, SEL_DATA);
	ltr(SEL_TSS);
	wrmsr(MSR_GS_BASE, (uint64_t)(uintptr_t)c);
	fault_init_cpu();
	init_control_registers();
	set_pat(c);
	find_aliases(c);
}
