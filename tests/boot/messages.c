/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 that owns the test device of the emulated machine (docs/machine-device.md): its
 * registers without exits, at one address and another, from L2, too; MSI and MSI-X, every
 * message counted; DMA; a device that sends without end. Under Nestor only: the device's place
 * is the one that Nestor gives it.
 *
 * Command line: `cpus=N`; `reset`: it resets while the device sends without end; `storm`: the
 * device does so for ever.
 */
#include "apic.h"
#include "cmdline.h"
#include "cpu.h"
#include "pci.h"
#include "rt.h"
#include "smp.h"
#include "spec/pci.h"
#include "vmx.h"

#define DEVICE    PCI_FUNCTION(0, 20, 0)
#define COMMAND   PCI_COMMAND
#define BAR       PCI_BAR
#define BAR_PORTS 0x18
#define ALL_ON    0x7 /* of COMMAND: ports, memory, bus master */

#define PLACE  0xc0100000u
#define OTHER  0xd0000000u
#define PORTS  0xc100u
#define TABLE  0x1000u
#define BITS   0x2000u
#define MEMORY 0x3000u

/* The device's registers. */
#define ID      0x00
#define CONTROL 0x04
#define EVENTS  0x08
#define ENABLE  0x0c
#define RAISE   0x10
#define BUSY    0x14
#define SOURCE  0x20
#define TARGET  0x28
#define LENGTH  0x30
#define DMA     0x34
#define FILL    0x38
#define SUM     0x3c
#define PERIOD  0x40
#define STORM   0x44
#define BURST   0x48
#define WHICH   0x4c
#define ACK     0x50
#define OWED    0x54
#define COUNTS  0x80

#define DMA_COPY  1u
#define DMA_FILL  2u
#define DMA_SUM   3u
#define DMA_EVENT 0x100u

#define VECTOR       0x60u
#define MSI_VECTORS  8u
#define MSIX_VECTORS 16u
#define EACH         100u /* interrupts of each vector */
#define ALL_THE_TIME 150u /* ticks, for all vectors */
#define HALTS        200u
#define OFTEN        5000u /* faster than L0 could take them; a guest can, by itself */

/* Memory that is one to one, for the device. */
#define BUFFER           ((uint8_t *)0x1000000)
#define LENGTH_OF_BUFFER 0x3000u

static uint32_t base = PLACE;
static unsigned cpus;
static uint8_t msi, msix;
static volatile uint32_t taken[MSIX_VECTORS], taken_by[CPUS_MAX];
static volatile uint32_t acknowledge; /* the handler does */

/* ---- configuration space ---- */

static volatile uint32_t *reg(unsigned offset)
{
	return (volatile uint32_t *)(uintptr_t)(base + offset);
}

static void move_to(uint32_t address)
{
	pci_write(DEVICE, BAR, address);
	pci_write(DEVICE, BAR + 4, 0);
	base = address;
}

static void find_capabilities(void)
{
	for (uint32_t at = pci_read(DEVICE, PCI_CAPABILITIES) & 0xfc; at != 0;
		at = pci_read(DEVICE, at) >> 8 & 0xfc) {
		if ((pci_read(DEVICE, at) & 0xff) == PCI_CAP_MSI)
			msi = (uint8_t)at;
		if ((pci_read(DEVICE, at) & 0xff) == PCI_CAP_MSIX)
			msix = (uint8_t)at;
	}
}

/* ---- registers ---- */

static uint64_t ticks_of_reads(unsigned offset)
{
	uint64_t start = rdtsc_exact();

	for (unsigned i = 0; i < 100; i++)
		(void)*reg(offset);
	return (rdtsc_exact() - start) / 100;
}

static volatile uint32_t watched, begun, moved, last_seen;

/* Without a PAUSE, which might be an exit: what it knows of the address is from before. */
static void watch(void *arg)
{
	volatile uint32_t *at = (volatile uint32_t *)(uintptr_t)watched;

	(void)arg;
	do {
		last_seen = *at;
		begun = 1;
	} while (moved == 0);
	last_seen = *at;
}

/* Moves the registers while the last processor reads them; what it finds there afterwards. */
static uint32_t move_under_reader(uint32_t to)
{
	watched = base;
	begun = moved = 0;
	if (cpus > 1) {
		start_on(cpus - 1, watch, NULL);
		while (load(&begun) == 0)
			pause();
	}
	move_to(to);
	store(&moved, 1);
	if (cpus > 1)
		wait_for(cpus - 1);
	else
		watch(NULL);
	return last_seen;
}

static void registers(void)
{
	uint32_t id, gone = 0, there = 0;

	for (unsigned i = 0; i < 0x1000; i += 4)
		*reg(MEMORY + i) = i * 0x01010101u;
	move_to(OTHER);
	for (unsigned i = 0; i < 0x1000; i += 4)
		there += *reg(MEMORY + i) == i * 0x01010101u;
	print("registers: id %x, %u words as written, ports %x, without exits: %s, the table: %s\n",
		*reg(ID), there, inl(PORTS), ticks_of_reads(MEMORY) < 20 ? "yes" : "NO",
		ticks_of_reads(TABLE) > 200 ? "no" : "YES");
	for (unsigned i = 0; i < 50; i++) {
		id = *reg(ID);
		gone += move_under_reader(i % 2 ? OTHER : PLACE) == ~0u;
		there += *reg(ID) == id;
	}
	pci_write16(DEVICE, COMMAND, 0);
	print("moved: gone %u, there %u, decoding off: %x\n", gone, there - 0x400, *reg(ID));
	pci_write16(DEVICE, COMMAND, ALL_ON);
	move_to(PLACE);
}

/* ---- messages ---- */

/* With `acknowledge` the device sends the next one of a burst. */
static bool interrupt(struct trap_frame *f)
{
	uint32_t n = (uint32_t)f->vector - VECTOR;

	if (n >= MSIX_VECTORS)
		return false;
	add(&taken[n], 1);
	add(&taken_by[cpu_index()], 1);
	apic_eoi();
	if (load(&acknowledge))
		*reg(ACK) = n;
	return true;
}

static void wait(uint64_t ticks)
{
	for (uint64_t end = rdtsc_exact() + ticks; rdtsc_exact() < end;)
		pause();
}

static void open_ears(void *arg)
{
	(void)arg;
	interrupts_on();
}

static volatile uint32_t stop;

static void listen_until_told(void *arg)
{
	(void)arg;
	interrupts_on();
	while (load(&stop) == 0)
		pause();
	interrupts_off();
}

static void others_listen(void)
{
	store(&stop, 0);
	for (unsigned i = 1; i < cpus; i++)
		start_on(i, listen_until_told, NULL);
}

static void others_stop(void)
{
	store(&stop, 1);
	for (unsigned i = 1; i < cpus; i++)
		wait_for(i);
}

static void forget(void)
{
	for (unsigned n = 0; n < MSIX_VECTORS; n++)
		store(&taken[n], 0);
	for (unsigned i = 0; i < cpus; i++)
		store(&taken_by[i], 0);
}

static uint32_t total(unsigned vectors)
{
	uint32_t sum = 0;

	for (unsigned n = 0; n < vectors; n++)
		sum += load(&taken[n]);
	return sum;
}

/* A burst of each vector, at the same time; every message must come, or the rest stays away. */
static void count_all(const char *what, unsigned vectors)
{
	uint32_t wrong = 0, before = 0;

	forget();
	for (unsigned n = 0; n < vectors; n++)
		before += *reg(COUNTS + 4 * n);
	store(&acknowledge, 1);
	*reg(WHICH) = (1u << vectors) - 1;
	*reg(BURST) = EACH;
	for (uint64_t end = rdtsc_exact() + 100000000;
		total(vectors) < vectors * EACH && rdtsc_exact() < end;)
		pause();
	wait(100000);
	store(&acknowledge, 0);
	for (unsigned n = 0; n < vectors; n++) {
		wrong += load(&taken[n]) != EACH;
		before -= *reg(COUNTS + 4 * n);
	}
	print("%s: %u messages taken of %u sent, %u vectors wrong, owed %u", what,
		total(vectors), 0 - before, wrong, *reg(OWED));
	for (unsigned i = 0; i < cpus; i++)
		print(", %s by cpu %u", load(&taken_by[i]) != 0 ? "some" : "none", i);
	print("\n");
}

/* While interrupts are disabled here. */
static void raise_and_wait(unsigned n)
{
	*reg(RAISE) = n;
	wait(200000);
	interrupts_on();
	wait(20000);
	interrupts_off();
}

static void set_msi(unsigned cpu)
{
	pci_write(DEVICE, msi + 4u, 0xfee00000u | cpu << 12);
	pci_write(DEVICE, msi + 8u, 0);
	pci_write16(DEVICE, msi + 12u, VECTOR);
}

static void use_msi(void)
{
	print("msi: control %x\n", pci_read(DEVICE, msi) >> 16);
	set_msi(0);
	pci_write16(DEVICE, msi + 2u, PCI_MSI_ENABLE | 3u << PCI_MSI_ENABLED_SHIFT);
	interrupts_on();
	others_listen();
	count_all("msi", MSI_VECTORS);
	set_msi(cpus - 1);
	count_all("msi, the last cpu", MSI_VECTORS);
	others_stop();
	set_msi(0);
	pci_write16(DEVICE, msi + 2u, PCI_MSI_ENABLE | 1u << PCI_MSI_ENABLED_SHIFT);
	forget();
	*reg(RAISE) = 5;
	wait(100000);
	print("msi, two allowed: message 5 came as %s\n", load(&taken[1]) == 1 ? "1" : "NONE");
	pci_write16(DEVICE, msi + 2u, PCI_MSI_ENABLE | 3u << PCI_MSI_ENABLED_SHIFT);
	interrupts_off();
}

static void mask_msi(void)
{
	uint32_t pending;

	forget();
	pci_write(DEVICE, msi + 16u, 1u << 3);
	raise_and_wait(3);
	raise_and_wait(3);
	raise_and_wait(4);
	pending = pci_read(DEVICE, msi + 20u);
	print("msi, masked: %u taken, pending %x", load(&taken[3]), pending);
	pci_write(DEVICE, msi + 16u, 0);
	interrupts_on();
	wait(200000);
	interrupts_off();
	/* one that was held back here, and one in the device */
	print(", unmasked: %s, pending %x, another %u\n",
		load(&taken[3]) == 1 || load(&taken[3]) == 2 ? "came" : "NO",
		pci_read(DEVICE, msi + 20u), load(&taken[4]));
	pci_write16(DEVICE, msi + 2u, 0);
}

static void set_entry(unsigned n, unsigned cpu, uint32_t control)
{
	*reg(TABLE + 16 * n) = 0xfee00000u | cpu << 12;
	*reg(TABLE + 16 * n + 4) = 0;
	*reg(TABLE + 16 * n + 8) = VECTOR + n;
	*reg(TABLE + 16 * n + 12) = control;
}

static void use_msix(void)
{
	print("msix: control %x\n", pci_read(DEVICE, msix) >> 16);
	for (unsigned n = 0; n < MSIX_VECTORS; n++)
		set_entry(n, n % cpus, 0);
	pci_write16(DEVICE, msix + 2u, PCI_MSIX_ENABLE);
	interrupts_on();
	others_listen();
	count_all("msix", MSIX_VECTORS);
	count_all("msix again", MSIX_VECTORS);
	others_stop();
	interrupts_off();
	for (unsigned n = 0; n < MSIX_VECTORS; n++)
		set_entry(n, 0, 0);
}

static void mask_msix(void)
{
	forget();
	*reg(TABLE + 16 * 7 + 12) = 1;
	raise_and_wait(7);
	print("msix, masked: %u taken, pending %x", load(&taken[7]), *reg(BITS));
	*reg(TABLE + 16 * 7 + 12) = 0;
	interrupts_on();
	wait(100000);
	interrupts_off();
	print(", unmasked: %u, pending %x\n", load(&taken[7]), *reg(BITS));
	forget();
	pci_write16(DEVICE, msix + 2u, PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL);
	for (unsigned n = 0; n < MSIX_VECTORS; n++)
		*reg(RAISE) = n;
	raise_and_wait(15);
	print("msix, all masked: %u taken, pending %x", total(MSIX_VECTORS), *reg(BITS));
	pci_write16(DEVICE, msix + 2u, PCI_MSIX_ENABLE);
	interrupts_on();
	wait(300000);
	interrupts_off();
	print(", unmasked: %s, pending %x\n",
		total(MSIX_VECTORS) >= 16 && total(MSIX_VECTORS) <= 18 ? "all came" : "NOT ALL",
		*reg(BITS));
}

static void transfer(uint32_t how, uint32_t from, uint32_t to)
{
	*reg(SOURCE) = (uint32_t)(uintptr_t)BUFFER + from;
	*reg(SOURCE + 4) = 0;
	*reg(TARGET) = (uint32_t)(uintptr_t)BUFFER + to;
	*reg(TARGET + 4) = 0;
	*reg(LENGTH) = LENGTH_OF_BUFFER;
	forget();
	*reg(DMA) = how | DMA_EVENT | 9u << 16;
	interrupts_on();
	for (unsigned i = 0; i < 1000 && load(&taken[9]) == 0; i++)
		wait(1000);
	interrupts_off();
}

/* At the end of DMA, when the CPU has nothing to do: each message wakes it. */
static void halted(void)
{
	uint32_t woken = 0;

	for (unsigned i = 0, n = 0; i < HALTS; i++, n = i % MSIX_VECTORS) {
		forget();
		*reg(DMA) = DMA_FILL | DMA_EVENT | n << 16;
		while (load(&taken[n]) == 0)
			__asm__ volatile("sti; hlt; cli" ::: "memory");
		woken += total(MSIX_VECTORS) == 1;
	}
	print("halted: %u of %u messages woke it\n", woken, HALTS);
}

static void dma(void)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < LENGTH_OF_BUFFER; i++) {
		BUFFER[123 + i] = (uint8_t)(i * 7);
		sum += (uint8_t)(i * 7);
	}
	transfer(DMA_COPY, 123, 0x10045);
	transfer(DMA_SUM, 0x10045, 0);
	print("dma: copy %s, sum %s, %u message",
		memcmp(BUFFER + 123, BUFFER + 0x10045, LENGTH_OF_BUFFER) == 0 ? "the same"
									      : "DIFFERENT",
		*reg(SUM) == sum ? "right" : "WRONG", load(&taken[9]));
	*reg(FILL) = 0x5a;
	transfer(DMA_FILL, 0, 0x20000);
	sum = 0;
	for (unsigned i = 0; i < LENGTH_OF_BUFFER; i++)
		sum += BUFFER[0x20000 + i] == 0x5a;
	print(", filled %u, busy %u\n", sum, *reg(BUSY));
}

/* ---- without end ---- */

static void begin_storm(uint32_t period)
{
	*reg(PERIOD) = period;
	*reg(STORM) = (1u << MSIX_VECTORS) - 1;
}

static void storm(void)
{
	uint32_t least = ~0u;

	forget();
	interrupts_on();
	begin_storm(OFTEN);
	wait(5000000);
	*reg(STORM) = 0;
	wait(1000000); /* the last ones wait until the guest has had its time */
	for (unsigned n = 0; n < MSIX_VECTORS; n++)
		least = load(&taken[n]) < least ? load(&taken[n]) : least;
	print("storm: %s", least > 10 ? "each came" : "SOME DID NOT COME");
	count_all(", afterwards", MSIX_VECTORS);
	interrupts_off();
}

/* ---- the pin ---- */

#define IOAPIC ((volatile uint32_t *)0xfec00000)
#define PIN    20

static bool pin_interrupt(struct trap_frame *f)
{
	if (f->vector != VECTOR)
		return false;
	add(&taken[0], 1);
	*reg(EVENTS) = ~0u;
	apic_eoi();
	return true;
}

static void pin(void)
{
	IOAPIC[0] = 0x10 + 2 * PIN + 1;
	IOAPIC[4] = 0;
	IOAPIC[0] = 0x10 + 2 * PIN;
	IOAPIC[4] = VECTOR | 1u << 15;
	trap_hook = pin_interrupt;
	*reg(ENABLE) = ~0u;
	forget();
	interrupts_on();
	for (unsigned i = 0; i < 10; i++) {
		*reg(RAISE) = i;
		wait(20000);
	}
	interrupts_off();
	print("pin: %u taken of 10, events %x\n", load(&taken[0]), *reg(EVENTS));
	*reg(ENABLE) = 0;
	IOAPIC[4] = 1u << 16;
	trap_hook = interrupt;
}

/* ---- L2 ---- */

#define L2_PLACE 0xb0000000u /* where L2 has the registers */

static volatile uint32_t l2_id, l2_memory, l2_slow;

/* rdtsc_exact would be an exit to L1. */
static uint64_t tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static void l2_code(void)
{
	volatile uint32_t *r = (volatile uint32_t *)(uintptr_t)L2_PLACE;
	uint64_t start;

	l2_id = r[0];
	r[MEMORY / 4] = 0xcafe;
	l2_memory = r[MEMORY / 4];
	start = tsc();
	for (unsigned i = 0; i < 100; i++)
		(void)r[MEMORY / 4];
	l2_slow = (uint32_t)((tsc() - start) / 100);
}

static void from_l2(void)
{
	static struct ept e;
	static struct l2 g;

	if (!vmx_supported() || !vmx_enable())
		return;
	l2_setup(&g, l2_code);
	ept_init(&e);
	ept_identity(&e, 64u << 20, 2);
	for (unsigned i = 0; i < 4; i++)
		ept_map(&e, L2_PLACE + i * 0x1000, PLACE + i * 0x1000, 1, EPT_RWX | EPT_WB);
	ept_use(&e);
	if (l2_run(&g) != VMX_OK)
		return;
	print("l2: exit %lu, id %x, memory %x, without exits: %s", vmread(VMCS_EXIT_REASON),
		l2_id, l2_memory, l2_slow < 20 ? "yes" : "NO");
	move_to(OTHER);
	l2_restart(&g, l2_code);
	if (l2_run(&g) != VMX_OK)
		return;
	print(", moved away: id %x, memory here %x\n", l2_id, *reg(MEMORY));
	move_to(PLACE);
}

int payload_main(void)
{
	cpus = (unsigned)cmdline_number("cpus", 1);
	trap_hook = interrupt;
	smp_start(cpus);
	apic_write(APIC_SVR, SVR_ON);
	pci_write(DEVICE, BAR_PORTS, PORTS);
	pci_write16(DEVICE, COMMAND, ALL_ON);
	move_to(PLACE);
	(void)*(volatile uint32_t *)(uintptr_t)OTHER; /* L0 tells of the first one in its log */
	print("device: id %x, silent: counts %x, events %x, storm %x\n", pci_read(DEVICE, 0),
		*reg(COUNTS), *reg(EVENTS), *reg(STORM));
	find_capabilities();
	if (!cmdline_flag("storm")) {
		registers();
		pin();
		use_msi();
		mask_msi();
	}
	use_msix();
	if (!cmdline_flag("storm")) {
		mask_msix();
		dma();
		halted();
		storm();
		from_l2();
	}
	if (cmdline_flag("storm") || cmdline_flag("reset"))
		begin_storm(ALL_THE_TIME);
	if (cmdline_flag("storm"))
		for (open_ears(NULL);;)
			pause();
	if (cmdline_flag("reset"))
		outb(0xcf9, 6);
	return 0;
}
