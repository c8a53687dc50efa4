/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For unit tests of files of the hardware ring: takes the place of hypervisor/vmx/asm.h.
 */
#ifndef NESTOR_VMX_ASM_H
#define NESTOR_VMX_ASM_H

#include <stdint.h>

/* The test has the current VMCS. */
void hw_vmwrite(uint64_t encoding, uint64_t v);
uint64_t hw_vmread(uint64_t encoding);

static inline uint64_t vmread(uint64_t encoding)
{
	return hw_vmread(encoding);
}

static inline uint32_t vmread32(uint64_t encoding)
{
	return (uint32_t)vmread(encoding);
}

static inline void vmwrite(uint64_t encoding, uint64_t v)
{
	hw_vmwrite(encoding, v);
}

/* And what the processor has cached. */
void hw_invept(uint64_t type, uint64_t eptp);
void hw_invvpid(uint64_t type, uint16_t vpid);

static inline void invept(uint64_t type, uint64_t eptp)
{
	hw_invept(type, eptp);
}

static inline void invvpid(uint64_t type, uint16_t vpid, uint64_t linear)
{
	(void)linear;
	hw_invvpid(type, vpid);
}

#endif
