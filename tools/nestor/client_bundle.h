/* SPDX-License-Identifier: Apache-2.0 */
/* `nestor bundle`: one archive with all that a report on a nest needs. */
#ifndef NESTOR_CLIENT_BUNDLE_H
#define NESTOR_CLIENT_BUNDLE_H

#include "client_link.h"

/*
 * Writes @file, a .tar.gz: what the VMs are, and of each vCPU figures, registers, VMCSs, code
 * and stack, of each VM the last refusals. VMs that run are paused meanwhile. What cannot be
 * had says why in its place. A signal that @l wakes up for ends it.
 */
int client_bundle(struct client_link *l, const char *file, struct error *e);

#endif
