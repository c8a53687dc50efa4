/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MC146818 real-time clock and its NVRAM (ports 0x70 and 0x71), interrupt on IRQ8.
 *
 * The time follows from the guest TSC: nothing ticks. The interrupt flags of register C are
 * brought up to date when somebody looks and when a deadline of an enabled interrupt passes.
 */
#ifndef NESTOR_DEV_VRTC_H
#define NESTOR_DEV_VRTC_H

#include <stdbool.h>
#include <stdint.h>

#define VRTC_NVRAM_SIZE 128

struct platform;

struct vrtc_state {
	uint64_t base_tsc;  /* guest TSC at which base_time was the time, at its full second */
	int64_t base_time;  /* seconds since 1970 */
	uint64_t flags_tsc; /* guest TSC up to which register C is complete */
	uint8_t index;      /* port 0x70, without the NMI bit */
	uint8_t reserved[7];
	/* Time registers are only used while SET stops the clock. */
	uint8_t nvram[VRTC_NVRAM_SIZE];
};

struct vrtc {
	struct vrtc_state s;
};

void vrtc_reset(struct platform *p);

/* One access to 0x70 or 0x71. Only byte accesses are claimed. */
bool vrtc_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);

/* IRQ8 as register C says, or not at all while the HPET has it: when that changes. */
void vrtc_drive(struct platform *p);

/* Brings register C and IRQ8 up to date. */
void vrtc_run_timer(struct platform *p, uint64_t now);

/* Guest TSC of the next enabled interrupt, or DEV_NEVER. */
uint64_t vrtc_deadline(const struct platform *p);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vrtc_get_state(const struct vrtc *rtc, struct vrtc_state *s);
bool vrtc_valid_state(const struct vrtc *rtc, const struct vrtc_state *s);
bool vrtc_set_state(struct vrtc *rtc, const struct vrtc_state *s);

#endif
