/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 8254 timer (ports 0x40 to 0x43) and port 0x61, which gates channel 2 and shows its
 * output.
 *
 * Nothing ticks: counters and outputs follow from the guest TSC. Owns the counting, not IRQ0's
 * way to the CPU.
 */
#ifndef NESTOR_DEV_VPIT_H
#define NESTOR_DEV_VPIT_H

#include <stdbool.h>
#include <stdint.h>

#define VPIT_CHANNELS 3
#define VPIT_HZ       1193182u

struct platform;

struct vpit_channel {
	uint64_t start;      /* guest TSC at which the count was loaded or triggered */
	uint64_t signalled;  /* ends of count since start that were turned into IRQ0 */
	uint32_t count;      /* clocks of a period, 1 to 0x10000 */
	uint32_t frozen;     /* clocks that had passed when the gate went low */
	uint16_t latch;      /* latched count, as bytes on the bus (BCD done) */
	uint8_t latch_bytes; /* of it still to be read: 0, 1 or 2 */
	uint8_t status;      /* latched status, if status_latched */
	uint8_t access;      /* 1: low byte, 2: high byte, 3: low then high */
	uint8_t mode;        /* 0 to 5 */
	uint8_t low_byte;    /* written first when access is 3 */
	bool status_latched;
	bool write_high; /* the next write is the high byte */
	bool read_high;  /* the next unlatched read is the high byte */
	bool bcd;
	bool gate;
	bool loaded;  /* a count was written since the mode */
	bool running; /* counts: for modes 1 and 5 only after a trigger */
	uint8_t reserved[2];
};

struct vpit_state {
	struct vpit_channel ch[VPIT_CHANNELS];
	bool speaker; /* port 0x61 bit 1 */
	uint8_t reserved[7];
};

struct vpit {
	struct vpit_state s;
};

void vpit_reset(struct platform *p);

/* One access to 0x40..0x43 or 0x61. Only byte accesses are claimed. */
bool vpit_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);

/*
 * Raises IRQ0 if channel 0 ended a count since the last call; several ends make one interrupt.
 */
void vpit_run_timer(struct platform *p, uint64_t now);

/* Guest TSC of the next IRQ0, DEV_NEVER while nobody could see it. */
uint64_t vpit_deadline(const struct platform *p);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vpit_get_state(const struct vpit *pit, struct vpit_state *s);
bool vpit_valid_state(const struct vpit *pit, const struct vpit_state *s);
bool vpit_set_state(struct vpit *pit, const struct vpit_state *s);

#endif
