/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No CPU uses a translation that L1 and L0 may both no longer rely on: long random histories of
 * an L1 whose processors forget nothing by themselves (tlb_world.h), and what found faults.
 * docs/translations.md lists which flush each of these holds to: the test fails without it.
 */
#include "tlb_l1.h"

/* ---- L1 and L0 at work ---- */

static void l1_invept_of(unsigned v, unsigned root, bool all)
{
	begin(v);
	to_l1(v);
	instruction_inv(v, EXIT_INVEPT, all ? INVEPT_GLOBAL : INVEPT_SINGLE,
		ref_root[root] | EPTP_WALK_4 | 6);
	for (unsigned i = 0; i < REF_ROOTS; i++)
		if (all || i == root)
			ref.invept[v][i] = ++ref.now;
	end(v);
}

static void l1_invept(unsigned v)
{
	l1_invept_of(v, below(2), below(3) == 0);
}

static void l1_invvpid(unsigned v)
{
	uint16_t vpid12 = (uint16_t)(1 + below(REF_VPIDS - 1));
	bool all = below(3) == 0;

	begin(v);
	to_l1(v);
	instruction_inv(v, EXIT_INVVPID, all ? INVVPID_ALL : INVVPID_SINGLE, all ? 0 : vpid12);
	for (uint16_t i = 1; i < REF_VPIDS; i++)
		if (all || i == vpid12)
			ref.invvpid[v][i] = ++ref.now;
	end(v);
}

/* So that histories do not grow without end. */
static void invept_everywhere(void)
{
	for (unsigned v = 0; v < VCPUS; v++) {
		begin(v);
		to_l1(v);
		instruction_inv(v, EXIT_INVEPT, INVEPT_GLOBAL, 0);
		ref.invept[v][0] = ref.invept[v][1] = ++ref.now;
		end(v);
	}
	ref_forget();
}

/* The VM's device comes, or goes: with a reset that waits until nobody reaches it, or not. */
static void change_device(unsigned v)
{
	bool comes = fake_hw.no_device;

	begin(v);
	fake_hw.no_device = !comes;
	if (comes)
		ref.device = true;
	else
		w.away = below(2);
	vcpu_windows_changed(&vcpus[v]);
	if (!comes)
		ref.device = false;
	end(v);
}

/* ---- the VM ---- */

static void make_tables(void)
{
	for (unsigned i = 0; i < 2; i++) {
		fake_write64(ref_root[i], PDPT | EPT_RWX);
		fake_write64(PD0 + i * 8, (PT0 + i * PAGE_SIZE) | EPT_RWX);
		for (unsigned k = 0; k < 4; k++)
			fake_write64(
				PT0 + i * PAGE_SIZE + k * 8, some_target() | EPT_WB | EPT_RWX);
	}
	fake_write64(PDPT, PD0 | EPT_RWX);
}

static void make_vept(uint32_t tables)
{
	struct vept *e = &nested_vm.vept;

	*e = (struct vept){.pages = pages,
		.books = books,
		.count = tables,
		.pages_hpa = 0x40000000,
		.void_hpa = FAKE_VEPT_VOID,
		.apic_hpa = FAKE_VEPT_APIC};
	assert_true(vept_books_size(TABLES) <= sizeof(books));
	memset(pages, 0, sizeof(pages));
	memset(books, 0, sizeof(books));
}

static void make_vcpu(unsigned v)
{
	static uint64_t scratch[VCPUS][512];
	struct nested *n = nested(v);

	memset(&vcpus[v], 0, sizeof(vcpus[v]));
	vcpus[v].vm = &vm;
	vcpus[v].index = v;
	vcpus[v].home = NO_CPU;
	vm.vcpus[v] = &vcpus[v];
	nesteds[v] = n;
	load(v);
	memset(&fake_hw, 0, sizeof(fake_hw));
	fake_hw.current = fake_hw.vmcs01;
	n->vmread_bitmap02 = vm_bitmaps[v][0];
	n->vmwrite_bitmap02 = vm_bitmaps[v][1];
	nested_reset(
		n, &nested_vm, v, gprs[v], (uint16_t)(1 + v * VPIDS_PER_VCPU), msr_bitmaps[v]);
	n->scratch = (struct vept_scratch){
		.page = scratch[v], .hpa = FAKE_VEPT_SCRATCH + FAKE_VEPT_OF(v)};
	n->vmxon = true;
	n->vmxon_gpa = VMCS12 - PAGE_SIZE;
	restore_l1();
	for (unsigned i = 0; i < NVMCS_SLOTS; i++)
		use_host_state(fake_hw.vmcs02[i]);
}

static struct nested_l0_controls l0_controls(const struct vmx_caps *hw)
{
	return (struct nested_l0_controls){
		.pin = caps_fixed1(hw, MSR_VMX_TRUE_PIN) | PIN_EXT_INTR_EXITING |
		       PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_PREEMPTION_TIMER,
		.proc = caps_fixed1(hw, MSR_VMX_TRUE_PROC) | PROC_HLT_EXITING |
			PROC_TSC_OFFSETTING | PROC_UNCOND_IO_EXITING | PROC_USE_MSR_BITMAPS |
			PROC_SECONDARY,
		.proc2 = PROC2_ENABLE_EPT | PROC2_ENABLE_VPID | PROC2_UNRESTRICTED_GUEST,
		.exit = caps_fixed1(hw, MSR_VMX_TRUE_EXIT) | EXIT_HOST_64 | EXIT_ACK_INTR |
			EXIT_SAVE_DEBUG | EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER |
			EXIT_LOAD_EFER,
		.entry = caps_fixed1(hw, MSR_VMX_TRUE_ENTRY) | ENTRY_LOAD_DEBUG |
			 ENTRY_LOAD_PAT | ENTRY_LOAD_EFER,
		.exception_bitmap = BIT(VEC_AC) | BIT(VEC_DB) | BIT(VEC_MC),
		.eptp01 = EPTP01,
	};
}

static void make_vm(uint32_t tables)
{
	struct vmx_caps hw = fake_hardware_caps();
	struct caps_policy policy = caps_policy_default();

	memset(&vm, 0, sizeof(vm));
	memset(&nested_vm, 0, sizeof(nested_vm));
	vm.config.cpus = VCPUS;
	vm.config.vmx = true;
	vm.nested_vm = &nested_vm;
	vm.devices = &devices;
	vm.ept01.eptp = EPTP01;
	devices.passed.count = 1;
	caps_derive(&nested_vm.caps, &hw, &policy);
	nested_vm.l0 = l0_controls(&hw);
	make_vept(tables);
	nested_vm_init(&nested_vm);
	nested_vm.vept.maxphyaddr = 46;
	if (w.open_max != 0)
		nested_vm.vept.open_max = w.open_max;
	fake_hw.no_device = false;
	ref.device = true;
	make_tables();
	for (unsigned v = 0; v < VCPUS; v++)
		make_vcpu(v);
	for (unsigned k = 0; k < VMCSS; k++) {
		w.owner[k] = NOBODY;
		fake_write32(VMCS12 + k * PAGE_SIZE, CAPS_REVISION);
		for (unsigned i = 0; i < LINEARS; i++)
			w.at[k][i] = some_gpa();
	}
}

/* The VM ends, and starts again with the same numbers and tables; the caches are not new. */
static void restart(uint32_t tables)
{
	memset(fake.ram, 0, sizeof(fake.ram));
	memset(fake.written, 0, sizeof(fake.written)); /* another EPT01 */
	for (unsigned c = 0; c < CPUS; c++)
		w.here[c] = NOBODY;
	memset(w.run, 0, sizeof(w.run));
	ref_forget();
	ref.vm++;
	make_vm(tables);
}

static void start_with(uint64_t seed, uint32_t tables, uint32_t open_max)
{
	fake_seam_reset();
	fake.refused = l1_is_refused;
	memset(&w, 0, sizeof(w));
	memset(&ref, 0, sizeof(ref));
	w.open_max = open_max;
	w.seed = seed;
	w.loaded = NOBODY;
	hw_cpu = percpus[0];
	ref_root[0] = ROOT_A;
	ref_root[1] = ROOT_B;
	for (unsigned c = 0; c < CPUS; c++)
		w.here[c] = NOBODY;
	golden_64bit(golden);
	golden[FID_EXIT_CONTROLS] &= ~(uint64_t)EXIT_LOAD_PERF_GLOBAL_CTRL;
	golden[FID_ENTRY_CONTROLS] &=
		~(uint64_t)(ENTRY_LOAD_PERF_GLOBAL_CTRL | ENTRY_LOAD_BNDCFGS);
	golden[FID_EXIT_MSR_STORE_COUNT] = golden[FID_EXIT_MSR_LOAD_COUNT] = 0;
	golden[FID_ENTRY_MSR_LOAD_COUNT] = 0;
	golden[FID_APIC_ACCESS_ADDR] = APIC;
	golden[FID_HOST_CR4] = CR4_PAE | CR4_VMXE;
	golden_memory();
	make_vm(tables);
}

static void start(uint64_t seed, uint32_t tables)
{
	start_with(seed, tables, 0);
}

/* ---- histories ---- */

static void step(unsigned v, uint32_t tables)
{
	switch (below(32)) {
	case 0:
		if (below(2))
			l1_invept(v);
		break;
	case 1:
		if (below(2))
			l1_invvpid(v);
		break;
	case 2:
	case 3:
		change_tables(v);
		break;
	case 4:
		if (below(8) == 0)
			change_device(v);
		break;
	case 5:
	case 6:
		w.at[below(VMCSS)][below(LINEARS)] = some_gpa(); /* L2's tables */
		break;
	case 7:
		touch_l1(v);
		break;
	case 8:
		if (below(40) == 0)
			restart(tables);
		break;
	case 9:
	case 10:
		run_l2(v);
		break;
	default:
		touch(v);
		break;
	}
}

/* Nobody shall have tested nothing. */
static unsigned uses, stale, violations, refused;

static void history(uint64_t seed, uint32_t tables, uint32_t open_max)
{
	start_with(seed, tables, open_max);
	for (unsigned i = 0; i < 12000; i++) {
		step(below(VCPUS), tables);
		if (ref.past_count > 300)
			invept_everywhere();
	}
	uses += w.uses;
	stale += w.stale;
	violations += w.violations;
	refused += w.refused;
}

static void no_translation_is_used_that_may_not_be_relied_on(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		history(i * 77 + 1, TABLES, 0);
}

static void nor_when_tables_are_few_and_roots_go(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		history(i * 77 + 2, 10 + (uint32_t)i, 0);
	assert_true(uses > 200000 && stale > 200 && violations > 4000);
}

/* L1 cannot write most pages with its tables, until it tries to: INVEPT looks at so few. */
static void nor_when_pages_with_tables_are_closed(void **state)
{
	(void)state;
	refused = 0;
	for (uint32_t i = 0; i < 2; i++)
		history(i * 77 + 3, TABLES, 2 + i);
	assert_true(refused > 100);
}

/* ---- what histories seldom meet ---- */

/* Two vCPUs, each with a CPU, whose L2s have the same tables; addresses are 0, which is RAM. */
static void start_still(void)
{
	start(1, TABLES);
	w.still = true;
	fake_write64(PT0, 0x800000 | EPT_WB | EPT_RWX);
	fake_write64(PT0 + 8, 0x40000000 | EPT_WB | EPT_RWX); /* nothing is there */
	for (unsigned k = 0; k < VMCSS; k++)
		for (unsigned i = 0; i < LINEARS; i++)
			w.at[k][i] = i == 1 ? PAGE_SIZE : 0;
}

static void written_over(unsigned v, uint64_t target)
{
	begin(v);
	to_l1(v);
	end(v);
	l1_writes(cpu_of(v), PT0, target | EPT_WB | EPT_RWX);
}

/*
 * KVM does so when a vCPU of its comes back to a CPU: INVEPT, with tables that have not
 * changed, so that combined mappings go, in which L2's own tables are cached.
 */
static void invept_drops_what_l2s_tables_were(void **state)
{
	(void)state;
	start_still();
	run_l2_of(0, 2);
	touch_at(0, 0, EPT_READ);
	w.at[2][0] = 2 * PAGE_SIZE;
	fake_write64(PT0 + 16, 0x802000 | EPT_WB | EPT_RWX);
	l1_invept_of(0, 1, false);
	l1_invept_of(0, 1, false); /* nothing has changed since the one before */
	run_l2_of(0, 2);
	touch_at(0, 0, EPT_READ);
	w.at[2][0] = 0;
	l1_invept_of(0, 1, false);
	run_l2_of(0, 2);
	touch_at(0, 0, EPT_READ);
}

/* The other CPU has EPT01's dirty flag cached as set: it is told when the flag goes. */
static void a_table_that_another_cpu_writes_again_is_seen(void **state)
{
	(void)state;
	start_still();
	run_l2_of(0, 2);
	touch_at(0, 0, EPT_READ);
	l1_invept_of(0, 1, false);
	written_over(1, 0x800000); /* as it was */
	l1_invept_of(0, 1, false);
	written_over(1, 0x803000);
	l1_invept_of(1, 1, false);
	l1_invept_of(0, 1, false);
	run_l2_of(0, 2);
	touch_at(0, 0, EPT_READ);
	run_l2_of(1, 3);
	touch_at(1, 0, EPT_READ);
}

/* The other CPU has the page cached as writable when it is closed: it is told. */
static void a_table_that_another_cpu_may_write_is_not_closed_yet(void **state)
{
	(void)state;
	start_still();
	run_l2_of(0, 2);
	touch_at(0, 0, EPT_READ);
	l1_invept_of(0, 1, false);
	begin(1);
	to_l1(1);
	end(1);
	l1_reads(1, PT0);
	nested_vm.vept.open_max = 1;
	run_l2_of(0, 0); /* a table that is new */
	assert_false(fake.written[PT0 / PAGE_SIZE] & EPT_WRITE);
	written_over(1, 0x803000);
	assert_int_equal(w.refused, 1);
	l1_invept_of(1, 1, false);
	l1_invept_of(0, 1, false);
	run_l2_of(0, 2);
	touch_at(0, 0, EPT_READ);
}

/* The page that stands where nothing is goes from one L2 to another one. */
static void what_one_l2_wrote_nowhere_is_out_of_its_reach_before_another_has_the_page(
	void **state)
{
	(void)state;
	start_still();
	run_l2_of(0, 2);
	run_l2_of(1, 3);
	touch_at(0, 1, EPT_WRITE);
	touch_at(1, 1, EPT_READ);
	assert_true(access_l2(1, 1, 1, EPT_READ, &(uint64_t){0}));
	run_l2_of(0, 0);
	touch_at(0, 1, EPT_WRITE);
	(void)access_l2(1, 1, 1, EPT_READ, &(uint64_t){0}); /* it has not left its guest */
}

/* Two vCPUs take turns: what one caches without an APIC-access page is not the other's. */
static void vcpus_with_and_without_an_apic_access_page_share_no_translation(void **state)
{
	(void)state;
	start_still();
	fake_write64(PT0, APIC | EPT_WB | EPT_RWX);
	run_l2_of(0, 2);
	begin(0);
	to_l1(0);
	toggle_apic(0);
	enter_l2(0, 2);
	end(0);
	touch_at(0, 0, EPT_READ);
	run_l2_of(2, 3); /* on the same CPU */
	touch_at(2, 0, EPT_READ);
}

/* ---- a debugger's view of L2's code ---- */

/* Is there anything by which the vCPU's processor could fetch from address 0? */
static bool may_fetch(unsigned v)
{
	struct tlb_entry e[USABLE];
	unsigned count = usable(v, cpu_of(v), 0, 0, e);
	bool any = false;

	while (count-- > 0)
		any = any || e[count].bits & EPT_EXEC;
	return any;
}

/* The first vCPU is in a view, in which the page at 0 is open and has been executed. */
static struct vept_root *start_view(void)
{
	struct nested *n = nested(0);

	start_still();
	run_l2_of(0, 2);
	begin(0);
	nested_set_view(n, 1);
	w.run[0].eptp = fake_hw.current[FID_EPT_POINTER];
	end(0);
	touch_at(0, 0, EPT_READ);
	assert_false(may_fetch(0));
	n->view_opens = true;
	n->view_code = (struct gpa_l2){0};
	touch_at(0, 0, EPT_EXEC);
	touch_at(0, 0, EPT_EXEC);
	assert_true(may_fetch(0));
	n->view_opens = false;
	return n->cur->root;
}

static void nothing_is_fetched_from_a_page_that_a_debugger_has_closed(void **state)
{
	struct vept_root *root = start_view();

	(void)state;
	begin(0);
	vept_view_close(nested(0), root, root->generation, (struct gpa_l2){0});
	end(0);
	assert_false(may_fetch(0));
}

static void nor_from_any_when_it_has_other_breakpoints(void **state)
{
	(void)state;
	(void)start_view();
	begin(0);
	vept_view_empty(nested(0), 1);
	end(0);
	assert_false(may_fetch(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_translation_is_used_that_may_not_be_relied_on),
		cmocka_unit_test(nor_when_tables_are_few_and_roots_go),
		cmocka_unit_test(nor_when_pages_with_tables_are_closed),
		cmocka_unit_test(invept_drops_what_l2s_tables_were),
		cmocka_unit_test(a_table_that_another_cpu_writes_again_is_seen),
		cmocka_unit_test(a_table_that_another_cpu_may_write_is_not_closed_yet),
		cmocka_unit_test(
			what_one_l2_wrote_nowhere_is_out_of_its_reach_before_another_has_the_page),
		cmocka_unit_test(
			vcpus_with_and_without_an_apic_access_page_share_no_translation),
		cmocka_unit_test(nothing_is_fetched_from_a_page_that_a_debugger_has_closed),
		cmocka_unit_test(nor_from_any_when_it_has_other_breakpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
