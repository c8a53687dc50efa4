/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs that manage a run which listens at a socket (`nestor run --manage PATH`): what they
 * ask, and how the answers look, as text for people or as JSON.
 */
#ifndef NESTOR_CLIENT_H
#define NESTOR_CLIENT_H

#include <stdbool.h>

#include "status.h"

/* Is there such a verb? */
bool client_has(const char *verb);

/* For messages: the verbs, with commas. */
const char *client_verbs(void);

/* Prints a line for each of them: what it takes, and what it does. */
void client_list(void);

/* How the verb is used. */
void client_help(const char *verb);

/* Runs the verb argv[1] and returns the exit status. */
int client_run(int argc, char **argv, struct error *e);

#endif
