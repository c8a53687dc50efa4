/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of the CD-ROM drive: the drive and its commands (cdrom.c), the medium
 * (cdrom_medium.c).
 */
#ifndef NESTOR_VIRTIO_CDROM_INT_H
#define NESTOR_VIRTIO_CDROM_INT_H

#include <stddef.h>

#include "spec/scsi.h"
#include "virtio/cdrom.h"

/* A command: what it leaves is an answer without data, or fills `data`, points into the image,
 * or refuses. */
typedef void cdrom_run(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r);

/* Big-endian numbers. */
static inline uint64_t cdrom_get(const uint8_t *from, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | from[i];
	return v;
}

static inline void cdrom_put(uint8_t *to, unsigned bytes, uint64_t v)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
}

static inline void cdrom_refuse(
	struct cdrom_reply *r, enum scsi_sense_key key, enum scsi_additional why)
{
	r->status = SCSI_CHECK_CONDITION;
	r->key = (uint8_t)key;
	r->additional = (uint16_t)why;
	r->asked = r->size = 0;
}

static inline void cdrom_refuse_field(struct cdrom_reply *r)
{
	cdrom_refuse(r, SCSI_ILLEGAL_REQUEST, SCSI_INVALID_FIELD);
}

/* So much of `data`, of which the command takes what it has allocated memory for. */
static inline void cdrom_answer(struct cdrom_reply *r, uint64_t size, uint64_t allocated)
{
	r->asked = allocated;
	r->size = size < allocated ? size : allocated;
	r->bytes = r->data;
}

/* One that can be read. */
static inline bool cdrom_has_medium(const struct cdrom *c)
{
	return cdrom_medium_is(&c->medium) && !c->s.ejected;
}

static inline uint64_t cdrom_blocks(const struct cdrom *c)
{
	return c->medium.size / SCSI_CD_BLOCK;
}

/* Of the medium, which is there when they are called. */
cdrom_run cdrom_read_capacity;
cdrom_run cdrom_service_action_in;
cdrom_run cdrom_read;
cdrom_run cdrom_seek;
cdrom_run cdrom_read_cd;
cdrom_run cdrom_read_cd_msf;
cdrom_run cdrom_read_toc;
cdrom_run cdrom_read_disc_information;

#endif
