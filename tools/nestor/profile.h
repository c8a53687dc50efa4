/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `nestor run --profile NAME`: what L0's instructions were, by function, as NAME.folded and
 * NAME.svg. The emulator's plugin counts them (tools/machine/bochs_profile.c).
 */
#ifndef NESTOR_PROFILE_H
#define NESTOR_PROFILE_H

#include "bytes.h"
#include "flame.h"
#include "status.h"

/*
 * Makes the file in which the plugin counts, in @folder, and names it in the environment of the
 * emulator, which starts afterwards. @l0: the path of L0's ELF file.
 */
int profile_begin(struct arena *a, const char *l0, const char *folder, struct error *e);

/* Writes NAME.folded and NAME.svg from it. */
int profile_end(
	struct arena *a, const char *l0, const char *folder, const char *name, struct error *e);

/* What profile_end() writes: the stacks of @raw, a struct profile_raw, by the names of @l0. */
int profile_stacks(struct arena *a, const char *l0, const char *folder, const struct bytes *raw,
	struct flame *root, struct error *e);

/* An address of L0 and the functions that it is in: those that are inlined come last. */
struct profile_name {
	uint64_t address;
	const char **names; /* ends with NULL */
};

/*
 * Finds the names of @count addresses of the ELF file @l0, by addr2line where it is installed,
 * else by its symbols. @folder: for a temporary file.
 */
int profile_names(struct arena *a, const char *l0, const char *folder,
	struct profile_name *names, size_t count, struct error *e);

#endif
