/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual VT-x with all around it, for tests that act as L1: fake_seam.h, capabilities with
 * every feature, L1 in 64-bit mode at CPL 0 with its RAM mapped one to one, and VMX
 * instructions as calls. world_reset() starts each test.
 */
#ifndef NESTOR_TESTS_NESTED_WORLD_H
#define NESTOR_TESTS_NESTED_WORLD_H

#include "fake_seam.h"

#include "golden_vmcs12.h"
#include "nested/nested.h"

/* Where things are in L1's RAM; golden_vmcs12.h has the pages below 0x12000. */
#define WORLD_PML4    0x20000ull
#define WORLD_PDPT    0x21000ull
#define WORLD_PD32    0x22000ull /* for 32-bit paging */
#define WORLD_VMXON   0x30000ull
#define WORLD_VMCS    0x40000ull /* and the 15 pages after it */
#define WORLD_OPERAND 0x60000ull

#define WORLD_VMCS_N(i) (WORLD_VMCS + (i)*PAGE_SIZE)
#define WORLD_RAM_END   ((uint64_t)FAKE_RAM_SIZE)

#define WORLD_TABLES      64u
#define WORLD_VEPT_HPA    0x40000000ull
#define WORLD_VOID_HPA    0x7000ull
#define WORLD_APIC_HPA    0x5000ull
#define WORLD_SCRATCH_HPA 0x6000ull
#define WORLD_EPTP01      0x3000001eull
#define WORLD_INSN_LEN    4u

/* How an instruction of L1 ended. */
enum world_outcome {
	VMSUCCEED,
	VMFAIL_INVALID,
	VMFAIL, /* with the error number in the current VMCS */
	FAULTED,
	ENTERED,
	ENTRY_FAILED /* with an exit reason that has bit 31 */
};

struct world {
	struct nested n;
	struct nested_vm vm;
	uint64_t gpr[16];
	uint64_t msr_bitmap01[512], msr_bitmap02[512];
	uint64_t vmread_bitmap02[512], vmwrite_bitmap02[512], scratch_page[512];
	uint64_t vept_books[WORLD_TABLES][32];
	struct vept_pages pages[WORLD_TABLES] __attribute__((aligned(4096)));
	uint8_t vector; /* of the last fault */
	uint32_t error; /* its error code, or the VM-instruction error */
};

static struct world world;

/* What vm/vcpu.c asks for, on the machine of fake_caps.h. */
static inline void world_l0_controls(struct nested_l0_controls *l0)
{
	*l0 = (struct nested_l0_controls){
		.pin = 0x16 | PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS |
		       PIN_PREEMPTION_TIMER,
		.proc = 0x04006172 | PROC_TSC_OFFSETTING | PROC_HLT_EXITING |
			PROC_MWAIT_EXITING | PROC_RDPMC_EXITING | PROC_CR8_LOAD_EXITING |
			PROC_CR8_STORE_EXITING | PROC_UNCOND_IO_EXITING | PROC_USE_MSR_BITMAPS |
			PROC_MONITOR_EXITING | PROC_SECONDARY,
		.proc2 = PROC2_ENABLE_EPT | PROC2_ENABLE_RDTSCP | PROC2_ENABLE_VPID |
			 PROC2_WBINVD_EXITING | PROC2_UNRESTRICTED_GUEST |
			 PROC2_ENABLE_INVPCID | PROC2_ENABLE_XSAVES,
		.exit = 0x36dfb | EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_ACK_INTR |
			EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER |
			EXIT_SAVE_PREEMPTION_TIMER,
		.entry = 0x11fb | ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER |
			 ENTRY_LOAD_CET,
		.exception_bitmap = BIT(VEC_AC) | BIT(VEC_MC),
		.cr4_hidden = ~0xbff7ffull,
		.eptp01 = WORLD_EPTP01,
	};
}

static inline void world_segment(unsigned i, uint16_t selector, uint32_t ar)
{
	fake_hw.vmcs01[FID_GUEST_ES_SELECTOR + i] = selector;
	fake_hw.vmcs01[FID_GUEST_ES_LIMIT + i] = UINT32_MAX;
	fake_hw.vmcs01[FID_GUEST_ES_BASE + i] = 0;
	fake_hw.vmcs01[FID_GUEST_ES_AR + i] = ar;
}

/* L1 in 64-bit mode. */
static inline void world_l1_64(void)
{
	uint64_t *f = fake_hw.vmcs01;

	fake_write64(WORLD_PML4, WORLD_PDPT | 7);
	fake_write64(WORLD_PDPT, 0x87);
	f[FID_GUEST_CR0] = 0x80050033;
	f[FID_GUEST_CR3] = WORLD_PML4;
	f[FID_GUEST_CR4] = CR4_PAE | CR4_VMXE | CR4_MCE;
	f[FID_GUEST_EFER] = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	f[FID_GUEST_PAT] = GOLDEN_PAT;
	f[FID_GUEST_DR7] = 0x400;
	f[FID_GUEST_RIP] = 0xffffffff80001000;
	f[FID_GUEST_RSP] = WORLD_OPERAND + 0x800;
	f[FID_GUEST_RFLAGS] = RFLAGS_FIXED;
	f[FID_ENTRY_CONTROLS] = world.vm.l0.entry | ENTRY_IA32E_GUEST;
	for (unsigned i = 0; i < 6; i++)
		world_segment(i, 0x18, 0xc093);
	world_segment(1, 0x10, 0xa09b);
}

/* L1 in 32-bit protected mode with 32-bit paging. */
static inline void world_l1_32(void)
{
	uint64_t *f = fake_hw.vmcs01;

	for (unsigned i = 0; i < 8; i++)
		fake_write32(WORLD_PD32 + i * 4, i << 22 | 0x87);
	world_l1_64();
	f[FID_GUEST_CR3] = WORLD_PD32;
	f[FID_GUEST_CR4] = CR4_PSE | CR4_VMXE | CR4_MCE;
	f[FID_GUEST_EFER] = EFER_NXE;
	f[FID_GUEST_RIP] = 0x1000;
	f[FID_ENTRY_CONTROLS] &= ~(uint64_t)ENTRY_IA32E_GUEST;
	f[FID_GUEST_CS_AR] = 0xc09b;
}

/* The host part of every VMCS02, which vm/ writes when it makes one. */
static inline void world_vmcs02_create(uint64_t *f)
{
	golden_host(f);
	f[FID_HOST_CR4] = CR4_PAE | CR4_VMXE;
	f[FID_MSR_BITMAP] = 0x6000;
	f[FID_VMCS_LINK_POINTER] = UINT64_MAX;
}

static inline void world_reset(void)
{
	struct vept *e = &world.vm.vept;

	fake_seam_reset();
	memset(&world, 0, sizeof(world));
	golden_memory();
	world.vm.caps = golden_caps();
	world.vm.cet = true;
	world_l0_controls(&world.vm.l0);
	e->pages = world.pages;
	e->books = world.vept_books;
	assert_true(vept_books_size(WORLD_TABLES) <= sizeof(world.vept_books));
	e->count = WORLD_TABLES;
	e->pages_hpa = WORLD_VEPT_HPA;
	e->void_hpa = WORLD_VOID_HPA;
	e->apic_hpa = WORLD_APIC_HPA;
	e->maxphyaddr = world.vm.caps.maxphyaddr;
	e->execute_only = true;
	fake_bitmaps(&world.n, &world.vm);
	world.vm.shadowing = true; /* all is prepared for tests that turn it on */
	nested_vm_init(&world.vm);
	memset(world.msr_bitmap01, 0xff, sizeof(world.msr_bitmap01));
	nested_pass_msrs(&world.vm, world.msr_bitmap01);
	world.n.scratch.page = world.scratch_page;
	world.n.scratch.hpa = WORLD_SCRATCH_HPA;
	world.n.vmread_bitmap02 = world.vmread_bitmap02;
	world.n.vmwrite_bitmap02 = world.vmwrite_bitmap02;
	memset(world.vmread_bitmap02, 0xff, sizeof(world.vmread_bitmap02));
	memset(world.vmwrite_bitmap02, 0xff, sizeof(world.vmwrite_bitmap02));
	nested_reset(&world.n, &world.vm, 0, world.gpr, 0x100, world.msr_bitmap02);
	world.vm.shadowing = false;
	world.n.tsc_offset = 0x123456789;
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		world_vmcs02_create(fake_hw.vmcs02[i]);
	world_l1_64();
	fake_write32(WORLD_VMXON, CAPS_REVISION);
	for (unsigned i = 0; i < 16; i++)
		fake_write32(WORLD_VMCS + i * PAGE_SIZE, CAPS_REVISION);
	/* the golden VMCS12s' MSR lists */
	for (unsigned i = 0; i < 4; i++)
		fake_write64(0x6000 + i * 16, MSR_STAR);
	fake_set_msr(MSR_STAR, 0x1234);
}

/* ---- instructions ---- */

#define WORLD_STATUS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* Executes a VMX instruction whose operands are set; VMCS01 is current. */
static inline enum world_outcome world_insn(uint32_t reason)
{
	struct nested *n = &world.n;
	uint64_t rip = fake_hw.vmcs01[FID_GUEST_RIP], flags;
	uint64_t failed_entries = n->stats.failed_entries;
	const struct fake_call *fault;

	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_LENGTH] = WORLD_INSN_LEN;
	fake_hw.vmcs01[FID_GUEST_RFLAGS] |= WORLD_STATUS;
	flags = fake_hw.vmcs01[FID_GUEST_RFLAGS];
	fake.call_count = 0;
	nested_vmx_insn(n, reason);
	if (n->in_l2) {
		assert_true(n->run_pending);
		assert_ptr_equal(fake_hw.current, fake_hw.vmcs02[n->cur->hw]);
		return ENTERED;
	}
	assert_ptr_equal(fake_hw.current, fake_hw.vmcs01);
	if (n->stats.failed_entries != failed_entries)
		return ENTRY_FAILED;
	fault = fake_last("seam_inject");
	if (fault) {
		assert_int_equal(fake_called("seam_inject"), 1);
		assert_true(fake_hw.vmcs01[FID_GUEST_RIP] == rip);
		assert_true(fake_hw.vmcs01[FID_GUEST_RFLAGS] == flags);
		world.vector = (uint8_t)fault->a;
		world.error = (uint32_t)fault->b;
		return FAULTED;
	}
	assert_true(fake_hw.vmcs01[FID_GUEST_RIP] == rip + WORLD_INSN_LEN);
	flags = fake_hw.vmcs01[FID_GUEST_RFLAGS] & WORLD_STATUS;
	if (flags == RFLAGS_ZF) {
		assert_non_null(n->cur);
		world.error = (uint32_t)n->cur->f[FID_INSTRUCTION_ERROR];
		return VMFAIL;
	}
	assert_true(flags == 0 || flags == RFLAGS_CF);
	return flags ? VMFAIL_INVALID : VMSUCCEED;
}

/*
 * Instruction information (SDM 27.2.5): memory operand without base and index, in segment DS.
 */
#define INFO_MEMORY   (2u << 7 | 3u << 15 | BIT(22) | BIT(27))
#define INFO_MEMORY32 (1u << 7 | 3u << 15 | BIT(22) | BIT(27))
#define INFO_REG      BIT(10)

/* Sets the memory operand to an address, without storing anything there. */
static inline void world_operand(uint64_t linear)
{
	fake_hw.vmcs01[FID_EXIT_QUALIFICATION] = linear;
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] =
		fake_hw.vmcs01[FID_GUEST_EFER] & EFER_LMA ? INFO_MEMORY : INFO_MEMORY32;
}

/* VMXON, VMCLEAR, VMPTRLD: the operand is this pointer. */
static inline enum world_outcome world_pointer(uint32_t reason, uint64_t pointer)
{
	world_operand(WORLD_OPERAND);
	fake_write64(WORLD_OPERAND, pointer);
	return world_insn(reason);
}

static inline enum world_outcome world_write_encoding(uint64_t encoding, uint64_t value)
{
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] = INFO_REG | REG_RAX << 3 | REG_RCX << 28;
	world.gpr[REG_RAX] = value;
	world.gpr[REG_RCX] = encoding;
	return world_insn(EXIT_VMWRITE);
}

static inline enum world_outcome world_read_encoding(uint64_t encoding, uint64_t *value)
{
	enum world_outcome outcome;

	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] = INFO_REG | REG_RAX << 3 | REG_RCX << 28;
	world.gpr[REG_RCX] = encoding;
	outcome = world_insn(EXIT_VMREAD);
	*value = world.gpr[REG_RAX];
	return outcome;
}

/* The whole field; outside 64-bit mode a natural-width one gets 32 bits. */
static inline void world_write(enum vmcs_fid fid, uint64_t value)
{
	uint32_t e = vmcs_fields[fid].encoding;

	assert_int_equal(world_write_encoding(e, value), VMSUCCEED);
	if (vmcs_width(e) == VMCS_WIDTH_64 && !(fake_hw.vmcs01[FID_GUEST_EFER] & EFER_LMA))
		assert_int_equal(world_write_encoding(e | 1, value >> 32), VMSUCCEED);
}

static inline uint64_t world_read(enum vmcs_fid fid)
{
	uint64_t value;

	assert_int_equal(world_read_encoding(vmcs_fields[fid].encoding, &value), VMSUCCEED);
	return value;
}

/* INVEPT, INVVPID */
static inline enum world_outcome world_inv(
	uint32_t reason, uint64_t type, uint64_t low, uint64_t high)
{
	world_operand(WORLD_OPERAND);
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] |= REG_RCX << 28;
	fake_write64(WORLD_OPERAND, low);
	fake_write64(WORLD_OPERAND + 8, high);
	world.gpr[REG_RCX] = type;
	return world_insn(reason);
}

static inline void world_vmxon(void)
{
	assert_int_equal(world_pointer(EXIT_VMXON, WORLD_VMXON), VMSUCCEED);
}

/* VMXON, and a cleared VMCS is current. */
static inline void world_vmptrld(unsigned i)
{
	uint64_t gpa = WORLD_VMCS + i * PAGE_SIZE;

	if (!world.n.vmxon)
		world_vmxon();
	assert_int_equal(world_pointer(EXIT_VMPTRLD, gpa), VMSUCCEED);
}

/* Writes all fields of the current VMCS as L1 does. */
static inline void world_write_all(const uint64_t *f)
{
	for (unsigned i = 0; i < FID_COUNT; i++)
		world_write((enum vmcs_fid)i, f[i]);
}

/* ---- what is expected ---- */

static inline void expect_fault(enum world_outcome outcome, uint8_t vector)
{
	assert_int_equal(outcome, FAULTED);
	assert_int_equal(world.vector, vector);
	assert_int_equal(world.error, vector == VEC_UD ? UINT32_MAX : 0);
}

static inline void expect_page_fault(
	enum world_outcome outcome, uint64_t address, uint32_t error)
{
	assert_int_equal(outcome, FAULTED);
	assert_int_equal(world.vector, VEC_PF);
	assert_int_equal(world.error, error);
	assert_true(fake_last("seam_inject_page_fault")->a == address);
}

static inline void expect_fail(enum world_outcome outcome, uint32_t error)
{
	assert_int_equal(outcome, VMFAIL);
	assert_int_equal(world.error, error);
	assert_int_equal(world_read(FID_INSTRUCTION_ERROR), error);
}

static inline void expect_current(uint64_t gpa)
{
	world_operand(WORLD_OPERAND);
	assert_int_equal(world_insn(EXIT_VMPTRST), VMSUCCEED);
	assert_true(fake_read64(WORLD_OPERAND) == gpa);
}

/* ---- L2 ---- */

/* Makes L1 go on in its own address space after an exit. */
static inline void world_host(uint64_t *f)
{
	f[FID_HOST_CR3] = f[FID_EXIT_CONTROLS] & EXIT_HOST_64 ? WORLD_PML4 : WORLD_PD32;
	f[FID_HOST_CR4] |= f[FID_EXIT_CONTROLS] & EXIT_HOST_64 ? 0 : CR4_PSE;
	f[FID_HOST_RSP] = WORLD_OPERAND + 0x800;
}

/* An L2 that has been entered from a golden VMCS12. */
static inline void world_enter(void (*golden)(uint64_t *f))
{
	uint64_t f[FID_COUNT];

	golden(f);
	world_host(f);
	world_vmptrld(0);
	world_write_all(f);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
	world.n.run_pending = false;
}

/* L1, which has taken an exit, enters L2 again. */
static inline void world_resume(void)
{
	assert_false(world.n.in_l2);
	world_l1_64();
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	world.n.run_pending = false;
}

/* An event arrives while L2 runs. True: it is settled, false: L2 itself has to take it. */
static inline bool world_event(const struct nested_event *e)
{
	enum nested_taker taker = nested_who_takes(&world.n, e);

	if (taker == TAKER_L1)
		nested_deliver(&world.n, e);
	return taker != TAKER_L2;
}

static inline bool world_arrives(enum nested_event_kind kind)
{
	return world_event(&(struct nested_event){.kind = kind});
}

/* VMCS12 of L2. */
static inline uint64_t *world_12(void)
{
	return world.n.cur->f;
}

/* VMCS02 of L2. */
static inline uint64_t *world_02(void)
{
	return fake_hw.vmcs02[world.n.cur->hw];
}

/* ---- for cmocka: what is there when a test starts ---- */

static inline int world_setup(void **state)
{
	(void)state;
	world_reset();
	return 0;
}

/* L1 in VMX root operation. */
static inline int world_setup_root(void **state)
{
	world_setup(state);
	world_vmxon();
	return 0;
}

/* With a current VMCS. */
static inline int world_setup_current(void **state)
{
	world_setup(state);
	world_vmptrld(0);
	return 0;
}

/* A 64-bit L2 that runs. */
static inline int world_setup_l2(void **state)
{
	world_setup(state);
	world_enter(golden_64bit);
	return 0;
}

#endif
