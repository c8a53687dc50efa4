/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/manage.h"

#include "lib/fmt.h"

enum kind {
	KIND_TEXT,
	KIND_NUMBER,
	KIND_BYTES,
	KIND_WORD
};

static const struct {
	const char *key;
	enum kind kind;
	uint64_t least, most;
} args[MANAGE_ARGS] = {
#define A(name, key, kind, least, most) {key, KIND_##kind, least, most},
#include "lib/manage.def"
};

/* For the table: sets of arguments. */
#define M(name) (UINT64_C(1) << MANAGE_ARG_##name)

static const struct {
	const char *word;
	enum manage_place place;
	uint64_t needs, may;
} ops[MANAGE_OPS] = {
#define O(name, word, place, needs, may) {word, MANAGE_BY_##place, needs, may},
#include "lib/manage.def"
};

static const char *const statuses[] = {
#define S(name, word) word,
	MANAGE_STATUSES
#undef S
};

enum manage_place manage_place(enum manage_op op)
{
	return ops[op].place;
}

const char *manage_word(enum manage_op op)
{
	return ops[op].word;
}

const char *manage_status_word(enum manage_status status)
{
	return statuses[status];
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_bytes(struct text value, struct manage_request *r, uint64_t *count)
{
	if (value.len == 0 || value.len % 2 != 0 || value.len / 2 > sizeof(r->data))
		return false;
	for (size_t i = 0; i < value.len; i += 2) {
		int high = digit(value.s[i]), low = digit(value.s[i + 1]);

		if (high < 0 || low < 0)
			return false;
		r->data[i / 2] = (uint8_t)(high << 4 | low);
	}
	*count = value.len / 2;
	return true;
}

static bool read_text(enum manage_arg arg, struct text value, struct manage_request *r)
{
	if (value.len < args[arg].least)
		return false;
	switch (arg) {
	case MANAGE_ARG_LIKE:
		return text_copy(value, r->like, sizeof(r->like));
	case MANAGE_ARG_WITH:
		return text_copy(value, r->with, sizeof(r->with));
	case MANAGE_ARG_DEVICE:
		return text_copy(value, r->device, sizeof(r->device));
	case MANAGE_ARG_DISK:
		return text_copy(value, r->disk, sizeof(r->disk));
	case MANAGE_ARG_IMAGE:
		return text_copy(value, r->image, sizeof(r->image));
	case MANAGE_ARG_PORT:
		return text_copy(value, r->port, sizeof(r->port));
	case MANAGE_ARG_CPUS:
		return text_copy(value, r->cpus, sizeof(r->cpus));
	case MANAGE_ARG_NETWORK:
		return text_copy(value, r->network, sizeof(r->network));
	default:
		return text_copy(value, r->vm, sizeof(r->vm));
	}
}

static bool read_value(enum manage_arg arg, struct text value, struct manage_request *r)
{
	uint64_t *number = &r->number[arg];

	switch (args[arg].kind) {
	case KIND_TEXT:
		return read_text(arg, value, r);
	case KIND_WORD:
		return value.len != 0 && text_copy(value, r->word, sizeof(r->word));
	case KIND_BYTES:
		return read_bytes(value, r, number);
	default:
		if (text_number(value, number) && *number >= args[arg].least &&
			*number <= args[arg].most)
			return true;
		*number = 0;
		return false;
	}
}

static const char *say(struct manage_request *r, unsigned arg, const char *what)
{
	fmt(r->wrong, sizeof(r->wrong), "%s %s", args[arg].key, what);
	return r->wrong;
}

/* What the value of an argument must be. */
static const char *must_be(enum manage_arg arg, struct manage_request *r)
{
	const char *key = args[arg].key;
	unsigned long long least = args[arg].least, most = args[arg].most;

	if (args[arg].kind == KIND_BYTES)
		fmt(r->wrong, sizeof(r->wrong),
			"%s must be %llu to %llu bytes, each of two hexadecimal digits", key,
			least, most);
	else if (args[arg].kind != KIND_NUMBER)
		fmt(r->wrong, sizeof(r->wrong), "%s must have %llu to %llu characters", key,
			least, most);
	else if (most == UINT64_MAX)
		fmt(r->wrong, sizeof(r->wrong), "%s must be a number of 64 bits", key);
	else
		fmt(r->wrong, sizeof(r->wrong), "%s must be a number from %llu to %llu", key,
			least, most);
	return r->wrong;
}

/* NULL, or what is wrong. */
static const char *read_argument(struct text word, struct manage_request *r)
{
	struct text key, value;

	if (!text_key_value(word, &key, &value))
		return "an argument must be KEY=VALUE";
	for (unsigned arg = 0; arg < MANAGE_ARGS; arg++) {
		if (!text_is(key, args[arg].key))
			continue;
		if (r->given & UINT64_C(1) << arg)
			return say(r, arg, "is there twice");
		if (!read_value(arg, value, r))
			return must_be(arg, r);
		r->given |= UINT64_C(1) << arg;
		return NULL;
	}
	return "there is no such argument";
}

static const char *check(struct manage_request *r)
{
	uint64_t given = r->given & ~M(ID), missing, more;

	if (!(r->given & M(ID)))
		return "it has no id";
	if (r->op == MANAGE_OPS)
		return "there is no such request";
	missing = ops[r->op].needs & ~given;
	if (missing)
		return say(r, (unsigned)__builtin_ctzll(missing), "is missing");
	more = given & ~(ops[r->op].needs | ops[r->op].may);
	return more ? say(r, (unsigned)__builtin_ctzll(more), "is no argument of it") : NULL;
}

bool manage_parse(struct text line, struct manage_request *r, const char **why)
{
	struct text word = text_word(&line);
	const char *first = NULL;

	*r = (struct manage_request){.op = 0};
	while (r->op < MANAGE_OPS && !text_is(word, ops[r->op].word))
		r->op++;
	for (word = text_word(&line); word.len != 0; word = text_word(&line)) {
		const char *wrong = read_argument(word, r);

		if (first == NULL)
			first = wrong;
	}
	if (first == NULL)
		first = check(r);
	*why = first;
	return first == NULL;
}
