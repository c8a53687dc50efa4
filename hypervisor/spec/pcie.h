/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI Express (Base Specification 4.0, chapter 7 "Software Initialization and Configuration"):
 * the capability of ports and endpoints, slots, extended capabilities.
 */
#ifndef NESTOR_SPEC_PCIE_H
#define NESTOR_SPEC_PCIE_H

#include "lib/bits.h"
#include "spec/pci.h"

#define PCIE_CONFIG_SIZE 4096u  /* of one function, by ECAM */
#define PCIE_EXTENDED    0x100u /* where extended capabilities begin */

/* Offsets in the capability, version 2; the first ones are in spec/pci.h. */
enum pcie_offset {
	PCIE_CAPABLE = 0x02,
	PCIE_DEVICE_STATUS = 0x0a,
	PCIE_LINK_CAPABLE = 0x0c,
	PCIE_LINK_CONTROL = 0x10,
	PCIE_LINK_STATUS = 0x12,
	PCIE_SLOT_CAPABLE = 0x14,
	PCIE_SLOT_CONTROL = 0x18,
	PCIE_SLOT_STATUS = 0x1a,
	PCIE_ROOT_CONTROL = 0x1c,
	PCIE_CAPABLE_2 = 0x24, /* Device Capabilities 2 */
	PCIE_CONTROL_2 = 0x28, /* Device Control 2 */
	PCIE_LINK_CAPABLE_2 = 0x2c,
	PCIE_LINK_CONTROL_2 = 0x30,
	PCIE_SIZE = 0x3c
};

#define PCIE_VERSION         2u
#define PCIE_TYPE_SHIFT      4
#define PCIE_TYPE(flags)     ((flags) >> PCIE_TYPE_SHIFT & 15)
#define PCIE_TYPE_ENDPOINT   0u
#define PCIE_TYPE_ROOT       4u /* a root port */
#define PCIE_TYPE_UP         5u /* of a switch, towards the root complex */
#define PCIE_TYPE_DOWN       6u /* of a switch, away from it */
#define PCIE_TYPE_TO_PCI     7u /* a bridge from PCI Express to PCI */
#define PCIE_TYPE_INTEGRATED 9u /* an endpoint in the root complex */
#define PCIE_HAS_SLOT        BIT(8)

#define PCIE_DEVICE_ROLE_ERRORS BIT(15) /* role-based error reporting: required */
/* Relaxed ordering, no snoop, 512 bytes at most in a read: what they are after reset. */
#define PCIE_DEVICE_CONTROL_RESET 0x2810u
#define PCIE_DEVICE_CONTROL_BITS  0x78ffu /* error reporting, sizes, attributes */
#define PCIE_DEVICE_PENDING       BIT(5)  /* Transactions Pending, in Device Status */

#define PCIE_LINK_2_5GT        1u /* also bit 1 of PCIE_LINK_CAPABLE_2 */
#define PCIE_LINK_X1           BIT(4)
#define PCIE_LINK_SAYS_ACTIVE  BIT(20) /* Data Link Layer Link Active Reporting Capable */
#define PCIE_LINK_PORT_SHIFT   24
#define PCIE_LINK_DISABLE      BIT(4)
#define PCIE_LINK_CONTROL_BITS 0x00d3u /* ASPM, disable, clock, extended synch */
#define PCIE_LINK_ACTIVE       BIT(13)

#define PCIE_SLOT_HAS_BUTTON    BIT(0)
#define PCIE_SLOT_HAS_POWER     BIT(1)
#define PCIE_SLOT_HAS_ATTENTION BIT(3)
#define PCIE_SLOT_HAS_LED       BIT(4)
#define PCIE_SLOT_HOT_PLUG      BIT(6)
#define PCIE_SLOT_NUMBER_SHIFT  19

/* Events: enabled by Slot Control, shown by Slot Status, where writing 1 clears them. */
#define PCIE_SLOT_BUTTON   BIT(0)
#define PCIE_SLOT_FAULT    BIT(1)
#define PCIE_SLOT_PRESENCE BIT(3) /* it has changed */
#define PCIE_SLOT_COMMAND  BIT(4) /* a command is completed */
#define PCIE_SLOT_LINK     BIT(8) /* Data Link Layer State Changed: in Slot Status */
#define PCIE_SLOT_EVENTS \
	(PCIE_SLOT_BUTTON | PCIE_SLOT_FAULT | PCIE_SLOT_PRESENCE | PCIE_SLOT_COMMAND)
#define PCIE_SLOT_PRESENT BIT(6) /* Presence Detect State */

#define PCIE_SLOT_INTERRUPT     BIT(5)
#define PCIE_SLOT_ATTENTION_OFF 0x00c0u /* of the attention indicator: 1 on, 2 blinks, 3 off */
#define PCIE_SLOT_LED           0x0300u /* of the power indicator; likewise */
#define PCIE_SLOT_LED_ON        0x0100u
#define PCIE_SLOT_LED_BLINKS    0x0200u
#define PCIE_SLOT_POWER_OFF     BIT(10)
#define PCIE_SLOT_LINK_ENABLE   BIT(12) /* PCIE_SLOT_LINK in Slot Control */
#define PCIE_SLOT_CONTROL_BITS                                                              \
	(PCIE_SLOT_EVENTS | PCIE_SLOT_INTERRUPT | PCIE_SLOT_ATTENTION_OFF | PCIE_SLOT_LED | \
		PCIE_SLOT_POWER_OFF | PCIE_SLOT_LINK_ENABLE)

#define PCIE_ROOT_CONTROL_BITS 0x000fu

/* In Device Capabilities 2: can forward by alternative routing IDs; in Control 2: does it. */
#define PCIE_ARI_FORWARDING BIT(5)

/* Extended capabilities begin with identifier, version and link; each has 8 bytes at least. */
#define PCIE_EXTENDED_MAX     ((PCIE_CONFIG_SIZE - PCIE_EXTENDED) / 8)
#define PCIE_EXTENDED_ACS     0x000du
#define PCIE_EXTENDED_VERSION BIT(16)
#define PCIE_ACS_CAPABLE      0x04u
#define PCIE_ACS_CONTROL      0x06u
#define PCIE_ACS_SIZE         0x08u
/* Source validation, translation blocking, redirects, upstream forwarding. */
#define PCIE_ACS_BITS 0x001fu
/* 7.7.8 "ACS Extended Capability": in PCIE_ACS_CAPABLE and PCIE_ACS_CONTROL */
#define PCIE_ACS_SOURCE     BIT(0) /* validation of the requester's bus */
#define PCIE_ACS_BLOCK      BIT(1) /* of requests that say that they are translated */
#define PCIE_ACS_REQUESTS   BIT(2) /* peer-to-peer requests are redirected upwards */
#define PCIE_ACS_COMPLETION BIT(3) /* and completions */
#define PCIE_ACS_UPSTREAM   BIT(4) /* forwarding of what would come back through the port */
#define PCIE_ACS_DIRECT     BIT(6) /* but what says that it is translated goes its way */

#define PCIE_EXTENDED_ARI      0x000eu /* alternative routing-ID interpretation */
#define PCIE_ARI_SIZE          0x08u
#define PCIE_EXTENDED_SRIOV    0x0010u
#define PCIE_EXTENDED_NEXT(at) ((uint32_t)(at) << 20)
#define PCIE_EXTENDED_ID(v)    ((v)&0xffffu)
#define PCIE_EXTENDED_LINK(v)  ((v) >> 20 & 0xffcu)

/* 9.3.3 "SR-IOV Extended Capability" */
enum pcie_sriov_offset {
	PCIE_SRIOV_CONTROL = 0x08,
	PCIE_SRIOV_INITIAL = 0x0c,
	PCIE_SRIOV_TOTAL = 0x0e,
	PCIE_SRIOV_COUNT = 0x10, /* NumVFs */
	PCIE_SRIOV_FIRST =
		0x14, /* the first one's routing ID, counted from the physical one's */
	PCIE_SRIOV_STRIDE = 0x16,
	PCIE_SRIOV_DEVICE = 0x1a,
	PCIE_SRIOV_PAGES = 0x1c, /* sizes that it can: bit n for 4 KiB << n */
	PCIE_SRIOV_PAGE = 0x20,  /* the one in use */
	PCIE_SRIOV_BAR = 0x24,
	PCIE_SRIOV_SIZE = 0x40
};

#define PCIE_SRIOV_ENABLE    BIT(0)
#define PCIE_SRIOV_MEMORY    BIT(3)
#define PCIE_SRIOV_ARI       BIT(4) /* ARI Capable Hierarchy */
#define PCIE_SRIOV_PAGES_ALL 0x553u /* those that are required: 4K, 8K, 64K, 256K, 1M, 4M */
#define PCIE_SRIOV_PAGE_UNIT 4096u
/*
 * 9.3.3.3.1 "VF Enable": from its being set until a virtual function is asked for anything, and
 * from its being cleared until the capability is read again.
 */
#define PCIE_SRIOV_ON_MS  100u
#define PCIE_SRIOV_OFF_MS 1000u

#endif
