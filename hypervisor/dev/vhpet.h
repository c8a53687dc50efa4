/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The high precision event timer (IA-PC HPET Specification 1.0a): a counter of 64 bits and
 * three timers, each of 64 or 32 bits, one-shot or periodic, with a pin of the IOAPIC,
 * messages, or, the first two, the interrupts of PIT and RTC. For VMs with config.hpet;
 * without, nothing of it answers.
 *
 * Nothing ticks: the counter follows from the guest TSC, and matches are looked for when
 * somebody accesses the device or its deadline has come. Owns which interrupt is asserted, not
 * how it gets to a CPU.
 *
 * With the lock of the platform held.
 */
#ifndef NESTOR_DEV_VHPET_H
#define NESTOR_DEV_VHPET_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/hpet.h"

#define VHPET_TIMERS 3
/* Pins that each of them may have; they are PCI's, too, as on the chipset (Q35). */
#define VHPET_PINS 0x00f00000u

/* As a source of messages to a remapping unit it is no PCI function: DMAR tells. */
#define VHPET_BUS    0xf0u
#define VHPET_DEVICE 0x1eu
#define VHPET_SOURCE ((uint16_t)(VHPET_BUS << 8 | VHPET_DEVICE << 3))

struct platform;

struct vhpet_timer {
	uint64_t config;     /* what software writes; no capabilities */
	uint64_t comparator; /* with HPET_TN_32BIT these two have 32 bits */
	uint64_t period;     /* what was written to the comparator last */
	uint64_t message;
};

struct vhpet_state {
	uint64_t config;
	uint64_t status;
	uint64_t counter; /* now while it stands; else at guest TSC `start` */
	uint64_t start;   /* 0 while it stands */
	uint64_t looked;  /* the counter when matches were looked for last */
	struct vhpet_timer timer[VHPET_TIMERS];
};

struct vhpet {
	struct vhpet_state s;
};

void vhpet_reset(struct platform *p);

/* Whether an access meets its registers. */
bool vhpet_claims(const struct platform *p, uint64_t gpa, uint64_t size);

/*
 * One access that it claims. Software must use 4 or 8 bytes, aligned (2.3.1 "Register
 * Accesses"): other reads give all ones, other writes are ignored.
 */
uint64_t vhpet_read(struct platform *p, uint64_t gpa, unsigned size);
void vhpet_write(struct platform *p, uint64_t gpa, unsigned size, uint64_t value);

/*
 * Interrupts of timers whose comparator the counter has met since the last call; several
 * matches of a timer make one.
 */
void vhpet_run_timer(struct platform *p, uint64_t now);

/*
 * Guest TSC of the next match that somebody could see, or DEV_NEVER. A match that nobody could
 * see is one when somebody can, as the PIT's.
 */
uint64_t vhpet_deadline(const struct platform *p);

/* Whether a level-triggered timer asserts this pin of the IOAPIC. */
bool vhpet_asserts(const struct platform *p, unsigned pin);

/* Ticks of its counter in `down` ticks of the guest TSC; one of the two is 1. */
struct vhpet_rate {
	uint64_t up, down;
};

/* 10 to 100 MHz, whatever the TSC's rate is. */
struct vhpet_rate vhpet_rate(uint32_t tsc_khz);
/* The register of that name: period and what it has. */
uint64_t vhpet_capabilities(uint32_t tsc_khz);
/* So many ticks a periodic timer must have so that no interrupt is left out. */
uint16_t vhpet_least_period(uint32_t tsc_khz);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vhpet_get_state(const struct vhpet *hpet, struct vhpet_state *s);
bool vhpet_valid_state(const struct platform *p, const struct vhpet_state *s);
bool vhpet_set_state(struct platform *p, const struct vhpet_state *s);

#endif
