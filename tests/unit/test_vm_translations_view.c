/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EPT01 beside what a debugger makes of it, and the page of the local APIC in it, on
 * processors that keep all translations that the manual lets them (tlb.h): two vCPUs that take
 * turns on two CPUs, go from one to the other, have breakpoints in more pages than registers
 * hold, change the mode of their APICs, and lose a page. What is judged is each way in which a
 * processor could make an access, by a page or from a table that it has cached.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"
#include "tlb_ept.h"

#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/percpu.h"
#include "mm/layout.h"
#include "view_quiet.h"
#include "vm/sched.h"
#include "vmx/asm.h"

#define CPUS   2u
#define VCPUS  2u
#define NOBODY 9u
#define PAGES  1024u

#define RAM     0x40000000ull /* where EPT01 has guest-physical 0 */
#define SMALL   0x400000ull   /* from here on pages of 4 KiB */
#define COMES   (SMALL + 5 * PAGE_SIZE)
#define FARTHER 0x40000000ull /* what else is far apart: a page in each GiB */

uint64_t hw_now;
_Thread_local uint64_t hw_cr3;
_Thread_local struct percpu *hw_cpu;
static struct percpu cpu_data[CPUS];
struct percpu *percpus[MAX_CPUS] = {&cpu_data[0]};
unsigned cpu_count = CPUS, cpu_slots = CPUS;
struct vmx_caps vmx_caps;

static uint8_t pool[PAGES][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct vm vm;
static struct vcpu vcpus[VCPUS];
static const struct debugger_place place = {.level = 1};

static struct {
	uint64_t seed;
	struct tlb tlb[CPUS];
	unsigned cpu; /* that L0 runs on, for this vCPU: */
	unsigned vcpu;
	unsigned here[CPUS]; /* whose guest runs there */
	uint64_t eptp[VCPUS], rip[VCPUS], linear, gpa, qualification;
	enum dev_apic_mode mode[VCPUS];
	bool without_ept[VCPUS]; /* it runs an L2 on EPT01 */
	bool met_l2, still;      /* still: each vCPU stays on its CPU */
	bool going; /* the page that comes and goes, or the APIC's, is on its way */
	unsigned uses, opened, closed;
} w;

static unsigned below(unsigned bound)
{
	return random_below(&w.seed, bound);
}

static void others_run(void);

/* ---- the hardware ---- */

void hw_invept(uint64_t type, uint64_t eptp)
{
	others_run();
	tlb_invept(&w.tlb[w.cpu], eptp, type == INVEPT_GLOBAL);
}

void hw_invvpid(uint64_t type, uint16_t vpid)
{
	tlb_invvpid(&w.tlb[w.cpu], vpid, type == INVVPID_ALL);
}

void hw_vmwrite(uint64_t encoding, uint64_t v)
{
	if (encoding == VMCS_EPT_POINTER)
		w.eptp[w.vcpu] = v;
}

uint64_t hw_vmread(uint64_t encoding)
{
	switch (encoding) {
	case VMCS_EXIT_QUALIFICATION:
		return w.qualification;
	case VMCS_GUEST_PHYSICAL_ADDRESS:
		return w.gpa;
	case VMCS_GUEST_LINEAR_ADDRESS:
		return w.linear;
	default:
		return 0;
	}
}

void hw_pause(void)
{
	abort(); /* one thread */
}

void panic_at(const char *file, int line, const char *format, ...)
{
	(void)format;
	_assert_true(0, "panic", file, line);
	abort();
}

uint64_t debugger_linear_rip(void)
{
	return w.rip[w.vcpu];
}

/* The modes of local APICs. */
void platform_apic_state(struct platform *p, unsigned vcpu, struct dev_apic_state *s)
{
	(void)p;
	*s = (struct dev_apic_state){.mode = w.mode[vcpu], .svi = -1};
}

/* ---- what a guest's processor may use ---- */

static bool has_points(const struct vcpu *vcpu, uint64_t page)
{
	const struct debugger_code *c = &vcpu->debug.pages->code;

	for (unsigned i = 0; i < c->count; i++)
		if ((c->p[i].at & ~PAGE_MASK) == page)
			return true;
	return false;
}

static bool is_open(const struct vcpu *vcpu, uint64_t page)
{
	const struct debugger_open *o = vcpu->debug.pages->open;

	return (o[0].any && o[0].gpa == page) || (o[1].any && o[1].gpa == page);
}

/* The APIC's page is for those that virtualize its accesses alone (29.4.5). */
static void judge(unsigned v, uint64_t gpa, uint64_t hpa, uint64_t bits)
{
	const struct vcpu *vcpu = &vcpus[v];

	w.uses++;
	if (gpa == DEV_LAPIC_BASE) {
		assert_true(hpa == vm.apicv.access_page.v && !(bits & EPT_EXEC));
		assert_true(vcpu->apic_mode != DEV_APIC_X2APIC && !w.without_ept[v]);
		return;
	}
	assert_true(hpa == RAM + gpa);
	if (gpa == COMES && !w.going) {
		uint64_t size;

		assert_non_null(ept_leaf(&vm.ept01, gpa, &size));
	}
	if (bits & EPT_EXEC && vcpu->debug.pages->viewed && has_points(vcpu, gpa))
		assert_true(is_open(vcpu, gpa));
}

/* A table of another one is found by where it leads. */
static uint64_t tlb_age(uint64_t hpa)
{
	(void)hpa;
	return 0;
}

/* The vCPU accesses a page by whatever the processor could use. False: an EPT violation. */
static bool access_page(unsigned v, unsigned cpu, uint64_t gpa, uint64_t right)
{
	struct tlb *t = &w.tlb[cpu];
	struct tlb_entry page, top = tlb_top(w.eptp[v]);
	uint16_t vpid = (uint16_t)(1 + v);
	unsigned cached = t->used;
	bool all = true, any = false;

	for (unsigned i = 0; i <= cached; i++) {
		struct tlb_entry c = i < cached ? t->at[i] : top;

		page = c;
		if (!tlb_is_for(&c, top.ep4ta, vpid, gpa, gpa) && i < cached)
			continue;
		if (c.kind == TLB_TABLE && !tlb_walk(t, c, gpa, &page))
			continue;
		judge(v, gpa, page.hpa + (gpa - page.gpa), page.bits);
		any = true;
		all = all && page.bits & right;
		page.hpa += gpa - page.gpa;
		page.gpa = gpa;
		page.kind = TLB_COMBINED;
		page.vpid = vpid;
		page.linear = gpa;
		tlb_add(t, &page);
	}
	return any && all; /* with one that does not allow it, it might exit */
}

static uint64_t some_page(void)
{
	switch (below(12)) {
	case 0:
		return DEV_LAPIC_BASE;
	case 1:
		return COMES;
	case 2:
	case 3:
		return below(70) * FARTHER;
	case 4:
	case 5:
		return SMALL + below(5) * PAGE_SIZE;
	default:
		return below(8) * PAGE_SIZE + below(2) * SIZE_2M;
	}
}

static void others_run(void)
{
	static const uint64_t rights[] = {EPT_READ, EPT_WRITE, EPT_EXEC};

	for (unsigned c = 0; c < CPUS; c++)
		for (unsigned i = 0; i < 4 && c != w.cpu && w.here[c] != NOBODY; i++)
			(void)access_page(w.here[c], c, some_page(), rights[below(3)]);
}

/* ---- exits and entries ---- */

static void enter(unsigned v)
{
	if (__atomic_exchange_n(&vcpus[v].events, 0, __ATOMIC_SEQ_CST) & EVENT_FLUSH)
		translations_drop();
	(void)debugger_pages_load(&vcpus[v], &place);
}

/* It is in its guest: then it leaves it, sees the event, and goes on. */
void sched_wait_out(const struct vcpu *vcpu, uint32_t event)
{
	unsigned cpu = w.cpu, v = w.vcpu;

	others_run();
	assert_int_equal(event, EVENT_FLUSH);
	for (unsigned c = 0; c < CPUS; c++)
		if (w.here[c] == vcpu->index) {
			w.cpu = c;
			w.vcpu = vcpu->index;
			debugger_pages_unload(&vcpus[w.vcpu]);
			enter(w.vcpu);
		}
	w.cpu = cpu;
	w.vcpu = v;
}

/* L0 works for the vCPU, on the CPU that its guest ran on, or on another one. */
static void begin(unsigned v)
{
	unsigned c = vcpus[v].home;

	if (w.still)
		c = v;
	else if (c == NO_CPU || below(16) == 0)
		c = below(CPUS);
	if (w.here[vcpus[v].home % CPUS] == v)
		w.here[vcpus[v].home % CPUS] = NOBODY;
	if (w.here[c] != NOBODY) { /* who was there makes room */
		w.vcpu = w.here[c];
		debugger_pages_unload(&vcpus[w.vcpu]);
		w.here[c] = NOBODY;
	}
	w.cpu = c;
	w.vcpu = v;
	debugger_pages_unload(&vcpus[v]);
	if (vcpus[v].home != c) {
		vcpus[v].home = c;
		translations_arrive(&vcpus[v]);
	}
}

static void end(unsigned v)
{
	enter(v);
	w.here[w.cpu] = v;
}

/* The page is not there, or not for this: by EPT01, or by the debugger's alone. */
static void violate(unsigned v, uint64_t gpa, uint64_t right)
{
	const struct debugger_pages *m = vcpus[v].debug.pages;
	unsigned open = m->open[0].any + m->open[1].any;

	tlb_violation(
		&w.tlb[vcpus[v].home], (uint16_t)(1 + v), w.eptp[v] & EPT_ADDRESS, gpa, gpa);
	w.gpa = w.linear = gpa;
	w.qualification = right | QUAL_LINEAR | QUAL_TRANSLATION;
	if (right & EPT_EXEC && below(4) != 0)
		w.rip[v] = gpa + below(PAGE_SIZE);
	(void)debugger_pages_violation(&vcpus[v], &place);
	w.opened += m->open[0].any + m->open[1].any > open;
}

/* More pages, far apart, than a view has tables for. */
static void touch_far(unsigned v)
{
	for (unsigned i = 0; i < 70; i++) {
		if (access_page(v, vcpus[v].home, i * FARTHER, EPT_READ))
			continue;
		begin(v);
		violate(v, i * FARTHER, EPT_READ);
		end(v);
	}
}

static void guest(unsigned v)
{
	static const uint64_t rights[] = {EPT_READ, EPT_WRITE, EPT_EXEC, EPT_EXEC};

	for (unsigned i = 0; i < 6 && w.here[vcpus[v].home] == v; i++) {
		uint64_t gpa = some_page(), right = rights[below(4)];
		bool viewed = vcpus[v].debug.pages->viewed;

		if (access_page(v, vcpus[v].home, gpa, right))
			continue;
		begin(v);
		if (viewed)
			violate(v, gpa, right);
		end(v);
	}
}

/* ---- what changes ---- */

static void change_mode(unsigned v)
{
	static const enum dev_apic_mode modes[] = {
		DEV_APIC_DISABLED, DEV_APIC_XAPIC, DEV_APIC_XAPIC, DEV_APIC_X2APIC};

	w.mode[v] = modes[below(4)];
	apicv_update(&vcpus[v]);
}

/* As vcpu_windows_changed does with pages of ones. */
static void change_page(unsigned v)
{
	uint64_t size;

	vm_lock(&vm);
	w.going = true;
	if (ept_leaf(&vm.ept01, COMES, &size) == NULL) {
		assert_true(ept_map(&vm.ept01, COMES, (struct hpa){RAM + COMES}, PAGE_SIZE,
			EPT_RWX, MEMTYPE_WB));
	} else {
		assert_true(ept_unmap(&vm.ept01, COMES, PAGE_SIZE));
		ept_flush(&vm.ept01);
		vm_flush_others(&vm, &vcpus[v], true);
	}
	w.going = false;
	vm_unlock(&vm);
}

/* Another set of breakpoints, of more pages than there are registers for, or of fewer. */
static void change_points(unsigned v)
{
	struct debugger_code *c = vm.code;

	c->count = 0;
	for (unsigned i = 1 + below(10); i > 0; i--)
		(void)debugger_code_add(
			c, &(struct debugger_point){
				   .at = below(8) * PAGE_SIZE + below(2) * SIZE_2M + below(64),
				   .on = DEBUGGER_EXECUTE,
				   .size = 1});
	debugger_pages_take(&vcpus[v]);
}

static void step(unsigned v)
{
	begin(v);
	switch (below(24)) {
	case 0:
		change_mode(v);
		break;
	case 1:
		change_page(v);
		break;
	case 2:
		change_points(v);
		break;
	case 3:
		if (!w.met_l2 && below(16) != 0)
			break;
		w.met_l2 = true;
		apicv_l2_without_ept(&vcpus[v]);
		w.without_ept[v] = true;
		break;
	case 4:
	case 5:
		debugger_pages_close(&vcpus[v]);
		w.closed++;
		break;
	default:
		(void)debugger_pages_look(&vcpus[v], &place);
		break;
	}
	end(v);
	if (below(64) == 0 && vcpus[v].debug.pages->viewed)
		touch_far(v);
	guest(v);
}

static void start(uint64_t seed)
{
	static struct l0_config config = {.posted = true};

	memset(&w, 0, sizeof(w));
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	memset(pool, 0, sizeof(pool));
	w.seed = seed;
	hw_cpu = percpus[0];
	config_set(&config);
	pool_init(&vm.pool, pool, sizeof(pool));
	vm.config.cpus = VCPUS;
	vm.config.apicv = true;
	vm.pool_spare = PAGES;
	vm.msr_bitmap = pool_get(&vm.pool);
	assert_true(ept_init(&vm.ept01, &vm.pool, false));
	for (uint64_t at = 0; at < 70 * FARTHER; at += FARTHER)
		assert_true(ept_map(&vm.ept01, at, (struct hpa){RAM + at}, 2 * SIZE_2M, EPT_RWX,
			MEMTYPE_WB));
	assert_true(ept_map(&vm.ept01, SMALL, (struct hpa){RAM + SMALL}, 6 * PAGE_SIZE, EPT_RWX,
		MEMTYPE_WB));
	assert_true(apicv_create(&vm));
	for (unsigned v = 0; v < VCPUS; v++) {
		w.here[v] = NOBODY;
		w.mode[v] = DEV_APIC_XAPIC;
		w.eptp[v] = vm.ept01.eptp;
		vm.vcpus[v] = &vcpus[v];
		vcpus[v] = (struct vcpu){
			.vm = &vm, .index = v, .home = NO_CPU, .apic_mode = DEV_APIC_XAPIC};
	}
	assert_true(debugger_pages_give(&vm));
	for (unsigned v = 0; v < VCPUS; v++)
		change_points(v);
}

static void what_a_debugger_and_the_apics_page_have_left_is_not_used(void **state)
{
	unsigned uses = 0, opened = 0, closed = 0;

	(void)state;
	for (uint64_t i = 0; i < 48; i++) {
		start(i + 1);
		for (unsigned k = 0; k < 400; k++)
			step(below(VCPUS));
		uses += w.uses;
		opened += w.opened;
		closed += w.closed;
	}
	print_message("%u uses, %u opened, %u closed\n", uses, opened, closed);
	assert_true(uses > 100000 && opened > 1000 && closed > 1000);
}

/* One vCPU's L2 makes the page go; the other one's finds it said so, and exits for nothing. */
static void an_l2_without_ept_does_not_find_what_its_l1_had_of_the_apics_page(void **state)
{
	(void)state;
	start(1);
	w.still = true;
	vm.code->count = 0;
	for (unsigned v = 0; v < VCPUS; v++) {
		debugger_pages_take(&vcpus[v]);
		begin(v);
		end(v);
		assert_true(access_page(v, v, DEV_LAPIC_BASE, EPT_READ));
	}
	for (unsigned v = 0; v < VCPUS; v++) {
		begin(v);
		apicv_l2_without_ept(&vcpus[v]);
		w.without_ept[v] = true;
		end(v);
		assert_false(access_page(v, v, DEV_LAPIC_BASE, EPT_READ));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_debugger_and_the_apics_page_have_left_is_not_used),
		cmocka_unit_test(
			an_l2_without_ept_does_not_find_what_its_l1_had_of_the_apics_page),
	};

	return cmocka_run_group_tests_name("vm_translations_view", tests, NULL, NULL);
}
