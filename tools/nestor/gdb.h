/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `nestor gdb VM[:VCPU]`: a VM of a run as a target of a stock GDB, of L1 or of L2
 * (docs/gdb.md): one GDB at a time, at a socket.
 */
#ifndef NESTOR_GDB_H
#define NESTOR_GDB_H

#include "client_link.h"

#define GDB_LISTEN "127.0.0.1:1234" /* unless --listen says where */

/*
 * Waits for a GDB, serves it and returns when it has gone, the VM has ended, or SIGINT or
 * SIGTERM came; the VM goes on then, unless it stood still before. @level: NULL, that where a
 * vCPU is; else `l1` or `l2` (or the digit alone).
 */
int gdb_serve(struct client_link *l, const char *vm, const char *level, const char *listen,
	struct error *e);

#endif
