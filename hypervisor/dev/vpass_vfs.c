/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual functions that a VM makes of a physical one that it owns. What its capability says is
 * wanted; the machine follows, when the times that the specification asks for have passed
 * (9.3.3.3.1 "VF Enable"). Until then they answer to nothing.
 */
#include "dev/vpass_int.h"
#include "dev/vpass_sriov.h"
#include "dev/vpci_int.h"

/* ---- the machine's ---- */

static void silence(struct vpass_function *f)
{
	vpass_message_end(f);
	dev_pass_config_write(f->id.bdf, PCI_COMMAND, 2, 0);
}

void vpass_vf_gone(struct vpass_function *f)
{
	if (f->now->phase == VPASS_AWAKE)
		silence(f);
	f->now->phase = VPASS_GONE;
	f->now->ends = false;
}

static void all_gone(struct vpass_vfs *s)
{
	for (unsigned i = 0; i < s->most; i++)
		vpass_vf_gone(s->vf[i]);
	s->there = s->stale = false;
	s->on = 0;
	s->ready_at = dev_pass_now() + dev_pass_ticks(PCIE_SRIOV_OFF_MS);
}

/* In a phase that passes the physical one is reset, or lost all when it woke. */
void vpass_vfs_forget(struct vpass_function *physical)
{
	struct vpass_vfs *s = physical->vfs;

	if (s == NULL)
		return;
	s->refused = false;
	if (s->on == 0)
		return;
	all_gone(s);
	if (physical->now->phase == VPASS_AWAKE || physical->now->phase == VPASS_SLEEPS)
		vpass_physical_off(s->p);
}

static void turn_off(struct vpass_vfs *s)
{
	all_gone(s);
	vpass_physical_off(s->p);
}

static void turn_on(struct vpass_vfs *s, unsigned count)
{
	s->refused = !vpass_physical_recount(s->p, count);
	if (s->refused)
		return;
	vpass_physical_on(s->p);
	s->on = count;
	s->ready_at = dev_pass_now() + dev_pass_ticks(PCIE_SRIOV_ON_MS);
}

/* ---- the VM's ---- */

static struct vpass *vf_of(const struct vpass *v, unsigned number)
{
	return vpci_vf(v->f, number)->device;
}

static void come(struct vpass *v)
{
	struct vpass_vfs *s = v->machine->vfs;

	s->there = true;
	for (unsigned i = 0; i < s->on; i++) {
		s->vf[i]->now->phase = VPASS_AWAKE;
		vpass_came_back(vf_of(v, i));
	}
}

/* False: there is nothing to be done now. */
static bool step(struct vpass *v)
{
	struct vpass_vfs *s = v->machine->vfs;
	unsigned wanted = vpci_vfs_wanted(v->f);

	if (wanted == 0)
		s->refused = false;
	if (s->on == wanted && !s->stale ? s->on == 0 || s->there : s->on == 0 && s->refused)
		return false;
	if (dev_pass_now() < s->ready_at) {
		vpass_look_at(v, s->ready_at);
		return false;
	}
	if (s->on == 0)
		turn_on(s, wanted);
	else if (s->on == wanted && !s->stale)
		come(v);
	else
		turn_off(s);
	return true;
}

/* Each but the last has to wait for time to pass. */
void vpass_vfs_follow(struct vpass *v)
{
	while (v->machine->vfs != NULL && vpass_is_back(v) && step(v))
		;
}

void vpass_vfs_sleep(struct vpass *v)
{
	struct vpass_vfs *s = v->machine->vfs;

	for (unsigned i = 0; s != NULL && s->there && i < s->on; i++) {
		struct vpass_function *f = s->vf[i];

		if (f->now->phase == VPASS_AWAKE)
			silence(f);
		f->now->ends = f->now->phase == VPASS_RESETS;
		f->now->phase = VPASS_RESTS;
	}
}

/* A reset that was asked for meanwhile, or was in its middle, is made up for. */
void vpass_vfs_wake(struct vpass *v)
{
	struct vpass_vfs *s = v->machine->vfs;

	for (unsigned i = 0; s != NULL && s->there && i < s->on; i++) {
		struct vpass *vf = vf_of(v, i);

		if (s->vf[i]->now->phase != VPASS_RESTS)
			continue;
		s->vf[i]->now->phase = VPASS_AWAKE;
		if (s->vf[i]->now->ends) {
			if (dev_pass_now() < s->vf[i]->now->ready_at) {
				s->vf[i]->now->phase = VPASS_RESETS;
				s->vf[i]->now->ends = false;
			} else {
				vpass_reset(s->vf[i], false);
			}
			vpass_look_at(vf, s->vf[i]->now->ready_at);
		} else {
			vpass_came_back(vf);
		}
	}
}

/* ---- set-up ---- */

bool vpass_add_vfs(struct vpass *v, unsigned first)
{
	const struct vpass_vfs *s = v->machine->vfs;
	struct vpci_bar bar[PCI_BARS];

	if (v->f->express == 0)
		return false;
	for (unsigned i = 0; i < PCI_BARS; i++)
		bar[i] = (struct vpci_bar){s->p->bar[i].kind, s->p->bar[i].size, 0};
	vpci_add_sriov(v->f, s->most, first, s->p->device, bar);
	return true;
}
