/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of thunks and jumps to them, and the branches that take their place: both are executed
 * here, for each register, and go to the same place and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/branches.h"

#define PAGE     4096u
#define THUNKS   2048u
#define BACK     (THUNKS + 16 * 64 + 63)
#define RESULT   0x12345678u
#define FUNCTION 512u
#define RSP      4u

/* Of L0's image, which is not here. */
const uint32_t branch_sites[1];
const uint32_t branch_site_count;
const uint8_t indirect_thunks[1];
const uint8_t return_thunk[1] __asm__("__x86_return_thunk");

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	(void)leaf;
	(void)subleaf;
	return (struct cpuid_regs){0};
}

static uint8_t *page;
static struct branch_thunks thunks;

static uint64_t address_of(unsigned offset)
{
	return (uint64_t)(uintptr_t)page + offset;
}

static unsigned put(unsigned at, const void *bytes, size_t n)
{
	memcpy(page + at, bytes, n);
	return at + (unsigned)n;
}

/* A call (E8) or jump (E9). */
static unsigned put_branch(unsigned at, uint8_t op, unsigned to)
{
	int32_t distance = (int32_t)to - (int32_t)(at + BRANCH_SIZE);

	page[at] = op;
	return put(at + 1, &distance, sizeof(distance));
}

/* As cpu/thunks.S has them. */
static void put_thunks(void)
{
	for (unsigned reg = 0; reg < 16; reg++) {
		const uint8_t jump[3] = {0x41, 0xff, (uint8_t)(0xe0 | (reg & 7))};
		bool high = reg >= 8;

		put(THUNKS + reg * 64 + 32, jump + !high, 2u + high);
	}
}

/* FUNCTION returns RESULT. */
static int make_page(void **state)
{
	(void)state;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		-1, 0);
	if (page == MAP_FAILED)
		return -1;
	memset(page, 0xcc, PAGE);
	put_thunks();
	page[BACK] = 0xc3;
	put(FUNCTION, "\xb8\x78\x56\x34\x12", 5); /* mov $RESULT, %eax */
	put_branch(FUNCTION + 5, 0xe9, BACK);
	thunks = (struct branch_thunks){address_of(THUNKS), address_of(BACK)};
	return 0;
}

static int drop_page(void **state)
{
	(void)state;
	return munmap(page, PAGE);
}

/*
 * Keeps what the ABI wants kept; then the register has the function's address, and at *site is
 * the branch: a call, or a jump that a call has led to.
 */
static void put_caller(unsigned reg, bool jump, unsigned *site)
{
	uint8_t load[2] = {(uint8_t)(0x48 | reg >> 3), (uint8_t)(0xb8 | (reg & 7))};
	uint64_t function = address_of(FUNCTION);
	unsigned at, out;

	at = put(0, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10); /* push %rbx ... */
	if (jump) {
		out = at;
		at = 256;
		put_branch(out, 0xe8, at);
		out += BRANCH_SIZE;
		at = put(at, load, 2);
		at = put(at, &function, 8);
		*site = at;
		put_branch(at, 0xe9, THUNKS + reg * 64 + 32);
	} else {
		at = put(at, load, 2);
		at = put(at, &function, 8);
		*site = at;
		out = put_branch(at, 0xe8, THUNKS + reg * 64 + 32);
	}
	put(out, "\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11);
}

static uint32_t execute(void)
{
	uint32_t (*code)(void);
	void *at = page;

	memcpy(&code, &at, sizeof(code));
	return code();
}

static void a_direct_branch_goes_where_the_thunk_goes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		unsigned reg = i / 2, site;
		uint8_t out[BRANCH_SIZE];

		if (reg == RSP)
			continue;
		put_caller(reg, i % 2, &site);
		assert_int_equal(execute(), RESULT);
		assert_true(branch_direct(page + site, address_of(site), &thunks, out));
		put(site, out, sizeof(out));
		memset(page + THUNKS, 0xcc, BACK - THUNKS); /* nobody needs them */
		assert_int_equal(execute(), RESULT);
		put_thunks();
	}
}

static void a_return_is_one_instruction(void **state)
{
	uint8_t out[BRANCH_SIZE];

	(void)state;
	assert_true(branch_direct(page + FUNCTION + 5, address_of(FUNCTION + 5), &thunks, out));
	assert_memory_equal(out, "\xc3\xcc\xcc\xcc\xcc", BRANCH_SIZE);
}

static void what_leads_to_no_thunk_stays_as_it_is(void **state)
{
	static const struct {
		uint8_t op;
		unsigned to;
	} rows[] = {
		{0xe8, FUNCTION},
		{0xe8, BACK}, /* nobody calls a return */
		{0xe9, THUNKS},
		{0xe9, THUNKS + 31},
		{0xe9, THUNKS + 33},
		{0xe8, THUNKS + 16 * 64 + 32},
		{0xe8, THUNKS - 32},
		{0xe9, BACK - 1},
		{0xeb, BACK},
		{0x0f, THUNKS + 32},
	};
	uint8_t out[BRANCH_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_branch(0, rows[i].op, rows[i].to);
		assert_false(branch_direct(page, address_of(0), &thunks, out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_direct_branch_goes_where_the_thunk_goes, make_page, drop_page),
		cmocka_unit_test_setup_teardown(
			a_return_is_one_instruction, make_page, drop_page),
		cmocka_unit_test_setup_teardown(
			what_leads_to_no_thunk_stays_as_it_is, make_page, drop_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
