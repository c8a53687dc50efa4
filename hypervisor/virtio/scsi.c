/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is a header with a command and data for it; a response with sense data and what is
 * read. All but the data is done at once; how far that came is in struct virtio_scsi and in the
 * chain.
 *
 * Requests are done in turn, so that none is under way when a task management function comes;
 * but some may be in the ring, which the driver takes for being under way. They are done before
 * the function is (5.6.6.2).
 */
#include "virtio/scsi.h"

#include "spec/scsi.h"
#include "virtio/seam.h"

#define QUEUES      3u
#define SEGMENTS    (VIRTQ_SIZE - 2)
#define MAX_SECTORS 0xffffu
#define PER_UNIT    128u /* commands that a driver may have in the ring for a unit */

static struct virtio_scsi *scsi_of(struct virtio *v)
{
	return (struct virtio_scsi *)(void *)((uint8_t *)v - offsetof(struct virtio_scsi, v));
}

/* ---- configuration ---- */

static void put(struct virtio_scsi *s, unsigned offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		s->v.config[offset + i] = (uint8_t)(value >> i * 8);
}

static uint32_t get(const struct virtio_scsi *s, unsigned offset)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++)
		v |= (uint32_t)s->v.config[offset + i] << i * 8;
	return v;
}

static void fill_config(struct virtio_scsi *s)
{
	__builtin_memset(s->v.config, 0, sizeof(s->v.config));
	put(s, VIRTIO_SCSI_NUM_QUEUES, 4, QUEUES - VIRTIO_SCSI_REQUEST);
	put(s, VIRTIO_SCSI_SEG_MAX, 4, SEGMENTS);
	put(s, VIRTIO_SCSI_MAX_SECTORS, 4, MAX_SECTORS);
	put(s, VIRTIO_SCSI_CMD_PER_LUN, 4, PER_UNIT);
	put(s, VIRTIO_SCSI_EVENT_INFO_SIZE, 4, sizeof(struct virtio_scsi_event));
	put(s, VIRTIO_SCSI_SENSE_SIZE, 4, VIRTIO_SCSI_SENSE_DEFAULT);
	put(s, VIRTIO_SCSI_CDB_SIZE, 4, VIRTIO_SCSI_CDB_DEFAULT);
	put(s, VIRTIO_SCSI_MAX_TARGET, 2, s->count - 1);
}

/* Two words are the driver's; a part of one is none. */
static void config_written(struct virtio *v, unsigned offset, unsigned size, uint64_t value)
{
	if (size == 4 && (offset == VIRTIO_SCSI_SENSE_SIZE || offset == VIRTIO_SCSI_CDB_SIZE))
		put(scsi_of(v), offset, size, value);
}

/* ---- who is meant ---- */

/* VIRTIO_SCSI_S_OK and *c: that drive. */
static enum virtio_scsi_response_code find(
	struct virtio_scsi *s, const uint8_t *lun, struct cdrom **c)
{
	unsigned unit = lun[2] & 0x3fu;

	*c = NULL;
	if (lun[0] != VIRTIO_SCSI_LUN_FIRST || lun[1] >= s->count)
		return VIRTIO_SCSI_S_BAD_TARGET;
	for (unsigned i = 3; i < VIRTIO_SCSI_LUN_SIZE; i++)
		unit |= lun[i];
	if (unit != 0 || lun[2] >> 6 > 1) /* neither way to number a single level */
		return VIRTIO_SCSI_S_INCORRECT_LUN;
	*c = &s->cdrom[lun[1]];
	return VIRTIO_SCSI_S_OK;
}

/* ---- requests ---- */

/* The command with zeroes behind it; false: the chain has not so much. */
static bool take_command(struct virtio_scsi *s, struct virtq *q, struct virtio_scsi_request *h,
	uint8_t cdb[CDROM_CDB])
{
	struct virtq_chain *c = &s->v.chain;
	uint64_t size = get(s, VIRTIO_SCSI_CDB_SIZE);
	uint64_t used = size < CDROM_CDB ? size : CDROM_CDB;

	__builtin_memset(cdb, 0, CDROM_CDB);
	if (c->read.left < sizeof(*h) + size || !virtq_read(q, c, h, sizeof(*h)) ||
		!virtq_read(q, c, cdb, used))
		return false;
	virtq_skip(c, false, size - used);
	return true;
}

/* What the command leaves in s->answer, of which `room` bytes can be given. */
static enum virtio_scsi_response_code run(struct virtio_scsi *s, const uint8_t *lun,
	const uint8_t cdb[CDROM_CDB], uint64_t room, uint64_t out)
{
	enum virtio_scsi_response_code code;

	s->answer = (struct cdrom_reply){.status = SCSI_GOOD};
	code = find(s, lun, &s->drive);
	if (code == VIRTIO_SCSI_S_BAD_TARGET)
		return code;
	if (room != 0 && out != 0) /* VIRTIO_SCSI_F_INOUT is not offered */
		return VIRTIO_SCSI_S_FAILURE;
	cdrom_command(s->drive, cdb, &s->answer);
	if (s->answer.asked <= room)
		return VIRTIO_SCSI_S_OK;
	s->answer.size = 0;
	return VIRTIO_SCSI_S_OVERRUN;
}

/* So much data can go where the driver wants it. */
static uint64_t room_of(const struct virtio_scsi *s)
{
	return s->v.chain.write.left - sizeof(struct virtio_scsi_response) - s->sense_size;
}

/* The response to what s->answer is, with its sense data. */
static bool respond(struct virtio_scsi *s, struct virtq *q, enum virtio_scsi_response_code code)
{
	struct virtq_chain *c = &s->v.chain;
	uint64_t most = room_of(s) + c->read.left;
	struct virtio_scsi_response r = {
		.response = (uint8_t)code,
		.status = s->answer.status,
		.residual = (uint32_t)(most - s->answer.size),
	};
	uint8_t sense[SCSI_SENSE_SIZE];

	if (r.status == SCSI_CHECK_CONDITION)
		r.sense_len = s->sense_size < SCSI_SENSE_SIZE ? s->sense_size : SCSI_SENSE_SIZE;
	s->pad = s->sense_size - r.sense_len;
	cdrom_put_sense(sense, s->answer.key, s->answer.additional);
	return virtq_write(q, c, &r, sizeof(r)) && virtq_write(q, c, sense, r.sense_len);
}

/* False: what the driver made is no request. */
static bool begin(struct virtio_scsi *s, struct virtq *q)
{
	struct virtq_chain *c = &s->v.chain;
	struct virtio_scsi_request h;
	uint8_t cdb[CDROM_CDB];

	s->sense_size = get(s, VIRTIO_SCSI_SENSE_SIZE);
	s->first = c->write;
	if (c->write.left < sizeof(struct virtio_scsi_response) + (uint64_t)s->sense_size ||
		!take_command(s, q, &h, cdb))
		return false;
	s->begun = respond(s, q, run(s, h.lun, cdb, room_of(s), c->read.left));
	return s->begun;
}

/* What is next of the answer is kept, if it can be read now. */
static enum seam_medium look(struct virtio_scsi *s, uint64_t *budget)
{
	const struct cdrom_medium *m = &s->drive->medium;
	const struct cdrom_reply *a = &s->answer;
	struct scsi_piece *k = &s->piece;
	enum seam_medium is;
	uint64_t left;

	if (m->lent != a->lent) /* it was taken out meanwhile */
		return SEAM_MEDIUM_FAILED;
	if (k->lent == a->lent && a->at >= k->at && a->at - k->at < k->size)
		return SEAM_MEDIUM_READ;
	k->lent = 0;
	k->at = a->at - a->at % SCSI_CD_BLOCK;
	left = m->size - k->at;
	k->size = left < SCSI_PIECE ? (uint32_t)left : SCSI_PIECE;
	virtio_spend(budget, k->size);
	is = seam_medium_read(s->v.platform, a->lent, k->at, k->bytes, k->size);
	if (is == SEAM_MEDIUM_READ)
		k->lent = a->lent;
	return is;
}

/* In place of what was answered so far. */
static bool fail_read(struct virtio_scsi *s, struct virtq *q)
{
	cdrom_unreadable(s->drive, &s->answer);
	s->v.chain.write = s->first;
	s->v.chain.written = 0;
	return respond(s, q, VIRTIO_SCSI_S_OK);
}

/* Data of a medium that is lent. False: not now, or chain.bad. */
static bool pass_lent(struct virtio_scsi *s, struct virtq *q, uint64_t *budget)
{
	struct cdrom_reply *a = &s->answer;
	const struct scsi_piece *k = &s->piece;
	uint64_t most, got;
	uint8_t *dst;

	switch (look(s, budget)) {
	case SEAM_MEDIUM_BUSY:
		return false;
	case SEAM_MEDIUM_FAILED:
		return fail_read(s, q);
	default:
		break;
	}
	most = k->at + k->size - a->at;
	dst = virtq_take(q, &s->v.chain, true, most < a->size ? most : a->size, &got);
	if (dst == NULL)
		return false;
	virtio_spend(budget, got);
	__builtin_memcpy(dst, k->bytes + (a->at - k->at), got);
	a->at += got;
	a->size -= got;
	return true;
}

/* Zeroes, or data in memory. False: chain.bad. */
static bool pass(struct virtio_scsi *s, struct virtq *q, uint64_t *budget)
{
	struct cdrom_reply *a = &s->answer;
	uint64_t got, n = s->pad > 0 ? s->pad : a->size;
	uint8_t *dst = virtq_take(q, &s->v.chain, true, n < *budget ? n : *budget, &got);

	if (dst == NULL)
		return false;
	virtio_spend(budget, got);
	if (s->pad > 0) {
		__builtin_memset(dst, 0, got);
		s->pad -= got;
		return true;
	}
	if (s->drive != NULL && dev_is_wrong(a->bytes, got)) /* the image's, if it is */
		return fail_read(s, q);
	__builtin_memcpy(dst, a->bytes, got);
	a->bytes += got;
	a->size -= got;
	return true;
}

/* Zeroes, then data. */
static void go_on(struct virtio_scsi *s, struct virtq *q, uint64_t *budget)
{
	const struct cdrom_reply *a = &s->answer;
	bool more = true;

	while (more && *budget > 0 && (s->pad > 0 || a->size > 0))
		more = s->pad > 0 || a->bytes != NULL ? pass(s, q, budget)
						      : pass_lent(s, q, budget);
}

static enum virtio_result request(struct virtio_scsi *s, struct virtq *q, uint64_t *budget)
{
	if (!s->begun && !begin(s, q))
		return VIRTIO_BAD;
	go_on(s, q, budget);
	if (s->pad > 0 || s->answer.size > 0)
		return s->v.chain.bad ? VIRTIO_BAD : VIRTIO_MORE;
	s->begun = false;
	return VIRTIO_DONE;
}

/* ---- control queue ---- */

/* No task is left of those that the driver could mean. */
static enum virtio_scsi_response_code manage(
	struct virtio_scsi *s, const struct virtio_scsi_tmf_request *t)
{
	struct cdrom *c;
	enum virtio_scsi_response_code code = find(s, t->lun, &c);

	/* The unit does not matter where the whole target is meant. */
	if (t->subtype == VIRTIO_SCSI_I_T_NEXUS_RESET && code == VIRTIO_SCSI_S_INCORRECT_LUN) {
		c = &s->cdrom[t->lun[1]];
		code = VIRTIO_SCSI_S_OK;
	}
	if (code != VIRTIO_SCSI_S_OK)
		return code;
	switch (t->subtype) {
	case VIRTIO_SCSI_I_T_NEXUS_RESET:
	case VIRTIO_SCSI_LOGICAL_UNIT_RESET:
		cdrom_reset(c);
		return VIRTIO_SCSI_S_OK;
	case VIRTIO_SCSI_ABORT_TASK:
	case VIRTIO_SCSI_ABORT_TASK_SET:
	case VIRTIO_SCSI_CLEAR_TASK_SET:
	case VIRTIO_SCSI_QUERY_TASK:
	case VIRTIO_SCSI_QUERY_TASK_SET:
		return VIRTIO_SCSI_S_OK;
	default: /* CLEAR ACA: commands that ask for it are refused */
		return VIRTIO_SCSI_S_FUNCTION_REJECTED;
	}
}

static bool task_management(struct virtio_scsi *s, struct virtq *q)
{
	struct virtio_scsi_tmf_request t;
	uint8_t code;

	if (s->v.chain.write.left < sizeof(code) || !virtq_read(q, &s->v.chain, &t, sizeof(t)))
		return false;
	code = (uint8_t)manage(s, &t);
	return virtq_write(q, &s->v.chain, &code, sizeof(code));
}

/* There are no events that would be told without being asked for. */
static bool notification(struct virtio_scsi *s, struct virtq *q)
{
	uint8_t answer[VIRTIO_SCSI_AN_RESPONSE_SIZE] = {0};
	struct virtio_scsi_an_request a;
	struct cdrom *c;

	if (!virtq_read(q, &s->v.chain, &a, sizeof(a)))
		return false;
	answer[sizeof(answer) - 1] = (uint8_t)find(s, a.lun, &c);
	return virtq_write(q, &s->v.chain, answer, sizeof(answer));
}

static bool control_type(struct virtio_scsi *s, struct virtq *q)
{
	uint32_t type;

	if (!virtq_read(q, &s->v.chain, &type, sizeof(type)))
		return false;
	switch (type) {
	case VIRTIO_SCSI_T_TMF:
		return task_management(s, q);
	case VIRTIO_SCSI_T_AN_QUERY:
	case VIRTIO_SCSI_T_AN_SUBSCRIBE:
		return notification(s, q);
	default:
		return false;
	}
}

/* After the requests that are in their ring now: those are looked at until there is none. */
static enum virtio_result control(struct virtio_scsi *s, struct virtq *q)
{
	if (!s->draining) {
		s->draining = true;
		virtio_kick(&s->v, VIRTIO_SCSI_REQUEST);
	}
	if (s->v.kicked & BIT(VIRTIO_SCSI_REQUEST))
		return VIRTIO_WAITS;
	s->draining = false;
	return control_type(s, q) ? VIRTIO_DONE : VIRTIO_BAD;
}

/* ---- device ---- */

static enum virtio_result handle(struct virtio *v, unsigned queue, uint64_t *budget)
{
	struct virtio_scsi *s = scsi_of(v);

	switch (queue) {
	case VIRTIO_SCSI_CONTROL:
		return control(s, &v->queue[queue]);
	case VIRTIO_SCSI_EVENT: /* its buffers stay there */
		return VIRTIO_KEEP;
	default:
		return request(s, &v->queue[queue], budget);
	}
}

static void reset(struct virtio *v)
{
	struct virtio_scsi *s = scsi_of(v);

	s->begun = s->draining = false;
	put(s, VIRTIO_SCSI_SENSE_SIZE, 4, VIRTIO_SCSI_SENSE_DEFAULT);
	put(s, VIRTIO_SCSI_CDB_SIZE, 4, VIRTIO_SCSI_CDB_DEFAULT);
	for (unsigned i = 0; i < s->count; i++)
		cdrom_reset(&s->cdrom[i]);
}

static void queue_reset(struct virtio *v, unsigned queue)
{
	struct virtio_scsi *s = scsi_of(v);

	if (queue == VIRTIO_SCSI_CONTROL)
		s->draining = false;
	if (queue == VIRTIO_SCSI_REQUEST)
		s->begun = false;
}

static const struct virtio_ops ops = {
	.handle = handle,
	.reset = reset,
	.queue_reset = queue_reset,
	.config_written = config_written,
};

static const struct virtio_kind kind = {
	.type = VIRTIO_SCSI,
	.class = PCI_CLASS_SCSI << 8,
	.queues = QUEUES,
	.queue_size = VIRTQ_SIZE,
	.config_size = VIRTIO_SCSI_CONFIG_SIZE,
	.ops = &ops,
};

bool virtio_scsi_create(struct virtio_scsi *s, struct platform *p, uint16_t bdf)
{
	for (unsigned i = 0; i < LIMIT_CDROMS; i++)
		s->cdrom[i].s = (struct cdrom_state){0};
	s->piece.lent = 0;
	fill_config(s);
	return virtio_create(&s->v, &kind, p, bdf);
}

/* ---- state ---- */

void virtio_scsi_get_state(const struct virtio_scsi *s, struct virtio_scsi_state *to)
{
	virtio_get_state(&s->v, &to->v);
	for (unsigned i = 0; i < LIMIT_CDROMS; i++)
		to->cdrom[i] = s->cdrom[i].s;
}

static bool none(const struct cdrom_state *c)
{
	return !c->ejected && !c->prevented && !c->event && !c->attention;
}

/* Of the configuration only the driver's words may be other than they are. */
static bool config_valid(const struct virtio_scsi *s, const struct virtio_state *from)
{
	for (unsigned i = 0; i < VIRTIO_CONFIG_SIZE; i++)
		if ((i < VIRTIO_SCSI_SENSE_SIZE || i >= VIRTIO_SCSI_MAX_CHANNEL) &&
			from->config[i] != s->v.config[i])
			return false;
	return true;
}

bool virtio_scsi_set_state(struct virtio_scsi *s, const struct virtio_scsi_state *from)
{
	for (unsigned i = 0; i < LIMIT_CDROMS; i++)
		if (i < s->count ? !cdrom_valid_state(&from->cdrom[i]) : !none(&from->cdrom[i]))
			return false;
	if (!config_valid(s, &from->v) || !virtio_set_state(&s->v, &from->v))
		return false;
	/* virtio_set_state has reset what is the driver's here */
	__builtin_memcpy(s->v.config, from->v.config, sizeof(s->v.config));
	for (unsigned i = 0; i < LIMIT_CDROMS; i++)
		s->cdrom[i].s = from->cdrom[i];
	return true;
}
