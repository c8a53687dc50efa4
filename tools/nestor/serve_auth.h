/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask: a token, by itself, as the password of Basic, or for a session. */
#ifndef NESTOR_SERVE_AUTH_H
#define NESTOR_SERVE_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

#define AUTH_TOKEN_MIN 16u
#define AUTH_TOKEN_MAX 255u

/* Is @given the secret? Takes the same time wherever they differ. */
bool serve_same(const char *given, const char *secret);

/* Does the value of an Authorization header have the token: `Bearer TOKEN`, or `Basic` with it
 * as the password of any user? */
bool serve_authorized(const char *header, const char *token);

/* Reads a file's first line, which nobody else must be able to read, as a token. */
int serve_read_token(const char *path, char token[AUTH_TOKEN_MAX + 1], struct error *e);

#endif
