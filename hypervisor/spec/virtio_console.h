/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio console device (virtio 1.2, 5.3).
 */
#ifndef NESTOR_SPEC_VIRTIO_CONSOLE_H
#define NESTOR_SPEC_VIRTIO_CONSOLE_H

#include <stdint.h>

#include "lib/bits.h"

/* 5.3.3 "Feature bits" */
#define VIRTIO_CONSOLE_F_SIZE        BIT64(0)
#define VIRTIO_CONSOLE_F_MULTIPORT   BIT64(1)
#define VIRTIO_CONSOLE_F_EMERG_WRITE BIT64(2)

/* 5.3.2 "Virtqueues": of the first port; and with MULTIPORT */
enum virtio_console_queue {
	VIRTIO_CONSOLE_RECEIVE = 0,
	VIRTIO_CONSOLE_TRANSMIT = 1,
	VIRTIO_CONSOLE_CONTROL_RECEIVE = 2, /* messages to the driver */
	VIRTIO_CONSOLE_CONTROL_TRANSMIT = 3,
	VIRTIO_CONSOLE_MORE = 4 /* of the second port: receive, transmit; and so on */
};

/* 5.3.4 "Device configuration layout" */
enum virtio_console_config {
	VIRTIO_CONSOLE_COLS = 0,
	VIRTIO_CONSOLE_ROWS = 2,
	VIRTIO_CONSOLE_MAX_PORTS = 4,
	VIRTIO_CONSOLE_EMERG_WRITE = 8,
	VIRTIO_CONSOLE_CONFIG_SIZE = 12
};

/* 5.3.6.2 "Multiport Device Operation" */
struct virtio_console_control {
	uint32_t id; /* the port */
	uint16_t event;
	uint16_t value;
};

enum virtio_console_event {
	VIRTIO_CONSOLE_DEVICE_READY = 0,
	VIRTIO_CONSOLE_PORT_ADD = 1,
	VIRTIO_CONSOLE_PORT_REMOVE = 2,
	VIRTIO_CONSOLE_PORT_READY = 3,
	VIRTIO_CONSOLE_CONSOLE_PORT = 4,
	VIRTIO_CONSOLE_RESIZE = 5, /* columns and rows follow, 16 bits each */
	VIRTIO_CONSOLE_PORT_OPEN = 6,
	VIRTIO_CONSOLE_PORT_NAME = 7 /* the name follows, without an end */
};

#endif
