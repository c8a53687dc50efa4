/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio console device (virtio 1.2, 5.3).
 */
#ifndef NESTOR_SPEC_VIRTIO_CONSOLE_H
#define NESTOR_SPEC_VIRTIO_CONSOLE_H

#include "lib/bits.h"

/* 5.3.3 "Feature bits" */
#define VIRTIO_CONSOLE_F_SIZE        BIT64(0)
#define VIRTIO_CONSOLE_F_MULTIPORT   BIT64(1)
#define VIRTIO_CONSOLE_F_EMERG_WRITE BIT64(2)

/* 5.3.2 "Virtqueues", without MULTIPORT; of the first port with it */
enum virtio_console_queue {
	VIRTIO_CONSOLE_RECEIVE = 0,
	VIRTIO_CONSOLE_TRANSMIT = 1
};

/* 5.3.4 "Device configuration layout" */
enum virtio_console_config {
	VIRTIO_CONSOLE_COLS = 0,
	VIRTIO_CONSOLE_ROWS = 2,
	VIRTIO_CONSOLE_MAX_PORTS = 4,
	VIRTIO_CONSOLE_EMERG_WRITE = 8,
	VIRTIO_CONSOLE_CONFIG_SIZE = 12
};

#endif
