/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformance of the MSR areas of VM entries and exits (SDM 24.7.2, 24.8.2, 26.4, 27.4, 27.6):
 * what is loaded and stored, and the outcome of bad entries.
 */
#include "conf.h"

struct msr_entry {
	uint32_t index, reserved;
	uint64_t value;
};

static struct msr_entry *entry_load, *exit_store, *exit_load;

/* L2 answers with what it finds in the MSR that RCX names. */
L2_CODE(c_read, "rdmsr\n\tshl $32, %rdx\n\tor %rdx, %rax");
L2_CODE(c_write, "mov $0x7777, %eax\n\txor %edx, %edx\n\twrmsr\n\tmov $1, %eax");

static struct msr_entry *area(uint64_t address_field)
{
	struct msr_entry *a = page_alloc();

	vmwrite(address_field, address_of(a));
	return a;
}

/* Three empty lists; MSRs are L2's own business (no bitmap exits). */
static void begin(void (*code)(void))
{
	l2_restart(&conf_l2, code);
	conf_base = vmread(VMCS_GUEST_RIP);
	conf_handler = conf_default_handler;
	entry_load = area(VMCS_ENTRY_MSR_LOAD_ADDR);
	exit_store = area(VMCS_EXIT_MSR_STORE_ADDR);
	exit_load = area(VMCS_EXIT_MSR_LOAD_ADDR);
}

static void put(struct msr_entry *a, unsigned i, uint32_t index, uint64_t value)
{
	a[i].index = index;
	a[i].value = value;
}

static void entry_loads(const char *name, uint32_t index, uint64_t value)
{
	begin(c_read);
	put(entry_load, 0, index, value);
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	conf_l2.rcx = index;
	conf_run(name);
}

static void entry_load_values(void)
{
	entry_loads("entry loads SYSENTER_CS", MSR_SYSENTER_CS, 0x1234);
	entry_loads("entry loads STAR", MSR_STAR, 0x0010000800000000ull);
	entry_loads("entry loads LSTAR", MSR_LSTAR, 0xffffffff81000000ull);
	entry_loads("entry loads KERNEL_GS_BASE", MSR_KERNEL_GS_BASE, 0x123456789000ull);
	entry_loads("entry loads PAT", MSR_PAT, 0x0007040600070406ull);
	entry_loads("entry loads TSC_AUX", MSR_TSC_AUX, 0x55);
	entry_loads("entry loads FS_BASE", MSR_FS_BASE, 0x1000);
	entry_loads("entry loads GS_BASE", MSR_GS_BASE, 0x1000);
	entry_loads("entry loads non-canonical LSTAR", MSR_LSTAR, 1ull << 63);
	entry_loads("entry loads bad PAT", MSR_PAT, 2);
	entry_loads("entry loads x2APIC MSR", 0x808, 0);
	entry_loads("entry loads bad EFER", MSR_EFER, 0xffff0000);
	entry_loads("entry loads EFER without LME", MSR_EFER, 0);
}

/* The index of the failing element is the qualification. */
static void entry_load_order(void)
{
	begin(c_read);
	put(entry_load, 0, MSR_SYSENTER_CS, 0x10);
	put(entry_load, 1, MSR_SYSENTER_CS, 0x20);
	put(entry_load, 2, MSR_LSTAR, 1ull << 63);
	put(entry_load, 3, MSR_SYSENTER_CS, 0x30);
	conf_l2.rcx = MSR_SYSENTER_CS;
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 2);
	conf_run("two entries, the last wins");
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 4);
	entry_load[1].value = 0x21; /* not what the guest gets */
	l2_skip();
	conf_run("third entry is bad");
	print("field SYSENTER_CS: %lx\n", vmread(VMCS_GUEST_SYSENTER_CS));
	entry_load[2].index = MSR_SYSENTER_CS;
	entry_load[2].value = 0x40;
	entry_load[1].reserved = 1;
	conf_run("second entry has reserved bits");
	entry_load[1].reserved = 0;
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 3);
	conf_run("all good again");
}

static void exit_stores(void)
{
	begin(c_write);
	conf_l2.rcx = MSR_SYSENTER_ESP;
	put(exit_store, 0, MSR_SYSENTER_ESP, 0xbad);
	put(exit_store, 1, MSR_STAR, 0xbad);
	put(exit_store, 2, MSR_EFER, 0xbad);
	put(exit_store, 3, MSR_FS_BASE, 0xbad);
	vmwrite(VMCS_GUEST_FS_BASE, 0x4000);
	vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 4);
	wrmsr(MSR_STAR, 0x0010000800000000ull);
	conf_run("exit stores");
	print("exit stored SYSENTER_ESP: %lx\n", exit_store[0].value);
	print("exit stored STAR: %lx\n", exit_store[1].value);
	print("exit stored EFER: %lx\n", exit_store[2].value);
	print("exit stored FS_BASE: %lx\n", exit_store[3].value);
	print("field SYSENTER_ESP: %lx, L1's: %lx\n", vmread(VMCS_GUEST_SYSENTER_ESP),
		rdmsr(MSR_SYSENTER_ESP));
}

static void exit_loads(void)
{
	begin(c_write);
	conf_l2.rcx = MSR_LSTAR;
	wrmsr(MSR_LSTAR, 0x1111);
	put(exit_load, 0, MSR_LSTAR, 0x2222);
	put(exit_load, 1, MSR_CSTAR, 0x3333);
	put(exit_load, 2, MSR_KERNEL_GS_BASE, 0x4444);
	vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 3);
	conf_run("exit loads");
	print("LSTAR %lx CSTAR %lx KERNEL_GS_BASE %lx\n", rdmsr(MSR_LSTAR), rdmsr(MSR_CSTAR),
		rdmsr(MSR_KERNEL_GS_BASE));
	begin(c_write);
	conf_l2.rcx = MSR_LSTAR;
	conf_run("without lists");
	print("L2's LSTAR stays: %lx\n", rdmsr(MSR_LSTAR));
}

/* The lists as VMMs use them: each side has its own value, switched at every transition. */
static void swapped(void)
{
	begin(c_write);
	conf_l2.rcx = MSR_LSTAR;
	wrmsr(MSR_LSTAR, 0xaaaa);
	put(entry_load, 0, MSR_LSTAR, 0xbbbb);
	put(exit_store, 0, MSR_LSTAR, 0);
	put(exit_load, 0, MSR_LSTAR, 0xaaaa);
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 1);
	vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 1);
	conf_run("swapped");
	print("swapped: stored %lx, L1 has %lx\n", exit_store[0].value, rdmsr(MSR_LSTAR));
}

/* An entry that fails after its MSRs were loaded still loads those of the exit list. */
static void failing_entry(void)
{
	begin(c_read);
	wrmsr(MSR_LSTAR, 0x5555);
	put(entry_load, 0, MSR_SYSENTER_CS, 1);
	put(entry_load, 1, MSR_LSTAR, 1ull << 63);
	put(exit_store, 0, MSR_LSTAR, 0x777);
	put(exit_load, 0, MSR_LSTAR, 0x6666);
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 2);
	vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 1);
	vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 1);
	conf_run("failing entry");
	print("failing entry: not stored %lx, loaded %lx\n", exit_store[0].value,
		rdmsr(MSR_LSTAR));
	print("launch state after it: %s\n", vmx_outcome(vmx_vmresume()));
}

static void many(void)
{
	begin(c_read);
	for (unsigned i = 0; i < 255; i++)
		put(entry_load, i, MSR_SYSENTER_CS, i);
	conf_l2.rcx = MSR_SYSENTER_CS;
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 255);
	conf_run("255 entries");
}

int payload_main(void)
{
	conf_start();
	entry_load_values();
	entry_load_order();
	exit_stores();
	exit_loads();
	swapped();
	failing_entry();
	many();
	return 0;
}
