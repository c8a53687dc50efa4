/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of the other CPUs: which get messages, who is waited for, who is used. CPUs of the
 * test begin some time after their start-up IPI, and have come up some time after that; time
 * passes as the boot CPU waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/smp.h"
#include "cpu/apic.h"
#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "cpu/tsc.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "spec/vmx.h"

#define NEVER UINT64_MAX
#define MOST  20u

extern uint32_t ap_next, ap_limit, ap_told, ap_told_limit, ap_ids[MAX_CPUS];
uint32_t boot_efer = 0x900, boot_cr3 = 0x5000, boot_cr4 = 0x20;

__asm__(".section .rodata\n"
	".globl trampoline_start, trampoline_data, trampoline_end\n"
	"trampoline_start: .skip 32\n"
	"trampoline_data: .skip 22\n"
	"trampoline_end:\n"
	".globl ap_stay_check, ap_stay_event\n"
	"ap_stay_check: .skip 1\n"
	"ap_stay_event: .skip 1\n"
	".text\n");

uint64_t hw_now; /* microseconds */
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
static struct percpu boot;
struct percpu *percpus[MAX_CPUS] = {&boot};
unsigned cpu_slots, cpu_count;

static struct ap {
	uint32_t id;
	unsigned misses; /* start-up IPIs */
	uint64_t begins, comes;
	enum {
		ELSEWHERE, /* where firmware has it */
		WAITS,     /* for a start-up IPI */
		STARTED,
		BEGUN,
		UP,
		STAYS, /* without data */
		TOLD
	} is;
	uint64_t since;
	unsigned index;
	bool used;
	bool only_tells;
} aps[MOST];

static unsigned ap_count, strays, warnings, infos;
static uint32_t ids[MOST + 1], idle_ids[MOST];
static bool x2apic;
static struct l0_config config;
static void *memory;
static bool no_memory;
static uint8_t low_pages[2][4096] __attribute__((aligned(4096)));
static unsigned low_taken, gates[2]; /* of machine checks, of others */
uint64_t ap_stay_gates[64];
extern const uint8_t ap_stay_check[], ap_stay_event[], trampoline_start[], trampoline_data[];

const struct l0_config *l0_config(void)
{
	return &config;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)format;
	warnings += level == LOG_WARN;
	infos += level == LOG_INFO;
}

bool page_alloc(uint64_t size, uint64_t align, uint64_t limit, struct hpa *out)
{
	if (limit <= 0xa0000) {
		assert_int_equal(size, sizeof(low_pages[0]));
		if (low_taken == 2)
			return false;
		*out = hpa_of(low_pages[low_taken++]);
		return true;
	}
	if (no_memory)
		return false;
	assert_null(memory);
	memory = aligned_alloc(align, (size + align - 1) & ~(align - 1));
	*out = hpa_of(memory);
	return true;
}

void fault_make_gate(void *table, unsigned vector, const void *handler)
{
	assert_ptr_equal(table, ap_stay_gates);
	assert_true(vector < 32);
	assert_ptr_equal(handler, vector == VEC_MC ? ap_stay_check : ap_stay_event);
	gates[vector == VEC_MC]++;
}

bool paging_everywhere(struct hpa pa, uint64_t size, uint64_t flags)
{
	(void)pa;
	(void)size;
	(void)flags;
	return true;
}

void percpu_make(void *at, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		percpus[cpu_slots] = (struct percpu *)at + i;
		percpus[cpu_slots++]->index = i + 1;
	}
}

bool apic_is_extended(void)
{
	return x2apic;
}

void hw_pause(void)
{
	fail(); /* nobody stops between joining and being online here */
}

/* ---- messages ---- */

/* Where the page of a start-up IPI is, and what it is for. */
static void get_page(struct ap *a, uint8_t page)
{
	bool found = false;

	for (unsigned i = 0; i < low_taken; i++)
		if (page == (uint8_t)(hpa_of(low_pages[i]).v >> 12)) {
			a->only_tells = low_pages[i][trampoline_data - trampoline_start + 18];
			found = true;
		}
	assert_true(found);
}

static void get(struct ap *a, bool init)
{
	if (init) {
		a->is = WAITS;
	} else if (a->is == WAITS && a->misses != 0) {
		a->misses--;
	} else if (a->is == WAITS) {
		a->is = STARTED;
		a->since = hw_now;
	}
}

static void send(uint32_t id, bool init, uint8_t page)
{
	bool found = false;

	assert_int_not_equal(id, boot.apic_id);
	assert_true(x2apic ? id != UINT32_MAX : id < 0xff);
	for (unsigned i = 0; i < ap_count; i++)
		if (aps[i].id == id) {
			if (!init && aps[i].is == WAITS)
				get_page(&aps[i], page);
			get(&aps[i], init);
			found = true;
		}
	strays += !found;
}

void apic_send_init(uint32_t id)
{
	send(id, true, 0);
}

void apic_send_startup(uint32_t id, uint8_t page)
{
	send(id, false, page);
}

void apic_send_init_all_others(void)
{
	for (unsigned i = 0; i < ap_count; i++)
		get(&aps[i], true);
}

void apic_send_startup_all_others(uint8_t page)
{
	for (unsigned i = 0; i < ap_count; i++) {
		get_page(&aps[i], page);
		get(&aps[i], false);
	}
}

/* ---- time ---- */

/* As boot/entry.S does it. */
static void begin(struct ap *a)
{
	a->since = hw_now;
	if (!a->only_tells) {
		a->index = ap_next++;
		a->is = a->index < ap_limit ? BEGUN : STAYS;
		return;
	}
	a->index = ap_told++;
	a->is = a->index < ap_told_limit ? TOLD : STAYS;
	if (a->is == TOLD)
		ap_ids[a->index] = a->id;
}

/* And ap_main. */
static void come_up(struct ap *a)
{
	struct percpu *c = percpus[a->index];

	c->apic_id = a->id;
	hw_cpu = c;
	a->used = smp_join();
	if (!a->used)
		c->shared.parked = true;
	hw_cpu = &boot;
	a->is = UP;
}

void tsc_delay_us(uint64_t us)
{
	hw_now += us;
	for (unsigned i = 0; i < ap_count; i++) {
		struct ap *a = &aps[i];

		if (a->is == STARTED && a->begins != NEVER && hw_now - a->since >= a->begins)
			begin(a);
		if (a->is == BEGUN && a->comes != NEVER && hw_now - a->since >= a->comes)
			come_up(a);
	}
}

/* ---- tests ---- */

static int set_up(void **state)
{
	(void)state;
	boot = (struct percpu){.self = &boot, .shared.online = true};
	hw_cpu = &boot;
	memset(percpus + 1, 0, sizeof(percpus) - sizeof(percpus[0]));
	memset(aps, 0, sizeof(aps));
	cpu_slots = cpu_count = ap_next = ap_told = 1;
	ap_count = ap_limit = ap_told_limit = strays = warnings = infos = 0;
	low_taken = gates[0] = gates[1] = 0;
	no_memory = false;
	config = (struct l0_config){.max_cpus = UINT32_MAX};
	x2apic = false;
	hw_now = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(memory);
	memory = NULL;
	return 0;
}

static struct ap *add(uint32_t id)
{
	struct ap *a = &aps[ap_count++];

	a->id = id;
	a->begins = 50;
	a->comes = 100;
	return a;
}

static void add_many(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		(void)add(i + 1);
}

/* The first so many to be used, with the boot CPU; the others not. */
static void start(unsigned used)
{
	ids[0] = boot.apic_id;
	for (unsigned i = 0; i < ap_count; i++)
		*(i < used ? &ids[i + 1] : &idle_ids[i - used]) = aps[i].id;
	smp_start(
		&(struct smp_ids){ids, used + 1}, &(struct smp_ids){idle_ids, ap_count - used});
}

/* Where firmware tells of none. */
static void start_untold(void)
{
	unsigned told = smp_ask(ids, MOST + 1);

	assert_int_equal(ids[0], boot.apic_id);
	smp_start(&(struct smp_ids){ids, told}, &(struct smp_ids){NULL, 0});
}

static void those_that_come_are_used_and_nobody_is_waited_for(void **state)
{
	(void)state;
	add_many(7);
	start(7);
	assert_int_equal(cpu_count, 8);
	assert_int_equal(cpu_slots, 8);
	assert_true(hw_now < 1000);
	assert_int_equal(warnings + infos, 0);
}

/* A start-up IPI may be missed, and only those that missed it take the second one. */
static void a_second_message_reaches_those_that_missed_the_first(void **state)
{
	(void)state;
	add_many(3);
	aps[1].misses = 1;
	start(3);
	assert_int_equal(cpu_count, 4);
	assert_in_range(hw_now, 10000, 30000);
	assert_int_equal(warnings, 0);
}

static void one_that_does_not_answer_costs_little_and_is_told_of(void **state)
{
	(void)state;
	add_many(3);
	aps[1].begins = NEVER;
	start(3);
	assert_int_equal(cpu_count, 3);
	assert_in_range(hw_now, 20000, 50000);
	assert_int_equal(warnings, 1);
}

/* It writes its caches back, or is in an SMI. */
static void one_that_has_begun_is_waited_for(void **state)
{
	(void)state;
	add_many(3);
	aps[2].comes = 900000;
	start(3);
	assert_int_equal(cpu_count, 4);
	assert_int_equal(warnings, 0);
}

/* One after the other, each within its second. */
static void many_that_come_up_slowly_are_all_waited_for(void **state)
{
	(void)state;
	add_many(8);
	for (unsigned i = 0; i < 8; i++)
		aps[i].comes = (i + 1) * 700000;
	start(8);
	assert_int_equal(cpu_count, 9);
}

static void one_that_has_begun_and_never_comes_costs_a_bounded_time(void **state)
{
	(void)state;
	add_many(3);
	aps[0].comes = NEVER;
	start(3);
	assert_int_equal(cpu_count, 3);
	assert_in_range(hw_now, 1000000, 2100000);
	assert_int_equal(warnings, 2);
}

static void one_that_comes_too_late_is_parked(void **state)
{
	(void)state;
	add_many(3);
	aps[1].begins = 200000;
	start(3);
	assert_int_equal(cpu_count, 3);
	tsc_delay_us(1000000);
	tsc_delay_us(1000000);
	assert_int_equal(aps[1].is, UP);
	assert_false(aps[1].used);
	assert_false(percpus[aps[1].index]->shared.online);
}

static void ids_above_254_need_x2apic_mode(void **state)
{
	(void)state;
	(void)add(1);
	(void)add(255);
	(void)add(0x100);
	start(3);
	assert_int_equal(cpu_count, 2);
	assert_int_equal(aps[1].is, ELSEWHERE);
	assert_int_equal(warnings, 1);
	assert_true(hw_now < 1000); /* it is not waited for, either */
}

static void in_x2apic_mode_all_are_reached_but_all_at_once(void **state)
{
	(void)state;
	x2apic = true;
	(void)add(255);
	(void)add(0x12345);
	(void)add(UINT32_MAX);
	start(3);
	assert_int_equal(cpu_count, 3);
	assert_int_equal(aps[2].is, ELSEWHERE);
	assert_int_equal(strays, 0);
}

static void a_boot_cpu_that_firmware_does_not_tell_of_counts_none_the_less(void **state)
{
	(void)state;
	boot.apic_id = 9;
	add_many(3);
	ids[0] = 1;
	ids[1] = 2;
	ids[2] = 3;
	smp_start(&(struct smp_ids){ids, 3}, &(struct smp_ids){NULL, 0});
	assert_int_equal(cpu_count, 4);
	assert_int_equal(warnings, 0);
}

static void above_maxcpus_they_are_parked(void **state)
{
	(void)state;
	config.max_cpus = 3;
	add_many(7);
	start(7);
	assert_int_equal(cpu_count, 3);
	for (unsigned i = 1; i < 8; i++) {
		assert_int_equal(percpus[i]->shared.online, i < 3);
		assert_int_equal(percpus[i]->shared.parked, i >= 3);
	}
	assert_int_equal(infos, 1);
	assert_int_equal(warnings, 0);
}

/* Behind those that are used: those have the first numbers. */
static void those_that_are_not_to_be_used_are_started_last_and_parked(void **state)
{
	(void)state;
	add_many(6);
	start(3);
	assert_int_equal(cpu_count, 4);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(aps[i].used, i < 3);
		assert_int_equal(aps[i].is, UP);
		assert_in_range(aps[i].index, i < 3 ? 1 : 4, i < 3 ? 3 : 6);
	}
	assert_int_equal(infos, 1);
}

/* Its place stays empty: who is started later does not get it. */
static void a_thread_to_be_parked_takes_no_other_ones_place(void **state)
{
	(void)state;
	add_many(4);
	aps[0].begins = NEVER;
	start(2);
	assert_int_equal(cpu_count, 2);
	assert_false(aps[2].used || aps[3].used);
	assert_true(aps[2].is == UP && aps[3].is == UP);
}

static void without_firmwares_word_all_are_asked_who_they_are(void **state)
{
	(void)state;
	boot.apic_id = 99;
	add_many(19);
	aps[17].begins = 9000;
	aps[18].begins = 17000;
	start_untold();
	assert_int_equal(cpu_count, 20);
	assert_in_range(hw_now, 44000, 47000);
	assert_int_equal(warnings, 0);
	assert_true(gates[1] == 2 && gates[0] == 62);
	for (unsigned i = 0; i < 19; i++)
		assert_true(aps[i].is == UP && aps[i].used);
}

/* It takes nobody's place. */
static void one_that_tells_too_late_stays_where_it_is(void **state)
{
	(void)state;
	add_many(4);
	aps[1].begins = 10250;
	start_untold();
	assert_int_equal(cpu_count, 4);
	assert_true(aps[1].is == STAYS || aps[1].is == TOLD);
	assert_int_equal(ap_next, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(aps[i].used, i != 1);
}

static void more_than_there_is_room_for_stay_where_they_are(void **state)
{
	(void)state;
	add_many(9);
	assert_int_equal(smp_ask(ids, 5), 5);
	assert_true(aps[3].is == TOLD && aps[4].is == STAYS && aps[8].is == STAYS);
}

static void with_maxcpus_1_all_others_are_parked(void **state)
{
	for (unsigned told = 0; told < 2; told++) {
		set_up(state);
		config.max_cpus = 1;
		add_many(3);
		if (told)
			start(3);
		else
			start_untold();
		assert_int_equal(cpu_count, 1);
		for (unsigned i = 0; i < 3; i++)
			assert_true(aps[i].is == UP && !aps[i].used);
		assert_int_equal(infos, 1);
		tear_down(state);
	}
}

/* They take machine checks none the less, and are not waited for. */
static void where_there_is_no_memory_for_them_they_are_started_and_stay(void **state)
{
	(void)state;
	no_memory = true;
	add_many(4);
	start(2);
	assert_int_equal(cpu_count, 1);
	assert_int_equal(warnings, 1);
	tsc_delay_us(1000);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(aps[i].is, STAYS);
}

static void without_a_low_page_nobody_is_started(void **state)
{
	(void)state;
	low_taken = 2;
	add_many(2);
	start(2);
	assert_int_equal(smp_ask(ids, MOST), 1);
	assert_int_equal(warnings, 2);
	assert_true(aps[0].is == ELSEWHERE && aps[1].is == ELSEWHERE);
}

static void one_cpu_alone_starts_nobody(void **state)
{
	(void)state;
	start(0);
	assert_int_equal(cpu_count, 1);
	assert_int_equal(hw_now, 0);
	start_untold();
	assert_int_equal(cpu_count, 1);
	assert_in_range(hw_now, 10000, 11000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(those_that_come_are_used_and_nobody_is_waited_for),
		TEST(a_second_message_reaches_those_that_missed_the_first),
		TEST(one_that_does_not_answer_costs_little_and_is_told_of),
		TEST(one_that_has_begun_is_waited_for),
		TEST(many_that_come_up_slowly_are_all_waited_for),
		TEST(one_that_has_begun_and_never_comes_costs_a_bounded_time),
		TEST(one_that_comes_too_late_is_parked),
		TEST(ids_above_254_need_x2apic_mode),
		TEST(in_x2apic_mode_all_are_reached_but_all_at_once),
		TEST(a_boot_cpu_that_firmware_does_not_tell_of_counts_none_the_less),
		TEST(above_maxcpus_they_are_parked),
		TEST(those_that_are_not_to_be_used_are_started_last_and_parked),
		TEST(a_thread_to_be_parked_takes_no_other_ones_place),
		TEST(without_firmwares_word_all_are_asked_who_they_are),
		TEST(one_that_tells_too_late_stays_where_it_is),
		TEST(more_than_there_is_room_for_stay_where_they_are),
		TEST(with_maxcpus_1_all_others_are_parked),
		TEST(where_there_is_no_memory_for_them_they_are_started_and_stay),
		TEST(without_a_low_page_nobody_is_started),
		TEST(one_cpu_alone_starts_nobody),
	};

	return cmocka_run_group_tests_name("boot_smp", tests, NULL, NULL);
}
