/* SPDX-License-Identifier: Apache-2.0 */
/* Files of traces: what is one, what is none, and what is shown of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_multiply.h"
#include "spec/exits.h"
#include "trace_show.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct arena arena;
static struct error error;
static struct trace_file trace;
static uint8_t data[8192];
static struct bytes content = {data, 0};

static int set_up(void **state)
{
	const struct trace_head h = {.tsc_khz = 1000000, .vm = "web"};

	(void)state;
	arena_free(&arena);
	error = (struct error){0};
	trace_file_put_head(&h, data);
	content.size = TRACE_HEADER_SIZE;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void chunk(uint32_t vcpu, uint32_t count, uint64_t first, uint64_t lost)
{
	const struct trace_chunk c = {vcpu, count, first, lost};

	trace_file_put_chunk(&c, data + content.size);
	content.size += TRACE_CHUNK_SIZE;
}

static void record(struct trace_record r)
{
	trace_encode(&r, data + content.size);
	content.size += TRACE_RECORD_SIZE;
}

static int parse(void)
{
	error = (struct error){0};
	return trace_file_parse(&arena, "f", &content, &trace, &error);
}

/* What is written, in a buffer that lives until the next one. */
static const char *shown(void (*show)(FILE *out, const struct trace_file *f))
{
	static char text[16384];
	FILE *out = fmemopen(text, sizeof(text), "w");

	assert_int_equal(parse(), 0);
	show(out, &trace);
	fclose(out);
	return text;
}

/* L2 executes CPUID, L1 handles it by two exits, and L2 goes on. */
static void a_round(uint32_t vcpu, uint64_t at, uint64_t number)
{
	const uint8_t v = (uint8_t)vcpu;

	chunk(vcpu, 8, number, 0);
	record((struct trace_record){at, 0x1000, 4, 0, 50, TRACE_EXIT, 2, EXIT_CPUID, v});
	record((struct trace_record){
		at + 10, 0x1000, 0, 0, 0, TRACE_L2_ENDS, 2, EXIT_CPUID, v});
	record((struct trace_record){at + 10, 0, 0, 0, 10, TRACE_ENTRY, 1, EXIT_CPUID, v});
	record((struct trace_record){at + 30, 0x2000, 0, 0, 20, TRACE_EXIT, 1, EXIT_VMREAD, v});
	record((struct trace_record){at + 35, 0, 0, 0, 5, TRACE_ENTRY, 1, EXIT_VMREAD, v});
	record((struct trace_record){
		at + 40, 0x2004, 0, 0, 5, TRACE_EXIT, 1, EXIT_VMRESUME, v});
	record((struct trace_record){
		at + 60, 0x1002, 0x5000, 0, 0, TRACE_L2_BEGINS, 2, EXIT_VMRESUME, v});
	record((struct trace_record){at + 60, 0, 0, 0, 20, TRACE_ENTRY, 2, EXIT_VMRESUME, v});
}

static void assert_bad(const char *words)
{
	assert_int_equal(parse(), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, words));
}

static void a_trace_has_its_machine_its_vm_and_its_records(void **state)
{
	(void)state;
	a_round(3, 1000, 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(trace.head.tsc_khz, 1000000);
	assert_string_equal(trace.head.vm, "web");
	assert_int_equal(trace.count, 8);
	assert_int_equal(trace.events[7].number, 7);
	assert_true(trace.events[6].r.info == 0x5000);
	assert_int_equal(trace.events[0].r.vcpu, 3);
}

static void a_file_that_ends_anywhere_but_between_pieces_is_refused(void **state)
{
	size_t all;

	(void)state;
	a_round(0, 1000, 0);
	all = content.size;
	for (size_t size = 0; size < all; size++) {
		content.size = size;
		assert_int_equal(parse() == 0, size == TRACE_HEADER_SIZE);
	}
	content.size = all;
	assert_int_equal(parse(), 0);
}

static void what_cannot_be_is_refused_with_its_place(void **state)
{
	(void)state;
	chunk(LIMIT_VCPUS, 0, 0, 0);
	assert_bad("is of vCPU 288; possible are 0 to 287");
	set_up(state);
	chunk(0, UINT32_MAX, 0, 0);
	assert_bad("it ends before 4294967295 records");
	set_up(state);
	chunk(0, 1, 0, 0);
	record((struct trace_record){.kind = TRACE_KINDS, .level = 1});
	assert_bad("the record at byte 112 is of kind 8");
	set_up(state);
	chunk(0, 1, 0, 0);
	record((struct trace_record){.level = 3});
	assert_bad("level 3");
	set_up(state);
	chunk(0, 1, 0, 0);
	record((struct trace_record){.level = 1, .vcpu = 1});
	assert_bad("vCPU 1");
}

static void another_version_or_no_trace_is_refused(void **state)
{
	(void)state;
	data[8]++;
	assert_bad("a trace of version 3 with records of 41 bytes; this is for version 2");
	set_up(state);
	data[12]--;
	assert_bad("records of 40 bytes");
	set_up(state);
	memset(data + 16, 0, 8);
	assert_bad("a TSC of 0 kHz");
	set_up(state);
	data[0] = 'X';
	assert_bad("this is no trace");
}

static void records_of_vcpus_are_in_the_order_of_time_and_those_of_one_in_theirs(void **state)
{
	(void)state;
	a_round(0, 1000, 0);
	a_round(1, 1005, 0);
	a_round(0, 1100, 8);
	assert_int_equal(parse(), 0);
	assert_int_equal(trace.count, 24);
	for (size_t i = 1; i < trace.count; i++)
		assert_true(trace.events[i - 1].r.tsc <= trace.events[i].r.tsc);
	assert_int_equal(trace.events[0].r.vcpu, 0);
	assert_int_equal(trace.events[1].r.vcpu, 1);
	assert_int_equal(trace.events[2].r.kind, TRACE_L2_ENDS);
	assert_int_equal(trace.events[3].r.kind, TRACE_ENTRY);
}

static void time_that_goes_back_stands_still(void **state)
{
	(void)state;
	chunk(0, 2, 0, 0);
	record((struct trace_record){.tsc = 500, .level = 1});
	record((struct trace_record){.tsc = 400, .level = 1});
	assert_int_equal(parse(), 0);
	assert_int_equal(trace.events[1].r.tsc, 500);
	assert_int_equal(trace.events[1].number, 1);
}

static void what_was_overwritten_is_told_where_it_was(void **state)
{
	const char *text;

	(void)state;
	a_round(0, 1000, 0);
	chunk(0, 1, 18, 10);
	record((struct trace_record){.tsc = 2000, .level = 1, .reason = EXIT_HLT});
	chunk(0, 1, 30, 0);
	record((struct trace_record){.tsc = 3000, .level = 1, .reason = EXIT_HLT});
	text = shown(trace_show_text);
	assert_non_null(strstr(text,
		"vcpu 0: 10 records were overwritten here\n2000 vcpu 0 L1 exit      HLT"));
	assert_non_null(strstr(text, "vcpu 0: records are missing here\n3000"));
	assert_int_equal(trace.lost[0], 10);
}

static void a_line_of_json_has_what_the_record_has(void **state)
{
	(void)state;
	chunk(2, 1, 7, 7);
	record((struct trace_record){
		5, 0x10, 0x11, 0x12000, 9, TRACE_EXIT, 2, EXIT_EPT_VIOLATION, 2});
	assert_string_equal(shown(trace_show_json),
		"{\"vcpu\":2,\"kind\":\"lost\",\"records\":7}\n"
		"{\"vcpu\":2,\"number\":7,\"tsc\":5,\"kind\":\"exit\",\"level\":2,"
		"\"reason\":\"EPT_VIOLATION\",\"rip\":\"0x10\",\"info\":\"0x11\","
		"\"address\":\"0x12000\",\"ticks\":9}\n");
}

static void the_summary_has_what_l1_did_for_an_exit_of_l2(void **state)
{
	(void)state;
	a_round(0, 1000, 0);
	a_round(0, 2000, 8);
	assert_non_null(strstr(shown(trace_show_summary),
		"CPUID                       2        35        25  VMREAD 1.00 VMRESUME 1.00\n"));
}

static void a_round_that_has_a_gap_is_not_in_the_summary(void **state)
{
	(void)state;
	chunk(0, 2, 0, 0);
	record((struct trace_record){1000, 0, 0, 0, 0, TRACE_L2_ENDS, 2, EXIT_CPUID, 0});
	record((struct trace_record){1000, 0, 0, 0, 5, TRACE_ENTRY, 1, EXIT_CPUID, 0});
	chunk(0, 2, 5, 3);
	record((struct trace_record){2000, 0, 0, 0, 0, TRACE_L2_BEGINS, 2, EXIT_VMRESUME, 0});
	record((struct trace_record){2000, 0, 0, 0, 5, TRACE_ENTRY, 2, EXIT_VMRESUME, 0});
	assert_null(strstr(shown(trace_show_summary), "CPUID"));
}

static void slices_are_where_the_levels_run(void **state)
{
	static const char *const in_order[] = {"\"name\":\"web vCPU 0\"",
		"\"tid\":3,\"ts\":0.000,\"name\":\"L2\"",
		"\"tid\":3,\"ts\":0.000,\"name\":\"runs\"",
		"{\"ph\":\"E\",\"pid\":1,\"tid\":3,\"ts\":0.050}",
		"\"tid\":1,\"ts\":0.050,\"name\":\"L2: CPUID\"",
		"{\"ph\":\"E\",\"pid\":1,\"tid\":3,\"ts\":0.060}",
		"\"tid\":2,\"ts\":0.060,\"name\":\"handles CPUID\"",
		"{\"ph\":\"E\",\"pid\":1,\"tid\":1,\"ts\":0.060}",
		"\"tid\":2,\"ts\":0.060,\"name\":\"runs\"",
		"\"tid\":1,\"ts\":0.080,\"name\":\"L1: VMREAD\"",
		"\"tid\":1,\"ts\":0.090,\"name\":\"L1: VMRESUME\"",
		"{\"ph\":\"E\",\"pid\":1,\"tid\":2,\"ts\":0.110}",
		"\"tid\":3,\"ts\":0.110,\"name\":\"L2\""};
	const char *at;

	(void)state;
	a_round(0, 1000, 0);
	at = shown(trace_show_perfetto);
	for (size_t i = 0; i < sizeof(in_order) / sizeof(in_order[0]); i++) {
		at = strstr(at, in_order[i]);
		assert_non_null(at);
	}
}

static void take(struct multiply *m, const char *line)
{
	multiply_take(m, line);
}

static void the_multiplication_is_exits_for_each_exit_that_l1_got(void **state)
{
	struct multiply before = {.l2 = 0}, after = {.l2 = 0}, between;
	char text[512] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	take(&before, "item id=1 figure=nested_exits_to_l1 value=10");
	take(&before, "item id=1 level=1 reason=VMRESUME count=10");
	take(&after, "item id=1 figure=nested_exits_to_l1 value=14");
	take(&after, "item id=1 figure=ticks_l0 value=99");
	take(&after, "item id=1 level=1 reason=VMRESUME count=14");
	take(&after, "item id=1 level=1 reason=VMREAD count=10");
	take(&after, "item id=1 level=1 reason=no_such count=10");
	take(&after, "item id=1 level=2 reason=CPUID count=4 to_l1=4");
	take(&after, "item id=1 level=2 reason=EXCEPTION_NMI count=1 to_l1=0");
	between = multiply_since(&after, &before);
	multiply_show(out, &between);
	between.to_l1 = 0;
	multiply_show(out, &between);
	fclose(out);
	assert_string_equal(text,
		"each exit of L2 to L1: 1.25 of L2, and of L1 VMREAD 2.50 VMRESUME 1.00\n");
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_trace_has_its_machine_its_vm_and_its_records),
		TEST(a_file_that_ends_anywhere_but_between_pieces_is_refused),
		TEST(what_cannot_be_is_refused_with_its_place),
		TEST(another_version_or_no_trace_is_refused),
		TEST(records_of_vcpus_are_in_the_order_of_time_and_those_of_one_in_theirs),
		TEST(time_that_goes_back_stands_still),
		TEST(what_was_overwritten_is_told_where_it_was),
		TEST(a_line_of_json_has_what_the_record_has),
		TEST(the_summary_has_what_l1_did_for_an_exit_of_l2),
		TEST(a_round_that_has_a_gap_is_not_in_the_summary),
		TEST(slices_are_where_the_levels_run),
		TEST(the_multiplication_is_exits_for_each_exit_that_l1_got),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
