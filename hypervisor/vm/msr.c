/*
 * L1's MSRs: policy, and RDMSR/WRMSR exits.
 */
#include "vm/vm_int.h"

#include "cpu/asm.h"
#include "cpu/log.h"
#include "cpu/mem.h"
#include "vmx/asm.h"

#define MSR_APIC_BASE        0x1b
#define MSR_X2APIC_FIRST     0x800
#define MSR_X2APIC_LAST      0x8ff
#define MSR_X2APIC_TPR       0x808
#define MSR_X2APIC_EOI       0x80b
#define MSR_X2APIC_LVT_TIMER 0x832
#define MSR_X2APIC_INITIAL   0x838
#define MSR_X2APIC_CURRENT   0x839
#define MSR_X2APIC_DIVIDE    0x83e
#define MSR_X2APIC_SELF_IPI  0x83f
#define MSR_TSC_ADJUST       0x3b
#define MSR_MTRR_CAP         0xfe
#define MSR_MTRR_PHYS_FIRST  0x200
#define MSR_MTRR_PHYS_LAST   0x20f
#define MSR_MTRR_FIX_64K     0x250
#define MSR_MTRR_FIX_16K_0   0x258
#define MSR_MTRR_FIX_16K_1   0x259
#define MSR_MTRR_FIX_4K_0    0x268
#define MSR_MTRR_FIX_4K_7    0x26f
#define MSR_MTRR_DEF_TYPE    0x2ff
#define MTRR_VARIABLE        8u
#define MTRR_CAP_FIX         0x100u
#define MTRR_CAP_WC          0x400u
#define MTRR_ALL_WB          0x0606060606060606ull
#define MTRR_DEF_ENABLED_WB  0xc06u

enum msr_kind {
	MSR_KIND_PASS,
	MSR_KIND_PASS_READ,
	MSR_KIND_CONST,
	MSR_KIND_CONST_READ,
	MSR_KIND_FIXED
};

static const struct msr_rule {
	uint32_t index;
	enum msr_kind kind;
	uint64_t value;
	const char *name;
} rules[] = {
#define MSR(index, name, kind, value) {index, MSR_KIND_##kind, value, #name},
#include "vm/msrs.def"
};

#define RULES (sizeof(rules) / sizeof(rules[0]))

/* Memory types as L1 set them: kept for reading back, without effect (EPT decides). */
struct mtrr_state {
	uint64_t physical[2 * MTRR_VARIABLE];
	uint64_t fixed[11];
	uint64_t def_type;
};

bool msr_create(struct vcpu *vcpu)
{
	vcpu->mtrr = pool_get(&vcpu->vm->pool);
	if (vcpu->mtrr == NULL)
		return false;
	vcpu->mtrr->def_type = MTRR_DEF_ENABLED_WB;
	for (unsigned i = 0; i < 11; i++)
		vcpu->mtrr->fixed[i] = MTRR_ALL_WB;
	return true;
}

static void allow(uint64_t *bitmap, uint32_t msr, bool write)
{
	uint32_t bit = (msr & 0x1fff) + (msr >> 31 ? 8192 : 0) + (write ? 16384 : 0);

	bitmap[bit / 64] &= ~BIT64(bit % 64);
}

/* SDM 24.6.9 "MSR-Bitmap Address" */
void msr_fill_bitmap(uint64_t *bitmap)
{
	memset(bitmap, 0xff, PAGE_SIZE);
	for (unsigned i = 0; i < RULES; i++) {
		if (rules[i].kind == MSR_KIND_PASS || rules[i].kind == MSR_KIND_PASS_READ ||
			rules[i].kind == MSR_KIND_CONST_READ)
			allow(bitmap, rules[i].index, false);
		if (rules[i].kind == MSR_KIND_PASS)
			allow(bitmap, rules[i].index, true);
	}
}

/*
 * SDM 29.5 "Virtualizing MSR-Based APIC Accesses". A read gives what the virtual-APIC page holds even
 * where no register is; the current count is not there.
 */
void msr_allow_x2apic(uint64_t *bitmap)
{
	for (uint32_t msr = MSR_X2APIC_FIRST; msr <= MSR_X2APIC_LAST; msr++)
		if (msr != MSR_X2APIC_CURRENT && platform_x2apic_readable(msr))
			allow(bitmap, msr, false);
	allow(bitmap, MSR_X2APIC_TPR, true);
	allow(bitmap, MSR_X2APIC_EOI, true);
	allow(bitmap, MSR_X2APIC_SELF_IPI, true);
}

/* ---- MTRRs ---- */

static uint64_t *mtrr_slot(struct mtrr_state *m, uint32_t msr)
{
	if (msr >= MSR_MTRR_PHYS_FIRST && msr <= MSR_MTRR_PHYS_LAST)
		return &m->physical[msr - MSR_MTRR_PHYS_FIRST];
	if (msr == MSR_MTRR_FIX_64K)
		return &m->fixed[0];
	if (msr == MSR_MTRR_FIX_16K_0 || msr == MSR_MTRR_FIX_16K_1)
		return &m->fixed[1 + msr - MSR_MTRR_FIX_16K_0];
	if (msr >= MSR_MTRR_FIX_4K_0 && msr <= MSR_MTRR_FIX_4K_7)
		return &m->fixed[3 + msr - MSR_MTRR_FIX_4K_0];
	if (msr == MSR_MTRR_DEF_TYPE)
		return &m->def_type;
	return NULL;
}

static bool memtype_valid(uint8_t type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

/* SDM 11.11.2 "Setting Memory Ranges with MTRRs" */
static bool mtrr_valid(uint32_t msr, uint64_t v)
{
	uint64_t beyond = ~((1ull << vmx_caps.maxphyaddr) - 1);

	if (msr == MSR_MTRR_DEF_TYPE)
		return !(v & ~0xcffull) && memtype_valid((uint8_t)v);
	if (msr <= MSR_MTRR_PHYS_LAST && msr & 1)
		return !(v & (beyond | 0x7ff));
	if (msr <= MSR_MTRR_PHYS_LAST)
		return !(v & (beyond | 0xf00)) && memtype_valid((uint8_t)v);
	for (unsigned i = 0; i < 64; i += 8) {
		if (!memtype_valid((uint8_t)(v >> i)))
			return false;
	}
	return true;
}

/* ---- pass-through MSRs, when somebody else than L1's own instruction accesses them ---- */

static enum vmcs_encoding vmcs_field_of(uint32_t msr)
{
	switch (msr) {
	case MSR_SYSENTER_CS:
		return VMCS_GUEST_SYSENTER_CS;
	case MSR_SYSENTER_ESP:
		return VMCS_GUEST_SYSENTER_ESP;
	case MSR_SYSENTER_EIP:
		return VMCS_GUEST_SYSENTER_EIP;
	case MSR_PAT:
		return VMCS_GUEST_PAT;
	case MSR_EFER:
		return VMCS_GUEST_EFER;
	case MSR_FS_BASE:
		return VMCS_GUEST_FS_BASE;
	case MSR_GS_BASE:
		return VMCS_GUEST_GS_BASE;
	default:
		return 0;
	}
}

/* LMA is the processor's, and LME does not change under paging (SDM 4.1.2). */
static bool efer_change_valid(uint64_t changed)
{
	return !(changed & EFER_LMA) &&
	       !(changed & EFER_LME && vmread(VMCS_GUEST_CR0) & CR0_PG);
}

static bool pass_write_valid(uint32_t msr, uint64_t v)
{
	switch (msr) {
	case MSR_PAT:
		for (unsigned i = 0; i < 64; i += 8) {
			uint8_t type = (uint8_t)(v >> i);

			if (type > 7 || type == 2 || type == 3)
				return false;
		}
		return true;
	case MSR_EFER:
		return !(v & ~EFER_OFFERED) && efer_change_valid(v ^ vmread(VMCS_GUEST_EFER));
	case MSR_TSC_AUX:
	case MSR_FMASK:
		return v >> 32 == 0;
	case MSR_STAR:
	case MSR_SYSENTER_CS:
		return true;
	default:
		return canonical(v);
	}
}

static void pass_read(uint32_t msr, uint64_t *v)
{
	enum vmcs_encoding field = vmcs_field_of(msr);

	*v = field != 0 ? vmread(field) : rdmsr(msr);
}

static bool pass_write(uint32_t msr, uint64_t v)
{
	enum vmcs_encoding field = vmcs_field_of(msr);

	if (!pass_write_valid(msr, v))
		return false;
	if (field != 0)
		vmwrite(field, v);
	else
		wrmsr(msr, v);
	return true;
}

/* ---- rules ---- */

static const struct msr_rule *rule_of(uint32_t msr)
{
	for (unsigned i = 0; i < RULES; i++) {
		if (rules[i].index == msr)
			return &rules[i];
	}
	return NULL;
}

static bool is_platform_msr(uint32_t msr)
{
	return msr == MSR_TSC_DEADLINE || msr == MSR_APIC_BASE ||
	       (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST);
}

static bool is_vmx_msr(uint32_t msr)
{
	return msr == MSR_FEATURE_CONTROL || (msr >= MSR_VMX_BASIC && msr <= MSR_VMX_VMFUNC);
}

static bool rdmsr_vmx(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	if (vcpu->vm->config.vmx)
		return nested_rdmsr(&vcpu->nested, msr, value);
	*value = 1; /* IA32_FEATURE_CONTROL: locked, nothing enabled */
	return msr == MSR_FEATURE_CONTROL;
}

static bool rdmsr_rule(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	const struct msr_rule *r = rule_of(msr);

	if (r == NULL)
		return false;
	if (r->kind == MSR_KIND_PASS)
		pass_read(msr, value);
	else if (r->kind == MSR_KIND_PASS_READ)
		*value = vcpu_tsc(vcpu);
	else
		*value = r->value;
	return true;
}

static bool has_tsc_adjust(const struct vcpu *vcpu)
{
	return cpuid_of(vcpu, 7, 0).ebx & BIT(1);
}

bool vm_rdmsr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	uint64_t *mtrr;

	if (msr == MSR_TSC_DEADLINE)
		return vcpu_rdmsr_deadline(vcpu, value);
	if (msr == MSR_TSC_ADJUST && has_tsc_adjust(vcpu)) {
		*value = vcpu->tsc_adjust;
		return true;
	}
	if (is_platform_msr(msr))
		return platform_rdmsr(vcpu->vm->platform, vcpu->index, msr, value);
	if (is_vmx_msr(msr))
		return rdmsr_vmx(vcpu, msr, value);
	if (msr == MSR_MTRR_CAP) {
		*value = MTRR_VARIABLE | MTRR_CAP_FIX | MTRR_CAP_WC;
		return true;
	}
	mtrr = mtrr_slot(vcpu->mtrr, msr);
	if (mtrr != NULL) {
		*value = *mtrr;
		return true;
	}
	return rdmsr_rule(vcpu, msr, value);
}

static bool wrmsr_rule(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	const struct msr_rule *r = rule_of(msr);

	if (r == NULL)
		return false;
	switch (r->kind) {
	case MSR_KIND_PASS:
		return pass_write(msr, value);
	case MSR_KIND_PASS_READ:
		vcpu_set_tsc(vcpu, value);
		return true;
	case MSR_KIND_CONST:
	case MSR_KIND_CONST_READ:
		return true;
	default:
		return value == r->value;
	}
}

static bool wrmsr_platform(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	if (msr == MSR_TSC_DEADLINE)
		return vcpu_wrmsr_deadline(vcpu, value);
	if (msr == MSR_X2APIC_LVT_TIMER || msr == MSR_X2APIC_INITIAL ||
		msr == MSR_X2APIC_DIVIDE)
		vcpu_post(vcpu, EVENT_TIMER);
	return platform_wrmsr(vcpu->vm->platform, vcpu->index, msr, value);
}

bool vm_wrmsr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	uint64_t *mtrr;

	if (msr == MSR_TSC_ADJUST && has_tsc_adjust(vcpu)) {
		vcpu_set_tsc_adjust(vcpu, value);
		return true;
	}
	if (is_platform_msr(msr))
		return wrmsr_platform(vcpu, msr, value);
	if (is_vmx_msr(msr))
		return vcpu->vm->config.vmx && nested_wrmsr(&vcpu->nested, msr, value);
	mtrr = mtrr_slot(vcpu->mtrr, msr);
	if (mtrr != NULL) {
		if (!mtrr_valid(msr, value))
			return false;
		*mtrr = value;
		return true;
	}
	return wrmsr_rule(vcpu, msr, value);
}

/* ---- exits ---- */

static void refuse(struct vcpu *vcpu, const char *what, uint32_t msr, uint64_t value)
{
	if (rule_of(msr) == NULL)
		log_debug("'%s': %s 0x%x (value 0x%lx) at rip %lx: #GP", vcpu->vm->config.name,
			what, msr, value, vmread(VMCS_GUEST_RIP));
	vcpu_inject_gp(vcpu);
}

void handle_rdmsr(struct vcpu *vcpu)
{
	uint32_t msr = (uint32_t)vcpu->regs.r[REG_RCX];
	uint64_t value;

	if (!vm_rdmsr(vcpu, msr, &value)) {
		refuse(vcpu, "RDMSR", msr, 0);
		return;
	}
	vcpu->regs.r[REG_RAX] = (uint32_t)value;
	vcpu->regs.r[REG_RDX] = value >> 32;
	vcpu_skip(vcpu);
}

void handle_wrmsr(struct vcpu *vcpu)
{
	uint32_t msr = (uint32_t)vcpu->regs.r[REG_RCX];
	uint64_t value = vcpu->regs.r[REG_RDX] << 32 | (uint32_t)vcpu->regs.r[REG_RAX];

	if (vm_wrmsr(vcpu, msr, value))
		vcpu_skip(vcpu);
	else
		refuse(vcpu, "WRMSR", msr, value);
}
