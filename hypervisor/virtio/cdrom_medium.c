/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The medium: a data disc with one track of mode 1.
 */
#include "virtio/cdrom_int.h"

/* ---- reading ---- */

void cdrom_read_capacity(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	uint64_t last = cdrom_blocks(c) - 1;

	(void)cdb;
	cdrom_put(r->data, 4, last < UINT32_MAX ? last : UINT32_MAX);
	cdrom_put(r->data + 4, 4, SCSI_CD_BLOCK);
	cdrom_answer(r, 8, 8);
}

void cdrom_service_action_in(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	if ((cdb[1] & 0x1f) != SCSI_READ_CAPACITY_16) {
		cdrom_refuse_field(r);
		return;
	}
	cdrom_put(r->data, 8, cdrom_blocks(c) - 1);
	cdrom_put(r->data + 8, 4, SCSI_CD_BLOCK);
	cdrom_answer(r, 32, cdrom_get(cdb + 10, 4));
}

static void read_blocks(struct cdrom *c, uint64_t lba, uint64_t count, struct cdrom_reply *r)
{
	if (lba > cdrom_blocks(c) || count > cdrom_blocks(c) - lba) {
		cdrom_refuse(r, SCSI_ILLEGAL_REQUEST, SCSI_LBA_OUT_OF_RANGE);
		return;
	}
	r->asked = r->size = count * SCSI_CD_BLOCK;
	r->at = lba * SCSI_CD_BLOCK;
	r->lent = c->medium.lent;
	r->bytes = c->medium.image != NULL ? c->medium.image + r->at : NULL;
}

/* READ(10), READ(12), READ(16); the upper bits of the second byte ask for protection data. */
void cdrom_read(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	if (cdb[1] >> 5 != 0)
		cdrom_refuse_field(r);
	else if (cdb[0] == SCSI_READ_10)
		read_blocks(c, cdrom_get(cdb + 2, 4), cdrom_get(cdb + 7, 2), r);
	else if (cdb[0] == SCSI_READ_12)
		read_blocks(c, cdrom_get(cdb + 2, 4), cdrom_get(cdb + 6, 4), r);
	else
		read_blocks(c, cdrom_get(cdb + 2, 8), cdrom_get(cdb + 10, 4), r);
}

void cdrom_seek(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	if (cdrom_get(cdb + 2, 4) >= cdrom_blocks(c))
		cdrom_refuse(r, SCSI_ILLEGAL_REQUEST, SCSI_LBA_OUT_OF_RANGE);
}

/* Sectors of mode 1, their user data or nothing of them. */
static void read_sectors(struct cdrom *c, const uint8_t *cdb, uint64_t lba, uint64_t count,
	struct cdrom_reply *r)
{
	unsigned type = SCSI_SECTOR_TYPE(cdb[1]);

	if (cdb[9] & ~(unsigned)SCSI_SECTOR_USER_DATA || SCSI_SUBCHANNEL(cdb[10]) != 0)
		cdrom_refuse_field(r);
	else if (type != SCSI_SECTOR_ANY && type != SCSI_SECTOR_MODE_1)
		cdrom_refuse(r, SCSI_ILLEGAL_REQUEST, SCSI_ILLEGAL_MODE);
	else
		read_blocks(c, lba, count, r);
	if (cdb[9] == 0)
		r->asked = r->size = 0;
}

void cdrom_read_cd(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	read_sectors(c, cdb, cdrom_get(cdb + 2, 4), cdrom_get(cdb + 6, 3), r);
}

static uint64_t frames_at(const uint8_t *msf)
{
	return ((uint64_t)msf[0] * 60 + msf[1]) * SCSI_CD_FRAMES + msf[2];
}

void cdrom_read_cd_msf(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	uint64_t start = frames_at(cdb + 3), end = frames_at(cdb + 6);

	if (end < start)
		cdrom_refuse_field(r);
	else if (start < SCSI_CD_PREGAP)
		cdrom_refuse(r, SCSI_ILLEGAL_REQUEST, SCSI_LBA_OUT_OF_RANGE);
	else
		read_sectors(c, cdb, start - SCSI_CD_PREGAP, end - start, r);
}

/* ---- contents ---- */

/* Three bytes. A disc that is longer than they can say ends at the last frame they can. */
static void put_msf(uint8_t *to, uint64_t lba)
{
	uint64_t most = ((SCSI_CD_MINUTES_MAX + 1) * 60) * SCSI_CD_FRAMES - 1;
	uint64_t frames = lba + SCSI_CD_PREGAP;

	frames = frames < most ? frames : most;
	to[0] = (uint8_t)(frames / SCSI_CD_FRAMES / 60);
	to[1] = (uint8_t)(frames / SCSI_CD_FRAMES % 60);
	to[2] = (uint8_t)(frames % SCSI_CD_FRAMES);
}

static void put_address(uint8_t *to, uint64_t lba, bool msf)
{
	if (msf)
		put_msf(to + 1, lba);
	else
		cdrom_put(to, 4, lba < UINT32_MAX ? lba : UINT32_MAX);
}

static unsigned put_track(uint8_t *to, uint8_t track, uint64_t lba, bool msf)
{
	to[1] = SCSI_TOC_DATA_TRACK;
	to[2] = track;
	put_address(to + 4, lba, msf);
	return 8;
}

static unsigned toc_tracks(const struct cdrom *c, uint8_t first, bool msf, uint8_t *to)
{
	unsigned n = 0;

	if (first <= 1)
		n = put_track(to, 1, 0, msf);
	return n + put_track(to + n, SCSI_TOC_LEAD_OUT, cdrom_blocks(c), msf);
}

/* First and last track, the lead-out, the track: each a point of the lead-in. */
static unsigned toc_raw(const struct cdrom *c, uint8_t *to)
{
	static const uint8_t points[] = {0xa0, 0xa1, 0xa2, 1};
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof(points); i++, n += 11) {
		to[n] = 1;
		to[n + 1] = SCSI_TOC_DATA_TRACK;
		to[n + 3] = points[i];
		if (i < 2)
			to[n + 8] = 1;
		else
			put_msf(to + n + 8, i == 2 ? cdrom_blocks(c) : 0);
	}
	return n;
}

/* The format also where the first CD-ROM drives had it: Linux asks so. */
void cdrom_read_toc(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	unsigned format = cdb[2] & 15, n;
	bool msf = cdb[1] & SCSI_TOC_MSF;
	uint8_t *d = r->data;

	if (format == 0)
		format = cdb[9] >> 6;
	if (format == SCSI_TOC_TRACKS && (cdb[6] <= 1 || cdb[6] == SCSI_TOC_LEAD_OUT)) {
		n = toc_tracks(c, cdb[6], msf, d + 4);
	} else if (format == SCSI_TOC_SESSIONS) {
		n = put_track(d + 4, 1, 0, msf);
	} else if (format == SCSI_TOC_RAW && cdb[6] <= 1) {
		n = toc_raw(c, d + 4);
	} else {
		cdrom_refuse_field(r);
		return;
	}
	cdrom_put(d, 2, n + 2);
	d[2] = d[3] = 1;
	cdrom_answer(r, n + 4, cdrom_get(cdb + 7, 2));
}

/* Complete, one session, one track. */
void cdrom_read_disc_information(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	uint8_t *d = r->data;

	(void)c;
	if (cdb[1] & 7) {
		cdrom_refuse_field(r);
		return;
	}
	cdrom_put(d, 2, SCSI_DISC_INFORMATION_SIZE - 2);
	d[2] = SCSI_DISC_COMPLETE;
	d[3] = d[4] = d[5] = d[6] = 1;
	d[7] = SCSI_DISC_UNRESTRICTED;
	__builtin_memset(d + 16, 0xff, 8); /* nothing can be written behind it */
	cdrom_answer(r, SCSI_DISC_INFORMATION_SIZE, cdrom_get(cdb + 7, 2));
}
