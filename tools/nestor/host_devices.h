/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `nestor check --host`: which PCI functions of a machine could be given to a VM, and why the
 * others could not, as L0 would judge them. What Linux says of the machine is read below /sys.
 */
#ifndef NESTOR_HOST_DEVICES_H
#define NESTOR_HOST_DEVICES_H

#include <jansson.h>
#include <stdbool.h>

#include "arena.h"

struct host_device {
	const char *name; /* as scenarios have it */
	unsigned vendor, device, class;
	unsigned vfs;      /* virtual functions that it can have in its place */
	const char *group; /* that of all that must be the same VM's; NULL: it has none */
	const char *why;   /* it cannot be given; NULL: it can */
};

struct host_devices {
	const char *why; /* nothing is known; NULL: what follows is */
	unsigned unit_count, count;
	bool is_cut;             /* ACS and SR-IOV of some could not be read */
	struct host_device *all; /* by bus, device, function */
};

/* @sys: a folder like /sys. */
void host_devices_read(struct arena *a, const char *sys, struct host_devices *d);

void host_devices_show(const struct host_devices *d);
/* A new reference. */
json_t *host_devices_json(const struct host_devices *d);

#endif
