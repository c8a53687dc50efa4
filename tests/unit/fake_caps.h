/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMX capability MSRs of a machine like a Skylake server, but with CET, a tertiary control,
 * sub-page permissions and bus-lock exits, for tests.
 */
#ifndef NESTOR_TESTS_FAKE_CAPS_H
#define NESTOR_TESTS_FAKE_CAPS_H

#include "nested/caps.h"

static inline struct vmx_caps fake_hardware_caps(void)
{
	struct vmx_caps hw = {.maxphyaddr = 46, .linear_bits = LINEAR_BITS};

#define SET(name, value) hw.msr[MSR_VMX_##name - MSR_VMX_BASIC] = (value)
	SET(BASIC, 0x00da040000000004);
	SET(PIN, 0x000000ff00000016);
	SET(PROC, 0xfffbfffe0401e172);
	SET(EXIT, 0x11ffffff00036dff);
	SET(ENTRY, 0x0013ffff000011ff);
	SET(MISC, 0x000000007004c1e7);
	SET(CR0_FIXED0, 0x0000000080000021);
	SET(CR0_FIXED1, 0x00000000ffffffff);
	SET(CR4_FIXED0, 0x0000000000002000);
	SET(CR4_FIXED1, 0x0000000000f727ff);
	SET(VMCS_ENUM, 0x000000000000002e);
	SET(PROC2, 0x42dfffff00000000);
	SET(EPT_VPID_CAP, 0x00000f0106734141);
	SET(TRUE_PIN, 0x000000ff00000016);
	SET(TRUE_PROC, 0xfffbfffe04006172);
	SET(TRUE_EXIT, 0x11ffffff00036dfb);
	SET(TRUE_ENTRY, 0x0013ffff000011fb);
	SET(VMFUNC, 0x0000000000000001);
	SET(PROC3, 0x0000000000000080); /* "virtualize IA32_SPEC_CTRL" */
#undef SET
	return hw;
}

#endif
