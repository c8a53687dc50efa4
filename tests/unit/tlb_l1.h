/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The L1 of tlb_world.h: what it does to its tables, its VMCSs and the caches of what it takes
 * for its processors. Each function is an exit of the vCPU to L0, or more.
 */
#ifndef NESTOR_TESTS_TLB_L1_H
#define NESTOR_TESTS_TLB_L1_H

#include "tlb_world.h"

#define OPERAND 0x30000ull

/* Four VMCSs: L2s share tables, with and without flags. */
static const uint64_t eptps12[VMCSS] = {ROOT_A | EPTP_WALK_4 | 6,
	ROOT_A | EPTP_WALK_4 | EPTP_AD | 6, ROOT_B | EPTP_WALK_4 | 6, ROOT_B | EPTP_WALK_4 | 6};

static void use_host_state(uint64_t *f)
{
	golden_host(f);
	f[FID_HOST_CR4] = CR4_PAE | CR4_VMXE;
}

/* An instruction of L1's, by information of the exit. */
static void instruction(unsigned v, uint32_t reason, uint32_t info)
{
	fake.call_count = 0;
	fake_hw.vmcs01[FID_GUEST_RFLAGS] = RFLAGS_FIXED;
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_INFO] = info;
	fake_hw.vmcs01[FID_EXIT_INSTRUCTION_LENGTH] = 3;
	fake_hw.vmcs01[FID_EXIT_QUALIFICATION] = 0;
	nested_vmx_insn(nested(v), reason);
	assert_false(fake_hw.vmcs01[FID_GUEST_RFLAGS] & (RFLAGS_CF | RFLAGS_ZF));
	assert_int_equal(fake_called("seam_inject"), 0);
}

static void instruction_m64(unsigned v, uint32_t reason, uint64_t value)
{
	gprs[v][0] = OPERAND;
	fake_write64(OPERAND, value);
	instruction(v, reason, 2u << 7 | 3u << 15 | BIT(22));
}

/* INVEPT and INVVPID: a type in a register, 128 bits in memory. */
static void instruction_inv(unsigned v, uint32_t reason, uint64_t type, uint64_t what)
{
	gprs[v][0] = OPERAND;
	gprs[v][1] = type;
	fake_write64(OPERAND, what);
	fake_write64(OPERAND + 8, 0);
	instruction(v, reason, 2u << 7 | 3u << 15 | BIT(22) | 1u << 28);
}

/* ---- L2s ---- */

/* Where L1's exits go on is no matter here. */
static void restore_l1(void)
{
	fake_hw.vmcs01[FID_GUEST_CR0] = CR0_PE | CR0_NE;
	fake_hw.vmcs01[FID_GUEST_CR3] = 0;
	fake_hw.vmcs01[FID_GUEST_CR4] = CR4_VMXE | CR4_PAE;
	fake_hw.vmcs01[FID_GUEST_EFER] = EFER_LMA | EFER_LME;
	fake_hw.vmcs01[FID_GUEST_CS_AR] = 0xa09b;
	fake_hw.vmcs01[FID_GUEST_SS_AR] = 0xc093;
	fake_hw.vmcs01[FID_GUEST_RFLAGS] = RFLAGS_FIXED;
	fake_hw.vmcs01[FID_GUEST_INTERRUPTIBILITY] = 0;
	fake_hw.vmcs01[FID_GUEST_PAT] = GOLDEN_PAT;
	fake_hw.vmcs01[FID_GUEST_DR7] = 0x400;
}

static void without_vpid(unsigned v)
{
	if (w.run[v].origin.vpid12 == 0)
		ref.transition[v] = w.l1_dropped[v] = ++ref.now;
}

static void left_l2(unsigned v)
{
	assert_false(nested(v)->in_l2);
	restore_l1();
	without_vpid(v);
}

/* With L0 at work for it: in L1, whatever it was in. */
static void to_l1(unsigned v)
{
	if (!nested(v)->in_l2)
		return;
	fake_hw.current[FID_EXIT_INSTRUCTION_LENGTH] = 3;
	assert_int_equal(nested_l2_exit(nested(v), EXIT_VMCALL), NESTED_L1);
	left_l2(v);
}

static void enter_l2(unsigned v, unsigned k)
{
	struct nested *n = nested(v);
	struct running *r = &w.run[v];
	bool apic = n->cur->f[FID_PROC2_CONTROLS] & PROC2_APIC_ACCESSES;

	r->vmcs = k;
	r->eptp12 = eptps12[k];
	r->origin = (struct tlb_origin){.vm = ref.vm,
		.vcpu = v,
		.vpid12 = w.vpid12[k],
		.ep4ta12 = eptps12[k] & EPT_ADDRESS,
		.apic = apic ? FAKE_HPA_BASE + APIC : 0};
	without_vpid(v);
	instruction(v, n->cur->launched ? EXIT_VMRESUME : EXIT_VMLAUNCH, 0);
	assert_true(n->in_l2);
	r->vpid = (uint16_t)fake_hw.current[FID_VPID];
	r->eptp = fake_hw.current[FID_EPT_POINTER];
}

/* More of them than a vCPU has of the machine's, or none. */
static void choose_vpid(unsigned v, unsigned k)
{
	uint64_t *f = nested(v)->cur->f;

	w.vpid12[k] = below(4) ? (uint16_t)below(REF_VPIDS) : 1;
	f[FID_VPID] = w.vpid12[k];
	f[FID_PROC2_CONTROLS] &= ~(uint64_t)PROC2_ENABLE_VPID;
	if (w.vpid12[k] != 0)
		f[FID_PROC2_CONTROLS] |= PROC2_ENABLE_VPID;
	nested(v)->cur->dirty = nested(v)->cur->unchecked = UINT8_MAX;
}

/* L1 takes a VMCS to the vCPU; it is in L1. */
static void take_vmcs(unsigned v, unsigned k)
{
	unsigned u = w.owner[k];

	if (u != v && u != NOBODY) {
		end(v);
		begin(u);
		to_l1(u);
		instruction_m64(u, EXIT_VMCLEAR, VMCS12 + k * PAGE_SIZE);
		end(u);
		begin(v);
		to_l1(v);
	}
	instruction_m64(v, EXIT_VMPTRLD, VMCS12 + k * PAGE_SIZE);
	if (u == NOBODY) {
		memcpy(nested(v)->cur->f, golden, sizeof(golden));
		nested(v)->cur->f[FID_EPT_POINTER] = eptps12[k];
		choose_vpid(v, k);
	}
	w.owner[k] = v;
}

/* L1 makes its APIC-access page this one, or has none, and does what 29.4.5 asks for. */
static void toggle_apic(unsigned v)
{
	struct nvmcs *c = nested(v)->cur;
	unsigned root = ref_root_of(c->f[FID_EPT_POINTER] & EPT_ADDRESS);

	c->f[FID_PROC2_CONTROLS] ^= PROC2_APIC_ACCESSES;
	c->dirty = c->unchecked = UINT8_MAX;
	instruction_inv(v, EXIT_INVEPT, INVEPT_SINGLE, c->f[FID_EPT_POINTER]);
	ref.invept[v][root] = ++ref.now;
}

static void run_l2_of(unsigned v, unsigned k)
{
	begin(v);
	to_l1(v);
	take_vmcs(v, k);
	if (!w.still && below(8) == 0)
		toggle_apic(v);
	if (!w.still && below(4) == 0)
		choose_vpid(v, k);
	enter_l2(v, k);
	end(v);
}

static void run_l2(unsigned v)
{
	run_l2_of(v, below(VMCSS));
}

/* What L0 does when EPT12 leads nowhere: it completes the access, or has a page there. */
static void nowhere(unsigned v, uint64_t gpa)
{
	struct nested *n = nested(v);
	const struct vept_void at = {{gpa}, n->no_ram};

	switch (w.still ? 0 : below(3)) {
	case 0:
		(void)vept_map_scratch(n, n->cur->root, &at);
		break;
	case 1:
		(void)vept_map_ones(n, n->cur->root, &at);
		break;
	default:
		break;
	}
}

static void violate(unsigned v, uint64_t linear, uint64_t gpa, uint64_t right)
{
	enum nested_verdict verdict;

	w.violations++;
	tlb_violation(
		&w.tlb[cpu_of(v)], w.run[v].vpid, w.run[v].eptp & EPT_ADDRESS, linear, gpa);
	begin(v);
	fake_hw.current[FID_EXIT_QUALIFICATION] = right | 0x180;
	fake_hw.current[FID_GUEST_PHYSICAL_ADDRESS] = gpa;
	fake_hw.current[FID_GUEST_LINEAR_ADDRESS] = linear << PAGE_SHIFT;
	verdict = nested_l2_exit(nested(v), EXIT_EPT_VIOLATION);
	if (verdict == NESTED_L0)
		nowhere(v, gpa);
	if (verdict == NESTED_L1)
		left_l2(v);
	end(v);
}

static void touch_at(unsigned v, uint64_t linear, uint64_t right)
{
	uint64_t gpa;

	if (!access_l2(v, cpu_of(v), linear, right, &gpa))
		violate(v, linear, gpa, right);
}

/* L2 runs for a while. */
static void touch(unsigned v)
{
	static const uint64_t rights[] = {EPT_READ, EPT_READ, EPT_WRITE, EPT_EXEC};

	for (unsigned i = 0; i < 4 && nested(v)->in_l2 && cpu_of(v) != NOBODY; i++)
		touch_at(v, below(LINEARS), rights[below(4)]);
}

/* L1's own accesses: combined mappings with EPT01, which an exit without VPID drops. */
static void touch_l1(unsigned v)
{
	struct tlb_entry e = {.kind = TLB_COMBINED,
		.vpid = nested(v)->vpid01,
		.ep4ta = EPTP01 & EPT_ADDRESS,
		.linear = below(LINEARS),
		.origin = {.vm = ref.vm, .vcpu = v}};
	struct tlb *t;

	begin(v);
	to_l1(v);
	end(v);
	t = &w.tlb[w.cpu];
	for (unsigned i = 0; i < t->used; i++)
		if (t->at[i].kind == TLB_COMBINED && t->at[i].vpid == e.vpid &&
			t->at[i].ep4ta == e.ep4ta) {
			assert_int_equal(t->at[i].origin.vm, ref.vm);
			assert_int_equal(t->at[i].origin.vcpu, v);
			assert_true(t->at[i].origin.time > w.l1_dropped[v]);
		}
	e.origin.time = ++ref.now;
	tlb_add(t, &e);
}

/* ---- L1's tables ---- */

/* An EPT violation of the L1 that runs there: EPT01 lets it read the page only. */
static void l1_is_refused(uint64_t gpa)
{
	unsigned v = w.here[w.writes];

	w.refused++;
	w.here[w.writes] = NOBODY;
	w.cpu = w.writes;
	load(v);
	vept_open_table(nested(v), (struct gpa_l1){gpa});
	end(v);
}

/* What EPT01 allows is cached, and may be so for longer. */
static void l1_reads(unsigned cpu, uint64_t at)
{
	uint64_t word = fake.written[at / PAGE_SIZE];

	if (word == 0 || word & EPT_WRITE) /* it is watched, or not */
		w.writable[cpu][at / PAGE_SIZE] = true;
}

/*
 * A processor that has EPT01's dirty flag cached as set writes without looking again; one that
 * has the page as writable sets the flag, and looks no more than that.
 */
static void l1_writes(unsigned cpu, uint64_t at, uint64_t entry)
{
	bool *dirty = &w.dirty[cpu][at / PAGE_SIZE];

	ref_past(at, fake_read64(at));
	w.writes = cpu;
	if (*dirty || w.writable[cpu][at / PAGE_SIZE]) {
		memcpy(fake.ram + at, &entry, sizeof(entry));
		fake.written[at / PAGE_SIZE] |= *dirty ? 0 : FAKE_WRITTEN;
	} else {
		fake_write64(at, entry);
	}
	*dirty = true;
}

static uint64_t some_target(void)
{
	switch (below(8)) {
	case 0:
		return FAKE_DEVICE + (uint64_t)below(4) * PAGE_SIZE;
	case 1:
		return 0x40000000 + (uint64_t)below(4) * PAGE_SIZE; /* nothing */
	case 2:
		return APIC;
	default:
		return 0x800000 + (uint64_t)below(16) * PAGE_SIZE;
	}
}

static uint64_t some_rights(void)
{
	static const uint64_t rights[] = {0, 1, 3, 5, 7, 7, 7, 7};

	return rights[below(8)];
}

static void change_tables(unsigned v)
{
	uint64_t flags = below(2) ? EPT_ACCESSED | EPT_DIRTY : 0;
	unsigned c;

	begin(v);
	to_l1(v);
	end(v);
	c = cpu_of(v);
	l1_reads(c, below(2) ? PD0 : PT0 + below(2) * PAGE_SIZE);
	switch (below(8)) {
	case 0:
		l1_writes(c, PD0 + below(2) * 8,
			below(2) ? (uint64_t)(4 + below(8)) << 21 | EPT_WB | EPT_LARGE |
					   EPT_RWX | flags
				 : (PT0 + below(2) * PAGE_SIZE) | some_rights());
		break;
	case 1:
		l1_writes(c, below(2) ? ROOT_A : ROOT_B, PDPT | some_rights());
		break;
	default:
		l1_writes(c, PT0 + below(2) * PAGE_SIZE + below(4) * 8,
			some_target() | EPT_WB | some_rights() | flags);
		break;
	}
}

/* An address whose walk uses few entries of each table. */
static uint64_t some_gpa(void)
{
	return (uint64_t)below(2) << 21 | (uint64_t)below(4) << PAGE_SHIFT;
}

#endif
