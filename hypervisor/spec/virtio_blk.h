/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio block device (virtio 1.2, 5.2).
 */
#ifndef NESTOR_SPEC_VIRTIO_BLK_H
#define NESTOR_SPEC_VIRTIO_BLK_H

#include <stdint.h>

#include "lib/bits.h"

/* 5.2.3 "Feature bits" */
#define VIRTIO_BLK_F_SIZE_MAX     BIT64(1)
#define VIRTIO_BLK_F_SEG_MAX      BIT64(2)
#define VIRTIO_BLK_F_RO           BIT64(5)
#define VIRTIO_BLK_F_BLK_SIZE     BIT64(6)
#define VIRTIO_BLK_F_FLUSH        BIT64(9)
#define VIRTIO_BLK_F_TOPOLOGY     BIT64(10)
#define VIRTIO_BLK_F_MQ           BIT64(12)
#define VIRTIO_BLK_F_DISCARD      BIT64(13)
#define VIRTIO_BLK_F_WRITE_ZEROES BIT64(14)

#define VIRTIO_BLK_SECTOR 512u

/* 5.2.4 "Device configuration layout" */
enum virtio_blk_config {
	VIRTIO_BLK_CAPACITY = 0, /* sectors */
	VIRTIO_BLK_SIZE_MAX = 8,
	VIRTIO_BLK_SEG_MAX = 12,
	VIRTIO_BLK_BLK_SIZE = 20,
	VIRTIO_BLK_PHYSICAL_EXPONENT = 24, /* blocks in a physical block, log2 */
	VIRTIO_BLK_OPT_IO_SIZE = 28,       /* blocks */
	VIRTIO_BLK_NUM_QUEUES = 34,
	VIRTIO_BLK_MAX_DISCARD_SECTORS = 36,
	VIRTIO_BLK_MAX_DISCARD_SEG = 40,
	VIRTIO_BLK_DISCARD_ALIGNMENT = 44, /* sectors */
	VIRTIO_BLK_MAX_ZEROES_SECTORS = 48,
	VIRTIO_BLK_MAX_ZEROES_SEG = 52,
	VIRTIO_BLK_ZEROES_MAY_UNMAP = 56,
	VIRTIO_BLK_CONFIG_SIZE = 60
};

/* 5.2.6 "Device Operation" */
enum virtio_blk_type {
	VIRTIO_BLK_T_IN = 0,
	VIRTIO_BLK_T_OUT = 1,
	VIRTIO_BLK_T_FLUSH = 4,
	VIRTIO_BLK_T_GET_ID = 8,
	VIRTIO_BLK_T_DISCARD = 11,
	VIRTIO_BLK_T_WRITE_ZEROES = 13
};

enum virtio_blk_status {
	VIRTIO_BLK_S_OK = 0,
	VIRTIO_BLK_S_IOERR = 1,
	VIRTIO_BLK_S_UNSUPP = 2
};

struct virtio_blk_header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};

/* What a request to discard or to write zeroes is about. */
struct virtio_blk_range {
	uint64_t sector;
	uint32_t sectors;
	uint32_t flags;
};

#define VIRTIO_BLK_UNMAP   BIT(0)
#define VIRTIO_BLK_ID_SIZE 20u

#endif
