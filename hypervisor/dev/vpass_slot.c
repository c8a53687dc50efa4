/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the machine in slots: they come and go while their VM runs, and are reset by it.
 *
 * A reset of the machine's function takes up to 100 ms, in which it must be left alone (PCI
 * Express Base Specification 4.0, 6.6.2). The VM's function is there meanwhile, as after a
 * reset; what the guest writes to its configuration space is done in the machine when that has
 * come back.
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

bool vpass_has_reset(const struct vpass_function *f)
{
	return vpass_has_flr(f) || vpass_has_quiet_rule(f);
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

/* What the guest has made of the VM's function meanwhile is done in the machine. */
static void come_back(struct vpass *v)
{
	v->away = false;
	dev_pass_separate(v->machine->id.bdf);
	vpass_begin(v->machine);
	vpass_write_command(v);
	vpass_messages_changed(v);
}

void vpass_come(struct vpass *v, uint64_t when)
{
	hear_line(v);
	v->back_at = when;
	v->away = dev_now(v->f->platform) < when;
	if (v->away)
		vpci_ask_work_at(v->f, when);
	else
		come_back(v);
}

enum vpci_work vpass_work(void *device)
{
	struct vpass *v = device;

	if (v->away && v->back_at != DEV_NEVER)
		vpass_come(v, v->back_at);
	return VPCI_WORK_DONE;
}

/*
 * By itself, or with its bus. Other vCPUs may reach its registers until vm/ has heard of it.
 * One that is in its reset already goes on with it: nobody has touched it.
 */
void vpass_reset(void *device)
{
	struct vpass *v = device;

	if (v->away && v->back_at != DEV_NEVER)
		vpci_ask_work_at(v->f, v->back_at);
	if (v->away)
		return;
	vpass_leave(v);
	dev_pass_ask_reset(v->f->platform, v->machine);
}

void vpass_leave(struct vpass *v)
{
	v->away = true;
	v->back_at = DEV_NEVER;
}
