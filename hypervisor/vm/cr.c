/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1's control registers: what it may set, what it sees, and the mode changes that follow from
 * writes that exit.
 *
 * CR0 bits NE (fixed in VMX operation), CD and NW (no effect on a guest) are L0's; PE and PG
 * too while L1 is in VMX operation, since then clearing them is a fault. CR4: VMXE, MCE
 * (without it a machine check shuts the processor down, whoever runs) and everything that L1 is
 * not offered.
 */
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "policy/cpuid.h"
#include "vmx/asm.h"

#define CR0_OWNED (CR0_NE | CR0_NW | CR0_CD)

uint64_t vcpu_cr4_reserved(const struct vcpu *vcpu)
{
	return ~cpuid_policy_cr4(vcpu->cpuid);
}

bool vcpu_in_long64(void)
{
	return vmread32(VMCS_GUEST_CS_AR) & SEG_AR_L && vmread(VMCS_GUEST_EFER) & EFER_LMA;
}

struct paging_state vcpu_paging_state(const struct vcpu *vcpu)
{
	const struct nested *n = &vcpu->nested;

	return (struct paging_state){
		.cr0 = vmread(VMCS_GUEST_CR0),
		.cr3 = vmread(VMCS_GUEST_CR3),
		.cr4 = vmread(VMCS_GUEST_CR4),
		.efer = vmread(VMCS_GUEST_EFER),
		.cpl = (uint8_t)SEG_AR_DPL(vmread32(VMCS_GUEST_SS_AR)),
		.rflags_ac = vmread(VMCS_GUEST_RFLAGS) & RFLAGS_AC,
		.maxphyaddr = vmx_caps.maxphyaddr,
		.eptp12 = n->in_l2 && n->cur->root != NULL ? n->cur->root->eptp12 : 0,
	};
}

void vcpu_update_cr_masks(struct vcpu *vcpu)
{
	uint64_t cr0 = CR0_OWNED | (vcpu->nested.vmxon ? CR0_PE | CR0_PG : 0);
	uint64_t cr0_now = vcpu_read_cr0(), cr4_now = vcpu_read_cr4();

	vmwrite(VMCS_CR0_READ_SHADOW, cr0_now);
	vmwrite(VMCS_CR0_GUEST_HOST_MASK, cr0);
	vmwrite(VMCS_CR4_READ_SHADOW, cr4_now);
	vmwrite(VMCS_CR4_GUEST_HOST_MASK,
		CR4_VMXE | CR4_MCE | CR4_OF_CPUID | vcpu_cr4_reserved(vcpu));
}

static uint64_t visible(uint32_t value, uint32_t shadow, uint32_t mask)
{
	uint64_t m = vmread(mask);

	return (vmread(value) & ~m) | (vmread(shadow) & m);
}

uint64_t vcpu_read_cr0(void)
{
	return visible(VMCS_GUEST_CR0, VMCS_CR0_READ_SHADOW, VMCS_CR0_GUEST_HOST_MASK);
}

uint64_t vcpu_read_cr4(void)
{
	return visible(VMCS_GUEST_CR4, VMCS_CR4_READ_SHADOW, VMCS_CR4_GUEST_HOST_MASK);
}

bool vcpu_physical_address(struct vcpu *vcpu, uint64_t address, struct gpa_l1 *at)
{
	const struct vept_root *root = vcpu->nested.in_l2 ? vcpu->nested.cur->root : NULL;

	*at = (struct gpa_l1){address};
	return !root || vept_walk(&vcpu->nested, root->eptp12, (struct gpa_l2){address}, 1, at);
}

bool vcpu_uses_pdptes(uint64_t cr0, uint64_t cr4)
{
	return cr0 & CR0_PG && cr4 & CR4_PAE && !(vmread(VMCS_GUEST_EFER) & EFER_LME);
}

bool vcpu_load_pdptes(struct vcpu *vcpu, uint64_t cr0, uint64_t cr4)
{
	uint64_t pdpte[4];
	struct gpa_l1 at;

	if (!vcpu_uses_pdptes(cr0, cr4))
		return true;
	if (!vcpu_physical_address(vcpu, vmread(VMCS_GUEST_CR3) & CR3_PDPT, &at) ||
		vm_read_gpa(vcpu->vm, at.v, pdpte, sizeof(pdpte)) != 0)
		return false;
	if (!paging_pdptes_ok(pdpte, vmx_caps.maxphyaddr))
		return false;
	for (uint32_t i = 0; i < 4; i++)
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, pdpte[i]);
	return true;
}

/* Without paging CR0 and CR4 must be fit for IA-32e mode when it is about to start. */
void vcpu_set_lma(bool active)
{
	uint64_t efer = vmread(VMCS_GUEST_EFER);
	uint32_t entry = vmread32(VMCS_ENTRY_CONTROLS);

	vmwrite(VMCS_GUEST_EFER, active ? efer | EFER_LMA : efer & ~EFER_LMA);
	vmwrite(VMCS_ENTRY_CONTROLS,
		active ? entry | ENTRY_IA32E_GUEST : entry & ~ENTRY_IA32E_GUEST);
}

void vcpu_write_cr0(struct vcpu *vcpu, uint64_t cr0)
{
	bool paging = cr0 & CR0_PG, lme = vmread(VMCS_GUEST_EFER) & EFER_LME;

	vcpu->nested.cr0_cache = cr0 & CR0_CACHE;
	vcpu_set_lma(paging && lme);
	vmwrite(VMCS_GUEST_CR0, (cr0 & ~(CR0_CD | CR0_NW)) | CR0_NE | CR0_ET);
	vmwrite(VMCS_CR0_READ_SHADOW, cr0);
}

void vcpu_write_cr4(struct vcpu *vcpu, uint64_t cr4)
{
	bool cpuid_changes = (cr4 ^ vcpu_read_cr4()) & CR4_OF_CPUID;

	vmwrite(VMCS_GUEST_CR4, cr4 | CR4_VMXE | CR4_MCE);
	vmwrite(VMCS_CR4_READ_SHADOW, cr4);
	if (cpuid_changes)
		cpuid_update(vcpu);
}

bool vcpu_cr0_valid(uint64_t cr0, uint64_t old)
{
	uint64_t cr4 = vmread(VMCS_GUEST_CR4);
	uint32_t cs_ar;

	if (cr0 >> 32 != 0 || (cr0 & CR0_PG && !(cr0 & CR0_PE)) ||
		(cr0 & CR0_NW && !(cr0 & CR0_CD)) || (cr4 & CR4_CET && !(cr0 & CR0_WP)))
		return false;
	if ((cr0 ^ old) & CR0_PG) {
		cs_ar = vmread32(VMCS_GUEST_CS_AR);
		if (cr0 & CR0_PG && vmread(VMCS_GUEST_EFER) & EFER_LME &&
			(!(cr4 & CR4_PAE) || cs_ar & SEG_AR_L))
			return false;
		if (!(cr0 & CR0_PG) && (cr4 & CR4_PCIDE || vcpu_in_long64()))
			return false;
	}
	return true;
}

static bool mov_to_cr0(struct vcpu *vcpu, uint64_t cr0)
{
	uint64_t old = vcpu_read_cr0();

	cr0 = (cr0 & (CR0_DEFINED | ~0xffffffffull)) | CR0_ET;
	if (!vcpu_cr0_valid(cr0, old) ||
		(vcpu->nested.vmxon && !nested_cr0_fits(&vcpu->nested, cr0)))
		return false;
	if ((cr0 ^ old) & (CR0_PG | CR0_CD | CR0_NW) &&
		!vcpu_load_pdptes(vcpu, cr0, vcpu_read_cr4()))
		return false;
	vcpu_write_cr0(vcpu, cr0);
	if ((cr0 ^ old) & CR0_PG)
		invvpid(INVVPID_SINGLE, vcpu_vpid01(vcpu), 0);
	return true;
}

bool vcpu_cr4_valid(uint64_t cr4, uint64_t old)
{
	bool lma = vmread(VMCS_GUEST_EFER) & EFER_LMA;
	uint64_t changed = cr4 ^ old;

	if (lma && (!(cr4 & CR4_PAE) || changed & CR4_LA57))
		return false;
	if (cr4 & CR4_CET && !(vmread(VMCS_GUEST_CR0) & CR0_WP))
		return false;
	return !(changed & cr4 & CR4_PCIDE) || (lma && !(vmread(VMCS_GUEST_CR3) & 0xfff));
}

static bool mov_to_cr4(struct vcpu *vcpu, uint64_t cr4)
{
	uint64_t old = vcpu_read_cr4(), changed = cr4 ^ old;

	if (cr4 & vcpu_cr4_reserved(vcpu) ||
		(vcpu->nested.vmxon && !nested_cr4_fits(&vcpu->nested, cr4)))
		return false;
	if (!vcpu_cr4_valid(cr4, old))
		return false;
	if (changed & CR4_LOADS_PDPTES && !vcpu_load_pdptes(vcpu, vcpu_read_cr0(), cr4))
		return false;
	vcpu_write_cr4(vcpu, cr4);
	if (changed & CR4_FLUSHES)
		invvpid(INVVPID_SINGLE, vcpu_vpid01(vcpu), 0);
	return true;
}

uint64_t vcpu_read_gpr(struct vcpu *vcpu, unsigned reg)
{
	uint64_t v = reg == REG_RSP ? vmread(VMCS_GUEST_RSP) : vcpu->regs.r[reg];

	return vcpu_in_long64() ? v : (uint32_t)v;
}

void vcpu_write_gpr(struct vcpu *vcpu, unsigned reg, uint64_t v)
{
	if (reg == REG_RSP)
		vmwrite(VMCS_GUEST_RSP, v);
	else
		vcpu->regs.r[reg] = v;
}

static bool mov_to_cr(struct vcpu *vcpu, unsigned cr, uint64_t v)
{
	switch (cr) {
	case 0:
		return mov_to_cr0(vcpu, v);
	case 4:
		return mov_to_cr4(vcpu, v);
	case 8:
		if (v > CR8_MAX)
			return false;
		platform_set_cr8(vcpu->vm->platform, vcpu->index, v);
		vcpu_post(vcpu, EVENT_IRQ);
		return true;
	default:
		return false;
	}
}

/* Translations of what was there before are gone, also those that PCIDs would keep. */
static bool set_cr3(struct vcpu *vcpu, uint64_t cr3)
{
	uint64_t old = vmread(VMCS_GUEST_CR3);

	if (!caps_cr3_ok(&vmx_caps, cr3) ||
		(!(vmread(VMCS_GUEST_EFER) & EFER_LMA) && cr3 >> 32 != 0))
		return false;
	vmwrite(VMCS_GUEST_CR3, cr3);
	if (!vcpu_load_pdptes(vcpu, vcpu_read_cr0(), vcpu_read_cr4())) {
		vmwrite(VMCS_GUEST_CR3, old);
		return false;
	}
	invvpid(INVVPID_SINGLE, vcpu_vpid01(vcpu), 0);
	return true;
}

bool vcpu_set_cr(struct vcpu *vcpu, unsigned cr, uint64_t value)
{
	return cr == 3 ? set_cr3(vcpu, value) : mov_to_cr(vcpu, cr, value);
}

static void mov_from_cr8(struct vcpu *vcpu, unsigned reg)
{
	vcpu_write_gpr(vcpu, reg, platform_get_cr8(vcpu->vm->platform, vcpu->index));
}

/* SDM table 27-3 "Exit Qualification for Control-Register Accesses". */
void handle_cr_access(struct vcpu *vcpu)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION), cr0;
	unsigned cr = CR_NUMBER(q), reg = CR_REGISTER(q);
	bool ok = true;

	switch (CR_TYPE(q)) {
	case CR_MOV_TO:
		ok = mov_to_cr(vcpu, cr, vcpu_read_gpr(vcpu, reg));
		break;
	case CR_MOV_FROM:
		mov_from_cr8(vcpu, reg);
		break;
	case CR_CLTS:
		ok = mov_to_cr0(vcpu, vcpu_read_cr0() & ~CR0_TS);
		break;
	default: /* LMSW: sets PE but cannot clear it */
		cr0 = vcpu_read_cr0();
		ok = mov_to_cr0(
			vcpu, (cr0 & ~(CR0_MP | CR0_EM | CR0_TS)) | (CR_LMSW_DATA(q) & 0xf));
		break;
	}
	if (ok)
		nested_skip();
	else
		vcpu_inject_gp(vcpu);
}

bool vcpu_xcr0_valid(const struct vcpu *vcpu, uint64_t v)
{
	const uint64_t avx = XCR0_SSE | XCR0_AVX;

	if (v & ~vcpu->cpuid->xcr0_mask || !(v & XCR0_X87) || (v & XCR0_AVX && !(v & XCR0_SSE)))
		return false;
	return !(v & XCR0_AVX512) || ((v & XCR0_AVX512) == XCR0_AVX512 && (v & avx) == avx);
}

void handle_xsetbv(struct vcpu *vcpu)
{
	uint64_t v = vcpu->regs.r[REG_RDX] << 32 | (uint32_t)vcpu->regs.r[REG_RAX];
	bool user = SEG_AR_DPL(vmread32(VMCS_GUEST_SS_AR)) != 0;

	if (user || (uint32_t)vcpu->regs.r[REG_RCX] != 0 || !vcpu_xcr0_valid(vcpu, v)) {
		vcpu_inject_gp(vcpu);
		return;
	}
	vcpu->xcr0 = v;
	xsetbv(0, v);
	cpuid_update(vcpu);
	nested_skip();
}
