/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual APIC for L2, for the conformance payloads of APIC virtualization: its pages,
 * controls by name, and what is printed of it.
 */
#ifndef NESTOR_TESTS_CONFORMANCE_VAPIC_H
#define NESTOR_TESTS_CONFORMANCE_VAPIC_H

#include "conf.h"
#include "spec/apic.h"

#define ACCESS_PAGE 0x600000ull

#define ACCESSES  PROC2_APIC_ACCESSES
#define X2APIC    PROC2_X2APIC_MODE
#define REGISTERS PROC2_APIC_REGISTER_VIRT
#define DELIVERY  PROC2_VIRT_INTR_DELIVERY

static uint8_t vapic[4096] __attribute__((aligned(4096)));

static inline uint32_t *vreg(unsigned offset)
{
	return (uint32_t *)(void *)(vapic + offset);
}

/* A vector in one of the three 256-bit registers. */
static inline void vapic_set(unsigned map, unsigned vector)
{
	*vreg(map + vector / 32 * 16) |= 1u << vector % 32;
}

/* Controls of the current VMCS, with what the SDM demands to go with them. */
static inline void vapic_controls(uint32_t proc2, bool shadow)
{
	if (shadow) {
		ctl_set(VMCS_PROC_CONTROLS, PROC_TPR_SHADOW);
		vmwrite(VMCS_VIRTUAL_APIC_ADDR, address_of(vapic));
		vmwrite(VMCS_TPR_THRESHOLD, 0);
	}
	if (proc2 & DELIVERY) {
		ctl_set(VMCS_PIN_CONTROLS, PIN_EXT_INTR_EXITING);
		for (unsigned i = 0; i < 4; i++)
			vmwrite(VMCS_EOI_EXIT_BITMAP0 + 2 * i, 0);
		vmwrite(VMCS_GUEST_INTR_STATUS, 0);
	}
	ctl_set(VMCS_PROC2_CONTROLS, proc2);
	vmwrite(VMCS_APIC_ACCESS_ADDR, ACCESS_PAGE);
}

/* The interrupt status, and every register that is not zero. */
static inline void vapic_print(const char *name)
{
	print("%s: status %lx", name, vmread(VMCS_GUEST_INTR_STATUS));
	for (unsigned i = 0; i < 4096; i += 4)
		if (*vreg(i))
			print(" [%x]=%x", i, *vreg(i));
	print("\n");
}

#endif
