/* SPDX-License-Identifier: Apache-2.0 */
/* How a machine is switched off: what firmware's tables tell of it, and what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/off.h"
#include "cpu/tsc.h"
#include "random.h"

#define FADT 244u

uint64_t hw_now;
_Thread_local struct percpu *hw_cpu;

static char did[400];
static uint16_t pm1a, pm1b;
static unsigned mode_after; /* looks, behind the SMI */
static uint8_t fadt[FADT], aml[64];
static uint32_t aml_size;
static struct power_off p;

/* ---- the machine ---- */

static void note(const char *format, ...)
{
	size_t used = strlen(did);
	va_list args;

	va_start(args, format);
	vsnprintf(did + used, sizeof(did) - used, format, args);
	va_end(args);
}

void hw_out(uint16_t port, uint8_t value)
{
	note("%x=%x ", port, value);
}

uint16_t hw_in_word(uint16_t port)
{
	assert_true(port == 0x404 || port == 0x504);
	if (port == 0x404 && mode_after != 0 && --mode_after == 0)
		pm1a |= PM1_SCI_EN;
	return port == 0x404 ? pm1a : pm1b;
}

void hw_out_word(uint16_t port, uint16_t value)
{
	note("%x:%x ", port, value);
	if (port == 0x404)
		pm1a = value;
	if (port == 0x504)
		pm1b = value;
}

void tsc_delay_us(uint64_t us)
{
	hw_now += us;
}

/* ---- its tables ---- */

static void put(unsigned at, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		fadt[at + i] = (uint8_t)(value >> 8 * i);
}

static void put_gas(unsigned at, uint8_t space, uint64_t address)
{
	put(at, space, 1);
	put(at + 4, address, 8);
}

/* Behind a header, a byte that is no name, and before more of other things. */
static void put_aml(const char *bytes, size_t size)
{
	memset(aml, 0x5b, sizeof(aml));
	memcpy(aml + 40, bytes, size);
	aml_size = 40 + (uint32_t)size + 2;
}

#define AML(bytes) put_aml(bytes, sizeof(bytes) - 1)

static int set_up(void **state)
{
	(void)state;
	memset(fadt, 0, sizeof(fadt));
	put(40, 0xbf001000, 4);
	put(48, 0xb2, 4);
	put(52, 0xf1, 1);
	put(56, 0x400, 4);
	put(64, 0x404, 4);
	put(89, 2, 1);
	AML("\x08_S5_\x12\x06\x04\x0a\x07\x0a\x05\x00\x00");
	did[0] = '\0';
	pm1a = 0x3c03; /* ACPI mode, and SLP_TYP and SLP_EN of another state */
	pm1b = 0x0001;
	mode_after = 0;
	hw_now = 0;
	return 0;
}

static const char *found(void)
{
	return power_off_find(fadt, sizeof(fadt), aml, aml_size, &p);
}

/* ---- tests ---- */

static void both_registers_get_their_values_and_then_the_end(void **state)
{
	(void)state;
	off_try(); /* of a machine that nobody knows: nothing */
	assert_string_equal(did, "");
	put(60, 0x500, 4);
	put(68, 0x504, 4);
	assert_null(found());
	off_take(&p);
	off_try();
	assert_string_equal(did, "400:c731 404:1c03 500:c731 504:1401 404:3c03 504:3401 ");
	assert_in_range(hw_now, 100000, 2000000);
}

static void in_legacy_mode_firmware_is_asked_first_and_not_for_ever(void **state)
{
	(void)state;
	pm1a = 0;
	mode_after = 5;
	assert_null(found());
	off_take(&p);
	off_try();
	assert_string_equal(did, "b2=f1 400:c731 404:1c01 404:3c01 ");
	did[0] = '\0';
	pm1a = 0;
	hw_now = 0;
	off_try(); /* none answers */
	assert_string_equal(did, "b2=f1 400:c731 404:1c00 404:3c00 ");
	assert_in_range(hw_now, 3000000, 5000000);
	did[0] = '\0';
	pm1a = 0;
	put(48, 0, 4); /* there is no such mode */
	assert_null(found());
	off_take(&p);
	off_try();
	assert_string_equal(did, "400:c731 404:1c00 404:3c00 ");
}

static void registers_of_the_newer_fields_come_first(void **state)
{
	(void)state;
	put_gas(172, 1, 0x804);
	put_gas(148, 1, 0x800);
	assert_null(found());
	assert_int_equal(p.control[0], 0x804);
	assert_int_equal(p.status[0], 0x800);
	assert_int_equal(p.control[1], 0);
	put_gas(172, 0, 0xfed00000); /* in memory: not on this kind of machine */
	assert_non_null(found());
	assert_null(power_off_find(fadt, 132, aml, aml_size, &p)); /* an older table */
	assert_int_equal(p.control[0], 0x404);
}

static void values_are_numbers_of_any_size(void **state)
{
	(void)state;
	AML("\x08\\_S5_\x12\x0a\x04\x01\x0b\x06\x00\x00\x00");
	assert_null(found());
	assert_true(p.type[0] == 1 && p.type[1] == 6);
	AML("\x08_S5_\x12\x40\x01\x02\x0c\x03\x00\x00\x00\x00"); /* a length of two bytes */
	assert_null(found());
	assert_true(p.type[0] == 3 && p.type[1] == 0);
	AML("\x08_S5_\x12\x06\x01\x0b\x05\x02"); /* both in one */
	assert_null(found());
	assert_true(p.type[0] == 5 && p.type[1] == 2);
	AML("\x08_S5_\x11\x06\x08_S5_\x12\x04\x02\x0a\x02\x01"); /* the second one is it */
	assert_null(found());
	assert_true(p.type[0] == 2 && p.type[1] == 1);
}

static void what_is_no_such_object_is_none(void **state)
{
	(void)state;
	AML("\x08_S4_\x12\x06\x04\x0a\x07\x0a\x07");
	assert_non_null(strstr(found(), "_S5"));
	AML("_S5_\x12\x06\x04\x0a\x07\x0a\x07"); /* used, not made */
	assert_non_null(found());
	AML("\x08_S5_\x12\x06\x00\x0a\x07\x0a\x07"); /* empty */
	assert_non_null(found());
	AML("\x08_S5_\x12\x06\x04\x0a\x08\x0a\x07"); /* more than three bits */
	assert_non_null(found());
	AML("\x08_S5_\x12\x06\x04\x0a\x07\x0b\x07\x01");
	assert_non_null(found());
	AML("\x08_S5_\x12\x06\x04VALUVALU"); /* names: those would have to be run */
	assert_non_null(found());
	AML("\x08_S5_\x12\x06\x04\x0a\x07\x0a");
	aml_size -= 2; /* it ends in its midst */
	assert_non_null(found());
}

static void a_machine_without_such_registers_is_told_so(void **state)
{
	(void)state;
	put(64, 0, 4);
	assert_non_null(strstr(found(), "PM1a"));
	put(64, 0x12345, 4);
	assert_non_null(strstr(found(), "PM1a"));
	put(64, 0x404, 4);
	put(112, 1u << 20, 4);
	assert_non_null(strstr(found(), "hardware-reduced"));
	put(112, 0, 4);
	assert_null(found());
	assert_non_null(power_off_find(fadt, 115, aml, aml_size, &p));
	assert_true(power_off_dsdt(fadt, FADT) == 0xbf001000);
	put(140, 0x123456789000, 8);
	assert_true(power_off_dsdt(fadt, FADT) == 0x123456789000);
	assert_true(power_off_dsdt(fadt, 147) == 0xbf001000);
	assert_true(power_off_dsdt(fadt, 43) == 0);
}

static void rubbish_is_never_read_beyond_its_end(void **state)
{
	static const uint8_t pieces[] = {0x08, '\\', '_', 'S', '5', 0x12, 0xc6, 0x0c, 0x0a, 1};
	uint64_t seed = 6;

	(void)state;
	for (unsigned n = 0; n < 20000; n++) {
		uint32_t length = random_below(&seed, 250), size = random_below(&seed, 80);
		uint8_t *t = malloc(length + 1), *a = malloc(size + 1);

		for (uint32_t i = 0; i < length; i++)
			t[i] = (uint8_t)(i == 112 ? 0 : random_next(&seed));
		for (uint32_t i = 0; i < size; i++)
			a[i] = pieces[random_below(&seed, sizeof(pieces))];
		if (size > 46)
			memcpy(a + size - 7, "\x08_S5_\x12", 6);
		t = realloc(t, length != 0 ? length : 1);
		a = realloc(a, size != 0 ? size : 1);
		(void)power_off_dsdt(t, length);
		(void)power_off_find(t, length, a, size, &p);
		/* With good registers AML is always looked at. */
		(void)power_off_find(fadt, FADT, a, size, &p);
		free(t);
		free(a);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_registers_get_their_values_and_then_the_end),
		TEST(in_legacy_mode_firmware_is_asked_first_and_not_for_ever),
		TEST(registers_of_the_newer_fields_come_first),
		TEST(values_are_numbers_of_any_size),
		TEST(what_is_no_such_object_is_none),
		TEST(a_machine_without_such_registers_is_told_so),
		TEST(rubbish_is_never_read_beyond_its_end),
	};

	return cmocka_run_group_tests_name("cpu_off", tests, NULL, NULL);
}
