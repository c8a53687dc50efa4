/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of remapping units against the one of the emulated machine, which uses what it has
 * cached until it is told not to: a forgotten invalidation shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "vtd/entries.h"
#include "vtd/seam.h"
#include "vtd/unit.h"
#include "vtd_model.h"

#include <cmocka.h>

#define PAGE      0x1000u
#define REGISTERS UINT64_C(0xfed90000)
#define SOURCE    0x0810u
#define NEIGHBOUR 0x0811u
#define DOMAIN    5u
#define GUEST     UINT64_C(0x100000)
#define HOST      UINT64_C(0x180000) /* in the model's memory */

static struct vtd_unit unit;
static struct vtd_tables tables;
static unsigned pages, waits;

/* ---- the seam ---- */

uint32_t vtd_seam_read32(uint64_t registers, unsigned at)
{
	assert_int_equal(registers, REGISTERS);
	return (uint32_t)model_read(at, 4);
}

uint64_t vtd_seam_read64(uint64_t registers, unsigned at)
{
	assert_int_equal(registers, REGISTERS);
	return model_read(at, 8);
}

void vtd_seam_write32(uint64_t registers, unsigned at, uint32_t value)
{
	assert_int_equal(registers, REGISTERS);
	model_write(at, value, 4);
}

void vtd_seam_write64(uint64_t registers, unsigned at, uint64_t value)
{
	assert_int_equal(registers, REGISTERS);
	model_write(at, value, 8);
}

void *vtd_seam_page(void *pool)
{
	assert_null(pool);
	if (pages == MODEL_PAGES)
		return NULL;
	return memset(model_memory + (uint64_t)pages++ * PAGE, 0, PAGE);
}

void vtd_seam_page_back(void *pool, void *page)
{
	(void)pool;
	(void)page;
}

uint64_t vtd_seam_address(const void *at)
{
	return (uint64_t)((const uint8_t *)at - model_memory);
}

void *vtd_seam_pointer(uint64_t address)
{
	return model_memory + address;
}

void vtd_seam_write_back(const void *at, unsigned size)
{
	model_write_back(vtd_seam_address(at), size);
}

uint64_t vtd_seam_now(void)
{
	static uint64_t now;

	waits++;
	model_work();
	return now += 100;
}

bool vtd_seam_bridge(uint32_t bdf, uint8_t *secondary, uint8_t *subordinate)
{
	(void)bdf;
	(void)secondary;
	(void)subordinate;
	return false;
}

/* ---- helpers ---- */

static void begin(bool caching)
{
	pages = 1;
	waits = 0;
	memset(model_memory, 0, sizeof(model_memory));
	model_reset(caching);
}

/* Both steps, with nothing between them. */
static const char *take_over(struct vtd_unit *u, bool extended)
{
	(void)vtd_unit_prepare(u, NULL);
	return vtd_unit_begin(u, extended);
}

static void start(bool extended)
{
	assert_null(vtd_unit_find(&unit, REGISTERS, 0));
	assert_null(take_over(&unit, extended));
}

/* Tables that map a page of GUEST to `host`. */
static void make_tables(uint64_t host)
{
	assert_true(vtd_tables_create(&tables, &unit.caps, NULL));
	assert_null(vtd_tables_map(&tables, GUEST, host, PAGE, VTD_SL_RIGHTS));
}

static unsigned reads(uint16_t source, uint64_t at, uint64_t *host)
{
	return model_access(source, at, false, host);
}

static void expect_at(uint16_t source, uint64_t at, uint64_t where)
{
	uint64_t host = 0;

	assert_int_equal(reads(source, at, &host), 0);
	assert_int_equal(host, where);
}

static void expect_blocked(uint16_t source, uint64_t at, unsigned reason)
{
	uint64_t host;

	assert_int_equal(reads(source, at, &host), reason);
}

/* ---- tests ---- */

static void each_function_is_blocked_until_it_is_attached_and_again_when_it_is_detached(
	void **state)
{
	(void)state;
	for (unsigned caching = 0; caching < 2; caching++) {
		begin(caching);
		start(false);
		expect_blocked(SOURCE, GUEST, VTD_FAULT_ROOT_ABSENT);
		make_tables(HOST);
		assert_null(vtd_unit_attach(&unit, SOURCE, &tables, DOMAIN));
		expect_at(SOURCE, GUEST + 8, HOST + 8);
		expect_blocked(SOURCE, GUEST + PAGE, VTD_FAULT_READ_DENIED);
		expect_blocked(NEIGHBOUR, GUEST, VTD_FAULT_CONTEXT_ABSENT);
		assert_null(vtd_unit_detach(&unit, SOURCE, DOMAIN));
		expect_blocked(SOURCE, GUEST, VTD_FAULT_CONTEXT_ABSENT);
		/* The same domain with other tables: nothing of the first ones is left. */
		make_tables(HOST + PAGE);
		assert_null(vtd_unit_attach(&unit, SOURCE, &tables, DOMAIN));
		expect_at(SOURCE, GUEST, HOST + PAGE);
		assert_null(vtd_unit_attach(&unit, NEIGHBOUR, &tables, DOMAIN));
		expect_at(NEIGHBOUR, GUEST, HOST + PAGE);
		assert_non_null(vtd_unit_attach(&unit, NEIGHBOUR, &tables, DOMAIN));
	}
}

/* What firmware's devices need they have from the first translated request on. */
static void what_is_attached_before_translation_begins_is_never_blocked(void **state)
{
	(void)state;
	for (unsigned caching = 0; caching < 2; caching++) {
		begin(caching);
		assert_null(vtd_unit_find(&unit, REGISTERS, 0));
		assert_null(vtd_unit_prepare(&unit, NULL));
		assert_false(unit.on);
		expect_at(SOURCE, GUEST, GUEST); /* nothing is translated yet */
		make_tables(GUEST);
		assert_null(vtd_unit_attach(&unit, SOURCE, &tables, 1));
		expect_at(SOURCE, GUEST, GUEST);
		assert_null(vtd_unit_begin(&unit, false));
		assert_true(unit.on);
		expect_at(SOURCE, GUEST, GUEST);
		expect_blocked(SOURCE, GUEST + PAGE, VTD_FAULT_READ_DENIED);
		expect_blocked(NEIGHBOUR, GUEST, VTD_FAULT_CONTEXT_ABSENT);
		/* A VM gets the function: it reaches what that has, and that alone. */
		assert_null(vtd_unit_detach(&unit, SOURCE, 1));
		expect_blocked(SOURCE, GUEST, VTD_FAULT_CONTEXT_ABSENT);
		make_tables(HOST);
		assert_null(vtd_unit_attach(&unit, SOURCE, &tables, DOMAIN));
		expect_at(SOURCE, GUEST, HOST);
	}
}

static void a_function_is_let_through_when_that_is_wanted(void **state)
{
	(void)state;
	begin(true);
	start(false);
	expect_blocked(SOURCE, GUEST, VTD_FAULT_ROOT_ABSENT);
	assert_null(vtd_unit_pass(&unit, SOURCE, DOMAIN));
	expect_at(SOURCE, GUEST, GUEST);
	assert_null(vtd_unit_detach(&unit, SOURCE, DOMAIN));
	expect_blocked(SOURCE, GUEST, VTD_FAULT_CONTEXT_ABSENT);
}

static void changed_mappings_are_seen_after_a_flush_of_the_domain_or_of_the_pages(void **state)
{
	(void)state;
	for (unsigned by_pages = 0; by_pages < 2; by_pages++) {
		begin(true);
		start(false);
		make_tables(HOST);
		assert_null(vtd_unit_attach(&unit, SOURCE, &tables, DOMAIN));
		expect_at(SOURCE, GUEST, HOST);
		expect_blocked(SOURCE, GUEST + 3 * PAGE, VTD_FAULT_READ_DENIED);
		assert_true(vtd_tables_unmap(&tables, GUEST, PAGE));
		assert_null(
			vtd_tables_map(&tables, GUEST + PAGE, HOST, 3 * PAGE, VTD_SL_RIGHTS));
		expect_at(SOURCE, GUEST, HOST); /* the test would not see anything else */
		assert_null(by_pages ? vtd_unit_flush_pages(&unit, DOMAIN, GUEST, 4 * PAGE)
				     : vtd_unit_flush(&unit, DOMAIN));
		expect_blocked(SOURCE, GUEST, VTD_FAULT_READ_DENIED);
		expect_at(SOURCE, GUEST + 3 * PAGE, HOST + 2 * PAGE);
	}
}

static void a_message_goes_where_its_entry_says_if_its_sender_is_the_right_one(void **state)
{
	struct vtd_interrupt_to to = {.vector = 0x81, .target = 3, .source = SOURCE};
	struct vtd_entry e[40];
	uint32_t address = vtd_message_address(8);

	(void)state;
	for (unsigned extended = 0; extended < 2; extended++) {
		begin(true);
		start(extended);
		assert_int_equal(unit.extended, extended);
		assert_int_equal(model_message(SOURCE, address, 0), VTD_FAULT_IRTE_ABSENT);
		assert_int_equal(model_message(SOURCE, 0xfee00000, 0x81),
			VTD_FAULT_COMPATIBILITY_BLOCKED);
		to.extended = extended;
		to.target = extended ? 0x12345 : 3;
		for (unsigned i = 0; i < 40; i++) {
			to.vector = (uint8_t)(0x80 + i);
			e[i] = vtd_irte(&to);
		}
		assert_null(vtd_unit_set_irtes(&unit, 8, e, 40));
		for (unsigned i = 0; i < 40; i++) {
			assert_int_equal(model_message(SOURCE, address, i), 0);
			assert_int_equal(model.vector, 0x80 + i);
			assert_int_equal(model.target, to.target);
		}
		assert_int_equal(model_message(NEIGHBOUR, address, 0), VTD_FAULT_SOURCE);
		to.target = 1;
		to.vector = 0x99;
		e[0] = vtd_irte(&to);
		assert_null(vtd_unit_set_irtes(&unit, 8, e, 1));
		assert_int_equal(model_message(SOURCE, address, 0), 0);
		assert_int_equal(model.vector, 0x99);
		assert_int_equal(model.target, 1);
		memset(e, 0, sizeof(e));
		assert_null(vtd_unit_set_irtes(&unit, 8, e, 40));
		for (unsigned i = 0; i < 40; i++)
			assert_int_equal(
				model_message(SOURCE, address, i), VTD_FAULT_IRTE_ABSENT);
		assert_non_null(vtd_unit_set_irtes(&unit, VTD_IRTES - 1, e, 2));
	}
}

static void faults_are_told_once_in_their_order_and_what_had_no_room_shows(void **state)
{
	struct vtd_fault f;
	unsigned count, told = 0;

	(void)state;
	begin(false);
	start(false);
	count = VTD_CAP_NFR(unit.caps.cap);
	assert_false(vtd_unit_fault(&unit, &f));
	for (unsigned round = 0; round < 3; round++) {
		uint64_t host;

		for (unsigned i = 0; i < 5; i++)
			model_access(SOURCE, GUEST + i * PAGE + 0x123, i & 1, &host);
		for (unsigned i = 0; i < 5; i++) {
			assert_true(vtd_unit_fault(&unit, &f));
			assert_int_equal(f.source, SOURCE);
			assert_int_equal(f.reason, VTD_FAULT_ROOT_ABSENT);
			assert_int_equal(f.address, GUEST + i * PAGE);
			assert_int_equal(f.read, !(i & 1));
			assert_false(f.lost);
		}
		assert_false(vtd_unit_fault(&unit, &f));
	}
	for (unsigned i = 0; i < count + 4; i++)
		expect_blocked(SOURCE, GUEST, VTD_FAULT_ROOT_ABSENT);
	for (bool lost = true; vtd_unit_fault(&unit, &f); lost = false, told++)
		assert_int_equal(f.lost, lost);
	assert_int_equal(told, count);
	assert_string_equal(
		vtd_reason_words(VTD_FAULT_READ_DENIED), "the page is not readable");
	assert_non_null(strstr(vtd_reason_words(0xfe), "does not know"));
	assert_true(vtd_reason_is_interrupt(VTD_FAULT_SOURCE));
	assert_false(vtd_reason_is_interrupt(VTD_FAULT_READ_DENIED));
}

static void a_fault_event_is_sent_when_it_is_asked_for(void **state)
{
	(void)state;
	begin(false);
	start(false);
	expect_blocked(SOURCE, GUEST, VTD_FAULT_ROOT_ABSENT);
	assert_int_equal(model.delivered, 0);
	vtd_unit_fault_event(&unit, 0xfee03000, 0, 0x55);
	assert_int_equal(model.delivered, 1);
	assert_int_equal(model.vector, 0x55);
}

static void a_unit_that_does_not_answer_is_waited_for_once_and_not_for_long(void **state)
{
	const char *why;
	unsigned before;

	(void)state;
	begin(false);
	start(false);
	make_tables(HOST);
	model.dead = true;
	before = waits;
	why = vtd_unit_attach(&unit, SOURCE, &tables, DOMAIN);
	assert_string_equal(why, "the unit does not answer");
	assert_in_range(waits - before, 2, VTD_PATIENCE / 100 + 2);
	before = waits;
	assert_ptr_equal(vtd_unit_detach(&unit, SOURCE, DOMAIN), why);
	assert_ptr_equal(vtd_unit_flush(&unit, DOMAIN), why);
	assert_ptr_equal(take_over(&unit, false), why);
	assert_int_equal(waits, before);

	begin(false);
	model.dead = true;
	assert_null(vtd_unit_find(&unit, REGISTERS, 0));
	assert_string_equal(take_over(&unit, false), "the unit does not start its queue");
	assert_false(unit.on);
}

static void an_error_of_the_queue_ends_the_wait_at_once(void **state)
{
	(void)state;
	begin(false);
	start(false);
	model.status = VTD_IQE;
	model.dead = true;
	waits = 0;
	assert_string_equal(
		vtd_unit_flush(&unit, DOMAIN), "the unit reports an error in its queue");
	assert_in_range(waits, 0, 4);
}

/* It may read what it knows for ever: the descriptor is another VM's memory by then. */
static void a_failed_unit_is_left_no_entry_that_posts_into_memory(void **state)
{
	struct vtd_entry none = {0, 0}, posted = vtd_irte_posted(0x5000, 0x41, SOURCE);
	struct vtd_entry l0s =
		vtd_irte(&(struct vtd_interrupt_to){.vector = 0x80, .source = SOURCE});

	(void)state;
	begin(false);
	start(false);
	assert_null(vtd_unit_set_irtes(&unit, 8, &posted, 1));
	assert_null(vtd_unit_set_irtes(&unit, 9, &posted, 1));
	model.dead = true;
	assert_non_null(vtd_unit_flush(&unit, DOMAIN));
	assert_non_null(vtd_unit_set_irtes(&unit, 8, &none, 1));
	assert_non_null(vtd_unit_set_irtes(&unit, 9, &l0s, 1));
	assert_non_null(vtd_unit_set_irtes(&unit, 10, &posted, 1));
	assert_true(unit.irtes[8].low == 0);
	assert_true(unit.irtes[9].low == l0s.low);
	assert_true(unit.irtes[10].low == 0);
}

static void the_queue_goes_round(void **state)
{
	(void)state;
	begin(false);
	start(false);
	make_tables(HOST);
	assert_null(vtd_unit_attach(&unit, SOURCE, &tables, DOMAIN));
	for (unsigned i = 0; i < 1000; i++)
		assert_null(vtd_unit_flush(&unit, DOMAIN));
	assert_null(vtd_unit_detach(&unit, SOURCE, DOMAIN));
	expect_blocked(SOURCE, GUEST, VTD_FAULT_CONTEXT_ABSENT);
}

/* Another owner's tables, which let a device through, and a message, and what they cached. */
static void what_firmware_left_on_is_stopped_and_forgotten(void **state)
{
	struct vtd_interrupt_to to = {.vector = 0x44, .source = SOURCE};
	struct vtd_entry e = vtd_irte(&to);
	struct vtd_unit mine;

	(void)state;
	begin(true);
	start(false);
	make_tables(HOST);
	assert_null(vtd_unit_attach(&unit, SOURCE, &tables, DOMAIN));
	assert_null(vtd_unit_set_irtes(&unit, 3, &e, 1));
	expect_at(SOURCE, GUEST, HOST);
	assert_int_equal(model_message(SOURCE, vtd_message_address(3), 0), 0);
	expect_blocked(NEIGHBOUR, GUEST, VTD_FAULT_CONTEXT_ABSENT);

	assert_null(vtd_unit_find(&mine, REGISTERS, 0));
	assert_null(take_over(&mine, false));
	expect_blocked(SOURCE, GUEST, VTD_FAULT_ROOT_ABSENT);
	assert_int_equal(
		model_message(SOURCE, vtd_message_address(3), 0), VTD_FAULT_IRTE_ABSENT);
	assert_null(vtd_unit_stop(&mine));
	expect_at(SOURCE, GUEST, GUEST);
	assert_int_equal(model_message(SOURCE, 0xfee00000, 0x81), 0);
}

static void what_the_unit_reads_is_written_back_to_memory_where_it_does_not_see_caches(
	void **state)
{
	struct vtd_interrupt_to to = {.vector = 0x44, .source = SOURCE};
	struct vtd_entry e = vtd_irte(&to);

	(void)state;
	begin(true);
	model.incoherent = model.buffered = true;
	start(false);
	make_tables(HOST);
	assert_true(model.flushes > 0);
	model.flushes = 0;
	assert_null(vtd_unit_attach(&unit, SOURCE, &tables, DOMAIN));
	assert_true(model.flushes > 0);
	expect_at(SOURCE, GUEST, HOST);
	assert_null(
		vtd_tables_map(&tables, GUEST + BIT64(30), HOST + PAGE, PAGE, VTD_SL_RIGHTS));
	assert_null(vtd_unit_flush(&unit, DOMAIN));
	expect_at(SOURCE, GUEST + BIT64(30), HOST + PAGE);
	assert_null(vtd_unit_set_irtes(&unit, 3, &e, 1));
	assert_int_equal(model_message(SOURCE, vtd_message_address(3), 0), 0);
	assert_null(vtd_unit_detach(&unit, SOURCE, DOMAIN));
	expect_blocked(SOURCE, GUEST, VTD_FAULT_CONTEXT_ABSENT);
}

static void tables_of_three_levels_do_as_well(void **state)
{
	(void)state;
	begin(false);
	assert_null(vtd_unit_find(&unit, REGISTERS, 3));
	assert_null(take_over(&unit, false));
	make_tables(HOST);
	assert_null(vtd_unit_attach(&unit, SOURCE, &tables, DOMAIN));
	expect_at(SOURCE, GUEST, HOST);
	expect_blocked(SOURCE, BIT64(39), VTD_FAULT_ADDRESS_TOO_LARGE);
	assert_non_null(vtd_tables_map(&tables, BIT64(39), HOST, PAGE, VTD_SL_RIGHTS));
	assert_string_equal(
		vtd_unit_find(&unit, REGISTERS, 5), "it has no tables of 3, 4 or 5 levels");
}

static void domains_and_memory_have_ends(void **state)
{
	(void)state;
	begin(false);
	start(false);
	make_tables(HOST);
	assert_non_null(vtd_unit_attach(&unit, SOURCE, &tables, 0));
	pages = MODEL_PAGES;
	assert_non_null(vtd_unit_attach(&unit, SOURCE, &tables, DOMAIN));
	expect_blocked(SOURCE, GUEST, VTD_FAULT_ROOT_ABSENT);
	begin(false);
	pages = MODEL_PAGES - 2;
	assert_null(vtd_unit_find(&unit, REGISTERS, 0));
	assert_string_equal(
		take_over(&unit, false), "there is no memory for the unit's tables");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			each_function_is_blocked_until_it_is_attached_and_again_when_it_is_detached),
		cmocka_unit_test(what_is_attached_before_translation_begins_is_never_blocked),
		cmocka_unit_test(a_function_is_let_through_when_that_is_wanted),
		cmocka_unit_test(
			changed_mappings_are_seen_after_a_flush_of_the_domain_or_of_the_pages),
		cmocka_unit_test(
			a_message_goes_where_its_entry_says_if_its_sender_is_the_right_one),
		cmocka_unit_test(
			faults_are_told_once_in_their_order_and_what_had_no_room_shows),
		cmocka_unit_test(a_fault_event_is_sent_when_it_is_asked_for),
		cmocka_unit_test(
			a_unit_that_does_not_answer_is_waited_for_once_and_not_for_long),
		cmocka_unit_test(an_error_of_the_queue_ends_the_wait_at_once),
		cmocka_unit_test(a_failed_unit_is_left_no_entry_that_posts_into_memory),
		cmocka_unit_test(the_queue_goes_round),
		cmocka_unit_test(what_firmware_left_on_is_stopped_and_forgotten),
		cmocka_unit_test(
			what_the_unit_reads_is_written_back_to_memory_where_it_does_not_see_caches),
		cmocka_unit_test(tables_of_three_levels_do_as_well),
		cmocka_unit_test(domains_and_memory_have_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
