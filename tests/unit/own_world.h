/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMs that L0 makes, runs, moves, ends and makes again out of the same memory, on CPUs that
 * keep all translations that the manual lets them: of guests (tlb.h) and of L0's own tables
 * (tlb_linear.h). What takes memory, maps it, gives it away and drops translations is the real
 * code: mm/, vm/ram*.c, vm/place.c, vm/vm.c, vm/life.c, the scheduler, vmx/ept.c. CPUs are
 * threads that take turns: a run follows from its seed. own_guest.h has what guests do.
 */
#ifndef NESTOR_TESTS_OWN_WORLD_H
#define NESTOR_TESTS_OWN_WORLD_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "random.h"

struct vcpu;

static uint64_t boot_space, first_seed;

static void let_others_run(void);
static void give_turn(void);
static _Noreturn void cpu_ends(void);
static void check_space(void);
static void check_sleep(void);
static void guest_runs(struct vcpu *vcpu);
static void guest_leaves(void);
static uint32_t guest_sees(struct vcpu *vcpu, uint32_t events);
static bool guest_exits(struct vcpu *vcpu);

#define BOOT_SPACE         boot_space
#define FIRST_SEED         first_seed
#define ARRIVES(vcpu)      translations_arrive(vcpu)
#define SEES(vcpu, events) guest_sees(vcpu, events)
#define EXITS(vcpu)        guest_exits(vcpu)
#define IN_GUEST(vm)       ((vm) != 0 ? guest_runs(vcpu) : guest_leaves())
#define LOOKS()            check_space()
#define SLEEPS()           check_sleep()
#define CPUS               3
#include "sched_threads.h"

#define TLB_ENTRIES 512u
#include "tlb.h"
#include "tlb_ept.h"
#include "tlb_linear.h"

#include "cpu/acpi.h"
#include "cpu/clock.h"
#include "cpu/wipe.h"
#include "mm/node.h"
#include "mm/paging.h"
#include "nested/seam.h"
#include "spec/regs.h"
#include "vm/change.h"
#include "vm/cores.h"
#include "vm/ecam.h"
#include "vm/explain.h"
#include "vm/iommu.h"
#include "vm/mitigate.h"
#include "vm/nested_hw.h"
#include "vm/passed.h"
#include "vm/ram_int.h"
#include "vm/vm_log.h"
#include "vmx/asm.h"
#include "vmx/vmx.h"

/* Memory of the machine: pieces that are larger than a VM's pool, and smaller than its RAM. */
#define PIECES     17u
#define PIECE      (12ull << 20)
#define PIECE_STEP (14ull << 20)
#define FRAMES     (PIECES * PIECE_STEP / PAGE_SIZE)

static struct {
	uint64_t start; /* physical address of the first piece */
	uint32_t age[FRAMES];
	bool taken[FRAMES];
	unsigned levels;
	struct model {
		uint64_t cr3;
		struct linear linear;
		struct tlb tlb;
		struct vcpu *guest; /* that it runs; NULL: L0 */
		bool in_l2, missed; /* missed: its last access, at gpa */
		uint64_t gpa;
	} cpu[CPUS];
	uint64_t seed;  /* of what processors do by themselves */
	unsigned fails; /* the allocation that does, counted from 1 */
	uint64_t guesses, uses, moved;
} own;

static unsigned below(unsigned bound)
{
	return random_below(&own.seed, bound);
}

static uint32_t linear_age(uint64_t hpa)
{
	CHECK(hpa - own.start < PIECES * PIECE_STEP);
	return own.age[(hpa - own.start) / PAGE_SIZE];
}

/* What lies there is something else from now on. */
static void ages(uint64_t hpa, uint64_t size)
{
	for (uint64_t at = hpa; at < hpa + size; at += PAGE_SIZE)
		own.age[(at - own.start) / PAGE_SIZE]++;
}

/* ---- turns ---- */

static sem_t turn[CPUS];
static bool gone[CPUS], turns; /* turns: there are threads by now */

static void pass_turn(unsigned to)
{
	unsigned me = hw_cpu->index;

	while (turns && gone[to])
		to = (to + 1) % CPUS;
	if (!turns || to == me)
		return;
	sem_post(&turn[to]);
	while (sem_wait(&turn[me]) != 0)
		;
}

static void let_others_run(void)
{
	pass_turn(below(CPUS));
}

static void give_turn(void)
{
	if (turns && below(24) == 0)
		let_others_run();
}

static _Noreturn void cpu_ends(void)
{
	unsigned me = hw_cpu->index, to = me;

	gone[me] = true;
	for (unsigned i = 0; i < CPUS; i++)
		if (!gone[i])
			to = i;
	if (to != me)
		sem_post(&turn[to]);
	pthread_exit(NULL);
}

/* ---- what processors do by themselves ---- */

#define WINDOW(n) (0xffffc00000000000ull + ((uint64_t)(n) << 40)) /* vm/ram_host.c */

/* An address that L0 uses, or used, or will use. */
static uint64_t some_address(void)
{
	uint64_t page = (uint64_t)below(FRAMES) * PAGE_SIZE;

	if (below(4) != 0)
		return WINDOW(below(VMS)) + (uint64_t)below(8) * CHUNK_SIZE;
	return (uint64_t)(uintptr_t)direct_va((struct hpa){own.start + page});
}

static void guess(unsigned cpu)
{
	struct model *m = &own.cpu[cpu];

	if (m->guest != NULL || m->cr3 == 0)
		return; /* a guest has a VPID of its own */
	linear_touch(&m->linear, linear_root(m->cr3, own.levels), some_address(), NULL);
	own.guesses++;
}

static void guest_guesses(unsigned cpu);
static void tables_age(void);
static void nest_ends(uint64_t hpa, uint64_t size);

/* Other processors go on, while L0 is at work here. */
static void all_guess(void)
{
	tables_age();
	for (unsigned i = 0; i < CPUS; i++) {
		guess(i);
		guest_guesses(i);
	}
}

/* L0 accesses memory, on this CPU. */
static void access_own(const void *va, uint64_t hpa)
{
	struct model *m = &own.cpu[hw_cpu->index];

	CHECK(m->cr3 == hw_cr3);
	linear_touch(
		&m->linear, linear_root(m->cr3, own.levels), (uint64_t)(uintptr_t)va, &hpa);
	own.uses++;
}

void hw_cr3_loaded(void)
{
	struct model *m = &own.cpu[hw_cpu->index];

	all_guess();
	linear_drop(&m->linear);
	m->cr3 = hw_cr3;
	guess(hw_cpu->index);
}

void hw_invept(uint64_t type, uint64_t eptp)
{
	all_guess();
	tlb_invept(&own.cpu[hw_cpu->index].tlb, eptp, type == INVEPT_GLOBAL);
}

void hw_invvpid(uint64_t type, uint16_t vpid)
{
	tlb_invvpid(&own.cpu[hw_cpu->index].tlb, vpid, type == INVVPID_ALL);
}

uint64_t hw_cr4_access(bool write, uint64_t value)
{
	CHECK(!write);
	return own.levels == 5 ? value | CR4_LA57 : value;
}

uint64_t hw_rdmsr(uint32_t msr)
{
	CHECK(msr == MSR_EFER);
	return EFER_NXE;
}

/* ---- where CPUs are ---- */

/* A VM that has a vCPU here does not end, and its tables stay; of another one nobody knows. */
static void check_space(void)
{
	struct sched_node *n = sched_first(sched_this_cpu());

	while (n != NULL && n->cr3 != hw_cr3)
		n = n->next;
	CHECK(n != NULL || hw_cr3 == boot_space);
}

static void check_sleep(void)
{
	check_space();
	CHECK(sched_this_cpu()->node != NULL || hw_cr3 == boot_space);
}

/* ---- memory ---- */

/* No image is mapped. */
__asm__(".data\n.globl image_start, text_end, rodata_end, image_end\n"
	".balign 4096\nimage_start:\ntext_end:\nrodata_end:\nimage_end:\n.quad 0\n.text");

bool __real_page_alloc(uint64_t size, uint64_t align, uint64_t limit, struct hpa *out);
bool __wrap_page_alloc(uint64_t size, uint64_t align, uint64_t limit, struct hpa *out);
uint64_t __real_page_alloc_most(
	uint64_t most, uint64_t unit, uint64_t from, uint64_t limit, struct hpa *out);
uint64_t __wrap_page_alloc_most(
	uint64_t most, uint64_t unit, uint64_t from, uint64_t limit, struct hpa *out);
void __real_page_free(struct hpa start, uint64_t size);
void __wrap_page_free(struct hpa start, uint64_t size);

/* It is nobody's, and somebody's from now on; or the other way round. */
static void take(uint64_t hpa, uint64_t size, bool is)
{
	for (uint64_t at = hpa; at < hpa + size; at += PAGE_SIZE) {
		CHECK(own.taken[(at - own.start) / PAGE_SIZE] != is);
		own.taken[(at - own.start) / PAGE_SIZE] = is;
	}
}

/* The test's memory lies above 4 GiB. Now and then there is none. */
bool __wrap_page_alloc(uint64_t size, uint64_t align, uint64_t limit, struct hpa *out)
{
	(void)limit;
	all_guess();
	if ((turns && below(48) == 0) || --own.fails == 0 ||
		!__real_page_alloc(size, align, PAGE_ANYWHERE, out))
		return false;
	take(out->v, size, true);
	return true;
}

uint64_t __wrap_page_alloc_most(
	uint64_t most, uint64_t unit, uint64_t from, uint64_t limit, struct hpa *out)
{
	uint64_t size = __real_page_alloc_most(most, unit, from, limit, out);

	if (size != 0)
		take(out->v, size, true);
	return size;
}

void __wrap_page_free(struct hpa start, uint64_t size)
{
	all_guess();
	take(start.v, size, false);
	nest_ends(start.v, size);
	ages(start.v, size);
	all_guess();
	__real_page_free(start, size);
}

/* RAM is not looked at; books and what else is in pools has to be zero. */
void mem_wipe(void *at, size_t size)
{
	nest_ends(hpa_of(at).v, size);
	ages(hpa_of(at).v, size);
	memset(at, 0, size);
	all_guess();
}

/*
 * The last piece is in another GiB than the others: what is taken first, and what comes then,
 * need tables of their own.
 */
static void make_memory(void)
{
	uint64_t size = 2 * SIZE_1G, below_last = (PIECES - 1) * PIECE_STEP, at;
	void *m = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(m != MAP_FAILED);
	at = hpa_of(m).v;
	own.start = ((at + below_last + SIZE_1G - 1) & ~(SIZE_1G - 1)) - below_last;
	for (unsigned i = 0; i < PIECES; i++)
		page_add(own.start + i * PIECE_STEP, PIECE);
	CHECK(paging_create(&boot_space));
	for (unsigned i = 0; i < PIECES; i++)
		CHECK(paging_map_direct(boot_space, (struct hpa){own.start + i * PIECE_STEP},
			PIECE, PT_RW_DATA));
}

#endif
