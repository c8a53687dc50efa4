/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of the host tool: rows as hypervisor/policy/setting.h describes them, for the keys
 * of scenarios and the options of the command line alike, so that both give the same error
 * messages.
 */
#ifndef NESTOR_SETTING_H
#define NESTOR_SETTING_H

#include "arena.h"
#include "policy/setting.h"
#include "status.h"

/* A file that the user named, and where: the option, or file, line and key of a scenario. */
struct place {
	const char *path; /* NULL: not given */
	const char *where;
};

/*
 * The rows for one structure: tables, ended by NULL. Rows without a name are L0's alone and not
 * found here.
 */
typedef const struct setting *const setting_tables[];

/* Finds @name; NULL if it is not there. */
const struct setting *setting_find(setting_tables tables, const char *name);

/*
 * Parses @text by @s and stores the value in @object. @where names the place that set it;
 * relative file names are taken from the folder @base (NULL: as they are).
 */
int setting_apply(const struct setting *s, void *object, const char *text, const char *where,
	const char *base, struct arena *a, struct error *e);

/* Lists the names of the rows as "a, b, c". */
const char *setting_names(setting_tables tables, struct arena *a);

#endif
