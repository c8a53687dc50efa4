/* SPDX-License-Identifier: Apache-2.0 */
/* Pins of an IOAPIC that firmware has left open, as levels too, on a simulated one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "spec/ioapic_pins.h"

#define WAITS  0x4000u
#define LEVEL  0x8000u
#define MASKED 0x10000u
#define SMI    0x200u

static struct {
	uint32_t version, low[240], high[240];
	unsigned sent, writes;
	bool asserted[240];
} io;

/* A level that is asserted and open interrupts, once until its EOI. */
static void look(unsigned pin)
{
	if (io.asserted[pin] && io.low[pin] & LEVEL && !(io.low[pin] & (MASKED | WAITS))) {
		io.low[pin] |= WAITS;
		io.sent++;
	}
}

static uint32_t read_it(void *with, uint32_t index)
{
	assert_ptr_equal(with, &io);
	if (index == 1)
		return io.version;
	assert_in_range(index, 0x10, 0xff);
	return (index & 1 ? io.high : io.low)[(index - 0x10) / 2];
}

/* Whether one waits is read-only; an entry that is none of a level forgets it. */
static void write_it(void *with, uint32_t index, uint32_t value)
{
	unsigned pin = (index - 0x10) / 2;

	assert_ptr_equal(with, &io);
	assert_in_range(index, 0x10, 0xff);
	assert_int_equal(index & 1, 0);
	io.writes++;
	io.low[pin] = (value & ~WAITS) | (value & LEVEL ? io.low[pin] & WAITS : 0);
	look(pin);
}

static void end_it(void *with, uint8_t vector)
{
	assert_ptr_equal(with, &io);
	assert_true((io.version & 0xff) >= 0x20);
	for (unsigned i = 0; i < 240; i++)
		if (io.low[i] & LEVEL && (io.low[i] & 0xff) == vector) {
			io.low[i] &= ~WAITS;
			look(i);
		}
}

static const struct ioapic_registers registers = {read_it, write_it, end_it, &io};

static void begin(uint32_t version)
{
	memset(&io, 0, sizeof(io));
	io.version = version;
	for (unsigned i = 0; i < 240; i++)
		io.low[i] = MASKED;
}

static void all_pins_are_masked_and_none_waits_for_an_eoi(void **state)
{
	unsigned pins;

	(void)state;
	for (unsigned version = 0x11; version <= 0x20; version += 0xf) {
		begin(version | 23u << 16);
		io.low[2] = 0x30; /* the timer's edge */
		io.low[9] = 0x39 | LEVEL;
		io.low[16] = 0x40 | LEVEL | WAITS;
		io.low[17] = 0x40 | LEVEL | WAITS | MASKED;
		io.asserted[16] = io.asserted[17] = true;
		assert_int_equal(ioapic_pins_quiet(&registers, &pins), 3);
		assert_int_equal(pins, 24);
		for (unsigned i = 0; i < 24; i++)
			assert_int_equal(io.low[i], MASKED);
		assert_int_equal(io.sent, 0);
	}
}

static void what_firmware_takes_as_smis_stays_as_it_is(void **state)
{
	unsigned pins;

	(void)state;
	begin(0x20 | 23u << 16);
	io.low[1] = SMI | LEVEL;
	io.low[2] = SMI | MASKED; /* nobody takes that */
	io.low[3] = SMI | 0x31;   /* in the other format these bits mean something else */
	io.high[3] = 1u << 16;
	assert_int_equal(ioapic_pins_quiet(&registers, &pins), 1);
	assert_int_equal(io.low[1], SMI | LEVEL);
	assert_int_equal(io.low[2], MASKED);
	assert_int_equal(io.low[3], MASKED);
}

static void what_is_not_there_is_not_written_to_and_no_index_is_beyond_the_last(void **state)
{
	unsigned pins;

	(void)state;
	begin(UINT32_MAX);
	assert_int_equal(ioapic_pins_quiet(&registers, &pins), 0);
	assert_int_equal(pins, 0);
	begin(0);
	assert_int_equal(ioapic_pins_quiet(&registers, &pins), 0);
	assert_int_equal(io.writes, 0);
	begin(0x20 | 239u << 16);
	(void)ioapic_pins_quiet(&registers, &pins);
	assert_int_equal(pins, 120);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_pins_are_masked_and_none_waits_for_an_eoi),
		cmocka_unit_test(what_firmware_takes_as_smis_stays_as_it_is),
		cmocka_unit_test(
			what_is_not_there_is_not_written_to_and_no_index_is_beyond_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
