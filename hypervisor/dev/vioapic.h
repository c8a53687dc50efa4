/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IOAPIC (Intel 82093AA), 24 pins.
 */
#ifndef NESTOR_DEV_VIOAPIC_H
#define NESTOR_DEV_VIOAPIC_H

#include <stdbool.h>
#include <stdint.h>

#define VIOAPIC_PINS    24
#define VIOAPIC_PIN_PIC 0 /* where the PIC's INTR is, as on PCs */

struct platform;

struct vioapic_state {
	uint64_t entry[VIOAPIC_PINS]; /* redirection table */
	uint32_t lines;               /* levels of the pins */
	uint32_t id;
	uint8_t select; /* IOREGSEL */
	uint8_t reserved[7];
};

struct vioapic {
	struct vioapic_state s;
	/* Interrupts can be remapped: it has what that needs. Configuration. */
	bool remappable;
};

void vioapic_reset(struct platform *p);
/* pin below VIOAPIC_PINS */
void vioapic_set(struct platform *p, unsigned pin, bool level);
/* A LAPIC ended a level-triggered interrupt. */
void vioapic_eoi(struct platform *p, uint8_t vector);
bool vioapic_masked(const struct vioapic *io, unsigned pin);
/* Whether the pin of the PIC passes its interrupt on. */
bool vioapic_passes_extint(const struct vioapic *io);
/* One access to the register page; offset below 4096. */
uint32_t vioapic_read(struct platform *p, uint32_t offset);
void vioapic_write(struct platform *p, uint32_t offset, uint32_t value);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vioapic_get_state(const struct vioapic *io, struct vioapic_state *s);
bool vioapic_valid_state(const struct vioapic *io, const struct vioapic_state *s);
bool vioapic_set_state(struct vioapic *io, const struct vioapic_state *s);

#endif
