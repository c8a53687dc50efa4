/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMX operation of a CPU, and VMCS regions.
 */
#include "vmx/vmx.h"

#include "cpu/asm.h"
#include "cpu/fault.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "cpu/percpu.h"
#include "mm/layout.h"
#include "mm/page.h"
#include "vmx/asm.h"
#include "vmx/stub.h"

bool vmx_cpu_on(void)
{
	struct percpu *c = this_cpu();
	uint32_t other;

	if (!vmx_unlock())
		return false;
	other = vmx_other_msr();
	if (other != 0) {
		log_warn("CPU %u: MSR 0x%x is 0x%lx, another one than the boot CPU's", c->index,
			other, rdmsr(other));
		return false;
	}
	if (c->firmware_pat != PAT_RESET)
		log_info("IA32_PAT was 0x%lx", c->firmware_pat);
	*(uint32_t *)c->vmxon_page = caps_revision(&vmx_caps);
	write_cr4((read_cr4() | CR4_VMXE | caps_msr(&vmx_caps, MSR_VMX_CR4_FIXED0)) &
		  caps_msr(&vmx_caps, MSR_VMX_CR4_FIXED1));
	write_cr0((read_cr0() | caps_msr(&vmx_caps, MSR_VMX_CR0_FIXED0)) &
		  caps_msr(&vmx_caps, MSR_VMX_CR0_FIXED1));
	return vmxon(hpa_of(c->vmxon_page));
}

void hw_vmcs_init(struct hw_vmcs *v, void *page, bool shadow)
{
	*v = (struct hw_vmcs){.page = page, .hpa = hpa_of(page)};
	*(uint32_t *)page = caps_revision(&vmx_caps) | (shadow ? VMCS_SHADOW_INDICATOR : 0);
	hw_vmcs_clear(v);
}

void hw_vmcs_clear(struct hw_vmcs *v)
{
	if (!vmclear(v->hpa))
		panic("VMCLEAR of %lx failed", v->hpa.v);
	v->launched = 0;
}

void hw_vmcs_load(struct hw_vmcs *v)
{
	if (!vmptrld(v->hpa))
		panic("VMPTRLD of %lx failed", v->hpa.v);
}

void vmcs_write_setup(uint32_t encoding, uint64_t value)
{
	if (!vmwrite_checked(encoding, value))
		panic("VMWRITE of field 0x%x failed", encoding);
}

/* Constant after the first VM is made. */
static void (*exit_code)(void) = vmx_exit_stub;

void vmx_guard_exits(bool history)
{
	exit_code = history ? vmx_exit_history : vmx_exit_guarded;
}

struct host_field {
	uint16_t field;
	uint64_t value;
};

static void write_fields(const struct host_field *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		vmcs_write_setup(f[i].field, f[i].value);
}

#define COUNT(array) (unsigned)(sizeof(array) / sizeof((array)[0]))

void vmcs_write_host_cpu(void)
{
	struct percpu *c = this_cpu();
	const struct host_field state[] = {
		{VMCS_HOST_GS_BASE, (uint64_t)(uintptr_t)c},
		{VMCS_HOST_TR_BASE, (uint64_t)(uintptr_t)&c->tss},
		{VMCS_HOST_GDTR_BASE, (uint64_t)(uintptr_t)c->gdt},
		{VMCS_HOST_RSP, c->stack_top},
	};

	write_fields(state, COUNT(state));
}

void vmcs_write_host_state(uint64_t cr3)
{
	const struct host_field state[] = {
		{VMCS_HOST_CR0, read_cr0()},
		{VMCS_HOST_CR3, cr3},
		{VMCS_HOST_CR4, read_cr4()},
		{VMCS_HOST_CS_SELECTOR, SEL_CODE},
		{VMCS_HOST_SS_SELECTOR, SEL_DATA},
		{VMCS_HOST_DS_SELECTOR, SEL_DATA},
		{VMCS_HOST_ES_SELECTOR, SEL_DATA},
		{VMCS_HOST_FS_SELECTOR, 0},
		{VMCS_HOST_GS_SELECTOR, 0},
		{VMCS_HOST_TR_SELECTOR, SEL_TSS},
		{VMCS_HOST_FS_BASE, 0},
		{VMCS_HOST_IDTR_BASE, idt_base()},
		{VMCS_HOST_SYSENTER_CS, 0},
		{VMCS_HOST_SYSENTER_ESP, 0},
		{VMCS_HOST_SYSENTER_EIP, 0},
		{VMCS_HOST_PAT, rdmsr(MSR_PAT)},
		{VMCS_HOST_EFER, rdmsr(MSR_EFER)},
		{VMCS_HOST_RIP, (uint64_t)(uintptr_t)exit_code},
	};

	write_fields(state, COUNT(state));
	vmcs_write_host_cpu();
}
