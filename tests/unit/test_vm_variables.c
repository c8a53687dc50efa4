/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What firmware keeps in its flash, on its way to the host tool: only what is of one moment is
 * called whole, whatever the guest does meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/config.h"
#include "cpu/mux.h"
#include "random.h"
#include "spec/flash.h"
#include "vm/create.h"
#include "vm/variables.h"
#include "vm/vm_int.h"

#define SIZE    (64u << 10)
#define ID      3u
#define CHANNEL (L0_CHANNEL_VARIABLES + ID)

static struct vm_box box;
static struct vm *const vm = &box.vm;
static struct l0_config config;
static uint8_t flash[SIZE], copy[SIZE];
static unsigned at, left, records, wholes, sent, room, locked;
static bool crowded;
static const uint8_t *wrong; /* a byte of the flash */
static unsigned lost;

uint64_t hw_now;
uint32_t tsc_khz = 1000;
static uint64_t seed = 1;

/* ---- what it calls ---- */

const struct l0_config *l0_config(void)
{
	return &config;
}

void dev_lock(struct platform *p)
{
	assert_ptr_equal(p, &box.platform);
	assert_int_equal(locked++, 0);
}

void dev_unlock(struct platform *p)
{
	(void)p;
	assert_int_equal(locked--, 1);
}

void dev_work(struct platform *p)
{
	assert_ptr_equal(p, &box.platform);
}

bool dev_is_wrong(const void *bytes, uint64_t size)
{
	return wrong != NULL && (uint64_t)(wrong - (const uint8_t *)bytes) < size;
}

void dev_lost(struct platform *p)
{
	assert_ptr_equal(p, &box.platform);
	lost++;
}

bool mux_crowded(void)
{
	return crowded;
}

uint32_t mux_room(unsigned channel)
{
	assert_int_equal(channel, CHANNEL);
	return room;
}

void mux_record(const char *format, ...)
{
	char line[256];
	unsigned channel;
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	assert_int_equal(left, 0);
	if (sscanf(line, "variables vm=vm channel=%u at=%u size=%u", &channel, &at, &left) ==
		3) {
		assert_int_not_equal(left, 0);
		records++;
	} else {
		assert_int_equal(sscanf(line, "variables-whole vm=vm channel=%u", &channel), 1);
		assert_memory_equal(copy, flash, SIZE);
		wholes++;
	}
	assert_int_equal(channel, CHANNEL);
}

void mux_write(unsigned channel, const char *s, size_t len)
{
	assert_int_equal(channel, CHANNEL);
	assert_in_range(len, 1, left);
	assert_in_range(2 * len, 1, room);
	memcpy(copy + at, s, len);
	at += (unsigned)len;
	left -= (unsigned)len;
	sent += (unsigned)len;
}

/* ---- the guest ---- */

static void put(uint32_t offset, uint8_t value)
{
	uint64_t v = value;

	assert_true(vflash_mmio(&box.platform, box.platform.flash.base + offset, true, 1, &v));
}

static void program(uint32_t offset, uint8_t value)
{
	put(offset, FLASH_PROGRAM);
	put(offset, value);
	put(offset, FLASH_READ_ARRAY);
}

static void erase(uint32_t offset)
{
	put(offset, FLASH_ERASE);
	put(offset, FLASH_CONFIRM);
	put(offset, FLASH_READ_ARRAY);
}

static int start(void **state)
{
	(void)state;
	memset(&box, 0, sizeof(box));
	memset(flash, 0xff, SIZE);
	memset(copy, 0xff, SIZE);
	strcpy(vm->config.name, "vm");
	vm->id = ID;
	vm->platform = &box.platform;
	vm->variables.kept = true;
	box.platform.config.flash_base = 0xffc00000;
	box.platform.config.flash_size = SIZE;
	box.platform.config.flash = flash;
	vflash_reset(&box.platform);
	config.mux = true;
	room = 1024;
	records = wholes = sent = left = lost = 0;
	wrong = NULL;
	return 0;
}

/* ---- tests ---- */

static void only_what_changed_is_sent(void **state)
{
	(void)state;
	assert_int_equal(variables_work(vm), VPCI_WORK_DONE);
	assert_int_equal(records + wholes, 0);
	program(0x123, 0x42);
	program(0x130, 0x43);
	assert_int_equal(variables_work(vm), VPCI_WORK_DONE);
	assert_int_equal(sent, 0x130 - 0x123 + 1);
	assert_int_equal(records, 1);
	assert_int_equal(wholes, 1);
	assert_int_equal(variables_work(vm), VPCI_WORK_DONE);
	assert_int_equal(wholes, 1);
}

static void what_changes_on_the_way_is_sent_again_before_it_is_called_whole(void **state)
{
	enum vpci_work result;

	(void)state;
	program(0, 1);
	program(SIZE - 1, 1);
	for (unsigned turns = 0; (result = variables_work(vm)) != VPCI_WORK_DONE; turns++) {
		uint32_t where = (uint32_t)random_next(&seed) % SIZE;

		assert_int_equal(result, VPCI_WORK_MORE);
		assert_int_equal(wholes, 0);
		assert_in_range(turns, 0, 200);
		if (turns < 20 && turns % 2)
			erase(where);
		else if (turns < 20)
			program(where, (uint8_t)turns);
	}
	assert_int_equal(wholes, 1);
	assert_in_range(records, 2, 21);
	assert_memory_equal(copy, flash, SIZE);
}

static void a_turn_is_bounded_and_waits_for_room(void **state)
{
	(void)state;
	program(0, 1);
	program(SIZE - 1, 1);
	assert_int_equal(variables_work(vm), VPCI_WORK_MORE);
	assert_in_range(sent, 1, 8192);
	room = 100;
	sent = 0;
	assert_int_equal(variables_work(vm), VPCI_WORK_WAITS);
	assert_int_equal(sent, 0);
	room = 1024;
	while (variables_work(vm) != VPCI_WORK_DONE)
		assert_int_equal(wholes, 0);
	assert_int_equal(wholes, 1);
}

/* Each range and each end of all is a record; others' have to come through, too. */
static void records_are_no_more_than_their_share(void **state)
{
	unsigned turns = 0;

	(void)state;
	do {
		program(turns, 0);
		assert_in_range(turns++, 0, 50);
	} while (variables_work(vm) != VPCI_WORK_WAITS);
	assert_in_range(records + wholes, 30, 40);
	records = wholes = 0;
	hw_now += 100 * tsc_khz;
	while (variables_work(vm) == VPCI_WORK_MORE)
		;
	assert_int_equal(records + wholes, 2);
	program(60, 0);
	hw_now += 1000 * tsc_khz;
	crowded = true;
	assert_int_equal(variables_work(vm), VPCI_WORK_WAITS);
	assert_int_equal(records + wholes, 2);
	crowded = false;
	assert_int_equal(variables_work(vm), VPCI_WORK_DONE);
	assert_int_equal(wholes, 2);
}

/* In the middle of a sequence, too: the guest has ended. */
static void at_the_end_all_is_sent(void **state)
{
	(void)state;
	put(5, FLASH_PROGRAM);
	put(5, 0x42);
	assert_true(variables_ask_last(vm));
	assert_int_equal(variables_work(vm), VPCI_WORK_DONE);
	assert_int_equal(sent, 1);
	assert_int_equal(wholes, 1);
}

/* The tool keeps what it had: it is never told that it has all. */
static void what_is_wrong_is_not_sent_and_neither_is_anything_else(void **state)
{
	enum vpci_work result;

	(void)state;
	erase(0);
	program(9 * 256, 0x12);
	wrong = flash + 5 * 256;
	while ((result = variables_work(vm)) == VPCI_WORK_MORE)
		;
	assert_int_equal(result, VPCI_WORK_DONE);
	assert_int_equal(sent, 5 * 256);
	assert_int_equal(wholes, 0);
	assert_int_equal(lost, 1);
	wrong = NULL;
	program(10 * 256, 0x34);
	assert_int_equal(variables_work(vm), VPCI_WORK_DONE);
	assert_int_equal(sent, 5 * 256);
	assert_int_equal(wholes, 0);
}

static void nothing_is_sent_that_nobody_wants(void **state)
{
	(void)state;
	program(5, 0x42);
	vm->variables.kept = false;
	assert_false(variables_ask_last(vm));
	assert_int_equal(variables_work(vm), VPCI_WORK_DONE);
	vm->variables.kept = true;
	config.mux = false;
	assert_false(variables_ask_last(vm));
	assert_int_equal(variables_work(vm), VPCI_WORK_DONE);
	assert_int_equal(records + wholes + sent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(only_what_changed_is_sent, start),
		cmocka_unit_test_setup(
			what_changes_on_the_way_is_sent_again_before_it_is_called_whole, start),
		cmocka_unit_test_setup(a_turn_is_bounded_and_waits_for_room, start),
		cmocka_unit_test_setup(records_are_no_more_than_their_share, start),
		cmocka_unit_test_setup(at_the_end_all_is_sent, start),
		cmocka_unit_test_setup(
			what_is_wrong_is_not_sent_and_neither_is_anything_else, start),
		cmocka_unit_test_setup(nothing_is_sent_that_nobody_wants, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
