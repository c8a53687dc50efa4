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

int bochs_prepare(struct arena *a, const struct machine_config *config,
	const struct boot_plan *plan, const char *folder, struct argv *v, struct error *e);

int qemu_prepare(struct arena *a, const struct machine_config *config,
	const struct boot_plan *plan, const char *folder, struct argv *v, struct error *e);

/* The path of image @index, written by machine_prepare(). */
const char *machine_image_path(struct arena *a, const char *folder, unsigned index);

#endif
