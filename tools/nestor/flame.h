/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of frames with ticks: as folded stacks, and as a flame graph. */
#ifndef NESTOR_FLAME_H
#define NESTOR_FLAME_H

#include <stdint.h>
#include <stdio.h>

#include "arena.h"

struct flame {
	const char *name;
	uint64_t self;  /* ticks in the frame itself */
	uint64_t total; /* and in those above it: set by flame_sum() */
	struct flame *children;
	struct flame *next;
};

/* The frame @name on @parent, which is made if there is none. @name must outlive the tree. */
struct flame *flame_child(struct arena *a, struct flame *parent, const char *name);

/* Sums up, and sorts frames that have the same parent by name. */
void flame_sum(struct flame *root);

/* "a;b;c TICKS", a line for each stack that has ticks of its own; the root's name is left out.
 */
void flame_write_folded(const struct flame *root, FILE *out);

/* An SVG, the root at the bottom, with nothing loaded from elsewhere. */
void flame_write_svg(const struct flame *root, const char *title, FILE *out);

#endif
