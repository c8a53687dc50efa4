/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For unit tests of files of the hardware ring: takes the place of hypervisor/vmx/asm.h.
 */
#ifndef NESTOR_VMX_ASM_H
#define NESTOR_VMX_ASM_H

#include <stdint.h>

/* The test has the current VMCS. */
void hw_vmwrite(uint64_t encoding, uint64_t v);

static inline void vmwrite(uint64_t encoding, uint64_t v)
{
	hw_vmwrite(encoding, v);
}

#endif
