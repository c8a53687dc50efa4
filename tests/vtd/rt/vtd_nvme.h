/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's NVMe controller with virtual functions (SR-IOV), as far as its admin queue: a device
 * that reads commands and writes answers by DMA, and interrupts by MSI-X.
 */
#ifndef NESTOR_TESTS_VTD_NVME_H
#define NESTOR_TESTS_VTD_NVME_H

#include <stdbool.h>
#include <stdint.h>

struct nvme {
	uint16_t bdf;
	volatile uint8_t *registers;
	uint64_t *commands; /* the queues, as this processor sees them */
	uint32_t *answers;
	unsigned tail; /* of both: each command is answered before the next one */
	uint16_t number;
	bool failed;
};

/* Finds it behind its root port. False: there is none. */
bool nvme_find(struct nvme *n);
/* Begins; where the queues, a page each, are for the device. */
bool nvme_start(struct nvme *n, uint64_t commands_at, uint64_t answers_at);
void nvme_stop(struct nvme *n);
/* IDENTIFY of the controller, 4 KiB to this address. Is there an answer, a good one? */
bool nvme_identify(struct nvme *n, uint64_t at);
/* One virtual function, with queues and an interrupt of its own. The controller is started. */
bool nvme_virtual(struct nvme *n, struct nvme *vf);

#endif
