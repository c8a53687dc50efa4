/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remapping unit of the emulated machine, without the machine: against a walk without
 * caches, with random tables; what invalidation takes away; random registers and memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bochs_vtd_unit.h"
#include "random.h"

#include <cmocka.h>

#define PAGES   64u
#define PAGE    0x1000u
#define SOURCE  0x0810u
#define DOMAIN  5u
#define ROOT    0u /* pages of memory with a purpose; the others are tables and whatever */
#define CONTEXT 1u
#define TABLE   2u /* the topmost one */
#define FIRST   3u

static uint8_t memory[PAGES * PAGE];
static struct vtd unit;
static struct vtd_interrupt last;
static unsigned delivered, reads;

bool vtd_memory_read(uint64_t at, void *to, unsigned size)
{
	if (at >= sizeof(memory) || size > sizeof(memory) - at)
		return false;
	assert_true(at / PAGE == (at + size - 1) / PAGE);
	memcpy(to, memory + at, size);
	reads++;
	return true;
}

bool vtd_memory_write(uint64_t at, const void *from, unsigned size)
{
	if (at >= sizeof(memory) || size > sizeof(memory) - at)
		return false;
	memcpy(memory + at, from, size);
	return true;
}

void vtd_deliver(const struct vtd_interrupt *i)
{
	last = *i;
	delivered++;
}

static void store(uint64_t at, uint64_t v)
{
	memcpy(memory + at, &v, 8);
}

static uint64_t load(uint64_t at)
{
	uint64_t v;

	memcpy(&v, memory + at, 8);
	return v;
}

static void set_context(unsigned width, uint64_t tables)
{
	store(CONTEXT * PAGE + 16 * (SOURCE & 0xff), tables | 1);
	store(CONTEXT * PAGE + 16 * (SOURCE & 0xff) + 8, DOMAIN << 8 | width);
}

static int set_up(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	vtd_reset(&unit, false);
	delivered = reads = 0;
	store(ROOT * PAGE + 16 * (SOURCE >> 8), CONTEXT * PAGE | 1);
	set_context(2, TABLE * PAGE);
	vtd_write(&unit, VTD_RTADDR, ROOT * PAGE, 8);
	vtd_write(&unit, VTD_GCMD, VTD_SET_ROOT, 4);
	vtd_write(&unit, VTD_GCMD, VTD_TRANSLATE, 4);
	return 0;
}

static void forget_all(void)
{
	vtd_forget_contexts(&unit, VTD_GLOBAL, 0, 0, 0);
	vtd_forget_pages(&unit, VTD_GLOBAL, 0, 0, 0, false);
}

static enum vtd_reason access_at(uint64_t at, bool write, uint64_t *host)
{
	uint64_t room;

	return vtd_translate(&unit, SOURCE, at, write, host, &room);
}

/* ---- tables ---- */

/* An entry of any kind; mostly a good one, to any page of the memory. */
static uint64_t random_entry(uint64_t *seed, unsigned level)
{
	uint64_t r = random_next(seed), e = (r >> 8) % (PAGES - FIRST) + FIRST;

	e = e * PAGE | (r & 3);
	if (level > 1 && (r >> 16) % 4 == 0)
		e = (e >> 30 << 30) | 0x80 | (r & 3);
	if ((r >> 20) % 64 == 0)
		e |= UINT64_C(1) << (r >> 32) % 64;
	return e;
}

static void random_tables(uint64_t *seed)
{
	for (unsigned n = TABLE; n < PAGES; n++)
		for (unsigned i = 0; i < 512; i += 1 + random_next(seed) % 3)
			store(n * PAGE + 8 * i, random_entry(seed, n % 4 + 1));
}

/* What the specification says, read plainly: four levels from TABLE. */
static enum vtd_reason plain_walk(uint64_t at, bool write, uint64_t *host)
{
	uint64_t table = TABLE * PAGE;
	bool allowed = true;

	if (at >> 48 != 0)
		return VTD_ADDRESS_TOO_LARGE;
	for (unsigned level = 4;; level--) {
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t size = UINT64_C(1) << shift, e, reserved;
		bool leaf;

		if (table >= sizeof(memory))
			return VTD_PAGING_ACCESS;
		e = load(table + 8 * (at >> shift & 511));
		leaf = level == 1 || (level < 4 && e >> 7 & 1);
		reserved = (UINT64_C(0xfff) << 40) | 1 << 11 | UINT64_C(1) << 62;
		reserved |= level == 4 ? 0x80 : leaf ? (size - 1) & ~UINT64_C(0xfff) : 0;
		if ((e & 3) != 0 && (e & reserved) != 0)
			return VTD_PAGING_RESERVED;
		allowed = allowed && (e >> write & 1);
		if (leaf || (e & 3) == 0) {
			*host = (e & 0xfffffff000) | (at & (size - 1));
			if (!allowed)
				return write ? VTD_WRITE_DENIED : VTD_READ_DENIED;
			return *host >> 20 == 0xfee ? VTD_INTERRUPT_RANGE : VTD_OK;
		}
		table = e & 0xfffffff000;
	}
}

static void translations_are_those_of_a_walk_without_caches(void **state)
{
	unsigned reasons[16] = {0};
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		random_tables(&seed);
		forget_all();
		for (unsigned i = 0; i < 500; i++) {
			uint64_t at = random_next(&seed) >> 16, got = 0, want = 0;
			bool write = random_next(&seed) & 1;
			enum vtd_reason reason = plain_walk(at, write, &want);

			assert_int_equal(access_at(at, write, &got), reason);
			if (reason == VTD_OK)
				assert_int_equal(got, want);
			reasons[reason]++;
		}
	}
	assert_true(reasons[VTD_OK] > 1000 && reasons[VTD_PAGING_RESERVED] > 100 &&
		    reasons[VTD_READ_DENIED] > 1000 && reasons[VTD_WRITE_DENIED] > 1000);
}

/* ---- invalidation ---- */

#define TRIES 64u

/* Consecutive pages at 0, each to itself. */
static void map_pages(void)
{
	store(TABLE * PAGE, FIRST * PAGE | 3);
	store(FIRST * PAGE, (FIRST + 1) * PAGE | 3);
	store((FIRST + 1) * PAGE, (FIRST + 2) * PAGE | 3);
	for (unsigned i = 0; i < TRIES; i++)
		store((FIRST + 2) * PAGE + 8 * i, (uint64_t)i * PAGE | 3);
}

static void a_page_selective_invalidation_takes_just_the_pages_of_its_mask(void **state)
{
	uint64_t host;

	(void)state;
	map_pages();
	for (unsigned mask = 0; mask <= 6; mask++)
		for (unsigned n = 0; n < TRIES; n += 7) {
			for (unsigned i = 0; i < TRIES; i++)
				assert_int_equal(
					access_at((uint64_t)i * PAGE, false, &host), VTD_OK);
			vtd_forget_pages(
				&unit, VTD_SELECTIVE, DOMAIN, (uint64_t)n * PAGE, mask, true);
			for (unsigned i = 0; i < TRIES; i++) {
				bool forgotten = i >> mask == n >> mask;

				reads = 0;
				(void)access_at((uint64_t)i * PAGE, false, &host);
				assert_int_equal(
					reads, forgotten ? 1 : 0); /* its table is known */
			}
		}
}

static void a_large_page_goes_with_any_address_in_it(void **state)
{
	uint64_t host;

	(void)state;
	store(TABLE * PAGE, FIRST * PAGE | 3);
	store(FIRST * PAGE, 0x83); /* 1 GiB */
	assert_int_equal(access_at(0x12345678, true, &host), VTD_OK);
	assert_int_equal(host, 0x12345678);
	store(FIRST * PAGE, 0);
	vtd_forget_pages(&unit, VTD_SELECTIVE, DOMAIN, UINT64_C(1) << 30, 0, true);
	assert_int_equal(access_at(0x12345678, true, &host), VTD_OK);
	vtd_forget_pages(&unit, VTD_SELECTIVE, DOMAIN, 0x3ffff000, 0, true);
	assert_int_equal(access_at(0x12345678, true, &host), VTD_WRITE_DENIED);
}

static void a_device_selective_invalidation_ignores_the_function_bits_of_its_mask(void **state)
{
	static const uint16_t ignored[4] = {0, 4, 6, 7};
	uint64_t host;

	(void)state;
	map_pages();
	for (unsigned mask = 0; mask < 4; mask++)
		for (unsigned function = 0; function < 8; function++) {
			(void)access_at(0, false, &host);
			vtd_forget_contexts(&unit, VTD_SELECTIVE, DOMAIN,
				(uint16_t)(SOURCE ^ function), mask);
			reads = 0;
			(void)access_at(0, false, &host);
			assert_int_equal(reads, (function & ~ignored[mask] & 7) == 0 ? 2 : 0);
		}
}

/* ---- anything ---- */

static void random_memory(uint64_t *seed)
{
	for (unsigned i = 0; i < sizeof(memory); i += 8 * (1 + random_next(seed) % 64))
		store(i, random_next(seed) & random_next(seed) & 0x0fff);
	random_tables(seed);
}

static void one_access(uint64_t *seed)
{
	uint64_t r = random_next(seed), value = random_next(seed), host, room;
	unsigned size = r & 1 ? 4 : 8, at = (unsigned)(r >> 8) % VTD_SIZE / size * size;

	if (r & 2)
		at %= 0x120;
	if (r & 4) /* something of the memory */
		value = (value & 0x3ffff) | (r & 8 ? UINT64_C(15) << 60 : 0);
	switch (r >> 32 & 3) {
	case 0:
		vtd_write(&unit, at / size * size, value, size);
		break;
	case 1:
		(void)vtd_read(&unit, at / size * size, size);
		break;
	case 2:
		(void)vtd_translate(&unit, (uint16_t)(r >> 40), value, r & 16, &host, &room);
		assert_true(room >= 1);
		break;
	default:
		(void)vtd_message(&unit, (uint16_t)(r >> 40), 0xfee00000 | (value & 0xfffff),
			(uint32_t)(value >> 32 & 0xff));
		break;
	}
}

static void random_software_does_not_break_it(void **state)
{
	uint64_t seed = 2;

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		vtd_reset(&unit, round % 2);
		random_memory(&seed);
		for (unsigned i = 0; i < 5000; i++) {
			one_access(&seed);
			(void)vtd_queue_run(&unit, 8);
			assert_int_equal(unit.reg[VTD_VER / 4], 0x10);
			assert_true(unit.next < VTD_RECORDS);
		}
	}
	assert_true(delivered > 100);
}

static void an_event_of_extended_mode_has_a_destination_of_32_bits(void **state)
{
	(void)state;
	vtd_write(&unit, VTD_FECTL + 4, 0x31, 4);
	vtd_write(&unit, VTD_FECTL + 8, UINT64_C(0x0001020000000000) | 0xfee03000, 8);
	vtd_write(&unit, VTD_FECTL, 0, 4);
	vtd_set_fault_status(&unit, VTD_PENDING);
	assert_int_equal(delivered, 1);
	assert_int_equal(last.vector, 0x31);
	assert_int_equal(last.destination, 0x00010203);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(translations_are_those_of_a_walk_without_caches, set_up),
		cmocka_unit_test_setup(
			a_page_selective_invalidation_takes_just_the_pages_of_its_mask, set_up),
		cmocka_unit_test_setup(a_large_page_goes_with_any_address_in_it, set_up),
		cmocka_unit_test_setup(
			a_device_selective_invalidation_ignores_the_function_bits_of_its_mask,
			set_up),
		cmocka_unit_test_setup(random_software_does_not_break_it, set_up),
		cmocka_unit_test_setup(
			an_event_of_extended_mode_has_a_destination_of_32_bits, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
