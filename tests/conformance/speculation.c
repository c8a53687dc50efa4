/* SPDX-License-Identifier: Apache-2.0 */
/* cpu: sapphire_rapids */
/*
 * What a processor offers against vulnerabilities of speculative execution: flags of CPUID,
 * IA32_SPEC_CTRL, IA32_PRED_CMD, IA32_FLUSH_CMD and IA32_ARCH_CAPABILITIES, in L1 and in L2, by
 * instructions, with and without exits, and by MSR lists (Intel, "CPUID Enumeration and
 * Architectural MSRs"; SDM vol. 4, table 2-2).
 */
#include "conf.h"

#define SPEC_CTRL  0x48u
#define PRED_CMD   0x49u
#define ARCH_CAPS  0x10au
#define FLUSH_CMD  0x10bu
#define FLAGS      0xbc000400u /* of CPUID.(7,0).EDX */
#define FLAGS2     0x000000bfu /* of CPUID.(7,2).EDX */
#define PAGE_WORDS 512
/*
 * A hypervisor sets what the processor is free of although it does not say so: SSB_NO, MDS_NO,
 * GDS_NO, RFDS_NO, ITS_NO.
 */
#define CAPS_SAID 0x400000000c000030ull

struct msr_entry {
	uint32_t index, reserved;
	uint64_t value;
};

/* RAX: what the MSR that RCX names has afterwards. */
L2_CODE(s_read, "rdmsr\n\tshl $32,%rdx\n\tor %rdx,%rax");
L2_CODE(s_read_caps, "rdmsr\n\tshl $32,%rdx\n\tor %rdx,%rax\n\t"
		     "movabs $0xbffffffff3ffffcf,%rdx\n\tand %rdx,%rax");
L2_CODE(s_write4, "mov $4,%eax\n\txor %edx,%edx\n\twrmsr\n\trdmsr");
L2_CODE(s_write400, "mov $0x400,%eax\n\txor %edx,%edx\n\twrmsr\n\trdmsr");
L2_CODE(s_write_reserved, "xor %eax,%eax\n\tmov $0x80000000,%edx\n\twrmsr\n\txor %eax,%eax");
L2_CODE(s_write6, "mov $6,%eax\n\txor %edx,%edx\n\twrmsr\n\tmov $0x66,%eax");
L2_CODE(s_command, "mov $1,%eax\n\txor %edx,%edx\n\twrmsr\n\tmov $0x77,%eax");

static struct msr_entry *entry_load, *exit_store, *exit_load;
static uint64_t *bitmap;

/* Of one that is not there the emulator says nothing: DEVIATIONS.md. */
static bool absent(const char *name, uint32_t msr)
{
	static const struct {
		uint32_t msr, flags;
		const char *called;
	} needs[] = {{SPEC_CTRL, BIT(26) | BIT(27) | BIT(31), "IA32_SPEC_CTRL"},
		{PRED_CMD, BIT(26), "IA32_PRED_CMD"}, {FLUSH_CMD, BIT(28), "IA32_FLUSH_CMD"},
		{ARCH_CAPS, BIT(29), "IA32_ARCH_CAPABILITIES"}};

	for (unsigned i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (needs[i].msr == msr && !(cpuid(7, 0).edx & needs[i].flags)) {
			conf_skipped(name, needs[i].called);
			return true;
		}
	return false;
}

static void tried(const char *name)
{
	print("%s: trap %d\n", name, trap.vector);
}

static void write(const char *name, uint32_t msr, uint64_t value)
{
	if (absent(name, msr))
		return;
	wrmsr_try(msr, value);
	tried(name);
}

static void read(const char *name, uint32_t msr)
{
	uint64_t value;

	if (absent(name, msr))
		return;
	value = rdmsr_try(msr) & ~(msr == ARCH_CAPS ? CAPS_SAID : 0);
	print("%s: trap %d, %lx\n", name, trap.vector, trap.vector < 0 ? value : 0);
}

static void in_l1(void)
{
	print("flags %x %x\n", cpuid(7, 0).edx & FLAGS,
		cpuid(7, 0).eax < 2 ? 0 : cpuid(7, 2).edx & FLAGS2);
	read("ARCH_CAPABILITIES", ARCH_CAPS);
	write("ARCH_CAPABILITIES", ARCH_CAPS, 0);
	read("SPEC_CTRL at first", SPEC_CTRL);
	write("SPEC_CTRL = 0", SPEC_CTRL, 0);
	for (uint64_t v = 1; v < 8; v++) {
		write("SPEC_CTRL", SPEC_CTRL, v);
		read("SPEC_CTRL", SPEC_CTRL);
	}
	for (unsigned bit = 3; bit < 12; bit++) { /* those of leaf 7.2, and some of none */
		write("SPEC_CTRL", SPEC_CTRL, 1ull << bit);
		read("SPEC_CTRL", SPEC_CTRL);
	}
	write("SPEC_CTRL, reserved", SPEC_CTRL, 1ull << 63);
	read("SPEC_CTRL, as it was", SPEC_CTRL);
	read("PRED_CMD", PRED_CMD);
	write("PRED_CMD = 0", PRED_CMD, 0);
	write("PRED_CMD = 1", PRED_CMD, 1);
	write("PRED_CMD, reserved", PRED_CMD, 1ull << 63);
	read("FLUSH_CMD", FLUSH_CMD);
	write("FLUSH_CMD = 1", FLUSH_CMD, 1);
	write("FLUSH_CMD, reserved", FLUSH_CMD, 2);
}

/*
 * Where CPUID does not tell of the bit, it is reserved; the emulator takes it on some models
 * (DEVIATIONS.md), and so does L1 there, who writes the register itself.
 */
static bool no_bhi_ctrl(const char *name)
{
	if (cpuid(7, 0).eax >= 2 && cpuid(7, 2).edx & BIT(4))
		return false;
	conf_skipped(name, "BHI_CTRL");
	return true;
}

static void begin(void (*code)(void), uint32_t msr)
{
	l2_restart(&conf_l2, code);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = conf_default_handler;
	vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	conf_l2.rcx = msr;
	vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, address_of(entry_load));
	vmwrite(VMCS_EXIT_MSR_STORE_ADDR, address_of(exit_store));
	vmwrite(VMCS_EXIT_MSR_LOAD_ADDR, address_of(exit_load));
}

static void run(const char *name)
{
	conf_run(name);
	print("%s: rax %lx, L1's SPEC_CTRL %lx\n", name, conf_l2.rax, rdmsr(SPEC_CTRL));
}

/* L2 has what L1 had, and L1 afterwards what L2 has written: nothing switches it by itself. */
static void in_l2(void)
{
	wrmsr(SPEC_CTRL, 1);
	begin(s_read, SPEC_CTRL);
	run("L2 reads SPEC_CTRL");
	begin(s_write4, SPEC_CTRL);
	run("L2 writes SPEC_CTRL");
	if (!no_bhi_ctrl("L2 writes BHI_DIS_S")) {
		begin(s_write400, SPEC_CTRL);
		run("L2 writes BHI_DIS_S");
	}
	begin(s_write_reserved, SPEC_CTRL);
	run("L2 writes reserved bits");
	begin(s_read_caps, ARCH_CAPS);
	run("L2 reads ARCH_CAPABILITIES");
	begin(s_command, PRED_CMD);
	run("L2 writes PRED_CMD");
	begin(s_command, FLUSH_CMD);
	run("L2 writes FLUSH_CMD");
	begin(s_read, PRED_CMD);
	run("L2 reads PRED_CMD");
}

static void set_exit(uint32_t msr, bool is_write)
{
	uint32_t bit = msr + (is_write ? 16384 : 0);

	bitmap[bit / 64] |= 1ull << bit % 64;
}

/* What L1 intercepts is L1's, the rest is not. */
static void with_bitmap(void)
{
	static const uint32_t msrs[] = {SPEC_CTRL, PRED_CMD, FLUSH_CMD};

	for (unsigned i = 0; i < 3; i++)
		for (unsigned exits = 0; exits < 2; exits++) {
			for (unsigned w = 0; w < PAGE_WORDS; w++)
				bitmap[w] = 0;
			if (exits)
				set_exit(msrs[i], true);
			begin(i == 0 ? s_write4 : s_command, msrs[i]);
			vmwrite(VMCS_MSR_BITMAP, address_of(bitmap));
			ctl_set(VMCS_PROC_CONTROLS, PROC_USE_MSR_BITMAPS);
			wrmsr(SPEC_CTRL, 2);
			run(exits ? "intercepted" : "not intercepted");
		}
}

/*
 * "Virtualize IA32_SPEC_CTRL": L2 reads the shadow, and writes the bits that the mask leaves.
 * What it has written is not read again, since the emulator forgets it: DEVIATIONS.md.
 */
static void virtualized_as(const char *name, void (*code)(void), uint64_t mask)
{
	begin(code, SPEC_CTRL);
	ctl_set(VMCS_PROC_CONTROLS, PROC_TERTIARY);
	vmwrite(VMCS_PROC3_CONTROLS, PROC3_VIRTUALIZE_SPEC_CTRL);
	vmwrite(VMCS_SPEC_CTRL_MASK, mask);
	vmwrite(VMCS_SPEC_CTRL_SHADOW, 0x8000000000000005);
	wrmsr(SPEC_CTRL, 1);
	run(name);
}

static void virtualized(void)
{
	if (conf_lacks("virtual", NEEDS(SPEC_CTRL)))
		return;
	virtualized_as("virtual, read", s_read, UINT64_MAX);
	virtualized_as("virtual, read without mask", s_read, 0);
	virtualized_as("virtual, write", s_write6, 0);
	virtualized_as("virtual, write by a mask", s_write6, 3);
	virtualized_as("virtual, write of nothing", s_write6, UINT64_MAX);
	virtualized_as("virtual, reserved bits", s_write_reserved, 0);
	virtualized_as("virtual, reserved bits that are L1's", s_write_reserved, 1ull << 63);
	virtualized_as("virtual, reserved bits, mask elsewhere", s_write_reserved, 1ull << 62);
	begin(s_write6, SPEC_CTRL);
	ctl_set(VMCS_PROC_CONTROLS, PROC_TERTIARY);
	vmwrite(VMCS_PROC3_CONTROLS, PROC3_VIRTUALIZE_SPEC_CTRL | 1ull << 63);
	conf_status("virtual, a reserved control", l2_run(&conf_l2));
	ctl_clear(VMCS_PROC_CONTROLS, PROC_TERTIARY); /* its controls count no more */
	run("virtual, tertiary controls off");
}

static void put(struct msr_entry *list, uint64_t count_field, uint32_t msr, uint64_t value)
{
	list[0] = (struct msr_entry){msr, 0, value};
	vmwrite(count_field, 1);
}

static void by_lists(void)
{
	wrmsr(SPEC_CTRL, 1);
	begin(s_write4, SPEC_CTRL);
	put(entry_load, VMCS_ENTRY_MSR_LOAD_COUNT, SPEC_CTRL, 2);
	put(exit_store, VMCS_EXIT_MSR_STORE_COUNT, SPEC_CTRL, 0xbad);
	put(exit_load, VMCS_EXIT_MSR_LOAD_COUNT, SPEC_CTRL, 1);
	run("switched by lists");
	print("stored %lx\n", exit_store[0].value);
	begin(s_read, SPEC_CTRL);
	put(entry_load, VMCS_ENTRY_MSR_LOAD_COUNT, SPEC_CTRL, 6);
	run("loaded by the entry");
	if (!no_bhi_ctrl("BHI_DIS_S by the entry")) {
		begin(s_read, SPEC_CTRL);
		put(entry_load, VMCS_ENTRY_MSR_LOAD_COUNT, SPEC_CTRL, 0x400);
		run("BHI_DIS_S by the entry");
	}
	wrmsr(SPEC_CTRL, 1);
	put(entry_load, VMCS_ENTRY_MSR_LOAD_COUNT, SPEC_CTRL, 1ull << 63);
	begin(s_read, SPEC_CTRL);
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	run("reserved bits in the list");
	begin(s_read, SPEC_CTRL);
	put(entry_load, VMCS_ENTRY_MSR_LOAD_COUNT, PRED_CMD, 1);
	run("PRED_CMD in the list");
}

int payload_main(void)
{
	in_l1();
	if (!(cpuid(7, 0).edx & BIT(26)))
		return 0;
	conf_start();
	entry_load = page_alloc();
	exit_store = page_alloc();
	exit_load = page_alloc();
	bitmap = page_alloc();
	in_l2();
	with_bitmap();
	virtualized();
	by_lists();
	return 0;
}
