/* SPDX-License-Identifier: Apache-2.0 */
/* How answers of a run look: for people, or as JSON (docs/management.md has its schema). */
#ifndef NESTOR_CLIENT_SHOW_H
#define NESTOR_CLIENT_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum client_shape {
	SHAPE_NONE,
	SHAPE_TABLE,  /* items alike: a row each */
	SHAPE_LINES,  /* a line each */
	SHAPE_MEMORY, /* bytes, 16 a line */
	SHAPE_EVENTS
};

struct client_show {
	enum client_shape shape;
	json_t *items; /* NULL: for people */
	bool headed;   /* the table's head was shown */
	uint64_t at;   /* of the next byte of memory */
};

void client_show_begin(struct client_show *s, enum client_shape shape, bool json);
/* A line `item id=N key=value...`. */
void client_show_item(struct client_show *s, const char *line);
/* A record, with text= as its last value, if it has one. */
void client_show_event(struct client_show *s, const char *record);
/* ok: the answer is complete, and JSON is printed; else there was an error, and nothing is. */
void client_show_end(struct client_show *s, bool ok);

/* A line `WORD key=value...` as an object, without its word and id. */
json_t *client_show_object(const char *line);

#endif
