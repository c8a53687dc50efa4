/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What displays show, as files: takes the pictures that Nestor sends (lib/picture.h) and writes
 * each to the places that the user named for its VM.
 */
#ifndef NESTOR_SCREENSHOT_H
#define NESTOR_SCREENSHOT_H

#include "boot.h"
#include "cells.h"
#include "font.h"
#include "lib/picture.h"
#include "scenario.h"
#include "sender.h"

#define SCREENSHOT_PLACES (2 * LIMIT_VMS)

/* --screenshot VM=FILE */
struct screenshot_place {
	const char *vm, *file;
};

struct screenshot_places {
	struct screenshot_place place[SCREENSHOT_PLACES];
	unsigned count;
};

/* Of a VM: the picture that comes. */
struct screen {
	bool wanted; /* it has a place */
	bool coming; /* what follows holds */
	bool seen;   /* one has been written */
	bool loaded; /* fonts */
	bool text;   /* characters come */
	uint32_t width, height;
	uint32_t *pixels; /* from malloc; or cells */
	struct cells cells;
	struct picture_decoder decoder;
	struct fonts fonts;
};

struct screenshots {
	const struct scenario_spec *s;
	const struct vm_files *files;
	const struct screenshot_places *places;
	struct screen *screen; /* of each VM; NULL: nobody wants any */
	bool open;
	struct error e; /* the first file that could not be written */
};

/* Is this a name of a file that can be written? */
bool screenshot_file_ok(const char *file);

/* Are the VMs there, with displays? */
int screenshots_open(struct screenshots *x, struct arena *a, const struct scenario_spec *s,
	const struct vm_files *files, const struct screenshot_places *places, struct error *e);
/* Tells which places have got nothing; the first error in @e, if it has none. */
int screenshots_close(struct screenshots *x, struct error *e);

/* Asks Nestor for all that are wanted; false: none is. */
bool screenshots_ask(const struct screenshots *x, struct sender *sender);

/* A control record `screen ...`: a picture comes, or there is none. */
void screenshots_record(struct screenshots *x, const char *line);
/* Bytes of the VM's picture. True: one is under way. */
bool screenshots_take(struct screenshots *x, unsigned vm, const uint8_t *bytes, size_t size);

#endif
