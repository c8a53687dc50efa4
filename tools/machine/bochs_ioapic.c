/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IOAPIC of the machine with a remapping unit, in the place of Bochs' own, whose messages
 * cannot be told apart: 24 pins, version 20h with an EOI register, entries in remappable format
 * (VT-d 5.1.5.1 "I/OxAPIC Programming"). What it sends is a request to the unit.
 */
#define _GNU_SOURCE
#include "bochs_plugin.h"
#include "bochs_vtd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char ioapic_vtable[] __asm__("_ZTV16bx_ioapic_stub_c");

/* Its functions, behind two words of its table, and where the devices have it. */
enum {
	SLOT_SET_ENABLED = 7,
	SLOT_EOI = 8,
	SLOT_LEVEL = 9,
	IOAPIC_SLOTS = 10
};
#define IOAPIC_OBJECT  0x30
#define DEVICES_IOAPIC 0x78

#define PINS    24u
#define VERSION (0x20u | (PINS - 1) << 16)

/* Registers in memory, and behind them. */
#define SELECT   0x00u
#define WINDOW   0x10u
#define END      0x40u
#define REG_ID   0u
#define REG_VER  1u
#define REG_ARB  2u
#define REG_PINS 0x10u

/* Of an entry. */
#define DELIVERY_BUSY UINT64_C(0x1000)
#define REMOTE_IRR    UINT64_C(0x4000)
#define LEVEL         UINT64_C(0x8000)
#define MASKED        UINT64_C(0x10000)
#define REMAPPABLE    (UINT64_C(1) << 48)
#define READ_ONLY     (DELIVERY_BUSY | REMOTE_IRR)

static void *table[2 + IOAPIC_SLOTS];
static uint64_t object[IOAPIC_OBJECT / 8];
static uint64_t entries[PINS];
static uint32_t selected, id, lines;

static void send(uint64_t e)
{
	uint32_t address = 0xfee00000, data = 0;

	if (e & REMAPPABLE) {
		address |=
			0x10 | (uint32_t)(e >> 49 & 0x7fff) << 5 | (uint32_t)(e >> 11 & 1) << 2;
	} else {
		address |= (uint32_t)(e >> 56) << 12 | (uint32_t)(e >> 11 & 1) << 2;
		data = (uint32_t)(e & 0x7ff) | (uint32_t)(e & LEVEL);
	}
	nestor_unit_message(IOAPIC_SOURCE, address, data);
}

/* A level that waits: its pin is high, and software has ended the one before. */
static void send_level(unsigned pin)
{
	uint64_t *e = &entries[pin];

	if (!(*e & LEVEL) || *e & (MASKED | REMOTE_IRR) || !(lines >> pin & 1))
		return;
	*e |= REMOTE_IRR;
	send(*e);
}

/* An edge at a masked pin is lost. The timer's pin 0 is wired to pin 2. */
static void set_level(void *self, uint8_t n, bool level)
{
	unsigned pin = n == 0 ? 2 : n;
	bool rises;

	(void)self;
	if (pin >= PINS)
		return;
	rises = level && !(lines >> pin & 1);
	lines = (lines & ~(1u << pin)) | (uint32_t)level << pin;
	if (entries[pin] & LEVEL)
		send_level(pin);
	else if (rises && !(entries[pin] & MASKED))
		send(entries[pin]);
}

static void end(void *self, uint8_t vector)
{
	(void)self;
	for (unsigned pin = 0; pin < PINS; pin++) {
		uint64_t *e = &entries[pin];

		if (!(*e & LEVEL) || !(*e & REMOTE_IRR) || (*e & 0xff) != vector)
			continue;
		*e &= ~REMOTE_IRR;
		send_level(pin);
	}
}

/* The chipset's registers would move or hide the one that is no more. */
static void set_enabled(void *self, bool on, uint16_t base)
{
	(void)self, (void)on, (void)base;
}

static uint32_t read_selected(void)
{
	unsigned n = selected - REG_PINS;

	if (selected == REG_ID || selected == REG_ARB)
		return id;
	if (selected == REG_VER)
		return VERSION;
	return n < 2 * PINS ? (uint32_t)(entries[n / 2] >> 32 * (n % 2)) : 0;
}

static void write_selected(uint32_t v)
{
	unsigned n = selected - REG_PINS;
	uint64_t *e;

	if (selected == REG_ID)
		id = v & 0x0f000000;
	if (n >= 2 * PINS)
		return;
	e = &entries[n / 2];
	if (n % 2 != 0)
		*e = (*e & UINT32_MAX) | (uint64_t)v << 32;
	else
		*e = (*e & ~(UINT32_MAX & ~READ_ONLY)) | (v & ~READ_ONLY & 0x1ffff);
	if (!(*e & LEVEL))
		*e &= ~REMOTE_IRR;
	send_level(n / 2);
}

static bool read_memory(uint64_t at, unsigned size, void *data, void *self)
{
	uint32_t v = (at & 0xff) == SELECT   ? selected
		     : (at & 0xff) == WINDOW ? read_selected()
					     : 0;

	(void)self;
	memset(data, 0, size);
	memcpy(data, &v, size < sizeof(v) ? size : sizeof(v));
	return true;
}

static bool write_memory(uint64_t at, unsigned size, void *data, void *self)
{
	uint32_t v = 0;

	(void)self;
	memcpy(&v, data, size < sizeof(v) ? size : sizeof(v));
	if ((at & 0xff) == SELECT)
		selected = v & 0xff;
	else if ((at & 0xff) == WINDOW)
		write_selected(v);
	else if ((at & 0xff) == END)
		end(NULL, (uint8_t)v);
	return true;
}

void ioapic_reset(void)
{
	selected = id = 0;
	for (unsigned pin = 0; pin < PINS; pin++)
		entries[pin] = MASKED;
}

void ioapic_init(void)
{
	void **place = (void **)(void *)(bx_devices + DEVICES_IOAPIC);
	void (**stock)(void *, bool, uint16_t) = *(void **)*place;

	stock[SLOT_SET_ENABLED](*place, false, 0);
	memcpy(table, ioapic_vtable, sizeof(table));
	table[2 + SLOT_SET_ENABLED] = (void *)set_enabled;
	table[2 + SLOT_EOI] = (void *)end;
	table[2 + SLOT_LEVEL] = (void *)set_level;
	logfunctions_init(object);
	object[0] = (uint64_t)(uintptr_t)&table[2];
	*place = object;
	ioapic_reset();
	if (register_memory(object, read_memory, write_memory, NULL, IOAPIC_PLACE,
		    IOAPIC_PLACE + 0xfff))
		return;
	fprintf(stderr, "nestorvtd: no place for the IOAPIC\n");
	exit(1);
}
