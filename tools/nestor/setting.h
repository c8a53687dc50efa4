/*
 * Settings: the named values that a scenario's keys and the command line's options set.
 *
 * A table row says what a value may be, so that both give the same error messages.
 */
#ifndef NESTOR_SETTING_H
#define NESTOR_SETTING_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "status.h"

enum setting_kind {
	SETTING_SIZE,         /* uint64_t, bytes: 512M, 2G; a multiple of @min, at most @max */
	SETTING_NUMBER,       /* uint64_t from @min to @max */
	SETTING_SWITCH,       /* uint64_t: on 1, off 0 */
	SETTING_CHOICE,       /* uint64_t: index in @choices */
	SETTING_NAME,         /* const char *: letters, digits, '-', '_' and '.', at most 31 */
	SETTING_LINE,         /* const char *: printable text of at most @max bytes */
	SETTING_CPU_LIST,     /* const char *: CPU numbers below 64, as in 0,2-3 */
	SETTING_FILE,         /* struct place */
	SETTING_VMX_FEATURES, /* const char *: choice of VT-x features, spec/vmx_features.h */
};

/* A file that the user named, and where: the option, or file, line and key of a scenario. */
struct place {
	const char *path; /* NULL: not given */
	const char *where;
};

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t offset; /* of the value in the structure that the table is for */
	uint64_t min, max;
	const char *const *choices; /* ends with NULL */
};

/* Finds @name in a table that ends with a row without name; NULL if it is not there. */
const struct setting *setting_find(const struct setting *table, const char *name);

/*
 * Parses @text by @s and stores the value in @object. @where names the place that set it;
 * relative file names are taken from the folder @base (NULL: as they are).
 */
int setting_apply(const struct setting *s, void *object, const char *text, const char *where,
	const char *base, struct arena *a, struct error *e);

/* Lists the names of a table as "a, b, c". */
const char *setting_names(const struct setting *table, struct arena *a);

/* Parses digits with one of the suffixes K, M, G, T; 0 when it is nothing of the kind. */
uint64_t setting_parse_size(const char *text);

#endif
