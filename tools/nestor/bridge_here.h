/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tool does itself for a client of the bridge (MANAGE_BY_TOOL): events, consoles, what
 * is typed, the end of the run; and what begins with a file. Between files of the bridge.
 */
#ifndef NESTOR_BRIDGE_HERE_H
#define NESTOR_BRIDGE_HERE_H

#include "bridge.h"

/* The VM of that name; LIMIT_VMS: there is none. */
unsigned bridge_find_vm(const struct bridge *b, const char *name);
/* The answer to what the client asked last; @why: a reason, or "". */
void bridge_answer(struct bridge_client *c, enum manage_status status, const char *why);
/* Does it and answers; or the client's request is for Nestor now, or will be. */
void bridge_do(struct bridge *b, struct bridge_client *c, const struct manage_request *r);
/* The file that came with the client's line is nobody's. */
void bridge_forget_file(struct bridge_client *c);

#endif
