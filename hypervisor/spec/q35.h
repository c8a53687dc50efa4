/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What firmware for Intel's Q35 chipset programs: the host bridge (82G33 Express MCH, 00:00.0)
 * and the LPC bridge (ICH9, 00:1f.0).
 */
#ifndef NESTOR_SPEC_Q35_H
#define NESTOR_SPEC_Q35_H

#define Q35_VENDOR_INTEL 0x8086u
#define Q35_MCH          0x29c0u
#define Q35_LPC          0x2918u
#define Q35_LPC_BDF      0x00f8 /* 00:1f.0 */
/* QEMU's machines, by which firmware decides that there is a configuration device. */
#define Q35_SUBVENDOR 0x1af4u
#define Q35_SUBSYSTEM 0x1100u

/* Offsets in configuration space. */
enum q35_host_bridge {
	MCH_PCIEXBAR = 0x60, /* 8 bytes: where ECAM is */
	MCH_PAM = 0x90       /* 7 bytes: what 0xc0000 to 0xfffff reads from and writes to */
};

enum q35_lpc_bridge {
	LPC_PMBASE = 0x40, /* 4 bytes: ACPI ports */
	LPC_ACPI_CONTROL = 0x44,
	LPC_PIRQ_A = 0x60, /* 4 bytes: the ISA lines of PIRQA to PIRQD */
	LPC_PIRQ_E = 0x68, /* PIRQE to PIRQH */
	LPC_RCBA = 0xf0    /* 4 bytes: root complex registers */
};

#define MCH_PCIEXBAR_ENABLE 0x1ull
#define MCH_PCIEXBAR_LENGTH 0x6ull        /* 0: all 256 buses; 1: 128; 2: 64 */
#define MCH_PCIEXBAR_BASE   0xf0000000ull /* bits 31:28, what 256 buses are aligned to */
#define MCH_PAM_COUNT       7
#define MCH_PAM_BITS        0x33u /* the low half of the byte is for the lower 16 KiB */

#define LPC_PMBASE_IO    0x1u
#define LPC_PMBASE_PORTS 128
#define LPC_ACPI_ENABLE  0x80u
#define LPC_PIRQ_BITS    0x8fu
#define LPC_PIRQ_OFF     0x80u
#define LPC_PIRQ_LINE    0x0fu
#define LPC_PIRQ_LINES   0xdef8u /* 3 to 7, 9 to 12, 14, 15; others are reserved */
#define LPC_RCBA_BITS    0xffffc001u

#endif
