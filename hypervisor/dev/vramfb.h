/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture in a VM's RAM that its firmware or its kernel shows: where it is and how large,
 * as the guest wrote to the file etc/ramfb (spec/fwcfg.h). Not here: what is in the picture,
 * and who looks at it (vm/screen.c).
 */
#ifndef NESTOR_DEV_VRAMFB_H
#define NESTOR_DEV_VRAMFB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/picture.h"
#include "spec/fwcfg.h"

#define VRAMFB_LEAST  16u                                   /* pixels of a side */
#define VRAMFB_STRIDE (4 * PICTURE_SIDE * sizeof(uint32_t)) /* bytes at most */

struct platform;

/*
 * All zero: there is no picture. Else within the limits; whether there is RAM nobody has asked.
 */
struct vramfb_state {
	uint64_t address; /* guest-physical, of the pixel at the top left */
	uint32_t width, height;
	uint32_t stride; /* bytes from a row to the next */
	uint32_t reserved;
};

struct vramfb {
	struct vramfb_state s;
};

void vramfb_reset(struct platform *p);

/* The guest has written the file; what cannot be shown changes nothing. */
void vramfb_wrote(struct platform *p, const uint8_t file[RAMFB_SIZE]);

/* Taken and put back: state.h. Valid: whether the device can be in it; set checks the same. */
void vramfb_get_state(const struct vramfb *v, struct vramfb_state *s);
bool vramfb_valid_state(const struct platform *p, const struct vramfb_state *s);
bool vramfb_set_state(struct platform *p, const struct vramfb_state *s);

#endif
