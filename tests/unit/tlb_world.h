/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM of three vCPUs on two CPUs whose caches keep all that the manual lets them (tlb.h), and
 * an L1 in it with four VMCSs for L2s. The code that decides what is dropped is the real one:
 * nested/ and vm/translations.c. Each thing that a processor could use for an access is held
 * against tlb_reference.h. Include it in exactly one file of a test program.
 */
#ifndef NESTOR_TESTS_TLB_WORLD_H
#define NESTOR_TESTS_TLB_WORLD_H

#define FAKE_SEAM_WITHOUT_FLUSHES
#include "fake_seam.h"

#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "golden_vmcs12.h"
#include "random.h"
#include "tlb_reference.h"
#include "vept_invariants.h"
#include "vm/devices.h"
#include "vm/nested_hw.h"
#include "vm/passed.h"
#include "vm/ram.h"
#include "vm/sched.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

#define CPUS    2u
#define VCPUS   REF_VCPUS
#define VMCSS   4u
#define LINEARS 4u
#define NOBODY  99u
#define TABLES  40u

#define ROOT_A 0x100000ull
#define ROOT_B 0x101000ull
#define PDPT   0x102000ull
#define PD0    0x103000ull
#define PT0    0x105000ull /* and the page after it */
#define VMCS12 0x200000ull /* and the pages after it */
#define APIC   0x801000ull /* a page of RAM, which EPT12 maps, too */
#define EPTP01 (0x50000ull | EPTP_WALK_4 | MEMTYPE_WB)

/* What of a VMCS12 is in force while its L2 runs: what the processor sees, and what L1 said. */
struct running {
	struct tlb_origin origin;
	uint16_t vpid;
	uint64_t eptp, eptp12;
	unsigned vmcs;
};

static struct vm vm;
static struct nested_vm nested_vm;
static struct vm_devices devices;
static struct vcpu vcpus[VCPUS];
static struct nested *nesteds[VCPUS];
static uint64_t gprs[VCPUS][16], msr_bitmaps[VCPUS][512];
static uint64_t vm_bitmaps[VCPUS][2][512];
static struct vept_pages pages[TABLES] __attribute__((aligned(4096)));
static uint64_t books[TABLES][32];
static uint64_t golden[FID_COUNT];

static struct {
	uint64_t seed;
	struct tlb tlb[CPUS];
	/* EPT01's flag is cached as set; the right, whatever the flag. */
	bool dirty[CPUS][FAKE_RAM_SIZE / PAGE_SIZE], writable[CPUS][FAKE_RAM_SIZE / PAGE_SIZE];
	unsigned cpu;        /* that L0 runs on */
	unsigned here[CPUS]; /* the vCPU whose guest runs there */
	struct fake_hw hw[VCPUS];
	unsigned loaded; /* whose is in fake_hw */
	struct running run[VCPUS];
	unsigned owner[VMCSS];       /* on which vCPU it is active */
	uint16_t vpid12[VMCSS];      /* 0: it has none */
	uint64_t at[VMCSS][LINEARS]; /* where L2's tables have a linear address */
	uint64_t l1_dropped[VCPUS];  /* L1's own combined mappings, by an exit */
	bool away;                   /* the device goes with what is pending */
	unsigned writes;             /* the CPU whose L1 does, now */
	bool still;                  /* each vCPU stays on the CPU of its number */
	uint32_t open_max;           /* of virtual EPT; 0: its own */
	/* So that nobody tests nothing. */
	unsigned uses, stale, violations, refused;
} w;

static unsigned below(unsigned bound)
{
	return random_below(&w.seed, bound);
}

static struct nested *nested(unsigned v)
{
	return &vcpus[v].nested;
}

/* ---- what the processor does ---- */

uint64_t hw_now;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
static struct percpu cpu_data[CPUS];
struct percpu *percpus[MAX_CPUS] = {&cpu_data[0]};
unsigned cpu_count = CPUS;

static void others_run(void);

void hw_invept(uint64_t type, uint64_t eptp)
{
	bool every = type == INVEPT_GLOBAL;

	others_run();
	tlb_invept(&w.tlb[w.cpu], eptp, every);
	if (every || !((eptp ^ EPTP01) & EPT_ADDRESS)) {
		memset(w.dirty[w.cpu], 0, sizeof(w.dirty[w.cpu]));
		memset(w.writable[w.cpu], 0, sizeof(w.writable[w.cpu]));
	}
}

void hw_invvpid(uint64_t type, uint16_t vpid)
{
	assert_true(type == INVVPID_SINGLE || type == INVVPID_ALL);
	tlb_invvpid(&w.tlb[w.cpu], vpid, type == INVVPID_ALL);
}

/* Tables that wait to be freed: no CPU can get there any more. */
static bool is_gone(struct vept *e, uint32_t table)
{
	for (struct list *l = e->gone.next; l != &e->gone; l = l->next)
		if (l == &e->table[table].link)
			return true;
	return false;
}

static uint64_t entry_of(uint64_t table, uint64_t gpa, unsigned level)
{
	struct vept *e = &nested_vm.vept;
	uint64_t i = (table - e->pages_hpa) / sizeof(struct vept_pages);

	assert_true(i < e->count && e->table[i].in_use && e->table[i].level == level);
	assert_false(is_gone(e, (uint32_t)i));
	return e->pages[i].entry[gpa >> (PAGE_SHIFT + 9 * (level - 1)) & 511];
}

/* From this table down; what is met on the way is cached. False: an EPT violation. */
static bool walk(
	struct tlb *t, const struct running *r, struct tlb_entry e, struct tlb_entry *page)
{
	uint64_t gpa = e.gpa;

	for (;;) {
		uint64_t entry = entry_of(e.hpa, gpa, e.level);

		e.bits &= entry;
		if (!(e.bits & EPT_RWX))
			return false;
		if (e.level == 1 || (entry & EPT_LARGE))
			break;
		e.hpa = entry & EPT_ADDRESS;
		e.level--;
		e.origin = r->origin;
		tlb_add(t, &e);
		entry = 0;
	}
	*page = e;
	page->kind = TLB_PAGE;
	page->origin = r->origin;
	page->bits =
		(e.bits & EPT_RWX) | (entry_of(e.hpa, gpa, e.level) & (EPT_MEMTYPE | EPT_IPAT));
	page->hpa = (entry_of(e.hpa, gpa, e.level) & EPT_ADDRESS & ~(tlb_span(e.level) - 1)) |
		    (gpa & (tlb_span(e.level) - 1));
	tlb_add(t, page);
	return true;
}

/* ---- may it be used? ---- */

static void judge_page(unsigned v, const struct tlb_entry *e, uint64_t gpa)
{
	const struct running *r = &w.run[v];
	uint64_t offset = e->kind == TLB_COMBINED ? 0 : gpa - e->gpa;
	struct ref_page p = {.vcpu = v,
		.since = ref.invept[v][ref_root_of(r->eptp12 & EPT_ADDRESS)],
		.gpa = gpa,
		.hpa = e->hpa + offset,
		.bits = e->bits,
		.ad = r->eptp12 & EPTP_AD,
		.root = vcpus[v].nested.cur->root,
		.all = nesteds,
		.vept = &nested_vm.vept};

	w.uses++;
	assert_int_equal(e->origin.vm, ref.vm);
	assert_true(ref_table(&p, r->eptp12 & EPT_ADDRESS, 4, EPT_RWX));
	/* 29.4.5: one who does not know of the APIC-access page may not see that this is it */
	if (r->origin.apic != 0 && p.hpa == r->origin.apic)
		assert_true(e->origin.apic == r->origin.apic);
}

static void judge_combined(unsigned v, const struct tlb_entry *e)
{
	const struct tlb_origin *o = &e->origin, *now = &w.run[v].origin;

	assert_int_equal(o->vm, ref.vm);
	assert_int_equal(o->vcpu, v);
	assert_int_equal(o->vpid12, now->vpid12);
	assert_true(o->ep4ta12 == now->ep4ta12);
	assert_true(o->time > ref.invvpid[v][o->vpid12]);
	assert_true(o->time > ref.invept[v][ref_root_of(o->ep4ta12)]);
	assert_true(o->vpid12 != 0 || o->time > ref.transition[v]);
	judge_page(v, e, e->gpa);
	w.stale += e->gpa != w.at[w.run[v].vmcs][e->linear];
}

/* ---- accesses ---- */

#define USABLE 64u

/* Everything by which this processor could make the access, each judged. */
static unsigned usable(
	unsigned v, unsigned cpu, uint64_t linear, uint64_t gpa, struct tlb_entry *out)
{
	const struct running *r = &w.run[v];
	struct tlb *t = &w.tlb[cpu];
	struct tlb_entry top = {.kind = TLB_TABLE,
		.level = 4,
		.ep4ta = r->eptp & EPT_ADDRESS,
		.gpa = gpa,
		.hpa = r->eptp & EPT_ADDRESS,
		.bits = EPT_RWX};
	unsigned count = 0, cached = t->used;

	for (unsigned i = 0; i < cached && count < USABLE - 2; i++) {
		struct tlb_entry e = t->at[i];

		if (e.kind == TLB_NONE || e.ep4ta != top.ep4ta)
			continue;
		if (e.kind == TLB_COMBINED) {
			if (e.vpid != r->vpid || e.linear != linear)
				continue;
			judge_combined(v, &e);
			out[count++] = e;
		} else if (tlb_covers(&e, gpa)) {
			if (e.kind == TLB_PAGE)
				judge_page(v, &e, gpa);
			else if (e.gpa = gpa, !walk(t, r, e, &e))
				continue;
			else
				judge_page(v, &e, gpa);
			e.hpa += e.kind == TLB_PAGE ? gpa - e.gpa : 0;
			e.gpa = gpa;
			out[count++] = e;
		}
	}
	if (walk(t, r, top, &out[count])) {
		judge_page(v, &out[count], gpa);
		count++;
	}
	return count;
}

/* L2 accesses memory. False: it exits with an EPT violation. */
static bool access_l2(unsigned v, unsigned cpu, uint64_t linear, uint64_t right, uint64_t *gpa)
{
	struct running *r = &w.run[v];
	struct tlb_entry e[USABLE];
	unsigned count;

	r->origin.time = ++ref.now;
	*gpa = w.at[r->vmcs][linear];
	count = usable(v, cpu, linear, *gpa, e);
	if (count == 0)
		return false;
	count = below(count);
	*gpa = e[count].gpa;
	if (!(e[count].bits & right))
		return false;
	if (e[count].kind != TLB_COMBINED) {
		e[count].kind = TLB_COMBINED;
		e[count].vpid = r->vpid;
		e[count].linear = linear;
		e[count].origin = r->origin;
		tlb_add(&w.tlb[cpu], &e[count]);
	}
	return true;
}

/* Guests on other CPUs go on while L0 works here: as long as nothing of theirs exits. */
static void others_run(void)
{
	for (unsigned c = 0; c < CPUS; c++) {
		uint64_t gpa;

		if (c == w.cpu || w.here[c] == NOBODY || !nested(w.here[c])->in_l2)
			continue;
		for (unsigned i = 0; i < 4; i++)
			(void)access_l2(w.here[c], c, below(LINEARS), EPT_READ, &gpa);
	}
}

/* ---- what vm/ does around it ---- */

static void see_events(unsigned v)
{
	if (__atomic_fetch_and(&vcpus[v].events, ~(uint32_t)EVENT_FLUSH, __ATOMIC_SEQ_CST) &
		EVENT_FLUSH)
		translations_drop();
}

/* It is in its guest: then it leaves it, sees the event, and goes on. */
void sched_wait_out(const struct vcpu *vcpu, uint32_t event)
{
	unsigned before = w.cpu;

	others_run();
	assert_int_equal(event, EVENT_FLUSH);
	for (unsigned c = 0; c < CPUS; c++)
		if (w.here[c] == vcpu->index) {
			w.cpu = c;
			see_events(vcpu->index);
		}
	w.cpu = before;
}

void ram_flush_window(const struct vm *of)
{
	assert_ptr_equal(of, &vm);
}

void ept_flush(struct ept *e)
{
	ept_changed(e);
	hw_invept(INVEPT_SINGLE, e->eptp);
}

bool ept_unmap(struct ept *e, uint64_t gpa, uint64_t size)
{
	(void)e;
	(void)gpa;
	(void)size;
	return true;
}

uint32_t passed_take_pending(struct vm *of)
{
	(void)of;
	return w.away;
}

bool passed_unmap_direct(struct vm *of)
{
	(void)of;
	return false; /* EPT02s alone have them */
}

/* The machine's device is off from here on. */
void passed_do_pending(struct vm *of, uint32_t pending)
{
	(void)of;
	assert_int_equal(pending, 1);
	ref.device = false;
	w.away = false;
	others_run();
}

void hw_pause(void)
{
	abort(); /* one thread: nobody holds a lock that is waited for */
}

void panic_at(const char *file, int line, const char *format, ...)
{
	(void)format;
	_assert_true(0, "panic", file, line);
	abort();
}

/* ---- vCPUs and CPUs ---- */

static void load(unsigned v)
{
	if (w.loaded == v)
		return;
	if (w.loaded != NOBODY)
		w.hw[w.loaded] = fake_hw;
	w.loaded = v;
	w.hw[v].no_device = fake_hw.no_device;
	fake_hw = w.hw[v];
}

static unsigned cpu_of(unsigned v)
{
	for (unsigned c = 0; c < CPUS; c++)
		if (w.here[c] == v)
			return c;
	return NOBODY;
}

/* L0 works for the vCPU, on the CPU that its guest ran on, or on another one. */
static void begin(unsigned v)
{
	unsigned c = cpu_of(v);

	if (c != NOBODY)
		w.here[c] = NOBODY;
	else if (vcpus[v].home != NO_CPU)
		c = vcpus[v].home; /* where it waited for its turn */
	if (w.still)
		c = v % CPUS;
	else if (c == NOBODY || below(24) == 0)
		c = below(CPUS);
	w.here[c] = NOBODY;
	w.cpu = c;
	load(v);
	if (vcpus[v].home != c) {
		vcpus[v].home = c;
		translations_arrive(&vcpus[v]);
	}
}

/* Back into the guest. */
static void end(unsigned v)
{
	see_events(v);
	w.here[w.cpu] = v;
	vept_check(&nested_vm.vept);
}

#endif
