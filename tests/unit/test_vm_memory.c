/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM of a VM in pieces: what lies side by side for the guest and for L0 is one, what does not
 * is never reached across its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"
#include "spec/addr.h"
#include "vm/bad_memory.h"
#include "vm/memory.h"
#include "vm/ram.h"
#include "vm/vm.h"

#define PIECE PAGE_SIZE

static uint8_t memory[8 * PIECE];
static struct vm vm;

bool ram_there(const struct vm *v, uint64_t offset, uint64_t size)
{
	(void)v;
	(void)offset;
	(void)size;
	abort(); /* none of it moves */
}

const void *ram_readable(const struct vm *v, uint64_t offset, uint64_t size)
{
	(void)v;
	(void)offset;
	(void)size;
	abort();
}

bool bad_memory_used(const struct vm *v, uint64_t gpa, uint64_t size)
{
	(void)v;
	(void)gpa;
	(void)size;
	return false; /* test_vm_bad_memory has some */
}

static void slot(uint64_t gpa, uint64_t size, uint8_t *host)
{
	vm.slots[vm.slot_count++] = (struct mem_slot){.gpa = gpa, .size = size, .host = host};
	vm.fixed_count = vm.slot_count;
}

/* Three pieces side by side, one elsewhere for L0, one elsewhere for both. */
static int set_up(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	slot(0, PIECE, memory);
	slot(PIECE, PIECE, memory + PIECE);
	slot(2 * PIECE, PIECE, memory + 2 * PIECE);
	slot(3 * PIECE, PIECE, memory + 5 * PIECE);
	slot(BIT64(32), PIECE, memory + 6 * PIECE);
	return 0;
}

/* Where a byte is, or NULL. */
static uint8_t *byte_at(uint64_t gpa)
{
	return gpa < 3 * PIECE   ? memory + gpa
	       : gpa < 4 * PIECE ? memory + 2 * PIECE + gpa
	       : gpa >= BIT64(32) && gpa - BIT64(32) < PIECE
		       ? memory + 6 * PIECE + (gpa - BIT64(32))
		       : NULL;
}

static void a_range_is_there_if_all_of_it_lies_side_by_side(void **state)
{
	static const uint64_t bases[] = {0, BIT64(32) - 3 * PIECE, UINT64_MAX - 2 * PIECE};
	uint64_t seed = 5;

	(void)state;
	for (unsigned n = 0; n < 3000; n++) {
		uint64_t gpa = bases[random_below(&seed, 3)] + random_below(&seed, 6 * PIECE);
		uint64_t size = 1 + random_below(&seed, 5 * PIECE);
		uint8_t *want = byte_at(gpa);

		for (uint64_t i = 0; want != NULL && i < size; i++)
			if (byte_at(gpa + i) != want + i)
				want = NULL;
		assert_ptr_equal(vm_gpa_to_va(&vm, gpa, size), want);
	}
	assert_null(vm_gpa_to_va(&vm, 8, UINT64_MAX - 4)); /* around the end of all addresses */
	assert_ptr_equal(vm_gpa_to_va(&vm, 0, 3 * PIECE), memory);
	assert_null(vm_gpa_to_va(&vm, 0, 3 * PIECE + 1));
}

static void copies_go_on_where_l0_has_the_next_piece(void **state)
{
	uint8_t bytes[4 * PIECE], back[4 * PIECE];

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	assert_int_equal(vm_write_gpa(&vm, 0, bytes, sizeof(bytes)), 0);
	assert_memory_equal(memory, bytes, 3 * PIECE);
	assert_memory_equal(memory + 5 * PIECE, bytes + 3 * PIECE, PIECE);
	assert_int_equal(vm_read_gpa(&vm, 0, back, sizeof(back)), 0);
	assert_memory_equal(back, bytes, sizeof(back));
	assert_int_equal(vm_read_gpa(&vm, 1, back, sizeof(back)), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_range_is_there_if_all_of_it_lies_side_by_side, set_up),
		cmocka_unit_test_setup(copies_go_on_where_l0_has_the_next_piece, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
