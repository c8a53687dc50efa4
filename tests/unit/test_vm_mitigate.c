/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What L0 executes against vulnerabilities of speculative execution, on processors with
 * simulated CPUID and MSRs: each write of an MSR and the flags by which the way into guests
 * takes its detour, beside what the table of mitigations says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/asm.h"
#include "cpu/branches.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/percpu.h"
#include "policy/cpuid.h"
#include "vm/mitigate.h"
#include "vm/nested_hw.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"
#include "vmx/stub.h"

#define WRITES 64u
#define FIELDS 16u

struct machine_model {
	uint32_t signature, features, ebx, more;
	uint64_t arch_caps, tsx, mcu;
	unsigned threads;
};

_Thread_local struct percpu *hw_cpu;
static struct machine_model model;
static struct {
	uint32_t msr;
	uint64_t value;
} writes[WRITES];
static unsigned write_count, guarded_exits, cleared_histories, made_direct;
static struct hw_vmcs *current;
static struct percpu cpu;
static struct l0_config config;
static struct vm vm;
static struct vcpu vcpu;
static struct cpuid_table cpuid_table;
static struct nested_hw nested_hw;
static uint64_t bitmap[512], x2_bitmap[512], pages[2][512];
static unsigned page_count, pages_given;
static struct {
	struct hw_vmcs *vmcs;
	uint64_t field, value;
} fields[FIELDS * 8];
static unsigned field_count;

/* ---- what it calls ---- */

struct cpuid_regs hw_cpuid(uint32_t leaf, uint32_t subleaf)
{
	switch (leaf) {
	case 0:
		return (struct cpuid_regs){0x1f, 0x756e6547, 0x6c65746e, 0x49656e69};
	case 1:
		return (struct cpuid_regs){.eax = model.signature};
	case 7:
		if (subleaf == 2)
			return (struct cpuid_regs){.edx = model.more};
		return (struct cpuid_regs){2, model.ebx, 0, model.features};
	case 0xb:
		return (struct cpuid_regs){model.threads > 1, model.threads, 0x100, 0};
	default:
		return (struct cpuid_regs){0};
	}
}

uint64_t hw_rdmsr(uint32_t msr)
{
	switch (msr) {
	case MSR_ARCH_CAPABILITIES:
		assert_true(model.features & 1u << 29);
		return model.arch_caps;
	case MSR_TSX_CTRL:
		return model.tsx;
	case MSR_MCU_OPT_CTRL:
		return model.mcu;
	default:
		fail_msg("RDMSR %#x", msr);
		return 0;
	}
}

/* An MSR that this processor has not would be #GP. */
void hw_wrmsr(uint32_t msr, uint64_t value)
{
	switch (msr) {
	case MSR_SPEC_CTRL:
	case MSR_PRED_CMD:
		assert_true(model.features & 1u << 26);
		break;
	case MSR_FLUSH_CMD:
		assert_true(model.features & 1u << 28);
		break;
	case MSR_TSX_CTRL:
		assert_true(model.arch_caps & ARCH_CAP_TSX_CTRL);
		break;
	case MSR_MCU_OPT_CTRL:
		assert_true(model.features & 1u << 9 || model.arch_caps & ARCH_CAP_GDS_CTRL);
		break;
	default:
		fail_msg("WRMSR %#x", msr);
	}
	assert_true(write_count < WRITES);
	writes[write_count].msr = msr;
	writes[write_count++].value = value;
}

void hw_vmwrite(uint64_t encoding, uint64_t v)
{
	assert_true(field_count < sizeof(fields) / sizeof(fields[0]));
	fields[field_count].vmcs = current;
	fields[field_count].field = encoding;
	fields[field_count++].value = v;
}

void hw_vmcs_load(struct hw_vmcs *v)
{
	current = v;
}

void vmx_guard_exits(bool history)
{
	guarded_exits++;
	cleared_histories += history;
}

void branches_make_direct(void)
{
	made_direct++;
}

unsigned branches_count(void)
{
	return 1;
}

const struct l0_config *l0_config(void)
{
	return &config;
}

void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

void spin_lock(struct spinlock *lock)
{
	(void)lock;
}

void spin_unlock(struct spinlock *lock)
{
	(void)lock;
}

void *pool_get(struct page_pool *pool)
{
	(void)pool;
	return pages_given < page_count ? pages[pages_given++] : NULL;
}

/* ---- a machine, and a vCPU on it ---- */

#define MICROCODE (1u << 10 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 31)
#define CAPS      (1u << 29)

static const struct machine_model old_skylake = {.signature = 0x50654},
				  skylake = {.signature = 0x50654,
					  .features = MICROCODE | CAPS,
					  .ebx = 1u << 5,
					  .arch_caps = ARCH_CAP_RSBA | ARCH_CAP_GDS_CTRL,
					  .mcu = MCU_OPT_GDS_DIS,
					  .threads = 2},
				  cascade = {.signature = 0x50657,
					  .features = MICROCODE | CAPS,
					  .arch_caps = ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL |
						       ARCH_CAP_MDS_NO | ARCH_CAP_TSX_CTRL |
						       ARCH_CAP_FB_CLEAR},
				  sapphire = {.signature = 0x806f8,
					  .features = MICROCODE | CAPS,
					  .more = 1u << 4,
					  .arch_caps = ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL |
						       ARCH_CAP_MDS_NO | ARCH_CAP_TAA_NO |
						       ARCH_CAP_PBRSB_NO};

static struct mitigations table_of(const struct machine_model *m)
{
	struct speculation_facts f = {.signature = m->signature,
		.features = m->features,
		.arch_caps = m->arch_caps,
		.intel = true,
		.gather = m->ebx & 1u << 5,
		.bhi_ctrl = m->more & 1u << 4,
		.threads = m->threads > 1};
	struct mitigations t;

	mitigations_judge(&f, config.mitigations, &t);
	return t;
}

static struct mitigations start(const struct machine_model *m, enum mitigation_mode mode)
{
	hw_cpu = &cpu;
	cpu = (struct percpu){.self = &cpu};
	model = *m;
	config.mitigations = mode;
	write_count = guarded_exits = cleared_histories = made_direct = 0;
	field_count = pages_given = 0;
	page_count = 2;
	mitigate_judge();
	mitigate_init();
	mitigate_cpu();
	return table_of(m);
}

static void make_vcpu(bool vmx)
{
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(bitmap, 0xff, sizeof(bitmap));
	memset(x2_bitmap, 0xff, sizeof(x2_bitmap));
	memset(&cpuid_table, 0, sizeof(cpuid_table));
	cpuid_table.l.basic[CPUID_LEAF_FEATURES].edx = model.features;
	cpuid_table.l.features[1].edx = model.more;
	vm.config.vmx = vmx;
	vm.config.cpus = 1;
	vm.msr_bitmap = bitmap;
	vm.apicv.on = true;
	vm.apicv.msr_bitmap = x2_bitmap;
	vm.vcpus[0] = &vcpu;
	vcpu.vm = &vm;
	vcpu.cpuid = &cpuid_table;
	vcpu.nested_hw = &nested_hw;
	vcpu.vmcs = current = &vcpu.vmcs01;
	nested_hw.vmcs02[1].page = pages;
	field_count = 0;
	mitigate_vcpu_create(&vcpu);
	write_count = 0;
}

/* The last value of a field of a VMCS; 0: it was never written. */
static uint64_t field_of(const struct hw_vmcs *v, uint64_t field)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < field_count; i++)
		if (fields[i].vmcs == v && fields[i].field == field)
			value = fields[i].value;
	return value;
}

static bool wrote(uint32_t msr, uint64_t value)
{
	for (unsigned i = 0; i < write_count; i++)
		if (writes[i].msr == msr && writes[i].value == value)
			return true;
	return false;
}

/* ---- tests ---- */

static void check_cpu(const struct machine_model *m, enum mitigation_mode mode)
{
	struct mitigations t = start(m, mode);
	uint64_t host = mitigations_host_spec_ctrl(&t);

	assert_int_equal(
		guarded_exits != 0, (t.actions & (MITIGATION_FILL_RSB | MITIGATION_CLEAR_REGS |
							 MITIGATION_CLEAR_HISTORY)) != 0);
	assert_int_equal(cleared_histories, (t.actions & MITIGATION_CLEAR_HISTORY) != 0);
	assert_int_equal(made_direct, !(t.actions & MITIGATION_THUNKS));
	assert_int_equal(mitigate_small_code(), (t.actions & MITIGATION_SMALL_CODE) != 0);
	assert_int_equal(
		(cpu.guards & DETOUR_FLUSH) != 0, (t.actions & MITIGATION_FLUSH_L1D) != 0);
	assert_int_equal(
		(cpu.guards & DETOUR_BARRIER) != 0, (t.actions & MITIGATION_BARRIER) != 0);
	assert_int_equal(cpu.detour, t.actions & MITIGATION_CLEAR_BUFFERS ? DETOUR_CLEAR : 0);
	assert_int_equal(wrote(MSR_SPEC_CTRL, host), host != 0);
	assert_int_equal(wrote(MSR_TSX_CTRL, TSX_CTRL_RTM_DISABLE | TSX_CTRL_CPUID_CLEAR),
		(t.actions & MITIGATION_TSX_OFF) != 0);
	assert_int_equal(wrote(MSR_MCU_OPT_CTRL, 0),
		(t.actions & MITIGATION_MCU_OPT) != 0 && m->mcu != 0);
}

static void each_processor_is_set_up_as_the_table_says(void **state)
{
	static const struct machine_model *const all[] = {
		&old_skylake, &skylake, &cascade, &sapphire};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		for (unsigned mode = 0; mode < 3; mode++)
			check_cpu(all[i], (enum mitigation_mode)mode);
}

static void code_pages_are_small_where_asked_for(void **state)
{
	(void)state;
	config.code_pages = L0_CODE_PAGES_SMALL;
	(void)start(&old_skylake, MITIGATIONS_OFF);
	assert_true(mitigate_small_code());
	config.code_pages = L0_CODE_PAGES_LARGE;
	(void)start(&old_skylake, MITIGATIONS_AUTO);
	assert_false(mitigate_small_code());
	config.code_pages = L0_CODE_PAGES_AUTO;
}

static void branches_stay_in_thunks_where_asked_for_or_needed(void **state)
{
	(void)state;
	(void)start(&cascade, MITIGATIONS_AUTO);
	assert_int_equal(made_direct, 0);
	(void)start(&cascade, MITIGATIONS_OFF);
	assert_int_equal(made_direct, 1);
	(void)start(&sapphire, MITIGATIONS_AUTO);
	assert_int_equal(made_direct, 1);
	config.branches = L0_BRANCHES_THUNKS;
	(void)start(&sapphire, MITIGATIONS_AUTO);
	assert_int_equal(made_direct, 0);
	config.branches = L0_BRANCHES_AUTO;
}

/* Whatever L0 does about it: a guest is told what the processor is. */
static void l1_is_told_of_what_the_processor_is_free_of(void **state)
{
	uint64_t caps;

	(void)state;
	(void)start(&cascade, MITIGATIONS_AUTO);
	make_vcpu(false);
	assert_true(mitigate_rdmsr(&vcpu, MSR_ARCH_CAPABILITIES, &caps));
	assert_false(caps & (ARCH_CAP_ITS_NO | ARCH_CAP_SSB_NO));
	assert_true(caps & ARCH_CAP_RFDS_NO);
	(void)start(&sapphire, MITIGATIONS_OFF);
	make_vcpu(false);
	assert_true(mitigate_rdmsr(&vcpu, MSR_ARCH_CAPABILITIES, &caps));
	assert_true(caps & ARCH_CAP_ITS_NO);
	assert_false(caps & ARCH_CAP_SSB_NO);
}

static void a_processor_that_offers_nothing_pays_nothing(void **state)
{
	(void)state;
	(void)start(&old_skylake, MITIGATIONS_AUTO);
	make_vcpu(true);
	percpu_detour(DETOUR_FLUSH);
	percpu_detour(DETOUR_BARRIER);
	assert_int_equal(cpu.detour, 0);
	assert_int_equal(vcpu.at_exit_to_l1, 0);
	assert_int_equal(field_count, 0);
	assert_int_equal(write_count, 0);
	for (unsigned i = 0; i < 512; i++)
		assert_true(bitmap[i] == UINT64_MAX);
}

static void work_is_done_once_before_the_next_entry(void **state)
{
	struct mitigations t = start(&skylake, MITIGATIONS_AUTO);

	(void)state;
	assert_true(t.actions & MITIGATION_CLEAR_BUFFERS);
	write_count = 0;
	percpu_detour(DETOUR_FLUSH);
	percpu_detour(DETOUR_BARRIER);
	cpu.detour |= DETOUR_KICKED; /* an NMI, meanwhile */
	assert_ptr_equal(vcpu_guard(&vcpu), &vcpu);
	assert_int_equal(write_count, 2);
	assert_true(wrote(MSR_PRED_CMD, PRED_CMD_IBPB));
	assert_true(wrote(MSR_FLUSH_CMD, FLUSH_CMD_L1D));
	assert_int_equal(cpu.detour, DETOUR_KICKED | DETOUR_CLEAR);
	(void)vcpu_guard(&vcpu);
	assert_int_equal(write_count, 2);
}

static void only_what_is_needed_is_done(void **state)
{
	(void)state;
	(void)start(&sapphire, MITIGATIONS_AUTO);
	write_count = 0;
	percpu_detour(DETOUR_FLUSH);
	assert_int_equal(cpu.detour, 0);
	percpu_detour(DETOUR_BARRIER);
	(void)vcpu_guard(&vcpu);
	assert_int_equal(write_count, 1);
	assert_true(wrote(MSR_PRED_CMD, PRED_CMD_IBPB));
}

static void an_l1_that_has_ibrs_gets_a_barrier_when_l2_ends(void **state)
{
	(void)state;
	(void)start(&sapphire, MITIGATIONS_AUTO);
	make_vcpu(true);
	assert_true(vcpu.barrier_at_exit);
	mitigate_left_l2();
	assert_true(wrote(MSR_PRED_CMD, PRED_CMD_IBPB));
	(void)start(&sapphire, MITIGATIONS_OFF);
	make_vcpu(true);
	assert_false(vcpu.barrier_at_exit);
}

static void expect_lists(const struct hw_vmcs *v, uint64_t count)
{
	assert_int_equal(field_of(v, VMCS_ENTRY_MSR_LOAD_COUNT), count);
	assert_int_equal(field_of(v, VMCS_EXIT_MSR_STORE_COUNT), count);
	assert_int_equal(field_of(v, VMCS_EXIT_MSR_LOAD_COUNT), count);
	assert_true(
		field_of(v, VMCS_ENTRY_MSR_LOAD_ADDR) == field_of(v, VMCS_EXIT_MSR_STORE_ADDR));
	assert_true(count == 0 || field_of(v, VMCS_ENTRY_MSR_LOAD_ADDR) !=
					  field_of(v, VMCS_EXIT_MSR_LOAD_ADDR));
}

static void spec_ctrl_is_switched_from_its_first_value_on(void **state)
{
	uint64_t v = 77;

	(void)state;
	(void)start(&sapphire, MITIGATIONS_AUTO);
	make_vcpu(true);
	assert_true(mitigate_rdmsr(&vcpu, MSR_SPEC_CTRL, &v));
	assert_int_equal(v, 0);
	assert_true(mitigate_wrmsr(&vcpu, MSR_SPEC_CTRL, 0));
	assert_int_equal(field_count, 0);
	assert_false(mitigate_wrmsr(&vcpu, MSR_SPEC_CTRL, 8));
	assert_true(mitigate_wrmsr(&vcpu, MSR_SPEC_CTRL, SPEC_CTRL_SSBD));
	expect_lists(&vcpu.vmcs01, 1);
	expect_lists(&nested_hw.vmcs02[1], 1);
	expect_lists(&nested_hw.vmcs02[0], 0);
	assert_ptr_equal(current, &vcpu.vmcs01);
	assert_int_equal(vcpu.spec_ctrl.index, MSR_SPEC_CTRL);
	assert_int_equal(vcpu.spec_ctrl.value, SPEC_CTRL_SSBD);
	assert_int_equal(vcpu.spec_ctrl_host.value, SPEC_CTRL_IBRS | SPEC_CTRL_BHI_DIS_S);
	assert_int_equal(write_count, 0); /* the register itself is L0's */
	assert_true(mitigate_rdmsr(&vcpu, MSR_SPEC_CTRL, &v));
	assert_int_equal(v, SPEC_CTRL_SSBD);
}

/*
 * BHI_DIS_S is the guest's as soon as it has the register: what it leaves out is off while it
 * runs, and L0 has what L0 needs, whatever the guest writes.
 */
static void what_leaf_7_2_tells_of_is_a_guests(void **state)
{
	(void)state;
	(void)start(&sapphire, MITIGATIONS_AUTO);
	make_vcpu(true);
	assert_true(mitigate_wrmsr(&vcpu, MSR_SPEC_CTRL, SPEC_CTRL_IBRS | SPEC_CTRL_BHI_DIS_S));
	expect_lists(&vcpu.vmcs01, 1);
	assert_true(vcpu.spec_ctrl.value == (SPEC_CTRL_IBRS | SPEC_CTRL_BHI_DIS_S));
	assert_true(mitigate_wrmsr(&vcpu, MSR_SPEC_CTRL, SPEC_CTRL_STIBP));
	assert_true(vcpu.spec_ctrl.value == SPEC_CTRL_STIBP);
	assert_true(vcpu.spec_ctrl_host.value == (SPEC_CTRL_IBRS | SPEC_CTRL_BHI_DIS_S));
	assert_false(mitigate_wrmsr(&vcpu, MSR_SPEC_CTRL, SPEC_CTRL_RRSBA_DIS_S));
	(void)start(&cascade, MITIGATIONS_AUTO);
	make_vcpu(true);
	assert_false(mitigate_wrmsr(&vcpu, MSR_SPEC_CTRL, SPEC_CTRL_BHI_DIS_S));
}

/* In the bitmap of the vCPU's mode, which those that have not asked do not use. */
static void accesses_go_without_exits_afterwards(void **state)
{
	const uint64_t bit = 1ull << 8; /* 48H, in word 1 */

	(void)state;
	(void)start(&sapphire, MITIGATIONS_AUTO);
	make_vcpu(true);
	assert_ptr_equal(mitigate_msr_bitmap(&vcpu, true), x2_bitmap);
	assert_true(mitigate_wrmsr(&vcpu, MSR_SPEC_CTRL, 1));
	assert_true(bitmap[1] & bit);
	assert_false(mitigate_msr_bitmap(&vcpu, false)[1] & bit);
	assert_false(mitigate_msr_bitmap(&vcpu, true)[1] & bit);
	assert_false(mitigate_msr_bitmap(&vcpu, true)[256 + 1] & bit);
	assert_false(bitmap[256 + 1] & 1ull << 9);  /* IA32_PRED_CMD: always */
	assert_false(bitmap[256 + 4] & 1ull << 11); /* IA32_FLUSH_CMD */
	assert_true(bitmap[1] & 1ull << 9);         /* which nobody can read */
}

/* As an entry into L2 has it: VMCS02 is current, and L2 does not run yet. */
static void a_value_of_an_msr_list_leaves_vmcs02_its_bitmap(void **state)
{
	(void)state;
	(void)start(&sapphire, MITIGATIONS_AUTO);
	make_vcpu(true);
	vcpu.vmcs = current = &nested_hw.vmcs02[1];
	vcpu.nested.in_l2 = false;
	vcpu.apic_mode = DEV_APIC_X2APIC;
	assert_true(mitigate_wrmsr(&vcpu, MSR_SPEC_CTRL, 1));
	assert_int_equal(field_of(&nested_hw.vmcs02[1], VMCS_MSR_BITMAP), 0);
	assert_false(vcpu.spec_ctrl_passes);
	assert_ptr_equal(current, &nested_hw.vmcs02[1]);
}

static void without_memory_for_the_bitmap_accesses_exit(void **state)
{
	(void)state;
	(void)start(&sapphire, MITIGATIONS_AUTO);
	page_count = 1;
	make_vcpu(true);
	assert_true(mitigate_wrmsr(&vcpu, MSR_SPEC_CTRL, 1));
	expect_lists(&vcpu.vmcs01, 1);
	assert_ptr_equal(mitigate_msr_bitmap(&vcpu, false), bitmap);
}

static void ibrs_that_does_not_last_is_written_at_each_exit(void **state)
{
	(void)state;
	(void)start(&skylake, MITIGATIONS_AUTO);
	make_vcpu(false);
	expect_lists(&vcpu.vmcs01, 1);
	assert_int_equal(vcpu.spec_ctrl_host.value, SPEC_CTRL_IBRS);
	assert_int_equal(vcpu.spec_ctrl.value, 0);
}

static void vcpus_that_may_be_nested_are_tenants_of_their_own(void **state)
{
	struct vcpu second;
	uint32_t first;

	(void)state;
	(void)start(&sapphire, MITIGATIONS_AUTO);
	make_vcpu(false);
	first = vcpu.tenant;
	second = vcpu;
	second.index = 1;
	mitigate_vcpu_create(&second);
	assert_int_equal(second.tenant, first);
	vm.config.vmx = true;
	mitigate_vcpu_create(&second);
	assert_int_not_equal(second.tenant, first);
	assert_int_not_equal(second.tenant, 0);
}

static void one_thread_of_each_core_is_used_where_that_is_asked_for(void **state)
{
	(void)state;
	(void)start(&skylake, MITIGATIONS_AUTO);
	assert_int_equal(mitigate_unused_threads(), 0);
	(void)start(&skylake, MITIGATIONS_NOSMT);
	assert_int_equal(mitigate_unused_threads(), 1);
	(void)start(&sapphire, MITIGATIONS_NOSMT);
	assert_int_equal(mitigate_unused_threads(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_processor_is_set_up_as_the_table_says),
		cmocka_unit_test(code_pages_are_small_where_asked_for),
		cmocka_unit_test(branches_stay_in_thunks_where_asked_for_or_needed),
		cmocka_unit_test(l1_is_told_of_what_the_processor_is_free_of),
		cmocka_unit_test(a_processor_that_offers_nothing_pays_nothing),
		cmocka_unit_test(work_is_done_once_before_the_next_entry),
		cmocka_unit_test(only_what_is_needed_is_done),
		cmocka_unit_test(an_l1_that_has_ibrs_gets_a_barrier_when_l2_ends),
		cmocka_unit_test(spec_ctrl_is_switched_from_its_first_value_on),
		cmocka_unit_test(what_leaf_7_2_tells_of_is_a_guests),
		cmocka_unit_test(accesses_go_without_exits_afterwards),
		cmocka_unit_test(a_value_of_an_msr_list_leaves_vmcs02_its_bitmap),
		cmocka_unit_test(without_memory_for_the_bitmap_accesses_exit),
		cmocka_unit_test(ibrs_that_does_not_last_is_written_at_each_exit),
		cmocka_unit_test(vcpus_that_may_be_nested_are_tenants_of_their_own),
		cmocka_unit_test(one_thread_of_each_core_is_used_where_that_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
