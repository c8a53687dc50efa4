/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM's console by way of the run's socket: what it says goes to standard output, what comes
 * from standard input is typed. Standard input may be the user's terminal, which is raw then.
 */
#ifndef NESTOR_CLIENT_CONSOLE_H
#define NESTOR_CLIENT_CONSOLE_H

#include "client_link.h"

/*
 * @port: instead, the port of this name, whose other end this is until it ends; NULL: none.
 * Until the VM or the run is no more, the user's escape key, or a signal (STATUS_INTERRUPTED).
 * The end of an input that is no terminal does not end it. Each byte of input arrives once, in
 * order.
 */
int client_console(struct client_link *l, const char *vm, const char *port, struct error *e);

#endif
