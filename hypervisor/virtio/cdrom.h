/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CD-ROM drive as SCSI sees it (SPC-3, MMC-5): commands in, answers out, on an image in
 * memory that is only read and may be shared. A data disc of one track. Not its own: how
 * commands and data travel (scsi.c).
 */
#ifndef NESTOR_VIRTIO_CDROM_H
#define NESTOR_VIRTIO_CDROM_H

#include <stdbool.h>
#include <stdint.h>

#define CDROM_CDB  16u /* bytes of a command that have a meaning */
#define CDROM_DATA 256u

/* What travels with a VM: plain data. */
struct cdrom_state {
	uint8_t ejected;
	uint8_t prevented; /* from being so */
	uint8_t event;     /* of the medium that was not told yet: SCSI_MEDIA_NEW, _REMOVED */
	uint8_t attention; /* enum cdrom_attention */
};

/* What the next command is told instead of being done. */
enum cdrom_attention {
	CDROM_QUIET,
	CDROM_RESET,
	CDROM_CHANGED
};

struct cdrom {
	const char *name;     /* also its serial number */
	const uint8_t *image; /* stays as it is */
	uint64_t size;        /* of it: bytes, a multiple of SCSI_CD_BLOCK, not 0 */
	struct cdrom_state s;
};

struct cdrom_reply {
	uint8_t status; /* enum scsi_status */
	uint8_t key;    /* of the sense data */
	uint16_t additional;
	uint64_t asked;       /* bytes: what the command allows, or is about */
	uint64_t size;        /* bytes: what there is of it */
	const uint8_t *bytes; /* in `data`, or in the image */
	uint8_t data[CDROM_DATA];
};

/* As after a reset of its bus: a medium that was ejected stays so. */
void cdrom_reset(struct cdrom *c);
/* c NULL: a logical unit that is not there, of a target that is. */
void cdrom_command(struct cdrom *c, const uint8_t cdb[CDROM_CDB], struct cdrom_reply *r);
/* SCSI_SENSE_SIZE bytes. */
void cdrom_put_sense(uint8_t *to, uint8_t key, uint16_t additional);

bool cdrom_valid_state(const struct cdrom_state *s);

#endif
