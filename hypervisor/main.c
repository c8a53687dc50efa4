/*
 * Bring-up of L0 in order.
 */
#include "main.h"

#include "boot/multiboot2.h"
#include "boot/smp.h"
#include "cpu/acpi.h"
#include "cpu/apic.h"
#include "cpu/clock.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/mux.h"
#include "cpu/percpu.h"
#include "cpu/power.h"
#include "cpu/tsc.h"
#include "lib/fmt.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "nested/caps.h"
#include "policy/options.h"
#include "policy/scenario.h"
#include "spec/vmx.h"
#include "vm/explain.h"
#include "vm/life.h"
#include "vm/vm.h"
#include "vmx/stub.h"
#include "vmx/vmx.h"

#define START_ROUNDS   1000u
#define START_ROUND_US 10u

extern uint8_t image_start[], image_end[];

_Static_assert((int)POWEROFF_NONE == POWER_NONE && (int)POWEROFF_BOCHS == POWER_BOCHS &&
		       (int)POWEROFF_QEMU == POWER_QEMU,
	"options name the ways to turn the machine off in their order");

static struct mb2_info boot_info;
static struct options options;
static struct scenario scenario;
static uint64_t boot_cr3;

static _Noreturn void finish(const char *kind)
{
	mux_record("end kind=%s value=0 tsc=%lu", kind, rdtsc());
	machine_off();
}

/* A word that is none is left out. */
static void read_options(struct text line)
{
	static struct refusal r;

	settings_init(option_settings, &options);
	while (!options_parse(&line, &options, &r))
		log_error("command line: '%.*s' is left out: %s", (int)r.where.len, r.where.s,
			r.why);
}

static void read_boot_info(uint32_t magic, uint32_t info)
{
	if (magic != MB2_BOOT_MAGIC ||
		!mb2_parse(direct_va((struct hpa){info}), MB2_MAX_SIZE, &boot_info)) {
		log_error("not started by a Multiboot2 loader (EAX=0x%x)", magic);
		finish("bad-input");
	}
	read_options(boot_info.cmdline);
	power_mode = (enum power_mode)options.poweroff;
	vmx_stale_vectoring = power_mode == POWER_BOCHS;
	vmx_late_notifications = power_mode == POWER_BOCHS && !options.posted;
	log_max = (enum log_level)options.log;
	mux_enable(options.mux);
	if (boot_info.truncated)
		log_warn("the loader's information block is malformed in parts");
}

/* All RAM but the image, the information block and the modules is free. */
static void init_memory(uint32_t info, uint64_t info_size)
{
	for (unsigned i = 0; i < boot_info.ram_count; i++)
		page_add(boot_info.ram[i].start, boot_info.ram[i].size);
	page_reserve(0, PAGE_SIZE);
	page_reserve(hpa_of(image_start).v, (uint64_t)(image_end - image_start));
	page_reserve(info, info_size);
	for (unsigned i = 0; i < boot_info.module_count; i++)
		page_reserve(boot_info.modules[i].start, boot_info.modules[i].size);
}

/* Whole 2 MiB pages, so that a memory map with odd borders costs no page tables. */
static void init_paging(void)
{
	bool ok = paging_create(&boot_cr3);

	for (unsigned i = 0; i < boot_info.ram_count && ok; i++) {
		uint64_t start = boot_info.ram[i].start & ~PAGE_MASK;
		uint64_t end = boot_info.ram[i].start + boot_info.ram[i].size;

		end = (end + PAGE_MASK) & ~PAGE_MASK;
		ok = paging_map_direct(boot_cr3, (struct hpa){start}, end - start, PT_RW_DATA);
	}
	for (unsigned i = 0; i < boot_info.module_count && ok; i++) {
		uint64_t start = boot_info.modules[i].start & ~PAGE_MASK;
		uint64_t end = boot_info.modules[i].start + boot_info.modules[i].size;

		end = (end + PAGE_MASK) & ~PAGE_MASK;
		ok = paging_map_direct(boot_cr3, (struct hpa){start}, end - start, PT_RW_DATA);
	}
	if (!ok) {
		log_error("no memory for L0's page tables");
		finish("bad-input");
	}
	write_cr3(boot_cr3);
}

static void init_vmx(void)
{
	const char *missing = "";

	switch (vmx_probe(&missing)) {
	case VMX_OK:
		return;
	case VMX_ABSENT:
		log_error("this CPU has no VT-x: Nestor cannot run VMs here");
		break;
	case VMX_LOCKED_OFF:
		log_error("VT-x is locked off by the firmware (IA32_FEATURE_CONTROL): "
			  "enable it in the firmware's setup");
		break;
	case VMX_INSUFFICIENT:
		log_error("this CPU's VT-x lacks %s, which Nestor needs", missing);
		break;
	}
	finish("no-vtx");
}

/* The features by the names that scenarios use. */
static void log_vtx_features(void)
{
	uint64_t have = caps_machine_features(&vmx_caps) & ~(1ull << CAPS_FEATURE_BASE);
	char line[512] = "";
	size_t used = 0;

	for (unsigned i = 0; i < CAPS_FEATURE_COUNT; i++)
		if (have >> i & 1)
			used += fmt(line + used, sizeof(line) - used, " %s",
				caps_feature_name((enum caps_feature)i));
	log_info("VT-x of this machine:%s", line);
}

/* What the modules ask for. */
static void read_scenario(void)
{
	for (unsigned i = 0; i < boot_info.module_count; i++) {
		const struct mb2_module *m = &boot_info.modules[i];

		if (scenario_add(&scenario, m->cmdline, m->start, m->size))
			continue;
		log_error("module %u: '%.*s': %s", i, (int)scenario.refusal.where.len,
			scenario.refusal.where.s, scenario.refusal.why);
		finish("bad-input");
	}
	if (scenario.vm_count == 0) {
		log_error("no module describes a VM (kernel vm=NAME memory=SIZE -- ...)");
		finish("bad-input");
	}
}

static void create_vms(void)
{
	for (unsigned i = 0; i < scenario.vm_count; i++) {
		const char *error = life_begin(i, &scenario.vms[i]);

		if (error == NULL)
			continue;
		if (*error != '\0')
			log_error("'%s': %s", scenario.vms[i].config.name, error);
		finish("bad-input");
	}
}

static void selftest_fault(void)
{
	volatile uint64_t *nowhere = (volatile uint64_t *)(uintptr_t)0x123456789000ull;

	log_info("selftest: taking a page fault");
	*nowhere = 1;
}

/* The other CPUs sleep until the boot CPU knows what VT-x can do. */
static bool started;

static unsigned usable_count(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MAX_CPUS; i++)
		n += __atomic_load_n(&percpus[i].shared.usable, __ATOMIC_ACQUIRE);
	return n;
}

static void start_others(void)
{
	percpus[0].shared.usable = true;
	__atomic_store_n(&started, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 1; i < MAX_CPUS; i++)
		if (percpus[i].shared.online)
			apic_send(percpus[i].apic_id, VECTOR_KICK);
	for (unsigned i = 0; i < START_ROUNDS && usable_count() < cpu_count; i++)
		tsc_delay_us(START_ROUND_US);
	if (usable_count() < cpu_count)
		log_warn("%u of %u CPUs can run VMs", usable_count(), cpu_count);
}

void ap_main(uint32_t index)
{
	percpu_init(index);
	write_cr3(boot_cr3);
	apic_init();
	percpus[index].apic_id = apic_id();
	__atomic_store_n(&percpus[index].shared.online, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&started, __ATOMIC_SEQ_CST))
		sti_hlt_cli();
	if (!vmx_cpu_on()) {
		log_error("CPU %u: VT-x is off or another than the boot CPU's", index);
		halt_forever();
	}
	__atomic_store_n(&percpus[index].shared.usable, true, __ATOMIC_RELEASE);
	vmx_restart();
}

void nestor_main(uint32_t magic, uint32_t info)
{
	unsigned acpi_cpus;

	mux_init();
	fault_init();
	percpu_init(0);
	percpus[0].shared.online = true;
	read_boot_info(magic, info);
	tsc_init(options.tsc_khz);
	acpi_cpus = acpi_count_cpus(boot_info.rsdp, boot_info.rsdp_size);
	init_memory(info, MB2_MAX_SIZE);
	init_paging();
	apic_init();
	percpus[0].apic_id = apic_id();
	smp_start(acpi_cpus, options.maxcpus);
	log_info("Nestor, a root VMM for guests that are hypervisors");
	log_info("%u CPU%s, %lu MiB free, TSC %u kHz", cpu_count, cpu_count == 1 ? "" : "s",
		page_available() >> 20, tsc_khz);
	if (options.selftest_fault)
		selftest_fault();
	init_vmx();
	if (!vmx_cpu_on()) {
		log_error("VMXON failed");
		finish("no-vtx");
	}
	log_vtx_features();
	mux_record("ready tsc=%lu", rdtsc());
	clock_init(options.epoch);
	vm_time_limit = options.limit;
	vm_explain_records = options.explain;
	life_init(boot_cr3, options.ram_zeroed);
	start_others();
	read_scenario();
	create_vms();
	vmx_restart();
}
