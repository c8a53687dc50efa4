/* SPDX-License-Identifier: Apache-2.0 */
/* Files that clients lend to drives; see bridge_media.h. */
#include "bridge_media.h"

#include <inttypes.h>
#include <stdio.h>

bool bridge_media_begin(struct bridge *b, struct bridge_client *c,
	const struct manage_request *r, char why[BRIDGE_WHY])
{
	c->lends = media_begin(b->media, c->file, r->vm, r->disk, why);
	c->file = -1;
	c->force = r->number[MANAGE_ARG_FORCE] != 0;
	c->asks = c->lends != NULL;
	return c->asks;
}

bool bridge_media_go_on(struct bridge *b, struct bridge_client *c, char why[BRIDGE_WHY])
{
	struct media_slot *s = c->lends;

	*why = 0;
	if (c->fd >= 0 && s->state == MEDIA_READY)
		return true;
	if (c->fd >= 0 && media_copy(b->media, s, why)) {
		c->passed_id = b->next_id++;
		c->line_size = (size_t)snprintf(c->line, sizeof(c->line),
			"borrow id=%u vm=%s disk=%s lent=%u bytes=%" PRIu64 "%s", c->passed_id,
			s->vm, s->disk, s->number, s->size, c->force ? " force=1" : "");
		c->passed = false;
		return true;
	}
	if (c->fd >= 0 && !*why)
		return true;
	c->lends = NULL;
	media_free(b->media, s);
	return c->fd < 0; /* nobody waits for it any more */
}

bool bridge_media_waits(const struct bridge_client *c)
{
	return c->lends && c->lends->state != MEDIA_READY;
}

void bridge_media_sent(struct bridge_client *c)
{
	if (c->lends)
		c->lends->state = MEDIA_OFFERED;
	c->lends = NULL;
}

/* Which medium that Nestor was told of has a number. */
static struct media_slot *offered(const struct bridge *b, uint64_t number)
{
	struct media_slot *s = &b->media->slot[number % MEDIA_SLOTS];

	return s->state == MEDIA_OFFERED && s->number == number ? s : NULL;
}

void bridge_media_settle(struct bridge *b, bool done)
{
	const struct manage_request *r = &b->sent;
	struct media_slot *s = NULL;

	if (r->op == MANAGE_BORROW)
		s = offered(b, r->number[MANAGE_ARG_LENT]);
	if (s && !done)
		media_free(b->media, s);
	else if (done && (s || r->op == MANAGE_EJECT || r->op == MANAGE_INSERT))
		media_has(b->media, r->vm, r->disk, s);
}
