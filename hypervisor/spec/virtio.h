/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual I/O Device (VIRTIO) Version 1.2: rings, the PCI transport, devices. Sections are
 * those of that document.
 */
#ifndef NESTOR_SPEC_VIRTIO_H
#define NESTOR_SPEC_VIRTIO_H

#include <stdint.h>

#include "lib/bits.h"

/* 2.1 "Device Status Field" */
#define VIRTIO_ACKNOWLEDGE BIT(0)
#define VIRTIO_DRIVER      BIT(1)
#define VIRTIO_DRIVER_OK   BIT(2)
#define VIRTIO_FEATURES_OK BIT(3)
#define VIRTIO_NEEDS_RESET BIT(6)
#define VIRTIO_FAILED      BIT(7)

/* 6 "Reserved Feature Bits" */
#define VIRTIO_F_INDIRECT_DESC     BIT64(28)
#define VIRTIO_F_EVENT_IDX         BIT64(29)
#define VIRTIO_F_VERSION_1         BIT64(32)
#define VIRTIO_F_ACCESS_PLATFORM   BIT64(33)
#define VIRTIO_F_RING_PACKED       BIT64(34)
#define VIRTIO_F_SR_IOV            BIT64(37)
#define VIRTIO_F_NOTIFICATION_DATA BIT64(38)
#define VIRTIO_F_RING_RESET        BIT64(40)

/* 5 "Device Types" */
enum virtio_type {
	VIRTIO_NET = 1,
	VIRTIO_BLK = 2,
	VIRTIO_CONSOLE = 3,
	VIRTIO_RNG = 4,
	VIRTIO_BALLOON = 5,
	VIRTIO_SCSI = 8,
	VIRTIO_VSOCK = 19
};

/* ---- 2.7 "Split Virtqueues" ---- */

struct virtio_desc {
	uint64_t address;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

#define VIRTIO_DESC_NEXT     BIT(0)
#define VIRTIO_DESC_WRITE    BIT(1)
#define VIRTIO_DESC_INDIRECT BIT(2)

struct virtio_used {
	uint32_t id;
	uint32_t length;
};

/* Words of the available and the used ring: flags, index, then the entries. */
#define VIRTIO_AVAIL_NO_INTERRUPT BIT(0)
#define VIRTIO_USED_NO_NOTIFY     BIT(0)
#define VIRTIO_AVAIL_SIZE(n)      (6u + 2u * (n)) /* with used_event behind the entries */
#define VIRTIO_USED_SIZE(n)       (6u + 8u * (n)) /* with avail_event */

/* ---- 2.8 "Packed Virtqueues" ---- */

struct virtio_packed_desc {
	uint64_t address;
	uint32_t length;
	uint16_t id;
	uint16_t flags; /* as above, and these */
};

#define VIRTIO_PACKED_AVAIL BIT(7)
#define VIRTIO_PACKED_USED  BIT(15)

/* 2.8.14 "Event Suppression Structure Format" */
struct virtio_event {
	uint16_t place; /* index of a descriptor, and the wrap counter there */
	uint16_t flags;
};

enum virtio_event_flags {
	VIRTIO_EVENT_ENABLE = 0,
	VIRTIO_EVENT_DISABLE = 1,
	VIRTIO_EVENT_DESC = 2
};

#define VIRTIO_EVENT_WRAP BIT(15)

/* ---- 4.1 "Virtio Over PCI Bus" ---- */

#define VIRTIO_PCI_VENDOR    0x1af4
#define VIRTIO_PCI_DEVICE    0x1040 /* plus the type */
#define VIRTIO_PCI_REVISION  1
#define VIRTIO_PCI_NO_VECTOR 0xffff

/* 4.1.4 "Virtio Structure PCI Capabilities" */
enum virtio_pci_structure {
	VIRTIO_PCI_COMMON = 1,
	VIRTIO_PCI_NOTIFY = 2,
	VIRTIO_PCI_ISR = 3,
	VIRTIO_PCI_CONFIG = 4,
	VIRTIO_PCI_ACCESS = 5
};

enum virtio_pci_capability {
	VIRTIO_CAP_TYPE = 3,
	VIRTIO_CAP_BAR = 4,
	VIRTIO_CAP_OFFSET = 8,
	VIRTIO_CAP_LENGTH = 12,
	VIRTIO_CAP_SIZE = 16,
	VIRTIO_CAP_MULTIPLIER = 16, /* of VIRTIO_PCI_NOTIFY */
	VIRTIO_CAP_DATA = 16,       /* of VIRTIO_PCI_ACCESS */
	VIRTIO_CAP_LONG_SIZE = 20
};

/* 4.1.4.3 "Common configuration structure layout" */
enum virtio_pci_common {
	VIRTIO_COMMON_DEVICE_SELECT = 0x00,
	VIRTIO_COMMON_DEVICE_FEATURES = 0x04,
	VIRTIO_COMMON_DRIVER_SELECT = 0x08,
	VIRTIO_COMMON_DRIVER_FEATURES = 0x0c,
	VIRTIO_COMMON_CONFIG_VECTOR = 0x10,
	VIRTIO_COMMON_QUEUES = 0x12,
	VIRTIO_COMMON_STATUS = 0x14,
	VIRTIO_COMMON_GENERATION = 0x15,
	VIRTIO_COMMON_QUEUE_SELECT = 0x16,
	VIRTIO_COMMON_QUEUE_SIZE = 0x18,
	VIRTIO_COMMON_QUEUE_VECTOR = 0x1a,
	VIRTIO_COMMON_QUEUE_ENABLE = 0x1c,
	VIRTIO_COMMON_QUEUE_NOTIFY = 0x1e,
	VIRTIO_COMMON_QUEUE_DESC = 0x20,
	VIRTIO_COMMON_QUEUE_DRIVER = 0x28,
	VIRTIO_COMMON_QUEUE_DEVICE = 0x30,
	VIRTIO_COMMON_QUEUE_DATA = 0x38,
	VIRTIO_COMMON_QUEUE_RESET = 0x3a,
	VIRTIO_COMMON_SIZE = 0x3c
};

/* 4.1.4.5 "ISR status capability" */
#define VIRTIO_ISR_QUEUE  BIT(0)
#define VIRTIO_ISR_CONFIG BIT(1)

#endif
