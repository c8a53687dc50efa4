/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks of VMs that are files of this host, and not loaded: those whose changes are kept, and
 * those that are too large for the memory of a machine. The emulated machine has a device for
 * them (tools/machine/bochs_disk.c).
 */
#ifndef NESTOR_HOST_DISK_H
#define NESTOR_HOST_DISK_H

#include "machine.h"
#include "scenario.h"

/* A larger image is not loaded. */
#define HOST_DISK_LOADED_MAX (1ULL << 30)

/* Bytes of an empty disk that somebody asks for while the run goes. */
#define HOST_DISK_SCRATCH_MAX (1ULL << 40)

/*
 * Decides which disks are such files, and numbers them: config.host and config.size. A file
 * that cannot be looked at is not one, unless its changes are to be kept.
 */
int host_disks_number(struct scenario_spec *s, struct error *e);

/*
 * Does nobody else in the scenario, nor the machine's disk or the ISO image, have a file that
 * is written?
 */
int host_disks_check(const struct scenario_spec *s, const struct place *iso, struct error *e);

/*
 * Makes them known in the machine's folder. Until this program ends no other run writes them,
 * or has what this one writes. Does nothing if there are none.
 */
int host_disks_prepare(struct arena *a, const struct scenario_spec *s, enum machine_kind kind,
	const char *folder, struct error *e);

/* A disk of such a kind on an image: refused, with what to do. */
int host_disks_refuse(const struct vm_spec *vm, struct error *e);

/* ---- bays: what is in them comes while the run goes ---- */

#define HOST_BAYS (LIMIT_VMS * LIMIT_DISKS)

struct host_bays {
	const struct scenario_spec *s;
	const char *folder; /* the machine's */
	/* what is in a bay, by number less one, with its lock; -1: nothing */
	int file[HOST_BAYS];
	int next[HOST_BAYS];                          /* what is offered just now; likewise */
	bool keeps[HOST_BAYS], next_keeps[HOST_BAYS]; /* are they written? */
};

/* @folder and @s must outlive it. */
void host_bays_begin(struct host_bays *b, const struct scenario_spec *s, const char *folder);
void host_bays_end(struct host_bays *b);
/* The number of the bay behind a root port; 0: there is none. */
uint32_t host_bay_find(const struct host_bays *b, const char *vm, unsigned port);
/*
 * Puts a file where the machine finds it when Nestor looks; it is taken, unless there is a
 * reason why not. @keep: it is written.
 */
const char *host_bay_offer(struct host_bays *b, uint32_t bay, int file, bool keep);
/* Nestor has looked: it is what the bay has now, or not. */
void host_bay_settle(struct host_bays *b, uint32_t bay, bool taken);

#endif
