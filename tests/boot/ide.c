/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An L1 that owns the machine's IDE controller, with a disk at its first channel: data by INS
 * and OUTS of both sizes and by DMA, and the channel's interrupt, edge-triggered, neither lost
 * nor too many. Under Nestor only: the controller's place is the one that Nestor gives it.
 *
 * Command line: `reset`: it resets at the end, in the middle of a command.
 */
#include "apic.h"
#include "cmdline.h"
#include "cpu.h"
#include "pci.h"
#include "rt.h"

#define IDE     PCI_FUNCTION(0, 20, 0)
#define COMMAND 0x04
#define CLASS   0x08
#define BAR4    0x20
#define TIMING  0x40
#define MASTER  0xc000u
#define ALL_ON  0x5 /* of COMMAND: ports, bus master */

#define PORT    0x1f0u
#define CONTROL 0x3f6u
#define BUSY    0x80
#define DATA    0x08 /* of the status: it waits for data, or has some */
#define ERROR   0x01

#define IDENTIFY 0xec
#define READ     0x20
#define WRITE    0x30
#define READ_DMA 0xc8
#define SECTOR   512u
#define SECTORS  4u
#define WHERE    8u   /* the sectors that are written */
#define READ_BIT 0x08 /* of the bus master: it writes memory */
#define START    0x01
#define PRD_END  0x80000000u
#define IOAPIC   ((volatile uint32_t *)0xfec00000)
#define PIN      14
#define VECTOR   0x60
#define PORTS(x) ((uint16_t)(PORT + (x)))

static volatile unsigned taken;
/* The payload itself is where memory is not one to one. */
#define PLACE 0x1000000u
static uint8_t (*const buffer)[SECTORS * SECTOR] = (void *)PLACE;
static volatile uint32_t *const prd = (void *)(PLACE + 0x10000);

static void in_words(void *to, uint32_t count)
{
	__asm__ volatile("rep insw" : "+D"(to), "+c"(count) : "d"(PORT) : "memory");
}

static void in_longs(void *to, uint32_t count)
{
	__asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(PORT) : "memory");
}

static void out_words(const void *from, uint32_t count)
{
	__asm__ volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(PORT) : "memory");
}

static void out_longs(const void *from, uint32_t count)
{
	__asm__ volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(PORT) : "memory");
}

/* The alternate status: that does not end the interrupt. */
static uint8_t ready(uint8_t wanted)
{
	uint8_t status = 0;

	for (unsigned i = 0; i < 1000000; i++) {
		status = inb(CONTROL);
		if (!(status & BUSY) && (status & wanted) == wanted)
			break;
	}
	return status;
}

static void command(uint8_t code, unsigned sector, unsigned count)
{
	outb(PORTS(6), 0xe0);
	outb(PORTS(2), (uint8_t)count);
	outb(PORTS(3), (uint8_t)sector);
	outb(PORTS(4), 0);
	outb(PORTS(5), 0);
	outb(PORTS(7), code);
}

static bool interrupt(struct trap_frame *f)
{
	if (f->vector != VECTOR)
		return false;
	taken++;
	apic_eoi();
	return true;
}

static void wait(void)
{
	for (uint64_t end = rdtsc_exact() + 1000000; rdtsc_exact() < end;)
		;
}

static void listen(void)
{
	trap_hook = interrupt;
	apic_write(APIC_SVR, SVR_ON);
	IOAPIC[0] = 0x10 + 2 * PIN + 1;
	IOAPIC[4] = 0;
	IOAPIC[0] = 0x10 + 2 * PIN;
	IOAPIC[4] = VECTOR;
}

/* How many sectors there are. */
static uint32_t identify(void)
{
	uint32_t sectors;

	command(IDENTIFY, 0, 0);
	ready(DATA);
	in_words(buffer[0], SECTOR / 2);
	command(IDENTIFY, 0, 0);
	ready(DATA);
	in_longs(buffer[1], SECTOR / 4);
	memcpy(&sectors, buffer[0] + 120, sizeof(sectors));
	print("identify: %u sectors, %s\n", sectors,
		memcmp(buffer[0], buffer[1], SECTOR) == 0 ? "twice the same" : "DIFFERENT");
	return sectors;
}

/* A sector and an interrupt at a time, which the status ends. */
static void read_pio(unsigned sector, uint8_t *to)
{
	command(READ, sector, SECTORS);
	for (unsigned i = 0; i < SECTORS; i++, to += SECTOR) {
		ready(DATA);
		(void)inb(PORTS(7));
		in_words(to, SECTOR / 2);
	}
}

static void write_pio(void)
{
	command(WRITE, WHERE, SECTORS);
	for (unsigned i = 0; i < SECTORS; i++) {
		ready(DATA);
		if (i % 2 == 0)
			out_words(buffer[0] + i * SECTOR, SECTOR / 2);
		else
			out_longs(buffer[0] + i * SECTOR, SECTOR / 4);
		ready(0);
		(void)inb(PORTS(7));
	}
}

static void read_dma(uint8_t *to)
{
	memset(to, 0, SECTORS * SECTOR);
	prd[0] = (uint32_t)address_of(to);
	prd[1] = PRD_END | SECTORS * SECTOR;
	outb(MASTER, 0);
	outl(MASTER + 4, (uint32_t)(uintptr_t)prd);
	outb(MASTER + 2, 6);
	command(READ_DMA, WHERE, SECTORS);
	outb(MASTER, READ_BIT | START);
	wait();
	outb(MASTER, 0);
}

static void transfers(void)
{
	unsigned before;

	(void)inb(PORTS(7));
	__asm__ volatile("sti");
	wait();
	before = taken;
	read_pio(0, buffer[0]);
	print("read: %u interrupts\n", taken - before);
	for (unsigned i = 0; i < SECTORS * SECTOR; i++)
		buffer[0][i] ^= (uint8_t)(i >> 3);
	write_pio();
	wait();
	__asm__ volatile("cli");
	before = taken;
	read_dma(buffer[1]);
	print("dma: %s, %u interrupts while disabled\n",
		memcmp(buffer[0], buffer[1], SECTORS * SECTOR) == 0 ? "the same" : "DIFFERENT",
		taken - before);
	__asm__ volatile("sti");
	wait();
	print("enabled: %u interrupts, status %x\n", taken - before, inb(PORTS(7)) & ERROR);
}

int payload_main(void)
{
	pci_write(IDE, BAR4, MASTER);
	pci_write(IDE, COMMAND, ALL_ON);
	listen();
	print("ide: class %x, timing %x\n", pci_read(IDE, CLASS) >> 8, pci_read(IDE, TIMING));
	ready(0);
	if (identify() < WHERE + SECTORS)
		return 0;
	transfers();
	if (cmdline_flag("reset")) {
		command(WRITE, WHERE, SECTORS);
		ready(DATA);
		outb(0xcf9, 6);
	}
	return 0;
}
