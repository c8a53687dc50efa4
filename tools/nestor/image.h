/* SPDX-License-Identifier: Apache-2.0 */
/* Bootable images: GRUB, Nestor and a scenario's files on an ISO for BIOS and UEFI. */
#ifndef NESTOR_IMAGE_H
#define NESTOR_IMAGE_H

#include "boot.h"
#include "command.h"

/* Makes the image o->output; with a slash at its end, a folder for a GRUB that is installed. */
int image_make(struct arena *a, const struct command *o, const struct place *l0,
	const struct vm_files *files, struct error *e);

#endif
