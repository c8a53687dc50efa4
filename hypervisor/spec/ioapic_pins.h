/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pins of an IOAPIC as firmware has left them (Intel 82093AA IOAPIC, 3.2.4 "IOREDTBL[23:0] -
 * I/O Redirection Table Registers"; the EOI register of version 20H and later).
 */
#ifndef NESTOR_SPEC_IOAPIC_PINS_H
#define NESTOR_SPEC_IOAPIC_PINS_H

#include <stdbool.h>
#include <stdint.h>

/* Registers behind the index, and the EOI register, of the one that `with` stands for. */
struct ioapic_registers {
	uint32_t (*read)(void *with, uint32_t index);
	void (*write)(void *with, uint32_t index, uint32_t value);
	void (*end)(void *with, uint8_t vector);
	void *with;
};

/* Does an entry, by its halves, send SMIs? Those are firmware's. */
bool ioapic_pin_is_smi(uint32_t low, uint32_t high);

/*
 * Masks all pins, and ends what waits for an EOI that nobody sends, but those that firmware
 * takes as SMIs. Returns how many were open; *pins: how many there are, 0: there is no IOAPIC.
 */
unsigned ioapic_pins_quiet(const struct ioapic_registers *r, unsigned *pins);

#endif
