/* SPDX-License-Identifier: Apache-2.0 */
/* What vpass.c asks of IDE controllers. Functions of another class are left alone. */
#ifndef NESTOR_DEV_VPASS_INT_H
#define NESTOR_DEV_VPASS_INT_H

#include "dev/vpass.h"
#include "spec/ide.h"

#define VPASS_ALL_FIXED ((1u << IDE_CHANNELS) - 1)

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
