/* SPDX-License-Identifier: Apache-2.0 */
/* Files and temporary folders. */
#ifndef NESTOR_FILE_H
#define NESTOR_FILE_H

#include "arena.h"
#include "bytes.h"
#include "status.h"

/*
 * Reads all of @path (a regular file of at most 1 GiB). @where says in errors who named the
 * file: an option, or a place in a scenario.
 */
int file_read(struct arena *a, const char *path, const char *where, struct bytes *out,
	struct error *e);

/* Reads up to @size bytes at @offset of a file, however large it is. */
int file_read_at(struct arena *a, const char *path, const char *where, uint64_t offset,
	size_t size, struct bytes *out, struct error *e);

/*
 * Whether @path can become a new file: its folder is there and may be written, and it is none
 * itself. Else fails with @status, in the words of @where.
 */
int file_check_new(
	const char *path, const char *where, enum exit_status status, struct error *e);

/* Creates or replaces @path with @content. */
int file_write(const char *path, const struct bytes *content, struct error *e);
int file_write_text(const char *path, const char *text, struct error *e);

/* Writes @content at @offset of @path, which is created if need be; gaps read as zeroes. */
int file_write_at(
	const char *path, uint64_t offset, const struct bytes *content, struct error *e);

/* Makes a fresh folder for temporary files and returns its path in @out. */
int file_make_temporary(struct arena *a, const char **out, struct error *e);

/*
 * Makes a file without a name, which is gone with its last user, of so many bytes that read as
 * zeroes; -1: see errno.
 */
int file_make_unnamed(const char *folder, uint64_t size);

/* Removes a folder and all in it; what cannot be removed stays. */
void file_remove_tree(const char *path);

/* Returns where the program @name is in $PATH, or NULL. */
const char *file_find_program(struct arena *a, const char *name);

/* Returns the folder of the running program. */
const char *file_own_folder(struct arena *a);

/* Returns the last path component. */
const char *file_base_name(const char *path);

#endif
