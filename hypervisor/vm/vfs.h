/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual functions of the network devices of a VM (SR-IOV). Each is a network device with a
 * port of its own; those that the guest has not turned on are there, too, and as after reset.
 * With the lock of the platform, but for vfs_create.
 */
#ifndef NESTOR_VM_VFS_H
#define NESTOR_VM_VFS_H

#include <stdbool.h>
#include <stdint.h>

struct device_net_state;
struct vm;

/* Their memory, at the VM's creation. False: its pool is too small. */
bool vfs_create(struct vm *vm);
/* They come with their network device, which has been created; refused: as its own. */
bool vfs_add(struct vm *vm, unsigned net, uint64_t refused);
/* They leave, before it does. */
void vfs_remove(struct vm *vm, unsigned net);

/* They have come to another network, with their device. */
void vfs_moved(struct vm *vm, unsigned net);
/* Their links are the device's. */
void vfs_set_link(struct vm *vm, unsigned net, bool up);
/* Frames may have come for some. */
void vfs_arrived(struct vm *vm);

/* LIMIT_VM_VFS states; those of devices that are not there stay as they are. */
void vfs_get_state(const struct vm *vm, struct device_net_state *s);
bool vfs_set_state(const struct vm *vm, const struct device_net_state *s);

#endif
