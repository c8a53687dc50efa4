/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI fixed hardware and the small system ports. There is no SMI: SCI_EN is always set, as the
 * FADT says by having no SMI command port. Of the fixed events only the timer and the power
 * button ever happen.
 */
#include "dev/vpm.h"

#include "dev/dev.h"
#include "dev/platform.h"
#include "dev/state_check.h"
#include "dev/ticks.h"

#define PM1_TIMER      0x0001
#define PM1_BUTTON     0x0100
#define PM1_STATUS_ALL 0x8731 /* TMR, BM, GBL, PWRBTN, SLPBTN, RTC, WAK: written 1 to clear */
#define PM1_ENABLE_ALL 0x0721 /* TMR, GBL, PWRBTN, SLPBTN, RTC */

#define CONTROL_SCI_EN    0x0001
#define CONTROL_WRITABLE  0x1c02 /* BM_RLD, SLP_TYP */
#define CONTROL_SLP_SHIFT 10
#define CONTROL_SLP_EN    0x2000
#define TIMER_HALF_SHIFT  31
#define RESET_SYSTEM      0x02 /* port 0xcf9: not the processors alone */
#define RESET_CPU         0x04
#define RESET_WRITABLE    0x0e

#define PORT_KEYBOARD_DATA    0x60
#define PORT_KEYBOARD_COMMAND 0x64
#define KEYBOARD_PULSE_RESET  0xfe
#define PORT_POST             0x80
#define PORT_FAST_A20         0x92
#define FAST_A20_ON           0x02
#define FAST_A20_RESET        0x01
#define PORT_CONSOLE          0xe9
#define PORT_DELAY            0xed
#define PORT_FIRMWARE_LOG     0x402
#define FIRMWARE_LOG_THERE    0xe9
#define PORT_DEBUG_EXIT       0xf4

static uint64_t timer(const struct platform *p, uint64_t now)
{
	return ticks_of_tsc(now, p->config.tsc_khz, VPM_TIMER_HZ);
}

/* Latches a change of the timer's highest bit, and drives the SCI. */
static void update(struct platform *p, uint64_t now)
{
	struct vpm_state *pm = &p->pm.s;
	uint64_t half = timer(p, now) >> TIMER_HALF_SHIFT;

	if (half != pm->timer_half) {
		pm->timer_half = half;
		pm->status |= PM1_TIMER;
	}
	platform_set_irq(p, VPM_SCI, pm->status & pm->enable & PM1_ENABLE_ALL);
}

static uint8_t byte_of(uint32_t value, unsigned index)
{
	return (uint8_t)(value >> (index & 3) * 8);
}

static uint8_t read_block(const struct platform *p, unsigned offset, uint64_t now)
{
	const struct vpm_state *pm = &p->pm.s;

	switch (offset & ~3u) {
	case VPM_PORT_EVENT - VPM_PORT_EVENT:
		return byte_of(pm->status | (uint32_t)pm->enable << 16, offset);
	case VPM_PORT_CONTROL - VPM_PORT_EVENT:
		return byte_of(pm->control | CONTROL_SCI_EN, offset);
	case VPM_PORT_TIMER - VPM_PORT_EVENT:
		return byte_of((uint32_t)timer(p, now), offset);
	default:
		return 0;
	}
}

static void write_control_high(struct platform *p, uint16_t value)
{
	if (!(value & CONTROL_SLP_EN))
		return;
	if ((value >> CONTROL_SLP_SHIFT & 7) == VPM_S5_TYPE)
		dev_power(p, DEV_POWER_OFF, 0);
}

static void write_block(struct platform *p, unsigned offset, uint8_t byte)
{
	struct vpm_state *pm = &p->pm.s;
	unsigned shift = (offset & 1) * 8;
	uint16_t mask = (uint16_t)(0xffu << shift);
	uint16_t value = (uint16_t)((unsigned)byte << shift);

	switch (offset & ~1u) {
	case 0:
		pm->status &= (uint16_t) ~(value & PM1_STATUS_ALL);
		break;
	case 2:
		pm->enable = (uint16_t)((pm->enable & ~mask) | (value & PM1_ENABLE_ALL));
		break;
	case 4:
		pm->control = (uint16_t)((pm->control & ~mask) | (value & CONTROL_WRITABLE));
		write_control_high(p, value);
		break;
	default: /* the timer is read-only */
		break;
	}
}

static bool block_io(
	struct platform *p, unsigned offset, bool write, unsigned size, uint32_t *value)
{
	uint64_t now = dev_now(p);
	uint32_t result = 0;

	update(p, now);
	for (unsigned i = 0; i < size && offset + i < VPM_PORT_SIZE; i++) {
		if (write)
			write_block(p, offset + i, byte_of(*value, i));
		else
			result |= (uint32_t)read_block(p, offset + i, now) << i * 8;
	}
	if (!write)
		*value = result;
	update(p, now);
	if (write)
		platform_deadline_changed(p);
	return true;
}

static void reset_processors(struct platform *p)
{
	if (!platform_resumes(p))
		dev_power(p, DEV_POWER_RESET, 0);
}

/* As ICH9 has it: without RESET_SYSTEM the processors get an INIT, and nobody else notices. */
static void write_reset_control(struct platform *p, uint8_t value)
{
	p->pm.s.reset_control = value & RESET_WRITABLE;
	if (!(value & RESET_CPU))
		return;
	if (value & RESET_SYSTEM)
		dev_power(p, DEV_POWER_RESET, 0);
	else
		reset_processors(p);
}

static bool system_write(struct platform *p, uint16_t port, uint32_t value)
{
	switch (port) {
	case VPM_PORT_RESET:
		write_reset_control(p, (uint8_t)value);
		return true;
	case PORT_FAST_A20:
		if (value & FAST_A20_RESET)
			reset_processors(p);
		return true;
	case PORT_KEYBOARD_COMMAND:
		if ((value & 0xff) == KEYBOARD_PULSE_RESET)
			reset_processors(p);
		return true;
	case PORT_CONSOLE:
		dev_console(p, (uint8_t)value);
		return true;
	case PORT_DEBUG_EXIT:
		dev_power(p, DEV_POWER_DEBUG_EXIT, value);
		return true;
	case PORT_KEYBOARD_DATA:
	case PORT_POST:
	case PORT_DELAY:
		return true;
	default:
		return false;
	}
}

static bool system_read(struct platform *p, uint16_t port, uint32_t *value)
{
	switch (port) {
	case VPM_PORT_RESET:
		*value = p->pm.s.reset_control;
		return true;
	case PORT_FAST_A20:
		*value = FAST_A20_ON;
		return true;
	case PORT_CONSOLE:
		*value = PORT_CONSOLE;
		return true;
	case PORT_KEYBOARD_COMMAND:
	case PORT_KEYBOARD_DATA:
	case PORT_POST:
	case PORT_DELAY:
	case PORT_DEBUG_EXIT:
		*value = 0;
		return true;
	default:
		return false;
	}
}

void vpm_reset(struct platform *p)
{
	p->pm = (struct vpm){0};
	p->pm.s.timer_half = timer(p, dev_now(p)) >> TIMER_HALF_SHIFT;
}

static bool firmware_log(struct platform *p, bool write, uint32_t *value)
{
	if (!p->config.firmware_log)
		return false;
	if (write)
		dev_firmware_log(p, (uint8_t)*value);
	else
		*value = FIRMWARE_LOG_THERE;
	return true;
}

bool vpm_io(struct platform *p, uint16_t port, bool write, unsigned size, uint32_t *value)
{
	if (port >= VPM_PORT_EVENT && port < VPM_PORT_EVENT + VPM_PORT_SIZE)
		return block_io(p, port - VPM_PORT_EVENT, write, size, value);
	if (size != 1 && port != PORT_DEBUG_EXIT && port != PORT_POST && port != PORT_DELAY)
		return false;
	if (port == PORT_FIRMWARE_LOG)
		return firmware_log(p, write, value);
	if (!write)
		return system_read(p, port, value);
	return system_write(p, port, *value);
}

void vpm_run_timer(struct platform *p, uint64_t now)
{
	update(p, now);
}

void vpm_press_button(struct platform *p, uint64_t now)
{
	p->pm.s.status |= PM1_BUTTON;
	update(p, now);
}

uint64_t vpm_deadline(const struct platform *p)
{
	const struct vpm_state *pm = &p->pm.s;

	if (!(pm->enable & PM1_TIMER) || (pm->status & PM1_TIMER))
		return DEV_NEVER;
	return ticks_to_tsc(
		(pm->timer_half + 1) << TIMER_HALF_SHIFT, p->config.tsc_khz, VPM_TIMER_HZ);
}

void vpm_get_state(const struct vpm *pm, struct vpm_state *s)
{
	*s = pm->s;
}

bool vpm_valid_state(const struct vpm *pm, const struct vpm_state *s)
{
	(void)pm;
	return !(s->status & ~PM1_STATUS_ALL) && !(s->enable & ~PM1_ENABLE_ALL) &&
	       !(s->control & ~CONTROL_WRITABLE) && !(s->reset_control & ~RESET_WRITABLE) &&
	       s->reserved == 0;
}

bool vpm_set_state(struct vpm *pm, const struct vpm_state *s)
{
	if (!vpm_valid_state(pm, s))
		return false;
	pm->s = *s;
	return true;
}
