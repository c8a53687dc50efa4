/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of devices, alone (fake_platform.h) or as a platform (fake_dev.h): what both have
 * of the seam that vm/ provides, with a clock that the test sets. Records console output,
 * power events and slots that the guest turned off.
 */
#ifndef NESTOR_TESTS_FAKE_MACHINE_H
#define NESTOR_TESTS_FAKE_MACHINE_H

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

static struct vlapic machine_lapics[DEV_MAX_VCPUS];
static struct platform machine = {.lapic = machine_lapics};

static struct {
	uint64_t now;
	char console[64]; /* the first ones of so many bytes */
	size_t console_length;
	char firmware_last;
	unsigned powers;
	enum dev_power_event power;
	unsigned lost;     /* how often it was told to end by what is wrong: */
	const void *wrong; /* memory of L0's, of so many bytes; 0: none is */
	uint64_t wrong_size;
	uint32_t power_value;
	unsigned windows_changes;
	unsigned slots_off, slot; /* what the guest turned off, with something in it */
	/* of fake_dev.h */
	unsigned kicks[DEV_MAX_VCPUS], inits[DEV_MAX_VCPUS], startups[DEV_MAX_VCPUS];
	unsigned nmis[DEV_MAX_VCPUS], posted[DEV_MAX_VCPUS];
	uint8_t startup_vector;
	bool locked;
	unsigned displays, refusals; /* pictures that the guest told of */
	/* of fake_platform.h */
	bool visible;
	bool line[FAKE_IRQS];
	unsigned edges[FAKE_IRQS];
	unsigned deadline_changes;
	struct vlapic_message message; /* the last one to local APICs */
	unsigned messages;
} fake;

/* How often devices asked for work: more often than they must when a state is put back. */
static unsigned fake_works;

uint64_t dev_now(struct platform *p)
{
	assert_ptr_equal(p, &machine);
	return fake.now;
}

void dev_console(struct platform *p, uint8_t byte)
{
	assert_ptr_equal(p, &machine);
	if (fake.console_length < sizeof(fake.console) - 1)
		fake.console[fake.console_length] = (char)byte;
	fake.console_length++;
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

bool dev_is_wrong(const void *bytes, uint64_t size)
{
	const uint8_t *at = bytes, *wrong = fake.wrong;

	return fake.wrong_size != 0 && at < wrong + fake.wrong_size && wrong < at + size;
}

bool dev_any_wrong(void)
{
	return fake.wrong_size != 0;
}

void dev_lost(struct platform *p)
{
	assert_ptr_equal(p, &machine);
	fake.lost++;
}

void dev_slot_off(struct platform *p, unsigned port)
{
	assert_ptr_equal(p, &machine);
	assert_in_range(port, 1, VPORTS);
	assert_true(vport_filled(p, port));
	fake.slots_off++;
	fake.slot = port;
}

void dev_windows_changed(struct platform *p)
{
	assert_ptr_equal(p, &machine);
	fake.windows_changes++;
}

void dev_work(struct platform *p)
{
	assert_ptr_equal(p, &machine);
	fake_works++;
}

/* Nothing has happened yet. */
static inline void fake_forget(void)
{
	memset(&fake, 0, sizeof(fake));
	fake_typed_count = 0;
	fake_works = 0;
}

#endif
