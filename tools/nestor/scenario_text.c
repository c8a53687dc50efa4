/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a scenario file; see scenario_text.h. */
#include "scenario_text.h"

#include <stdbool.h>
#include <string.h>
#include <yaml.h>

/*
 * What no scenario needs, and libyaml takes time for that grows with its square: nesting (5 of
 * them are used), nodes, directives.
 */
#define MAX_SIZE       (1024u * 1024)
#define MAX_DEPTH      16
#define MAX_NODES      20000
#define MAX_DIRECTIVES 16

static unsigned line_of(const char *text, const char *at)
{
	unsigned line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

/* Before libyaml sees the file. */
static int check_text(const char *path, const char *text, size_t size, struct error *e)
{
	const char *nul = memchr(text, 0, size);
	unsigned directives = 0;

	if (nul)
		return fail(e, STATUS_BAD_INPUT, "%s:%u: not YAML: a NUL byte", path,
			line_of(text, nul));
	if (size > MAX_SIZE)
		return fail(e, STATUS_BAD_INPUT, "%s:%u: a scenario has 1 MiB at most", path,
			line_of(text, text + MAX_SIZE));
	for (size_t i = 0; i < size; i++)
		if (text[i] == '%' && (i == 0 || text[i - 1] == '\n' || text[i - 1] == '\r') &&
			++directives > MAX_DIRECTIVES)
			return fail(e, STATUS_BAD_INPUT, "%s:%u: more than %d directives", path,
				line_of(text, text + i), MAX_DIRECTIVES);
	return 0;
}

/* The limits that an event may break; depth and nodes count on from the events before. */
static int check_event(const yaml_event_t *event, unsigned *depth, unsigned *nodes,
	const char *path, struct error *e)
{
	bool starts = event->type == YAML_SEQUENCE_START_EVENT ||
		      event->type == YAML_MAPPING_START_EVENT;
	size_t line = event->start_mark.line + 1;

	*depth += starts;
	*depth -=
		event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT;
	*nodes += starts || event->type == YAML_SCALAR_EVENT || event->type == YAML_ALIAS_EVENT;
	if (*depth > MAX_DEPTH)
		return fail(e, STATUS_BAD_INPUT,
			"%s:%zu: lists and mappings nested more than %d deep", path, line,
			MAX_DEPTH);
	if (*nodes > MAX_NODES)
		return fail(e, STATUS_BAD_INPUT, "%s:%zu: more than %d values", path, line,
			MAX_NODES);
	return 0;
}

/* Event by event, so that it ends where a limit is; what is no YAML is left to the document. */
static int check_shape(const char *path, const char *text, size_t size, struct error *e)
{
	unsigned depth = 0, nodes = 0;
	yaml_parser_t parser;
	yaml_event_t event;
	bool ended = false;
	int status = 0;

	if (!yaml_parser_initialize(&parser))
		return fail(e, STATUS_HOST_ERROR, "out of memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	while (!status && !ended && yaml_parser_parse(&parser, &event)) {
		status = check_event(&event, &depth, &nodes, path, e);
		ended = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return status;
}

int scenario_check_text(const char *path, const char *text, size_t size, struct error *e)
{
	int status = check_text(path, text, size, e);

	return status ? status : check_shape(path, text, size, e);
}
