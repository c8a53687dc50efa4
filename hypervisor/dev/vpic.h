/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two cascaded 8259A interrupt controllers with edge/level control registers.
 */
#ifndef NESTOR_DEV_VPIC_H
#define NESTOR_DEV_VPIC_H

#include <stdbool.h>
#include <stdint.h>

struct platform;

struct vpic_chip {
	uint8_t irr, isr, imr;
	uint8_t lines;  /* levels of the inputs */
	uint8_t elcr;   /* level-triggered inputs */
	uint8_t base;   /* vector of input 0 */
	uint8_t lowest; /* input of lowest priority; 7 after initialisation */
	uint8_t init;   /* next initialisation word expected: 2 to 4, or 0 */
	bool needs_icw4, single;
	bool auto_eoi, rotate_auto_eoi;
	bool read_isr, poll, special_mask, special_nested;
};

struct vpic_state {
	struct vpic_chip chip[2]; /* master, slave at its input 2 */
};

struct vpic {
	struct vpic_state s;
	bool intr; /* the master's output; follows from the chips */
};

void vpic_reset(struct platform *p);
/* irq below 16 */
void vpic_set(struct platform *p, unsigned irq, bool level);
/* Ports 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1. Only byte accesses are claimed. */
bool vpic_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);
/* The vector an acknowledge cycle would give now. */
uint8_t vpic_vector(const struct vpic *pic);
/* The acknowledge cycle. Without a request, the vector is the spurious one: input 7. */
uint8_t vpic_acknowledge(struct platform *p);
bool vpic_masked(const struct vpic *pic, unsigned irq);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vpic_get_state(const struct vpic *pic, struct vpic_state *s);
bool vpic_valid_state(const struct vpic *pic, const struct vpic_state *s);
bool vpic_set_state(struct vpic *pic, const struct vpic_state *s);

#endif
