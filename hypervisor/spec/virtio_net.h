/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual I/O Device (VIRTIO) Version 1.2, 5.1 "Network Device".
 */
#ifndef NESTOR_SPEC_VIRTIO_NET_H
#define NESTOR_SPEC_VIRTIO_NET_H

#include <stdint.h>

#include "lib/bits.h"

/* 5.1.3 "Feature bits" */
#define VIRTIO_NET_F_CSUM                BIT64(0)
#define VIRTIO_NET_F_GUEST_CSUM          BIT64(1)
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS BIT64(2)
#define VIRTIO_NET_F_MTU                 BIT64(3)
#define VIRTIO_NET_F_MAC                 BIT64(5)
#define VIRTIO_NET_F_GUEST_TSO4          BIT64(7)
#define VIRTIO_NET_F_GUEST_TSO6          BIT64(8)
#define VIRTIO_NET_F_GUEST_ECN           BIT64(9)
#define VIRTIO_NET_F_HOST_TSO4           BIT64(11)
#define VIRTIO_NET_F_HOST_TSO6           BIT64(12)
#define VIRTIO_NET_F_HOST_ECN            BIT64(13)
#define VIRTIO_NET_F_MRG_RXBUF           BIT64(15)
#define VIRTIO_NET_F_STATUS              BIT64(16)
#define VIRTIO_NET_F_CTRL_VQ             BIT64(17)
#define VIRTIO_NET_F_CTRL_RX             BIT64(18)
#define VIRTIO_NET_F_CTRL_VLAN           BIT64(19)
#define VIRTIO_NET_F_CTRL_RX_EXTRA       BIT64(20)
#define VIRTIO_NET_F_MQ                  BIT64(22)
#define VIRTIO_NET_F_CTRL_MAC_ADDR       BIT64(23)

/* 5.1.4 "Device configuration layout" */
enum virtio_net_config {
	VIRTIO_NET_CONFIG_MAC = 0,
	VIRTIO_NET_CONFIG_STATUS = 6,
	VIRTIO_NET_CONFIG_PAIRS = 8,
	VIRTIO_NET_CONFIG_MTU = 10,
	VIRTIO_NET_CONFIG_SIZE = 12
};

#define VIRTIO_NET_LINK_UP BIT(0)

/* 5.1.6 "Device Operation": before each frame */
struct virtio_net_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers;
};

#define VIRTIO_NET_NEEDS_CSUM BIT(0)

enum virtio_net_gso {
	VIRTIO_NET_GSO_NONE = 0,
	VIRTIO_NET_GSO_TCPV4 = 1,
	VIRTIO_NET_GSO_TCPV6 = 4,
	VIRTIO_NET_GSO_ECN = 0x80 /* with one of these */
};

/* 5.1.6.5 "Control Virtqueue" */
struct virtio_net_ctrl {
	uint8_t class;
	uint8_t command;
};

#define VIRTIO_NET_OK  0u
#define VIRTIO_NET_ERR 1u

#define VIRTIO_NET_CTRL(class, command) ((class) << 8 | (command))

enum virtio_net_command {
	VIRTIO_NET_RX_PROMISC = VIRTIO_NET_CTRL(0, 0),
	VIRTIO_NET_RX_ALLMULTI = VIRTIO_NET_CTRL(0, 1),
	VIRTIO_NET_RX_ALLUNI = VIRTIO_NET_CTRL(0, 2),
	VIRTIO_NET_RX_NOMULTI = VIRTIO_NET_CTRL(0, 3),
	VIRTIO_NET_RX_NOUNI = VIRTIO_NET_CTRL(0, 4),
	VIRTIO_NET_RX_NOBCAST = VIRTIO_NET_CTRL(0, 5),
	VIRTIO_NET_MAC_TABLE_SET = VIRTIO_NET_CTRL(1, 0),
	VIRTIO_NET_MAC_ADDR_SET = VIRTIO_NET_CTRL(1, 1),
	VIRTIO_NET_VLAN_ADD = VIRTIO_NET_CTRL(2, 0),
	VIRTIO_NET_VLAN_DEL = VIRTIO_NET_CTRL(2, 1),
	VIRTIO_NET_PAIRS_SET = VIRTIO_NET_CTRL(4, 0),
	VIRTIO_NET_OFFLOADS_SET = VIRTIO_NET_CTRL(5, 0)
};

#endif
