/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPUs are to be used, and what becomes of one from C on: what it does before it runs
 * VMs, and in what order, or that it sleeps and takes machine checks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "boot/smp.h"
#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/fault.h"
#include "cpu/idle.h"
#include "cpu/left_msrs.h"
#include "cpu/log.h"
#include "cpu/mce.h"
#include "cpu/mtrr.h"
#include "cpu/percpu.h"
#include "cpu/power.h"
#include "cpu/tsc_step.h"
#include "main.h"
#include "main_int.h"
#include "mm/node.h"
#include "vm/bad_memory.h"
#include "vm/denial.h"
#include "vm/mitigate.h"
#include "vmx/stub.h"

uint64_t hw_now;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
static struct percpu boot, other;
struct percpu *percpus[MAX_CPUS] = {&boot, &other};
unsigned cpu_slots, cpu_count;

static uint32_t thread_mask;
static struct smp_ids used, idle;
static const uint32_t *asked;
static unsigned asked_count;
static unsigned warnings;
static jmp_buf end;
static char did[64]; /* a letter for each step */
static unsigned kicks, sleeps;
static uint64_t due, timer_at, rests_until;

enum way {
	RESTS = 1,
	RUNS
};

/* What fails. */
static bool no_apic, not_wanted, no_step, not_alike;

static void step(char letter)
{
	size_t n = strlen(did);

	assert_true(n + 1 < sizeof(did));
	did[n] = letter;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)format;
	warnings += level == LOG_WARN;
}

uint32_t mitigate_unused_threads(void)
{
	return thread_mask;
}

uint32_t node_of_cpu(uint32_t apic_id)
{
	return apic_id;
}

unsigned smp_ask(uint32_t *ids, unsigned most)
{
	assert_true(asked_count <= most);
	memcpy(ids, asked, asked_count * sizeof(ids[0]));
	return asked_count;
}

void smp_start(const struct smp_ids *u, const struct smp_ids *i)
{
	used = *u;
	idle = *i;
}

bool smp_join(void)
{
	step('j');
	other.shared.online = !not_wanted;
	return !not_wanted;
}

void percpu_init(unsigned index)
{
	hw_cpu = percpus[index];
	step('p');
}

bool apic_init(void)
{
	step('a');
	return !no_apic;
}

void apic_send(uint32_t id, uint8_t vector)
{
	assert_int_equal(id, other.apic_id);
	assert_int_equal(vector, VECTOR_KICK);
	kicks++;
}

void apic_timer_arm(uint64_t tsc, uint64_t now)
{
	assert_int_equal(now, hw_now);
	timer_at = tsc;
	step('A');
}

void apic_timer_stop(void)
{
	timer_at = 0;
}

void tsc_step_init(void)
{
}

void tsc_step_answer(uint64_t us)
{
	hw_now += us;
}

bool tsc_step_join(void)
{
	step('t');
	return !no_step;
}

static bool cleared; /* what firmware left in MSRs: before VT-x is on */

void left_msrs_clear(void)
{
	cleared = true;
}

bool vmx_join(void)
{
	assert_true(cleared);
	step('v');
	return !not_alike;
}

void mtrr_compare(void)
{
}

void mce_local_on(void)
{
	assert_true(this_cpu()->shared.parked == false);
}

void mce_cpu_init(void)
{
	step('M');
}

void mce_cpu_park(void)
{
	step('P');
}

void mce_cpu_claim(void)
{
	assert_true(other.shared.parked);
	step('c');
}

void bad_memory_work(void)
{
}

void mce_poll(void)
{
	step('l');
}

uint64_t mce_poll_due(void)
{
	return due;
}

/* It sleeps twice. */
void idle_rest(uint64_t until)
{
	assert_int_equal(until, rests_until);
	assert_int_equal(timer_at, until == UINT64_MAX ? 0 : until);
	step('r');
	if (strchr(did, 'r') != strrchr(did, 'r'))
		longjmp(end, RESTS);
}

void mitigate_cpu(void)
{
	step('m');
}

void denial_cpu(void)
{
	step('d');
}

void power_cpu_init(void)
{
	step('s');
}

void vmx_restart(void)
{
	longjmp(end, RUNS);
}

/* The CPU waits, and the boot CPU comes to release all. */
void hw_sleep(void)
{
	sleeps++;
	hw_cpu = &boot;
	cpus_release();
	hw_cpu = &other;
}

static int set_up(void **state)
{
	(void)state;
	boot = (struct percpu){.self = &boot};
	other = (struct percpu){.self = &other, .index = 1, .apic_id = 77};
	hw_cpu = &boot;
	cpu_slots = cpu_count = 2;
	thread_mask = 0;
	no_apic = not_wanted = no_step = not_alike = false;
	warnings = kicks = sleeps = 0;
	due = rests_until = UINT64_MAX;
	timer_at = 0;
	memset(did, 0, sizeof(did));
	return 0;
}

static void choose(const uint32_t *ids, unsigned count)
{
	cpus_start(ids, count, 0x5000);
	assert_true(boot.shared.online);
	assert_int_equal(other.shared.node, 77);
}

static void same(const struct smp_ids *s, const uint32_t *ids, unsigned count)
{
	assert_int_equal(s->count, count);
	assert_memory_equal(s->ids, ids, count * sizeof(ids[0]));
}

#define IDS(...) \
	(const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)

static void all_are_used_if_nothing_speaks_against_it(void **state)
{
	(void)state;
	choose(IDS(0, 1, 2, 3));
	same(&used, IDS(0, 1, 2, 3));
	assert_int_equal(idle.count, 0);
	asked = (const uint32_t[]){0, 9, 4}; /* firmware does not tell: they do */
	asked_count = 3;
	choose(NULL, 0);
	same(&used, IDS(0, 9, 4));
	assert_int_equal(idle.count, 0);
	assert_int_equal(warnings, 0);
}

static void of_each_core_the_first_thread_is_used_and_others_are_started_idle(void **state)
{
	(void)state;
	thread_mask = 1;
	choose(IDS(0, 1, 2, 3, 6, 7));
	same(&used, IDS(0, 2, 6));
	same(&idle, IDS(1, 3, 7));
	thread_mask = 3;
	choose(IDS(0, 1, 2, 3, 4, 5));
	same(&used, IDS(0, 4));
	same(&idle, IDS(1, 2, 3, 5));
}

/* Started on a second thread, it is the one of its core that is used. */
static void the_boot_cpu_is_used_whichever_thread_it_is(void **state)
{
	(void)state;
	thread_mask = 1;
	boot.apic_id = 3;
	choose(IDS(0, 1, 2, 3, 4, 5));
	same(&used, IDS(0, 3, 4));
	same(&idle, IDS(1, 2, 5));
}

static void without_firmwares_word_threads_are_told_apart_as_with_it(void **state)
{
	(void)state;
	thread_mask = 1;
	boot.apic_id = 8;
	asked = (const uint32_t[]){8, 1, 9, 0};
	asked_count = 4;
	choose(NULL, 0);
	same(&used, IDS(8, 0));
	same(&idle, IDS(1, 9));
	assert_int_equal(warnings, 0);
}

/* Parked before others run, it leaves them the banks that all share. */
static void a_cpu_that_is_not_used_waits_until_the_others_run(void **state)
{
	pid_t child = fork(); /* what is released stays so */
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		not_wanted = true;
		if (setjmp(end) == 0)
			ap_main(1);
		_exit(strcmp(did, "pajPclrlr") != 0 || sleeps != 1 || kicks != 1 ||
			!other.shared.waits);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_cpu_waits_until_it_is_released_and_runs_vms(void **state)
{
	uint64_t start = hw_now;

	(void)state;
	cpu_count = 3; /* another one does not come: it is waited for, a second */
	if (setjmp(end) == 0)
		ap_main(1);
	assert_string_equal(did, "pajtvMmds");
	assert_true(other.shared.usable);
	assert_false(other.shared.parked);
	assert_int_equal(warnings, 1);
	assert_in_range(hw_now - start, 900000, 1100000);
}

static void ends_parked(const char *steps)
{
	other.shared = (struct cpu_shared){0};
	memset(did, 0, sizeof(did));
	timer_at = 0;
	if (setjmp(end) == 0)
		ap_main(1);
	assert_string_equal(did, steps);
	assert_true(other.shared.parked);
	assert_false(other.shared.usable);
}

/* Interrupts of banks nobody else has, and nothing without a local APIC to take them. */
static void a_cpu_that_is_not_used_takes_machine_checks_and_nothing_else(void **state)
{
	(void)state;
	not_wanted = true;
	ends_parked("pajPclrlr");
	not_wanted = false;
	no_apic = true;
	ends_parked("paPrr");
	assert_false(other.shared.waits);
	no_apic = false;
	no_step = true;
	ends_parked("pajtPclrlr");
	no_step = false;
	not_alike = true;
	ends_parked("pajtvPclrlr");
	assert_int_equal(sleeps, 0);
}

static void one_with_a_bank_that_is_looked_at_has_a_timer(void **state)
{
	(void)state;
	not_wanted = true;
	due = rests_until = hw_now + 12345;
	ends_parked("pajPclArlAr");
}

static void one_that_has_said_why_not_is_not_waited_for(void **state)
{
	uint64_t start = hw_now;

	(void)state;
	boot.shared.online = other.shared.online = other.shared.parked = true;
	cpus_release();
	assert_int_equal(hw_now, start);
	assert_int_equal(warnings, 1);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_are_used_if_nothing_speaks_against_it),
		TEST(of_each_core_the_first_thread_is_used_and_others_are_started_idle),
		TEST(the_boot_cpu_is_used_whichever_thread_it_is),
		TEST(without_firmwares_word_threads_are_told_apart_as_with_it),
		TEST(a_cpu_that_is_not_used_waits_until_the_others_run),
		TEST(a_cpu_waits_until_it_is_released_and_runs_vms),
		TEST(a_cpu_that_is_not_used_takes_machine_checks_and_nothing_else),
		TEST(one_with_a_bank_that_is_looked_at_has_a_timer),
		TEST(one_that_has_said_why_not_is_not_waited_for),
	};

	return cmocka_run_group_tests_name("main_cpus", tests, NULL, NULL);
}
