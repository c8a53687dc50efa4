/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzer of nested/: the input is a little L1 that executes VMX instructions, scribbles on its
 * memory, and has an L2 that exits as it likes. Whatever it does, VMCS02 and EPT02 keep the
 * promises of vmcs02_theorem.h and vept_invariants.h.
 */
#define FAKE_RAM_SIZE ((2u << 20) + (64u << 10))

#include "l1_fields.h"

#include "input.h"
#include "nested/nested_int.h"
#include "nested/paging.h"
#include "spec/apic.h"
#include "vept_invariants.h"
#include "vmcs02_theorem.h"

#define ROOTS     24 /* EPT12 roots that L1 has, more than EPT02s are kept */
#define ROOT_PAGE 0x80000ull

/* A value as L1s write them: small, an address in RAM, a bit, or anything. */
static uint64_t value(struct input *in, uint64_t old)
{
	switch (byte(in) % 6) {
	case 0:
		return byte(in);
	case 1:
		return take(in, 2) % (FAKE_RAM_SIZE / PAGE_SIZE) * PAGE_SIZE;
	case 2:
		return old ^ 1ull << byte(in) % 64;
	case 3:
		return (uint64_t)(int64_t)(int32_t)take(in, 4);
	case 4:
		return take(in, 2) % (FAKE_RAM_SIZE / PAGE_SIZE) * PAGE_SIZE | byte(in);
	default:
		return take(in, 8);
	}
}

static bool in_64_bit_mode(void)
{
	const uint64_t *f = fake_hw.vmcs01;

	return f[FID_GUEST_EFER] & EFER_LMA && f[FID_GUEST_CS_AR] & SEG_AR_L &&
	       SEG_AR_DPL(f[FID_GUEST_SS_AR]) == 0 && !(f[FID_GUEST_RFLAGS] & RFLAGS_VM);
}

static uint64_t region(struct input *in)
{
	unsigned i = byte(in) % 20;

	return i < 16   ? WORLD_VMCS + i * PAGE_SIZE
	       : i < 18 ? GOLDEN_LINK
			: value(in, WORLD_VMXON);
}

static void pointer_insn(struct input *in)
{
	static const uint32_t insns[] = {
		EXIT_VMXON, EXIT_VMCLEAR, EXIT_VMPTRLD, EXIT_VMPTRLD, EXIT_VMPTRST};
	uint32_t insn = insns[byte(in) % 5];

	world_pointer(insn, insn == EXIT_VMXON ? WORLD_VMXON : region(in));
}

/* By hardware where that serves L1, which it does in this mode only. */
static void write_encoding(uint64_t encoding, uint64_t v)
{
	if (in_64_bit_mode())
		l1_vmwrite(encoding, v);
	else
		world_write_encoding(encoding, v);
}

static void write_field(struct input *in)
{
	unsigned i = byte(in);
	uint64_t old = world.n.cur && i < FID_COUNT ? world.n.cur->f[i] : 0;

	if (i < FID_COUNT)
		write_encoding(vmcs_fields[i].encoding, value(in, old));
	else
		write_encoding(take(in, 2), value(in, 0));
}

static void read_field(struct input *in)
{
	uint64_t v;
	unsigned i = byte(in);

	uint64_t encoding = i < FID_COUNT ? vmcs_fields[i].encoding : take(in, 4);

	if (in_64_bit_mode())
		l1_vmread(encoding, &v);
	else
		world_read_encoding(encoding, &v);
}

static void write_golden(struct input *in)
{
	static void (*const goldens[])(uint64_t * f) = {golden_64bit, golden_32bit, golden_v86,
		golden_real, golden_shadow_paging, golden_apicv, golden_32bit_l1,
		golden_x2apic};
	uint64_t f[FID_COUNT];

	goldens[byte(in) % 8](f);
	world_host(f);
	for (unsigned i = 0; i < FID_COUNT; i++)
		write_encoding(vmcs_fields[i].encoding, f[i]);
}

static void any_insn(struct input *in)
{
	static const uint32_t insns[] = {EXIT_VMCALL, EXIT_VMCLEAR, EXIT_VMLAUNCH, EXIT_VMPTRLD,
		EXIT_VMPTRST, EXIT_VMREAD, EXIT_VMRESUME, EXIT_VMWRITE, EXIT_VMXOFF, EXIT_VMXON,
		EXIT_INVEPT, EXIT_INVVPID, EXIT_VMFUNC};

	fake_hw.vmcs01[FID_EXIT_QUALIFICATION] = value(in, WORLD_OPERAND);
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] = take(in, 4);
	world.gpr[byte(in) % 16] = value(in, 0);
	world_insn(insns[byte(in) % 13]);
}

static void scribble(struct input *in)
{
	static const uint64_t pages[] = {0x3000, GOLDEN_VIRTUAL_APIC, 0x6000, 0x8000, 0x9000,
		GOLDEN_LINK, 0x12000, 0x13000, 0xe000, 0x11000, WORLD_PDPT, WORLD_VMCS,
		WORLD_VMCS + PAGE_SIZE, WORLD_PD32};
	uint64_t at = pages[byte(in) % 14] + (uint64_t)byte(in) % 32 * 8;

	fake_write64(at, value(in, fake_read64(at)));
}

/* A chain of EPT12 tables to a page. */
static void map_l2(struct input *in)
{
	unsigned slot = byte(in) % 8;

	fake_write64(0x8000, 0x9000 | 7);
	fake_write64(0x9000, 0x12000 | 7);
	fake_write64(0x12000, 0x13000 | 7);
	fake_write64(0x12008, 0x37 | 1u << 7 | (uint64_t)(byte(in) & 1) << 21);
	fake_write64(0x13000 + slot * 8, value(in, 0x1000) | (byte(in) & 0x37));
}

/* Another root for the same tables: roots that share them, and more than there is room for. */
static void choose_root(struct input *in)
{
	uint64_t root = ROOT_PAGE + byte(in) % ROOTS * PAGE_SIZE;
	uint64_t flags = byte(in) & 1 ? EPTP_AD : 0;

	fake_write64(root, 0x9000 | 7);
	fake_write64(0x6000 + byte(in) % 512 * 8, root | flags | 0x1e); /* an EPTP list */
	world_write_encoding(VMCS_EPT_POINTER, root | flags | 0x1e);
}

static void l1_mode(struct input *in)
{
	uint8_t mode = byte(in);

	if (mode & 0x80) {
		write_field(in);
		return;
	}
	if (mode & 1)
		world_l1_32();
	else
		world_l1_64();
	fake_hw.vmcs01[FID_GUEST_INTERRUPTIBILITY] = mode >> 1 & 3;
	if (mode & 8)
		fake_hw.vmcs01[FID_GUEST_SS_AR] = 0xc0f3;
	if (mode & 16)
		fake_hw.vmcs01[FID_GUEST_CS_AR] = 0xc09b;
}

static void act_as_l1(struct input *in)
{
	switch (byte(in) % 12) {
	case 0:
	case 1:
		pointer_insn(in);
		break;
	case 2:
	case 3:
		write_field(in);
		break;
	case 4:
		read_field(in);
		break;
	case 5:
		write_golden(in);
		break;
	case 6:
		any_insn(in);
		break;
	case 7:
		scribble(in);
		break;
	case 8:
		map_l2(in);
		break;
	case 9:
		if (byte(in) & 0x80)
			choose_root(in);
		else
			l1_mode(in);
		break;
	case 10:
		world_inv(byte(in) & 1 ? EXIT_INVEPT : EXIT_INVVPID, byte(in) % 5,
			value(in, 0x801e), value(in, 0));
		break;
	default:
		world_insn(
			world.n.cur && world.n.cur->launched ? EXIT_VMRESUME : EXIT_VMLAUNCH);
		if (world.n.in_l2)
			theorem_check();
		break;
	}
}

/* Those that nested/ completes, with an operand in EDX:EAX. */
static void choose_msr(struct input *in)
{
	static const uint32_t msrs[] = {MSR_X2APIC_ICR, MSR_SPEC_CTRL, MSR_X2APIC_EOI};

	world.gpr[1] = msrs[byte(in) % 3];
	world.gpr[2] = byte(in) & 1 ? byte(in) & 7u : value(in, 0);
	if (byte(in) & 1)
		world.gpr[0] = byte(in);
}

static void l2_exits(struct input *in)
{
	uint64_t *f02 = world_02();
	uint32_t reason = byte(in) % (EXIT_REASON_COUNT + 2);
	enum nested_verdict verdict;

	nested_timer_value(&world.n, (uint32_t)take(in, 2));
	f02[FID_PREEMPTION_TIMER_VALUE] = take(in, 2);
	f02[FID_ENTRY_INTR_INFO] &= ~(uint64_t)INTR_INFO_VALID;
	f02[FID_EXIT_QUALIFICATION] = value(in, 0);
	f02[FID_EXIT_INTR_INFO] = value(in, 0x80000b0e) & UINT32_MAX;
	f02[FID_IDT_VECTORING_INFO] = value(in, 0) & UINT32_MAX;
	f02[FID_GUEST_PHYSICAL_ADDRESS] = value(in, 0);
	world.gpr[0] = reason == EXIT_VMFUNC ? 0 : value(in, 0);
	world.gpr[1] = value(in, 0);
	if (reason == EXIT_RDMSR || reason == EXIT_WRMSR)
		choose_msr(in);
	if (reason == EXIT_APIC_WRITE)
		f02[FID_EXIT_QUALIFICATION] = byte(in) & 1 ? APIC_ICR : take(in, 2);
	verdict = nested_l2_exit(&world.n, reason);
	assert_true((verdict == NESTED_L1) == !world.n.in_l2);
}

/* L2 changes its own state, as hardware lets it. */
static void l2_runs(struct input *in)
{
	uint64_t *f02 = world_02();

	f02[FID_GUEST_RFLAGS] ^= byte(in) & 1 ? RFLAGS_TF : RFLAGS_IF;
	f02[FID_GUEST_SYSENTER_ESP] = byte(in);
	f02[FID_GUEST_RIP] = take(in, 2);
	f02[FID_GUEST_RSP] = take(in, 2);
	f02[FID_GUEST_DR7] = 0x400 | byte(in);
	f02[FID_GUEST_INTERRUPTIBILITY] = byte(in) & 1 ? INTERRUPTIBILITY_NMI : 0;
}

/* L2 touches memory; hardware would find EPT02 without the translation. */
static void l2_touches_memory(struct input *in)
{
	uint64_t *f02 = world_02();
	uint64_t access = byte(in) % 8;

	f02[FID_EXIT_QUALIFICATION] = (access ? access : 1) | (uint64_t)(byte(in) & 0x1f) << 7;
	f02[FID_IDT_VECTORING_INFO] = byte(in) & 1 ? 0x80000306 : 0;
	f02[FID_GUEST_PHYSICAL_ADDRESS] = take(in, 3);
	f02[FID_ENTRY_INTR_INFO] &= ~(uint64_t)INTR_INFO_VALID;
	nested_l2_exit(&world.n, EXIT_EPT_VIOLATION);
}

/* What L0 looks up in L2's memory for an instruction that it emulates. */
static void l0_reads_l2(struct input *in)
{
	const uint64_t *f02 = world_02();
	struct paging_state s = {.cr0 = f02[FID_GUEST_CR0],
		.cr3 = f02[FID_GUEST_CR3],
		.cr4 = f02[FID_GUEST_CR4],
		.efer = f02[FID_GUEST_EFER],
		.cpl = byte(in) & 3,
		.maxphyaddr = (uint8_t)world.vm.caps.maxphyaddr,
		.eptp12 = world.n.cur->root ? world.n.cur->root->eptp12 : 0};
	uint64_t linear = take(in, 3), v = value(in, 0);
	struct paging_fault fault;
	bool ok;

	switch (byte(in) % 3) {
	case 0:
		ok = paging_read(&world.n, &s, linear, &v, 8, &fault);
		break;
	case 1:
		ok = paging_write(&world.n, &s, linear, &v, 8, &fault);
		break;
	default:
		ok = paging_can_write(&world.n, &s, linear, 8, &fault);
	}
	if (!ok && fault.ept)
		nested_deliver_ept_fault(&world.n, &fault);
}

/* Another EPT02 for a debugger, or the one of all; what is executable there. */
static void debugger_looks(struct input *in)
{
	struct nested *n = &world.n;
	struct vept_root *root;
	uint8_t what = byte(in);

	nested_set_view(n, what & 3);
	n->view_opens = what & 4;
	n->view_code = (struct gpa_l2){take(in, 3)};
	root = n->cur->root;
	if (what & 8)
		vept_view_empty(n, what >> 4 & 3);
	else if (what & 0x10 && root)
		vept_view_close(n, root, root->generation, n->view_code);
}

/* What L0 does in L2's place; no event is queued for L2. */
static void l0_for_l2(struct input *in)
{
	struct nested_event e = {.kind = NESTED_EXCEPTION};
	struct nested *n = &world.n;
	uint8_t what = byte(in);
	uint64_t v = 0;

	world_02()[FID_ENTRY_INTR_INFO] &= ~(uint64_t)INTR_INFO_VALID;
	if (what >= 0xf0) {
		debugger_looks(in);
		return;
	}
	switch (what % 7) {
	case 0:
		l0_reads_l2(in);
		break;
	case 1:
		e.info = byte(in) % 32 | INTR_HW_EXCEPTION << 8 | INTR_INFO_ERROR_CODE;
		e.error_code = byte(in);
		e.qualification = value(in, 0);
		world_event(&e);
		break;
	case 2:
		world_arrives(NESTED_TRIPLE_FAULT);
		break;
	case 3:
		world_arrives(NESTED_MTF);
		break;
	case 4:
		n->tsc_offset = value(in, n->tsc_offset);
		nested_tsc_changed(n, true);
		break;
	case 5:
		nested_l2_cr0_fits(n, value(in, CR0_PE));
		break;
	default:
		nested_rdmsr(n, 0x480 + byte(in) % 24, &v);
	}
}

static void act_as_l2(struct input *in)
{
	uint8_t what = byte(in), vector = byte(in);

	/* Events come after the entry that is under way, and what it delivers, see nested.h. */
	if (!world.n.l2_wait_sipi) {
		world.n.run_pending = false;
		world_02()[FID_ENTRY_INTR_INFO] &= ~(uint64_t)INTR_INFO_VALID;
	}
	switch (what % 6) {
	case 0:
		fake_hw.irq = vector;
		world_arrives(NESTED_INTERRUPT);
		break;
	case 1:
		world_arrives(NESTED_NMI);
		break;
	case 2:
		if (what & 0x80)
			world_arrives(NESTED_INIT);
		else
			world_event(&(struct nested_event){
				.kind = NESTED_SIPI, .sipi_vector = vector});
		break;
	case 3:
		if (world.n.l2_wait_sipi)
			break;
		if (what & 0x80)
			l0_for_l2(in);
		else
			l2_exits(in);
		break;
	case 4:
		if ((what & 0x40) && !world.n.l2_wait_sipi)
			l2_runs(in);
		else
			scribble(in); /* another vCPU of L1 */
		break;
	default:
		if (!world.n.l2_wait_sipi)
			l2_touches_memory(in);
		break;
	}
}

/* While L1 runs the shadow VMCS has what an exit would find; L1 alone writes it. */
static void check_open_fields(void)
{
	const struct nvmcs *v = world.n.cur;

	if (world.n.in_l2 || !v || !v->learned)
		return;
	assert_ptr_equal(fake_hw.bitmaps, &world.n.own[v->hw]);
	for (unsigned i = 0; i < FID_COUNT; i++) {
		enum vmcs_fid fid = (enum vmcs_fid)i;
		uint64_t now = fake_hw.shadow[v->hw][i];

		if (!learn_open(v, fid, false) || learn_open(v, fid, true))
			continue;
		assert_true(now == v->f[i]);
		assert_true(vmcs_fields[i].group != GROUP_RARE || !v->rare_in_02 ||
			    now == fake_hw.vmcs02[v->hw][i]);
	}
}

static void check_promises(void)
{
	const struct nested *n = &world.n;

	vept_check(&world.vm.vept);
	check_open_fields();
	assert_true(!n->in_l2 || (n->vmxon && n->cur));
	assert_ptr_equal(
		fake_hw.current, n->in_l2 ? fake_hw.vmcs02[n->cur->hw] : fake_hw.vmcs01);
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		for (unsigned k = 0; k < i; k++)
			assert_true(n->slot[i].gpa == NVMCS_FREE ||
				    n->slot[i].gpa != n->slot[k].gpa);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	uint8_t first;

	world_reset();
	first = byte(&in);
	world.vm.shadowing = first & 1;
	world.vm.learn_touches = 1 + (first >> 1 & 3);
	world.vm.learn_keep = 8;
	fake_hw.bitmaps = world.n.bitmaps;
	world.vm.explaining = true;
	fake_write32(WORLD_VMCS + 15 * PAGE_SIZE, CAPS_REVISION | BIT(31));
	world_vmptrld(0);
	write_golden(&in);
	while (in.at < in.end && !fake_called("seam_l1_shutdown")) {
		if (world.n.in_l2)
			act_as_l2(&in);
		else
			act_as_l1(&in);
		check_promises();
	}
	return 0;
}
