/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks for bays, from a folder that `nestor serve` was told of, or empty ones. A name is one
 * of that folder and never a path.
 */
#ifndef NESTOR_SERVE_DISKS_H
#define NESTOR_SERVE_DISKS_H

#include "serve_api.h"
#include "status.h"

/*
 * @from: a folder, or NULL: there are no such disks. @limit: the largest empty disk, in
 * words, or NULL: there are none; they are in @folder.
 */
int serve_disks_begin(const char *from, const char *limit, const char *folder, struct error *e);

/* Puts what the request names into its bay, and attaches it. False: why is in the problem. */
bool serve_disks_fill(struct serve_job *j);

#endif
