/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU: its VMCS01, and the states in which L1 code starts.
 */
#include "vm/cet.h"
#include "vm/create.h"
#include "vm/sched.h"
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/config.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/percpu.h"
#include "load/load.h"
#include "mm/layout.h"
#include "policy/memory.h"
#include "vm/debugger.h"
#include "vm/denial.h"
#include "vm/life.h"
#include "vm/mitigate.h"
#include "vm/nested_hw.h"
#include "vm/ram.h"
#include "vm/trace.h"
#include "vmx/asm.h"
#include "vmx/stub.h"

_Static_assert(offsetof(struct vcpu, regs) == 0, "vmx/stub.S");
_Static_assert(offsetof(struct vcpu, vmcs) == 128, "vmx/stub.S");
_Static_assert(offsetof(struct vcpu, on_exit) == 136, "vmx/stub.S");
_Static_assert(offsetof(struct percpu, detour) == 33, "vmx/stub.S, cpu/trap.S");
_Static_assert(DETOUR_KICKED == 1 && (DETOUR_FLUSH | DETOUR_BARRIER) == 6 && SEL_DATA == 0x10,
	"vmx/stub.S");
_Static_assert(offsetof(struct hw_vmcs, launched) == 0, "vmx/stub.S");

_Static_assert(sizeof(((struct vcpu_stats *)NULL)->latency) <=
		       (uint64_t)MEMORY_FIGURES_PAGES * MEMORY_PAGE,
	"a vCPU needs more of the pool");

#define PIN_WANTED \
	(PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_PREEMPTION_TIMER)
#define PROC_WANTED                                                                         \
	(PROC_TSC_OFFSETTING | PROC_HLT_EXITING | PROC_MWAIT_EXITING | PROC_RDPMC_EXITING | \
		PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING | PROC_UNCOND_IO_EXITING |   \
		PROC_USE_MSR_BITMAPS | PROC_MONITOR_EXITING | PROC_SECONDARY)
#define PROC2_WANTED                                                                         \
	(PROC2_ENABLE_EPT | PROC2_ENABLE_RDTSCP | PROC2_ENABLE_VPID | PROC2_WBINVD_EXITING | \
		PROC2_UNRESTRICTED_GUEST | PROC2_ENABLE_INVPCID | PROC2_ENABLE_XSAVES |      \
		PROC2_ENCLS_EXITING | PROC2_USER_WAIT_PAUSE | PROC2_BUS_LOCK_EXITING |       \
		PROC2_NOTIFY_EXITING)
#define EXIT_WANTED                                                                       \
	(EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_ACK_INTR | EXIT_SAVE_PAT | EXIT_LOAD_PAT | \
		EXIT_SAVE_EFER | EXIT_LOAD_EFER)
#define ENTRY_WANTED (ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER)
/*
 * A vCPU that spins waits for another one, which may wait for this CPU; or, where processors
 * run in lockstep as on an emulator, for the moment between two instructions in which a lock is
 * free. PAUSEs so many ticks apart are one loop, which ends the vCPU's turn after so many. A
 * hypervisor's loop is one, too: between two looks at a guest that halted Linux's KVM executes
 * more than 512 instructions, and less than 1,024.
 */
#define PLE_GAP    1024
#define PLE_WINDOW 4096

/* A guest can make the delivery of #AC and #DB loop without end; #MC is L0's. */
#define EXCEPTIONS_WANTED (BIT(VEC_AC) | BIT(VEC_DB) | BIT(VEC_MC))

static uint32_t entry_controls(const struct vcpu *vcpu)
{
	return vmx_adjust(MSR_VMX_ENTRY, ENTRY_WANTED | cet_entry_controls(vcpu));
}

/* May somebody wait for the CPU on which a vCPU of this VM spins? */
static bool others_wait(const struct vm *vm)
{
	return vm->config.cpus > 1 || life_places() > 1;
}

/* Without its control an instruction that CPUID does not offer is #UD. */
static uint32_t proc2_wanted(const struct vcpu *vcpu)
{
	uint32_t wanted = PROC2_WANTED;

	if (others_wait(vcpu->vm))
		wanted |= PROC2_PAUSE_LOOP_EXITING;
	if (!msr_policy_has(&vcpu->msrs, MSR_TSC_AUX)) /* which RDTSCP and RDPID read */
		wanted &= ~PROC2_ENABLE_RDTSCP;
	if (!cpuid_offers(vcpu, CPUID_INVPCID))
		wanted &= ~PROC2_ENABLE_INVPCID;
	if (!cpuid_offers(vcpu, CPUID_XSAVES))
		wanted &= ~PROC2_ENABLE_XSAVES;
	if (!cpuid_offers(vcpu, CPUID_WAITPKG))
		wanted &= ~PROC2_USER_WAIT_PAUSE;
	return wanted;
}

static void write_controls(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	uint32_t proc2 = vmx_adjust(MSR_VMX_PROC2, proc2_wanted(vcpu));

	vcpu->proc01 = vmx_adjust(MSR_VMX_PROC, PROC_WANTED);
	vmcs_write_setup(VMCS_PIN_CONTROLS, vmx_adjust(MSR_VMX_PIN, PIN_WANTED));
	vmcs_write_setup(VMCS_PROC_CONTROLS, vcpu->proc01);
	vmcs_write_setup(VMCS_PROC2_CONTROLS, proc2);
	denial_vmcs_create(proc2);
	vmcs_write_setup(VMCS_EXIT_CONTROLS, vmx_adjust(MSR_VMX_EXIT, EXIT_WANTED));
	vmcs_write_setup(VMCS_ENTRY_CONTROLS, entry_controls(vcpu));
	vmcs_write_setup(VMCS_EXCEPTION_BITMAP, EXCEPTIONS_WANTED);
	vmcs_write_setup(VMCS_PF_ERROR_MASK, 0);
	vmcs_write_setup(VMCS_PF_ERROR_MATCH, 0);
	vmcs_write_setup(VMCS_CR3_TARGET_COUNT, 0);
	vmcs_write_setup(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write_setup(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write_setup(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write_setup(VMCS_ENTRY_INTR_INFO, 0);
	vmcs_write_setup(VMCS_MSR_BITMAP, hpa_of(vm->msr_bitmap).v);
	vmcs_write_setup(VMCS_TSC_OFFSET, vm->tsc_offset);
	vmcs_write_setup(VMCS_EPT_POINTER, vm->ept01.eptp);
	vmcs_write_setup(VMCS_VPID, vcpu_vpid01(vcpu));
	if (vmx_timer.on)
		vmcs_write_setup(VMCS_PREEMPTION_TIMER_VALUE, vmx_timer.most);
	vmcs_write_setup(VMCS_VMCS_LINK_POINTER, UINT64_MAX);
	if (proc2 & PROC2_ENABLE_XSAVES)
		vmcs_write_setup(VMCS_XSS_EXITING_BITMAP, ~vcpu->cet.xss);
	if (proc2 & PROC2_ENCLS_EXITING) /* SGX is hidden, whatever firmware has done */
		vmcs_write_setup(VMCS_ENCLS_EXITING_BITMAP, UINT64_MAX);
	if (proc2 & PROC2_PAUSE_LOOP_EXITING) {
		vmcs_write_setup(VMCS_PLE_GAP, PLE_GAP);
		vmcs_write_setup(VMCS_PLE_WINDOW, PLE_WINDOW);
	}
}

/* L2 runs with what L0 needs for L1, at least; how long it ran is asked for L1's timer. */
static void give_controls_to_nested(struct vcpu *vcpu)
{
	struct nested_l0_controls l0 = {
		.pin = vmread32(VMCS_PIN_CONTROLS),
		.proc = vmread32(VMCS_PROC_CONTROLS),
		.proc2 = vmread32(VMCS_PROC2_CONTROLS),
		.exit = vmread32(VMCS_EXIT_CONTROLS) |
			(vmx_timer.on ? EXIT_SAVE_PREEMPTION_TIMER : 0),
		.entry = vmread32(VMCS_ENTRY_CONTROLS),
		.exception_bitmap = vmread32(VMCS_EXCEPTION_BITMAP),
		.cr4_hidden = vcpu_cr4_reserved(vcpu),
		.eptp01 = vcpu->vm->ept01.eptp,
		.split_locks = denial_split_locks(),
	};

	vm_derive_caps(vcpu->vm, ~vcpu_cr4_reserved(vcpu), vcpu->cet.control);
	nested_hw_controls(vcpu->vm, &l0);
}

/* What an INIT leaves as it is ("all other MSRs"). */
static void reset_msrs(void)
{
	vmcs_write_setup(VMCS_GUEST_PAT, PAT_RESET);
	vmcs_write_setup(VMCS_GUEST_SYSENTER_CS, 0);
	vmcs_write_setup(VMCS_GUEST_SYSENTER_ESP, 0);
	vmcs_write_setup(VMCS_GUEST_SYSENTER_EIP, 0);
}

struct vcpu *vcpu_create(struct vm *vm, unsigned index)
{
	unsigned pages = (sizeof(struct vcpu) + PAGE_SIZE - 1) / PAGE_SIZE;
	struct vcpu *vcpu = pool_get_run(&vm->pool, pages);
	void *vmcs_page = pool_get(&vm->pool), *bitmap02 = pool_get(&vm->pool);

	if (vcpu == NULL || vmcs_page == NULL || bitmap02 == NULL)
		return NULL;
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->home = this_cpu()->index;
	vcpu->entry_deadline = vcpu->work_at = vcpu->messages_at = DEV_NEVER;
	vcpu->on_exit = vcpu_exit;
	vcpu->row = STAT_ROW_NONE;
	vcpu->xcr0 = XCR0_X87;
	vcpu->xsave = pool_get(&vm->pool);
	if (vcpu->xsave == NULL || !cpuid_create(vcpu) || !msr_create(vcpu))
		return NULL;
	cet_vcpu_create(vcpu);
	/* FCW and MXCSR after reset, SDM 9.1.1 "Processor State After Reset". */
	*(uint16_t *)vcpu->xsave = 0x37f;
	*(uint32_t *)(vcpu->xsave + 24) = 0x1f80;
	hw_vmcs_init(&vcpu->vmcs01, vmcs_page, false);
	vcpu_use_vmcs(vcpu, &vcpu->vmcs01);
	vmcs_write_host_state(vm->host_cr3);
	write_controls(vcpu);
	mitigate_vcpu_create(vcpu);
	apicv_vcpu_create(vcpu);
	if (vm->config.vmx && !nested_hw_vcpu_create(vcpu))
		return NULL;
	if (vm->config.vmx && index == 0)
		give_controls_to_nested(vcpu);
	vcpu->nested.msr_bitmap02 = bitmap02;
	vcpu->nested.tsc_offset = vm->tsc_offset;
	debugger_selftest(vcpu);
	vcpu_power_on(vcpu);
	if (l0_config()->trace && !vcpu_trace_on(vcpu, &(struct trace_filter)TRACE_ALL))
		return NULL;
	return vcpu;
}

void vcpu_power_on(struct vcpu *vcpu)
{
	nested_reset(&vcpu->nested, vcpu->vm->nested_vm, vcpu->index, vcpu->regs.r,
		vcpu_vpid01(vcpu), vcpu->nested.msr_bitmap02);
	vcpu_reset_state(vcpu);
	reset_msrs();
	mitigate_vcpu_reset(vcpu);
	cet_reset_saved(vcpu);
	vcpu->umwait = 0;
	vcpu->state = vcpu->index == 0 ? VCPU_RUNNABLE : VCPU_WAIT_SIPI;
}

uint64_t vcpu_exits(const struct vcpu *vcpu, unsigned level, unsigned reason)
{
	unsigned row = STAT_ROW(level, reason);
	const uint64_t *latency = &vcpu->stats.latency[STAT_LATENCY(row)];
	uint64_t count = vcpu->row == row;

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		count += latency[i];
	return count;
}

void vcpu_leave_cpu(struct vcpu *vcpu)
{
	if (vcpu->home == NO_CPU)
		return;
	hw_vmcs_clear(&vcpu->vmcs01);
	if (vcpu->nested_hw != NULL)
		nested_hw_leave_cpu(vcpu);
	vcpu->home = NO_CPU;
}

void vcpu_enter_cpu(struct vcpu *vcpu)
{
	if (vcpu->home != this_cpu()->index) {
		vcpu->home = this_cpu()->index;
		hw_vmcs_load(&vcpu->vmcs01);
		vmcs_write_host_cpu();
		if (vcpu->nested_hw != NULL)
			nested_hw_enter_cpu(vcpu);
		translations_arrive(vcpu);
	}
	vcpu_use_vmcs(vcpu, vcpu->vmcs);
	denial_enter_cpu(vcpu);
}

static void set_segment(
	enum sreg s, uint16_t selector, uint64_t base, uint32_t limit, uint32_t ar)
{
	vmcs_write_setup(VMCS_GUEST_ES_SELECTOR + 2u * s, selector);
	vmcs_write_setup(VMCS_GUEST_ES_BASE + 2u * s, base);
	vmcs_write_setup(VMCS_GUEST_ES_LIMIT + 2u * s, limit);
	vmcs_write_setup(VMCS_GUEST_ES_AR + 2u * s, ar);
}

static void set_data_segments(uint16_t selector, uint64_t base, uint32_t limit, uint32_t ar)
{
	static const enum sreg data[] = {SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS};

	for (unsigned i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		set_segment(data[i], selector, base, limit, ar);
}

/* Nothing that waited for the vCPU, or was queued for its next entry, outlives it. */
static void reset_events(struct vcpu *vcpu)
{
	vcpu->injecting = false;
	vcpu->nmi_waits = false;
	vcpu->init_latched = false;
	vcpu->deferred = 0;
	vcpu->defers = false;
	denial_reset(vcpu);
	vmcs_write_setup(VMCS_ENTRY_INTR_INFO, 0);
	vcpu_set_proc(vcpu, PROC_INTR_WINDOW | PROC_NMI_WINDOW, false);
}

/* SDM table 9-1 "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT". */
void vcpu_reset_state(struct vcpu *vcpu)
{
	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	reset_events(vcpu);
	vcpu->regs.r[REG_RDX] = cpuid_of(vcpu, 1, 0).eax;
	set_segment(SEG_CS, 0xf000, 0xffff0000, 0xffff, SEG_AR_CODE16);
	set_data_segments(0, 0, 0xffff, SEG_AR_DATA16);
	set_segment(SEG_LDTR, 0, 0, 0xffff, SEG_AR_LDT);
	set_segment(SEG_TR, 0, 0, 0xffff, SEG_AR_TSS_BUSY);
	vmcs_write_setup(VMCS_GUEST_GDTR_BASE, 0);
	vmcs_write_setup(VMCS_GUEST_GDTR_LIMIT, 0xffff);
	vmcs_write_setup(VMCS_GUEST_IDTR_BASE, 0);
	vmcs_write_setup(VMCS_GUEST_IDTR_LIMIT, 0xffff);
	vmcs_write_setup(VMCS_GUEST_RIP, 0xfff0);
	vmcs_write_setup(VMCS_GUEST_RSP, 0);
	vmcs_write_setup(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	vmcs_write_setup(VMCS_GUEST_CR3, 0);
	vmcs_write_setup(VMCS_GUEST_DR7, DR7_RESET);
	vmcs_write_setup(VMCS_GUEST_DEBUGCTL, 0);
	vmcs_write_setup(VMCS_GUEST_EFER, 0);
	vmcs_write_setup(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
	vmcs_write_setup(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmcs_write_setup(VMCS_GUEST_PENDING_DBG, 0);
	vmcs_write_setup(VMCS_ENTRY_CONTROLS, entry_controls(vcpu));
	cet_reset_vmcs(vcpu);
	vcpu_update_cr_masks(vcpu);
	vcpu_write_cr4(vcpu, 0);
	vcpu_write_cr0(vcpu, CR0_RESET);
}

void vcpu_start_at(struct vcpu *vcpu, uint8_t vector)
{
	set_segment(
		SEG_CS, (uint16_t)(vector << 8), (uint64_t)vector << 12, 0xffff, SEG_AR_CODE16);
	vmcs_write_setup(VMCS_GUEST_RIP, 0);
	vcpu->state = VCPU_RUNNABLE;
}

/* The rest is as after reset, which is real mode. */
static void apply_real_mode(struct vcpu *vcpu, const struct entry_state *e)
{
	set_segment(SEG_CS, e->code_selector, (uint64_t)e->code_selector << 4, 0xffff,
		SEG_AR_CODE16);
	set_data_segments(
		e->data_selector, (uint64_t)e->data_selector << 4, 0xffff, SEG_AR_DATA16);
	vmcs_write_setup(VMCS_GUEST_IDTR_LIMIT, 0x3ff);
	vmcs_write_setup(VMCS_GUEST_RIP, e->rip);
	vmcs_write_setup(VMCS_GUEST_RSP, e->rsp);
	vcpu_write_cr0(vcpu, CR0_ET); /* a BIOS has caches on */
}

void vcpu_apply_entry(struct vcpu *vcpu, const struct entry_state *e)
{
	bool long_mode = e->mode == ENTRY_MODE_LONG;

	if (e->mode == ENTRY_MODE_REAL) {
		apply_real_mode(vcpu, e);
		return;
	}
	vcpu->regs.r[REG_RAX] = e->rax;
	vcpu->regs.r[REG_RBX] = e->rbx;
	vcpu->regs.r[REG_RSI] = e->rsi;
	set_segment(SEG_CS, e->code_selector, 0, UINT32_MAX,
		long_mode ? SEG_AR_CODE64 : SEG_AR_CODE32);
	set_data_segments(e->data_selector, 0, UINT32_MAX, SEG_AR_DATA32);
	vmcs_write_setup(VMCS_GUEST_GDTR_BASE, e->gdt_base);
	vmcs_write_setup(VMCS_GUEST_GDTR_LIMIT, e->gdt_limit);
	vmcs_write_setup(VMCS_GUEST_RIP, e->rip);
	if (!long_mode) {
		vcpu_write_cr0(vcpu, CR0_PE | CR0_ET | CR0_NE);
		return;
	}
	vmcs_write_setup(VMCS_GUEST_CR3, e->cr3);
	vmcs_write_setup(VMCS_GUEST_EFER, EFER_LME);
	vcpu_write_cr4(vcpu, CR4_PAE);
	vcpu_write_cr0(vcpu, CR0_PE | CR0_ET | CR0_NE | CR0_PG | CR0_WP | CR0_MP);
}
