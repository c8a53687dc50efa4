/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SCSI host device (virtio 1.2, 5.6): CD-ROM drives (cdrom.h), one a target, as unit 0.
 */
#ifndef NESTOR_VIRTIO_SCSI_H
#define NESTOR_VIRTIO_SCSI_H

#include "lib/limits.h"
#include "spec/virtio_scsi.h"
#include "virtio/cdrom.h"
#include "virtio/virtio.h"

/* Of a medium that is lent, so much is read at once, and kept until something else is. */
#define SCSI_PIECE 16384u

struct scsi_piece {
	uint32_t lent; /* 0: nothing is kept */
	uint32_t size;
	uint64_t at;
	uint8_t bytes[SCSI_PIECE];
};

struct virtio_scsi {
	struct virtio v;
	unsigned count; /* drives */
	struct cdrom cdrom[LIMIT_CDROMS];
	/* The request of the chain that is taken. */
	bool begun;
	struct cdrom *drive;       /* that it is for; NULL: there is none */
	uint32_t sense_size;       /* bytes that it has for sense data */
	struct virtq_cursor first; /* where its response goes, if it becomes another one */
	uint64_t pad;              /* zeroes to be written before its data */
	struct cdrom_reply answer; /* what is left of it: bytes, size */
	/* Requests that were made before a task management function are done first. */
	bool draining;
	struct scsi_piece piece;
};

/* What travels with a VM: plain data. Drives that are not there: zero. */
struct virtio_scsi_state {
	struct virtio_state v;
	struct cdrom_state cdrom[LIMIT_CDROMS];
};

/* The caller has filled `count` and name and medium of so many drives. False: no room on the
 * bus. */
bool virtio_scsi_create(struct virtio_scsi *s, struct platform *p, uint16_t bdf);

void virtio_scsi_get_state(const struct virtio_scsi *s, struct virtio_scsi_state *to);
/* False: the device cannot be in it. */
bool virtio_scsi_set_state(struct virtio_scsi *s, const struct virtio_scsi_state *from);

#endif
