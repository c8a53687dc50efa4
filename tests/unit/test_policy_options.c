/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L0's command line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/machine.h"
#include "cpu/mux.h"
#include "cpu/off.h"
#include "cpu/reset.h"
#include "lib/l0_power.h"
#include "policy/options.h"

void mux_flush(void)
{
}

void off_try(void)
{
}

void reset_machine(void)
{
	abort();
}

static struct options options;
static struct refusal refusal;

/* How many words of the line are none. */
static unsigned parse(const char *s)
{
	struct text line = text_of(s, strlen(s));
	unsigned bad = 0;

	settings_init(option_settings, &options);
	while (!options_parse(&line, &options, &refusal))
		bad++;
	assert_int_equal(line.len, 0);
	return bad;
}

static void without_a_word_options_have_their_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_int_equal(options.log, LOG_INFO);
	assert_false(options.mux);
	assert_false(options.ram_zeroed);
	assert_int_equal(options.machine, L0_MACHINE_NONE);
	assert_int_equal(options.tsc_khz, 0);
	assert_int_equal(options.maxcpus, UINT32_MAX);
	assert_int_equal(options.epoch, 0);
	assert_true(options.limit == UINT64_MAX);
}

static void words_set_options(void **state)
{
	(void)state;
	assert_int_equal(
		parse("log=warn mux=on tsc_khz=50000 ram=zeroed machine=qemu explain=on "
		      "epoch=1700000000 selftest=fault posted=on screens=on limit=1T maxcpus=2 "
		      "preemption_timer=off"),
		0);
	assert_int_equal(options.log, LOG_WARN);
	assert_true(options.mux);
	assert_true(options.explain);
	assert_true(options.posted);
	assert_true(options.screens);
	assert_true(options.ram_zeroed);
	assert_int_equal(options.selftest, L0_SELFTEST_FAULT);
	assert_int_equal(options.tsc_khz, 50000);
	assert_int_equal(options.maxcpus, 2);
	assert_int_equal(options.preemption_timer, L0_PREEMPTION_TIMER_OFF);
	assert_int_equal(options.machine, L0_MACHINE_QEMU);
	assert_int_equal(options.epoch, 1700000000);
	assert_int_equal(options.limit, 1ull << 40);
}

static void a_word_that_is_none_is_left_out_and_the_next_one_read(void **state)
{
	(void)state;
	assert_int_equal(parse("bogus log=warn"), 1);
	assert_true(text_is(refusal.where, "bogus"));
	assert_non_null(strstr(refusal.why, "must be one of log, mux, ram,"));
	assert_int_equal(options.log, LOG_WARN);
	assert_int_equal(parse("mux=on log=loud tsc_khz=4294967296"), 2);
	assert_string_equal(refusal.why, "tsc_khz must be a number from 0 to 4294967295");
	assert_int_equal(options.log, LOG_INFO);
	assert_true(options.mux);
	assert_int_equal(parse("log=loud"), 1);
	assert_string_equal(refusal.why, "log must be one of error, warn, info, debug");
	assert_int_equal(parse("ram=zero"), 1);
	assert_int_equal(parse("mux"), 1);
}

static void options_become_a_line_that_gives_them_back(void **state)
{
	struct options before;
	char line[640];

	(void)state;
	assert_int_equal(parse("log=debug"), 0);
	assert_int_equal(
		settings_format(option_settings, &options, line, sizeof(line)), strlen(line));
	assert_string_equal(line, " log=debug");
	assert_int_equal(
		parse("log=error mux=on ram=zeroed machine=bochs explain=on tsc_khz=1 "
		      "maxcpus=3 requests=on media=on posted=on keep=on places=3 networks=lan,wan-2 screens=on trace=on epoch=18446744073709551615 limit=5 "
		      "nmi=stop dma=leave at-end=reset mitigations=strict serial=mmio:0xfe032000,32,115200@48000000 threads=any code-pages=small branches=thunks preemption_timer=off idle=deep performance=most watchdog=3 selftest=fault"),
		0);
	before = options;
	settings_format(option_settings, &before, line, sizeof(line));
	assert_int_equal(parse(line), 0);
	for (const struct setting *s = option_settings; s->kind != SETTING_END; s++) {
		assert_false(setting_is_default(s, &before));
		assert_memory_equal(
			(char *)&before + s->offset, (char *)&options + s->offset, s->size);
	}
}

/* Text that comes back, or "" for itself. */
static void serial_is(const char *word, uint8_t kind, const char *back)
{
	char line[128];

	snprintf(line, sizeof(line), "serial=%s", word);
	assert_int_equal(parse(line), 0);
	assert_int_equal(options.serial.kind, kind);
	settings_format(option_settings, &options, line, sizeof(line));
	assert_string_equal(line + strlen(" serial="), *back ? back : word);
}

static void serial_names_a_uart(void **state)
{
	(void)state;
	assert_int_equal(parse("serial=auto"), 0);
	assert_int_equal(options.serial.kind, L0_SERIAL_AUTO);
	serial_is("com1", L0_SERIAL_COM1, "");
	serial_is("com4,9600", L0_SERIAL_COM4, "");
	serial_is("none", L0_SERIAL_NONE, "");
	serial_is("mmio:0xfe032000", L0_SERIAL_MMIO, "mmio:0xfe032000,8");
	assert_int_equal(options.serial.width, 1);
	serial_is("mmio:0x1fe032000,32", L0_SERIAL_MMIO, "");
	assert_true(options.serial.address == 0x1fe032000);
	assert_int_equal(options.serial.width, 4);
	assert_int_equal(options.serial.baud, 0);
	serial_is("mmio:0xfe032000,19200", L0_SERIAL_MMIO, "mmio:0xfe032000,8,19200");
	serial_is("mmio:0xfe032002,16,115200@48000000", L0_SERIAL_MMIO, "");
	assert_int_equal(options.serial.clock, 48000000);
	serial_is("pci:0A:1f.7", L0_SERIAL_PCI, "pci:0a:1f.7");
	assert_int_equal(options.serial.bdf, 0x0aff);
	serial_is("pci:02:00.0,115200@14745600", L0_SERIAL_PCI, "");
}

static void what_names_no_uart_is_refused_with_what_would(void **state)
{
	static const char *const wrong[] = {"", "com5", "com", "COM1", "com1,", "com1,x",
		"com1,8", "com1,115200,9600", "auto,9600", "none,9600", "mmio:", "mmio:0",
		"mmio:x", "mmio:0x400000000000", "mmio:0xfe032002,32", "mmio:0xfe032000,64",
		"mmio:0xfe032000,32,", "mmio:0xfe032000,32,9600,1", "mmio:0xfe032000,9600,32",
		"pci:", "pci:02:00", "pci:02:20.0", "pci:02:00.8", "pci:2:0.0", "pci:02:00.0x",
		"pci:02:00.0,32", "pci:02:00.0,100000", "pci:02:00.0,115200@", "com2,115200@0",
		"com2,115200@4294967296", "com2,4000001", "com2,299"};
	char line[128];

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(line, sizeof(line), "serial=%s", wrong[i]);
		assert_int_equal(parse(line), 1);
		assert_int_equal(options.serial.kind, L0_SERIAL_AUTO);
		assert_non_null(strstr(refusal.why,
			"serial must be one of auto, com1, com2, com3, com4, none, mmio:0x"));
	}
	assert_int_equal(parse("serial=com2,100000"), 1);
	assert_non_null(strstr(refusal.why, "; no divisor of its clock gives that rate"));
	assert_int_equal(parse("serial=com2,fast"), 1);
	assert_non_null(strstr(refusal.why, "; a rate is from 300 to 4000000"));
}

/* Whose row L0 takes, and what it writes to its log. */
static void a_machine_has_the_name_that_the_option_takes(void **state)
{
	char word[32];

	(void)state;
	for (unsigned kind = L0_MACHINE_NONE; kind <= L0_MACHINE_QEMU; kind++) {
		snprintf(word, sizeof(word), "machine=%s", machine_of(kind)->name);
		assert_int_equal(parse(word), 0);
		assert_int_equal(options.machine, kind);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_word_options_have_their_defaults),
		cmocka_unit_test(words_set_options),
		cmocka_unit_test(a_word_that_is_none_is_left_out_and_the_next_one_read),
		cmocka_unit_test(options_become_a_line_that_gives_them_back),
		cmocka_unit_test(serial_names_a_uart),
		cmocka_unit_test(what_names_no_uart_is_refused_with_what_would),
		cmocka_unit_test(a_machine_has_the_name_that_the_option_takes),
	};

	return cmocka_run_group_tests_name("policy_options", tests, NULL, NULL);
}
