/* SPDX-License-Identifier: Apache-2.0 */
/* NMIs of the hardware, told from those by which CPUs wake each other up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/fault.h"
#include "cpu/nmi.h"
#include "cpu/request.h"
#include "cpu/tsc.h"

uint64_t hw_now;
_Thread_local struct percpu *hw_cpu;
static struct percpu cpu;
struct percpu *percpus[MAX_CPUS] = {[3] = &cpu};
uint32_t tsc_khz = 1000;

static unsigned sent, obeyed;
static bool bytes;
static uint8_t port_b;

void apic_send_nmi(uint32_t id)
{
	assert_int_equal(id, 70);
	sent++;
}

void fault_obey_stop(void)
{
	obeyed++;
}

bool request_poll(void)
{
	return bytes;
}

uint8_t hw_in(uint16_t port)
{
	assert_int_equal(port, 0x61);
	return port_b;
}

/* As a chipset has it: bits 7:4 are read-only, 2 and 3 disable a source and clear its latch. */
void hw_out(uint16_t port, uint8_t value)
{
	assert_int_equal(port, 0x61);
	assert_int_equal(value & 0xf0, 0);
	port_b = (port_b & 0xf0) | value;
	if (value & 0x04)
		port_b &= 0x7f;
	if (value & 0x08)
		port_b &= 0xbf;
}

/* The source has an error. True: an NMI follows. */
static bool raise(uint8_t latch, uint8_t off)
{
	if (port_b & (latch | off))
		return false;
	port_b |= latch;
	return true;
}

static int begin(void **state)
{
	(void)state;
	memset(&cpu, 0, sizeof(cpu));
	cpu.self = hw_cpu = &cpu;
	cpu.apic_id = 70;
	hw_now += 1000000000;
	sent = obeyed = 0;
	bytes = false;
	return 0;
}

static void a_kick_is_none_of_the_hardware(void **state)
{
	(void)state;
	nmi_kick(3);
	assert_int_equal(sent, 1);
	nmi_arrived();
	assert_int_equal(obeyed, 1);
	assert_int_equal(nmi_take(), 0);
}

static void what_nobody_sent_is_counted_until_it_is_taken(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		nmi_arrived();
	assert_int_equal(nmi_take(), 3);
	assert_int_equal(nmi_take(), 0);
	nmi_kick(3);
	nmi_arrived();
	nmi_arrived();
	assert_int_equal(nmi_take(), 1);
}

/* Two kicks are one NMI, or two, of which the second finds that all is looked at. */
static void kicks_that_meet_are_not_taken_for_the_hardwares(void **state)
{
	(void)state;
	nmi_kick(3);
	nmi_kick(3);
	nmi_arrived();
	hw_now += 5000; /* 5 ms */
	nmi_arrived();
	assert_int_equal(nmi_take(), 0);
	hw_now += 5001;
	nmi_arrived();
	assert_int_equal(nmi_take(), 1);
}

static void bytes_of_the_host_tool_are_a_reason(void **state)
{
	(void)state;
	bytes = true;
	nmi_arrived();
	bytes = false;
	nmi_arrived(); /* for a byte that was taken already */
	assert_int_equal(nmi_take(), 0);
	hw_now += 10001;
	nmi_arrived();
	assert_int_equal(nmi_take(), 1);
}

static void the_chipset_says_why(void **state)
{
	(void)state;
	port_b = 0x80;
	assert_non_null(strstr(nmi_take_reason(), "bit 7"));
	port_b = 0x40;
	assert_non_null(strstr(nmi_take_reason(), "bit 6"));
	port_b = 0xc0; /* both: one is told, none is left */
	assert_non_null(strstr(nmi_take_reason(), "bit 7"));
	assert_int_equal(port_b, 0);
	port_b = 0x3f;
	assert_non_null(strstr(nmi_take_reason(), "no reason"));
	assert_int_equal(port_b, 0x3f);
}

/* The latch stays until its source is disabled, and while it is there comes no other NMI. */
static void a_second_system_error_raises_another_nmi(void **state)
{
	(void)state;
	port_b = 0x33; /* the speaker and channel 2 are on */
	for (unsigned i = 0; i < 3; i++) {
		assert_true(raise(0x80, 0x04));
		assert_false(raise(0x80, 0x04));
		(void)nmi_take_reason();
		assert_true(raise(0x40, 0x08));
		assert_false(raise(0x40, 0x08));
		(void)nmi_take_reason();
		assert_int_equal(port_b & 0xcf, 0x03);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_kick_is_none_of_the_hardware),
		TEST(what_nobody_sent_is_counted_until_it_is_taken),
		TEST(kicks_that_meet_are_not_taken_for_the_hardwares),
		TEST(bytes_of_the_host_tool_are_a_reason),
		TEST(the_chipset_says_why),
		TEST(a_second_system_error_raises_another_nmi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
