/* SPDX-License-Identifier: Apache-2.0 */
/* What the tool answers itself; see bridge_here.h. */
#include "bridge_here.h"

#include <string.h>
#include <unistd.h>

#include "bridge_bay.h"
#include "bridge_media.h"
#include "bridge_port.h"

void bridge_forget_file(struct bridge_client *c)
{
	if (c->file >= 0)
		close(c->file);
	c->file = -1;
}

void bridge_answer(struct bridge_client *c, enum manage_status status, const char *why)
{
	bridge_say(c, "answer id=%u status=%s%s%s\n", c->id, manage_status_word(status),
		*why ? " text=" : "", why);
}

unsigned bridge_find_vm(const struct bridge *b, const char *name)
{
	unsigned vm = 0;

	while (vm < LIMIT_VMS && !(b->name[vm] && *name && strcmp(b->name[vm], name) == 0))
		vm++;
	return vm;
}

static void type(
	struct bridge *b, struct bridge_client *c, unsigned vm, const struct manage_request *r)
{
	size_t size = (size_t)r->number[MANAGE_ARG_DATA];

	if (sender_room(b->sender, vm) < size) {
		bridge_answer(c, MANAGE_IS_BUSY, "so much waits for the VM already");
		return;
	}
	sender_add(b->sender, vm, r->data, size);
	bridge_answer(c, MANAGE_IS_OK, "");
}

static void do_for_console(
	struct bridge *b, struct bridge_client *c, const struct manage_request *r)
{
	unsigned vm = bridge_find_vm(b, r->vm);
	enum manage_status status;
	const char *why;

	if (vm == LIMIT_VMS) {
		bridge_answer(c, MANAGE_IS_NO_VM, "there is no VM of this name");
		return;
	}
	if (manage_given(r, MANAGE_ARG_PORT)) {
		status = bridge_port_ask(b, c, vm, r, &why);
		bridge_answer(c, status, why);
		return;
	}
	if (r->op == MANAGE_TYPE) {
		type(b, c, vm, r);
		return;
	}
	if (r->op == MANAGE_RESIZE) {
		sender_resize(b->sender, vm, (uint16_t)r->number[MANAGE_ARG_COLUMNS],
			(uint16_t)r->number[MANAGE_ARG_ROWS]);
	} else {
		set_add(c->consoles, vm);
		c->at[vm] = r->number[MANAGE_ARG_AT];
	}
	bridge_answer(c, MANAGE_IS_OK, "");
}

/* A file for a drive is copied first, piece by piece, and then offered to Nestor. */
static void lend(struct bridge *b, struct bridge_client *c, const struct manage_request *r)
{
	char why[BRIDGE_WHY];

	if (!bridge_media_begin(b, c, r, why))
		bridge_answer(c, MANAGE_IS_STATE, why);
}

static void fill(struct bridge *b, struct bridge_client *c, const struct manage_request *r)
{
	const char *why;

	if (!bridge_bay_begin(b, c, r, &why)) {
		bridge_forget_file(c);
		bridge_answer(c, MANAGE_IS_STATE, why);
		return;
	}
	c->asks = true;
	c->passed = false;
}

/* What the tool does itself. */
void bridge_do(struct bridge *b, struct bridge_client *c, const struct manage_request *r)
{
	if (r->op == MANAGE_LEND) {
		lend(b, c, r);
		return;
	}
	if (r->op == MANAGE_FILL) {
		fill(b, c, r);
		return;
	}
	if (r->op != MANAGE_EVENTS && r->op != MANAGE_QUIT) {
		do_for_console(b, c, r);
		return;
	}
	c->events |= r->op == MANAGE_EVENTS;
	b->quit |= r->op == MANAGE_QUIT;
	bridge_answer(c, MANAGE_IS_OK, "");
}
