/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may ask what: tokens, each by itself, as the password of Basic, or for a session. Each
 * has a role, and may have a name.
 */
#ifndef NESTOR_SERVE_AUTH_H
#define NESTOR_SERVE_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve_route.h"
#include "status.h"

#define AUTH_TOKEN_MIN 16u
#define AUTH_TOKEN_MAX 255u

#define AUTH_TOKENS 64u /* of a file */
#define AUTH_HASH   32u /* bytes of SHA-256 */
#define AUTH_NAME   33u /* characters of a name, with the NUL */

/* Each may what those before it may. */
enum serve_role {
	ROLE_READ,
	ROLE_OPERATE,
	ROLE_ADMIN
};

struct serve_who {
	char name[AUTH_NAME]; /* empty: whose token it is was not said */
	enum serve_role role;
};

struct serve_tokens {
	struct {
		struct serve_who who;
		uint8_t hash[AUTH_HASH]; /* of the token */
	} at[AUTH_TOKENS + 1];
	unsigned count;
};

/* `read`, `operate`, `admin`. */
const char *serve_role_word(enum serve_role role);
/* The least role that may ask for a route. */
enum serve_role serve_role_needed(enum serve_id id);

/* Is @given the secret? Takes the same time wherever they differ. */
bool serve_same(const char *given, const char *secret);

/* Whose token it is. Takes the same time for each of the same length. */
bool serve_tokens_know(const struct serve_tokens *t, const char *token, struct serve_who *who);
/* Does the value of an Authorization header have a token: `Bearer TOKEN`, or `Basic` with it as
 * the password of any user? Whose is in @who. */
bool serve_authorized(const char *header, const struct serve_tokens *t, struct serve_who *who);

/* Reads a file's first line, which nobody else must be able to read, as a token. */
int serve_read_token(const char *path, char token[AUTH_TOKEN_MAX + 1], struct error *e);

/* It is an admin's, without a name. */
void serve_tokens_add(struct serve_tokens *t, const char *token);
/*
 * Adds those of a file of root or of who runs this, which nobody else must be able to write: a
 * line each, `NAME ROLE SHA-256`, the last one of the token and in hexadecimal; empty lines,
 * and comments from # on.
 */
int serve_read_tokens(const char *path, struct serve_tokens *t, struct error *e);

#endif
