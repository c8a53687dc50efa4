/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of single devices: a platform that only holds their state, with a clock that the
 * test sets. Records interrupt lines, console output and power events. Takes the place of
 * platform.c.
 */
#ifndef NESTOR_TESTS_FAKE_PLATFORM_H
#define NESTOR_TESTS_FAKE_PLATFORM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dev/platform.h"
#include "fake_remap.h"

#define FAKE_KHZ  1000000u /* a tick is a nanosecond */
#define FAKE_IRQS 24

static struct platform machine;

static struct {
	uint64_t now;
	bool visible;
	bool line[FAKE_IRQS];
	unsigned edges[FAKE_IRQS];
	unsigned deadline_changes;
	char console[64];
	size_t console_length;
	char firmware_last;
	unsigned powers;
	enum dev_power_event power;
	uint32_t power_value;
	struct vlapic_message message; /* the last one to local APICs */
	unsigned messages;
} fake;

void platform_set_irq(struct platform *p, unsigned irq, bool level)
{
	assert_ptr_equal(p, &machine);
	assert_in_range(irq, 0, FAKE_IRQS - 1);
	fake.edges[irq] += level && !fake.line[irq];
	fake.line[irq] = level;
}

/* No device of these tests reads memory, and there is no remapping unit. */
void *dev_memory(struct platform *p, uint16_t bdf, uint64_t gpa, uint64_t size, bool write)
{
	(void)p, (void)bdf, (void)gpa, (void)size, (void)write;
	fail();
	return NULL;
}

void platform_deadline_changed(struct platform *p)
{
	assert_ptr_equal(p, &machine);
	fake.deadline_changes++;
}

bool platform_irq_visible(const struct platform *p, unsigned irq)
{
	assert_ptr_equal(p, &machine);
	assert_in_range(irq, 0, FAKE_IRQS - 1);
	return fake.visible;
}

/* What the guest turned off, with something in it. */
static unsigned fake_slots_off, fake_slot;

void dev_slot_off(struct platform *p, unsigned port)
{
	assert_ptr_equal(p, &machine);
	assert_in_range(port, 1, VPORTS);
	assert_true(vport_filled(p, port));
	fake_slots_off++;
	fake_slot = port;
}

void dev_windows_changed(struct platform *p)
{
	(void)p;
}

void dev_work(struct platform *p)
{
	assert_ptr_equal(p, &machine);
}

bool vlapic_send(struct platform *p, const struct vlapic_message *m)
{
	assert_ptr_equal(p, &machine);
	fake.message = *m;
	fake.messages++;
	return true;
}

uint64_t dev_now(struct platform *p)
{
	assert_ptr_equal(p, &machine);
	return fake.now;
}

void dev_console(struct platform *p, uint8_t byte)
{
	assert_ptr_equal(p, &machine);
	assert_in_range(fake.console_length, 0, sizeof(fake.console) - 2);
	fake.console[fake.console_length++] = (char)byte;
}

void dev_firmware_log(struct platform *p, uint8_t byte)
{
	assert_ptr_equal(p, &machine);
	fake.firmware_last = (char)byte;
}

/* What was typed at the console; the test adds to it. */
static uint8_t fake_typed[64];
static unsigned fake_typed_count;

static inline void fake_type(uint8_t byte)
{
	if (fake_typed_count < sizeof(fake_typed))
		fake_typed[fake_typed_count++] = byte;
}

uint32_t dev_console_waiting(struct platform *p)
{
	assert_ptr_equal(p, &machine);
	return fake_typed_count;
}

uint8_t dev_console_take(struct platform *p)
{
	uint8_t byte = fake_typed[0];

	assert_ptr_equal(p, &machine);
	assert_in_range(fake_typed_count, 1, sizeof(fake_typed));
	memmove(fake_typed, fake_typed + 1, --fake_typed_count);
	return byte;
}

void dev_power(struct platform *p, enum dev_power_event event, uint32_t value)
{
	assert_ptr_equal(p, &machine);
	fake.powers++;
	fake.power = event;
	fake.power_value = value;
}

/* A machine at guest TSC 0 whose devices were not reset yet. */
static inline void fake_start(void)
{
	memset(&fake, 0, sizeof(fake));
	fake_typed_count = 0;
	memset(&machine, 0, sizeof(machine));
	fake.visible = true;
	machine.config.vcpus = 1;
	machine.config.tsc_khz = FAKE_KHZ;
	machine.config.memory = 512ull << 20;
}

#endif
