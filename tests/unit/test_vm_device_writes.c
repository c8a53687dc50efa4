/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of L0's that write tables of an EPT12: the seam of devices (vm/seam_dev.c) beside
 * virtual EPT. Another vCPU executes INVEPT at each point of what a device does.
 */
/* First, since vept_alone.h has variables with short names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/input.h"
#include "cpu/mux.h"
#include "cpu/percpu.h"
#include "cpu/bad_memory.h"
#include "vm/bad_memory.h"
#include "vm/create.h"
#include "vm/ram.h"
#include "vm/sched.h"
#include "vm/vm_int.h"

#include "vept_alone.h"

#define TABLE PTE(0)

uint64_t hw_now;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
static struct vm_box box;
static bool devices_locked;

/* ---- what it calls ---- */

void spin_lock(struct spinlock *l)
{
	assert_ptr_equal(l, &box.vm.platform_lock);
	assert_false(devices_locked);
	devices_locked = true;
}

void spin_unlock(struct spinlock *l)
{
	assert_ptr_equal(l, &box.vm.platform_lock);
	assert_true(devices_locked);
	devices_locked = false;
}

uint64_t *ept_leaf(const struct ept *e, uint64_t gpa, uint64_t *page_size)
{
	assert_ptr_equal(e, &box.vm.ept01);
	*page_size = PAGE_SIZE;
	return &fake.written[gpa / PAGE_SIZE];
}

void *vm_gpa_to_va(const struct vm *v, uint64_t gpa, uint64_t size)
{
	assert_ptr_equal(v, &box.vm);
	return fake_is_ram(gpa, size) ? fake.ram + gpa : NULL;
}

bool vm_ram_offset(const struct vm *v, uint64_t gpa, uint64_t size, uint64_t *offset)
{
	(void)v;
	(void)gpa;
	(void)size;
	(void)offset;
	abort();
}

const void *ram_readable(const struct vm *v, uint64_t offset, uint64_t size)
{
	(void)v;
	(void)offset;
	(void)size;
	abort();
}

struct bad_pages bad_memory;

void bad_memory_end(const struct vm *v)
{
	(void)v;
	abort();
}

bool bad_memory_used(const struct vm *v, uint64_t gpa, uint64_t size)
{
	(void)v;
	(void)gpa;
	(void)size;
	abort();
}

void *vvtd_near_memory(struct platform *p, uint16_t place, uint64_t iova, uint64_t size,
	bool write, uint64_t *gpa)
{
	(void)p;
	(void)place;
	(void)iova;
	(void)size;
	(void)write;
	(void)gpa;
	abort();
}

void *vvtd_memory(struct platform *p, uint16_t place, uint64_t iova, uint64_t size, bool write)
{
	(void)p;
	(void)place;
	(void)iova;
	(void)size;
	(void)write;
	abort();
}

bool devices_have_console(const struct vm *v)
{
	(void)v;
	abort();
}

void devices_slot_off(struct vm *v, unsigned port)
{
	(void)v;
	(void)port;
	abort();
}

void firmware_log_byte(struct vm *v, uint8_t byte)
{
	(void)v;
	(void)byte;
	abort();
}

uint8_t input_take(unsigned id)
{
	(void)id;
	abort();
}

uint32_t input_waiting(unsigned id)
{
	(void)id;
	abort();
}

void mux_write(unsigned channel, const char *text, size_t length)
{
	(void)channel;
	(void)text;
	(void)length;
	abort();
}

bool sched_notify_guest(const struct vcpu *vcpu)
{
	(void)vcpu;
	abort();
}

void vcpu_post(struct vcpu *vcpu, uint32_t events)
{
	(void)vcpu;
	(void)events;
	abort();
}

void vm_stop(struct vm *v, enum vm_end end, uint32_t value, const char *why)
{
	(void)v;
	(void)end;
	(void)value;
	(void)why;
	abort();
}

/* ---- the world ---- */

static struct vept_root *root;

static int begin_world(void **state)
{
	setup(state);
	memset(&box, 0, sizeof(box));
	box.vm.nested_vm = &vm;
	box.vm.config.cpus = 2;
	box.vm.at_unlock = UNLOCK_LOCK;
	ept12_make(EPT_RWX);
	root = vept_root_get(&n, EPT12, 0);
	return 0;
}

static int end_world(void **state)
{
	assert_false(devices_locked);
	return teardown(state);
}

static void fill(uint64_t gpa)
{
	assert_int_equal(touch(root, gpa, EPT_READ), VEPT_FILLED);
}

static void invept(void)
{
	while (!vept_invalidate(&n, EPT12))
		;
}

static uint64_t leaf(uint64_t gpa)
{
	return ept02_leaf(&vm.vept, root, gpa);
}

/* A translation, and all that is dirty of making it is clean. */
static void begin(void)
{
	vm_watches(&box.vm, TABLE);
	fill(0x1000);
	invept();
	invept();
	assert_true(leaf(0x1000) != 0);
	assert_false(fake.written[TABLE / PAGE_SIZE] & EPT_DIRTY);
}

static uint64_t *device_begins(uint64_t at)
{
	dev_lock(&box.platform);
	return dev_memory(&box.platform, 0, at, sizeof(uint64_t), true);
}

static void device_ends(void)
{
	dev_unlock(&box.platform);
}

/* ---- */

/* The bug that this guards: the page was marked, and INVEPT had looked, before it was written.
 */
static void what_is_written_behind_an_invept_is_seen_by_the_next(void **state)
{
	uint64_t *entry;

	(void)state;
	begin();
	entry = device_begins(PTE(1));
	invept();
	assert_true(leaf(0x1000) != 0);
	*entry = 0;
	device_ends();
	invept();
	assert_int_equal(leaf(0x1000), 0);
	assert_int_equal(box.vm.at_unlock, UNLOCK_LOCK);
	assert_int_equal(vm.vept.writing_count, 0);
}

/* L1 sees the buffer, or its used ring, before the device lets go of its lock. */
static void what_l1_has_seen_while_the_device_goes_on_is_gone(void **state)
{
	uint64_t *entry;

	(void)state;
	begin();
	entry = device_begins(PTE(1));
	invept();
	*entry = 0;
	invept();
	assert_int_equal(leaf(0x1000), 0);
	*entry = TARGET | EPT_WB | EPT_RWX;
	fill(0x1000);
	*entry = 0;
	invept();
	assert_int_equal(leaf(0x1000), 0);
	device_ends();
}

static void a_closed_page_is_looked_at_when_the_device_is_done(void **state)
{
	uint64_t *entry;

	(void)state;
	begin();
	vm.vept.open_max = 1;
	fake_write64(EPT12_PDPT + 8, 0x104000 | EPT_RWX);
	fake_write64(0x104000, 0x400000 | EPT_WB | EPT_LARGE | EPT_RWX);
	fill(SIZE_1G);
	assert_false(fake.written[TABLE / PAGE_SIZE] & EPT_WRITE);
	invept();
	entry = device_begins(PTE(1));
	invept();
	*entry = 0;
	assert_int_equal(vm.vept.hints, 0);
	device_ends();
	assert_int_equal(vm.vept.hints, VEPT_HINT_TOLD);
	invept();
	assert_int_equal(leaf(0x1000), 0);
	vm.vept.open_max = VEPT_OPEN;
}

/* Pages beside it that were tables once: more than are on record at one time. */
static uint64_t *one_of_many(void)
{
	dev_lock(&box.platform);
	for (uint64_t i = 0; i < VEPT_WRITING; i++) {
		vm_watches(&box.vm, 0x200000 + i * PAGE_SIZE);
		assert_non_null(
			dev_memory(&box.platform, 0, 0x200000 + i * PAGE_SIZE, 8, true));
	}
	assert_false(vm.vept.writing_more);
	return dev_memory(&box.platform, 0, PTE(1), 8, true);
}

static void more_pages_than_there_is_room_for_are_seen_when_the_device_is_done(void **state)
{
	uint64_t *entry;

	(void)state;
	begin();
	entry = one_of_many();
	*entry = 0;
	device_ends();
	assert_false(vm.vept.writing_more);
	invept();
	assert_int_equal(leaf(0x1000), 0);
	*entry = TARGET | EPT_WB | EPT_RWX;
	fill(0x1000);
	invept();
	invept();
	assert_true(leaf(0x1000) != 0); /* and then it is as ever */
}

/* Nobody knows which it writes. */
static void more_pages_than_there_is_room_for_are_seen_while_it_goes_on(void **state)
{
	uint64_t *entry;

	(void)state;
	begin();
	entry = one_of_many();
	invept();
	assert_int_equal(leaf(0x1000), 0);
	fill(0x1000);
	*entry = 0;
	invept();
	assert_int_equal(leaf(0x1000), 0);
	device_ends();
}

/* A read, and pages that nobody watches, cost nothing. */
static void what_is_no_write_to_a_table_is_not_on_record(void **state)
{
	(void)state;
	begin();
	dev_lock(&box.platform);
	assert_non_null(dev_memory(&box.platform, 0, PTE(1), 8, false));
	assert_non_null(dev_memory(&box.platform, 0, 0x300000, 8, true));
	assert_int_equal(box.vm.at_unlock, UNLOCK_LOCK);
	assert_non_null(dev_memory(&box.platform, 0, TABLE - 8, 16, true)); /* both pages */
	assert_non_null(dev_memory(&box.platform, 0, TABLE, 8, true));
	assert_int_equal(vm.vept.writing_count, 1);
	device_ends();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_behind_an_invept_is_seen_by_the_next),
		TEST(what_l1_has_seen_while_the_device_goes_on_is_gone),
		TEST(a_closed_page_is_looked_at_when_the_device_is_done),
		TEST(more_pages_than_there_is_room_for_are_seen_when_the_device_is_done),
		TEST(more_pages_than_there_is_room_for_are_seen_while_it_goes_on),
		TEST(what_is_no_write_to_a_table_is_not_on_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
