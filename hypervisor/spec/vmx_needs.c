/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/vmx_needs.h"

#include <stddef.h>

static const struct {
	uint32_t msr;
	uint32_t bits;
	const char *name;
} needed[] = {
	{MSR_VMX_TRUE_PIN, PIN_EXT_INTR_EXITING | PIN_NMI_EXITING, "interrupt exiting"},
	{MSR_VMX_TRUE_PROC, PROC_USE_MSR_BITMAPS, "MSR bitmaps"},
	{MSR_VMX_TRUE_PROC, PROC_SECONDARY, "secondary controls"},
	{MSR_VMX_PROC2, PROC2_ENABLE_EPT, "EPT"},
	{MSR_VMX_PROC2, PROC2_ENABLE_VPID, "VPID"},
	{MSR_VMX_PROC2, PROC2_UNRESTRICTED_GUEST, "unrestricted guest"},
	{MSR_VMX_TRUE_EXIT, EXIT_SAVE_EFER | EXIT_LOAD_EFER, "EFER switching"},
	{MSR_VMX_TRUE_EXIT, EXIT_SAVE_PAT | EXIT_LOAD_PAT, "PAT switching"},
};

const char *vmx_needs_missing(const struct vmx_caps *c)
{
	uint64_t ept = caps_msr(c, MSR_VMX_EPT_VPID_CAP);

	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if ((caps_allowed1(c, needed[i].msr) & needed[i].bits) != needed[i].bits)
			return needed[i].name;
	if (!(ept & EPT_CAP_WALK_4) || !(ept & EPT_CAP_WB) || !(ept & EPT_CAP_2M))
		return "4-level write-back EPT with 2 MiB pages";
	if (!(ept & EPT_CAP_INVEPT_SINGLE) || !(ept & EPT_CAP_INVVPID_SINGLE) ||
		!(ept & EPT_CAP_INVEPT_GLOBAL) || !(ept & EPT_CAP_INVVPID_GLOBAL))
		return "INVEPT and INVVPID of single and all contexts";
	return NULL;
}

static void drop(struct vmx_caps *c, uint32_t msr, uint32_t control)
{
	c->msr[msr - MSR_VMX_BASIC] &= ~((uint64_t)control << 32);
}

void vmx_caps_drop_timer(struct vmx_caps *c)
{
	drop(c, MSR_VMX_PIN, PIN_PREEMPTION_TIMER);
	drop(c, MSR_VMX_TRUE_PIN, PIN_PREEMPTION_TIMER);
	drop(c, MSR_VMX_EXIT, EXIT_SAVE_PREEMPTION_TIMER);
	drop(c, MSR_VMX_TRUE_EXIT, EXIT_SAVE_PREEMPTION_TIMER);
}

bool vmx_caps_has_timer(const struct vmx_caps *c)
{
	return caps_allowed1(c, MSR_VMX_TRUE_PIN) & PIN_PREEMPTION_TIMER &&
	       caps_allowed1(c, MSR_VMX_TRUE_EXIT) & EXIT_SAVE_PREEMPTION_TIMER;
}

void vmx_caps_complete(struct vmx_caps *c)
{
	if (caps_msr(c, MSR_VMX_BASIC) & BASIC_TRUE_CONTROLS)
		return;
	for (uint32_t m = MSR_VMX_PIN; m <= MSR_VMX_ENTRY; m++)
		c->msr[m - MSR_VMX_PIN + MSR_VMX_TRUE_PIN - MSR_VMX_BASIC] = caps_msr(c, m);
}
