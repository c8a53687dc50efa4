/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a VM that is wrong, and devices of the machine: behind the VM's own tables, and
 * behind those that follow its virtual unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/bad_memory.h"
#include "vm/create.h"
#include "vm/iommu_int.h"
#include "vm/life.h"
#include "vm/passed_int.h"
#include "vm/sched.h"
#include "vm/vm_int.h"
#include "vm/vm_log.h"
#include "vtd/seam.h"

#define HPA     (UINT64_C(6) << 30)
#define SMALL   (UINT64_C(16) << 20)
#define LARGE   (UINT64_C(512) << 20)
#define PAGES   2048u /* of the pool */
#define VM_ID   3u
#define DOMAINS (IOMMU_DOMAIN_VMS + 8) /* of functions, behind those of VMs */

struct passed passed[PASSED_MAX];

static struct vm_box box;
static struct vm *const vm = &box.vm;
static struct vpci_function function;

static struct {
	uint64_t size;   /* of its RAM, and of what its tables map from 0 on */
	unsigned copies; /* so often one behind the other */
	bool locked, has_tables;
	struct vtd_tables tables; /* of the VM */
	unsigned attached, detached, works;
	uint16_t domain; /* of the last flush */
	uint64_t from, end;
	unsigned flushes, pages_left;
	const char *flush_why, *detach_why;
} world;

static _Alignas(4096) uint8_t pool_pages[PAGES][4096];
static bool used[PAGES];

/* ---- what it calls ---- */

static const struct vtd_caps caps = {
	.levels = 4, .bits = 48, .large_2m = true, .large_1g = true, .coherent = true};

const struct vtd_caps *iommu_caps(const struct iommu_place *place)
{
	(void)place;
	return &caps;
}

struct vtd_tables *iommu_tables_of(unsigned id, unsigned unit, bool make)
{
	assert_int_equal(id, VM_ID);
	assert_false(make);
	return unit == 0 && world.has_tables ? &world.tables : NULL;
}

const char *iommu_attach_tables(const struct iommu_place *place, uint16_t bdf,
	const struct vtd_tables *t, uint16_t domain)
{
	(void)place;
	(void)bdf;
	assert_ptr_equal(t, &passed[0].virtual.mirror.tables);
	assert_int_equal(domain, DOMAINS);
	world.attached++;
	return NULL;
}

const char *iommu_detach_tables(const struct iommu_place *place, uint16_t bdf, uint16_t domain)
{
	(void)place;
	(void)bdf;
	assert_int_equal(domain, DOMAINS);
	assert_true(world.locked);
	world.detached++;
	return world.detach_why;
}

const char *iommu_attach(const struct iommu_place *place, uint16_t bdf, unsigned id)
{
	(void)place;
	(void)bdf;
	(void)id;
	return NULL;
}

const char *iommu_detach(const struct iommu_place *place, uint16_t bdf, unsigned id)
{
	(void)place;
	(void)bdf;
	(void)id;
	return NULL;
}

const char *iommu_flush(
	const struct iommu_place *place, uint16_t domain, uint64_t at, uint64_t size)
{
	assert_int_equal(place->unit, 0);
	world.flushes++;
	world.domain = domain;
	world.from = at;
	world.end = at + size;
	return world.flush_why;
}

void iommu_poll(bool now)
{
	(void)now;
	abort();
}

/* Its tables: RAM from 0 on, several times. */
void vvtd_run_of(struct platform *p, const struct vvtd_context *c, uint64_t at, uint64_t end,
	struct vvtd_run *run)
{
	uint64_t copy = at / world.size;

	(void)p;
	(void)c;
	(void)end;
	*run = (struct vvtd_run){.at = copy * world.size, .size = world.size};
	if (copy < world.copies)
		run->rights = VTD_SL_RIGHTS;
	else
		*run = (struct vvtd_run){.at = at & ~PAGE_MASK, .size = BIT64(47)};
}

enum vtd_reason vvtd_context_of(struct platform *p, uint16_t source, struct vvtd_context *c)
{
	(void)p;
	(void)source;
	*c = (struct vvtd_context){.valid = true, .levels = 4, .tables = PAGE_SIZE};
	return VTD_NO_FAULT;
}

bool vvtd_covers_context(const struct vvtd_invalidation *i, uint16_t source, uint16_t domain)
{
	(void)i;
	(void)source;
	(void)domain;
	abort();
}

bool vvtd_blocked(struct platform *p, uint16_t source, uint64_t iova, bool read)
{
	(void)p;
	(void)source;
	(void)iova;
	(void)read;
	abort();
}

bool vtd_reason_is_interrupt(uint8_t reason)
{
	(void)reason;
	abort();
}

uint16_t vpci_requester(const struct vpci *pci, uint16_t bdf)
{
	(void)pci;
	return bdf;
}

void dev_lock(struct platform *p)
{
	assert_ptr_equal(p, vm->platform);
	assert_false(world.locked);
	world.locked = true;
}

void dev_unlock(struct platform *p)
{
	(void)p;
	assert_true(world.locked);
	world.locked = false;
}

void dev_work(struct platform *p)
{
	assert_ptr_equal(p, vm->platform);
	world.works++;
}

unsigned life_places(void)
{
	return DOMAINS - IOMMU_DOMAIN_VMS;
}

void sched_post(unsigned id, unsigned vcpu, uint32_t events)
{
	(void)id;
	(void)vcpu;
	(void)events;
	abort();
}

void vm_log_named(unsigned id, const char *name, enum log_level level, const char *format, ...)
{
	(void)id;
	(void)name;
	(void)level;
	(void)format;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

void *vtd_seam_page(void *pool)
{
	(void)pool;
	for (unsigned i = 0; i < PAGES && world.pages_left != 0; i++)
		if (!used[i]) {
			used[i] = true;
			world.pages_left--;
			return memset(pool_pages[i], 0, sizeof(pool_pages[i]));
		}
	return NULL;
}

void vtd_seam_page_back(void *pool, void *page)
{
	(void)pool;
	used[((uint8_t *)page - &pool_pages[0][0]) / 4096] = false;
	world.pages_left++;
}

uint64_t vtd_seam_address(const void *at)
{
	return (uint64_t)(uintptr_t)at;
}

void *vtd_seam_pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

void vtd_seam_write_back(const void *at, unsigned size)
{
	(void)at;
	(void)size;
	abort();
}

/* ---- ---- */

static void work_off(void)
{
	unsigned turns = 0;
	bool more;

	do {
		unsigned most = 64;

		assert_true(++turns < 100000);
		dev_lock(vm->platform);
		more = dev_remap_work(vm->platform, &most);
		dev_unlock(vm->platform);
	} while (more);
}

/* A function of the VM's follows its tables; `odd`: no page of theirs can be a large one. */
static void follow_tables(uint64_t size, unsigned copies, bool odd)
{
	struct passed_devices *d = &box.devices.passed;

	world.size = size;
	world.copies = copies;
	vm->config.memory = size;
	vm->slots[0] = (struct mem_slot){.size = size, .hpa = {HPA + odd * PAGE_SIZE}};
	vm->slot_count = 1;
	d->count = 1;
	d->device[0].machine = &passed[0].f;
	d->device[0].f = &function;
	dev_lock(vm->platform);
	iommu_virtual_begin(&passed[0], vm, 0x10);
	dev_unlock(vm->platform);
	work_off();
	assert_int_equal(passed[0].virtual.now, IOMMU_FOLLOWS_TABLES);
	assert_int_equal(world.attached, 1);
	world.flushes = world.works = 0;
}

static uint64_t reached(uint64_t at)
{
	uint64_t host, size;

	return vtd_tables_look(&passed[0].virtual.mirror.tables, at, &host, &size) != 0 ? host
											: 0;
}

static int begin(void **state)
{
	(void)state;
	memset(&box, 0, sizeof(box));
	memset(&world, 0, sizeof(world));
	memset(passed, 0, sizeof(passed));
	memset(used, 0, sizeof(used));
	memset(&bad_memory, 0, sizeof(bad_memory));
	world.pages_left = PAGES;
	vm->id = VM_ID;
	vm->platform = &box.platform;
	vm->devices = &box.devices;
	vm->config.iommu = IOMMU_VTD;
	box.platform.vtd.s.reg[VTD_GSTS / 4] = VTD_TE;
	passed[0].vm = VM_ID;
	passed[0].name = "a";
	return 0;
}

static void all_that_leads_to_it_in_a_virtual_units_tables_is_closed_at_once(void **state)
{
	const uint64_t page = 3 * SIZE_2M + 5 * PAGE_SIZE;

	(void)state;
	follow_tables(SMALL, 2, false);
	assert_int_equal(reached(page), HPA + page);
	bad_memory_note(HPA + page);
	assert_null(iommu_leave_bad(vm));
	assert_int_equal(reached(page), 0);
	assert_int_equal(reached(SMALL + page), 0);
	assert_int_equal(reached(page - 1), HPA + page - 1);
	assert_int_equal(reached(SMALL + page + PAGE_SIZE), HPA + page + PAGE_SIZE);
	assert_int_equal(world.flushes, 1);
	assert_int_equal(world.domain, DOMAINS);
	assert_true(world.from <= page && world.end >= SMALL + page + PAGE_SIZE);
	assert_int_equal(world.detached, 0); /* what else it does goes on */
	/* what the compare that follows makes of it */
	vtd_mirror_forget(&passed[0].virtual.mirror, 0, UINT64_MAX);
	work_off();
	assert_int_equal(reached(page), 0);
	assert_int_equal(reached(page + PAGE_SIZE), HPA + page + PAGE_SIZE);
}

static void a_function_with_too_many_tables_reaches_nothing_until_they_are_compared(
	void **state)
{
	const uint64_t page = LARGE - 7 * PAGE_SIZE;

	(void)state;
	follow_tables(LARGE, 1, true);
	bad_memory_note(HPA + PAGE_SIZE + page);
	assert_null(iommu_leave_bad(vm));
	assert_int_equal(world.detached, 1);
	assert_int_equal(world.works, 1);
	assert_int_equal(passed[0].virtual.now, IOMMU_FOLLOWS_NOBODY);
	assert_null(iommu_leave_bad(vm)); /* told of another one meanwhile */
	assert_int_equal(world.detached, 1);
	work_off();
	assert_int_equal(world.attached, 2);
	assert_int_equal(passed[0].virtual.now, IOMMU_FOLLOWS_TABLES);
	assert_int_equal(reached(page), 0);
	assert_int_equal(reached(0), HPA + PAGE_SIZE);
	assert_int_equal(reached(LARGE - 1), HPA + PAGE_SIZE + LARGE - 1);
	bad_memory_note(HPA + PAGE_SIZE + LARGE); /* another VM's */
	assert_null(iommu_leave_bad(vm));
	assert_int_equal(world.detached, 1);
	bad_memory_note(HPA + 2 * PAGE_SIZE); /* its own */
	assert_null(iommu_leave_bad(vm));
	assert_int_equal(world.detached, 2);
	work_off();
	assert_int_equal(reached(PAGE_SIZE), 0);
}

static void so_does_one_for_whose_smaller_pages_there_is_no_table(void **state)
{
	(void)state;
	follow_tables(SMALL, 1, false);
	bad_memory_note(HPA);
	world.pages_left = 0;
	assert_null(iommu_leave_bad(vm));
	assert_int_equal(world.detached, 1);
	assert_int_equal(passed[0].virtual.now, IOMMU_FOLLOWS_NOBODY);
	world.pages_left = 100;
	work_off();
	assert_int_equal(world.attached, 2);
	assert_int_equal(reached(0), 0);
	assert_int_equal(reached(PAGE_SIZE), HPA + PAGE_SIZE);
}

/* What it was told while its tables were made has been compared already, or not. */
static void tables_that_are_being_made_are_compared_from_their_start(void **state)
{
	unsigned most = 2; /* less than they need */

	(void)state;
	follow_tables(LARGE, 1, true);
	passed[0].virtual.now = IOMMU_FOLLOWS_NOBODY;
	passed[0].virtual.making = true;
	vtd_mirror_forget(&passed[0].virtual.mirror, 0, UINT64_MAX);
	dev_lock(vm->platform);
	assert_true(dev_remap_work(vm->platform, &most));
	dev_unlock(vm->platform);
	assert_true(passed[0].virtual.mirror.at != 0);
	bad_memory_note(HPA + PAGE_SIZE);
	assert_null(iommu_leave_bad(vm));
	work_off();
	assert_int_equal(passed[0].virtual.now, IOMMU_FOLLOWS_TABLES);
	assert_int_equal(reached(0), 0);
	assert_int_equal(reached(PAGE_SIZE), HPA + 2 * PAGE_SIZE);
}

static void a_unit_that_does_not_forget_it_is_told_of(void **state)
{
	(void)state;
	follow_tables(SMALL, 1, false);
	bad_memory_note(HPA);
	world.flush_why = "it does not answer";
	assert_ptr_equal(iommu_leave_bad(vm), world.flush_why);
	bad_memory_note(HPA + SIZE_2M);
	world.detach_why = "nor to that";
	world.pages_left = 0;
	assert_ptr_equal(iommu_leave_bad(vm), world.detach_why);
	assert_true(passed[0].virtual.lost);
	assert_non_null(iommu_leave_bad(vm)); /* it may use what it had for ever */
}

static void the_vms_own_tables_lead_to_it_no_more(void **state)
{
	uint64_t host, size;

	(void)state;
	vm->slots[0] = (struct mem_slot){.size = SMALL, .hpa = {HPA}};
	vm->slot_count = 1;
	world.has_tables = true;
	assert_true(vtd_tables_create(&world.tables, &caps, NULL));
	assert_null(vtd_tables_map(&world.tables, 0, HPA, SMALL, VTD_SL_RIGHTS));
	bad_memory_note(HPA + SIZE_2M + PAGE_SIZE);
	assert_null(iommu_leave_bad(vm));
	assert_int_equal(vtd_tables_look(&world.tables, SIZE_2M + PAGE_SIZE, &host, &size), 0);
	assert_int_not_equal(vtd_tables_look(&world.tables, SIZE_2M, &host, &size), 0);
	assert_int_equal(world.domain, IOMMU_DOMAIN_VMS + VM_ID);
	assert_int_equal(world.flushes, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin)
	const struct CMUnitTest tests[] = {
		TEST(all_that_leads_to_it_in_a_virtual_units_tables_is_closed_at_once),
		TEST(a_function_with_too_many_tables_reaches_nothing_until_they_are_compared),
		TEST(so_does_one_for_whose_smaller_pages_there_is_no_table),
		TEST(tables_that_are_being_made_are_compared_from_their_start),
		TEST(a_unit_that_does_not_forget_it_is_told_of),
		TEST(the_vms_own_tables_lead_to_it_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
