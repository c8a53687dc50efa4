/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices of a VM that are PCI functions: which it has, where they are, their state.
 */
#ifndef NESTOR_VM_DEVICES_H
#define NESTOR_VM_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/limits.h"
#include "virtio/balloon.h"
#include "virtio/blk.h"
#include "virtio/console.h"
#include "virtio/net.h"
#include "virtio/rng.h"
#include "virtio/scsi.h"
#include "virtio/vsock.h"
#include "vm/passed.h"

struct platform_config;
struct vm;
struct vm_images;

/* Places on bus 0 (struct vpci_id), the same in every VM. The host bridge is device 0. */
enum device_place {
	PLACE_PORTS = 1, /* a function each */
	PLACE_RNG = 3,
	PLACE_CONSOLE = 4,
	PLACE_VSOCK = 5,
	PLACE_SCSI = 6,
	PLACE_BALLOON = 7,
	PLACE_DISKS = 8, /* and LIMIT_DISKS - 1 behind it */
	PLACE_NETS = 16  /* and LIMIT_NETS - 1 behind it */
};

/* Where a device is: in its place on bus 0, or behind a root port. */
uint16_t device_place(unsigned place, uint32_t root_port);

struct vm_devices {
	bool has_rng, has_console, has_vsock;
	struct virtio_rng rng;
	struct virtio_console console;
	struct virtio_vsock vsock;
	struct virtio_balloon balloon; /* with config.balloon */
	unsigned disk_count;
	uint32_t disk_port[LIMIT_DISKS]; /* root ports; 0: on bus 0 */
	struct blk_backing backing[LIMIT_DISKS];
	struct virtio_blk blk[LIMIT_DISKS];
	struct virtio_scsi scsi; /* count 0: there is none */
	unsigned net_count;
	struct virtio_net net[LIMIT_NETS];
	struct virtio_net *vf; /* virtual functions of all of these, one device after another */
	struct passed_devices passed; /* of the machine */
	uint32_t bays;                /* disks, bits: `host` may be empty */
	uint32_t out,
		leaving; /* root ports, bits: what is not there; the guest was asked for */
};

struct device_net_state {
	struct virtio_state virtio;
	struct virtio_net_state net;
};

/* Of devices that the VM has not: zero. */
struct devices_state {
	struct virtio_state rng;
	struct virtio_console_state console;
	struct virtio_state vsock;
	struct virtio_state blk[LIMIT_DISKS]; /* what is on the disks travels as RAM does */
	struct blk_remote_state remote[LIMIT_DISKS];
	struct virtio_scsi_state scsi; /* what is on CD-ROMs does not change */
	struct device_net_state net[LIMIT_NETS];
	struct device_net_state vf[LIMIT_VM_VFS];
};

/* At the VM's creation, before devices_reset. The images stay. False: its pool is too small. */
bool devices_create(struct vm *vm, const struct vm_images *images);
/* The platform and all devices as after power-on. */
bool devices_reset(struct vm *vm, const struct platform_config *c);

/* Does what is typed go to the virtio console, whose driver is there, and not to the UART? */
bool devices_have_console(const struct vm *vm);
/* Something was typed, or came for a port: it goes there. In the address space of the VM. */
void devices_console_came(struct vm *vm);
/* The virtio console may have room for what was typed. */
void devices_fill_console(struct vm *vm);
/* The VM has no port open any more. */
void devices_vm_ended(unsigned vm);

/* Frames may have come for the VM. */
void devices_arrived(struct vm *vm);

/* ---- what comes and goes, by root port; with the lock of the platform ---- */

enum devices_slot {
	SLOT_OUT,
	SLOT_IN,
	SLOT_LEAVES /* it is there, and the guest has been asked for it */
};

/* Of a port for which the VM's configuration has something. */
enum devices_slot devices_slot(const struct vm *vm, unsigned port);
#define DEVICES_BAY_EMPTY     "the bay is empty: say which disk (attach --disk)"
#define DEVICES_NOTHING_THERE "the host has put nothing there that could be opened"

/* Into its slot, in SLOT_OUT. NULL, or why not; fresh: as of vm_attach. */
const char *devices_attach(struct vm *vm, unsigned port, bool fresh);
/* Out of it. True: it is gone; else the guest has been asked. */
bool devices_detach(struct vm *vm, unsigned port, bool force);
/* The guest has turned the slot off. */
void devices_slot_off(struct vm *vm, unsigned port);
bool devices_has_net(const struct vm *vm, unsigned net);
/* Of a network device that is there: its link is as the VM's changes say. */
void devices_put_link(struct vm *vm, unsigned net);
/*
 * A network device, there or not, comes to the network that the VM's changes say. False: it is
 * there.
 */
bool devices_put_network(struct vm *vm, unsigned net);

void devices_get_state(struct vm *vm, struct devices_state *s);
/* After platform_set_state. False: a device cannot be in this state. */
bool devices_set_state(struct vm *vm, const struct devices_state *s);

#endif
