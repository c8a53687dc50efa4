/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two tasks in L1's RAM for the tests of task switches, and what must hold after each switch.
 * Include it in one file of a test program, for it has state.
 */
#ifndef NESTOR_TESTS_TASK_WORLD_H
#define NESTOR_TESTS_TASK_WORLD_H

#include "fake_seam.h"
#include "emul/task_switch.h"
#include "nested/paging.h"

#define GDT    0x1000u
#define OLD    0x2000u /* TSS of the old task */
#define NEW    0x3000u /* 32-bit TSS */
#define NEW16  0x3100u
#define LDT_AT 0x3200u
#define STACK  0x9000u /* grows downwards */
#define PD     0x10000u
#define PD_NEW 0x11000u
#define PDPT   0x12000u
#define PT     0x13000u

#define SEL_CODE  0x08u
#define SEL_DATA  0x10u
#define SEL_OLD   0x18u
#define SEL_NEW   0x20u
#define SEL_NEW16 0x28u
#define SEL_LDT   0x30u
#define SEL_ANY   0x38u /* a test's own */
#define GDT_LIMIT 0x4fu

#define CODE    0x00cf9b000000ffffull
#define DATA    0x00cf93000000ffffull
#define PRESENT (1ull << 47)
#define BUSY    (1ull << 41)

#define NT 0x4000u
#define VM 0x20000u

static struct task_cpu cpu, before;
static struct task_request request;
static struct task_result result;
static struct nested_vm vm;
static struct nested n = {.vm = &vm};

/* ---- the seam of emul/, on the walks of nested/ ---- */

#define MAXPHYADDR 40

static struct emul_env env;
static struct paging_fault fault; /* what was wrong */

static inline struct paging_state paging_of(const struct emul_env *e)
{
	return (struct paging_state){.cr0 = cpu.cr0,
		.cr3 = e->cr3,
		.cr4 = cpu.cr4,
		.cpl = e->cpl,
		.rflags_ac = e->ac,
		.maxphyaddr = MAXPHYADDR};
}

bool seam_memory_read(struct emul_env *e, uint64_t linear, void *dst, uint32_t len)
{
	struct paging_state s = paging_of(e);

	return paging_read(&n, &s, linear, dst, len, &fault);
}

bool seam_memory_write(struct emul_env *e, uint64_t linear, const void *src, uint32_t len)
{
	struct paging_state s = paging_of(e);

	return paging_write(&n, &s, linear, src, len, &fault);
}

bool seam_memory_can_write(struct emul_env *e, uint64_t linear, uint32_t len)
{
	struct paging_state s = paging_of(e);

	return paging_can_write(&n, &s, linear, len, &fault);
}

bool seam_read_pdptes(struct emul_env *e, uint32_t cr3, uint64_t pdpte[4])
{
	(void)e;
	return seam_l1_read(&n, (struct gpa_l1){cr3 & ~31u}, pdpte, 32) == 0 &&
	       paging_pdptes_ok(pdpte, MAXPHYADDR);
}

/* Of supervisors, of users. */
static uint64_t control_flow[2];

uint64_t seam_control_flow(struct emul_env *e)
{
	return control_flow[e->cpl == 3];
}

void seam_set_pdptes(struct emul_env *e, const uint64_t pdpte[4])
{
	(void)e;
	for (unsigned i = 0; i < 4; i++)
		fake_hw.current[FID_GUEST_PDPTE0 + i] = pdpte[i];
}

/* ---- the tasks ---- */

static inline uint64_t tss(uint32_t base, uint32_t limit, uint32_t ar)
{
	return limit | (uint64_t)base << 16 | (uint64_t)ar << 40;
}

static inline void describe(uint32_t selector, uint64_t d)
{
	fake_write64(GDT + (selector & ~7u), d);
}

static inline uint64_t descriptor(uint32_t selector)
{
	return fake_read64(GDT + (selector & ~7u));
}

static inline uint16_t read16(uint32_t at)
{
	return (uint16_t)fake_read32(at);
}

static inline void write16(uint32_t at, uint16_t v)
{
	memcpy(fake.ram + at, &v, 2);
}

static inline void make_memory(void)
{
	static const uint16_t new16[] = {0, 0, 0, 0, 0, 0, 0, 0x123, 0xd7, 0x6000, 0x6111,
		0x6222, 0x6333, 0x6444, 0x6555, 0x6666, 0x6777, SEL_DATA, SEL_CODE, SEL_DATA,
		SEL_DATA, 0};

	describe(SEL_CODE, CODE);
	describe(SEL_DATA, DATA);
	describe(SEL_OLD, tss(OLD, 0x67, 0x8b));
	describe(SEL_NEW, tss(NEW, 0x67, 0x89));
	describe(SEL_NEW16, tss(NEW16, 0x2b, 0x81));
	describe(SEL_LDT, tss(LDT_AT, 0x0f, 0x82));
	fake_write64(LDT_AT + 8, DATA);
	memset(fake.ram + OLD, 0xee, 0x68);
	fake_write32(NEW, 0xdddddddd);
	fake_write32(NEW + 0x1c, PD_NEW);
	fake_write32(NEW + 0x20, 0x123456);
	fake_write32(NEW + 0x24, 0xd7);
	for (uint32_t i = 0; i < 8; i++)
		fake_write32(NEW + 0x28 + 4 * i, 0x70000000 + i);
	fake_write32(NEW + 0x38, STACK);
	for (uint32_t i = 0x48; i <= 0x5c; i += 4)
		fake_write32(NEW + i, 0xcccc0000 | (i == 0x4c ? SEL_CODE : SEL_DATA));
	memcpy(fake.ram + NEW16, new16, sizeof(new16));
}

static inline void make_cpu(void)
{
	cpu = (struct task_cpu){
		.r = {0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107},
		.eip = 0xabcd1234,
		.eflags = 0x10202 | NT,
		.dr7 = 0x7ff,
		.gdt_base = GDT,
		.gdt_limit = GDT_LIMIT,
		.cr0 = CR0_PE | CR0_WP,
		.cr3 = PD,
	};
	for (unsigned i = 0; i < SEG_LDTR; i++)
		cpu.seg[i] =
			(struct task_segment){(uint16_t)(0x40 + 8 * i), 0, UINT32_MAX, 0xc093};
	cpu.seg[SEG_LDTR].ar = SEG_AR_UNUSABLE;
	cpu.seg[SEG_TR] = (struct task_segment){SEL_OLD, OLD, 0x67, 0x8b};
}

static inline void reset(void)
{
	fake_seam_reset();
	make_memory();
	make_cpu();
	env = (struct emul_env){0};
	request = (struct task_request){.selector = SEL_NEW, .source = TASK_CALL};
}

static inline int setup(void **state)
{
	(void)state;
	reset();
	return 0;
}

/* 32-bit paging: 4 MiB pages that map the same, but the second page of tables is the test's. */
static inline void use_paging(void)
{
	cpu.cr0 |= CR0_PG;
	cpu.cr4 = CR4_PSE;
	for (uint32_t i = 0; i < 8; i++) {
		fake_write32(PD + 4 * i, i << 22 | 0xe7);
		fake_write32(PD_NEW + 4 * i, i << 22 | 0xe7);
	}
	fake_write32(PD, PT | 0x67);
	for (uint32_t i = 0; i < 1024; i++)
		fake_write32(PT + 4 * i, i << 12 | 0x67);
}

static inline void map(uint32_t page, uint32_t flags)
{
	fake_write32(PT + (page >> 12) * 4, flags == 0 ? 0 : page | flags);
}

static inline void use_pae(void)
{
	use_paging();
	cpu.cr4 = CR4_PAE;
	fake_hw.current[FID_GUEST_PDPTE0] = PT | 1;
	memset(fake.ram + PT, 0, 4096);
	fake_write64(PT, 0xe7);
	fake_write64(PT + 8, 0x200000 | 0xe7);
	fake_write64(PDPT, PT | 1);
	fake_write32(NEW + 0x1c, PDPT);
}

/* ---- what holds after every switch ---- */

/*
 * SDM 26.3.1.2 "Checks on Guest Segment Registers", with "unrestricted guest", protected mode.
 */
static inline void assert_segment(unsigned i)
{
	const struct task_segment *s = &cpu.seg[i];

	if (s->ar & SEG_AR_UNUSABLE) {
		assert_true(i != SEG_CS && i != SEG_TR);
		return;
	}
	assert_true(s->ar & SEG_AR_P);
	assert_int_equal(s->ar & 0xfffe0f00, 0);
	assert_true((s->limit & 0xfff) == 0xfff || !(s->ar & SEG_AR_G));
	assert_true(s->limit >> 20 == 0 || s->ar & SEG_AR_G);
	assert_int_equal(!!(s->ar & SEG_AR_S), i < SEG_LDTR);
	if (i < SEG_LDTR)
		assert_true(s->ar & 1);
	if (i == SEG_SS)
		assert_true(SEG_AR_TYPE(s->ar) == 3 || SEG_AR_TYPE(s->ar) == 7);
	if (i < SEG_LDTR && i != SEG_SS && i != SEG_CS && s->ar & 8)
		assert_true(s->ar & 2);
}

static inline void assert_v86(void)
{
	for (unsigned i = 0; i < SEG_NAMED; i++) {
		assert_int_equal(cpu.seg[i].base, cpu.seg[i].selector << 4);
		assert_int_equal(cpu.seg[i].limit, 0xffff);
		assert_int_equal(cpu.seg[i].ar, 0xf3);
	}
}

static inline void assert_enterable(void)
{
	const struct task_segment *cs = &cpu.seg[SEG_CS], *ss = &cpu.seg[SEG_SS];
	uint32_t tr = SEG_AR_TYPE(cpu.seg[SEG_TR].ar);

	if (cpu.eflags & VM)
		assert_v86();
	else
		for (unsigned i = 0; i < SEG_LDTR; i++)
			assert_segment(i);
	assert_segment(SEG_LDTR);
	assert_segment(SEG_TR);
	assert_true(tr == 3 || tr == 11);
	assert_false(cpu.seg[SEG_TR].selector & 4);
	if (!(cpu.seg[SEG_LDTR].ar & SEG_AR_UNUSABLE)) {
		assert_false(cpu.seg[SEG_LDTR].selector & 4);
		assert_int_equal(SEG_AR_TYPE(cpu.seg[SEG_LDTR].ar), 2);
	}
	if (!(cpu.eflags & VM)) {
		assert_true(cs->ar & 8);
		if (cs->ar & 4)
			assert_true(SEG_AR_DPL(cs->ar) <= SEG_AR_DPL(ss->ar));
		else
			assert_int_equal(SEG_AR_DPL(cs->ar), SEG_AR_DPL(ss->ar));
	}
	assert_int_equal(cpu.eflags & 0xffc0802a, 2);
	assert_true(cpu.cr0 & CR0_TS);
}

static inline void go(void)
{
	before = cpu;
	env.cr3 = cpu.cr3;
	result = task_switch(&env, &cpu, &request);
	if (result.switched)
		assert_enterable();
	else
		assert_memory_equal(&before, &cpu, sizeof(cpu));
}

static inline void assert_done(void)
{
	go();
	assert_true(result.switched);
	assert_false(result.fault);
}

static inline void assert_fault(bool switched, uint8_t vector, uint32_t error)
{
	go();
	assert_true(result.fault);
	assert_int_equal(result.switched, switched);
	assert_int_equal(result.vector, vector);
	assert_int_equal(vector == VEC_PF ? fault.error_code : result.error, error);
	assert_false(result.debug);
}

/* Neither registers nor memory changed. */
static inline void assert_early(uint8_t vector, uint32_t error)
{
	unsigned writes = fake.writes;

	assert_fault(false, vector, error);
	assert_int_equal(fake.writes, writes);
}

#endif
