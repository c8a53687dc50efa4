/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Families of named features, and the texts that choose among them: `-ept,-vpid`, or a CPU
 * generation with changes, `haswell,-shadow`. A mask has a bit for each feature of the family;
 * the one with number 0, its base, cannot be chosen and is always there. Pure; shared by L0 and
 * the host tool.
 */
#ifndef NESTOR_SPEC_FEATURE_NAMES_H
#define NESTOR_SPEC_FEATURE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feature_name {
	const char *name;
	bool on;        /* Nestor can offer it, and does when nothing is said */
	uint64_t needs; /* mask of features without which it is not offered */
};

struct feature_group {
	const char *name;
	uint64_t mask;
};

struct feature_family {
	const struct feature_name *features;
	size_t count;                       /* 64 at most */
	const struct feature_group *groups; /* one name for several */
	size_t group_count;
	const struct feature_group *presets; /* each row adds to those before it */
	size_t preset_count;
};

/* The mask of a feature or group of this name, 0 when there is none. */
uint64_t feature_by_name(const struct feature_family *f, const char *name, size_t len);

/* What a VM gets when nothing is said: all that Nestor implements. */
uint64_t features_default(const struct feature_family *f);

/*
 * The mask that a text asks for. Words with commas between them: a preset, first if at all,
 * then +NAME and -NAME from left to right; without a preset they change the default. A preset
 * has what that generation had, as far as Nestor implements it. False: *bad is the offset and
 * *bad_len the length of the word at fault, a name that does not exist, or +NAME of a feature
 * that Nestor does not implement.
 */
bool features_parse(const struct feature_family *f, const char *text, size_t len,
	uint64_t *mask, size_t *bad, size_t *bad_len);

/*
 * Such a text, as short as it can be, for a mask that features_parse() gave; returns its
 * length. Empty for the default. Cut when it does not fit; size > 0.
 */
size_t features_format(const struct feature_family *f, uint64_t mask, char *buf, size_t size);

/*
 * The words that such a text may have, in one line: "presets: ...; features: ...". Cut when it
 * does not fit; size > 0.
 */
void features_list(const struct feature_family *f, char *buf, size_t size);

/* mask without what lacks a feature that it needs. */
uint64_t features_with_needs(const struct feature_family *f, uint64_t mask);

#endif
