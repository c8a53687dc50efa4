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
	assert_non_null(strstr(nmi_reason(), "bit 7"));
	port_b = 0x40;
	assert_non_null(strstr(nmi_reason(), "bit 6"));
	port_b = 0x3f;
	assert_non_null(strstr(nmi_reason(), "no reason"));
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
