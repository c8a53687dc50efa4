/* SPDX-License-Identifier: Apache-2.0 */
/* Files that clients put into bays; see bridge_bay.h. */
#include "bridge_bay.h"

#include <stdio.h>

bool bridge_bay_begin(struct bridge *b, struct bridge_client *c, const struct manage_request *r,
	const char **why)
{
	unsigned slot = (unsigned)r->number[MANAGE_ARG_SLOT];
	uint32_t bay = b->bays ? host_bay_find(b->bays, r->vm, slot) : 0;

	*why = "no VM of this name has a bay behind this root port";
	if (bay)
		*why = host_bay_offer(b->bays, bay, c->file, r->number[MANAGE_ARG_KEEP] != 0);
	if (*why)
		return false;
	c->file = -1;
	c->fills = bay;
	c->passed_id = b->next_id++;
	c->line_size = (size_t)snprintf(c->line, sizeof(c->line),
		"attach id=%u vm=%s slot=%u fresh=1", c->passed_id, r->vm, slot);
	return true;
}

void bridge_bay_settle(struct bridge *b, struct bridge_client *c, bool done)
{
	if (c->fills)
		host_bay_settle(b->bays, c->fills, done);
	c->fills = 0;
}
