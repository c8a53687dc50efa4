/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of clients of Redfish: a secret of their own for the token. All that `nestor serve`
 * keeps; who has lost one, because it was begun again, begins another.
 */
#ifndef NESTOR_SERVE_SESSION_H
#define NESTOR_SERVE_SESSION_H

#include <stdbool.h>

#include "serve_auth.h"
#include "serve_route.h"

#define SESSIONS      64
#define SESSIONS_EACH 8    /* of one name; its one that was idle longest makes room */
#define SESSION_TIME  1800 /* seconds without a request until it ends */

struct serve_session {
	char id[SERVE_WORD], secret[SERVE_WORD]; /* id empty: there is none */
	char user[SERVE_WORD];
	struct serve_who who; /* whose token it stands for */
	double used;
};

/* Begins one, and may end one of the same name for it, of no other. NULL, or why not. */
const char *serve_session_begin(
	const char *user, const struct serve_who *who, struct serve_session *s);
/* Is it the secret of one? Then it is not idle; whose is in @who. */
bool serve_session_known(const char *secret, struct serve_who *who);
/* A copy of the session with that id, without its secret. */
bool serve_session_find(const char *id, struct serve_session *s);
/* Copies of all; returns how many. */
unsigned serve_session_list(struct serve_session s[SESSIONS]);
/* False: there is no such one. */
bool serve_session_end(const char *id);

#endif
