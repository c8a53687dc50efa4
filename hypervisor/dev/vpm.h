/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI power management registers (PM1a event and control block, PM timer) and the small system
 * ports: reset, debug exit, debug console, and what is only there so that a guest finds
 * something.
 *
 *   0x600 PM1 status, 0x602 PM1 enable, 0x604 PM1 control, 0x608 PM timer (32 bits)
 *   0xcf9 reset, 0x92 fast A20 and reset, 0x60 and 0x64 (no 8042 behind them; command 0xfe
 *   resets)
 *   0xf4 debug exit, 0xe9 debug console, 0x402 firmware's (config.firmware_log)
 *   0x80 and 0xed (delays)
 */
#ifndef NESTOR_DEV_VPM_H
#define NESTOR_DEV_VPM_H

#include <stdbool.h>
#include <stdint.h>

#define VPM_PORT_EVENT   0x600
#define VPM_PORT_CONTROL 0x604
#define VPM_PORT_TIMER   0x608
#define VPM_PORT_SIZE    16
#define VPM_PORT_RESET   0xcf9
#define VPM_RESET_VALUE  6
#define VPM_S5_TYPE      0 /* SLP_TYP of S5; firmware of QEMU's machines takes it for granted */
#define VPM_SCI          9 /* level triggered, active high */
#define VPM_TIMER_HZ     3579545u

struct platform;

struct vpm_state {
	uint64_t timer_half; /* halves of the timer's range that passed when last looked */
	uint16_t status;
	uint16_t enable;
	uint16_t control;
	uint8_t reset_control; /* port 0xcf9 */
	uint8_t reserved;
};

struct vpm {
	struct vpm_state s;
};

void vpm_reset(struct platform *p);

/* One access of 1, 2 or 4 bytes to any of the ports above. */
bool vpm_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value);

/* Sets TMR_STS if the timer's highest bit changed, and drives the SCI. */
void vpm_run_timer(struct platform *p, uint64_t now);

/* The power button is pressed: PWRBTN_STS (ACPI 4.8.3.1.1 "PM1 Status Registers"). */
void vpm_press_button(struct platform *p, uint64_t now);

/* Guest TSC of the next timer overflow that raises the SCI, or DEV_NEVER. */
uint64_t vpm_deadline(const struct platform *p);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vpm_get_state(const struct vpm *pm, struct vpm_state *s);
bool vpm_valid_state(const struct vpm *pm, const struct vpm_state *s);
bool vpm_set_state(struct vpm *pm, const struct vpm_state *s);

#endif
