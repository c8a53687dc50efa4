/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/feature_names.h"

#define BASE 1ull

static bool name_is(const char *name, const char *s, size_t len)
{
	size_t i = 0;

	while (i < len && name[i] != '\0' && name[i] == s[i])
		i++;
	return i == len && name[i] == '\0';
}

uint64_t feature_by_name(const struct feature_family *f, const char *name, size_t len)
{
	for (size_t i = 0; i < f->count; i++)
		if (name_is(f->features[i].name, name, len))
			return 1ull << i;
	for (size_t i = 0; i < f->group_count; i++)
		if (name_is(f->groups[i].name, name, len))
			return f->groups[i].mask;
	return 0;
}

uint64_t features_default(const struct feature_family *f)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < f->count; i++)
		if (f->features[i].on)
			mask |= 1ull << i;
	return mask;
}

/* What the preset with this index stands for; behind the last one: the default. */
static uint64_t preset_mask(const struct feature_family *f, size_t index)
{
	uint64_t sum = BASE;

	if (index == f->preset_count)
		return features_default(f);
	for (size_t i = 0; i <= index; i++)
		sum |= f->presets[i].mask;
	return sum & features_default(f);
}

static bool preset(const struct feature_family *f, const char *name, size_t len, uint64_t *mask)
{
	for (size_t i = 0; i < f->preset_count; i++) {
		if (name_is(f->presets[i].name, name, len)) {
			*mask = preset_mask(f, i);
			return true;
		}
	}
	return false;
}

/* One word. A group may have members that are not implemented; one of them must be. */
static bool apply(const struct feature_family *f, const char *word, size_t len, bool first,
	uint64_t *mask)
{
	uint64_t m;

	if (len == 0)
		return false;
	if (first && preset(f, word, len, mask))
		return true;
	m = feature_by_name(f, word + 1, len - 1) & ~BASE;
	if (word[0] == '-')
		*mask &= ~m;
	else if (word[0] == '+')
		m &= features_default(f);
	else
		m = 0;
	if (word[0] == '+')
		*mask |= m;
	return m != 0;
}

bool features_parse(const struct feature_family *f, const char *text, size_t len,
	uint64_t *mask, size_t *bad, size_t *bad_len)
{
	size_t start = 0;

	*mask = features_default(f);
	while (start <= len) {
		size_t end = start;

		while (end < len && text[end] != ',')
			end++;
		if (!apply(f, text + start, end - start, start == 0, mask)) {
			*bad = start;
			*bad_len = end - start;
			return false;
		}
		start = end + 1;
	}
	return true;
}

struct out {
	char *buf;
	size_t size, used;
};

static void put(struct out *o, const char *s)
{
	while (*s != '\0' && o->used + 1 < o->size)
		o->buf[o->used++] = *s++;
	o->buf[o->used] = '\0';
}

static unsigned bits_in(uint64_t mask)
{
	unsigned n = 0;

	for (; mask != 0; mask &= mask - 1)
		n++;
	return n;
}

/* The index of the preset that needs the fewest words; behind the last one: the default. */
static size_t nearest(const struct feature_family *f, uint64_t mask)
{
	size_t best = f->preset_count;

	for (size_t i = 0; i < f->preset_count; i++)
		if (1 + bits_in(mask ^ preset_mask(f, i)) <
			bits_in(mask ^ preset_mask(f, best)))
			best = i;
	return best;
}

size_t features_format(const struct feature_family *f, uint64_t mask, char *buf, size_t size)
{
	struct out o = {buf, size, 0};
	size_t base = nearest(f, mask);
	uint64_t changes = mask ^ preset_mask(f, base);

	put(&o, base < f->preset_count ? f->presets[base].name : "");
	for (size_t i = 0; i < f->count; i++) {
		if (!(changes >> i & 1))
			continue;
		put(&o, o.used > 0 ? "," : "");
		put(&o, mask >> i & 1 ? "+" : "-");
		put(&o, f->features[i].name);
	}
	return o.used;
}

static bool all_on(const struct feature_family *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (!f->features[i].on)
			return false;
	return true;
}

void features_list(const struct feature_family *f, char *buf, size_t size)
{
	struct out o = {buf, size, 0};

	put(&o, "presets:");
	for (size_t i = 0; i < f->preset_count; i++) {
		put(&o, " ");
		put(&o, f->presets[i].name);
	}
	put(&o, "; features:");
	for (size_t i = 1; i < f->count; i++) {
		if (!f->features[i].on)
			continue;
		put(&o, " ");
		put(&o, f->features[i].name);
	}
	if (all_on(f))
		return;
	put(&o, "; not implemented yet:");
	for (size_t i = 0; i < f->count; i++) {
		if (f->features[i].on)
			continue;
		put(&o, " ");
		put(&o, f->features[i].name);
	}
}

uint64_t features_with_needs(const struct feature_family *f, uint64_t mask)
{
	uint64_t before;

	do {
		before = mask;
		for (size_t i = 0; i < f->count; i++)
			if (f->features[i].needs & ~mask)
				mask &= ~(1ull << i);
	} while (mask != before);
	return mask;
}
