/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/ioapic_pins.h"

#include "spec/apic.h"

#define VERSION        1u /* index of it */
#define PIN            0x10u
#define PINS_MAX       120u /* that an index of 8 bits reaches */
#define HAS_EOI        0x20u
#define REMAPPED(high) ((high) >> 16 & 1) /* the entry is in another format */

bool ioapic_pin_is_smi(uint32_t low, uint32_t high)
{
	return IOAPIC_DELIVERY(low) == DELIVER_SMI && !REMAPPED(high) && !(low & IOAPIC_MASKED);
}

/*
 * An entry in which an interrupt waits for its EOI sends no other one, whatever is written to
 * it later: with the register for that it is ended there, else by its being no level for a
 * moment.
 */
static bool quiet(const struct ioapic_registers *r, uint32_t at, bool has_eoi)
{
	uint32_t low = r->read(r->with, at), high = r->read(r->with, at + 1);

	if (ioapic_pin_is_smi(low, high))
		return false;
	r->write(r->with, at, low | IOAPIC_MASKED);
	if (low & IOAPIC_LEVEL && low & IOAPIC_REMOTE_IRR && has_eoi)
		r->end(r->with, (uint8_t)low);
	r->write(r->with, at, IOAPIC_MASKED);
	return !(low & IOAPIC_MASKED);
}

unsigned ioapic_pins_quiet(const struct ioapic_registers *r, unsigned *pins)
{
	uint32_t version = r->read(r->with, VERSION);
	unsigned open = 0;

	*pins = 0;
	if (version == UINT32_MAX || version == 0)
		return 0;
	*pins = (version >> 16 & 0xff) + 1;
	if (*pins > PINS_MAX)
		*pins = PINS_MAX;
	for (unsigned i = 0; i < *pins; i++)
		open += quiet(r, PIN + 2 * i, (version & 0xff) >= HAS_EOI);
	return open;
}
