/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drive. A command is a row of a table.
 */
#include "virtio/cdrom_int.h"

#define VENDOR       "NESTOR  "
#define PRODUCT      "CD-ROM          "
#define REVISION     "1.0 "
#define SERIAL_MAX   32u
#define READ_RETRIES 3
#define SPEED        706u /* KB/s, 4x: drivers only print it */

enum row_flags {
	NO_MEDIUM = 1,    /* may be without one */
	NO_ATTENTION = 2, /* neither told one nor ending it */
	ANY_UNIT = 4      /* also of units that are not there */
};

struct row {
	uint8_t opcode;
	uint8_t length; /* the last byte is its control byte */
	uint8_t flags;
	cdrom_run *run;
};

void cdrom_put_sense(uint8_t *to, uint8_t key, uint16_t additional)
{
	__builtin_memset(to, 0, SCSI_SENSE_SIZE);
	to[0] = SCSI_SENSE_CURRENT;
	to[SCSI_SENSE_KEY] = key;
	to[SCSI_SENSE_MORE] = SCSI_SENSE_SIZE - SCSI_SENSE_MORE - 1;
	cdrom_put(to + SCSI_SENSE_ASC, 2, additional);
}

/* ---- what every device has ---- */

static void test_unit_ready(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	(void)c;
	(void)cdb;
	(void)r;
}

/* What waits to be told; it is told by that. */
static enum scsi_additional take_attention(struct cdrom *c)
{
	static const enum scsi_additional codes[] = {
		[CDROM_QUIET] = SCSI_NO_ADDITIONAL,
		[CDROM_RESET] = SCSI_WAS_RESET,
		[CDROM_CHANGED] = SCSI_MEDIUM_MAY_HAVE_CHANGED,
	};
	enum scsi_additional code = codes[c->s.attention];

	c->s.attention = CDROM_QUIET;
	return code;
}

static void request_sense(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	enum scsi_additional code = SCSI_UNIT_NOT_SUPPORTED;
	enum scsi_sense_key key = SCSI_ILLEGAL_REQUEST;

	if (cdb[1] & 1) { /* descriptors are not the format here */
		cdrom_refuse_field(r);
		return;
	}
	if (c != NULL) {
		code = take_attention(c);
		key = code != SCSI_NO_ADDITIONAL ? SCSI_UNIT_ATTENTION : SCSI_NO_SENSE;
	}
	cdrom_put_sense(r->data, (uint8_t)key, (uint16_t)code);
	cdrom_answer(r, SCSI_SENSE_SIZE, cdb[4]);
}

static unsigned put_name(const struct cdrom *c, uint8_t *to)
{
	unsigned n = 0;

	for (; n < SERIAL_MAX && c->name[n] != '\0'; n++)
		to[n] = (uint8_t)c->name[n];
	return n;
}

/* The length of what follows the page's header; -1: there is no such page. */
static int vpd_page(const struct cdrom *c, uint8_t page, uint8_t *to)
{
	static const uint8_t pages[] = {
		SCSI_VPD_PAGES, SCSI_VPD_SERIAL, SCSI_VPD_IDENTIFICATION};
	unsigned n;

	switch (page) {
	case SCSI_VPD_PAGES:
		__builtin_memcpy(to, pages, sizeof(pages));
		return sizeof(pages);
	case SCSI_VPD_SERIAL:
		return (int)put_name(c, to);
	case SCSI_VPD_IDENTIFICATION:
		__builtin_memcpy(to + 4, VENDOR, 8);
		n = 8 + put_name(c, to + 12);
		to[0] = SCSI_CODE_SET_ASCII;
		to[1] = SCSI_DESIGNATOR_VENDOR;
		to[3] = (uint8_t)n;
		return (int)n + 4;
	default:
		return -1;
	}
}

static void inquiry_page(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	int length = c != NULL ? vpd_page(c, cdb[2], r->data + 4) : -1;

	if (length < 0) {
		cdrom_refuse_field(r);
		return;
	}
	r->data[0] = SCSI_TYPE_CDROM;
	r->data[1] = cdb[2];
	cdrom_put(r->data + 2, 2, (uint64_t)length);
	cdrom_answer(r, (uint64_t)length + 4, cdrom_get(cdb + 3, 2));
}

static void inquiry(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	uint8_t *d = r->data;

	if (cdb[1] & SCSI_INQUIRY_EVPD) {
		inquiry_page(c, cdb, r);
		return;
	}
	if (cdb[1] & SCSI_INQUIRY_OBSOLETE || cdb[2] != 0) {
		cdrom_refuse_field(r);
		return;
	}
	d[0] = c != NULL ? SCSI_TYPE_CDROM : SCSI_NO_UNIT;
	d[1] = SCSI_REMOVABLE;
	d[2] = SCSI_VERSION_SPC3;
	d[3] = SCSI_DATA_FORMAT;
	d[SCSI_INQUIRY_MORE] = SCSI_INQUIRY_SIZE - SCSI_INQUIRY_MORE - 1;
	d[SCSI_INQUIRY_FLAGS] = SCSI_COMMAND_QUEUE;
	__builtin_memcpy(d + SCSI_INQUIRY_VENDOR, VENDOR, 8);
	__builtin_memcpy(d + SCSI_INQUIRY_PRODUCT, PRODUCT, 16);
	__builtin_memcpy(d + SCSI_INQUIRY_REVISION, REVISION, 4);
	cdrom_answer(r, SCSI_INQUIRY_SIZE, cdrom_get(cdb + 3, 2));
}

/* A target has unit 0 only, and none that is well known (select report 1). */
static void report_luns(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	unsigned length = cdb[2] == 1 ? 0 : 8;

	(void)c;
	if (cdb[2] > 2) {
		cdrom_refuse_field(r);
		return;
	}
	cdrom_put(r->data, 4, length);
	cdrom_answer(r, 8 + length, cdrom_get(cdb + 6, 4));
}

/* ---- mode pages ---- */

/* The page's bytes; 0: there is no such page. Nothing in them can be changed. */
static unsigned mode_page(const struct cdrom *c, uint8_t page, bool changeable, uint8_t *to)
{
	unsigned length = page == SCSI_MODE_CD_CAPABILITIES ? 20 : 12;

	if (page != SCSI_MODE_ERROR_RECOVERY && page != SCSI_MODE_POWER &&
		page != SCSI_MODE_CD_CAPABILITIES)
		return 0;
	__builtin_memset(to, 0, length);
	to[0] = page;
	to[1] = (uint8_t)(length - 2);
	if (changeable)
		return length;
	if (page == SCSI_MODE_ERROR_RECOVERY)
		to[3] = READ_RETRIES;
	if (page == SCSI_MODE_CD_CAPABILITIES) {
		to[6] = (uint8_t)(SCSI_MECHANISM_TRAY | SCSI_MECHANISM_EJECT |
				  SCSI_MECHANISM_LOCK | (unsigned)c->s.prevented << 1);
		cdrom_put(to + 8, 2, SPEED);
		cdrom_put(to + 14, 2, SPEED);
	}
	return length;
}

/* All that are asked for, behind a header; their bytes. */
static unsigned mode_pages(const struct cdrom *c, const uint8_t *cdb, uint8_t *to)
{
	static const uint8_t pages[] = {
		SCSI_MODE_ERROR_RECOVERY, SCSI_MODE_POWER, SCSI_MODE_CD_CAPABILITIES};
	uint8_t page = (uint8_t)SCSI_MODE_PAGE(cdb[2]);
	bool changeable = SCSI_MODE_CONTROL(cdb[2]) == SCSI_MODE_CHANGEABLE;
	unsigned n = 0;

	if (page != SCSI_MODE_ALL)
		return mode_page(c, page, changeable, to);
	for (unsigned i = 0; i < sizeof(pages); i++)
		n += mode_page(c, pages[i], changeable, to + n);
	return n;
}

/* Without block descriptors, which CD-ROM drives need not have. */
static void mode_sense(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	bool short_form = cdb[0] == SCSI_MODE_SENSE_6;
	unsigned header = short_form ? 4 : 8, n;

	if (SCSI_MODE_CONTROL(cdb[2]) == SCSI_MODE_SAVED) {
		cdrom_refuse(r, SCSI_ILLEGAL_REQUEST, SCSI_SAVING_NOT_SUPPORTED);
		return;
	}
	n = mode_pages(c, cdb, r->data + header);
	if (n == 0 || (cdb[3] != 0 && cdb[3] != SCSI_MODE_ALL_SUBPAGE)) {
		cdrom_refuse_field(r);
		return;
	}
	n += header;
	if (short_form)
		r->data[0] = (uint8_t)(n - 1);
	else
		cdrom_put(r->data, 2, n - 2);
	cdrom_answer(r, n, short_form ? cdb[4] : cdrom_get(cdb + 7, 2));
}

/* ---- the drive ---- */

struct feature {
	uint16_t code;
	uint8_t flags;  /* version, persistent */
	uint8_t length; /* of the body */
	uint8_t body[8];
};

/* In their order. A feature that is not persistent is current with a medium. */
static const struct feature features[] = {
	{SCSI_FEATURE_PROFILES, SCSI_FEATURE_PERSISTENT, 4, {0, SCSI_PROFILE_CD_ROM}},
	{SCSI_FEATURE_CORE, SCSI_FEATURE_VERSION(2) | SCSI_FEATURE_PERSISTENT, 8, {0, 0, 0, 1}},
	{SCSI_FEATURE_MORPHING, SCSI_FEATURE_VERSION(1) | SCSI_FEATURE_PERSISTENT, 4, {0}},
	{SCSI_FEATURE_REMOVABLE, SCSI_FEATURE_PERSISTENT, 4,
		{SCSI_MECHANISM_TRAY | SCSI_MECHANISM_EJECT | SCSI_MECHANISM_LOCK}},
	{SCSI_FEATURE_RANDOM_READ, 0, 8, {0, 0, SCSI_CD_BLOCK >> 8, 0, 0, 1, 1}},
	{SCSI_FEATURE_CD_READ, SCSI_FEATURE_VERSION(2), 4, {0}},
	{SCSI_FEATURE_POWER, SCSI_FEATURE_PERSISTENT, 0, {0}},
};

static unsigned put_feature(const struct feature *f, bool medium, uint8_t *to)
{
	bool current = medium || f->flags & SCSI_FEATURE_PERSISTENT;

	cdrom_put(to, 2, f->code);
	to[2] = (uint8_t)(f->flags | (current ? SCSI_FEATURE_CURRENT : 0));
	to[3] = f->length;
	__builtin_memcpy(to + 4, f->body, f->length);
	if (f->code == SCSI_FEATURE_PROFILES)
		to[6] = medium; /* the profile is the current one */
	return 4u + f->length;
}

static bool wants_feature(
	const struct feature *f, unsigned request, uint64_t first, bool medium)
{
	if (request == SCSI_FEATURES_ONE)
		return f->code == first;
	return f->code >= first &&
	       (request == SCSI_FEATURES_ALL || medium || f->flags & SCSI_FEATURE_PERSISTENT);
}

static void get_configuration(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	unsigned request = cdb[1] & 3, n = 8;
	bool medium = cdrom_has_medium(c);

	if (request > SCSI_FEATURES_ONE) {
		cdrom_refuse_field(r);
		return;
	}
	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (wants_feature(&features[i], request, cdrom_get(cdb + 2, 2), medium))
			n += put_feature(&features[i], medium, r->data + n);
	cdrom_put(r->data, 4, n - 4);
	cdrom_put(r->data + 6, 2, medium ? SCSI_PROFILE_CD_ROM : 0);
	cdrom_answer(r, n, cdrom_get(cdb + 7, 2));
}

/* MMC-5 "GET EVENT STATUS NOTIFICATION Command", the second byte of the media class */
static uint8_t media_status(const struct cdrom *c)
{
	if (c->s.ejected)
		return SCSI_DOOR_OPEN;
	return cdrom_has_medium(c) ? SCSI_MEDIA_PRESENT : 0;
}

/* Events are told when they are asked for, not by themselves. */
static void get_event_status(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	bool media = cdb[4] & 1u << SCSI_EVENT_MEDIA;
	uint8_t *d = r->data;

	if (!(cdb[1] & SCSI_EVENT_POLLED)) {
		cdrom_refuse_field(r);
		return;
	}
	cdrom_put(d, 2, media ? 6 : 2);
	d[2] = media ? SCSI_EVENT_MEDIA : SCSI_EVENT_NONE;
	d[3] = 1u << SCSI_EVENT_MEDIA;
	if (media) {
		d[4] = c->s.event;
		d[5] = media_status(c);
		c->s.event = 0;
	}
	cdrom_answer(r, media ? 8 : 4, cdrom_get(cdb + 7, 2));
}

static void eject(struct cdrom *c, struct cdrom_reply *r)
{
	if (c->s.prevented) {
		cdrom_refuse(r, SCSI_ILLEGAL_REQUEST, SCSI_REMOVAL_PREVENTED);
		return;
	}
	if (cdrom_has_medium(c))
		c->s.event = SCSI_MEDIA_REMOVED;
	c->s.ejected = 1;
}

static void load(struct cdrom *c)
{
	if (!c->s.ejected)
		return;
	c->s.ejected = 0;
	if (!cdrom_medium_is(&c->medium))
		return;
	c->s.event = SCSI_MEDIA_NEW;
	c->s.attention = CDROM_CHANGED;
}

static enum scsi_additional no_medium(const struct cdrom *c)
{
	return c->s.ejected ? SCSI_NO_MEDIUM_TRAY_OPEN : SCSI_NO_MEDIUM_TRAY_CLOSED;
}

static void start_stop_unit(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	unsigned what = cdb[4] & (SCSI_START | SCSI_LOAD_EJECT);

	if (cdb[4] & SCSI_POWER_CONDITION) /* it has one only */
		return;
	if (what == SCSI_LOAD_EJECT)
		eject(c, r);
	else if (what == (SCSI_START | SCSI_LOAD_EJECT))
		load(c);
	else if (what == SCSI_START && !cdrom_has_medium(c))
		cdrom_refuse(r, SCSI_NOT_READY, no_medium(c));
}

static void prevent_allow(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	(void)r;
	c->s.prevented = cdb[4] & SCSI_PREVENT;
}

static void set_cd_speed(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	test_unit_ready(c, cdb, r); /* it is as fast as it is */
}

static void mechanism_status(struct cdrom *c, const uint8_t *cdb, struct cdrom_reply *r)
{
	r->data[1] = c->s.ejected ? SCSI_MECHANISM_DOOR_OPEN : 0;
	cdrom_answer(r, SCSI_MECHANISM_STATUS_SIZE, cdrom_get(cdb + 8, 2));
}

/* ---- commands ---- */

static const struct row rows[] = {
	{SCSI_TEST_UNIT_READY, 6, 0, test_unit_ready},
	{SCSI_REQUEST_SENSE, 6, NO_MEDIUM | NO_ATTENTION | ANY_UNIT, request_sense},
	{SCSI_INQUIRY, 6, NO_MEDIUM | NO_ATTENTION | ANY_UNIT, inquiry},
	{SCSI_MODE_SENSE_6, 6, NO_MEDIUM, mode_sense},
	{SCSI_START_STOP_UNIT, 6, NO_MEDIUM, start_stop_unit},
	{SCSI_PREVENT_ALLOW, 6, NO_MEDIUM, prevent_allow},
	{SCSI_READ_CAPACITY, 10, 0, cdrom_read_capacity},
	{SCSI_READ_10, 10, 0, cdrom_read},
	{SCSI_SEEK_10, 10, 0, cdrom_seek},
	{SCSI_READ_TOC, 10, 0, cdrom_read_toc},
	{SCSI_GET_CONFIGURATION, 10, NO_MEDIUM | NO_ATTENTION, get_configuration},
	{SCSI_GET_EVENT_STATUS, 10, NO_MEDIUM | NO_ATTENTION, get_event_status},
	{SCSI_READ_DISC_INFORMATION, 10, 0, cdrom_read_disc_information},
	{SCSI_MODE_SENSE_10, 10, NO_MEDIUM, mode_sense},
	{SCSI_READ_16, 16, 0, cdrom_read},
	{SCSI_SERVICE_ACTION_IN_16, 16, 0, cdrom_service_action_in},
	{SCSI_REPORT_LUNS, 12, NO_MEDIUM | NO_ATTENTION | ANY_UNIT, report_luns},
	{SCSI_READ_12, 12, 0, cdrom_read},
	{SCSI_READ_CD_MSF, 12, 0, cdrom_read_cd_msf},
	{SCSI_SET_CD_SPEED, 12, NO_MEDIUM, set_cd_speed},
	{SCSI_MECHANISM_STATUS, 12, NO_MEDIUM, mechanism_status},
	{SCSI_READ_CD, 12, 0, cdrom_read_cd},
};

static const struct row *find(uint8_t opcode)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].opcode == opcode)
			return &rows[i];
	return NULL;
}

/* Whether the command is not done, because of what the drive has to tell first. */
static bool told_first(struct cdrom *c, const struct row *row, struct cdrom_reply *r)
{
	unsigned flags = row != NULL ? row->flags : 0;

	if (c == NULL && !(flags & ANY_UNIT))
		cdrom_refuse(r, SCSI_ILLEGAL_REQUEST, SCSI_UNIT_NOT_SUPPORTED);
	else if (c != NULL && c->s.attention != CDROM_QUIET && !(flags & NO_ATTENTION))
		cdrom_refuse(r, SCSI_UNIT_ATTENTION, take_attention(c));
	else if (row == NULL)
		cdrom_refuse(r, SCSI_ILLEGAL_REQUEST, SCSI_INVALID_OPCODE);
	else if (c != NULL && !cdrom_has_medium(c) && !(flags & NO_MEDIUM))
		cdrom_refuse(r, SCSI_NOT_READY, no_medium(c));
	else
		return false;
	return true;
}

void cdrom_command(struct cdrom *c, const uint8_t cdb[CDROM_CDB], struct cdrom_reply *r)
{
	const struct row *row = find(cdb[0]);

	*r = (struct cdrom_reply){.status = SCSI_GOOD};
	if (told_first(c, row, r))
		return;
	if (cdb[row->length - 1] & SCSI_CONTROL_NACA)
		cdrom_refuse_field(r);
	else
		row->run(c, cdb, r);
}

bool cdrom_change(struct cdrom *c, const struct cdrom_medium *m, bool force)
{
	bool some = cdrom_medium_is(m);

	if (cdrom_has_medium(c) && c->s.prevented && !force) {
		c->s.event = SCSI_MEDIA_EJECT_REQUEST;
		return false;
	}
	if (!some && !cdrom_medium_is(&c->medium))
		return true;
	if (!some && cdrom_has_medium(c))
		c->s.event = SCSI_MEDIA_REMOVED;
	c->medium = *m;
	c->s.ejected = 1;
	if (some)
		load(c);
	return true;
}

void cdrom_unreadable(struct cdrom *c, struct cdrom_reply *r)
{
	if (!cdrom_has_medium(c))
		cdrom_refuse(r, SCSI_NOT_READY, no_medium(c));
	else if (c->medium.lent != r->lent)
		cdrom_refuse(r, SCSI_UNIT_ATTENTION, SCSI_MEDIUM_MAY_HAVE_CHANGED);
	else
		cdrom_refuse(r, SCSI_MEDIUM_ERROR, SCSI_UNRECOVERED_READ_ERROR);
}

void cdrom_reset(struct cdrom *c)
{
	c->s.prevented = 0;
	c->s.attention = CDROM_RESET;
}

bool cdrom_valid_state(const struct cdrom_state *s)
{
	return s->ejected <= 1 && s->prevented <= 1 && s->attention <= CDROM_CHANGED &&
	       s->event <= SCSI_MEDIA_REMOVED;
}
