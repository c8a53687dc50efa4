/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/vmx_features.h"

#define HAS(id)      (1ull << CAPS_FEATURE_##id)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct feature {
	const char *name;
	bool on;
	uint64_t needs;
};

static const struct feature features[CAPS_FEATURE_COUNT] = {
#define FEATURE(id, name, on, needs) {name, on, needs},
#define GROUP(name, mask)
#define PRESET(name, mask)
#include "spec/vmx_features.def"
};

struct named_mask {
	const char *name;
	uint64_t mask;
};

static const struct named_mask groups[] = {
#define FEATURE(id, name, on, needs)
#define GROUP(name, mask) {name, mask},
#define PRESET(name, mask)
#include "spec/vmx_features.def"
};

/* Each row adds to those before it. */
static const struct named_mask presets[] = {
#define FEATURE(id, name, on, needs)
#define GROUP(name, mask)
#define PRESET(name, mask) {name, mask},
#include "spec/vmx_features.def"
};

static bool name_is(const char *name, const char *s, size_t len)
{
	size_t i = 0;

	while (i < len && name[i] != '\0' && name[i] == s[i])
		i++;
	return i == len && name[i] == '\0';
}

uint64_t caps_feature_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < COUNT(features); i++)
		if (name_is(features[i].name, name, len))
			return 1ull << i;
	for (size_t i = 0; i < COUNT(groups); i++)
		if (name_is(groups[i].name, name, len))
			return groups[i].mask;
	return 0;
}

const char *caps_feature_name(enum caps_feature feature)
{
	return features[feature].name;
}

uint64_t caps_feature_needs(enum caps_feature feature)
{
	return features[feature].needs;
}

uint64_t caps_features_default(void)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < COUNT(features); i++)
		if (features[i].on)
			mask |= 1ull << i;
	return mask;
}

/* What the preset with this index stands for; behind the last one: the default. */
static uint64_t preset_mask(size_t index)
{
	uint64_t sum = HAS(BASE);

	if (index == COUNT(presets))
		return caps_features_default();
	for (size_t i = 0; i <= index; i++)
		sum |= presets[i].mask;
	return sum & caps_features_default();
}

static bool preset(const char *name, size_t len, uint64_t *mask)
{
	for (size_t i = 0; i < COUNT(presets); i++) {
		if (name_is(presets[i].name, name, len)) {
			*mask = preset_mask(i);
			return true;
		}
	}
	return false;
}

/* One word. A group may have members that are not implemented; one of them must be. */
static bool apply(const char *word, size_t len, bool first, uint64_t *mask)
{
	uint64_t m;

	if (len == 0)
		return false;
	if (first && preset(word, len, mask))
		return true;
	m = caps_feature_by_name(word + 1, len - 1) & ~HAS(BASE);
	if (word[0] == '-')
		*mask &= ~m;
	else if (word[0] == '+')
		m &= caps_features_default();
	else
		m = 0;
	if (word[0] == '+')
		*mask |= m;
	return m != 0;
}

bool caps_features_parse(
	const char *text, size_t len, uint64_t *mask, size_t *bad, size_t *bad_len)
{
	size_t start = 0;

	*mask = caps_features_default();
	while (start <= len) {
		size_t end = start;

		while (end < len && text[end] != ',')
			end++;
		if (!apply(text + start, end - start, start == 0, mask)) {
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
static size_t nearest(uint64_t mask)
{
	size_t best = COUNT(presets);

	for (size_t i = 0; i < COUNT(presets); i++)
		if (1 + bits_in(mask ^ preset_mask(i)) < bits_in(mask ^ preset_mask(best)))
			best = i;
	return best;
}

size_t caps_features_format(uint64_t mask, char *buf, size_t size)
{
	struct out o = {buf, size, 0};
	size_t base = nearest(mask);
	uint64_t changes = mask ^ preset_mask(base);

	put(&o, base < COUNT(presets) ? presets[base].name : "");
	for (size_t i = 0; i < COUNT(features); i++) {
		if (!(changes >> i & 1))
			continue;
		put(&o, o.used > 0 ? "," : "");
		put(&o, mask >> i & 1 ? "+" : "-");
		put(&o, features[i].name);
	}
	return o.used;
}

void caps_features_list(char *buf, size_t size)
{
	struct out o = {buf, size, 0};

	put(&o, "presets:");
	for (size_t i = 0; i < COUNT(presets); i++) {
		put(&o, " ");
		put(&o, presets[i].name);
	}
	put(&o, "; features:");
	for (size_t i = CAPS_FEATURE_BASE + 1; i < COUNT(features); i++) {
		if (!features[i].on)
			continue;
		put(&o, " ");
		put(&o, features[i].name);
	}
	put(&o, "; not implemented yet:");
	for (size_t i = 0; i < COUNT(features); i++) {
		if (features[i].on)
			continue;
		put(&o, " ");
		put(&o, features[i].name);
	}
}
