/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files on machines: what is prepared in the same way for each kind. */
#ifndef NESTOR_MACHINE_INT_H
#define NESTOR_MACHINE_INT_H

#include "machine.h"

/* An argument list under construction. */
struct argv {
	const char *item[64];
	unsigned count;
};

void argv_add(struct argv *v, const char *item);

/* Changes the plan as Bochs needs it. */
void bochs_adapt(struct boot_plan *plan);

/* Where the network card is on bus 0, in each kind of machine, and its address. */
#define MACHINE_NET_DEVICE 3
#define MACHINE_NET_MAC    "52:54:00:4e:65:73"

/* What a machine is made of. */
struct machine_parts {
	const struct machine_spec *config;
	const struct boot_plan *plan;
	const char *folder; /* for its files */
	const char *disk;   /* NULL: it has none */
	uint64_t disk_size;
	const char *media;   /* likewise: the one by which media are lent */
	const char *control; /* the terminal that its first serial port is; NULL: it has none */
};

int bochs_prepare(
	struct arena *a, const struct machine_parts *parts, struct argv *v, struct error *e);

int qemu_prepare(
	struct arena *a, const struct machine_parts *parts, struct argv *v, struct error *e);

#endif
