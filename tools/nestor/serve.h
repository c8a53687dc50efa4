/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `nestor serve`: the VMs of a run by HTTP, for programs (docs/serve.md). A client of the run
 * like the verbs are: it may be killed and begun again, and the run does not notice.
 */
#ifndef NESTOR_SERVE_H
#define NESTOR_SERVE_H

#include "status.h"

void serve_help(void);

/* The verb `serve`, until a signal ends it; returns the exit status. */
int serve_main(int argc, char **argv, struct error *e);

#endif
