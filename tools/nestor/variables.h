/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the firmware of VMs keeps in its flash, in files that outlive the run: takes what Nestor
 * sends of it (hypervisor/vm/variables.h), and writes it when the run ends, however it ends.
 */
#ifndef NESTOR_VARIABLES_H
#define NESTOR_VARIABLES_H

#include "boot.h"
#include "scenario.h"

/* Of a VM. */
struct vm_variables {
	const struct place *file; /* NULL: none are kept */
	const char *path;         /* of it, without links; from malloc */
	int lock;                 /* of the file that is there */
	bool changed;             /* since the file was written */
	uint8_t *written;         /* what was whole last; from malloc */
	uint8_t *coming;          /* with all that has come; likewise */
	size_t size;
	size_t at, left; /* of the range that comes */
};

struct variables {
	struct vm_variables vm[LIMIT_VMS];
	bool open;
};

/*
 * The content for the flash of a VM with such a firmware: that of its file, or of the firmware
 * if there is no file yet.
 */
int variables_load(struct arena *a, const struct vm_spec *vm, const struct bytes *firmware,
	struct bytes *out, struct error *e);

/* Do no two VMs of the scenario have the same file? */
int variables_check(const struct scenario_spec *s, struct error *e);

/* Makes the files that are not there, and keeps other runs from all of them. */
int variables_open(struct variables *x, const struct scenario_spec *s,
	const struct vm_files *files, struct error *e);
/* Writes what has changed; the first error, which it returns, in @e, if that has none. */
int variables_close(struct variables *x, struct error *e);

/* A control record; false: it is of something else. */
bool variables_record(struct variables *x, const char *line);
/* Bytes of the range that a VM's record told of. */
void variables_take(struct variables *x, unsigned vm, const uint8_t *bytes, size_t size);

#endif
