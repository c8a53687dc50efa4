/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 that owns the machine's network card (an 82540EM) does what it likes with its
 * configuration space, and uses its interrupt: level-triggered, neither lost nor a storm. Under
 * Nestor only: the card's place is the one that Nestor gives it.
 *
 * Command line: `reset`: it resets at the end.
 */
#include "apic.h"
#include "cmdline.h"
#include "cpu.h"
#include "pci.h"
#include "random.h"
#include "rt.h"

#define CARD    PCI_FUNCTION(0, 20, 0)
#define COMMAND 0x04
#define BAR0    0x10
#define BAR1    0x14
#define ALL_ON  0x7 /* of COMMAND: ports, memory, bus master */

#define REGISTERS 0xc0000000u
#define STATUS    0x8
#define ICR       0xc0 /* a read ends the causes */
#define ICS       0xc8
#define IMS       0xd0
#define IMC       0xd8
#define CAUSE     (1u << 2)

#define IOAPIC ((volatile uint32_t *)0xfec00000)
#define PIN    20
#define VECTOR 0x60
#define LEVEL  (1u << 15)

/* Interrupts while the cause is there; the last one ends it. */
#define AGAIN 4

static volatile unsigned taken;

static volatile uint32_t *reg(unsigned offset)
{
	return (volatile uint32_t *)(uintptr_t)(REGISTERS + offset);
}

static void bring_back(void)
{
	pci_write(CARD, BAR0, REGISTERS);
	pci_write(CARD, BAR1, 0xc001);
	pci_write(CARD, COMMAND, ALL_ON);
}

static void show_card(const char *when)
{
	print("%s: id %x, class %x, link %u\n", when, pci_read(CARD, 0), pci_read(CARD, 8) >> 8,
		*reg(STATUS) >> 1 & 1);
}

static void measure(void)
{
	uint64_t start = rdtsc_exact();

	for (unsigned i = 0; i < 1000; i++)
		(void)*reg(STATUS);
	print("a read of a register: %lu ticks\n", (rdtsc_exact() - start) / 1000);
}

static void rubbish(void)
{
	uint64_t seed = 1;

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t r = random_next(&seed);

		pci_select(CARD, r & 0xfc);
		outb((uint16_t)(PCI_DATA + (r >> 8 & 3)), (uint8_t)(r >> 16));
		outl(PCI_DATA, (uint32_t)(r >> 32));
	}
}

/* Where RAM, the IOAPIC and the local APIC are, the card is not. */
static void lay_over(uint32_t address, volatile uint32_t *at, const char *what)
{
	uint32_t before = *at;

	pci_write(CARD, COMMAND, ALL_ON);
	pci_write(CARD, BAR0, address);
	print("over %s: %s\n", what, *at == before ? "unchanged" : "CHANGED");
}

static bool interrupt(struct trap_frame *f)
{
	if (f->vector != VECTOR)
		return false;
	if (++taken == AGAIN)
		(void)*reg(ICR);
	apic_eoi();
	return true;
}

static void set_pin(uint32_t low)
{
	IOAPIC[0] = 0x10 + 2 * PIN + 1;
	IOAPIC[4] = 0;
	IOAPIC[0] = 0x10 + 2 * PIN;
	IOAPIC[4] = low;
}

static void wait(void)
{
	for (uint64_t end = rdtsc_exact() + 2000000; rdtsc_exact() < end;)
		;
}

static void interrupts(void)
{
	trap_hook = interrupt;
	apic_write(APIC_SVR, SVR_ON);
	set_pin(VECTOR | LEVEL);
	*reg(IMC) = ~0u;
	(void)*reg(ICR);
	*reg(IMS) = CAUSE;
	*reg(ICS) = CAUSE;
	wait();
	print("interrupts disabled: %u taken\n", taken);
	__asm__ volatile("sti");
	wait();
	print("enabled: %u taken\n", taken);
	taken = AGAIN - 1;
	*reg(ICS) = CAUSE;
	wait();
	print("once more: %u taken\n", taken - AGAIN + 1);
	*reg(IMC) = ~0u;
}

int payload_main(void)
{
	static volatile uint32_t word = 0x12345678;

	bring_back();
	show_card("at first");
	rubbish();
	lay_over((uint32_t)(uintptr_t)&word & ~0x1ffffu, &word, "RAM");
	lay_over(0xfec00000, IOAPIC + 4, "the IOAPIC");
	lay_over(0xfee00000, apic_memory(APIC_SVR), "the local APIC");
	bring_back();
	show_card("afterwards");
	measure();
	interrupts();
	if (cmdline_flag("reset"))
		outb(0xcf9, 6);
	return 0;
}
