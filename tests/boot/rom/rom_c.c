/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rom.S finds in protected mode. It runs in ROM: there is no data but the stack.
 */
#include <stdbool.h>
#include <stdint.h>

#define CONSOLE 0xe9

void rom_main(void);

static void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void outw(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static void outl(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static uint32_t inl(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void say(bool right, const char *text)
{
	for (const char *s = right ? "" : "WRONG: "; *s != '\0'; s++)
		outb(CONSOLE, (uint8_t)*s);
	for (; *text != '\0'; text++)
		outb(CONSOLE, (uint8_t)*text);
	outb(CONSOLE, '\n');
}

static uint32_t config_read(uint32_t function, uint32_t offset)
{
	outl(0xcf8, 0x80000000u | function << 8 | offset);
	return inl(0xcfc);
}

static void config_write(uint32_t function, uint32_t offset, uint32_t value)
{
	outl(0xcf8, 0x80000000u | function << 8 | offset);
	outl(0xcfc, value);
}

/* ---- ROM ---- */

/* Its first bytes, behind variables, are code of this file, the last are the reset vector. */
static volatile uint32_t *const rom = (volatile uint32_t *)0xffff1000u;
static volatile uint32_t *const reset_vector = (volatile uint32_t *)0xfffffff0u;

static void write_rom(void)
{
	uint32_t before = *rom, other = ~before, count = 4;
	volatile uint32_t *to = reset_vector;
	uint32_t vector = *reset_vector, source[4] = {1, 2, 3, 4};
	const uint32_t *from = source;

	*rom = other;
	say(*rom == before, "a MOV does not change ROM");
	*(volatile uint8_t *)rom = (uint8_t)other;
	__asm__ volatile("lock orl $-1, %0" : "+m"(*rom));
	__asm__ volatile("xchgl %0, %1" : "+r"(other), "+m"(*rom));
	say(*rom == before && other == before, "nor does a locked one, and XCHG reads it");
	__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	say(*reset_vector == vector && count == 0, "nor does a string instruction");
}

/* ---- the configuration device ---- */

static uint32_t big_endian(uint32_t v)
{
	return __builtin_bswap32(v);
}

struct dma {
	uint32_t control, length, address_high, address_low; /* big-endian */
};

static bool read_item(uint16_t key, void *to, uint32_t length)
{
	volatile struct dma d = {
		.control = big_endian((uint32_t)key << 16 | 8 | 2),
		.length = big_endian(length),
		.address_low = big_endian((uint32_t)(uintptr_t)to),
	};

	outl(0x518, big_endian((uint32_t)(uintptr_t)&d));
	while (big_endian(d.control) & ~1u)
		continue;
	return d.control == 0;
}

static void read_items(void)
{
	char text[4] = {0}, *to = text;
	uint32_t count = 4, rom_at = 0xffff0000u;
	uint64_t ram = 0;

	outw(0x510, 0);
	__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"((uint16_t)0x511) : "memory");
	say(text[0] == 'Q' && text[3] == 'U', "a string instruction reads an item");
	say(read_item(3, &ram, 8) && ram == 64u << 20, "DMA tells the size of memory");
	say(!read_item(3, (void *)(uintptr_t)rom_at, 8), "DMA to ROM is an error");
}

/* ---- the chipset ---- */

static void look_at_chipset(void)
{
	volatile uint32_t *ecam = (volatile uint32_t *)0xb0000000u;

	say(config_read(0, 0) == 0x29c08086 && config_read(0xf8, 0) == 0x29188086,
		"host bridge and LPC bridge are there");
	say(*ecam == 0xffffffff, "there is no ECAM");
	config_write(0, 0x60, 0xb0000001);
	say(*ecam == 0x29c08086 && ecam[0xf8000 / 4] == 0x29188086, "but now it is");
	say(inb(0x402) == 0xff, "there is no log of firmware");
}

/* A byte of flash that was erased at first, and keeps over the reset what is written now. */
static void look_at_flash(void)
{
	volatile uint8_t *byte = (volatile uint8_t *)0xffff0800u;
	uint8_t before = *byte;

	*byte = 0x50;
	*byte = 0x70;
	say(*byte == 0, "there is flash");
	*byte = 0x10;
	*byte = 0x42;
	say(*byte == 0x80, "it programs a byte");
	*byte = 0xff;
	say(*byte == 0x42, "and shows it");
	if (before == 0x42)
		say(true, "which was there before the reset");
}

void rom_main(void)
{
	write_rom();
	read_items();
	look_at_chipset();
	look_at_flash();
}
