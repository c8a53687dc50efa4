/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of the other CPUs: which get messages, who is waited for, who is used.
 */
#include "smp_world.h"

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

/* Those behind it are found, too. */
static void one_that_is_held_up_while_it_tells_is_waited_for(void **state)
{
	(void)state;
	add_many(4);
	aps[1].held = 300000;
	start_untold();
	assert_int_equal(cpu_count, 5);
	assert_in_range(hw_now, 300000, 330000);
	for (unsigned i = 0; i < 4; i++)
		assert_true(aps[i].is == UP && aps[i].used);
}

static void one_that_never_tells_costs_a_bounded_time(void **state)
{
	(void)state;
	add_many(4);
	aps[1].held = NEVER;
	assert_int_equal(smp_ask(ids, MOST + 1), 4); /* those behind it are found */
	assert_in_range(hw_now, 1000000, 1100000);
	assert_int_equal(warnings, 1);
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
		TEST(one_that_is_held_up_while_it_tells_is_waited_for),
		TEST(one_that_never_tells_costs_a_bounded_time),
		TEST(one_that_tells_too_late_stays_where_it_is),
		TEST(more_than_there_is_room_for_stay_where_they_are),
		TEST(with_maxcpus_1_all_others_are_parked),
		TEST(where_there_is_no_memory_for_them_they_are_started_and_stay),
		TEST(without_a_low_page_nobody_is_started),
		TEST(one_cpu_alone_starts_nobody),
	};

	return cmocka_run_group_tests_name("boot_smp", tests, NULL, NULL);
}
