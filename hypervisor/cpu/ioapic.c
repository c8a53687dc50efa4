/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/ioapic.h"

#include "cpu/lock.h"
#include "spec/ioapic_pins.h"
#include "mm/layout.h"
#include "spec/apic.h"

#define PIN 0x10 /* index of a pin's two registers */
#define EOI 0x10 /* in words */

static uint32_t entries[IOAPIC_PINS]; /* lower halves, as they were written */
static uint32_t targets[IOAPIC_PINS]; /* local APICs */
static uint32_t used;                 /* pins that were set */
static struct spinlock lock = {.rank = LOCK_MACHINE};

static volatile uint32_t *at(uint64_t address)
{
	return direct_va((struct hpa){address});
}

static void write_at(void *io, uint32_t index, uint32_t value)
{
	((volatile uint32_t *)io)[0] = index;
	((volatile uint32_t *)io)[4] = value;
}

static uint32_t read_at(void *io, uint32_t index)
{
	((volatile uint32_t *)io)[0] = index;
	return ((volatile uint32_t *)io)[4];
}

static void end_at(void *io, uint8_t vector)
{
	((volatile uint32_t *)io)[EOI] = vector;
}

static void write(uint32_t index, uint32_t value)
{
	volatile uint32_t *io = at(IOAPIC_DEFAULT_BASE);

	io[0] = index;
	io[4] = value;
}

unsigned ioapic_quiet(uint64_t address)
{
	struct ioapic_registers r = {
		read_at, write_at, end_at, direct_va((struct hpa){address})};
	unsigned pins;

	(void)ioapic_pins_quiet(&r, &pins);
	return pins;
}

void ioapic_mask_unused(void)
{
	void *io = direct_va((struct hpa){IOAPIC_DEFAULT_BASE});

	spin_lock(&lock);
	for (unsigned i = 0; i < IOAPIC_PINS; i++)
		if (!(used >> i & 1) && !ioapic_pin_is_smi(read_at(io, PIN + 2 * i),
						read_at(io, PIN + 2 * i + 1)))
			write(PIN + 2 * i, IOAPIC_MASKED);
	spin_unlock(&lock);
}

static void set(unsigned pin, uint32_t low, uint32_t high)
{
	spin_lock(&lock);
	entries[pin] = low;
	used |= 1u << pin;
	write(PIN + 2 * pin, IOAPIC_MASKED);
	write(PIN + 2 * pin + 1, high);
	write(PIN + 2 * pin, low);
	spin_unlock(&lock);
}

void ioapic_set(unsigned pin, uint32_t low, uint32_t apic_id)
{
	targets[pin] = apic_id;
	set(pin, low, apic_id << 24);
}

void ioapic_set_raw(unsigned pin, uint64_t entry)
{
	set(pin, (uint32_t)entry, (uint32_t)(entry >> 32));
}

bool ioapic_get(unsigned pin, uint32_t *low, uint32_t *apic_id)
{
	*low = entries[pin];
	*apic_id = targets[pin];
	return used >> pin & 1;
}

void ioapic_mask(unsigned pin, bool masked)
{
	spin_lock(&lock);
	entries[pin] &= ~IOAPIC_MASKED;
	entries[pin] |= masked ? IOAPIC_MASKED : 0;
	write(PIN + 2 * pin, entries[pin]);
	spin_unlock(&lock);
}
