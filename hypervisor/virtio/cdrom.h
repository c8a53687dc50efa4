/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CD-ROM drive as SCSI sees it (SPC-3, MMC-5): commands in, answers out, on a medium that is
 * only read: an image in memory, which may be shared, or one that is lent from outside. A data
 * disc of one track, or none: whoever manages the VM changes it, and the drive tells the guest.
 * Not its own: how commands and data travel, and how the bytes of what is lent come (scsi.c).
 */
#ifndef NESTOR_VIRTIO_CDROM_H
#define NESTOR_VIRTIO_CDROM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CDROM_CDB  16u /* bytes of a command that have a meaning */
#define CDROM_DATA 256u

/* What travels with a VM: plain data. */
struct cdrom_state {
	uint8_t ejected;
	uint8_t prevented; /* from being so */
	uint8_t event;     /* that was not told yet: enum scsi_media_event */
	uint8_t attention; /* enum cdrom_attention */
};

/* What the next command is told instead of being done. */
enum cdrom_attention {
	CDROM_QUIET,
	CDROM_RESET,
	CDROM_CHANGED
};

/* Bytes that never change, in memory or at seam_medium_read. All zero: none. */
struct cdrom_medium {
	const uint8_t *image; /* NULL: not in memory */
	uint32_t lent;        /* else its number (lib/media.h) */
	uint64_t size;        /* bytes, a multiple of SCSI_CD_BLOCK, not 0 */
};

struct cdrom {
	const char *name; /* also its serial number */
	struct cdrom_medium medium;
	struct cdrom_state s;
};

struct cdrom_reply {
	uint8_t status; /* enum scsi_status */
	uint8_t key;    /* of the sense data */
	uint16_t additional;
	uint64_t asked; /* bytes: what the command allows, or is about */
	uint64_t size;  /* bytes: what there is of it */
	/* In `data`, or in the image; NULL: on the medium that is lent, from this byte on. */
	const uint8_t *bytes;
	uint32_t lent;
	uint64_t at;
	uint8_t data[CDROM_DATA];
};

/* As after a reset of its bus: a medium that was ejected stays so. */
void cdrom_reset(struct cdrom *c);
/* c NULL: a logical unit that is not there, of a target that is. */
void cdrom_command(struct cdrom *c, const uint8_t cdb[CDROM_CDB], struct cdrom_reply *r);
/*
 * From outside, as by the button and by hand: another medium is in the drive, whose tray is
 * closed; or none, and it is open. False: the guest has locked the one that is in it; it is
 * told that somebody wants it out. force: the lock is not looked at.
 */
bool cdrom_change(struct cdrom *c, const struct cdrom_medium *m, bool force);
/* What of a medium cannot be read: the answer becomes a refusal. */
void cdrom_unreadable(struct cdrom *c, struct cdrom_reply *r);

static inline bool cdrom_medium_is(const struct cdrom_medium *m)
{
	return m->image != NULL || m->lent != 0;
}
/* SCSI_SENSE_SIZE bytes. */
void cdrom_put_sense(uint8_t *to, uint8_t key, uint16_t additional);

bool cdrom_valid_state(const struct cdrom_state *s);

#endif
