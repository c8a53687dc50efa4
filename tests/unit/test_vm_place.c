/* SPDX-License-Identifier: Apache-2.0 */
/* Which memory of a made-up machine VMs get: nodes, pieces, and what is told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/acpi.h"
#include "cpu/asm.h"
#include "cpu/lock.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "mm/layout.h"
#include "mm/node.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "policy/nodes.h"
#include "random.h"
#include "vm/create.h"
#include "vm/place.h"
#include "vm/ram.h"

#define MIB    (1ull << 20)
#define GIB    (1ull << 30)
#define TIB    (1ull << 40)
#define WINDOW ((uint8_t *)(uintptr_t)0xffffc00000000000ull)

uint64_t hw_now;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
static struct percpu cpu;
struct percpu *percpus[MAX_CPUS] = {&cpu};
unsigned cpu_slots = 1, cpu_count = 1;

static uint8_t srat[4096], slit[256];
static uint32_t srat_size, slit_size;
static unsigned warnings, hidden;
static bool no_window;
static struct vm_memory m;
static struct vm_config c;
/* What is mapped in the window, from its start on. */
static uint64_t mapped;

/* ---- what it calls ---- */

void spin_lock(struct spinlock *l)
{
	(void)l;
}

void spin_unlock(struct spinlock *l)
{
	(void)l;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)format;
	warnings += level == LOG_WARN;
}

const uint8_t *acpi_find(
	const uint8_t *rsdp, size_t size, const char *signature, uint32_t *length)
{
	bool is_srat = memcmp(signature, "SRAT", 4) == 0;

	(void)rsdp;
	(void)size;
	*length = is_srat ? srat_size : slit_size;
	return *length == 0 ? NULL : is_srat ? srat : slit;
}

bool paging_map_direct(uint64_t cr3, struct hpa pa, uint64_t size, uint64_t flags)
{
	(void)cr3;
	(void)flags;
	assert_true(pa.v % SIZE_2M == 0 && size % SIZE_2M == 0 && size != 0);
	return true;
}

bool paging_map(uint64_t cr3, uint64_t va, struct hpa pa, uint64_t size, uint64_t flags)
{
	(void)cr3;
	(void)pa;
	(void)flags;
	assert_int_equal(va, (uint64_t)(uintptr_t)WINDOW + mapped);
	mapped += size;
	return true;
}

uint8_t *ram_take_window(const char *vm)
{
	(void)vm;
	return no_window ? NULL : WINDOW;
}

void ram_give_window(const uint8_t *window)
{
	assert_ptr_equal(window, WINDOW);
	hidden++;
}

/* ---- the machine ---- */

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static void begin(void)
{
	uint64_t start, size;

	while (page_free_range(0, &start, &size))
		page_reserve(start, size);
	memset(srat, 0, sizeof(srat));
	srat[8] = 3;
	srat_size = 48;
	slit_size = 0;
	warnings = hidden = 0;
	no_window = false;
	mapped = 0;
	m = (struct vm_memory){.cr3 = 0x1000};
	settings_init(vm_settings, &c);
	strcpy(c.name, "a");
}

static void node(uint32_t domain, uint64_t start, uint64_t size)
{
	uint8_t *e = srat + srat_size;

	e[0] = 1;
	e[1] = 40;
	put(e + 2, domain, 4);
	put(e + 8, start, 8);
	put(e + 16, size, 8);
	e[28] = 1;
	srat_size += 40;
	page_add(start, size);
}

static uint32_t node_at(uint64_t address, uint32_t nodes, uint64_t each)
{
	return (uint32_t)(address / each) < nodes ? (uint32_t)(address / each) : NODE_ANY;
}

static bool take(uint32_t nodes, unsigned cpus, uint64_t memory)
{
	c.nodes = nodes;
	c.cpus = cpus;
	c.memory = memory;
	place_nodes(&m, &c);
	return place_ram(&m, &c, true);
}

/* Pieces follow each other, make up all of it, and nobody else has them. */
static void check_pieces(void)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < m.ram_count; i++) {
		assert_int_equal(m.ram[i].gpa, at);
		assert_int_equal(m.ram[i].hpa.v % SIZE_2M, 0);
		assert_int_equal(
			page_available_in(m.ram[i].hpa.v, m.ram[i].hpa.v + m.ram[i].size), 0);
		assert_ptr_equal(place_host(&m, i, at),
			m.window != NULL ? m.window + at : (uint8_t *)direct_va(m.ram[i].hpa));
		at += m.ram[i].size;
	}
	assert_int_equal(at, c.memory);
	assert_int_equal(m.window != NULL, m.ram_count > 1);
	assert_int_equal(m.window != NULL, m.ram_count > 1);
	assert_true(m.window == NULL || mapped == c.memory);
}

static void a_machine_without_nodes_gives_the_highest_place(void **state)
{
	(void)state;
	begin();
	srat_size = 0;
	page_add(MIB, 3 * GIB);
	node_init(NULL, 0);
	assert_int_equal(node_count(), 1);
	assert_true(take(1, 1, 512 * MIB));
	check_pieces();
	assert_int_equal(m.ram_count, 1);
	assert_int_equal(m.ram[0].hpa.v, 3 * GIB - 512 * MIB);
	assert_int_equal(m.home[0], NODE_ANY);
	assert_int_equal(warnings, 0);
}

static void virtual_nodes_of_a_machine_without_nodes_are_one_piece(void **state)
{
	(void)state;
	begin();
	srat_size = 0;
	page_add(0, 3 * GIB);
	node_init(NULL, 0);
	assert_true(take(4, 4, GIB));
	check_pieces();
	assert_int_equal(m.ram_count, 1);
}

static void a_vm_is_of_the_node_with_most_free_memory(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 0; i < 4; i++)
		node(i, i * 16 * GIB, 16 * GIB);
	page_reserve(0, 4 * GIB);
	page_reserve(32 * GIB, GIB);
	page_reserve(48 * GIB, 2 * GIB);
	node_init(NULL, 0);
	assert_true(take(1, 1, 4 * GIB));
	check_pieces();
	assert_int_equal(m.home[0], 1);
	/* And begins with a page of 1 GiB. */
	assert_int_equal(m.ram[0].hpa.v, 28 * GIB);
	assert_int_equal(warnings, 0);
}

static void virtual_nodes_are_of_nodes_in_turn(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 0; i < 3; i++)
		node(i, i * 16 * GIB, 16 * GIB);
	page_reserve(0, GIB);
	page_reserve(32 * GIB, 2 * GIB);
	node_init(NULL, 0);
	assert_true(take(7, 7, 14 * GIB));
	check_pieces();
	for (unsigned i = 0; i < 7; i++) {
		static const uint32_t order[] = {1, 0, 2};

		assert_int_equal(m.home[i], order[i % 3]);
		assert_int_equal(node_at(m.ram[i].hpa.v, 3, 16 * GIB), order[i % 3]);
	}
	assert_int_equal(m.ram_count, 7);
	assert_int_equal(warnings, 0);
}

static void what_a_node_has_no_room_for_is_of_the_nearest_one_and_told_of(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 0; i < 3; i++)
		node(i, i * 16 * GIB, 16 * GIB);
	page_reserve(0, 6 * GIB);
	page_reserve(16 * GIB, 8 * GIB);
	memset(slit, 0, sizeof(slit));
	slit[36] = 3;
	memcpy(slit + 44, "\x0a\x15\x15\x15\x0a\x15\x20\x15\x0a", 9);
	slit_size = 53;
	node_init(NULL, 0);
	assert_int_equal(node_distance(2, 0), 32);
	assert_true(take(1, 1, 26 * GIB));
	check_pieces();
	assert_int_equal(m.home[0], 2);
	assert_int_equal(m.ram_count, 3);
	assert_int_equal(node_at(m.ram[1].hpa.v, 3, 16 * GIB), 1);
	assert_int_equal(m.ram[1].size, 8 * GIB);
	assert_int_equal(node_at(m.ram[2].hpa.v, 3, 16 * GIB), 0);
	assert_int_equal(warnings, 1);
	place_leave(&m);
	assert_int_equal(hidden, 1);
}

static void without_a_window_no_vm_is_in_pieces(void **state)
{
	(void)state;
	begin();
	srat_size = 0;
	page_add(MIB, 33 * MIB);
	page_add(GIB, 64 * MIB);
	node_init(NULL, 0);
	no_window = true;
	assert_false(take(1, 1, 96 * MIB));
	place_leave(&m);
	assert_int_equal(hidden, 0);
	begin();
	srat_size = 0;
	page_add(GIB, 64 * MIB);
	node_init(NULL, 0);
	no_window = true;
	assert_true(take(1, 1, 64 * MIB));
}

static void memory_in_many_pieces_makes_a_vm_until_there_are_too_many(void **state)
{
	(void)state;
	for (unsigned many = 0; many < 2; many++) {
		uint64_t before;

		begin();
		srat_size = 0;
		for (unsigned i = 0; i < 64; i++)
			page_add(i * GIB + MIB, 33 * MIB); /* of each 32 are aligned */
		node_init(NULL, 0);
		before = page_available();
		assert_int_equal(take(1, 1, (many ? 33 : 31) * 32 * MIB), !many);
		if (many == 0) {
			check_pieces();
			assert_int_equal(m.ram_count, 31);
		}
		for (unsigned i = 0; i < m.ram_count; i++)
			page_free(m.ram[i].hpa, m.ram[i].size);
		assert_int_equal(page_available(), before);
	}
}

static void eight_nodes_of_eight_tebibytes_hold_the_largest_vm(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 0; i < 8; i++)
		node(i, i * 8 * TIB, 8 * TIB);
	page_reserve(0, 4 * GIB);
	node_init(NULL, 0);
	assert_true(take(8, 64, TIB));
	check_pieces();
	assert_int_equal(m.ram_count, 8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(m.ram[i].size, TIB / 8);
		assert_int_equal(m.ram[i].hpa.v % SIZE_1G, 0);
		assert_int_equal(node_at(m.ram[i].hpa.v, 8, 8 * TIB), m.home[i]);
	}
}

/* Whatever is free where: a VM that is made is whole, one that is not leaves all as it was. */
static void made_up_machines_give_all_or_nothing(void **state)
{
	uint64_t seed = 11;
	unsigned made = 0;

	(void)state;
	for (unsigned n = 0; n < 3000; n++) {
		unsigned nodes = 1 + random_below(&seed, 6);
		uint64_t before;

		begin();
		for (uint32_t i = 0; i < nodes; i++)
			node(i, i * GIB, random_below(&seed, 500) * SIZE_2M + MIB);
		for (unsigned i = random_below(&seed, 40); i > 0; i--)
			page_reserve(random_below(&seed, 3072) * MIB * 2,
				random_below(&seed, 64) * MIB);
		node_init(NULL, 0);
		before = page_available();
		if (take(1 + random_below(&seed, 8), 8,
			    (1 + random_below(&seed, 2000)) * SIZE_2M)) {
			check_pieces();
			assert_int_equal(page_available(), before - c.memory);
			made++;
		}
		for (unsigned i = 0; i < m.ram_count; i++)
			page_free(m.ram[i].hpa, m.ram[i].size);
		assert_int_equal(page_available(), before);
	}
	assert_in_range(made, 500, 2900);
}

static void the_guest_is_told_of_distances_that_nodes_can_have(void **state)
{
	static struct platform_config p;
	static struct vm vm;

	(void)state;
	begin();
	node(0, 0, GIB);
	node(1, GIB, GIB);
	memset(slit, 0, sizeof(slit));
	slit[36] = 2;
	memcpy(slit + 44, "\x0a\x1f\x0a\x0a", 4); /* back it is no way at all */
	slit_size = 48;
	node_init(NULL, 0);
	c.nodes = 4;
	c.cpus = 6;
	c.memory = GIB;
	vm.config = c;
	vm.home[0] = 0;
	vm.home[1] = 1;
	vm.home[2] = 0;
	vm.home[3] = NODE_ANY;
	place_describe(&vm, &p);
	assert_int_equal(p.node_count, 4);
	assert_int_equal(p.nodes[3].ram_end, GIB);
	assert_int_equal(p.nodes[3].vcpu_end, 6);
	assert_int_equal(p.nodes[0].distance[0], 10);
	assert_int_equal(p.nodes[0].distance[1], 31);
	assert_int_equal(p.nodes[1].distance[0], 11);
	assert_int_equal(p.nodes[0].distance[2], 11);
	assert_int_equal(p.nodes[0].distance[3], 20);
}

/* 100 holes of 2 MiB are more than the other node's one piece, and too many. */
static void a_node_in_rags_does_not_refuse_a_vm_that_another_one_holds_whole(void **state)
{
	(void)state;
	begin();
	node(0, 0, 400 * MIB);
	node(1, GIB, 150 * MIB);
	for (unsigned i = 0; i < 100; i++)
		page_reserve(i * 4 * MIB, 2 * MIB);
	node_init(NULL, 0);
	assert_true(take(1, 1, 128 * MIB));
	check_pieces();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_node_in_rags_does_not_refuse_a_vm_that_another_one_holds_whole),
		cmocka_unit_test(a_machine_without_nodes_gives_the_highest_place),
		cmocka_unit_test(virtual_nodes_of_a_machine_without_nodes_are_one_piece),
		cmocka_unit_test(a_vm_is_of_the_node_with_most_free_memory),
		cmocka_unit_test(virtual_nodes_are_of_nodes_in_turn),
		cmocka_unit_test(what_a_node_has_no_room_for_is_of_the_nearest_one_and_told_of),
		cmocka_unit_test(without_a_window_no_vm_is_in_pieces),
		cmocka_unit_test(memory_in_many_pieces_makes_a_vm_until_there_are_too_many),
		cmocka_unit_test(eight_nodes_of_eight_tebibytes_hold_the_largest_vm),
		cmocka_unit_test(made_up_machines_give_all_or_nothing),
		cmocka_unit_test(the_guest_is_told_of_distances_that_nodes_can_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
