/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bring-up of L0 in order.
 */
#include "main.h"
#include "main_int.h"

#include "boot/memory.h"
#include "cpu/acpi.h"
#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/clock.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/idle.h"
#include "cpu/ioapic.h"
#include "cpu/left_msrs.h"
#include "cpu/log.h"
#include "cpu/machine.h"
#include "cpu/mce.h"
#include "cpu/mtrr.h"
#include "cpu/mux.h"
#include "cpu/off.h"
#include "cpu/percpu.h"
#include "cpu/power.h"
#include "cpu/reset.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "mm/node.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "vm/cores.h"
#include "vm/denial.h"
#include "vm/ecam.h"
#include "vm/iommu.h"
#include "vm/life.h"
#include "vm/mitigate.h"
#include "vmx/stub.h"

#define IOAPICS_MAX 128u /* a socket has up to a dozen */

static struct boot_info boot_info;

/* Without this there is nothing to go on with. `kind` is for the host tool. */
static void need(bool ok, const char *kind)
{
	if (ok)
		return;
	mux_record("end kind=%s value=0 tsc=%lu", kind, rdtsc());
	machine_off();
}

static bool read_loader(uint32_t magic, uint32_t block)
{
	if (!boot_info_read(magic, block, &boot_info)) {
		log_error("started by a loader that Nestor does not know (EAX=0x%x)", magic);
		return false;
	}
	config_read(boot_info.cmdline);
	if (boot_info.truncated)
		log_warn("the loader's information block is malformed in parts");
	if (boot_info.left_out != 0)
		log_warn(
			"the memory map has more than %u pieces: %lu KiB in the smallest are not "
			"used",
			BOOT_MAX_RANGES, boot_info.left_out >> 10);
	return true;
}

static void greet(void)
{
	log_info("Nestor " NESTOR_VERSION ", a root VMM for guests that are hypervisors");
	log_info("%u CPU%s, %lu MiB free, TSC %u kHz, machine=%s", cpu_count,
		cpu_count == 1 ? "" : "s", page_available() >> 20, tsc_khz,
		l0_config()->machine.name);
	node_tell();
}

static void selftest_fault(void)
{
	volatile uint64_t *nowhere = (volatile uint64_t *)(uintptr_t)0x123456789000ull;

	log_info("selftest: taking a page fault");
	*nowhere = 1;
}

/* Errors that do not keep L0 from going on, or one that does. */
static void selftest_machine_check(bool fatal)
{
	static const struct mce_bank harmless[] =
		{
			{.status = MCI_VAL | MCI_EN | MCI_ADDRV | 0x90, .address = 0x1234000},
			{.status = MCI_VAL | MCI_UC | MCI_EN | MCI_S | MCI_MISCV | 0xc0,
				.misc = 0x86},
		},
				     corrupt = {.status = MCI_VAL | MCI_UC | MCI_EN | MCI_PCC |
							  0x150};

	for (unsigned i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		mce_simulate(3 + i, &harmless[i], MCG_STATUS_MCIP | MCG_STATUS_RIPV);
		take_machine_check();
	}
	log_info("selftest: L0 goes on after %u machine checks",
		(unsigned)(sizeof(harmless) / sizeof(harmless[0])));
	if (!fatal)
		return;
	mce_simulate(0, &corrupt, MCG_STATUS_MCIP);
	take_machine_check();
}

/*
 * An address that is no IOAPIC's is written to all the same, at two registers: it must not be
 * memory.
 */
static void quiet_ioapics(uint64_t space, const uint32_t *addresses, unsigned count)
{
	(void)ioapic_quiet(IOAPIC_DEFAULT_BASE);
	for (unsigned i = 0; i < count; i++) {
		struct hpa page = {addresses[i] & ~(uint32_t)PAGE_MASK};

		if (addresses[i] == IOAPIC_DEFAULT_BASE)
			continue;
		if (addresses[i] % 16 != 0 || page.v == 0 || page_known(page.v, PAGE_SIZE))
			log_warn("firmware tells of an IOAPIC at 0x%x, where none can be",
				addresses[i]);
		else if (!paging_map_direct(space, page, PAGE_SIZE, PT_RW_DATA | PT_UC) ||
			 ioapic_quiet(addresses[i]) == 0)
			log_warn(
				"the IOAPIC at 0x%x is not reached: its pins are as firmware has "
				"left them",
				addresses[i]);
	}
}

static void cores_find(void)
{
	bool any = l0_config()->threads == L0_THREADS_ANY;
	unsigned cores = cores_init(any ? 0 : mitigate_thread_bits());

	if (cores != 0)
		log_info("%u core%s with several threads, each for one VM at a time", cores,
			cores == 1 ? "" : "s");
}

/* While the boot page tables are in use. */
static void nmi_find(void)
{
	struct madt_nmi nmi;

	apic_take_nmi(
		acpi_nmi_input(boot_info.rsdp, boot_info.rsdp_size, apic_initial_id(), &nmi)
			? &nmi
			: NULL);
}

/* Likewise; one in memory is in all address spaces that are made from now on. */
static void reset_find(void)
{
	struct fadt_reset r;

	if (!acpi_reset_register(boot_info.rsdp, boot_info.rsdp_size, &r) ||
		(r.space == FADT_MEMORY && r.address >= DIRECT_SIZE) ||
		(r.space == FADT_MEMORY &&
			!paging_everywhere((struct hpa){r.address & ~PAGE_MASK}, PAGE_SIZE,
				PT_RW_DATA | PT_UC)))
		return;
	reset_take_register(&r);
}

/* Likewise. */
static void off_find(void)
{
	struct power_off p;
	const char *why;

	if (l0_config()->at_end != L0_END_OFF)
		return;
	why = acpi_power_off(boot_info.rsdp, boot_info.rsdp_size, &p);
	if (why == NULL)
		off_take(&p);
	else
		log_warn("at-end=off: firmware does not tell how: %s", why);
}

void nestor_main(uint32_t magic, uint32_t block)
{
	uint64_t boot_space;
	static uint32_t apic_ids[MAX_CPUS]; /* more than the stack holds */
	static uint32_t ioapics[IOAPICS_MAX];
	unsigned known, ioapic_count;

	mux_init();
	fault_init();
	percpu_init(0);
	need(read_loader(magic, block), "bad-input");
	left_msrs_clear();
	mitigate_judge();
	output_choose(&boot_info);
	tsc_init();
	known = acpi_cpus(boot_info.rsdp, boot_info.rsdp_size, apic_ids, MAX_CPUS);
	if (known == MAX_CPUS)
		log_warn("firmware tells of %u CPUs or more: so many are used", known);
	ioapic_count = acpi_ioapics(boot_info.rsdp, boot_info.rsdp_size, ioapics, IOAPICS_MAX);
	nmi_find();
	reset_find();
	off_find();
	iommu_read(boot_info.rsdp, boot_info.rsdp_size);
	ecam_find(boot_info.rsdp, boot_info.rsdp_size);
	node_init(boot_info.rsdp, boot_info.rsdp_size);
	mtrr_read();
	boot_memory_init(&boot_info);
	boot_memory_types(&boot_info);
	need(boot_memory_map(&boot_info, &boot_space), "bad-input");
	output_map(&boot_info);
	quiet_ioapics(boot_space, ioapics, ioapic_count);
	if (iommu_prefers_xapic())
		apic_prefer_legacy(apic_ids, known);
	need(apic_init(), "no-vtx");
	idle_init();
	cpus_start(apic_ids, known, boot_space);
	greet();
	if (l0_config()->selftest == L0_SELFTEST_FAULT)
		selftest_fault();
	mce_cpu_init();
	if (l0_config()->selftest == L0_SELFTEST_MCE ||
		l0_config()->selftest == L0_SELFTEST_MCE_FATAL)
		selftest_machine_check(l0_config()->selftest == L0_SELFTEST_MCE_FATAL);
	need(vmx_start(), "no-vtx");
	mce_local_on();
	mitigate_init();
	mitigate_cpu();
	denial_init(mitigate_thread_bits() != 0 && mitigate_unused_threads() == 0);
	denial_cpu();
	power_cpu_init();
	mux_record("ready tsc=%lu", rdtsc());
	clock_init();
	life_init(boot_space);
	cores_find();
	mux_is_polled();
	cpus_release();
	need(vms_start(&boot_info), "bad-input");
	vmx_restart();
}
