/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the machine in slots: they come and go while their VM runs, and are reset by it.
 *
 * A reset of the machine's function takes up to 100 ms, in which it must be left alone (PCI
 * Express Base Specification 4.0, 6.6.2). The VM's function is there meanwhile, as after a
 * reset; what the guest writes to its configuration space is done in the machine when that has
 * settled.
 */
#include "dev/vpass_int.h"
#include "dev/vpci_int.h"

const char *vpass_slot_error(const struct vpass_function *f)
{
	if (f->own_size != 0 || f->fixed != 0)
		return "an IDE controller cannot be behind a root port: its channels are at "
		       "fixed ports";
	return NULL;
}

/* As vpci_assign_function gives them addresses, from a multiple of the alignment on. */
struct vport_room vpass_room(const struct vpass_function *f)
{
	struct vport_room room = {.alignment = 1};

	for (unsigned i = 0; i < PCI_BARS; i++) {
		uint64_t size = f->bar[i].size;

		if (f->bar[i].kind == VPCI_BAR_NONE)
			continue;
		if (vpci_bar_is_io(f->bar[i].kind)) {
			room.ports = true;
			continue;
		}
		room.memory = ((room.memory + size - 1) & ~(size - 1)) + size;
		if (size > room.alignment)
			room.alignment = size;
	}
	return room;
}

/* What was to be said on the line is over; what comes is new. */
static void hear_line(struct vpass *v)
{
	if (!v->raised && !v->waits)
		return;
	v->raised = v->waits = false;
	dev_pass_listen(v->machine->id.bdf);
}

void vpass_look_at(struct vpass *v, uint64_t when)
{
	uint64_t now = dev_pass_now();

	vpci_ask_work_at(
		v->f, dev_now(v->f->platform) + (when > now ? when - now : dev_pass_ticks(1)));
}

void vpass_look_later(struct vpass *v)
{
	vpass_look_at(v, v->machine->now->ready_at);
}

static bool is_gone(const struct vpass *v)
{
	return v->machine->now->phase == VPASS_GONE;
}

/* What passes may have passed. False: it has not, or it is gone. */
static bool settled(struct vpass *v)
{
	if (vpass_is_back(v))
		return true;
	if (!vpass_settle(v->machine))
		return false;
	if (v->away)
		hear_line(v);
	v->away = v->comes = false;
	if (!vpass_is_awake(v))
		return !is_gone(v);
	vpass_came_back(v);
	return vpass_is_awake(v);
}

static bool is_vms_turn(const struct vpass *v)
{
	return v->away && !v->comes;
}

/* One that changes its power state does not meanwhile; nor one that is not made. */
bool vpass_answers(void *device)
{
	struct vpass *v = device;

	if (v->physical != NULL && !vpass_answers(v->physical))
		return false;
	if (is_gone(v))
		vpass_vfs_follow(v->physical);
	return is_vms_turn(v) || settled(v) || v->comes;
}

enum vpci_work vpass_work(void *device)
{
	struct vpass *v = device;

	if (!is_vms_turn(v) && !settled(v) && !is_gone(v))
		vpass_look_later(v);
	vpass_vfs_follow(v);
	return VPCI_WORK_DONE;
}

void vpass_come(struct vpass *v)
{
	hear_line(v);
	v->away = v->comes = true;
	(void)vpass_work(v);
}

/*
 * By itself, or with its bus. Other vCPUs may reach its registers until vm/ has heard of it.
 * One that is in its reset already goes on with it: nobody has touched it.
 */
void vpass_reset_asked(void *device)
{
	struct vpass *v = device;

	if (v->physical != NULL && vpci_hidden(v->f)) {
		vpass_vf_gone(v->machine);
		v->physical->machine->vfs->stale = v->physical->machine->vfs->on != 0;
		return;
	}
	if (v->physical != NULL && !vpass_is_awake(v->physical)) {
		v->machine->now->ends = true; /* vpass_vfs_wake */
		return;
	}
	if (v->comes)
		vpass_look_later(v);
	if (v->away)
		return;
	vpass_leave(v);
	dev_pass_ask_reset(v->f->platform, v->machine);
}

void vpass_leave(struct vpass *v)
{
	v->away = true;
	v->comes = false;
}
