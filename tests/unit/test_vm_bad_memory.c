/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a VM that is wrong: who leads to it is told to leave, the VM goes on until it is
 * accessed, by whomever, and what is wrong is not wiped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/bad_memory.h"
#include "cpu/log.h"
#include "cpu/wipe.h"
#include "mm/layout.h"
#include "vm/bad_memory.h"
#include "vm/create.h"
#include "vm/images.h"
#include "vm/iommu.h"
#include "vm/life.h"
#include "vm/ram.h"
#include "vm/sched.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"

#define PAGES 1024u /* of the VM: half of them above 4 GiB */
#define HIGH  BIT64(32)
#define HPA   (7ull << 30)
#define HPA2  (9ull << 40)
#define HALF  (PAGES / 2 * PAGE_SIZE)
#define VMS   3u

static struct vm vm;
static struct nested_vm nested_vm;
static struct platform platform;
static struct vcpu vcpus[2];
static uint8_t memory[PAGES * PAGE_SIZE];

static struct {
	uint64_t unmapped[8]; /* guest-physical */
	unsigned unmaps, flushes, waits, forgets, moves, leaves, stops, posts[VMS];
	unsigned lost;  /* vCPUs whose VMCS02s forget pages, as bits */
	unsigned order; /* of the flush behind the last page */
	bool pool_is_used_up, has_locked;
	const char *iommu_why, *why;
	char said[4096]; /* lines of the VM's log */
} world;

static struct vm_images images;

/* ---- what it calls ---- */

void spin_lock(struct spinlock *l)
{
	assert_ptr_equal(l, &vm.lock);
	assert_false(world.has_locked);
	world.has_locked = true;
}

void spin_unlock(struct spinlock *l)
{
	assert_ptr_equal(l, &vm.lock);
	assert_true(world.has_locked);
	world.has_locked = false;
}

bool ept_unmap(struct ept *e, uint64_t gpa, uint64_t size)
{
	assert_ptr_equal(e, &vm.ept01);
	assert_int_equal(size, PAGE_SIZE);
	assert_true(world.has_locked);
	assert_true(vm_has_bad_memory(&vm)); /* nobody finds it by the short way meanwhile */
	if (world.pool_is_used_up)
		return false;
	world.unmapped[world.unmaps++ % 8] = gpa;
	return true;
}

void ept_flush(struct ept *e)
{
	assert_ptr_equal(e, &vm.ept01);
	world.flushes++;
	world.order = world.unmaps;
}

void vm_flush_others(struct vm *v, const struct vcpu *self, bool wait)
{
	assert_ptr_equal(v, &vm);
	assert_ptr_equal(self, &vcpus[0]);
	world.waits += wait;
}

void vept_forget(struct nested *n)
{
	assert_ptr_equal(n, &vcpus[0].nested);
	assert_false(world.has_locked); /* it takes it itself */
	world.forgets++;
}

void nested_memory_lost(struct nested *n)
{
	assert_true(vm_has_bad_memory(&vm));
	world.lost |= 1u << (n == &vcpus[1].nested);
}

void vcpu_post(struct vcpu *vcpu, uint32_t events)
{
	vcpu->events |= events;
}

void platform_ram_moves(struct platform *p)
{
	assert_ptr_equal(p, &platform);
	world.moves++;
}

const char *iommu_leave_bad(struct vm *v)
{
	assert_ptr_equal(v, &vm);
	world.leaves++;
	return world.iommu_why;
}

void vm_stop(struct vm *v, enum vm_end end, uint32_t value, const char *why)
{
	assert_ptr_equal(v, &vm);
	assert_int_equal(end, VM_END_ERROR);
	assert_int_equal(value, VEC_MC);
	world.stops++;
	world.why = why;
}

unsigned life_places(void)
{
	return VMS;
}

void sched_post(unsigned id, unsigned vcpu, uint32_t events)
{
	assert_int_equal(vcpu, 0);
	assert_int_equal(events, EVENT_BAD_MEMORY);
	world.posts[id]++;
}

bool ram_has_bad(const struct vm *v)
{
	(void)v;
	abort(); /* none of it moves: test_vm_ram */
}

bool ram_is_bad(const struct vm *v, uint64_t gpa, uint64_t size)
{
	(void)v;
	(void)gpa;
	(void)size;
	abort();
}

bool ram_unmap_bad(struct vm *v)
{
	(void)v;
	abort();
}

bool ram_there(const struct vm *v, uint64_t offset, uint64_t size)
{
	(void)v;
	(void)offset;
	(void)size;
	abort();
}

const void *ram_readable(const struct vm *v, uint64_t offset, uint64_t size)
{
	(void)v;
	(void)offset;
	(void)size;
	abort();
}

void vm_log(const struct vm *v, enum log_level level, const char *format, ...)
{
	size_t used = strlen(world.said);
	va_list args;

	(void)v;
	(void)level;
	va_start(args, format);
	vsnprintf(world.said + used, sizeof(world.said) - used, format, args);
	va_end(args);
}

struct vm_images *life_images(unsigned id)
{
	assert_int_equal(id, vm.id);
	return &images;
}

const char *firmware_check(const struct vm_images *of)
{
	return of->firmware.size == 1 ? "the firmware says no" : NULL;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

void hw_flush(const void *line, bool optimized)
{
	(void)line;
	(void)optimized;
	abort();
}

/* ---- */

static int begin(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	memset(&world, 0, sizeof(world));
	memset(&bad_memory, 0, sizeof(bad_memory));
	memset(&images, 0, sizeof(images));
	vm.config.cpus = 2;
	vm.config.vmx = true;
	vm.nested_vm = &nested_vm;
	vm.platform = &platform;
	vm.lock = SPINLOCK(LOCK_VM);
	vm.slots[0] = (struct mem_slot){0, HALF, {HPA}, memory, 0};
	vm.slots[1] = (struct mem_slot){HIGH, HALF, {HPA2}, memory + HALF, HALF};
	vm.slot_count = vm.fixed_count = 2;
	for (unsigned i = 0; i < 2; i++) {
		vm.vcpus[i] = &vcpus[i];
		vcpus[i] = (struct vcpu){.vm = &vm, .index = i};
	}
	return 0;
}

static void all_vms_are_told_once_of_what_is_new(void **state)
{
	(void)state;
	bad_memory_work();
	assert_int_equal(world.posts[0], 0);
	bad_memory_note(PAGE_SIZE);
	bad_memory_work();
	bad_memory_work();
	for (unsigned i = 0; i < VMS; i++)
		assert_int_equal(world.posts[i], 1);
	bad_memory_note(PAGE_SIZE);
	bad_memory_work();
	assert_int_equal(world.posts[1], 1);
	bad_memory_note(2 * PAGE_SIZE);
	bad_memory_note(3 * PAGE_SIZE);
	bad_memory_work();
	assert_int_equal(world.posts[1], 2);
}

static void a_vm_that_has_none_of_it_goes_on_as_before(void **state)
{
	(void)state;
	bad_memory_note(HPA - PAGE_SIZE);
	bad_memory_note(HPA + HALF);
	bad_memory_note(HPA2 - PAGE_SIZE);
	bad_memory_leave(&vcpus[0]);
	assert_int_equal(world.unmaps + world.flushes + world.forgets + world.leaves, 0);
	assert_int_equal(vm.fixed_count, 2);
	assert_false(vm_has_bad_memory(&vm));
	assert_ptr_equal(vm_gpa_to_va(&vm, 8, 8), memory + 8);
}

static void nothing_leads_to_it_any_more(void **state)
{
	(void)state;
	bad_memory_note(HPA2 + 3 * PAGE_SIZE);
	bad_memory_note(HPA + 7 * PAGE_SIZE);
	bad_memory_note(HPA + HALF - PAGE_SIZE);
	bad_memory_leave(&vcpus[0]);
	assert_int_equal(world.unmaps, 3);
	assert_true(world.unmapped[0] == 7 * PAGE_SIZE);
	assert_true(world.unmapped[1] == HALF - PAGE_SIZE);
	assert_true(world.unmapped[2] == HIGH + 3 * PAGE_SIZE);
	assert_int_equal(world.order, 3); /* behind all of them */
	assert_int_equal(world.waits, 1);
	assert_int_equal(world.forgets, 1);
	assert_int_equal(world.moves, 1);
	assert_int_equal(world.leaves, 1);
	assert_int_equal(world.stops, 0); /* it goes on */
	assert_int_equal(world.lost, 1);
	assert_int_equal(vcpus[1].events, EVENT_BAD_MEMORY);
	bad_memory_leave(&vcpus[1]);
	assert_int_equal(world.lost, 3);
	assert_int_equal(world.unmaps, 3);
	vm.config.vmx = false;
	bad_memory_leave(&vcpus[0]);
	assert_int_equal(world.forgets, 1);
}

static void a_vm_that_cannot_leave_it_ends(void **state)
{
	(void)state;
	bad_memory_note(HPA);
	world.pool_is_used_up = true;
	bad_memory_leave(&vcpus[0]);
	assert_int_equal(world.stops, 1);
	world.pool_is_used_up = false;
	world.iommu_why = "the unit does not answer";
	bad_memory_leave(&vcpus[0]);
	assert_ptr_equal(world.why, world.iommu_why);
}

/* By L0 on behalf of a guest or a device, at its first byte or its last one. */
static void who_accesses_it_gets_nothing_and_ends_the_vm(void **state)
{
	uint8_t bytes[16] = {1};
	unsigned stops = 0;
	static const struct {
		uint64_t gpa, size;
		bool bad;
	} rows[] = {
		{7 * PAGE_SIZE, 1, true},
		{8 * PAGE_SIZE - 1, 1, true},
		{7 * PAGE_SIZE - 8, 9, true},
		{7 * PAGE_SIZE - 8, 8, false},
		{8 * PAGE_SIZE, 8, false},
		{HIGH + 7 * PAGE_SIZE, 8, false},
		{HIGH, PAGE_SIZE, true},
		{HIGH - 8, 8, false},
		{0, HALF, true},
	};

	(void)state;
	bad_memory_note(HPA + 7 * PAGE_SIZE);
	bad_memory_note(HPA2);
	bad_memory_leave(&vcpus[0]);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t offset;
		bool ram = vm_ram_offset(&vm, rows[i].gpa, rows[i].size, &offset);
		void *va = vm_gpa_to_va(&vm, rows[i].gpa, rows[i].size);

		stops += rows[i].bad;
		assert_ptr_equal(va, rows[i].bad || !ram ? NULL : memory + offset);
		assert_int_equal(world.stops, stops);
		assert_int_equal(bad_memory_used(&vm, rows[i].gpa, rows[i].size), rows[i].bad);
		stops += rows[i].bad;
	}
	assert_int_equal(vm_write_gpa(&vm, 7 * PAGE_SIZE - 8, bytes, 16), -1);
	assert_int_equal(vm_read_gpa(&vm, 7 * PAGE_SIZE + 8, bytes, 8), -1);
	assert_int_equal(memory[7 * PAGE_SIZE - 8], 0);
	assert_true(world.stops >= stops + 2);
	assert_non_null(strstr(world.why, "memory that is wrong"));
	assert_false(bad_memory_used(&vm, UINT64_MAX - 3, 8));
}

/* What EPT02 maps is as large as it can be beside it. */
static void pages_beside_it_are_small_enough_to_leave_it_out(void **state)
{
	uint64_t size = SIZE_1G;

	(void)state;
	bad_memory_note(HPA + 3 * SIZE_2M + 5 * PAGE_SIZE);
	assert_true(bad_memory_fit(&vm, (struct hpa){HPA - 1}, &size));
	assert_int_equal(size, SIZE_1G);
	assert_true(bad_memory_fit(&vm, (struct hpa){HPA + 2 * SIZE_2M}, &size));
	assert_int_equal(size, SIZE_2M);
	size = SIZE_1G;
	assert_true(bad_memory_fit(&vm, (struct hpa){HPA + 3 * SIZE_2M}, &size));
	assert_int_equal(size, PAGE_SIZE);
	assert_int_equal(world.stops, 0);
	size = SIZE_2M;
	assert_false(bad_memory_fit(
		&vm, (struct hpa){HPA + 3 * SIZE_2M + 5 * PAGE_SIZE + 8}, &size));
	assert_int_equal(world.stops, 1);
}

static void what_is_wrong_is_not_wiped(void **state)
{
	struct hpa at = {(uint64_t)(uintptr_t)memory - DIRECT_BASE};
	static const unsigned bad[] = {0, 5, 6, 511, PAGES - 1};
	uint64_t first = ((uint64_t)(uintptr_t)memory + PAGE_MASK & ~PAGE_MASK) - DIRECT_BASE;

	(void)state;
	memset(memory, 0x5a, sizeof(memory));
	at.v = first;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		bad_memory_note(first + bad[i] * PAGE_SIZE);
	bad_memory_wipe(at, (PAGES - 1) * PAGE_SIZE);
	for (unsigned i = 0; i < PAGES - 1; i++) {
		const uint8_t *page = direct_va((struct hpa){first + i * PAGE_SIZE});
		bool is_bad = i == 0 || i == 5 || i == 6 || i == 511;

		assert_int_equal(page[0], is_bad ? 0x5a : 0);
		assert_int_equal(page[PAGE_MASK], is_bad ? 0x5a : 0);
	}
}

/* ---- images ---- */

#define ROM_GPA  (BIT64(32) - ROM_SIZE)
#define ROM_HPA  (3ull << 30)
#define ROM_SIZE (8 * PAGE_SIZE)
#define IMAGES   (5ull << 30)

/* What of the ROM is wrong is read by nobody, and what is not by all. */
static void rom_that_is_wrong_ends_the_vm_when_it_is_read(void **state)
{
	uint8_t byte;

	(void)state;
	vm.rom = (struct mem_slot){ROM_GPA, ROM_SIZE, {ROM_HPA}, memory, 0};
	assert_ptr_equal(
		vm_readable_va(&vm, ROM_GPA + 2 * PAGE_SIZE, 1), memory + 2 * PAGE_SIZE);
	bad_memory_note(ROM_HPA + 2 * PAGE_SIZE);
	bad_memory_leave(&vcpus[0]);
	assert_true(vm_has_bad_memory(&vm));
	assert_int_equal(world.unmaps, 1);
	assert_true(world.unmapped[0] == ROM_GPA + 2 * PAGE_SIZE);
	assert_ptr_equal(
		vm_readable_va(&vm, ROM_GPA + PAGE_SIZE, PAGE_SIZE), memory + PAGE_SIZE);
	assert_int_equal(world.stops, 0);
	assert_true(bad_memory_used(&vm, ROM_GPA + 2 * PAGE_SIZE, 1)); /* an EPT violation */
	assert_int_equal(world.stops, 1);
	assert_null(vm_readable_va(&vm, ROM_GPA + 3 * PAGE_SIZE - 1, 2));
	assert_int_equal(vm_read_gpa(&vm, ROM_GPA + 2 * PAGE_SIZE, &byte, 1), -1);
	assert_int_equal(vm_read_gpa(&vm, ROM_GPA + 3 * PAGE_SIZE, &byte, 1), 0);
	assert_true(world.stops > 1);
}

static const struct {
	struct vm_file *file;
	const char *why;
} needed[] = {
	{&images.firmware, "its firmware"},
	{&images.vgabios, "the BIOS"},
	{&images.variables, "variables"},
	{&images.kernel, "its kernel"},
	{&images.initrd, "initial RAM disk"},
	{&images.boot_rom, "network devices"},
	{&images.modules[1], "a module"},
};

static void a_vm_does_not_begin_with_an_image_that_is_wrong_and_is_told_which(void **state)
{
	(void)state;
	images.module_count = 2;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		*needed[i].file = (struct vm_file){
			.start = IMAGES + i * 4 * PAGE_SIZE, .size = 2 * PAGE_SIZE + 1};
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		memset(&bad_memory, 0, sizeof(bad_memory));
		memset(world.said, 0, sizeof(world.said));
		bad_memory_note(needed[i].file->start - PAGE_SIZE); /* nobody's */
		assert_null(images_check(&images));
		bad_memory_note(needed[i].file->start + 2 * PAGE_SIZE);
		assert_non_null(strstr(images_check(&images), needed[i].why));
		bad_memory_leave(&vcpus[0]);
		assert_non_null(strstr(world.said, needed[i].why));
		assert_int_equal(world.stops, 0); /* it has all that it began with */
	}
	memset(&bad_memory, 0, sizeof(bad_memory));
	images.firmware.size = 1;
	assert_string_equal(images_check(&images), "the firmware says no");
	bad_memory_note(images.kernel.start);
	images.kernel.size = 0; /* what is not there is not wrong */
	images.kernel.start += 8;
	images.firmware.size = 2;
	assert_null(images_check(&images));
}

static void disks_and_media_that_are_wrong_are_told_of_and_a_vm_begins_with_them(void **state)
{
	(void)state;
	images.disk_count = images.cdrom_count = 2;
	images.disks[1].image = (struct vm_file){.start = IMAGES, .size = PAGE_SIZE};
	images.disks[1].config.name[0] = 'd';
	images.cdroms[1].image =
		(struct vm_file){.start = IMAGES + PAGE_SIZE, .size = PAGE_SIZE};
	images.cdroms[1].config.name[0] = 'c';
	images.cdroms[0].config.empty = true;
	bad_memory_note(IMAGES + PAGE_SIZE);
	bad_memory_leave(&vcpus[0]);
	assert_null(strstr(world.said, "disk 'd'"));
	assert_non_null(strstr(world.said, "drive 'c'"));
	bad_memory_note(IMAGES);
	bad_memory_leave(&vcpus[0]);
	assert_non_null(strstr(world.said, "disk 'd'"));
	assert_null(images_check(&images));
	assert_false(vm_has_bad_memory(&vm));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_vms_are_told_once_of_what_is_new, begin),
		cmocka_unit_test_setup(a_vm_that_has_none_of_it_goes_on_as_before, begin),
		cmocka_unit_test_setup(nothing_leads_to_it_any_more, begin),
		cmocka_unit_test_setup(a_vm_that_cannot_leave_it_ends, begin),
		cmocka_unit_test_setup(who_accesses_it_gets_nothing_and_ends_the_vm, begin),
		cmocka_unit_test_setup(pages_beside_it_are_small_enough_to_leave_it_out, begin),
		cmocka_unit_test_setup(what_is_wrong_is_not_wiped, begin),
		cmocka_unit_test_setup(rom_that_is_wrong_ends_the_vm_when_it_is_read, begin),
		cmocka_unit_test_setup(
			a_vm_does_not_begin_with_an_image_that_is_wrong_and_is_told_which,
			begin),
		cmocka_unit_test_setup(
			disks_and_media_that_are_wrong_are_told_of_and_a_vm_begins_with_them,
			begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
