/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run on another machine: by ssh, which knows who may do so. There `nestor dial` connects to
 * the run's socket, and passes on what is said in both directions.
 */
#ifndef NESTOR_CLIENT_SSH_H
#define NESTOR_CLIENT_SSH_H

#include <stdbool.h>
#include <sys/types.h>

#include "status.h"

/* Is it the address of a run on another machine: ssh://[USER@]HOST[:PORT]/PATH? */
bool client_ssh_is(const char *at);

/*
 * Starts ssh, or what the environment's NESTOR_SSH names, with its messages on standard error.
 * The descriptor of a socket, and *child; or -1, and why in @e.
 */
int client_ssh_open(const char *at, pid_t *child, struct error *e);
void client_ssh_close(pid_t child);

/* Passes on what standard input says to @fd, and back to standard output, until one ends. */
int client_ssh_dial(int fd, struct error *e);

#endif
