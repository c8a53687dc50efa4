/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's own disk: a file of any size, of whole sectors, that the machine reads and, if
 * its changes are kept, writes.
 */
#ifndef NESTOR_MACHINE_DISK_H
#define NESTOR_MACHINE_DISK_H

#include "arena.h"
#include "scenario.h"
#include "status.h"

#define MACHINE_DISK_SECTOR 512u

/*
 * Can the file be the disk of this scenario's machine? @iso: what it boots; path NULL: nothing.
 */
int machine_disk_check(const struct scenario_spec *s, const struct place *iso, struct error *e);

/*
 * Makes the disk known in the machine's folder, at *path, and its *size. Until this program
 * ends no other run can write it. Without a disk *path is NULL.
 */
int machine_disk_prepare(struct arena *a, const struct machine_spec *m, const char *folder,
	const char **path, uint64_t *size, struct error *e);

#endif
