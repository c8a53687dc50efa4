/* SPDX-License-Identifier: Apache-2.0 */
/* Media by URI, for both faces of `nestor serve`: fetched, and lent to a drive of the run. */
#ifndef NESTOR_SERVE_MEDIA_H
#define NESTOR_SERVE_MEDIA_H

#include "serve_api.h"

/*
 * Fetches what is at @uri and puts it into the drive of the request. It takes as long as it
 * takes (fetch.h). False: why is in the problem.
 */
bool serve_media_insert(struct serve_job *j, const char *uri, bool force);

/*
 * Where what a drive has came from: the medium with this number there. Empty: not from here, or
 * another process fetched it. @out: FETCH_URL_MAX bytes.
 */
void serve_media_origin(const char *vm, const char *disk, uint64_t lent, char *out);

/* Does it wait for the server of a medium? */
bool serve_media_takes_long(const struct serve_request *q);

#endif
