/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI: the configuration space of a function (PCI Local Bus Specification 3.0, chapter 6
 * "Configuration Space") and interrupt messages.
 */
#ifndef NESTOR_SPEC_PCI_H
#define NESTOR_SPEC_PCI_H

#include <stdint.h>

#include "lib/bits.h"

#define PCI_CONFIG_SIZE 256
#define PCI_BARS        6
#define PCI_DEVICES     32u /* of a bus */
#define PCI_FUNCTIONS   8u  /* of a device */
#define PCI_BDF(bus, device, function) \
	((uint16_t)((unsigned)(bus) << 8 | (unsigned)(device) << 3 | (unsigned)(function)))
#define PCI_BDF_BUS(bdf)      ((unsigned)(bdf) >> 8)
#define PCI_BDF_DEVICE(bdf)   ((unsigned)(bdf) >> 3 & 31)
#define PCI_BDF_FUNCTION(bdf) ((unsigned)(bdf)&7)
/*
 * With the segment group in the upper half (PCI Firmware Specification 3.2, 4.1.2): a function
 * of any segment, in 32 bits. One of segment 0 is its bdf.
 */
#define PCI_SBDF(segment, bdf) ((uint32_t)(segment) << 16 | (uint32_t)(bdf))
#define PCI_SBDF_SEGMENT(sbdf) ((uint16_t)((sbdf) >> 16))
#define PCI_SBDF_BDF(sbdf)     ((uint16_t)(sbdf))

/* Configuration mechanism 1 (3.2.2.3.2 "Software Generation of Configuration Transactions") */
#define PCI_PORT_ADDRESS   0xcf8
#define PCI_PORT_DATA      0xcfc
#define PCI_ADDRESS_ENABLE 0x80000000u

/* Offsets in a header of type 0. */
enum pci_offset {
	PCI_VENDOR = 0x00,
	PCI_DEVICE = 0x02,
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08,
	PCI_CLASS = 0x09, /* three bytes: interface, subclass, class */
	PCI_INTERFACE = 0x09,
	PCI_CLASS_CODE = 0x0a, /* two bytes: subclass, class */
	PCI_HEADER_TYPE = 0x0e,
	PCI_BAR = 0x10,
	PCI_SUBVENDOR = 0x2c,
	PCI_SUBSYSTEM = 0x2e,
	PCI_CAPABILITIES = 0x34,
	PCI_INTERRUPT_LINE = 0x3c,
	PCI_INTERRUPT_PIN = 0x3d,
	PCI_HEADER_END = 0x40
};

/*
 * Offsets in a header of type 1 (PCI-to-PCI Bridge Architecture Specification 1.2, 3.2
 * "PCI-to-PCI Bridge Configuration Space Header Format"), where it differs. Windows begin at
 * their base and end with the unit that their limit names.
 */
enum pci_bridge_offset {
	PCI_BRIDGE_PRIMARY = 0x18,
	PCI_BRIDGE_SECONDARY = 0x19,
	PCI_BRIDGE_SUBORDINATE = 0x1a,
	PCI_BRIDGE_IO_BASE = 0x1c, /* a byte; likewise the next */
	PCI_BRIDGE_IO_LIMIT = 0x1d,
	PCI_BRIDGE_MEMORY_BASE = 0x20, /* two bytes */
	PCI_BRIDGE_MEMORY_LIMIT = 0x22,
	PCI_BRIDGE_PREFETCH_BASE = 0x24,
	PCI_BRIDGE_PREFETCH_LIMIT = 0x26,
	PCI_BRIDGE_PREFETCH_BASE_HIGH = 0x28, /* four bytes */
	PCI_BRIDGE_PREFETCH_LIMIT_HIGH = 0x2c,
	PCI_BRIDGE_CONTROL = 0x3e /* two bytes */
};

#define PCI_BRIDGE_IO_BITS     0xf0u /* bits 15:12 of the address */
#define PCI_BRIDGE_IO_UNIT     0x1000u
#define PCI_BRIDGE_MEMORY_BITS 0xfff0u /* bits 31:20 */
#define PCI_BRIDGE_MEMORY_UNIT 0x100000u
#define PCI_BRIDGE_PREFETCH_64 1u /* in the low bits of base and limit */
#define PCI_BRIDGE_PARITY      BIT(0)
#define PCI_BRIDGE_SERR        BIT(1)
#define PCI_BRIDGE_RESET       BIT(6) /* the secondary bus is in reset */

#define PCI_COMMAND_IO     BIT(0)
#define PCI_COMMAND_MEMORY BIT(1)
#define PCI_COMMAND_MASTER BIT(2)
#define PCI_COMMAND_PARITY BIT(6)
#define PCI_COMMAND_SERR   BIT(8)
#define PCI_COMMAND_NOINTX BIT(10)

#define PCI_STATUS_INTX         BIT(3)
#define PCI_STATUS_CAPABILITIES BIT(4)

#define PCI_HEADER_MULTIFUNCTION 0x80
#define PCI_HEADER_LAYOUT        0x7f /* 0: a device; 1: a bridge */
#define PCI_HEADER_BRIDGE        1u

#define PCI_NO_VENDOR        0xffff /* no function is there */
#define PCI_CLASS_BRIDGE     0x06   /* the upper byte of PCI_CLASS_CODE; likewise the next */
#define PCI_CLASS_DISPLAY    0x03
#define PCI_CLASS_IDE        0x0101
#define PCI_CLASS_SCSI       0x0100
#define PCI_CLASS_SERIAL     0x0700
#define PCI_CLASS_VGA        0x0300
#define PCI_LINE_UNKNOWN     0xff /* from here on; 16 to 254 are reserved on PCs */
#define PCI_LINES            16
#define PCI_CAPABILITIES_MAX ((PCI_CONFIG_SIZE - PCI_HEADER_END) / 4)

#define PCI_BAR_IO           BIT(0)
#define PCI_BAR_64           BIT(2)
#define PCI_BAR_PREFETCH     BIT(3)
#define PCI_BAR_IO_FLAGS     3u
#define PCI_BAR_MEMORY_FLAGS 15u

/* Capabilities: identifier, offset of the next, body. */
enum pci_capability {
	PCI_CAP_POWER = 0x01,
	PCI_CAP_MSI = 0x05,
	PCI_CAP_VENDOR = 0x09,
	PCI_CAP_EXPRESS = 0x10,
	PCI_CAP_MSIX = 0x11,
	PCI_CAP_ADVANCED = 0x13
};

/* PCI Express Base Specification, 7.5.3 "PCI Express Capability Structure"; spec/pcie.h */
#define PCI_EXPRESS_CAPABLE 0x04
#define PCI_EXPRESS_CONTROL 0x08
#define PCI_EXPRESS_HAS_FLR BIT(28)
#define PCI_EXPRESS_FLR     BIT(15)
/* Conventional PCI "Advanced Capabilities" */
#define PCI_ADVANCED_CAPABLE     0x03
#define PCI_ADVANCED_CONTROL     0x04
#define PCI_ADVANCED_STATUS      0x05
#define PCI_ADVANCED_SIZE        0x06
#define PCI_ADVANCED_HAS_PENDING BIT(0) /* it tells whether transactions are pending */
#define PCI_ADVANCED_HAS_FLR     BIT(1)
#define PCI_ADVANCED_FLR         BIT(0)
#define PCI_ADVANCED_PENDING     BIT(0)
#define PCI_FLR_MS               100 /* what a function may take for it */

/*
 * PCI Express Base Specification 4.0, 7.5.2 "PCI Power Management Capability Structure". Who
 * changes between D0 and D3hot leaves the function alone for PCI_POWER_MS (5.9).
 */
#define PCI_POWER_CAPABLE 0x02
#define PCI_POWER_CONTROL 0x04
#define PCI_POWER_SIZE    0x08
#define PCI_POWER_VERSION 3u
#define PCI_POWER_STATE   3u
#define PCI_POWER_D0      0u
#define PCI_POWER_D3HOT   3u
#define PCI_POWER_KEEPS   BIT(3) /* No_Soft_Reset: what it was in D0 it is again */
#define PCI_POWER_MS      10

/* 6.8.1 "MSI Capability Structure", the form with 64-bit addresses and masks. */
enum pci_msi {
	PCI_MSI_CONTROL = 0x02,
	PCI_MSI_ADDRESS = 0x04,
	PCI_MSI_DATA = 0x0c,
	PCI_MSI_MASK = 0x10,
	PCI_MSI_PENDING = 0x14,
	PCI_MSI_SIZE = 0x18,
	/* the form without masks; those with 32-bit addresses have 4 bytes less from the data
	 * on */
	PCI_MSI_PLAIN_SIZE = 0x0e
};
#define PCI_MSI_SHORTER 4u

#define PCI_MSI_ENABLE        BIT(0)
#define PCI_MSI_CAPABLE_SHIFT 1
#define PCI_MSI_CAPABLE(c)    ((unsigned)(c) >> PCI_MSI_CAPABLE_SHIFT & 7)
#define PCI_MSI_CAPABLE_MAX   5u
#define PCI_MSI_ENABLED_SHIFT 4 /* log2 of how many vectors software allows */
#define PCI_MSI_ENABLED(c)    ((unsigned)(c) >> PCI_MSI_ENABLED_SHIFT & 7)
#define PCI_MSI_64            BIT(7)
#define PCI_MSI_MASKING       BIT(8)

/* 6.8.2 "MSI-X Capability and Table Structures" */
enum pci_msix {
	PCI_MSIX_CONTROL = 0x02,
	PCI_MSIX_TABLE = 0x04,
	PCI_MSIX_PENDING = 0x08,
	PCI_MSIX_SIZE = 0x0c
};

#define PCI_MSIX_ENABLE     BIT(15)
#define PCI_MSIX_ENTRIES(c) (((c)&0x7ffu) + 1)
#define PCI_MSIX_BAR(v)     ((v)&7u) /* of PCI_MSIX_TABLE, PCI_MSIX_PENDING */
#define PCI_MSIX_OFFSET(v)  ((v) & ~7u)
#define PCI_MSIX_MASK_ALL   BIT(14)
#define PCI_MSIX_ENTRY_SIZE 16u
/* in an entry: address (two words), data, mask */
#define PCI_MSIX_ENTRY_DATA    8u
#define PCI_MSIX_ENTRY_CONTROL 12u
#define PCI_MSIX_ENTRY_MASKED  BIT(0)

/* SDM 10.11 "Message Signalled Interrupts": where they are sent, and what they say. */
#define MSI_ADDRESS_BASE      0xfee00000u
#define MSI_ADDRESS_FIXED     0xfff00000u
#define MSI_DESTINATION_SHIFT 12
#define MSI_DESTINATION(a)    ((uint32_t)(a) >> 12 & 0xff)
#define MSI_LOGICAL           BIT(2)
#define MSI_REDIRECTION       BIT(3)
#define MSI_VECTOR(d)         ((uint8_t)(d))
#define MSI_DELIVERY(d)       ((enum apic_delivery)((d) >> 8 & 7))
#define MSI_ASSERT            BIT(14)
#define MSI_LEVEL             BIT(15)

#endif
