/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio SCSI host device (virtio 1.2, 5.6).
 */
#ifndef NESTOR_SPEC_VIRTIO_SCSI_H
#define NESTOR_SPEC_VIRTIO_SCSI_H

#include <stdint.h>

/* 5.6.2 "Virtqueues"; requests have this queue and those behind it. */
enum virtio_scsi_queue {
	VIRTIO_SCSI_CONTROL = 0,
	VIRTIO_SCSI_EVENT = 1,
	VIRTIO_SCSI_REQUEST = 2
};

/* 5.6.4 "Device configuration layout" */
enum virtio_scsi_config {
	VIRTIO_SCSI_NUM_QUEUES = 0,
	VIRTIO_SCSI_SEG_MAX = 4,
	VIRTIO_SCSI_MAX_SECTORS = 8,
	VIRTIO_SCSI_CMD_PER_LUN = 12,
	VIRTIO_SCSI_EVENT_INFO_SIZE = 16,
	VIRTIO_SCSI_SENSE_SIZE = 20, /* the driver may write it, and the next */
	VIRTIO_SCSI_CDB_SIZE = 24,
	VIRTIO_SCSI_MAX_CHANNEL = 28,
	VIRTIO_SCSI_MAX_TARGET = 30,
	VIRTIO_SCSI_MAX_LUN = 32,
	VIRTIO_SCSI_CONFIG_SIZE = 36
};

#define VIRTIO_SCSI_SENSE_DEFAULT 96u
#define VIRTIO_SCSI_CDB_DEFAULT   32u

/* 5.6.6.1 "Device Operation: Request Queues": 1, a target, a LUN of a single level. */
#define VIRTIO_SCSI_LUN_SIZE  8u
#define VIRTIO_SCSI_LUN_FIRST 1u

/* Before the command descriptor block. */
struct virtio_scsi_request {
	uint8_t lun[VIRTIO_SCSI_LUN_SIZE];
	uint8_t id[8];
	uint8_t task_attr, prio, crn;
};

/* Before the sense data and what is read. */
struct virtio_scsi_response {
	uint32_t sense_len;
	uint32_t residual; /* bytes of the data buffers that were not used */
	uint16_t status_qualifier;
	uint8_t status;
	uint8_t response;
};

enum virtio_scsi_response_code {
	VIRTIO_SCSI_S_OK = 0, /* of task management: the function is complete */
	VIRTIO_SCSI_S_OVERRUN = 1,
	VIRTIO_SCSI_S_BAD_TARGET = 3,
	VIRTIO_SCSI_S_FAILURE = 9,
	VIRTIO_SCSI_S_FUNCTION_REJECTED = 11,
	VIRTIO_SCSI_S_INCORRECT_LUN = 12
};

/* 5.6.6.2 "Device Operation: controlq" */
enum virtio_scsi_type {
	VIRTIO_SCSI_T_TMF = 0,
	VIRTIO_SCSI_T_AN_QUERY = 1,
	VIRTIO_SCSI_T_AN_SUBSCRIBE = 2
};

enum virtio_scsi_tmf {
	VIRTIO_SCSI_ABORT_TASK = 0,
	VIRTIO_SCSI_ABORT_TASK_SET = 1,
	VIRTIO_SCSI_CLEAR_ACA = 2,
	VIRTIO_SCSI_CLEAR_TASK_SET = 3,
	VIRTIO_SCSI_I_T_NEXUS_RESET = 4,
	VIRTIO_SCSI_LOGICAL_UNIT_RESET = 5,
	VIRTIO_SCSI_QUERY_TASK = 6,
	VIRTIO_SCSI_QUERY_TASK_SET = 7
};

/* Behind the type. */
struct virtio_scsi_tmf_request {
	uint32_t subtype;
	uint8_t lun[VIRTIO_SCSI_LUN_SIZE];
	uint8_t id[8];
};

struct virtio_scsi_an_request {
	uint8_t lun[VIRTIO_SCSI_LUN_SIZE];
	uint32_t events;
};

#define VIRTIO_SCSI_AN_RESPONSE_SIZE 5u /* events that are reported, and the response */

/* 5.6.6.3 "Device Operation: eventq" */
struct virtio_scsi_event {
	uint32_t event;
	uint8_t lun[VIRTIO_SCSI_LUN_SIZE];
	uint32_t reason;
};

#endif
