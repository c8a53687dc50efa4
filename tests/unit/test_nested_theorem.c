/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The theorem of vmcs02_theorem.h over golden VMCS12s and random changes of them that pass L1's
 * checks; and that entering a VMCS12 after changes gives the same VMCS02 as entering it afresh.
 */
#include "nested_world.h"

#include "nested/nested_int.h"
#include "random.h"
#include "vmcs02_theorem.h"

typedef void golden_fn(uint64_t *f);

static golden_fn *const goldens[] = {golden_64bit, golden_32bit, golden_v86, golden_real,
	golden_shadow_paging, golden_apicv, golden_x2apic};

#define GOLDENS (sizeof(goldens) / sizeof(goldens[0]))

static uint64_t seed;

static unsigned below(unsigned n)
{
	return random_below(&seed, n);
}

static int setup(void **state)
{
	(void)state;
	world_reset();
	seed = 0x1234567;
	for (unsigned i = 0; i < 512; i += 7)
		world.msr_bitmap01[i] = random_next(&seed);
	nested_pass_msrs(&world.vm, world.msr_bitmap01);
	for (unsigned i = 0; i < 512; i++)
		fake_write64(0x3000 + i * 8, random_next(&seed));
	return 0;
}

/* L2 exits, L1 takes it, and L1 goes on in a state that is independent of VMCS12. */
static void leave_l2(uint32_t reason)
{
	world.n.run_pending = false;
	world_02()[FID_ENTRY_INTR_INFO] &= ~(uint64_t)INTR_INFO_VALID; /* as hardware does */
	assert_int_equal(nested_l2_exit(&world.n, reason), NESTED_L1);
	assert_false(world.n.in_l2);
	assert_ptr_equal(fake_hw.current, fake_hw.vmcs01);
	world_l1_64();
}

static void golden_vmcs12s_give_a_vmcs02_that_hardware_accepts(void **state)
{
	(void)state;
	for (size_t i = 0; i < GOLDENS; i++) {
		world_enter(goldens[i]);
		theorem_check();
		leave_l2(EXIT_CPUID);
		assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS), VMSUCCEED);
	}
	world_l1_32();
	world_enter(golden_32bit_l1);
	theorem_check();
}

/* ---- found by the random changes, one by one ---- */

static void an_apic_access_page_that_is_no_ram_is_virtualized_too(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	golden_64bit(f);
	world_vmptrld(0);
	world_write_all(f);
	world_write(FID_TPR_THRESHOLD, 5); /* VTPR has class 4 */
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
	theorem_check();
	assert_int_equal(world_02()[FID_TPR_THRESHOLD], 5);
	assert_true(world_02()[FID_PROC2_CONTROLS] & PROC2_APIC_ACCESSES);
	assert_true(world_02()[FID_APIC_ACCESS_ADDR] == WORLD_APIC_HPA);
	leave_l2(EXIT_CPUID);
	world_write(FID_APIC_ACCESS_ADDR, 0x12000);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	theorem_check();
	assert_true(world_02()[FID_APIC_ACCESS_ADDR] == FAKE_HPA_BASE + 0x12000);
}

static void golden_without_apic_page(uint64_t *f)
{
	golden_shadow_paging(f);
	f[FID_PROC2_CONTROLS] &= ~(uint64_t)PROC2_APIC_ACCESSES;
}

/* To ask where RAM is counts as its use, which ends the VM if it is wrong. */
static void only_the_page_that_an_l2_without_ept_accesses_is_asked_for(void **state)
{
	(void)state;
	world_enter(golden_without_apic_page);
	assert_null(world.n.cur->root);
	fake_hw.asked = 0;
	assert_false(nested_apic_access(&world.n, 0, QUAL_READ));
	assert_false(nested_apic_access(&world.n, 0xfee00080, QUAL_READ));
	assert_int_equal(fake_hw.asked, 0);
	leave_l2(EXIT_CPUID);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS), VMSUCCEED);
	world_enter(golden_shadow_paging);
	fake_hw.asked = 0;
	assert_false(nested_apic_access(&world.n, 0xd0000080, QUAL_READ));
	assert_int_equal(fake_hw.asked, 0);
	world.n.run_pending = false;
	assert_true(nested_apic_access(
		&world.n, 0xfee00080, QUAL_READ | QUAL_LINEAR | QUAL_TRANSLATION));
	assert_int_equal(fake_hw.asked, 1);
	assert_int_equal(world_12()[FID_EXIT_REASON], EXIT_APIC_ACCESS);
	assert_int_equal(world_12()[FID_EXIT_QUALIFICATION],
		0x80 | APIC_ACCESS_READ << APIC_ACCESS_TYPE_BIT);
}

static void an_nmi_may_be_injected_while_blocked_without_virtual_nmis(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	golden_64bit(f);
	f[FID_PIN_CONTROLS] &= ~(uint64_t)PIN_VIRTUAL_NMIS;
	f[FID_GUEST_INTERRUPTIBILITY] = INTERRUPTIBILITY_NMI;
	f[FID_ENTRY_INTR_INFO] = INTR_INFO_VALID | INTR_NMI << 8 | VEC_NMI;
	world_vmptrld(0);
	world_write_all(f);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
	theorem_check();
}

static void a_pending_single_step_follows_the_debugctl_that_l2_runs_with(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	golden_64bit(f);
	f[FID_ENTRY_CONTROLS] &= ~(uint64_t)ENTRY_LOAD_DEBUG;
	f[FID_GUEST_DEBUGCTL] = 2; /* BTF, but it is not loaded */
	f[FID_GUEST_RFLAGS] |= RFLAGS_TF;
	f[FID_GUEST_INTERRUPTIBILITY] = INTERRUPTIBILITY_STI;
	world_vmptrld(0);
	world_write_all(f);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
	theorem_check();
	assert_true(world_02()[FID_GUEST_PENDING_DBG] == BIT(14));
}

/* SDM 26.3.2.1: without "load IA32_EFER" LME is that of L1 unless paging is on. */
static void lme_stays_as_l1_has_it_in_an_l2_without_paging(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	golden_real(f);
	f[FID_ENTRY_CONTROLS] &= ~(uint64_t)ENTRY_LOAD_EFER;
	world_vmptrld(0);
	world_write_all(f);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
	theorem_check();
	assert_true((world_02()[FID_GUEST_EFER] & (EFER_LME | EFER_LMA)) == EFER_LME);
	leave_l2(EXIT_CPUID);
	golden_32bit(f);
	f[FID_ENTRY_CONTROLS] &= ~(uint64_t)ENTRY_LOAD_EFER;
	world_write_all(f);
	assert_int_equal(world_insn(EXIT_VMRESUME), ENTERED);
	theorem_check();
	assert_true((world_02()[FID_GUEST_EFER] & (EFER_LME | EFER_LMA)) == 0);
}

/* The event of an entry that failed in its MSR list came with the next entry. */
static void an_entry_that_fails_in_its_msr_list_leaves_no_event(void **state)
{
	uint64_t f[FID_COUNT];

	(void)state;
	golden_64bit(f);
	world_vmptrld(0);
	world_write_all(f);
	world_write(FID_ENTRY_INTR_INFO, INTR_INFO_VALID | INTR_EXTERNAL << 8 | 0x30);
	fake_write64(0x6030, MSR_FS_BASE);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTRY_FAILED);
	world_l1_64();
	assert_int_equal(world_read(FID_EXIT_REASON), EXIT_MSR_LOADING | 0x80000000);
	assert_int_equal(world_read(FID_EXIT_QUALIFICATION), 2);
	world_write(FID_ENTRY_INTR_INFO, 0);
	world_write(FID_ENTRY_MSR_LOAD_COUNT, 0);
	assert_int_equal(world_insn(EXIT_VMLAUNCH), ENTERED);
	assert_false(world_02()[FID_ENTRY_INTR_INFO] & INTR_INFO_VALID);
}

/* ---- random changes ---- */

struct change {
	enum vmcs_fid fid;
	uint64_t old;
};

static const uint64_t interesting[] = {0, 1, UINT64_MAX, 0x1000, 0x5000, 0xb000, GOLDEN_CURRENT,
	0xfee00000, 1ull << 45, 1ull << 46, 0x7fffffffffff, 0x800000000000, 0xffff800000000000,
	0xffffffff, 0x80000000, 0x400, 0x202, 0x10202, 0x302, 0x80000b0e, 0x80000202,
	0x80000080, 0x80000700, 0x80000603};

static uint64_t changed_value(enum vmcs_fid fid, uint64_t old)
{
	uint64_t f[FID_COUNT];

	switch (below(8)) {
	case 0:
		return random_next(&seed);
	case 1:
		return interesting[below(sizeof(interesting) / sizeof(interesting[0]))];
	case 2:
		goldens[below(GOLDENS)](f);
		return f[fid];
	case 3:
		return (uint64_t)below(FAKE_RAM_SIZE / PAGE_SIZE) * PAGE_SIZE;
	default:
		return old ^
		       1ull << below(vmcs_value_mask(vmcs_fields[fid].encoding) == UINT64_MAX
					     ? 64
					     : 32);
	}
}

/* Fields of which a change is more telling are chosen as often as all others. */
static enum vmcs_fid random_field(void)
{
	static const uint16_t often[] = {FID_PIN_CONTROLS, FID_PROC_CONTROLS,
		FID_PROC2_CONTROLS, FID_EXIT_CONTROLS, FID_ENTRY_CONTROLS, FID_ENTRY_INTR_INFO,
		FID_GUEST_INTERRUPTIBILITY, FID_GUEST_ACTIVITY_STATE, FID_GUEST_RFLAGS,
		FID_GUEST_PENDING_DBG, FID_GUEST_DEBUGCTL, FID_GUEST_CR0, FID_GUEST_CR4,
		FID_GUEST_EFER, FID_EPT_POINTER, FID_VPID, FID_TPR_THRESHOLD,
		FID_APIC_ACCESS_ADDR, FID_VIRTUAL_APIC_ADDR, FID_VMCS_LINK_POINTER};

	if (below(2))
		return (enum vmcs_fid)often[below(sizeof(often) / sizeof(often[0]))];
	return (enum vmcs_fid)below(FID_COUNT);
}

static unsigned change_some(struct change *changes)
{
	unsigned count = 1 + below(4);

	for (unsigned i = 0; i < count; i++) {
		enum vmcs_fid fid = random_field();

		changes[i] = (struct change){fid, world_read(fid)};
		world_write(fid, changes[i].fid == FID_EXIT_MSR_STORE_ADDR
					 ? changes[i].old /* keep RAM as it is */
					 : changed_value(fid, changes[i].old));
	}
	return count;
}

static void undo(const struct change *changes, unsigned count)
{
	while (count--)
		world_write(changes[count].fid, changes[count].old);
}

static enum world_outcome enter(void)
{
	enum world_outcome o =
		world_insn(world.n.cur->launched ? EXIT_VMRESUME : EXIT_VMLAUNCH);

	if (o == ENTRY_FAILED) {
		uint32_t reason = (uint32_t)world.n.cur->f[FID_EXIT_REASON];

		assert_true(reason == 0x80000021 || reason == 0x80000022);
		world_l1_64();
	} else if (o != ENTERED) {
		assert_int_equal(o, VMFAIL);
		assert_true(world.error == VMERR_ENTRY_CONTROLS ||
			    world.error == VMERR_ENTRY_HOST_STATE);
	}
	return o;
}

static void start_from(golden_fn *golden)
{
	uint64_t f[FID_COUNT];

	golden(f);
	world_host(f);
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS), VMSUCCEED);
	world_vmptrld(0);
	world_write_all(f);
}

static void vmcs02_of_any_accepted_vmcs12_satisfies_hardware_and_l0(void **state)
{
	unsigned entered = 0;

	(void)state;
	world_vmxon();
	for (unsigned i = 0; i < 20000; i++) {
		struct change changes[4];
		unsigned count;

		if (i % 50 == 0)
			start_from(goldens[i / 50 % GOLDENS]);
		count = change_some(changes);
		if (enter() == ENTERED) {
			entered++;
			theorem_check();
			leave_l2(EXIT_VMCALL);
		} else {
			undo(changes, count);
		}
	}
	assert_true(entered > 5000);
}

/* ---- the same VMCS02 from scratch ---- */

#define POISON 0x5a5a5a5a5a5a5a5aull

static bool depends_on_history(unsigned fid)
{
	switch (fid) {
	case FID_PREEMPTION_TIMER_VALUE:
		return true;
	default:
		return vmcs_fields[fid].group == GROUP_INFO;
	}
}

/* Enters a copy of the VMCS12 that never was entered before, on a VMCS02 of rubbish. */
static void enter_afresh(const uint64_t *f12, uint64_t *f02)
{
	assert_int_equal(world_pointer(EXIT_VMCLEAR, WORLD_VMCS + PAGE_SIZE), VMSUCCEED);
	world_vmptrld(1);
	world_write_all(f12);
	for (unsigned i = 0; i < FID_COUNT; i++)
		world_02()[i] = POISON;
	assert_int_equal(enter(), ENTERED);
	memcpy(f02, world_02(), FID_COUNT * sizeof(*f02));
	leave_l2(EXIT_VMCALL);
	world_vmptrld(0);
}

static void entering_after_changes_is_the_same_as_entering_afresh(void **state)
{
	uint64_t f12[FID_COUNT], fresh[FID_COUNT];
	unsigned entered = 0;

	(void)state;
	world_vmxon();
	for (unsigned i = 0; i < 1500; i++) {
		struct change changes[4];
		unsigned count;

		if (i % 50 == 0)
			start_from(goldens[i / 50 % GOLDENS]);
		count = change_some(changes);
		for (unsigned k = 0; k < FID_COUNT; k++)
			f12[k] = world_read((enum vmcs_fid)k);
		if (enter() != ENTERED) {
			undo(changes, count);
			continue;
		}
		entered++;
		leave_l2(EXIT_VMCALL);
		/* What the exit changed is put back, so that the entry is repeated. */
		for (unsigned k = 0; k < FID_COUNT; k++)
			if (vmcs_type(vmcs_fields[k].encoding) != VMCS_TYPE_INFO &&
				world_read((enum vmcs_fid)k) != f12[k])
				world_write((enum vmcs_fid)k, f12[k]);
		enter_afresh(f12, fresh);
		assert_int_equal(enter(), ENTERED);
		for (unsigned k = 0; k < FID_COUNT; k++) {
			uint64_t mask = vmcs_value_mask(vmcs_fields[k].encoding);

			if (!depends_on_history(k) && fresh[k] != POISON &&
				world_02()[k] != (fresh[k] & mask))
				fail_msg("round %u: %s is %#lx, afresh %#lx", i,
					vmcs_fields[k].name, world_02()[k], fresh[k]);
		}
		leave_l2(EXIT_VMCALL);
	}
	assert_true(entered > 300);
}

/* ---- the rules, bit by bit ---- */

enum merge_class {
	CLASS_FROM12,
	CLASS_EITHER,
	CLASS_SET,
	CLASS_CLEAR,
	CLASS_L0
};

struct rule {
	enum vmcs_fid word;
	uint32_t bit;
	enum merge_class class;
};

static const struct rule rules[] = {
#define B(word, bit, class, why) {FID_##word##_CONTROLS, bit, CLASS_##class},
#include "nested/merge_controls.def"
};

static uint32_t ruled(enum vmcs_fid word, uint32_t c01, uint32_t c12)
{
	uint32_t c02 = c01;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *r = &rules[i];
		bool on[] = {[CLASS_FROM12] = c12 & r->bit,
			[CLASS_EITHER] = (c01 | c12) & r->bit,
			[CLASS_SET] = true,
			[CLASS_CLEAR] = false};

		if (r->word == word)
			c02 = on[r->class] ? c02 | r->bit : c02 & ~r->bit;
	}
	return c02;
}

/*
 * A word is merged by bitwise operations, so each bit of the result depends on the same bit of
 * the two inputs only: four evaluations cover all inputs.
 */
static void every_control_bit_follows_its_rule(void **state)
{
	static const uint32_t values[] = {0, UINT32_MAX};
	struct nvmcs *v;

	(void)state;
	world.vm.shadowing = true;
	world_enter(golden_64bit);
	v = world.n.cur;
	v->link = NULL;
	for (unsigned k = 0; k < 4; k++) {
		uint32_t c01 = values[k & 1], c12 = values[k >> 1], proc;

		world.vm.l0.pin = world.vm.l0.proc = world.vm.l0.proc2 = c01;
		world.vm.l0.exit = world.vm.l0.entry = c01;
		v->f[FID_PIN_CONTROLS] = v->f[FID_PROC2_CONTROLS] = c12;
		v->f[FID_EXIT_CONTROLS] = v->f[FID_ENTRY_CONTROLS] = c12;
		v->f[FID_PROC_CONTROLS] = c12 | PROC_SECONDARY;
		v->f[FID_APIC_ACCESS_ADDR] = 0x12000;
		v->f[FID_TSC_MULTIPLIER] = 1;
		merge_controls_all(&world.n, v);
		merge_controls_hot(&world.n, v);
		assert_int_equal(
			world_02()[FID_PIN_CONTROLS], ruled(FID_PIN_CONTROLS, c01, c12));
		assert_int_equal(
			world_02()[FID_PROC2_CONTROLS], ruled(FID_PROC2_CONTROLS, c01, c12));
		assert_int_equal(
			world_02()[FID_EXIT_CONTROLS], ruled(FID_EXIT_CONTROLS, c01, c12));
		assert_int_equal(
			world_02()[FID_ENTRY_CONTROLS], ruled(FID_ENTRY_CONTROLS, c01, c12));
		proc = ruled(FID_PROC_CONTROLS, c01, c12);
		if (!(c12 & PROC_TPR_SHADOW))
			proc |= PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING;
		assert_int_equal(world_02()[FID_PROC_CONTROLS], proc);
	}
}

static void no_bit_has_two_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		for (size_t k = 0; k < i; k++)
			assert_false(rules[i].word == rules[k].word &&
				     (rules[i].bit & rules[k].bit));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(golden_vmcs12s_give_a_vmcs02_that_hardware_accepts),
		T(an_apic_access_page_that_is_no_ram_is_virtualized_too),
		T(only_the_page_that_an_l2_without_ept_accesses_is_asked_for),
		T(an_nmi_may_be_injected_while_blocked_without_virtual_nmis),
		T(a_pending_single_step_follows_the_debugctl_that_l2_runs_with),
		T(lme_stays_as_l1_has_it_in_an_l2_without_paging),
		T(an_entry_that_fails_in_its_msr_list_leaves_no_event),
		T(vmcs02_of_any_accepted_vmcs12_satisfies_hardware_and_l0),
		T(entering_after_changes_is_the_same_as_entering_afresh),
		T(every_control_bit_follows_its_rule),
		T(no_bit_has_two_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
