/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a running L0, in words: `stop id=7 vm=a`. The answer is a record
 * `answer id=7 status=STATUS ...`, after records `item id=7 ...` if there is more to tell
 * (docs/management.md). Both sides link this; how a request travels is not here. Pure.
 */
#ifndef NESTOR_LIB_MANAGE_H
#define NESTOR_LIB_MANAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/limits.h"
#include "lib/media.h"
#include "lib/text.h"

#define MANAGE_VERSION 1
#define MANAGE_LINE    240u /* characters of a request at most */
#define MANAGE_BYTES   256u /* of memory that one answer has */
#define MANAGE_DATA    64u  /* and one request */
#define MANAGE_WITH    160u /* characters of settings at most */
#define MANAGE_CPUS    160u /* characters of a list of CPUs at most */
#define MANAGE_REASONS 128u /* exit reasons are below */
#define MANAGE_WORD    11u  /* characters of a WORD */
#define MANAGE_WRONG   96u  /* characters of what is wrong, with their end */
#define MANAGE_ITEMS   16u  /* of an answer at most; `next=` tells where to go on */

enum manage_arg {
#define A(name, key, kind, least, most) MANAGE_ARG_##name,
#include "lib/manage.def"
	MANAGE_ARGS
};

enum manage_op {
#define O(name, word, place, needs, may) MANAGE_##name,
#include "lib/manage.def"
	MANAGE_OPS
};

enum manage_place {
	MANAGE_BY_HOST,
	MANAGE_BY_LIFE,
	MANAGE_BY_VM,
	MANAGE_BY_VCPU,
	MANAGE_BY_CONFIG,
	MANAGE_BY_DEVICE,
	MANAGE_BY_TOOL
};

/* S(NAME, word) */
#define MANAGE_STATUSES                                                                        \
	S(OK, "ok")                                                                            \
	S(BAD, "bad-request")   /* it is none: unknown, an argument is missing or wrong */     \
	S(NO_VM, "no-vm")       /* there is no such VM, vCPU, device, or image */              \
	S(STATE, "wrong-state") /* it does not run, or runs already, or is not at the level */ \
	S(NO_MEMORY, "no-memory") /* nothing is at the address */                              \
	S(BUSY, "busy")           /* another request is under way */

enum manage_status {
#define S(name, word) MANAGE_IS_##name,
	MANAGE_STATUSES
#undef S
};

struct manage_request {
	enum manage_op op;
	uint64_t given; /* 1 << enum manage_arg */
	char vm[LIMIT_NAME], like[LIMIT_NAME], with[MANAGE_WITH + 1];
	char device[LIMIT_NAME], disk[LIMIT_NAME], image[LIMIT_NAME], port[LIMIT_NAME];
	char network[LIMIT_NAME], cpus[MANAGE_CPUS + 1];
	uint64_t number[MANAGE_ARGS]; /* 0 where not given; of BYTES: how many */
	uint8_t data[MANAGE_DATA];
	char word[MANAGE_WORD + 1];
	char wrong[MANAGE_WRONG]; /* room for what *why of manage_parse() says */
};

/*
 * Reads a request. False: *why says in words what is wrong with it, of an argument its key and
 * what would be right, until *r changes; and number[MANAGE_ARG_ID] is its id as far as it has
 * one.
 */
bool manage_parse(struct text line, struct manage_request *r, const char **why);

static inline bool manage_given(const struct manage_request *r, enum manage_arg arg)
{
	return r->given & UINT64_C(1) << arg;
}

enum manage_place manage_place(enum manage_op op);
const char *manage_word(enum manage_op op);
const char *manage_status_word(enum manage_status status);

#endif
