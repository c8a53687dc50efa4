/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1's local APICs on a CPU that virtualizes them (SDM chapter 29 "APIC Virtualization and
 * Virtual Interrupts"): what VMCS01, its MSR bitmap and EPT01 say for each APIC mode, and the
 * exits that are left. The registers themselves are dev/'s.
 */
#include "vm/mitigate.h"
#include "vm/create.h"
#include "vm/vm_int.h"

#include "cpu/apic.h"
#include "cpu/config.h"
#include "cpu/fault.h"
#include "cpu/mem.h"
#include "cpu/percpu.h"
#include "mm/layout.h"
#include "spec/posted.h"
#include "vmx/asm.h"

#define PROC2_ON   (PROC2_APIC_REGISTER_VIRT | PROC2_VIRT_INTR_DELIVERY)
#define PROC2_ALL  (PROC2_ON | PROC2_APIC_ACCESSES | PROC2_X2APIC_MODE)
#define CR8_EXITS  (PROC_CR8_LOAD_EXITING | PROC_CR8_STORE_EXITING)
#define STATUS_RVI 0xffu
#define STATUS_SVI 0xff00u

static bool machine_has_it(void)
{
	return vmx_allowed1(MSR_VMX_TRUE_PROC) & PROC_TPR_SHADOW &&
	       (vmx_allowed1(MSR_VMX_PROC2) & PROC2_ALL) == PROC2_ALL;
}

bool apicv_create(struct vm *vm)
{
	void *page;

	vm->apicv.on = vm->config.apicv && machine_has_it();
	if (!vm->apicv.on)
		return true;
	vm->apicv.posted = vmx_allowed1(MSR_VMX_TRUE_PIN) & PIN_POSTED_INTR &&
			   (l0_config()->posted || !l0_config()->machine.late_notifications);
	vm->apicv.msr_bitmap = pool_get(&vm->pool);
	page = pool_get(&vm->pool);
	if (vm->apicv.msr_bitmap == NULL || page == NULL)
		return false;
	vm->apicv.access_page = hpa_of(page);
	memcpy(vm->apicv.msr_bitmap, vm->msr_bitmap, PAGE_SIZE);
	msr_allow_x2apic(vm->apicv.msr_bitmap);
	/* Not executable: what fetches from there ends as it does without a page. */
	return ept_map(&vm->ept01, DEV_LAPIC_BASE, vm->apicv.access_page, PAGE_SIZE,
		EPT_READ | EPT_WRITE, MEMTYPE_WB);
}

void apicv_vcpu_create(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	if (!vm->apicv.on)
		return;
	vmcs_write_setup(VMCS_VIRTUAL_APIC_ADDR,
		hpa_of(platform_apic_page(vm->platform, vcpu->index)).v);
	vmcs_write_setup(VMCS_APIC_ACCESS_ADDR, vm->apicv.access_page.v);
	vmcs_write_setup(VMCS_TPR_THRESHOLD, 0);
	vmcs_write_setup(VMCS_GUEST_INTR_STATUS, 0);
	for (uint32_t i = 0; i < 4; i++)
		vmcs_write_setup(VMCS_EOI_EXIT_BITMAP0 + 2 * i, 0);
	if (vm->apicv.posted) {
		(void)apicv_notify(vcpu, VECTOR_ARRIVED);
		vmcs_write_setup(VMCS_POSTED_INTR_NV, VECTOR_POSTED);
		vmcs_write_setup(VMCS_POSTED_INTR_DESC,
			hpa_of(platform_apic_posted(vm->platform, vcpu->index)).v);
	}
	vcpu->events |= EVENT_IRQ; /* VMCS01 does not know the APIC's mode yet */
}

/* ---- modes ---- */

/*
 * The register page is one for all vCPUs in xAPIC mode. It goes when somebody uses EPT01 who
 * must not find it: a vCPU in x2APIC mode, for which nothing is at that address; an L2 without
 * EPT of its own, whose VMCS02 says nothing of L1's APIC. Accesses are emulated then.
 */
static void hide_page(struct vcpu *vcpu, unsigned more, unsigned less)
{
	struct vm *vm = vcpu->vm;
	unsigned before;

	vm_lock(vm);
	before = vm->apicv.hidden;
	vm->apicv.hidden += more - less;
	if (vm->apicv.hidden == 0 && before != 0)
		(void)ept_map(&vm->ept01, DEV_LAPIC_BASE, vm->apicv.access_page, PAGE_SIZE,
			EPT_READ | EPT_WRITE, MEMTYPE_WB); /* the table is there */
	else if (vm->apicv.hidden != 0 && before == 0)
		(void)ept_unmap(&vm->ept01, DEV_LAPIC_BASE, PAGE_SIZE);
	ept_flush(&vm->ept01);
	/* Who else may not find it any more exits before that is so, and sees the event. */
	vm_flush_others(vm, vcpu, false);
	vm_unlock(vm);
}

/* The page has gone for every vCPU that finds it said so: another one's L2 may be next. */
void apicv_l2_without_ept(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	if (__atomic_load_n(&vm->apicv.met_l2, __ATOMIC_SEQ_CST))
		return;
	hide_page(vcpu, 1, 0); /* again, for another one at the same time: it stays hidden */
	__atomic_store_n(&vm->apicv.met_l2, true, __ATOMIC_SEQ_CST);
}

/*
 * A disabled APIC has no registers: every access to the page exits, and finds nothing there.
 * Translations made before may not know of the page (SDM 28.3.3.4 "Guidelines for Use of the
 * INVEPT Instruction").
 */
static void set_mode(struct vcpu *vcpu, enum dev_apic_mode mode)
{
	struct vm *vm = vcpu->vm;
	bool on = mode != DEV_APIC_DISABLED, x2 = mode == DEV_APIC_X2APIC;
	uint32_t pin = vmread32(VMCS_PIN_CONTROLS) & ~PIN_POSTED_INTR;
	uint32_t proc = vcpu->proc01 & ~(PROC_TPR_SHADOW | CR8_EXITS);
	uint32_t proc2 = vmread32(VMCS_PROC2_CONTROLS) & ~PROC2_ALL;

	proc |= on ? PROC_TPR_SHADOW : CR8_EXITS;
	proc2 |= x2 ? PROC2_X2APIC_MODE : PROC2_APIC_ACCESSES;
	vcpu->proc01 = proc;
	vmwrite(VMCS_PROC_CONTROLS, proc);
	vmwrite(VMCS_PROC2_CONTROLS, on ? proc2 | PROC2_ON : proc2);
	vmwrite(VMCS_PIN_CONTROLS, on && vm->apicv.posted ? pin | PIN_POSTED_INTR : pin);
	vmwrite(VMCS_MSR_BITMAP, hpa_of(mitigate_msr_bitmap(vcpu, x2)).v);
	hide_page(vcpu, x2, vcpu->apic_mode == DEV_APIC_X2APIC);
	vcpu->apic_mode = mode;
}

void apicv_update(struct vcpu *vcpu)
{
	struct dev_apic_state s;
	uint32_t status, wanted;

	platform_apic_state(vcpu->vm->platform, vcpu->index, &s);
	if (s.mode != vcpu->apic_mode)
		set_mode(vcpu, s.mode);
	status = vmread32(VMCS_GUEST_INTR_STATUS);
	wanted = (s.svi < 0 ? status & STATUS_SVI : (uint32_t)s.svi << 8) | s.rvi;
	if (wanted != status)
		vmwrite(VMCS_GUEST_INTR_STATUS, wanted);
	for (uint32_t i = 0; i < 4; i++) {
		if (s.eoi_exit[i] == vcpu->eoi_exit[i])
			continue;
		vcpu->eoi_exit[i] = s.eoi_exit[i];
		vmwrite(VMCS_EOI_EXIT_BITMAP0 + 2 * i, s.eoi_exit[i]);
	}
}

bool apicv_has_posted(const struct vcpu *vcpu)
{
	return platform_apic_posted_requests(vcpu->vm->platform, vcpu->index);
}

/* What the CPU has in IRR, or another one has put in the descriptor since. */
bool apicv_requested(const struct vcpu *vcpu)
{
	return vmread32(VMCS_GUEST_INTR_STATUS) & STATUS_RVI || apicv_has_posted(vcpu);
}

bool apicv_notify(struct vcpu *vcpu, uint8_t vector)
{
	uint32_t id = this_cpu()->apic_id;

	return platform_apic_notify(vcpu->vm->platform, vcpu->index, vector,
		apic_is_extended() ? id : (id & 0xff) << PID_NDST_8BIT_SHIFT);
}

/* ---- exits ---- */

/* SDM 29.4.3.3 "APIC-Write VM Exits": behind the instruction. */
void handle_apic_write(struct vcpu *vcpu)
{
	uint32_t offset = (uint32_t)vmread(VMCS_EXIT_QUALIFICATION) & PAGE_MASK;
	uint32_t reg = offset & ~15u;

	platform_apic_wrote(vcpu->vm->platform, vcpu->index, offset);
	if (reg == APIC_LVT_TIMER || reg == APIC_INITIAL_COUNT || reg == APIC_DIVIDE)
		vcpu_post(vcpu, EVENT_TIMER);
}

/* SDM 29.1.4 "EOI Virtualization": behind the instruction. */
void handle_virtualized_eoi(struct vcpu *vcpu)
{
	platform_apic_ended(
		vcpu->vm->platform, vcpu->index, (uint8_t)vmread(VMCS_EXIT_QUALIFICATION));
}
