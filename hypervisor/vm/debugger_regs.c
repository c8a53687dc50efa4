/* SPDX-License-Identifier: Apache-2.0 */
/* What a debugger changes of registers: only to what VM entry takes. */
#include "vm/debugger.h"

#include "cpu/asm.h"
#include "vm/vm_int.h"
#include "vmx/asm.h"

/* By enum reg. */
static const char *const general[REG_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi",
	"rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};

/* SDM 26.3.1.4 "Checks on Guest RIP and RFLAGS" */
static enum debugger_set set_rip(struct vcpu *vcpu, uint64_t value)
{
	if (vcpu_in_long64() ? !canonical_in(value, vmx_caps.linear_bits) : value >> 32 != 0)
		return DEBUGGER_SET_VALUE;
	vmwrite(VMCS_GUEST_RIP, value);
	vcpu->debug.skips = false;
	return DEBUGGER_SET;
}

static bool injects_interrupt(const struct vcpu *vcpu)
{
	return vcpu->injecting &&
	       INTR_INFO_TYPE(vmread32(VMCS_ENTRY_INTR_INFO)) == INTR_EXTERNAL;
}

/*
 * 26.3.1.4, and what 26.3.1.5 has for IF with blocking by STI, and for TF with a pending trap.
 */
static enum debugger_set set_rflags(struct vcpu *vcpu, uint64_t value)
{
	uint64_t changed = vmread(VMCS_GUEST_RFLAGS) ^ value;
	uint32_t blocking = vmread32(VMCS_GUEST_INTERRUPTIBILITY);
	bool held = blocking & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS) ||
		    vmread32(VMCS_GUEST_ACTIVITY_STATE) == ACTIVITY_HLT;

	if (value & ~RFLAGS_DEFINED || !(value & RFLAGS_FIXED) || changed & RFLAGS_VM)
		return DEBUGGER_SET_VALUE;
	if (changed & RFLAGS_TF && held)
		return DEBUGGER_SET_STATE;
	if (!(value & RFLAGS_IF) &&
		(blocking & INTERRUPTIBILITY_STI || injects_interrupt(vcpu)))
		return DEBUGGER_SET_STATE;
	vmwrite(VMCS_GUEST_RFLAGS, value);
	if (changed & value & RFLAGS_IF)
		vcpu_add_events(vcpu, EVENT_IRQ);
	return DEBUGGER_SET;
}

/* 26.3.1.2 "Checks on Guest Segment Registers"; in virtual-8086 mode it is the selector's. */
static enum debugger_set set_base(uint32_t field, uint64_t value)
{
	if (!canonical_in(value, vmx_caps.linear_bits))
		return DEBUGGER_SET_VALUE;
	if (vmread(VMCS_GUEST_RFLAGS) & RFLAGS_VM)
		return DEBUGGER_SET_STATE;
	vmwrite(field, value);
	return DEBUGGER_SET;
}

/* Those of L2 L1 decides on, too: by masks, shadows and exits. */
static enum debugger_set set_cr(struct vcpu *vcpu, unsigned cr, uint64_t value)
{
	if (vcpu->nested.in_l2)
		return DEBUGGER_SET_STATE;
	return vcpu_set_cr(vcpu, cr, value) ? DEBUGGER_SET : DEBUGGER_SET_VALUE;
}

static bool is(const char *a, const char *b)
{
	while (*a != 0 && *a == *b)
		a++, b++;
	return *a == *b;
}

static bool set_general(struct vcpu *vcpu, const char *name, uint64_t value)
{
	for (unsigned i = 0; i < REG_COUNT; i++) {
		if (!is(name, general[i]))
			continue;
		if (i == REG_RSP)
			vmwrite(VMCS_GUEST_RSP, value);
		else
			vcpu->regs.r[i] = value;
		return true;
	}
	return false;
}

enum debugger_set debugger_set(struct vcpu *vcpu, const char *name, uint64_t value)
{
	if (set_general(vcpu, name, value))
		return DEBUGGER_SET;
	if (is(name, "rip"))
		return set_rip(vcpu, value);
	if (is(name, "rflags"))
		return set_rflags(vcpu, value);
	if (is(name, "fs_base"))
		return set_base(VMCS_GUEST_FS_BASE, value);
	if (is(name, "gs_base"))
		return set_base(VMCS_GUEST_GS_BASE, value);
	if (name[0] == 'c' && name[1] == 'r' && name[2] != 0 && name[3] == 0 &&
		(name[2] == '0' || name[2] == '3' || name[2] == '4' || name[2] == '8'))
		return set_cr(vcpu, (unsigned)(name[2] - '0'), value);
	if (!is(name, "cr2"))
		return DEBUGGER_SET_UNKNOWN;
	write_cr2(value);
	return DEBUGGER_SET;
}
