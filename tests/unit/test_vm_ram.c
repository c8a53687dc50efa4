/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM that moves, with two vCPUs: what is there when it is accessed, who waits, and that a
 * chunk is another's only when nothing of the VM can reach it any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/bad_memory.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "vm/bad_memory.h"
#include "vm/ram_int.h"
#include "vm/sched.h"
#include "vm/vm_log.h"

#define CHUNKS 16u
#define LOW    8u /* of these below 4 GiB */
#define SPACE  0x1000u

uint64_t hw_now;
_Thread_local uint64_t hw_cr3 = SPACE;
_Thread_local struct percpu *hw_cpu;
static struct percpu cpu;
struct percpu *percpus[MAX_CPUS] = {&cpu};
unsigned cpu_count = 1;

static struct vm vm;
static struct nested_vm nested_vm;
static struct vcpu vcpus[2];
static struct sched_node node;
static struct vm_ram ram;
static struct ram_chunk chunks[CHUNKS];
static uint64_t pde[CHUNKS];
static const uint8_t zeros[CHUNK_SIZE];

static struct {
	uint32_t free, spare; /* chunks that may be taken */
	uint32_t next;        /* frame */
	uint32_t node;        /* where the last was wanted */
	uint32_t given[8], gifts;
	uint64_t ept01[CHUNKS]; /* frames */
	unsigned forgets, flushes, stops, left_out, drops;
	uint32_t round_at_forget;
	bool tables;
} world;

/* ---- what it calls ---- */

void hw_pause(void)
{
	abort();
}

void panic_at(const char *file, int line, const char *format, ...)
{
	(void)format;
	_assert_true(0, "panic", file, line);
	abort();
}

uint32_t ram_host_take(unsigned id, uint32_t where, bool spare)
{
	uint32_t *from = world.free != 0 || !spare ? &world.free : &world.spare;

	assert_int_equal(id, vm.id);
	world.node = where;
	if (*from == 0)
		return CHUNK_NONE;
	--*from;
	return ++world.next;
}

void ram_host_give(unsigned id, uint32_t frame)
{
	assert_int_equal(id, vm.id);
	world.given[world.gifts++ % 8] = frame;
}

bool ram_host_can_go_on(unsigned id, unsigned vcpu, bool chunk)
{
	assert_int_equal(id, vm.id);
	assert_in_range(vcpu, 0, 1);
	return world.free > chunk;
}

const uint8_t *ram_zeros(void)
{
	return zeros;
}

static uint32_t chunk_at(uint64_t gpa)
{
	return (uint32_t)(gpa < BIT64(32) ? gpa / CHUNK_SIZE
					  : LOW + (gpa - BIT64(32)) / CHUNK_SIZE);
}

bool ept_chunk_set(struct ept *e, uint64_t gpa, struct hpa hpa)
{
	assert_ptr_equal(e, &vm.ept01);
	world.ept01[chunk_at(gpa)] = hpa.v / CHUNK_SIZE;
	return true;
}

void ept_chunk_clear(struct ept *e, uint64_t gpa)
{
	assert_ptr_equal(e, &vm.ept01);
	world.ept01[chunk_at(gpa)] = 0;
}

void vept_forget(struct nested *n)
{
	(void)n;
	world.forgets++;
	world.round_at_forget = ram.round;
}

bool vept_has_tables(const struct vept *e, uint64_t gpa, uint64_t size)
{
	(void)e;
	(void)gpa;
	assert_int_equal(size, CHUNK_SIZE);
	return world.tables;
}

void vmx_flush_all(void)
{
	world.flushes++;
}

void vcpu_post(struct vcpu *vcpu, uint32_t events)
{
	vcpu->events |= events;
}

bool vm_first_time(struct vm *v, unsigned what)
{
	(void)v;
	(void)what;
	return false;
}

void vm_log(const struct vm *v, enum log_level level, const char *format, ...)
{
	(void)v;
	(void)level;
	(void)format;
}

void vm_stop(struct vm *v, enum vm_end end, uint32_t value, const char *why)
{
	(void)v;
	(void)end;
	(void)value;
	(void)why;
	world.stops++;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

bool vm_ram_offset(const struct vm *v, uint64_t gpa, uint64_t size, uint64_t *offset)
{
	uint32_t chunk = chunk_at(gpa);

	if (size > CHUNK_SIZE || chunk_at(gpa + size - 1) >= CHUNKS)
		return false;
	assert_ptr_equal(v, &vm);
	*offset = chunk * CHUNK_SIZE + gpa % CHUNK_SIZE;
	return true;
}

bool bad_memory_unmap(struct vm *v, uint64_t gpa, struct hpa hpa, uint64_t size)
{
	assert_ptr_equal(v, &vm);
	assert_int_equal(hpa.v / CHUNK_SIZE, ram.chunk[chunk_at(gpa)].frame);
	assert_int_equal(size, CHUNK_SIZE);
	world.left_out += bad_memory_in(hpa.v, size);
	return true;
}

void vm_flush_others(struct vm *v, const struct vcpu *self, bool wait)
{
	assert_ptr_equal(v, &vm);
	assert_null(self);
	assert_false(wait);
	world.drops++;
}

/* ---- */

static int start(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	memset(chunks, 0, sizeof(chunks));
	memset(pde, 0, sizeof(pde));
	memset(&world, 0, sizeof(world));
	memset(&bad_memory, 0, sizeof(bad_memory));
	hw_cpu = &cpu;
	ram = (struct vm_ram){.lock = SPINLOCK(LOCK_RAM),
		.vm = 3,
		.count = CHUNKS,
		.low = LOW,
		.window = (uint8_t *)SPACE,
		.pde = pde,
		.chunk = chunks};
	vm.id = 3;
	vm.lock = SPINLOCK(LOCK_VM);
	vm.config.cpus = 2;
	vm.host_cr3 = SPACE;
	vm.ram = &ram;
	vm.nested_vm = &nested_vm;
	for (unsigned i = 0; i < 2; i++) {
		vm.vcpus[i] = &vcpus[i];
		vcpus[i].vm = &vm;
		vcpus[i].index = i;
	}
	node = (struct sched_node){.vcpu = &vcpus[0], .cr3 = SPACE};
	sched_this_cpu()->node = &node;
	world.free = CHUNKS;
	return 0;
}

/* The vCPU handles the event, if it has one. */
static void turn(unsigned i)
{
	if (!(vcpus[i].events & EVENT_MEMORY))
		return;
	vcpus[i].events &= ~(uint32_t)EVENT_MEMORY;
	ram_move_on(&vcpus[i]);
}

static void all_turn(void)
{
	for (unsigned i = 0; i < 16; i++)
		turn(i % 2);
	assert_int_equal((vcpus[0].events | vcpus[1].events) & EVENT_MEMORY, 0);
}

static uint64_t at(uint32_t chunk)
{
	return chunk * CHUNK_SIZE;
}

static void what_is_accessed_is_there_in_the_window_and_for_the_guest_when_it_comes(
	void **state)
{
	(void)state;
	assert_true(ram_there(&vm, at(LOW - 1) + 0x1000, CHUNK_SIZE));
	assert_int_equal(pde[LOW - 1] / CHUNK_SIZE, 1);
	assert_int_equal(pde[LOW] / CHUNK_SIZE, 2);
	assert_int_equal(world.ept01[LOW], 0);
	ram_touch(&vcpus[0], at(LOW) + 0x5000);
	assert_int_equal(world.ept01[LOW], 2);
	ram_touch(&vcpus[0], at(1));
	assert_int_equal(world.ept01[1], 3);
	assert_int_equal(ram.stats.there, 3);
	assert_int_equal(vcpus[0].starving, 0);
}

static void reading_nothing_takes_nothing(void **state)
{
	(void)state;
	assert_ptr_equal(ram_readable(&vm, at(2) + 0x123, 64), zeros + 0x123);
	assert_int_equal(world.free, CHUNKS);
	/* What is not in one chunk has to be contiguous. */
	assert_ptr_equal(ram_readable(&vm, at(3) - 8, 16), ram.window + at(3) - 8);
	assert_int_equal(world.free, CHUNKS - 2);
	assert_ptr_equal(ram_readable(&vm, at(2) + 0x123, 64), ram.window + at(2) + 0x123);
}

static void a_guest_waits_and_l0_takes_of_the_spare(void **state)
{
	(void)state;
	world.free = 0;
	world.spare = 1;
	ram_touch(&vcpus[1], at(0));
	assert_int_equal(world.ept01[0], 0);
	assert_int_equal(vcpus[1].starving, RAM_WANTS_CHUNK);
	assert_true(vcpus[1].events & EVENT_MEMORY);
	assert_true(ram_starves(&vcpus[1]));
	assert_true(ram_there(&vm, at(0), 1));
	assert_int_equal(vcpus[0].starving, RAM_WANTS_SPARE); /* this CPU works for it */
	assert_false(ram_there(&vm, at(1), 1));
	assert_int_equal(ram.chunk[1].state, RAM_ABSENT);
	world.free = 2;
	assert_false(ram_starves(&vcpus[1]));
	assert_int_equal(vcpus[1].starving, 0);
}

static void before_the_vm_runs_nothing_is_lent(void **state)
{
	(void)state;
	sched_this_cpu()->node = NULL;
	world.free = 0;
	world.spare = 1;
	assert_false(ram_there(&vm, at(0), 1));
	assert_int_equal(world.spare, 1);
}

static void a_chunk_is_given_when_all_vcpus_have_seen_both_rounds(void **state)
{
	(void)state;
	ram_touch(&vcpus[0], at(5));
	assert_true(ram_give(&vm, at(5)));
	assert_false(ram_settled(&vm));
	turn(0); /* EPT01 has it no more */
	assert_int_equal(world.ept01[5], 0);
	assert_int_equal(ram.chunk[5].state, RAM_GOING);
	turn(0);
	turn(0);
	assert_true(pde[5] != 0); /* the other one may have a pointer */
	turn(1);
	assert_int_equal(pde[5], 0);
	assert_int_equal(ram.chunk[5].state, RAM_LEFT);
	turn(1);
	turn(1);
	assert_int_equal(world.gifts, 0); /* a TLB may have it */
	assert_false(ram_settled(&vm));
	turn(0);
	assert_int_equal(world.gifts, 1);
	assert_int_equal(world.given[0], 1);
	assert_true(vcpus[0].events & EVENT_YIELD); /* somebody has to wipe it */
	all_turn();
	assert_true(ram_settled(&vm));
	assert_int_equal(world.gifts, 1);
	assert_int_equal(ram.stats.there, 0);
	/* It comes again, with other memory. */
	ram_touch(&vcpus[0], at(5));
	assert_int_equal(world.ept01[5], 2);
}

static void each_round_flushes_what_a_vcpu_has(void **state)
{
	(void)state;
	ram_touch(&vcpus[0], at(5));
	ram_give(&vm, at(5));
	all_turn();
	assert_int_equal(world.flushes, 4); /* two vCPUs, two rounds */
}

static void what_is_used_meanwhile_stays_as_it_is(void **state)
{
	(void)state;
	for (unsigned how = 0; how < 4; how++) {
		uint64_t frame;
		struct hpa hpa;

		start(NULL);
		ram_touch(&vcpus[0], at(5));
		frame = pde[5];
		ram_give(&vm, at(5));
		if (how != 0) /* asked only, or already going */
			turn(0);
		if (how == 1)
			ram_touch(&vcpus[1], at(5));
		else if (how == 2)
			assert_true(ram_there(&vm, at(5), 8));
		else if (how == 3)
			assert_true(ram_translate(&vm, at(5), &hpa));
		else
			ram_keep(&vm, at(5), CHUNK_SIZE);
		all_turn();
		assert_int_equal(world.gifts, 0);
		assert_int_equal(pde[5], frame);
		assert_int_equal(ram.chunk[5].state, RAM_THERE);
		assert_int_equal(ram.stats.kept, 1);
		assert_true(ram_settled(&vm));
	}
}

static void nothing_is_there_while_a_tlb_may_have_what_was(void **state)
{
	(void)state;
	ram_touch(&vcpus[0], at(5));
	ram_give(&vm, at(5));
	turn(0);
	turn(0);
	turn(1);
	assert_int_equal(ram.chunk[5].state, RAM_LEFT);
	assert_false(ram_there(&vm, at(5), 1));
	assert_null(ram_readable(&vm, at(5), 1));
	ram_touch(&vcpus[1], at(5));
	assert_int_equal(vcpus[1].starving, RAM_WANTS_CHUNK);
	assert_int_equal(pde[5], 0);
	all_turn();
	assert_int_equal(world.gifts, 1);
	ram_touch(&vcpus[1], at(5));
	assert_int_equal(world.ept01[5], 2);
}

static void ept02_forgets_before_the_round_begins(void **state)
{
	struct hpa hpa;

	(void)state;
	assert_true(ram_translate(&vm, at(5) + 0x1234, &hpa));
	assert_int_equal(hpa.v, CHUNK_SIZE + 0x1234);
	ram_give(&vm, at(5));
	turn(0);
	assert_int_equal(world.forgets, 1);
	assert_int_equal(world.round_at_forget, 0);
	assert_int_equal(ram.round, 1);
	all_turn();
	assert_int_equal(world.gifts, 1);
	assert_int_equal(world.forgets, 1);
}

static void what_hardware_or_virtual_ept_knows_never_goes(void **state)
{
	struct hpa hpa;

	(void)state;
	assert_true(ram_translate(&vm, at(5), &hpa));
	ram_pin(&vm, at(5));
	ram_give(&vm, at(5));
	assert_true(ram_settled(&vm));
	ram_holds_table(&vm, at(6));
	assert_int_equal(world.ept01[6], 2);
	world.tables = true;
	ram_give(&vm, at(6));
	all_turn();
	assert_int_equal(world.gifts, 0);
	assert_int_equal(ram.chunk[6].state, RAM_THERE);
	assert_int_equal(world.ept01[6], 2);
	/* The tables are elsewhere now. */
	world.tables = false;
	ram_give(&vm, at(6));
	all_turn();
	assert_int_equal(world.gifts, 1);
}

static void a_pin_keeps_what_was_asked_to_go(void **state)
{
	struct hpa hpa;

	(void)state;
	ram_touch(&vcpus[0], at(5));
	ram_give(&vm, at(5));
	turn(0);
	assert_true(ram_translate(&vm, at(5), &hpa));
	ram_pin(&vm, at(5));
	all_turn();
	assert_int_equal(world.gifts, 0);
	assert_int_equal(pde[5] / CHUNK_SIZE, 1);
}

static void what_is_not_there_or_on_its_way_is_given_once(void **state)
{
	(void)state;
	assert_true(ram_give(&vm, at(7)));
	assert_true(ram_settled(&vm));
	ram_touch(&vcpus[0], at(7));
	for (unsigned i = 0; i < 5; i++)
		assert_true(ram_give(&vm, at(7)));
	assert_int_equal(ram.asked.count, 1);
	turn(0);
	assert_true(ram_give(&vm, at(7)));
	assert_int_equal(ram.asked.count, 0);
	all_turn();
	assert_int_equal(world.gifts, 1);
}

static void a_chunk_is_wanted_where_the_node_is_that_has_it(void **state)
{
	(void)state;
	vm.config.memory = CHUNKS * CHUNK_SIZE;
	vm.config.nodes = 3;
	vm.home[0] = 7;
	vm.home[1] = 5;
	vm.home[2] = 6;
	world.free = 3;
	assert_true(ram_there(&vm, 0, 1));
	assert_int_equal(world.node, 7);
	assert_true(ram_there(&vm, (CHUNKS - 1) * CHUNK_SIZE, 1));
	assert_int_equal(world.node, 6);
	assert_true(ram_there(&vm, CHUNKS / 2 * CHUNK_SIZE, 1));
	assert_int_equal(world.node, 5);
}

/* The page of a chunk, not those beside it, whichever side of the hole it is on. */
static void a_page_of_a_chunk_that_is_wrong_is_found_and_left_out(void **state)
{
	uint64_t gpa = BIT64(32) + CHUNK_SIZE; /* chunk LOW + 1 */

	(void)state;
	ram_touch(&vcpus[0], at(2));
	ram_touch(&vcpus[0], at(LOW + 1));
	assert_false(ram_has_bad(&vm));
	bad_memory_note(2 * CHUNK_SIZE + 0x5000); /* the second frame */
	assert_true(ram_has_bad(&vm));
	assert_true(ram_is_bad(&vm, gpa + 0x5000, 1));
	assert_true(ram_is_bad(&vm, gpa + 0x4fff, 2));
	assert_true(ram_is_bad(&vm, gpa + 0x5fff, 8));
	assert_false(ram_is_bad(&vm, gpa + 0x4000, 0x1000));
	assert_false(ram_is_bad(&vm, gpa + 0x6000, 0x1000));
	assert_false(ram_is_bad(&vm, at(2) + 0x5000, 0x1000));
	assert_false(ram_is_bad(&vm, 0, at(3)));
	assert_true(ram_is_bad(&vm, gpa - 1, CHUNK_SIZE));
	assert_false(ram_is_bad(&vm, gpa - 1, 0x5001));
	assert_false(ram_is_bad(&vm, 0xe0000000, 1)); /* a device's */
	assert_int_equal(world.left_out + world.drops, 0);
	vm.bad_memory = true;
	assert_true(ram_unmap_bad(&vm));
	assert_int_equal(world.left_out, 1);
	ram_touch(&vcpus[0], at(LOW + 1) + 0x7000); /* mapped again, but for it */
	assert_int_equal(world.left_out, 2);
	assert_int_equal(world.drops, 1);
}

/* One that was asked to go is mapped until the round begins, and may stay then. */
static void a_page_that_is_wrong_leaves_a_chunk_that_is_asked_to_go(void **state)
{
	(void)state;
	ram_touch(&vcpus[0], at(5));
	ram_give(&vm, at(5));
	assert_int_equal(ram.chunk[5].state, RAM_ASKED);
	bad_memory_note(CHUNK_SIZE + 0x5000);
	vm.bad_memory = true;
	assert_true(ram_has_bad(&vm));
	assert_true(ram_unmap_bad(&vm));
	ram_keep(&vm, at(5), 1);
	all_turn();
	assert_int_equal(ram.chunk[5].state, RAM_THERE);
	assert_int_equal(world.ept01[5], 1); /* nobody mapped it anew */
	assert_int_equal(world.left_out, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			a_page_of_a_chunk_that_is_wrong_is_found_and_left_out, start),
		cmocka_unit_test_setup(
			what_is_accessed_is_there_in_the_window_and_for_the_guest_when_it_comes,
			start),
		cmocka_unit_test_setup(reading_nothing_takes_nothing, start),
		cmocka_unit_test_setup(a_chunk_is_wanted_where_the_node_is_that_has_it, start),
		cmocka_unit_test_setup(a_guest_waits_and_l0_takes_of_the_spare, start),
		cmocka_unit_test_setup(before_the_vm_runs_nothing_is_lent, start),
		cmocka_unit_test_setup(
			a_chunk_is_given_when_all_vcpus_have_seen_both_rounds, start),
		cmocka_unit_test_setup(each_round_flushes_what_a_vcpu_has, start),
		cmocka_unit_test_setup(what_is_used_meanwhile_stays_as_it_is, start),
		cmocka_unit_test_setup(nothing_is_there_while_a_tlb_may_have_what_was, start),
		cmocka_unit_test_setup(ept02_forgets_before_the_round_begins, start),
		cmocka_unit_test_setup(what_hardware_or_virtual_ept_knows_never_goes, start),
		cmocka_unit_test_setup(a_pin_keeps_what_was_asked_to_go, start),
		cmocka_unit_test_setup(what_is_not_there_or_on_its_way_is_given_once, start),
		cmocka_unit_test_setup(
			a_page_that_is_wrong_leaves_a_chunk_that_is_asked_to_go, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
