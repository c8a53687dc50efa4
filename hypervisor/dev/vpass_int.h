/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vpass.c asks of MSI and MSI-X, and of IDE controllers. Functions of another class are
 * left alone.
 */
#ifndef NESTOR_DEV_VPASS_INT_H
#define NESTOR_DEV_VPASS_INT_H

#include "dev/vpass_sriov.h"
#include "spec/ide.h"

#define VPASS_ALL_FIXED ((1u << IDE_CHANNELS) - 1)

/*
 * What is behind six base address registers from this offset on, which do not decode; those
 * with a kind are known already. NULL, or what is wrong.
 */
const char *vpass_size_bars(uint16_t bdf, unsigned at, struct vpass_bar *bar);
/* Writes number i of them. */
void vpass_write_bar(uint16_t bdf, unsigned at, const struct vpass_bar *bar, unsigned i);

/* A capability of this identifier is there. Then, when registers are known: is it right? */
void vpass_message_find(struct vpass_function *f, uint8_t id, uint8_t at);
void vpass_message_check(struct vpass_function *f);
/* The VM's capabilities. False: no room. */
bool vpass_message_add(struct vpass *v);
/* The guest may have changed something of them. */
void vpass_messages_changed(struct vpass *v);
/* The same of where they lead to. */
void vpass_routes_changed(struct vpass *v);
/* The function sends none any more. In the address space of the VM. */
void vpass_message_end(struct vpass_function *f);
/* Does the machine's MSI-X table or its pending bits lie there? No VM may reach them. */
bool vpass_message_meets(
	const struct vpass_function *f, unsigned bar, uint64_t offset, uint64_t size);

/* ---- vpass.c ---- */

/* It is silenced and reset by registers of its own. */
bool vpass_has_quiet_rule(const struct vpass_function *f);
/* The guest has put it into D3hot, or out of it: of struct vpci_ops. */
void vpass_power_changed(void *device, bool sleeps);
/* The machine's function is as after a reset, or as it was: what the VM says holds again. */
void vpass_came_back(struct vpass *v);

/* ---- vpass_slot.c; of struct vpci_ops ---- */

void vpass_reset_asked(void *device);
bool vpass_answers(void *device);
enum vpci_work vpass_work(void *device);
/* Work comes when the machine's function may have settled. */
void vpass_look_later(struct vpass *v);

/* ---- vpass_power.c ---- */

static inline bool vpass_is_awake(const struct vpass *v)
{
	return v->machine->now->phase == VPASS_AWAKE;
}

/* Nor is it away in its VM. */
static inline bool vpass_is_back(const struct vpass *v)
{
	return !v->away && vpass_is_awake(v);
}

/* A capability of this identifier is there. */
void vpass_power_find(struct vpass_function *f, uint8_t id, uint8_t at);
/* Whoever left it asleep: it will be awake, with the next vpass_settle but one. */
void vpass_power_found(struct vpass_function *f);
/* It is silent, in D0: a reset begins if it has one. held: its drives are held in reset. */
void vpass_reset(struct vpass_function *f, bool held);
/* It is silent: into D3hot, and out of it. */
void vpass_fall(struct vpass_function *f);
void vpass_wake(struct vpass_function *f);
/* The VM's capabilities, of those that the machine's function has and there is room for. */
void vpass_power_add(struct vpass *v);
/* Bits in them that the machine's function has, read anew. */
void vpass_power_reading(struct vpass *v, unsigned offset, unsigned size);

/* ---- vpass.c, for vpass_vfs.c ---- */

/* Its function is awake again: what the VM says holds. */
void vpass_came_back(struct vpass *v);
/* The VM's timer looks at it at this dev_pass_now, or somewhat earlier. */
void vpass_look_at(struct vpass *v, uint64_t when);

/* ---- vpass_vfs.c ---- */

/* The machine has as many as the VM has made, or will have. Of any function. */
void vpass_vfs_follow(struct vpass *v);
/* The physical function goes to sleep, and is awake again as it was before. */
void vpass_vfs_sleep(struct vpass *v);
void vpass_vfs_wake(struct vpass *v);
/* There are none any more: a reset of the physical function takes them away. */
void vpass_vfs_forget(struct vpass_function *physical);

/* Channels in compatibility mode, whose base address registers mean nothing. */
void vpass_ide_find(struct vpass_function *f);
/* The drives come out of the reset that vpass_ide_end holds them in. */
void vpass_ide_begin(const struct vpass_function *f);
/* DMA and commands stop. True: it is such a controller, and its drives are in reset. */
bool vpass_ide_end(const struct vpass_function *f);
/* Accesses to a fixed port, one that happened and one that will. */
void vpass_ide_was_read(struct vpass *v, unsigned bar, unsigned offset, unsigned size);
void vpass_ide_writing(
	struct vpass *v, unsigned bar, unsigned offset, unsigned size, uint64_t value);

#endif
